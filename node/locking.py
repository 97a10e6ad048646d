"""What only one process may do at a time on an SQLite database: serve it, and run its background loops.

Whoever makes or changes its tables does neither meanwhile, and holds both locks. They lie beside the file, wherever it
is and whatever name it is called by, so that nodes with other data directories are told apart from it too.

The lock is the kernel's: it ends with the process that holds it, however that ends, so that no file is ever in the way
of a node that lost its power.
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SERVING: Final = "serve.lock"
JOBS: Final = "jobs.lock"


def lock_of(database: Path, name: str) -> Path:
    """Return the file of a lock on an SQLite database."""
    real = database.resolve()
    return real.with_name(f"{real.name}.{name}")


class HeldAlready(Exception):
    """Another process does this already."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made and stays empty. Raises HeldAlready, OSError."""
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HeldAlready(path.name) from error
        yield
    finally:
        os.close(file)
