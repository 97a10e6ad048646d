"""Groups as the operator looks after them."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import click

from groups import invitations, membership, roles
from groups.founding import AUDIENCES, DEFAULT_KEEP, JOIN_RULES, PRESETS, GroupChanges, NewGroup, change_group
from groups.places import local_groups, requests_of
from groups.reports import reports_of
from groups.views import GroupView
from node.commands.durations import SHORTEST_IN_EARNEST, Duration
from node.commands.founding import asking_actor, found, group_named, persona_named
from node.commands.running import Refused, make_sure, opened
from node.commands.showing import as_json, tell, tell_all
from node.wiring import Node
from web.links import invitation_link

NO_FLAGS = ("none", DEFAULT_KEEP)
audience_option = click.option("--audience", type=click.Choice(AUDIENCES), help="Who reads from outside of the node.")
join_option = click.option("--join", type=click.Choice(JOIN_RULES), help="How people come in.")
keep_option = click.option("--keep", type=Duration(), metavar="DURATION", help="How long posts live: 12h 30d 2y.")
LEMMY_WARNING = (
    "kinfold: Lemmy takes a public group that asks for approval for a private one, and may not show it to its people"
)


@click.group()
def group() -> None:
    """Look after groups."""


@group.command()
@click.argument("name")
@click.option("--title", required=True, metavar="T")
@click.option("--about", default="", metavar="TEXT", help="What the group is for.")
@click.option("--preset", type=click.Choice(tuple(PRESETS)), help="Rules for a kind of group.")
@audience_option
@join_option
@keep_option
@click.option("--owner", metavar="PERSONA", help="Who owns it; the node's owner, if not said.")
@as_json
@click.pass_obj
def add(environ: Mapping[str, str], /, name: str, *, json_wanted: bool, **wanted: Any) -> None:
    """Make a group. Without flags: nothing leaves the node, joining asks for approval, posts live 90 days."""
    usual_audience, usual_keep = PRESETS.get(wanted["preset"], NO_FLAGS)
    new = NewGroup(
        id=0, handle=name, token="", title=wanted["title"], about=wanted["about"], preset=wanted["preset"],
        audience=wanted["audience"] or usual_audience,
        join_rule=wanted["join"] or "approval",
        keep=wanted["keep"] or usual_keep,
    )  # fmt: skip
    with opened(environ) as node:
        _check_keep(node, wanted["keep"])
        made = found(node, new, wanted["owner"])
        _warn(made)
        tell(_told(node, made), json_wanted=json_wanted)


@group.command(name="list")
@as_json
@click.pass_obj
def list_them(environ: Mapping[str, str], *, json_wanted: bool) -> None:
    """List the groups of this node."""
    with opened(environ) as node:
        rows = [_told(node, each) for each in node.database.read_now(local_groups)]
        columns = ("name", "title", "audience", "join", "keep", "state")
        tell_all(columns, rows, json_wanted=json_wanted, none="There are no groups yet.")


@group.command()
@click.argument("name")
@as_json
@click.pass_obj
def show(environ: Mapping[str, str], name: str, *, json_wanted: bool) -> None:
    """Show a group and its rules."""
    with opened(environ) as node:
        tell(_told(node, node.database.read_now(group_named, name)), json_wanted=json_wanted)


@group.command(name="set")
@click.argument("name")
@click.option("--title", metavar="T")
@click.option("--about", metavar="TEXT")
@audience_option
@join_option
@keep_option
@as_json
@click.pass_obj
def change(environ: Mapping[str, str], /, name: str, *, json_wanted: bool, **wanted: Any) -> None:
    """Change the rules of a group; what was posted before keeps the end that it has."""
    if all(value is None for value in wanted.values()):
        raise click.UsageError("say what is to change")
    with opened(environ) as node:
        _check_keep(node, wanted["keep"])
        changes = GroupChanges(
            title=wanted["title"], about=wanted["about"], audience=wanted["audience"], join_rule=wanted["join"],
            keep=wanted["keep"],
        )  # fmt: skip
        changed = _changed(node, name, changes)
        _warn(changed)
        tell(_told(node, changed), json_wanted=json_wanted)


@group.command()
@click.argument("name")
@click.option("--resume", is_flag=True, help="Let members post again.")
@click.pass_obj
def pause(environ: Mapping[str, str], name: str, *, resume: bool) -> None:
    """Let a group be read, while nobody but those who look after it posts."""
    with opened(environ) as node:
        _changed(node, name, GroupChanges(state="open" if resume else "paused"))
        click.echo(f"{name} is open." if resume else f"{name} is paused.")


@group.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def seal(environ: Mapping[str, str], name: str, *, yes: bool) -> None:
    """Close a group for good: nothing new comes in, what is there ends in its time."""
    with opened(environ) as node:
        view = node.database.read_now(group_named, name)
        if not yes:
            make_sure(f"Close {view.card.handle} for good?")
        _changed(node, name, GroupChanges(state="sealed"))
        click.echo(f"{name} is sealed.")


@group.command()
@click.argument("name")
@as_json
@click.pass_obj
def requests(environ: Mapping[str, str], name: str, *, json_wanted: bool) -> None:
    """List who asks to join a group."""
    with opened(environ) as node:
        view = node.database.read_now(group_named, name)
        asking = node.database.read_now(requests_of, None, view.id)
        rows = [{"handle": f"{card.handle}@{card.host}", "name": card.name} for card in asking]
        tell_all(("handle", "name"), rows, json_wanted=json_wanted, none="Nobody asks to join.")


@group.command()
@click.argument("name")
@click.argument("handle")
@click.pass_obj
def admit(environ: Mapping[str, str], name: str, handle: str) -> None:
    """Let somebody in who asks to join."""
    click.echo(f"{_answered(environ, name, handle, membership.admit)} is in {name}.")


@group.command()
@click.argument("name")
@click.argument("handle")
@click.pass_obj
def refuse(environ: Mapping[str, str], name: str, handle: str) -> None:
    """Refuse somebody who asks to join; they may ask again."""
    click.echo(f"{_answered(environ, name, handle, membership.refuse)} is refused.")


def _answered(environ: Mapping[str, str], name: str, handle: str, answer: Callable[..., object]) -> str:
    """Answer somebody who asks to join, and return who it is."""
    with opened(environ) as node:
        view = node.database.read_now(group_named, name)
        card = node.database.read_now(asking_actor, node.uris, view.id, handle)
        node.database.write_now(answer, node.uris, None, view.id, card.id)
        return card.address


@group.command()
@click.argument("name")
@click.argument("handle")
@click.pass_obj
def owner(environ: Mapping[str, str], name: str, handle: str) -> None:
    """Make a member the owner of a group; who owned it before looks after it on."""
    with opened(environ) as node:
        view = node.database.read_now(group_named, name)
        persona_id = node.database.read_now(persona_named, node.uris, handle)
        node.database.write_now(membership.appoint_owner, None, view.id, persona_id)
        click.echo(f"{handle} owns {name}.")


@group.command()
@click.argument("name")
@click.argument("handle")
@click.option("--dismiss", is_flag=True, help="Have them look after it no longer.")
@click.pass_obj
def facilitator(environ: Mapping[str, str], name: str, handle: str, *, dismiss: bool) -> None:
    """Have a member look after a group, beside its owner."""
    with opened(environ) as node:
        view = node.database.read_now(group_named, name)
        persona_id = node.database.read_now(persona_named, node.uris, handle)
        if dismiss:
            node.database.write_now(roles.dismiss, node.uris, None, view.id, persona_id)
        else:
            node.database.write_now(roles.appoint, None, view.id, persona_id)
        click.echo(f"{handle} looks after {name} no longer." if dismiss else f"{handle} looks after {name}.")


@group.command(name="reports")
@click.argument("name")
@as_json
@click.pass_obj
def list_reports(environ: Mapping[str, str], name: str, *, json_wanted: bool) -> None:
    """List the open reports of a group, those about its owner too; who made one is not told."""
    with opened(environ) as node:
        view = node.database.read_now(group_named, name)
        _, found = node.database.read_now(reports_of, None, view.id)
        rows = [
            {"about": f"{each.target.handle}@{each.target.host}", "made_on": each.made_on, "from": each.source,
             "words": " ".join(each.words.split())}
            for each in found
        ]  # fmt: skip
        tell_all(("about", "made_on", "from", "words"), rows, json_wanted=json_wanted, none="No report is waiting.")


@group.command()
@click.argument("name")
@click.option("--uses", default=1, show_default=True, type=click.IntRange(1, invitations.MAX_USES))
@click.option("--life", default=invitations.DEFAULT_LIFE, type=Duration(), metavar="DURATION", help="7d, if not said.")
@as_json
@click.pass_obj
def invite(environ: Mapping[str, str], name: str, uses: int, life: timedelta, *, json_wanted: bool) -> None:
    """Print a link into a group, which also lets people register; it can be read this once."""
    with opened(environ) as node:
        view = node.database.read_now(group_named, name)
        made, token = node.database.write_now(invitations.invite, None, view.id, uses, life)
        link = invitation_link(node.uris.base_url, token)
        tell({"link": link, "uses": made.uses_left, "until": made.expires_at}, json_wanted=json_wanted)


def _changed(node: Node, name: str, changes: GroupChanges) -> GroupView:
    view = node.database.read_now(group_named, name)
    return node.database.write_now(change_group, node.uris, None, view.id, changes)


def _check_keep(node: Node, keep: timedelta | None) -> None:
    if keep is not None and keep < SHORTEST_IN_EARNEST and not node.settings.development:
        raise Refused("posts live for an hour at least; shorter periods are for KINFOLD_DEVELOPMENT=1")


def _warn(view: GroupView) -> None:
    if view.audience == "public" and view.join_rule == "approval":
        click.echo(LEMMY_WARNING, err=True)


def _told(node: Node, view: GroupView) -> dict[str, Any]:
    return {
        "name": view.card.handle,
        "title": view.card.name,
        "audience": view.audience,
        "join": view.join_rule,
        "keep": view.keep,
        "preset": view.preset,
        "state": view.state,
        "handle": f"{view.card.handle}@{node.uris.domain}",
        "id": str(view.id),
        "uri": view.card.uri,
    }
