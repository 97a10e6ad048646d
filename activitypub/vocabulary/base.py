"""The ground of the vocabulary: URIs, references, and the normal form of each kind of field (reference §4.2).

Two tempers: fields that give authority or decide who may read raise MalformedActivity when their shape is wrong or
their value is one of several; fields that are only shown are dropped when they make no sense.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NewType

from activitypub.errors import MalformedActivity
from activitypub.origins import canonical_uri

Document = dict[str, Any]
Uri = NewType("Uri", str)

PUBLIC = Uri("https://www.w3.org/ns/activitystreams#Public")
_PUBLIC_SPELLINGS = frozenset({PUBLIC, "as:Public", "Public"})

MAX_RECIPIENTS = 1_000
MAX_NAME_CHARACTERS = 500
MAX_SUMMARY_BYTES = 20_480
MAX_CONTENT_BYTES = 65_536
MAX_LINKS = 32
_EARLIEST = datetime(1990, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Object:
    """Anything with a type; `raw` is the document as it came, and empty for what is made here."""

    id: Uri | None = None
    type: str
    raw: Document = field(default_factory=dict, compare=False)

    @property
    def owner(self) -> Uri | None:
        """URI of the actor that may speak for this (FEP-fe34), if one is named."""
        return None

    def __repr__(self) -> str:
        """Name the type and the id only: what people wrote stays out of logs and tracebacks."""
        return f"<{self.type} {self.id}>"


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference: the id, the thing itself, or both; what is embedded is a hint until its origin is checked."""

    id: Uri | None
    embedded: Object | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The text that a content was made from; for editing only, never shown."""

    content: str
    media_type: str

    def __repr__(self) -> str:
        """Say nothing of the text."""
        return f"<Source {self.media_type}>"


def reference(document: Document, name: str) -> Uri | None:
    """Return the id in a field that holds an id, an object with an id, or an array of just one of these.

    Raises MalformedActivity for any other shape: there is no picking of one among several.
    """
    value = document.get(name)
    if value is None:
        return None
    if type(value) is list and len(value) < 2:  # in JSON-LD an array of one is that one
        if not value:
            return None
        value = value[0]
    return _id_of(value, name)


def required(document: Document, name: str) -> Uri:
    """Return what `reference` returns, and raise MalformedActivity if there is nothing."""
    uri = reference(document, name)
    if uri is None:
        raise MalformedActivity(public=f"{name} is missing.")
    return uri


def author(document: Document, name: str) -> Uri | None:
    """Return the one actor that a field names; an array is refused, even of one (security catalogue S-203)."""
    value = document.get(name)
    return None if value is None else _id_of(value, name)


def identity(document: Document) -> Uri | None:
    """Return the id of a document; None if it has none (`null` counts as none, as in the emoji of Akkoma)."""
    value = document.get("id")
    if value is None:
        return None
    if type(value) is not str:
        raise MalformedActivity(public="id is not a string.")
    return Uri(canonical_uri(value))


def _id_of(value: Any, name: str) -> Uri:
    if type(value) is dict:
        value = value.get("id")
    if type(value) is not str:
        raise MalformedActivity(public=f"{name} does not name exactly one thing.")
    return Uri(canonical_uri(value))


def recipients(document: Document, name: str) -> tuple[Uri, ...]:
    """Return the addresses in `to`, `cc` or `audience`: each once, in order, Public in its one spelling.

    Addresses that are no http(s) URI are dropped, which never widens. Raises MalformedActivity for numbers, nested
    arrays and more than 1,000 entries.
    """
    value = document.get(name)
    if value is None:
        return ()
    entries = value if type(value) is list else [value]
    if len(entries) > MAX_RECIPIENTS:
        raise MalformedActivity(public=f"{name} has too many entries.")
    found: dict[Uri, None] = {}
    for given in entries:
        entry = given.get("id") if type(given) is dict else given
        if type(entry) is str:
            if entry in _PUBLIC_SPELLINGS:
                found[PUBLIC] = None
            elif uri := shown_uri(entry):
                found[uri] = None
        elif entry is not None:
            raise MalformedActivity(public=f"{name} holds something that is not an address.")
    return tuple(found)


def all_references(document: Document, name: str) -> tuple[Uri, ...]:
    """Return every id in a field of one or many; raises MalformedActivity as `reference` does for each of them."""
    value = document.get(name)
    entries = value if type(value) is list else [value]
    if len(entries) > MAX_RECIPIENTS:
        raise MalformedActivity(public=f"{name} has too many entries.")
    return tuple(_id_of(entry, name) for entry in entries if entry is not None)


def shown_uri(value: Any) -> Uri | None:
    """Return a URI for display from a string, a Link or an Image, or the first that fits of several; else None.

    Anything but http and https is dropped: `javascript:`, `data:`, relative references (security catalogue S-220).
    """
    if type(value) is list:
        for entry in value[:MAX_LINKS]:
            if uri := shown_uri(entry) if type(entry) is not list else None:
                return uri
        return None
    if type(value) is dict:
        target = value.get("href") or value.get("url")
        value = _first_text(target) if type(target) is not dict else target.get("href")
    if type(value) is not str:
        return None
    try:
        return Uri(canonical_uri(value))
    except MalformedActivity:
        return None


def _first_text(value: Any) -> Any:
    """Return a string itself, or the first address in an array of strings and Links."""
    if type(value) is not list:
        return value
    for entry in value[:MAX_LINKS]:
        address = entry.get("href") if type(entry) is dict else entry
        if type(address) is str:
            return address
    return None


def page_uri(value: Any) -> Uri | None:
    """Return the page to show a thing on: of several, the one in HTML, else the first."""
    if type(value) is list:
        for entry in value[:MAX_LINKS]:
            if type(entry) is dict and entry.get("mediaType") == "text/html" and (uri := shown_uri(entry)):
                return uri
    return shown_uri(value)


def text(document: Document, name: str, language: str | None = None) -> str | None:
    """Return a natural-language field: the string, else the map's entry in `language`, else its first."""
    value = document.get(name)
    if type(value) is str:
        return value
    if type(value) is list and value:
        value = value[0]
    if type(value) is dict:
        value = value.get("@value")
    if type(value) is str:
        return value
    by_language = document.get(f"{name}Map")
    if type(by_language) is not dict:
        return None
    entries = [by_language.get(language), *by_language.values()]
    return next((entry for entry in entries if type(entry) is str), None)


def name_text(document: Document, language: str | None = None) -> str | None:
    """Return `name` with at most 500 characters; None if it is empty."""
    value = text(document, "name", language)
    return value[:MAX_NAME_CHARACTERS] if value else None


def summary_text(document: Document, language: str | None = None) -> str | None:
    """Return `summary`; None if it is empty, as peers mean by that. Raises MalformedActivity above 20 KiB."""
    value = text(document, "summary", language)
    if value is not None and len(value.encode(errors="replace")) > MAX_SUMMARY_BYTES:
        raise MalformedActivity(public="summary is too long.")
    return value or None


def plain_text(document: Document, name: str, limit: int = MAX_NAME_CHARACTERS) -> str | None:
    """Return a field that is a short string, cut at `limit` characters; None for any other shape."""
    value = document.get(name)
    return value[:limit] if type(value) is str else None


def moment(value: Any) -> datetime | None:
    """Return an ISO 8601 time in UTC; without offset it is taken for UTC; garbage and times before 1990 give None.

    Whoever stores it clamps times in the future to the receipt time.
    """
    if type(value) is not str or len(value) > 40:  # nanoseconds and an offset need 35
        return None
    try:
        given = datetime.fromisoformat(value)
        given = given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return given if given >= _EARLIEST else None


def flag(document: Document, name: str) -> bool:
    """Tell whether a field is exactly `true`."""
    return document.get(name) is True


def number(value: Any, *, most: int = 2**31 - 1) -> int | None:
    """Return a whole number from 0 to `most`; None for anything else."""
    if type(value) is float and value.is_integer():
        value = int(value)
    return value if type(value) is int and 0 <= value <= most else None


def source(document: Document) -> Source | None:
    """Return the `source` of a content, if it is one."""
    value = document.get("source")
    if type(value) is not dict or type(value.get("content")) is not str or type(value.get("mediaType")) is not str:
        return None
    if len(value["content"].encode(errors="replace")) > MAX_CONTENT_BYTES:
        return None
    return Source(content=value["content"], media_type=value["mediaType"][:MAX_NAME_CHARACTERS])


def objects_in(document: Document, name: str, limit: int) -> list[Document]:
    """Return the objects in a field of none, one or many; other values are dropped, and what is beyond `limit`."""
    value = document.get(name)
    given = value if type(value) is list else [value]
    return [entry for entry in given[:limit] if type(entry) is dict]
