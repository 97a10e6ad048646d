"""Deeds run on database threads: many to a commit, none taking another with it, on both databases."""

import asyncio
import socket
import sqlite3
import threading
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Connection, delete, func, insert, select, text
from sqlalchemy.exc import DBAPIError, IntegrityError

from node import postgresql
from node.database import ThreadedDatabase
from node.engines import database_url, migrating_engine, writing_engine
from privacy.errors import DatabaseUnavailable
from privacy.models import NodeState
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Vault
from tests.clock import MovableClock
from tests.node.halting import halted

STATES = table_of(NodeState)


def put(uow: UnitOfWork, name: str, value: str = "x") -> str:
    uow.connection.execute(insert(STATES), {"name": name, "value": value})
    return name


def put_with_orm(uow: UnitOfWork, name: str) -> None:
    uow.session.add(NodeState(name=name, value="orm"))


def put_then_fail(uow: UnitOfWork, name: str) -> None:
    put(uow, name)
    raise LookupError(name)


def names(uow: UnitOfWork) -> set[str]:
    return set(uow.connection.execute(select(STATES.c.name)).scalars())


class Gate:
    """Holds the writing threads inside a deed each, so that what is handed in meanwhile waits for one batch."""

    def __init__(self, database: ThreadedDatabase) -> None:
        self.opened = threading.Event()
        self.entered = threading.Semaphore(0)
        self.count = 1 if database.is_sqlite else 4

    def wait(self, _: UnitOfWork) -> None:
        self.entered.release()
        self.opened.wait(timeout=20)

    async def hold(self, database: ThreadedDatabase) -> list[asyncio.Task[None]]:
        tasks = []
        for _ in range(self.count):
            tasks.append(asyncio.create_task(database.write(self.wait)))
            assert await asyncio.to_thread(self.entered.acquire, timeout=20)
        return tasks


async def batch(database: ThreadedDatabase, *deeds: tuple[object, ...]) -> list[object]:
    """Hand deeds in while the writers are held, so that they share a transaction as far as may be."""
    gate = Gate(database)
    held = await gate.hold(database)
    waiting = [asyncio.create_task(database.write(deed, *arguments)) for deed, *arguments in deeds]  # type: ignore[arg-type]  # deeds of many shapes
    asyncio.get_running_loop().call_soon(gate.opened.set)  # in its turn: behind each of them
    await asyncio.gather(*held)
    return await asyncio.gather(*waiting, return_exceptions=True)


async def test_what_was_answered_is_there_and_a_read_sees_it(database: ThreadedDatabase) -> None:
    assert await database.write(put, "a") == "a"
    assert await database.read(names) == {"a"}


async def test_what_the_session_holds_is_stored(database: ThreadedDatabase) -> None:
    answers = await batch(database, (put_with_orm, "one"), (put_with_orm, "two"), (put, "three"))
    assert answers == [None, None, "three"]
    assert await database.read(names) == {"one", "two", "three"}


async def test_a_deed_that_fails_takes_no_other_with_it(database: ThreadedDatabase) -> None:
    deeds = [(put, f"good {i}") for i in range(10)] + [(put_then_fail, "bad")] + [(put_with_orm, "after")]
    answers = await batch(database, *deeds)
    assert [a for a in answers if isinstance(a, LookupError)] == [answers[10]]
    assert await database.read(names) == {f"good {i}" for i in range(10)} | {"after"}


async def test_a_lone_deed_that_fails_leaves_nothing(database: ThreadedDatabase) -> None:
    with pytest.raises(LookupError):
        await database.write(put_then_fail, "bad")
    assert await database.read(names) == set()


async def test_a_collision_runs_the_deed_once_more(database: ThreadedDatabase) -> None:
    tries: list[int] = []

    def take_a_name(uow: UnitOfWork, free: str) -> str:
        tries.append(1)
        return put(uow, "taken" if len(tries) == 1 else free)

    await database.write(put, "taken")
    assert await database.write(take_a_name, "free") == "free"
    with pytest.raises(IntegrityError):
        await database.write(put, "taken")
    tries.clear()
    assert await batch(database, (take_a_name, "also free"), (put, "other")) == ["also free", "other"]


async def test_a_collision_in_a_batch_spares_the_others(database: ThreadedDatabase) -> None:
    await database.write(put, "taken")
    answers = await batch(database, (put, "a"), (put, "taken"), (put, "b"))
    assert isinstance(answers[1], IntegrityError)
    assert await database.read(names) == {"taken", "a", "b"}


async def test_many_deeds_share_a_commit(database: ThreadedDatabase) -> None:
    seen: list[int] = []

    def which_transaction(uow: UnitOfWork, number: int) -> None:
        put(uow, str(number))
        seen.append(id(uow.connection.get_transaction()))

    await batch(database, *[(which_transaction, i) for i in range(32)])
    assert len(await database.read(names)) == 32
    assert len(set(seen)) <= (1 if database.is_sqlite else 4 * 2)


async def test_a_read_cannot_write(database: ThreadedDatabase) -> None:
    with pytest.raises(DatabaseUnavailable):
        await database.read(put, "a")
    assert await database.write(put, "b") == "b"
    assert await database.read(names) == {"b"}


async def test_a_question_that_fails_spares_the_others(database: ThreadedDatabase) -> None:
    def nonsense(uow: UnitOfWork) -> None:
        uow.connection.execute(text("SELECT nothing FROM nowhere"))

    await database.write(put, "a")
    asked = [database.read(nonsense) if i % 3 == 0 else database.read(names) for i in range(12)]
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [isinstance(a, DBAPIError) for a in answers] == [i % 3 == 0 for i in range(12)]
    assert {frozenset(a) for a in answers if isinstance(a, set)} == {frozenset({"a"})}


async def test_a_deed_happens_at_the_moment_of_the_clock(database: ThreadedDatabase, clock: MovableClock) -> None:
    before = await database.write(lambda uow: uow.now)
    clock.move(timedelta(hours=1))
    assert await database.write(lambda uow: uow.now) - before == timedelta(hours=1)


async def test_loops_are_woken_after_the_commit_and_not_by_what_failed(
    database_address: str, vault: Vault, clock: MovableClock
) -> None:
    woken: list[tuple[str, set[str]]] = []
    watcher = ThreadedDatabase(database_url(database_address), vault, clock)
    opened = ThreadedDatabase(
        database_url(database_address), vault, clock, lambda name: woken.append((name, watcher.read_now(names)))
    )

    def put_and_wake(uow: UnitOfWork, name: str, *, fail: bool) -> None:
        put(uow, name)
        uow.wake("inbox")
        if fail:
            raise LookupError

    await opened.write(put_and_wake, "a", fail=False)
    with pytest.raises(LookupError):
        await opened.write(put_and_wake, "b", fail=True)
    opened.close()
    watcher.close()
    assert woken == [("inbox", {"a"})]


def test_without_a_loop_the_caller_waits(database: ThreadedDatabase) -> None:
    assert database.write_now(put, "a") == "a"
    assert database.read_now(names) == {"a"}
    with pytest.raises(LookupError):
        database.write_now(put_then_fail, "b")


async def test_closing_does_what_still_waits_and_then_refuses(database: ThreadedDatabase) -> None:
    waiting = [asyncio.create_task(database.write(put, str(i))) for i in range(50)]
    await asyncio.create_task(asyncio.to_thread(database.close))  # in its turn: behind each of them
    assert await asyncio.gather(*waiting) == [str(i) for i in range(50)]
    with pytest.raises(DatabaseUnavailable):
        await database.write(put, "late")


# ── what goes wrong below ────────────────────────────────────────────────────────────────────────────────────────────


on_sqlite = pytest.mark.parametrize("database_address", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_address", ["postgresql"], indirect=True)


def limit_pages(uow: UnitOfWork, more: int) -> None:
    """Let the file grow by so many pages only: a full disk in the small."""
    pages: int = uow.connection.execute(text("PRAGMA page_count")).scalar_one()
    uow.connection.execute(text(f"PRAGMA max_page_count = {pages + more}"))


@on_sqlite
async def test_a_full_disk_fails_the_deed_that_is_too_large_and_no_other(database: ThreadedDatabase) -> None:
    """R-304, and the trap: SQLITE_FULL inside a savepoint may roll the whole transaction back."""
    await database.write(limit_pages, 8)
    answers = await batch(database, (put, "before"), (put, "large", "x" * 400_000), (put, "after"))
    assert answers[0] == "before"
    assert isinstance(answers[1], DatabaseUnavailable)
    assert answers[2] == "after"
    assert await database.read(names) == {"before", "after"}
    await database.write(limit_pages, 1_000_000)
    assert await database.write(put, "large", "x" * 400_000) == "large"


@on_sqlite
async def test_a_file_locked_by_another_writer_is_unavailable_and_heals(database: ThreadedDatabase) -> None:
    await database.write(lambda uow: uow.connection.exec_driver_sql("PRAGMA busy_timeout=1") and None)
    other = sqlite3.connect(str(database.url.database), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(DatabaseUnavailable):
        await database.write(put, "a")
    assert await database.read(names) == set()
    other.execute("ROLLBACK")
    other.close()
    assert await database.write(put, "a") == "a"


@on_sqlite
async def test_the_log_is_emptied_and_overwritten_words_are_gone_from_both_files(database: ThreadedDatabase) -> None:
    path = Path(str(database.url.database))

    def held() -> bool:
        files = [path, path.with_name(path.name + "-wal")]
        return any(b"canary-7341" in file.read_bytes() for file in files if file.exists())

    await database.write(put, "a", "canary-7341")
    assert held()
    await database.write(lambda uow: uow.connection.execute(delete(STATES)) and None)
    assert held()
    assert await asyncio.to_thread(database.truncate_log)
    assert not held()


@on_sqlite
async def test_sqlite_is_set_up_as_it_must_be(database: ThreadedDatabase) -> None:
    def pragmas(uow: UnitOfWork) -> dict[str, object]:
        asked = ("journal_mode", "synchronous", "foreign_keys", "secure_delete", "temp_store", "auto_vacuum")
        return {name: uow.connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in asked}

    assert await database.write(pragmas) == {
        "journal_mode": "wal", "synchronous": 2, "foreign_keys": 1, "secure_delete": 1, "temp_store": 2,
        "auto_vacuum": 2,
    }  # fmt: skip


def kill_backends(database: ThreadedDatabase) -> None:
    address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(address, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND application_name = 'kinfold'"
        )


@on_postgresql
async def test_killed_connections_heal_by_themselves(database: ThreadedDatabase) -> None:
    """R-302: between deeds and in the middle of one."""
    killed: list[bool] = []
    await database.write(put, "a")
    await asyncio.gather(*[database.read(names) for _ in range(8)])
    kill_backends(database)
    assert await database.write(put, "b") == "b"
    assert await database.read(names) == {"a", "b"}

    def put_while_killed(uow: UnitOfWork) -> str:
        put(uow, "c")
        if not killed:
            killed.append(True)
            kill_backends(database)
        return put(uow, "d")

    assert await database.write(put_while_killed) == "d"
    assert await database.read(names) == {"a", "b", "c", "d"}


@on_postgresql
async def test_deeds_that_stand_in_each_other_s_way_both_happen(database: ThreadedDatabase) -> None:
    """R-303: a deadlock is broken and both deeds are run to their end."""
    await database.write(put, "x", "")
    await database.write(put, "y", "")
    first_has_one, second_has_one = threading.Event(), threading.Event()
    runs: list[str] = []

    def touch(uow: UnitOfWork, first: str, second: str, mine: threading.Event, theirs: threading.Event) -> None:
        change = STATES.update().values(value=STATES.c.value + first)
        uow.connection.execute(change.where(STATES.c.name == first))
        runs.append(first)
        mine.set()
        theirs.wait(timeout=20)
        uow.connection.execute(change.where(STATES.c.name == second))

    one = asyncio.create_task(database.write(touch, "x", "y", first_has_one, second_has_one))
    assert await asyncio.to_thread(first_has_one.wait, 20)
    await asyncio.gather(one, database.write(touch, "y", "x", second_has_one, first_has_one))

    def values(uow: UnitOfWork) -> set[str]:
        return {"".join(sorted(value)) for value in uow.connection.execute(select(STATES.c.value)).scalars()}

    assert len(runs) > 2
    assert await database.read(values) == {"xy"}


@on_postgresql
async def test_a_server_that_hangs_is_said_not_to_be_there_and_heals(
    database: ThreadedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither an answer nor a refusal comes: whoever asks is told in time, and what was asked is not done later."""
    monkeypatch.setattr(postgresql, "ANSWER_SECONDS", 1.0)
    await database.write(put, "a")
    await database.read(names)
    with halted(database):
        async with asyncio.timeout(60):  # only for a test that fails: that one would wait for ever
            told = await asyncio.gather(database.write(put, "b"), database.read(names), return_exceptions=True)
    assert [type(error) for error in told] == [DatabaseUnavailable, DatabaseUnavailable]
    assert await database.write(put, "c") == "c"
    assert await database.read(names) == {"a", "c"}


@on_postgresql
async def test_a_statement_that_is_ended_at_its_limit_is_said_like_that_too(database: ThreadedDatabase) -> None:
    def too_long(uow: UnitOfWork) -> None:
        uow.connection.exec_driver_sql("SET LOCAL statement_timeout = '20ms'")
        uow.connection.exec_driver_sql("SELECT pg_sleep(600)")

    for ask in (database.read, database.write):
        with pytest.raises(DatabaseUnavailable):
            await ask(too_long)
    assert await database.write(put, "a") == "a"


@on_postgresql
async def test_those_who_serve_have_limits_and_a_migration_has_its_own(database: ThreadedDatabase) -> None:
    def limits(uow: UnitOfWork) -> dict[str, str]:
        return limits_of(uow.connection)

    limited = {"statement_timeout": "30s", "lock_timeout": "250ms", "idle_in_transaction_session_timeout": "1min"}
    assert await database.read(limits) == limited
    assert await database.write(limits) == limited
    chosen = database.url.update_query_dict({"options": "-c statement_timeout=7s"})
    with writing_engine(chosen).connect() as connection:
        assert limits_of(connection) == limited | {"statement_timeout": "7s"}, "what the operator says is stronger"
    with migrating_engine(database.url).connect() as connection:
        assert set(limits_of(connection).values()) == {"0"}


def limits_of(connection: Connection) -> dict[str, str]:
    """Return how long a connection waits for what."""
    names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
    return {name: str(connection.exec_driver_sql(f"SHOW {name}").scalar()) for name in names}


async def test_a_server_that_takes_connections_and_says_nothing_is_not_there(
    vault: Vault, clock: MovableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql, "CONNECT_SECONDS", 2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"postgresql://nobody@127.0.0.1:{silent.getsockname()[1]}/none"
        opened = ThreadedDatabase(database_url(address), vault, clock)
        told = await asyncio.gather(opened.write(put, "a"), opened.read(names), return_exceptions=True)
        assert [type(error) for error in told] == [DatabaseUnavailable, DatabaseUnavailable]
        opened.close()


async def test_a_server_that_is_gone_is_not_asked_for_by_each_of_those_who_wait(
    vault: Vault, clock: MovableClock
) -> None:
    """Each would wait for as long as it takes to find out, one after the other."""
    knocks: list[int] = []

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.append(1)
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        address = f"postgresql://nobody@127.0.0.1:{server.sockets[0].getsockname()[1]}/none"
        opened = ThreadedDatabase(database_url(address), vault, clock)
        asked = [opened.write(put, f"{number}") for number in range(160)]
        asked += [opened.read(names) for _ in range(160)]
        told = await asyncio.gather(*asked, return_exceptions=True)
        assert {type(error) for error in told} == {DatabaseUnavailable}
        assert len(knocks) < 100, len(knocks)
        await asyncio.to_thread(opened.close)


async def test_a_database_that_is_not_there_is_said_in_one_way(vault: Vault, clock: MovableClock) -> None:
    opened = ThreadedDatabase(database_url("postgresql://nobody@127.0.0.1:9/none"), vault, clock)
    with pytest.raises(DatabaseUnavailable):
        await opened.write(put, "a")
    with pytest.raises(DatabaseUnavailable):
        await opened.read(names)
    opened.close()


async def test_64_writers_all_get_through(database: ThreadedDatabase) -> None:
    """R-301 in the small: no writer is refused, nothing is counted twice."""

    async def writer(number: int) -> None:
        for i in range(8):
            await database.write(put, f"{number}/{i}")

    await asyncio.gather(*[writer(n) for n in range(64)])
    assert (
        await database.read(lambda uow: uow.connection.execute(select(func.count()).select_from(STATES)).scalar())
        == 512
    )
