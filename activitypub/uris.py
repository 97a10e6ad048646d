"""Every address of this node: made here, and recognised here.

Ids are opaque and permanent (product decision 7): `/u/{token}` people, `/g/{token}` groups, `/p/{id}` posts.
Activities are at most 90 characters long, for PieFed cuts them at 100.
"""

import re
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from activitypub.errors import MalformedActivity
from activitypub.origins import DEFAULT_PORTS, canonical_host, canonical_uri, origin
from activitypub.vocabulary.base import Uri

ActorKind = Literal["person", "group"]
LocalKind = Literal["person", "group", "instance", "post", "activity", "context", "reemission"]

_LETTERS: dict[ActorKind, str] = {"person": "u", "group": "g"}
_KINDS: dict[str, LocalKind] = {
    "u": "person",
    "g": "group",
    "p": "post",
    "a": "activity",
    "ctx": "context",
    "r": "reemission",
}
_PARTS: dict[str, frozenset[str]] = {
    "person": frozenset({"inbox", "outbox", "followers", "following", "featured"}),
    "group": frozenset({"inbox", "outbox", "followers", "following", "featured", "moderators", "synchronization"}),
    "post": frozenset({"activity", "replies"}),
    "instance": frozenset({"inbox", "outbox"}),
    "activity": frozenset(),
    "context": frozenset(),
    "reemission": frozenset(),
}
_PATH = re.compile(r"/(?:(u|g|p|a|r|ctx)/([A-Za-z0-9_-]{1,64})|(actor))(?:/([a-z]+))?")


class Local(NamedTuple):
    """What a URI of ours stands for: the kind of thing, its token or number, and the part of it ("" for itself)."""

    kind: LocalKind
    token: str
    part: str


@dataclass(frozen=True)
class Uris:
    """The addresses of one node. `base_url` has no closing slash; `domain` is what handles carry.

    Raises MalformedActivity for a base URL or a domain that is none.
    """

    base_url: str
    domain: str
    _prefix: str = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Put the base URL into canonical form."""
        object.__setattr__(self, "_prefix", canonical_uri(self.base_url.rstrip("/")))
        object.__setattr__(self, "domain", canonical_host(self.domain))

    def _at(self, path: str) -> Uri:
        return Uri(f"{self._prefix}{path}")

    def actor(self, kind: ActorKind, token: str) -> Uri:
        """Return the id of a person or a group."""
        return self._at(f"/{_LETTERS[kind]}/{token}")

    @property
    def instance_actor(self) -> Uri:
        """The node's own actor, with which it fetches and reports."""
        return self._at("/actor")

    @property
    def shared_inbox(self) -> Uri:
        """The inbox for everyone here."""
        return self._at("/inbox")

    def inbox(self, actor: str) -> Uri:
        """Return an actor's inbox."""
        return Uri(f"{actor}/inbox")

    def outbox(self, actor: str) -> Uri:
        """Return an actor's outbox."""
        return Uri(f"{actor}/outbox")

    def followers(self, actor: str) -> Uri:
        """Return an actor's followers; Lemmy builds this very address by itself (federation reference §2.3)."""
        return Uri(f"{actor}/followers")

    def following(self, actor: str) -> Uri:
        """Return the collection of those that an actor follows."""
        return Uri(f"{actor}/following")

    def synchronization(self, actor: str) -> Uri:
        """Return the list of those who follow an actor from the server that asks (FEP-8fcf)."""
        return Uri(f"{actor}/synchronization")

    def moderators(self, group: str) -> Uri:
        """Return a group's moderators."""
        return Uri(f"{group}/moderators")

    def featured(self, actor: str) -> Uri:
        """Return an actor's pinned posts."""
        return Uri(f"{actor}/featured")

    def key_id(self, actor: str) -> Uri:
        """Return the id of an actor's RSA key; the fragment is required by Lemmy."""
        return Uri(f"{actor}#main-key")

    def ed25519_key_id(self, actor: str) -> Uri:
        """Return the id of an actor's Ed25519 key."""
        return Uri(f"{actor}#ed25519-key")

    def post(self, number: int) -> Uri:
        """Return the id of a post."""
        return self._at(f"/p/{number}")

    def post_activity(self, number: int) -> Uri:
        """Return the id of the Create of a post."""
        return self._at(f"/p/{number}/activity")

    def replies(self, number: int) -> Uri:
        """Return the collection of replies to a post."""
        return self._at(f"/p/{number}/replies")

    def context(self, root: int) -> Uri:
        """Return the collection of all posts of a thread, named by its first (FEP-f228)."""
        return self._at(f"/ctx/{root}")

    def reemission(self, number: int) -> Uri:
        """Return the id of the Note by which a private group passes a post on to microblog software."""
        return self._at(f"/r/{number}")

    def announce(self, number: int) -> Uri:
        """Return the id of a group's Announce of a post."""
        return self._at(f"/a/{number}")

    def activity(self, token: str) -> Uri:
        """Return the id of any other activity."""
        return self._at(f"/a/{token}")

    def handle_page(self, name: str) -> Uri:
        """Return the page of a person or group that is public."""
        return self._at(f"/@{name}")

    def handle(self, name: str) -> str:
        """Return the account URI of a name here (RFC 7565)."""
        return f"acct:{name}@{self.domain}"

    def accepts(self, uri: str) -> bool:
        """Tell whether a URI may be used here at all: https, or http where this node itself is on http."""
        try:
            scheme = origin(uri).scheme
        except MalformedActivity:
            return False
        return scheme == "https" or self._prefix.startswith("http:")

    def scheme_of(self, host: str) -> str:
        """Return how another server is spoken to of which only the host is known: http for one of the same machine.

        That is for development, where this node itself is on http and a host has a port.
        """
        return "http" if ":" in host and self._prefix.startswith("http:") else "https"

    def is_local(self, uri: str) -> bool:
        """Tell whether a URI names this node, in whatever spelling; http and https of one host are one (S-209)."""
        try:
            scheme, host, port = origin(uri)
        except MalformedActivity:
            return False
        ours = origin(self._prefix)
        if host != ours.host:
            return False
        return port == ours.port or (port == DEFAULT_PORTS[scheme] and ours.port == DEFAULT_PORTS[ours.scheme])

    def parse_local(self, uri: str) -> Local | None:
        """Return what a URI of ours stands for; None for any other, and for one that is not spelled as we spell it."""
        if not uri.startswith(f"{self._prefix}/"):
            return None
        match = _PATH.fullmatch(uri, len(self._prefix))
        if match is None:
            return None
        letters, token, actor, part = match.groups()
        kind: LocalKind = "instance" if actor else _KINDS[letters]
        if part is not None and part not in _PARTS[kind]:
            return None
        return Local(kind, token or "", part or "")
