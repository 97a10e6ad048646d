"""The database, on threads of its own: deeds are handed in whole and answered after the commit (product decision 2).

SQLite has one writing thread, which puts all deeds that wait into one commit, and one reading thread. PostgreSQL has
four of each. A deed stands in a savepoint of its own, so that one that fails takes no other with it; where the whole
transaction is lost with it (a full disk, a deadlock, a dead connection) the deeds of a batch are run again, one by one.
"""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import Any, Concatenate, Final, ParamSpec, TypeVar, cast

from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from node.deeds import Job, JobQueue, answer_all
from node.engines import LONG_LOCK_PATIENCE, Trouble, in_transaction, is_sqlite, reading_engine, trouble, writing_engine
from privacy.clock import Clock
from privacy.errors import DatabaseDamaged, DatabaseUnavailable
from privacy.unit_of_work import UnitOfWork
from privacy.vault import Vault

P = ParamSpec("P")
T = TypeVar("T")
SQLITE_BATCH: Final = 128
POSTGRESQL_BATCH: Final = 16
READ_BATCH: Final = 8
POSTGRESQL_THREADS: Final = 4
TRIES_ALONE: Final = 5
"""How often one deed is run again when others stand in its way."""
Wake = Callable[[str], None]


def nobody_to_wake(_: str) -> None:
    """Wake nobody: for processes without background loops."""


class _RolledBack(Exception):
    """The transaction is over; `again`: its deeds are then run alone; `lost`: its connection is dead."""

    def __init__(self, *, again: bool, lost: bool = False) -> None:
        super().__init__()
        self.again, self.lost = again, lost


class _Thread(threading.Thread, ABC):
    """A thread with a connection and a queue of jobs that it may share with others of its kind."""

    def __init__(self, name: str, database: "ThreadedDatabase", engine: Engine, jobs: "JobQueue", most: int) -> None:
        super().__init__(name=name, daemon=True)
        self.database, self.engine, self.jobs, self.most = database, engine, jobs, most
        self._connection: Connection | None = None

    def run(self) -> None:
        """Work until the end of the queue is reached."""
        while batch := self.jobs.take(self.most):
            self.work(batch)
            answer_all(batch)
        self.disconnect()

    @abstractmethod
    def work(self, batch: Sequence[Job]) -> None:
        """Give each job its value or its error."""

    def connection(self) -> Connection:
        """Return the thread's connection, opened when there is none. Raises DBAPIError."""
        if self._connection is None:
            self._connection = self.engine.connect()
        return self._connection

    def disconnect(self) -> None:
        """Give the connection up; the next use opens another one."""
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.invalidate()
            connection.close()
        except SQLAlchemyError:  # it was dead already
            return


class _Writer(_Thread):
    """Runs deeds in groups, one commit each group."""

    def work(self, batch: Sequence[Job]) -> None:
        """Run a batch in one transaction, and alone whatever could not be settled in it."""
        try:
            self.database.vault.refill(self.database.clock())
            again = self._reconnected(self._together(batch))
        except BaseException as error:  # noqa: BLE001 - the keyring or a savepoint failed: every caller hears of it
            self.disconnect()
            again = []
            self._note(trouble(error))
            for job in batch:
                job.fail(_translated(error, trouble(error)))
        for job in again:
            self._alone(job)
        for name in {name for job in batch for name in job.wakes}:
            self.database.on_wake(name)

    def _reconnected(self, jobs: Sequence[Job]) -> Sequence[Job]:
        """Return jobs that are to be run again, unless the server is gone: they need not all find that out."""
        try:
            if jobs:
                self.connection()
        except DBAPIError as error:
            return self._unavailable(jobs, error)
        return jobs

    def _alone(self, job: Job) -> None:
        for _ in range(TRIES_ALONE):
            if not self._together([job], patient=True):
                return
        job.fail(DatabaseUnavailable("a deed was run in vain five times"))

    def _together(self, jobs: Sequence[Job], *, patient: bool = False) -> Sequence[Job]:
        """Run jobs in one transaction; return those that are to be run again, each alone and with patience."""
        try:
            connection = self.connection()
            transaction = connection.begin()
            if patient and not self.database.is_sqlite:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{LONG_LOCK_PATIENCE}'")
        except DBAPIError as error:
            return self._unavailable(jobs, error)
        try:
            again = [job for job in jobs if not self._attempt(connection, job, alone=len(jobs) == 1)]
        except _RolledBack as end:
            self._roll_back(transaction) if not end.lost else self.disconnect()
            return jobs if end.again else ()
        try:
            transaction.commit()
        except DBAPIError as error:
            self._roll_back(transaction)
            if trouble(error) is Trouble.LOST:
                # Whether the server committed is not known: to run the deeds again might do them twice.
                self._unavailable(jobs, error)
                return ()
            return self._unavailable(jobs, error) if len(jobs) == 1 else jobs
        return again

    def _attempt(self, connection: Connection, job: Job, *, alone: bool) -> bool:
        """Run one deed; false means that it is to be run again by itself. Raises _RolledBack."""
        driver: Any = connection.connection.driver_connection
        uow = UnitOfWork(connection, self.database.vault, self.database.clock())
        try:
            if not alone:
                driver.execute("SAVEPOINT deed")
            job.value, job.error = job.deed(uow, *job.args, **job.kwargs), None
            uow.finish()
            job.wakes = uow.wakes
            if not alone:
                driver.execute("RELEASE SAVEPOINT deed")
        except BaseException as error:  # noqa: BLE001 - whatever a deed raises belongs to its caller
            return self._failed(connection, uow, job, error, alone=alone)
        return True

    def _failed(self, connection: Connection, uow: UnitOfWork, job: Job, error: BaseException, *, alone: bool) -> bool:
        kind = trouble(error)
        self._note(kind)
        job.fail(_translated(error, kind))
        closed = _let_go(uow)
        if kind in (Trouble.LOST, Trouble.AGAIN):
            raise _RolledBack(again=True, lost=kind is Trouble.LOST)
        first_collision = kind is Trouble.COLLISION and not job.collided
        job.collided = job.collided or first_collision
        if alone:
            raise _RolledBack(again=first_collision)
        if not closed or not in_transaction(connection):  # SQLITE_FULL: the deeds before this one are gone with it
            raise _RolledBack(again=True)
        driver: Any = connection.connection.driver_connection
        driver.execute("ROLLBACK TO SAVEPOINT deed")
        driver.execute("RELEASE SAVEPOINT deed")
        return not first_collision

    def _roll_back(self, transaction: Any) -> None:
        try:
            transaction.rollback()
        except SQLAlchemyError:
            self.disconnect()

    def _unavailable(self, jobs: Sequence[Job], error: DBAPIError) -> Sequence[Job]:
        kind = trouble(error)
        self._note(kind)
        if kind is Trouble.LOST:
            self.disconnect()
        for job in jobs:
            job.fail(_translated(error, kind))
        return ()

    def _note(self, kind: Trouble) -> None:
        if kind is Trouble.UNAVAILABLE:
            self.database.refusals += 1


class _Reader(_Thread):
    """Runs questions, a few of them in one transaction that cannot write."""

    def work(self, batch: Sequence[Job]) -> None:
        """Answer a batch; where one fails the others get a new transaction, after a lost connection a new one."""
        waiting, tried_again = list(batch), False
        while waiting:
            try:
                connection = self.connection()
            except BaseException as error:  # noqa: BLE001 - there is no server, or no file: everybody hears of it
                for job in waiting:
                    job.fail(_translated(error, trouble(error)))
                return
            try:
                with connection.begin():
                    while waiting:
                        self._ask(connection, waiting[0])
                        waiting.pop(0)
            except BaseException as error:  # noqa: BLE001 - whatever a question raises belongs to its caller
                kind = trouble(error)
                if kind is Trouble.LOST:
                    self.disconnect()
                if kind in (Trouble.LOST, Trouble.AGAIN) and not tried_again:
                    tried_again = True
                    continue
                if waiting:
                    waiting.pop(0).fail(_translated(error, kind))

    def _ask(self, connection: Connection, job: Job) -> None:
        uow = UnitOfWork(connection, self.database.vault, self.database.clock())
        try:
            job.value, job.error = job.deed(uow, *job.args, **job.kwargs), None
        finally:
            _let_go(uow)


class ThreadedDatabase:
    """`privacy.unit_of_work.Database` over SQLite or PostgreSQL, for callers on any loop, and for those without one."""

    def __init__(self, url: URL, vault: Vault, clock: Clock, on_wake: Wake = nobody_to_wake) -> None:
        """Start the threads; connections are opened with the first deed.

        `on_wake` is called on a database thread, after the commit, with the name of a background loop.
        """
        self.url, self.vault, self.clock, self.on_wake = url, vault, clock, on_wake
        self.is_sqlite = is_sqlite(url)
        count, most = (1, SQLITE_BATCH) if self.is_sqlite else (POSTGRESQL_THREADS, POSTGRESQL_BATCH)
        self._closed = threading.Event()
        self.refusals = 0
        """How often the database or the keyring took a write not at all; whoever looks after the node is told."""
        self._writing, self._reading = JobQueue(), JobQueue()
        writing, reading = writing_engine(url), reading_engine(url)
        self._writers = [_Writer(f"writer-{i}", self, writing, self._writing, most) for i in range(count)]
        self._readers = [_Reader(f"reader-{i}", self, reading, self._reading, READ_BATCH) for i in range(count)]
        for thread in (*self._writers, *self._readers):
            thread.start()

    async def write(self, deed: Callable[Concatenate[UnitOfWork, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a deed in a transaction and return its answer once that is durable.

        Raises what the deed raises, and DatabaseUnavailable when nothing can be stored.
        """
        return cast(T, await self._submit(self._writing, Job(deed, args, kwargs)))

    async def read(self, query: Callable[Concatenate[UnitOfWork, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a question in a transaction that cannot write. Raises as `write` does."""
        return cast(T, await self._submit(self._reading, Job(query, args, kwargs)))

    def write_now(self, deed: Callable[Concatenate[UnitOfWork, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the same as `write` and wait: for the command line, where no loop runs."""
        return cast(T, self._submit_now(self._writing, Job(deed, args, kwargs)))

    def read_now(self, query: Callable[Concatenate[UnitOfWork, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Do the same as `read` and wait: for the command line, where no loop runs."""
        return cast(T, self._submit_now(self._reading, Job(query, args, kwargs)))

    def truncate_log(self) -> bool:
        """Copy SQLite's write-ahead log into the file and empty it, so that what was overwritten is nowhere left.

        Returns false when a reader held it open: try again later. PostgreSQL looks after its own log.
        """
        if not self.is_sqlite:
            return True
        with closing(writing_engine(self.url).raw_connection()) as connection:
            driver: Any = connection.driver_connection
            busy: int = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        return not busy

    def close(self) -> None:
        """Do what still waits, then close every connection; nothing is accepted from now on."""
        if self._closed.is_set():
            return
        self._closed.set()
        self._writing.end(len(self._writers))
        self._reading.end(len(self._readers))
        for thread in (*self._writers, *self._readers):
            thread.join()

    async def _submit(self, jobs: JobQueue, job: Job) -> object:
        self._refuse_when_closed()
        job.loop = asyncio.get_running_loop()
        job.future = job.loop.create_future()
        jobs.put(job)
        return await job.future

    def _submit_now(self, jobs: JobQueue, job: Job) -> object:
        self._refuse_when_closed()
        job.future = waiting = Future[Any]()
        jobs.put(job)
        return waiting.result()

    def _refuse_when_closed(self) -> None:
        if self._closed.is_set():
            raise DatabaseUnavailable("the database is closed")


def _let_go(uow: UnitOfWork) -> bool:
    """Close the session of a deed; false when not even that can be done, since the transaction is gone."""
    try:
        uow.abandon()
    except SQLAlchemyError:
        return False
    return True


def _translated(error: BaseException, kind: Trouble) -> BaseException:
    """Return the error that the caller gets: that the database is not to be had is said in one way."""
    if kind in (Trouble.LOST, Trouble.UNAVAILABLE, Trouble.AGAIN, Trouble.DAMAGED):
        unavailable = (DatabaseDamaged if kind is Trouble.DAMAGED else DatabaseUnavailable)(kind.name.lower())
        unavailable.__cause__ = error
        return unavailable
    return error
