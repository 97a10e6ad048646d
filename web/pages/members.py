"""Who asks to join a group, and who belongs to it."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import BaseRoute

from groups.errors import NotFound
from groups.membership import admit, refuse, remove
from groups.places import members_of, requests_of, standing_of
from groups.policy import Act, Standing, Target, may
from groups.views import ActorCard, GroupView, MembershipView, Viewer
from privacy.unit_of_work import UnitOfWork
from web.pages.asked import id_of, key_of, notice
from web.pages.framing import Pages
from web.pages.groups import find_group
from web.pages.presenting import group_card, who
from web.visitors import Visitor


@dataclass(frozen=True, slots=True)
class People:
    """The members of a group as one of them may see them."""

    group: GroupView
    standing: Standing
    people: tuple[tuple[ActorCard, MembershipView], ...]


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route("/groups/{group}/requests", requests),
        pages.route("/groups/{group}/requests/{actor}/admit", let_in, verb="POST"),
        pages.route("/groups/{group}/requests/{actor}/refuse", turn_away, verb="POST"),
        pages.route("/groups/{group}/members", members),
        pages.route("/groups/{group}/members/{actor}/remove", ask_to_remove),
        pages.route("/groups/{group}/members/{actor}/remove", take_away, verb="POST"),
    ]


async def requests(asking: Visitor) -> Response:
    """Show who asks to join, to those who look after the group."""
    group, people = await asking.context.database.read(waiting_people, asking.viewer, key_of(asking))
    values = {
        "group": group_card(group, asking.now, asking.language),
        "people": [who(card) for card in people],
    }
    title = asking.say("People who ask to join")
    return asking.page("requests.html", title, values, section="groups", notice=notice(asking))


async def let_in(asking: Visitor) -> Response:
    """Let somebody in who asked."""
    return await _answer(asking, admit, "admitted")


async def turn_away(asking: Visitor) -> Response:
    """Refuse somebody who asked."""
    return await _answer(asking, refuse, "refused")


async def _answer(asking: Visitor, deed: Callable[..., object], done: str) -> Response:
    assert asking.me is not None
    await asking.form()
    group = await asking.context.database.read(find_group, asking.viewer, key_of(asking))
    await asking.context.database.write(deed, asking.context.uris, asking.me.id, group.id, id_of(asking, "actor"))
    return asking.go(f"/groups/{group.id}/requests?done={done}")


async def members(asking: Visitor) -> Response:
    """Show who belongs to a group, to one of them."""
    assert asking.me is not None
    found = await asking.context.database.read(members_page, asking.viewer, key_of(asking))
    people = [
        {
            "who": who(card, asking.me.id, place.role, asking.language),
            "may_remove": card.id != asking.me.id and bool(may(Act.REMOVE, found.standing, Target(role=place.role))),
        }
        for card, place in found.people
    ]
    values = {"group": group_card(found.group, asking.now, asking.language), "people": people}
    return asking.page("members.html", asking.say("Members"), values, section="groups", notice=notice(asking))


async def ask_to_remove(asking: Visitor) -> Response:
    """Ask whether a member is really to be shown out."""
    found = await asking.context.database.read(members_page, asking.viewer, key_of(asking))
    actor = id_of(asking, "actor")
    named = {card.id: (card, place) for card, place in found.people}
    if actor not in named:
        raise NotFound(f"member {actor}")
    card, place = named[actor]
    may(Act.REMOVE, found.standing, Target(role=place.role)).or_raise()
    heading = asking.say("Remove %(name)s from the group?") % {"name": card.name}
    values = {
        "post": None,
        "back": f"/groups/{found.group.id}/members",
        "action": f"/groups/{found.group.id}/members/{actor}/remove",
        "heading": heading,
        "verb": asking.say("Remove"),
        "lines": [asking.say("They no longer read or post there. Their posts stay until they end.")],
    }
    return asking.page("confirm.html", asking.say("Remove a member"), values, section="groups")


async def take_away(asking: Visitor) -> Response:
    """Take a member's place away."""
    assert asking.me is not None
    await asking.form()
    group = await asking.context.database.read(find_group, asking.viewer, key_of(asking))
    deed = asking.context.database.write
    await deed(remove, asking.context.uris, asking.me.id, group.id, id_of(asking, "actor"))
    return asking.go(f"/groups/{group.id}/members?done=removed")


def waiting_people(uow: UnitOfWork, viewer: Viewer, key: str) -> tuple[GroupView, list[ActorCard]]:
    """Return who asks to join a group. Raises NotFound, NotAllowed."""
    group = find_group(uow, viewer, key)
    return group, requests_of(uow, viewer.actor_id or 0, group.id)


def members_page(uow: UnitOfWork, viewer: Viewer, key: str) -> People:
    """Return the members of a group to one of them. Raises NotFound."""
    group = find_group(uow, viewer, key)
    standing = standing_of(uow, group.id, viewer.actor_id)
    return People(group, standing, tuple(members_of(uow, viewer, group.id)))
