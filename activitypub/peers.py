"""Which servers this node talks with, kept in memory so that no request waits for the database to know.

A rule for a host also covers the hosts below it, whatever the port and spelling (S-308); the most specific rule wins.
Rules and what was seen of servers are two tables: to be met is not to be let in. So that statements need not look for
the domains above a host, each server that was seen also has the level that the rules give it, rewritten with them.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ScalarSelect, String, Table, bindparam, delete, func, literal, or_, select, text, update
from sqlalchemy.dialects import postgresql, sqlite

from activitypub.errors import Blocked, MalformedActivity
from activitypub.models import Delivery, Peer, PeerRule
from activitypub.origins import canonical_host
from activitypub.rules import CLOSED, LIMIT, MANUAL, Rule
from privacy.statements import Prepared
from privacy.unit_of_work import Database, UnitOfWork, table_of

MODES = ("open", "quarantine", "allowlist", "off")
FRESH_FOR = timedelta(seconds=15)
"""How late another process learns of a rule at most; the one that makes it knows at once."""
KNOWN_TO_ALL = FRESH_FOR + timedelta(seconds=1)
REWRITTEN_AT_ONCE = 500
MOST_KNOCKS, MOST_WAITING = 100, 500
"""How many servers that were turned away are written down at once, and wait for a human at all."""
PEERS, RULES, DELIVERIES = table_of(Peer), table_of(PeerRule), table_of(Delivery)
_WAS_SEEN = Prepared(select(literal(1)).where(PEERS.c.host == bindparam("seen_host", type_=String())))
COLUMNS = tuple(field.name for field in fields(Rule))
COUNTS = or_(RULES.c.source == MANUAL, RULES.c.level.in_((*sorted(CLOSED), LIMIT)))
"""The same as `Rule.lets_in`, as a condition."""
STRANGERS = (PEERS.c.level.is_(None), PEERS.c.software.is_(None), PEERS.c.last_success_on.is_(None))
"""Servers of which nothing is known but their name."""


class PeerPolicy:
    """The rules about other servers, and the node's own attitude towards those without one."""

    def __init__(self, mode: str = "open") -> None:
        """Begin without rules; `mode` is one of MODES."""
        if mode not in MODES:
            raise ValueError(f"federation mode {mode!r}")
        self._mode = mode
        self._levels: Mapping[str, str] = {}
        self._loaded_at: datetime | None = None
        self._knocked: set[str] = set()

    @property
    def mode(self) -> str:
        """`open`, `quarantine`, `allowlist` or `off`."""
        return self._mode

    def level(self, host: str) -> str:
        """Return the rule for a host in any spelling, or what the mode says of hosts without one.

        What is no host at all is `suspend`: nothing can be said for it.
        """
        try:
            canonical = canonical_host(host)
        except MalformedActivity:
            return "suspend"
        name = covering(canonical, self._levels)
        if name is not None:
            return self._levels[name]
        return {"open": "normal", "quarantine": "quarantine"}.get(self._mode, "suspend")

    def is_refused(self, host: str) -> bool:
        """Tell whether nothing is taken from a host and nothing sent to it."""
        if self._mode == "off":
            return True
        level = self.level(host)
        return level in CLOSED or (self._mode == "allowlist" and level != "allow")

    def check(self, host: str) -> None:
        """Raise Blocked for a host that is refused."""
        if self.is_refused(host):
            self._note_knock(host)
            raise Blocked(f"host {host}")

    def take_knocks(self) -> set[str]:
        """Return the servers without a rule that were turned away since this was asked last, for somebody to decide.

        Whoever knocks has proved nothing: these are claims, a hundred at most.
        """
        knocked, self._knocked = self._knocked, set()
        return knocked

    def _note_knock(self, host: str) -> None:
        if self._mode != "quarantine" or len(self._knocked) >= MOST_KNOCKS:
            return
        with suppress(MalformedActivity):
            canonical = canonical_host(host)
            if covering(canonical, self._levels) is None:
                self._knocked.add(canonical)

    def replace(self, levels: Mapping[str, str], now: datetime | None) -> None:
        """Take over the rules as they stand in the database."""
        self._levels, self._loaded_at = dict(levels), now

    async def keep_current(self, database: Database, now: datetime) -> None:
        """Read the rules again when they are older than fifteen seconds, or were never read."""
        if self._loaded_at is not None and now - self._loaded_at < FRESH_FOR:
            return
        if self._loaded_at is not None:
            self._loaded_at = now  # one request reads for all that come meanwhile
        await self.refresh(database, now)

    async def refresh(self, database: Database, now: datetime) -> None:
        """Read the rules now, as after a change."""
        self.replace(await database.read(levels), now)


def without_port(host: str) -> str:
    """Return a canonical host without its port."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def domains_above(name: str) -> list[str]:
    """Return a host name and every domain that it lies in, the most specific first; an IP address lies in none."""
    if name.startswith("[") or name.replace(".", "").isdigit():
        return [name]
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def covering(host: str, domains: Mapping[str, Any]) -> str | None:
    """Return the most specific of some domains that a canonical host is, or lies in, or None."""
    return next((name for name in (host, *domains_above(without_port(host))) if name in domains), None)


def levels(uow: UnitOfWork, *, source: str | None = None) -> dict[str, str]:
    """Return the levels by domain that count, or those alone that come from one source.

    That a list calls a server harmless is no reason to let it in: only a human says so (`Rule.lets_in`).
    """
    query = select(RULES.c.host, RULES.c.level).where(COUNTS)
    if source is not None:
        query = query.where(RULES.c.source == source)
    return {row.host: row.level for row in uow.connection.execute(query)}


def rules(uow: UnitOfWork) -> dict[str, Rule]:
    """Return every rule by domain, whole."""
    query = select(RULES.c.host, *(RULES.c[name] for name in COLUMNS))
    return {row.host: Rule(*row[1:]) for row in uow.connection.execute(query)}


def note_seen(uow: UnitOfWork, host: str) -> None:
    """Remember that a server exists; its rules and class stay as they are. A new one is asked soon what it runs."""
    if _WAS_SEEN.value(uow, {"seen_host": host}) is not None:
        return
    if uow.connection.execute(_insert(uow, PEERS).values(_new_peer(uow, host)).on_conflict_do_nothing()).rowcount:
        uow.wake("peers")


def note_knocks(uow: UnitOfWork, hosts: Iterable[str]) -> None:
    """Write down who was turned away, as far as few enough wait; to be written down is not to be let in."""
    waiting = uow.connection.execute(select(func.count()).select_from(PEERS).where(*STRANGERS)).scalar_one()
    rows = [_new_peer(uow, host) for host in sorted(hosts)][: max(0, MOST_WAITING - waiting)]
    if rows:
        plain = [row | {"level": None} for row in rows]  # no rule covers them, or nothing would have been noted
        uow.connection.execute(_insert(uow, PEERS).on_conflict_do_nothing(), plain)
        _rewrite_levels(uow)


def note_threadiverse(uow: UnitOfWork, host: str) -> None:
    """Remember that a host announces activities, and so understands those of others (federation reference §5.4)."""
    note_seen(uow, host)
    unknown = (PEERS.c.host == host, PEERS.c.delivery_class == "microblog", PEERS.c.software.is_(None))
    uow.connection.execute(update(PEERS).where(*unknown).values(delivery_class="threadiverse"))


def set_level(uow: UnitOfWork, host: str, level: str) -> str:
    """Set the rule for a host and all below it; return its canonical name. Call `PeerPolicy.refresh` after the commit.

    Raises ValueError for an unknown level, MalformedActivity for what is no host.
    """
    name, rule = canonical_host(host), Rule(level)
    put_rules(uow, {name: rule})
    return name


def lift_level(uow: UnitOfWork, name: str) -> bool:
    """Take back the rule for a domain by its canonical name; tell whether there was one."""
    return put_rules(uow, {name: None}) > 0


def put_rules(uow: UnitOfWork, changed: Mapping[str, Rule | None]) -> int:
    """Put rules in place by canonical name, None for no rule: all of them or none; return how many were taken back."""
    if not changed:
        return 0
    _hold_peers(uow)
    gone, lifted = sorted(name for name, rule in changed.items() if rule is None), 0
    for start in range(0, len(gone), REWRITTEN_AT_ONCE):
        some = gone[start : start + REWRITTEN_AT_ONCE]
        lifted += uow.connection.execute(delete(RULES).where(RULES.c.host.in_(some))).rowcount
    rows = [_row(uow, name, rule) for name, rule in sorted(changed.items()) if rule is not None]
    if rows:
        made = _insert(uow, RULES)
        told = {name: made.excluded[name] for name in COLUMNS}
        uow.connection.execute(made.on_conflict_do_update(index_elements=["host"], set_=told), rows)
    _rewrite_levels(uow)
    return lifted


def _hold_peers(uow: UnitOfWork) -> None:
    """Let no server be seen for the first time between the rules as they were and as they are."""
    if uow.dialect == "postgresql":
        uow.connection.execute(text("LOCK TABLE peers IN SHARE ROW EXCLUSIVE MODE"))


def _rewrite_levels(uow: UnitOfWork) -> None:
    """Give each server that was seen the level that the rules say now, in a few statements however many change.

    What waited for one that is let in again goes out as soon as every process has heard of it.
    """
    rules = levels(uow)
    changed: dict[str | None, list[str]] = defaultdict(list)
    for row in uow.connection.execute(select(PEERS.c.host, PEERS.c.level)):
        name = covering(row.host, rules)
        level = None if name is None else rules[name]
        if level != row.level:
            changed[level].append(row.host)
    for level, hosts in changed.items():
        for start in range(0, len(hosts), REWRITTEN_AT_ONCE):
            some = hosts[start : start + REWRITTEN_AT_ONCE]
            uow.connection.execute(update(PEERS).where(PEERS.c.host.in_(some)).values(level=level))
            if level not in CLOSED:
                soon = uow.now + KNOWN_TO_ALL
                waiting = (DELIVERIES.c.host.in_(some), DELIVERIES.c.lease.is_(None), DELIVERIES.c.due_at > soon)
                uow.connection.execute(update(DELIVERIES).where(*waiting).values(due_at=soon))


def _insert(uow: UnitOfWork, table: Table) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(table) if uow.dialect == "sqlite" else postgresql.insert(table)


def _row(uow: UnitOfWork, host: str, rule: Rule) -> dict[str, object]:
    return {"host": host, **{name: getattr(rule, name) for name in COLUMNS}, "made_on": rule.made_on or uow.now}


def _new_peer(uow: UnitOfWork, host: str) -> dict[str, object]:
    first_day = uow.now.replace(hour=0, minute=0, second=0, microsecond=0)
    known = {"host": host, "delivery_class": "microblog", "level": _level_of(host), "failures": 0}
    return {**known, "first_seen_on": first_day}


def _level_of(host: str) -> ScalarSelect[str]:
    """Return the query for what the rules say of a canonical host: of those that cover it, the longest name's."""
    names = (host, *domains_above(without_port(host)))
    query = select(RULES.c.level).where(RULES.c.host.in_(names), COUNTS).order_by(func.length(RULES.c.host).desc())
    return query.limit(1).scalar_subquery()
