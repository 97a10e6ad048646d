"""The real application in process, and an app that talks to it, for the tests of the client API."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from activitypub.context import FederationContext, FederationOptions
from activitypub.egress import Egress, EgressOptions
from activitypub.keystore import KeyStore
from activitypub.peers import PeerPolicy
from activitypub.ports import InboxRoutes
from activitypub.uris import Uris
from groups.content import sanitize
from node.database import ThreadedDatabase
from tests.clock import MovableClock
from web.attempts import Attempts
from web.context import WebContext, WebOptions
from web.cors import CrossOrigin
from web.mastodon.routes import routes
from web.middleware import SecurityHeaders
from web.tokens import NewToken, make_token

ALL = ("read", "write", "follow", "push")


def make_context(database: ThreadedDatabase, uris: Uris, clock: MovableClock, mode: str = "off") -> WebContext:
    """Put the context of the faces together as a node does; nothing here reaches the network."""
    pool = ThreadPoolExecutor(2)
    federation = FederationContext(
        database=database,
        vault=database.vault,
        egress=Egress(EgressOptions("Kinfold tests"), is_refused=lambda _: mode == "off", clock=clock),
        uris=uris,
        routes=InboxRoutes({}, lambda note, _: note),
        audiences={},
        publications=None,  # type: ignore[arg-type]  # no test of this face asks for documents of the protocol
        keys=KeyStore(database, clock),
        peers=PeerPolicy(mode),
        sanitize=sanitize,
        options=FederationOptions(title="A test node", description="For tests", version="0.1.0"),
        clock=clock,
        pool=pool,
    )
    attempts = Attempts(lambda: clock().timestamp())  # tries are forgotten when the test lets time pass
    return WebContext(database, database.vault, uris, federation, WebOptions(), clock, pool, attempts)


def make_app(context: WebContext) -> Starlette:
    """Return the application as browsers and apps meet it, with one page that is not for them."""
    plain = Route("/elsewhere", lambda _: PlainTextResponse("a page"))
    middleware = [Middleware(SecurityHeaders, https=True), Middleware(CrossOrigin)]
    return Starlette(routes=[*routes(context), plain], middleware=middleware)


@dataclass
class AppClient:
    """An app with a token, or without one."""

    app: Starlette
    token: str | None = None
    base: str = "https://kin.example"
    headers: dict[str, str] = field(default_factory=dict)

    async def ask(self, verb: str, path: str, **sent: Any) -> httpx.Response:
        """Send one request."""
        headers = {**({"authorization": f"Bearer {self.token}"} if self.token else {}), **self.headers}
        headers |= sent.pop("headers", {})
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=self.app), base_url=self.base) as client:
            return await client.request(verb, path, headers=headers, **sent)

    async def get(self, path: str, **sent: Any) -> httpx.Response:
        """Send a GET."""
        return await self.ask("GET", path, **sent)

    async def post(self, path: str, **sent: Any) -> httpx.Response:
        """Send a POST."""
        return await self.ask("POST", path, **sent)

    async def told(self, verb: str, path: str, **sent: Any) -> Any:
        """Send a request that succeeds, and return what it answers."""
        answer = await self.ask(verb, path, **sent)
        assert answer.status_code == 200, f"{verb} {path}: {answer.status_code} {answer.text}"
        return answer.json()


@dataclass
class World:
    """A node with its database, and apps for its people."""

    database: ThreadedDatabase
    uris: Uris
    clock: MovableClock
    app: Starlette

    def client(self, actor_id: int | None, scopes: Sequence[str] = ALL, acting_id: int | None = None) -> AppClient:
        """Return an app that acts for somebody."""
        token = self.database.write_now(make_token, NewToken(actor_id, scopes, acting_id))
        return AppClient(self.app, token)

    @property
    def anyone(self) -> AppClient:
        """An app without a token."""
        return AppClient(self.app)
