"""Places of people whose server is held off: parked, so that nobody who leaves meanwhile is taken for a member.

Whoever leaves cannot tell us, for nothing is taken from there. So none of these places counts until its holder asks for
it again; within 7 days that needs nobody's leave (privacy reference §11.4). After that they end by themselves.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sqlalchemy import ColumnElement, Select, or_, select, true, update

from activitypub.peers import CLOSED, PEERS
from activitypub.uris import Uris
from groups.membership import REFUSED_FOR, answer_follow
from groups.people import ACTORS
from groups.places import GROUPS, MEMBERSHIPS
from privacy.unit_of_work import UnitOfWork

PARKED_FOR: Final = timedelta(days=8)
"""Seven days at least: what is kept of a moment is its day."""
HERE: Final = MEMBERSHIPS.c.group_id.in_(select(GROUPS.c.id).where(GROUPS.c.local.is_(True)))


@dataclass(frozen=True, slots=True)
class Settled:
    """How many places a change of rules parked, and of how many the holders were told to ask again."""

    parked: int
    told: int


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
    """Park the places of people whose server is held off now, and tell those whose server is let in again.

    Belongs into the transaction that changes a rule. A request that waits for an answer is taken for taken back.
    """
    away = held_off(mode)
    theirs = (MEMBERSHIPS.c.actor_id.in_(away), HERE)
    parked = {"state": "parked", "role": "member", "named": False, "ends_at": uow.now + PARKED_FOR}
    active = update(MEMBERSHIPS).where(*theirs, MEMBERSHIPS.c.state == "active")
    count = uow.connection.execute(active.values(parked)).rowcount
    withdrawn = {"state": "left", "ends_at": uow.now + REFUSED_FOR}
    asking = update(MEMBERSHIPS).where(*theirs, MEMBERSHIPS.c.state == "pending")
    uow.connection.execute(asking.values(withdrawn))
    return Settled(count, _tell_to_ask_again(uow, uris, away))


def _tell_to_ask_again(uow: UnitOfWork, uris: Uris, away: Select[int]) -> int:
    """Answer each Follow behind a parked place with Reject, once: its server still takes the follower for a member."""
    waiting = (MEMBERSHIPS.c.state == "parked", MEMBERSHIPS.c.follow_uri.is_not(None))
    query = select(MEMBERSHIPS.c.id, MEMBERSHIPS.c.group_id, MEMBERSHIPS.c.actor_id, MEMBERSHIPS.c.follow_uri)
    rows = uow.connection.execute(query.where(*waiting, MEMBERSHIPS.c.actor_id.not_in(away), HERE)).fetchall()
    for row in rows:
        answer_follow(uow, uris, "Reject", row.group_id, row.actor_id, row.follow_uri)
        uow.connection.execute(update(MEMBERSHIPS).where(MEMBERSHIPS.c.id == row.id).values(follow_uri=None))
    return len(rows)
