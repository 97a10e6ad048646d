"""To a large audience: deliveries are written after the author was answered, some thousands at a time.

What was put into the queue first is spread first. Who has joined or left meanwhile is asked anew at each step.
"""

from collections.abc import Mapping
from typing import Any, Final

import structlog
from sqlalchemy import Row, func, select, update

from activitypub.outbox import carries_what_ended, drop_delivered
from activitypub.queueing import DELIVERIES, ITEMS, Audience, Queueing, note_effects, range_of
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork

SPREAD_AT_ONCE: Final = 2_500
"""How many deliveries one transaction writes: a few hundredths of a second in which nobody else can write on SQLite."""
_COLUMNS = ("id", "actor_id", "kind", "object_id", "expires_at", "ordering_key", "audience", "audience_of", "spread_to")
_NEXT = Prepared(
    select(*(ITEMS.c[name] for name in _COLUMNS))
    .where(ITEMS.c.audience.is_not(None))
    .order_by(ITEMS.c.id)
    .limit(1)
    .with_for_update(skip_locked=True)
)
log = structlog.get_logger()


def spread_some(uow: UnitOfWork, audiences: Mapping[str, Audience], most: int = SPREAD_AT_ONCE) -> bool:
    """Write the next deliveries of the oldest activity that is to be spread; false when there is none."""
    items = _NEXT.rows(uow)
    if not items:
        return False
    [item] = items
    audience = audiences.get(item.audience)
    if audience is None:
        log.error("delivery.audience_unknown", item=item.id, audience=item.audience)
    written = 0 if audience is None or carries_what_ended(item, uow.now) else _spread(uow, item, audience, most)
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
