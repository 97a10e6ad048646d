"""The entities of the client API as apps read them: every field by name, with the types that it may have."""

import re
from typing import Any

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
NOTHING = type(None)
Shape = dict[str, Any]

ACCOUNT: Shape = {
    "id": str, "username": str, "acct": str, "display_name": str, "locked": bool, "bot": bool, "group": bool,
    "discoverable": bool, "indexable": bool, "noindex": bool, "hide_collections": bool, "created_at": MOMENT,
    "note": str, "url": str, "uri": str, "avatar": str, "avatar_static": str, "avatar_description": str, "header": str,
    "header_static": str, "header_description": str, "followers_count": int, "following_count": int,
    "statuses_count": int, "last_status_at": NOTHING, "emojis": list, "fields": list, "roles": list,
}  # fmt: skip
SOURCE: Shape = {
    "note": str, "fields": list, "privacy": str, "sensitive": bool, "language": NOTHING, "follow_requests_count": int,
    "discoverable": bool, "indexable": bool, "hide_collections": bool, "attribution_domains": list, "quote_policy": str,
}  # fmt: skip
ROLE: Shape = {"id": str, "name": str, "color": str, "permissions": str, "highlighted": bool}
CREDENTIAL_ACCOUNT: Shape = {**ACCOUNT, "source": SOURCE, "role": ROLE}
MENTION: Shape = {"id": str, "username": str, "acct": str, "url": str}
STATUS: Shape = {
    "id": str, "uri": str, "url": str, "created_at": MOMENT, "edited_at": (NOTHING, MOMENT), "expires_at": MOMENT,
    "account": ACCOUNT, "content": str, "visibility": str, "sensitive": bool, "spoiler_text": str,
    "language": (NOTHING, str), "in_reply_to_id": (NOTHING, str), "in_reply_to_account_id": (NOTHING, str),
    "reblog": NOTHING, "media_attachments": list, "mentions": [MENTION], "tags": list, "emojis": list, "poll": NOTHING,
    "card": NOTHING, "application": NOTHING, "replies_count": int, "reblogs_count": int, "favourites_count": int,
    "quotes_count": int, "favourited": bool, "reblogged": bool, "bookmarked": bool, "muted": bool, "pinned": bool,
    "filtered": list, "quote": NOTHING, "quote_approval": dict, "local_only": bool, "group_context": dict,
}  # fmt: skip
WRAPPER: Shape = {**STATUS, "reblog": STATUS}
RELATIONSHIP: Shape = {
    "id": str, "following": bool, "showing_reblogs": bool, "notifying": bool, "followed_by": bool, "blocking": bool,
    "blocked_by": bool, "muting": bool, "muting_notifications": bool, "requested": bool, "requested_by": bool,
    "domain_blocking": bool, "endorsed": bool, "languages": NOTHING, "note": str,
}  # fmt: skip
LIST: Shape = {"id": str, "title": str, "replies_policy": str, "exclusive": bool}
NOTIFICATION: Shape = {"id": str, "type": str, "created_at": MOMENT, "group_key": str, "account": ACCOUNT}
NOTIFICATION_GROUP: Shape = {
    "group_key": str, "notifications_count": int, "type": str, "most_recent_notification_id": int, "page_min_id": str,
    "page_max_id": str, "latest_page_notification_at": MOMENT, "sample_account_ids": [str],
}  # fmt: skip
MARKER: Shape = {"last_read_id": str, "version": int, "updated_at": MOMENT}


def faults(value: Any, shape: Any, where: str = "") -> list[str]:
    """Return how a value differs from a shape: a field too many, one too few, or one of another type."""
    if isinstance(shape, tuple):
        return [] if any(not faults(value, each, where) for each in shape) else [f"{where}: {value!r}"]
    if isinstance(shape, re.Pattern):
        return [] if isinstance(value, str) and shape.fullmatch(value) else [f"{where}: {value!r} is no moment"]
    if isinstance(shape, list):
        items = value if isinstance(value, list) else []
        wrong = [] if isinstance(value, list) else [f"{where}: no list"]
        return wrong + [fault for item in items for fault in faults(item, shape[0], f"{where}[]")]
    if isinstance(shape, dict):
        return _faults_of_fields(value, shape, where)
    right = type(value) is shape  # a bool is an int, and must not stand for one
    return [] if right else [f"{where}: {value!r} is not {shape.__name__}"]


def _faults_of_fields(value: Any, shape: Shape, where: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{where}: no object"]
    found = [f"{where}: lacks {name}" for name in shape if name not in value]
    found += [f"{where}: has {name}" for name in value if name not in shape]
    return found + [
        fault for name, each in shape.items() if name in value for fault in faults(value[name], each, f"{where}.{name}")
    ]
