"""The face for other servers: inboxes, documents, discovery. A request is read within bounds, asked once, answered.

Errors become statuses here, in the only such table of this floor:

    TooLarge 413 · MalformedActivity 400 · BadSignature 401 · ForeignOrigin, Blocked 403
    Refused 404 · Gone 410 (documents only: PieFed forgets a whole server whose inbox says it)
    Unreachable, DatabaseUnavailable 503: the sender tries again (federation reference §6.4)
"""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from typing import Literal

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from activitypub import documents, wellknown
from activitypub.actors import actor_by_uri
from activitypub.context import FederationContext
from activitypub.documents import COLLECTIONS, Page, signed_request
from activitypub.errors import (
    BadSignature,
    Blocked,
    FederationError,
    ForeignOrigin,
    Gone,
    MalformedActivity,
    Refused,
    TooLarge,
    TooMuch,
    Unreachable,
)
from activitypub.inbox import receive
from activitypub.signatures.asking import ask
from activitypub.signatures.messages import authority_of, normal_authority
from activitypub.strict_json import MAX_BODY_BYTES
from activitypub.uris import ActorKind
from privacy.errors import DatabaseUnavailable, PublicError
from privacy.unit_of_work import UnitOfWork

STATUSES: dict[type[PublicError], int] = {
    TooLarge: 413,
    MalformedActivity: 400,
    BadSignature: 401,
    ForeignOrigin: 403,
    Blocked: 403,
    TooMuch: 429,
    Refused: 404,
    Gone: 410,
    Unreachable: 503,
    DatabaseUnavailable: 503,
}
OTHER_STATUS, UNSIGNED, NOT_FOUND, WRONG_HOST, TOO_MUCH, UNAVAILABLE, ACCEPTED = 400, 401, 404, 421, 429, 503, 202
NOT_HERE = "There is nothing here, or it is not for you to see."
"""What every 404 says: what is hidden and what never was look the same."""
MAX_LENGTH_DIGITS = 12
BODY_SECONDS = 30.0
RETRY_SECONDS = "60"

log = structlog.get_logger()
Handler = Callable[[Request], Awaitable[Response]]
ContextHandler = Callable[[FederationContext, Request], Awaitable[Response]]
LETTERS: tuple[tuple[str, ActorKind], ...] = (("u", "person"), ("g", "group"))
NUMBERED = (
    ("/p/{number}", "post"),
    ("/p/{number}/activity", "activity"),
    ("/p/{number}/replies", "replies"),
    ("/a/{number}", "announcement"),
    ("/r/{number}", "reemission"),
    ("/ctx/{number}", "thread"),
)
OPEN_TO_ALL: tuple[tuple[str, ContextHandler], ...] = (
    ("/.well-known/webfinger", wellknown.webfinger_document),
    ("/.well-known/host-meta", wellknown.host_meta),
    ("/.well-known/host-meta.json", wellknown.host_meta_json),
    ("/.well-known/nodeinfo", wellknown.nodeinfo_links),
    ("/nodeinfo/{version}", wellknown.nodeinfo_document),
    ("/actor", documents.instance_actor),
    ("/actor/outbox", documents.instance_outbox),
)


class ActivityRoute(Route):
    """A route at an address that is a page for people: it matches only who asks for ActivityPub."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match as any route does, if the Accept field asks for it."""
        if scope["type"] == "http" and documents.wants_activity(Request(scope).headers.get("accept", "")):
            return super().matches(scope)
        return Match.NONE, {}


def routes(context: FederationContext, page: Page | None = None) -> list[BaseRoute]:
    """Return the routes for other servers; they stand before those for people, who ask for HTML.

    `page` answers who asks for HTML at the id of a thing; without it they are sent on to its page, if it has one.
    """
    gets = [(path, _bound(context, handler)) for path, handler in OPEN_TO_ALL]
    posts = [("/inbox", _inbox(context, None)), ("/actor/inbox", _inbox(context, "instance"))]
    for letter, kind in LETTERS:
        posts.append((f"/{letter}/{{token}}/inbox", _inbox(context, kind)))
        gets.append((f"/{letter}/{{token}}", _actor(context, kind, page)))
        gets += [(f"/{letter}/{{token}}/{name}", _collection(context, kind, name, page)) for name in COLLECTIONS]
    gets += [(path, _numbered(context, what, page)) for path, what in NUMBERED]
    people = (
        ("/", _bound(context, documents.instance_actor)),
        ("/@{handle}", _of_actor_page(context)),
        ("/@{handle}/{number}", _of_post_page(context)),
    )
    return [
        *(Route(path, _answering(handler), methods=["POST"]) for path, handler in posts),
        *(Route(path, _answering(_at_home(context, handler)), methods=["GET"]) for path, handler in gets),
        *(ActivityRoute(path, _answering(_at_home(context, handler)), methods=["GET"]) for path, handler in people),
    ]


# ── inboxes ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def _inbox(context: FederationContext, owner: ActorKind | Literal["instance"] | None) -> Handler:
    """Return the handler of the shared inbox (no owner), of the node's own actor, or of people or groups."""

    async def post_inbox(request: Request) -> Response:
        body = await _read_body(request)
        if owner is not None:
            await context.database.read(check_inbox, context, owner, request.path_params.get("token", ""))
        try:
            await receive(context, signed_request(context, request, body))
        except Gone as error:
            raise BadSignature(str(error)) from error
        return Response(status_code=ACCEPTED)

    return post_inbox


def check_inbox(
    uow: UnitOfWork, context: FederationContext, owner: ActorKind | Literal["instance"], token: str
) -> None:
    """Raise Refused (404) for an inbox that is nobody's, and for that of a group that nothing enters or leaves."""
    if owner == "instance":
        actor = actor_by_uri(uow, context.uris.instance_actor)
    else:
        actor = documents.local_actor(uow, context, owner, token)
    if actor is None or actor.state == "gone":
        raise Refused(NOT_FOUND, "inbox")
    if owner == "group" and not context.publications.is_findable(uow, actor):
        raise Refused(NOT_FOUND, "inbox")


async def _read_body(request: Request) -> bytes:
    """Read a body of at most 1 MiB.

    Raises TooLarge as soon as it is known to be longer, MalformedActivity for one that is cut off or takes 30 seconds.
    """
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and (len(declared) > MAX_LENGTH_DIGITS or int(declared) > MAX_BODY_BYTES):
        raise TooLarge("inbox.declared", public="The document is larger than 1 MiB.")
    chunks, size = [], 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > MAX_BODY_BYTES:
                    raise TooLarge("inbox.body", public="The document is larger than 1 MiB.")
                chunks.append(chunk)
    except (ClientDisconnect, TimeoutError) as error:
        raise MalformedActivity("inbox.cut-off", public="The document did not arrive in full.") from error
    return b"".join(chunks)


# ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _actor(context: FederationContext, kind: ActorKind, page: Page | None) -> Handler:
    async def get_actor(request: Request) -> Response:
        question = documents.ask_for_actor(context, kind, request.path_params["token"])
        return await documents.answer(context, request, question, page)

    return get_actor


def _collection(context: FederationContext, kind: ActorKind, name: str, page: Page | None) -> Handler:
    async def get_collection(request: Request) -> Response:
        token, query = request.path_params["token"], dict(request.query_params)
        question = documents.ask_for_collection(context, kind, token, name, query)
        return await documents.answer(context, request, question, page)

    return get_collection


def _numbered(context: FederationContext, what: str, page: Page | None) -> Handler:
    async def get_numbered(request: Request) -> Response:
        query = dict(request.query_params)
        question = documents.ask_for_numbered(context, what, request.path_params["number"], query)
        return await documents.answer(context, request, question, page)

    return get_numbered


def _of_actor_page(context: FederationContext) -> Handler:
    async def get_actor_of_page(request: Request) -> Response:
        question = documents.ask_for_handle(context, request.path_params["handle"])
        return await documents.answer(context, request, question, None)

    return get_actor_of_page


def _of_post_page(context: FederationContext) -> Handler:
    async def get_post_of_page(request: Request) -> Response:
        question = documents.ask_for_numbered(context, "post", request.path_params["number"])
        return await documents.answer(context, request, question, None)

    return get_post_of_page


# ── around each of them ──────────────────────────────────────────────────────────────────────────────────────────────


def _bound(context: FederationContext, handler: ContextHandler) -> Handler:
    return functools.partial(handler, context)


def _at_home(context: FederationContext, handler: Handler) -> Handler:
    """Answer only requests made for this very host (S-609); what is posted is checked by its signature."""
    home = authority_of(context.uris.base_url)

    async def get(request: Request) -> Response:
        if normal_authority(request.headers.get("host", ""), context.uris.base_url) != home:
            return _refusal(WRONG_HOST, "This server is not the one that was asked for.")
        return await handler(request)

    return get


def _answering(handler: Handler) -> Handler:
    """Turn what a handler raises into an answer, without a trace of the inside."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handler(request)
        except (FederationError, DatabaseUnavailable) as error:
            status = status_of(error)
            if status != NOT_FOUND:  # whoever asks for what is not there fills no log
                why = str(error) or error.public
                log.info("federation.refused", status=status, error=type(error).__name__, why=why)
            wait = f"{error.wait:.0f}" if isinstance(error, TooMuch) else RETRY_SECONDS
            answer = _refusal(status, NOT_HERE if status == NOT_FOUND else error.public, wait)
            if status == UNSIGNED:
                answer.headers["Accept-Signature"] = ask(request.method)
            return answer

    return endpoint


def status_of(error: PublicError) -> int:
    """Return the status for an error, by its class or the nearest one above."""
    return next((STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES), OTHER_STATUS)


def _refusal(status: int, sentence: str, wait: str = RETRY_SECONDS) -> Response:
    headers = {"Cache-Control": "no-store", "Vary": documents.VARY}
    if status in {UNAVAILABLE, TOO_MUCH}:
        headers["Retry-After"] = wait
    return JSONResponse({"error": sentence}, status, headers)
