"""Everything that a run starts, and what it costs: CPU of a whole process tree, which holds on a shared machine too."""

import json
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil
import trustme

from tests.bench import letters
from tests.served import KINFOLD, ServedNode, free_port, until

ROOT = Path(__file__).resolve().parents[2]
ENDING_SECONDS = 30
LOAD_SECONDS = 300
CONNECTIONS = 32

Json = dict[str, Any]


def cpu_seconds(*processes: psutil.Process) -> float:
    """Return the CPU time of some processes and all that they have started, ended ones included."""
    total = 0.0
    for process in processes:
        for each in (process, *process.children(recursive=True)):
            times = each.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
    return total


def quiet(*processes: psutil.Process, for_seconds: float = 1.0, within: float = 60) -> None:
    """Wait until some processes compute next to nothing for a while."""

    def is_quiet() -> bool:
        before = cpu_seconds(*processes)
        time.sleep(for_seconds)
        return cpu_seconds(*processes) - before < 0.1 * for_seconds

    until(is_quiet, "processes to become quiet", within=within)


class Program:
    """A process of the run, which says in its first line of output that it is ready; a context manager."""

    def __init__(self, *command: str, cwd: Path = ROOT, environment: Mapping[str, str] | None = None) -> None:
        """Know what to start."""
        self._command, self._cwd, self._environment = command, cwd, environment
        self.told: Json = {}

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command, cwd=self._cwd, env=self._environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip
        self.told = self._line()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """End the process, if it has not ended."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None and not pipe.closed:
                pipe.close()
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    @property
    def process(self) -> psutil.Process:
        """The process, for measuring."""
        return psutil.Process(self._process.pid)

    def ask(self) -> Json:
        """Send an empty line and return the line that answers it."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> Json:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._command[:3]} ended with {self._process.wait()}")
        return dict(json.loads(line))


def module(name: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of the bench."""
    return (sys.executable, "-m", f"tests.bench.{name}", *arguments)


def run_load(
    file: Path, address: str, *, start: int, count: int, rate: float = 0, connections: int = CONNECTIONS
) -> Json:
    """Send requests of a file to `host:port` and return what became of them. Raises RuntimeError for a refusal."""
    host, _, port = address.partition(":")
    asked = {"file": str(file), "host": host, "port": int(port), "connections": connections, "start": start,
             "count": count, "rate": rate}  # fmt: skip
    ran = subprocess.run(
        module("load", json.dumps(asked)), cwd=ROOT, capture_output=True, text=True, timeout=LOAD_SECONDS, check=False
    )
    if ran.returncode != 0:
        raise RuntimeError(f"the load on {address} failed: {ran.stderr[-1_000:]}")
    told: Json = json.loads(ran.stdout)
    if told["accepted"] != count:
        raise RuntimeError(f"{address} took {told['accepted']} of {count}: {told['statuses']} {told['first_refusal']}")
    return told


class Neighbours(Program):
    """The servers around the node: so many hosts on loopback addresses, with people who can be fetched."""

    def __init__(self, home: Path, hosts: Iterable[str], *, tls: bool) -> None:
        """Prepare certificates for those that speak TLS; the root of trust is `ca_file`."""
        home.mkdir(parents=True, exist_ok=True)
        names = list(hosts)
        port = free_port(names[0])
        self.peers = [f"{host}:{port}" for host in names]
        self.bases = [f"{'https' if tls else 'http'}://{peer}" for peer in self.peers]
        self.ca_file = home / "ca.pem"
        authority = trustme.CA()
        authority.cert_pem.write_to_path(self.ca_file)
        described = []
        for host in names:
            certificate = home / f"{host}.pem"
            if tls:
                authority.issue_cert(host).private_key_and_cert_chain_pem.write_to_path(certificate)
            described.append([host, port, str(certificate) if tls else ""])
        keys = [letters.public_pem(number) for number in range(letters.KEYS)]
        self._file = home / "neighbours.json"
        self._file.write_text(json.dumps({"hosts": described, "keys": keys}))
        super().__init__(*module("sink", str(self._file)))

    def posts(self) -> int:
        """Return how many requests have been posted to them."""
        return int(self.ask()["posts"])


class MeasuredNode(ServedNode):
    """A node whose serving process can be measured."""

    @property
    def process(self) -> psutil.Process:
        """The process that serves."""
        return psutil.Process(self._serving().pid)

    def group(self, name: str) -> str:
        """Make an open, public group, and return its id on the wire."""
        self.command("group", "add", name, "--title", name.title(), "--audience", "public", "--join", "open",
                     "--owner", self.owner)  # fmt: skip
        return str(self.kinfold("group", "show", name)["uri"])

    def unprocessed(self) -> int:
        """Return how many activities were taken in and not yet worked through."""
        return int(self.query("SELECT count(*) FROM inbox_items WHERE due_at IS NOT NULL")[0][0])

    def unsent(self) -> int:
        """Return how many deliveries wait."""
        return int(self.query("SELECT count(*) FROM deliveries")[0][0])


class Jobs:
    """`kinfold jobs` beside a node that is served without background loops; a context manager."""

    def __init__(self, node: ServedNode) -> None:
        """Know the node."""
        self._node = node
        self._log: IO[bytes] | None = None

    def __enter__(self) -> Self:
        self._log = self._node.log_file.open("ab")
        self._process = subprocess.Popen(
            [KINFOLD, "jobs"], env=self._node.environment, cwd=self._node.home, stdout=self._log, stderr=self._log
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=ENDING_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._log is not None:
            self._log.close()

    @property
    def process(self) -> psutil.Process:
        """The process, for measuring."""
        return psutil.Process(self._process.pid)
