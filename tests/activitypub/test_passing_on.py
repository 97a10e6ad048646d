"""Activities that somebody else brings: believed for the proof of their author inside (FEP-8b32), and not without."""

from datetime import timedelta
from typing import Any

import pytest

from activitypub.peers import set_level
from tests.activitypub.letters import accepted, letter, refused
from tests.peers import Json, Person, ScriptedPeer, activity_answer, prove, with_multikey
from tests.receiver import Receiver, make_local


@pytest.fixture
def ana(far: ScriptedPeer) -> Person:
    """Who writes."""
    somebody = far.person("ana")
    with_multikey(somebody)
    return somebody


@pytest.fixture
def rob(evil: ScriptedPeer) -> Person:
    """Who passes on, and would not shrink from worse."""
    return evil.person("rob", key=1)


def proven(here: Receiver, ana: Person, text: str = "one", **bent: Any) -> Json:
    """A Create of hers with her proof of now."""
    at = bent.pop("at", here.clock())
    return prove(ana.create(text), ana, at, **bent)


async def test_with_the_author_s_proof_anybody_may_bring_it(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer, ana: Person, rob: Person
) -> None:
    create = proven(here, ana)
    await accepted(here, letter(here, create, rob))
    assert await here.marks() == {create["id"]: "Create one"}
    await accepted(here, letter(here, proven(here, ana, "two"), rob))  # by now both keys are at hand
    await accepted(here, letter(here, proven(here, ana, "three"), ana))
    assert (far.fetches("/users/ana"), evil.fetches("/users/rob")) == (1, 1)
    # What she signed is taken in once, whoever brings it.
    assert (await here.send(letter(here, create, ana))).status_code == 202
    await here.work()
    assert len(await here.marks()) == 3


async def test_s108_without_a_proof_that_counts_nobody_speaks_for_another(
    here: Receiver, ana: Person, rob: Person
) -> None:
    await accepted(here, letter(here, proven(here, ana), rob))
    bare = ana.create("bare")
    late = proven(here, ana, "late", at=here.clock() - timedelta(days=8))
    unknown = proven(here, ana, "unknown", cryptosuite="mldsa44-jcs-2024")
    elsewhere = proven(here, ana, "elsewhere", verificationMethod=f"{rob.uri}#ed25519-key")
    timeless = proven(here, ana, "timeless", created=...)
    for document in (bare, late, unknown, elsewhere, timeless):
        assert await refused(here, letter(here, document, rob)) == 401
        await accepted(here, letter(here, document, ana))  # hers it is, as every activity that she signs


async def test_a_forged_proof_is_worse_than_none(here: Receiver, ana: Person, rob: Person) -> None:
    """Changed on the way, made with another's key, or taken from another activity: also under her own signature."""
    await accepted(here, letter(here, proven(here, ana), rob))
    honest = proven(here, ana, "two")
    changed = honest | {"object": honest["object"] | {"content": "changed"}}
    stolen = ana.create("three") | {"@context": honest["@context"], "proof": honest["proof"]}
    foreign = proven(here, ana, "four", number=1)
    wider = honest | {"@context": [*honest["@context"], {"x": "https://x.example/#x"}]}
    malformed = honest | {"proof": honest["proof"] | {"proofValue": "z0"}}
    for document in (changed, stolen, foreign, wider, malformed):
        for bringer in (rob, ana):
            assert await refused(here, letter(here, document, bringer)) in (400, 401)
    await accepted(here, letter(here, honest, rob))


async def test_whoever_passes_it_on_signs_the_request(here: Receiver, ana: Person, rob: Person) -> None:
    await accepted(here, letter(here, proven(here, ana), rob))
    request = letter(here, proven(here, ana, "two"), rob)
    assert await refused(here, request.without("Signature")) == 401
    assert await refused(here, request.replaced(body=request.body + b" ")) == 401
    assert await refused(here, letter(here, proven(here, ana, "three"), rob, key=ana.key)) == 401
    await accepted(here, request)


async def test_one_who_cannot_be_found_passes_nothing_on(
    here: Receiver, evil: ScriptedPeer, ana: Person, rob: Person
) -> None:
    await accepted(here, letter(here, proven(here, ana), ana))
    del evil.people["/users/rob"]
    assert await refused(here, letter(here, proven(here, ana, "two"), rob)) == 401
    # That the one who brings a farewell is gone does not say that the one who says it is.
    evil.answers["/users/ben"] = activity_answer({}, 410)
    ben = Person(evil.url("/users/ben"), "ben", rob.key)
    assert await refused(here, letter(here, prove(ana.activity("Delete", ana.uri), ana, here.clock()), ben)) == 401
    seen = await here.actor(ana.uri)
    assert seen is not None
    assert seen.state == "active"


async def test_s119_neither_may_be_of_a_blocked_server(
    here: Receiver, ana: Person, rob: Person, canary: ScriptedPeer
) -> None:
    await accepted(here, letter(here, proven(here, ana), rob))
    hidden = canary.person("hidden", key=1)
    with_multikey(hidden)
    await here.context.database.write(set_level, canary.authority, "suspend")
    await here.context.peers.refresh(here.context.database, here.clock())
    assert await refused(here, letter(here, proven(here, ana, "two"), hidden)) == 403
    assert await refused(here, letter(here, prove(hidden.create("x"), hidden, here.clock()), rob)) == 403


async def test_a_neighbour_s_key_passes_on_and_proves_nothing(here: Receiver, far: ScriptedPeer, ana: Person) -> None:
    """On one server all share an origin, and still each has keys of its own."""
    ben = far.person("ben", key=1)
    with_multikey(ben, 1)
    await accepted(here, letter(here, ben.create("ben himself"), ben))
    await accepted(here, letter(here, proven(here, ana), ben))
    by_ben = proven(here, ana, "two", number=1, verificationMethod=f"{ben.uri}#ed25519-key")
    assert await refused(here, letter(here, by_ben, ben)) == 401
    await accepted(here, letter(here, by_ben, ana))


async def test_a_new_key_is_found_once_in_five_minutes(
    here: Receiver, far: ScriptedPeer, ana: Person, rob: Person
) -> None:
    await accepted(here, letter(here, proven(here, ana), rob))
    with_multikey(ana, 2)
    for number in range(3):
        assert await refused(here, letter(here, proven(here, ana, f"at once {number}", number=2), rob)) == 401
    assert far.fetches("/users/ana") == 1
    here.clock.move(timedelta(minutes=6))
    await accepted(here, letter(here, proven(here, ana, "later", number=2), rob))
    assert await refused(here, letter(here, proven(here, ana, "with the old one"), rob)) == 401
    assert far.fetches("/users/ana") == 2


async def test_a_proof_whose_key_cannot_be_had_says_nothing(here: Receiver, far: ScriptedPeer, rob: Person) -> None:
    """She signs the request herself, and her server lists no such key, or does not answer just now."""
    cleo = far.person("cleo")
    await accepted(here, letter(here, rob.create("hello"), rob))
    await accepted(here, letter(here, prove(cleo.create("one"), cleo, here.clock()), cleo))
    assert await refused(here, letter(here, prove(cleo.create("two"), cleo, here.clock()), rob)) == 401
    here.clock.move(timedelta(minutes=6))
    far.answers["/users/cleo"] = activity_answer({}, 503)
    await accepted(here, letter(here, prove(cleo.create("three"), cleo, here.clock()), cleo))
    assert (await here.send(letter(here, prove(cleo.create("four"), cleo, here.clock()), rob))).status_code == 503


@pytest.mark.parametrize("kind", ["Follow", "Join", "Like", "EmojiReact"])
async def test_s106_what_can_be_undone_and_done_again_is_not_repeated_by_others(
    here: Receiver, ana: Person, rob: Person, kind: str
) -> None:
    """Its id may come again once it was undone, so that a week's proof would bring it back without her."""
    kim = await make_local(here, "kim")
    await accepted(here, letter(here, proven(here, ana), rob))
    again = prove(ana.activity(kind, kim.uri), ana, here.clock())
    assert await refused(here, letter(here, again, rob)) == 401
    assert (await here.send(letter(here, again, ana))).status_code == 202
    await here.work()
    undo = prove(ana.activity("Undo", again["id"]), ana, here.clock())
    await accepted(here, letter(here, undo, rob))


async def test_s117_a_farewell_with_a_proof_outlives_its_server(
    here: Receiver, far: ScriptedPeer, ana: Person, rob: Person
) -> None:
    """The key is known, so that nobody has to answer any more."""
    await accepted(here, letter(here, proven(here, ana), ana))
    far.answers["/users/ana"] = activity_answer({}, 503)
    await accepted(here, letter(here, prove(ana.activity("Delete", ana.uri), ana, here.clock()), rob))
    seen = await here.actor(ana.uri)
    assert seen is not None
    assert seen.state == "gone"


async def test_an_activity_without_a_proof_is_not_looked_at_for_one(
    here: Receiver, ana: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No hash, no canonical form, no second key."""
    assert await accepted(here, letter(here, ana.create("one"), ana)) == 202
    monkeypatch.setattr("activitypub.signatures.proofs.signed_message", None)
    assert await accepted(here, letter(here, ana.create("two"), ana)) == 202
