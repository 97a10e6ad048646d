"""Who looks after a group: appointed by its owner, and named to other servers only where they want that themselves."""

from typing import Any

from sqlalchemy import select, update

from activitypub import actors
from activitypub.models import Actor
from activitypub.ports import ActorView
from activitypub.uris import Uris
from groups import translation
from groups.distribution import spread_word
from groups.endings import group_of
from groups.errors import Conflict, NotFound
from groups.incoming import IncomingActivity
from groups.people import hold_actor
from groups.places import MEMBERSHIPS, membership_of, standing_of
from groups.policy import FACILITATORS, Act, Target, may
from groups.storing import lock_group
from groups.views import MembershipView
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of

ACTORS = table_of(Actor)
MAX_NAMED = 100
NOT_A_MEMBER = "They do not take part in this group."


def appoint(uow: UnitOfWork, by: int | None, group_id: int, actor_id: int) -> MembershipView:
    """Have a member look after a group; `by` None is the operator. Raises NotFound, NotAllowed, Conflict."""
    if by is not None:
        hold_actor(uow, by)
    lock_group(uow, group_id)
    if by is not None:
        may(Act.APPOINT, standing_of(uow, group_id, by)).or_raise()
    theirs = standing_of(uow, group_id, actor_id)
    if not theirs.takes_part:
        raise Conflict(f"no member {actor_id} in group {group_id}", public=NOT_A_MEMBER)
    if not theirs.looks_after:
        set_role(uow, group_id, actor_id, "facilitator")
    return _place(uow, group_id, actor_id)


def dismiss(uow: UnitOfWork, uris: Uris, by: int | None, group_id: int, actor_id: int) -> MembershipView:
    """Have somebody look after a group no longer, or step down oneself. Raises NotFound, NotAllowed."""
    if by is not None:
        hold_actor(uow, by)
    lock_group(uow, group_id)
    theirs = standing_of(uow, group_id, actor_id)
    if by is not None:
        aim = Target(is_own=by == actor_id, role=theirs.role)
        may(Act.DISMISS, standing_of(uow, group_id, by), aim).or_raise()
    if theirs.looks_after and theirs.role != "owner":
        _name(uow, uris, group_id, actor_id, named=False)
        set_role(uow, group_id, actor_id, "member")
    return _place(uow, group_id, actor_id)


def be_named(uow: UnitOfWork, uris: Uris, actor_id: int, group_id: int, *, named: bool) -> MembershipView:
    """Let other servers know that one looks after a group, or no longer. Raises NotFound, NotAllowed."""
    hold_actor(uow, actor_id)
    lock_group(uow, group_id)
    may(Act.BE_NAMED, standing_of(uow, group_id, actor_id)).or_raise()
    _name(uow, uris, group_id, actor_id, named=named)
    return _place(uow, group_id, actor_id)


def is_named(uow: UnitOfWork, group_id: int, actor_id: int) -> bool:
    """Tell whether other servers are told that somebody looks after a group."""
    mine = (MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.actor_id == actor_id)
    return bool(uow.connection.execute(select(MEMBERSHIPS.c.named).where(*mine)).scalar())


def named_in(uow: UnitOfWork, group_id: int) -> list[str]:
    """Return the addresses of those who look after a group and let other servers know it."""
    query = (
        select(ACTORS.c.uri)
        .join(MEMBERSHIPS, MEMBERSHIPS.c.actor_id == ACTORS.c.id)
        .where(
            MEMBERSHIPS.c.group_id == group_id,
            MEMBERSHIPS.c.state == "active",
            MEMBERSHIPS.c.role.in_(FACILITATORS),
            MEMBERSHIPS.c.named.is_(True),
            ACTORS.c.state == "active",
        )
        .order_by(ACTORS.c.uri)
        .limit(MAX_NAMED)
    )
    return list(uow.connection.execute(query).scalars())


def receive_appointment(
    uow: UnitOfWork, uris: Uris, sender: ActorView, group: ActorView, activity: IncomingActivity
) -> None:
    """Take in that somebody elsewhere wants a member of a group here to look after it, or no longer.

    Only what the sender's own role in that group allows comes to pass. Raises NotFound, NotAllowed, Conflict.
    """
    member = actors.actor_by_uri(uow, activity.object_uri or "")
    if member is None:
        raise NotFound("appointment")
    if activity.type == "Add":
        appoint(uow, sender.id, group.id, member.id)
    else:
        dismiss(uow, uris, sender.id, group.id, member.id)


def set_role(uow: UnitOfWork, group_id: int, actor_id: int, role: str) -> None:
    """Write down what somebody is in a group; they are named to nobody from then on."""
    _change(uow, group_id, actor_id, role=role, named=False)


def _name(uow: UnitOfWork, uris: Uris, group_id: int, actor_id: int, *, named: bool) -> None:
    """Write down whether other servers are told, and tell them where it changes."""
    if is_named(uow, group_id, actor_id) is named:
        return
    _change(uow, group_id, actor_id, named=named)
    actor = actors.actor_by_id(uow, actor_id)
    if actor is not None and actor.local:
        group, kind = group_of(uow, group_id), "Add" if named else "Remove"
        told = translation.to_collected(
            kind, uris.activity(f"{new_id():x}"), actor.uri, actor.uri, uris.moderators(group.uri), group
        )
        spread_word(uow, uris, told, group)


def _change(uow: UnitOfWork, group_id: int, actor_id: int, **values: Any) -> None:
    where = (MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.actor_id == actor_id)
    uow.connection.execute(update(MEMBERSHIPS).where(*where).values(**values))


def _place(uow: UnitOfWork, group_id: int, actor_id: int) -> MembershipView:
    view = membership_of(uow, group_id, actor_id)
    if view is None:
        raise NotFound(f"actor {actor_id} in group {group_id}")
    return view
