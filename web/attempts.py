"""How often a password may be tried: counted in memory, by keyed hashes that die with the process (S-801).

Three limits stand one behind the other: of an address for one name, of an address for all names, and of a name from
wherever it is tried, whether there is such a name or not. Each lets some tries through at once and then one at a time,
so that who guesses is slowed down; a try that is refused counts for nothing. Behind a proxy that is not named in the
settings all people seem to have one address, so what it may do in all is generous.

Who guesses on and on from several addresses takes every try that a name has, and leaves its owner none. So a browser
in which that owner has signed in before (`web.browsers`) has tries of its own, which nobody else can use up; they are
few, so that a cookie that was stolen opens no door to guessing. So has a visit in which the password is asked for once
more. In a new browser the owner has to wait until half a minute after the guessing has ended, or to use a sign-in link,
which nothing here counts.

Each process counts for itself: where several serve, there are as many times the tries.
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from privacy.clock import monotonic_seconds
from privacy.errors import PublicError

MAX_COUNTERS = 20_000


@dataclass(frozen=True, slots=True)
class Limit:
    """So many tries at once, and then one in so many seconds."""

    at_once: int
    seconds: float


OF_ADDRESS_FOR_NAME = Limit(10, 30.0)
OF_ADDRESS = Limit(100, 1.0)
OF_NAME = Limit(30, 5.0)
OF_BROWSER = Limit(10, 30.0)


class TooManyTries(PublicError):
    """Somebody tried too often: 429."""

    default_public = "That was tried too often. Please wait half a minute and try again, or ask for a sign-in link."

    def __init__(self, wait: float = 0.0) -> None:
        """`wait` says in how many seconds the next try is let through."""
        super().__init__("tries")
        self.wait = wait


@dataclass(slots=True)
class Attempts:
    """The counters of one process; the least used are forgotten first."""

    monotonic: Callable[[], float] = monotonic_seconds
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _full_at: "OrderedDict[bytes, float]" = field(default_factory=OrderedDict, repr=False)
    """When each counter will have forgotten all its tries."""

    def count(self, address: str, name: str) -> None:
        """Count one try, before it is made. Raises TooManyTries, and then nothing is counted."""
        self._count(self._counters(address, name))

    def count_of_browser(self, tag: bytes) -> None:
        """Count one try of a browser that is known, where `count` refuses it, or of a visit. Raises TooManyTries."""
        self._count([(hmac.digest(self._key, b"browser\0" + tag, "sha256"), OF_BROWSER)])

    def forgive(self, address: str, name: str) -> None:
        """Take back the try that was right, and forget the tries of this address for this name."""
        for tag, limit in self._counters(address, name):
            if limit is OF_ADDRESS_FOR_NAME:
                self._full_at.pop(tag, None)
            elif tag in self._full_at:
                self._full_at[tag] -= limit.seconds

    def _count(self, counters: Sequence[tuple[bytes, Limit]]) -> None:
        now = self.monotonic()
        wait = max(self._busy(tag, now) - (limit.at_once - 1) * limit.seconds for tag, limit in counters)
        if wait > 0:
            raise TooManyTries(wait)
        for tag, limit in counters:
            self._full_at[tag] = now + self._busy(tag, now) + limit.seconds
            self._full_at.move_to_end(tag)
        while len(self._full_at) > MAX_COUNTERS:
            self._full_at.popitem(last=False)

    def _busy(self, tag: bytes, now: float) -> float:
        """Return for how many seconds the tries of a counter are still remembered."""
        return max(0.0, self._full_at.get(tag, now) - now)

    def _counters(self, address: str, name: str) -> list[tuple[bytes, Limit]]:
        name = name.casefold()
        kinds = ((f"both\0{address}\0{name}", OF_ADDRESS_FOR_NAME), (f"address\0{address}", OF_ADDRESS),
                 (f"name\0{name}", OF_NAME))  # fmt: skip
        return [(hmac.digest(self._key, tag.encode(), "sha256"), limit) for tag, limit in kinds]
