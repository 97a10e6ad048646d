"""The files of `static/`, which a browser may keep for ever when its address names their content."""

from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles as Files
from starlette.types import Receive, Scope, Send

from web.middleware import KEPT_FOR_EVER
from web.rendering import STATIC

PARTS = (b"range", b"if-range")
KEPT_FOR_AN_HOUR = "public, max-age=3600"


class StaticFiles(Files):
    """Starlette's, with a word on how long a file may be kept; small as they are, they are given whole."""

    def __init__(self, directory: Path = STATIC) -> None:
        """Serve one directory."""
        super().__init__(directory=directory)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer as if no part had been asked for, which everybody may (RFC 9110 §14.2; S-608)."""
        headers = [(name, value) for name, value in scope["headers"] if name not in PARTS]
        await super().__call__({**scope, "headers": headers}, receive, send)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file; nothing in it is about anybody."""
        response = await super().get_response(path, scope)
        response.headers["Accept-Ranges"] = "none"
        named = b"v=" in scope["query_string"]
        response.headers["Cache-Control"] = KEPT_FOR_EVER if named else KEPT_FOR_AN_HOUR
        return response
