"""The background loops outlive what happens in them, wake after a commit, and end between two pieces of work."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

import pytest

from node.faces import join_faces
from node.wiring import Node
from node.worker import Loop, Worker, loops_of, run_worker
from privacy.unit_of_work import UnitOfWork
from tests.factories import make_persona

FOREVER = 3_600.0
PATIENCE = 20.0

on_sqlite = pytest.mark.parametrize("database_address", ["sqlite"], indirect=True)


class Work:
    """Work that a test hands out, and that tells how often it was asked for."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)
        self.count = 0
        self.then: Callable[[], Awaitable[int]] | None = None

    async def due(self) -> int:
        self.count += 1
        self.asked.release()
        return await self.then() if self.then else 0

    async def once_more(self) -> None:
        """Wait until it was asked for once more."""
        async with asyncio.timeout(PATIENCE):
            await self.asked.acquire()


class Running:
    """Loops that run while a test goes on; a context manager."""

    def __init__(self, node: Node, *loops: Loop) -> None:
        self.stop = asyncio.Event()
        self._node, self._loops = node, loops

    async def __aenter__(self) -> "Running":
        self.task = asyncio.create_task(run_worker(self._node, self._loops, self.stop))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.stop.set()
        async with asyncio.timeout(PATIENCE):
            await self.task


@on_sqlite
async def test_a_loop_works_on_until_nothing_is_left_and_then_waits(node: Node) -> None:
    work, left = Work(), [3, 2, 1, 0]

    async def one_batch() -> int:
        return left.pop(0)

    work.then = one_batch
    async with Running(node, Loop("mine", work.due, FOREVER)):
        for _ in range(4):
            await work.once_more()
    assert (work.count, left) == (4, [])


@on_sqlite
async def test_a_loop_is_woken_by_a_commit_and_not_by_what_failed(node: Node) -> None:
    def wake(uow: UnitOfWork, *, fail: bool) -> None:
        uow.wake("mine")
        if fail:
            raise LookupError

    work, other = Work(), Work()
    async with Running(node, Loop("mine", work.due, FOREVER), Loop("other", other.due, FOREVER)):
        await work.once_more()
        await other.once_more()
        with pytest.raises(LookupError):
            await node.database.write(wake, fail=True)
        await node.database.write(wake, fail=False)
        await work.once_more()
    assert (work.count, other.count) == (2, 1)


@on_sqlite
async def test_a_loop_that_fails_goes_on_and_takes_no_other_with_it(
    node: Node, caplog: pytest.LogCaptureFixture
) -> None:
    failing, healthy, failures = Work(), Work(), [True]

    async def fail_once() -> int:
        if failures:
            failures.pop()
            raise RuntimeError("i-cannot-sleep")
        return 0

    failing.then = fail_once
    with caplog.at_level(logging.CRITICAL):
        async with Running(node, Loop("failing", failing.due, FOREVER), Loop("healthy", healthy.due, FOREVER)):
            await failing.once_more()
            await healthy.once_more()
            await failing.once_more()  # by itself, after a pause that is shorter than the loop's own
            node.wakes.wake("healthy")
            await healthy.once_more()
            node.wakes.wake("failing")
            await failing.once_more()
    assert (failing.count, healthy.count) == (3, 2)


@on_sqlite
async def test_stopping_waits_for_the_piece_of_work_and_begins_no_other(node: Node) -> None:
    work, done = Work(), []
    running = Running(node, Loop("mine", work.due, FOREVER))

    async def slowly() -> int:
        await running.stop.wait()
        await node.database.read(lambda _: None)  # it goes on for a while after it was asked to end
        done.append(running.task.done())
        return 1  # there would be more

    work.then = slowly
    async with running:
        await work.once_more()
    assert (done, work.count) == ([False], 1)


@on_sqlite
async def test_stopping_does_not_wait_for_a_pause(node: Node) -> None:
    work = Work()
    async with Running(node, Loop("mine", work.due, FOREVER)):
        await work.once_more()
    assert work.count == 1


async def test_the_loops_of_a_node_run_and_end_in_order(node: Node) -> None:
    faces = join_faces(node)
    assert [loop.name for loop in loops_of(node, faces)] == [
        "inbox",
        "deliveries",
        "spreading",
        "peers",
        "rules",
        "retention",
    ]
    worker = Worker(node, faces)
    worker.start()
    await node.database.write(make_persona, node.uris, "robin")
    await worker.stop()
    await faces.close()
    await Worker(node, faces).stop()  # one that was never started
