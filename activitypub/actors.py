"""Actors of this node and of others: made, found, described, ended.

What an actor says of itself is sealed in its row; an `ActorView` has only what the protocol needs to route and verify.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Row, Select, insert, select, update

from activitypub.actor_documents import ActorFacts
from activitypub.errors import ForeignOrigin, Gone
from activitypub.handles import check_handle, end_handle, ended_handle
from activitypub.keystore import INSTANCE_KIND, seal_private_key
from activitypub.models import Actor, ActorKey
from activitypub.peers import note_seen
from activitypub.ports import ActorView
from activitypub.signatures.keys import PrivateKey, encode_multikey, generate_ed25519_key, generate_rsa_key
from activitypub.uris import ActorKind, Uris
from activitypub.vocabulary.actors import Key
from activitypub.vocabulary.base import Uri
from privacy.errors import NameTaken
from privacy.models import ShredJob
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Place, SealedBox

ACTORS, ACTOR_KEYS, SHRED_JOBS = table_of(Actor), table_of(ActorKey), table_of(ShredJob)
PROFILE_KIND = "profile"


@dataclass(frozen=True, slots=True)
class Profile:
    """What an actor says of itself: `summary` is sanitised HTML, `source` what its owner typed (local actors only)."""

    name: str
    summary: str
    source: str = ""
    icon: str | None = None


@dataclass(frozen=True, slots=True)
class KeyPair:
    """The two private keys of a local actor: RSA for everyone, Ed25519 for those who can."""

    rsa: PrivateKey
    ed25519: PrivateKey


@dataclass(frozen=True, slots=True)
class NewLocalActor:
    """A persona or group to be made; its subject secret was made before (`Vault.make_subject`)."""

    id: int
    kind: str
    handle: str
    token: str
    name: str
    summary_html: str
    source: str
    locked: bool


# ── finding ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def view(row: Row[Any]) -> ActorView:
    """Return the view of a row of the table."""
    return ActorView(
        id=row.id,
        uri=row.uri,
        kind=row.kind,
        local=row.local,
        handle=row.handle,
        host=row.host,
        inbox=row.inbox,
        shared_inbox=row.shared_inbox,
        followers=row.followers,
        url=row.url,
        locked=row.locked,
        state=row.state,
    )


VIEWED = tuple(ACTORS.c[name] for name in ActorView.__slots__)


def actors_by_id(uow: UnitOfWork, ids: Iterable[int]) -> dict[int, ActorView]:
    """Return the actors that are known, by id."""
    wanted = sorted(set(ids))
    rows = uow.connection.execute(_views().where(ACTORS.c.id.in_(wanted))) if wanted else ()
    return {row.id: view(row) for row in rows}


def actor_by_uri(uow: UnitOfWork, uri: str) -> ActorView | None:
    """Return an actor by its URI, whatever its state."""
    return _one(uow, _views().where(ACTORS.c.uri == uri))


def actor_by_id(uow: UnitOfWork, actor_id: int) -> ActorView | None:
    """Return an actor by its id, whatever its state."""
    return _one(uow, _views().where(ACTORS.c.id == actor_id))


def local_actor_by_handle(uow: UnitOfWork, handle: str) -> ActorView | None:
    """Return a persona, a group or the node's own actor by its handle."""
    if not handle.isprintable():
        return None  # a NUL cannot even be asked for: PostgreSQL has no such text
    return _one(uow, _views().where(ACTORS.c.local_handle == handle.lower()))


def actor_by_handle(uow: UnitOfWork, handle: str, host: str) -> ActorView | None:
    """Return the actor that holds a handle on a host now."""
    held = (ACTORS.c.handle == handle.lower(), ACTORS.c.host == host.lower(), ACTORS.c.state != "gone")
    return _one(uow, _views().where(*held))


def public_keys(uow: UnitOfWork, actor_id: int) -> tuple[Key, ...]:
    """Return the public keys of an actor as its document lists them; none when it is not there."""
    row = uow.connection.execute(select(ACTORS).where(ACTORS.c.id == actor_id)).first()
    if row is None:
        return ()
    listed = ((row.key_id, row.rsa_public_pem, None), (row.ed25519_key_id, None, row.ed25519_public_multibase))
    return tuple(
        Key(id=Uri(key_id), owner=Uri(row.uri), pem=pem, multibase=multibase)
        for key_id, pem, multibase in listed
        if key_id is not None
    )


def _views() -> Select[Any]:
    return select(*VIEWED)


def _one(uow: UnitOfWork, query: Select[Any]) -> ActorView | None:
    row = uow.connection.execute(query.limit(1)).first()
    return None if row is None else view(row)


# ── actors of this node ──────────────────────────────────────────────────────────────────────────────────────────────


def make_key_pair() -> KeyPair:
    """Make the keys of an actor: about 35 ms, so in a pool and ahead of need."""
    return KeyPair(generate_rsa_key(), generate_ed25519_key())


def create_local_actor(uow: UnitOfWork, uris: Uris, new: NewLocalActor, keys: KeyPair) -> ActorView:
    """Make an actor of this node with its sealed profile and keys. Raises privacy.errors.NameTaken."""
    handle = check_handle(new.handle)
    taken = select(ACTORS.c.id).where(ACTORS.c.local_handle == handle)
    if uow.connection.execute(taken).first() is not None or ended_handle(uow, handle) is not None:
        raise NameTaken("handle")
    kind: ActorKind = "group" if new.kind == "Group" else "person"
    profile = Profile(name=new.name, summary=new.summary_html, source=new.source)
    values = {"kind": new.kind, "handle": handle, "locked": new.locked, "url": uris.handle_page(handle)}
    made = _insert_local(uow, uris, new.id, uris.actor(kind, new.token), values, profile, keys)
    # Asked again: whoever had it may have come and gone meanwhile, and left nothing for the insert to run into.
    if ended_handle(uow, handle) is not None:
        raise NameTaken("handle")
    return made


def ensure_instance_actor(uow: UnitOfWork, uris: Uris, keys: KeyPair) -> ActorView:
    """Return the node's own actor, made now unless it is there (federation reference §2.6)."""
    known = actor_by_uri(uow, uris.instance_actor)
    if known is not None:
        return known
    actor_id = new_id()
    uow.vault.make_subject(actor_id)
    values = {"kind": INSTANCE_KIND, "handle": uris.domain, "locked": True, "url": None}
    profile = Profile(name=uris.domain, summary="")
    return _insert_local(uow, uris, actor_id, uris.instance_actor, values, profile, keys)


def _insert_local(
    uow: UnitOfWork, uris: Uris, actor_id: int, uri: str, values: dict[str, Any], profile: Profile, keys: KeyPair
) -> ActorView:
    is_instance = values["kind"] == INSTANCE_KIND
    row = {
        "id": actor_id,
        "uri": uri,
        "local": True,
        "local_handle": values["handle"],
        "host": uris.domain,
        "inbox": uris.inbox(uri),
        "shared_inbox": uris.shared_inbox,
        "followers": None if is_instance else uris.followers(uri),
        "outbox": uris.outbox(uri),
        "key_id": uris.key_id(uri),
        "rsa_public_pem": keys.rsa.public_key().to_pem(),
        "ed25519_key_id": uris.ed25519_key_id(uri),
        "ed25519_public_multibase": encode_multikey(keys.ed25519.public_key()),
        "state": "active",
        "created_on": uow.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0),
        **values,
        **_sealed_profile(uow, actor_id, profile),
    }
    uow.connection.execute(insert(ACTORS).values(row))
    sealed = {
        "actor_id": actor_id,
        "rsa_sealed": seal_private_key(uow.vault, actor_id, "rsa", keys.rsa),
        "ed25519_sealed": seal_private_key(uow.vault, actor_id, "ed25519", keys.ed25519),
    }
    uow.connection.execute(insert(ACTOR_KEYS).values(sealed))
    found = actor_by_id(uow, actor_id)
    assert found is not None
    return found


# ── what actors say of themselves ────────────────────────────────────────────────────────────────────────────────────


def profiles(uow: UnitOfWork, actor_ids: Iterable[int]) -> dict[int, Profile]:
    """Return the profiles that can still be opened, by actor: one query, one opening."""
    wanted = sorted(set(actor_ids))
    if not wanted:
        return {}
    columns = [ACTORS.c[name] for name in ("id", "revision", "bucket", "slot", "body")]
    rows = uow.connection.execute(select(*columns).where(ACTORS.c.id.in_(wanted))).fetchall()
    opened = uow.vault.open_many([_box(row) for row in rows])
    return {row.id: Profile(**orjson.loads(text)) for row, text in zip(rows, opened, strict=True) if text is not None}


def update_profile(uow: UnitOfWork, actor_id: int, profile: Profile) -> None:
    """Seal a new profile under the secrets of the old one; an actor that has none any more keeps none."""
    row = uow.connection.execute(select(ACTORS).where(ACTORS.c.id == actor_id)).first()
    if row is None or row.body is None:
        return
    revision = row.revision + 1
    sealed = uow.vault.reseal(_box(row), Place("actors", actor_id, revision, 0), _written(profile))
    changed = {"revision": revision, "bucket": sealed.bucket, "slot": sealed.slot, "body": sealed.body}
    uow.connection.execute(update(ACTORS).where(ACTORS.c.id == actor_id).values(changed))


def _sealed_profile(uow: UnitOfWork, actor_id: int, profile: Profile) -> dict[str, Any]:
    place = Place("actors", actor_id, 0, 0)
    sealed = uow.vault.seal(place, _written(profile), kind=PROFILE_KIND, subject_id=actor_id, now=uow.now)
    return {"revision": 0, "bucket": sealed.bucket, "slot": sealed.slot, "body": sealed.body}


def _written(profile: Profile) -> bytes:
    return orjson.dumps(asdict(profile))


def _box(row: Row[Any]) -> SealedBox:
    return SealedBox(Place("actors", row.id, row.revision, 0), row.id, row.bucket, row.slot, row.body)


# ── actors of other nodes ────────────────────────────────────────────────────────────────────────────────────────────


def store_remote_actor(uow: UnitOfWork, facts: ActorFacts, actor_id: int, *, confirmed: bool) -> ActorView:
    """Store a fetched actor, under `actor_id` (whose subject secret was made before) when it is new.

    A handle that another actor holds goes over only when WebFinger `confirmed` it (S-221): raises ForeignOrigin else.
    Raises Gone for an actor that was deleted: it never comes back (S-319).
    """
    known = actor_by_uri(uow, facts.uri)
    if known is not None and known.state == "gone":
        raise Gone(f"actor {known.id}")
    _clear_handle(uow, facts, confirmed=confirmed)
    described = _described(facts) | _keys(facts) | {"handle": facts.handle, "fetched_at": uow.now}
    if known is None:
        first_day = uow.now.replace(hour=0, minute=0, second=0, microsecond=0)
        fixed = {"id": actor_id, "uri": facts.uri, "host": facts.host, "local": False, "state": "active"}
        row = fixed | described | {"created_on": first_day} | _sealed_profile(uow, actor_id, _profile(facts))
        uow.connection.execute(insert(ACTORS).values(row))
        note_seen(uow, facts.host)
    else:
        uow.connection.execute(update(ACTORS).where(ACTORS.c.id == known.id).values(described))
        update_profile(uow, known.id, _profile(facts))
    stored = actor_by_uri(uow, facts.uri)
    assert stored is not None
    return stored


def store_keys_only(uow: UnitOfWork, facts: ActorFacts) -> None:
    """Take over nothing but the keys: what a fetch after a failed signature may change (S-122)."""
    remote = update(ACTORS).where(ACTORS.c.uri == facts.uri, ACTORS.c.local.is_(False))
    uow.connection.execute(remote.values(_keys(facts)))


def refused_until(uow: UnitOfWork, uri: str) -> datetime | None:
    """Return the moment before which an actor is not to be fetched again, as far as it lies ahead."""
    query = select(ACTORS.c.refused_until).where(ACTORS.c.uri == uri, ACTORS.c.refused_until > uow.now)
    found: datetime | None = uow.connection.execute(query).scalar()
    return found


def note_refusal(uow: UnitOfWork, uri: str, until: datetime) -> None:
    """Remember, past a restart, that fetching a known actor failed (S-115)."""
    uow.connection.execute(update(ACTORS).where(ACTORS.c.uri == uri).values(refused_until=until))


def apply_actor_update(uow: UnitOfWork, actor: ActorView, facts: ActorFacts) -> None:
    """Take over what an actor says of itself in an Update that it signed itself. Raises ForeignOrigin for another's."""
    if facts.uri != actor.uri or actor.local:
        raise ForeignOrigin(f"update of {facts.uri} by {actor.uri}")
    values = _described(facts) | _keys(facts) | {"fetched_at": uow.now}
    if _holder(uow, facts) is None:
        values["handle"] = facts.handle
    uow.connection.execute(update(ACTORS).where(ACTORS.c.id == actor.id).values(values))
    update_profile(uow, actor.id, _profile(facts))


def _profile(facts: ActorFacts) -> Profile:
    return Profile(name=facts.name, summary=facts.summary, icon=facts.icon)


def _described(facts: ActorFacts) -> dict[str, Any]:
    names = ("kind", "inbox", "shared_inbox", "followers", "outbox", "url", "locked", "open_to_all")
    return {name: getattr(facts, name) for name in names}


def _keys(facts: ActorFacts) -> dict[str, Any]:
    names = ("key_id", "rsa_public_pem", "ed25519_key_id", "ed25519_public_multibase")
    return {name: getattr(facts, name) for name in names}


def _holder(uow: UnitOfWork, facts: ActorFacts) -> int | None:
    held = (ACTORS.c.handle == facts.handle, ACTORS.c.host == facts.host, ACTORS.c.uri != facts.uri)
    found: int | None = uow.connection.execute(select(ACTORS.c.id).where(*held, ACTORS.c.state != "gone")).scalar()
    return found


def _clear_handle(uow: UnitOfWork, facts: ActorFacts, *, confirmed: bool) -> None:
    holder = _holder(uow, facts)
    if holder is None:
        return
    if not confirmed:
        raise ForeignOrigin(f"{facts.uri} claims the handle of actor {holder}")
    # No user name contains an exclamation mark: what the old actor is called now can be nobody's name.
    uow.connection.execute(update(ACTORS).where(ACTORS.c.id == holder).values(handle=f"{facts.handle}!{holder}"))


# ── the end ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def mark_gone(uow: UnitOfWork, actor_id: int) -> None:
    """End an actor for good: its profile is emptied and the secret of it destroyed; its keys stay for late Deletes."""
    row = uow.connection.execute(select(ACTORS.c.slot, ACTORS.c.state).where(ACTORS.c.id == actor_id)).first()
    if row is None or row.state == "gone":
        return
    uow.connection.execute(update(ACTORS).where(ACTORS.c.id == actor_id).values(state="gone", body=None, url=None))
    job = {"id": new_id(), "kind": "actors", "target_id": actor_id, "slot": row.slot}
    uow.connection.execute(insert(SHRED_JOBS).values(job | {"created_at": uow.now, "due_at": uow.now, "attempts": 0}))
    uow.wake("retention")


def retire_actor(uow: UnitOfWork, actor_id: int, *, was_findable: bool) -> None:
    """End an actor of this node, with its handle; `was_findable` says whether strangers could look that up.

    Its signing keys live on until its Deletes are through (product decision 18).
    """
    query = select(ACTORS.c.handle).where(ACTORS.c.id == actor_id, ACTORS.c.state != "gone")
    handle = uow.connection.execute(query).scalar()
    if handle is None:
        return
    end_handle(uow, handle, was_findable=was_findable)
    nameless = {"local_handle": None, "handle": f"gone!{actor_id}"}
    uow.connection.execute(update(ACTORS).where(ACTORS.c.id == actor_id).values(nameless))
    mark_gone(uow, actor_id)
