"""The keys of a node on disk: made once, and tied to the content database that they open.

A keyring that is missing is never replaced: under an empty one everything old would look shredded, and what is erased
meanwhile would destroy keys of the right one. So the database holds a keyed hash by which it knows its keyring.
"""

import sqlite3
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, select
from sqlalchemy.exc import DBAPIError

from node.database import ThreadedDatabase
from node.engines import Trouble, database_url, is_sqlite, reading_engine, trouble
from node.settings import NODE_FILE, Settings
from privacy.errors import KeyringRefused
from privacy.keyring import FILE, create_keyring, create_root_key
from privacy.models import NodeState
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Vault

STATES: Final = table_of(NodeState)
MARK: Final = "keyring"
OURS: Final = frozenset({NODE_FILE, FILE, "kinfold.db", "keyring", "secrets", "media"})
"""What a directory of ours holds; one that holds none of these and something else is not ours to close to others."""


def is_there(settings: Settings) -> bool:
    """Tell whether anything stands on disk that a node leaves there."""
    return any(
        path.exists() for path in (settings.root_key_file, settings.data_dir / NODE_FILE, settings.keyring_dir / FILE)
    )


def make_keys(settings: Settings) -> None:
    """Make the directories, the root key and the keyring of a new node; keys that are there stay as they are.

    Raises KeyringRefused when keys are missing of a node that exists already, and OSError.
    """
    known = (settings.keyring_dir / FILE).exists()
    if not known and _is_marked(database_url(settings.database_url.reveal())):
        raise KeyringRefused(
            f"the database belongs to a node whose keyring is not in {settings.keyring_dir}: "
            "mount or put back the directory, or correct KINFOLD_KEYRING_URL"
        )
    if known and not settings.root_key_file.exists():
        raise KeyringRefused(f"the root key {settings.root_key_file} is missing: put it back from where a copy is kept")
    for directory in (settings.data_dir, settings.keyring_dir):
        _make_directory(directory)
    create_root_key(settings.root_key_file)
    create_keyring(settings.keyring_dir)


def mark(uow: UnitOfWork) -> None:
    """Have the database know its keyring. Raises KeyringRefused when it knows another one."""
    if known_mark(uow) is None:
        uow.connection.execute(STATES.insert().values(name=MARK, value=_mark_of(uow.vault)))
    _check(uow.vault, known_mark(uow))


def check_mark(database: ThreadedDatabase) -> None:
    """Raise KeyringRefused when the database was written with another keyring than this."""
    _check(database.vault, database.read_now(known_mark))


def known_mark(uow: UnitOfWork) -> str | None:
    """Return the hash by which the database knows its keyring; None while it has none."""
    return _mark_in(uow.connection)


def _check(vault: Vault, known: str | None) -> None:
    if known is not None and known != _mark_of(vault):
        raise KeyringRefused(
            "the keyring is not the one that this database was written with: correct KINFOLD_KEYRING_URL or "
            "KINFOLD_DATABASE_URL"
        )


def _mark_of(vault: Vault) -> str:
    return vault.mac(MARK, b"this keyring").hex()


def _mark_in(connection: Connection) -> str | None:
    found: str | None = connection.execute(select(STATES.c.value).where(STATES.c.name == MARK)).scalar()
    return found


def _is_marked(url: URL) -> bool:
    """Tell whether the database is one that knows a keyring, without making it when it is not there.

    Raises KeyringRefused when the database cannot be asked.
    """
    if is_sqlite(url) and not Path(url.database or "").exists():
        return False
    engine = reading_engine(url)
    try:
        with engine.connect() as connection:
            return _mark_in(connection) is not None
    except (DBAPIError, sqlite3.Error) as error:
        if trouble(error) is Trouble.OF_THE_DEED:  # there is no such table
            return False
        raise KeyringRefused("the database cannot be used, so it is not known which keyring is its own") from error


def _make_directory(directory: Path) -> None:
    """Make a directory that only its owner may enter, or close one that is empty or ours. Raises KeyringRefused."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    names = {path.name for path in directory.iterdir()}
    if names and not names & OURS and directory.stat().st_mode & 0o077:
        raise KeyringRefused(f"{directory} holds other things and is open to others: name an empty directory")
    directory.chmod(0o700)
