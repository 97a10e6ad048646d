"""Invitation links: making them, switching them off, and taking them up."""

from collections.abc import Mapping
from datetime import timedelta

from starlette.responses import Response
from starlette.routing import BaseRoute

from activitypub.actors import make_key_pair
from groups.errors import Invalid, NotFound
from groups.invitations import accept, invitations_of, invite, invited_to, revoke
from groups.views import GroupView, InvitationView, Viewer
from privacy.accounts import hash_password
from privacy.errors import NameTaken
from privacy.unit_of_work import UnitOfWork
from web.links import invitation_link
from web.pages.asked import id_of, key_of, notice, number
from web.pages.framing import Needs, Pages, error_page
from web.pages.groups import AGAIN, find_group, is_elsewhere
from web.pages.presenting import deeds_path, group_card, group_path
from web.pages.sign_in import begin_visit
from web.registration import NewMember, check_password, register_invited
from web.rendering import translations
from web.visitors import Visitor

USES = (1, 5, 25, 100)
DAYS = (1, 7, 30, 90)
INVITED_MAY_REGISTER = frozenset({"invite", "open"})


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route("/groups/{group}/invites", show),
        pages.route("/groups/{group}/invites", make, verb="POST"),
        pages.route("/groups/{group}/invites/{invitation}/revoke", switch_off, verb="POST"),
        pages.route("/i/{token}", look, needs=Needs.NOTHING),
        pages.route("/i/{token}", take_up, needs=Needs.NOTHING, verb="POST"),
    ]


async def show(asking: Visitor) -> Response:
    """Show the links into a group that work, and the form for a new one."""
    return await _links(asking, "", {})


async def make(asking: Visitor) -> Response:
    """Make a link and show it, this once."""
    assert asking.me is not None
    form = await asking.form()
    group = await asking.context.database.read(find_group, asking.viewer, key_of(asking))
    life = timedelta(days=min(number(form.line("days")) or 0, 1_000))
    uses = number(form.line("uses")) or 0
    try:
        _, token = await asking.context.database.write(invite, asking.me.id, group.id, uses, life)
    except Invalid as error:
        return await _links(asking, "", {{"life": "days"}.get(name, name): text for name, text in error.fields.items()})
    return await _links(asking, invitation_link(asking.context.uris.base_url, token), {})


async def switch_off(asking: Visitor) -> Response:
    """Make a link stop working."""
    assert asking.me is not None
    await asking.form()
    group = await asking.context.database.read(find_group, asking.viewer, key_of(asking))
    await asking.context.database.write(revoke, asking.me.id, id_of(asking, "invitation"))
    return asking.go(f"{deeds_path(group)}/invites?done=revoked")


async def look(asking: Visitor) -> Response:
    """Show where an invitation leads, and how to take it up; looking at it does not use it."""
    try:
        return await _landing(asking, "", {})
    except NotFound as error:
        return error_page(asking, 404, [error.public])


async def take_up(asking: Visitor) -> Response:
    """Join by an invitation, with a new account where there is none yet."""
    try:
        return await (_register(asking) if asking.me is None else _join(asking))
    except NotFound as error:
        return error_page(asking, 404, [error.public])


def links_of(uow: UnitOfWork, viewer: Viewer, key: str) -> tuple[GroupView, list[InvitationView]]:
    """Return a group with its links that work. Raises NotFound, NotAllowed."""
    group = find_group(uow, viewer, key)
    return group, invitations_of(uow, viewer.actor_id or 0, group.id)


async def _links(asking: Visitor, fresh: str, errors: Mapping[str, str]) -> Response:
    group, found = await asking.context.database.read(links_of, asking.viewer, key_of(asking))
    values = {
        "group": group_card(group, asking.now, asking.language),
        "fresh": fresh,
        "uses": [(str(most), _people(asking, most)) for most in USES],
        "days": [(str(most), _days(asking, most)) for most in DAYS],
        "invites": [
            {"id": one.id, "words": _people(asking, one.uses_left), "ends": one.expires_at, "created": one.created_on}
            for one in found
        ],
        "errors": {name: asking.say(text) for name, text in errors.items()},
    }
    title, status = asking.say("Invitation links"), 422 if errors else 200
    return asking.page("invites.html", title, values, status=status, section="groups", notice=notice(asking))


async def _landing(asking: Visitor, name: str, errors: Mapping[str, str], *, shared: bool = False) -> Response:
    """Show the join page to a member, the registration to a stranger. Raises NotFound."""
    group = await asking.context.database.read(invited_to, str(asking.request.path_params["token"]))
    values = {
        "group": group_card(group, asking.now, asking.language),
        "action": asking.request.url.path,
        "errors": {field: asking.say(text) for field, text in errors.items()},
    }
    status = 422 if errors else 200
    if asking.signed_in and asking.me is None:
        return asking.go("/settings/names")
    if asking.me is not None:
        elsewhere = await asking.context.database.read(is_elsewhere, asking.me.id, group.id)
        heading = asking.say("You are invited")
        values |= {"back": "/", "heading": heading, "verb": asking.say("Join"), "elsewhere": elsewhere}
        return asking.page("join.html", heading, values, status=status)
    if asking.context.options.registration not in INVITED_MAY_REGISTER:
        return asking.to_sign_in()
    values |= {"values": {"name": name, "shared": shared}}
    return asking.page("register.html", asking.say("Join with your invitation"), values, status=status)


async def _join(asking: Visitor) -> Response:
    assert asking.me is not None
    form, token = await asking.form(), str(asking.request.path_params["token"])
    group = await asking.context.database.read(invited_to, token)
    if not form.ticked("again") and await asking.context.database.read(is_elsewhere, asking.me.id, group.id):
        return await _landing(asking, "", {"again": AGAIN})
    place = await asking.context.database.write(accept, asking.context.uris, asking.me.id, token)
    return asking.go(f"{group_path(group)}?done={'joined' if place.is_active else 'asked'}")


async def _register(asking: Visitor) -> Response:
    form, token = await asking.form(), str(asking.request.path_params["token"])
    if asking.signed_in or asking.context.options.registration not in INVITED_MAY_REGISTER:
        return asking.to_sign_in()
    await asking.context.database.read(invited_to, token)  # before the slow part: a dead link costs nothing
    name, password, shared = form.line("name").lower(), form.secret("password"), form.ticked("shared")
    context = asking.context
    try:
        check_password(password, name)
        hashed = await context.in_pool(hash_password, password)
        keys = await context.in_pool(make_key_pair)
        new = NewMember(name, password_hash=hashed)
        member, group = await context.database.write(register_invited, context.uris, new, keys, token)
    except Invalid as error:
        return await _landing(asking, name, error.fields, shared=shared)
    except NameTaken as error:
        return await _landing(asking, name, {"name": error.public}, shared=shared)
    return await begin_visit(asking, member.account_id, f"{group_path(group)}?done=joined", shared=shared)


def _people(asking: Visitor, most: int) -> str:
    said = translations(asking.language).ungettext("%(num)s person", "%(num)s people", most)
    return said % {"num": most}


def _days(asking: Visitor, most: int) -> str:
    said = translations(asking.language).ungettext("%(num)s day", "%(num)s days", most)
    return said % {"num": most}
