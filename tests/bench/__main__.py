"""Runs the benchmarks: `make bench`, or `python -m tests.bench --quick --only receiving`.

One line of JSON for each figure on standard output, progress on standard error. Ends with 0 whatever was met, with 1
when something could not be measured. README.md tells how to read it.
"""

import argparse
import contextlib
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.bench import delivering, receiving, ruling, starting
from tests.bench.figures import Figure, say, tell
from tests.bench.plan import Plan, full, quick
from tests.bench.postgresql import postgresql

Part = Callable[[Plan], Iterator[Figure]]


def receive(plan: Plan) -> Iterator[Figure]:
    """Yield the figures of taking in, on both kinds of database."""
    with postgresql() as new_database:
        yield from receiving.figures(plan, new_database)


PARTS: dict[str, Part] = {
    "receiving": receive,
    "delivering": delivering.figures,
    "starting": starting.figures,
    "ruling": ruling.figures,
}


def main() -> int:
    """Run the parts that are asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small counts: shows that everything runs")
    parser.add_argument("--only", choices=sorted(PARTS), action="append", help="one part; may be given again")
    asked = parser.parse_args()
    begun, failed = time.monotonic(), False
    # A node that is left in the middle of something prints its log, which is no figure.
    with tempfile.TemporaryDirectory(prefix="kinfold-bench-") as home, contextlib.redirect_stdout(sys.stderr):
        plan = quick(Path(home)) if asked.quick else full(Path(home))
        for name in asked.only or PARTS:
            try:
                for figure in PARTS[name](plan):
                    tell(figure)
            except Exception:  # noqa: BLE001 - one part that cannot be measured does not keep the others out
                failed = True
                say(f"{name} could not be measured:\n{traceback.format_exc()}")
    say(f"done after {time.monotonic() - begun:.0f} s")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
