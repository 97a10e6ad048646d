"""When to try again (federation reference §6.3), from the number of failures, the moment and a draw of chance."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

_SOON = (
    timedelta(seconds=10),
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    timedelta(hours=3),
    timedelta(hours=6),
    timedelta(hours=12),
)
_DAY = timedelta(days=1)
_DAYS_TRIED = 5
_DAYS_TRIED_FOR_LAST_WORDS = 29
_LAST_WORDS = frozenset({"Delete", "Reject"})
_JITTER = 0.2

_FIRST_PROBE = timedelta(minutes=30)
_LAST_PROBE = timedelta(hours=6)
MAX_RETRY_AFTER = timedelta(hours=24)


def next_attempt(attempts: int, now: datetime, jitter: float, *, kind: str) -> datetime | None:
    """Return when a delivery that has failed `attempts` times (1 and more) is tried again; None to give up.

    `jitter` is a draw from 0 to 1 and moves the delay by ±20 %. Deliveries are given up after about 7 days; a `kind`
    (activity type) of Delete or Reject after about 30, for those must arrive if anything does.
    """
    days = _DAYS_TRIED_FOR_LAST_WORDS if kind in _LAST_WORDS else _DAYS_TRIED
    if attempts > len(_SOON) + days:
        return None
    delay = _SOON[max(attempts, 1) - 1] if attempts <= len(_SOON) else _DAY
    return now + _shaken(delay, jitter)


def next_probe(failures: int, now: datetime, jitter: float) -> datetime:
    """Return when a host whose circuit is open is probed again: after 30 minutes, doubling to 6 hours."""
    doubled = _FIRST_PROBE * 2 ** min(max(failures - 1, 0), 8)
    return now + _shaken(min(doubled, _LAST_PROBE), jitter)


def retry_after(header: str | None, now: datetime) -> datetime | None:
    """Return the moment that a `Retry-After` header names, in seconds or as a date (RFC 9110 §10.2.3).

    Between now and 24 hours from now, whatever the header says; None without a header, or with one that says neither.
    """
    if header is None:
        return None
    text = header.strip()
    if text.isascii() and text.isdigit():
        # A number of more digits than a year has seconds is the longest wait, not an overflow.
        return now + min(timedelta(seconds=int(text[:9])), MAX_RETRY_AFTER)
    try:
        named = parsedate_to_datetime(text)
    except ValueError:
        return None
    named = named.replace(tzinfo=UTC) if named.tzinfo is None else named
    return min(max(named, now), now + MAX_RETRY_AFTER)


def _shaken(delay: timedelta, jitter: float) -> timedelta:
    return delay * (1 + _JITTER * (2 * min(max(jitter, 0.0), 1.0) - 1))
