"""How an app comes to a token: the authorization code with PKCE, and the app by itself (RFC 6749 §4.1, §4.4; RFC 7636).

Why this is written here and not taken from a library stands in docs/decisions/oauth.md. A refusal is returned, not
raised: what it changes (a code that comes twice ends the token that it gave) must be kept.
"""

import hashlib
import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from groups.people import hold_actor
from privacy.unit_of_work import UnitOfWork, table_of
from web.applications import Application, authenticate, mark_used
from web.models import AuthorizationCode
from web.scopes import grantable, is_within
from web.tokens import TOKENS, NewToken, hash_of, make_token, may_speak, revoke_token

CODES = table_of(AuthorizationCode)
CODE_PREFIX = "kfc_"
CODE_LIFE = timedelta(minutes=10)
CODE_MEMORY = timedelta(days=1)
"""How long a used code is remembered, so that its second use is known for what it is."""
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@dataclass(frozen=True, slots=True)
class Refusal:
    """An OAuth error (RFC 6749 §5.2)."""

    error: str
    description: str
    status: int = 400


@dataclass(frozen=True, slots=True)
class Issued:
    """A token that was made."""

    token: str
    scopes: tuple[str, ...]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """What a person agreed to: this app, this one actor, these scopes."""

    application: Application
    actor_id: int
    acting_id: int | None
    """The persona that looks after the group when `actor_id` is a group."""
    scopes: tuple[str, ...]
    redirect_uri: str
    code_challenge: str | None


@dataclass(frozen=True, slots=True)
class Client:
    """The credentials that an app shows."""

    client_id: str
    secret: str | None


@dataclass(frozen=True, slots=True)
class CodeRequest:
    """What an app sends to change its code for a token."""

    client: Client
    code: str
    redirect_uri: str
    verifier: str | None


BAD_CLIENT = Refusal("invalid_client", "The client is unknown, or did not show the right secret.", 401)
BAD_CODE = Refusal("invalid_grant", "The code is wrong, has been used, has ended, or belongs to another request.")
BAD_SCOPE = Refusal("invalid_scope", "A scope was asked for that the app did not register.")


def scopes_for(application: Application, wanted: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return what a consent may cover: the scopes asked, within those of the app (S-811); None when they are not."""
    granted = grantable(wanted)
    return granted if granted and is_within(wanted, application.scopes) else None


def grant_code(uow: UnitOfWork, grant: Grant) -> str:
    """Make a code for what a person agreed to, and return it; only its hash is kept. Raises NotAllowed."""
    hold_actor(uow, grant.acting_id or grant.actor_id)
    uow.connection.execute(delete(CODES).where(CODES.c.expires_at < uow.now - CODE_MEMORY))
    code = CODE_PREFIX + secrets.token_urlsafe(32)
    uow.connection.execute(
        insert(CODES).values(
            code_hash=hash_of(code),
            application_id=grant.application.id,
            actor_id=grant.actor_id,
            acting_id=grant.acting_id,
            scopes=" ".join(grant.scopes),
            redirect_uri=grant.redirect_uri,
            code_challenge=grant.code_challenge,
            expires_at=uow.now + CODE_LIFE,
            used_for=None,
        )
    )
    return code


def exchange_code(uow: UnitOfWork, request: CodeRequest) -> Issued | Refusal:
    """Change a code for a token, once; a second time ends the token that the first one gave (S-809)."""
    application = authenticate(uow, request.client.client_id, request.client.secret)
    if application is None:
        return BAD_CLIENT
    row = uow.connection.execute(
        select(CODES).where(CODES.c.code_hash == hash_of(request.code)).with_for_update()
    ).first()
    if row is None or row.application_id != application.id:
        return BAD_CODE
    if row.used_for is not None:
        revoke_token(uow, row.used_for)
        return BAD_CODE
    if (
        row.expires_at <= uow.now
        or row.redirect_uri != request.redirect_uri
        or not _is_verified(row, application, request)
    ):
        return BAD_CODE
    if not may_speak(uow, row.actor_id, row.acting_id):
        return BAD_CODE
    new = NewToken(row.actor_id, row.scopes.split(), row.acting_id, application.id)
    token = make_token(uow, new)
    uow.connection.execute(update(CODES).where(CODES.c.code_hash == row.code_hash).values(used_for=hash_of(token)))
    mark_used(uow, application.id)
    return Issued(token, tuple(new.scopes), uow.now)


def grant_to_application(uow: UnitOfWork, client: Client, wanted: tuple[str, ...]) -> Issued | Refusal:
    """Give an app a token that acts for nobody (client credentials); only one with a secret can ask (RFC 6749 §4.4)."""
    application = authenticate(uow, client.client_id, client.secret)
    if application is None or client.secret is None:
        return BAD_CLIENT
    scopes = scopes_for(application, wanted)
    if scopes is None:
        return BAD_SCOPE
    token = make_token(uow, NewToken(None, scopes, None, application.id))
    mark_used(uow, application.id)
    return Issued(token, scopes, uow.now)


def revoke(uow: UnitOfWork, client: Client, token: str) -> Refusal | None:
    """End a token of this app (RFC 7009); one that is not there is no error, one of another app is."""
    application = authenticate(uow, client.client_id, client.secret)
    if application is None:
        return BAD_CLIENT
    owner: int | None = uow.connection.execute(
        select(TOKENS.c.application_id).where(TOKENS.c.token_hash == hash_of(token))
    ).scalar()
    if owner is not None and owner != application.id:
        return Refusal("unauthorized_client", "This token was given to another app.", 403)
    revoke_token(uow, hash_of(token))
    return None


def challenge_of(verifier: str) -> str:
    """Return the S256 challenge of a verifier (RFC 7636 §4.2)."""
    return urlsafe_b64encode(hashlib.sha256(verifier.encode("ascii")).digest()).rstrip(b"=").decode()


def _is_verified(row: Row[Any], application: Application, request: CodeRequest) -> bool:
    """Tell whether the verifier is the one that the challenge asks for, or that none is wanted (RFC 7636 §4.6)."""
    if row.code_challenge is None:
        return application.confidential and request.verifier is None
    if request.verifier is None or not VERIFIER.fullmatch(request.verifier):
        return False
    return hmac.compare_digest(challenge_of(request.verifier), row.code_challenge)
