"""When things end (pure), and how they are ended: hidden, keys destroyed, rows emptied (reference §3, §4.5).

Every step may be repeated, and a crash between two of them is made good by the next run:

1. `hide_due`      one transaction: what has ended is hidden, and a ShredJob written for each
2. `claim_shreds`  one transaction: jobs are leased
3. `destroy_keys`  one commit of the keyring: secrets go, keyed hashes stay
4. `finish_shreds` one transaction: ciphertext is nulled, what hangs on it goes, the jobs are closed

The clock guard stands before step 1: a wrong clock must not destroy a community (product decision 26).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from sqlalchemy import ColumnElement, Table, func, select, union_all
from sqlalchemy import delete as delete_rows
from sqlalchemy.dialects import postgresql, sqlite

from privacy.accounts import secret_name
from privacy.clock import from_milliseconds, monotonic_seconds, to_milliseconds
from privacy.models import NodeState, ShredJob
from privacy.records import Record
from privacy.unit_of_work import UnitOfWork, claim_due, table_of
from privacy.vault import Vault

BATCH: Final = 500
HIDDEN_AT_ONCE: Final = 50
LEASE: Final = timedelta(minutes=5)
BACKWARDS: Final = timedelta(minutes=5)
LONG_GAP: Final = timedelta(hours=48)
AGREEING_FOR: Final = timedelta(hours=1)
MOST_DRIFT: Final = timedelta(minutes=1)
MANY: Final = 1_000
SHARE_OF_LIVE: Final = 0.2
CONFIRMED_FOR: Final = timedelta(hours=1)
ORPHAN_AGE: Final = timedelta(days=1)
STATES, JOBS = table_of(NodeState), table_of(ShredJob)
SLOTS_JUDGED = "retention.slots_judged"
RAN_AT, STOPPED, CONFIRMED_AT = "retention.ran_at", "retention.stopped", "retention.confirmed_at"


@dataclass(frozen=True, slots=True)
class RetentionPolicy:
    """How long something is kept from the moment of our receipt."""

    keep: timedelta


def expires_at(policy: RetentionPolicy, received: datetime) -> datetime:
    """Return when something received at a moment ends."""
    return received + policy.keep


class Eraser(Protocol):
    """What else must happen when rows of one kind end; answered by the floor that owns them. Both are deeds."""

    def hide(self, uow: UnitOfWork, ids: Sequence[int]) -> None:
        """Hide rows whose time has come, write a ShredJob for each, and tell whoever holds a copy."""
        ...

    def clean(self, uow: UnitOfWork, ids: Sequence[int]) -> None:
        """Empty rows whose keys are gone, and delete what hangs on them; safe to repeat."""
        ...


Erasers = Mapping[str, Eraser]
"""By kind, which is the name of a table. One with `state` and `expires_at` is swept; the others end only on request."""


# ── the clock guard ──────────────────────────────────────────────────────────────────────────────────────────────────


class Verdict(StrEnum):
    """Whether a sweep may destroy, and why not."""

    GO = "go"
    CLOCK_BACK = "the clock stands before the last run"
    LONG_GAP = "the last run is more than 48 hours ago"
    TOO_MUCH = "more than a fifth of all live content, and more than 1,000 items, would end at once"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the guard judges by."""

    ran_at: datetime | None
    due: int
    live: int
    confirmed: bool = False
    clocks_agree: bool = False


def judge(facts: Facts, now: datetime) -> Verdict:
    """Tell whether a sweep may go on at a moment."""
    if facts.confirmed:
        return Verdict.GO
    if facts.ran_at is not None and now < facts.ran_at - BACKWARDS:
        return Verdict.CLOCK_BACK
    if facts.ran_at is not None and now > facts.ran_at + LONG_GAP and not facts.clocks_agree:
        return Verdict.LONG_GAP
    if facts.due > MANY and facts.due > SHARE_OF_LIVE * facts.live:
        return Verdict.TOO_MUCH
    return Verdict.GO


class ClockWatch:
    """Tells whether the wall clock has gone along with the monotonic one for an hour."""

    def __init__(self, monotonic: Callable[[], float] = monotonic_seconds) -> None:
        self._monotonic = monotonic
        self._since: tuple[datetime, float] | None = None

    def agrees(self, now: datetime) -> bool:
        """Compare the two clocks; a jump begins the hour anew."""
        passed = self._monotonic()
        if self._since is None or abs((now - self._since[0]).total_seconds() - (passed - self._since[1])) > (
            MOST_DRIFT.total_seconds()
        ):
            self._since = (now, passed)
        return passed - self._since[1] >= AGREEING_FOR.total_seconds()


def note_verdict(uow: UnitOfWork, verdict: Verdict) -> None:
    """Write down what the guard said, and when it lets a sweep pass also that one ran."""
    if verdict is Verdict.GO:
        remember(uow, RAN_AT, str(to_milliseconds(uow.now)))
        forget(uow, STOPPED)
    else:
        remember(uow, STOPPED, verdict.value)


def gather(uow: UnitOfWork, erasers: Erasers, *, clocks_agree: bool = False) -> Facts:
    """Return what the guard judges by; a question, for it counts much."""
    due = live = 0
    for table in swept(erasers):
        counted = select(func.count(), func.count().filter(table.c.expires_at <= uow.now)).where(_is_live(table))
        all_of_it, ended = uow.connection.execute(counted).one()
        live, due = live + all_of_it, due + ended
    confirmed_at = recall_moment(uow, CONFIRMED_AT)
    confirmed = confirmed_at is not None and timedelta(0) <= uow.now - confirmed_at < CONFIRMED_FOR
    return Facts(last_run(uow), due, live, confirmed, clocks_agree)


def confirm(uow: UnitOfWork) -> None:
    """Let sweeps of the next hour pass: somebody has looked at the clock and at the counts."""
    remember(uow, CONFIRMED_AT, str(to_milliseconds(uow.now)))


def last_run(uow: UnitOfWork) -> datetime | None:
    """Return when a sweep ran last, or None."""
    return recall_moment(uow, RAN_AT)


def stopped_by(uow: UnitOfWork) -> str | None:
    """Return why the guard holds sweeps back, or None."""
    return recall(uow, STOPPED)


# ── the steps ────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Shreds:
    """Jobs under one lease."""

    lease: int
    jobs: tuple[tuple[str, int, int | None], ...]
    """Kind, id and slot of each thing that ends."""
    ids: tuple[int, ...]


def hide_due(uow: UnitOfWork, erasers: Erasers, limit: int = HIDDEN_AT_ONCE) -> int:
    """Hide what has reached its end, at most so much of each kind, and return how much that was."""
    hidden = 0
    for table in swept(erasers):
        ended = (
            select(table.c.id)
            .where(_is_live(table), table.c.expires_at <= uow.now)
            .order_by(table.c.expires_at)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        ids = list(uow.connection.execute(ended).scalars())
        if ids:
            erasers[table.name].hide(uow, ids)
            hidden += len(ids)
    return hidden


def claim_shreds(uow: UnitOfWork, limit: int = BATCH) -> Shreds | None:
    """Lease jobs of destruction, or return None when there are none."""
    lease, rows = claim_due(uow, ShredJob, limit=limit, lease_for=LEASE)
    if not rows:
        return None
    return Shreds(lease, tuple((row.kind, row.target_id, row.slot) for row in rows), tuple(row.id for row in rows))


def destroy_keys(vault: Vault, shreds: Shreds, now: datetime) -> None:
    """Destroy the secrets of what ends, all in one commit of the keyring; not a deed, for it cannot be taken back."""
    vault.destroy(
        now,
        slots=[slot for _, _, slot in shreds.jobs if slot is not None],
        subjects=[target for kind, target, _ in shreds.jobs if kind == "actors"],
        names=[secret_name(target) for kind, target, _ in shreds.jobs if kind == "accounts"],
        tombs=[vault.tomb(kind, target) for kind, target, _ in shreds.jobs],
    )


def finish_shreds(uow: UnitOfWork, shreds: Shreds, erasers: Erasers) -> int:
    """Empty the rows whose keys are gone and close their jobs; return how many there were."""
    for kind in sorted({kind for kind, _, _ in shreds.jobs}):
        erasers[kind].clean(uow, [target for of, target, _ in shreds.jobs if of == kind])
    uow.connection.execute(delete_rows(JOBS).where(JOBS.c.id.in_(shreds.ids), JOBS.c.lease == shreds.lease))
    return len(shreds.jobs)


def secrets_of_days(vault: Vault, prefixes: Sequence[str], before: datetime) -> list[str]:
    """Return the names of queue secrets that were made for days before the one of a moment."""
    last = before.date().isoformat()
    names = [name for prefix in prefixes for name in vault.keyring.names_below(prefix)]
    return [name for name in names if name.rpartition("/")[2] < last]


def orphans_among(uow: UnitOfWork, slots: Sequence[int]) -> list[int]:
    """Return those of some object slots that no row names: a deed that took one was rolled back."""
    named = union_all(*(select(table.c.slot).where(table.c.slot.in_(slots)) for table in with_slots()))
    kept = set(uow.connection.execute(named).scalars())
    return [slot for slot in slots if slot not in kept]


def slots_judged(uow: UnitOfWork) -> int:
    """Return the last object slot that was asked whether a row names it."""
    return int(recall(uow, SLOTS_JUDGED) or 0)


def note_slots_judged(uow: UnitOfWork, last: int) -> None:
    """Write down the last object slot that was asked."""
    remember(uow, SLOTS_JUDGED, str(last))


# ── small parts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def swept(erasers: Erasers) -> list[Table]:
    """Return the tables whose rows end by time."""
    tables = [Record.metadata.tables[kind] for kind in erasers]
    return [table for table in tables if {"state", "expires_at"} <= set(table.c.keys())]


def with_slots() -> list[Table]:
    """Return the tables whose rows name an object secret."""
    return [table for table in Record.metadata.sorted_tables if "slot" in table.c]


def remember(uow: UnitOfWork, name: str, value: str) -> None:
    """Write a fact of the node down."""
    dialect = postgresql if uow.dialect == "postgresql" else sqlite
    written = dialect.insert(STATES).values(name=name, value=value)
    uow.connection.execute(written.on_conflict_do_update(index_elements=["name"], set_={"value": value}))


def forget(uow: UnitOfWork, name: str) -> None:
    """Drop a fact of the node."""
    uow.connection.execute(delete_rows(STATES).where(STATES.c.name == name))


def recall(uow: UnitOfWork, name: str) -> str | None:
    """Return a fact of the node, or None."""
    found: str | None = uow.connection.execute(select(STATES.c.value).where(STATES.c.name == name)).scalar()
    return found


def recall_moment(uow: UnitOfWork, name: str) -> datetime | None:
    """Return a moment that was written down, or None."""
    found = recall(uow, name)
    return None if found is None else from_milliseconds(int(found))


def _is_live(table: Table) -> ColumnElement[bool]:
    return table.c.state == "live"
