"""Finding a group of another site by its address, so that it can be joined from here."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from activitypub.discovery import resolve_handle
from activitypub.errors import FederationError
from activitypub.webfinger import parse_acct
from groups.errors import NotFound
from groups.founding import adopt_remote_group
from groups.people import look_up
from web.pages.framing import Pages
from web.pages.groups import directory_with
from web.visitors import Visitor

NOT_AN_ADDRESS = "That is not the address of a group. It looks like @evening@example.org."
NOBODY = "No group was found there. Check the address; the site may also be unreachable, or not let strangers look."
A_PERSON = "That is a person, not a group. Only groups can be joined."


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [pages.route("/groups/find", find, verb="POST")]


async def find(asking: Visitor) -> Response:
    """Look a group up by its address, and show its page."""
    form = await asking.form()
    address = form.line("address")
    try:
        handle = parse_acct(address.lstrip("@!"))
    except FederationError:
        return await directory_with(asking, address, NOT_AN_ADDRESS)
    if handle.host == asking.context.uris.domain:
        return asking.go(f"/@{handle.name}")
    try:
        known = await asking.context.database.read(look_up, asking.viewer, handle.name, handle.host)
        actor_id, is_group = known.id, known.is_group
    except NotFound:
        try:
            actor = await resolve_handle(asking.context.federation, f"{handle.name}@{handle.host}")
        except FederationError:
            return await directory_with(asking, address, NOBODY)
        actor_id, is_group = actor.id, actor.kind == "Group"
    if not is_group:
        return await directory_with(asking, address, A_PERSON)
    await asking.context.database.write(adopt_remote_group, actor_id)
    return asking.go(f"/groups/{actor_id}")
