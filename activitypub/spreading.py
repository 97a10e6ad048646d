"""To a large audience: deliveries are written after the author was answered, some thousands at a time.

What was put into the queue first is spread first; several processes take different activities at the same time. Who
has joined or left meanwhile is asked anew at each step, which is a transaction of its own.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from sqlalchemy import Row, bindparam, exists, func, select, update

from activitypub.outbox import carries_what_ended, drop_delivered
from activitypub.queueing import DELIVERIES, ITEMS, Audience, Queueing, note_effects, range_of
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork

SPREAD_AT_ONCE: Final = 2_500
"""How many deliveries one transaction writes: a few hundredths of a second in which nobody else can write on SQLite."""
_COLUMNS = ("id", "actor_id", "kind", "object_id", "expires_at", "ordering_key", "audience", "audience_of", "spread_to")
_ANY = Prepared(select(exists().where(ITEMS.c.audience.is_not(None))))
_NEXT = (
    select(*(ITEMS.c[name] for name in _COLUMNS))
    .where(
        ITEMS.c.audience.is_not(None),
        ITEMS.c.audience.in_(bindparam("known", expanding=True)),
        ITEMS.c.id.not_in(bindparam("stuck", expanding=True)),
    )
    .order_by(ITEMS.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)


class NotSpread(Exception):
    """An activity could not be spread for a fault of ours; `item` is its id in the queue."""

    def __init__(self, item: int) -> None:
        """Tell of the activity."""
        super().__init__(f"outbox item {item}")
        self.item = item


def is_any_to_spread(uow: UnitOfWork) -> bool:
    """Tell whether an activity is to be spread, be it by another version of the software."""
    return bool(_ANY.value(uow))


def spread_some(
    uow: UnitOfWork, audiences: Mapping[str, Audience], most: int = SPREAD_AT_ONCE, stuck: Collection[int] = ()
) -> bool:
    """Write the next deliveries of the oldest activity that is to be spread; false when there is none.

    One whose audience is not known here waits, with what comes behind it in its thread, for a process of the version
    that knows it. `stuck` are passed over. Raises NotSpread.
    """
    item = uow.connection.execute(_NEXT, {"known": sorted(audiences), "stuck": sorted(stuck)}).first()
    if item is None:
        return False
    try:
        written = 0 if carries_what_ended(item, uow.now) else _spread(uow, item, audiences[item.audience], most)
    except Exception as error:
        raise NotSpread(item.id) from error
    if written < most:
        uow.connection.execute(update(ITEMS).where(ITEMS.c.id == item.id).values(audience=None))
        drop_delivered(uow, {item.id})
    return True


def _spread(uow: UnitOfWork, item: Row[Any], audience: Audience, most: int) -> int:
    after = item.spread_to or ""
    asked = range_of(uow, item.id, item.ordering_key, after, most) | {"audience_of": item.audience_of}
    written = Queueing.for_query(audience.recipients).deliver.run(uow, asked)
    if written:
        note_effects(uow, item, item.id, after)
        last = select(func.max(DELIVERIES.c.inbox)).where(DELIVERIES.c.outbox_id == item.id).scalar_subquery()
        uow.connection.execute(update(ITEMS).where(ITEMS.c.id == item.id).values(spread_to=last))
    return written
