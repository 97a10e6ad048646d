"""Actors that move to another server: what they had here goes over once both sides say so, or does not (S-306).

A place in a private group never goes over: whoever moves asks again. A role in a group never does either, while being
shown out does. Of one actor a move is believed once in 30 days, and never one that leads on to another.
"""

from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Row, select

from activitypub.errors import ForeignOrigin, NeedsObject
from activitypub.ports import ActorView, Arrival, KnownActor
from activitypub.uris import Uris
from groups import membership
from groups.endings import note_for_a_while, was_noted
from groups.errors import GroupsError, NotAllowed
from groups.founding import adopt_remote_group
from groups.incoming import IncomingActivity
from groups.places import GROUPS, MEMBERSHIPS
from groups.storing import lock_group
from privacy.unit_of_work import UnitOfWork

ONCE_IN: Final = timedelta(days=30)
MOVED: Final = "moved"
MOST: Final = 200
"""How many places go over with one move."""
SHOWN_OUT: Final = ("removed", "banned")


def receive_move(uow: UnitOfWork, uris: Uris, arrival: Arrival, move: IncomingActivity) -> None:
    """Take in that an actor goes by another address now, if its old document names the new one, and the other way.

    Both are fetched for this. Raises NeedsObject, ForeignOrigin, NotAllowed.
    """
    old = arrival.sender
    if move.object_uri != old.uri or move.target_uri is None or old.local or uris.is_local(move.target_uri):
        return
    _check_rest(uow, old.uri, move.target_uri)
    then, now = _fetched(arrival, old.uri), _fetched(arrival, move.target_uri)
    if then is None or now is None:
        return
    if then.moved_to != now.view.uri or old.uri not in now.also_known_as or now.moved_to is not None:
        raise ForeignOrigin(f"{old.uri} and {move.target_uri} do not say that they are one")
    if now.view.kind != old.kind or now.view.state != "active" or now.view.id == old.id:
        raise NotAllowed(f"move of actor {old.id} to another kind of actor")
    for uri in (old.uri, now.view.uri):
        note_for_a_while(uow, MOVED, uri, ONCE_IN)
    if old.kind == "Group":
        _follow_group(uow, uris, old, now.view)
    else:
        _take_places_over(uow, old, now.view)


def _check_rest(uow: UnitOfWork, *addresses: str) -> None:
    if any(was_noted(uow, MOVED, uri) for uri in addresses):
        raise NotAllowed(f"{addresses[0]} moves again within {ONCE_IN.days} days")


def _fetched(arrival: Arrival, uri: str) -> KnownActor | None:
    """Return what an actor's server says of it now. Raises NeedsObject."""
    found = arrival.fetched.get(uri)
    if isinstance(found, KnownActor):
        return found if found.view.uri == uri else None
    if uri in arrival.unavailable or uri in arrival.fetched:
        return None
    raise NeedsObject(uri)


def _take_places_over(uow: UnitOfWork, old: ActorView, new: ActorView) -> None:
    """Give the new address what the old one had in groups of this node that everybody reads, and its exclusions."""
    query = select(MEMBERSHIPS.c.group_id, MEMBERSHIPS.c.state, GROUPS.c.audience)
    query = query.join(GROUPS, GROUPS.c.id == MEMBERSHIPS.c.group_id)
    query = query.where(MEMBERSHIPS.c.actor_id == old.id, GROUPS.c.local.is_(True)).order_by(MEMBERSHIPS.c.group_id)
    for place in uow.connection.execute(query.limit(MOST)).fetchall():
        lock_group(uow, place.group_id)
        theirs = _place(uow, place.group_id, new.id)
        if place.state in SHOWN_OUT and (theirs is None or theirs.state != "banned"):
            membership.put_place(uow, place.group_id, new.id, state=place.state)
        elif place.state == "active" and place.audience == "public" and (theirs is None or theirs.state == "left"):
            membership.put_place(uow, place.group_id, new.id, state="active")
            membership.receive_unfollow(uow, old.id, place.group_id)


def _follow_group(uow: UnitOfWork, uris: Uris, old: ActorView, new: ActorView) -> None:
    """Have the members here of a public group elsewhere follow it to its new address; the old one is left."""
    adopted = adopt_remote_group(uow, new.id)
    known = uow.connection.execute(select(GROUPS.c.audience).where(GROUPS.c.id == old.id)).scalar()
    if known != "public" or adopted.audience != "public":
        return
    here = (MEMBERSHIPS.c.group_id == old.id, MEMBERSHIPS.c.state == "active")
    members = uow.connection.execute(select(MEMBERSHIPS.c.actor_id).where(*here).limit(MOST)).scalars()
    for persona_id in list(members):
        try:
            membership.request_to_join(uow, uris, persona_id, new.id)
            membership.leave(uow, uris, persona_id, old.id)
        except GroupsError:  # one who may not act, or is there under another name already, stays where they are
            continue


def _place(uow: UnitOfWork, group_id: int, actor_id: int) -> Row[Any] | None:
    where = (MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.actor_id == actor_id)
    return uow.connection.execute(select(MEMBERSHIPS.c.state).where(*where)).first()
