"""What another server's answer means: statuses, media types, codings, the document in it (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from activitypub.addresses import PrivatePeers
from activitypub.errors import Gone, MalformedActivity, Refused, Unreachable
from activitypub.strict_json import loads_strict
from activitypub.targets import Target, parse_target

ACTIVITYSTREAMS_PROFILE = "https://www.w3.org/ns/activitystreams"
GONE = 410
# They pass: the server is alive and will take the same request later.
PASSING_STATUSES = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class Fetched:
    """A document that came with status 2xx; `url` is where it came from after redirects, without a fragment."""

    url: str
    status: int
    content_type: str
    body: bytes

    @property
    def media_type(self) -> str:
        """The media type without parameters, in lower case; empty when none was given."""
        return _media_type(self.content_type)


@dataclass(frozen=True, slots=True)
class Answer:
    """What another server said to a POST, whatever the status; `retry_at` is at most 24 hours ahead."""

    status: int
    retry_at: datetime | None
    asked: str = ""
    """The signature that is asked for, as Accept-Signature says it."""

    @property
    def is_taken(self) -> bool:
        """Whether the activity was accepted."""
        return 200 <= self.status < 300


def check_status(status: int, asked: str = "") -> None:
    """Pass 2xx; raises Gone (410), Unreachable (408, 425, 429, 5xx: ask again later) and Refused (all others)."""
    if 200 <= status < 300:
        return
    if status == GONE:
        raise Gone("status 410")
    if status >= 500 or status in PASSING_STATUSES:
        raise Unreachable(f"status {status}")
    raise Refused(status, asked=asked)


def check_coding(headers: Mapping[str, str]) -> None:
    """Refuse a body that is not sent as it is: we asked for `identity`, and a bomb is never unpacked (S-509)."""
    coding = headers.get("Content-Encoding", "identity").strip().lower()
    transfer = headers.get("Transfer-Encoding", "chunked").strip().lower()
    if coding not in ("", "identity") or transfer != "chunked":
        raise Refused(200, "document.encoded", public="The answer is compressed although that was not asked for.")


def is_activity_type(content_type: str) -> bool:
    """Tell whether a media type is one of the two of ActivityStreams (federation reference §1.7, as Mastodon checks).

    Anything else could be a file that a user of that server uploaded (GHSA-jhrq-qvrm-qr36).
    """
    media_type = _media_type(content_type)
    if media_type == "application/ld+json":
        return ACTIVITYSTREAMS_PROFILE in _profile(content_type).split()
    return media_type == "application/activity+json"


def is_json_type(content_type: str) -> bool:
    """Tell whether a media type is JSON of some kind."""
    media_type = _media_type(content_type)
    return media_type == "application/json" or (media_type.startswith("application/") and media_type.endswith("+json"))


def load_document(fetched: Fetched) -> dict[str, Any]:
    """Read the JSON object of an answer, strictly; raises Refused for an array, HTML, or JSON with two readings."""
    try:
        return loads_strict(fetched.body)
    except MalformedActivity as error:
        raise Refused(fetched.status, "document.json", public=error.public) from error


def claimed_id(document: Mapping[str, Any], fetched: Fetched, private_peers: PrivatePeers) -> Target:
    """Return the address by which a document names itself; raises Refused when it does not, or by a forbidden one."""
    claimed = document.get("id")
    if not isinstance(claimed, str):
        raise Refused(fetched.status, "document.id", public="The document does not carry its own address.")
    return parse_target(claimed, private_peers)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _profile(content_type: str) -> str:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "profile":
            return value.strip().strip('"')
    return ""
