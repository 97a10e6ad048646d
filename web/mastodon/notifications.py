"""News for a persona, one by one and grouped. https://docs.joinmastodon.org/methods/notifications/

Only kinds that every app knows are told (client API reference §7). Who acts as a group is shown that group's news.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from groups import notifications
from groups.errors import NotFound
from groups.views import NotificationView, Page
from privacy.unit_of_work import UnitOfWork
from web.markers import markers_of
from web.mastodon import entities
from web.mastodon.accounts import described_many
from web.mastodon.calls import Answer, Call, Method
from web.mastodon.notification_entities import (
    GROUPED_TYPES,
    NOTIFICATION_TYPES,
    group_key,
    grouped_notifications,
    notification,
)
from web.mastodon.pagination import NOTIFICATIONS
from web.parameters import Parameters

MAX_UNREAD = 1_000
UNREAD = 100
MAX_OF_ONE_GROUP = 80


def kinds_asked(asked: Parameters) -> list[str]:
    """Return the kinds of news of the types that an app asks for, less those that it leaves out."""
    wanted, left_out = asked.texts("types"), asked.texts("exclude_types")
    return [
        kind for kind, type_ in NOTIFICATION_TYPES.items() if (not wanted or type_ in wanted) and type_ not in left_out
    ]


async def news(call: Call, page: Page, kinds: Sequence[str]) -> list[NotificationView]:
    """Return a page of news; for a group only what concerns that group."""
    found = await call.read(notifications.notifications_of, call.persona_id, page, kinds)
    account_id = call.parameters.identifier("account_id")
    return [
        item
        for item in found
        if (call.group_id is None or (item.group is not None and item.group.id == call.group_id))
        and (account_id is None or item.actor.id == account_id)
    ]


async def show_all(call: Call) -> Answer:
    """Show news, the newest first. https://docs.joinmastodon.org/methods/notifications/#get"""
    page = call.page(NOTIFICATIONS)
    found = await news(call, page, kinds_asked(call.parameters))
    shown = [notification(item, call.site) for item in found]
    return call.listing(shown, page, [item.number for item in found])


async def show_one(call: Call) -> entities.Json:
    """Show one piece of news. https://docs.joinmastodon.org/methods/notifications/#get-one"""
    item = await call.read(notifications.notification, call.persona_id, call.path_id())
    if item.kind not in NOTIFICATION_TYPES:
        raise NotFound("notification of another kind")
    return notification(item, call.site)


async def dismiss(call: Call) -> entities.Json:
    """Forget one piece of news. https://docs.joinmastodon.org/methods/notifications/#dismiss"""
    await call.write(notifications.dismiss, call.persona_id, call.path_id())
    return {}


async def clear(call: Call) -> entities.Json:
    """Forget all news. https://docs.joinmastodon.org/methods/notifications/#clear"""
    await call.write(notifications.clear, call.persona_id)
    return {}


async def unread_count(call: Call) -> entities.Json:
    """Tell how much news is newer than the marker. https://docs.joinmastodon.org/methods/notifications/#unread-count"""
    limit = call.parameters.number("limit", UNREAD, most=MAX_UNREAD)
    return {"count": await call.read(count_unread, call.persona_id, call.actor_id, limit)}


def count_unread(uow: UnitOfWork, persona_id: int, actor_id: int, limit: int) -> int:
    """Return how much news stands behind the marker of the actor."""
    marked = markers_of(uow, actor_id, ["notifications"])
    read_up_to = int(marked[0].last_read_id) if marked else 0
    return notifications.unread_count(uow, persona_id, read_up_to, limit)


def types_grouped(asked: Parameters) -> Sequence[str]:
    """Return the types that an app wants brought together."""
    return asked.texts("grouped_types") or tuple(GROUPED_TYPES)


async def show_groups(call: Call) -> Answer:
    """Show news brought together. https://docs.joinmastodon.org/methods/grouped_notifications/#get-grouped"""
    page = call.page(NOTIFICATIONS)
    found = await news(call, page, kinds_asked(call.parameters))
    together = grouped_notifications(found, types_grouped(call.parameters), call.site)
    return call.listing(together, page, [item.number for item in found])


async def of_group(call: Call) -> list[NotificationView]:
    """Return the news that one key brings together. Raises NotFound."""
    key = str(call.request.path_params["key"])
    kind, _, identifier = key.partition("-")
    if kind == "ungrouped" and identifier.isascii() and identifier.isdecimal() and len(identifier) < 19:
        found = [await call.read(notifications.notification, call.persona_id, int(identifier))]
    else:
        kinds = [name for name, type_ in NOTIFICATION_TYPES.items() if type_ == kind and type_ in GROUPED_TYPES]
        newest = await news(call, Page(limit=MAX_OF_ONE_GROUP), kinds) if kinds else []
        found = [item for item in newest if group_key(item) == key]
    if not found or found[0].kind not in NOTIFICATION_TYPES:
        raise NotFound("group of notifications")
    return found


async def show_group(call: Call) -> entities.Json:
    """Show the news of one key. https://docs.joinmastodon.org/methods/grouped_notifications/#get-notification-group"""
    found = await of_group(call)
    return grouped_notifications(found, types_grouped(call.parameters), call.site)


async def show_group_accounts(call: Call) -> list[entities.Json]:
    """Show who caused the news of one key."""
    people = {item.actor.id: item.actor for item in await of_group(call)}
    return [found.entity(call.site) for found in await call.read(described_many, list(people.values()))]


async def dismiss_group(call: Call) -> entities.Json:
    """Forget the news of one key. https://docs.joinmastodon.org/methods/grouped_notifications/#dismiss-group"""
    await call.write(dismiss_several, call.persona_id, [item.number for item in await of_group(call)])
    return {}


def dismiss_several(uow: UnitOfWork, persona_id: int, numbers: Sequence[int]) -> None:
    """Forget several pieces of news in one transaction; what another app forgot in between is no error."""
    for number in numbers:
        with suppress(NotFound):
            notifications.dismiss(uow, persona_id, number)


async def dismiss_by_parameter(call: Call) -> Any:
    """Forget one piece of news, as older apps ask for it."""
    number = call.parameters.identifier("id")
    if number is None:
        raise NotFound("notification")
    await call.write(notifications.dismiss, call.persona_id, number)
    return {}


READ, WRITE = ("read:notifications",), ("write:notifications",)
METHODS = (
    Method("GET", "/api/v1/notifications", show_all, READ),
    Method("GET", "/api/v1/notifications/unread_count", unread_count, READ),
    Method("POST", "/api/v1/notifications/clear", clear, WRITE),
    Method("POST", "/api/v1/notifications/dismiss", dismiss_by_parameter, WRITE),
    Method("GET", "/api/v1/notifications/{id}", show_one, READ),
    Method("POST", "/api/v1/notifications/{id}/dismiss", dismiss, WRITE),
    Method("GET", "/api/v2/notifications", show_groups, READ),
    Method("GET", "/api/v2/notifications/unread_count", unread_count, READ),
    Method("GET", "/api/v2/notifications/{key}", show_group, READ),
    Method("GET", "/api/v2/notifications/{key}/accounts", show_group_accounts, READ),
    Method("POST", "/api/v2/notifications/{key}/dismiss", dismiss_group, WRITE),
)
