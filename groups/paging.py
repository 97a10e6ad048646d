"""Collections as documents: small ones in one piece, larger ones in pages (pure; federation reference §4.7)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

CONTEXT: Final = "https://www.w3.org/ns/activitystreams"
ITEMS_OF_A_PAGE: Final = 100
MAX_ID_DIGITS: Final = 19


def asked_page(query: Mapping[str, str]) -> int | None:
    """Return the id behind which a page begins, or None where the whole collection is asked for."""
    text = query.get("page", "")
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= MAX_ID_DIGITS else None


def collection(uri: str, items: Sequence[Any], *, kind: str = "OrderedCollection") -> dict[str, Any]:
    """Return a small collection in one piece."""
    return {"@context": CONTEXT, "id": uri, "type": kind, "totalItems": len(items), _name(kind): list(items)}


def paged(
    uri: str,
    found: Sequence[tuple[int, Any]],
    at: int | None,
    *,
    kind: str = "OrderedCollection",
    size: int = ITEMS_OF_A_PAGE,
    inline: bool = False,
) -> dict[str, Any]:
    """Return a collection or its page `at`; `found` are ids and items from there on, one more than a page holds.

    What fits into one page comes in one piece. `inline` says that the first items stand in the collection too, for
    Lemmy, which reads no pages. A collection in pages does not say how much is in it.
    """
    items, more = [item for _, item in found[:size]], len(found) > size
    if at is None and not more:
        return collection(uri, items, kind=kind)
    page = {"id": f"{uri}?page={at or 0}", "type": f"{kind}Page", "partOf": uri, _name(kind): items}
    if more:
        page["next"] = f"{uri}?page={found[size - 1][0]}"
    if at is not None:
        return {"@context": CONTEXT, **page}
    whole = {"@context": CONTEXT, "id": uri, "type": kind, "first": page}
    return {**whole, _name(kind): items} if inline else whole


def _name(kind: str) -> str:
    return "orderedItems" if kind.startswith("Ordered") else "items"
