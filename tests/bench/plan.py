"""How much is sent: enough for a steady figure, or just enough to see that everything runs."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Plan:
    """Counts for one run, and the directory that is its own."""

    home: Path
    authors: int
    """People of one other server, who write into a group here."""
    rounds: int
    """How often the contestants take turns, so that a busy moment of the machine falls on all of them."""
    letters: int
    """Activities to each contestant in a round."""
    fedify_letters: int
    warming: int
    """Activities that nobody counts: caches fill, and V8 compiles."""
    latency_rate: int
    latency_seconds: int
    hosts: int
    inboxes: int
    fedify_recipients: int
    starts: int

    @property
    def letters_in_all(self) -> int:
        """How many activities a contestant gets at most, one after the other, before latency is measured."""
        return self.warming + self.rounds * self.letters

    @property
    def latency_letters(self) -> int:
        """How many activities are sent at a steady rate."""
        return self.latency_rate * self.latency_seconds


def full(home: Path) -> Plan:
    """Return the counts behind published figures: some five minutes."""
    return Plan(
        home, authors=200, rounds=4, letters=1_000, fedify_letters=250, warming=1_000, latency_rate=1_000,
        latency_seconds=10, hosts=500, inboxes=5_000, fedify_recipients=1_000, starts=5,
    )  # fmt: skip


def quick(home: Path) -> Plan:
    """Return the counts that show that everything runs: figures of this size mean little."""
    return Plan(
        home, authors=60, rounds=2, letters=300, fedify_letters=100, warming=300, latency_rate=1_000,
        latency_seconds=3, hosts=50, inboxes=250, fedify_recipients=250, starts=3,
    )  # fmt: skip
