"""What the protocol asks of the floor above, filled in by `node.faces`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from activitypub.vocabulary.base import Object
from privacy.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class ActorView:
    """An actor as the protocol needs it; its profile is sealed and read elsewhere."""

    id: int
    uri: str
    kind: str
    local: bool
    handle: str
    host: str
    inbox: str
    shared_inbox: str | None
    followers: str | None
    url: str | None
    locked: bool
    state: str


NOBODY_AT_ALL = ActorView(0, "", "Person", False, "", "", "", None, None, None, False, "active")
"""Of whom is asked what would be asked of somebody, so that the time it takes does not tell that there is nobody."""


@dataclass(frozen=True, slots=True)
class KnownActor:
    """An actor that was fetched at a handler's wish and is stored, with what its server says of its other addresses."""

    view: ActorView
    moved_to: str | None = None
    also_known_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrival:
    """The circumstances under which an activity came in."""

    sender: ActorView
    """The activity's actor, whose key signed it or whose origin it was fetched from."""
    received_at: datetime
    fetched: Mapping[str, Any]
    """By URI, what was fetched at a handler's wish or is proved by its author: a KnownActor, or what
    `InboxRoutes.prepare_fetched` made of it."""
    unavailable: frozenset[str]
    """URIs that were asked for and could not be had: the handler goes on without them."""


@dataclass(frozen=True, slots=True)
class InboxRoute:
    """How one type of activity is taken in: what can be computed beforehand, and the deed itself.

    `prepare` is pure (it parses and sanitises, and raises MalformedActivity); `handle` is a deed that never fetches: it
    raises `activitypub.errors.NeedsObject(uri)` for a document that is neither fetched nor unavailable.
    """

    prepare: Callable[[Any], Any]
    handle: Callable[[UnitOfWork, Arrival, Any], None]


@dataclass(frozen=True, slots=True)
class InboxRoutes:
    """Every activity that has a meaning here; any other is accepted and forgotten."""

    by_type: Mapping[type[Object], InboxRoute]
    prepare_fetched: Callable[[Object, Mapping[str, Any]], Any]
    """What a handler gets of a fetched object that is not an actor (pure): the object, and the document it came in."""


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks for a document: the actor whose signature on the GET was verified, or nobody."""

    actor_id: int | None = None
    host: str | None = None


NOBODY = Requester()


@dataclass(frozen=True, slots=True)
class Publication:
    """A document that may be read by who asked for it."""

    document: Mapping[str, Any]
    public: bool
    """Whether anybody may read it, and therefore a cache may hold it."""
    html: str | None = None
    """The page that shows the same to people."""
    copy: "Copy | None" = None
    """What its reader has a copy of from now on, where that is to be noted."""


@dataclass(frozen=True, slots=True)
class Copy:
    """A post whose words are in a document, and when it ends."""

    post_id: int
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Ended:
    """Something that was there, and whose end may be told to who asked: 410 with a Tombstone."""

    uri: str


class Publications(Protocol):
    """Which document may this requester read? None is 404: what may not be seen is not there."""

    def actor(self, uow: UnitOfWork, actor: ActorView, requester: Requester) -> Publication | Ended | None:
        """The actor's own document."""
        ...

    def is_findable(self, uow: UnitOfWork, actor: ActorView) -> bool:
        """Whether WebFinger may answer for a local actor."""
        ...

    def post(self, uow: UnitOfWork, post_id: int, requester: Requester) -> Publication | Ended | None:
        """A post of this node."""
        ...

    def post_activity(self, uow: UnitOfWork, post_id: int, requester: Requester) -> Publication | Ended | None:
        """The Create of a post of this node."""
        ...

    def announcement(self, uow: UnitOfWork, post_id: int, requester: Requester) -> Publication | Ended | None:
        """The Announce by which a group of this node spread the beginning of a thread."""
        ...

    def reemission(self, uow: UnitOfWork, post_id: int, requester: Requester) -> Publication | Ended | None:
        """The Note by which a private group passes a post on to members on microblog software."""
        ...

    def thread(
        self, uow: UnitOfWork, root_id: int, query: Mapping[str, str], requester: Requester
    ) -> Publication | Ended | None:
        """The collection of all posts of a thread (FEP-f228), or a page of it."""
        ...

    def replies(
        self, uow: UnitOfWork, post_id: int, query: Mapping[str, str], requester: Requester
    ) -> Publication | Ended | None:
        """The collection of the direct replies to a post, or a page of it."""
        ...

    def collection(
        self, uow: UnitOfWork, actor: ActorView, name: str, query: Mapping[str, str], requester: Requester
    ) -> Publication | Ended | None:
        """`outbox`, `followers`, `following`, `moderators`, `featured` or `synchronization` of a local actor."""
        ...
