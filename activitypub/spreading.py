"""To a large audience: deliveries are written after the author was answered, some thousands at a time.

What was put into the queue first is spread first; several processes take different activities at the same time. Who
has joined or left meanwhile is asked anew at each step. That one is about to be spread further is written down before
it is tried, so that one which cannot be spread goes to the end of the line and holds up nothing but its own thread.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import BigInteger, Row, bindparam, exists, func, select, update

from activitypub.context import FederationContext
from activitypub.outbox import carries_what_ended, drop_delivered
from activitypub.queueing import DELIVERIES, ITEMS, Audience, Queueing, note_effects, range_of
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork

SPREAD_AT_ONCE: Final = 2_500
"""How many deliveries one transaction writes: a few hundredths of a second in which nobody else can write on SQLite."""
_COLUMNS = ("id", "actor_id", "kind", "object_id", "expires_at", "ordering_key", "audience", "audience_of", "spread_to")
_ANY = Prepared(select(exists().where(ITEMS.c.audience.is_not(None))))
_NEXT = (
    select(ITEMS.c.id)
    .where(ITEMS.c.audience.is_not(None), ITEMS.c.audience.in_(bindparam("known", expanding=True)))
    .order_by(ITEMS.c.spread_tries, ITEMS.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_CHOSEN = (
    select(*(ITEMS.c[name] for name in _COLUMNS))
    .where(ITEMS.c.id == bindparam("chosen", type_=BigInteger()), ITEMS.c.audience.is_not(None))
    .with_for_update(skip_locked=True)
)


async def spread_due(context: FederationContext) -> int:
    """Spread one activity a little further and return 1, or 0 when there is none.

    One whose audience is not known here waits, with what comes behind it in its thread, for a process of the version
    that knows it.
    """
    if not await context.database.read(is_any_to_spread):
        return 0
    item_id = await context.database.write(choose, context.audiences)
    if item_id is None:
        return 0
    await context.database.write(spread, item_id, context.audiences)
    return 1


def is_any_to_spread(uow: UnitOfWork) -> bool:
    """Tell whether an activity is to be spread, be it by another version of the software."""
    return bool(_ANY.value(uow))


def choose(uow: UnitOfWork, known: Collection[str]) -> int | None:
    """Return the activity that was tried least of all whose audience is known, and of those the oldest."""
    item_id = uow.connection.execute(_NEXT, {"known": sorted(known)}).scalar()
    if item_id is not None:
        tried = update(ITEMS).where(ITEMS.c.id == item_id).values(spread_tries=ITEMS.c.spread_tries + 1)
        uow.connection.execute(tried)
    return item_id


def spread(uow: UnitOfWork, item_id: int, audiences: Mapping[str, Audience], most: int = SPREAD_AT_ONCE) -> None:
    """Write the next deliveries of an activity, unless another process is at it."""
    item = uow.connection.execute(_CHOSEN, {"chosen": item_id}).first()
    if item is None:
        return
    written = 0 if carries_what_ended(item, uow.now) else _spread(uow, item, audiences[item.audience], most)
    if written < most:
        uow.connection.execute(update(ITEMS).where(ITEMS.c.id == item.id).values(audience=None))
        drop_delivered(uow, {item.id})


def _spread(uow: UnitOfWork, item: Row[Any], audience: Audience, most: int) -> int:
    after = item.spread_to or ""
    asked = range_of(uow, item.id, item.ordering_key, after, most) | {"audience_of": item.audience_of}
    written = Queueing.for_query(audience.recipients, audience.is_large).deliver.run(uow, asked)
    if written:
        note_effects(uow, item, item.id, after)
        last = select(func.max(DELIVERIES.c.inbox)).where(DELIVERIES.c.outbox_id == item.id).scalar_subquery()
        uow.connection.execute(update(ITEMS).where(ITEMS.c.id == item.id).values(spread_to=last, spread_tries=0))
    return written
