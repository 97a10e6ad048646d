"""Deeds that wait for a database thread, and the answers that their callers wait for."""

import asyncio
import queue
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Any, Final

from privacy.errors import DatabaseUnavailable

MOST_WAITING: Final = 10_000
"""How many deeds may wait; beyond that callers are told at once to come again."""


class Job:
    """A deed that somebody waits for, and in the end its answer."""

    __slots__ = ("args", "collided", "deed", "error", "future", "kwargs", "loop", "value", "wakes")

    def __init__(self, deed: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.deed, self.args, self.kwargs = deed, args, kwargs
        self.loop: asyncio.AbstractEventLoop | None = None
        self.future: asyncio.Future[Any] | Future[Any]
        self.value: Any = None
        self.error: BaseException | None = None
        self.wakes: set[str] = set()
        self.collided = False

    def fail(self, error: BaseException) -> None:
        """Have the caller told of an error instead of an answer."""
        self.value, self.error, self.wakes = None, error, set()

    def answer(self) -> None:
        """Give the caller what it waits for; on the caller's own loop."""
        if self.future.done():  # who waited has gone away
            return
        if self.error is None:
            self.future.set_result(self.value)
        else:
            self.future.set_exception(self.error)


class JobQueue:
    """Jobs in order, for one thread or several."""

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()

    def put(self, job: Job) -> None:
        """Put a job in. Raises DatabaseUnavailable when too many wait."""
        if self._jobs.qsize() >= MOST_WAITING:
            raise DatabaseUnavailable("too many deeds wait")
        self._jobs.put(job)

    def end(self, threads: int) -> None:
        """Let each thread stop once everything before this is done."""
        for _ in range(threads):
            self._jobs.put(None)

    def take(self, most: int) -> list[Job]:
        """Wait for a job and return it with what waits behind it; nothing at the end."""
        first = self._jobs.get()
        if first is None:
            return []
        batch = [first]
        while len(batch) < most:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                self._jobs.put(None)
                break
            batch.append(job)
        return batch


def answer_all(batch: Sequence[Job]) -> None:
    """Give every caller of a batch what it waits for, with one call on each loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Job]] = {}
    for job in batch:
        if job.loop is None:
            job.answer()
        else:
            by_loop.setdefault(job.loop, []).append(job)
    for loop, jobs in by_loop.items():
        try:
            loop.call_soon_threadsafe(_answer_each, jobs)
        except RuntimeError:  # that loop was closed: nobody waits any more
            continue


def _answer_each(jobs: Sequence[Job]) -> None:
    for job in jobs:
        job.answer()
