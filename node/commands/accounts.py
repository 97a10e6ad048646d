"""Accounts, and the tokens that act for their personas."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

import click

from activitypub.actors import local_actor_by_handle, make_key_pair
from groups.places import groups_owned_by, membership_of
from node.commands.founding import account_of_name
from node.commands.running import Refused, make_sure, opened, piped_line
from node.commands.showing import as_json, tell_all
from node.wiring import Node
from privacy import accounts
from privacy.unit_of_work import UnitOfWork
from web.links import sign_in_link
from web.registration import NewMember, check_password, register_member
from web.scopes import GRANTED, read_scopes
from web.sessions import close_everything
from web.tokens import NewToken, make_token

ALL_SCOPES: Final = "read write follow push"


@click.group()
def account() -> None:
    """Look after accounts."""


@account.command()
@click.argument("name")
@click.option("--email", metavar="E", help="Where mail goes; kept sealed.")
@click.option("--role", type=click.Choice(accounts.ROLES), default="member", show_default=True)
@click.option("--password-stdin", is_flag=True, help="Read a password from standard input.")
@click.pass_obj
def add(environ: Mapping[str, str], name: str, email: str | None, role: str, *, password_stdin: bool) -> None:
    """Make an account and one persona of that name."""
    password = piped_line() if password_stdin else None
    with opened(environ) as node:
        if password is not None:
            check_password(password, name)
        hashed = None if password is None else accounts.hash_password(password)
        member = NewMember(name, name, password_hash=hashed, role=role, email=email)
        node.database.write_now(register_member, node.uris, member, make_key_pair())
        click.echo(f"Added {name.lower()}. For a sign-in link: kinfold account link {name.lower()}")


@account.command(name="list")
@as_json
@click.pass_obj
def list_them(environ: Mapping[str, str], *, json_wanted: bool) -> None:
    """List the accounts; which personas are whose is not told."""
    with opened(environ) as node:
        rows = [
            {"name": each.name, "role": each.role, "state": each.state}
            for each in node.database.read_now(accounts.list_accounts)
        ]
        tell_all(("name", "role", "state"), rows, json_wanted=json_wanted, none="There are no accounts.")


@account.command()
@click.argument("name")
@click.option("--thaw", is_flag=True, help="Let it act again.")
@click.pass_obj
def freeze(environ: Mapping[str, str], name: str, *, thaw: bool) -> None:
    """Sign an account out everywhere and silence its personas."""
    with opened(environ) as node:
        found = node.database.read_now(account_of_name, name)
        node.database.write_now(accounts.set_state, found.id, "active" if thaw else "frozen", close_everything)
        click.echo(f"{found.name} may act again." if thaw else f"{found.name} is frozen.")


@account.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def erase(environ: Mapping[str, str], name: str, *, yes: bool) -> None:
    """Erase an account, its personas and all that they wrote, for good."""
    # Imported late: it brings the other floors along, which listing accounts should not pay for.
    from node.retaining import Retention  # noqa: PLC0415 - heavy, and only for this command

    with opened(environ) as node:
        found = node.database.read_now(account_of_name, name)
        node.database.write_now(accounts.check_owned_without, found.id)
        _warn_of_ownerless(node, found)
        if not yes:
            make_sure(f"Erase {found.name} and everything it wrote?")
        node.database.write_now(accounts.close_account, found.id, close_everything)
        asyncio.run(Retention(node).erase_closed())
        click.echo(f"{found.name} is erased here; other servers that hold copies are asked to delete them.")


@account.command()
@click.argument("name")
@click.pass_obj
def link(environ: Mapping[str, str], name: str) -> None:
    """Print a link that signs an account in, once, within the hour."""
    with opened(environ) as node:
        found = node.database.read_now(account_of_name, name)
        if found.state != "active":
            raise Refused(f"{found.name} is frozen")
        click.echo(sign_in_link(node.uris.base_url, node.database.write_now(accounts.make_sign_in_link, found.id)))


@click.command()
@click.argument("name")
@click.option("--persona", metavar="P", help="A persona of the account, or a group that one looks after.")
@click.option("--scopes", default=ALL_SCOPES, show_default=True)
@click.pass_obj
def token(environ: Mapping[str, str], name: str, persona: str | None, scopes: str) -> None:
    """Print an API access token for automation; it can be read this once."""
    wanted = read_scopes(scopes)
    if wanted is None or any(scope not in GRANTED for scope in wanted):
        raise Refused(f"these are not all scopes: {scopes}")
    with opened(environ) as node:
        actor_id, acting_id = node.database.read_now(speaker, node, name, persona)
        click.echo(node.database.write_now(make_token, NewToken(actor_id, wanted, acting_id)))


def _warn_of_ownerless(node: Node, leaving: accounts.AccountView) -> None:
    """Name the groups that nobody owns once an account is erased, and say how to give them another owner."""
    mine = node.database.read_now(accounts.all_personas_of, leaving.id)
    names = [view.card.handle for view in node.database.read_now(groups_owned_by, mine)]
    if names:
        have = "which has" if len(names) == 1 else "which have"
        click.echo(
            f"kinfold: {leaving.name} owns {', '.join(names)}, {have} no owner after this: "
            "kinfold group owner GROUP HANDLE appoints another member, before or afterwards",
            err=True,
        )


def speaker(uow: UnitOfWork, node: Node, name: str, persona: str | None) -> tuple[int, int | None]:
    """Return the actor that a token is to speak for, and the persona behind it when that is a group. Raises Refused."""
    found = account_of_name(uow, name)
    mine = accounts.personas_of(uow, found.id)
    handle = (persona or found.name).lstrip("@").removesuffix(f"@{node.uris.domain}")
    actor: Any = local_actor_by_handle(uow, handle)
    if actor is None and persona is None and len(mine) == 1:
        return mine[0], None
    if actor is not None and actor.id in mine:
        return actor.id, None
    if actor is not None and actor.kind == "Group":
        for mine_id in mine:
            place = membership_of(uow, actor.id, mine_id)
            if place is not None and place.is_facilitator:
                return actor.id, mine_id
    raise Refused(f"{found.name} has no persona {handle}, and looks after no group of that name")
