"""One transaction, one vault, one moment; and the port to the database.

A deed is a plain function whose first argument is a `UnitOfWork`. It touches only the database and the vault's pool of
secrets, so it cannot wait for the network, and it may be run again.
"""

import functools
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from sqlalchemy import (
    BigInteger,
    Connection,
    FromClause,
    Integer,
    Row,
    Table,
    bindparam,
    literal_column,
    select,
    update,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.dml import ReturningUpdate

from privacy.records import Due, Moment, Record, new_id
from privacy.vault import Vault

P = ParamSpec("P")
T = TypeVar("T")


class UnitOfWork:
    """What a deed works with: a connection inside a transaction, the vault, and the moment at which it happens."""

    __slots__ = ("_session", "connection", "dialect", "driver", "now", "vault", "wakes")

    def __init__(self, connection: Connection, vault: Vault, now: datetime) -> None:
        """Stand on a connection whose transaction somebody else began and will end."""
        self.connection = connection
        self.dialect: str = connection.dialect.name
        """`sqlite` or `postgresql`."""
        self.driver: Any = connection.connection.driver_connection
        """The driver's own connection, for `privacy.statements`."""
        self.vault = vault
        self.now = now
        self.wakes: set[str] = set()
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """An ORM session in the same transaction, made on first use; hot statements use `connection`."""
        if self._session is None:
            self._session = Session(
                bind=self.connection, join_transaction_mode="create_savepoint", expire_on_commit=False
            )
        return self._session

    def wake(self, loop: str) -> None:
        """Ask for a background loop to look at once after the commit."""
        self.wakes.add(loop)

    def finish(self) -> None:
        """Write out what the session still holds; whoever runs the deed calls this at its end."""
        if self._session is not None:
            # Closing without this commit would report success and store nothing (its savepoint is rolled back).
            self._session.commit()
            self._session.close()
            self._session = None

    def abandon(self) -> None:
        """Let go of the session after a deed has failed."""
        if self._session is not None:
            self._session.close()
            self._session = None


class Database(Protocol):
    """The port to the database: deeds are handed in whole and run on a database thread."""

    async def write(self, deed: Callable[Concatenate[UnitOfWork, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a deed in a transaction and return its answer once that is durable."""
        ...

    async def read(self, query: Callable[Concatenate[UnitOfWork, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a question in a transaction that cannot write."""
        ...


def table_of(model: type[Record]) -> Table:
    """Return the Core table of a model, for hot statements."""
    table: FromClause = model.__table__
    assert isinstance(table, Table)
    return table


def claim_due(
    uow: UnitOfWork,
    model: type[Record],
    *,
    limit: int,
    lease_for: timedelta,
    where: tuple[Any, ...] = (),
    parameters: Mapping[str, object] = MappingProxyType({}),
) -> tuple[int, list[Row[Any]]]:
    """Lease rows that are due and return the fencing token with the rows as they are after the claim.

    The model is a `Due`. On PostgreSQL rows that another worker is claiming are passed over; on SQLite there is one
    writer. A claim counts as an attempt, and makes the row due again at the end of the lease. `where` holds conditions
    of a module, not made anew each time, and `parameters` what they ask for.
    """
    assert issubclass(model, Due)
    lease = new_id()
    own = {"claim_now": uow.now, "claim_until": uow.now + lease_for, "claim_lease": lease, "claim_limit": limit}
    rows = uow.connection.execute(_claim(table_of(model), where), {**parameters, **own}).fetchall()
    return lease, sorted(rows, key=lambda row: int(row.id))


@functools.cache
def _claim(table: Table, where: tuple[Any, ...]) -> ReturningUpdate[Any]:
    """Return the statement that claims, built once: it is asked several times a second."""
    # Named apart, so that PostgreSQL looks once: it may run a plain subquery anew for each row, and claim them all.
    due = (
        select(table.c.id)
        .where(table.c.due_at <= bindparam("claim_now", type_=Moment()), *where)
        .order_by(table.c.due_at, table.c.id)
        .limit(bindparam("claim_limit", type_=Integer()))
        .with_for_update(skip_locked=True)
        .cte("due")
    )
    return (
        update(table)
        .where(table.c.id.in_(select(due.c.id)))
        .values(
            due_at=bindparam("claim_until", type_=Moment()),
            lease=bindparam("claim_lease", type_=BigInteger()),
            attempts=table.c.attempts + literal_column("1"),
        )
        .returning(*table.c)
    )
