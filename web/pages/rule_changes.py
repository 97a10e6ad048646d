"""Lists of servers, read and looked at before they hold; and what was changed, to be undone within a week."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from activitypub import changes
from activitypub.blocklists import MAX_BYTES, Refusal
from activitypub.changes import ChangeView
from activitypub.errors import MalformedActivity, RuleRefused
from activitypub.rules import clean_comment
from groups.errors import NotFound
from groups.ruling import carry_out, let_wait, plan_of, read_list, take_back
from groups.severing import Preview, preview
from privacy.unit_of_work import UnitOfWork
from web.pages.asked import id_of, notice
from web.pages.framing import Needs, Pages
from web.pages.servers import SERVERS, counts_of
from web.pages.wording import CHANGE_STATES
from web.visitors import Visitor

CHANGES = f"{SERVERS}/changes"
GRACE = timedelta(hours=24)
MOST_LINES = 200
ROOM_FOR_THE_FORM = 65_536


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route(f"{SERVERS}/import", ask_for_list, needs=Needs.ADMIN),
        pages.route(f"{SERVERS}/import", take_list, needs=Needs.ADMIN, verb="POST"),
        pages.route(CHANGES, all_changes, needs=Needs.ADMIN),
        pages.route(f"{CHANGES}/{{change}}", one_change, needs=Needs.ADMIN),
        pages.route(f"{CHANGES}/{{change}}/confirm", confirm, needs=Needs.ADMIN, verb="POST"),
        pages.route(f"{CHANGES}/{{change}}/drop", drop, needs=Needs.ADMIN, verb="POST"),
        pages.route(f"{CHANGES}/{{change}}/undo", undo, needs=Needs.ADMIN, verb="POST"),
    ]


async def ask_for_list(asking: Visitor) -> Response:
    """Show the form for a list of servers to hold off."""
    return _import_form(asking, {})


async def take_list(asking: Visitor) -> Response:
    """Read a list, and show what it would change and cut off; nothing holds yet."""
    _, name, content = await asking.upload(MAX_BYTES + ROOM_FOR_THE_FORM)
    if not content.strip():
        return _import_form(asking, {"list": asking.say("Choose a file with a list in it.")})
    origin = clean_comment(name.replace("\\", "/").rpartition("/")[2]) or "list"
    presence, context = asking.presence, asking.context
    account = None if presence is None else presence.visit.account_id
    try:
        found = await context.database.read(read_list, context.uris, content)
    except MalformedActivity as error:
        return _import_form(asking, {"list": asking.say(error.public)})
    change_id = await context.database.write(changes.plan, plan_of(found, origin, made_by=account))
    return await _change(asking, change_id, found.refusals)


async def all_changes(asking: Visitor) -> Response:
    """List what was changed, and what waits."""
    found = await asking.context.database.read(changes.changes)
    values = {"changes": [_view(asking, each) for each in found]}
    return asking.page("rule_changes.html", asking.say("Changes"), values, section="admin", notice=notice(asking))


async def one_change(asking: Visitor) -> Response:
    """Show a change: what it would do, or did."""
    return await _change(asking, id_of(asking, "change"), ())


async def confirm(asking: Visitor) -> Response:
    """Make a change now, or let it wait a day and tell whom it will cut off."""
    form, context, change_id = await asking.form(), asking.context, id_of(asking, "change")
    presence, mode = asking.presence, context.federation.peers.mode
    account = None if presence is None else presence.visit.account_id
    if form.line("when") != "now":
        await context.database.write(let_wait, mode, change_id, GRACE, made_by=account)
        return asking.go(f"{CHANGES}/{change_id}?done=waits")
    await context.database.write(carry_out, context.uris, mode, change_id, made_by=account)
    await context.federation.peers.refresh(context.database, asking.now)
    return asking.go(f"{CHANGES}/{change_id}?done=ruled")


async def drop(asking: Visitor) -> Response:
    """Give up a change that was not made."""
    await asking.form()
    await asking.context.database.write(changes.drop, id_of(asking, "change"))
    return asking.go(f"{CHANGES}?done=dropped")


async def undo(asking: Visitor) -> Response:
    """Put back what held before a change."""
    await asking.form()
    context, change_id = asking.context, id_of(asking, "change")
    await context.database.write(take_back, context.uris, context.federation.peers.mode, change_id)
    await context.federation.peers.refresh(context.database, asking.now)
    return asking.go(f"{CHANGES}/{change_id}?done=unruled")


def looked_at(uow: UnitOfWork, mode: str, change_id: int) -> tuple[ChangeView, Preview | None]:
    """Return a change, with what it would do where it was not made yet. Raises NotFound."""
    try:
        view = changes.change(uow, change_id)
    except RuleRefused as error:
        raise NotFound("change") from error
    if view.state not in (changes.DRAFT, changes.WAITING):
        return view, None
    return view, preview(uow, mode, changes.lines_of(uow, change_id), view.list_id)


async def _change(asking: Visitor, change_id: int, refusals: Sequence[Refusal]) -> Response:
    mode = asking.context.federation.peers.mode
    view, cut = await asking.context.database.read(looked_at, mode, change_id)
    lines = [] if cut is None else cut.lines[:MOST_LINES]
    values = {
        "change": _view(asking, view),
        "cut": None if cut is None else counts_of(cut) | {"left_alone": cut.left_alone},
        "lines": [
            {"domain": line.domain, "level": "" if line.after is None else line.after.level, **line.counts}
            for line in lines
        ],
        "more": 0 if cut is None else len(cut.lines) - len(lines),
        "refusals": refusals[:MOST_LINES],
    }
    return asking.page("rule_change.html", asking.say("A change"), values, section="admin", notice=notice(asking))


def _view(asking: Visitor, view: ChangeView) -> dict[str, Any]:
    return {
        "id": view.id,
        "path": f"{CHANGES}/{view.id}",
        "origin": view.origin or asking.say("by hand"),
        "state": asking.say(CHANGE_STATES[view.state]),
        "open": view.state in (changes.DRAFT, changes.WAITING),
        "may_undo": view.may_undo(asking.now),
        "made_on": view.made_on,
        "applies_at": view.applies_at if view.state == changes.WAITING else None,
        "size": view.size,
        "parked": view.parked,
    }


def _import_form(asking: Visitor, errors: Mapping[str, str]) -> Response:
    title, status = asking.say("Read a list"), 422 if errors else 200
    return asking.page("rule_import.html", title, {"errors": errors}, section="admin", status=status)
