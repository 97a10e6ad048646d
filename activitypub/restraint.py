"""What keeps this node from asking others again and again: answers and failures remembered, one question at a time.

Kept in memory and bounded; whoever sends us a thousand bad requests causes one fetch, not a thousand (S-115), and a
forged request does not keep the true one out that follows it, since what was fetched for the first serves the second.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

from activitypub.errors import FederationError, FetchError, RemoteError, Unreachable

T = TypeVar("T")
REFUSED_FOR = timedelta(minutes=10)
UNREACHABLE_FOR = timedelta(minutes=1)
ANSWERED_FOR = timedelta(minutes=5)
MAX_FAILURES = 20_000
MAX_ANSWERS = 512


class Restraint:
    """Answers and failures by what was asked for, and the questions that are under way; for one event loop."""

    def __init__(self) -> None:
        """Begin with nothing remembered."""
        self._failures: OrderedDict[str, tuple[datetime, FederationError]] = OrderedDict()
        self._answers: OrderedDict[str, tuple[datetime, Any]] = OrderedDict()
        self._under_way: dict[str, asyncio.Task[Any]] = {}

    async def once(self, what: str, now: datetime, ask: Callable[[], Coroutine[Any, Any, T]], *, keep: bool) -> T:
        """Return the answer to a question: asked now, being asked, or with `keep` in the last five minutes.

        A failure is remembered for ten minutes, or one where the other side could only not be reached; it is raised
        again meanwhile.
        """
        failed, answered = self._failures.get(what), self._answers.get(what)
        if failed is not None and now < failed[0]:
            raise failed[1].with_traceback(None)
        if answered is not None and now < answered[0]:
            return cast(T, answered[1])
        task = self._under_way.get(what)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._asked(what, now, ask, keep=keep))
            self._under_way[what] = task
            task.add_done_callback(lambda done: self._finished(what, done))
        # Shielded: one caller that gives up does not take the answer from the others.
        return cast(T, await asyncio.shield(task))

    def forget(self, what: str) -> None:
        """Forget an answer or a failure, so that the next question is asked anew."""
        self._failures.pop(what, None)
        self._answers.pop(what, None)

    async def _asked(self, what: str, now: datetime, ask: Callable[[], Coroutine[Any, Any, T]], *, keep: bool) -> T:
        try:
            answer = await ask()
        except (FetchError, RemoteError) as error:
            _put(self._failures, what, (now + failure_lasts(error), error), MAX_FAILURES)
            raise
        self.forget(what)
        if keep:
            _put(self._answers, what, (now + ANSWERED_FOR, answer), MAX_ANSWERS)
        return answer

    def _finished(self, what: str, task: asyncio.Task[Any]) -> None:
        self._under_way.pop(what, None)
        if not task.cancelled():
            task.exception()  # looked at, so that nobody is warned of it when all callers have gone


def failure_lasts(error: FederationError) -> timedelta:
    """Return how long a failure keeps us from asking again (federation reference §3.5)."""
    return UNREACHABLE_FOR if isinstance(error, Unreachable) else REFUSED_FOR


def _put(remembered: "OrderedDict[str, T]", what: str, value: T, most: int) -> None:
    remembered[what] = value
    remembered.move_to_end(what)
    while len(remembered) > most:
        remembered.popitem(last=False)
