"""The base of every table, its ids, and rows that fall due."""

import secrets
import threading
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from sqlalchemy import BigInteger, Dialect, Integer, LargeBinary, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from privacy.clock import first_moment_of, from_milliseconds, to_milliseconds

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
MAX_ID = 2**63 - 1
_SEQUENCE = threading.Lock()
_newest = 0


class OnErasure(StrEnum):
    """What happens to a row when the person or thing that it is about ends."""

    DELETE = "delete"
    """The row goes."""
    SHRED = "shred"
    """Its keys are destroyed first, then the row is emptied or goes."""
    KEEP = "keep"
    """It holds nothing about a person."""


@dataclass(frozen=True, slots=True)
class Holds:
    """What a table holds, in words for people, and how that ends."""

    what: str
    on_erasure: OnErasure


class Moment(TypeDecorator[datetime]):
    """An aware UTC moment, stored as whole milliseconds since the Unix epoch."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - its interface
        """Turn a moment into what is stored."""
        return None if value is None else to_milliseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - its interface
        """Turn what is stored into a moment."""
        return None if value is None else from_milliseconds(value)


class Day(TypeDecorator[datetime]):
    """The day of a moment, stored as its first millisecond: all that is kept where nothing asks for the hour.

    Rows written in one transaction have the same millisecond, and so it would tell which of them belong together.
    """

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:  # noqa: ARG002 - its interface
        """Turn a moment into the beginning of its day."""
        return None if value is None else to_milliseconds(first_moment_of(value))

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - its interface
        """Turn what is stored into a moment."""
        return None if value is None else from_milliseconds(value)


Id = BigInteger().with_variant(Integer, "sqlite")
"""A 63-bit id; SQLite wants the word INTEGER to use it as the row id."""


UNORDERED = {"sqlite_with_rowid": False}
"""Arguments of a table whose rows shall not tell in which order they came: SQLite numbers them unless told not to."""


class Record(DeclarativeBase):
    """The base of every table; one that does not declare what it `holds` cannot be defined."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map: ClassVar[dict[Any, Any]] = {int: Id, datetime: Moment, str: String, bytes: LargeBinary}
    holds: ClassVar[Holds]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse a table without a declared end."""
        if "__tablename__" in cls.__dict__ and not isinstance(getattr(cls, "holds", None), Holds):
            raise TypeError(f"{cls.__name__} must declare what it holds and how that ends")
        super().__init_subclass__(**kwargs)


class SealedRow:
    """Columns of a row whose words are sealed with three secrets (product decision 23)."""

    subject_id: Mapped[int]
    bucket: Mapped[str]
    slot: Mapped[int] = mapped_column(index=True)
    revision: Mapped[int] = mapped_column(default=0)
    body: Mapped[bytes | None]


class Due:
    """Columns of a row that asks to be worked on at some moment; index `due_at` where it is not null."""

    due_at: Mapped[datetime | None]
    """When to work on it; a claim moves it to the end of the lease, and null means that nothing is left to do."""
    attempts: Mapped[int] = mapped_column(default=0)
    lease: Mapped[int | None]
    """The fencing token of the worker that holds the row: a late finisher finds another one here."""


def new_id() -> int:
    """Return a random positive 63-bit id, never zero."""
    return secrets.randbelow(MAX_ID) + 1


def snowflake(now: datetime) -> int:
    """Return `milliseconds since the Unix epoch << 16 | 16 random bits`, always above the one before it here.

    Within a process ids only ascend, also inside one millisecond: whoever polls for what is newer than an id misses
    nothing (product decision 11).
    """
    global _newest  # noqa: PLW0603 - one sequence for the process is the point
    with _SEQUENCE:
        fresh = to_milliseconds(now) << 16 | secrets.randbits(16)
        _newest = fresh if fresh > _newest else _newest + 1 + (fresh & 0xF)
        return _newest


def snowflake_above(now: datetime, newest: int | None) -> int:
    """Return a snowflake above another, which a process with a faster clock may have made."""
    fresh = snowflake(now)
    return fresh if newest is None or fresh > newest else newest + 1 + secrets.randbits(16)
