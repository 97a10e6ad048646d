"""The keys, in a store of their own outside the content database (privacy reference §4.4, product decisions 22-24).

The store is SQLite with a rollback journal that is truncated, `secure_delete` and full synchronisation, so that a
destroyed secret is overwritten where it lay. Values are sealed under the root key, which lives in a file of its own.
"""

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from privacy.clock import to_milliseconds
from privacy.errors import DatabaseUnavailable, KeyringRefused, KeyShredded

FILE: Final = "keyring.db"
SECRET_BYTES = 32
NONCE_BYTES = 12
SLOTS_A_SECOND_BITS: Final = 20
"""Slots are numbered from the second in which they are taken, shifted by so many bits: see `Keyring.take_slots`."""
SCHEMA = """
BEGIN IMMEDIATE;
CREATE TABLE IF NOT EXISTS bucket (id TEXT PRIMARY KEY, k BLOB NOT NULL, ends_at INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subject (id INTEGER PRIMARY KEY, k BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS object (slot INTEGER PRIMARY KEY AUTOINCREMENT, k BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS batch (last_slot INTEGER PRIMARY KEY, taken_at INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS misc (name TEXT PRIMARY KEY, k BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tomb (id_hash BLOB PRIMARY KEY, kind TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;
COMMIT;
"""
TABLES = frozenset({"bucket", "subject", "object", "batch", "misc", "tomb"})
CAREFUL = ("journal_mode=TRUNCATE", "secure_delete=ON", "synchronous=FULL", "temp_store=MEMORY")
K = TypeVar("K", int, str)
CHUNK = 500
"""How many values one statement names: below SQLite's limit on variables everywhere."""


@dataclass(frozen=True, slots=True)
class Tomb:
    """The mark of something erased: a keyed hash of its id, its kind, and nothing more."""

    id_hash: bytes
    kind: str


def read_root_key(path: Path) -> bytes:
    """Return the 32-byte root key.

    Raises KeyringRefused when the file is not there, is not 32 bytes, or others than its owner may read it.
    """
    try:
        mode, value = path.stat().st_mode, path.read_bytes()
    except FileNotFoundError as error:
        raise KeyringRefused(f"the root key {path} is missing: put it back from where a copy is kept") from error
    except OSError as error:
        raise KeyringRefused(f"the root key {path} cannot be read: {error.strerror}") from error
    if mode & 0o077:
        raise KeyringRefused(f"the root key {path} is open to others: chmod 0400 {path}")
    if len(value) != SECRET_BYTES:
        raise KeyringRefused(f"the root key {path} has {len(value)} bytes, not {SECRET_BYTES}")
    return value


def create_root_key(path: Path) -> None:
    """Write a new root key, readable by its owner only; leaves one that is there alone."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.exists():
        return
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "wb") as file:
        file.write(os.urandom(SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())


def has_keyring(directory: Path) -> bool:
    """Tell whether there is a store in a directory; a file without a byte is none."""
    path = directory / FILE
    return path.exists() and path.stat().st_size > 0


def create_keyring(directory: Path) -> None:
    """Make an empty store, in a directory that only its owner may enter; leaves one that is there alone."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    if has_keyring(directory):
        return
    (directory / FILE).touch(mode=0o600)
    with closing(sqlite3.connect(directory / FILE, isolation_level=None, timeout=5)) as connection:
        _be_careful(connection)
        connection.executescript(SCHEMA)


def _be_careful(connection: sqlite3.Connection) -> None:
    for pragma in CAREFUL:
        connection.execute(f"PRAGMA {pragma}")


class Keyring:
    """Secrets by kind and name; what is destroyed here can never be opened again."""

    def __init__(self, directory: Path, root_key: bytes) -> None:
        """Open the store that is in a directory. Nothing is made or written here: it may be another node's, and an
        empty store in the place of one that is missing would lose keys.

        Raises KeyringRefused when there is none, when others may enter, when it is empty or damaged, or when its
        secrets are under another root key, since everything would then look shredded.
        """
        path = directory / FILE
        if not path.exists():
            raise KeyringRefused(
                f"the keyring {path} is missing: mount or put back the directory, or correct KINFOLD_KEYRING_URL"
            )
        if directory.stat().st_mode & 0o077:
            raise KeyringRefused(f"the keyring's directory is open to others: chmod 0700 {directory}")
        self._root = AESGCM(root_key)
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        try:
            self._prepare()
        except KeyShredded as error:
            self._connection.close()
            raise KeyringRefused(f"the root key is not the one that the keyring {path} was made with") from error
        except sqlite3.Error as error:
            self._connection.close()
            raise KeyringRefused(f"the keyring {path} cannot be used ({error}): put back an undamaged copy") from error

    def _prepare(self) -> None:
        _be_careful(self._connection)
        there = {name for (name,) in self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not there >= TABLES:
            raise sqlite3.DatabaseError("it is empty, or not whole")
        self._check_root_key()

    def close(self) -> None:
        """Close the store."""
        with self._lock:
            self._connection.close()

    def is_alive(self) -> bool:
        """Tell whether the store answers."""
        try:
            with self._reading() as connection:
                connection.execute("SELECT name FROM misc LIMIT 1").fetchall()
        except DatabaseUnavailable:
            return False
        return True

    def take_slots(self, count: int, now: datetime) -> list[tuple[int, bytes]]:
        """Make so many object secrets in one commit and return them with their slots, ascending.

        No number is ever given twice: not by this store, whose sequence AUTOINCREMENT never lets fall back, and not by
        an older copy of it that was put back, since the numbers also begin at the present second.
        """
        secrets = [os.urandom(SECRET_BYTES) for _ in range(count)]
        now_first = to_milliseconds(now) // 1000 << SLOTS_A_SECOND_BITS
        with self._writing() as connection:
            first = connection.execute("SELECT coalesce(max(seq), 0) + 1 FROM sqlite_sequence WHERE name='object'")
            start: int = max(first.fetchone()[0], now_first)
            rows = [(start + i, self._wrap(f"object/{start + i}", secret)) for i, secret in enumerate(secrets)]
            connection.executemany("INSERT INTO object (slot, k) VALUES (?, ?)", rows)
            connection.execute("INSERT INTO batch VALUES (?, ?)", (start + count - 1, to_milliseconds(now)))
        return [(start + i, secret) for i, secret in enumerate(secrets)]

    def slots_taken_before(self, moment: datetime, *, after: int, limit: int) -> list[int]:
        """Return live object slots above `after` whose batch was taken before a moment, ascending."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT max(last_slot) FROM batch WHERE taken_at < ?", (to_milliseconds(moment),)
            ).fetchone()
            query = "SELECT slot FROM object WHERE slot > ? AND slot <= ? ORDER BY slot LIMIT ?"
            return [slot for (slot,) in connection.execute(query, (after, row[0] or 0, limit))]

    def slots(self, wanted: Iterable[int]) -> dict[int, bytes]:
        """Return the object secrets that are still there."""
        return {key: self._unwrap(f"object/{key}", k) for key, k in self._many("object", "slot", list(wanted))}

    def subjects(self, wanted: Iterable[int]) -> dict[int, bytes]:
        """Return the subject secrets that are still there."""
        return {key: self._unwrap(f"subject/{key}", k) for key, k in self._many("subject", "id", list(wanted))}

    def buckets(self, wanted: Iterable[str]) -> dict[str, bytes]:
        """Return the bucket secrets that are still there."""
        return {key: self._unwrap(f"bucket/{key}", k) for key, k in self._many("bucket", "id", list(wanted))}

    def named(self, name: str) -> bytes | None:
        """Return a named secret, or None."""
        rows = self._many("misc", "name", [name])
        return self._unwrap(f"misc/{name}", rows[0][1]) if rows else None

    def make_subject(self, subject_id: int) -> bytes:
        """Return the secret of a subject, made now unless it is there."""
        return self._make("subject", "id", subject_id)

    def make_subjects(self, subject_ids: Sequence[int]) -> None:
        """Make the secrets of several new subjects in one commit; those that are there stay as they are."""
        rows = [(subject, self._wrap(f"subject/{subject}", os.urandom(SECRET_BYTES))) for subject in subject_ids]
        with self._writing() as connection:
            connection.executemany("INSERT INTO subject (id, k) VALUES (?, ?) ON CONFLICT DO NOTHING", rows)

    def make_named(self, name: str) -> bytes:
        """Return a named secret, made now unless it is there."""
        return self._make("misc", "name", name)

    def make_bucket(self, bucket: str, ends_at: datetime | None) -> bytes:
        """Return the secret of a bucket, made now unless it is there; its end only ever moves later."""
        secret = self._make("bucket", "id", bucket)
        if ends_at is not None:
            end = to_milliseconds(ends_at)
            with self._writing() as connection:
                statement = "UPDATE bucket SET ends_at = ? WHERE id = ? AND coalesce(ends_at, 0) < ?"
                connection.execute(statement, (end, bucket, end))
        return secret

    def buckets_ended(self, now: datetime) -> list[str]:
        """Return the buckets in which nothing can be alive any more."""
        with self._reading() as connection:
            query = "SELECT id FROM bucket WHERE ends_at <= ?"
            return [name for (name,) in connection.execute(query, (to_milliseconds(now),))]

    def names_below(self, prefix: str) -> list[str]:
        """Return the names of the named secrets that begin with a prefix."""
        with self._reading() as connection:
            rows = connection.execute("SELECT name FROM misc WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))
            return [name for (name,) in rows]

    def destroy(  # one transaction for whatever ends together
        self,
        *,
        now: datetime,
        slots: Sequence[int] = (),
        subjects: Sequence[int] = (),
        buckets: Sequence[str] = (),
        names: Sequence[str] = (),
        tombs: Sequence[Tomb] = (),
    ) -> None:
        """Destroy secrets for ever and remember by keyed hash what they were of; safe to repeat."""
        kinds: tuple[tuple[str, str, Sequence[int] | Sequence[str]], ...] = (
            ("object", "slot", slots),
            ("subject", "id", subjects),
            ("bucket", "id", buckets),
            ("misc", "name", names),
        )
        with self._writing() as connection:
            for table, column, keys in kinds:
                connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", [(key,) for key in keys])  # noqa: S608 - both names are written above
            at = to_milliseconds(now)
            connection.executemany(
                "INSERT INTO tomb VALUES (?, ?, ?) ON CONFLICT DO NOTHING", [(t.id_hash, t.kind, at) for t in tombs]
            )

    def entombed(self, id_hash: bytes) -> bool:
        """Tell whether something with this keyed hash was erased."""
        with self._reading() as connection:
            return connection.execute("SELECT 1 FROM tomb WHERE id_hash = ?", (id_hash,)).fetchone() is not None

    def _check_root_key(self) -> None:
        for table, column in (("misc", "name"), ("subject", "id"), ("object", "slot"), ("bucket", "id")):
            row = self._connection.execute(f"SELECT {column}, k FROM {table} LIMIT 1").fetchone()  # noqa: S608 - the names are ours
            if row is not None:
                self._unwrap(f"{table}/{row[0]}", row[1])

    def _make(self, table: str, column: str, key: K) -> bytes:
        fresh = self._wrap(f"{table}/{key}", os.urandom(SECRET_BYTES))
        found = self._many(table, column, [key])
        if not found:
            with self._writing() as connection:
                statement = f"INSERT INTO {table} ({column}, k) VALUES (?, ?) ON CONFLICT DO NOTHING"  # noqa: S608 - the names are ours
                connection.execute(statement, (key, fresh))
            found = self._many(table, column, [key])
        return self._unwrap(f"{table}/{key}", found[0][1])

    def _many(self, table: str, column: str, keys: Sequence[K]) -> list[tuple[K, bytes]]:
        rows: list[tuple[K, bytes]] = []
        with self._reading() as connection:
            for start in range(0, len(keys), CHUNK):
                part = keys[start : start + CHUNK]
                marks = ",".join("?" * len(part))
                query = f"SELECT {column}, k FROM {table} WHERE {column} IN ({marks})"  # noqa: S608 - the names are ours
                rows += connection.execute(query, part).fetchall()
        return rows

    def _wrap(self, name: str, secret: bytes) -> bytes:
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._root.encrypt(nonce, secret, name.encode())

    def _unwrap(self, name: str, blob: bytes) -> bytes:
        try:
            return self._root.decrypt(blob[:NONCE_BYTES], blob[NONCE_BYTES:], name.encode())
        except InvalidTag as error:
            raise KeyShredded(f"secret {name} was not sealed under this root key") from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """Give the connection to one thread at a time. Raises DatabaseUnavailable when the store does not answer."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.IntegrityError:  # a fault of ours, not of the store
                raise
            except sqlite3.Error as error:
                raise DatabaseUnavailable("keyring") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """`BEGIN IMMEDIATE` … `COMMIT`, or `ROLLBACK` when anything is raised, the commit itself included."""
        with self._reading() as connection:
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:  # a full disk ends the transaction unasked
                    connection.execute("ROLLBACK")
                raise
