"""How somebody becomes a member: an account, a first name, and the group that the invitation leads into."""

import secrets
from dataclasses import dataclass, field

from activitypub.actors import KeyPair
from activitypub.uris import Uris
from groups.errors import Invalid
from groups.invitations import accept, invited_to
from groups.people import NewPersona, found_persona
from groups.views import ActorCard, GroupView
from privacy.accounts import NewAccount, all_personas_of, link_persona, register
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork

MIN_PASSWORD_CHARACTERS = 10
MAX_PASSWORD_CHARACTERS = 256
MAX_PERSONAS = 20
TOO_MANY_NAMES = "You have as many names as one person can have here."
TOO_SHORT = "A password has at least 10 characters."
TOO_LONG = "A password has at most 256 characters."
LIKE_NAME = "The password must not hold your name."


@dataclass(frozen=True, slots=True)
class NewMember:
    """Somebody who registers; the name is the account's and that of the first persona (product decision 32)."""

    name: str
    shown_as: str = ""
    password_hash: str | None = field(default=None, repr=False)
    role: str = "member"
    email: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Member:
    """An account with its first persona."""

    account_id: int
    persona: ActorCard


def check_password(password: str, name: str) -> None:
    """Refuse a password that would be guessed. Raises Invalid."""
    if len(password) < MIN_PASSWORD_CHARACTERS:
        raise Invalid({"password": TOO_SHORT})
    if len(password) > MAX_PASSWORD_CHARACTERS:
        raise Invalid({"password": TOO_LONG})
    if len(name) >= MIN_PASSWORD_CHARACTERS // 2 and name.casefold() in password.casefold():
        raise Invalid({"password": LIKE_NAME})


def register_member(uow: UnitOfWork, uris: Uris, new: NewMember, keys: KeyPair) -> Member:
    """Make an account and its first persona. Raises privacy.errors.NameTaken, Invalid."""
    account_id = register(uow, NewAccount(new.name, new.password_hash, email=new.email, role=new.role))
    return Member(account_id, add_persona(uow, uris, account_id, new.name, new.shown_as, keys))


def register_invited(
    uow: UnitOfWork, uris: Uris, new: NewMember, keys: KeyPair, invitation: str
) -> tuple[Member, GroupView]:
    """Make an account and join the group that an invitation leads into, or do neither.

    Raises NotFound when the invitation does not work, privacy.errors.NameTaken, Invalid.
    """
    group = invited_to(uow, invitation)
    member = register_member(uow, uris, new, keys)
    accept(uow, uris, member.persona.id, invitation)
    return member, group


def add_persona(uow: UnitOfWork, uris: Uris, account_id: int, handle: str, shown_as: str, keys: KeyPair) -> ActorCard:
    """Give an account one more persona. Raises privacy.errors.NameTaken, Invalid."""
    if len(all_personas_of(uow, account_id)) >= MAX_PERSONAS:
        raise Invalid({"name": TOO_MANY_NAMES})
    persona_id = new_id()
    # The keyring commits before the content does: a secret without a row is worth nothing, a row without one is lost.
    uow.vault.make_subject(persona_id)
    new = NewPersona(persona_id, handle.strip().lower(), secrets.token_urlsafe(12), shown_as.strip() or handle.strip())
    card = found_persona(uow, uris, new, keys)
    link_persona(uow, account_id, persona_id)
    return card
