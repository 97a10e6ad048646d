"""What is said to other servers of those of their people who follow an actor of this node, kept for some minutes."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from activitypub.context import FederationContext
from activitypub.synchronization import FIELD

KEPT: Final = timedelta(minutes=10)
MOST_KEPT: Final = 10_000
NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
TOLD_WITH: Final = frozenset({"Announce", "Create", "Update"})
"""The activities that go to followers."""


async def fields_of_followers(context: FederationContext, actor_id: int, kind: str, host: str) -> Mapping[str, str]:
    """Return the field to be signed and sent along with an activity: none where there is nothing to say.

    The floor above is asked once in ten minutes for each actor and host.
    """
    ask, now, key = context.followers_on, context.clock(), (actor_id, host)
    if ask is None or kind not in TOLD_WITH:
        return NOTHING
    known = context.told_of_followers.get(key)
    if known is None or not timedelta(0) <= now - known[0] < KEPT:
        found = await context.database.read(ask, actor_id, host)
        known = now, NOTHING if found is None else {FIELD.title(): found.field}
        context.told_of_followers[key] = known
        context.told_of_followers.move_to_end(key)
        while len(context.told_of_followers) > MOST_KEPT:
            context.told_of_followers.popitem(last=False)
    return known[1]
