"""How often a password may be tried: counted in memory, by keyed hashes that die with the process (S-801).

An address gets few tries for one name, and some more for all names together. A name by itself has no limit, so nobody
can lock somebody else out.
"""

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from privacy.clock import monotonic_seconds
from privacy.errors import PublicError

TRIES_FOR_ONE_NAME = 10
TRIES_IN_ALL = 60
SECONDS = 600.0
MAX_COUNTERS = 20_000


class TooManyTries(PublicError):
    """Somebody tried too often: 429."""

    default_public = "That was tried too often. Please wait ten minutes, or ask for a sign-in link."


@dataclass(slots=True)
class Attempts:
    """The counters of one process; the least used are forgotten first."""

    monotonic: Callable[[], float] = monotonic_seconds
    _key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    _tries: "OrderedDict[bytes, list[float]]" = field(default_factory=OrderedDict, repr=False)

    def count(self, address: str, name: str) -> None:
        """Count one try, before it is made. Raises TooManyTries."""
        for tag, most in ((f"{address}\0{name.casefold()}", TRIES_FOR_ONE_NAME), (address, TRIES_IN_ALL)):
            self._count(hmac.digest(self._key, tag.encode(), "sha256"), most)

    def forgive(self, address: str, name: str) -> None:
        """Forget the tries for a name after one that was right."""
        self._tries.pop(hmac.digest(self._key, f"{address}\0{name.casefold()}".encode(), "sha256"), None)

    def _count(self, tag: bytes, most: int) -> None:
        now = self.monotonic()
        recent = [moment for moment in self._tries.pop(tag, []) if now - moment < SECONDS]
        self._tries[tag] = recent
        if len(recent) >= most:
            raise TooManyTries("tries")
        recent.append(now)
        while len(self._tries) > MAX_COUNTERS:
            self._tries.popitem(last=False)
