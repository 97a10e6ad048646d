"""Actors: people, groups and servers, and the keys that they sign with (federation reference §2)."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from activitypub.errors import ForeignOrigin, MalformedActivity
from activitypub.origins import same_origin
from activitypub.vocabulary import base
from activitypub.vocabulary.base import Document, Object, Source, Uri
from activitypub.vocabulary.objects import Tag, read_tags

MAX_KEYS = 10
MAX_FIELDS = 50
MAX_FIELD_CHARACTERS = 2047
MAX_ALIASES = 256
MAX_KEY_BYTES = 8192
MAX_USERNAME_CHARACTERS = 256

RFC_9421 = Uri("https://datatracker.ietf.org/doc/html/rfc9421")
ED25519_SIGNATURES = Uri(f"{RFC_9421}#name-eddsa-using-curve-edwards25")
"""What a server implements that takes such signatures (FEP-844e)."""

# The port is for a node's own actor in development, whose name is its host and port.
_USERNAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.~-]*[A-Za-z0-9_])?(?::[0-9]{1,5})?")
_OWN_PLACES = ("inbox", "outbox", "followers", "following", "shared_inbox")


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A public key: RSA as PEM (`publicKey`), or any kind as multibase (`Multikey`, FEP-521a)."""

    id: Uri
    owner: Uri
    pem: str | None = field(default=None, repr=False)
    multibase: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A line of a profile; the value is HTML as it came."""

    name: str = field(repr=False)
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Actor(Object):
    """Anyone and anything that acts. `summary` is HTML as it came; `discoverable` is None where nothing is said.

    Inbox, outbox, followers, following, shared inbox and keys stand on the origin of the id: `read_actor` refuses
    others.
    """

    id: Uri
    preferred_username: str
    inbox: Uri
    outbox: Uri | None = None
    followers: Uri | None = None
    following: Uri | None = None
    featured: Uri | None = None
    shared_inbox: Uri | None = None
    name: str | None = None
    summary: str | None = None
    source: Source | None = None
    url: Uri | None = None
    icon: Uri | None = None
    image: Uri | None = None
    keys: tuple[Key, ...] = ()
    manually_approves_followers: bool = False
    discoverable: bool | None = None
    indexable: bool = False
    suspended: bool = False
    memorial: bool = False
    sensitive: bool = False
    moved_to: Uri | None = None
    also_known_as: tuple[Uri, ...] = ()
    webfinger: str | None = None
    published: datetime | None = None
    updated: datetime | None = None
    fields: tuple[Field, ...] = ()
    tags: tuple[Tag, ...] = ()
    audience: tuple[Uri, ...] = ()
    moderators: Uri | None = None
    attributed_to: tuple[Uri, ...] = ()
    posting_restricted: bool = False
    languages: tuple[str, ...] = ()
    implements: tuple[Uri, ...] = ()
    hides_public: bool = False

    @property
    def owner(self) -> Uri | None:
        """Itself."""
        return self.id


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Person(Actor):
    """Someone."""

    type: str = "Person"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Group(Actor):
    """A community (FEP-1b12); `moderators` is the collection that its `attributedTo` names.

    `audience` holds Public where everybody may read it: Kinfold says so, since a group that asks for approval
    (`manuallyApprovesFollowers`) may be public all the same, which Lemmy does not know.
    """

    type: str = "Group"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Application(Actor):
    """A server, or a program."""

    type: str = "Application"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Service(Actor):
    """A bot, on most servers."""

    type: str = "Service"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Organization(Actor):
    """A body of people."""

    type: str = "Organization"


ACTOR_CLASSES: dict[str, type[Actor]] = {
    "Person": Person,
    "Group": Group,
    "Application": Application,
    "Service": Service,
    "Organization": Organization,
}


def read_actor(document: Document, kind: str, language: str | None) -> Actor:
    """Return an actor.

    Raises MalformedActivity without id, inbox or user name, or when one of its addresses has a wrong shape;
    ForeignOrigin when its boxes, followers or keys stand on another origin than its id (security catalogue S-212).
    """
    uri = base.identity(document)
    if uri is None:
        raise MalformedActivity(public="An actor has no id.")
    actor = ACTOR_CLASSES[kind](
        id=uri,
        raw=document,
        preferred_username=_username(document),
        keys=_keys(document, uri),
        **_addresses(document),
        **_profile(document, language),
        **_group_facts(document),
    )
    for name in _OWN_PLACES:
        place = getattr(actor, name)
        if place is not None and not same_origin(place, uri):
            raise ForeignOrigin(f"{uri} {name} {place}", public=f"The actor's {name} stands on another server.")
    return actor


def parse_key(document: Document) -> Key:
    """Return the key in a stand-alone key document: a `publicKeyPem` or a Multikey, with its owner or controller.

    Raises MalformedActivity. Whether the owner lists the key is for the caller to ask (federation reference §2.5).
    """
    return _key(document)


def _username(document: Document) -> str:
    value = document.get("preferredUsername")
    if type(value) is not str or len(value) > MAX_USERNAME_CHARACTERS or not _USERNAME.fullmatch(value):
        raise MalformedActivity(public="The actor has no valid preferredUsername.")
    return value


def _addresses(document: Document) -> dict[str, Any]:
    endpoints = document.get("endpoints")
    shared = endpoints.get("sharedInbox") if type(endpoints) is dict else None
    # Discourse gives sharedInbox at the top instead of in endpoints.
    shared = document.get("sharedInbox") if shared is None else shared
    return {
        "inbox": base.required(document, "inbox"),
        "outbox": base.reference(document, "outbox"),
        "followers": base.reference(document, "followers"),
        "following": base.reference(document, "following"),
        "featured": base.shown_uri(_hint(document.get("featured"))),
        "shared_inbox": None if shared is None else base.reference({"sharedInbox": shared}, "sharedInbox"),
        "moved_to": base.reference(document, "movedTo"),
        "also_known_as": _aliases(document),
    }


def _profile(document: Document, language: str | None) -> dict[str, Any]:
    get = document.get
    return {
        "name": base.name_text(document, language),
        "summary": base.summary_text(document, language),
        "source": base.source(document),
        "url": base.page_uri(get("url")),
        "icon": base.shown_uri(get("icon")),
        "image": base.shown_uri(get("image")),
        "manually_approves_followers": base.flag(document, "manuallyApprovesFollowers"),
        "discoverable": get("discoverable") if type(get("discoverable")) is bool else None,
        "indexable": base.flag(document, "indexable"),
        "suspended": base.flag(document, "suspended"),
        "memorial": base.flag(document, "memorial"),
        "sensitive": base.flag(document, "sensitive"),
        "webfinger": base.plain_text(document, "webfinger"),
        "published": base.moment(get("published")),
        "updated": base.moment(get("updated")),
        "fields": _fields(document),
        "tags": read_tags(document),
        "hides_public": base.flag(document, "hidesToPublicFromUnauthedWeb"),
    }


def _group_facts(document: Document) -> dict[str, Any]:
    """Return what communities say: moderators (a collection; an array of people from PeerTube), rules, languages."""
    value = document.get("attributedTo")
    many = type(value) is list
    return {
        "audience": base.recipients(document, "audience"),
        "moderators": None if many else base.reference(document, "attributedTo"),
        "attributed_to": base.all_references(document, "attributedTo") if many else (),
        "posting_restricted": base.flag(document, "postingRestrictedToMods"),
        "languages": tuple(
            entry["identifier"]
            for entry in base.objects_in(document, "language", base.MAX_LINKS)
            if type(entry.get("identifier")) is str
        ),
        "implements": _implements(document),
    }


def _hint(value: Any) -> Any:
    return value.get("id") if type(value) is dict else value


def _aliases(document: Document) -> tuple[Uri, ...]:
    value = document.get("alsoKnownAs")
    given = value if type(value) is list else [value]
    read = (base.shown_uri(entry) for entry in given[:MAX_ALIASES] if type(entry) is str)
    return tuple(dict.fromkeys(uri for uri in read if uri))


def _fields(document: Document) -> tuple[Field, ...]:
    read = []
    for entry in base.objects_in(document, "attachment", MAX_FIELDS):
        name, value = entry.get("name"), entry.get("value")
        if entry.get("type") == "PropertyValue" and type(name) is str and type(value) is str:
            read.append(Field(name=name[:MAX_FIELD_CHARACTERS], value=value[:MAX_FIELD_CHARACTERS]))
    return tuple(read)


def _implements(document: Document) -> tuple[Uri, ...]:
    """Return the capabilities of the actor's server, named on itself or on its `generator` (FEP-844e)."""
    generator = document.get("generator")
    named = document if "implements" in document or type(generator) is not dict else generator
    value = named.get("implements")
    given = value if type(value) is list else [value]
    read = (base.shown_uri(entry.get("href") if type(entry) is dict else entry) for entry in given[: base.MAX_LINKS])
    return tuple(dict.fromkeys(uri for uri in read if uri))


def _keys(document: Document, owner: Uri) -> tuple[Key, ...]:
    """Return the keys that the actor lists; one that names another owner or stands on another origin is refused.

    Entries of `assertionMethod` that are mere ids, or kinds of key unknown here, are left out: there is nothing to
    verify with in them.
    """
    given: list[Any] = []
    for name in ("publicKey", "assertionMethod"):
        value = document.get(name)
        given += value if type(value) is list else [value]
    if len(given) > 2 * MAX_KEYS:
        raise MalformedActivity(public="The actor has too many keys.")
    keys = []
    for entry in given:
        if entry is None or type(entry) is str:
            continue
        if type(entry) is not dict:
            raise MalformedActivity(public="A key of the actor is malformed.")
        if "publicKeyPem" in entry or "publicKeyMultibase" in entry:
            keys.append(_key(entry))
    if any(key.owner != owner or not same_origin(key.id, owner) for key in keys):
        raise ForeignOrigin(owner, public="A key of the actor belongs to someone else.")
    return tuple(keys[:MAX_KEYS])


def _key(document: Document) -> Key:
    uri = base.identity(document)
    if uri is None:
        raise MalformedActivity(public="A key has no id.")
    pem, multibase = document.get("publicKeyPem"), document.get("publicKeyMultibase")
    for material in (pem, multibase):
        if material is not None and (type(material) is not str or not 0 < len(material) <= MAX_KEY_BYTES):
            raise MalformedActivity(public="A key is malformed.")
    if (pem is None) == (multibase is None):
        raise MalformedActivity(public="A key document holds no key, or two.")
    owner, controller = base.author(document, "owner"), base.author(document, "controller")
    if owner and controller and owner != controller:
        raise MalformedActivity(public="A key has two owners.")
    owner = owner or controller
    if owner is None:
        raise MalformedActivity(public="A key has no owner.")
    return Key(id=uri, owner=owner, pem=pem, multibase=multibase)
