"""A PostgreSQL that hangs: its processes are stopped, so that what is asked is neither answered nor refused."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg

from node.database import ThreadedDatabase

BACKENDS = "FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'kinfold'"


def beside(database: ThreadedDatabase) -> psycopg.Connection[Any]:
    """Connect to a node's PostgreSQL, beside the node."""
    address = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(address, autocommit=True)


@contextmanager
def halted(database: ThreadedDatabase) -> Iterator[None]:
    """Stop the server and whatever serves the node, which has asked something before."""
    with beside(database) as connection:
        backends = [row[0] for row in connection.execute(f"SELECT pid {BACKENDS}".encode())]
        stopped = [parent_of(backends[0]), *backends]  # the server itself too: it would answer who connects anew
        try:
            for process in stopped:
                os.kill(process, signal.SIGSTOP)
            yield
        finally:
            for process in stopped:
                os.kill(process, signal.SIGCONT)


def parent_of(process: int) -> int:
    """Return the process that started another."""
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
