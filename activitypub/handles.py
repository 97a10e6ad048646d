"""Handles of this node: which ones there can be, and what is left of one that has ended.

People and groups share one namespace, and nobody is given a handle that somebody had. Of one that has ended only a
keyed hash stays: whoever takes the database cannot read from it who was here.
"""

import re

from sqlalchemy import select
from sqlalchemy.dialects import postgresql, sqlite

from activitypub.models import Tombstone
from privacy.errors import NameTaken
from privacy.unit_of_work import UnitOfWork, table_of

TOMBSTONES = table_of(Tombstone)
HANDLE = re.compile(r"[a-z0-9_]{3,30}")
RESERVED_HANDLES = frozenset({
    "abuse", "actor", "admin", "administrator", "all", "everyone", "hostmaster", "inbox", "instance", "no_reply",
    "noreply", "null", "outbox", "postmaster", "relay", "root", "security", "system", "undefined", "webmaster",
})  # fmt: skip


def check_handle(handle: str) -> str:
    """Return a handle in lower case that people or groups may have. Raises NameTaken."""
    name = handle.lower()
    if not HANDLE.fullmatch(name):
        raise NameTaken("handle", public="A handle has 3 to 30 letters (a to z), digits or underscores.")
    if name in RESERVED_HANDLES:
        raise NameTaken("handle", public="This name is kept for the node itself. Please choose another one.")
    return name


def end_handle(uow: UnitOfWork, handle: str, *, was_findable: bool) -> None:
    """Remember, by a keyed hash, that a handle is not to be given again, and whether strangers may hear of its end."""
    dialect = postgresql if uow.dialect == "postgresql" else sqlite
    tomb = {"uri_hash": _hash_of(uow, handle), "was_public": was_findable, "ended_on": uow.now}
    uow.connection.execute(dialect.insert(TOMBSTONES).values(tomb).on_conflict_do_nothing())


def ended_handle(uow: UnitOfWork, handle: str) -> bool | None:
    """Return whether strangers could look up a handle that has ended, or None for one that has not."""
    name = handle.lower()
    if not HANDLE.fullmatch(name):
        return None
    known = select(TOMBSTONES.c.was_public).where(TOMBSTONES.c.uri_hash == _hash_of(uow, name))
    found: bool | None = uow.connection.execute(known).scalar()
    return found


def _hash_of(uow: UnitOfWork, handle: str) -> bytes:
    return uow.vault.mac("tombstone", f"acct:{handle}".encode())
