"""Lists of servers to hold off: looked at before they are applied, and taken back."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import click

from activitypub import changes, subscriptions
from activitypub.blocklists import Blocklist, write_blocklist
from activitypub.changes import Plan
from activitypub.peers import rules
from activitypub.targets import parse_target
from activitypub.uris import Uris
from groups.parking import Settled
from groups.ruling import carry_out, let_wait, plan_of, read_list, take_back, take_back_one
from groups.ruling import unsubscribe as end_subscription
from groups.severing import FOLLOWED, KINDS, MEMBERS, WORDS, Preview, preview
from node.commands.domains import checked_domain, domain, outlook, tell_cut, tell_places
from node.commands.durations import Duration, written
from node.commands.running import Refused, opened
from node.commands.showing import as_json, tell_all
from node.wiring import Node
from privacy.unit_of_work import UnitOfWork

SUBSCRIPTION_COLUMNS = ("url", "priority", "applies", "excluded", "fetched_on", "next_at", "failure")
COLUMNS = ("domain", "level", *KINDS)
CHANGE_COLUMNS = ("change", "state", "kind", "list", "domains", "parked", "made_on", "applies_at", "undo_until")


@domain.command(name="import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--apply", "applies", is_flag=True, help="Set the rules; without it they are only shown.")
@click.option("--grace", type=Duration(), help="Set them after so long, and tell now whom they will cut off: 24h, 3d.")
@as_json
@click.pass_obj
def import_list(
    environ: Mapping[str, str], file: Path, grace: timedelta | None, *, applies: bool, json_wanted: bool
) -> None:
    """Show what a list of blocked servers would change here and whom it would cut off, or apply it."""
    applies = applies or grace is not None
    with opened(environ) as node:
        mode = node.settings.federation
        found = node.database.read_now(read_list, node.uris, _content(file))
        planned = plan_of(found, file.name)
        cut = node.database.read_now(preview, mode, planned.lines)
        for refusal in found.refusals:
            click.echo(f"kinfold: line {refusal.line}, {refusal.text}: {refusal.why}", err=True)
        tell_all(COLUMNS, _rows(cut), json_wanted=json_wanted, none="The list holds nothing that is new here.")
        settled = node.database.write_now(_set, node.uris, mode, planned, grace) if applies else None
        if json_wanted:
            return
        tell_cut(cut)
        click.echo(_summary(cut, found, applies=applies, grace=grace))
        if settled is not None:
            tell_places(settled)


@domain.command(name="export")
@click.pass_obj
def export_list(environ: Mapping[str, str]) -> None:
    """Print the rules as a list that Mastodon and others import; private comments are not in it."""
    with opened(environ) as node:
        click.echo(write_blocklist(node.database.read_now(rules)), nl=False)


@domain.command(name="changes")
@as_json
@click.pass_obj
def list_changes(environ: Mapping[str, str], *, json_wanted: bool) -> None:
    """List the changes of rules of the last 30 days: those that wait, and those that can be undone."""
    with opened(environ) as node:
        rows = [
            dict(
                zip(
                    CHANGE_COLUMNS,
                    (
                        each.id, each.state, each.kind, each.origin, each.size, each.parked, f"{each.made_on:%Y-%m-%d}",
                        each.applies_at, each.undo_until,
                    ),
                    strict=True,
                )
            )
            for each in node.database.read_now(changes.changes)
        ]  # fmt: skip
        tell_all(CHANGE_COLUMNS, rows, json_wanted=json_wanted, none="Nothing was changed in the last 30 days.")


@domain.command()
@click.argument("change", type=int)
@click.pass_obj
def confirm(environ: Mapping[str, str], change: int) -> None:
    """Make a change that waits, now."""
    with opened(environ) as node:
        done = node.database.write_now(carry_out, node.uris, node.settings.federation, change)
        click.echo(f"{len(done.rules)} rules set.")
        tell_places(done.settled)


@domain.command()
@click.argument("name", metavar="D", required=False)
@click.option("--change", type=int, help="Undo a whole change instead, by its number in domain changes.")
@click.pass_obj
def undo(environ: Mapping[str, str], name: str | None, change: int | None) -> None:
    """Take back the last rule for a domain within 7 days: what held before holds again; later, no rule does."""
    if (name is None) == (change is None):
        raise click.UsageError("Name a domain, or a change with --change.")
    with opened(environ) as node:
        mode = node.settings.federation
        if change is not None:
            back = node.database.write_now(take_back, node.uris, mode, change)
            click.echo(f"{len(back.rules)} rules put back as they were before.")
            if back.lost:
                click.echo(f"{back.lost} places that were parked are gone: their holders left, or they have ended.")
        else:
            canonical = checked_domain(name or "")
            if canonical not in node.database.read_now(rules):
                raise Refused(f"there is no rule for {canonical}")
            back = node.database.write_now(take_back_one, node.uris, mode, canonical)
            click.echo(f"{canonical}: {node.database.read_now(outlook, mode, canonical)}")
        tell_places(back.settled)


@domain.command()
@click.argument("url")
@click.option("--priority", type=click.IntRange(0, subscriptions.MAX_PRIORITY), default=0, show_default=True)
@click.option("--apply", "applies", is_flag=True, help="Let small changes hold at once; else each waits for confirm.")
@click.option("--exclude", "excluded", multiple=True, metavar="D", help="Never take this domain from it.")
@click.pass_obj
def subscribe(environ: Mapping[str, str], url: str, priority: int, excluded: tuple[str, ...], *, applies: bool) -> None:
    """Fetch a list of servers to hold off now and every day."""
    with opened(environ) as node:
        _check_address(node, url)
        node.database.write_now(
            subscriptions.subscribe, subscriptions.NewSubscription(url, priority, applies, excluded)
        )
        click.echo(f"{url} is fetched within a minute by a served node; domain changes shows what it would change.")


@domain.command(name="subscriptions")
@as_json
@click.pass_obj
def list_subscriptions(environ: Mapping[str, str], *, json_wanted: bool) -> None:
    """List the lists that are fetched every day, and how that went."""
    with opened(environ) as node:
        found = node.database.read_now(subscriptions.subscriptions)
        rows = [{name: getattr(each, name) for name in SUBSCRIPTION_COLUMNS} for each in found]
        tell_all(SUBSCRIPTION_COLUMNS, rows, json_wanted=json_wanted, none="No list is subscribed to.")


@domain.command()
@click.argument("url")
@click.pass_obj
def unsubscribe(environ: Mapping[str, str], url: str) -> None:
    """End a subscription; what came with this list alone is taken back, which domain undo --change undoes."""
    with opened(environ) as node:
        named = {each.url: each.id for each in node.database.read_now(subscriptions.subscriptions)}
        if url not in named:
            raise Refused("there is no such subscription: domain subscriptions lists them")
        done = node.database.write_now(end_subscription, node.uris, node.settings.federation, named[url])
        click.echo(f"{len(done.rules)} rules taken back.")
        tell_places(done.settled)


def _check_address(node: Node, url: str) -> None:
    """Raise FetchError for an address that this node would not fetch."""
    parse_target(url, node.settings.private_peers)


def _set(uow: UnitOfWork, uris: Uris, mode: str, planned: Plan, grace: timedelta | None) -> Settled | None:
    """Make a change now, or let it wait."""
    change_id = changes.plan(uow, planned)
    if grace is None:
        return carry_out(uow, uris, mode, change_id).settled
    let_wait(uow, mode, change_id, grace)
    return None


def _rows(cut: Preview) -> list[dict[str, object]]:
    return [
        {"domain": line.domain, "level": None if line.after is None else line.after.level, **line.counts}
        for line in cut.lines
    ]


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Refused(f"{file} cannot be read: {error.strerror}") from error


def _summary(cut: Preview, found: Blocklist, *, applies: bool, grace: timedelta | None) -> str:
    done = "would be set (--apply sets them)"
    if applies:
        done = "set" if grace is None else f"will be set in {written(grace)} (domain changes lists what waits)"
    return (
        f"{len(cut.lines)} rules {done}: {cut.total(MEMBERS)} members, {cut.total(FOLLOWED)} places of people here in"
        f" groups there, {cut.total(WORDS)} posts; {cut.left_alone} lines say nothing new, {len(found.refusals)} lines"
        " left out."
    )
