"""The tables of the faces: who is signed in, which apps act for whom, how far somebody has read."""

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column

from privacy.records import UNORDERED, Day, Holds, OnErasure, Record


class Session(Record):
    """A browser that is signed in; it holds no persona (product decision 12)."""

    __tablename__ = "sessions"
    holds = Holds("that a browser is signed in to an account", OnErasure.DELETE)
    __table_args__ = UNORDERED

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    """A day, or for a shared device a minute: when it was used last is not kept more closely than that."""


class OAuthApplication(Record):
    """An app that was registered; it says nothing of who uses it."""

    __tablename__ = "oauth_applications"
    holds = Holds("an app's name and addresses", OnErasure.KEEP)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    client_id: Mapped[str] = mapped_column(unique=True)
    client_secret_hash: Mapped[bytes]
    name: Mapped[str]
    website: Mapped[str | None]
    redirect_uris: Mapped[str]
    """One a line, exactly as registered."""
    scopes: Mapped[str]
    confidential: Mapped[bool] = mapped_column(default=True)
    """Whether the app was given a secret that it must show."""
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class AuthorizationCode(Record):
    """A code that an app may change for a token, once and soon."""

    __tablename__ = "authorization_codes"
    holds = Holds("that a persona let an app act for it, until the app comes for its token", OnErasure.DELETE)
    __table_args__ = UNORDERED

    code_hash: Mapped[bytes] = mapped_column(primary_key=True)
    application_id: Mapped[int]
    actor_id: Mapped[int]
    acting_id: Mapped[int | None]
    """The persona behind it when `actor_id` is a group."""
    scopes: Mapped[str]
    redirect_uri: Mapped[str]
    code_challenge: Mapped[str | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_for: Mapped[bytes | None]
    """The hash of the token that was given for it: reuse of the code revokes that."""


class AccessToken(Record):
    """What an app shows to act for one persona, or for a group that its owner looks after; it holds no account."""

    __tablename__ = "access_tokens"
    holds = Holds("that an app may act for a persona", OnErasure.DELETE)
    __table_args__ = UNORDERED

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    id: Mapped[int] = mapped_column(unique=True)
    application_id: Mapped[int] = mapped_column(index=True)
    actor_id: Mapped[int | None] = mapped_column(index=True)
    """Null for an app that acts for nobody (client credentials)."""
    acting_id: Mapped[int | None] = mapped_column(index=True)
    """The persona behind it when `actor_id` is a group."""
    scopes: Mapped[str]


class IdempotencyKey(Record):
    """That an app has posted this already, so that a repeat does not post twice."""

    __tablename__ = "idempotency_keys"
    holds = Holds("which post answered which request", OnErasure.DELETE)

    token_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    key_hash: Mapped[bytes] = mapped_column(primary_key=True)
    post_id: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(index=True)


class Marker(Record):
    """How far a persona has read a timeline."""

    __tablename__ = "markers"
    holds = Holds("how far a persona has read", OnErasure.DELETE)

    actor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    timeline: Mapped[str] = mapped_column(primary_key=True)
    last_read_id: Mapped[str]
    version: Mapped[int]
    updated_on: Mapped[datetime] = mapped_column(Day)
