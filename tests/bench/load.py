"""The load: sends requests of a file over kept connections, from a process of its own, and prints what became of them.

python -m tests.bench.load '{"file": …, "host": …, "port": …, "connections": 32, "start": 0, "count": 100, "rate": 0}'

With a rate it is an open loop: a request that finds every connection busy waits, and its wait counts as latency.
"""

import asyncio
import collections
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import uvloop

from tests.bench import letters

END_OF_HEAD = b"\r\n\r\n"
LENGTH_FIELD = b"content-length:"
PATIENCE_SECONDS = 120


class Load:
    """What is still to be sent, and what was answered."""

    def __init__(self, requests: Iterator[bytes], count: int) -> None:
        """Begin with nothing sent."""
        self.requests = requests
        self.count = count
        self.latencies: list[float] = []
        self.statuses: collections.Counter[int] = collections.Counter()
        self.first_refusal = ""
        self.idle: list[Line] = []
        self.late: collections.deque[float] = collections.deque()
        self.paced = False
        self.done = asyncio.get_running_loop().create_future()

    def send(self, line: "Line", since: float) -> None:
        """Send the next request, if there is one, and count its time from a moment."""
        request = next(self.requests, None)
        if request is not None:
            line.since = since
            line.transport.write(request)

    def answered(self, line: "Line", status: int, answer: bytes) -> None:
        """Take down an answer, and go on."""
        now = time.perf_counter()
        self.latencies.append(now - line.since)
        self.statuses[status] += 1
        if status >= 300 and not self.first_refusal:
            self.first_refusal = answer[:300].decode("latin-1")
        if len(self.latencies) == self.count:
            self.done.set_result(None)
        elif not self.paced:
            self.send(line, now)
        elif self.late:
            self.send(line, self.late.popleft())
        else:
            self.idle.append(line)

    def failed(self, error: Exception) -> None:
        """End with an error."""
        if not self.done.done():
            self.done.set_exception(error)

    async def pace(self, rate: float) -> None:
        """Send at a steady rate, whatever the answers do."""
        self.paced = True
        begun = time.perf_counter()
        for number in range(self.count):
            due = begun + number / rate
            if (wait := due - time.perf_counter()) > 0:
                await asyncio.sleep(wait)
            if self.idle:
                self.send(self.idle.pop(), time.perf_counter())  # a late timer of ours is no fault of theirs
            else:
                self.late.append(due)


class Line(asyncio.Protocol):
    """One kept connection with at most one request under way."""

    transport: asyncio.Transport

    def __init__(self, load: Load) -> None:
        """Belong to a load."""
        self._load = load
        self._buffer = b""
        self.since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast(asyncio.Transport, transport)  # uvloop's own class is not one of its family

    def data_received(self, data: bytes) -> None:
        """Take a whole answer out of what came in."""
        self._buffer += data
        end = self._buffer.find(END_OF_HEAD)
        if end < 0:
            return
        head = self._buffer[:end].lower()
        at = head.find(LENGTH_FIELD)
        length = int(head[at + len(LENGTH_FIELD) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
        if len(self._buffer) < end + len(END_OF_HEAD) + length:
            return
        answer, self._buffer = self._buffer, b""
        self._load.answered(self, int(head[9:12]), answer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Give up: a server that hangs up in the middle has no figure."""
        self._load.failed(exc or ConnectionError("the server closed a kept connection"))


async def run(asked: dict[str, Any]) -> dict[str, Any]:
    """Send what is asked for and return what became of it."""
    requests = list(letters.read(Path(asked["file"]), asked["start"], asked["count"]))
    load = Load(iter(requests), len(requests))
    loop = asyncio.get_running_loop()
    lines = [
        (await loop.create_connection(lambda: Line(load), asked["host"], asked["port"]))[1]
        for _ in range(min(asked["connections"], len(requests)))
    ]
    begun = time.perf_counter()
    async with asyncio.timeout(PATIENCE_SECONDS):
        if asked["rate"]:
            load.idle = lines
            pacing = asyncio.create_task(load.pace(asked["rate"]))
            await asyncio.gather(pacing, load.done)
        else:
            for line in lines:
                load.send(line, begun)
            await load.done
    seconds = time.perf_counter() - begun
    return summary(load, seconds)


def summary(load: Load, seconds: float) -> dict[str, Any]:
    """Return the counts and the latencies at the middle and at the end."""
    ordered = sorted(load.latencies)
    return {
        "count": len(ordered),
        "seconds": seconds,
        "p50_ms": 1_000 * ordered[len(ordered) // 2],
        "p99_ms": 1_000 * ordered[int(len(ordered) * 0.99)],
        "accepted": sum(count for status, count in load.statuses.items() if 200 <= status < 300),
        "statuses": {str(status): count for status, count in load.statuses.items()},
        "first_refusal": load.first_refusal,
    }


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(run(json.loads(sys.argv[1])))))
