"""What a change of the rules would cut off, counted before it is made: by domain and by group, and nobody by name."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import Select, func, select

from activitypub.changes import Rules, admissible
from activitypub.peers import PeerPolicy, covering, rules
from activitypub.rules import Rule
from groups.notifications import MEMBERS_SEVERING, SEVERING, News, give_each, those_who_look_after
from groups.people import ACTORS
from groups.places import GROUPS, MEMBERSHIPS
from groups.showing import POSTS
from privacy.unit_of_work import UnitOfWork

MEMBERS, REQUESTS, FOLLOWED, WAITING, WORDS = "members", "requests", "followed", "followed_pending", "posts"
KINDS: Final = (MEMBERS, REQUESTS, FOLLOWED, WORDS)
HOSTS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Tie:
    """How many ties of one kind there are between one server and one group."""

    host: str
    kind: str
    group_id: int
    """0 where the kind has no group."""
    count: int


@dataclass(frozen=True, slots=True)
class PreviewLine:
    """What a change would do to one domain, and cut off by that."""

    domain: str
    before: Rule | None
    after: Rule | None
    counts: Mapping[str, int]
    """By KINDS."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What a change of the rules would do."""

    lines: tuple[PreviewLine, ...]
    left_alone: int
    """How many lines would change nothing: a rule is there already, or a human ruled otherwise."""
    groups: Mapping[str, int] = field(default_factory=dict)
    """Groups of this node that would lose members, with how many."""
    followed: Mapping[str, int] = field(default_factory=dict)
    """Groups elsewhere in which people of this node would lose their places, with how many."""

    def total(self, kind: str) -> int:
        """Return how many ties of one kind would be cut off."""
        return sum(line.counts[kind] for line in self.lines)


def preview(uow: UnitOfWork, mode: str, wanted: Rules, list_id: int | None = None) -> Preview:
    """Return what some rules would change and cut off, in a few statements however many they are."""
    standing = rules(uow)
    made = admissible(wanted, standing, list_id)
    new = _with(standing, made)
    lost = _lost(ties(uow), mode, standing, new)
    by_domain: defaultdict[str, Counter[str]] = defaultdict(Counter)
    by_group: dict[str, Counter[int]] = {kind: Counter() for kind in (MEMBERS, FOLLOWED)}
    for tie in lost:
        by_domain[covering(tie.host, made) or tie.host][tie.kind] += tie.count
        if tie.kind in by_group:
            by_group[tie.kind][tie.group_id] += tie.count
    names = _names_of(uow, sorted({*by_group[MEMBERS], *by_group[FOLLOWED]}))
    lines = tuple(
        PreviewLine(name, standing.get(name), made[name], {kind: by_domain[name][kind] for kind in KINDS})
        for name in sorted(made)
    )
    groups, followed = (
        {names[group_id]: count for group_id, count in sorted(by_group[kind].items()) if group_id in names}
        for kind in (MEMBERS, FOLLOWED)
    )
    return Preview(lines, len(wanted) - len(made), groups, followed)


def foretell(uow: UnitOfWork, mode: str, wanted: Rules) -> None:
    """Tell those whom a change will cut off, while it waits for its hour: each of their own places alone."""
    standing = rules(uow)
    lost = _lost(ties(uow), mode, standing, _with(standing, admissible(wanted, standing)))
    theirs, ours = ({tie.group_id for tie in lost if tie.kind == kind} for kind in (MEMBERS, FOLLOWED))
    present = (MEMBERSHIPS.c.group_id.in_(sorted(ours)), MEMBERSHIPS.c.state == "active")
    query = select(MEMBERSHIPS.c.actor_id, MEMBERSHIPS.c.group_id).join(ACTORS, ACTORS.c.id == MEMBERSHIPS.c.actor_id)
    mine = uow.connection.execute(query.where(*present, ACTORS.c.local.is_(True))).fetchall() if ours else []
    caring = those_who_look_after(uow, sorted(theirs))
    told = [News(row.actor_id, SEVERING, row.group_id) for row in sorted(mine, key=tuple)]
    give_each(uow, told + [News(actor_id, MEMBERS_SEVERING, group_id) for group_id, actor_id in sorted(caring)])


def ties(uow: UnitOfWork) -> list[Tie]:
    """Return what ties this node to other servers, in three statements."""
    counted = (ACTORS.c.host, MEMBERSHIPS.c.group_id, MEMBERSHIPS.c.state, func.count().label("ties"))
    alive = (ACTORS.c.local.is_(False), MEMBERSHIPS.c.state.in_(("active", "pending")))
    kinds = ((MEMBERSHIPS.c.actor_id, (MEMBERS, REQUESTS)), (MEMBERSHIPS.c.group_id, (FOLLOWED, FOLLOWED)))
    found: list[Tie] = []
    for end, names in kinds:
        query = select(*counted).select_from(MEMBERSHIPS.join(ACTORS, ACTORS.c.id == end)).where(*alive)
        if names[0] == MEMBERS:
            query = query.where(MEMBERSHIPS.c.group_id.in_(select(GROUPS.c.id).where(GROUPS.c.local.is_(True))))
        rows = uow.connection.execute(query.group_by(*counted[:3]))
        found += [Tie(row.host, names[row.state == "pending"], row.group_id, row.ties) for row in rows]
    return found + [Tie(row.host, WORDS, 0, row.ties) for row in uow.connection.execute(_posts(uow))]


def _posts(uow: UnitOfWork) -> Select[Any]:
    alive = (POSTS.c.local.is_(False), POSTS.c.state == "live", POSTS.c.expires_at > uow.now)
    query = select(ACTORS.c.host, func.count().label("ties")).join(ACTORS, ACTORS.c.id == POSTS.c.author_id)
    return query.where(*alive).group_by(ACTORS.c.host)


def _with(standing: Mapping[str, Rule], made: Rules) -> dict[str, Rule]:
    """Return the rules as they would be."""
    return {name: rule for name, rule in {**standing, **made}.items() if rule is not None}


def _lost(found: Sequence[Tie], mode: str, before: Mapping[str, Rule], after: Mapping[str, Rule]) -> list[Tie]:
    """Return the ties to servers that are not held off now, and would be."""
    now, then = _policy(mode, before), _policy(mode, after)
    hosts = {tie.host for tie in found}
    cut = {host for host in hosts if not now.is_refused(host) and then.is_refused(host)}
    return [tie for tie in found if tie.host in cut]


def _policy(mode: str, standing: Mapping[str, Rule]) -> PeerPolicy:
    policy = PeerPolicy(mode)
    policy.replace({name: rule.level for name, rule in standing.items() if rule.lets_in}, None)
    return policy


def _names_of(uow: UnitOfWork, group_ids: Sequence[int]) -> dict[int, str]:
    """Return how groups are called, by id."""
    found: dict[int, str] = {}
    query = select(ACTORS.c.id, ACTORS.c.handle, ACTORS.c.host, ACTORS.c.local)
    for start in range(0, len(group_ids), HOSTS_AT_ONCE):
        for row in uow.connection.execute(query.where(ACTORS.c.id.in_(group_ids[start : start + HOSTS_AT_ONCE]))):
            found[row.id] = f"@{row.handle}" if row.local else f"@{row.handle}@{row.host}"
    return found
