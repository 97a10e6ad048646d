"""What leaves with a proof and what does not: read on the wire, and verified by software that is not ours."""

import copy
import json
from dataclasses import replace
from typing import Any

import pytest
from apsig import ProofVerifier
from sqlalchemy import delete

from activitypub.actors import public_keys
from activitypub.delivery import deliver_due
from activitypub.keystore import KeyStore
from activitypub.models import ActorKey
from activitypub.ports import ActorView, Publication
from activitypub.queueing import Outgoing, enqueue_to
from activitypub.signatures.keys import PrivateKey
from privacy.unit_of_work import table_of
from tests.loopback import response
from tests.peers import AS, PUBLIC, Json, ScriptedPeer, prove, with_multikey
from tests.receiver import DOMAIN, Receiver, make_local

HOME = f"http://{DOMAIN}"


def post(author: str, number: int = 1, **fields: Any) -> Json:
    """A Create by somebody here, public unless bent."""
    note = {"id": f"{HOME}/p/{number}", "type": "Note", "attributedTo": author, "content": "<p>Grüße</p>"}
    whole: Json = {"@context": [AS, {"sensitive": "as:sensitive"}], "id": f"{HOME}/p/{number}/activity"}
    return whole | {"type": "Create", "actor": author, "to": [PUBLIC], "cc": [], "object": note} | fields


def announce(group: str, inner: Any, **fields: Any) -> Json:
    """An Announce by a group here."""
    shell = {"@context": AS, "id": f"{HOME}/a/1", "type": "Announce", "actor": group, "to": [PUBLIC], "cc": []}
    return shell | {"object": inner} | fields


@pytest.fixture
async def kim(here: Receiver) -> ActorView:
    """Somebody here."""
    return await make_local(here, "kim")


@pytest.fixture
async def club(here: Receiver) -> ActorView:
    """A group here."""
    return await make_local(here, "club", "Group")


async def sent(here: Receiver, far: ScriptedPeer, sender: ActorView, *documents: Json) -> list[Json]:
    """What arrives of some activities."""
    far.answers["/inbox"] = response(202)
    before = len(far.server.seen)
    for number, document in enumerate(documents):
        outgoing = Outgoing(sender.id, document["type"], document, None, 0, None, number, None)
        await here.context.database.write(enqueue_to, outgoing, [(far.authority, far.url("/inbox"))])
    await deliver_due(here.context)
    return [json.loads(seen.body) for seen in far.server.seen[before:]]


async def proved_by(here: Receiver, document: Json, actor: ActorView) -> bool:
    """Whether apsig finds that the actor's own key made the proof."""
    _rsa, ed25519 = await here.context.database.read(public_keys, actor.id)
    assert ed25519.multibase is not None
    found = ProofVerifier(ed25519.multibase).verify(copy.deepcopy(document))
    return bool(found == f"{actor.uri}#ed25519-key")


async def test_what_is_public_bears_its_author_s_proof(here: Receiver, far: ScriptedPeer, kim: ActorView) -> None:
    create = post(kim.uri)
    unlisted = post(kim.uri, 2, to=[f"{kim.uri}/followers"], cc=[PUBLIC])
    for told in await sent(here, far, kim, create, unlisted):
        assert await proved_by(here, told, kim)
        changed = told | {"to": []}
        assert not await proved_by(here, changed, kim)
        original = create if told["id"] == create["id"] else unlisted
        assert {name: told[name] for name in original if name != "@context"} == {
            name: value for name, value in original.items() if name != "@context"
        }


@pytest.mark.parametrize(
    "fields",
    [
        {"to": [f"{HOME}/g/club-token", f"{HOME}/g/club-token/followers"]},
        {"to": ["https://peer.example/u/1"]},
        {"to": []},
        {"to": [], "object": {"id": f"{HOME}/p/1", "type": "Note", "content": PUBLIC, "to": [PUBLIC]}},
        {"to": [], "audience": PUBLIC},
    ],
)
async def test_what_is_not_public_never_does(
    here: Receiver, far: ScriptedPeer, kim: ActorView, club: ActorView, fields: Json
) -> None:
    private = post(kim.uri, **fields)
    (control,) = await sent(here, far, kim, post(kim.uri, 9))
    assert await proved_by(here, control, kim)
    assert await sent(here, far, kim, private) == [private]
    # Not even where a group says publicly that it is there.
    (told,) = await sent(here, far, club, announce(club.uri, private))
    assert told["object"] == private
    quiet = announce(club.uri, private, to=[f"{club.uri}/followers"])
    assert await sent(here, far, club, quiet) == [quiet]


async def test_a_group_announces_with_its_own_proof_around_the_author_s(
    here: Receiver, far: ScriptedPeer, kim: ActorView, club: ActorView
) -> None:
    (told,) = await sent(here, far, club, announce(club.uri, post(kim.uri)))
    assert await proved_by(here, told, club)
    assert await proved_by(here, told["object"], kim)
    (boost,) = await sent(here, far, club, announce(club.uri, f"{HOME}/p/1"))
    assert await proved_by(here, boost, club)


async def test_what_others_wrote_is_passed_on_as_it_came(here: Receiver, far: ScriptedPeer, club: ActorView) -> None:
    ana = far.person("ana")
    with_multikey(ana)
    proven, bare = prove(ana.create("one"), ana, here.clock()), ana.create("two")
    for inner in (proven, bare):
        (told,) = await sent(here, far, club, announce(club.uri, inner))
        assert told["object"] == inner
        assert await proved_by(here, told, club)


async def test_one_proof_for_each_activity_however_many_get_it(
    here: Receiver, far: ScriptedPeer, kim: ActorView, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[bytes] = []
    true_sign = PrivateKey.sign

    def sign(self: PrivateKey, message: bytes) -> bytes:
        signed.extend([message] if b"\n" not in message[:40] and len(message) == 64 else [])
        return true_sign(self, message)

    monkeypatch.setattr(PrivateKey, "sign", sign)
    inboxes = [(far.authority, far.url(f"/users/{number}/inbox")) for number in range(20)]
    far.answers |= {f"/users/{number}/inbox": response(202) for number in range(20)}
    outgoing = Outgoing(kim.id, "Create", post(kim.uri), None, 0, None, 1, None)
    await here.context.database.write(enqueue_to, outgoing, inboxes)
    assert await deliver_due(here.context) == 20
    assert len(signed) == 1
    assert len({seen.body for seen in far.server.seen}) == 1


async def test_r210_what_has_no_canonical_form_stops_nobody(
    here: Receiver, far: ScriptedPeer, kim: ActorView, club: ActorView
) -> None:
    """Somebody else's number, in what a group announces, beside what can be proved."""
    ana = far.person("ana")
    odd = announce(club.uri, ana.create("odd", number=2**60))
    told, even = await sent(here, far, club, odd, announce(club.uri, post(kim.uri), id=f"{HOME}/a/2"))
    assert told == odd
    assert await proved_by(here, even, club)


async def test_what_is_too_large_to_be_read_for_a_proof_bears_none(
    here: Receiver, far: ScriptedPeer, kim: ActorView
) -> None:
    large = post(kim.uri, summary="x" * 66_000)
    assert await sent(here, far, kim, large) == [large]


async def test_who_fetches_what_is_public_gets_the_proof_along(
    here: Receiver, far: ScriptedPeer, kim: ActorView
) -> None:
    """A post as well as an activity; and what is for some only, or is no word of anybody, comes without."""
    create = post(kim.uri)
    note = {"@context": AS, **create["object"], "to": [PUBLIC], "cc": []}
    private = note | {"to": [f"{kim.uri}/followers"]}
    collection = {"@context": AS, "id": f"{HOME}/p/4", "type": "Collection", "attributedTo": kim.uri}
    here.publications.posts = {
        1: Publication(note, public=True),
        2: Publication(create, public=True),
        3: Publication(private, public=False),
        4: Publication(collection, public=True),
        5: Publication(note | {"attributedTo": far.url("/users/ana")}, public=True),
        6: Publication(note, public=False),
    }
    for number, proved in ((1, True), (2, True), (3, False), (4, False), (5, False), (6, False)):
        answer = await here.get(f"/p/{number}")
        assert ("proof" in answer.json()) is proved
        assert (await proved_by(here, answer.json(), kim)) is proved
        if not proved:
            assert answer.json() == here.publications.posts[number].document  # type: ignore[union-attr]  # none has ended


async def test_without_its_key_an_activity_goes_out_as_it_is(here: Receiver, far: ScriptedPeer, kim: ActorView) -> None:
    """Somebody whose keys are gone proves nothing; a group may still say that there was something."""
    club = await make_local(here, "club", "Group")
    keys = table_of(ActorKey)
    await here.context.database.write(
        lambda uow: uow.connection.execute(delete(keys).where(keys.c.actor_id == kim.id)).rowcount
    )
    object.__setattr__(here.context, "keys", KeyStore(here.context.database, here.clock))
    (told,) = await sent(here, far, club, announce(club.uri, post(kim.uri)))
    assert told["object"] == post(kim.uri)
    assert await proved_by(here, told, club)
    stranger = replace(kim, uri=f"{HOME}/u/nobody")
    (told,) = await sent(here, far, club, announce(club.uri, post(stranger.uri)))
    assert told["object"] == post(stranger.uri)
