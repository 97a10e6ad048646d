"""Access tokens: made once, kept as hashes, and each bound to one actor (S-822, S-824, S-908)."""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import delete, insert, select

from groups import people, places
from privacy import personas
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of
from web.models import AccessToken, IdempotencyKey, OAuthApplication

APPLICATIONS, KEYS, TOKENS = table_of(OAuthApplication), table_of(IdempotencyKey), table_of(AccessToken)
TOKEN_PREFIX = "kft_"  # noqa: S105 - the beginning of every token, not one
"""Begins every access token, so that one which leaks is known for what it is."""
COMMAND_LINE_CLIENT = "kinfold-command-line"
NO_SECRET = b""


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who shows a token: an app, and the one actor that it may act for."""

    token_id: int
    application_id: int
    actor_id: int | None
    """Null for an app that acts for nobody."""
    acting_id: int | None
    """The persona that looks after the group when `actor_id` is a group."""
    scopes: tuple[str, ...]

    @property
    def persona_id(self) -> int | None:
        """The persona whose acts these are: the actor itself, or whoever acts as the group."""
        return self.acting_id or self.actor_id


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token to be made; without an application it is one of the command line's."""

    actor_id: int | None
    scopes: Sequence[str]
    acting_id: int | None = None
    application_id: int | None = None


def hash_of(secret: str) -> bytes:
    """Return what is stored of a secret of 256 random bits; such a one needs no slow hash."""
    return hashlib.sha256(secret.encode()).digest()


def make_token(uow: UnitOfWork, new: NewToken) -> str:
    """Make an access token and return it; this is the only moment at which it can be read.

    For a group, `actor_id` is the group and `acting_id` the persona that looks after it. The caller has checked that
    the account may act as both. Raises groups.errors.NotAllowed for a persona that ends at this very moment.
    """
    for actor_id in filter(None, (new.acting_id, new.actor_id)):
        people.hold_actor(uow, actor_id)
    token = TOKEN_PREFIX + secrets.token_urlsafe(32)
    application_id = _command_line(uow) if new.application_id is None else new.application_id
    uow.connection.execute(
        insert(TOKENS).values(
            token_hash=hash_of(token),
            id=new_id(),
            application_id=application_id,
            actor_id=new.actor_id,
            acting_id=new.acting_id,
            scopes=" ".join(new.scopes),
        )
    )
    return token


def find_bearer(uow: UnitOfWork, token: str) -> Bearer | None:
    """Return whom a token speaks for, or None when it opens nothing (any more).

    A persona that is frozen or gone has no say, and somebody who no longer looks after a group does not act as it
    (S-820): both are asked each time, because nothing else ends with them at once.
    """
    row = uow.connection.execute(select(TOKENS).where(TOKENS.c.token_hash == hash_of(token))).first()
    if row is None or not may_speak(uow, row.actor_id, row.acting_id):
        return None
    return Bearer(row.id, row.application_id, row.actor_id, row.acting_id, tuple(row.scopes.split()))


def may_speak(uow: UnitOfWork, actor_id: int | None, acting_id: int | None) -> bool:
    """Tell whether an actor may act now: a persona by itself, a group through a persona that looks after it."""
    if actor_id is None:
        return True
    if acting_id is None:
        return personas.may_act(uow, actor_id)
    place = places.membership_of(uow, actor_id, acting_id)
    return place is not None and place.is_facilitator and personas.may_act(uow, acting_id)


def revoke_token(uow: UnitOfWork, token_hash: bytes) -> None:
    """End a token and what was remembered for it; safe to repeat."""
    ended = uow.connection.execute(delete(TOKENS).where(TOKENS.c.token_hash == token_hash).returning(TOKENS.c.id))
    for token_id in ended.scalars().all():
        uow.connection.execute(delete(KEYS).where(KEYS.c.token_id == token_id))


def revoke_tokens_of(uow: UnitOfWork, persona_id: int) -> int:
    """End every token by which a persona acts, as itself or as a group, and return how many there were."""
    theirs = (TOKENS.c.actor_id == persona_id) | (TOKENS.c.acting_id == persona_id)
    hashes = uow.connection.execute(select(TOKENS.c.token_hash).where(theirs)).scalars().all()
    for token_hash in hashes:
        revoke_token(uow, token_hash)
    return len(hashes)


def _command_line(uow: UnitOfWork) -> int:
    """Return the application in whose name the command line makes tokens; it has no secret and no address."""
    known: int | None = uow.connection.execute(
        select(APPLICATIONS.c.id).where(APPLICATIONS.c.client_id == COMMAND_LINE_CLIENT)
    ).scalar()
    if known is not None:
        return known
    made = new_id()
    uow.connection.execute(
        insert(APPLICATIONS).values(
            id=made,
            client_id=COMMAND_LINE_CLIENT,
            client_secret_hash=NO_SECRET,
            name="kinfold token",
            website=None,
            redirect_uris="",
            scopes="read write follow push",
            confidential=True,
            created_at=uow.now,
            used_at=uow.now,
        )
    )
    return made
