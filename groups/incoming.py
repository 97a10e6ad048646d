"""What came in, made ready for the deeds: read, sanitised and measured before any transaction (pure)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any

from activitypub.audience import Audience, Visibility
from activitypub.errors import ForeignOrigin, MalformedActivity
from activitypub.origins import canonical_uri, same_origin
from activitypub.vocabulary.activities import (
    Activity,
    Add,
    Announce,
    Block,
    Create,
    Delete,
    Flag,
    Follow,
    Join,
    Leave,
    Like,
    Lock,
    Move,
    QuoteRequest,
    Remove,
    Synchronize,
    Undo,
    Update,
)
from activitypub.vocabulary.actors import Actor
from activitypub.vocabulary.base import Object, Ref
from activitypub.vocabulary.collections import Collection
from activitypub.vocabulary.objects import Note
from groups.composing import MAX_MENTIONS
from groups.content import (
    sanitize,
    text_of,
)
from groups.foreign import words_of
from groups.showing import Words

ADDRESS = re.compile(r"https?://[^\s<>\"')]{1,2000}")
MAX_ADDRESSES, MAX_FLAGGED = 20, 50
ACCEPTED_TYPES = frozenset(
    {"Note", "Page", "Article", "Question", "Event", "Video", "Image", "Audio", "Document", "ChatMessage"}
)


@dataclass(frozen=True, slots=True)
class IncomingPost:
    """A post from elsewhere: its words are sanitised, and its author is its owner."""

    uri: str
    author_uri: str
    words: Words
    visibility: Visibility
    addressed: frozenset[str]
    """Everyone and every collection named in `to`, `cc` and `audience`."""
    mentioned: tuple[str, ...]
    parent_uri: str | None
    context_uri: str | None
    """The list of its conversation, as its author's server has it."""
    updated: datetime | None
    ends_at: datetime | None
    """When its author's server wants every copy to end."""
    raw: Mapping[str, Any]
    """The object as received."""


@dataclass(frozen=True, slots=True)
class IncomingActivity:
    """An activity about a post, from its own server or inside the Announce of a group."""

    type: str
    uri: str
    actor_uri: str
    object_uri: str | None
    post: IncomingPost | None
    """What it embeds, if that may be believed; otherwise the object has to be fetched."""
    raw: Mapping[str, Any]
    """The activity as received, to be passed on verbatim."""
    target_uri: str | None = None
    """The group that a ban is from, the collection that something comes into or goes out of, or where one moves to."""
    remove_data: bool = False
    """Whether a ban also takes away what was written."""


@dataclass(frozen=True, slots=True)
class IncomingAnnounce:
    """An Announce: of an activity, or of an object by its id."""

    actor_uri: str
    inner: IncomingActivity | None
    object_uri: str | None


@dataclass(frozen=True, slots=True)
class IncomingCollection:
    """A list that was fetched, or a page of one: addresses only, whatever was embedded."""

    uri: str
    owner_uri: str | None
    items: tuple[str, ...]
    first: "IncomingCollection | str | None"
    next: str | None


@dataclass(frozen=True, slots=True)
class IncomingSynchronization:
    """What the server of an actor says of those here who follow it (FEP-8fcf)."""

    collection_uri: str
    url: str
    digest: str


@dataclass(frozen=True, slots=True)
class IncomingFlag:
    """A report: what it is about, whom it is addressed to, and its words as plain text."""

    objects: tuple[str, ...]
    addressed: tuple[str, ...]
    words: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class IncomingFollow:
    """The wish of somebody to follow a group or a persona."""

    uri: str
    actor_uri: str
    object_uri: str


@dataclass(frozen=True, slots=True)
class IncomingAnswer:
    """The Accept or Reject of a Follow of ours."""

    accepted: bool
    follow_uri: str | None
    follower_uri: str | None
    group_uri: str | None


@dataclass(frozen=True, slots=True)
class IncomingUndo:
    """The Undo of a Follow, Like or Lock, told by its id or by its actor and object."""

    uri: str
    raw: Mapping[str, Any]
    undone_type: str | None
    undone_uri: str | None
    object_uri: str | None
    target_uri: str | None = None
    """The group from which a ban is lifted."""


def read_create(activity: Create) -> IncomingActivity:
    """Prepare a Create."""
    return _about_post(activity, activity.object)


def read_update(activity: Update) -> IncomingActivity | Object:
    """Prepare an Update: of a post, or of the actor itself, whose document is handed on as it is."""
    embedded = activity.object.embedded
    if embedded is not None and embedded.id == activity.actor:
        return embedded
    return _of_actor(activity) or _about_post(activity, activity.object)


def read_delete(activity: Delete) -> IncomingActivity:
    """Prepare a Delete; what it embeds is never believed."""
    return IncomingActivity("Delete", _id(activity), activity.actor, activity.object.id, None, activity.raw)


def read_like(activity: Like) -> IncomingActivity:
    """Prepare a Like."""
    return IncomingActivity("Like", _id(activity), activity.actor, activity.object, None, activity.raw)


def read_lock(activity: Lock) -> IncomingActivity:
    """Prepare a Lock."""
    return IncomingActivity("Lock", _id(activity), activity.actor, activity.object, None, activity.raw)


def read_block(activity: Block) -> IncomingActivity:
    """Prepare a Block: with a target it is a ban from there, without one a matter between two people."""
    return IncomingActivity(
        "Block", _id(activity), activity.actor, activity.object, None, activity.raw, target_uri=activity.target,
        remove_data=activity.remove_data,
    )  # fmt: skip


def read_move(activity: Move) -> IncomingActivity:
    """Prepare a Move."""
    return IncomingActivity(
        "Move", _id(activity), activity.actor, activity.object, None, activity.raw, target_uri=activity.target
    )


def read_synchronization(activity: Synchronize) -> IncomingSynchronization:
    """Prepare what came in the header of another activity."""
    return IncomingSynchronization(activity.object, activity.target, activity.digest)


def read_flag(activity: Flag) -> IncomingFlag:
    """Prepare a report; Misskey names the posts in its words, Lemmy gives the reason as a summary."""
    words = text_of(sanitize(activity.content or activity.summary or ""))
    named = [canonical_uri(found[0]) for found in islice(ADDRESS.finditer(words), MAX_ADDRESSES) if _is_uri(found[0])]
    addressed = dict.fromkeys((*activity.to, *activity.cc, *activity.audience))
    objects = tuple(dict.fromkeys((*activity.objects, *named)))
    return IncomingFlag(objects[:MAX_FLAGGED], tuple(addressed)[:MAX_FLAGGED], words)


def read_collected(activity: Add | Remove) -> IncomingActivity:
    """Prepare an Add or Remove: of a post on top of a group, or of one who looks after it."""
    return IncomingActivity(
        activity.type, _id(activity), activity.actor, activity.object.id, None, activity.raw, target_uri=activity.target
    )


def read_leave(activity: Leave) -> IncomingUndo:
    """Prepare a Leave, which is the Undo of a Follow (Smithereen, Mobilizon)."""
    return IncomingUndo(_id(activity), activity.raw, "Follow", None, activity.object)


def read_quote_request(activity: QuoteRequest) -> IncomingActivity:
    """Prepare the question whether a post may be quoted."""
    return IncomingActivity("QuoteRequest", _id(activity), activity.actor, activity.object, None, activity.raw)


def read_follow(activity: Follow | Join) -> IncomingFollow:
    """Prepare a Follow, or a Join, which says the same of a group."""
    return IncomingFollow(_id(activity), activity.actor, activity.object)


def read_answer(activity: Activity, *, accepted: bool) -> IncomingAnswer:
    """Prepare an Accept or Reject, whose Follow may be embedded, with or without an id, or named by its id."""
    reference: Ref = activity.object  # type: ignore[attr-defined]  # both classes that get here have it
    follow = reference.embedded
    if not isinstance(follow, Follow):
        return IncomingAnswer(accepted, reference.id, None, None)
    return IncomingAnswer(accepted, follow.id, follow.actor, follow.object)


def read_undo(activity: Undo) -> IncomingUndo:
    """Prepare an Undo. Raises ForeignOrigin when it undoes what somebody else did (S-301)."""
    undone = activity.object.embedded
    if isinstance(undone, Activity):
        if undone.actor != activity.actor:
            raise ForeignOrigin(f"{activity.id} undoes what another did")
        target = undone.target if isinstance(undone, Block) else None
        return IncomingUndo(_id(activity), activity.raw, type(undone).__name__, undone.id, undone.object_id, target)
    return IncomingUndo(_id(activity), activity.raw, None, activity.object.id, None)


def pardoned(undo: IncomingUndo) -> IncomingActivity:
    """Return the Undo of a ban as what it says of who was shown out."""
    return IncomingActivity("Pardon", undo.uri, "", undo.object_uri, None, undo.raw, target_uri=undo.target_uri)


def unlocked(undo: IncomingUndo) -> IncomingActivity:
    """Return the Undo of a Lock as what it says of the conversation."""
    return IncomingActivity("Unlock", undo.uri, "", undo.object_uri, None, undo.raw)


def read_announce(activity: Announce) -> IncomingAnnounce:
    """Prepare an Announce; what it embeds is believed only where it speaks for its own server (FEP-fe34)."""
    inner = activity.object.embedded
    if isinstance(inner, Update) and inner.id is not None and (renewed := _of_actor(inner)):
        return IncomingAnnounce(activity.actor, renewed, None)
    if isinstance(inner, Create | Update) and inner.id is not None:
        return IncomingAnnounce(activity.actor, _announced(activity, inner), None)
    if isinstance(inner, Delete) and inner.id is not None:
        return IncomingAnnounce(activity.actor, read_delete(inner), None)
    if isinstance(inner, Lock | Block | Undo | Add | Remove) and inner.id is not None:
        return IncomingAnnounce(activity.actor, _announced_rule(inner), None)
    if isinstance(inner, Activity):
        return IncomingAnnounce(activity.actor, None, None)
    return IncomingAnnounce(activity.actor, None, activity.object.id)


def read_fetched(
    document: Object, raw: Mapping[str, Any]
) -> IncomingPost | IncomingActivity | IncomingCollection | None:
    """Prepare what a handler asked for: a post, the Create of one, or a list; of what was announced also the Update."""
    if isinstance(document, Collection):
        return _read_list(document)
    if isinstance(document, Create | Update):
        return _about_post(document, document.object)
    return read_post(document, raw, None)


def _read_list(found: Collection) -> IncomingCollection:
    inner = None if found.first is None else found.first.embedded
    first = _read_list(inner) if isinstance(inner, Collection) and inner.first is None else None
    return IncomingCollection(
        uri=found.id or "",
        owner_uri=found.attributed_to,
        items=tuple(item.id for item in found.items if item.id is not None),
        first=first or (None if found.first is None else found.first.id),
        next=found.next,
    )


def read_post(document: Object, raw: Mapping[str, Any], activity: Activity | None) -> IncomingPost | None:
    """Return a post if the object is one with an owner of its own origin, else None. Raises ForeignOrigin."""
    if not isinstance(document, Note) or document.type not in ACCEPTED_TYPES or document.id is None:
        return None
    author = document.attributed_to
    if author is None or document.is_vote:
        return None
    if not same_origin(document.id, author):
        raise ForeignOrigin(f"{document.id} claims an author elsewhere")
    mentions = tuple(dict.fromkeys(str(tag.href) for tag in document.mentions if tag.href is not None))
    if len(mentions) > MAX_MENTIONS:
        raise MalformedActivity(f"{document.id} names {len(mentions)} people", public="It names too many people.")
    audience = Audience.derive(document, activity)
    return IncomingPost(
        uri=document.id,
        author_uri=author,
        words=words_of(document),
        visibility=audience.visibility,
        addressed=frozenset(map(str, audience.recipients)),
        mentioned=mentions,
        parent_uri=document.in_reply_to,
        context_uri=document.context,
        updated=document.updated,
        ends_at=document.expires,
        raw=raw,
    )


def _is_uri(text: str) -> bool:
    try:
        canonical_uri(text)
    except MalformedActivity:
        return False
    return True


def _id(activity: Activity) -> str:
    if activity.id is None:
        raise MalformedActivity("activity without an id", public="The activity has no id.")
    return activity.id


def _of_actor(activity: Update) -> IncomingActivity | None:
    """Return the news that an actor has changed, told by somebody else of its server: a hint to look at it anew."""
    embedded = activity.object.embedded
    if not isinstance(embedded, Actor) or not same_origin(embedded.id, activity.actor):
        return None
    return IncomingActivity("Renew", _id(activity), activity.actor, embedded.id, None, activity.raw)


def _about_post(activity: Create | Update, reference: Ref) -> IncomingActivity:
    post = None
    if reference.embedded is not None:
        post = read_post(reference.embedded, reference.embedded.raw, activity)
        if post is not None and post.author_uri != activity.actor:
            raise ForeignOrigin(f"{activity.id} carries a post of another author")
    kind = "Create" if isinstance(activity, Create) else "Update"
    if post is None and reference.embedded is not None:
        raise MalformedActivity(f"{activity.id} carries no post", public="This type of object is not taken.")
    return IncomingActivity(kind, _id(activity), activity.actor, reference.id, post, activity.raw)


def _announced(announce: Announce, inner: Create | Update) -> IncomingActivity:
    """Believe what is embedded only where announcer and author share an origin; else only the object's id counts."""
    prepared = _about_post(inner, inner.object)
    if same_origin(_id(inner), announce.actor) and same_origin(inner.actor, announce.actor):
        return prepared
    return IncomingActivity(prepared.type, prepared.uri, prepared.actor_uri, prepared.object_uri, None, prepared.raw)


def _announced_rule(inner: Lock | Block | Undo | Add | Remove) -> IncomingActivity | None:
    """Prepare what a group says of its conversations and members; nothing for what it undoes else."""
    if isinstance(inner, Lock):
        return read_lock(inner)
    if isinstance(inner, Block):
        return read_block(inner)
    if isinstance(inner, Add | Remove):
        return read_collected(inner)
    undone = inner.object.embedded
    if not isinstance(undone, Lock):
        return None
    return replace(read_lock(undone), type="Unlock", uri=_id(inner), raw=inner.raw)
