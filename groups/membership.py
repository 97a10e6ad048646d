"""Joining, leaving, letting in and showing out. On the wire a member is a follower (federation reference §5.8)."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, bindparam, insert, select, update

from activitypub.peers import PEERS
from activitypub.rules import CLOSED
from activitypub.uris import Uris
from groups import translation
from groups.distribution import send_from
from groups.errors import Conflict, NotFound, SecondName
from groups.notifications import notify, notify_facilitators
from groups.people import ACTORS, hold_actor
from groups.places import GROUPS, MEMBERSHIPS, membership_of, standing_of
from groups.policy import Act, Target, may
from groups.storing import lock_group
from groups.views import MembershipView
from privacy import personas
from privacy.records import new_id
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork

LEFT_FOR = timedelta(days=30)
REFUSED_FOR = timedelta(days=14)
CANNOT_OWN = "Only a member of the group who is on this node, and may act, can own it."
WAY_BACK = timedelta(days=7)
"""How long after leaving one may come back without being let in again."""

_ACTOR = bindparam("of_actor", type_=BigInteger())
_LEVEL = Prepared(
    select(PEERS.c.level)
    .join(ACTORS, ACTORS.c.host == PEERS.c.host)
    .where(ACTORS.c.id == _ACTOR)
    .with_for_update(read=True, of=PEERS)
)
_FOLLOWED = ACTORS.alias("followed")
_ENDS = Prepared(
    select(_FOLLOWED.c.uri.label("group_uri"), ACTORS.c.uri, ACTORS.c.host, ACTORS.c.inbox).where(
        _FOLLOWED.c.id == bindparam("of_group", type_=BigInteger()), ACTORS.c.id == _ACTOR
    )
)
_GIVEN = {column.key: bindparam(f"new_{column.key}", type_=column.type) for column in MEMBERSHIPS.columns}
_PUT_ANEW = Prepared(
    update(MEMBERSHIPS)
    .where(MEMBERSHIPS.c.group_id == _GIVEN["group_id"], MEMBERSHIPS.c.actor_id == _GIVEN["actor_id"])
    .values({name: _GIVEN[name] for name in ("state", "follow_uri", "role", "named", "ends_at")})
)
_FIRST = select(*(_GIVEN | {"exclusive": GROUPS.c.exclusive}).values()).where(GROUPS.c.id == _GIVEN["group_id"])
_PUT_FIRST = Prepared(insert(MEMBERSHIPS).from_select(list(_GIVEN), _FIRST))


def request_to_join(
    uow: UnitOfWork, uris: Uris, persona_id: int, group_id: int, *, invited: bool = False
) -> MembershipView:
    """Join a group, or ask to be let in. Raises NotFound, NotAllowed, Conflict.

    A group of another node is asked by Follow, and answers in its own time.
    """
    hold_actor(uow, persona_id)
    lock_group(uow, group_id)
    standing = standing_of(uow, group_id, persona_id, invited=invited)
    may(Act.JOIN, standing).or_raise()
    if standing.state == "active" or (standing.state == "pending" and not invited):
        return _view(uow, group_id, persona_id)
    _refuse_second_name(uow, group_id, persona_id)
    if not standing.local:
        return _ask_elsewhere(uow, uris, persona_id, group_id)
    # Whoever was shown out asks, however open the group is and whatever link they hold.
    lets_in = invited or standing.join_rule == "open" or _may_come_back(uow, group_id, persona_id)
    admitted = lets_in and standing.state != "removed"
    _put(uow, group_id, persona_id, state="active" if admitted else "pending", follow_uri=None)
    if not admitted:
        notify_facilitators(uow, group_id, kind="join_request", actor_id=persona_id)
    return _view(uow, group_id, persona_id)


def receive_follow(uow: UnitOfWork, uris: Uris, follower_id: int, group_id: int, follow_uri: str, role: str) -> None:
    """Take in the Follow by which somebody elsewhere asks to join a group of this node, and answer if it can be."""
    lock_group(uow, group_id)
    standing = replace(standing_of(uow, group_id, follower_id), server=_level_of(uow, follower_id))
    trusted = standing.server == "allow"
    if standing.audience == "none" or standing.server in CLOSED or (standing.audience == "peers-only" and not trusted):
        raise NotFound(f"group {group_id}")
    comes_back = standing.state == "parked" and _is_parked(uow, group_id, follower_id)
    # Who is in already asks again because the answer was lost there: an invitation is not asked for twice.
    standing = replace(standing, invited=comes_back or standing.is_active)
    # A group that follows passes on what it gets, so it may follow only what is public (federation reference §5.8).
    if not may(Act.JOIN, standing) or (role == "follower" and standing.audience != "public"):
        answer_follow(uow, uris, "Reject", group_id, follower_id, follow_uri)
        return
    active = standing.state == "active" or comes_back or standing.is_let_in_at_once
    keeps_role = standing.is_active and standing.role is not None
    _put(
        uow, group_id, follower_id, state="active" if active else "pending", follow_uri=follow_uri,
        role=standing.role if keeps_role and standing.role else role,
    )  # fmt: skip
    if active:
        answer_follow(uow, uris, "Accept", group_id, follower_id, follow_uri)
    elif standing.state != "pending":
        notify_facilitators(uow, group_id, kind="join_request", actor_id=follower_id)


def receive_answer(uow: UnitOfWork, persona_id: int, group_id: int, *, accepted: bool) -> None:
    """Take in the Accept or Reject of our Follow by a group of another node; only a request that waits is accepted."""
    lock_group(uow, group_id)
    standing = standing_of(uow, group_id, persona_id)
    if accepted and standing.state == "pending":
        _change(uow, group_id, persona_id, state="active", ends_at=None)
        notify(uow, [persona_id], kind="admitted", actor_id=group_id, group_id=group_id)
    elif not accepted and standing.state in {"pending", "active"}:
        state = "refused" if standing.state == "pending" else "removed"
        _change(uow, group_id, persona_id, state=state, ends_at=uow.now + REFUSED_FOR)


def leave(uow: UnitOfWork, uris: Uris, persona_id: int, group_id: int) -> MembershipView:
    """Leave a group, or take back the wish to join it. Raises NotFound, NotAllowed (its owner stays)."""
    hold_actor(uow, persona_id)
    lock_group(uow, group_id)
    standing = standing_of(uow, group_id, persona_id)
    if standing.state not in ({"active", "pending"} if standing.local else {"active", "pending", "parked"}):
        raise NotFound(f"no place in group {group_id}")
    may(Act.LEAVE, standing).or_raise()
    if not standing.local:
        undo_follow(uow, uris, persona_id, group_id)
    # Whoever was never let in has no way back in either: a request that is taken back goes as a refused one does.
    _end(uow, group_id, persona_id, "left", LEFT_FOR if standing.is_active else REFUSED_FOR)
    return _view(uow, group_id, persona_id)


def receive_unfollow(uow: UnitOfWork, follower_id: int, group_id: int) -> None:
    """Take in that somebody elsewhere leaves a group of this node; nothing happens when there was no place."""
    lock_group(uow, group_id)
    if standing_of(uow, group_id, follower_id).state in {"active", "pending", "parked"}:
        _end(uow, group_id, follower_id, "left")


def admit(uow: UnitOfWork, uris: Uris, by: int | None, group_id: int, actor_id: int) -> MembershipView:
    """Let somebody in who asked; `by` None is the operator. Raises NotFound, NotAllowed, Conflict."""
    lock_group(uow, group_id)
    row = _asking(uow, by, group_id, actor_id)
    _change(uow, group_id, actor_id, state="active", ends_at=None)
    if row["local"]:
        notify(uow, [actor_id], kind="admitted", actor_id=group_id, group_id=group_id)
    elif row["follow_uri"]:
        answer_follow(uow, uris, "Accept", group_id, actor_id, row["follow_uri"])
    return _view(uow, group_id, actor_id)


def refuse(uow: UnitOfWork, uris: Uris, by: int | None, group_id: int, actor_id: int) -> MembershipView:
    """Refuse somebody who asked; the request is forgotten after 14 days. Raises NotFound, NotAllowed, Conflict."""
    lock_group(uow, group_id)
    row = _asking(uow, by, group_id, actor_id)
    _change(uow, group_id, actor_id, state="refused", ends_at=uow.now + REFUSED_FOR)
    if not row["local"] and row["follow_uri"]:
        answer_follow(uow, uris, "Reject", group_id, actor_id, row["follow_uri"])
    return _view(uow, group_id, actor_id)


def remove(uow: UnitOfWork, uris: Uris, by: int | None, group_id: int, actor_id: int) -> MembershipView:
    """Take a member's place away. Raises NotFound, NotAllowed, Conflict."""
    lock_group(uow, group_id)
    theirs = standing_of(uow, group_id, actor_id)
    if by is not None:
        may(Act.REMOVE, standing_of(uow, group_id, by), Target(role=theirs.role)).or_raise()
    if not theirs.is_active and theirs.state != "parked":
        raise Conflict(f"no member {actor_id} in group {group_id}", public="They are not in this group.")
    row = _row(uow, group_id, actor_id)
    _end(uow, group_id, actor_id, "removed")
    if not row["local"] and row["follow_uri"]:
        answer_follow(uow, uris, "Reject", group_id, actor_id, row["follow_uri"])
    return _view(uow, group_id, actor_id)


def pardon(uow: UnitOfWork, by: int, group_id: int, actor_id: int) -> None:
    """Let somebody who was shown out come back as if they had left. Raises NotFound, NotAllowed."""
    lock_group(uow, group_id)
    theirs = standing_of(uow, group_id, actor_id)
    may(Act.REMOVE, standing_of(uow, group_id, by), Target(role=theirs.role)).or_raise()
    if theirs.state == "removed":
        _end(uow, group_id, actor_id, "left")


def appoint_owner(uow: UnitOfWork, by: int | None, group_id: int, actor_id: int) -> MembershipView:
    """Make a member of this node the owner of a group; whoever owned it looks after it on. `by` None is the operator.

    Raises NotFound, NotAllowed, Conflict.
    """
    hold_actor(uow, actor_id)
    lock_group(uow, group_id)
    if by is not None:
        may(Act.CHANGE, standing_of(uow, group_id, by)).or_raise()
    theirs = standing_of(uow, group_id, actor_id)
    if not theirs.local or not theirs.takes_part or not personas.may_act(uow, actor_id):
        raise Conflict(f"actor {actor_id} cannot own group {group_id}", public=CANNOT_OWN)
    owners = (MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.role == "owner")
    uow.connection.execute(update(MEMBERSHIPS).where(*owners).values(role="facilitator"))
    _change(uow, group_id, actor_id, role="owner")
    return _view(uow, group_id, actor_id)


def set_exclusive(uow: UnitOfWork, persona_id: int, group_id: int, *, exclusive: bool) -> MembershipView:
    """Keep a group out of one's home timeline, or let it in. Raises NotFound."""
    if not standing_of(uow, group_id, persona_id).is_active:
        raise NotFound(f"no place in group {group_id}")
    _change(uow, group_id, persona_id, exclusive=exclusive)
    return _view(uow, group_id, persona_id)


def answer_follow(uow: UnitOfWork, uris: Uris, kind: str, group_id: int, follower_id: int, follow_uri: str) -> None:
    """Send the Accept or Reject of a Follow to the personal inbox of who sent it."""
    (ends,) = _ENDS.rows(uow, {"of_group": group_id, "of_actor": follower_id})
    activity = translation.to_answer(kind, uris.activity(f"{new_id():x}"), ends.group_uri, follow_uri, ends.uri)
    send_from(uow, group_id, activity, group_id, [(ends.host, ends.inbox)])


def _level_of(uow: UnitOfWork, actor_id: int) -> str | None:
    """Return what the admin's rules say of an actor's server, held as it is until the end of the transaction."""
    level: str | None = _LEVEL.value(uow, {"of_actor": actor_id})
    return level


def _asking(uow: UnitOfWork, by: int | None, group_id: int, actor_id: int) -> Mapping[str, Any]:
    if by is not None:
        may(Act.ADMIT, standing_of(uow, group_id, by)).or_raise()
    row = _row(uow, group_id, actor_id)
    if row["state"] != "pending":
        raise Conflict(
            f"actor {actor_id} does not ask for group {group_id}", public="This request was answered already."
        )
    return row


def _refuse_second_name(uow: UnitOfWork, group_id: int, persona_id: int) -> None:
    """Hold to one persona a person in a group (product decision 10); only the link service knows whose is whose."""
    present = select(MEMBERSHIPS.c.actor_id).where(
        MEMBERSHIPS.c.group_id == group_id,
        MEMBERSHIPS.c.state.in_(("active", "pending", "banned")),
        MEMBERSHIPS.c.actor_id != persona_id,
    )
    if personas.has_sibling_among(uow, persona_id, present):
        raise SecondName(f"second persona for group {group_id}")


def _ask_elsewhere(uow: UnitOfWork, uris: Uris, persona_id: int, group_id: int) -> MembershipView:
    ends = uow.connection.execute(select(ACTORS).where(ACTORS.c.id.in_((group_id, persona_id)))).fetchall()
    by_id = {row.id: row for row in ends}
    group, persona = by_id[group_id], by_id[persona_id]
    follow = translation.to_follow(uris.activity(f"{new_id():x}"), persona.uri, group.uri)
    _put(uow, group_id, persona_id, state="pending", follow_uri=follow["id"])
    send_from(uow, persona_id, follow, group_id, [(group.host, group.inbox)])
    return _view(uow, group_id, persona_id)


def undo_follow(uow: UnitOfWork, uris: Uris, persona_id: int, group_id: int) -> None:
    """Tell a group elsewhere that a persona does not follow it (any more)."""
    ends = uow.connection.execute(select(ACTORS).where(ACTORS.c.id.in_((group_id, persona_id)))).fetchall()
    by_id = {row.id: row for row in ends}
    group, persona = by_id[group_id], by_id[persona_id]
    mine = (MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.actor_id == persona_id)
    known = uow.connection.execute(select(MEMBERSHIPS.c.follow_uri).where(*mine)).scalar()
    follow_uri = known or uris.activity(f"{new_id():x}")
    follow = translation.to_follow(follow_uri, persona.uri, group.uri)
    undo = translation.to_undo(uris.activity(f"{new_id():x}"), persona.uri, follow, [group.uri])
    send_from(uow, persona_id, undo, group_id, [(group.host, group.inbox)])


def _may_come_back(uow: UnitOfWork, group_id: int, actor_id: int) -> bool:
    query = select(MEMBERSHIPS.c.state, MEMBERSHIPS.c.ends_at).where(
        MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.actor_id == actor_id
    )
    row = uow.connection.execute(query).first()
    return (
        row is not None
        and row.state == "left"
        and row.ends_at is not None
        and row.ends_at - LEFT_FOR + WAY_BACK > uow.now
    )


def _is_parked(uow: UnitOfWork, group_id: int, actor_id: int) -> bool:
    """Tell whether an actor had a place when its server was held off, less than 7 days ago."""
    where = (MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.actor_id == actor_id, MEMBERSHIPS.c.state == "parked")
    return (
        uow.connection.execute(select(MEMBERSHIPS.c.id).where(*where, MEMBERSHIPS.c.ends_at > uow.now)).first()
        is not None
    )


def put_place(uow: UnitOfWork, group_id: int, actor_id: int, *, state: str) -> None:
    """Give somebody elsewhere the place that they had under another address, as a plain member."""
    _put(uow, group_id, actor_id, state=state, follow_uri=None)


def _put(
    uow: UnitOfWork, group_id: int, actor_id: int, *, state: str, follow_uri: str | None, role: str = "member"
) -> None:
    """Write the one row of an actor in a group."""
    of_whom = {"new_group_id": group_id, "new_actor_id": actor_id}
    values = {
        "new_state": state,
        "new_follow_uri": follow_uri,
        "new_role": role,
        "new_named": False,
        "new_ends_at": None,
    }
    if _PUT_ANEW.run(uow, of_whom | values) == 0:
        _PUT_FIRST.run(uow, {"new_id": new_id(), "new_created_on": uow.now} | of_whom | values)


def _end(uow: UnitOfWork, group_id: int, actor_id: int, state: str, forgotten_in: timedelta = LEFT_FOR) -> None:
    _change(uow, group_id, actor_id, state=state, role="member", named=False, ends_at=uow.now + forgotten_in)


def _change(uow: UnitOfWork, group_id: int, actor_id: int, **values: Any) -> None:
    where = (MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.actor_id == actor_id)
    uow.connection.execute(update(MEMBERSHIPS).where(*where).values(**values))


def _row(uow: UnitOfWork, group_id: int, actor_id: int) -> Mapping[str, Any]:
    query = (
        select(MEMBERSHIPS.c.state, MEMBERSHIPS.c.role, MEMBERSHIPS.c.follow_uri, ACTORS.c.local)
        .join(ACTORS, ACTORS.c.id == MEMBERSHIPS.c.actor_id)
        .where(MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.actor_id == actor_id)
    )
    row = uow.connection.execute(query).mappings().first()
    if row is None:
        raise NotFound(f"actor {actor_id} in group {group_id}")
    return {str(key): value for key, value in row.items()}


def _view(uow: UnitOfWork, group_id: int, actor_id: int) -> MembershipView:
    view = membership_of(uow, group_id, actor_id)
    if view is None:
        raise NotFound(f"actor {actor_id} in group {group_id}")
    return view
