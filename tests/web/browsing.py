"""Browsers without scripts, in process: the faces of a node on a real database, and people who use them by hand."""

import asyncio
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from starlette.applications import Starlette
from starlette.types import ASGIApp

from activitypub.uris import Uris
from groups.places import membership_of
from node.database import ThreadedDatabase
from privacy import accounts
from privacy.unit_of_work import UnitOfWork
from tests.clock import MovableClock
from tests.factories import make_persona
from tests.interop.browser import Form, Page
from tests.web.app_client import make_context
from web.attempts import Attempts
from web.middleware import SecurityHeaders
from web.routes import exception_handlers, routes
from web.sessions import new_session_token, open_session

MOST_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class Place:
    """A node's faces, in process."""

    app: ASGIApp
    database: ThreadedDatabase
    uris: Uris
    clock: MovableClock
    attempts: Attempts

    def do(self, deed: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a deed of the test itself."""
        return self.database.write_now(deed, *args, **kwargs)

    def member(self, handle: str) -> int:
        """Make an account with a persona, and return the persona's id."""
        return int(self.do(make_persona, self.uris, handle))

    def state_in(self, group: int, actor: int) -> str | None:
        """Return what place somebody has in a group, if any."""
        found = self.database.read_now(membership_of, group, actor)
        return None if found is None else found.state

    def browser(self, address: str = "192.0.2.1") -> "Browser":
        """Open a browser in which nobody is signed in, at some network address."""
        return Browser(self, address)

    def signed_in(self, handle: str) -> "Browser":
        """Open a browser in which the account of this name is signed in."""
        browser, token = Browser(self), new_session_token(self.clock(), shared=False)
        self.do(open_session_of, handle, token)
        browser.cookies["__Host-kinfold"] = token
        return browser


def open_session_of(uow: UnitOfWork, name: str, token: str) -> None:
    """Sign the account of a name in."""
    account = accounts.account_named(uow, name)
    assert account is not None
    open_session(uow, account.id, token)


class Browser:
    """One browser: cookies, and the headers that browsers send."""

    def __init__(self, place: Place, address: str = "192.0.2.1") -> None:
        self.place = place
        self.address = address
        self.cookies: dict[str, str] = {}

    @property
    def base(self) -> str:
        """The origin of the node."""
        return self.place.uris.base_url

    def request(self, verb: str, path: str, **options: Any) -> httpx.Response:
        """Send one request and follow nothing."""
        return asyncio.run(self._send(verb, path, **options))

    def visit(self, path: str) -> Page:
        """Open an address of the node, as from the address bar."""
        return self._follow(self.request("GET", path, headers={"Sec-Fetch-Site": "none"}))

    def submit(self, page: Page, form: Form, button: str | None = None, headers: dict[str, str] | None = None) -> Page:
        """Press a button of a form on a page."""
        return self._follow(self.send_form(page, form, button, headers))

    def send_form(
        self, page: Page, form: Form, button: str | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """Press a button of a form on a page, and follow nothing; `headers` replace what a browser says of itself."""
        pressed = form.button(button)
        fields = {name: sent[-1] for name, sent in form.values.items() if sent}
        if pressed.name:
            fields[pressed.name] = pressed.value
        honest = {"Origin": self.base, "Referer": page.url, "Sec-Fetch-Site": "same-origin"}
        return self.request("POST", form.action, data=fields, headers=honest if headers is None else headers)

    async def _send(self, verb: str, path: str, **options: Any) -> httpx.Response:
        client = (self.address, 50_000)
        transport = httpx.ASGITransport(app=self.place.app, raise_app_exceptions=False, client=client)
        headers = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", **options.pop("headers", {})}
        async with httpx.AsyncClient(transport=transport, base_url=self.base, cookies=self.cookies) as sender:
            answer = await sender.request(verb, path, headers=headers, **options)
        for header in answer.headers.get_list("set-cookie"):
            name, _, rest = header.partition("=")
            value = rest.partition(";")[0].strip('"')
            self.cookies.pop(name, None)
            if value and "max-age=0" not in header.lower():
                self.cookies[name] = value
        return answer

    def _follow(self, answer: httpx.Response) -> Page:
        for _ in range(MOST_REDIRECTS):
            if not answer.has_redirect_location:
                return Page(answer)
            target = urlsplit(answer.headers["location"])
            if target.netloc and target.netloc != self.place.uris.domain:
                return Page(answer)
            answer = self.request("GET", answer.headers["location"])
        raise AssertionError(f"more than {MOST_REDIRECTS} redirects, last to {answer.url}")


def faces(database: ThreadedDatabase, uris: Uris, clock: MovableClock, mode: str = "off") -> Place:
    """Put the faces of a node together over a database; nothing here reaches the network."""
    context = make_context(database, uris, clock, mode)
    handlers: Any = dict(exception_handlers(context))
    app = Starlette(routes=routes(context), exception_handlers=handlers)
    return Place(
        SecurityHeaders(app, https=uris.base_url.startswith("https:")), database, uris, clock, context.attempts
    )
