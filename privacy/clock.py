"""The one place that asks the time."""

import time
from collections.abc import Callable
from datetime import UTC, datetime

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the present moment, aware, in UTC, cut to whole milliseconds."""
    return from_milliseconds(time.time_ns() // 1_000_000)


def monotonic_seconds() -> float:
    """Return seconds on a clock that never jumps, for time-outs."""
    return time.monotonic()


def to_milliseconds(moment: datetime) -> int:
    """Return whole milliseconds since the Unix epoch."""
    return round(moment.timestamp() * 1000)


def from_milliseconds(value: int) -> datetime:
    """Return the aware UTC moment of so many milliseconds since the Unix epoch."""
    return datetime.fromtimestamp(value // 1000, UTC).replace(microsecond=value % 1000 * 1000)


def first_moment_of(moment: datetime) -> datetime:
    """Return the first moment of a moment's day in UTC."""
    return moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def day_of(written: str) -> datetime:
    """Return the first moment of a day written as `YYYY-MM-DD`."""
    return datetime.fromisoformat(written).replace(tzinfo=UTC)
