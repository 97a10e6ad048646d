"""Answers only under the node's own name: whatever else a request asks for is another site's (S-609, RFC 9110 §7.4)."""

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from activitypub.signatures.messages import authority_of, normal_authority
from node.settings import is_loopback

ANYWHERE = ("/health/live", "/health/ready")
"""Asked by whoever looks after the node, at its address on the inner network."""
PORT = re.compile(r":[0-9]{1,5}\Z")
NOT_SPOKEN = 1003
"""RFC 6455 §7.4.1; before the handshake is answered the server makes a 403 of it."""
SENTENCE = "This server is not the one that was asked for."


class OwnHost:
    """ASGI middleware that lets in what is asked of this very host; in development also what comes by loopback."""

    def __init__(
        self,
        app: ASGIApp,
        base_url: str,
        *,
        development: bool,
        answer: Callable[[Request, Exception], Awaitable[Response]],
    ) -> None:
        """Stand before an application; `answer` tells everybody else in the form that they read."""
        self._app, self._base_url, self._development, self._answer = app, base_url, development, answer
        self._own = authority_of(base_url)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse; this node has nothing to say but over HTTP."""
        if scope["type"] == "lifespan" or (scope["type"] == "http" and self._is_let_in(scope)):
            await self._app(scope, receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": NOT_SPOKEN})
            return
        if scope["type"] != "http":
            raise RuntimeError(f"{scope['type']} is not spoken here")
        response = await self._answer(Request(scope), HTTPException(HTTPStatus.MISDIRECTED_REQUEST, SENTENCE))
        await response(scope, receive, send)

    def _is_let_in(self, scope: Scope) -> bool:
        hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
        return hosts == [self._own] or scope["path"] in ANYWHERE or self._is_ours(hosts)

    def _is_ours(self, hosts: list[str]) -> bool:
        """Tell whether a request names this host, and no other beside it."""
        if len(hosts) != 1:
            return False
        if normal_authority(hosts[0], self._base_url) == self._own:
            return True
        return self._development and is_loopback(PORT.sub("", hosts[0]))
