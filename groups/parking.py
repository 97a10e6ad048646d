"""Places across a border that is closed: parked, so that nobody who leaves meanwhile is taken for a member.

Whoever leaves cannot tell us, for nothing is taken from there. So the places of people whose server is held off count
no more until their holder asks for them again; within 7 days that needs nobody's leave (privacy reference §11.4). The
places that members here have in groups there are parked as well, and asked for again by this node. After that they end
by themselves. Whom it concerns is told: members of their own places, those who look after a group that some are parked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Row, Select, bindparam, func, or_, select, true, update

from activitypub.peers import KNOWN_TO_ALL, PEERS
from activitypub.queueing import Outgoing, enqueue_each
from activitypub.rules import CLOSED
from activitypub.uris import Uris
from groups import translation
from groups.membership import REFUSED_FOR
from groups.notifications import MEMBERS_SEVERED, SEVERED, News, give_each, those_who_look_after
from groups.people import ACTORS, cards
from groups.places import GROUPS, MEMBERSHIPS
from groups.views import ActorCard
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork

PARKED_FOR: Final = timedelta(days=8)
"""Seven days at least: what is kept of a moment is its day."""
HERE: Final = MEMBERSHIPS.c.group_id.in_(select(GROUPS.c.id).where(GROUPS.c.local.is_(True)))
OURS: Final = MEMBERSHIPS.c.actor_id.in_(select(ACTORS.c.id).where(ACTORS.c.local.is_(True)))
GROUP_ACTORS: Final = ACTORS.alias("group_actors")
REWRITTEN: Final = update(MEMBERSHIPS).where(MEMBERSHIPS.c.id == bindparam("place"))


@dataclass(frozen=True, slots=True)
class Settled:
    """What a change of rules did to places."""

    parked: int
    """Places in groups here."""
    told: int
    """Of how many of these the holders were told to ask again."""
    held: int = 0
    """Places that members here have in groups elsewhere."""
    asked: int = 0
    """How many of these were asked for again."""


@dataclass(frozen=True, slots=True)
class _Letter:
    """A place with the ends between which something about it travels."""

    place: int
    group_id: int
    actor_id: int
    follow_uri: str
    group_uri: str
    actor_uri: str
    host: str
    inbox: str


def held_off(mode: str) -> Select[int]:
    """Return the query for those whose server is held off, by a rule or by the node's federation mode."""
    level = PEERS.c.level
    closed: ColumnElement[bool] = level.in_(sorted(CLOSED))
    if mode == "quarantine":
        closed = or_(level.is_(None), closed)
    elif mode == "allowlist":
        closed = or_(level.is_(None), level != "allow")
    elif mode == "off":
        closed = true()
    away = select(ACTORS.c.id).outerjoin(PEERS, PEERS.c.host == ACTORS.c.host)
    return away.where(ACTORS.c.local.is_(False), closed)


def settle_places(uow: UnitOfWork, uris: Uris, mode: str) -> Settled:
    """Park the places across what is closed now, and have those asked for again whose server is let in again.

    Belongs into the transaction that changes a rule. A request that waits for an answer is taken for taken back. A few
    statements, however many servers and places there are.
    """
    away = held_off(mode)
    parked = {"state": "parked", "role": "member", "named": False, "ends_at": uow.now + PARKED_FOR}
    theirs, ours = (MEMBERSHIPS.c.actor_id.in_(away), HERE), (MEMBERSHIPS.c.group_id.in_(away), OURS)
    active = update(MEMBERSHIPS).where(*theirs, MEMBERSHIPS.c.state == "active").values(parked)
    groups = list(uow.connection.execute(active.returning(MEMBERSHIPS.c.group_id)).scalars())
    withdrawn = {"state": "left", "ends_at": uow.now + REFUSED_FOR}
    uow.connection.execute(update(MEMBERSHIPS).where(*theirs, MEMBERSHIPS.c.state == "pending").values(withdrawn))
    mine = update(MEMBERSHIPS).where(*ours, MEMBERSHIPS.c.state.in_(("active", "pending"))).values(parked)
    held = uow.connection.execute(mine.returning(MEMBERSHIPS.c.actor_id, MEMBERSHIPS.c.group_id)).fetchall()
    give_each(uow, _news(uow, set(groups), held))
    return Settled(len(groups), _tell_to_ask_again(uow, uris, away), len(held), _ask_again(uow, uris, away))


def held_places(uow: UnitOfWork, persona_id: int) -> list[tuple[ActorCard, datetime]]:
    """Return the groups elsewhere in which a persona's place is on hold, with the day on which that ends."""
    mine = (MEMBERSHIPS.c.actor_id == persona_id, MEMBERSHIPS.c.state == "parked", MEMBERSHIPS.c.ends_at > uow.now)
    query = select(MEMBERSHIPS.c.group_id, MEMBERSHIPS.c.ends_at).where(*mine).order_by(MEMBERSHIPS.c.id)
    rows = uow.connection.execute(query).fetchall()
    faces = cards(uow, [row.group_id for row in rows])
    return [(faces[row.group_id], row.ends_at) for row in rows if row.group_id in faces]


def parked_in(uow: UnitOfWork, group_ids: Sequence[int]) -> dict[int, int]:
    """Return by group how many places in it are on hold: for those who look after it, and never whose they are."""
    held = (MEMBERSHIPS.c.group_id.in_(group_ids), MEMBERSHIPS.c.state == "parked", MEMBERSHIPS.c.ends_at > uow.now)
    query = select(MEMBERSHIPS.c.group_id, func.count()).where(*held).group_by(MEMBERSHIPS.c.group_id)
    return {row[0]: row[1] for row in uow.connection.execute(query)} if group_ids else {}


def _news(uow: UnitOfWork, groups: set[int], held: Sequence[Row[Any]]) -> list[News]:
    caring = those_who_look_after(uow, sorted(groups))
    return [
        *(News(row.actor_id, SEVERED, row.group_id) for row in sorted(held, key=tuple)),
        *(News(actor_id, MEMBERS_SEVERED, group_id) for group_id, actor_id in sorted(caring)),
    ]


def _tell_to_ask_again(uow: UnitOfWork, uris: Uris, away: Select[int]) -> int:
    """Answer each Follow behind a parked place with Reject, once: its server still takes the follower for a member."""
    waiting = (MEMBERSHIPS.c.follow_uri.is_not(None), MEMBERSHIPS.c.actor_id.not_in(away), HERE)
    letters = _letters(uow, ACTORS, waiting)
    rejects = [
        translation.to_answer("Reject", uris.activity(f"{new_id():x}"), one.group_uri, one.follow_uri, one.actor_uri)
        for one in letters
    ]
    _send(uow, [(one.group_id, document, one) for one, document in zip(letters, rejects, strict=True)])
    if letters:
        uow.connection.execute(REWRITTEN.values(follow_uri=None), [{"place": one.place} for one in letters])
    return len(letters)


def _ask_again(uow: UnitOfWork, uris: Uris, away: Select[int]) -> int:
    """Follow the groups elsewhere again in which members here had a place until their server was held off."""
    waiting = (MEMBERSHIPS.c.ends_at > uow.now, MEMBERSHIPS.c.group_id.not_in(away), OURS, ~HERE)
    letters = _letters(uow, GROUP_ACTORS, waiting)
    follows = [translation.to_follow(uris.activity(f"{new_id():x}"), one.actor_uri, one.group_uri) for one in letters]
    _send(uow, [(one.actor_id, document, one) for one, document in zip(letters, follows, strict=True)])
    if letters:
        anew = REWRITTEN.values(state="pending", follow_uri=bindparam("follow"), ends_at=None)
        told = [{"place": one.place, "follow": each["id"]} for one, each in zip(letters, follows, strict=True)]
        uow.connection.execute(anew, told)
    return len(letters)


def _letters(uow: UnitOfWork, to: Any, waiting: tuple[ColumnElement[bool], ...]) -> list[_Letter]:
    """Return the parked places that fulfil some conditions; `to` is which of the two ends is written to."""
    query = (
        select(
            MEMBERSHIPS.c.id, MEMBERSHIPS.c.group_id, MEMBERSHIPS.c.actor_id, MEMBERSHIPS.c.follow_uri,
            GROUP_ACTORS.c.uri, ACTORS.c.uri, to.c.host, to.c.inbox,
        )
        .join(ACTORS, ACTORS.c.id == MEMBERSHIPS.c.actor_id)
        .join(GROUP_ACTORS, GROUP_ACTORS.c.id == MEMBERSHIPS.c.group_id)
        .where(MEMBERSHIPS.c.state == "parked", ACTORS.c.state == "active", *waiting)
        .order_by(MEMBERSHIPS.c.id)
    )  # fmt: skip
    return [_Letter(*row) for row in uow.connection.execute(query)]


def _send(uow: UnitOfWork, documents: Sequence[tuple[int, dict[str, Any], _Letter]]) -> None:
    """Queue what is said of places; it leaves when every process has heard that the other server is let in again."""
    letters = [
        (
            Outgoing(
                actor_id=sender,
                kind=document["type"],
                document=document,
                object_id=None,
                group_id=one.group_id,
                secrets=None,
                ordering_key=one.group_id,
                expires_at=None,
            ),
            one.host,
            one.inbox,
        )
        for sender, document, one in documents
    ]
    enqueue_each(uow, letters, due_at=uow.now + KNOWN_TO_ALL)
