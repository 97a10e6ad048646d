"""Row 12: how soon `kinfold serve` answers, and what memory it holds when nothing happens."""

import http.client
import statistics
import subprocess
import time
from collections.abc import Iterator

import psutil

from tests.bench.figures import Figure, at_most, say
from tests.bench.plan import Plan
from tests.bench.processes import MeasuredNode, cpu_seconds, quiet
from tests.served import KINFOLD

HOST = "127.0.3.3"
LOOK_SECONDS = 0.005
START_SECONDS = 30
READY = 200


def figures(plan: Plan) -> Iterator[Figure]:
    """Yield the middle of several starts."""
    node = MeasuredNode(plan.home / "starting", host=HOST)
    with node:
        node.group("support")
        node.stop()
        starts = [_started(node, number) for number in range(plan.starts)]
        seconds, computed, megabytes = zip(*starts, strict=True)
        node.start()
    yield at_most("12", "serve ready", "s", statistics.median(seconds), 1.0)
    yield at_most("12", "serve ready, computing alone", "s CPU", statistics.median(computed), 1.0)
    yield at_most("12", "resident when idle", "MB", statistics.median(megabytes), 110)


def _started(node: MeasuredNode, number: int) -> tuple[float, float, float]:
    """Start a node, wait until it is quiet, end it; return seconds and CPU until it was ready, and its memory."""
    say(f"start {number + 1}")
    begun = time.monotonic()
    with node.log_file.open("ab") as log:
        process = subprocess.Popen(
            [KINFOLD, "serve", "--host", node.host, "--port", str(node.port)],
            env=node.environment, cwd=node.home, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        while not _is_ready(node):
            if process.poll() is not None or time.monotonic() - begun > START_SECONDS:
                raise RuntimeError(f"the node did not start:\n{node.log()[-2_000:]}")
            time.sleep(LOOK_SECONDS)
        seconds, measured = time.monotonic() - begun, psutil.Process(process.pid)
        computed = cpu_seconds(measured)
        quiet(measured)
        held = sum(each.memory_info().rss for each in (measured, *measured.children(recursive=True)))
        return seconds, computed, held / 2**20
    finally:
        process.terminate()
        process.wait(START_SECONDS)


def _is_ready(node: MeasuredNode) -> bool:
    asked = http.client.HTTPConnection(node.host, node.port, timeout=5)
    try:
        asked.request("GET", "/health/ready")
        return asked.getresponse().status == READY
    except OSError:
        return False
    finally:
        asked.close()
