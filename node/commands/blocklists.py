"""Lists of servers to hold off: looked at before they are applied, and taken back."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from sqlalchemy import func, select

from activitypub.blocklists import Blocklist, covering, read_blocklist, write_blocklist
from activitypub.models import Actor, Peer
from activitypub.peers import set_level, set_levels
from groups.models import Membership
from node.commands.domains import checked_domain, domain
from node.commands.running import Refused, opened
from node.commands.showing import as_json, tell_all
from privacy.unit_of_work import UnitOfWork, table_of

PEERS, ACTORS, MEMBERSHIPS = table_of(Peer), table_of(Actor), table_of(Membership)
COLUMNS = ("domain", "level", "members", "groups")
UNRULED = "normal"


@dataclass(frozen=True, slots=True)
class Known:
    """What the node has to do with other servers, by host: rules, members in groups here, groups that are followed."""

    levels: Mapping[str, str]
    members: Mapping[str, int]
    groups: Mapping[str, int]

    @property
    def partners(self) -> list[str]:
        """Those that are allowed by name."""
        return [host for host, level in self.levels.items() if level == "allow"]


@domain.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--apply", "applies", is_flag=True, help="Set the rules; without it they are only shown.")
@as_json
@click.pass_obj
def import_list(environ: Mapping[str, str], file: Path, *, applies: bool, json_wanted: bool) -> None:
    """Show what a list of blocked servers would change here and whom it would cut off, or apply it."""
    with opened(environ) as node:
        known = node.database.read_now(what_is_known)
        found = read_blocklist(_content(file), node.uris.domain, known.partners)
        rows = preview(found, known)
        if applies:
            node.database.write_now(set_levels, {str(row["domain"]): str(row["level"]) for row in rows})
        for refusal in found.refusals:
            click.echo(f"kinfold: line {refusal.line}, {refusal.text}: {refusal.why}", err=True)
        tell_all(COLUMNS, rows, json_wanted=json_wanted, none="The list holds nothing that is new here.")
        if not json_wanted:
            click.echo(_summary(rows, found, applies=applies))


@domain.command(name="export")
@click.pass_obj
def export_list(environ: Mapping[str, str]) -> None:
    """Print the suspended servers as a list that Mastodon and others import."""
    with opened(environ) as node:
        levels = node.database.read_now(what_is_known).levels
        click.echo(write_blocklist(sorted(levels.items())), nl=False)


@domain.command()
@click.argument("name", metavar="D")
@click.pass_obj
def undo(environ: Mapping[str, str], name: str) -> None:
    """Take back the rule for a domain; memberships that it held off go on as they were."""
    with opened(environ) as node:
        canonical = checked_domain(name)
        if node.database.read_now(what_is_known).levels.get(canonical, UNRULED) == UNRULED:
            raise Refused(f"there is no rule for {canonical}")
        node.database.write_now(set_level, canonical, UNRULED)
        click.echo(f"{canonical}: {UNRULED}")


def what_is_known(uow: UnitOfWork) -> Known:
    """Return rules and ties, each by host, in three statements however long a list is."""
    levels = {row.host: row.level for row in uow.connection.execute(select(PEERS.c.host, PEERS.c.level))}
    here = MEMBERSHIPS.join(ACTORS, ACTORS.c.id == MEMBERSHIPS.c.actor_id)
    there = MEMBERSHIPS.join(ACTORS, ACTORS.c.id == MEMBERSHIPS.c.group_id)
    counted = (ACTORS.c.host, func.count().label("ties"))
    alive = (ACTORS.c.local.is_(False), MEMBERSHIPS.c.state.in_(("active", "pending")))
    found = [
        {row.host: row.ties for row in uow.connection.execute(query.where(*alive).group_by(ACTORS.c.host))}
        for query in (select(*counted).select_from(here), select(*counted).select_from(there))
    ]
    return Known(levels, *found)


def preview(found: Blocklist, known: Known) -> list[dict[str, object]]:
    """Return each rule that is new, with the members and followed groups that it would cut off (pure)."""
    domains = {entry.domain: entry for entry in found.entries}
    members, groups = (_summed(ties, domains) for ties in (known.members, known.groups))
    unruled = (name for name in domains if known.levels.get(name, UNRULED) == UNRULED)  # a rule made here stays
    return [
        {"domain": name, "level": domains[name].level, "members": members[name], "groups": groups[name]}
        for name in unruled
    ]


def _summed(ties: Mapping[str, int], domains: Mapping[str, object]) -> Counter[str]:
    """Return how many ties each domain of a list would cut, those to servers below it included."""
    summed: Counter[str] = Counter()
    for host, count in ties.items():
        name = covering(host, domains)
        if name is not None:
            summed[name] += count
    return summed


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error


def _summary(rows: list[dict[str, object]], found: Blocklist, *, applies: bool) -> str:
    members = sum(int(str(row["members"])) for row in rows)
    groups = sum(int(str(row["groups"])) for row in rows)
    done = "set" if applies else "would be set (--apply sets them)"
    left_out = len(found.refusals)
    return f"{len(rows)} rules {done}: {members} members and {groups} followed groups; {left_out} lines left out."
