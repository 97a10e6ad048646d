"""The one door in: a document becomes an object, or is refused with the reason."""

from dataclasses import replace
from functools import partial
from typing import Any

from activitypub.errors import MalformedActivity
from activitypub.jsonld import compact
from activitypub.origins import canonical_uri
from activitypub.vocabulary import base
from activitypub.vocabulary.activities import ACTIVITY_CLASSES, read_activity
from activitypub.vocabulary.actors import ACTOR_CLASSES, read_actor
from activitypub.vocabulary.base import Document, Object, Ref, Uri
from activitypub.vocabulary.collections import COLLECTION_TYPES, read_collection
from activitypub.vocabulary.objects import NOTE_READERS, read_unknown

MAX_EMBEDDED = 6

_FAMILIES: dict[str, str] = {
    **dict.fromkeys(ACTIVITY_CLASSES, "activity"),
    **dict.fromkeys(ACTOR_CLASSES, "actor"),
    **dict.fromkeys(COLLECTION_TYPES, "collection"),
    **dict.fromkeys(NOTE_READERS, "note"),
}


def parse(document: Document, *, language: str | None = None) -> Object:
    """Return the object that a document from outside describes, in the normal forms of federation reference §4.2.

    The document must come through `strict_json.loads_strict`, which bounds it. `language` chooses among translations.
    All URIs in the result are canonical, so they can be compared with `==`; they may be http. Nothing in the result
    has authority yet: that takes `origins.check_origin`, and a signature or a fetch.

    Raises MalformedActivity for what cannot be read, or not in one way only; ForeignOrigin for an actor whose inbox
    or key stands on another server.
    """
    common = compact(document)
    result = _object(common, document, language, MAX_EMBEDDED + 1)
    if result.id is None:
        raise MalformedActivity(public="The document has no id.")
    return result


def _object(document: Document, raw: Document, language: str | None, depth: int) -> Object:
    family, kind = _dispatch(document)
    result: Object
    if family == "note":
        result = NOTE_READERS[kind](document, kind, language)
    elif family == "actor":
        result = read_actor(document, kind, language)
    elif family == "collection":
        result = read_collection(document, kind, partial(_reference, language=language, depth=depth - 1))
    elif family == "activity" or "actor" in document:
        result = read_activity(document, kind, language, partial(_reference, language=language, depth=depth - 1))
    else:
        result = read_unknown(document, kind)
    # The slow path of JSON-LD wrote the document anew; what is kept, and passed on, is what came.
    return result if raw is document else replace(result, raw=raw)


def _dispatch(document: Document) -> tuple[str | None, str]:
    """Return the family and the type of a document; of several types, the known one.

    Raises MalformedActivity when types of two families are given: whoever picked one could be made to pick wrongly.
    """
    value = document.get("type")
    if type(value) is str and value:
        return _FAMILIES.get(value), value
    if type(value) is not list or not value or not all(type(entry) is str and entry for entry in value):
        raise MalformedActivity(public="type is missing or malformed.")
    known = [entry for entry in value if entry in _FAMILIES]
    families = {_FAMILIES[entry] for entry in known}
    if len(families) > 1 or (len(set(known)) > 1 and families != {"note"}):
        raise MalformedActivity(public="The document has several types.")
    return (families.pop(), known[0]) if known else (None, value[0])


def _reference(value: Any, *, language: str | None, depth: int) -> Ref | None:
    """Return a reference from an id or an embedded object; None for null.

    An object without type is its id; so is one that is embedded too deeply to matter. Raises MalformedActivity for
    arrays, numbers, and objects with neither id nor type.
    """
    if value is None:
        return None
    if type(value) is str:
        return Ref(Uri(canonical_uri(value)))
    if type(value) is not dict:
        raise MalformedActivity(public="A reference is neither an id nor an object.")
    if "type" not in value or depth <= 0:
        uri = base.identity(value)
        if uri is None:
            raise MalformedActivity(public="An embedded object has neither id nor type.")
        return Ref(uri)
    embedded = _object(value, value, language, depth)
    return Ref(embedded.id, embedded)
