"""How much one may ask for in a while: buckets of tokens in memory, nothing written down.

What tells one from another is hashed under a key that dies with the process.
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from privacy.clock import monotonic_seconds

MAX_BUCKETS = 20_000


@dataclass(frozen=True, slots=True)
class Rate:
    """So many requests in so many seconds; a full bucket may be emptied at once."""

    requests: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Allowance:
    """What is left of a bucket after a request."""

    limit: int
    remaining: int
    full_in: float
    """Seconds until the bucket is full again."""
    wait: float
    """Seconds until the next request is allowed; zero when this one was."""

    @property
    def is_allowed(self) -> bool:
        """Whether the request may go on."""
        return self.wait == 0


class Buckets:
    """The buckets of one process; the least used are forgotten first."""

    def __init__(self, monotonic: Callable[[], float] = monotonic_seconds) -> None:
        """Begin with none; `monotonic` gives the seconds by which they fill."""
        self._monotonic, self._key = monotonic, secrets.token_bytes(32)
        self._buckets: OrderedDict[tuple[str, bytes], tuple[float, float]] = OrderedDict()

    def take(self, kind: str, key: bytes, rate: Rate) -> Allowance:
        """Take one request out of a bucket, and tell what is left."""
        now, key = self._monotonic(), hmac.digest(self._key, key, "sha256")
        level, seen = self._buckets.pop((kind, key), (float(rate.requests), now))
        speed = rate.requests / rate.seconds
        level = min(float(rate.requests), level + (now - seen) * speed)
        allowed = level >= 1
        level -= allowed
        self._buckets[(kind, key)] = (level, now)
        while len(self._buckets) > MAX_BUCKETS:
            self._buckets.popitem(last=False)
        wait = 0.0 if allowed else (1 - level) / speed
        return Allowance(rate.requests, int(level), (rate.requests - level) / speed, wait)
