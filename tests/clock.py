"""A clock for tests."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class MovableClock:
    """A clock that stands still until a test moves it; call it to ask the time."""

    def __init__(self, now: datetime = START) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def move(self, span: timedelta) -> datetime:
        """Move the time and return what it is then."""
        self.now += span
        return self.now

    def monotonic(self) -> float:
        """The same time as seconds that never jump, for caches."""
        return self.now.timestamp()
