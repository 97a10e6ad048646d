"""The background loops: what came in, what goes out, what has ended.

Each loop calls a `*_due` function until nothing is due, then waits until it is woken after a commit, or for its pause.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from activitypub.delivery import deliver_due
from activitypub.describing import describe_due
from activitypub.inbox import process_due
from activitypub.spreading import spread_due
from node.faces import Faces
from node.retaining import Retention
from node.ruling import rules_due
from node.wiring import Node

POLL_SECONDS: Final = 1.0
PEERS_SECONDS: Final = 60.0
RETENTION_SECONDS: Final = 30.0
"""How often retention looks whether its sweep is due, which comes every five minutes."""
LONGEST_PAUSE_SECONDS: Final = 30.0
"""How long a loop that fails again and again waits before it tries once more."""
LAST_WORK_SECONDS: Final = 5.0
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Loop:
    """A kind of work that falls due."""

    name: str
    """What `UnitOfWork.wake` calls it."""
    due: Callable[[], Awaitable[int]]
    """Does some of the work and tells how much; nothing left is zero."""
    pause_seconds: float


def loops_of(node: Node, faces: Faces) -> list[Loop]:
    """Return the loops of a node."""
    retention = Retention(node)
    return [
        Loop("inbox", lambda: process_due(faces.federation), POLL_SECONDS),
        Loop("deliveries", lambda: deliver_due(faces.federation), POLL_SECONDS),
        Loop("spreading", lambda: spread_due(faces.federation), POLL_SECONDS),
        Loop("peers", lambda: describe_due(faces.federation), PEERS_SECONDS),
        Loop("rules", lambda: rules_due(node, faces), PEERS_SECONDS),
        Loop("retention", retention.due, RETENTION_SECONDS),
    ]


class Worker:
    """The loops of one process."""

    def __init__(self, node: Node, faces: Faces) -> None:
        """Begin with nothing running."""
        self._node, self._faces = node, faces
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Set the loops going."""
        self._running = asyncio.create_task(run_worker(self._node, loops_of(self._node, self._faces), self._stop))

    async def stop(self) -> None:
        """Let each loop finish the piece of work it is at; one that takes too long is cancelled, and loses nothing."""
        self._stop.set()
        if self._running is None:
            return
        try:
            async with asyncio.timeout(LAST_WORK_SECONDS):
                await self._running
        except TimeoutError:
            log.info("worker.cancelled")


async def run_worker(node: Node, loops: Sequence[Loop], stop: asyncio.Event) -> None:
    """Run loops until `stop` is set; a loop ends between two pieces of work, never in the middle of one."""
    await asyncio.gather(*(_run_loop(loop, node.wakes.listen(loop.name), stop) for loop in loops))


async def _run_loop(loop: Loop, woken: asyncio.Event, stop: asyncio.Event) -> None:
    failures = 0
    while not stop.is_set():
        woken.clear()
        try:
            done = await loop.due()
            failures = 0
        except Exception:  # the one place where everything is caught: a loop must outlive whatever happens in it
            failures += 1
            done = 0
            log.exception("worker.failed", loop=loop.name, failures=failures)
        if not done:
            pause = loop.pause_seconds if failures == 0 else min(POLL_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS)
            await _either(woken if failures == 0 else None, stop, pause)


async def _either(woken: asyncio.Event | None, stop: asyncio.Event, seconds: float) -> None:
    """Wait for one of two events, or for some time."""
    waiting = [asyncio.ensure_future(event.wait()) for event in (woken, stop) if event is not None]
    try:
        await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()
