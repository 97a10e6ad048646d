"""Which servers this node talks with, kept in memory so that no request waits for the database to know.

A rule for a host also covers the hosts below it, whatever the port and spelling (S-308); the most specific rule wins.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.dialects import postgresql, sqlite

from activitypub.errors import Blocked, MalformedActivity
from activitypub.models import Peer
from activitypub.origins import canonical_host
from privacy.unit_of_work import Database, UnitOfWork, table_of

LEVELS = ("allow", "normal", "limit", "quarantine", "suspend")
CLOSED = frozenset({"quarantine", "suspend"})
"""Nothing is taken from these and nothing sent to them: of the one until a human has looked, of the other for good."""
MODES = ("open", "quarantine", "allowlist", "off")
FRESH_FOR = timedelta(seconds=15)
"""How late another process learns of a rule at most; the one that makes it knows at once."""
PEERS = table_of(Peer)


class PeerPolicy:
    """The rules about other servers, and the node's own attitude towards those without one."""

    def __init__(self, mode: str = "open") -> None:
        """Begin without rules; `mode` is one of MODES."""
        if mode not in MODES:
            raise ValueError(f"federation mode {mode!r}")
        self._mode = mode
        self._levels: Mapping[str, str] = {}
        self._loaded_at: datetime | None = None

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
        for candidate in (canonical, *domains_above(without_port(canonical))):
            if candidate in self._levels:
                return self._levels[candidate]
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
            raise Blocked(f"host {host}")

    def replace(self, levels: Mapping[str, str], now: datetime) -> None:
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
        self.replace(await database.read(levels, everybody=self._mode == "quarantine"), now)


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


def levels(uow: UnitOfWork, *, everybody: bool = False) -> dict[str, str]:
    """Return the rule for every host that has one of its own, or also for those that were just met before."""
    query = select(PEERS.c.host, PEERS.c.level)
    if not everybody:
        query = query.where(PEERS.c.level != "normal")
    return {row.host: row.level for row in uow.connection.execute(query)}


def note_seen(uow: UnitOfWork, host: str) -> None:
    """Remember that a server exists; its rules and class stay as they are. A new one is asked soon what it runs."""
    if uow.connection.execute(_insert(uow).values(_new_peer(uow, host)).on_conflict_do_nothing()).rowcount:
        uow.wake("peers")


def note_threadiverse(uow: UnitOfWork, host: str) -> None:
    """Remember that a host announces activities, and so understands those of others (federation reference §5.4)."""
    note_seen(uow, host)
    unknown = (PEERS.c.host == host, PEERS.c.delivery_class == "microblog", PEERS.c.software.is_(None))
    uow.connection.execute(update(PEERS).where(*unknown).values(delivery_class="threadiverse"))


def set_level(uow: UnitOfWork, host: str, level: str) -> str:
    """Set the rule for a host and all below it; return its canonical name. Call `PeerPolicy.refresh` after the commit.

    Raises ValueError for an unknown level, MalformedActivity for what is no host.
    """
    if level not in LEVELS:
        raise ValueError(f"level {level!r}")
    name = canonical_host(host)
    statement = _insert(uow).values(_new_peer(uow, name) | {"level": level})
    uow.connection.execute(statement.on_conflict_do_update(index_elements=["host"], set_={"level": level}))
    return name


def set_levels(uow: UnitOfWork, levels: Mapping[str, str]) -> None:
    """Set the rules for several hosts by their canonical names, all of them or none, in one statement."""
    rows = [_new_peer(uow, host) | {"level": level} for host, level in sorted(levels.items())]
    if rows:
        made = _insert(uow)
        told = made.on_conflict_do_update(index_elements=["host"], set_={"level": made.excluded.level})
        uow.connection.execute(told, rows)


def _insert(uow: UnitOfWork) -> sqlite.Insert | postgresql.Insert:
    return sqlite.insert(PEERS) if uow.dialect == "sqlite" else postgresql.insert(PEERS)


def _new_peer(uow: UnitOfWork, host: str) -> dict[str, object]:
    first_day = uow.now.replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "host": host,
        "delivery_class": "microblog",
        "level": "normal",
        "first_seen_on": first_day,
        "failures": 0,
    }
