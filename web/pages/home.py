"""The first page, what the site says of itself, and the quick way out."""

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.background import BackgroundTask
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute

from groups.parking import held_places, parked_in
from groups.places import groups_of, groups_to_join, requests_of, standing_of
from groups.policy import Act, may
from groups.timelines import group_timeline
from groups.views import ANYONE, ActorCard, GroupView, MembershipView, Page, PostView, Viewer
from privacy.errors import DatabaseUnavailable
from privacy.unit_of_work import Database, UnitOfWork
from web.middleware import CLEAR_BROWSER
from web.pages.framing import Needs, Pages
from web.pages.presenting import group_card, line
from web.pages.wording import REGISTRATION
from web.sessions import close_session
from web.visitors import Visitor

LATEST = 3
NEUTRAL_PAGE = "https://www.bbc.co.uk/weather"


@dataclass(frozen=True, slots=True)
class Corner:
    """One of the reader's groups, with the newest conversations in it."""

    group: GroupView
    place: MembershipView
    latest: tuple[PostView, ...]
    requests: int
    parked: int
    """How many places are on hold, because their server is held off; only for those who look after the group."""


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route("/", home, needs=Needs.NOTHING),
        pages.route("/about", about, needs=Needs.NOTHING),
        pages.route("/privacy", privacy, needs=Needs.NOTHING),
        pages.route("/x", leave_site, needs=Needs.NOBODY),
    ]


async def home(asking: Visitor) -> Response:
    """Show the reader's groups, or to a stranger what this site is."""
    if not asking.signed_in:
        return await welcome(asking)
    if asking.me is None:
        return asking.go("/settings/names")
    corners, held = await asking.context.database.read(home_of, asking.me.id)
    values = {
        "groups": [_corner(asking, corner) for corner in corners],
        "held": [{"name": card.name, "host": card.host, "until": until} for card, until in held],
    }
    return asking.page("home.html", asking.say("Your groups"), values, section="home")


async def welcome(asking: Visitor) -> Response:
    """Show a stranger what this site is, and the groups that anyone can read."""
    found = await asking.context.database.read(groups_to_join, ANYONE)
    groups = [group_card(group, asking.now, asking.language) for group in found if group.audience == "public"]
    values = {"groups": groups, "registration_words": registration_words(asking)}
    return asking.page("welcome.html", asking.say("Welcome"), values)


async def about(asking: Visitor) -> Response:
    """Say what this site is and is not."""
    values = {"version": asking.context.federation.options.version}
    return asking.page("about.html", asking.say("About this site"), values)


async def privacy(asking: Visitor) -> Response:
    """Say what is kept, and for how long."""
    return asking.page("privacy.html", asking.say("What is kept, and for how long"), {})


async def leave_site(asking: Visitor) -> Response:
    """End the visit and open a page that says nothing of this one (privacy reference §10.8).

    It is a plain link, so that it works at once and without scripts; another site that links here ends nothing. The
    database is asked after the answer, so that nobody has to wait for it, nor finds it missing.
    """
    response = RedirectResponse(NEUTRAL_PAGE, 303)
    headers = asking.request.headers
    prefetched = "prefetch" in (headers.get("sec-purpose") or headers.get("purpose") or "")
    if headers.get("sec-fetch-site", "none") not in {"none", "same-origin"} or prefetched:
        return response
    token = asking.cookies.read(asking.request, asking.cookies.session)
    if token is not None:
        response.background = BackgroundTask(end_visit, asking.context.database, token)
    asking.cookies.drop_all(response)
    response.headers["Clear-Site-Data"] = CLEAR_BROWSER
    return response


async def end_visit(database: Database, token: str) -> None:
    """End a visit whose browser has left; where that cannot be done the visit runs out by itself."""
    with suppress(DatabaseUnavailable):
        await database.write(close_session, token)


def registration_words(asking: Visitor) -> str:
    """Say how one gets an account here."""
    return asking.say(REGISTRATION[asking.context.options.registration])


def home_of(uow: UnitOfWork, persona_id: int) -> tuple[list[Corner], list[tuple[ActorCard, datetime]]]:
    """Return the groups of a persona, and those elsewhere in which its place is on hold."""
    return corners_of(uow, persona_id), held_places(uow, persona_id)


def corners_of(uow: UnitOfWork, persona_id: int) -> list[Corner]:
    """Return the groups of a persona with their newest conversations, but for those kept out of its home."""
    viewer = Viewer(persona_id)
    corners, mine = [], groups_of(uow, persona_id)
    parked = parked_in(uow, [group.id for group, place in mine if place.is_facilitator and place.is_active])
    for group, place in mine:
        shown = place.is_active and not place.exclusive
        latest = group_timeline(uow, viewer, group.id, Page(limit=LATEST), threads_only=True) if shown else []
        cares = may(Act.SEE_REQUESTS, standing_of(uow, group.id, persona_id))
        requests = len(requests_of(uow, persona_id, group.id)) if cares else 0
        corners.append(Corner(group, place, tuple(latest), requests, parked.get(group.id, 0)))
    return corners


def _corner(asking: Visitor, corner: Corner) -> dict[str, Any]:
    card = group_card(corner.group, asking.now, asking.language)
    return {
        "card": card,
        "latest": [line(post, None if asking.me is None else asking.me.id, asking.language) for post in corner.latest],
        "pending": not corner.place.is_active,
        "kept_out": corner.place.exclusive,
        "requests": corner.requests,
        "parked": corner.parked,
    }
