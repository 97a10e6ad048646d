"""Things that are written: notes and their kin, questions, tombstones, and what hangs on them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from activitypub.errors import MalformedActivity
from activitypub.vocabulary import base
from activitypub.vocabulary.base import Document, Object, Source, Uri

NOTE_TYPES = frozenset(
    {"Note", "Page", "Article", "Event", "Video", "Image", "Audio", "Document", "ChatMessage", "Link"}
)
ATTACHMENT_TYPES = frozenset({"Document", "Image", "Video", "Audio", "Page", "Link"})

MAX_TAGS = 100
MAX_ATTACHMENTS = 16
MAX_OPTIONS = 50
MAX_ALT_CHARACTERS = 10_000
MAX_TAG_NAME_CHARACTERS = 500
MAX_LANGUAGE_CHARACTERS = 35

_POLICIES = {"canQuote": "can_quote", "canReply": "can_reply", "canAnnounce": "can_announce", "canLike": "can_like"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tag:
    """A Mention, Hashtag, Emoji, post category or link that hangs on a text."""

    type: str
    name: str | None = None
    href: Uri | None = None
    id: Uri | None = None
    icon: Uri | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file or a link beside a text; `name` is the alternative text; sizes are in pixels."""

    type: str
    url: Uri
    media_type: str | None = None
    name: str | None = field(default=None, repr=False)
    width: int | None = None
    height: int | None = None
    blurhash: str | None = None
    focal_point: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionPolicy:
    """Who may do what without asking (GoToSocial, FEP-044f): actor or collection ids; None where nothing is said."""

    can_quote: tuple[Uri, ...] | None = None
    can_reply: tuple[Uri, ...] | None = None
    can_announce: tuple[Uri, ...] | None = None
    can_like: tuple[Uri, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Note(Object):
    """What someone wrote, whatever its type says (federation reference §4.6); without `in_reply_to` it starts a thread.

    `content` is HTML unless `media_type` says otherwise (PeerTube: text/markdown). It comes as it came: not sanitised.
    """

    type: str = "Note"
    attributed_to: Uri | None = None
    to: tuple[Uri, ...] = ()
    cc: tuple[Uri, ...] = ()
    audience: tuple[Uri, ...] = ()
    name: str | None = None
    summary: str | None = None
    content: str | None = None
    media_type: str | None = None
    language: str | None = None
    source: Source | None = None
    url: Uri | None = None
    in_reply_to: Uri | None = None
    context: Uri | None = None
    replies: Uri | None = None
    published: datetime | None = None
    updated: datetime | None = None
    expires: datetime | None = None
    """When every copy of it is to end (this project's own term)."""
    sensitive: bool = False
    tags: tuple[Tag, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    quote: Uri | None = None
    interaction_policy: InteractionPolicy | None = None
    approved_by: Uri | None = None
    comments_enabled: bool | None = None

    @property
    def owner(self) -> Uri | None:
        """The author."""
        return self.attributed_to

    @property
    def mentions(self) -> tuple[Tag, ...]:
        """The tags that mention an actor by its URI."""
        return tuple(tag for tag in self.tags if tag.type == "Mention" and tag.href)

    @property
    def is_vote(self) -> bool:
        """Tell whether this is the answer to a poll: a name, a parent and no content."""
        return self.type == "Note" and self.name is not None and self.in_reply_to is not None and self.content is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One answer of a poll, with its votes if they are told."""

    name: str = field(repr=False)
    votes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Question(Note):
    """A poll; `multiple` tells whether several options may be chosen."""

    type: str = "Question"
    options: tuple[Option, ...] = ()
    multiple: bool = False
    end_time: datetime | None = None
    closed: datetime | None = None
    voters_count: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Tombstone(Object):
    """What is left of something deleted."""

    type: str = "Tombstone"
    former_type: str | None = None
    deleted: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Unknown(Object):
    """An object of a type that means nothing here; only its id and author are kept, and the whole in `raw`."""

    attributed_to: Uri | None = None

    @property
    def owner(self) -> Uri | None:
        """The author, if one is named."""
        return self.attributed_to


def read_note(document: Document, kind: str, language: str | None) -> Note:
    """Return a note or one of its kin; raises MalformedActivity where authority or audience are not clear."""
    return Note(type=kind, **_note_fields(document, language))


def read_question(document: Document, kind: str, language: str | None) -> Question:
    """Return a poll."""
    multiple = "anyOf" in document
    return Question(
        type=kind,
        options=tuple(_options(document, "anyOf" if multiple else "oneOf")),
        multiple=multiple,
        end_time=base.moment(document.get("endTime")),
        closed=base.moment(document.get("closed")),
        voters_count=base.number(document.get("votersCount")),
        **_note_fields(document, language),
    )


def read_tombstone(document: Document, kind: str, _language: str | None) -> Tombstone:
    """Return a tombstone."""
    return Tombstone(
        id=base.identity(document),
        raw=document,
        type=kind,
        former_type=base.plain_text(document, "formerType"),
        deleted=base.moment(document.get("deleted")),
    )


def read_unknown(document: Document, kind: str) -> Unknown:
    """Return an object of which only id and author count; an author that cannot be read is none."""
    try:
        attributed_to = base.author(document, "attributedTo")
    except MalformedActivity:
        attributed_to = None
    return Unknown(id=base.identity(document), type=kind, raw=document, attributed_to=attributed_to)


def read_tags(document: Document) -> tuple[Tag, ...]:
    """Return the tags that say something: those of a known shape, at most 100."""
    if not document.get("tag"):
        return ()
    read = (_tag(entry) for entry in base.objects_in(document, "tag", MAX_TAGS))
    return tuple(tag for tag in read if tag)


def _note_fields(document: Document, language: str | None) -> dict[str, Any]:
    get = document.get
    content = base.text(document, "content", language)
    if content is not None and len(content) * 4 > base.MAX_CONTENT_BYTES:
        _check_length(content)
    return {
        "id": base.identity(document),
        "raw": document,
        "attributed_to": base.author(document, "attributedTo"),
        "to": base.recipients(document, "to"),
        "cc": base.recipients(document, "cc"),
        "audience": base.recipients(document, "audience"),
        "name": base.name_text(document, language),
        "summary": base.summary_text(document, language),
        "content": content,
        "media_type": base.plain_text(document, "mediaType"),
        "language": None if content is None else _language_of(document, content),
        "source": base.source(document),
        "url": base.page_uri(get("url")),
        "in_reply_to": base.reference(document, "inReplyTo"),
        "context": base.shown_uri(_id_or_string(get("context"))),
        "replies": base.shown_uri(_id_or_string(get("replies"))),
        "published": base.moment(get("published")),
        "updated": base.moment(get("updated")),
        "expires": base.moment(get("expires")),
        "sensitive": base.flag(document, "sensitive"),
        "tags": read_tags(document),
        "attachments": _attachments(document),
        "quote": _quote(document),
        "interaction_policy": _interaction_policy(get("interactionPolicy")),
        "approved_by": base.shown_uri(_id_or_string(get("approvedBy"))),
        "comments_enabled": get("commentsEnabled") if type(get("commentsEnabled")) is bool else None,
    }


def _check_length(content: str) -> None:
    if len(content.encode(errors="replace")) > base.MAX_CONTENT_BYTES:
        raise MalformedActivity(public="content is too long.")


def _id_or_string(value: Any) -> Any:
    """Return the id in a field that is a hint only: an id, or an embedded thing with one."""
    return value.get("id") if type(value) is dict else value


def _language_of(document: Document, content: str) -> str | None:
    """Return the language that the content's map, or else Lemmy's `language`, names; `und` names none."""
    by_language = document.get("contentMap")
    code = None
    if type(by_language) is dict:
        codes = [code for code, entry in by_language.items() if entry == content] or [*by_language]
        code = codes[0] if len(codes) == 1 else None
    elif type(document.get("language")) is dict:
        code = document["language"].get("identifier")
    return code if type(code) is str and code != "und" and 0 < len(code) <= MAX_LANGUAGE_CHARACTERS else None


def _tag(entry: Document) -> Tag | None:
    kind = entry.get("type")
    if type(kind) is not str:
        return None
    address = entry.get("id")
    return Tag(
        type=kind,
        name=base.plain_text(entry, "name", MAX_TAG_NAME_CHARACTERS) or base.plain_text(entry, "preferredUsername"),
        href=base.shown_uri(entry.get("href")),
        id=None if address is None else base.shown_uri(address),
        icon=base.shown_uri(entry["icon"]) if "icon" in entry else None,
    )


def _attachments(document: Document) -> tuple[Attachment, ...]:
    if not document.get("attachment"):
        return ()
    read = (_attachment(entry) for entry in base.objects_in(document, "attachment", MAX_ATTACHMENTS))
    return tuple(attachment for attachment in read if attachment)


def _attachment(entry: Document) -> Attachment | None:
    kind = entry.get("type")
    url = base.shown_uri(entry.get("url") or entry.get("href"))
    if type(kind) is not str or kind not in ATTACHMENT_TYPES or url is None:
        return None
    focal_point = entry.get("focalPoint")
    return Attachment(
        type=kind,
        url=url,
        media_type=base.plain_text(entry, "mediaType"),
        # GoToSocial puts the alternative text into summary, everyone else into name.
        name=base.plain_text(entry, "name", MAX_ALT_CHARACTERS)
        or base.plain_text(entry, "summary", MAX_ALT_CHARACTERS),
        width=base.number(entry.get("width")),
        height=base.number(entry.get("height")),
        blurhash=base.plain_text(entry, "blurhash"),
        focal_point=None if focal_point is None else _focal_point(focal_point),
    )


def _focal_point(value: Any) -> tuple[float, float] | None:
    if type(value) is not list or len(value) != len("xy") or not all(type(part) in (int, float) for part in value):
        return None
    x, y = float(value[0]), float(value[1])
    return (x, y) if -1 <= x <= 1 and -1 <= y <= 1 else None


def _quote(document: Document) -> Uri | None:
    """Return what is quoted, under whichever of its names comes first."""
    for name in ("quote", "quoteUrl", "quoteUri", "_misskey_quote"):
        if name in document and (uri := base.shown_uri(_id_or_string(document[name]))):
            return uri
    return None


def _interaction_policy(value: Any) -> InteractionPolicy | None:
    if type(value) is not dict:
        return None
    return InteractionPolicy(**{ours: _approved(value.get(theirs)) for theirs, ours in _POLICIES.items()})


def _approved(value: Any) -> tuple[Uri, ...] | None:
    """Return who is approved without asking; `always` is the name before GoToSocial 0.20."""
    if type(value) is not dict:
        return None
    name = "automaticApproval" if "automaticApproval" in value else "always"
    return base.recipients(value, name)


def _options(document: Document, name: str) -> list[Option]:
    options = []
    for entry in base.objects_in(document, name, MAX_OPTIONS):
        replies = entry.get("replies")
        votes = base.number(replies.get("totalItems")) if type(replies) is dict else None
        if title := base.plain_text(entry, "name"):
            options.append(Option(name=title, votes=votes))
    return options


NOTE_READERS: dict[str, Callable[[Document, str, str | None], Object]] = {
    **dict.fromkeys(NOTE_TYPES, read_note),
    "Question": read_question,
    "Tombstone": read_tombstone,
}
