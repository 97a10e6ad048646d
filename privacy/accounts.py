"""Accounts, how people sign in, and the link between an account and its personas; the tables are private to this room.

An account is found by keyed hashes of its name and e-mail address; both stand sealed with all else that it holds under
a secret of its own (product decision 12). Which personas are of one account is written nowhere in the clear: the
account lists them in its sealed words, and each persona has a sealed row that leads back, opened here and nowhere else.
"""

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Row, delete, insert, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from privacy import holding
from privacy.errors import LastOwner, NameTaken, SignInRefused
from privacy.models import Persona, ShredJob
from privacy.naming import checked_email, checked_name, normalised
from privacy.records import UNORDERED, Holds, OnErasure, Record, new_id
from privacy.unit_of_work import UnitOfWork, table_of

ROLES = ("member", "facilitator", "moderator", "admin", "owner")
LINK_LIFE = timedelta(hours=1)
LINK_PREFIX = "kinfold_link_"
"""Before every token, so that a leaked one is known for what it is."""
MAX_PASSWORD_BYTES = 1024
NAME_OR_EMAIL_TAKEN = "This name or this e-mail address has an account already."
HASHER = PasswordHasher(time_cost=3, memory_cost=65_536, parallelism=4)
NOBODY_S_HASH = "$argon2id$v=19$m=65536,t=3,p=4$oyWlckswl9EQ/vjb8BlxlQ$hke8m8aI9ggU0KZYsQwLMqd8EaRGnVj9ISvASXXEjAc"
"""A hash of a password that nobody knows, so that an unknown name takes as long as a known one."""
EndAccess = Callable[[UnitOfWork, int, Sequence[int]], None]
"""Ends every session and token of an account and its personas; answered by the faces, handed in by whoever calls."""


class Account(Record):
    """Somebody who can sign in."""

    __tablename__ = "accounts"
    holds = Holds("a sign-in: keyed hashes of name and e-mail address, the rest sealed", OnErasure.SHRED)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    login_tag: Mapped[bytes] = mapped_column(unique=True)
    email_tag: Mapped[bytes | None] = mapped_column(unique=True)
    password_hash: Mapped[str | None]
    """Argon2id; null for somebody who only uses sign-in links."""
    role: Mapped[str]
    """`member`, `facilitator`, `moderator`, `admin` or `owner`."""
    state: Mapped[str] = mapped_column(default="active")
    """`active`, `frozen` or `erased`."""
    body: Mapped[bytes]
    """Sealed JSON: `name`, `email`, `personas`."""
    created_on: Mapped[datetime]
    """The first day of the month in which it was made."""


class PersonaLink(Record):
    """Whose a persona is, sealed."""

    __tablename__ = "persona_links"
    holds = Holds("the account of a persona, sealed", OnErasure.DELETE)

    persona_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    sealed: Mapped[bytes]


class SignInLink(Record):
    """A link that signs somebody in, once, within the hour."""

    __tablename__ = "sign_in_links"
    holds = Holds("a hashed link that signs an account in", OnErasure.DELETE)
    __table_args__ = UNORDERED

    token_hash: Mapped[bytes] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(index=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


ACCOUNTS, LINKS, TOKENS = table_of(Account), table_of(PersonaLink), table_of(SignInLink)


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What an account begins with."""

    name: str
    password_hash: str | None = field(default=None, repr=False)
    email: str | None = field(default=None, repr=False)
    role: str = "member"


@dataclass(frozen=True, slots=True)
class AccountView:
    """An account as its owner and the operator may see it."""

    id: int
    name: str = field(repr=False)
    role: str
    state: str
    email: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a password is compared with."""

    account_id: int
    password_hash: str | None = field(repr=False)
    state: str


# ── passwords: slow on purpose, so run in a pool ─────────────────────────────────────────────────────────────────────


def hash_password(password: str) -> str:
    """Return the Argon2id hash of a password (RFC 9106, second recommended choice). Raises ValueError when too long."""
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        raise ValueError(f"a password has at most {MAX_PASSWORD_BYTES} bytes")
    return HASHER.hash(password)


def verify_password(password_hash: str, password: str) -> bool:
    """Tell whether a password is the one that was hashed."""
    if len(password.encode()) > MAX_PASSWORD_BYTES:
        return False
    try:
        return HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False


def authenticate(credentials: Credentials | None, password: str) -> int:
    """Return the account that a password opens; takes the same time whoever was asked for.

    Raises SignInRefused for an unknown name, a wrong password and an account that may not sign in alike.
    """
    stored = credentials.password_hash if credentials is not None else None
    right = verify_password(stored or NOBODY_S_HASH, password)
    if credentials is None or stored is None or not right or credentials.state != "active":
        raise SignInRefused
    return credentials.account_id


# ── deeds ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def register(uow: UnitOfWork, new: NewAccount) -> int:
    """Make an account and return its id.

    Raises NameTaken when the name or the e-mail address has an account (it is not said which), or is none; ValueError
    for a role.
    """
    name, email = checked_name(new.name), checked_email(new.email)
    if new.role not in ROLES:
        raise ValueError(f"{new.role} is not a role")
    tag, email_tag = _login_tag(uow, name), _email_tag(uow, email)
    # `== None` would ask for IS NULL, and find every account that has no address.
    same = ACCOUNTS.c.login_tag == tag
    taken = select(ACCOUNTS.c.id).where(same if email_tag is None else or_(same, ACCOUNTS.c.email_tag == email_tag))
    if uow.connection.execute(taken).first() is not None:
        raise NameTaken(public="" if email is None else NAME_OR_EMAIL_TAKEN)
    account_id = new_id()
    words: dict[str, Any] = {"name": name, "email": email, "personas": []}
    row = {
        "id": account_id, "login_tag": tag, "email_tag": email_tag, "password_hash": new.password_hash,
        "role": new.role, "state": "active", "body": _sealed(uow, account_id, words), "created_on": month_of(uow.now),
    }  # fmt: skip
    uow.connection.execute(insert(ACCOUNTS), row)
    return account_id


def find_for_sign_in(uow: UnitOfWork, name: str) -> Credentials | None:
    """Return what a password for this name is compared with; hand the answer to `authenticate` even when it is None."""
    columns = (ACCOUNTS.c.id, ACCOUNTS.c.password_hash, ACCOUNTS.c.state)
    row = uow.connection.execute(select(*columns).where(ACCOUNTS.c.login_tag == _login_tag(uow, name))).first()
    return None if row is None else Credentials(row.id, row.password_hash, row.state)


def change_password(uow: UnitOfWork, account_id: int, password_hash: str | None, end_access: EndAccess) -> None:
    """Give an account another password, and end every session, token and link that the old one led to (S-804)."""
    uow.connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.id == account_id).values(password_hash=password_hash))
    end_sign_in(uow, account_id, end_access)


def end_sign_in(uow: UnitOfWork, account_id: int, end_access: EndAccess) -> None:
    """End every session, token and unused link of an account."""
    uow.connection.execute(delete(TOKENS).where(TOKENS.c.account_id == account_id))
    end_access(uow, account_id, all_personas_of(uow, account_id))


def make_sign_in_link(uow: UnitOfWork, account_id: int) -> str:
    """Return a token of 256 bits that signs the account in once, within the hour; only its hash is kept."""
    token = LINK_PREFIX + secrets.token_urlsafe(32)
    row = {"token_hash": token_hash(token), "account_id": account_id, "expires_at": uow.now + LINK_LIFE}
    uow.connection.execute(insert(TOKENS), row)
    return token


def consume_sign_in_link(uow: UnitOfWork, token: str) -> int:
    """Return the account that a link signs in, and end the link.

    Raises SignInRefused when it is unknown, used, too old, or its account may not sign in.
    """
    used = delete(TOKENS).where(TOKENS.c.token_hash == token_hash(token)).returning(*TOKENS.c)
    row = uow.connection.execute(used).first()
    if row is None or row.expires_at <= uow.now:
        raise SignInRefused
    state = uow.connection.execute(select(ACCOUNTS.c.state).where(ACCOUNTS.c.id == row.account_id)).scalar()
    if state != "active":
        raise SignInRefused
    return int(row.account_id)


def account(uow: UnitOfWork, account_id: int) -> AccountView | None:
    """Return an account, or None when there is none or it was erased."""
    row = uow.connection.execute(select(*ACCOUNTS.c).where(ACCOUNTS.c.id == account_id)).first()
    return None if row is None or row.state == "erased" else _view(uow, row)


def account_named(uow: UnitOfWork, name: str) -> AccountView | None:
    """Return the account with a name, or None."""
    row = uow.connection.execute(select(*ACCOUNTS.c).where(ACCOUNTS.c.login_tag == _login_tag(uow, name))).first()
    return None if row is None or row.state == "erased" else _view(uow, row)


def list_accounts(uow: UnitOfWork) -> list[AccountView]:
    """Return every account, for the operator; it does not say which personas are whose."""
    rows = uow.connection.execute(select(*ACCOUNTS.c).where(ACCOUNTS.c.state != "erased"))
    return sorted((_view(uow, row) for row in rows), key=lambda view: view.name)


def set_state(uow: UnitOfWork, account_id: int, state: str, end_access: EndAccess) -> None:
    """Freeze an account or let it act again; a frozen one is signed out everywhere and its personas are silent.

    Raises LastOwner.
    """
    if state not in {"active", "frozen"}:
        raise ValueError(f"{state} is not a state that can be set")
    if state == "frozen":
        check_owned_without(uow, account_id)
    open_still = (ACCOUNTS.c.id == account_id, ACCOUNTS.c.state != "erased")
    uow.connection.execute(update(ACCOUNTS).where(*open_still).values(state=state))
    holding.settle(uow, all_personas_of(uow, account_id), state)
    if state == "frozen":
        end_sign_in(uow, account_id, end_access)


def looks_after_node(uow: UnitOfWork, account_id: int) -> bool:
    """Tell whether an account may act, and is one of those who look after the node itself."""
    mine = (ACCOUNTS.c.id == account_id, ACCOUNTS.c.state == "active", ACCOUNTS.c.role.in_(("admin", "owner")))
    return uow.connection.execute(select(ACCOUNTS.c.id).where(*mine)).first() is not None


def close_account(uow: UnitOfWork, account_id: int, end_access: EndAccess) -> tuple[int, ...]:
    """Make an account unusable at once, before it is erased, and return its personas; its words stay until then.

    Whatever one of them is in the middle of is waited for, and none begins anything new. Raises LastOwner.
    """
    check_owned_without(uow, account_id)
    closed = update(ACCOUNTS).where(ACCOUNTS.c.id == account_id)
    uow.connection.execute(closed.values(state="erased", password_hash=None, email_tag=None))
    personas = all_personas_of(uow, account_id)
    holding.settle(uow, personas, holding.RETIRED)
    end_sign_in(uow, account_id, end_access)
    uow.connection.execute(delete(LINKS).where(LINKS.c.persona_id.in_(personas)))
    return personas


def check_owned_without(uow: UnitOfWork, account_id: int) -> None:
    """Raise LastOwner when this is an owner's account and no other owner can act (S-903)."""
    owners = ACCOUNTS.c.role == "owner"
    mine = select(ACCOUNTS.c.id).where(owners, ACCOUNTS.c.id == account_id, ACCOUNTS.c.state != "erased")
    if uow.connection.execute(mine).first() is None:
        return
    # Locked, so that two owners who end each other at the same moment do not both find the other.
    acting = select(ACCOUNTS.c.id).where(owners, ACCOUNTS.c.state == "active").order_by(ACCOUNTS.c.id)
    if set(uow.connection.execute(acting.with_for_update()).scalars()) <= {account_id}:
        raise LastOwner


def closed_accounts(uow: UnitOfWork) -> dict[int, tuple[int, ...]]:
    """Return the accounts that were closed and whose secrets are not yet ordered destroyed, with their personas."""
    jobs = table_of(ShredJob)
    ordered = select(jobs.c.target_id).where(jobs.c.kind == "accounts")
    waiting = select(ACCOUNTS.c.id).where(ACCOUNTS.c.state == "erased", ACCOUNTS.c.id.not_in(ordered))
    return {account_id: all_personas_of(uow, account_id) for account_id in uow.connection.execute(waiting).scalars()}


def forget_account(uow: UnitOfWork, account_id: int) -> None:
    """Delete the row of an account whose secret has been destroyed."""
    uow.connection.execute(delete(ACCOUNTS).where(ACCOUNTS.c.id == account_id, ACCOUNTS.c.state == "erased"))


# ── the link service ─────────────────────────────────────────────────────────────────────────────────────────────────


def link_persona(uow: UnitOfWork, account_id: int, persona_id: int) -> None:
    """Write down, sealed, that a persona is of an account. Raises SignInRefused when that was closed."""
    # Locked, so that an account that is being closed gets no persona that nobody would end.
    ask = select(ACCOUNTS.c.id).where(ACCOUNTS.c.id == account_id, ACCOUNTS.c.state != "erased").with_for_update()
    if uow.connection.execute(ask).first() is None:
        raise SignInRefused
    words = _words(uow, account_id)
    if persona_id in words["personas"]:
        return
    words["personas"].append(persona_id)
    _keep_words(uow, account_id, words)
    sealed = uow.vault.named_seal("link", str(account_id).encode(), _link_place(persona_id))
    uow.connection.execute(insert(LINKS), {"persona_id": persona_id, "sealed": sealed})


def personas_of(uow: UnitOfWork, account_id: int) -> tuple[int, ...]:
    """Return the personas of an account that may act, the oldest first."""
    mine, personas = all_personas_of(uow, account_id), table_of(Persona)
    found = select(personas.c.id).where(personas.c.id.in_(mine), personas.c.state == "active")
    active = set(uow.connection.execute(found).scalars())
    return tuple(persona_id for persona_id in mine if persona_id in active)


def all_personas_of(uow: UnitOfWork, account_id: int) -> tuple[int, ...]:
    """Return every persona that an account ever had and that is not forgotten, the oldest first."""
    return tuple(_words(uow, account_id)["personas"])


def account_of(uow: UnitOfWork, persona_id: int) -> int | None:
    """Return whose a persona is, or None: for ending access, bans by tag and erasure, never for showing."""
    sealed = uow.connection.execute(select(LINKS.c.sealed).where(LINKS.c.persona_id == persona_id)).scalar()
    return None if sealed is None else int(uow.vault.named_open("link", sealed, _link_place(persona_id)))


# ── small parts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def token_hash(token: str) -> bytes:
    """Return what is kept of a random token: SHA-256, enough for 256 bits of chance."""
    return hashlib.sha256(token.encode()).digest()


def month_of(moment: datetime) -> datetime:
    """Return the first moment of a month, which is all that is kept of when something about a person was made."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def secret_name(account_id: int) -> str:
    """Return the keyring's name for the secret of an account."""
    return f"account/{account_id}"


def _login_tag(uow: UnitOfWork, name: str) -> bytes:
    return uow.vault.mac("login", normalised(name).encode())


def _email_tag(uow: UnitOfWork, email: str | None) -> bytes | None:
    return None if email is None else uow.vault.mac("email", email.encode())


def _link_place(persona_id: int) -> bytes:
    return f"persona_links/{persona_id}".encode()


def _sealed(uow: UnitOfWork, account_id: int, words: Mapping[str, object]) -> bytes:
    return uow.vault.named_seal(secret_name(account_id), json.dumps(words).encode(), f"accounts/{account_id}".encode())


def _opened(uow: UnitOfWork, account_id: int, body: bytes) -> dict[str, Any]:
    opened = uow.vault.named_open(secret_name(account_id), body, f"accounts/{account_id}".encode())
    words: dict[str, Any] = json.loads(opened)
    return words


def _words(uow: UnitOfWork, account_id: int) -> dict[str, Any]:
    body = uow.connection.execute(select(ACCOUNTS.c.body).where(ACCOUNTS.c.id == account_id)).scalar()
    return {"name": "", "email": None, "personas": []} if body is None else _opened(uow, account_id, body)


def _keep_words(uow: UnitOfWork, account_id: int, words: Mapping[str, object]) -> None:
    body = _sealed(uow, account_id, words)
    uow.connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.id == account_id).values(body=body))


def _view(uow: UnitOfWork, row: Row[Any]) -> AccountView:
    words = _opened(uow, row.id, row.body)
    return AccountView(row.id, words["name"], row.role, row.state, words["email"])
