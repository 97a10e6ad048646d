"""Other servers: which of them the node talks with."""

import re
from collections.abc import Mapping
from typing import Final

import click
from sqlalchemy import select

from activitypub.domains import domain_in
from activitypub.models import Peer
from activitypub.peers import PeerPolicy, covering, levels, rules
from activitypub.rules import LEVELS, Rule, clean_comment
from groups.parking import Settled
from groups.ruling import check_domain, rule_by_hand
from groups.severing import Preview, preview
from node.commands.running import Refused, opened
from node.commands.showing import as_json, tell, tell_all
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
HELD: Final = (
    "places of people here in groups there are parked, and asked for again if you let the server in within 7 days."
)
ASKED: Final = "places of people here in groups there are asked for again."


@click.group()
def domain() -> None:
    """Rule which servers the node talks with."""


@domain.command(name="set")
@click.argument("name", metavar="D")
@click.option("--level", required=True, type=click.Choice(LEVELS))
@click.option("--reject-media", is_flag=True, help="Take no pictures and files from there.")
@click.option("--reject-reports", is_flag=True, help="Take no reports from there.")
@click.option("--comment", default="", help="Why, for everybody who is shown the rule or given the list.")
@click.option("--private-comment", default="", help="Why, for admins alone. Name nobody.")
@click.option("--obfuscate", is_flag=True, help="Ask whoever is given the list to show the domain only in part.")
@click.option("--dry-run", is_flag=True, help="Show what it would cut off, and change nothing.")
@click.pass_obj
def set_one(
    environ: Mapping[str, str],
    name: str,
    level: str,
    comment: str,
    private_comment: str,
    *,
    reject_media: bool,
    reject_reports: bool,
    obfuscate: bool,
    dry_run: bool,
) -> None:
    """Set the rule for a domain and all below it; a served node follows within 15 seconds."""
    flags = (reject_media, reject_reports, obfuscate)
    rule = Rule(level, *flags, clean_comment(comment), clean_comment(private_comment))
    with opened(environ) as node:
        canonical, mode = checked_domain(name), node.settings.federation
        if dry_run:
            check_domain(canonical, rule, node.uris)
            tell_cut(node.database.read_now(preview, mode, {canonical: rule}))
            return
        done = node.database.write_now(rule_by_hand, node.uris, mode, canonical, rule)
        click.echo(f"{canonical}: {level}")
        tell_places(done.settled)


@domain.command()
@click.argument("name", metavar="D")
@as_json
@click.pass_obj
def show(environ: Mapping[str, str], name: str, *, json_wanted: bool) -> None:
    """Show how a domain is treated, by which rule, and where that comes from."""
    with opened(environ) as node:
        canonical = checked_domain(name)
        tell(node.database.read_now(rule_for, node.settings.federation, canonical), json_wanted=json_wanted)


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


def rule_for(uow: UnitOfWork, mode: str, name: str) -> dict[str, object]:
    """Return how a domain is treated, with the rule that says so, whole."""
    policy, standing = PeerPolicy(mode), rules(uow)
    policy.replace(levels(uow), uow.now)
    above = covering(name, standing)
    told: dict[str, object] = {"domain": name, "level": policy.level(name), "rule": above}
    if above is not None:
        rule = standing[above]
        told |= {
            "reject_media": rule.reject_media,
            "reject_reports": rule.reject_reports,
            "obfuscate": rule.obfuscate,
            "comment": rule.public_comment,
            "private_comment": rule.private_comment,
            "source": rule.source,
            "list": rule.origin,
            "since": None if rule.made_on is None else f"{rule.made_on:%Y-%m-%d}",
        }
    return told


def tell_places(settled: Settled) -> None:
    """Say what became of places in groups."""
    lines = ((settled.parked, PARKED), (settled.told, TOLD), (settled.held, HELD), (settled.asked, ASKED))
    for count, words in lines:
        if count:
            click.echo(f"{count} {words}")


def tell_cut(found: Preview) -> None:
    """Say what would be cut off, by group and in numbers: who it is stands nowhere."""
    for names, words in ((found.groups, "would lose members"), (found.followed, "would lose members from here")):
        for name, count in names.items():
            click.echo(f"{name} {words}: {count}")


def known_peers(uow: UnitOfWork, mode: str) -> list[dict[str, object]]:
    """Return every server that was seen or has a rule, by name; without a rule the node's mode decides."""
    policy, standing = PeerPolicy(mode), rules(uow)
    policy.replace(levels(uow), uow.now)
    seen = {row.host: row for row in uow.connection.execute(select(PEERS))}
    rows = []
    for host in sorted({*seen, *standing}):
        rule, peer = covering(host, standing), seen.get(host)
        source = None if rule is None else standing[rule].source
        about = (None, None) if peer is None else (peer.delivery_class, peer.failures)
        rows.append(dict(zip(COLUMNS, (host, policy.level(host), rule, source, *about), strict=True)))
    return rows


def outlook(uow: UnitOfWork, mode: str, name: str) -> str:
    """Return in a few words how a domain is treated, and why, where it has no rule of its own."""
    policy, standing = PeerPolicy(mode), levels(uow)
    policy.replace(standing, uow.now)
    above = covering(name, standing)
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
