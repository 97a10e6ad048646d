"""People and groups as commands name them: by handle; and how a group is made from here."""

import secrets
from dataclasses import replace

from activitypub.actors import actor_by_handle, local_actor_by_handle, make_key_pair
from activitypub.uris import Uris
from activitypub.webfinger import parse_acct
from groups.errors import NotFound
from groups.founding import NewGroup, found_group
from groups.places import any_group, requests_of
from groups.views import ActorCard, GroupView
from node.commands.running import Refused
from node.wiring import Node
from privacy.accounts import AccountView, account_named, list_accounts, personas_of
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork


def found(node: Node, new: NewGroup, owner: str | None) -> GroupView:
    """Make a group that a persona of this node owns; without a name that is the node's first owner. Raises Refused."""
    owner_id = node.database.read_now(owner_of_new, node.uris, owner)
    ready = replace(new, id=new_id(), token=secrets.token_urlsafe(12), owner_id=owner_id)
    node.vault.make_subject(ready.id)
    return node.database.write_now(found_group, node.uris, ready, make_key_pair())


def owner_of_new(uow: UnitOfWork, uris: Uris, handle: str | None) -> int:
    """Return the persona that is to own a new group. Raises Refused."""
    if handle is not None:
        return persona_named(uow, uris, handle)
    for account in list_accounts(uow):
        mine = personas_of(uow, account.id)
        if account.role == "owner" and mine:
            return mine[0]
    raise Refused("say with --owner who is to own the group")


def persona_named(uow: UnitOfWork, uris: Uris, handle: str) -> int:
    """Return a persona of this node. Raises Refused."""
    actor = local_actor_by_handle(uow, handle.lstrip("@").removesuffix(f"@{uris.domain}"))
    if actor is None or actor.kind != "Person" or actor.state != "active":
        raise Refused(f"there is no {handle} on this node")
    return actor.id


def group_named(uow: UnitOfWork, handle: str) -> GroupView:
    """Return a group of this node. Raises Refused."""
    try:
        view = any_group(uow, handle.lstrip("@!"))
    except NotFound as error:
        raise Refused(f"there is no group {handle} on this node") from error
    return view


def account_of_name(uow: UnitOfWork, name: str) -> AccountView:
    """Return an account. Raises Refused."""
    account = account_named(uow, name)
    if account is None:
        raise Refused(f"there is no account {name}")
    return account


def asking_actor(uow: UnitOfWork, uris: Uris, group_id: int, handle: str) -> ActorCard:
    """Return whoever of this handle asks to join a group. Raises Refused."""
    name, _, host = handle.lstrip("@").partition("@")
    if host and host != uris.domain:
        wanted = parse_acct(f"{name}@{host}")
        actor = actor_by_handle(uow, wanted.name, wanted.host)
    else:
        actor = local_actor_by_handle(uow, name)
    for card in requests_of(uow, None, group_id):
        if actor is not None and card.id == actor.id:
            return card
    raise Refused(f"{handle} does not ask to join")
