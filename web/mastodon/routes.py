"""Every route of the client API, and the two of the consent page."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from privacy.budgets import Buckets
from privacy.errors import PublicError
from web.context import WebContext
from web.errors import headers_of, status_of
from web.mastodon import (
    accounts,
    apps,
    consent,
    instance,
    lists,
    markers,
    notifications,
    oauth,
    preferences,
    reports,
    requests,
    search,
    statuses,
    stubs,
    timelines,
)
from web.mastodon.calls import Frame, Method, Who
from web.visitors import Visitor, stranger, visitor

VERBS = ("GET", "POST", "PUT", "PATCH", "DELETE")
METHODS: tuple[Method, ...] = (
    *apps.METHODS,
    *oauth.METHODS,
    *instance.METHODS,
    *preferences.METHODS,
    *markers.METHODS,
    *lists.METHODS,
    *timelines.METHODS,
    *search.METHODS,
    *stubs.METHODS,
    *notifications.METHODS,
    *requests.METHODS,
    *reports.METHODS,
    *accounts.METHODS,
    *statuses.METHODS,
    *(Method(verb, "/api/{rest:path}", stubs.not_here, who=Who.STRANGERS) for verb in VERBS),
)
"""In the order in which they are tried: what stands in a path by name before what stands there as an id."""


def routes(context: WebContext) -> list[BaseRoute]:
    """Return the routes of the client API; whatever else is asked under `/api` is answered as JSON too."""
    frame = Frame(context, Buckets())
    return [
        *(Route(method.path, api(frame, method), methods=[method.verb]) for method in METHODS),
        Route("/oauth/authorize", page(context, consent.ask), methods=["GET"]),
        Route("/oauth/authorize", page(context, consent.decide), methods=["POST"]),
    ]


def api(frame: Frame, method: Method) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a method."""

    async def endpoint(request: Request) -> Response:
        return await frame.answer(method, request)

    return endpoint


def page(
    context: WebContext, handler: Callable[[Visitor], Awaitable[Response]]
) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of a page that is handed the visitor; a refusal is told on a page."""

    async def endpoint(request: Request) -> Response:
        guest = stranger(request, context)
        try:
            guest = await visitor(request, context)
            return await handler(guest)
        except PublicError as error:
            heading, status = guest.say("This cannot be done"), status_of(error)
            values = {"heading": heading, "lines": [guest.say(error.public)]}
            response = guest.page("error.html", heading, values, status=status)
            response.headers.update(headers_of(status))
            return response

    return endpoint
