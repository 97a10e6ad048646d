"""Lists of servers that are fetched every day: which there are, how that went, and what waits to be confirmed."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from starlette.responses import Response
from starlette.routing import BaseRoute

from activitypub import subscriptions
from activitypub.errors import FetchError, RuleRefused
from activitypub.subscriptions import MAX_PRIORITY, NewSubscription
from groups.ruling import unsubscribe
from web.pages.asked import id_of, notice
from web.pages.framing import Needs, Pages
from web.pages.servers import SERVERS
from web.visitors import Visitor

LISTS = f"{SERVERS}/lists"
BLANK: Final = MappingProxyType({"url": "", "priority": "0", "excluded": "", "applies": ""})


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route(LISTS, lists, needs=Needs.ADMIN),
        pages.route(LISTS, subscribe, needs=Needs.ADMIN, verb="POST"),
        pages.route(f"{LISTS}/{{list}}/end", end, needs=Needs.ADMIN, verb="POST"),
    ]


async def lists(asking: Visitor) -> Response:
    """List the lists that are fetched every day, and show the form for one more."""
    return await _page(asking, BLANK, {})


async def subscribe(asking: Visitor) -> Response:
    """Fetch a list soon, and then every day."""
    form, presence = await asking.form(), asking.presence
    typed = {name: form.text(name) for name in BLANK}
    url, priority = form.line("url"), form.line("priority") or "0"
    try:
        asking.context.federation.egress.target(url)
    except FetchError as error:
        return await _page(asking, typed, {"url": asking.say(error.public)})
    if not priority.isdecimal() or int(priority[:9]) > MAX_PRIORITY:
        return await _page(asking, typed, {"priority": asking.say("A priority is a number from 0 to 255.")})
    new = NewSubscription(
        url,
        int(priority),
        form.ticked("applies"),
        tuple(form.text("excluded").split()),
        None if presence is None else presence.visit.account_id,
    )
    try:
        await asking.context.database.write(subscriptions.subscribe, new)
    except RuleRefused as error:
        return await _page(asking, typed, {"url": asking.say(error.public)})
    return asking.go(f"{LISTS}?done=subscribed")


async def end(asking: Visitor) -> Response:
    """End a subscription, and take back what came with that list alone."""
    await asking.form()
    context, presence = asking.context, asking.presence
    account = None if presence is None else presence.visit.account_id
    mode, list_id = context.federation.peers.mode, id_of(asking, "list")
    await context.database.write(unsubscribe, context.uris, mode, list_id, made_by=account)
    await context.federation.peers.refresh(context.database, asking.now)
    return asking.go(f"{LISTS}?done=unsubscribed")


async def _page(asking: Visitor, typed: Mapping[str, str], errors: Mapping[str, str]) -> Response:
    found = await asking.context.database.read(subscriptions.subscriptions)
    values = {"lists": found, "typed": typed, "errors": errors, "path": LISTS}
    title, status = asking.say("Lists that are fetched every day"), 422 if errors else 200
    return asking.page("rule_lists.html", title, values, section="admin", notice=notice(asking), status=status)
