"""Who is signed in with a browser: an unguessable cookie, its hash in the database, and the name in use beside it.

The row knows the account and no persona (product decision 12). Which name is in use stands in a cookie of its own, tied
to the visit, and is checked against the account's names on each request.
"""

import hmac
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from sqlalchemy import delete, insert, select, update
from starlette.requests import Request
from starlette.responses import Response

from privacy.clock import first_moment_of
from privacy.unit_of_work import UnitOfWork, table_of
from web.browsers import KNOWN_FOR
from web.models import AuthorizationCode, Session
from web.tokens import revoke_tokens_of

SESSIONS, CODES = table_of(Session), table_of(AuthorizationCode)
IDLE = timedelta(days=30)
IDLE_ON_SHARED_DEVICE = timedelta(minutes=15)
FRESH = timedelta(minutes=10)
"""How long after signing in one's names may be shown without the password."""
OWN_MARK, SHARED_MARK = "o", "s"
MAX_COOKIE_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Visit:
    """A browser that is signed in."""

    account_id: int
    token: str
    expires_at: datetime

    @property
    def began_at(self) -> datetime:
        """When the browser was signed in: the cookie says so, and the database does not."""
        return datetime.fromtimestamp(int(self.token[1:].partition(".")[0]), UTC)

    @property
    def is_shared(self) -> bool:
        """Whether somebody else uses the device too."""
        return is_shared(self.token)


@dataclass(frozen=True, slots=True)
class Cookies:
    """The cookies of this node; on https their names bind them to this very host (RFC 6265bis §4.1.3)."""

    https: bool

    @property
    def session(self) -> str:
        """The name of the cookie that signs in."""
        return self._name("kinfold")

    @property
    def persona(self) -> str:
        """The name of the cookie that says which name is in use."""
        return self._name("kinfold-name")

    @property
    def form(self) -> str:
        """The name of the cookie from which the forms of strangers get their tokens."""
        return self._name("kinfold-form")

    @property
    def browser(self) -> str:
        """The name of the cookie of a browser in which somebody has signed in (`web.browsers`)."""
        return self._name("kinfold-browser")

    def read(self, request: Request, name: str) -> str | None:
        """Return a cookie of ours, unless it is absent or cannot be one."""
        value = request.cookies.get(name)
        return value if value and len(value) <= MAX_COOKIE_CHARACTERS else None

    def put(self, response: Response, name: str, value: str, *, lasts: timedelta | None) -> None:
        """Set a cookie; without a span it ends with the browser."""
        response.set_cookie(
            name,
            value,
            max_age=None if lasts is None else int(lasts.total_seconds()),
            path="/",
            secure=self.https,
            httponly=True,
            samesite="lax",
        )

    def sign_in(
        self, response: Response, token: str, persona_id: int | None = None, known_by: str | None = None
    ) -> None:
        """Give the browser its new session with the name in use, and take away what belonged to another.

        `known_by` is the cookie of a browser that signed in; a shared device keeps none.
        """
        self.put(response, self.session, token, lasts=None if is_shared(token) else IDLE)
        self.drop(response, self.form)
        if known_by is None or is_shared(token):
            self.drop(response, self.browser)
        else:
            self.put(response, self.browser, known_by, lasts=KNOWN_FOR)
        if persona_id is None:
            self.drop(response, self.persona)
        else:
            self.choose(response, token, persona_id)

    def choose(self, response: Response, token: str, persona_id: int) -> None:
        """Note the name in use, signed for this visit."""
        lasts = None if is_shared(token) else IDLE
        self.put(response, self.persona, sign_choice(token, persona_id), lasts=lasts)

    def drop(self, response: Response, *names: str) -> None:
        """Take cookies away."""
        for name in names:
            response.delete_cookie(name, path="/", secure=self.https, httponly=True, samesite="lax")

    def drop_visit(self, response: Response) -> None:
        """Take away the cookies of a visit."""
        self.drop(response, self.session, self.persona, self.form)

    def drop_all(self, response: Response) -> None:
        """Take every cookie of ours away."""
        self.drop(response, self.session, self.persona, self.form, self.browser)

    def _name(self, plain: str) -> str:
        return f"__Host-{plain}" if self.https else plain


def new_session_token(now: datetime, *, shared: bool) -> str:
    """Return a new session cookie: a sign that says whether the device is shared, the second of now, 256 random bits.

    It is hashed as a whole, so nobody can make a visit younger than it is.
    """
    return f"{SHARED_MARK if shared else OWN_MARK}{int(now.timestamp())}.{secrets.token_urlsafe(32)}"


def is_shared(token: str) -> bool:
    """Tell whether a session is one of a shared device; the sign is part of what is hashed, so it cannot be changed."""
    return token.startswith(SHARED_MARK)


def idle_span(token: str) -> timedelta:
    """Return how long a session lives without use."""
    return IDLE_ON_SHARED_DEVICE if is_shared(token) else IDLE


def end_of(token: str, now: datetime) -> datetime:
    """Return when a session ends that is used now, cut to the day, or to the minute on a shared device.

    To the millisecond it would tell what the account's owner did at that moment under one of their names.
    """
    end = now + idle_span(token)
    return end.replace(second=0, microsecond=0) if is_shared(token) else first_moment_of(end)


def hash_of(token: str) -> bytes:
    """Return what is stored of a session cookie; 256 random bits need no slow hash."""
    return sha256(token.encode()).digest()


def sign_choice(token: str, persona_id: int) -> str:
    """Return the value of the cookie that says which name is in use, worthless in any other visit."""
    tag = hmac.digest(token.encode(), b"persona\0%d" % persona_id, "sha256").hex()
    return f"{persona_id}.{tag}"


def chosen_persona(token: str, value: str | None) -> int | None:
    """Return the name that the cookie says is in use, if this visit signed it."""
    number = (value or "").partition(".")[0]
    if not number.isascii() or not number.isdecimal():
        return None
    # As bytes: text that is not ASCII, which a browser may send, cannot be compared in constant time.
    signed = sign_choice(token, int(number)).encode()
    return int(number) if hmac.compare_digest(signed, (value or "").encode()) else None


def open_session(uow: UnitOfWork, account_id: int, token: str) -> None:
    """Sign a browser in; sessions that have ended go by the way."""
    uow.connection.execute(delete(SESSIONS).where(SESSIONS.c.expires_at <= uow.now))
    row = {
        "token_hash": hash_of(token),
        "account_id": account_id,
        "expires_at": end_of(token, uow.now),
    }
    uow.connection.execute(insert(SESSIONS).values(row))


def find_visit(uow: UnitOfWork, token: str) -> Visit | None:
    """Return the visit of a session cookie, unless it has ended or never was."""
    query = select(SESSIONS).where(SESSIONS.c.token_hash == hash_of(token), SESSIONS.c.expires_at > uow.now)
    row = uow.connection.execute(query).first()
    return None if row is None else Visit(row.account_id, token, row.expires_at)


def needs_extending(visit: Visit, now: datetime) -> bool:
    """Tell whether the end of a visit is to be put off: not at each page, or reading would mean writing."""
    return visit.expires_at - now < idle_span(visit.token) * 0.9


def extend_session(uow: UnitOfWork, token: str) -> None:
    """Put the end of a visit off, as it is in use."""
    uow.connection.execute(
        update(SESSIONS)
        .where(SESSIONS.c.token_hash == hash_of(token), SESSIONS.c.expires_at > uow.now)
        .values(expires_at=end_of(token, uow.now))
    )


def close_session(uow: UnitOfWork, token: str) -> None:
    """Sign a browser out; a session that is not there any more is no error."""
    uow.connection.execute(delete(SESSIONS).where(SESSIONS.c.token_hash == hash_of(token)))


def close_everything(uow: UnitOfWork, account_id: int, persona_ids: Iterable[int]) -> None:
    """End every session of an account and every app's access to its personas, as a new password asks for (S-804)."""
    uow.connection.execute(delete(SESSIONS).where(SESSIONS.c.account_id == account_id))
    for persona_id in persona_ids:
        revoke_tokens_of(uow, persona_id)
        # A code that an app has not come for yet would give it a token after all.
        theirs = (CODES.c.actor_id == persona_id) | (CODES.c.acting_id == persona_id)
        uow.connection.execute(delete(CODES).where(theirs))
