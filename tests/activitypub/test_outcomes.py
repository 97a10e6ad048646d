"""What an answer to a delivery means (R-205, R-207)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.answers import Answer
from activitypub.outcomes import Effect, Verdict, judge, reopens_at

NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


def verdict(
    status: int | None, *, kind: str = "Create", attempts: int = 1, retry_at: datetime | None = None
) -> Verdict:
    answer = None if status is None else Answer(status, retry_at)
    return judge(answer, kind=kind, attempts=attempts, now=NOW, jitter=0.5)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_success(status: int) -> None:
    assert verdict(status) == Verdict(Effect.ALIVE)


@pytest.mark.parametrize(
    "status", [301, 302, 303, 307, 308, 400, 402, 403, 404, 405, 406, 413, 415, 418, 422, 451, 501]
)
def test_final_for_this_activity(status: int) -> None:
    assert verdict(status) == Verdict(Effect.NEUTRAL)


def test_gone_is_final_for_the_inbox() -> None:
    assert verdict(410) == Verdict(Effect.NEUTRAL, inbox_gone=True)


def test_unauthorized_gets_a_few_slow_tries() -> None:
    waits = [verdict(401, attempts=attempts).due_at for attempts in (1, 2, 3, 7, 8)]
    slow = NOW + timedelta(hours=3)
    assert waits == [NOW + timedelta(minutes=15), NOW + timedelta(hours=1), slow, slow, None]


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_passing_trouble_is_tried_again(status: int) -> None:
    assert verdict(status) == Verdict(Effect.STRAINED, NOW + timedelta(seconds=10))
    assert verdict(status, attempts=2).due_at == NOW + timedelta(minutes=1)
    assert verdict(status, attempts=14).due_at is None
    assert verdict(status, attempts=14, kind="Delete").due_at == NOW + timedelta(days=1)


@pytest.mark.parametrize("status", [429, 503])
def test_r_207_retry_after_is_obeyed(status: int) -> None:
    later = NOW + timedelta(hours=2)
    assert verdict(status, retry_at=later) == Verdict(Effect.WAITING, later)
    assert verdict(404, retry_at=later) == Verdict(Effect.NEUTRAL)
    assert verdict(status, retry_at=later, attempts=14) == Verdict(Effect.STRAINED)


def test_silence_is_tried_for_a_week_and_last_words_for_a_month() -> None:
    assert verdict(None) == Verdict(Effect.DOWN, NOW + timedelta(seconds=10))
    assert verdict(None, attempts=20).due_at == NOW + timedelta(hours=6)
    assert verdict(None, attempts=40).due_at is None
    assert verdict(None, attempts=40, kind="Delete").due_at == NOW + timedelta(hours=6)
    assert verdict(None, attempts=130, kind="Reject").due_at is None


def test_a_dead_host_is_probed_ever_less() -> None:
    waits = [reopens_at(Effect.DOWN, failures, NOW, 0.5) for failures in range(1, 10)]
    minutes = [round((wait - NOW).total_seconds() / 60, 1) for wait in waits if wait is not None]
    assert minutes == [0.2, 1, 5, 15, 60, 120, 240, 360, 360]


def test_errors_of_its_own_close_a_host_after_five() -> None:
    closed = [reopens_at(Effect.STRAINED, failures, NOW, 0.5) is not None for failures in range(1, 7)]
    assert closed == [False, False, False, False, True, True]


@given(st.integers(100, 599), st.integers(1, 200), st.sampled_from(["Create", "Delete"]), st.floats(0, 1))
def test_nothing_is_tried_again_in_the_past_or_for_ever(status: int, attempts: int, kind: str, jitter: float) -> None:
    answer = Answer(status, NOW - timedelta(hours=1))
    found = judge(answer, kind=kind, attempts=attempts, now=NOW, jitter=jitter)
    assert found.due_at is None or NOW <= found.due_at <= NOW + timedelta(days=2)
    assert judge(answer, kind=kind, attempts=150, now=NOW, jitter=jitter).due_at is None
