"""Retry times: in order, bounded, given up at last (federation reference §6.3)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.backoff import next_attempt, next_probe, retry_after

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
MIDDLE = 0.5


def delays(kind: str, jitter: float = MIDDLE) -> list[timedelta]:
    found = []
    while (moment := next_attempt(len(found) + 1, NOW, jitter, kind=kind)) is not None:
        found.append(moment - NOW)
    return found


def test_the_ladder() -> None:
    seconds = [round(delay.total_seconds()) for delay in delays("Create")]
    assert seconds == [10, 60, 300, 900, 3600, 10_800, 21_600, 43_200, *[86_400] * 5]


@pytest.mark.parametrize(
    ("kind", "least", "most"), [("Create", 5.5, 7.5), ("Update", 5.5, 7.5), ("Delete", 29, 31), ("Reject", 29, 31)]
)
def test_how_long_is_tried_in_all(kind: str, least: float, most: float) -> None:
    total = sum(delays(kind), timedelta())
    assert timedelta(days=least) < total < timedelta(days=most)


def test_chance_moves_a_delay_by_a_fifth() -> None:
    assert [delays("Create", jitter)[4] for jitter in (0, 0.5, 1)] == [timedelta(minutes=m) for m in (48, 60, 72)]
    assert delays("Create", -7)[0] == delays("Create", 0)[0]


@given(st.integers(-5, 100), st.floats(0, 1), st.sampled_from(["Create", "Delete"]))
def test_every_attempt_is_in_the_future_and_last_words_are_tried_at_least_as_long(
    attempts: int, jitter: float, kind: str
) -> None:
    moment = next_attempt(attempts, NOW, jitter, kind=kind)
    assert moment is None or NOW < moment <= NOW + timedelta(hours=29)
    assert (next_attempt(attempts, NOW, jitter, kind="Create") is None) >= (
        next_attempt(attempts, NOW, jitter, kind="Delete") is None
    )


def test_probes_double_up_to_six_hours() -> None:
    minutes = [(next_probe(failures, NOW, MIDDLE) - NOW).total_seconds() / 60 for failures in (0, 1, 2, 3, 4, 5, 900)]
    assert minutes == [30, 30, 60, 120, 240, 360, 360]


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1.5", None),
        ("٣", None),
        ("0", timedelta()),
        (" 120 ", timedelta(minutes=2)),
        ("86400", timedelta(hours=24)),
        ("999999", timedelta(hours=24)),
        ("9" * 5000, timedelta(hours=24)),
        ("Mon, 23 Nov 2026 12:10:00 GMT", timedelta(minutes=10)),
        ("Mon, 23 Nov 2026 11:00:00 GMT", timedelta()),
        ("Fri, 01 Jan 2100 00:00:00 GMT", timedelta(hours=24)),
        ("Mon, 23 Nov 2026 12:10:00", timedelta(minutes=10)),
        ("Mon, 99 Nov 2026 12:10:00 GMT", None),
    ],
)
def test_retry_after(header: str | None, expected: timedelta | None) -> None:
    assert retry_after(header, NOW) == (None if expected is None else NOW + expected)
