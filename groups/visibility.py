"""Who may see a post: one rule, said twice, in Python and in SQL (product decision 33).

A property test holds the two to the same answers. What may not be seen is treated as if it were not there. What was
written on a server that is held off is seen by nobody until that is let in again (S-309); what was written on one that
is limited, by those alone who belong to the group.
"""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from sqlalchemy import ColumnElement, and_, exists, false, literal, or_, select

from activitypub.models import Actor, Peer
from activitypub.rules import CLOSED, LIMIT
from groups.models import Group, Membership, Mention, Post
from groups.policy import PARTICIPANTS
from privacy.unit_of_work import table_of

POSTS, GROUPS, MEMBERSHIPS = table_of(Post), table_of(Group), table_of(Membership)
MENTIONS, ACTORS = table_of(Mention), table_of(Actor)
AUTHORS, SERVERS = ACTORS.alias("authors"), table_of(Peer).alias("servers_of_authors")
Number: TypeAlias = int | ColumnElement[int]
SHARED_AUDIENCES = ("peers-only", "followers", "public")
"""Groups of which another server may read something; of the first kind only one that is trusted."""


@dataclass(frozen=True, slots=True)
class Onlooker:
    """Who looks: an actor of this node, or another server on behalf of its people, or nobody in particular."""

    actor_id: int | None = None
    host: str | None = None
    """The host whose signature was verified; only for documents asked for by servers."""
    trusted: bool = False
    """Whether the admin allowed that host by name: nobody else is shown anything of a `peers-only` group."""
    limited: bool = False
    """Whether the admin limited that host: it is shown public groups alone."""


@dataclass(frozen=True, slots=True)
class PostFacts:
    """All of a post that decides who may see it."""

    group_id: int
    group_audience: str
    author_id: int
    audience: str
    state: str
    expires_at: datetime
    mentioned: AbstractSet[int] = field(default_factory=frozenset)
    author_level: str | None = None
    """What the admin's rules say of the author's server; None for somebody of this node, and where no rule is."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the onlooker belongs: the groups in which it, or somebody of its host, is a member now."""

    groups: AbstractSet[int] = field(default_factory=frozenset)
    actors: AbstractSet[int] = field(default_factory=frozenset)
    """The actors it speaks for: itself, or those of its host."""


def can_see(onlooker: Onlooker, places: Places, post: PostFacts, now: datetime) -> bool:
    """Answer whether a post may be seen: only while it lives, by its group, or by those a direct one names."""
    if post.state != "live" or post.expires_at <= now or post.author_level in CLOSED:
        return False
    if onlooker.host is not None and post.group_audience not in shared_with(onlooker):
        return False
    if post.author_id in places.actors:
        return True
    if post.audience == "direct":
        return bool(post.mentioned & places.actors)
    belongs = post.group_id in places.groups or post.group_id == onlooker.actor_id
    return belongs or (post.group_audience == "public" and post.author_level != LIMIT)


def visible_to(onlooker: Onlooker, now: datetime) -> ColumnElement[bool]:
    """Return the same rule as a condition on `posts` joined with `groups`."""
    if onlooker.host is None:
        return visible_here(onlooker.actor_id, now)
    shared = GROUPS.c.audience.in_(shared_with(onlooker))
    return and_(_alive(now), shared, or_(_by_host(onlooker.host), _to_group(_host_belongs(onlooker.host))))


def visible_here(reader: Number | None, now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    """Return the rule for an actor of this node, or for nobody in particular; both may be parameters of a statement."""
    if reader is None:
        return and_(_alive(now), _to_group(false()))
    named = exists().where(MENTIONS.c.post_id == POSTS.c.id, MENTIONS.c.actor_id == reader)
    mine = or_(POSTS.c.author_id == reader, and_(POSTS.c.audience == "direct", named))
    return and_(_alive(now), or_(mine, _to_group(_belongs(reader))))


def written_for(reader: Number | None) -> ColumnElement[bool]:
    """Return whether a post that somebody here sees was written for them as for others, as a condition as above.

    Whoever was shown out of a group still sees what they wrote there, but not what others make of that since.
    """
    return or_(POSTS.c.audience == "direct", _to_group(false() if reader is None else _belongs(reader)))


def shared_with(onlooker: Onlooker) -> tuple[str, ...]:
    """Return the audiences of groups of which another server may read something at all."""
    if onlooker.limited:
        return SHARED_AUDIENCES[2:]
    return SHARED_AUDIENCES if onlooker.trusted else SHARED_AUDIENCES[1:]


def groups_of(actor_id: Number) -> "ColumnElement[int]":
    """Return the ids of the groups in which an actor takes part now, as a subquery."""
    me = literal(actor_id, MEMBERSHIPS.c.actor_id.type) if isinstance(actor_id, int) else actor_id
    mine = (MEMBERSHIPS.c.actor_id == me, MEMBERSHIPS.c.state == "active", MEMBERSHIPS.c.role.in_(PARTICIPANTS))
    return select(MEMBERSHIPS.c.group_id).where(*mine).scalar_subquery()


def _alive(now: datetime | ColumnElement[datetime]) -> ColumnElement[bool]:
    return and_(POSTS.c.state == "live", POSTS.c.expires_at > now, _written_outside(sorted(CLOSED)))


def _written_outside(levels: Sequence[str]) -> ColumnElement[bool]:
    """Return whether a post was written here, or on a server of none of some levels."""
    written = select(literal(1)).select_from(AUTHORS.join(SERVERS, SERVERS.c.host == AUTHORS.c.host))
    return or_(POSTS.c.local, ~exists(written.where(AUTHORS.c.id == POSTS.c.author_id, SERVERS.c.level.in_(levels))))


def _belongs(actor_id: Number) -> ColumnElement[bool]:
    return or_(POSTS.c.group_id.in_(groups_of(actor_id)), POSTS.c.group_id == actor_id)


def _to_group(belongs: ColumnElement[bool]) -> ColumnElement[bool]:
    in_the_open = and_(GROUPS.c.audience == "public", _written_outside([LIMIT]))
    return and_(POSTS.c.audience == "group", or_(belongs, in_the_open))


def _host_belongs(host: str) -> ColumnElement[bool]:
    return exists().where(
        MEMBERSHIPS.c.group_id == POSTS.c.group_id,
        MEMBERSHIPS.c.state == "active",
        MEMBERSHIPS.c.role.in_(PARTICIPANTS),
        MEMBERSHIPS.c.actor_id == ACTORS.c.id,
        ACTORS.c.host == host,
        ACTORS.c.local.is_(False),
    )


def _by_host(host: str) -> ColumnElement[bool]:
    theirs = ACTORS.c.host == host
    wrote = exists().where(ACTORS.c.id == POSTS.c.author_id, theirs)
    named = exists().where(MENTIONS.c.post_id == POSTS.c.id, MENTIONS.c.actor_id == ACTORS.c.id, theirs)
    return or_(wrote, and_(POSTS.c.audience == "direct", named))
