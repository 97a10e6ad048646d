"""Who asks for a page: signed in or not, under which name, in which language; and the answer, framed for them."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from re import compile as pattern
from secrets import token_urlsafe
from typing import Any
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from groups.people import cards
from groups.views import ANYONE, ActorCard, Viewer
from privacy.accounts import personas_of
from privacy.errors import DatabaseUnavailable
from privacy.unit_of_work import UnitOfWork
from web.context import WebContext
from web.forms import Form, make_token, read_form, read_upload
from web.rendering import Page, Self, choose_language, mark_for, render, words
from web.sessions import IDLE, Cookies, Visit, chosen_persona, extend_session, find_visit, needs_extending

SAFE_PATH = pattern(r"/(?:[A-Za-z0-9@_.~-][A-Za-z0-9@_.~/:-]*)?(?:\?[A-Za-z0-9@_.~/:%&=+,;*-]*)?")
MAX_PATH_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class Presence:
    """A visit with the names of its account."""

    visit: Visit
    personas: tuple[ActorCard, ...]
    me: ActorCard | None
    """The name in use; None while none is chosen of several."""


@dataclass(slots=True)
class Visitor:
    """Who asks for a page, and all that an answer to them needs."""

    request: Request
    context: WebContext
    cookies: Cookies
    language: str
    presence: Presence | None = None
    was_extended: bool = False
    _new_form_secret: str | None = field(default=None, repr=False)

    @property
    def me(self) -> ActorCard | None:
        """The name in use."""
        return None if self.presence is None else self.presence.me

    @property
    def viewer(self) -> Viewer:
        """The same for the domain."""
        return ANYONE if self.me is None else Viewer(self.me.id)

    @property
    def now(self) -> datetime:
        """The present moment."""
        return self.context.clock()

    @property
    def signed_in(self) -> bool:
        """Whether there is a visit at all, with or without a name in use."""
        return self.presence is not None

    def say(self, text: str) -> str:
        """Return a sentence in the visitor's language."""
        return words(self.language)(text)

    async def form(self) -> Form:
        """Return the form that was sent. Raises web.forms.FormRefused and web.parameters.TooManyBytes."""
        secret = self._form_secret()
        return await read_form(
            self.request, origin=self.context.uris.base_url, secret=secret.encode() if secret else None
        )

    async def upload(self, limit: int) -> tuple[Form, str, bytes]:
        """Return the form that was sent with a file, and the file's name and content; raises as `form` does."""
        secret = self._form_secret()
        return await read_upload(
            self.request, origin=self.context.uris.base_url, secret=secret.encode() if secret else None, limit=limit
        )

    def token(self) -> str:
        """Return a token for a form on the page; a stranger is given the cookie that belongs to it."""
        secret = self._form_secret()
        if secret is None:
            secret = self._new_form_secret = token_urlsafe(32)
        return make_token(secret.encode())

    def page(
        self,
        template: str,
        title: str,
        values: Mapping[str, Any],
        *,
        status: int = 200,
        section: str = "",
        notice: str = "",
        robots: str = "noindex, nofollow, noarchive",
    ) -> Response:
        """Return a page. Its title says what the page is for, never a group's or a person's name (privacy §10.8)."""
        frame = Page(
            title=title,
            site=self.context.federation.options.title,
            language=self.language,
            token=self.token,
            now=self.now,
            signed_in=self.signed_in,
            persona=None if self.me is None else self_of(self.me),
            section=section,
            notice=notice,
            robots=robots,
        )
        response = HTMLResponse(render(template, frame, values), status, headers={"Vary": "Accept, Cookie"})
        response.headers["Content-Language"] = self.language
        if self._new_form_secret is not None:
            self.cookies.put(response, self.cookies.form, self._new_form_secret, lasts=None)
        return self._refreshed(response)

    def go(self, path: str) -> Response:
        """Send the visitor on after something was done, by GET (RFC 9110 §15.4.4)."""
        return self._refreshed(RedirectResponse(path, 303))

    def to_sign_in(self) -> Response:
        """Send a stranger to sign in, and back here afterwards."""
        here = self.request.url.path + (f"?{self.request.url.query}" if self.request.url.query else "")
        return self.go(f"/sign-in?next={quote(here, safe='/')}" if self.request.method == "GET" else "/sign-in")

    def _form_secret(self) -> str | None:
        if self.presence is not None:
            return self.presence.visit.token
        return self._new_form_secret or self.cookies.read(self.request, self.cookies.form)

    def _refreshed(self, response: Response) -> Response:
        """Let the cookies live as long as the visit, when its end was put off; those of a shared device never last."""
        if self.was_extended and self.presence is not None and not self.presence.visit.is_shared:
            token = self.presence.visit.token
            self.cookies.put(response, self.cookies.session, token, lasts=IDLE)
            if self.presence.me is not None:
                self.cookies.choose(response, token, self.presence.me.id)
        return response


async def visitor(request: Request, context: WebContext) -> Visitor:
    """Return who asks; a visit that is in use has its end put off."""
    found = stranger(request, context)
    cookies = found.cookies
    token = cookies.read(request, cookies.session)
    if token is None:
        return found
    chosen = chosen_persona(token, cookies.read(request, cookies.persona))
    found.presence = await context.database.read(presence_of, token, chosen)
    if found.presence is not None and needs_extending(found.presence.visit, found.now):
        with suppress(DatabaseUnavailable):  # a full disk: what can be read is read, and the next page tries again
            await context.database.write(extend_session, token)
            found.was_extended = True
    return found


def stranger(request: Request, context: WebContext) -> Visitor:
    """Return whoever asks as somebody of whom nothing is known; asks no database, so it serves when that fails too."""
    cookies = Cookies(https=context.uris.base_url.startswith("https:"))
    language = choose_language(request.headers.get("accept-language"))
    return Visitor(request, context, cookies, language)


def presence_of(uow: UnitOfWork, token: str, chosen: int | None) -> Presence | None:
    """Return the visit of a session cookie with the names of its account; the chosen one only if it is one of them."""
    visit = find_visit(uow, token)
    if visit is None:
        return None
    ids = personas_of(uow, visit.account_id)
    faces = cards(uow, ids)
    mine = tuple(faces[persona_id] for persona_id in ids if persona_id in faces)
    if len(mine) == 1:
        return Presence(visit, mine, mine[0])
    return Presence(visit, mine, next((card for card in mine if card.id == chosen), None))


def self_of(card: ActorCard) -> Self:
    """Return the name in use as pages show it."""
    return Self(card.id, card.name, card.handle, mark_for(card.uri, card.name))


def safe_path(path: str, otherwise: str = "/") -> str:
    """Return a path of ours that somebody else named, or another one when it might lead off this site (S-709)."""
    fits = len(path) <= MAX_PATH_CHARACTERS and SAFE_PATH.fullmatch(path) and ".." not in path
    return path if fits and "//" not in path.partition("?")[0] else otherwise
