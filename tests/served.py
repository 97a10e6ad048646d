"""Real nodes for the tests: `kinfold init` and `kinfold serve` as processes, driven through the operator's interface.

A served node has its own loopback address, so that several are distinct hosts to one another. Nothing here imports
the node: what a test sees is what an operator, an app or another server sees.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import httpx
import pytest
import sqlalchemy as sa

KINFOLD = str(Path(sys.executable).with_name("kinfold"))
READY_SECONDS = 30.0
UNTIL_SECONDS = 20.0
PAUSE_SECONDS = 0.05
COMMAND_SECONDS = 60

T = TypeVar("T")


def until(
    found: Callable[[], T | None], what: str, *, within: float = UNTIL_SECONDS, pause: float = PAUSE_SECONDS
) -> T:
    """Ask again and again until `found` answers something true, and return that.

    The one place where tests wait for another process. Raises AssertionError naming `what` when it never comes.
    """
    waiting = threading.Event()  # nobody sets it: it only waits
    deadline = time.monotonic() + within
    while True:
        answer = found()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {within:.0f} s in vain for {what}; last seen: {answer!r}")
        waiting.wait(pause)


def free_port(host: str = "127.0.0.1") -> int:
    """Return a port of `host` that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def new_database(kind: str, request: pytest.FixtureRequest) -> str | None:
    """Return the address of an empty database of this kind; None is SQLite in the node's own directory."""
    if kind == "sqlite":
        return None
    return str(request.getfixturevalue("new_postgresql")())


class CommandFailed(Exception):
    """A `kinfold` command that did not exit 0."""

    def __init__(self, arguments: tuple[str, ...], code: int, stderr: str) -> None:
        super().__init__(f"kinfold {' '.join(arguments)}: exit {code}: {stderr.strip()}")
        self.code = code
        self.stderr = stderr


class ServedNode:
    """One node in a directory of its own, served by a real process; a context manager.

    `peers` are the `IP:port` of other hosts that it may reach; they may be set until the node is started.
    `database_url` names a PostgreSQL database; without one it is SQLite in the data directory.
    """

    def __init__(
        self,
        home: Path,
        *,
        host: str = "127.0.0.1",
        port: int | None = None,
        peers: Iterable[str] = (),
        database_url: str | None = None,
        owner: str = "owner",
        settings: Mapping[str, str] | None = None,
        serve_options: Iterable[str] = (),
    ) -> None:
        self.home = home
        self.host = host
        self.port = port or free_port(host)
        self.authority = f"{self.host}:{self.port}"
        self.base = f"http://{self.authority}"
        self.peers = list(peers)
        self.owner = owner
        self.data = home / "data"
        self.log_file = home / "serve.log"
        self.sign_in_link: str | None = None
        self._database_url = database_url
        self._settings = dict(settings or {})
        self._serve_options = tuple(serve_options)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.home.mkdir(parents=True, exist_ok=True)
        told = self.command("init", "--domain", self.authority, "--title", "A test node", "--owner", self.owner)
        self.sign_in_link = first_link(told)
        if self._database_url is not None:
            self.command("migrate")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process is None:
            return
        if kind is not None:  # a failing test says what the node said, and leaves no process behind
            self.kill()
            print(f"--- log of {self.authority} ---\n{self.log()[-8000:]}")
            return
        self.stop()

    @property
    def environment(self) -> dict[str, str]:
        """The settings of this node, as its processes get them."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KINFOLD_")}
        own = {
            "KINFOLD_DEVELOPMENT": "1",
            "KINFOLD_DATA_DIR": str(self.data),
            "KINFOLD_DOMAIN": self.authority,
            "KINFOLD_BASE_URL": self.base,
            "KINFOLD_PRIVATE_PEERS": ",".join(self.peers),
        }
        if self._database_url is not None:
            own["KINFOLD_DATABASE_URL"] = self._database_url
        return inherited | own | self._settings

    @property
    def process_id(self) -> int:
        """The process that serves."""
        return self._serving().pid

    def start(self) -> None:
        """Start serving, and return when the node says that it is ready."""
        arguments = ["serve", "--host", self.host, "--port", str(self.port), *self._serve_options]
        with self.log_file.open("ab") as log:
            self._process = subprocess.Popen(
                [KINFOLD, *arguments], env=self.environment, cwd=self.home, stdout=log, stderr=subprocess.STDOUT
            )
        until(self._is_ready, f"{self.authority} to be ready", within=READY_SECONDS)

    def stop(self) -> None:
        """Ask the process to end, and insist that it does so in order."""
        process, self._process = self._serving(), None
        process.send_signal(signal.SIGTERM)
        try:
            code = process.wait(timeout=READY_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise AssertionError(f"{self.authority} did not end on SIGTERM:\n{self.log()[-4000:]}") from None
        assert code == 0, f"{self.authority} ended with {code} on SIGTERM:\n{self.log()[-4000:]}"

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        process, self._process = self._serving(), None
        process.kill()
        process.wait()

    def command(self, *arguments: str, stdin: str | None = None) -> str:
        """Run one `kinfold` command on this node's data, and return what it printed.

        Raises CommandFailed when it exits with anything but 0.
        """
        result = subprocess.run(
            [KINFOLD, *arguments],
            env=self.environment,
            cwd=self.home,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        if result.returncode != 0:
            raise CommandFailed(arguments, result.returncode, result.stderr)
        return result.stdout

    def kinfold(self, *arguments: str) -> Any:
        """Run one `kinfold` command with `--json`, and return what it told."""
        return json.loads(self.command(*arguments, "--json"))

    def account(self, name: str, *, role: str = "member") -> None:
        """Make an account and its persona of the same name."""
        self.command("account", "add", name, "--role", role)

    def link(self, name: str) -> str:
        """Return a fresh sign-in link for an account."""
        found = first_link(self.command("account", "link", name))
        assert found is not None, "account link printed no link"
        return found

    def token(self, name: str, *, persona: str | None = None, scopes: str = "read write follow push") -> str:
        """Return an API access token for an account's persona, or for a group that it looks after."""
        chosen = () if persona is None else ("--persona", persona)
        return self.command("token", name, *chosen, "--scopes", scopes).split()[-1]

    def api(self, name: str, *, persona: str | None = None) -> httpx.Client:
        """Return a client for the client API, as an account's persona; the caller closes it."""
        bearer = {"Authorization": f"Bearer {self.token(name, persona=persona)}"}
        return httpx.Client(base_url=self.base, headers=bearer, timeout=UNTIL_SECONDS)

    def query(self, statement: str) -> list[Any]:
        """Return what a SELECT finds in the content database, read beside the node."""
        with self._engine().connect() as connection:
            return list(connection.execute(sa.text(statement)).all())

    def rows(self) -> dict[str, int]:
        """Return how many rows each table of the content database holds."""
        names = sa.inspect(self._engine()).get_table_names()
        return {name: self.query(f"SELECT count(*) FROM {name}")[0][0] for name in names}

    def waiting(self) -> int:
        """Return how many activities wait to be processed or sent."""
        tables = ("inbox_items", "deliveries")
        due = sum(self.query(f"SELECT count(*) FROM {name} WHERE due_at IS NOT NULL")[0][0] for name in tables)
        return due + int(self.query("SELECT count(*) FROM outbox_items WHERE audience IS NOT NULL")[0][0])

    def end_leases(self) -> None:
        """Bring forward the moment at which work that a dead process had taken is taken up again: nobody waits here.

        For a node that is not being served.
        """
        assert self._process is None, "the leases of a running process are its own"
        with self._engine(writing=True).begin() as connection:
            for name in ("inbox_items", "deliveries"):
                connection.execute(sa.text(f"UPDATE {name} SET due_at = 0 WHERE lease IS NOT NULL"))

    def end_posts(self) -> None:
        """Bring every post to its end, and whatever carries one: nobody waits here."""
        with self._engine(writing=True).begin() as connection:
            connection.execute(sa.text("UPDATE posts SET expires_at = received_at + 1"))
            connection.execute(sa.text("UPDATE outbox_items SET expires_at = created_at + 1 WHERE slot IS NOT NULL"))

    def files(self) -> list[Path]:
        """Return the directories that hold this node's bytes; what PostgreSQL has in memory is written out first."""
        if self._database_url is None:
            return [self.home]
        with self._engine().execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            connection.execute(sa.text("CHECKPOINT"))
        return [self.home, Path(self.query("SHOW data_directory")[0][0])]

    def settle(self) -> None:
        """Wait until nothing waits to be processed or sent."""
        until(lambda: self.waiting() == 0, f"{self.authority} to have nothing left to do")

    def log(self) -> str:
        """Return everything that the serving processes of this node have printed."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    def _engine(self, *, writing: bool = False) -> sa.Engine:
        """Open the content database beside the node, a connection at a time."""
        if self._database_url is not None:
            address = self._database_url.replace("postgresql://", "postgresql+psycopg://", 1)
            return sa.create_engine(address, poolclass=sa.NullPool)
        mode = "rw" if writing else "ro"
        return sa.create_engine(
            f"sqlite:///file:{self.data / 'kinfold.db'}?mode={mode}&uri=true", poolclass=sa.NullPool
        )

    def _serving(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, f"{self.authority} is not being served"
        return self._process

    def _is_ready(self) -> bool:
        assert self._serving().poll() is None, f"{self.authority} ended at once:\n{self.log()[-4000:]}"
        try:
            return httpx.get(f"{self.base}/health/ready", timeout=5).status_code == 200
        except httpx.TransportError:
            return False


def first_link(printed: str) -> str | None:
    """Return the first http address in what a command printed."""
    for word in printed.split():
        if urlsplit(word).scheme in ("http", "https"):
            return word
    return None
