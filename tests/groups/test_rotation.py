"""Who hears of new keys: whoever knows the persona or group already, once for each server, and nobody else."""

import json
from typing import Any

import pytest
from sqlalchemy import insert, select

from activitypub.actors import actor_by_id, make_key_pair
from activitypub.models import Delivery, OutboxItem
from activitypub.outbox import load_parcels
from activitypub.rotation import ROTATION
from activitypub.uris import Uris
from groups.models import PersonFollow
from groups.rotation import rotate_keys_of
from node.database import ThreadedDatabase
from privacy.unit_of_work import UnitOfWork, table_of
from tests.factories import make_group, make_member, make_persona, make_remote_actor

NEW = make_key_pair()
DELIVERIES, ITEMS = table_of(Delivery), table_of(OutboxItem)


def rotate(uow: UnitOfWork, uris: Uris, actor_id: int) -> int:
    """Give new keys."""
    actor = actor_by_id(uow, actor_id)
    assert actor is not None
    return rotate_keys_of(uow, uris, actor, NEW)


def told(uow: UnitOfWork) -> dict[str, Any]:
    """What waits to be sent, by inbox: all of one kind, and readable."""
    rows = uow.connection.execute(select(DELIVERIES.c.inbox, DELIVERIES.c.outbox_id)).fetchall()
    parcels = load_parcels(uow, {row.outbox_id for row in rows})
    assert {parcel.kind for parcel in parcels.values()} <= {ROTATION}
    return {row.inbox: json.loads(parcels[row.outbox_id].body) for row in rows}


@pytest.fixture
def robin(database: ThreadedDatabase, uris: Uris) -> int:
    """Somebody here."""
    return database.write_now(make_persona, uris, "robin")


def test_the_servers_of_a_group_s_members_hear_of_its_keys(database: ThreadedDatabase, uris: Uris, robin: int) -> None:
    grief = database.write_now(make_group, uris, "grief", owner_id=robin, audience="followers")
    other = database.write_now(make_group, uris, "other", owner_id=robin, audience="public")
    everybody = [
        ("ana", "far.example", grief),
        ("ben", "far.example", grief),
        ("cleo", "near.example", grief),
        ("dan", "else.example", other),
    ]
    for number, (handle, host, group) in enumerate(everybody):
        member = database.write_now(make_remote_actor, handle, host)
        database.write_now(make_member, group, member, follow_uri=f"https://{host}/{number}")
    database.write_now(make_remote_actor, "eve", "stranger.example")
    assert database.write_now(rotate, uris, grief) == 2
    found = database.read_now(told)
    assert set(found) == {"https://far.example/inbox", "https://near.example/inbox"}
    for document in found.values():
        assert document["type"] == "Update"
        assert document["actor"] == document["object"]["id"]
        assert document["to"] == [f"{document['actor']}/followers"]
        assert document["object"]["publicKey"]["id"].endswith("#main-key-2")
        assert document["object"]["publicKey"]["publicKeyPem"] == NEW.rsa.public_key().to_pem()
        assert document["object"]["assertionMethod"][0]["id"].endswith("#ed25519-key-2")


def test_whoever_knows_a_persona_hears_of_its_keys(database: ThreadedDatabase, uris: Uris, robin: int) -> None:
    """Through the group elsewhere that it belongs to, and as one who follows it."""
    club = database.write_now(make_remote_actor, "club", "club.example", kind="Group")
    database.write_now(make_member, club, robin)
    follower = database.write_now(make_remote_actor, "fay", "fay.example")
    database.write_now(make_remote_actor, "eve", "stranger.example")
    database.write_now(_follow, follower, robin)
    assert database.write_now(rotate, uris, robin) == 2
    assert set(database.read_now(told)) == {"https://club.example/inbox", "https://fay.example/inbox"}


def test_of_what_nothing_leaves_nobody_hears(database: ThreadedDatabase, uris: Uris, robin: int) -> None:
    hidden = database.write_now(make_group, uris, "hidden", owner_id=robin, audience="none")
    member = database.write_now(make_remote_actor, "ana", "far.example")
    database.write_now(make_member, hidden, member)
    for actor_id in (hidden, robin):
        assert database.write_now(rotate, uris, actor_id) == 0
    assert database.read_now(told) == {}
    assert database.read_now(lambda uow: uow.connection.execute(select(ITEMS.c.id)).all()) == []


def _follow(uow: UnitOfWork, follower_id: int, target_id: int) -> None:
    row = {"follower_id": follower_id, "target_id": target_id, "uri": "https://fay.example/1", "state": "active"}
    uow.connection.execute(insert(table_of(PersonFollow)), row | {"created_on": uow.now})
