"""Connections to the two databases, set up as they must be, and what their errors mean."""

import sqlite3
from enum import Enum
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError, IntegrityError

SQLITE_PRAGMAS = (
    "auto_vacuum=INCREMENTAL",  # has effect in an empty file only, and must come before the first page is written
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "secure_delete=ON",
    "busy_timeout=5000",
    "temp_store=MEMORY",
    "cache_size=-16000",
)
SQLITE_READER_PRAGMAS = ("query_only=ON", "busy_timeout=5000", "temp_store=MEMORY", "cache_size=-32000")
LONG_LOCK_PATIENCE = "5s"
"""How long a deed that is run alone waits for one."""
COUNTED = {"preserve_rowcount": True}
"""SQLAlchemy does not keep what an INSERT counted unless it is told to; deeds ask whether theirs was the first."""
SQLITE_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
SQLITE_GONE = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY,
               sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM}  # fmt: skip
POSTGRESQL_AGAIN = {"40001", "40P01", "55P03"}
"""Serialization failure, deadlock, lock not to be had in time."""
CANCELED = "57014"
"""A statement that was ended at its limit, or by whoever looks after the server."""


class Trouble(Enum):
    """What an error means for the transaction in which it happened."""

    OF_THE_DEED = 0
    """It belongs to the deed's caller; everybody else goes on."""
    COLLISION = 1
    """Something with this id or name is there already: another try may choose another, or find it."""
    AGAIN = 2
    """Two transactions stood in each other's way."""
    LOST = 3
    """The connection is gone."""
    UNAVAILABLE = 4
    """The disk is full, the file is locked for too long, or the server takes no writes."""
    DAMAGED = 5
    """The file is no database, or not whole."""


def trouble(error: BaseException) -> Trouble:
    """Tell what an error from a deed or from the database means."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return Trouble.LOST
    if isinstance(cause, sqlite3.Error):
        code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
        if code in SQLITE_GONE:
            return Trouble.UNAVAILABLE
        if code in SQLITE_DAMAGED:
            return Trouble.DAMAGED
        return Trouble.COLLISION if isinstance(cause, sqlite3.IntegrityError) else Trouble.OF_THE_DEED
    if isinstance(error, IntegrityError):
        return Trouble.COLLISION
    if isinstance(error, DBAPIError) or type(cause).__module__.startswith("psycopg"):
        return _postgresql_trouble(cause)
    return Trouble.OF_THE_DEED


def _postgresql_trouble(cause: BaseException | None) -> Trouble:
    state: str | None = getattr(cause, "sqlstate", None)
    if state is None:  # the driver's own errors: only OperationalError, of whatever kind, speaks of the connection
        of_connection = any(kind.__name__ == "OperationalError" for kind in type(cause).__mro__)
        return Trouble.LOST if of_connection else Trouble.OF_THE_DEED
    if state in POSTGRESQL_AGAIN:
        return Trouble.AGAIN
    if state[:2] == "23":
        return Trouble.COLLISION
    if state[:2] == "08" or state[:3] == "57P":
        return Trouble.LOST
    if state in {"XX001", "XX002"}:
        return Trouble.DAMAGED
    if state[:2] in {"28", "53", "58"} or state in {"25006", "3D000", "42501", CANCELED}:
        return Trouble.UNAVAILABLE
    return Trouble.OF_THE_DEED


def database_url(text: str) -> URL:
    """Return the address of a database with the driver that Kinfold uses.

    Raises ValueError for anything but SQLite and PostgreSQL.
    """
    url = make_url(text)
    drivers = {"sqlite": "sqlite+pysqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}
    kind = url.drivername.split("+")[0]
    if kind not in drivers:
        raise ValueError(f"{kind} is not a database that Kinfold knows: use sqlite or postgresql")
    return url.set(drivername=drivers[kind])


def is_sqlite(url: URL) -> bool:
    """Tell which of the two it is."""
    return url.drivername.startswith("sqlite")


def writing_engine(url: URL) -> Engine:
    """Return an engine whose connections may write; each call of `connect` opens a new one."""
    return _sqlite_engine(url, SQLITE_PRAGMAS, "BEGIN IMMEDIATE") if is_sqlite(url) else _postgresql_engine(url)


def reading_engine(url: URL) -> Engine:
    """Return an engine whose transactions see one moment and cannot write."""
    if is_sqlite(url):
        # Not `mode=ro`: such a connection could not bring a log that a crash left behind back in order.
        return _sqlite_engine(url, SQLITE_READER_PRAGMAS, "BEGIN")
    options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
    return _postgresql_engine(url).execution_options(**options)


def migrating_engine(url: URL) -> Engine:
    """Return an engine for changing tables; on SQLite without foreign keys, which re-making a table would trip."""
    if not is_sqlite(url):
        # Without the limits of those that serve: a migration takes its time, and sets its own (`migrations/env.py`).
        return create_engine(url, poolclass=NullPool, hide_parameters=True, connect_args={"connect_timeout": 5})
    pragmas = tuple(pragma for pragma in SQLITE_PRAGMAS if not pragma.startswith("foreign_keys"))
    return _sqlite_engine(url, pragmas, "BEGIN IMMEDIATE")


def in_transaction(connection: Connection) -> bool:
    """Tell whether the driver still is inside the transaction: a full disk ends one unasked (SQLITE_FULL)."""
    driver: Any = connection.connection.driver_connection
    if isinstance(driver, sqlite3.Connection):
        return driver.in_transaction
    return not driver.closed and bool(driver.info.transaction_status)


def _sqlite_engine(url: URL, pragmas: tuple[str, ...], begin: str) -> Engine:
    if url.database:
        Path(url.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        execution_options=COUNTED,
        connect_args={"isolation_level": None, "check_same_thread": False, "timeout": 5},
    )

    def prepare(connection: sqlite3.Connection, _: object) -> None:
        for pragma in pragmas:
            connection.execute(f"PRAGMA {pragma}")

    event.listen(engine, "connect", prepare)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def _postgresql_engine(url: URL) -> Engine:
    # Imported late: the driver is there only where it is needed.
    from node.postgresql import CONNECT_SECONDS, LIMITS, PatientConnection  # noqa: PLC0415 - an extra of its own

    theirs = url.query.get("options", "")
    options = " ".join([LIMITS, *([theirs] if isinstance(theirs, str) else theirs)]).strip()
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        execution_options=COUNTED,
        connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "kinfold", "options": options},
    )

    def connect(_: object, __: object, arguments: list[Any], named: dict[str, Any]) -> PatientConnection:
        return PatientConnection.connect(*arguments, **named)

    event.listen(engine, "do_connect", connect)
    return engine
