"""Other servers: which of them the node talks with."""

import re
from collections.abc import Mapping
from typing import Final

import click
from sqlalchemy import select

from activitypub.domains import domain_in, is_own, why_not_held_off
from activitypub.models import Peer
from activitypub.peers import CLOSED, LEVELS, set_level
from node.commands.running import Refused, opened
from node.commands.showing import as_json, tell_all
from privacy.unit_of_work import UnitOfWork, table_of

PEERS = table_of(Peer)
COLUMNS = ("domain", "level", "class", "failures")
BESIDE_THE_DOMAIN: Final = re.compile(r"^\s*(?:https?:)?(?://)?(?:@?[^@/]*@)?|[/?#].*$|\s+$", re.IGNORECASE | re.DOTALL)
"""What of an address or a handle is not the domain."""


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
        click.echo(f"{node.database.write_now(set_level, canonical, level)}: {level}")


@domain.command(name="list")
@as_json
@click.pass_obj
def list_them(environ: Mapping[str, str], *, json_wanted: bool) -> None:
    """List the servers that are known, and the rule for each."""
    with opened(environ) as node:
        rows = node.database.read_now(known_peers)
        tell_all(COLUMNS, rows, json_wanted=json_wanted, none="No other server is known yet.")


def known_peers(uow: UnitOfWork) -> list[dict[str, object]]:
    """Return every server that is known, by name."""
    rows = uow.connection.execute(select(PEERS).order_by(PEERS.c.host)).fetchall()
    return [dict(zip(COLUMNS, (row.host, row.level, row.delivery_class, row.failures), strict=True)) for row in rows]


def checked_domain(typed: str) -> str:
    """Return the one spelling of a domain or an IP address, with its port if it has one. Raises Refused."""
    canonical = domain_in(typed)
    if canonical is not None:
        return canonical
    meant = domain_in(BESIDE_THE_DOMAIN.sub("", typed))
    raise Refused(f'"{typed}" is not a domain{"" if meant is None else f": write {meant}"}')
