"""Sealing with three independent secrets; destroying any one of them erases (privacy reference §4.3).

A row's words are sealed under a key derived from the secret of its bucket (group × class × period), of its subject (the
persona, group or remote actor that wrote it) and of its own object slot. Object secrets are made in batches and handed
out once: a deed that is rolled back burns its slot, and slots that no row names are swept (product decision 24).
"""

import hashlib
import hmac
import os
import secrets
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Generic, TypeVar

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from privacy.clock import monotonic_seconds
from privacy.errors import KeyShredded
from privacy.keyring import NONCE_BYTES, Keyring, Tomb
from privacy.records import new_id

K = TypeVar("K")
_ANY_ORDER = secrets.SystemRandom()
VERSION = b"\x01"
"""AES-256-GCM with a random 96-bit nonce."""
PAD_BYTES = 256
SLOT_BATCH = 256
SLOTS_LOW = 64
SUBJECT_BATCH = 32
POOL_LIFE = timedelta(hours=12)
"""How long slots wait to be handed out: half as long as what no row names is left alone by the sweep."""
CACHE_SECONDS = 60.0
CACHE_ENTRIES = 2_000
DAYS_OF_INBOX = "day/"
"""Begins the names of the secrets that seal a day's received activities until they are worked through."""
SHORT_LIFE = timedelta(days=30)
"""What lives no longer than this is put into a bucket of one day, all else into one of a week."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a ciphertext stands; moving it anywhere else makes it unreadable."""

    table: str
    row_id: int
    revision: int
    group_id: int

    def bound(self) -> bytes:
        """Return the bytes that bind the ciphertext to its place."""
        numbers = (self.row_id, self.revision, self.group_id)
        return lengths_first(b"sn1", self.table.encode(), b"body", *(str(n).encode() for n in numbers))


@dataclass(frozen=True, slots=True)
class Sealed:
    """What `Vault.seal` gives to be stored beside the row's subject."""

    body: bytes
    bucket: str
    slot: int


@dataclass(frozen=True, slots=True)
class SealedBox:
    """A sealed row as it was read."""

    place: Place
    subject_id: int
    bucket: str
    slot: int
    body: bytes | None


class Vault:
    """Seals and opens what people wrote, and destroys keys."""

    def __init__(self, keyring: Keyring, monotonic: Callable[[], float] = monotonic_seconds) -> None:
        """Stand on a keyring; `monotonic` gives the seconds by which cached keys age."""
        self._keyring = keyring
        self._pool: deque[tuple[int, bytes]] = deque()
        self._pool_from: datetime | None = None
        self._new_subjects: list[int] = []
        self._new_subjects_lock = threading.Lock()
        self._keys = _AgingCache[int](monotonic)
        self._subjects = _AgingCache[int](monotonic)
        self._buckets = _AgingCache[str](monotonic)
        self._bucket_ends: dict[str, datetime] = {}
        self._named = _AgingCache[str](monotonic)

    # ── content ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def seal(
        self,
        place: Place,
        content: bytes,
        *,
        kind: str,
        subject_id: int,
        now: datetime,
        expires_at: datetime | None = None,
        slot: int | None = None,
    ) -> Sealed:
        """Seal content for its place under a fresh object secret, or under `slot` of an earlier revision.

        Raises KeyShredded when the subject's secret, or the secret of the slot asked for, is gone.
        """
        bucket, ends_at = bucket_of(kind, place.group_id, now, expires_at)
        bucket_secret = self._bucket(bucket, ends_at)
        slot, secret = self._take(now) if slot is None else (slot, self._slot(slot))
        key = derive(bucket_secret, self._subject(subject_id), secret, place, bucket, subject_id)
        return Sealed(seal(key, content, place.bound()), bucket, slot)

    def reseal(self, box: SealedBox, place: Place, content: bytes) -> Sealed:
        """Seal a new revision under the very secrets of an earlier one, so that it ends when that does."""
        bucket = self._buckets.get(box.bucket) or self._fetch_bucket(box.bucket)
        key = derive(bucket, self._subject(box.subject_id), self._slot(box.slot), place, box.bucket, box.subject_id)
        return Sealed(seal(key, content, place.bound()), box.bucket, box.slot)

    def open_many(self, boxes: Sequence[SealedBox]) -> list[bytes | None]:
        """Return the contents in the order asked; None where a secret is gone or nothing is left to open."""
        buckets, subjects, slots = self._gather([box for box in boxes if box.body is not None])
        opened: list[bytes | None] = []
        for box in boxes:
            bucket, subject, slot = buckets.get(box.bucket), subjects.get(box.subject_id), slots.get(box.slot)
            if box.body is None or bucket is None or subject is None or slot is None:
                opened.append(None)
                continue
            key = derive(bucket, subject, slot, box.place, box.bucket, box.subject_id)
            opened.append(_unseal(key, box.body, box.place.bound()))
        return opened

    def open(self, box: SealedBox) -> bytes:
        """Return the content of one row. Raises KeyShredded when it can never be read again."""
        content = self.open_many([box])[0]
        if content is None:
            raise KeyShredded(f"{box.place.table} {box.place.row_id}")
        return content

    # ── secrets that are not about one object ────────────────────────────────────────────────────────────────────────

    def make_subject(self, subject_id: int) -> None:
        """Make the secret of a subject, before the row of the subject is written; safe to repeat."""
        self._subjects.put(subject_id, self._keyring.make_subject(subject_id))

    def new_subject(self) -> int:
        """Return a new id whose secret is made already: one commit of the keyring serves many newcomers.

        Each id is handed out once; those that are not used are worth nothing.
        """
        with self._new_subjects_lock:
            if not self._new_subjects:
                fresh = [new_id() for _ in range(SUBJECT_BATCH)]
                self._keyring.make_subjects(fresh)
                self._new_subjects.extend(fresh)
            return self._new_subjects.pop()

    def named_seal(self, name: str, content: bytes, bound_to: bytes) -> bytes:
        """Seal under a named secret of the keyring, made now unless it is there."""
        return seal(self._secret(name), content, bound_to)

    def named_open(self, name: str, blob: bytes, bound_to: bytes) -> bytes:
        """Open what was sealed under a named secret. Raises KeyShredded when that secret is gone."""
        secret = self._named.get(name) or self._keyring.named(name)
        if secret is None:
            raise KeyShredded(f"named secret {name}")
        self._named.put(name, secret)
        content = _unseal(secret, blob, bound_to)
        if content is None:
            raise KeyShredded(f"named secret {name} does not open this")
        return content

    def day_seal(self, day: date, content: bytes, bound_to: bytes) -> bytes:
        """Seal for a queue under the secret of a day, which is destroyed when that day is drained."""
        return self.named_seal(day_name(day), content, bound_to)

    def day_open(self, day: date, blob: bytes, bound_to: bytes) -> bytes:
        """Open what was queued under the secret of a day. Raises KeyShredded."""
        return self.named_open(day_name(day), blob, bound_to)

    def mac(self, purpose: str, *parts: bytes) -> bytes:
        """Return a keyed 32-byte hash, by which a thing is found again without being written down."""
        return hmac.digest(self._secret(f"mac/{purpose}"), lengths_first(*parts), hashlib.sha256)

    def known_mac(self, purpose: str, *parts: bytes) -> bytes | None:
        """Return the same where the keyring has the secret for it; unlike `mac` this never writes to the keyring."""
        secret = self._keyring.named(f"mac/{purpose}")
        return None if secret is None else hmac.digest(secret, lengths_first(*parts), hashlib.sha256)

    def secret(self, name: str) -> bytes:
        """Return a named 32-byte secret of this node, made now unless it is there."""
        return self._secret(name)

    # ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def destroy(
        self,
        now: datetime,
        *,
        slots: Sequence[int] = (),
        subjects: Sequence[int] = (),
        buckets: Sequence[str] = (),
        names: Sequence[str] = (),
        tombs: Sequence[Tomb] = (),
    ) -> None:
        """Destroy secrets for ever, and forget them here; safe to repeat."""
        self._keyring.destroy(now=now, slots=slots, subjects=subjects, buckets=buckets, names=names, tombs=tombs)
        self._keys.drop(slots)
        self._subjects.drop(subjects)
        self._buckets.drop(buckets)
        self._named.drop(names)

    def tomb(self, kind: str, erased_id: int) -> Tomb:
        """Return the mark that is left of something erased: a keyed hash of what it was."""
        return Tomb(self.mac("tomb", kind.encode(), str(erased_id).encode()), kind)

    @property
    def keyring(self) -> Keyring:
        """The store below, for the sweeps."""
        return self._keyring

    # ── the pool of object secrets ───────────────────────────────────────────────────────────────────────────────────

    def refill(self, now: datetime) -> None:
        """Take another batch of object secrets when few are left or those are old; called outside any transaction."""
        if self._pool_from is not None and not timedelta(0) <= now - self._pool_from < POOL_LIFE:
            # The sweep is about to take these for slots that no row names: what was sealed under one would be lost.
            self._pool.clear()
        if len(self._pool) < SLOTS_LOW:
            if not self._pool:
                self._pool_from = now
            taken = self._keyring.take_slots(SLOT_BATCH, now)
            # In no order, so that neighbouring numbers do not tell which rows were written together.
            _ANY_ORDER.shuffle(taken)
            self._pool.extend(taken)

    def _take(self, now: datetime) -> tuple[int, bytes]:
        try:
            slot, secret = self._pool.popleft()
        except IndexError:
            self.refill(now)
            return self._take(now)
        self._keys.put(slot, secret)
        return slot, secret

    # ── caches ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _gather(self, boxes: Sequence[SealedBox]) -> tuple[dict[str, bytes], dict[int, bytes], dict[int, bytes]]:
        return (
            self._buckets.fill({box.bucket for box in boxes}, self._keyring.buckets),
            self._subjects.fill({box.subject_id for box in boxes}, self._keyring.subjects),
            self._keys.fill({box.slot for box in boxes}, self._keyring.slots),
        )

    def _bucket(self, bucket: str, ends_at: datetime | None) -> bytes:
        known = self._buckets.get(bucket)
        if known is not None and (
            ends_at is None or self._bucket_ends.get(bucket, datetime.min.replace(tzinfo=UTC)) >= ends_at
        ):
            return known
        secret = self._keyring.make_bucket(bucket, ends_at)
        if ends_at is not None:
            if len(self._bucket_ends) > CACHE_ENTRIES:
                self._bucket_ends.clear()
            self._bucket_ends[bucket] = ends_at
        self._buckets.put(bucket, secret)
        return secret

    def _fetch_bucket(self, bucket: str) -> bytes:
        return self._required(self._buckets.fill({bucket}, self._keyring.buckets), bucket, "bucket")

    def _subject(self, subject_id: int) -> bytes:
        return self._required(self._subjects.fill({subject_id}, self._keyring.subjects), subject_id, "subject")

    def _slot(self, slot: int) -> bytes:
        return self._required(self._keys.fill({slot}, self._keyring.slots), slot, "object slot")

    def _secret(self, name: str) -> bytes:
        secret = self._named.get(name)
        if secret is None:
            secret = self._keyring.make_named(name)
            self._named.put(name, secret)
        return secret

    @staticmethod
    def _required(found: dict[K, bytes], key: K, what: str) -> bytes:
        if key not in found:
            raise KeyShredded(f"{what} {key}")
        return found[key]


class _AgingCache(Generic[K]):
    """Secrets by key, the least used forgotten first, none kept longer than a minute."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._entries: OrderedDict[K, tuple[float, bytes]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> bytes | None:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or entry[0] < self._monotonic():
                return None
            return entry[1]

    def put(self, key: K, secret: bytes) -> None:
        with self._lock:
            self._entries[key] = (self._monotonic() + CACHE_SECONDS, secret)
            self._entries.move_to_end(key)
            while len(self._entries) > CACHE_ENTRIES:
                self._entries.popitem(last=False)

    def fill(self, wanted: set[K], fetch: Callable[[set[K]], dict[K, bytes]]) -> dict[K, bytes]:
        """Return what is wanted, asking `fetch` once for all that is not at hand."""
        found = {key: secret for key in wanted if (secret := self.get(key)) is not None}
        missing = wanted - found.keys()
        if missing:
            fetched = fetch(missing)
            for key, secret in fetched.items():
                self.put(key, secret)
            found.update(fetched)
        return found

    def drop(self, keys: Sequence[K]) -> None:
        with self._lock:
            for key in keys:
                self._entries.pop(key, None)


def bucket_of(kind: str, group_id: int, now: datetime, expires_at: datetime | None) -> tuple[str, datetime | None]:
    """Return the bucket of something sealed now, and when the last thing in that bucket can end.

    What has no end of its own (profiles, group descriptions) shares one bucket that has none either.
    """
    if expires_at is None:
        return f"{kind}/{group_id}/open", None
    day = now.date()
    life = expires_at - now
    start, length = (day, 1) if life <= SHORT_LIFE else (day - timedelta(days=day.weekday()), 7)
    ends = datetime(start.year, start.month, start.day, tzinfo=UTC) + timedelta(days=length) + life
    return f"{kind}/{group_id}/{start.isoformat()}.{length}", ends + timedelta(minutes=1)


def day_name(day: date) -> str:
    """Return the keyring's name for the queue secret of a day."""
    return DAYS_OF_INBOX + day.isoformat()


def lengths_first(*parts: bytes) -> bytes:
    """Join parts, each behind its length in four big-endian bytes, so that no two lists join alike."""
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def derive(bucket_secret: bytes, subject: bytes, slot: bytes, place: Place, bucket: str, subject_id: int) -> bytes:
    """Return the content key of one row (HKDF-SHA256, RFC 5869; privacy reference §4.3)."""
    info = lengths_first(b"sn1", b"content", bucket.encode(), str(subject_id).encode(), str(place.row_id).encode())
    return HKDF(hashes.SHA256(), 32, None, info).derive(bucket_secret + subject + slot)


def pad(content: bytes) -> bytes:
    """Pad to a multiple of 256 bytes (ISO/IEC 7816-4), so that a length tells little."""
    return content + b"\x80" + bytes(-(len(content) + 1) % PAD_BYTES)


def unpad(padded: bytes) -> bytes:
    """Take the padding off. Raises ValueError when there is none."""
    stripped = padded.rstrip(b"\0")
    if stripped[-1:] != b"\x80":
        raise ValueError("no padding")
    return stripped[:-1]


def seal(key: bytes, content: bytes, bound_to: bytes) -> bytes:
    """Return version, nonce and ciphertext of padded content, bound to `bound_to`."""
    nonce = os.urandom(NONCE_BYTES)
    return VERSION + nonce + AESGCM(key).encrypt(nonce, pad(content), bound_to)


def _unseal(key: bytes, blob: bytes, bound_to: bytes) -> bytes | None:
    """Return the content, or None when the key does not open the blob in this place."""
    if blob[:1] != VERSION:
        return None
    nonce, ciphertext = blob[1 : 1 + NONCE_BYTES], blob[1 + NONCE_BYTES :]
    try:
        return unpad(AESGCM(key).decrypt(nonce, ciphertext, bound_to))
    except (InvalidTag, ValueError):  # the latter where a blob was cut so short that not even a nonce is left
        return None
