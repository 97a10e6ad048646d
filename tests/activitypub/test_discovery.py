"""Finding actors: what is believed about them, and of whom (security catalogue S-205 to S-212, S-218 to S-224, S-319).

A lie is told twice: where it is looked up on purpose, and by a request that makes us look it up. The honest actor is
found beforehand, and is the same afterwards.
"""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

from activitypub.actors import mark_gone
from activitypub.discovery import fetch_facts, look_up, resolve_actor, resolve_handle
from activitypub.errors import Blocked, FederationError, ForeignOrigin, Gone, MalformedActivity, Refused, Unreachable
from activitypub.peers import set_level
from activitypub.ports import ActorView
from activitypub.webfinger import Handle
from groups import people
from tests.activitypub.letters import accepted, letter, refused
from tests.loopback import response
from tests.peers import Json, Person, ScriptedPeer, activity_answer, jrd, pem_of, rsa_key
from tests.receiver import Receiver, make_local

HOUR = timedelta(hours=1)


async def disbelieved(here: Receiver, uri: str) -> type[FederationError]:
    """Hold a look-up to failing, and to storing nothing; return what it failed with."""
    rows = await here.counts()
    with pytest.raises(FederationError) as failed:
        await resolve_actor(here.context, uri)
    assert await here.counts() == rows
    return failed.type


async def known(here: Receiver, person: Person) -> ActorView:
    """Look somebody up who is honest."""
    return await resolve_actor(here.context, person.uri)


async def test_an_honest_actor_is_found_as_it_describes_itself(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    actor = await known(here, ana)
    assert actor == await here.actor(ana.uri)
    assert (actor.handle, actor.host, actor.inbox) == ("ana", far.authority, f"{ana.uri}/inbox")
    assert actor.shared_inbox == far.url("/inbox")
    profile = await here.context.database.read(people.card, actor.id)
    assert (profile.name, profile.summary) == ("Ana", "<P>I AM ANA.</P>")  # it went through the one door
    assert far.server.seen[0].headers["signature"].startswith('keyId="http://127.0.0.1:4000/actor#main-key"')
    fetched = far.fetches()
    assert await resolve_actor(here.context, f"{ana.uri}#main-key") == actor
    assert far.fetches() == fetched


# ── whose word it is ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_s205_a_document_speaks_for_its_own_address_only(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer
) -> None:
    """What claims another id is asked for there, once; nothing of the first answer is kept."""
    ana = far.person("ana")
    before = await known(here, ana)
    forged = ana.document | {"inbox": f"{ana.uri}/forged", "name": "Forged"}
    evil.publish(forged, "/claims-ana")
    assert await resolve_actor(here.context, evil.url("/claims-ana")) == before
    newcomer = far.person("newcomer", key=1)
    evil.publish(newcomer.document | {"inbox": f"{newcomer.uri}/forged"}, "/claims-newcomer")
    found = await resolve_actor(here.context, evil.url("/claims-newcomer"))
    assert (found.uri, found.inbox) == (newcomer.uri, f"{newcomer.uri}/inbox")
    ring = evil.person("ring", key=2)
    evil.publish(ring.document | {"id": evil.url("/ring/2")}, "/ring/1")
    evil.publish(ring.document | {"id": evil.url("/ring/3")}, "/ring/2")
    asked = evil.fetches()
    assert await disbelieved(here, evil.url("/ring/1")) is Refused
    assert evil.fetches() == asked + 2


async def test_s205_a_redirect_lends_no_authority(here: Receiver, far: ScriptedPeer, evil: ScriptedPeer) -> None:
    """A document of hers that her own server only redirects to is not hers, nor is ours what redirects to us."""
    ana = far.person("ana")
    before = await known(here, ana)
    evil.publish(ana.document | {"inbox": f"{ana.uri}/forged"}, "/copy")
    far.answers["/users/ana"] = response(302, headers={"Location": evil.url("/copy")})
    with pytest.raises(FederationError):
        await resolve_actor(here.context, ana.uri, force=True)
    assert await here.actor(ana.uri) == before


FOREIGN_TYPES = (
    "text/plain", "application/json", "text/html", "image/png", "", "application/ld+json", "application/activity+jsonx",
    "text/plain; x=application/activity+json", 'application/ld+json; profile="https://evil.example/"', "activity+json",
)  # fmt: skip


@pytest.mark.parametrize("media_type", FOREIGN_TYPES)
async def test_s206_only_the_media_types_of_activitystreams_count(
    here: Receiver, far: ScriptedPeer, media_type: str
) -> None:
    """Anything else could be a file that somebody uploaded there."""
    ana, upload = far.person("ana"), Person(far.url("/media/ana.json"), "upload", rsa_key(1))
    await accepted(here, letter(here, ana.create("one"), ana))
    body = json.dumps(upload.document).encode()
    far.answers["/media/ana.json"] = response(200, body, content_type=media_type)
    assert await refused(here, letter(here, upload.create("two"), upload)) == 401
    here.clock.move(HOUR)
    assert await disbelieved(here, upload.uri) is Refused
    here.clock.move(HOUR)
    far.answers["/media/ana.json"] = response(200, body)
    assert (await resolve_actor(here.context, upload.uri)).uri == upload.uri


NO_OBJECTS: tuple[bytes, ...] = (
    b"", b"null", b"[]", b"7", b'"text"', b"<!doctype html>", b"{", b"[{}]", b"{}", b'{"id": null}', b"\xff\xfe",
)  # fmt: skip


@pytest.mark.parametrize("body", NO_OBJECTS)
async def test_s224_s208_what_is_no_object_is_no_actor(here: Receiver, far: ScriptedPeer, body: bytes) -> None:
    """Nothing of it is kept, and the next answer, a true one, is read."""
    ana = far.person("ana")
    far.answers["/users/ana"] = response(200, body)
    await disbelieved(here, ana.uri)
    assert await refused(here, letter(here, ana.create("one"), ana)) == 401
    here.clock.move(HOUR)
    del far.answers["/users/ana"]
    assert (await known(here, ana)).uri == ana.uri


SHAPES: tuple[Any, ...] = (None, 7, True, "", "text", "/relative", [], {}, [None], [["x"]], {"id": 7}, "javascript:x")


@pytest.mark.parametrize(
    "name", ["id", "type", "inbox", "preferredUsername", "publicKey", "endpoints", "outbox", "followers"]
)
async def test_s222_every_shape_in_every_field_of_an_actor(here: Receiver, far: ScriptedPeer, name: str) -> None:
    """Refused or read without it: never a fault of ours, never something stored that is no address."""
    await known(here, far.person("ana"))
    for number, shape in enumerate(SHAPES):
        odd = far.person(f"odd{number}", key=1)
        odd.document = odd.document | {name: shape}
        try:
            actor = await resolve_actor(here.context, odd.uri)
        except FederationError:
            assert await here.actor(odd.uri) is None
        else:
            assert actor.uri == odd.uri
            for address in filter(None, (actor.inbox, actor.shared_inbox, actor.followers, actor.url)):
                assert address.startswith(far.url("/"))


@pytest.mark.parametrize("name", ["inbox", "outbox", "followers", "endpoints", "publicKey"])
async def test_s212_everything_of_an_actor_lives_where_it_lives(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer, name: str
) -> None:
    """An inbox elsewhere would have us deliver somebody's words to whom they were not meant for."""
    victim = far.person("victim")
    await known(here, victim)
    foreign: dict[str, Any] = {
        "endpoints": {"sharedInbox": far.url("/inbox")},
        "publicKey": {"id": victim.key_id, "owner": victim.uri, "publicKeyPem": pem_of(rsa_key(1))},
    }
    mallory = evil.person("mallory", key=1)
    mallory.document = mallory.document | {name: foreign.get(name, far.url(f"/users/victim/{name}"))}
    try:
        actor = await resolve_actor(here.context, mallory.uri)
    except FederationError:
        assert await here.actor(mallory.uri) is None
    else:
        for address in filter(None, (actor.inbox, actor.shared_inbox, actor.followers)):
            assert address.startswith(evil.url("/")), address
    assert await refused(here, letter(here, mallory.create("x"), mallory, key_id=victim.key_id)) == 401
    await accepted(here, letter(here, victim.create("mine"), victim))


async def test_s209_nobody_is_one_of_ours(here: Receiver, evil: ScriptedPeer) -> None:
    kim = await make_local(here, "kim")
    mallory = evil.person("mallory", key=1)
    await known(here, mallory)
    local = kim.uri.partition("://")[2]
    for spelling in (kim.uri, f"HTTP://{local}", f"http://{local}#x", f"http://{local}?x"):
        evil.publish(mallory.document | {"id": spelling}, "/as-local")
        here.clock.move(HOUR)
        rows = await here.counts()
        try:
            found = await resolve_actor(here.context, evil.url("/as-local"))
        except FederationError:
            found = kim
        assert found == kim
        assert await here.counts() == rows
    assert await here.actor(kim.uri) == kim
    assert await resolve_actor(here.context, kim.uri) == kim


async def test_s308_a_blocked_server_is_never_asked(here: Receiver, far: ScriptedPeer, canary: ScriptedPeer) -> None:
    """Neither for an actor, nor by a handle, nor where another server sends us on to."""
    ana, spy = far.person("ana"), canary.person("spy")
    await known(here, ana)
    await here.context.database.write(set_level, canary.authority, "suspend")
    await here.context.peers.refresh(here.context.database, here.clock())
    assert await disbelieved(here, spy.uri) is Blocked
    with pytest.raises(Blocked):
        await resolve_handle(here.context, f"spy@{canary.authority}")
    far.answers["/sent-on"] = response(302, headers={"Location": spy.uri})
    far.publish(spy.document, "/claims")
    for path in ("/sent-on", "/claims"):
        assert await disbelieved(here, far.url(path)) in {Refused, Blocked}


async def test_s319_who_was_deleted_does_not_come_back(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    actor = await known(here, ana)
    await here.context.database.write(mark_gone, actor.id)
    for force in (False, True):
        with pytest.raises(Gone):
            await resolve_actor(here.context, ana.uri, force=force)
    assert await refused(here, letter(here, ana.create("back"), ana)) == 401
    gone = await here.actor(ana.uri)
    assert gone is not None
    assert gone.state == "gone"


async def test_a_tombstone_or_a_410_is_the_end(here: Receiver, far: ScriptedPeer) -> None:
    ana, ben = far.person("ana"), far.person("ben", key=1)
    await known(here, ana)
    far.answers["/users/ben"] = activity_answer({"id": ben.uri, "type": "Tombstone"})
    far.answers["/users/eve"] = response(410)
    assert await disbelieved(here, ben.uri) is Gone
    assert await disbelieved(here, far.url("/users/eve")) is Gone


# ── handles ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_s218_a_handle_is_believed_when_both_sides_say_so(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer
) -> None:
    ana, mallory = far.person("ana"), evil.person("mallory", key=1)
    found = await resolve_handle(here.context, f"@ANA@{far.authority}")
    assert found == await here.actor(ana.uri)
    handle = f"mallory@{evil.authority}"
    path = f"/.well-known/webfinger?resource=acct:{handle}"
    honest = evil.answers[path]
    here_and_there = jrd(f"acct:ana@{far.authority}", mallory.uri)
    lies = [
        jrd(f"acct:{handle}", ana.uri),  # leads to somebody else
        here_and_there,  # calls itself by another's handle
        jrd(f"acct:other@{evil.authority}", mallory.uri),
        jrd(f"acct:{handle}", mallory.uri, type="text/html"),
        jrd(f"acct:{handle}", mallory.uri, rel="alternate"),
        jrd(f"acct:{handle}", "javascript:alert(1)"),
        jrd(f"acct:{handle}", f"//{far.authority}/users/ana"),
        jrd("", mallory.uri),
        jrd("acct:", mallory.uri),
        response(200, b"<html>", content_type="text/html"),
        response(200, honest.partition(b"\r\n\r\n")[2], content_type="text/plain"),
        response(200, b"[]", content_type="application/jrd+json"),
        response(404),
        two_links(handle, mallory.uri, ana.uri),
    ]
    for lie in lies:
        evil.answers[path] = lie
        with pytest.raises(FederationError):
            await resolve_handle(here.context, handle)
    evil.answers[path] = honest
    assert (await resolve_handle(here.context, handle)).uri == mallory.uri
    assert await here.actor(ana.uri) == found


def two_links(handle: str, *uris: str) -> bytes:
    """An answer that names more than one actor."""
    links = [{"rel": "self", "type": "application/activity+json", "href": uri} for uri in uris]
    body = json.dumps({"subject": f"acct:{handle}", "links": links}).encode()
    return response(200, body, content_type="application/jrd+json")


async def test_s218_a_handle_of_ours_is_never_asked_for_elsewhere(here: Receiver) -> None:
    with pytest.raises(Refused):
        await resolve_handle(here.context, "kim@127.0.0.1:4000")
    for text in ("kim", "@", "kim@", "@example.org", "a b@example.org", "kim@exa mple.org", "kim@[::1", "\0@x.example"):
        with pytest.raises(MalformedActivity):
            await resolve_handle(here.context, text)


async def test_s221_a_handle_stays_with_whom_it_led_to_until_its_server_says_otherwise(
    here: Receiver, far: ScriptedPeer
) -> None:
    """A new id that takes an old name is an impostor until WebFinger confirms it; then the old one loses the name."""
    ana = far.person("ana")
    before = await known(here, ana)
    second = far.person("second", key=1)
    second.document = second.document | {"preferredUsername": "ana"}
    assert await disbelieved(here, second.uri) is ForeignOrigin
    assert await refused(here, letter(here, second.create("as ana"), second)) in {401, 403}
    assert await here.actor(ana.uri) == before
    path = f"/.well-known/webfinger?resource=acct:ana@{far.authority}"
    far.answers[path] = jrd(f"acct:ana@{far.authority}", second.uri)
    here.clock.move(HOUR)
    assert (await resolve_actor(here.context, second.uri)).handle == "ana"
    after = await here.actor(ana.uri)
    assert after is not None
    assert after.handle != "ana"
    # Renaming oneself in an Update is no way to somebody else's name either.
    third = far.person("third", key=2)
    await accepted(here, letter(here, third.create("x"), third))
    await here.send(letter(here, third.activity("Update", third.document | {"preferredUsername": "ana"}), third))
    await here.work()
    renamed = await here.actor(third.uri)
    assert renamed is not None
    assert renamed.handle == "third"


async def test_what_webfinger_says_is_returned_unproved(here: Receiver, far: ScriptedPeer) -> None:
    far.person("ana")
    wanted = Handle("ana", far.authority)
    assert await look_up(here.context, wanted) == (far.url("/users/ana"), wanted)


# ── restraint ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_s208_many_who_ask_at_once_cause_one_fetch(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    found = await asyncio.gather(*(resolve_actor(here.context, ana.uri) for _ in range(20)), return_exceptions=True)
    assert {getattr(actor, "uri", actor) for actor in found} == {ana.uri}
    assert far.fetches("/users/ana") == 1


async def test_a_failure_is_remembered_and_ends(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    far.answers["/users/ana"] = response(503)
    for _ in range(3):
        with pytest.raises(Unreachable):
            await fetch_facts(here.context, ana.uri)
    assert far.fetches() == 1
    del far.answers["/users/ana"]
    here.clock.move(timedelta(minutes=2))
    assert (await fetch_facts(here.context, ana.uri)).uri == ana.uri


async def test_a_known_actor_whose_server_fails_is_not_asked_again_after_a_restart(
    here: Receiver, far: ScriptedPeer
) -> None:
    """The negative answer is kept where a restart finds it (S-115)."""
    ana = far.person("ana")
    await known(here, ana)
    far.answers["/users/ana"] = response(404)
    with pytest.raises(Refused):
        await fetch_facts(here.context, ana.uri, force=True)
    fetched = far.fetches()
    object.__setattr__(here.context, "restraint", type(here.context.restraint)())
    with pytest.raises(Unreachable):
        await fetch_facts(here.context, ana.uri)
    assert far.fetches() == fetched


async def test_keys_that_name_an_owner_lead_to_it_and_prove_nothing(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer
) -> None:
    """S-109, S-110: the owner's own document decides; a key of another server does not even make us ask there."""
    ana, mallory = far.person("ana"), evil.person("mallory", key=1)
    key: Json = {"id": far.url("/keys/ana"), "owner": ana.uri, "publicKeyPem": pem_of(rsa_key(0)), "type": "Key"}
    far.publish(key)
    ana.document = ana.document | {"publicKey": key}
    await accepted(here, letter(here, ana.create("by key"), ana, key_id=key["id"]))
    stolen = key | {"id": evil.url("/keys/ana"), "publicKeyPem": pem_of(mallory.key)}
    evil.publish(stolen)
    asked = far.fetches()
    with pytest.raises(FederationError):
        await fetch_facts(here.context, stolen["id"])
    assert far.fetches() == asked
    assert await refused(here, letter(here, ana.create("stolen"), mallory, key_id=stolen["id"])) == 401
