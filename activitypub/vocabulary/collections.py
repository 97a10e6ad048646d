"""Collections and their pages (federation reference §4.7)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from activitypub.errors import MalformedActivity, RemoteError
from activitypub.vocabulary import base
from activitypub.vocabulary.base import Document, Object, Ref, Uri

COLLECTION_TYPES = frozenset({"Collection", "OrderedCollection", "CollectionPage", "OrderedCollectionPage"})
MAX_ITEMS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Collection(Object):
    """A collection or a page of one; `total_items` is a claim of its server, never proof of anything."""

    type: str = "OrderedCollection"
    items: tuple[Ref, ...] = ()
    total_items: int | None = None
    first: Ref | None = None
    next: Uri | None = None
    prev: Uri | None = None
    part_of: Uri | None = None
    attributed_to: Uri | None = None

    @property
    def owner(self) -> Uri | None:
        """Whoever the collection is attributed to."""
        return self.attributed_to

    @property
    def is_ordered(self) -> bool:
        """Tell whether the order of the items means something."""
        return self.type.startswith("Ordered")


def read_collection(document: Document, kind: str, read: Callable[[Any], Ref | None]) -> Collection:
    """Return a collection; items that cannot be read are left out, for one bad post must not hide the others.

    Raises MalformedActivity for more than 1,000 items and for a `next` that could be several.
    """
    given = document.get("orderedItems")
    given = document.get("items") if given is None else given
    entries = given if type(given) is list else [given]
    if len(entries) > MAX_ITEMS:
        raise MalformedActivity(public="The collection has too many items in one page.")
    items = (_item(entry, read) for entry in entries if entry is not None)
    return Collection(
        id=base.identity(document),
        raw=document,
        type=kind,
        items=tuple(item for item in items if item),
        total_items=base.number(document.get("totalItems")),
        first=read(document.get("first")),
        next=base.reference(document, "next"),
        prev=base.reference(document, "prev"),
        part_of=base.reference(document, "partOf"),
        attributed_to=base.reference(document, "attributedTo"),
    )


def _item(entry: Any, read: Callable[[Any], Ref | None]) -> Ref | None:
    try:
        return read(entry)
    except RemoteError:
        return None
