"""Whether the database has the tables that this program expects, and how it gets them.

The ordinary start asks one statement and imports nothing of Alembic.
"""

from pathlib import Path
from typing import Final

from sqlalchemy import URL, text
from sqlalchemy.exc import DBAPIError

from node.database import ThreadedDatabase
from node.engines import Trouble, is_sqlite, migrating_engine, trouble
from privacy.unit_of_work import UnitOfWork

REVISIONS: Final = ("20261123_first_tables",)
"""Every revision that this program knows, the oldest first; a test holds it against `migrations/versions`."""
HEAD: Final = REVISIONS[-1]
SCRIPTS: Final = Path(__file__).parent.parent / "migrations"


class SchemaRefused(Exception):
    """The tables are not those that this program can work with."""


def check_schema(database: ThreadedDatabase) -> bool:
    """Tell whether the tables are as this program expects; false means that they are older, or that there are none.

    Raises SchemaRefused when they are newer than the program, or not its own (R-404).
    """
    found = database.read_now(revision_of)
    if found is not None and found not in REVISIONS:
        raise SchemaRefused(
            f"the database is at {found}, which this version of Kinfold does not know: install a newer one"
        )
    return found == HEAD


def revision_of(uow: UnitOfWork) -> str | None:
    """Return the revision that the tables are at, or None when there are none."""
    try:
        found: str | None = uow.connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    except DBAPIError as error:
        if trouble(error) is not Trouble.OF_THE_DEED:
            raise
        return None
    return found


def migrate(url: URL) -> None:
    """Bring the tables to the newest revision; safe to repeat, and to repeat after a crash (R-105)."""
    # Imported late: Alembic costs a third of a second and 25 MB, and the ordinary start has no use for it.
    from alembic import command  # noqa: PLC0415 - heavy, and only for migrations
    from alembic.config import Config  # noqa: PLC0415 - heavy, and only for migrations

    config = Config()
    config.set_main_option("script_location", str(SCRIPTS).replace("%", "%%"))
    with migrating_engine(url).connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()
    if is_sqlite(url) and url.database:
        Path(url.database).chmod(0o600)
