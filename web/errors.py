"""Which status an error of ours is told with: the one table for pages and client API.

404  groups NotFound                        not there, or not for this reader: never told apart
403  groups NotAllowed, FormRefused         may be known, may not be done
409  groups Conflict, LastOwner, RuleRefused  something else came first, or must come first
422  groups Invalid, NameTaken              what was sent cannot be used
429  TooManyTries                           wait
503  DatabaseUnavailable, ClockImplausible  nothing was done: come again, `headers_of` says when
"""

from collections.abc import Mapping

from activitypub.errors import RuleRefused
from groups.errors import Conflict, Invalid, NotAllowed, NotFound
from privacy.errors import (
    ClockImplausible,
    ConsentRequired,
    DatabaseUnavailable,
    KeyShredded,
    LastOwner,
    NameTaken,
    PublicError,
    SignInRefused,
)
from web.attempts import TooManyTries
from web.forms import FormRefused
from web.parameters import BadParameters, TooManyBytes, UnknownForm

STATUSES: Mapping[type[PublicError], int] = {
    NotFound: 404,
    NotAllowed: 403,
    Conflict: 409,
    RuleRefused: 409,
    Invalid: 422,
    KeyShredded: 404,
    ConsentRequired: 403,
    SignInRefused: 401,
    NameTaken: 422,
    LastOwner: 409,
    ClockImplausible: 503,
    DatabaseUnavailable: 503,
    FormRefused: 403,
    TooManyTries: 429,
    BadParameters: 400,
    TooManyBytes: 413,
    UnknownForm: 415,
}
UNEXPECTED = 500
UNAVAILABLE = 503
RETRY_SECONDS = "60"


def status_of(error: PublicError) -> int:
    """Return the status of an error: that of its own class, or of the nearest one above it in the table."""
    for kind in type(error).__mro__:
        if kind in STATUSES:
            return STATUSES[kind]
    return UNEXPECTED


def headers_of(status: int) -> dict[str, str]:
    """Return the field that goes with a status: when to come again (RFC 9110 §10.2.3)."""
    return {"retry-after": RETRY_SECONDS} if status == UNAVAILABLE else {}
