"""What is done: one class for each type of activity that means something here, and one for all others.

Where only the id of the object matters, `object` is a Uri; where the thing itself may travel along, it is a Ref.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from activitypub.errors import MalformedActivity
from activitypub.vocabulary import base
from activitypub.vocabulary.base import Document, Object, Ref, Uri

MAX_REASON_CHARACTERS = 5_000
MAX_REACTION_CHARACTERS = 100

ReadRef = Callable[[Any], Ref | None]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Activity(Object):
    """Something that an actor does; `summary` is the reason that moderators give. Only embedded ones may lack an id."""

    actor: Uri
    to: tuple[Uri, ...] = ()
    cc: tuple[Uri, ...] = ()
    audience: tuple[Uri, ...] = ()
    published: datetime | None = None
    summary: str | None = None

    @property
    def owner(self) -> Uri | None:
        """The actor."""
        return self.actor

    @property
    def object_id(self) -> Uri | None:
        """The id of what is acted upon, however it was given; None for several things, or one without id."""
        return None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ActivityOnId(Activity):
    """An activity of which only the object's id counts."""

    object: Uri

    @property
    def object_id(self) -> Uri | None:
        """The object."""
        return self.object


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ActivityOnRef(Activity):
    """An activity whose object may travel along."""

    object: Ref

    @property
    def object_id(self) -> Uri | None:
        """The id of the object, if it has one."""
        return self.object.id


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Follow(ActivityOnId):
    """Asks to receive what an actor publishes, or to be a member of a group."""

    type: str = "Follow"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Join(ActivityOnId):
    """Follow, as Smithereen and Mobilizon say it for groups and events."""

    type: str = "Join"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Leave(ActivityOnId):
    """The end of a Join."""

    type: str = "Leave"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Invite(ActivityOnId):
    """Invites `object` (an actor) to `target`, or the addressees to `object`."""

    type: str = "Invite"
    target: Uri | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Like(ActivityOnId):
    """A like; with `content`, a reaction in the form of an emoji (Misskey)."""

    type: str = "Like"
    content: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class EmojiReact(Like):
    """A reaction in the form of an emoji (FEP-c0e0)."""

    type: str = "EmojiReact"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Dislike(ActivityOnId):
    """A vote against."""

    type: str = "Dislike"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Block(ActivityOnId):
    """With `target`, a ban from that group or server until `end_time` (Lemmy); without, a personal block."""

    type: str = "Block"
    target: Uri | None = None
    end_time: datetime | None = None
    remove_data: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Lock(ActivityOnId):
    """No more replies to a post (Lemmy)."""

    type: str = "Lock"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Warn(ActivityOnId):
    """A moderator's warning to an author (Lemmy 1.0)."""

    type: str = "Warn"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Move(ActivityOnId):
    """An actor goes to `target`; or, from NodeBB, a thread to another category."""

    type: str = "Move"
    target: Uri | None = None
    origin: Uri | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Synchronize(ActivityOnId):
    """What a sender's header says of its followers here (FEP-8fcf), in the queue; nobody sends it as an activity."""

    type: str = "Synchronize"
    target: Uri
    digest: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class QuoteRequest(ActivityOnId):
    """Asks whether `object` may be quoted by `instrument` (FEP-044f)."""

    type: str = "QuoteRequest"
    instrument: Ref | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Accept(ActivityOnRef):
    """Yes to a Follow, Join, QuoteRequest or other request."""

    type: str = "Accept"
    result: Uri | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Reject(ActivityOnRef):
    """No to a request, or the end of an earlier yes."""

    type: str = "Reject"
    result: Uri | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TentativeAccept(ActivityOnRef):
    """Not yet."""

    type: str = "TentativeAccept"
    result: Uri | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TentativeReject(ActivityOnRef):
    """Not yet, and rather not."""

    type: str = "TentativeReject"
    result: Uri | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Undo(ActivityOnRef):
    """Takes an activity back; the inner one may come with another id than it had, or none."""

    type: str = "Undo"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Create(ActivityOnRef):
    """A new object."""

    type: str = "Create"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Update(ActivityOnRef):
    """A newer state of an object or actor."""

    type: str = "Update"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Delete(ActivityOnRef):
    """The end of an object or actor; with a `summary`, a removal by a moderator (Lemmy)."""

    type: str = "Delete"
    remove_data: bool = False
    with_replies: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Announce(ActivityOnRef):
    """A boost by a person; from a group, what it distributes (FEP-1b12)."""

    type: str = "Announce"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Add(ActivityOnRef):
    """Puts something into a collection."""

    type: str = "Add"
    target: Uri


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Remove(ActivityOnRef):
    """Takes something out of a collection."""

    type: str = "Remove"
    target: Uri


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Resolve(ActivityOnRef):
    """A report was dealt with (Lemmy 1.0)."""

    type: str = "Resolve"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Flag(Activity):
    """A report about the things named; never a reason to act without a human."""

    type: str = "Flag"
    objects: tuple[Uri, ...] = ()
    content: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class UnknownActivity(Activity):
    """An activity of a type that means nothing here; its object only as far as it can be read."""

    object: Uri | None = None

    @property
    def object_id(self) -> Uri | None:
        """The object, if it is one."""
        return self.object


_OBJECT_MUST_HAVE_ID = (Create, Update, Delete, Announce, Add, Remove)


def read_activity(document: Document, kind: str, language: str | None, read: ReadRef) -> Activity:
    """Return an activity; `read` makes a Ref of a value that is an id or an embedded object.

    Raises MalformedActivity when the actor, the object, the target or the addresses cannot be read in exactly one way.
    """
    cls = ACTIVITY_CLASSES.get(kind, UnknownActivity)
    actor = base.author(document, "actor")
    if actor is None:
        raise MalformedActivity(public="An activity has no actor.")
    return cls(
        id=base.identity(document),
        raw=document,
        type=kind,
        actor=actor,
        to=base.recipients(document, "to"),
        cc=base.recipients(document, "cc"),
        audience=base.recipients(document, "audience"),
        published=base.moment(document.get("published")),
        summary=_words(document, "summary", language),
        **_own_fields(cls, document, language, read),
    )


def _own_fields(cls: type[Activity], document: Document, language: str | None, read: ReadRef) -> dict[str, Any]:
    if issubclass(cls, ActivityOnRef):
        fields: dict[str, Any] = {"object": _object(cls, document, read)}
    elif issubclass(cls, ActivityOnId):
        fields = {"object": base.required(document, "object")}
    elif cls is Flag:
        return _flag_fields(document, language)
    else:
        return {"object": _readable_object(document)}
    extra = _EXTRA_FIELDS.get(cls)
    if extra:
        fields |= extra(document, read)
    return fields


def _object(cls: type[Activity], document: Document, read: ReadRef) -> Ref:
    value = document.get("object")
    if type(value) is list and len(value) == 1:
        value = value[0]
    ref = read(value)
    if ref is None:
        raise MalformedActivity(public="object is missing.")
    if ref.id is None and cls in _OBJECT_MUST_HAVE_ID:
        raise MalformedActivity(public="object has no id.")
    return ref


def _readable_object(document: Document) -> Uri | None:
    """Return the object of an activity that is only acknowledged, where it happens to be one thing."""
    value = document.get("object")
    value = value.get("id") if type(value) is dict else value
    return base.shown_uri(value) if type(value) is str else None


def _words(document: Document, name: str, language: str | None = None) -> str | None:
    value = base.text(document, name, language)
    return value[:MAX_REASON_CHARACTERS] if value else None


def _flag_fields(document: Document, language: str | None) -> dict[str, Any]:
    """Return what is reported, and why: Mastodon says it in `content`, Lemmy in `summary`."""
    objects = base.all_references(document, "object")
    if not objects:
        raise MalformedActivity(public="object is missing.")
    return {"objects": tuple(dict.fromkeys(objects)), "content": _words(document, "content", language)}


def _reaction(document: Document) -> str | None:
    for name in ("content", "_misskey_reaction"):
        value = document.get(name)
        if type(value) is str and value:
            return value[:MAX_REACTION_CHARACTERS]
    return None


def _ban(document: Document) -> dict[str, Any]:
    return {
        "target": base.reference(document, "target"),
        "end_time": base.moment(document.get("endTime")),
        "remove_data": base.flag(document, "removeData"),
    }


def _deletion(document: Document) -> dict[str, Any]:
    return {name: base.flag(document, theirs) for name, theirs in _OF_DELETIONS.items()}


def _synchronization(document: Document) -> dict[str, Any]:
    return {"target": base.required(document, "target"), "digest": base.plain_text(document, "digest") or ""}


_OF_DELETIONS = {"remove_data": "removeData", "with_replies": "withReplies"}
_EXTRA_FIELDS: dict[type[Activity], Callable[[Document, ReadRef], dict[str, Any]]] = {
    Invite: lambda document, _: {"target": base.reference(document, "target")},
    Like: lambda document, _: {"content": _reaction(document)},
    EmojiReact: lambda document, _: {"content": _reaction(document)},
    Block: lambda document, _: _ban(document),
    Delete: lambda document, _: _deletion(document),
    Synchronize: lambda document, _: _synchronization(document),
    Move: lambda document, _: {name: base.reference(document, name) for name in ("target", "origin")},
    QuoteRequest: lambda document, read: {"instrument": read(document.get("instrument"))},
    **dict.fromkeys(
        (Accept, Reject, TentativeAccept, TentativeReject),
        lambda document, _: {"result": base.reference(document, "result")},
    ),
    **dict.fromkeys((Add, Remove), lambda document, _: {"target": base.required(document, "target")}),
}

_CLASSES: tuple[type[Activity], ...] = (
    *(Follow, Join, Leave, Invite, Like, EmojiReact, Dislike, Block, Lock, Warn, Move, QuoteRequest, Synchronize),
    *(Accept, Reject, TentativeAccept, TentativeReject, Undo, Create, Update, Delete, Announce),
    *(Add, Remove, Resolve, Flag),
)
ACTIVITY_CLASSES: dict[str, type[Activity]] = {cls.__name__: cls for cls in _CLASSES}
