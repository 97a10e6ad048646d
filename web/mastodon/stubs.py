"""What apps ask at their start and that Kinfold does not have: honest, empty answers of the right shape.

Nothing here is computed: no trends, no suggestions, no familiar followers (which would tell of shared groups).
"""

from typing import Any

from groups.errors import NotFound
from web.mastodon.calls import Call, Handler, Method, Who

POLICY_KEYS = (
    "for_not_following", "for_not_followers", "for_new_accounts", "for_private_mentions", "for_limited_accounts",
)  # fmt: skip
OLD_POLICY_KEYS = (
    "filter_not_following", "filter_not_followers", "filter_new_accounts", "filter_private_mentions",
)  # fmt: skip
SUMMARY = {"pending_requests_count": 0, "pending_notifications_count": 0}


async def nothing(_: Call) -> list[Any]:
    """Answer an empty list."""
    return []


async def empty(_: Call) -> dict[str, Any]:
    """Answer an empty object."""
    return {}


async def not_here(_: Call) -> None:
    """Answer that there is no such thing, as JSON, which some apps need even then."""
    raise NotFound("no such method")


async def tag(call: Call) -> dict[str, Any]:
    """Answer a tag that nobody uses: posts of groups are not indexed by tag."""
    name = str(call.request.path_params["name"])[:100]
    address = f"{call.site.base_url}/tags/{name}"
    return {"id": "0", "name": name, "url": address, "history": [], "following": False, "featuring": False}


async def familiar_followers(call: Call) -> list[dict[str, Any]]:
    """Answer that nobody knows anybody: the truth would tell who shares a group with whom."""
    return [{"id": str(identifier), "accounts": []} for identifier in call.parameters.identifiers("id")]


async def policy(_: Call) -> dict[str, Any]:
    """Answer that every notification is shown; nothing is held back, so nothing can be set."""
    return {**dict.fromkeys(POLICY_KEYS, "accept"), "summary": SUMMARY}


async def old_policy(_: Call) -> dict[str, Any]:
    """Answer the same in the older form."""
    return {**dict.fromkeys(OLD_POLICY_KEYS, False), "summary": SUMMARY}


async def requests_merged(_: Call) -> dict[str, Any]:
    """Answer that no request for notifications waits to be merged."""
    return {"merged": True}


def _open(path: str, handler: Handler = nothing) -> Method:
    return Method("GET", path, handler, who=Who.ANYBODY)


def _mine(path: str, scope: str, handler: Handler = nothing, verb: str = "GET") -> Method:
    return Method(verb, path, handler, (scope,))


METHODS = (
    _open("/api/v1/custom_emojis"),
    _open("/api/v1/trends"),
    _open("/api/v1/trends/tags"),
    _open("/api/v1/trends/statuses"),
    _open("/api/v1/trends/links"),
    _open("/api/v1/directory"),
    _open("/api/v1/timelines/public"),
    _open("/api/v1/timelines/tag/{name}"),
    _open("/api/v1/timelines/link"),
    _open("/api/v1/tags/{name}", tag),
    _mine("/api/v1/filters", "read:filters"),
    _mine("/api/v2/filters", "read:filters"),
    _mine("/api/v1/announcements", "read"),
    _mine("/api/v1/suggestions", "read"),
    _mine("/api/v2/suggestions", "read"),
    _mine("/api/v1/domain_blocks", "read:blocks"),
    _mine("/api/v1/blocks", "read:blocks"),
    _mine("/api/v1/mutes", "read:mutes"),
    _mine("/api/v1/featured_tags", "read:accounts"),
    _mine("/api/v1/featured_tags/suggestions", "read:accounts"),
    _mine("/api/v1/followed_tags", "read:follows"),
    _mine("/api/v1/conversations", "read:statuses"),
    _mine("/api/v1/scheduled_statuses", "read:statuses"),
    _mine("/api/v1/endorsements", "read:accounts"),
    _mine("/api/v1/accounts/familiar_followers", "read:follows", familiar_followers),
    _mine("/api/v1/push/subscription", "push", not_here),
    _mine("/api/v1/push/subscription", "push", not_here, "POST"),
    _mine("/api/v2/notifications/policy", "read:notifications", policy),
    _mine("/api/v2/notifications/policy", "write:notifications", policy, "PUT"),
    _mine("/api/v2/notifications/policy", "write:notifications", policy, "PATCH"),
    _mine("/api/v1/notifications/policy", "read:notifications", old_policy),
    _mine("/api/v1/notifications/policy", "write:notifications", old_policy, "PUT"),
    _mine("/api/v1/notifications/policy", "write:notifications", old_policy, "PATCH"),
    _mine("/api/v1/notifications/requests", "read:notifications"),
    _mine("/api/v1/notifications/requests/merged", "read:notifications", requests_merged),
)
