"""Two deeds at once: the first has done its work and is held open until the second waits for it, or is through.

On PostgreSQL two transactions stand beside each other. On SQLite the second comes after the first by itself.
"""

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from sqlalchemy import text

from node.database import ThreadedDatabase
from privacy.unit_of_work import UnitOfWork
from tests.served import until

PATIENCE_SECONDS = 20.0


def waits_for_a_lock(uow: UnitOfWork) -> bool:
    """Tell whether anybody on this PostgreSQL database waits for another's lock."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return uow.connection.execute(text(waiting)).first() is not None


def beside(database: ThreadedDatabase, first: Callable[[UnitOfWork], Any], second: Callable[[], Any]) -> Future[Any]:
    """Do a deed, and something else before that is committed; return what became of the other."""
    done, go_on = threading.Event(), threading.Event()

    def held(uow: UnitOfWork) -> None:
        try:
            first(uow)
        finally:
            done.set()
        assert go_on.wait(PATIENCE_SECONDS)

    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(database.write_now, held)
        assert done.wait(PATIENCE_SECONDS)
        other = threads.submit(second)
        until(
            lambda: database.is_sqlite or other.done() or database.read_now(waits_for_a_lock),
            "the other to wait, to get through, or to give up",
            pause=0.005,
        )
        go_on.set()
        one.result()
        other.exception()
    return other
