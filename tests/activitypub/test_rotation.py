"""New keys, ours and those of others: told under the old one, used from then on, and the old one ends."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from activitypub.actors import make_key_pair, public_keys
from activitypub.delivery import deliver_due
from activitypub.ends import ENDS
from activitypub.keystore import KeyStore
from activitypub.models import FormerKey
from activitypub.ports import ActorView
from activitypub.queueing import Outgoing, enqueue_to
from activitypub.rotation import news_of, next_key_id, rotate_keys
from activitypub.signatures import cavage
from activitypub.signatures.keys import PublicKey, parse_public_key
from activitypub.signatures.messages import SignedRequest
from privacy.ends import end_rows
from privacy.errors import KeyShredded
from privacy.unit_of_work import UnitOfWork, table_of
from tests.activitypub.letters import accepted, letter, refused
from tests.factories import shared_keys
from tests.loopback import Seen, response
from tests.peers import Json, Person, ScriptedPeer, pem_of, prove, rsa_key, with_multikey
from tests.receiver import DOMAIN, Receiver, make_local, receiving

FORMER = table_of(FormerKey)
NEW = make_key_pair()


@pytest.fixture
async def kim(here: Receiver) -> ActorView:
    """Somebody here."""
    return await make_local(here, "kim")


def signed_with(seen: Seen, base: str, key_id: str, key: PublicKey, here: Receiver) -> bool:
    """Whether a request names a key and was made with it."""
    request = SignedRequest(seen.method, seen.target, base, tuple(seen.headers.items()), seen.body)
    cavage.verify(request, key, here.clock())
    return cavage.parse_signature(seen.headers["signature"]).key_id == key_id


async def send(here: Receiver, far: ScriptedPeer, outgoing: Outgoing) -> Seen:
    """Have something sent, and return what arrives."""
    far.answers["/inbox"] = response(202)
    await here.context.database.write(enqueue_to, outgoing, [(far.authority, far.url("/inbox"))])
    await deliver_due(here.context)
    return far.server.seen[-1]


def like(actor: ActorView, number: int) -> Outgoing:
    """Something else that somebody here sends."""
    document = {"type": "Like", "id": f"http://{DOMAIN}/a/{number}", "actor": actor.uri}
    return Outgoing(actor.id, "Like", document, None, 0, None, number, None)


def rotate(uow: UnitOfWork, here: Receiver, actor: ActorView, keys: Any = NEW) -> Outgoing:
    """Give somebody new keys, and return the news of it."""
    rotate_keys(uow, actor.id, keys)
    shown = [{"id": key.id} for key in public_keys(uow, actor.id)]
    document = {"@context": "https://www.w3.org/ns/activitystreams", "id": actor.uri, "publicKey": shown}
    return news_of(here.context.uris, actor.id, document, "news")


async def test_the_old_key_signs_the_news_and_the_new_one_all_else(
    here: Receiver, far: ScriptedPeer, kim: ActorView
) -> None:
    base, old = far.url("").rstrip("/"), shared_keys().rsa.public_key()
    assert signed_with(await send(here, far, like(kim, 1)), base, f"{kim.uri}#main-key", old, here)
    news = await here.context.database.write(rotate, here, kim)
    here.clock.move(timedelta(minutes=1, seconds=1))  # by then every process has read its keys again
    seen = await send(here, far, news)
    assert signed_with(seen, base, f"{kim.uri}#main-key", old, here)
    told = json.loads(seen.body)
    assert (told["type"], told["actor"], told["object"]["id"]) == ("Update", kim.uri, kim.uri)
    assert [key["id"] for key in told["object"]["publicKey"]] == [f"{kim.uri}#main-key-2", f"{kim.uri}#ed25519-key-2"]
    seen = await send(here, far, like(kim, 2))
    assert signed_with(seen, base, f"{kim.uri}#main-key-2", NEW.rsa.public_key(), here)
    listed = await here.context.database.read(public_keys, kim.id)
    assert parse_public_key(listed[0].pem or "").to_pem() == NEW.rsa.public_key().to_pem()
    proving = await here.context.keys.proving_identity(kim.uri)
    assert proving.key_id == listed[1].id == f"{kim.uri}#ed25519-key-2"


async def test_the_news_is_tried_as_long_as_anything_and_the_old_key_ends_then(
    here: Receiver, far: ScriptedPeer, kim: ActorView
) -> None:
    news = await here.context.database.write(rotate, here, kim)
    rule = next(rule for rule in ENDS if rule.column.table is FORMER)
    here.clock.move(timedelta(days=6))
    await here.context.database.write(end_rows, rule, 10)
    assert (await here.context.keys.former_identity(kim.id)).key_id == f"{kim.uri}#main-key"
    here.clock.move(timedelta(days=2))
    await here.context.database.write(end_rows, rule, 10)
    with pytest.raises(KeyShredded):
        await here.context.keys.former_identity(kim.id)
    # What is late by then is dropped, and signed with no other key.
    before = len(far.server.seen)
    await here.context.database.write(enqueue_to, news, [(far.authority, far.url("/inbox"))])
    await deliver_due(here.context)
    assert len(far.server.seen) == before


async def test_rotated_again_the_latest_old_key_is_kept_and_no_other(here: Receiver, kim: ActorView) -> None:
    for keys in (NEW, shared_keys()):
        await here.context.database.write(rotate, here, kim, keys)
    former = await here.context.keys.former_identity(kim.id)
    assert former.key_id == f"{kim.uri}#main-key-2"
    assert former.private_key.public_key().to_pem() == NEW.rsa.public_key().to_pem()
    assert await here.context.database.read(_count) == 1
    with pytest.raises(KeyShredded):
        await here.context.database.write(rotate_keys, 7, NEW)


def _count(uow: UnitOfWork) -> int:
    return int(uow.connection.execute(select(func.count()).select_from(FORMER)).scalar_one())


@given(st.integers(1, 99))
def test_each_key_has_an_id_of_its_own(times: int) -> None:
    for first in ("https://kin.example/u/1#main-key", "https://kin.example/u/1#ed25519-key"):
        ids = [first]
        for _ in range(times):
            ids.append(next_key_id(ids[-1]))
        assert len(set(ids)) == times + 1
        assert ids[-1] == f"{first}-{times + 1}"


# ── of others ────────────────────────────────────────────────────────────────────────────────────────────────────────


def renewed(person: Person, key: int, key_id: str) -> Json:
    """The document of somebody with another RSA key."""
    listed = {"id": key_id, "owner": person.uri, "publicKeyPem": pem_of(rsa_key(key))}
    return person.document | {"publicKey": listed}


def as_new(person: Person, key: int) -> Person:
    """The same one, signing with another key."""
    return Person(person.uri, person.name, rsa_key(key), document=person.document)


@pytest.mark.parametrize("fragment", ["main-key", "main-key-2"])
async def test_whoever_tells_of_a_new_key_is_believed_for_the_old_one_and_has_a_day_for_the_change(
    here: Receiver, far: ScriptedPeer, fragment: str
) -> None:
    """Under the same id or another; nothing has to be fetched for it."""
    ana, key_id = far.person("ana"), f"{far.url('/users/ana')}#{fragment}"
    await accepted(here, letter(here, ana.create("one"), ana))
    document = renewed(ana, 1, key_id)
    assert await refused(here, letter(here, ana.activity("Update", document), as_new(ana, 1))) == 401
    await accepted(here, letter(here, ana.activity("Update", document), ana))
    ana.document = document
    renewed_ana = as_new(ana, 1)
    await accepted(here, letter(here, ana.create("with the new one"), renewed_ana, key_id=key_id))
    await accepted(here, letter(here, ana.create("with the old one"), ana))
    assert far.fetches("/users/ana") == 1
    here.clock.move(timedelta(days=1, minutes=1))
    await accepted(here, letter(here, ana.create("a day later"), renewed_ana, key_id=key_id))
    assert await refused(here, letter(here, ana.create("too late"), ana)) == 401


async def test_s122_a_new_key_that_is_only_found_ends_the_old_one_at_once(here: Receiver, far: ScriptedPeer) -> None:
    """The old one may be in other hands: its owner has not told of the new one with it, but replaced it."""
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    here.clock.move(timedelta(minutes=6))
    ana.document = renewed(ana, 1, ana.key_id)
    await accepted(here, letter(here, ana.create("two"), as_new(ana, 1)))
    assert await refused(here, letter(here, ana.create("three"), ana)) == 401


async def test_nobody_else_tells_of_a_new_key(here: Receiver, far: ScriptedPeer, evil: ScriptedPeer) -> None:
    ana, mallory = far.person("ana"), evil.person("mallory", key=1)
    await accepted(here, letter(here, ana.create("one"), ana))
    await accepted(here, letter(here, mallory.create("one"), mallory))
    update = ana.activity("Update", renewed(ana, 1, ana.key_id))
    assert await refused(here, letter(here, update, mallory)) == 401
    assert await refused(here, letter(here, update, as_new(ana, 1))) == 401
    assert await refused(here, letter(here, update | {"actor": mallory.uri}, mallory)) in (401, 403)
    await accepted(here, letter(here, ana.create("two"), ana))


async def test_an_old_key_has_no_say_over_its_owner_any_more(here: Receiver, far: ScriptedPeer) -> None:
    """Whoever has stolen it neither turns the change back nor ends the actor; its letters are taken for a day."""
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    before = ana.document
    ana.document = renewed(ana, 1, f"{ana.uri}#main-key-2")
    await accepted(here, letter(here, ana.activity("Update", ana.document), ana))
    await accepted(here, letter(here, ana.create("two"), ana))
    assert await refused(here, letter(here, ana.activity("Update", before), ana)) == 401
    assert await refused(here, letter(here, ana.activity("Delete", ana.uri), ana)) == 401
    new = as_new(ana, 1)
    await accepted(here, letter(here, ana.create("three"), new, key_id=f"{ana.uri}#main-key-2"))
    await accepted(here, letter(here, ana.activity("Delete", ana.uri), new, key_id=f"{ana.uri}#main-key-2"))


async def test_a_process_that_missed_the_news_asks_before_the_old_key_says_anything_of_its_owner(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer
) -> None:
    """It still has the old key in memory, where another process has taken the news in."""
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    before = ana.document
    ana.document = renewed(ana, 1, f"{ana.uri}#main-key-2")
    context = here.context
    here.clock.move(timedelta(seconds=1))
    async with receiving(context.database, context.vault, here.clock, frozenset({far.server.peer})) as another:
        await accepted(another, letter(here, ana.activity("Update", ana.document), ana))
    assert await refused(here, letter(here, ana.activity("Update", before), ana)) == 401
    assert await refused(here, letter(here, ana.activity("Delete", ana.uri), ana)) == 401


async def test_what_somebody_says_of_itself_comes_from_itself(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer
) -> None:
    """Also with a proof: whoever kept what it said last week could else bring that back."""
    ana, rob = far.person("ana"), evil.person("rob", key=2)
    with_multikey(ana)
    await accepted(here, letter(here, ana.create("one"), ana))
    await accepted(here, letter(here, rob.create("one"), rob))
    update = prove(ana.activity("Update", renewed(ana, 1, ana.key_id)), ana, here.clock())
    assert await refused(here, letter(here, update, rob)) == 401
    await accepted(here, letter(here, update, ana))
    object.__setattr__(here.context, "keys", KeyStore(here.context.database, here.clock))
    await accepted(here, letter(here, ana.create("three"), as_new(ana, 1)))
