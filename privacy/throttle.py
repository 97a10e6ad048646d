"""How often somebody may try to sign in, counted in memory and without keeping an address (S-801).

Accounts and addresses are counted under keyed hashes whose key lives in memory and changes daily. A guesser is slowed
by address and by account; whoever signed in lately from an address is not kept out by what others try on the account.
"""

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from privacy.clock import monotonic_seconds

WINDOW: Final = timedelta(minutes=15)
KEY_LIFE: Final = timedelta(days=1)
MAX_COUNTERS: Final = 50_000
"""The oldest counters are forgotten beyond this, so that a flood of names cannot fill the memory."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How many failed tries fit into a quarter of an hour, for the whole node."""

    per_address: int = 20
    per_account: int = 20
    per_pair: int = 10
    """From an address where this account signed in before: its own count, which strangers cannot use up."""


class Throttle:
    """Counts failed tries; every method is atomic, whichever thread calls it."""

    def __init__(
        self, limits: Limits | None = None, *, processes: int = 1, monotonic: Callable[[], float] = monotonic_seconds
    ) -> None:
        """Start with nothing counted; each of several serving processes gets its share of the limits."""
        whole = limits or Limits()
        shares = (max(1, n // processes) for n in (whole.per_address, whole.per_account, whole.per_pair))
        self._most = Limits(*shares)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._key, self._key_until = b"", float("-inf")
        self._tries: OrderedDict[bytes, tuple[float, int]] = OrderedDict()
        self._welcome: OrderedDict[bytes, float] = OrderedDict()

    def admit(self, account: str, address: str) -> bool:
        """Count a try and tell whether it may go on; call `succeeded` when it was right.

        The answer depends on nothing but counts, so it is the same for names that exist and names that do not.
        """
        with self._lock:
            now = self._roll()
            pair, name, place = self._hashes(account, address)
            known = self._welcome.get(pair, float("-inf")) > now
            counted = [(place, self._most.per_address)]
            counted.append((pair, self._most.per_pair) if known else (name, self._most.per_account))
            if any(self._count(key, now) >= most for key, most in counted):
                return False
            for key, _ in counted:
                self._add(key, now)
            return True

    def succeeded(self, account: str, address: str) -> None:
        """Take back the try that was right, and remember for a day that the account is at home at this address.

        Only that one: an address that signs in to an account of its own gets no more tries at the accounts of others.
        """
        with self._lock:
            now = self._roll()
            pair, name, place = self._hashes(account, address)
            for key in (name, place):
                self._take_back(key)
            self._tries.pop(pair, None)
            self._welcome[pair] = now + KEY_LIFE.total_seconds()
            while len(self._welcome) > MAX_COUNTERS:
                self._welcome.popitem(last=False)

    def _roll(self) -> float:
        now = self._monotonic()
        if now >= self._key_until:
            self._key, self._key_until = secrets.token_bytes(32), now + KEY_LIFE.total_seconds()
            self._tries.clear()
            self._welcome.clear()
        return now

    def _hashes(self, account: str, address: str) -> tuple[bytes, bytes, bytes]:
        name, place = account.strip().casefold(), address
        return self._hash("pair", f"{name}\0{place}"), self._hash("account", name), self._hash("address", place)

    def _hash(self, kind: str, text: str) -> bytes:
        return hmac.digest(self._key, f"{kind}\0{text}".encode(), hashlib.sha256)[:16]

    def _count(self, key: bytes, now: float) -> int:
        since, count = self._tries.get(key, (now, 0))
        return count if now - since < WINDOW.total_seconds() else 0

    def _take_back(self, key: bytes) -> None:
        since, count = self._tries.get(key, (0.0, 0))
        if count > 1:
            self._tries[key] = (since, count - 1)
        else:
            self._tries.pop(key, None)

    def _add(self, key: bytes, now: float) -> None:
        count = self._count(key, now)
        since = self._tries[key][0] if count else now
        self._tries[key] = (since, count + 1)
        while len(self._tries) > MAX_COUNTERS:
            self._tries.popitem(last=False)
