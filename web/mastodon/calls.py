"""The frame around each method of the client API: who asks, what, how often, and how the answer is told.

A method says what it needs in `Method`; everything that is the same for all of them happens here, so that no method can
forget it: the token and its scopes (S-414), the limits, the parameters, and errors as `{"error": …}`.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, Concatenate, ParamSpec, TypeVar

import orjson
from starlette.requests import Request
from starlette.responses import Response

from groups.errors import Invalid, NotAllowed, NotFound
from groups.views import ANYONE, Page, Viewer
from privacy.budgets import Allowance, Buckets, Rate
from privacy.errors import PublicError
from privacy.unit_of_work import UnitOfWork
from web.context import WebContext
from web.errors import headers_of, status_of
from web.mastodon.entities import Site, validation_error
from web.mastodon.limits import ANONYMOUS, SIGNED_IN
from web.mastodon.pagination import BOUNDS, Limit, links
from web.parameters import BadParameters, Parameters, as_identifier, read_parameters
from web.scopes import covers
from web.tokens import Bearer, find_bearer, hash_of

P = ParamSpec("P")
T = TypeVar("T")

JSON = "application/json; charset=utf-8"
PRIVATE = {"cache-control": "private, no-store", "vary": "Authorization, Origin"}
BAD_TOKEN = "The access token is invalid"  # noqa: S105 - a sentence, not a secret
OUT_OF_SCOPE = "This action is outside the authorized scopes"
NOT_FOUND = "Record not found"
TOO_MANY = "Too many requests"
NEEDS_SOMEBODY = "This method requires an authenticated user"


class Who(Enum):
    """Who may ask."""

    ANYBODY = "anybody"
    """With or without a token; one that is shown must be good."""
    STRANGERS = "strangers"
    """Without looking at any token: what an app asks before it has one."""
    APP = "app"
    """Any good token, also of an app that acts for nobody."""
    ACTOR = "actor"
    """A token that acts for a persona or a group."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a method answers when it is more than a body."""

    body: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The frame refuses before the method is asked."""

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers or {}


@dataclass(frozen=True, slots=True)
class Call:
    """One request, as a method sees it."""

    request: Request
    context: WebContext
    parameters: Parameters
    bearer: Bearer | None
    site: Site

    @property
    def actor_id(self) -> int:
        """The actor that the token acts for."""
        assert self.bearer is not None
        assert self.bearer.actor_id is not None
        return self.bearer.actor_id

    @property
    def persona_id(self) -> int:
        """The persona that acts: the actor itself, or who looks after the group that the token acts for."""
        assert self.bearer is not None
        return self.bearer.acting_id or self.actor_id

    @property
    def group_id(self) -> int | None:
        """The group that the token acts for, when it acts for one."""
        return self.bearer.actor_id if self.bearer is not None and self.bearer.acting_id is not None else None

    @property
    def viewer(self) -> Viewer:
        """Who looks: the persona that acts, or nobody in particular."""
        return ANYONE if self.bearer is None or self.bearer.actor_id is None else Viewer(self.persona_id)

    def path_id(self, name: str = "id") -> int:
        """Return an id that stands in the path; what cannot be one is not there. Raises NotFound."""
        try:
            return as_identifier(name, str(self.request.path_params[name]))
        except BadParameters as error:
            raise NotFound(name) from error

    def page(self, limit: Limit) -> Page:
        """Return which page is asked for."""
        asked = self.parameters
        bounds = {name: asked.identifier(name) for name in BOUNDS}
        return Page(limit=asked.number("limit", limit.default, most=limit.most), **bounds)

    def listing(self, body: Any, page: Page, ids: Sequence[int]) -> Answer:
        """Return a page with the links to those beside it."""
        address = self.context.uris.base_url + str(self.request.scope["path"])
        told = links(address, self.parameters.flat(), page, ids)
        return Answer(body, headers={} if told is None else {"link": told})

    async def read(self, query: Callable[Concatenate[UnitOfWork, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the database."""
        return await self.context.database.read(query, *args, **kwargs)

    async def write(self, deed: Callable[Concatenate[UnitOfWork, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Hand a deed to the database."""
        return await self.context.database.write(deed, *args, **kwargs)

    async def in_pool(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that computes beside the event loop (I12)."""
        return await self.context.in_pool(work, *args, **kwargs)


Handler = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Method:
    """One method of the client API: where it stands, who may ask, and which scopes open it (any one of them)."""

    verb: str
    path: str
    handler: Handler
    scopes: tuple[str, ...] = ()
    who: Who = Who.ACTOR
    rate: Rate | None = None
    """A limit of its own beside the general one."""


class Frame:
    """What all methods of one process share."""

    def __init__(self, context: WebContext, buckets: Buckets) -> None:
        """Stand on the web's context."""
        options = context.federation.options
        self.context = context
        self.buckets = buckets
        self.site = Site(context.uris.base_url, context.uris.domain, options.title, options.version)

    async def answer(self, method: Method, request: Request) -> Response:
        """Answer one request."""
        told: dict[str, str] = dict(PRIVATE)
        try:
            token = bearer_token(request)
            told |= self._limits(method, request, token)
            bearer = await self._bearer(method, token)
            parameters = await read_parameters(request)
            answer = await method.handler(Call(request, self.context, parameters, bearer, self.site))
        except Refused as refusal:
            return reply({"error": refusal.sentence}, refusal.status, {**told, **refusal.headers})
        except PublicError as error:
            status = status_of(error)
            return reply(error_body(error), status, {**told, **headers_of(status)})
        if isinstance(answer, Response):
            answer.headers.update(told)
            return answer
        if isinstance(answer, Answer):
            return reply(answer.body, answer.status, {**told, **answer.headers})
        return reply(answer, 200, told)

    async def _bearer(self, method: Method, token: str | None) -> Bearer | None:
        """Return whom the token speaks for. Raises Refused: 401 without a good one, 403 outside its scopes."""
        if method.who is Who.STRANGERS or (token is None and method.who is Who.ANYBODY):
            return None
        bearer = await self.context.database.read(find_bearer, token) if token else None
        if bearer is None:
            raise Refused(401, BAD_TOKEN, {"www-authenticate": 'Bearer realm="Kinfold", error="invalid_token"'})
        if method.scopes and not any(covers(bearer.scopes, scope) for scope in method.scopes):
            raise Refused(403, OUT_OF_SCOPE)
        if method.who is Who.ACTOR and bearer.actor_id is None:
            raise Refused(422, NEEDS_SOMEBODY)
        return bearer

    def _limits(self, method: Method, request: Request, token: str | None) -> dict[str, str]:
        """Take the request out of its buckets and return the headers that tell what is left. Raises Refused: 429."""
        address = (request.client.host if request.client else "").encode()
        key, general = (hash_of(token), SIGNED_IN) if token else (address, ANONYMOUS)
        left = self.buckets.take("general", key, general)
        if left.is_allowed and method.rate is not None:
            left = self.buckets.take(method.path, key, method.rate)
        told = limit_headers(left, self.context.clock())
        if not left.is_allowed:
            raise Refused(429, TOO_MANY, {**told, "retry-after": str(int(left.wait) + 1)})
        return told


def bearer_token(request: Request) -> str | None:
    """Return the token of the Authorization field; nowhere else is one looked for (S-813)."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None


def limit_headers(left: Allowance, now: datetime) -> dict[str, str]:
    """Return the three fields by which an app knows how often it may still ask."""
    reset = now + timedelta(seconds=left.full_in)
    return {
        "x-ratelimit-limit": str(left.limit),
        "x-ratelimit-remaining": str(left.remaining),
        "x-ratelimit-reset": reset.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }


def error_body(error: PublicError) -> dict[str, Any]:
    """Return an error as apps read it; what is hidden and what never was are told in the very same words (S-402)."""
    if isinstance(error, Invalid):
        return validation_error(error.fields)
    if status_of(error) == 404:
        return {"error": NOT_FOUND}
    if isinstance(error, NotAllowed) and error.public == NotAllowed.default_public:
        return {"error": "This action is not allowed"}
    return {"error": error.public}


def reply(body: Any, status: int, headers: Mapping[str, str]) -> Response:
    """Return a JSON response."""
    return Response(orjson.dumps(body), status, headers, media_type=JSON)
