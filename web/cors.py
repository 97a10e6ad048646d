"""Apps that run in a browser: whose pages may read our answers, which is anybody's for the API and nobody's for pages.

`/api` never looks at cookies, so that `*` gives nothing away (client API reference §5). Errors carry the fields too, so
this stands outside of everything that answers.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN_PATHS = ("/api/", "/.well-known/", "/nodeinfo/", "/static/avatar-", "/static/header.")
OPEN_ENDPOINTS = frozenset({"/oauth/token", "/oauth/revoke", "/oauth/userinfo", "/nodeinfo"})
VERBS = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS"
USUAL_FIELDS = "Authorization, Content-Type, Idempotency-Key"
TOLD = (
    "Link, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, X-Request-Id, Retry-After, Deprecation, "
    "Mastodon-Async-Refresh"
)
MAX_FIELDS_CHARACTERS = 1_000


class CrossOrigin:
    """ASGI middleware that lets pages of other origins use the client API."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand around the application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a preflight, or pass on and complete the head of the answer."""
        if scope["type"] != "http" or not is_open(scope["path"]):
            await self._app(scope, receive, send)
            return
        asked = Headers(scope=scope)
        if scope["method"] == "OPTIONS":
            await Response(status_code=204, headers=preflight(asked))(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(OPEN)
            await send(message)

        await self._app(scope, receive, send_with_headers)


OPEN = {
    "access-control-allow-origin": "*",
    "access-control-expose-headers": TOLD,
    "cross-origin-resource-policy": "cross-origin",
}


def is_open(path: str) -> bool:
    """Tell whether pages of other origins may use this path."""
    return path.startswith(OPEN_PATHS) or path.rstrip("/") in OPEN_ENDPOINTS


def preflight(asked: Headers) -> dict[str, str]:
    """Return the answer to a preflight: every verb, and whatever fields are asked for."""
    fields = asked.get("access-control-request-headers", "")
    return {
        **OPEN,
        "access-control-allow-methods": VERBS,
        "access-control-allow-headers": fields if 0 < len(fields) <= MAX_FIELDS_CHARACTERS else USUAL_FIELDS,
        "access-control-max-age": "86400",
    }
