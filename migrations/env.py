"""How Alembic runs the revisions here; the only part of `migrations` that reads the tables in code.

The caller (`node.migrating`) hands in an open connection. On PostgreSQL one migration runs at a time, whoever began it,
and none waits for ever behind a lock that the served node holds.
"""

from alembic import context
from sqlalchemy import Connection, text

from node.schema import metadata

ADVISORY_LOCK = 7_108_553_210_911
"""Any number, as long as nobody changes it."""


def run(connection: Connection) -> None:
    """Run what is asked for on a connection."""
    context.configure(
        connection=connection,
        target_metadata=metadata,
        render_as_batch=True,
        compare_type=True,
        transaction_per_migration=True,
    )
    if connection.dialect.name != "postgresql":
        with context.begin_transaction():
            context.run_migrations()
        return
    connection.execute(text("SET lock_timeout = '10s'"))
    connection.execute(text("SET statement_timeout = '15min'"))
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": ADVISORY_LOCK})
    connection.commit()
    try:
        with context.begin_transaction():
            context.run_migrations()
    finally:
        connection.rollback()
        connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": ADVISORY_LOCK})
        connection.commit()


run(context.config.attributes["connection"])
