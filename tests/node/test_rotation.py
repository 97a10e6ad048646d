"""`kinfold key rotate`: for one, for the node itself, for all. Who is told: `tests/groups/test_rotation.py`."""

import json
from typing import Any

import pytest
from sqlalchemy import delete, select

from activitypub.actors import ACTORS
from activitypub.models import Delivery, OutboxItem
from activitypub.outbox import load_parcels
from node.commands.running import opened
from privacy.unit_of_work import UnitOfWork, table_of
from tests.factories import make_remote_actor
from tests.node.shell import DOMAIN, WRONG_USAGE, Shell

DELIVERIES, ITEMS = table_of(Delivery), table_of(OutboxItem)


def key_ids(uow: UnitOfWork) -> dict[str, tuple[str, str]]:
    """The ids and public halves of everybody's RSA keys here."""
    query = select(ACTORS.c.handle, ACTORS.c.key_id, ACTORS.c.rsa_public_pem).where(ACTORS.c.local.is_(True))
    return {row.handle: (row.key_id.partition("#")[2], row.rsa_public_pem) for row in uow.connection.execute(query)}


def bodies(uow: UnitOfWork) -> list[dict[str, Any]]:
    """What waits to be sent."""
    ids = set(uow.connection.execute(select(DELIVERIES.c.outbox_id)).scalars())
    return [json.loads(parcel.body) for parcel in load_parcels(uow, ids).values()]


def clear(uow: UnitOfWork) -> None:
    """Let nothing wait."""
    uow.connection.execute(delete(DELIVERIES))
    uow.connection.execute(delete(ITEMS))


def test_one_gets_new_keys_and_nobody_else(shell: Shell) -> None:
    with opened(shell.environ) as node:
        before = node.database.read_now(key_ids)
    for typed in ("grief", f"@grief@{DOMAIN}"):
        assert shell.do("key", "rotate", typed) == "1 actor signs with new keys within a minute; 0 servers are told.\n"
    with opened(shell.environ) as node:
        after = node.database.read_now(key_ids)
    changed = {handle for handle in before if before[handle] != after[handle]}
    assert changed == {"grief"}
    assert before["grief"][0] != after["grief"][0]
    assert before["grief"][1] != after["grief"][1]


def test_of_the_node_s_own_every_server_hears_that_is_known(shell: Shell) -> None:
    with opened(shell.environ) as node:
        for handle, host in (("ana", "far.example"), ("ben", "far.example"), ("cleo", "near.example")):
            node.database.write_now(make_remote_actor, handle, host)
        node.database.write_now(clear)
    assert shell.do("key", "rotate", "--node") == "1 actor signs with new keys within a minute; 2 servers are told.\n"
    with opened(shell.environ) as node:
        (told,) = node.database.read_now(bodies)
        assert told["type"] == "Update"
        assert told["object"]["type"] == "Application"
        node.database.write_now(clear)


def test_all_of_them_at_once(shell: Shell) -> None:
    """As after a break-in (S-1312)."""
    with opened(shell.environ) as node:
        before = node.database.read_now(key_ids)
    assert shell.do("key", "rotate", "--all").startswith(f"{len(before)} actors sign with new keys within a minute; ")
    with opened(shell.environ) as node:
        after = node.database.read_now(key_ids)
    assert all(before[handle][0] != after[handle][0] and before[handle][1] != after[handle][1] for handle in before)
    assert len({pem for _, pem in after.values()}) == len(after)


@pytest.mark.parametrize("arguments", [(), ("grief", "--node"), ("--node", "--all"), ("grief", "--all")])
def test_whose_keys_has_to_be_said(shell: Shell, arguments: tuple[str, ...]) -> None:
    assert shell.run("key", "rotate", *arguments).exit_code == WRONG_USAGE


def test_whoever_is_not_here_has_no_keys(shell: Shell) -> None:
    assert shell.refused("key", "rotate", "nobody") == "there is no nobody here"
