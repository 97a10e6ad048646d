"""Followers synchronisation (FEP-8fcf): what a header says of the sender's followers where it is sent to (pure).

Both sides hash the followers that they know of; where the hashes differ, the one who follows fetches the list.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from activitypub.errors import MalformedActivity
from activitypub.origins import canonical_uri, same_origin
from activitypub.signatures.messages import Claim, SignedRequest
from activitypub.vocabulary.activities import Activity, Synchronize
from activitypub.vocabulary.base import Uri

FIELD = "collection-synchronization"
NONE_AT_ALL = "0" * 64
MAX_FIELD_CHARACTERS = 5_000
_PARAMETER = re.compile(r'\s*([A-Za-z]+)\s*=\s*"([^"\\]*)"\s*(?:,|$)')
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Synchronization:
    """What a header says: whose followers, where the list of ours among them is, and its hash."""

    collection: str
    url: str
    digest: str

    @property
    def field(self) -> str:
        """The header field."""
        return f'collectionId="{self.collection}", url="{self.url}", digest="{self.digest}"'


def digest_of(followers: Iterable[str]) -> str:
    """Return the hash of some followers, each counted once, in whatever order they come."""
    whole = 0
    for uri in set(followers):
        whole ^= int.from_bytes(hashlib.sha256(uri.encode()).digest(), "big")
    return f"{whole:064x}"


def read_field(text: str, actor_uri: str) -> Synchronization | None:
    """Return what a header says, if that is well formed and of the actor's own server; it is a hint, never an error."""
    parameters: dict[str, str] = {}
    position = 0
    while position < len(text) <= MAX_FIELD_CHARACTERS:
        found = _PARAMETER.match(text, position)
        if found is None or found[1] in parameters:
            return None
        parameters[found[1]] = found[2]
        position = found.end()
    try:
        collection, url = canonical_uri(parameters["collectionId"]), canonical_uri(parameters["url"])
        digest = parameters["digest"].lower()
    except (KeyError, MalformedActivity):
        return None
    ours = same_origin(collection, actor_uri) and same_origin(url, actor_uri)
    return Synchronization(collection, url, digest) if ours and _DIGEST.fullmatch(digest) else None


def told_of_followers(request: SignedRequest, claim: Claim, activity: Activity, now: datetime) -> Synchronize | None:
    """Return what a request says of the sender's followers here (FEP-8fcf): looked at once a day for each answer."""
    given = [value for name, value in request.headers if name.lower() == FIELD]
    if len(given) != 1 or FIELD not in claim.covered:
        return None
    told = read_field(given[0], activity.actor)
    if told is None:
        return None
    own_id = Uri(f"{told.collection}#{told.digest}-{now.date().isoformat()}")
    return Synchronize(
        id=own_id, actor=activity.actor, object=Uri(told.collection), target=Uri(told.url), digest=told.digest
    )
