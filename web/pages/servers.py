"""Which servers the node talks with, for those who look after it: the rules, one by one, and who waits to be let in."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from starlette.responses import Response
from starlette.routing import BaseRoute

from activitypub.domains import domain_in
from activitypub.errors import RuleRefused
from activitypub.rules import LEVELS, Rule, clean_comment
from groups.errors import NotFound
from groups.ruling import ServerView, check_domain, known_servers, rule_by_hand, rule_of, take_back_one
from groups.severing import FOLLOWED, MEMBERS, WORDS, Preview, preview
from web.forms import Form
from web.pages.asked import notice
from web.pages.framing import Needs, Pages
from web.pages.wording import LEVEL_WORDS
from web.visitors import Visitor

SERVERS = "/admin/servers"
MOST_SHOWN = 500


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route(SERVERS, everybody, needs=Needs.ADMIN),
        pages.route(SERVERS, find, needs=Needs.ADMIN, verb="POST"),
        pages.route(f"{SERVERS}/waiting", waiting, needs=Needs.ADMIN),
        pages.route(f"{SERVERS}/one/{{host}}", one, needs=Needs.ADMIN),
        pages.route(f"{SERVERS}/one/{{host}}", rule_it, needs=Needs.ADMIN, verb="POST"),
        pages.route(f"{SERVERS}/one/{{host}}/undo", undo_it, needs=Needs.ADMIN, verb="POST"),
    ]


async def everybody(asking: Visitor) -> Response:
    """List the servers that are known or ruled, and how each is treated."""
    return await _list(asking, {})


async def find(asking: Visitor) -> Response:
    """Lead to the page of a domain that was typed."""
    typed = (await asking.form()).line("domain")
    name = domain_in(typed)
    if name is None:
        return await _list(asking, {"domain": asking.say("This is not a domain.")}, typed)
    return asking.go(f"{SERVERS}/one/{name}")


async def waiting(asking: Visitor) -> Response:
    """List the servers that wait for somebody to decide."""
    found = await asking.context.database.read(known_servers, asking.context.federation.peers.mode)
    rows = [each for each in found if each.level == "quarantine"]
    values = {"servers": _shown(asking, rows), "waiting": True, "errors": {}, "typed": "", "more": 0}
    return asking.page("servers.html", asking.say("Servers that wait"), values, section="admin", notice=notice(asking))


async def one(asking: Visitor) -> Response:
    """Show how one domain is treated, by which rule, and the form for another."""
    return await _one(asking, _host(asking), None)


async def rule_it(asking: Visitor) -> Response:
    """Set the rule of a domain, after what it would cut off was shown."""
    name, form = _host(asking), await asking.form()
    rule = _rule_in(asking, form)
    context, mode = asking.context, asking.context.federation.peers.mode
    try:
        check_domain(name, rule, context.uris)
    except RuleRefused as error:
        return await _one(asking, name, None, {"level": error.public})
    if not form.ticked("sure"):
        return await _one(asking, name, rule)
    await context.database.write(rule_by_hand, context.uris, mode, name, rule)
    await context.federation.peers.refresh(context.database, asking.now)
    return asking.go(f"{SERVERS}/one/{name}?done=ruled")


async def undo_it(asking: Visitor) -> Response:
    """Put back what held for a domain before."""
    await asking.form()
    name, context = _host(asking), asking.context
    await context.database.write(take_back_one, context.uris, context.federation.peers.mode, name)
    await context.federation.peers.refresh(context.database, asking.now)
    return asking.go(f"{SERVERS}/one/{name}?done=unruled")


async def _list(asking: Visitor, errors: Mapping[str, str], typed: str = "") -> Response:
    found = await asking.context.database.read(known_servers, asking.context.federation.peers.mode)
    values = {
        "servers": _shown(asking, found[:MOST_SHOWN]),
        "waiting": False,
        "errors": errors,
        "typed": typed,
        "more": max(0, len(found) - MOST_SHOWN),
    }
    title, status = asking.say("Servers"), 422 if errors else 200
    return asking.page("servers.html", title, values, section="admin", notice=notice(asking), status=status)


async def _one(
    asking: Visitor, name: str, wanted: Rule | None, errors: Mapping[str, str] = MappingProxyType({})
) -> Response:
    """Show the page of a domain; with a rule that is wanted, what it would cut off, to be confirmed."""
    read, mode = asking.context.database.read, asking.context.federation.peers.mode
    level, above, rule = await read(rule_of, mode, name)
    cut = None if wanted is None else await read(preview, mode, {name: wanted})
    values = {
        "host": name,
        "level": asking.say(LEVEL_WORDS[level]),
        "by": above,
        "rule": rule,
        "shown": wanted or rule or Rule("normal"),
        "levels": [(each, asking.say(LEVEL_WORDS[each])) for each in LEVELS],
        "cut": None if cut is None else counts_of(cut),
        "errors": errors,
    }
    title, status = asking.say("A server"), 422 if errors else 200
    return asking.page("server.html", title, values, section="admin", notice=notice(asking), status=status)


def counts_of(cut: Preview) -> dict[str, Any]:
    """Return what a change cuts off as the pages show it."""
    totals = {"members": cut.total(MEMBERS), "followed": cut.total(FOLLOWED), "posts": cut.total(WORDS)}
    return {**totals, "rules": len(cut.lines), "groups": cut.groups, "elsewhere": cut.followed}


def _shown(asking: Visitor, servers: Sequence[ServerView]) -> list[dict[str, Any]]:
    return [
        {
            "host": each.host,
            "words": asking.say(LEVEL_WORDS[each.level]),
            "origin": None if each.rule is None else each.rule.origin,
        }
        for each in servers
    ]


def _rule_in(asking: Visitor, form: Form) -> Rule:
    level = form.line("level")
    if level not in LEVELS:
        raise NotFound("level")
    presence = asking.presence
    return Rule(
        level,
        reject_media=form.ticked("reject_media"),
        reject_reports=form.ticked("reject_reports"),
        obfuscate=form.ticked("obfuscate"),
        public_comment=clean_comment(form.text("public_comment")),
        private_comment=clean_comment(form.text("private_comment")),
        made_by=None if presence is None else presence.visit.account_id,
    )


def _host(asking: Visitor) -> str:
    """Return the domain in the address. Raises NotFound for what is none."""
    name = str(asking.request.path_params["host"])
    if domain_in(name) != name:
        raise NotFound("domain")
    return name
