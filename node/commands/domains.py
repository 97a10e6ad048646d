"""Other servers: which of them the node talks with."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import click
from sqlalchemy import select

from activitypub.domains import domain_in, is_own, why_not_held_off
from activitypub.models import Peer
from activitypub.peers import CLOSED, LEVELS, MANUAL, PeerPolicy, covering, levels, set_level
from activitypub.uris import Uris
from groups.parking import Settled, settle_places
from node.commands.running import Refused, opened
from node.commands.showing import as_json, tell_all
from privacy.unit_of_work import UnitOfWork, table_of

PEERS = table_of(Peer)
COLUMNS = ("domain", "level", "rule", "source", "class", "failures")
BESIDE_THE_DOMAIN: Final = re.compile(r"^\s*(?:https?:)?(?://)?(?:@?[^@/]*@)?|[/?#].*$|\s+$", re.IGNORECASE | re.DOTALL)
"""What of an address or a handle is not the domain."""

PARKED: Final = (
    "places in groups here are parked and count no more. If you let the server in again within 7 days, whoever then"
    " follows the group anew has the place back; after that they end."
)
TOLD: Final = (
    "people had a place in a group here. Their servers are told that they have it no more: whoever follows the group"
    " anew, within 7 days from when the server was held off, is in at once."
)


@click.group()
def domain() -> None:
    """Rule which servers the node talks with."""


@domain.command(name="set")
@click.argument("name", metavar="D")
@click.option("--level", required=True, type=click.Choice(LEVELS))
@click.pass_obj
def set_one(environ: Mapping[str, str], name: str, level: str) -> None:
    """Set the rule for a domain and all below it; a served node follows within 15 seconds."""
    if level == "limit":
        raise Refused("limit comes with a later version: quarantine holds a server off altogether until you decide")
    with opened(environ) as node:
        canonical = checked_domain(name)
        if is_own(canonical, node.uris.domain):
            raise Refused(f"{canonical} is this node itself: rules are for other servers")
        reason = why_not_held_off(canonical, node.uris.domain)
        if reason is not None and level in CLOSED:
            raise Refused(f"{canonical} cannot be held off: {reason}")
        mode, change = node.settings.federation, partial(set_level, host=canonical, level=level)
        settled = node.database.write_now(ruled, node.uris, mode, change)
        click.echo(f"{canonical}: {level}")
        tell_places(settled)


@domain.command(name="list")
@click.option("--waiting", is_flag=True, help="Only those in quarantine, which wait for you to decide.")
@as_json
@click.pass_obj
def list_them(environ: Mapping[str, str], *, waiting: bool, json_wanted: bool) -> None:
    """List the servers that are known or ruled, how each is treated, and the domain whose rule says so."""
    with opened(environ) as node:
        rows = node.database.read_now(known_peers, node.settings.federation)
        if waiting:
            rows = [row for row in rows if row["level"] == "quarantine"]
        none = "No server waits." if waiting else "No other server is known yet."
        tell_all(COLUMNS, rows, json_wanted=json_wanted, none=none)


def ruled(uow: UnitOfWork, uris: Uris, mode: str, change: Callable[[UnitOfWork], object]) -> Settled:
    """Change rules, and park or call back the places of those whom that concerns, in one transaction."""
    change(uow)
    return settle_places(uow, uris, mode)


def tell_places(settled: Settled) -> None:
    """Say what became of places in groups here."""
    if settled.parked:
        click.echo(f"{settled.parked} {PARKED}")
    if settled.told:
        click.echo(f"{settled.told} {TOLD}")


def known_peers(uow: UnitOfWork, mode: str) -> list[dict[str, object]]:
    """Return every server that was seen or has a rule, by name; without a rule the node's mode decides."""
    policy, rules, manual = PeerPolicy(mode), levels(uow), levels(uow, source=MANUAL)
    policy.replace(rules, uow.now)
    seen = {row.host: row for row in uow.connection.execute(select(PEERS))}
    rows = []
    for host in sorted({*seen, *rules}):
        rule, peer = covering(host, rules), seen.get(host)
        source = None if rule is None else "manual" if rule in manual else "import"
        about = (None, None) if peer is None else (peer.delivery_class, peer.failures)
        rows.append(dict(zip(COLUMNS, (host, policy.level(host), rule, source, *about), strict=True)))
    return rows


def outlook(uow: UnitOfWork, mode: str, name: str) -> str:
    """Return in a few words how a domain is treated, and why, where it has no rule of its own."""
    policy, rules = PeerPolicy(mode), levels(uow)
    policy.replace(rules, uow.now)
    above = covering(name, rules)
    if above is None:
        return f"{policy.level(name)}, as every server without a rule"
    return policy.level(name) if above == name else f"{policy.level(name)}, by the rule for {above}"


def checked_domain(typed: str) -> str:
    """Return the one spelling of a domain or an IP address, with its port if it has one. Raises Refused."""
    canonical = domain_in(typed)
    if canonical is not None:
        return canonical
    meant = domain_in(BESIDE_THE_DOMAIN.sub("", typed))
    raise Refused(f'"{typed}" is not a domain{"" if meant is None else f": write {meant}"}')
