"""Whether the node lives and is ready: said in numbers about queues, never about people, and never by a traceback."""

import asyncio
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import insert
from starlette.applications import Starlette

from node.database import POSTGRESQL_THREADS, ThreadedDatabase
from node.deeds import Job, JobQueue
from node.health import LAG_ALARM, TRIED_AT, Ground, Readiness, readiness, routes
from node.wiring import Node
from privacy import retention
from privacy.models import ShredJob
from privacy.retention import Verdict
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import MovableClock
from tests.factories import make_persona
from tests.node.halting import BACKENDS, beside, halted

JOBS = table_of(ShredJob)
FIELDS = {
    "status", "database", "writes", "keyring", "queue_depth", "oldest_job_seconds", "retention_lag_seconds",
    "retention_late",
}  # fmt: skip

on_postgresql = pytest.mark.parametrize("database_address", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_address", ["sqlite"], indirect=True)


async def look(node: Node) -> Readiness:
    return await readiness(node, Ground(node))


async def ask(node: Node, path: str) -> httpx.Response:
    app = Starlette(routes=routes(node))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://kin.example") as client:
        return await client.get(path)


def order(uow: UnitOfWork, number: int, due_in: timedelta | None) -> None:
    due_at = None if due_in is None else uow.now + due_in
    row = {"id": number, "kind": "posts", "target_id": number, "created_at": uow.now, "attempts": 0, "due_at": due_at}
    uow.connection.execute(insert(JOBS), row)


async def test_a_new_node_is_alive_and_ready(node: Node) -> None:
    live, ready = await ask(node, "/health/live"), await ask(node, "/health/ready")
    assert (live.status_code, live.json()) == (200, {"status": "live"})
    assert ready.status_code == 200
    told = ready.json()
    assert set(told) == FIELDS
    assert (told["status"], told["database"], told["keyring"]) == ("ready", True, True)
    assert told["queue_depth"] == {"inbox": 0, "deliveries": 0, "shred": 0}
    assert (told["oldest_job_seconds"], told["retention_lag_seconds"], told["retention_late"]) == (0, None, False)
    assert {answer.headers["cache-control"] for answer in (live, ready)} == {"no-store"}


async def test_what_waits_is_counted_and_since_when(node: Node, clock: MovableClock) -> None:
    node.database.write_now(order, 1, timedelta(0))
    node.database.write_now(order, 2, timedelta(minutes=30))
    node.database.write_now(order, 3, None)
    clock.move(timedelta(minutes=10))
    told = (await ask(node, "/health/ready")).json()
    assert told["queue_depth"]["shred"] == 2
    assert told["oldest_job_seconds"] == 600
    clock.move(-timedelta(hours=1))
    assert (await look(node)).oldest_job_seconds == 0, "what is not due yet does not wait"


@on_sqlite
async def test_retention_that_has_not_run_for_long_is_late_and_the_node_still_ready(
    node: Node, clock: MovableClock
) -> None:
    node.database.write_now(retention.note_verdict, Verdict.GO)
    clock.move(LAG_ALARM)
    assert not (await look(node)).retention_late
    clock.move(timedelta(seconds=1))
    found = await ask(node, "/health/ready")
    assert found.status_code == 200
    assert (found.json()["retention_late"], found.json()["retention_lag_seconds"]) == (True, 3_601)


@on_sqlite
async def test_a_node_without_its_keys_or_its_database_is_alive_and_not_ready(node: Node) -> None:
    assert (await ask(node, "/health/ready")).status_code == 200
    node.vault.keyring.close()
    without_keys = await ask(node, "/health/ready")
    assert (without_keys.status_code, without_keys.json()["keyring"]) == (503, False)
    node.database.close()
    without_both = await ask(node, "/health/ready")
    assert (without_both.status_code, without_both.json()["database"]) == (503, False)
    assert set(without_both.json()) == FIELDS
    assert (await ask(node, "/health/live")).status_code == 200


@contextmanager
def without_writes(node: Node) -> Iterator[None]:
    """Let a database be read only: a file that another process holds, a server that is a standby."""
    if node.database.is_sqlite:
        with closing(sqlite3.connect(str(node.database.url.database), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
            other.execute("ROLLBACK")
        return
    change = f'ALTER DATABASE "{node.database.url.database}" {{}} default_transaction_read_only'
    with beside(node.database) as connection:
        connection.execute(f"{change.format('SET')} = on".encode())
        connection.execute(f"SELECT pg_terminate_backend(pid) {BACKENDS}".encode())
        try:
            yield
        finally:
            connection.execute(change.format("RESET").encode())
            connection.execute(f"SELECT pg_terminate_backend(pid) {BACKENDS}".encode())


async def test_a_database_that_takes_no_writes_is_not_ready_though_it_can_be_read(node: Node) -> None:
    assert (await ask(node, "/health/ready")).json()["writes"] is True
    with without_writes(node):
        refused = await ask(node, "/health/ready")
        told = refused.json()
        assert (refused.status_code, told["database"], told["writes"]) == (503, True, False)
        assert int(refused.headers["retry-after"]) > 0
    assert (await ask(node, "/health/ready")).status_code == 200


async def test_who_asks_often_does_not_make_the_node_write_often(node: Node) -> None:
    ground = Ground(node)
    assert await ground.takes_writes()
    node.database.write_now(retention.forget, TRIED_AT)
    assert await ground.takes_writes()
    assert node.database.read_now(retention.recall, TRIED_AT) is None
    assert await Ground(node).takes_writes()
    assert node.database.read_now(retention.recall, TRIED_AT) is not None


class CountedDatabase(ThreadedDatabase):
    """A database that counts what it is asked."""

    asked = 0

    async def _submit(self, jobs: JobQueue, job: Job) -> object:
        self.asked += 1
        return await super()._submit(jobs, job)


@contextmanager
def hanging(database: ThreadedDatabase) -> Iterator[None]:
    """Keep every thread of a database busy with a deed that does not end."""
    end, threads = threading.Event(), []
    for ask in (database.write_now, database.read_now):
        for _ in range(1 if database.is_sqlite else POSTGRESQL_THREADS):
            begun = threading.Event()
            threads.append(threading.Thread(target=ask, args=(wait_for, begun, end)))
            threads[-1].start()
            assert begun.wait(60)
    try:
        yield
    finally:
        end.set()
        for thread in threads:
            thread.join()


def wait_for(_: UnitOfWork, begun: threading.Event, end: threading.Event) -> None:
    begun.set()
    end.wait()


async def test_however_many_ask_while_the_database_hangs_it_is_asked_once(node: Node) -> None:
    counted = CountedDatabase(node.database.url, node.vault, node.clock)
    app = Starlette(routes=routes(replace(node, database=counted)))
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://kin.example") as client:
        with hanging(counted):
            for _ in range(2):
                answers = await asyncio.gather(*(client.get("/health/ready") for _ in range(40)))
                assert {(answer.status_code, answer.json()["database"]) for answer in answers} == {(503, False)}
            assert counted.asked == 2, "one question and one trial of writing"
        answers = await asyncio.gather(*(client.get("/health/ready") for _ in range(40)))
        assert {(answer.status_code, answer.json()["writes"]) for answer in answers} == {(200, True)}
        assert counted.asked <= 4
    counted.close()


@on_postgresql
async def test_a_database_that_hangs_does_not_make_the_answer_hang(node: Node) -> None:
    assert (await ask(node, "/health/ready")).status_code == 200
    with halted(node.database):
        async with asyncio.timeout(60):  # only for a test that fails: that one would wait for ever
            hanging = await ask(node, "/health/ready")
        assert (hanging.status_code, hanging.json()["database"], hanging.json()["writes"]) == (503, False, False)
        assert (await ask(node, "/health/live")).status_code == 200
    assert (await ask(node, "/health/ready")).status_code == 200


@on_sqlite
async def test_nothing_is_told_of_people(node: Node) -> None:
    persona = node.database.write_now(make_persona, node.uris, "robin")
    text = (await ask(node, "/health/ready")).text + (await ask(node, "/health/live")).text
    assert "robin" not in text
    assert str(persona) not in text
    assert "account" not in text
