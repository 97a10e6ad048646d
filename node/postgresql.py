"""Connections to PostgreSQL that wait for no answer longer than a living server takes to give one.

The server ends every statement at its limit and says so. One that does not even do that hangs, or the way to it is cut:
then the connection is given up, and whoever waits for it is told that the database is not to be had.
"""

from typing import Final, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

T = TypeVar("T")
CONNECT_SECONDS: Final = 5
STATEMENT_SECONDS: Final = 30
"""How long a statement may take; work that takes longer is many statements."""
ANSWER_SECONDS = 40.0
"""How long an answer is waited for: until after the server has ended the statement itself."""
LOCK_PATIENCE: Final = "250ms"
"""How long a batch waits for a row lock before its deeds are run alone, which is sooner than a deadlock is noticed."""
LIMITS: Final = (
    f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout={LOCK_PATIENCE} "
    "-c idle_in_transaction_session_timeout=60s"
)


class PatientConnection(psycopg.Connection[TupleRow]):
    """A connection that is closed when the server is silent for too long."""

    def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:
        """Wait for the server. Raises OperationalError, without a code of the server's when it was silent or gone."""
        try:
            return super().wait(gen, interval, ANSWER_SECONDS if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if error.sqlstate is None:  # nobody knows what this connection would answer next
                self.close()
            raise
