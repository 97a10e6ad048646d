"""What becomes of a delivery after an attempt (pure; federation reference §6.3).

A status that is about the activity ends or delays that delivery alone. A failure of the server itself (no answer, TLS,
time) delays everything that waits for it, so that a dead server costs one probe for each step and not one per activity.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from activitypub.answers import GONE, PASSING_STATUSES, Answer
from activitypub.backoff import next_attempt, next_probe
from activitypub.peers import KNOWN_TO_ALL

SLOW_STEPS = (timedelta(minutes=15), timedelta(hours=1), timedelta(hours=3))  # a new key needs time to get around
TIMES_UNKNOWN = 8
"""How often an activity is sent to a server that says it does not know the signer."""
STRAINED_FAILURES = 5
"""So many errors 5xx in a row close a host as one failed connection does."""
SOON_STEPS = 4
UNAUTHORIZED, NOT_IMPLEMENTED = 401, 501
LONGEST_SILENCE = timedelta(hours=6)
TIMES_SILENT, TIMES_SILENT_FOR_LAST_WORDS = 40, 130
"""About 8 and 31 days, for one activity at which a server that is otherwise well falls silent."""
HORIZON = timedelta(days=7)
LAST_WORDS_HORIZON = timedelta(days=30)
LAST_WORDS = frozenset({"Delete", "Reject"})
TAKES_BACK = LAST_WORDS | {"Undo"}
ASK_RULES_AGAIN = timedelta(hours=1)
"""How soon what takes something back goes out once its server is held off no more."""
HOPELESS_FAILURES = 10
"""Only a host that failed so many probes loses what is too old: a clock that jumps empties no queue (R-211)."""


class Effect(StrEnum):
    """What an attempt tells of the host."""

    ALIVE = "alive"
    """It took something."""
    NEUTRAL = "neutral"
    """It answered, but refused this one: neither a failure nor a sign of health (R-205)."""
    STRAINED = "strained"
    """It answered with an error of its own."""
    WAITING = "waiting"
    """It named the moment until which it wants to be left alone."""
    DOWN = "down"
    """It gave no answer."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do: nothing more when `due_at` is None, and else to try again then.

    `due_at` counts from the delivery's own failures; a closed host delays it further. `inbox_gone` says that nothing
    else may be sent to that inbox either.
    """

    effect: Effect
    due_at: datetime | None = None
    inbox_gone: bool = False


def judge(answer: Answer | None, *, kind: str, attempts: int, now: datetime, jitter: float) -> Verdict:
    """Say what an answer means, or None for no answer at all, after so many attempts at an activity of this type."""
    if answer is None:
        return Verdict(Effect.DOWN, _after_silence(attempts, kind, now, jitter))
    status = answer.status
    if 200 <= status < 300:
        return Verdict(Effect.ALIVE)
    if status == GONE:
        return Verdict(Effect.NEUTRAL, inbox_gone=True)
    if status == UNAUTHORIZED:
        # Attempts that failed in other ways count too: a server that was down for a while may not know our key yet.
        slow = now + SLOW_STEPS[min(attempts, len(SLOW_STEPS)) - 1] if attempts < TIMES_UNKNOWN else None
        return Verdict(Effect.NEUTRAL, slow)
    if status in PASSING_STATUSES or (status >= 500 and status != NOT_IMPLEMENTED):
        again = next_attempt(attempts, now, jitter, kind=kind)
        if answer.retry_at is not None and again is not None:
            return Verdict(Effect.WAITING, max(answer.retry_at, now))
        return Verdict(Effect.STRAINED, again)
    return Verdict(Effect.NEUTRAL)


def kept_back_until(kind: str, created_at: datetime, now: datetime) -> datetime | None:
    """Say until when an activity waits that the admin's rules keep from its server; None is not to be sent at all.

    What takes something back waits for as long as it is tried for: the server may be let in again, and has a copy.
    """
    horizon = LAST_WORDS_HORIZON if kind in LAST_WORDS else HORIZON
    if kind not in TAKES_BACK or now >= created_at + horizon:
        return None
    # What was written with a change of the rules may be tried before this process has heard of that.
    return now + (KNOWN_TO_ALL if now < created_at + 2 * KNOWN_TO_ALL else ASK_RULES_AGAIN)


def reopens_at(effect: Effect, failures: int, now: datetime, jitter: float) -> datetime | None:
    """Return until when a host is closed after its `failures`-th failure in a row; None when it stays open.

    10 seconds, 1, 5 and 15 minutes, then probes after an hour and up to six.
    """
    if effect is Effect.STRAINED and failures < STRAINED_FAILURES:
        return None
    if failures <= SOON_STEPS:
        return next_attempt(failures, now, jitter, kind="Delete")
    return next_probe(failures - SOON_STEPS + 1, now, jitter)


def _after_silence(attempts: int, kind: str, now: datetime, jitter: float) -> datetime | None:
    if attempts >= (TIMES_SILENT_FOR_LAST_WORDS if kind in LAST_WORDS else TIMES_SILENT):
        return None
    again = next_attempt(attempts, now, jitter, kind=kind)
    # No longer, since this may be the one delivery by which the host is probed.
    longest = now + LONGEST_SILENCE
    return longest if again is None else min(again, longest)
