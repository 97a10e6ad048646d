"""Keys at hand: found for the right owner, forgotten when they change, bounded, and sealed where they rest."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from activitypub import keystore
from activitypub.actors import mark_gone
from activitypub.discovery import resolve_actor
from activitypub.errors import FederationError
from activitypub.keystore import KEPT_FOR, KeyStore, secret_name, stored_key
from activitypub.models import ActorKey
from privacy.errors import KeyShredded
from privacy.unit_of_work import table_of
from tests.activitypub.letters import accepted, letter, refused
from tests.peers import ScriptedPeer, pem_of, rsa_key
from tests.receiver import Receiver, make_local

ACTOR_KEYS = table_of(ActorKey)


async def test_a_key_is_found_with_whom_it_belongs_to(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    actor = await resolve_actor(here.context, ana.uri)
    known = await here.context.keys.find(ana.key_id)
    assert known is not None
    assert (known.actor_id, known.actor_uri, known.host) == (actor.id, ana.uri, far.authority)
    assert known.public.to_pem() == pem_of(ana.key)
    for other in (f"{ana.uri}#other", ana.uri, ana.key_id.upper(), ""):
        assert await here.context.keys.find(other) is None


async def test_s110_who_lists_another_s_key_is_not_heard_under_it(here: Receiver, far: ScriptedPeer) -> None:
    """Not even when both are stored; and whose key it is by its address goes on being heard."""
    ana, ben = far.person("ana"), far.person("ben", key=1)
    await accepted(here, letter(here, ana.create("one"), ana))
    ben.document = ben.document | {"publicKey": ben.document["publicKey"] | {"id": ana.key_id}}
    await resolve_actor(here.context, ben.uri)
    known = await here.context.database.read(stored_key, ana.key_id)
    assert known is not None
    assert known.actor_uri == ana.uri
    assert await refused(here, letter(here, ben.create("as ben"), ben, key_id=ana.key_id)) in {401, 403}
    assert await refused(here, letter(here, ana.create("as ana"), ben, key_id=ana.key_id)) in {401, 403}
    here.context.keys.forget(known.actor_id)
    await accepted(here, letter(here, ana.create("two"), ana))


async def test_keys_of_ours_and_of_those_who_are_gone_verify_nobody(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    actor = await resolve_actor(here.context, ana.uri)
    kim = await make_local(here, "kim")
    assert await here.context.keys.find(ana.key_id) is not None
    assert await here.context.keys.find(f"{kim.uri}#main-key") is None
    await here.context.database.write(mark_gone, actor.id)
    here.context.keys.forget(actor.id)
    assert await here.context.keys.find(ana.key_id) is None


async def test_another_process_s_change_is_seen_within_the_hour(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    actor = await resolve_actor(here.context, ana.uri)
    assert await here.context.keys.find(ana.key_id) is not None
    await here.context.database.write(mark_gone, actor.id)
    here.clock.move(KEPT_FOR - timedelta(seconds=1))
    assert here.context.keys.cached(ana.key_id) is not None
    here.clock.move(timedelta(seconds=2))
    assert here.context.keys.cached(ana.key_id) is None
    assert await here.context.keys.find(ana.key_id) is None


async def test_s1310_it_keeps_so_many_and_no_more(
    here: Receiver, far: ScriptedPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least used go first; whatever was pushed out is found again in the database."""
    monkeypatch.setattr(keystore, "MAX_PUBLIC_KEYS", 3)
    keys = KeyStore(here.context.database, here.clock)
    people = [far.person(f"person{number}", key=number % 3) for number in range(8)]
    for person in people:
        await resolve_actor(here.context, person.uri)
        assert await keys.find(person.key_id) is not None
        assert await keys.find(people[0].key_id) is not None
    cached = [person.name for person in people if keys.cached(person.key_id) is not None]
    assert len(cached) <= 3
    assert people[0].name in cached
    for person in people:
        found = await keys.find(person.key_id)
        assert found is not None
        assert found.actor_uri == person.uri


async def test_our_own_keys_rest_sealed_and_end_with_their_secret(here: Receiver) -> None:
    kim = await make_local(here, "kim")
    identity = await here.context.keys.signing_identity(kim.id)
    assert identity.key_id == f"{kim.uri}#main-key"
    query = select(ACTOR_KEYS).where(ACTOR_KEYS.c.actor_id == kim.id)
    row = await here.context.database.read(lambda uow: uow.connection.execute(query).one())
    assert identity.private_key.to_der() not in row.rsa_sealed
    assert b"PRIVATE KEY" not in row.rsa_sealed
    here.context.vault.destroy(here.clock(), names=[secret_name(kim.id)])
    here.context.keys.forget(kim.id)
    with pytest.raises(KeyShredded):
        await here.context.keys.signing_identity(kim.id)


async def test_nobody_signs_for_another_s_actor(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    actor = await resolve_actor(here.context, ana.uri)
    for stranger in (actor.id, 1, 2**62):
        with pytest.raises(KeyShredded):
            await here.context.keys.signing_identity(stranger)


async def test_a_key_that_cannot_be_used_is_none(here: Receiver, far: ScriptedPeer) -> None:
    """S-114: the actor is known, its word is not."""
    ana = far.person("ana")
    ana.document = ana.document | {"publicKey": ana.document["publicKey"] | {"publicKeyPem": pem_of(rsa_key(9, 1024))}}
    try:
        await resolve_actor(here.context, ana.uri)
    except FederationError:
        assert await here.actor(ana.uri) is None
    assert await here.context.keys.find(ana.key_id) is None
    assert await refused(here, letter(here, ana.create("one"), ana)) == 401
