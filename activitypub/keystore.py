"""Keys at hand: those of others to verify with, our own to sign with. Each is read and parsed once, then kept.

Reading a PEM costs as much as a verification, loading a private key more than a signature: so objects are cached, the
least used go first, and the database is asked again after an hour.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from sqlalchemy import BindParameter, ColumnElement, Row, String, bindparam, or_, select

from activitypub.errors import BadSignature
from activitypub.models import Actor, ActorKey, FormerKey
from activitypub.signatures.keys import (
    PrivateKey,
    PublicKey,
    SigningIdentity,
    decode_multikey,
    load_private_key,
    parse_public_key,
)
from privacy.clock import Clock
from privacy.errors import KeyShredded
from privacy.statements import Prepared
from privacy.unit_of_work import Database, UnitOfWork, table_of
from privacy.vault import Vault

K = TypeVar("K")
V = TypeVar("V")
MAX_PUBLIC_KEYS = 20_000
MAX_SIGNING_KEYS = 2_000
MAX_FORMER_KEYS = 2_000
KEPT_FOR = timedelta(hours=1)
OWN_KEPT_FOR = timedelta(minutes=1)
"""How late a process signs with new keys that another has made; reading them costs a millisecond."""
FORMER_KEPT_FOR = timedelta(days=1)
"""How long the key of somebody else is taken after it has told of another one (federation reference §3.5)."""
INSTANCE_KIND = "Application"
ACTORS, ACTOR_KEYS, FORMER_KEYS = table_of(Actor), table_of(ActorKey), table_of(FormerKey)

_COLUMNS = ("id", "uri", "host", "key_id", "rsa_public_pem", "ed25519_key_id", "ed25519_public_multibase")
_ASKED: BindParameter[str] = bindparam("asked", type_=String())
_OWNERS = Prepared(
    select(*(ACTORS.c[name] for name in _COLUMNS)).where(
        or_(ACTORS.c.key_id == _ASKED, ACTORS.c.ed25519_key_id == _ASKED),
        ACTORS.c.local.is_(False),
        ACTORS.c.state != "gone",
    )
)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """A key of somebody else, and whose it is: the actor whose own document lists it."""

    key_id: str
    public: PublicKey
    actor_id: int
    actor_uri: str
    host: str
    is_former: bool = False
    """Whether its owner has told of another one since: it says nothing any more of the owner itself."""


class KeyStore:
    """Public keys by key id, and our own signing keys by actor; safe to ask from any thread."""

    def __init__(self, database: Database, clock: Clock) -> None:
        """Stand on the database that knows the keys."""
        self._database = database
        self._clock = clock
        self._public = _Cache[str, KnownKey](MAX_PUBLIC_KEYS)
        self._former = _Cache[str, KnownKey](MAX_FORMER_KEYS, FORMER_KEPT_FOR)
        self._key_ids: dict[int, set[str]] = {}
        self._signing = _Cache[int, SigningIdentity](MAX_SIGNING_KEYS, OWN_KEPT_FOR)
        self._proving = _Cache[str, SigningIdentity](MAX_SIGNING_KEYS, OWN_KEPT_FOR)
        self._instance_id: int | None = None

    def cached(self, key_id: str) -> KnownKey | None:
        """Return a key that is in memory."""
        return self._public.get(key_id, self._clock())

    async def find(self, key_id: str) -> KnownKey | None:
        """Return a key that is in memory or in the database; None when its owner was never seen, or is gone."""
        known = self.cached(key_id)
        if known is None:
            known = await self._database.read(stored_key, key_id)
            if known is not None:
                self.keep(known)
        return known

    def keep(self, known: KnownKey) -> None:
        """Keep a key that has just been read from the database."""
        if len(self._key_ids) >= 2 * MAX_PUBLIC_KEYS:  # names of keys that were long pushed out
            self._key_ids.clear()
            self._public.clear()
        self._public.put(known.key_id, known, self._clock())
        self._key_ids.setdefault(known.actor_id, set()).add(known.key_id)

    def forget(self, actor_id: int) -> None:
        """Forget what is cached of an actor, because its keys or its state have changed."""
        for key_id in self._key_ids.pop(actor_id, ()):
            self._public.pop(key_id)
        self._signing.pop(actor_id)

    def succeed(self, actor_id: int) -> None:
        """Forget what is cached of an actor that has just told of new keys; the old ones are taken for a day more."""
        now = self._clock()
        for key_id in self._key_ids.get(actor_id, ()):
            known = self._public.get(key_id, now)
            if known is not None:
                self._former.put(key_id, replace(known, is_former=True), now)
        self.forget(actor_id)

    def former(self, key_id: str) -> KnownKey | None:
        """Return a key that its owner has replaced within the last day."""
        return self._former.get(key_id, self._clock())

    async def former_identity(self, actor_id: int) -> SigningIdentity:
        """Return the key with which a local actor signed before. Raises KeyShredded when that is over."""
        return await self._database.read(load_former_identity, actor_id)

    async def signing_identity(self, actor_id: int) -> SigningIdentity:
        """Return the key with which a local actor signs. Raises KeyShredded when it is gone or never was."""
        identity = self._signing.get(actor_id, self._clock())
        if identity is None:
            identity = await self._database.read(self._load, actor_id)
        return identity

    async def proving_identity(self, uri: str) -> SigningIdentity:
        """Return the key with which a local actor proves what it says. Raises KeyShredded when it is gone."""
        identity = self._proving.get(uri, self._clock())
        if identity is None:
            identity = await self._database.read(load_proving_identity, uri)
            self._proving.put(uri, identity, self._clock())
        return identity

    async def instance_identity(self) -> SigningIdentity:
        """Return the key of the node's own actor, with which everything is fetched."""
        if self._instance_id is None:
            self._instance_id = await self._database.read(instance_actor_id)
        return await self.signing_identity(self._instance_id)

    def _load(self, uow: UnitOfWork, actor_id: int) -> SigningIdentity:
        """Load a key unless a question before this one did: at the start of a fan-out many ask at once."""
        identity = self._signing.get(actor_id, self._clock())
        if identity is None:
            identity = load_identity(uow, actor_id)
            self._signing.put(actor_id, identity, self._clock())
        return identity


def stored_key(uow: UnitOfWork, key_id: str) -> KnownKey | None:
    """Return a remote actor's key as the database has it, parsed; None when there is none that can be used."""
    rows = _OWNERS.rows(uow, {"asked": key_id})
    if len(rows) > 1:  # a neighbour on the same server listed it too: it is whose address it begins with, or nobody's
        rows = [row for row in rows if key_id.startswith((f"{row.uri}#", f"{row.uri}/"))]
    if len(rows) != 1:
        return None
    public = _parse(rows[0], key_id)
    return None if public is None else KnownKey(key_id, public, rows[0].id, rows[0].uri, rows[0].host)


def _parse(row: Row[tuple[object, ...]], key_id: str) -> PublicKey | None:
    try:
        if row.key_id == key_id:
            return parse_public_key(row.rsa_public_pem or "")
        return decode_multikey(row.ed25519_public_multibase or "")
    except BadSignature:
        return None


def load_identity(uow: UnitOfWork, actor_id: int) -> SigningIdentity:
    """Open and load the keys of a local actor: RSA, which every peer can verify, and Ed25519. Raises KeyShredded."""
    row = _own_keys(uow, ACTORS.c.id == actor_id)
    ed25519 = None if row.ed25519_key_id is None else _proving(uow, row)
    return SigningIdentity(row.key_id, open_private_key(uow.vault, actor_id, "rsa", row.rsa_sealed), ed25519)


def load_former_identity(uow: UnitOfWork, actor_id: int) -> SigningIdentity:
    """Open and load the RSA key that a local actor had before. Raises KeyShredded."""
    row = uow.connection.execute(select(FORMER_KEYS).where(FORMER_KEYS.c.actor_id == actor_id)).first()
    if row is None:
        raise KeyShredded(f"former key of actor {actor_id}")
    return SigningIdentity(row.key_id, open_private_key(uow.vault, actor_id, "rsa", row.rsa_sealed))


def load_proving_identity(uow: UnitOfWork, uri: str) -> SigningIdentity:
    """Open and load the Ed25519 key of a local actor. Raises KeyShredded."""
    return _proving(uow, _own_keys(uow, ACTORS.c.uri == uri))


def _own_keys(uow: UnitOfWork, whose: ColumnElement[bool]) -> Row[Any]:
    columns = (ACTORS.c.id, ACTORS.c.key_id, ACTORS.c.ed25519_key_id, *ACTOR_KEYS.c)
    query = select(*columns).join(ACTOR_KEYS, ACTOR_KEYS.c.actor_id == ACTORS.c.id)
    row = uow.connection.execute(query.where(whose, ACTORS.c.local.is_(True), ACTORS.c.key_id.is_not(None))).first()
    if row is None:
        raise KeyShredded("keys of an actor here")
    return row


def _proving(uow: UnitOfWork, row: Row[Any]) -> SigningIdentity:
    return SigningIdentity(row.ed25519_key_id, open_private_key(uow.vault, row.id, "ed25519", row.ed25519_sealed))


def instance_actor_id(uow: UnitOfWork) -> int:
    """Return the id of the node's own actor. Raises KeyShredded before `actors.ensure_instance_actor` ran."""
    query = select(ACTORS.c.id).where(ACTORS.c.local.is_(True), ACTORS.c.kind == INSTANCE_KIND)
    found: int | None = uow.connection.execute(query).scalar()
    if found is None:
        raise KeyShredded("signing key of the node")
    return found


def seal_private_key(vault: Vault, actor_id: int, kind: str, key: PrivateKey) -> bytes:
    """Seal a private key under the secret of its actor, which outlives what the actor wrote (product decision 18)."""
    return vault.named_seal(secret_name(actor_id), key.to_der(), _bound_to(actor_id, kind))


def open_private_key(vault: Vault, actor_id: int, kind: str, sealed: bytes) -> PrivateKey:
    """Open and load a private key. Raises KeyShredded."""
    return load_private_key(vault.named_open(secret_name(actor_id), sealed, _bound_to(actor_id, kind)))


def secret_name(actor_id: int) -> str:
    """Return the keyring's name for the secret under which an actor's private keys are sealed."""
    return f"actor-key/{actor_id}"


def _bound_to(actor_id: int, kind: str) -> bytes:
    return f"actor_keys/{actor_id}/{kind}".encode()


class _Cache(Generic[K, V]):
    """Values by key with the moment until which they are kept; the least used go first."""

    def __init__(self, most: int, kept_for: timedelta = KEPT_FOR) -> None:
        self._most = most
        self._kept_for = kept_for
        self._entries: OrderedDict[K, tuple[datetime, V]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K, now: datetime) -> V | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry[0] < now:
                return None
            self._entries.move_to_end(key)
            return entry[1]

    def put(self, key: K, value: V, now: datetime) -> None:
        with self._lock:
            self._entries[key] = (now + self._kept_for, value)
            self._entries.move_to_end(key)
            while len(self._entries) > self._most:
                self._entries.popitem(last=False)

    def pop(self, key: K) -> None:
        with self._lock:
            self._entries.pop(key, None)

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
