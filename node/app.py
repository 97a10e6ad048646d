"""The one application: what answers other servers, people and their apps, and the background loops beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, cast

from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send

from activitypub import endpoints
from activitypub.inbox import finish_stragglers
from node import health
from node.faces import Faces, join_faces
from node.hosts import OwnHost
from node.proxies import UnnamedProxy
from node.wiring import Node
from node.worker import Worker
from web import routes as faces_for_people
from web.cors import CrossOrigin
from web.middleware import SecurityHeaders

STRAGGLERS_SECONDS: Final = 3.0
"""How long the end of the process waits for activities that wait for other servers; they are kept, and come again."""
NOT_FOUND: Final = 404
SLASHED: Final = ("/api/", "/oauth/", "/nodeinfo/", "/.well-known/")
Lifespan = Callable[[Starlette], AbstractAsyncContextManager[None]]


def create_app(node: Node, *, jobs: bool = True) -> ASGIApp:
    """Return the application of a node; with `jobs` its background loops run as long as it does."""
    faces = join_faces(node)
    handlers = faces_for_people.exception_handlers(faces.web)
    app = Starlette(
        routes=[
            *health.routes(node),
            *endpoints.routes(faces.federation),
            *faces_for_people.routes(faces.web),
        ],
        exception_handlers=cast(Any, dict(handlers)),
        lifespan=_lifespan(node, faces, jobs=jobs),
    )
    # What does not exist is said to be so: an inbox with another spelling is no second way in (S-121).
    app.router.redirect_slashes = False
    base_url, development = node.settings.base_url, node.settings.development
    faces_outwards = CrossOrigin(TrailingSlash(UnnamedProxy(app)))
    at_home = OwnHost(faces_outwards, base_url, development=development, answer=handlers[NOT_FOUND])
    return SecurityHeaders(at_home, https=base_url.startswith("https:"))


class TrailingSlash:
    """ASGI middleware that takes `/api/v1/instance/` for `/api/v1/instance`, as some apps ask."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, without the slash at the end of an address for apps."""
        if scope["type"] == "http" and scope["path"].startswith(SLASHED) and scope["path"].endswith("/"):
            scope = {**scope, "path": scope["path"].rstrip("/")}
        await self._app(scope, receive, send)


def _lifespan(node: Node, faces: Faces, *, jobs: bool) -> Lifespan:
    @asynccontextmanager
    async def alive(_: Starlette) -> AsyncIterator[None]:
        worker = Worker(node, faces)
        if jobs:
            worker.start()
        try:
            yield
        finally:
            await worker.stop()
            await end_faces(faces)
            node.close()

    return alive


async def end_faces(faces: Faces) -> None:
    """Give what waits for other servers a moment, then close the connections to them."""
    try:
        async with asyncio.timeout(STRAGGLERS_SECONDS):
            await finish_stragglers(faces.federation)
    except TimeoutError:
        for task in tuple(faces.federation.stragglers):
            task.cancel()
    await faces.close()
