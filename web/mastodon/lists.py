"""The groups that one is in, as lists: the group switcher of every app. https://docs.joinmastodon.org/methods/lists/

A list has the id of its group, and only whether the group is kept out of the home timeline can be changed.
"""

from typing import Any

from groups import membership, places
from groups.errors import Invalid, NotFound
from groups.views import GroupView, MembershipView
from privacy.unit_of_work import UnitOfWork
from web.mastodon import entities
from web.mastodon.calls import Call, Method

OWN_LISTS = "Lists of your own are not offered here: each of your groups is a list."
LEAVE = "This list is a group: leave the group instead."
MEMBERS = "This list is a group: who is in it cannot be changed here."
TITLE = "This list is a group: it has the group's name."


def joined(uow: UnitOfWork, persona_id: int) -> list[tuple[GroupView, MembershipView]]:
    """Return the groups that a persona is in, the first joined first."""
    return [(group, place) for group, place in places.groups_of(uow, persona_id) if place.is_active]


def one(uow: UnitOfWork, persona_id: int, group_id: int) -> tuple[GroupView, MembershipView]:
    """Return a group that a persona is in. Raises NotFound."""
    place = places.membership_of(uow, group_id, persona_id)
    view = places.group_views(uow, [group_id]).get(group_id)
    if place is None or view is None or not place.is_active:
        raise NotFound(f"list {group_id}")
    return view, place


async def lists(call: Call) -> list[entities.Json]:
    """Show one's groups. https://docs.joinmastodon.org/methods/lists/#get"""
    return [entities.list_of_group(group, place) for group, place in await call.read(joined, call.persona_id)]


async def show_list(call: Call) -> entities.Json:
    """Show one of one's groups. https://docs.joinmastodon.org/methods/lists/#get-one"""
    return entities.list_of_group(*await call.read(one, call.persona_id, call.path_id()))


async def change_list(call: Call) -> entities.Json:
    """Keep a group out of one's home timeline, or let it in. https://docs.joinmastodon.org/methods/lists/#update"""
    asked = call.parameters
    group, place = await call.read(one, call.persona_id, call.path_id())
    if asked.text("title", group.card.name) != group.card.name:
        raise Invalid({"title": TITLE})
    asked.choice("replies_policy", ("followed", "list", "none"), "list")
    exclusive = asked.flag("exclusive", place.exclusive)
    if exclusive != place.exclusive:
        place = await call.write(membership.set_exclusive, call.persona_id, group.id, exclusive=exclusive)
    return entities.list_of_group(group, place)


async def list_accounts(call: Call) -> list[entities.Json]:
    """Show the group itself: who is in it is not for lists. https://docs.joinmastodon.org/methods/lists/#accounts"""
    group, _ = await call.read(one, call.persona_id, call.path_id())
    return [entities.group_account(group, call.site)]


async def refuse_new(_: Call) -> Any:
    """Refuse lists of one's own. https://docs.joinmastodon.org/methods/lists/#create"""
    raise Invalid({"title": OWN_LISTS})


async def refuse_delete(call: Call) -> Any:
    """Refuse to delete a group. https://docs.joinmastodon.org/methods/lists/#delete"""
    await call.read(one, call.persona_id, call.path_id())
    raise Invalid({"base": LEAVE})


async def refuse_members(call: Call) -> Any:
    """Refuse to put people into a group, or out of it. https://docs.joinmastodon.org/methods/lists/#accounts-add"""
    await call.read(one, call.persona_id, call.path_id())
    raise Invalid({"account_ids": MEMBERS})


METHODS = (
    Method("GET", "/api/v1/lists", lists, ("read:lists",)),
    Method("POST", "/api/v1/lists", refuse_new, ("write:lists",)),
    Method("GET", "/api/v1/lists/{id}", show_list, ("read:lists",)),
    Method("PUT", "/api/v1/lists/{id}", change_list, ("write:lists",)),
    Method("DELETE", "/api/v1/lists/{id}", refuse_delete, ("write:lists",)),
    Method("GET", "/api/v1/lists/{id}/accounts", list_accounts, ("read:lists",)),
    Method("POST", "/api/v1/lists/{id}/accounts", refuse_members, ("write:lists",)),
    Method("DELETE", "/api/v1/lists/{id}/accounts", refuse_members, ("write:lists",)),
)
