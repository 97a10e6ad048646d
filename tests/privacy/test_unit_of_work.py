"""Rows that fall due are taken by one worker at a time, on either database, and come again when that one dies."""

import asyncio
import threading
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from node.database import ThreadedDatabase
from node.engines import database_url
from privacy.models import ShredJob
from privacy.unit_of_work import UnitOfWork, claim_due, table_of
from privacy.vault import Vault
from tests.clock import START, MovableClock

JOBS = table_of(ShredJob)
LEASE, SECOND = timedelta(minutes=5), timedelta(seconds=1)
MANY = 60


def put_jobs(uow: UnitOfWork, count: int, due_in: timedelta | None = timedelta(0), first: int = 1) -> None:
    due_at = None if due_in is None else uow.now + due_in
    rows = [
        {"id": i, "kind": "posts", "target_id": i, "slot": None, "created_at": uow.now, "due_at": due_at, "attempts": 0}
        for i in range(first, first + count)
    ]
    uow.connection.execute(insert(JOBS), rows)


def claim(uow: UnitOfWork, limit: int = 10, where: tuple[Any, ...] = ()) -> tuple[int, list[int]]:
    lease, rows = claim_due(uow, ShredJob, limit=limit, lease_for=LEASE, where=where)
    assert all(row.lease == lease for row in rows)
    return lease, [row.id for row in rows]


def all_jobs(database: ThreadedDatabase) -> dict[int, Any]:
    rows = database.read_now(lambda uow: uow.connection.execute(select(JOBS)).fetchall())
    return {row.id: row for row in rows}


def test_what_is_due_is_claimed_once_and_the_oldest_first(database: ThreadedDatabase) -> None:
    database.write_now(put_jobs, 2, timedelta(0), first=10)
    database.write_now(put_jobs, 2, -SECOND, first=20)
    database.write_now(put_jobs, 1, SECOND, first=30)
    database.write_now(put_jobs, 1, None, first=40)
    assert database.write_now(claim, 3)[1] == [10, 20, 21]
    assert database.write_now(claim, 3)[1] == [11]
    assert database.write_now(claim, 3)[1] == []


@pytest.mark.parametrize("database_address", ["postgresql"], indirect=True)
def test_no_plan_of_the_database_claims_more_than_was_asked_for(database: ThreadedDatabase) -> None:
    """A plain subquery with LIMIT and SKIP LOCKED is run anew for each row in a nested loop, and finds others then."""

    def in_a_nested_loop(uow: UnitOfWork) -> list[int]:
        for way in ("hashjoin", "mergejoin", "hashagg", "sort", "material", "memoize", "indexscan", "bitmapscan"):
            uow.connection.execute(text(f"SET LOCAL enable_{way} = off"))
        return claim(uow, 3)[1]

    database.write_now(put_jobs, 8)
    assert len(database.write_now(in_a_nested_loop)) == 3


def test_a_claim_counts_as_an_attempt_and_asks_for_itself_again_later(database: ThreadedDatabase) -> None:
    database.write_now(put_jobs, 1)
    lease, _ = database.write_now(claim)
    row = all_jobs(database)[1]
    assert (row.attempts, row.lease, row.due_at) == (1, lease, START + LEASE)


def test_a_claim_that_was_rolled_back_took_nothing(database: ThreadedDatabase) -> None:
    def claim_and_fail(uow: UnitOfWork) -> None:
        claim(uow)
        raise LookupError

    database.write_now(put_jobs, 2)
    with pytest.raises(LookupError):
        database.write_now(claim_and_fail)
    assert [(row.attempts, row.lease) for row in all_jobs(database).values()] == [(0, None), (0, None)]
    assert database.write_now(claim)[1] == [1, 2]


def test_work_of_a_dead_worker_is_taken_up_when_its_lease_ends_and_not_before(
    database: ThreadedDatabase, clock: MovableClock
) -> None:
    database.write_now(put_jobs, 1)
    first, _ = database.write_now(claim)
    clock.move(LEASE - SECOND)
    assert database.write_now(claim)[1] == []
    clock.move(SECOND)
    second, taken = database.write_now(claim)
    assert taken == [1]
    assert second != first, "the late one must find that it is not its job any more"
    assert all_jobs(database)[1].attempts == 2


def test_a_claim_may_be_narrowed(database: ThreadedDatabase) -> None:
    database.write_now(put_jobs, 4)
    assert database.write_now(claim, 10, (JOBS.c.id > 2,))[1] == [3, 4]
    assert database.write_now(claim, 10)[1] == [1, 2]


async def test_two_workers_take_each_row_once(
    database: ThreadedDatabase, database_address: str, vault: Vault, clock: MovableClock
) -> None:
    """Two processes, each with its own threads and connections, until nothing is left."""
    other = ThreadedDatabase(database_url(database_address), vault, clock)
    await database.write(put_jobs, MANY)

    async def work(mine: ThreadedDatabase) -> list[int]:
        taken: list[int] = []
        while batch := (await mine.write(claim, 7))[1]:
            taken += batch
        return taken

    taken = await asyncio.gather(*(work(each) for each in (database, other, database, other)))
    await asyncio.to_thread(other.close)
    assert sorted(job for each in taken for job in each) == list(range(1, MANY + 1))
    assert {row.attempts for row in all_jobs(database).values()} == {1}


@pytest.mark.parametrize("database_address", ["postgresql"], indirect=True)
async def test_rows_that_another_worker_is_claiming_are_passed_over_and_not_waited_for(
    database: ThreadedDatabase, database_address: str, vault: Vault, clock: MovableClock
) -> None:
    other = ThreadedDatabase(database_url(database_address), vault, clock)
    await database.write(put_jobs, 4)
    claimed, go_on = threading.Event(), threading.Event()

    def claim_slowly(uow: UnitOfWork) -> list[int]:
        taken = claim(uow, 2)[1]
        claimed.set()
        go_on.wait(timeout=20)
        return taken

    slow = asyncio.create_task(database.write(claim_slowly))
    assert await asyncio.to_thread(claimed.wait, 20)
    assert (await other.write(claim, 10))[1] == [3, 4]
    go_on.set()
    assert await slow == [1, 2]
    await asyncio.to_thread(other.close)


def test_the_session_and_the_connection_are_one_transaction(database: ThreadedDatabase) -> None:
    def put_and_look(uow: UnitOfWork) -> int:
        uow.session.add(ShredJob(id=5, kind="posts", target_id=5, created_at=uow.now, attempts=0))
        uow.session.flush()
        return len(uow.connection.execute(select(JOBS)).fetchall())

    def put_and_fail(uow: UnitOfWork) -> None:
        uow.session.add(ShredJob(id=6, kind="posts", target_id=6, created_at=uow.now, attempts=0))
        uow.session.flush()
        raise LookupError

    assert database.write_now(put_and_look) == 1
    with pytest.raises(LookupError):
        database.write_now(put_and_fail)
    assert set(all_jobs(database)) == {5}
