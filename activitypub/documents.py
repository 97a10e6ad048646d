"""Documents for other servers: found for who asks, in the one media type that all of them read; pages for people.

What depends on who asked is never kept by a cache (I6), and what may not be seen is not there.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import orjson
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from activitypub.actors import actor_by_uri, local_actor_by_handle, public_keys
from activitypub.authentication import requester
from activitypub.context import FederationContext
from activitypub.errors import BadSignature, Gone, Refused
from activitypub.handles import ended_handle
from activitypub.ledger import note_fetch
from activitypub.ports import NOBODY, NOBODY_AT_ALL, ActorView, Ended, Publication, Requester
from activitypub.proving import proven_document
from activitypub.signatures.messages import SignedRequest
from activitypub.uris import ActorKind, Uris
from activitypub.vocabulary.actors import ED25519_SIGNATURES, RFC_9421, Application
from activitypub.vocabulary.base import Uri
from activitypub.vocabulary.collections import Collection
from activitypub.vocabulary.objects import Tombstone
from activitypub.vocabulary.writing import to_document
from privacy.unit_of_work import UnitOfWork

ACTIVITY_MEDIA_TYPE = "application/activity+json; charset=utf-8"
"""Lemmy compares the whole value (federation reference §1.7)."""
VARY = "Accept, Signature, Signature-Input"
PRIVATE, PUBLIC = "private, no-store", "public, max-age=60"
NOT_FOUND, GONE = 404, 410
COLLECTIONS = ("outbox", "followers", "following", "moderators", "featured", "synchronization")
MAX_ID = 2**63 - 1
_WANTED = re.compile(r"application/(?:activity|ld)\+json", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]{1,19}")
_TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")

Answer = Publication | Ended | None
Question = Callable[[UnitOfWork, Requester], Answer]
Page = Callable[[Request], Awaitable[Response]]


def wants_activity(accept: str) -> bool:
    """Tell whether an Accept field asks for ActivityPub: either media type, with or without profile."""
    return _WANTED.search(accept) is not None


def signed_request(context: FederationContext, request: Request, body: bytes) -> SignedRequest:
    """Return a request as it was on the wire: the raw path, every header field, our own origin."""
    scope = request.scope
    path = scope.get("raw_path") or scope["path"].encode()
    query: bytes = scope["query_string"]
    target = path.partition(b"?")[0] + (b"?" + query if query else b"")
    headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])
    client = request.client.host if request.client else ""
    return SignedRequest(request.method, target.decode("latin-1"), context.uris.base_url, headers, body, client)


# ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────────────


def ask_for_actor(context: FederationContext, kind: ActorKind, token: str) -> Question:
    """Return the question for the document of a persona or group."""

    def ask(uow: UnitOfWork, asker: Requester) -> Answer:
        actor = local_actor(uow, context, kind, token)
        return None if actor is None else context.publications.actor(uow, actor, asker)

    return ask


def ask_for_collection(
    context: FederationContext, kind: ActorKind, token: str, name: str, query: Mapping[str, str]
) -> Question:
    """Return the question for a collection of a persona or group."""

    def ask(uow: UnitOfWork, asker: Requester) -> Answer:
        actor = local_actor(uow, context, kind, token)
        return None if actor is None else context.publications.collection(uow, actor, name, query, asker)

    return ask


def ask_for_numbered(
    context: FederationContext, what: str, text: str, query: Mapping[str, str] = MappingProxyType({})
) -> Question:
    """Return the question for a post or what belongs to it; raises Refused (404) for what is no number of ours."""
    if not _NUMBER.fullmatch(text) or int(text) > MAX_ID:
        raise Refused(NOT_FOUND, "number")
    number = int(text)
    questions = {
        "post": context.publications.post,
        "activity": context.publications.post_activity,
        "announcement": context.publications.announcement,
        "reemission": context.publications.reemission,
    }
    lists = {"replies": context.publications.replies, "thread": context.publications.thread}
    if what in lists:
        return lambda uow, asker: lists[what](uow, number, query, asker)
    return lambda uow, asker: questions[what](uow, number, asker)


def ask_for_handle(context: FederationContext, handle: str) -> Question:
    """Return the question for the document of the actor that has a page under its handle."""

    def ask(uow: UnitOfWork, asker: Requester) -> Answer:
        actor, has_ended = local_actor_by_handle(uow, handle), ended_handle(uow, handle)
        if actor is None:
            context.publications.is_findable(uow, NOBODY_AT_ALL)
            return Ended(context.uris.handle_page(handle.lower())) if has_ended else None
        return context.publications.actor(uow, actor, asker)

    return ask


def local_actor(uow: UnitOfWork, context: FederationContext, kind: ActorKind, token: str) -> ActorView | None:
    """Return a persona or group of this node by the token in its id."""
    actor = actor_by_uri(uow, context.uris.actor(kind, token)) if _TOKEN.fullmatch(token) else None
    return actor if actor is not None and actor.local else None


# ── how it is answered ───────────────────────────────────────────────────────────────────────────────────────────────


async def answer(context: FederationContext, request: Request, question: Question, page: Page | None) -> Response:
    """Answer a GET: the document for a server that may read it, or the page for people.

    Raises Refused (404), Gone, and what the verification of a signature raises.
    """
    if wants_activity(request.headers.get("accept", "")):
        asker = await asking(context, request)
        found = await context.database.read(question, asker)
        if isinstance(found, Publication) and found.copy is not None and asker.actor_id is not None:
            # Before the words go out: whoever gets them is asked to delete them one day.
            await context.database.write(note_fetch, found.copy.post_id, asker.actor_id, found.copy.ends_at)
            # Had it ended before that was noted, nobody would ask this server to delete it.
            found = await context.database.read(question, asker)
        if isinstance(found, Publication) and found.public:
            found = replace(found, document=await proven_document(context, found.document))
        return document_response(found)
    if page is not None:
        return await page(request)
    found = await context.database.read(question, NOBODY)
    if isinstance(found, Publication) and found.html is None:
        return document_response(found)
    return page_response(found, context.uris.base_url + request.scope["path"])


async def asking(context: FederationContext, request: Request) -> Requester:
    """Return who asks. Raises Refused (404) where nothing leaves this node, BadSignature where it must be signed."""
    if context.peers.mode == "off":
        raise Refused(NOT_FOUND, "federation.off")
    asker = await requester(context, signed_request(context, request, b""))
    if asker == NOBODY and context.peers.mode == "allowlist":
        raise BadSignature("signature.missing", public="This server answers signed requests only.")
    return asker


def document_response(found: Answer) -> Response:
    """Return the answer to a server. Raises Refused (404)."""
    if found is None:
        raise Refused(NOT_FOUND, "document")
    headers = {"Vary": VARY, "Cache-Control": PRIVATE}
    if isinstance(found, Ended):
        body = orjson.dumps(to_document(Tombstone(id=Uri(found.uri), type="Tombstone")))
        return Response(body, GONE, headers, ACTIVITY_MEDIA_TYPE)
    if found.public:
        headers["Cache-Control"] = PUBLIC
    if found.html is not None:
        headers["Link"] = f'<{found.html}>; rel="alternate"; type="text/html"'
    return Response(orjson.dumps(found.document), 200, headers, ACTIVITY_MEDIA_TYPE)


def page_response(found: Answer, asked: str) -> Response:
    """Send people on to the page of a thing. Raises Refused (404) where there is none, and Gone."""
    if isinstance(found, Ended):
        raise Gone("page")
    if found is None or not found.public or found.html is None or found.html == asked:
        raise Refused(NOT_FOUND, "page")
    link = f'<{found.document["id"]}>; rel="alternate"; type="application/activity+json"'
    return RedirectResponse(found.html, 302, {"Vary": VARY, "Link": link, "Cache-Control": PUBLIC})


# ── the node's own actor ─────────────────────────────────────────────────────────────────────────────────────────────


async def instance_actor(context: FederationContext, request: Request) -> Response:  # noqa: ARG001 - every handler is asked so
    """Answer with the node's own actor, to anybody and unsigned: its key is where every acquaintance begins (§2.6)."""
    document = await context.database.read(instance_document, context.uris, context.options.title)
    headers = {"Vary": VARY, "Cache-Control": PUBLIC}
    return Response(orjson.dumps(document), 200, headers, ACTIVITY_MEDIA_TYPE)


async def instance_outbox(context: FederationContext, request: Request) -> Response:  # noqa: ARG001 - every handler is asked so
    """Answer with the node's own outbox, which is empty."""
    uri = Uri(context.uris.outbox(context.uris.instance_actor))
    empty = Collection(id=uri, type="OrderedCollection", total_items=0)
    headers = {"Vary": VARY, "Cache-Control": PUBLIC}
    return Response(orjson.dumps(to_document(empty)), 200, headers, ACTIVITY_MEDIA_TYPE)


def instance_document(uow: UnitOfWork, uris: Uris, title: str) -> dict[str, Any]:
    """Return the document of the node's own actor. Raises Refused (404) before it was made."""
    actor = actor_by_uri(uow, uris.instance_actor)
    if actor is None:
        raise Refused(NOT_FOUND, "instance actor")
    application = Application(
        id=Uri(actor.uri),
        preferred_username=actor.handle,
        webfinger=f"{actor.handle}@{uris.domain}",
        name=title,
        inbox=Uri(actor.inbox),
        outbox=Uri(uris.outbox(actor.uri)),
        shared_inbox=uris.shared_inbox,
        url=Uri(uris.base_url),
        manually_approves_followers=True,
        discoverable=False,
        keys=public_keys(uow, actor.id),
        implements=(RFC_9421, ED25519_SIGNATURES),
    )
    return to_document(application)
