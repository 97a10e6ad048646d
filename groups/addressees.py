"""Whom a post that comes in addresses here: people, and groups with how its author stands to them."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, String, and_, bindparam, or_, select

from groups.endings import facts_of
from groups.incoming import IncomingPost
from groups.people import ACTORS
from groups.places import GROUPS, MEMBERSHIPS, level_of
from groups.policy import FACILITATORS, Standing
from groups.storing import ParentPost
from groups.translation import GroupFacts
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork

AT_ONCE: Final = 64
"""How many addresses one statement asks for."""


@dataclass(frozen=True, slots=True)
class Addressee:
    """Somebody whom a post addresses or names: a group with the author's standing in it, or a person."""

    id: int
    uri: str
    local: bool
    group: GroupFacts | None
    standing: Standing | None
    keep: timedelta


def addressees_of(uow: UnitOfWork, author_id: int, post: IncomingPost, parent: ParentPost | None) -> list[Addressee]:
    """Return everybody here whom a post addresses or names, and its parent's group, by ascending id."""
    named = {*post.addressed, *post.mentioned}
    wanted = sorted({uri.removesuffix("/followers") for uri in named} | named) or [""]
    asked = {"author": author_id, "parents_group": None if parent is None else parent.group_id}
    found = {
        row.id: row for start in range(0, len(wanted), AT_ONCE) for row in _ask(uow, asked, wanted[start:][:AT_ONCE])
    }
    return [_addressee(found[actor_id]) for actor_id in sorted(found)]


def home_of(groups: Sequence[Addressee], parent: ParentPost | None) -> Addressee | None:
    """Return the one group of this node that a post belongs in: its parent's, else the one that it addresses."""
    if parent is not None:
        return next((group for group in groups if group.id == parent.group_id), None)
    return groups[0] if len(groups) == 1 else None


def shared_group(
    uow: UnitOfWork, author_id: int, people: Sequence[int], group_id: int | None
) -> tuple[int, timedelta, list[int]] | None:
    """Return a group that the author shares with these people, how long it keeps posts, and who of them reads this."""
    mine = select(MEMBERSHIPS.c.group_id).where(MEMBERSHIPS.c.actor_id == author_id, MEMBERSHIPS.c.state == "active")
    shared = select(MEMBERSHIPS, GROUPS.c.keep_seconds).join(GROUPS, GROUPS.c.id == MEMBERSHIPS.c.group_id)
    shared = shared.where(MEMBERSHIPS.c.group_id.in_(mine), MEMBERSHIPS.c.state == "active")
    shared = shared.where(MEMBERSHIPS.c.actor_id.in_(people) if people else MEMBERSHIPS.c.role.in_(FACILITATORS))
    if group_id is not None:
        shared = shared.where(MEMBERSHIPS.c.group_id == group_id)
    rows = uow.connection.execute(shared.order_by(MEMBERSHIPS.c.group_id)).fetchall()
    if not rows or (not people and group_id is None):
        return None
    first = rows[0].group_id
    recipients = [row.actor_id for row in rows if row.group_id == first and row.actor_id != author_id]
    return first, timedelta(seconds=rows[0].keep_seconds), recipients


def _ask(uow: UnitOfWork, asked: dict[str, Any], wanted: Sequence[str]) -> list[Any]:
    size = 1 << (len(wanted) - 1).bit_length()  # few sizes, so that few statements are prepared
    padded = [*wanted, *[wanted[-1]] * (size - len(wanted))]
    return _question(size).rows(uow, asked | {f"wanted_{i}": uri for i, uri in enumerate(padded)})


@functools.cache
def _question(size: int) -> Prepared:
    """Return the statement that asks for so many addresses; it is asked for every post that comes in."""
    author, parents_group = (bindparam(name, type_=BigInteger()) for name in ("author", "parents_group"))
    wanted = [bindparam(f"wanted_{i}", type_=String()) for i in range(size)]
    stands = and_(MEMBERSHIPS.c.group_id == GROUPS.c.id, MEMBERSHIPS.c.actor_id == author)
    columns: list[ColumnElement[Any]] = [
        ACTORS.c[name] for name in ("id", "uri", "handle", "host", "followers", "inbox", "local")
    ]
    columns += [GROUPS.c.audience, GROUPS.c.join_rule, GROUPS.c.keep_seconds, GROUPS.c.state.label("group_state")]
    return Prepared(
        select(*columns, MEMBERSHIPS.c.role, MEMBERSHIPS.c.state.label("member_state"), level_of(author))
        .outerjoin(GROUPS, GROUPS.c.id == ACTORS.c.id)
        .outerjoin(MEMBERSHIPS, stands)
        .where(or_(ACTORS.c.uri.in_(wanted), ACTORS.c.id == parents_group), ACTORS.c.local.is_(True))
    )


def _addressee(row: Any) -> Addressee:
    if row.audience is None:
        return Addressee(row.id, row.uri, row.local, None, None, timedelta(0))
    standing = Standing(
        group_id=row.id,
        audience=row.audience,
        join_rule=row.join_rule,
        group_state=row.group_state,
        local=row.local,
        role=row.role,
        state=row.member_state,
        server=row.server,
    )
    return Addressee(row.id, row.uri, row.local, facts_of(row), standing, timedelta(seconds=row.keep_seconds))
