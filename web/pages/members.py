"""Who asks to join a group, and who belongs to it."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import BaseRoute

from groups.errors import NotFound
from groups.membership import admit, refuse, remove
from groups.places import members_of, requests_of, standing_of
from groups.policy import Act, Standing, Target, may
from groups.roles import appoint, be_named, dismiss, is_named
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
    is_named: bool
    """Whether other sites are told that the reader looks after it."""

    @property
    def may_be_named(self) -> bool:
        """Whether the reader is one of whom other sites can be told so."""
        return bool(may(Act.BE_NAMED, self.standing))


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route("/groups/{group}/requests", requests),
        pages.route("/groups/{group}/requests/{actor}/admit", let_in, verb="POST"),
        pages.route("/groups/{group}/requests/{actor}/refuse", turn_away, verb="POST"),
        pages.route("/groups/{group}/members", members),
        pages.route("/groups/{group}/members/{actor}/role", change_role, verb="POST"),
        pages.route("/groups/{group}/named", change_naming, verb="POST"),
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
            "may_appoint": not place.is_facilitator and bool(may(Act.APPOINT, found.standing)),
            "may_dismiss": place.is_facilitator and bool(may(Act.DISMISS, found.standing, _aim(asking, card, place))),
            "may_be_named": card.id == asking.me.id and found.group.audience != "none" and found.may_be_named,
        }
        for card, place in found.people
    ]
    values = {
        "group": group_card(found.group, asking.now, asking.language),
        "people": people,
        "is_named": found.is_named,
    }
    return asking.page("members.html", asking.say("Members"), values, section="groups", notice=notice(asking))


async def change_role(asking: Visitor) -> Response:
    """Have a member look after the group, or no longer."""
    assert asking.me is not None
    form = await asking.form()
    group = await asking.context.database.read(find_group, asking.viewer, key_of(asking))
    write, actor = asking.context.database.write, id_of(asking, "actor")
    if form.line("on") == "no":
        await write(dismiss, asking.context.uris, asking.me.id, group.id, actor)
        return asking.go(f"/groups/{group.id}/members?done=dismissed")
    await write(appoint, asking.me.id, group.id, actor)
    return asking.go(f"/groups/{group.id}/members?done=appointed")


async def change_naming(asking: Visitor) -> Response:
    """Let other sites know that one looks after the group, or no longer."""
    assert asking.me is not None
    form = await asking.form()
    group = await asking.context.database.read(find_group, asking.viewer, key_of(asking))
    named = form.line("on") != "no"
    await asking.context.database.write(be_named, asking.context.uris, asking.me.id, group.id, named=named)
    return asking.go(f"/groups/{group.id}/members?done={'named' if named else 'unnamed'}")


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
    people = tuple(members_of(uow, viewer, group.id))
    return People(group, standing, people, is_named(uow, group.id, viewer.actor_id or 0))


def _aim(asking: Visitor, card: ActorCard, place: MembershipView) -> Target:
    return Target(is_own=asking.me is not None and card.id == asking.me.id, role=place.role)
