"""The foreign peer on Fedify: installs it once, starts it, and speaks with its control port.

The peer's own code is in `peer/`. Nothing here knows Kinfold.
"""

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import pytest

from tests.served import until

HERE = Path(__file__).parent
CACHE = HERE.parent / ".cache"
OLDEST_NODE = 22
INSTALL_SECONDS = 300
DEED_SECONDS = 30

Json = dict[str, Any]


def needed(what: str) -> None:
    """Skip the test for want of a tool; fail it where CI=true, for there every tool has to be."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"{what}, and CI=true asks for it")
    pytest.skip(what)


def installed(name: str, described: Path, *, sources: str = "*.mjs") -> Path:
    """Return a directory under the cache with the locked packages of `described` and a fresh copy of its sources."""
    place = CACHE / name
    place.mkdir(parents=True, exist_ok=True)
    with _alone(place.with_suffix(".lock")):
        manifests = [path for path in (described / "package.json", described / "package-lock.json") if path.exists()]
        stamp = hashlib.sha256(b"".join(path.read_bytes() for path in manifests)).hexdigest()
        marker = place / "installed"
        for path in (*manifests, *described.glob(sources)):
            shutil.copyfile(path, place / path.name)
        if not marker.exists() or marker.read_text() != stamp:
            _npm("ci" if len(manifests) == 2 else "install", place)
            marker.write_text(stamp)
    return place


def node_command() -> str:
    """Return a Node.js of at least version 22: the system's, else the npm package of it."""
    if shutil.which("npm") is None:
        needed("npm is not installed")
    system = shutil.which("node")
    if system is not None:
        said = subprocess.run([system, "--version"], capture_output=True, text=True, check=True).stdout
        version = re.match(r"v(\d+)\.", said)
        if version and int(version[1]) >= OLDEST_NODE:
            return system
    runtime = installed("runtime", HERE / "runtime")
    command = runtime / "node_modules" / ".bin" / "node"
    if not command.exists():
        needed(f"Node.js {OLDEST_NODE} or newer is not installed, and npm has none for this platform")
    return str(command)


class FedifyPeer:
    """A running peer with one or more hosts; a context manager.

    `sites` are their base addresses, in the order given. Each host is `{"host": "127.0.0.2", "people": [...],
    "groups": [...]}`; the port is the system's choice.
    """

    def __init__(self, *hosts: Json) -> None:
        self._hosts = hosts
        self._process: subprocess.Popen[str] | None = None
        self.sites: list[str] = []

    def __enter__(self) -> Self:
        node = node_command()
        home = installed("peer", HERE / "peer")
        self._process = subprocess.Popen(
            [node, "main.mjs", json.dumps(self._hosts)],
            cwd=home,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the peer ended before it was ready"
        told = json.loads(line)
        self.sites = told["sites"]
        self._control = httpx.Client(base_url=f"http://127.0.0.1:{told['control']}", timeout=DEED_SECONDS)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process is not None
        self._control.close()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def ask(self, deed: str, site: int = 0, *, by: str | None = None, **wanted: Any) -> Any:
        """Have one host do one deed (see `peer/deeds.mjs`), by one of its people, and return its answer."""
        asked = {"deed": deed, "site": site, **wanted} | ({} if by is None else {"as": by})
        answer = self._control.post("/", json=asked)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def actor(self, name: str, site: int = 0) -> str:
        """Return the id of one of the peer's actors."""
        return f"{self.sites[site]}/who/{name}"

    def authority(self, site: int = 0) -> str:
        """Return `host:port` of one host, as private peers and handles name it."""
        return self.sites[site].removeprefix("http://")

    def arrival(self, wanted: Callable[[Json], bool], *, site: int = 0, since: int = 0) -> Json:
        """Wait for an accepted arrival whose activity satisfies `wanted`; return its record."""

        def found() -> Json | None:
            for record in self.ask("inbound", site, since=since):
                if record["status"] < 300 and record["activity"] and wanted(record["activity"]):
                    return dict(record)
            return None

        return until(found, "an activity that the test waits for at the peer")


@dataclass(frozen=True, slots=True)
class Signature:
    """What an arrival's signature showed: the scheme, and whose key verified it."""

    scheme: str | None
    verified: bool
    owner: str | None


def signature_of(record: Json) -> Signature:
    """Return the peer's verdict on one arrival or fetch."""
    return Signature(record["scheme"], record["verified"], record["owner"])


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Hold a file lock, so that two runs beside each other do not install at once."""
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _npm(command: str, place: Path) -> None:
    """Install packages by the ordinary client; quiet, and without running what they bring."""
    options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error", "--engine-strict=false"]
    result = subprocess.run(
        ["npm", command, *options],
        cwd=place,
        capture_output=True,
        text=True,
        timeout=INSTALL_SECONDS,
        check=False,
    )
    if result.returncode != 0:
        needed(f"npm {command} failed: {result.stderr.strip()[-400:]}")
