"""Which browsers have signed in before, so that strangers who guess at a name cannot shut its owner out (S-801).

A browser that has signed in to an account with a password keeps a cookie for half a year (a device cookie, as OWASP
calls it). While a name is guessed at, its password is compared all the same when it is typed in such a browser: see
`web.attempts`.

The cookie signs nobody in, and nothing is stored about it. It holds its last day, random bytes, and a keyed hash of
these with the account and its password's hash, so that another password ends it, no two of one account look alike, and
none says which names one has; and a keyed hash of all that, since only this node makes them. There is one in a browser,
of whoever signed in last.

On a shared computer it must not tell whose it was. A visit that was begun as one on a shared device leaves none and
takes away what was there, as does "leave this site". Where somebody did not say so, it tells that some account signed
in, and no more: in any browser that has one, the password for a name that is guessed at is compared with something,
counted against the browser, and answered with the same refusal, whether the cookie is of that account or not. So trying
names tells nothing either; only the right password opens, and it would have told as much without the cookie.
"""

import hmac
import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from privacy.accounts import Credentials, account, find_for_sign_in
from privacy.unit_of_work import UnitOfWork

KNOWN_FOR: Final = timedelta(days=180)
DAY_BYTES: Final = 4
CHANCE_BYTES: Final = 16
MARK_BYTES: Final = 32
WITHOUT_SEAL: Final = DAY_BYTES + CHANCE_BYTES + MARK_BYTES


@dataclass(frozen=True, slots=True)
class Known:
    """A browser in which somebody of this node has signed in."""

    tag: bytes = field(repr=False)
    """By which its tries are counted, however its cookie is written."""
    credentials: Credentials | None
    """What a password for the name that was typed is compared with; None where that is not who signed in."""


def introduction(uow: UnitOfWork, account_id: int) -> str | None:
    """Return the cookie by which a browser is known that signs in now; none for an account without a password."""
    last_day = (uow.now + KNOWN_FOR).date().toordinal().to_bytes(DAY_BYTES)
    head = last_day + secrets.token_bytes(CHANCE_BYTES)
    mark = _mark(uow, head, credentials_of(uow, account_id))
    if mark is None:
        return None
    return urlsafe_b64encode(head + mark + _seal(uow, head + mark)).decode()


def recognise(uow: UnitOfWork, cookie: str, name: str) -> Known | None:
    """Return what is known of a browser in which a name is typed; nothing unless this node made its cookie."""
    try:
        written = urlsafe_b64decode(cookie)
    except ValueError:
        return None
    content, seal = written[:WITHOUT_SEAL], written[WITHOUT_SEAL:]
    if not hmac.compare_digest(seal, _seal(uow, content)):
        return None
    if int.from_bytes(content[:DAY_BYTES]) < uow.now.date().toordinal():
        return None
    found = find_for_sign_in(uow, name)
    mark = _mark(uow, content[:-MARK_BYTES], found)
    is_theirs = mark is not None and hmac.compare_digest(mark, content[-MARK_BYTES:])
    return Known(content, found if is_theirs else None)


def credentials_of(uow: UnitOfWork, account_id: int) -> Credentials | None:
    """Return what the password of an account is compared with."""
    found = account(uow, account_id)
    return None if found is None else find_for_sign_in(uow, found.name)


def _mark(uow: UnitOfWork, head: bytes, found: Credentials | None) -> bytes | None:
    if found is None or found.password_hash is None:
        return None
    return uow.vault.mac("browser", head, str(found.account_id).encode(), found.password_hash.encode())


def _seal(uow: UnitOfWork, content: bytes) -> bytes:
    return uow.vault.mac("browsers", content)
