"""Lists of servers to hold off: looked at before they are applied, and taken back."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import click
from sqlalchemy import func, select

from activitypub.blocklists import Blocklist, read_blocklist, write_blocklist
from activitypub.models import Actor
from activitypub.peers import MANUAL, covering, import_levels, levels, lift_level
from groups.models import Membership
from node.commands.domains import checked_domain, domain, outlook, ruled, tell_places
from node.commands.running import Refused, opened
from node.commands.showing import as_json, tell_all
from privacy.unit_of_work import UnitOfWork, table_of

ACTORS, MEMBERSHIPS = table_of(Actor), table_of(Membership)
COLUMNS = ("domain", "level", "members", "groups")


@dataclass(frozen=True, slots=True)
class Known:
    """What the node has to do with other servers, by host: rules, members in groups here, groups that are followed."""

    levels: Mapping[str, str]
    manual: Mapping[str, str]
    """Those of the rules that a human made."""
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
        new = {str(row["domain"]): str(row["level"]) for row in rows}
        mode, change = node.settings.federation, partial(import_levels, levels=new)
        settled = node.database.write_now(ruled, node.uris, mode, change) if applies else None
        for refusal in found.refusals:
            click.echo(f"kinfold: line {refusal.line}, {refusal.text}: {refusal.why}", err=True)
        tell_all(COLUMNS, rows, json_wanted=json_wanted, none="The list holds nothing that is new here.")
        if not json_wanted:
            click.echo(_summary(rows, found, applies=applies))
        if settled is not None and not json_wanted:
            tell_places(settled)


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
    """Take back the rule for a domain; what holds for every server, or for a domain above it, holds again."""
    with opened(environ) as node:
        canonical = checked_domain(name)
        if canonical not in node.database.read_now(levels):
            raise Refused(f"there is no rule for {canonical}")
        mode, change = node.settings.federation, partial(lift_level, name=canonical)
        settled = node.database.write_now(ruled, node.uris, mode, change)
        click.echo(f"{canonical}: {node.database.read_now(outlook, node.settings.federation, canonical)}")
        tell_places(settled)


def what_is_known(uow: UnitOfWork) -> Known:
    """Return rules and ties, each by host, in four statements however long a list is."""
    here = MEMBERSHIPS.join(ACTORS, ACTORS.c.id == MEMBERSHIPS.c.actor_id)
    there = MEMBERSHIPS.join(ACTORS, ACTORS.c.id == MEMBERSHIPS.c.group_id)
    counted = (ACTORS.c.host, func.count().label("ties"))
    alive = (ACTORS.c.local.is_(False), MEMBERSHIPS.c.state.in_(("active", "pending")))
    found = [
        {row.host: row.ties for row in uow.connection.execute(query.where(*alive).group_by(ACTORS.c.host))}
        for query in (select(*counted).select_from(here), select(*counted).select_from(there))
    ]
    return Known(levels(uow), levels(uow, source=MANUAL), *found)


def preview(found: Blocklist, known: Known) -> list[dict[str, object]]:
    """Return each rule that is new, with the members and followed groups that it would cut off (pure).

    What a human ruled of a domain holds for all below it as well, whatever a list says.
    """
    new = {
        entry.domain: entry.level
        for entry in found.entries
        if entry.domain not in known.levels and covering(entry.domain, known.manual) is None
    }
    members, groups = (_summed(ties, {**known.levels, **new}) for ties in (known.members, known.groups))
    return [{"domain": name, "level": new[name], "members": members[name], "groups": groups[name]} for name in new]


def _summed(ties: Mapping[str, int], rules: Mapping[str, str]) -> Counter[str]:
    """Return how many ties there are to servers for which each rule decides, those below its domain included."""
    summed: Counter[str] = Counter()
    for host, count in ties.items():
        name = covering(host, rules)
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
