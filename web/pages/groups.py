"""Groups: the list, a group's page, joining and leaving."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from groups.errors import NotFound
from groups.membership import leave, request_to_join
from groups.pinning import pinned_in
from groups.places import group as group_by_id
from groups.places import group_by_handle, groups_of, groups_to_join, memberships, requests_of, standing_of
from groups.policy import Act, Standing, may
from groups.reports import waiting
from groups.timelines import group_timeline
from groups.views import GroupView, MembershipView, Page, PostView, Viewer
from privacy.records import MAX_ID
from privacy.unit_of_work import UnitOfWork
from web.pages.asked import BLANK, Typed, key_of, notice, number
from web.pages.framing import Needs, Pages
from web.pages.presenting import deeds_path, group_card, group_path, post_card
from web.visitors import Visitor

PAGE_POSTS = 20
ID_DIGITS = 15
"""Decimal names of at least so many digits are ids; handles of that kind are found by their name all the same."""
AGAIN = "Please say whether you want to use this name in one more group."


@dataclass(frozen=True, slots=True)
class GroupPage:
    """All that a group's page shows."""

    group: GroupView
    standing: Standing
    on_top: tuple[PostView, ...]
    posts: tuple[PostView, ...]
    more: bool
    requests: int
    reports: int


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route("/groups", directory),
        pages.route("/groups/{group}", show, needs=Needs.NOTHING),
        pages.route("/groups/{group}/join", ask_to_join),
        pages.route("/groups/{group}/join", join, verb="POST"),
        pages.route("/groups/{group}/leave", ask_to_leave),
        pages.route("/groups/{group}/leave", take_leave, verb="POST"),
    ]


async def directory(asking: Visitor) -> Response:
    """List the groups of this site that the reader may ask to join."""
    return await directory_with(asking, "", "")


async def directory_with(asking: Visitor, address: str, fault: str) -> Response:
    """List the groups, with the address of one elsewhere that was asked for, and what is wrong with that."""
    assert asking.me is not None
    found = await asking.context.database.read(groups_with_places, asking.me.id)
    groups = [
        {"card": group_card(group, asking.now, asking.language), "state": _state(asking, place)}
        for group, place in found
    ]
    errors = {"address": asking.say(fault)} if fault else {}
    values = {"groups": groups, "values": {"address": address}, "errors": errors}
    title, status = asking.say("Groups"), 422 if fault else 200
    return asking.page("groups.html", title, values, status=status, section="groups", notice=notice(asking))


async def show(asking: Visitor) -> Response:
    """Show a group: to a member all of it, to others what they may know."""
    return await show_group(asking, key_of(asking), BLANK, {})


async def show_group(asking: Visitor, key: str, typed: Typed, errors: Mapping[str, str]) -> Response:
    """Show a group's page with what was typed into its form, and what is wrong with that."""
    before = number(asking.request.query_params.get("before"))
    found = await asking.context.database.read(group_page, asking.viewer, key, before)
    return asking.page(
        "group.html",
        asking.say("Group"),
        _values(asking, found, before) | {"values": typed, "errors": errors},
        status=422 if errors else 200,
        section="groups",
        notice=notice(asking),
    )


async def ask_to_join(asking: Visitor) -> Response:
    """Show under which name and rules one would join."""
    return await _join_page(asking, {})


async def join(asking: Visitor) -> Response:
    """Join a group, or ask to be let in."""
    assert asking.me is not None
    form = await asking.form()
    found = await asking.context.database.read(find_group, asking.viewer, key_of(asking))
    if not form.ticked("again") and await asking.context.database.read(is_elsewhere, asking.me.id, found.id):
        return await _join_page(asking, {"again": AGAIN})
    place = await asking.context.database.write(request_to_join, asking.context.uris, asking.me.id, found.id)
    return asking.go(f"{group_path(found)}?done={'joined' if place.is_active else 'asked'}")


async def ask_to_leave(asking: Visitor) -> Response:
    """Ask whether the reader means it, and say what follows."""
    assert asking.me is not None
    found = await asking.context.database.read(find_group, asking.viewer, key_of(asking))
    values = {
        "post": None,
        "back": group_path(found),
        "action": f"{deeds_path(found)}/leave",
        "heading": asking.say("Leave the group?"),
        "verb": asking.say("Leave"),
        "lines": [
            asking.say("You no longer read or post there. The others are not told."),
            asking.say("Your posts stay until they end. To have them erased now, delete them before you leave."),
        ],
    }
    return asking.page("confirm.html", asking.say("Leave the group?"), values, section="groups")


async def take_leave(asking: Visitor) -> Response:
    """Leave a group, or take back the wish to join it."""
    assert asking.me is not None
    await asking.form()
    found = await asking.context.database.read(find_group, asking.viewer, key_of(asking))
    await asking.context.database.write(leave, asking.context.uris, asking.me.id, found.id)
    return asking.go("/groups?done=left")


def find_group(uow: UnitOfWork, viewer: Viewer, key: str) -> GroupView:
    """Return a group by its id or its handle. Raises NotFound for what the viewer may not know of."""
    if key.isascii() and key.isdecimal() and len(key) >= ID_DIGITS and int(key) <= MAX_ID:
        try:
            return group_by_id(uow, viewer, int(key))
        except NotFound:
            return group_by_handle(uow, viewer, key)
    return group_by_handle(uow, viewer, key)


def group_page(uow: UnitOfWork, viewer: Viewer, key: str, before: int | None) -> GroupPage:
    """Return all that a group's page shows this viewer. Raises NotFound."""
    group = find_group(uow, viewer, key)
    standing = standing_of(uow, group.id, viewer.actor_id)
    may_read = standing.takes_part or group.audience == "public"
    wanted = Page(limit=PAGE_POSTS + 1, max_id=before)
    posts = group_timeline(uow, viewer, group.id, wanted, threads_only=True) if may_read else []
    cares = viewer.actor_id is not None and bool(may(Act.SEE_REQUESTS, standing))
    requests = len(requests_of(uow, viewer.actor_id, group.id)) if cares else 0
    reports = waiting(uow, viewer.actor_id or 0, group.id) if cares else 0
    on_top = tuple(pinned_in(uow, viewer, group.id)) if may_read and before is None else ()
    return GroupPage(group, standing, on_top, tuple(posts[:PAGE_POSTS]), len(posts) > PAGE_POSTS, requests, reports)


def groups_with_places(uow: UnitOfWork, persona_id: int) -> list[tuple[GroupView, MembershipView | None]]:
    """Return the groups that a persona may ask to join, with its place in those where it has one."""
    groups = groups_to_join(uow, Viewer(persona_id))
    places = memberships(uow, persona_id, [group.id for group in groups])
    return [(group, places.get(group.id)) for group in groups]


def is_elsewhere(uow: UnitOfWork, persona_id: int, group_id: int) -> bool:
    """Tell whether a persona belongs to another group already: using it in two is to be chosen (decision 10)."""
    return any(group.id != group_id for group, _ in groups_of(uow, persona_id))


def _values(asking: Visitor, found: GroupPage, before: int | None) -> dict[str, Any]:
    me = None if asking.me is None else asking.me.id
    path, standing = group_path(found.group), found.standing
    signed_in = asking.me is not None
    return {
        "group": group_card(found.group, asking.now, asking.language),
        "posts": [
            *(post_card(post, standing, me, pinned=True) for post in found.on_top),
            *(post_card(post, standing, me) for post in found.posts if post not in found.on_top),
        ],
        "requests": found.requests,
        "reports": found.reports,
        "may_read": standing.takes_part or found.group.audience == "public",
        "may_post": signed_in and bool(may(Act.POST, standing)),
        "may_join": signed_in and not standing.is_active and bool(may(Act.JOIN, standing)),
        "may_look_after": signed_in and bool(may(Act.ADMIT, standing)),
        "may_invite": signed_in and bool(may(Act.INVITE, standing)),
        "may_leave": bool(may(Act.LEAVE, standing)),
        "is_member": standing.takes_part,
        "is_pending": standing.state == "pending",
        "asks_first": found.group.join_rule == "approval" or not found.group.card.local,
        "newer": path if before else None,
        "older": f"{path}?before={found.posts[-1].id}" if found.more else None,
        "is_later_page": before is not None,
    }


async def _join_page(asking: Visitor, errors: dict[str, str]) -> Response:
    assert asking.me is not None
    found = await asking.context.database.read(find_group, asking.viewer, key_of(asking))
    elsewhere = await asking.context.database.read(is_elsewhere, asking.me.id, found.id)
    asks_first = found.join_rule == "approval" or not found.card.local
    verb = asking.say("Ask to join") if asks_first else asking.say("Join")
    values = {
        "group": group_card(found, asking.now, asking.language),
        "back": group_path(found),
        "action": f"{deeds_path(found)}/join",
        "heading": verb,
        "verb": verb,
        "elsewhere": elsewhere,
        "errors": {name: asking.say(text) for name, text in errors.items()},
    }
    return asking.page("join.html", verb, values, status=422 if errors else 200, section="groups")


def _state(asking: Visitor, place: MembershipView | None) -> str:
    if place is None or place.state not in {"active", "pending"}:
        return ""
    return asking.say("You belong to it") if place.is_active else asking.say("You have asked")
