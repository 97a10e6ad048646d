"""The keys of a node on disk: made once, and tied to the content database that they open.

A keyring that is missing is never replaced: under an empty one everything old would look shredded, and what is erased
meanwhile would destroy keys of the right one. So the database holds a keyed hash by which it knows its keyring, and
until that has been compared nothing is written to a keyring. One that has no such mark is bound by a keyring that opens
something in it, or by any while it holds nothing.
"""

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, select
from sqlalchemy.exc import DBAPIError

from activitypub.keystore import open_private_key
from activitypub.models import ActorKey
from node.database import ThreadedDatabase
from node.engines import Trouble, database_url, is_sqlite, reading_engine, trouble
from node.settings import NODE_FILE, Settings
from privacy.errors import KeyringRefused, KeyShredded
from privacy.keyring import FILE, create_keyring, create_root_key, has_keyring
from privacy.models import NodeState
from privacy.unit_of_work import UnitOfWork, table_of

STATES: Final = table_of(NodeState)
ACTOR_KEYS: Final = table_of(ActorKey)
MARK: Final = "keyring"
THIS: Final = b"this keyring"
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
    known = has_keyring(settings.keyring_dir)
    if not known and _has_keyring_of_its_own(database_url(settings.database_url.reveal())):
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


def bind(database: ThreadedDatabase) -> None:
    """Have the database know its keyring. Raises KeyringRefused when that is another one."""
    if not check_mark(database):
        database.write_now(_mark)


def check_mark(database: ThreadedDatabase) -> bool:
    """Tell whether the database knows this keyring; one that knows none may hold nothing that this does not open.

    Raises KeyringRefused when it was written with another keyring. Nothing is written, to neither of them: the first
    deed would take secrets from the keyring (`Vault.refill`).
    """
    return database.read_now(_is_known)


def _is_known(uow: UnitOfWork) -> bool:
    known, ours = _mark_in(uow.connection), uow.vault.known_mac(MARK, THIS)
    knows_this = ours is not None and known == ours.hex()
    if not (knows_this if known is not None else _opens_something(uow)):
        raise KeyringRefused(
            "the keyring is not the one that this database was written with: correct KINFOLD_KEYRING_URL or "
            "KINFOLD_DATABASE_URL"
        )
    return known is not None


def _mark(uow: UnitOfWork) -> None:
    if not _is_known(uow):
        uow.connection.execute(STATES.insert().values(name=MARK, value=uow.vault.mac(MARK, THIS).hex()))


def _opens_something(uow: UnitOfWork) -> bool:
    """Tell whether the keyring opens any of the signing keys that a node has from its first moment, if there are any.

    Any will do: those of somebody who has left may be destroyed already.
    """
    found = uow.connection.execute(select(ACTOR_KEYS.c.actor_id, ACTOR_KEYS.c.rsa_sealed)).all()
    for row in found:
        with suppress(KeyShredded):
            open_private_key(uow.vault, row.actor_id, "rsa", row.rsa_sealed)
            return True
    return not found


def _mark_in(connection: Connection) -> str | None:
    found: str | None = connection.execute(select(STATES.c.value).where(STATES.c.name == MARK)).scalar()
    return found


def _has_keyring_of_its_own(url: URL) -> bool:
    """Tell whether the database knows a keyring or holds what one opens, without making it when it is not there.

    Raises KeyringRefused when the database cannot be asked.
    """
    if is_sqlite(url) and not Path(url.database or "").exists():
        return False
    engine = reading_engine(url)
    try:
        with engine.connect() as connection:
            sealed = connection.execute(select(ACTOR_KEYS.c.actor_id).limit(1)).first()
            return sealed is not None or _mark_in(connection) is not None
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
