"""The one door out: an object of ours becomes a document that every known peer can read.

Arrays for whatever can be many, scalars for what is one, times in whole seconds with Z, no nulls, and only those
extension terms in the context that the document uses (federation reference §2.1, §4.6). Keys stand in a fixed order,
so equal objects give equal bytes.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from activitypub.errors import LocalError
from activitypub.jsonld import AS2, KINFOLD, SECURITY_V1
from activitypub.vocabulary import activities as acts
from activitypub.vocabulary.actors import Actor, Field, Group, Key
from activitypub.vocabulary.base import Document, Object, Ref, Source, Uri
from activitypub.vocabulary.collections import Collection
from activitypub.vocabulary.objects import Attachment, InteractionPolicy, Note, Question, Tag, Tombstone

CID_V1 = "https://www.w3.org/ns/cid/v1"

_LINKED = {"@type": "@id"}
# Term: its definition, and the prefixes that the definition needs. The order is that of emission.
_TERMS: dict[str, Any] = {
    "toot": "http://joinmastodon.org/ns#",
    "lemmy": "https://join-lemmy.org/ns#",
    "gts": "https://gotosocial.org/ns#",
    "schema": "http://schema.org#",
    "pt": "https://joinpeertube.org/ns#",
    "litepub": "http://litepub.social/ns#",
    "fep044f": "https://w3id.org/fep/044f#",
    "fep844e": "https://w3id.org/fep/844e#",
    "kinfold": KINFOLD,
    "webfinger": "https://purl.archive.org/socialweb/webfinger#webfinger",
    "sensitive": "as:sensitive",
    "Hashtag": "as:Hashtag",
    "manuallyApprovesFollowers": "as:manuallyApprovesFollowers",
    "movedTo": {"@id": "as:movedTo", **_LINKED},
    "Emoji": "toot:Emoji",
    "blurhash": "toot:blurhash",
    "focalPoint": {"@id": "toot:focalPoint", "@container": "@list"},
    "votersCount": "toot:votersCount",
    "discoverable": "toot:discoverable",
    "indexable": "toot:indexable",
    "suspended": "toot:suspended",
    "memorial": "toot:memorial",
    "featured": {"@id": "toot:featured", **_LINKED},
    "postingRestrictedToMods": "lemmy:postingRestrictedToMods",
    "moderators": {"@id": "lemmy:moderators", **_LINKED},
    "removeData": "lemmy:removeData",
    "withReplies": "lemmy:withReplies",
    "Lock": "lemmy:Lock",
    "Resolve": "lemmy:Resolve",
    "Warn": "lemmy:Warn",
    "EmojiReact": "litepub:EmojiReact",
    "CommunityPostTag": "lemmy:CommunityPostTag",
    "commentsEnabled": "pt:commentsEnabled",
    "language": "schema:inLanguage",
    "identifier": "schema:identifier",
    "quote": {"@id": "fep044f:quote", **_LINKED},
    "QuoteRequest": "fep044f:QuoteRequest",
    "interactionPolicy": {"@id": "gts:interactionPolicy", **_LINKED},
    "canQuote": {"@id": "gts:canQuote", **_LINKED},
    "canReply": {"@id": "gts:canReply", **_LINKED},
    "canAnnounce": {"@id": "gts:canAnnounce", **_LINKED},
    "canLike": {"@id": "gts:canLike", **_LINKED},
    "automaticApproval": {"@id": "gts:automaticApproval", **_LINKED},
    "approvedBy": {"@id": "gts:approvedBy", **_LINKED},
    "hidesToPublicFromUnauthedWeb": "gts:hidesToPublicFromUnauthedWeb",
    "PropertyValue": "schema:PropertyValue",
    "value": "schema:value",
    "implements": {"@id": "fep844e:implements", **_LINKED},
    "expires": {"@id": "kinfold:expires", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"},
}

Part = tuple[str, Any]


def to_document(thing: Object) -> Document:
    """Return the document of an object, ready for the wire, with its `@context`.

    An object embedded in it that came from outside is written as it came, byte for byte in meaning, with its own
    context and proof (FEP-1b12). Raises LocalError for an object that has no form on the wire.
    """
    document = _document(thing)
    return {"@context": _context(document), **document}


def _document(thing: Object) -> Document:
    """Return the document without context; an unknown class is a mistake of ours."""
    for cls, write in _WRITERS:
        if isinstance(thing, cls):
            parts = write(thing)
            return {name: value for name, value in parts if value is not None}
    raise LocalError(f"{thing.type} {thing.id}")


def _context(document: Document) -> Any:
    """Return the context that defines just those extension terms which the document and its parts use."""
    used: set[str] = set()
    _collect(document, used)
    inline = {term: meaning for term, meaning in _TERMS.items() if term in used}
    for meaning in list(inline.values()):
        iri = meaning["@id"] if isinstance(meaning, dict) else meaning
        used.add(iri.partition(":")[0])
    inline = {term: meaning for term, meaning in _TERMS.items() if term in used}
    contexts: list[Any] = [AS2]
    if "publicKey" in used:
        contexts.append(SECURITY_V1)
    if "assertionMethod" in used:
        contexts.append(CID_V1)
    return [*contexts, inline] if inline else contexts


def _collect(value: Any, used: set[str]) -> None:
    """Gather the names of keys and types, but not within what is embedded with a context of its own."""
    if isinstance(value, list):
        for entry in value:
            _collect(entry, used)
    elif isinstance(value, dict) and "@context" not in value:
        used.update(value)
        if isinstance(value.get("type"), str):
            used.add(value["type"])
        for entry in value.values():
            _collect(entry, used)


def _embedded(ref: Ref | None) -> Any:
    """Return an id, or the embedded object: as it came from outside, else newly written."""
    if ref is None or ref.embedded is None:
        return ref and ref.id
    return ref.embedded.raw or _document(ref.embedded)


def _time(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _list(values: tuple[Any, ...]) -> list[Any] | None:
    return list(values) or None


def _one_or_many(values: tuple[Uri, ...]) -> Any:
    """Return a single audience as a string: Lemmy reads nothing else."""
    return values[0] if len(values) == 1 else _list(values)


def _true(value: bool) -> bool | None:  # noqa: FBT001 - the value itself
    return value or None


def _source(source: Source | None) -> Document | None:
    return None if source is None else {"content": source.content, "mediaType": source.media_type}


def _note(note: Note) -> list[Part]:
    return [
        ("id", note.id),
        ("type", note.type),
        ("attributedTo", note.attributed_to),
        ("name", note.name),
        ("summary", note.summary),
        ("content", note.content),
        ("contentMap", {note.language: note.content} if note.language and note.content is not None else None),
        ("mediaType", note.media_type),
        ("source", _source(note.source)),
        ("sensitive", note.sensitive),
        ("url", note.url),
        ("inReplyTo", note.in_reply_to),
        ("published", _time(note.published)),
        ("updated", _time(note.updated)),
        ("expires", _time(note.expires)),
        ("to", list(note.to)),
        ("cc", list(note.cc)),
        ("audience", _one_or_many(note.audience)),
        ("context", note.context),
        ("tag", [_tag(tag) for tag in note.tags]),
        ("attachment", [_attachment(attachment) for attachment in note.attachments]),
        ("quote", note.quote),
        ("interactionPolicy", _interaction_policy(note.interaction_policy)),
        ("approvedBy", note.approved_by),
        ("commentsEnabled", note.comments_enabled),
        ("replies", _replies(note.replies)),
    ]


def _question(question: Question) -> list[Part]:
    options = [
        {"type": "Note", "name": option.name}
        | ({} if option.votes is None else {"replies": {"type": "Collection", "totalItems": option.votes}})
        for option in question.options
    ]
    return [
        *_note(question),
        ("anyOf" if question.multiple else "oneOf", options),
        ("endTime", _time(question.end_time)),
        ("closed", _time(question.closed)),
        ("votersCount", question.voters_count),
    ]


def _replies(uri: Uri | None) -> Document | None:
    """Return the collection with an empty first page, so that Mastodon does not fetch it for every post."""
    if uri is None:
        return None
    return {"id": uri, "type": "Collection", "first": {"type": "CollectionPage", "partOf": uri, "items": []}}


def _tag(tag: Tag) -> Document:
    icon = None if tag.icon is None else {"type": "Image", "url": tag.icon}
    # Lemmy names the tags of a community by preferredUsername.
    name = "preferredUsername" if tag.type == "CommunityPostTag" else "name"
    parts: list[Part] = [("type", tag.type), ("id", tag.id), ("href", tag.href), (name, tag.name), ("icon", icon)]
    return {key: value for key, value in parts if value is not None}


def _attachment(attachment: Attachment) -> Document:
    parts: list[Part] = [
        ("type", attachment.type),
        ("mediaType", attachment.media_type),
        ("href" if attachment.type == "Link" else "url", attachment.url),
        ("name", attachment.name),
        ("width", attachment.width),
        ("height", attachment.height),
        ("blurhash", attachment.blurhash),
        ("focalPoint", None if attachment.focal_point is None else list(attachment.focal_point)),
    ]
    return {key: value for key, value in parts if value is not None}


def _interaction_policy(policy: InteractionPolicy | None) -> Document | None:
    if policy is None:
        return None
    approved = {
        "canQuote": policy.can_quote,
        "canReply": policy.can_reply,
        "canAnnounce": policy.can_announce,
        "canLike": policy.can_like,
    }
    return {name: {"automaticApproval": list(who)} for name, who in approved.items() if who is not None}


def _tombstone(tombstone: Tombstone) -> list[Part]:
    return [
        ("id", tombstone.id),
        ("type", tombstone.type),
        ("formerType", tombstone.former_type),
        ("deleted", _time(tombstone.deleted)),
    ]


def _actor(actor: Actor) -> list[Part]:
    is_group = isinstance(actor, Group)
    return [
        ("id", actor.id),
        ("type", actor.type),
        ("preferredUsername", actor.preferred_username),
        ("webfinger", actor.webfinger),
        ("name", actor.name),
        ("summary", actor.summary),
        ("source", _source(actor.source)),
        ("url", actor.url),
        ("inbox", actor.inbox),
        ("outbox", actor.outbox),
        ("followers", actor.followers),
        ("following", actor.following),
        ("featured", actor.featured),
        ("endpoints", None if actor.shared_inbox is None else {"sharedInbox": actor.shared_inbox}),
        ("attributedTo", actor.moderators or _references(actor.attributed_to)),
        ("moderators", actor.moderators if is_group else None),
        ("audience", _one_or_many(actor.audience)),
        ("postingRestrictedToMods", actor.posting_restricted if is_group else _true(actor.posting_restricted)),
        ("sensitive", actor.sensitive if is_group else _true(actor.sensitive)),
        ("manuallyApprovesFollowers", actor.manually_approves_followers),
        ("discoverable", actor.discoverable),
        ("indexable", actor.indexable),
        ("suspended", _true(actor.suspended)),
        ("memorial", _true(actor.memorial)),
        ("hidesToPublicFromUnauthedWeb", _true(actor.hides_public)),
        ("published", _time(actor.published)),
        ("updated", _time(actor.updated)),
        ("language", _list(tuple({"identifier": code, "name": code} for code in actor.languages))),
        ("icon", _image(actor.icon)),
        ("image", _image(actor.image)),
        ("movedTo", actor.moved_to),
        ("alsoKnownAs", _list(actor.also_known_as)),
        ("attachment", _list(tuple(_field(line) for line in actor.fields))),
        ("tag", _list(tuple(_tag(tag) for tag in actor.tags))),
        *_keys(actor),
        *_capabilities(actor),
    ]


def _references(uris: tuple[Uri, ...]) -> list[Document] | None:
    return [{"type": "Person", "id": uri} for uri in uris] or None


def _image(uri: Uri | None) -> Document | None:
    return None if uri is None else {"type": "Image", "url": uri}


def _field(line: Field) -> Document:
    return {"type": "PropertyValue", "name": line.name, "value": line.value}


def _keys(actor: Actor) -> list[Part]:
    """Return one RSA key as a single object, for few peers read more than one; all others as Multikeys (FEP-521a)."""
    pems = [_pem(key) for key in actor.keys if key.pem is not None]
    multikeys = [
        {"id": key.id, "type": "Multikey", "controller": key.owner, "publicKeyMultibase": key.multibase}
        for key in actor.keys
        if key.multibase is not None
    ]
    return [
        ("publicKey", pems[0] if len(pems) == 1 else pems or None),
        ("assertionMethod", multikeys or None),
    ]


def _pem(key: Key) -> Document:
    return {"id": key.id, "owner": key.owner, "publicKeyPem": key.pem}


def _capabilities(actor: Actor) -> list[Part]:
    """Return what the server can do: on the Application itself, elsewhere on an anonymous `generator` (FEP-844e)."""
    implements = _list(tuple({"href": uri} for uri in actor.implements))
    if implements is None or actor.type == "Application":
        return [("implements", implements)]
    return [("generator", {"type": "Application", "implements": implements})]


def _collection(collection: Collection) -> list[Part]:
    items = [_embedded(item) for item in collection.items]
    # A bare Collection without items is how followers are kept secret; everything else says that it is empty.
    silent = not items and (collection.first is not None or collection.type == "Collection")
    return [
        ("id", collection.id),
        ("type", collection.type),
        ("attributedTo", collection.attributed_to),
        ("totalItems", collection.total_items),
        ("first", _embedded(collection.first)),
        ("partOf", collection.part_of),
        ("next", collection.next),
        ("prev", collection.prev),
        ("orderedItems" if collection.is_ordered else "items", None if silent else items),
    ]


# Lemmy refuses some of these without `cc`; both lists go out even when they are empty.
_ALWAYS_ADDRESSED = {"Create", "Update", "Delete", "Undo", "Announce", "Block", "Lock", "Add", "Remove"}


def _activity(activity: acts.Activity) -> list[Part]:
    always = activity.type in _ALWAYS_ADDRESSED
    return [
        ("id", activity.id),
        ("type", activity.type),
        ("actor", activity.actor),
        ("published", _time(activity.published)),
        ("to", list(activity.to) if always else _list(activity.to)),
        ("cc", list(activity.cc) if always else _list(activity.cc)),
        ("audience", _one_or_many(activity.audience)),
        ("summary", activity.summary),
        ("object", _acted_upon(activity)),
        *_own_parts(activity),
    ]


def _acted_upon(activity: acts.Activity) -> Any:
    if isinstance(activity, acts.ActivityOnRef):
        return _embedded(activity.object)
    if isinstance(activity, acts.Flag):
        # Lemmy reads a single object only, Mastodon a list; one report about one thing suits both.
        return _one_or_many(activity.objects)
    return activity.object_id


def _own_parts(activity: acts.Activity) -> list[Part]:
    """Return the fields that only some activities have."""
    get: Callable[[str], Any] = lambda name: getattr(activity, name, None)  # noqa: E731 - one look-up, eight times
    return [
        ("target", get("target")),
        ("origin", get("origin")),
        ("result", get("result")),
        ("instrument", _embedded(get("instrument"))),
        ("content", get("content")),
        ("endTime", _time(get("end_time"))),
        ("removeData", get("remove_data") or None),
        ("withReplies", get("with_replies") or None),
    ]


_WRITERS: tuple[tuple[type[Object], Callable[[Any], list[Part]]], ...] = (
    (acts.Activity, _activity),
    (Question, _question),
    (Note, _note),
    (Actor, _actor),
    (Collection, _collection),
    (Tombstone, _tombstone),
)
