"""The frame around each page: who may ask, and how a refusal is told in words that help."""

from collections.abc import Awaitable, Callable, Sequence
from enum import Enum

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import Scope

from activitypub.documents import wants_activity
from privacy.accounts import looks_after_node
from privacy.errors import PublicError
from web.context import WebContext
from web.errors import headers_of, status_of
from web.visitors import Visitor, stranger, visitor

MISDIRECTED = 421
Handler = Callable[[Visitor], Awaitable[Response]]


class Needs(Enum):
    """What a page asks of who opens it."""

    NOBODY = "nobody"
    """Not even to know who asks: it works without a database."""
    NOTHING = "nothing"
    VISIT = "visit"
    """To be signed in, under any name or none yet."""
    NAME = "name"
    """To be signed in with a name in use."""
    ADMIN = "admin"
    """To be signed in to an account that looks after the node; for everybody else the page is not there."""


class PageRoute(Route):
    """A route for browsers: it leaves aside whoever asks for a document of the protocol, and if strict, for no HTML."""

    def __init__(
        self, path: str, endpoint: Callable[[Request], Awaitable[Response]], verb: str, *, strict: bool
    ) -> None:
        """Stand at a path, for one verb."""
        super().__init__(path, endpoint, methods=[verb])
        self._strict = strict

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match as any route does, if the answer may be HTML."""
        if scope["type"] == "http" and not wants_html(Request(scope).headers.get("accept", ""), strict=self._strict):
            return Match.NONE, {}
        if "\0" in scope["path"]:  # no address of ours, and PostgreSQL cannot be asked for it
            return Match.NONE, {}
        try:
            return super().matches(scope)
        except ValueError:  # more digits than Python reads as one number
            return Match.NONE, {}


def wants_html(accept: str, *, strict: bool) -> bool:
    """Tell whether an Accept field asks for a page rather than for a document of the protocol."""
    return not wants_activity(accept) and (not strict or "text/html" in accept)


class Pages:
    """What all pages of one process share, and the maker of their routes."""

    def __init__(self, context: WebContext) -> None:
        """Stand on the web's context."""
        self._context = context

    def route(
        self, path: str, handler: Handler, *, needs: Needs = Needs.NAME, verb: str = "GET", strict: bool = False
    ) -> PageRoute:
        """Return the route of a page whose handler is handed the visitor."""

        async def endpoint(request: Request) -> Response:
            asking = self.stranger(request)
            try:
                if needs is Needs.NOBODY:
                    return await handler(asking)
                asking = await visitor(request, self._context)
                if needs is Needs.ADMIN and not await is_admin(asking):
                    return not_found(asking)
                if needs is not Needs.NOTHING and not asking.signed_in:
                    return asking.to_sign_in()
                if needs is Needs.NAME and asking.me is None:
                    return asking.go("/settings/names")
                return await handler(asking)
            except PublicError as error:
                return refusal(asking, error)

        return PageRoute(path, endpoint, verb, strict=strict)

    def stranger(self, request: Request) -> Visitor:
        """Return whoever asks for something that no page answers."""
        return stranger(request, self._context)


async def is_admin(asking: Visitor) -> bool:
    """Tell whether a visitor looks after the node, under whichever name."""
    presence = asking.presence
    return presence is not None and await asking.context.database.read(looks_after_node, presence.visit.account_id)


def refusal(asking: Visitor, error: PublicError) -> Response:
    """Return the page that tells of an error; what is hidden and what never was look exactly the same."""
    status = status_of(error)
    if status == 404:
        return not_found(asking)
    return error_page(asking, status, [error.public])


def not_found(asking: Visitor) -> Response:
    """Return the page for what is not there, or not for this reader."""
    lines = [
        "The page does not exist, has ended, or is not for you to see. We do not say which, to protect the people who "
        "write here."
    ]
    if not asking.signed_in:
        lines.append("If it is from a group that you belong to, sign in first, then open the address again.")
    return error_page(asking, 404, lines)


def fault_page(asking: Visitor, status: int) -> Response:
    """Return the page for an address that nothing answers, or for a fault of ours."""
    if status == 404:
        return not_found(asking)
    if status == MISDIRECTED:
        return error_page(asking, status, ["This site does not answer under the name that was asked for."])
    line = "Nothing that you wrote is lost if you go back one page. Please try again in a minute."
    return error_page(asking, status, [line] if status >= 500 else [])


def error_page(asking: Visitor, status: int, lines: Sequence[str]) -> Response:
    """Return a page about an error, in words that say what to do next."""
    heading = HEADINGS.get(status, HEADINGS[500])
    values = {"heading": asking.say(heading), "lines": [asking.say(line) for line in lines]}
    response = asking.page("error.html", asking.say(heading), values, status=status)
    response.headers.update(headers_of(status))
    return response


HEADINGS = {
    400: "This could not be understood",
    401: "Please sign in",
    403: "This cannot be done",
    404: "Nothing to see here",
    405: "This cannot be done in this way",
    409: "This was done already",
    413: "That is too much at once",
    415: "This could not be understood",
    421: "This is not the address of this site",
    422: "Something needs another look",
    429: "Please wait a little",
    500: "Something went wrong here",
    503: "Please try again in a moment",
}
