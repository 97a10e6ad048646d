"""Out of the queue: who is to get an activity is worked out, and everything that is due is sent."""

from collections.abc import Callable

from activitypub.context import FederationContext
from activitypub.dispatch import Dispatch, draw


async def deliver_due(context: FederationContext, *, chance: Callable[[], float] = draw) -> int:
    """Send everything that is due, and whatever falls due meanwhile; return how many attempts were made.

    Returns when nothing is left to do now. May be cancelled: what was claimed and not sent is given back.
    """
    dispatch = Dispatch(context, chance)
    try:
        return await dispatch.run()
    finally:
        await dispatch.stop()
