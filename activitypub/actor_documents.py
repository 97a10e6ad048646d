"""What is taken over from another server's actor document, checked and made ready to be stored (pure).

The vocabulary has refused what stands on a foreign origin (S-212); here follow the rules of this node: no actor of our
own, no scheme that we do not speak, keys that can be used, one canonical host.
"""

import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

from activitypub.errors import BadSignature, ForeignOrigin, MalformedActivity
from activitypub.origins import host_of, same_origin
from activitypub.signatures.keys import KeyKind, PublicKey, decode_multikey, parse_public_key
from activitypub.uris import Uris
from activitypub.vocabulary.actors import ED25519_SIGNATURES, RFC_9421, Actor, Key
from activitypub.vocabulary.base import PUBLIC, Object
from activitypub.webfinger import Handle, parse_acct

MAX_NAME_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class ActorFacts:
    """A remote actor as its own server describes it, fit to be stored."""

    uri: str
    kind: str
    handle: str
    host: str
    inbox: str
    shared_inbox: str | None
    followers: str | None
    outbox: str | None
    url: str | None
    locked: bool
    open_to_all: bool
    """Whether a group says that everybody may read it, whoever is let in."""
    key_id: str | None
    rsa_public_pem: str | None
    ed25519_key_id: str | None
    ed25519_public_multibase: str | None
    name: str
    summary: str
    """Sanitised HTML."""
    icon: str | None
    further_keys: tuple[Key, ...]
    """What else it lists that can be used; of each kind one key is stored, the one that was used last."""
    verifies: KeyKind | None
    """The best key with which its server says that it verifies RFC 9421 signatures (FEP-844e)."""
    claimed: Handle
    """The address by which the actor calls itself, which may name another host (FEP-2c59)."""
    seen_at: datetime | None = None
    """When its server said so; answers are remembered for some minutes."""

    def using(self, key_id: str) -> "ActorFacts":
        """Return the same with that of the further keys which has this id as the one of its kind, if there is one."""
        wanted = next((key for key in self.further_keys if key.id == key_id), None)
        if wanted is None:
            return self
        if wanted.multibase is not None and decode_multikey(wanted.multibase).kind == "ed25519":
            return replace(self, ed25519_key_id=wanted.id, ed25519_public_multibase=wanted.multibase)
        return replace(self, key_id=wanted.id, rsa_public_pem=_pem_of(wanted))


def read_actor(document: Object, uris: Uris, sanitize: Callable[[str], str]) -> ActorFacts:
    """Return what is stored of a remote actor.

    Raises MalformedActivity for what is no actor, and ForeignOrigin for one that claims to be ours, in any spelling
    (S-209).
    """
    if not isinstance(document, Actor):
        raise MalformedActivity(public="The document is not an actor.")
    host = host_of(document.id)
    if uris.is_local(document.id) or host == uris.domain:
        raise ForeignOrigin(document.id, public="The actor claims to be of this server.")
    if not uris.accepts(document.id):
        raise MalformedActivity(public="The actor's address must begin with https.")
    rsa, ed25519, further = usable_keys(document.keys)
    return ActorFacts(
        uri=document.id,
        kind=document.type,
        handle=document.preferred_username.lower(),
        host=host,
        inbox=document.inbox,
        shared_inbox=document.shared_inbox,
        followers=document.followers,
        outbox=document.outbox,
        url=document.url if document.url is not None and same_origin(document.url, document.id) else None,
        locked=document.manually_approves_followers,
        open_to_all=PUBLIC in document.audience,
        key_id=rsa.id if rsa else None,
        rsa_public_pem=_pem_of(rsa) if rsa else None,
        ed25519_key_id=ed25519.id if ed25519 else None,
        ed25519_public_multibase=ed25519.multibase if ed25519 else None,
        name=plain_name(document.name or ""),
        summary=sanitize(document.summary) if document.summary else "",
        icon=document.icon,
        further_keys=further,
        verifies=_verifies(document),
        claimed=_claimed(document, host),
    )


def usable_keys(keys: tuple[Key, ...]) -> tuple[Key | None, Key | None, tuple[Key, ...]]:
    """Return the key for all, the first Ed25519 Multikey, and all further ones; hostile ones count as none (S-114).

    The key for all is the first PEM, or where there is none an RSA Multikey (FEP-521a).
    """
    usable = [(key, public) for key in keys if (public := _usable(key)) is not None]
    ed25519 = next((key for key, public in usable if key.multibase is not None and public.kind == "ed25519"), None)
    pem = next((key for key, _ in usable if key.pem is not None), None)
    for_all = pem or next((key for key, public in usable if public.kind == "rsa"), None)
    return for_all, ed25519, tuple(key for key, _ in usable if key not in (for_all, ed25519))


def _usable(key: Key) -> PublicKey | None:
    try:
        return decode_multikey(key.multibase or "") if key.pem is None else parse_public_key(key.pem)
    except BadSignature:
        return None


def _pem_of(key: Key) -> str | None:
    return key.pem if key.pem is not None else decode_multikey(key.multibase or "").to_pem()


def plain_name(name: str) -> str:
    """Return a display name on one line, without control characters and marks that turn the direction of text."""
    shown = (" " if character.isspace() else character for character in name if _is_shown(character))
    return " ".join("".join(shown).split())[:MAX_NAME_CHARACTERS]


def _is_shown(character: str) -> bool:
    return character.isspace() or (unicodedata.category(character) not in {"Cc", "Cs", "Co"} and not _turns(character))


def _turns(character: str) -> bool:
    # Zero-width joiners stay: emoji and several scripts need them.
    return character in "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f"


def _verifies(document: Actor) -> KeyKind | None:
    if ED25519_SIGNATURES in document.implements:
        return "ed25519"
    return "rsa" if RFC_9421 in document.implements else None


def _claimed(document: Actor, host: str) -> Handle:
    own = Handle(document.preferred_username.lower(), host)
    if not document.webfinger:
        return own
    try:
        return parse_acct(document.webfinger)
    except MalformedActivity:
        return own
