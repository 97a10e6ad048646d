"""Into the queue: an activity is put there in the transaction that caused it, and sent later, by `dispatch`.

`enqueue` writes one sealed activity and one delivery for each inbox, in one statement however many there are. For an
audience that is large, `enqueue_for` writes the activity alone: who gets it is worked out later, by `spreading`.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Integer,
    Row,
    Select,
    String,
    bindparam,
    case,
    delete,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from activitypub.ledger import COLUMNS, LEDGER, LEDGER_KEPT
from activitypub.models import Delivery, OutboxItem, Peer
from activitypub.outbox import bound_to, drop_delivered, secret_of_day
from activitypub.strict_json import dumps
from privacy.records import Moment, snowflake_above
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Place, SealedBox

DELIVERIES, ITEMS, PEERS = table_of(Delivery), table_of(OutboxItem), table_of(Peer)
# These leave a copy of an object on the other server (privacy reference §5.2).
LEAVES_COPY = frozenset({"Create", "Update", "Announce"})
WITHDRAWS = frozenset({"Delete"})
# What need not be sent any more once this is queued behind it.
SUPERSEDES = {"Delete": LEAVES_COPY, "Update": frozenset({"Update"})}
_INSERT_ITEM = Prepared(insert(ITEMS), [column.key for column in ITEMS.columns])
KEY: BindParameter[int] = bindparam("queued_key", type_=BigInteger())
_NEWEST = Prepared(select(func.max(ITEMS.c.id)).where(ITEMS.c.ordering_key == KEY))
NEVER_LARGE: ColumnElement[bool] = literal(value=False)
NOW = bindparam("queued_now", type_=Moment())
AFTER: BindParameter[str] = bindparam("queued_after", type_=String())
ALL = 2**31 - 1
KEYS_AT_ONCE = 500
COMMON_COLUMNS = ("outbox_id", "ordering_key", "created_at", "attempts")


@dataclass(frozen=True, slots=True)
class Secrets:
    """The three secrets of a post: what travels of it is sealed with the same, and ends with them."""

    subject_id: int
    bucket: str
    slot: int


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An activity to be sent. `kind` decides how long to try, `ordering_key` (the thread) what comes after what."""

    actor_id: int
    """The local actor that signs."""
    kind: str
    document: dict[str, Any] | bytes
    object_id: int | None
    group_id: int
    secrets: Secrets | None
    """Those of the post whose words it carries; None for an activity without words."""
    ordering_key: int
    expires_at: datetime | None


# ── into the queue ───────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Audience:
    """Many who are found again by name when an activity is spread among them; its queries are made once."""

    name: str
    recipients: Select[tuple[str, str]]
    """Host and inbox of each; an inbox may come several times. `audience_of` is bound to the group or post."""
    is_large: ColumnElement[bool]
    """Whether there may be more of `audience_of` than an author should wait for; reads a few hundred rows at most."""


@dataclass(frozen=True, slots=True)
class Queueing:
    """The statements that put an activity into the queue for whomever a query finds; built once for each query."""

    weigh: Prepared
    """Asks in one row: is it a large audience, is anybody in it, and what is the newest of `queued_key`."""
    deliver: Prepared
    """Writes the deliveries to the first `queued_most` inboxes behind `queued_after`."""

    @classmethod
    @functools.lru_cache(maxsize=64)
    def for_query(cls, recipients: Select[tuple[str, str]], is_large: ColumnElement[bool] = NEVER_LARGE) -> "Queueing":
        """Return the statements for a query of (host, inbox), which is one of a module and not made anew each time."""
        to = recipients.subquery("recipients")
        # Each inbox once before anything is asked of its server: a shared one stands for hundreds of people.
        each = (
            select(func.min(to.c[0]).label("host"), to.c[1].label("inbox"))
            .where(to.c[1] > AFTER)
            .group_by(to.c[1])
            .order_by(to.c[1])
            .limit(bindparam("queued_most", type_=Integer()))
            .subquery("inboxes")
        )
        waits = case((PEERS.c.closed_until > NOW, PEERS.c.closed_until), else_=NOW)
        common = (bindparam("queued_item", type_=BigInteger()), KEY, NOW, literal(0))
        with_peers = each.outerjoin(PEERS, PEERS.c.host == each.c.host)
        rows = select(*common, each.c.host, each.c.inbox, waits).select_from(with_peers).order_by(each.c.inbox)
        anybody = select(
            recipients.with_only_columns(literal(1), maintain_column_froms=True).exists()
        ).scalar_subquery()
        newest = select(func.max(ITEMS.c.id)).where(ITEMS.c.ordering_key == KEY).scalar_subquery()
        return cls(
            weigh=Prepared(select(is_large, case((is_large, true()), else_=anybody), newest)),
            deliver=Prepared(insert(DELIVERIES).from_select([*COMMON_COLUMNS, "host", "inbox", "due_at"], rows)),
        )

    def weighed(self, uow: UnitOfWork, key: int, parameters: Mapping[str, object]) -> tuple[bool, bool, int | None]:
        """Return whether it is a large audience, whether anybody is in it, and the newest item of an ordering key."""
        found: Any = self.weigh.rows(uow, {**parameters, "queued_key": key})[0]
        return found[0], found[1], found[2]


def enqueue(
    uow: UnitOfWork,
    outgoing: Outgoing,
    recipients: Select[tuple[str, str]],
    parameters: Mapping[str, object] = MappingProxyType({}),
) -> int:
    """Queue an activity for each distinct inbox that a query of (host, inbox) finds; return how many.

    One statement, however many recipients; `parameters` are those of the query, which is built once and kept. Also
    notes in the ledger who will hold a copy, and takes back what a Delete makes pointless. Raises KeyShredded when the
    post has ended already.
    """
    queueing = Queueing.for_query(recipients)
    _, anybody, newest = queueing.weighed(uow, outgoing.ordering_key, parameters)
    return _deliver(uow, outgoing, queueing, newest, parameters) if anybody else 0


def enqueue_for(uow: UnitOfWork, outgoing: Outgoing, audience: Audience, of: int) -> None:
    """Queue an activity for an audience: at once for a small one, and for a large one when it is spread.

    What the author waits for does not grow with the audience. Raises KeyShredded when the post has ended already.
    """
    asked = {"audience_of": of}
    if outgoing.object_id is not None and outgoing.kind in SUPERSEDES:
        _spread_no_further(uow, outgoing, audience.name)
    queueing = Queueing.for_query(audience.recipients, audience.is_large)
    is_large, anybody, newest = queueing.weighed(uow, outgoing.ordering_key, asked)
    if is_large:
        _store_item(uow, outgoing, newest, audience.name, of)
        uow.wake("spreading")
    elif anybody:
        _deliver(uow, outgoing, queueing, newest, asked)


def _deliver(
    uow: UnitOfWork, outgoing: Outgoing, queueing: Queueing, newest: int | None, parameters: Mapping[str, object]
) -> int:
    outbox_id = _store_item(uow, outgoing, newest)
    count = queueing.deliver.run(uow, {**parameters, **range_of(uow, outbox_id, outgoing.ordering_key)})
    note_effects(uow, outgoing, outbox_id)
    return count


def enqueue_to(uow: UnitOfWork, outgoing: Outgoing, recipients: Sequence[tuple[str, str]]) -> int:
    """Do the same for a short list of (host, inbox)."""
    by_inbox = {inbox: host for host, inbox in recipients}
    if not by_inbox:
        return 0
    outbox_id = _store_item(uow, outgoing, _NEWEST.value(uow, {"queued_key": outgoing.ordering_key}))
    query = select(PEERS.c.host, PEERS.c.closed_until).where(
        PEERS.c.host.in_(sorted(set(by_inbox.values()))), PEERS.c.closed_until > uow.now
    )
    closed = {row.host: row.closed_until for row in uow.connection.execute(query)}
    common = dict(zip(COMMON_COLUMNS, (outbox_id, outgoing.ordering_key, uow.now, 0), strict=True))
    rows = [
        common | {"host": host, "inbox": inbox, "due_at": closed.get(host, uow.now)} for inbox, host in by_inbox.items()
    ]
    uow.connection.execute(insert(DELIVERIES), rows)
    note_effects(uow, outgoing, outbox_id)
    return len(rows)


def enqueue_each(uow: UnitOfWork, letters: Sequence[tuple[Outgoing, str, str]], *, due_at: datetime) -> None:
    """Queue many activities without words, each to one (host, inbox), in a few statements however many they are."""
    if not letters:
        return
    newest = _newest_of(uow, sorted({outgoing.ordering_key for outgoing, _, _ in letters}))
    items, rows = [], []
    for outgoing, host, inbox in letters:
        key = outgoing.ordering_key
        newest[key] = outbox_id = snowflake_above(uow.now, newest.get(key))
        items.append(_row_of(uow, outgoing, outbox_id))
        common = dict(zip(COMMON_COLUMNS, (outbox_id, key, uow.now, 0), strict=True))
        rows.append(common | {"host": host, "inbox": inbox, "due_at": due_at})
    uow.connection.execute(insert(ITEMS), items)
    uow.connection.execute(insert(DELIVERIES), rows)
    uow.wake("deliveries")


def _newest_of(uow: UnitOfWork, keys: Sequence[int]) -> dict[int, int]:
    query = select(ITEMS.c.ordering_key, func.max(ITEMS.c.id)).group_by(ITEMS.c.ordering_key)
    found: dict[int, int] = {}
    for start in range(0, len(keys), KEYS_AT_ONCE):
        some = query.where(ITEMS.c.ordering_key.in_(keys[start : start + KEYS_AT_ONCE]))
        found |= {row[0]: row[1] for row in uow.connection.execute(some)}
    return found


def follow_on(uow: UnitOfWork, keys: Sequence[int], key: int) -> None:
    """Put what waits in some orders into another one: of those threads that one has become."""
    for table in (ITEMS, DELIVERIES):
        uow.connection.execute(update(table).where(table.c.ordering_key.in_(keys)).values(ordering_key=key))


def range_of(uow: UnitOfWork, outbox_id: int, key: int, after: str = "", most: int = -1) -> dict[str, object]:
    """Return what `Queueing.deliver` asks for beside the query's own parameters; `most` below zero is no bound."""
    bound = ALL if most < 0 else most
    return {
        "queued_item": outbox_id, "queued_key": key, "queued_now": uow.now, "queued_after": after, "queued_most": bound
    }  # fmt: skip


def _store_item(
    uow: UnitOfWork, outgoing: Outgoing, newest: int | None, audience: str | None = None, of: int | None = None
) -> int:
    # Behind all that was queued before in this order, whatever the clocks of other processes say.
    outbox_id = snowflake_above(uow.now, newest)
    _INSERT_ITEM.run(uow, _row_of(uow, outgoing, outbox_id) | {"audience": audience, "audience_of": of})
    return outbox_id


def _row_of(uow: UnitOfWork, outgoing: Outgoing, outbox_id: int) -> dict[str, object]:
    """Return the row of an activity, sealed."""
    content = outgoing.document if isinstance(outgoing.document, bytes) else dumps(outgoing.document)
    # A Delete outlives the post whose end it tells of, so it is never sealed with that post's secrets.
    sealed_with = None if outgoing.kind in WITHDRAWS else outgoing.secrets
    if sealed_with is None:
        body = uow.vault.named_seal(secret_of_day(uow.now), content, bound_to(outbox_id))
    else:
        place = Place("outbox_items", outbox_id, 0, outgoing.group_id)
        box = SealedBox(place, sealed_with.subject_id, sealed_with.bucket, sealed_with.slot, None)
        body = uow.vault.reseal(box, place, content).body
    return {
        "id": outbox_id,
        "actor_id": outgoing.actor_id,
        "kind": outgoing.kind,
        "object_id": outgoing.object_id,
        "group_id": outgoing.group_id,
        "subject_id": sealed_with.subject_id if sealed_with else None,
        "bucket": sealed_with.bucket if sealed_with else None,
        "slot": sealed_with.slot if sealed_with else None,
        "body": body,
        "created_at": uow.now,
        "expires_at": outgoing.expires_at,
        "ordering_key": outgoing.ordering_key,
        "audience": None,
        "audience_of": None,
        "spread_to": None,
        "spread_tries": 0,
    }


def note_effects(uow: UnitOfWork, what: Outgoing | Row[Any], outbox_id: int, after: str = "") -> None:
    """Note who will hold a copy, and take back what this makes pointless, for the deliveries behind `after`."""
    if what.object_id is not None and what.kind in LEAVES_COPY:
        _note_copies(uow, what, outbox_id, after)
    if what.object_id is not None and what.kind in SUPERSEDES:
        _take_back(uow, what, outbox_id, after)
    uow.wake("deliveries")


def _note_copies(uow: UnitOfWork, what: Outgoing | Row[Any], outbox_id: int, after: str) -> None:
    ends_at = None if what.expires_at is None else what.expires_at + LEDGER_KEPT
    own = {"queued_item": outbox_id, "held_object": what.object_id, "held_until": ends_at}
    _NOTE_COPIES[uow.dialect].run(uow, own | {"queued_after": after})


def _note_statement(made: sqlite.Insert | postgresql.Insert) -> sqlite.Insert | postgresql.Insert:
    rows = select(
        bindparam("held_object", type_=BigInteger()),
        DELIVERIES.c.inbox,
        DELIVERIES.c.host,
        literal("push"),
        bindparam("held_until", type_=Moment()),
    ).where(DELIVERIES.c.outbox_id == bindparam("queued_item", type_=BigInteger()), DELIVERIES.c.inbox > AFTER)
    chosen = made.from_select(COLUMNS, rows)
    return chosen.on_conflict_do_update(
        index_elements=["object_id", "inbox"], set_={"ends_at": chosen.excluded.ends_at, "via": chosen.excluded.via}
    )


_NOTE_COPIES = {
    "sqlite": Prepared(_note_statement(sqlite.insert(LEDGER))),
    "postgresql": Prepared(_note_statement(postgresql.insert(LEDGER))),
}


def _superseded(what: Outgoing | Row[Any]) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions on what is in the queue of the same object, and pointless once this is."""
    return (ITEMS.c.object_id == what.object_id, ITEMS.c.kind.in_(sorted(SUPERSEDES[what.kind])))


def _take_back(uow: UnitOfWork, what: Outgoing | Row[Any], outbox_id: int, after: str) -> None:
    """Drop what waits of the same object for the same inboxes; what is under way keeps its place."""
    of_same = (ITEMS.c.id < outbox_id, ITEMS.c.actor_id == what.actor_id)
    earlier = set(uow.connection.execute(select(ITEMS.c.id).where(*_superseded(what), *of_same)).scalars())
    if not earlier:
        return
    now_told = select(DELIVERIES.c.inbox).where(DELIVERIES.c.outbox_id == outbox_id, DELIVERIES.c.inbox > after)
    waiting = (DELIVERIES.c.outbox_id.in_(earlier), DELIVERIES.c.inbox.in_(now_told), DELIVERIES.c.lease.is_(None))
    uow.connection.execute(delete(DELIVERIES).where(*waiting))
    drop_delivered(uow, earlier)


def _spread_no_further(uow: UnitOfWork, what: Outgoing, audience: str) -> None:
    """Leave it at whom earlier activities have reached: an edit those of its author to its audience, a Delete all.

    A Delete asks who holds a copy, and so it waits here, on PostgreSQL, for the step that is just noting some. It stops
    what others say of the post too, and also where it reaches nobody itself, since nothing has gone out yet.
    """
    stopped = update(ITEMS).where(*_superseded(what), ITEMS.c.audience.is_not(None))
    if what.kind not in WITHDRAWS:
        stopped = stopped.where(ITEMS.c.audience == audience, ITEMS.c.actor_id == what.actor_id)
    ended = set(uow.connection.execute(stopped.values(audience=None).returning(ITEMS.c.id)).scalars())
    drop_delivered(uow, ended)
