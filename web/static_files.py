"""The files of `static/`, which a browser may keep for ever when its address names their content."""

from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles as Files
from starlette.types import Scope

from web.middleware import KEPT_FOR_EVER
from web.rendering import STATIC

KEPT_FOR_AN_HOUR = "public, max-age=3600"


class StaticFiles(Files):
    """Starlette's, with a word on how long a file may be kept."""

    def __init__(self, directory: Path = STATIC) -> None:
        """Serve one directory."""
        super().__init__(directory=directory)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Answer with a file; nothing in it is about anybody."""
        response = await super().get_response(path, scope)
        named = b"v=" in scope["query_string"]
        response.headers["Cache-Control"] = KEPT_FOR_EVER if named else KEPT_FOR_AN_HOUR
        return response
