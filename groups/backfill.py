"""What a conversation consists of, as the group elsewhere in which it is held lists it (FEP-7888, FEP-f228).

A list is a hint of where to look and proves nothing: each post is fetched from its own address, and must name the group
itself. Whoever reads one stops soon: lists may be endless (S-313).
"""

from typing import Final

from activitypub.errors import NeedsObject
from activitypub.origins import same_origin
from activitypub.ports import Arrival
from groups.incoming import IncomingCollection

MAX_PAGES: Final = 3
MAX_LISTED: Final = 500


def listed(
    arrival: Arrival, uri: str, owner_uri: str, *, signer_id: int | None, pages: int = MAX_PAGES
) -> list[str] | None:
    """Return the addresses in a collection of an actor's own server, from its first pages; None where there is none.

    Raises NeedsObject.
    """
    found = _collection(arrival, uri, signer_id)
    if found is None or not same_origin(found.uri, owner_uri) or found.owner_uri not in {None, owner_uri}:
        return None
    addresses, following, seen = list(found.items), found.first, {uri}
    for _ in range(pages):
        if following is None or len(addresses) >= MAX_LISTED:
            break
        if isinstance(following, str):
            if following in seen or not same_origin(following, owner_uri):
                break
            seen.add(following)
            following = _collection(arrival, following, signer_id)
            if following is None:
                break
        addresses += following.items
        following = following.next
    return list(dict.fromkeys(addresses))[:MAX_LISTED]


def _collection(arrival: Arrival, uri: str, signer_id: int | None) -> IncomingCollection | None:
    found = arrival.fetched.get(uri)
    if isinstance(found, IncomingCollection):
        return found
    if uri in arrival.unavailable or uri in arrival.fetched:
        return None
    raise NeedsObject(uri, signer_id=signer_id)
