"""What only one process may do at a time on an SQLite node: serve it, and run its background loops.

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
