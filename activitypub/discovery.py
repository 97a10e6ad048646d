"""Actors of other servers: fetched from where their ids say they live, checked, stored.

The fetches are signed by the node's own actor, whose document is open to all, so that two nodes that meet for the first
time do not wait for each other (federation reference §3.6).
"""

import functools
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import quote

from activitypub.actor_documents import ActorFacts, read_actor
from activitypub.actors import actor_by_uri, note_refusal, refused_until, store_remote_actor
from activitypub.context import FederationContext
from activitypub.errors import FetchError, ForeignOrigin, Gone, Refused, RemoteError, Unreachable
from activitypub.keystore import KnownKey, stored_key
from activitypub.origins import canonical_uri, host_of, same_origin
from activitypub.ports import ActorView
from activitypub.restraint import failure_lasts
from activitypub.vocabulary.actors import parse_key
from activitypub.vocabulary.reading import parse
from activitypub.webfinger import Handle, parse_acct, self_link, subject
from privacy.unit_of_work import UnitOfWork

T = TypeVar("T")
NOT_FOUND = 404


async def resolve_actor(context: FederationContext, uri: str, *, force: bool = False) -> ActorView:
    """Return an actor by its URI: as it is known, else (or with `force`) as its own server describes it now.

    Raises Blocked (a server we do not talk with), Gone (deleted, there or here), Unreachable, Refused, and
    MalformedActivity or ForeignOrigin for what is no actor that we could believe.
    """
    address = canonical_uri(uri).partition("#")[0]
    known = await context.database.read(actor_by_uri, address)
    if known is not None and known.state == "gone":
        raise Gone(f"actor {known.id}")
    if known is not None and (known.local or not force):
        return known
    return await store_actor(context, await fetch_facts(context, address, force=force))


async def resolve_handle(context: FederationContext, handle: str) -> ActorView:
    """Return the actor that `name@host` leads to, if the actor says so too (S-218).

    Raises as `resolve_actor` does; ForeignOrigin when the two do not agree.
    """
    wanted = parse_acct(handle)
    if wanted.host == context.uris.domain:
        raise Refused(NOT_FOUND, "handle.local", public="The handle is one of this server.")
    uri, named = await look_up(context, wanted)
    if named != wanted and await look_up(context, named) != (uri, named):
        raise ForeignOrigin(f"handle leads to {uri}", public="The handle's server names another handle.")
    actor = await resolve_actor(context, uri)
    own = Handle(actor.handle, actor.host)
    # Where the hosts of handle and actor differ, the actor's own server must name that very handle.
    agreed = own in (wanted, named) or (await look_up(context, own))[1] in (wanted, named)
    if actor.local or actor.uri != uri or not agreed:
        raise ForeignOrigin(f"handle leads to {uri}", public="The handle leads to an actor of another name.")
    return actor


async def look_up(context: FederationContext, handle: Handle) -> tuple[str, Handle]:
    """Return the actor's id and the canonical handle that WebFinger gives for a handle; raises as a fetch does."""
    context.peers.check(handle.host)
    document = await _webfinger(context, handle)
    return self_link(document), subject(document)


async def fetch_facts(context: FederationContext, uri: str, *, force: bool = False) -> ActorFacts:
    """Return what an actor's own server says of it: fetched now, or within the last five minutes.

    Nothing is stored: that waits until a signature has proved that the fetch was worth it. `uri` may also name a key
    whose document names its owner. Raises as `resolve_actor` does.
    """
    address = canonical_uri(uri).partition("#")[0]
    context.peers.check(host_of(address))
    if context.uris.is_local(address):
        raise Refused(NOT_FOUND, "actor.local", public="The actor is one of this server.")
    if force:
        context.restraint.forget(address)
    ask = functools.partial(_fetch_facts, context, address)
    return await context.restraint.once(address, context.clock(), ask, keep=True)


async def _fetch_facts(context: FederationContext, address: str) -> ActorFacts:
    known = await context.database.read(actor_by_uri, address)
    if known is not None and await context.database.read(refused_until, address) is not None:
        raise Unreachable(f"actor {known.id} failed before")
    try:
        return await _fetch_now(context, address)
    except (FetchError, RemoteError) as error:
        if known is not None:
            await context.database.write(note_refusal, address, context.clock() + failure_lasts(error))
        raise


async def _fetch_now(context: FederationContext, address: str) -> ActorFacts:
    signer = await context.keys.instance_identity()
    document = await context.egress.fetch_document(address, signer)
    if "publicKeyPem" in document and "inbox" not in document:
        owner = parse_key(document).owner
        if not same_origin(owner, address):
            raise ForeignOrigin(f"key {address} of {owner}")
        document = await context.egress.fetch_document(owner, signer)
    facts = replace(await context.in_pool(_read, context, document), seen_at=context.clock())
    if facts.verifies is not None:
        context.egress.dialects.note_spoken(facts.host, facts.verifies, context.clock())
    return facts


def _read(context: FederationContext, document: dict[str, Any]) -> ActorFacts:
    return read_actor(parse(document), context.uris, context.sanitize)


async def store_actor(context: FederationContext, facts: ActorFacts) -> ActorView:
    """Store what was fetched. Raises ForeignOrigin for a handle that another actor holds, Gone for a deleted actor."""
    actor = await _stored(context, facts, store_remote_actor)
    context.keys.forget(actor.id)
    return actor


async def store_signer(context: FederationContext, facts: ActorFacts, key_id: str) -> KnownKey | None:
    """Store whoever has just proved to hold a key that the facts list: in full when new, else the keys alone (S-122).

    Returns None for a key that more than one actor lists. Raises as `store_actor` does.
    """
    actor_id, known = await _stored(context, facts, functools.partial(introduce, key_id=key_id))
    context.keys.forget(actor_id)
    if known is not None:
        context.keys.keep(known)
    return known


def introduce(uow: UnitOfWork, facts: ActorFacts, *, confirmed: bool, key_id: str) -> tuple[int, KnownKey | None]:
    """Store a new actor, or the keys of one that is known; return its id and the key as it is found from now on."""
    actor = store_remote_actor(uow, facts, confirmed=confirmed, keys_only=True)
    return actor.id, stored_key(uow, key_id)


async def _stored(context: FederationContext, facts: ActorFacts, deed: Callable[..., T]) -> T:
    """Have a deed store facts, and let it take the handle from another actor once that handle's own server agrees."""
    try:
        return await context.database.write(deed, facts, confirmed=False)
    except ForeignOrigin:
        if not await _holds(context, facts):
            raise
        return await context.database.write(deed, facts, confirmed=True)


async def _holds(context: FederationContext, facts: ActorFacts) -> bool:
    """Tell whether the handle's own server says that it belongs to this actor now (S-221)."""
    try:
        return (await look_up(context, Handle(facts.handle, facts.host)))[0] == facts.uri
    except (FetchError, RemoteError):
        return False


async def _webfinger(context: FederationContext, handle: Handle) -> dict[str, Any]:
    path = f"{handle.host}/.well-known/webfinger?resource={quote(handle.uri, safe='@:')}"
    return await context.egress.fetch_json(f"{context.uris.scheme_of(handle.host)}://{path}")
