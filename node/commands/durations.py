"""Spans of time as operators write them: 5s 15m 12h 30d 6w 2y (pure)."""

import re
from datetime import timedelta
from typing import Any, Final

import click

SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800, "y": 31_536_000}
WRITTEN: Final = re.compile(r"([1-9][0-9]{0,8})([smhdwy])")
LONGEST: Final = timedelta(days=3_650)
SHORTEST_IN_EARNEST: Final = timedelta(hours=1)


class Duration(click.ParamType[timedelta]):
    """A span of time on the command line."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return the span; wrong usage for what is none."""
        if isinstance(value, timedelta):
            return value
        try:
            return parse_duration(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def written(span: timedelta) -> str:
    """Return a span as an operator would write it, in the largest unit that fits it whole."""
    seconds = int(span.total_seconds())
    unit = next(name for name in ("d", "h", "m", "s") if seconds % SECONDS[name] == 0)
    return f"{seconds // SECONDS[unit]}{unit}"


def parse_duration(written: str) -> timedelta:
    """Return the span that `12h` or `30d` means. Raises ValueError for what is none, and above ten years."""
    found = WRITTEN.fullmatch(written.strip().lower())
    if found is None:
        raise ValueError(f"{written!r} is not a duration: write a number and s, m, h, d, w or y, such as 12h or 30d")
    span = timedelta(seconds=int(found[1]) * SECONDS[found[2]])
    if span > LONGEST:
        raise ValueError(f"{written!r} is longer than ten years")
    return span
