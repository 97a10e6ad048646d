"""Puts together what is asked at the same moment, so that one trip to another thread serves many.

A hand-over between threads costs more than verifying a signature. Nobody waits for company: what comes alone goes
alone, and whatever comes while that is under way forms the next batch.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")
Work = Callable[[Sequence[Q]], Awaitable[Sequence[A | BaseException]]]


class Batcher(Generic[Q, A]):
    """Collects questions of one kind and asks them in batches, always of the same work."""

    def __init__(self, *, most: int, lanes: int) -> None:
        """Ask at most `most` questions at a time, and have at most `lanes` batches under way."""
        self._most, self._lanes = most, lanes
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._running: set[asyncio.Task[None]] = set()

    async def ask(self, work: Work[Q, A], question: Q) -> A:
        """Return the answer, or raise it when it is an exception; raises whatever the work as a whole raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, future))
        if len(self._running) < self._lanes:
            task = loop.create_task(self._drain(work))
            self._running.add(task)
            task.add_done_callback(self._running.discard)
        return await future

    async def _drain(self, work: Work[Q, A]) -> None:
        await asyncio.sleep(0)  # whatever else is ready in this turn of the loop comes along
        while self._waiting:
            some, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            (found,) = await asyncio.gather(work([question for question, _ in some]), return_exceptions=True)
            answers = [found] * len(some) if isinstance(found, BaseException) else found
            for (_, future), answer in zip(some, answers, strict=True):
                _answer(future, answer)


def _answer(future: "asyncio.Future[A]", answer: A | BaseException) -> None:
    if future.done():  # who asked has gone away
        return
    if isinstance(answer, BaseException):
        future.set_exception(answer)
    else:
        future.set_result(answer)
