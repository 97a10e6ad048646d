"""A figure and the line of JSON that tells it; how far along the run is goes to standard error."""

import json
import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True, slots=True)
class Rival:
    """Who did the same work in the same run, and at what cost."""

    name: str
    value: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value, beside what it is held against."""

    row: str
    """The row of the table of targets."""
    metric: str
    value: float
    unit: str
    rival: Rival | None
    ratio: float | None
    """How many times as well as the rival; 1 is as well."""
    target: str
    met: bool


def against(row: str, metric: str, unit: str, ours: float, rival: Rival, at_least: float) -> Figure:
    """Return a cost beside the rival's own: the ratio is the rival's cost over ours."""
    ratio = rival.value / ours
    shown = Rival(rival.name, round(rival.value, 2))
    return Figure(
        row, metric, round(ours, 2), unit, shown, round(ratio, 3), f">= {at_least} x {rival.name}", ratio >= at_least
    )


def at_most(row: str, metric: str, unit: str, value: float, most: float, rival: Rival | None = None) -> Figure:
    """Return a value that should be no more than so much; a rival only shows what the machine gives today."""
    shown = None if rival is None else Rival(rival.name, round(rival.value, 2))
    ratio = None if rival is None or value == 0 else round(rival.value / value, 3)
    return Figure(row, metric, round(value, 2), unit, shown, ratio, f"<= {most:g} {unit}", value <= most)


def tell(figure: Figure) -> None:
    """Print a figure as one line of JSON, on the true standard output whatever stands in for it."""
    print(json.dumps(asdict(figure)), file=sys.__stdout__, flush=True)


def say(words: str) -> None:
    """Tell whoever waits what is being done."""
    print(words, file=sys.stderr, flush=True)
