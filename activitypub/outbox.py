"""The deeds of the outbound queue: claim what may be sent now, open it, record what became of it.

A delivery is a row until it is through. Within a host and a thread (`ordering_key`) only the rows of the oldest
activity may be claimed, and none of an activity before which an older one still spreads, so order holds without a lock.
A `Peer` that failed is closed for a while, and its rows wait.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, and_, bindparam, case, delete, exists, func, literal, or_, select, update

from activitypub.models import Actor, Delivery, OutboxItem, Peer
from activitypub.outcomes import HOPELESS_FAILURES, HORIZON, LAST_WORDS, LAST_WORDS_HORIZON, Effect, Verdict, reopens_at
from activitypub.peers import note_seen
from activitypub.signatures.digest import digest
from privacy.errors import KeyShredded
from privacy.lists import among
from privacy.records import Moment
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork, claim_due, table_of
from privacy.vault import Place, SealedBox

DELIVERIES, ITEMS, PEERS, ACTORS = table_of(Delivery), table_of(OutboxItem), table_of(Peer), table_of(Actor)
LEASE = timedelta(seconds=30)  # an attempt takes 15 at most
MAX_PER_HOST = 8
CHUNK_PER_HOST = 4
"""A host that is known to be well takes so many at once, and as many again while those are under way."""
UNPROVEN_PER_HOST = 2
SCANNED = 2_048
DAYS_OF_OUTBOX = "outbox/"
"""Begins the names of the secrets that seal a day's activities without words."""
CLAIM_LOCK = 0x6B696E01
"""The number of the advisory lock, ours alone."""
MAX_ATTEMPTS = 150
"""Beyond any schedule: a row that was claimed so often breaks whoever works on it (R-210)."""
_TURN = Prepared(select(func.pg_advisory_xact_lock(literal(CLAIM_LOCK))))
_PEERS_NAMED = Prepared(
    select(PEERS.c.host, PEERS.c.failures, PEERS.c.closed_until, PEERS.c.last_success_on).where(
        among(PEERS.c.host, "hosts")
    )
)
_ITEMS_NAMED = Prepared(select(ITEMS).where(among(ITEMS.c.id, "items")))
_FINISHED = Prepared(
    delete(DELIVERIES).where(
        among(DELIVERIES.c.id, "row_ids"), DELIVERIES.c.lease == bindparam("held", type_=BigInteger())
    )
)
_NO_LONGER_NEEDED = Prepared(
    delete(ITEMS).where(
        among(ITEMS.c.id, "items"),
        ITEMS.c.audience.is_(None),
        ~exists().where(DELIVERIES.c.outbox_id == ITEMS.c.id),
    )
)
# Nothing is sent of these once the post has ended; a Delete or Undo is sent for that very reason.
CARRIES_WORDS = frozenset({"Create", "Update", "Announce", "Add"})


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that this process works on until the lease ends, with what is known of the host."""

    id: int
    lease: int
    outbox_id: int
    host: str
    inbox: str
    attempts: int
    failures: int
    last_success_on: datetime | None
    was_closed: bool
    allowance: int

    @property
    def proven(self) -> bool:
        """Whether the host took something before and has not failed since."""
        return self.failures == 0 and self.last_success_on is not None


@dataclass(frozen=True, slots=True)
class Parcel:
    """An activity, opened: the exact bytes, their digest, and who signs."""

    actor_id: int
    kind: str
    created_at: datetime
    body: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one claimed delivery; `verdict` is None when nothing was sent."""

    claimed: Claimed
    verdict: Verdict | None
    kept_back_until: datetime | None = None
    """When to look again at what was not sent because of the admin's rules; None is never."""

    @property
    def due_at(self) -> datetime | None:
        """When it goes on; None when it is through."""
        return self.kept_back_until if self.verdict is None else self.verdict.due_at


def claim_deliveries(uow: UnitOfWork, *, busy: Collection[str], room: int) -> list[Claimed]:
    """Lease at most `room` deliveries that may be sent now, none of them to a `busy` host.

    A host that failed gets one probe; the rest of its queue waits for the result.
    """
    if uow.dialect == "postgresql":
        # Claims are short; one after the other they can never split a thread between two workers.
        _TURN.run(uow)
    asked = {"busy": sorted(busy), "turn_now": uow.now}
    lease, rows = claim_due(uow, Delivery, limit=room, lease_for=LEASE, where=MAY_GO_NOW, parameters=asked)
    if not rows:
        return []
    peers = _peers(uow, {row.host for row in rows})
    probed = [host for host, peer in peers.items() if peer.closed_until is not None]
    if probed:
        held = update(PEERS).where(PEERS.c.host.in_(probed)).values(closed_until=uow.now + LEASE)
        uow.connection.execute(held)
    return [_claimed(row, lease, peers.get(row.host)) for row in rows]


def load_parcels(uow: UnitOfWork, outbox_ids: Collection[int]) -> dict[int, Parcel]:
    """Open activities; what has ended, or whose keys are gone, is left out (product decision 25)."""
    rows = _ITEMS_NAMED.rows(uow, {"items": outbox_ids})
    alive = [row for row in rows if not carries_what_ended(row, uow.now)]
    sealed = [row for row in alive if row.slot is not None]
    contents = dict(zip((row.id for row in sealed), uow.vault.open_many([box_of(row) for row in sealed]), strict=True))
    contents |= {row.id: _open_wordless(uow, row) for row in alive if row.slot is None}
    return {
        row.id: Parcel(row.actor_id, row.kind, row.created_at, content, digest(content))
        for row in alive
        if (content := contents[row.id]) is not None
    }


def record_outcomes(uow: UnitOfWork, outcomes: Sequence[Outcome], jitter: float) -> None:
    """Write down what became of a batch; a row whose lease is another's by now is left alone (R-201)."""
    done = [it.claimed for it in outcomes if it.due_at is None]
    _finish(uow, done)
    _delay(uow, [(it.claimed, it.due_at) for it in outcomes if it.verdict is not None and it.due_at])
    _give_back(uow, [(it.claimed, it.due_at) for it in outcomes if it.verdict is None and it.due_at])
    gone = {it.claimed.inbox: it.claimed.host for it in outcomes if it.verdict is not None and it.verdict.inbox_gone}
    if gone:
        theirs = (DELIVERIES.c.host.in_(sorted(set(gone.values()))), DELIVERIES.c.inbox.in_(sorted(gone)))
        uow.connection.execute(delete(DELIVERIES).where(*theirs, DELIVERIES.c.lease.is_(None)))
    for claimed, verdict in _decisive(outcomes).values():
        _note_host(uow, claimed, verdict, jitter)
    drop_delivered(uow, {claimed.outbox_id for claimed in done})


def release(uow: UnitOfWork, claimed: Sequence[Claimed]) -> None:
    """Give back what was claimed and not sent, as if it had never been claimed (R-212)."""
    _give_back(uow, [(it, uow.now) for it in claimed])


def drop_delivered(uow: UnitOfWork, outbox_ids: Collection[int]) -> None:
    """Delete activities that nobody waits for any more."""
    if outbox_ids:
        _NO_LONGER_NEEDED.run(uow, {"items": outbox_ids})


def actors_behind(uow: UnitOfWork, inboxes: Collection[str]) -> list[str]:
    """Return the URIs of the remote actors that have one of these as their own inbox."""
    query = select(ACTORS.c.uri).where(ACTORS.c.inbox.in_(list(inboxes)), ACTORS.c.local.is_(False))
    return list(uow.connection.execute(query.where(ACTORS.c.state != "gone")).scalars())


def box_of(row: Any) -> SealedBox:
    """Return the sealed content of an outbox row as the vault takes it."""
    return SealedBox(Place("outbox_items", row.id, 0, row.group_id), row.subject_id, row.bucket, row.slot, row.body)


def secret_of_day(moment: datetime) -> str:
    """Return the keyring's name for the secret that seals a day's activities without words."""
    return DAYS_OF_OUTBOX + moment.date().isoformat()


def bound_to(outbox_id: int) -> bytes:
    """Return the bytes that bind an activity without words to its row."""
    return f"outbox_items/{outbox_id}".encode()


def _may_go_now() -> Any:
    """Return the condition that a row has its turn at its host.

    Each host's rows that may be sent are numbered, and go as far as the host takes them at once.
    """
    head, now = DELIVERIES.alias("head"), bindparam("turn_now", type_=Moment())
    oldest = (
        select(head.c.outbox_id)
        .where(head.c.host == DELIVERIES.c.host, head.c.ordering_key == DELIVERIES.c.ordering_key)
        .order_by(head.c.outbox_id)
        .limit(1)
        .scalar_subquery()
    )
    spreads = ITEMS.alias("spreads")
    still_spreads = exists().where(
        spreads.c.audience.is_not(None),
        spreads.c.ordering_key == DELIVERIES.c.ordering_key,
        spreads.c.id < DELIVERIES.c.outbox_id,
    )
    allowance = case(
        (PEERS.c.failures > 0, 1), (PEERS.c.last_success_on.is_(None), UNPROVEN_PER_HOST), else_=CHUNK_PER_HOST
    )
    due = (
        select(DELIVERIES.c.id, DELIVERIES.c.host, allowance.label("allowance"))
        .select_from(DELIVERIES.outerjoin(PEERS, PEERS.c.host == DELIVERIES.c.host))
        .where(
            DELIVERIES.c.due_at <= now,
            DELIVERIES.c.outbox_id == oldest,
            ~still_spreads,
            or_(PEERS.c.closed_until.is_(None), PEERS.c.closed_until <= now),
            DELIVERIES.c.host.not_in(bindparam("busy", expanding=True)),
        )
        .order_by(DELIVERIES.c.due_at, DELIVERIES.c.id)
        .limit(SCANNED)
        .subquery("due")
    )
    turn = func.row_number().over(partition_by=due.c.host, order_by=due.c.id).label("turn")
    turns = select(due.c.id, due.c.allowance, turn).subquery("turns")
    return DELIVERIES.c.id.in_(select(turns.c.id).where(turns.c.turn <= turns.c.allowance))


MAY_GO_NOW = (_may_go_now(),)


def _peers(uow: UnitOfWork, hosts: Collection[str]) -> dict[str, Any]:
    return {row.host: row for row in _PEERS_NAMED.rows(uow, {"hosts": hosts})}


def _claimed(row: Any, lease: int, peer: Any) -> Claimed:
    failures = 0 if peer is None else peer.failures
    proven = peer is not None and peer.last_success_on is not None
    return Claimed(
        id=row.id,
        lease=lease,
        outbox_id=row.outbox_id,
        host=row.host,
        inbox=row.inbox,
        attempts=row.attempts,
        failures=failures,
        last_success_on=None if peer is None else peer.last_success_on,
        was_closed=peer is not None and peer.closed_until is not None,
        allowance=1 if failures else CHUNK_PER_HOST if proven else UNPROVEN_PER_HOST,
    )


def carries_what_ended(row: Any, now: datetime) -> bool:
    """Tell whether nothing of an activity may be sent any more."""
    return row.kind in CARRIES_WORDS and row.expires_at is not None and row.expires_at <= now


def _open_wordless(uow: UnitOfWork, row: Any) -> bytes | None:
    try:
        return uow.vault.named_open(secret_of_day(row.created_at), row.body, bound_to(row.id))
    except KeyShredded:
        return None


def _finish(uow: UnitOfWork, done: Sequence[Claimed]) -> None:
    for lease in sorted({it.lease for it in done}):
        _FINISHED.run(uow, {"row_ids": [it.id for it in done if it.lease == lease], "held": lease})


def _delay(uow: UnitOfWork, later: Sequence[tuple[Claimed, datetime]]) -> None:
    statement = (
        update(DELIVERIES)
        .where(DELIVERIES.c.id == bindparam("row_id"), DELIVERIES.c.lease == bindparam("held"))
        .values(due_at=bindparam("again"), lease=None)
    )
    if later:
        rows = [{"row_id": it.id, "held": it.lease, "again": due_at} for it, due_at in later]
        uow.connection.execute(statement, rows)


def _give_back(uow: UnitOfWork, unsent: Sequence[tuple[Claimed, datetime]]) -> None:
    """Give back what was claimed and not sent, for a moment of its own; it counts as no attempt."""
    statement = (
        update(DELIVERIES)
        .where(DELIVERIES.c.id == bindparam("row_id"), DELIVERIES.c.lease == bindparam("held"))
        .values(due_at=bindparam("again"), lease=None, attempts=DELIVERIES.c.attempts - 1)
    )
    if unsent:
        rows = [{"row_id": it.id, "held": it.lease, "again": due_at} for it, due_at in unsent]
        uow.connection.execute(statement, rows)


def _decisive(outcomes: Sequence[Outcome]) -> Mapping[str, tuple[Claimed, Verdict]]:
    """Return for each host the last attempt that tells something of it."""
    return {
        it.claimed.host: (it.claimed, it.verdict)
        for it in outcomes
        if it.verdict is not None and (it.verdict.effect is not Effect.NEUTRAL or it.claimed.was_closed)
    }


def _note_host(uow: UnitOfWork, claimed: Claimed, verdict: Verdict, jitter: float) -> None:
    if verdict.effect is Effect.ALIVE:
        _open_host(uow, claimed)
    elif verdict.effect is Effect.WAITING:
        _close_host(uow, claimed, claimed.failures, verdict.due_at)
    elif verdict.effect is Effect.NEUTRAL:  # a closed host answered: the next one may go, but it is not yet well
        uow.connection.execute(update(PEERS).where(PEERS.c.host == claimed.host).values(closed_until=None))
        _hasten(uow, claimed.host)
    else:
        failures = claimed.failures + 1
        _close_host(uow, claimed, failures, reopens_at(verdict.effect, failures, uow.now, jitter))


def _open_host(uow: UnitOfWork, claimed: Claimed) -> None:
    today = uow.now.replace(hour=0, minute=0, second=0, microsecond=0)
    if claimed.failures == 0 and not claimed.was_closed and claimed.last_success_on == today:
        return
    note_seen(uow, claimed.host)
    well = {"failures": 0, "closed_until": None, "last_success_on": today}
    uow.connection.execute(update(PEERS).where(PEERS.c.host == claimed.host).values(well))
    if claimed.was_closed:
        _hasten(uow, claimed.host)


def _hasten(uow: UnitOfWork, host: str) -> None:
    waiting = and_(DELIVERIES.c.host == host, DELIVERIES.c.lease.is_(None), DELIVERIES.c.due_at > uow.now)
    uow.connection.execute(update(DELIVERIES).where(waiting).values(due_at=uow.now))


def _close_host(uow: UnitOfWork, claimed: Claimed, failures: int, until: datetime | None) -> None:
    """Count one failure for each step, however many attempts were under way, and let the host's queue wait."""
    note_seen(uow, claimed.host)
    same_step = and_(PEERS.c.host == claimed.host, PEERS.c.failures == claimed.failures)
    counted = uow.connection.execute(
        update(PEERS).where(same_step).values(failures=failures, closed_until=until)
    ).rowcount
    if counted == 0 or until is None:
        until = uow.connection.execute(select(PEERS.c.closed_until).where(PEERS.c.host == claimed.host)).scalar()
    elif failures >= HOPELESS_FAILURES:
        _give_up(uow, claimed.host)
    if until is not None:
        waiting = and_(DELIVERIES.c.host == claimed.host, DELIVERIES.c.lease.is_(None), DELIVERIES.c.due_at < until)
        uow.connection.execute(update(DELIVERIES).where(waiting).values(due_at=until))


def _give_up(uow: UnitOfWork, host: str) -> None:
    """Drop what has waited for a dead host for too long."""
    waiting = and_(DELIVERIES.c.host == host, DELIVERIES.c.lease.is_(None))
    last_words = select(ITEMS.c.id).where(ITEMS.c.id == DELIVERIES.c.outbox_id, ITEMS.c.kind.in_(sorted(LAST_WORDS)))
    too_old = or_(
        DELIVERIES.c.created_at <= uow.now - LAST_WORDS_HORIZON,
        and_(DELIVERIES.c.created_at <= uow.now - HORIZON, ~exists(last_words)),
    )
    dropped = uow.connection.execute(delete(DELIVERIES).where(waiting, too_old).returning(DELIVERIES.c.outbox_id))
    drop_delivered(uow, set(dropped.scalars()))
