"""Apps that were registered: anybody may register one, so those that nobody ever used are forgotten again (S-812)."""

import hmac
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import Row, delete, func, insert, select, update

from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of
from web.models import OAuthApplication
from web.tokens import hash_of

APPLICATIONS = table_of(OAuthApplication)
SECRET_PREFIX = "kfs_"  # noqa: S105 - the beginning of every secret, by which a leaked one is known
UNUSED_FOR = timedelta(days=1)
MAX_UNUSED = 20_000
"""More than these are not kept waiting: the oldest make room."""


@dataclass(frozen=True, slots=True)
class NewApplication:
    """An app that asks to be registered; everything in it was checked."""

    name: str
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    website: str | None = None
    confidential: bool = True
    """Whether it can keep a secret; one that cannot must use PKCE."""


@dataclass(frozen=True, slots=True)
class Application:
    """An app as it was registered."""

    id: int
    client_id: str
    name: str
    redirect_uris: tuple[str, ...]
    scopes: tuple[str, ...]
    website: str | None
    confidential: bool


def register_application(uow: UnitOfWork, new: NewApplication) -> tuple[Application, str]:
    """Register an app; return it with its secret, which is shown this once."""
    _forget_unused(uow)
    secret = SECRET_PREFIX + secrets.token_urlsafe(32)
    made = Application(
        id=new_id(),
        client_id=secrets.token_urlsafe(32),
        name=new.name,
        redirect_uris=new.redirect_uris,
        scopes=new.scopes,
        website=new.website,
        confidential=new.confidential,
    )
    uow.connection.execute(
        insert(APPLICATIONS).values(
            id=made.id,
            client_id=made.client_id,
            client_secret_hash=hash_of(secret),
            name=made.name,
            website=made.website,
            redirect_uris="\n".join(made.redirect_uris),
            scopes=" ".join(made.scopes),
            confidential=made.confidential,
            created_at=uow.now,
            used_at=None,
        )
    )
    return made, secret


def find_application(uow: UnitOfWork, client_id: str) -> Application | None:
    """Return the app that has this client id."""
    row = uow.connection.execute(select(APPLICATIONS).where(APPLICATIONS.c.client_id == client_id)).first()
    return None if row is None else _view(row)


def application(uow: UnitOfWork, application_id: int) -> Application | None:
    """Return an app by its own id."""
    row = uow.connection.execute(select(APPLICATIONS).where(APPLICATIONS.c.id == application_id)).first()
    return None if row is None else _view(row)


def authenticate(uow: UnitOfWork, client_id: str, secret: str | None) -> Application | None:
    """Return the app that shows these credentials; without a secret only one that was registered to have none.

    A secret that is shown must be right even then (RFC 6749 §2.3.1); it is compared in constant time.
    """
    row = uow.connection.execute(select(APPLICATIONS).where(APPLICATIONS.c.client_id == client_id)).first()
    if row is None:
        return None
    if secret is None:
        return None if row.confidential else _view(row)
    return _view(row) if hmac.compare_digest(hash_of(secret), row.client_secret_hash) else None


def mark_used(uow: UnitOfWork, application_id: int) -> None:
    """Note that an app got a token, so that it is never forgotten."""
    uow.connection.execute(
        update(APPLICATIONS)
        .where(APPLICATIONS.c.id == application_id, APPLICATIONS.c.used_at.is_(None))
        .values(used_at=uow.now)
    )


def _forget_unused(uow: UnitOfWork) -> None:
    """Delete apps that were registered and never came for a token, after a day, or sooner when there are too many."""
    unused = APPLICATIONS.c.used_at.is_(None)
    uow.connection.execute(delete(APPLICATIONS).where(unused, APPLICATIONS.c.created_at < uow.now - UNUSED_FOR))
    waiting = uow.connection.execute(select(func.count()).select_from(APPLICATIONS).where(unused)).scalar_one()
    if waiting >= MAX_UNUSED:
        oldest = select(APPLICATIONS.c.id).where(unused).order_by(APPLICATIONS.c.created_at).limit(MAX_UNUSED // 10)
        uow.connection.execute(delete(APPLICATIONS).where(APPLICATIONS.c.id.in_(oldest)))


def _view(row: "Row[tuple[object, ...]]") -> Application:
    return Application(
        id=row.id,
        client_id=row.client_id,
        name=row.name,
        redirect_uris=tuple(row.redirect_uris.splitlines()),
        scopes=tuple(row.scopes.split()),
        website=row.website,
        confidential=row.confidential,
    )
