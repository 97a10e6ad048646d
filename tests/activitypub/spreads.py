"""Steps of spreading, as the loop of a worker takes them."""

from collections.abc import Mapping

from activitypub.queueing import Audience
from activitypub.spreading import SPREAD_AT_ONCE, choose, spread
from privacy.unit_of_work import UnitOfWork


def spread_some(uow: UnitOfWork, audiences: Mapping[str, Audience], most: int = SPREAD_AT_ONCE) -> bool:
    """Take one step; false when there is nothing to spread."""
    item_id = choose(uow, audiences)
    if item_id is None:
        return False
    spread(uow, item_id, audiences, most)
    return True
