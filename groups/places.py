"""Groups and places in them, as they are read: standings for decisions, views for people."""

from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Row, and_, bindparam, select

from activitypub.peers import PEERS
from groups.errors import NotFound
from groups.models import Group, Membership
from groups.people import ACTORS, cards, known_to
from groups.policy import Act, Standing, may
from groups.views import ActorCard, GroupView, MembershipView, Viewer
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork, table_of

GROUPS, MEMBERSHIPS = table_of(Group), table_of(Membership)
SOMEBODY = ACTORS.alias("somebody")
MAX_MEMBERS_SHOWN = 1_000
_GROUP, _ACTOR = bindparam("of_group", type_=BigInteger()), bindparam("of_actor", type_=BigInteger())


def level_of(actor_id: int | ColumnElement[int]) -> ColumnElement[str]:
    """Return the query for what the admin's rules say of an actor's server, as the column `server`."""
    level = select(PEERS.c.level).join(SOMEBODY, SOMEBODY.c.host == PEERS.c.host)
    return level.where(SOMEBODY.c.id == actor_id, SOMEBODY.c.local.is_(False)).scalar_subquery().label("server")


_STANDING = Prepared(
    select(
        GROUPS.c.audience, GROUPS.c.join_rule, GROUPS.c.state, GROUPS.c.local, MEMBERSHIPS.c.role,
        MEMBERSHIPS.c.state.label("member_state"), level_of(_ACTOR),
    )
    .outerjoin(MEMBERSHIPS, and_(MEMBERSHIPS.c.group_id == GROUPS.c.id, MEMBERSHIPS.c.actor_id == _ACTOR))
    .where(GROUPS.c.id == _GROUP)
)  # fmt: skip
_PLACE = Prepared(select(MEMBERSHIPS).where(MEMBERSHIPS.c.group_id == _GROUP, MEMBERSHIPS.c.actor_id == _ACTOR))


def standing_of(uow: UnitOfWork, group_id: int, actor_id: int | None, *, invited: bool = False) -> Standing:
    """Return how an actor stands to a group. Raises NotFound when there is no such group."""
    rows = _STANDING.rows(uow, {"of_group": group_id, "of_actor": actor_id or 0})
    if not rows:
        raise NotFound(f"group {group_id}")
    row = rows[0]
    # A group speaks in itself with the voice of those who look after it, who alone get to act as it.
    itself = row.local and actor_id == group_id
    return Standing(
        group_id=group_id,
        audience=row.audience,
        join_rule=row.join_rule,
        group_state=row.state,
        local=row.local,
        role="owner" if itself else row.role,
        state="active" if itself else row.member_state,
        invited=invited,
        server=row.server,
    )


def group(uow: UnitOfWork, viewer: Viewer, group_id: int) -> GroupView:
    """Return a group that the viewer may know of. Raises NotFound."""
    return _one(uow, and_(GROUPS.c.id == group_id, known_to(viewer)))


def group_by_handle(uow: UnitOfWork, viewer: Viewer, handle: str) -> GroupView:
    """Return a group of this node by its handle, if the viewer may know of it. Raises NotFound."""
    if not handle.isprintable():
        raise NotFound("handle")
    return _one(uow, and_(ACTORS.c.local_handle == handle.lower(), known_to(viewer)))


def any_group(uow: UnitOfWork, handle: str) -> GroupView:
    """Return a group of this node by its handle, for the operator. Raises NotFound."""
    return _one(uow, ACTORS.c.local_handle == handle.lower())


def group_views(uow: UnitOfWork, ids: Iterable[int]) -> dict[int, GroupView]:
    """Return groups by id, for a reader who was found to belong to them."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = uow.connection.execute(select(GROUPS).where(GROUPS.c.id.in_(wanted))).fetchall()
    faces = cards(uow, wanted)
    return {row.id: _view(row, faces[row.id]) for row in rows if row.id in faces}


def local_groups(uow: UnitOfWork) -> list[GroupView]:
    """Return all groups of this node by handle, for the operator."""
    return _many(uow, GROUPS.c.local.is_(True))


def groups_to_join(uow: UnitOfWork, viewer: Viewer) -> list[GroupView]:
    """Return the open groups of this node that the viewer may know of, by handle."""
    return _many(uow, and_(GROUPS.c.local.is_(True), GROUPS.c.state != "sealed", known_to(viewer)))


def groups_of(uow: UnitOfWork, persona_id: int) -> list[tuple[GroupView, MembershipView]]:
    """Return the groups that a persona is in or has asked for, with its place in each."""
    mine = and_(MEMBERSHIPS.c.actor_id == persona_id, MEMBERSHIPS.c.state.in_(("active", "pending")))
    rows = uow.connection.execute(select(MEMBERSHIPS).where(mine).order_by(MEMBERSHIPS.c.created_on)).fetchall()
    views = group_views(uow, [row.group_id for row in rows])
    return [(views[row.group_id], membership_view(row)) for row in rows if row.group_id in views]


def groups_owned_by(uow: UnitOfWork, persona_ids: Collection[int]) -> list[GroupView]:
    """Return the groups of this node that some personas own, by handle."""
    owned = and_(
        MEMBERSHIPS.c.actor_id.in_(persona_ids), MEMBERSHIPS.c.role == "owner", MEMBERSHIPS.c.state == "active"
    )
    mine = select(MEMBERSHIPS.c.group_id).where(owned)
    return _many(uow, and_(GROUPS.c.local.is_(True), GROUPS.c.id.in_(mine)))


def membership_of(uow: UnitOfWork, group_id: int, actor_id: int) -> MembershipView | None:
    """Return an actor's place in a group, or None."""
    rows = _PLACE.rows(uow, {"of_group": group_id, "of_actor": actor_id})
    return membership_view(rows[0]) if rows else None


def memberships(uow: UnitOfWork, actor_id: int, group_ids: Collection[int]) -> dict[int, MembershipView]:
    """Return an actor's places in some groups, by group."""
    where = and_(MEMBERSHIPS.c.actor_id == actor_id, MEMBERSHIPS.c.group_id.in_(group_ids))
    rows = uow.connection.execute(select(MEMBERSHIPS).where(where)).fetchall()
    return {row.group_id: membership_view(row) for row in rows}


def members_of(uow: UnitOfWork, viewer: Viewer, group_id: int) -> list[tuple[ActorCard, MembershipView]]:
    """Return the members of a group to one of them, those who look after it first. Raises NotFound."""
    may(Act.SEE_MEMBERS, standing_of(uow, group_id, viewer.actor_id)).or_raise()
    return _people(uow, group_id, "active")


def requests_of(uow: UnitOfWork, by: int | None, group_id: int) -> list[ActorCard]:
    """Return who asks to join, to one who looks after the group (or to the operator: None)."""
    if by is not None:
        may(Act.SEE_REQUESTS, standing_of(uow, group_id, by)).or_raise()
    return [card for card, _ in _people(uow, group_id, "pending")]


def membership_view(row: Row[Any]) -> MembershipView:
    """Return the view of a membership row."""
    return MembershipView(row.group_id, row.actor_id, row.role, row.state, row.exclusive)


def _people(uow: UnitOfWork, group_id: int, state: str) -> list[tuple[ActorCard, MembershipView]]:
    where = and_(MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.state == state)
    query = select(MEMBERSHIPS).where(where).order_by(MEMBERSHIPS.c.created_on).limit(MAX_MEMBERS_SHOWN)
    rows = uow.connection.execute(query).fetchall()
    faces = cards(uow, [row.actor_id for row in rows])
    people = [(faces[row.actor_id], membership_view(row)) for row in rows if row.actor_id in faces]
    return sorted(people, key=lambda person: (not person[1].is_facilitator, person[0].handle))


def _one(uow: UnitOfWork, condition: ColumnElement[bool]) -> GroupView:
    found = _many(uow, condition)
    if not found:
        raise NotFound("group")
    return found[0]


def _many(uow: UnitOfWork, condition: ColumnElement[bool]) -> list[GroupView]:
    query = select(GROUPS).join(ACTORS, ACTORS.c.id == GROUPS.c.id).where(condition).order_by(ACTORS.c.handle)
    rows = uow.connection.execute(query).fetchall()
    faces = cards(uow, [row.id for row in rows])
    return [_view(row, faces[row.id]) for row in rows]


def _view(row: Row[Any], card: ActorCard) -> GroupView:
    return GroupView(
        card=card,
        audience=row.audience,
        join_rule=row.join_rule,
        keep=timedelta(seconds=row.keep_seconds),
        preset=row.preset,
        state=row.state,
        created_on=row.created_on,
    )
