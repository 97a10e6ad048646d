"""The keys with which persons, groups and the node itself sign: made anew when an old one may be in other hands."""

from collections.abc import Mapping

import click
from sqlalchemy import false, select

from activitypub.actors import ACTORS, KeyPair, actor_by_id, actor_by_uri, local_actor_by_handle, make_key_pair
from activitypub.documents import instance_document
from activitypub.queueing import enqueue
from activitypub.rotation import news_of, rotate_keys
from activitypub.vocabulary.base import PUBLIC
from groups.farewell import one_inbox_each
from groups.rotation import rotate_keys_of
from node.commands.running import Refused, opened
from node.wiring import Node
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork

EVERYBODY = one_inbox_each(false(), ACTORS.c.state == "active")


@click.group()
def key() -> None:
    """Look after the keys with which this node signs."""


@key.command()
@click.argument("handle", required=False)
@click.option("--node", "of_node", is_flag=True, help="The node's own, with which it fetches.")
@click.option("--all", "of_all", is_flag=True, help="Those of everybody here, and the node's own.")
@click.pass_obj
def rotate(environ: Mapping[str, str], handle: str | None, *, of_node: bool, of_all: bool) -> None:
    """Make new keys for a persona or a group, for the node, or for all; other servers are told under the old ones."""
    if [handle is not None, of_node, of_all].count(True) != 1:
        raise click.UsageError("name a persona or a group, or say --node, or --all")
    with opened(environ) as node:
        chosen = node.database.read_now(local_ids) if of_all else [_id_of(node, handle)]
        told = sum(node.database.write_now(rotate_one, node, actor_id, make_key_pair()) for actor_id in chosen)
        whose = "1 actor signs" if len(chosen) == 1 else f"{len(chosen)} actors sign"
        servers = "1 server is" if told == 1 else f"{told} servers are"
        click.echo(f"{whose} with new keys within a minute; {servers} told.")


def rotate_one(uow: UnitOfWork, node: Node, actor_id: int, keys: KeyPair) -> int:
    """Give an actor of this node new keys; return to how many servers word of it is sent."""
    actor = actor_by_id(uow, actor_id)
    if actor is None or actor.state == "gone":
        return 0
    if actor.uri != node.uris.instance_actor:
        return rotate_keys_of(uow, node.uris, actor, keys)
    rotate_keys(uow, actor.id, keys)
    document = instance_document(uow, node.uris, node.settings.title)
    return enqueue(uow, news_of(node.uris, actor.id, document, f"{new_id():x}", to=PUBLIC), EVERYBODY)


def local_ids(uow: UnitOfWork) -> list[int]:
    """Return the actors of this node that are not gone, the node's own last: until then the others are believed."""
    here = select(ACTORS.c.id).where(ACTORS.c.local.is_(True), ACTORS.c.state != "gone")
    return list(uow.connection.execute(here.order_by(ACTORS.c.kind == "Application", ACTORS.c.id)).scalars())


def _id_of(node: Node, handle: str | None) -> int:
    if handle is None:
        actor = node.database.read_now(actor_by_uri, node.uris.instance_actor)
    else:
        actor = node.database.read_now(local_actor_by_handle, handle.lstrip("@").removesuffix(f"@{node.uris.domain}"))
    if actor is None:
        raise Refused(f"there is no {handle} here")
    return actor.id
