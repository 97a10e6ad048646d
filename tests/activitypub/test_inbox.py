"""What is taken in and what is refused (security catalogue §4–6); each refusal stands beside an honest request.

The honest one is sent first and has its effect; then the bent one, and nothing is different afterwards.
"""

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from activitypub.allowances import OF_ACTOR, OF_GROUP, OF_HOST, spend
from activitypub.errors import TooMuch
from activitypub.keystore import KeyStore
from activitypub.peers import set_level
from activitypub.vocabulary.activities import Activity
from activitypub.vocabulary.reading import parse
from privacy.budgets import Buckets
from tests.activitypub.letters import accepted, letter, refused
from tests.loopback import response
from tests.peers import AS, Json, ScriptedPeer, Signed, activity_answer, pem_of, rsa_key
from tests.receiver import DOMAIN, Receiver, make_local

ALL_COVERED = ("(request-target)", "host", "date", "digest")


# ── the honest way ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_first_activity_is_verified_stored_once_and_understood(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    create = ana.create("<p>Hello</p>")
    assert (await here.send(letter(here, create, ana))).status_code == 202
    assert (await here.counts())["inbox_items"] == 1
    assert await here.work() == 1
    assert await here.marks() == {create["id"]: "Create <p>Hello</p>"}
    actor = await here.actor(ana.uri)
    assert actor is not None
    assert (actor.handle, actor.host, actor.state) == ("ana", far.authority, "active")


async def test_a_second_activity_needs_no_fetch_not_even_after_a_restart(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    fetched = far.fetches()
    await accepted(here, letter(here, ana.create("two"), ana))
    object.__setattr__(here.context, "keys", KeyStore(here.context.database, here.clock))
    await accepted(here, letter(here, ana.create("three"), ana))
    assert far.fetches() == fetched


async def test_personal_inboxes_take_the_same_and_unknown_ones_are_not_there(here: Receiver, far: ScriptedPeer) -> None:
    ana, kim, club = far.person("ana"), await make_local(here, "kim"), await make_local(here, "club", "Group")
    for number, inbox in enumerate((kim.inbox, club.inbox, f"http://{DOMAIN}/actor/inbox")):
        target = inbox.removeprefix(f"http://{DOMAIN}")
        await accepted(here, letter(here, ana.create(f"to {number}"), ana, target=target))
    for target in ("/u/nobody/inbox", "/g/kim-token/inbox", "/u/..%2f/inbox", "/u/a b/inbox"):
        assert await refused(here, letter(here, ana.create(f"to {target}"), ana, target=target)) == 404
    here.publications.hidden.add(club.id)
    assert await refused(here, letter(here, ana.create("hidden"), ana, target="/g/club-token/inbox")) == 404


async def test_a_type_without_meaning_is_accepted_and_forgotten(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create(), ana))
    for kind in ("Like", "Listen", "Whatever"):
        assert await refused(here, letter(here, ana.activity(kind, f"http://{DOMAIN}/p/1"), ana)) == 202


# ── signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_s101_unsigned(here: Receiver, far: ScriptedPeer) -> None:
    ana, kim = far.person("ana"), await make_local(here, "kim")
    await accepted(here, letter(here, ana.create("signed"), ana))
    for target in ("/inbox", "/actor/inbox", kim.inbox.removeprefix(f"http://{DOMAIN}")):
        request = letter(here, ana.create("unsigned"), ana, target=target).without("Signature")
        for media_type in ("application/activity+json", "application/json", "text/plain", "multipart/form-data"):
            assert await refused(here, request.changed("Content-Type", media_type)) == 401


async def test_s102_body_changed_after_signing(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    request = letter(here, ana.create("two"), ana)
    assert await refused(here, request.replaced(body=request.body.replace(b"two", b"tvo"))) == 401
    assert await refused(here, request.replaced(body=request.body + b" ")) == 401
    await accepted(here, request)


async def test_s103_digest_not_signed(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    assert await refused(here, letter(here, ana.create("two"), ana, covered=ALL_COVERED[:3])) == 401
    honest, other = (
        letter(here, ana.create("two"), ana, covered=ALL_COVERED[:3]),
        letter(here, ana.create("three"), ana),
    )
    swapped = honest.replaced(body=other.body).changed("Digest", dict(other.headers)["Digest"])
    assert await refused(here, swapped) == 401


async def test_s104_every_omission_from_what_is_signed(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("whole"), ana, covered=ALL_COVERED))
    for size in range(1, len(ALL_COVERED)):
        for covered in itertools.combinations(ALL_COVERED, size):
            assert await refused(here, letter(here, ana.create("part"), ana, covered=covered)) == 401


async def test_s105_stale_and_future_dates(here: Receiver, far: ScriptedPeer) -> None:
    ana, now = far.person("ana"), here.clock()
    past, future, second = timedelta(minutes=65), timedelta(minutes=5), timedelta(seconds=1)
    for number, at in enumerate((now - past, now, now + future)):
        await accepted(here, letter(here, ana.create(f"in time {number}"), ana, at=at))
    for at in (now - past - second, now + future + second, now - timedelta(days=400)):
        assert await refused(here, letter(here, ana.create("out of time"), ana, at=at)) == 401


async def test_s106_an_exact_replay_has_no_second_effect(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    request = letter(here, ana.create("once"), ana)
    await accepted(here, request)
    for _ in range(9):
        assert await refused(here, request) in {202, 409}
    object.__setattr__(here.context, "keys", KeyStore(here.context.database, here.clock))
    assert await refused(here, request) in {202, 409}


async def test_s107_signed_for_another_path_or_host(here: Receiver, far: ScriptedPeer) -> None:
    ana, kim = far.person("ana"), await make_local(here, "kim")
    personal = kim.inbox.removeprefix(f"http://{DOMAIN}")
    await accepted(here, letter(here, ana.create("one"), ana, target=personal))
    assert await refused(here, letter(here, ana.create("two"), ana, target=personal).replaced(target="/inbox")) == 401
    assert await refused(here, letter(here, ana.create("two"), ana).replaced(target=personal)) == 401
    elsewhere = letter(here, ana.create("two"), ana, host="other.example")
    assert await refused(here, elsewhere) == 401
    assert await refused(here, elsewhere.changed("Host", DOMAIN)) == 401


async def test_s108_signed_by_one_acted_by_another(here: Receiver, far: ScriptedPeer, evil: ScriptedPeer) -> None:
    ana, mallory, sibling = far.person("ana"), evil.person("mallory", key=1), far.person("sibling", key=2)
    for person in (ana, mallory, sibling):
        await accepted(here, letter(here, person.create(person.name), person))
    assert await refused(here, letter(here, ana.create("forged"), mallory)) == 401
    assert await refused(here, letter(here, ana.create("forged"), sibling)) == 401
    stranger = far.person("stranger", key=2)
    assert await refused(here, letter(here, stranger.create("forged"), mallory)) == 401
    assert await refused(here, letter(here, stranger.create("forged"), sibling)) == 401


async def test_s109_s110_a_key_counts_only_where_its_owner_lists_it(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer
) -> None:
    ana, mallory = far.person("ana"), evil.person("mallory", key=1)
    await accepted(here, letter(here, ana.create("one"), ana))
    claim = {"@context": AS, "type": "Key", "owner": ana.uri, "publicKeyPem": pem_of(mallory.key)}
    for base in (evil, far):
        key_id = base.url("/keys/1")
        base.publish(claim | {"id": key_id})
        assert await refused(here, letter(here, ana.create("two"), mallory, key_id=key_id)) == 401
    # Not even a document of her own server under her own address counts, when it carries another id.
    newcomer = far.person("newcomer", key=2)
    newcomer.document = newcomer.document | {"id": f"{newcomer.uri}/elsewhere"}
    assert await refused(here, letter(here, newcomer.create("three"), newcomer)) == 401
    assert await here.actor(newcomer.uri) is None


async def test_s111_s112_repeated_parameters_and_fields(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    request = letter(here, ana.create("two"), ana)
    line = dict(request.headers)["Signature"]
    assert await refused(here, request.changed("Signature", f'keyId="{ana.uri}#other",{line}')) in {400, 401}
    assert await refused(here, request.changed("Signature", f'{line},headers="date"')) in {400, 401}
    for name in ("Date", "Host", "Digest", "Signature"):
        assert await refused(here, request.with_field(name, dict(request.headers)[name])) == 400


async def test_s113_the_algorithm_comes_from_the_key(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    for number, algorithm in enumerate(("rsa-sha256", "hs2019", "", None)):
        await accepted(here, letter(here, ana.create(f"good {number}"), ana, algorithm=algorithm))
    for algorithm in ("hmac-sha256", "rsa-sha1", "rsa-sha512", "none", "ed25519", "RSA-MD5", "whatever"):
        assert await refused(here, letter(here, ana.create("bad"), ana, algorithm=algorithm)) == 401


async def test_s114_s118_hostile_and_malformed_keys(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    curve = ec.generate_private_key(ec.SECP256R1()).public_key()
    spki, pem = serialization.PublicFormat.SubjectPublicKeyInfo, serialization.Encoding.PEM
    private = ana.key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
    good = ana.document["publicKey"]
    hostile = [
        good | {"publicKeyPem": pem_of(rsa_key(9, 1024))},
        good | {"publicKeyPem": curve.public_bytes(pem, spki).decode()},
        good | {"publicKeyPem": private},
        good | {"publicKeyPem": "-----BEGIN PUBLIC KEY-----\n" + "A" * 8_000 + "\n-----END PUBLIC KEY-----"},
        good | {"publicKeyPem": "A" * 500_000},
        good | {"publicKeyPem": ["x"]},
        {"id": good["id"], "owner": good["owner"]},
        None,
        "text",
        7,
        [None, "text", 7, {}],
    ]
    for number, key in enumerate(hostile):
        person = far.person(f"hostile{number}", key=1)
        wrong_owner = json.loads(json.dumps(key).replace(ana.uri, person.uri))
        person.document = person.document | {"publicKey": wrong_owner}
        assert await refused(here, letter(here, person.create("bad"), person)) == 401


async def test_s115_failing_key_fetches_are_not_repeated(here: Receiver, far: ScriptedPeer) -> None:
    ana, ghost = far.person("ana"), far.person("ghost", key=1)
    await accepted(here, letter(here, ana.create("one"), ana))
    del far.people["/users/ghost"]
    for number in range(50):
        assert await refused(here, letter(here, ghost.create(f"boo {number}"), ghost)) == 401
    assert far.fetches("/users/ghost") == 1
    here.clock.move(timedelta(minutes=11))
    far.people["/users/ghost"] = ghost
    await accepted(here, letter(here, ghost.create("I am"), ghost))
    assert far.fetches("/users/ghost") == 2


async def test_s115_forgeries_for_a_known_actor_cause_one_fetch_in_five_minutes(
    here: Receiver, far: ScriptedPeer
) -> None:
    ana, stranger = far.person("ana"), far.person("stranger", key=1)
    await accepted(here, letter(here, ana.create("one"), ana))
    here.clock.move(timedelta(minutes=6))
    fetched = far.fetches()
    for number in range(20):
        assert await refused(here, letter(here, ana.create(f"forged {number}"), ana, key=stranger.key)) == 401
        assert (
            await refused(here, letter(here, ana.create(f"forged {number}"), ana, key_id=f"{ana.uri}#k{number}")) == 401
        )
    assert far.fetches() == fetched + 1
    await accepted(here, letter(here, ana.create("still me"), ana))


async def test_a_forgery_for_an_unknown_actor_does_not_keep_the_true_one_out(here: Receiver, far: ScriptedPeer) -> None:
    ana, stranger = far.person("ana"), far.person("stranger", key=1)
    assert await refused(here, letter(here, ana.create("forged"), ana, key=stranger.key)) == 401
    await accepted(here, letter(here, ana.create("true"), ana))
    assert far.fetches(ana.uri.removeprefix(far.url(""))) == 1


async def test_s116_a_server_that_cannot_be_reached_is_asked_again(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    path = "/users/ana"
    for status in (500, 503, 429):
        far.answers[path] = response(status)
        answer = await here.send(letter(here, ana.create("wait"), ana))
        assert answer.status_code == 503
        assert answer.headers["retry-after"]
        here.clock.move(timedelta(minutes=2))
    del far.answers[path]
    await accepted(here, letter(here, ana.create("wait"), ana))


async def test_s117_deletions_by_vanished_actors(here: Receiver, far: ScriptedPeer, canary: ScriptedPeer) -> None:
    ana, unknown = far.person("ana"), canary.person("unknown", key=1)
    await accepted(here, letter(here, ana.create("one"), ana))
    for kind in ("Delete", "Update"):
        assert await refused(here, letter(here, unknown.activity(kind, unknown.uri), unknown)) == 202
    # Her key is known, her server is gone: the deletion is verified with what we have.
    far.answers["/users/ana"] = response(410)
    fetched = far.fetches()
    await accepted(here, letter(here, ana.activity("Delete", ana.uri), ana))
    actor = await here.actor(ana.uri)
    assert actor is not None
    assert actor.state == "gone"
    assert far.fetches() == fetched


async def test_s117_a_deletion_that_only_her_server_confirms(here: Receiver, far: ScriptedPeer) -> None:
    ana, new_key = far.person("ana"), rsa_key(1)
    await accepted(here, letter(here, ana.create("one"), ana))
    here.clock.move(timedelta(minutes=6))
    far.answers["/users/ana"] = response(404)
    assert await refused(here, letter(here, ana.activity("Delete", ana.uri), ana, key=new_key)) == 202
    here.clock.move(timedelta(minutes=11))
    far.answers["/users/ana"] = response(410)
    await accepted(here, letter(here, ana.activity("Delete", ana.uri), ana, key=new_key))
    here.clock.move(timedelta(minutes=11))
    # S-319: what was deleted stays so, even if its server serves it again.
    del far.answers["/users/ana"]
    assert await refused(here, letter(here, ana.create("back"), ana)) == 401


async def test_s119_a_blocked_server_is_refused_before_any_fetch(
    here: Receiver, far: ScriptedPeer, canary: ScriptedPeer
) -> None:
    ana, blocked = far.person("ana"), canary.person("blocked", key=1)
    await accepted(here, letter(here, ana.create("one"), ana))
    await here.context.database.write(set_level, canary.authority, "suspend")
    await here.context.peers.refresh(here.context.database, here.clock())
    assert await refused(here, letter(here, blocked.create("two"), blocked)) == 403
    assert await refused(here, letter(here, blocked.activity("Delete", blocked.uri), blocked)) == 403
    assert await refused(here, letter(here, ana.create("three"), ana, key_id=blocked.key_id)) == 403
    await here.context.database.write(set_level, far.authority, "suspend")
    await here.context.peers.refresh(here.context.database, here.clock())
    assert await refused(here, letter(here, ana.create("four"), ana)) == 403


async def test_s119_a_server_that_is_blocked_while_its_activity_waits(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    assert (await here.send(letter(here, ana.create("two"), ana))).status_code == 202
    await here.context.database.write(set_level, far.authority, "suspend")
    here.clock.move(timedelta(seconds=16))  # by then every process has read the rules again
    assert await here.work() == 1
    assert len(await here.marks()) == 1


async def test_s120_garbage_in_the_signature(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    request = letter(here, ana.create("two"), ana)
    good = dict(request.headers)["Signature"]
    for garbage in (
        "", "x", '"', 'keyId="', good[:-1], good.replace('"', "'"), good + "x" * 65_536, "ü" * 100,
        good.replace("signature=", "signature=!"), good.replace(ana.uri, "acct:ana@far.example"),
        good.replace(ana.uri, "7"),
    ):  # fmt: skip
        assert await refused(here, request.changed("Signature", garbage)) in {400, 401}


async def test_s121_route_aliases(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    unsigned = letter(here, ana.create("two"), ana).without("Signature")
    for target in (
        "/inbox/", "//inbox", "/%69nbox", "/inbox?x=1", "/inbox;x", "/./inbox", "/INBOX", "/inbox%00", "/u/inbox",
        "/u/x/inbox/", "/actor/inbox/", "/inbox%2f", "/api/../inbox",
    ):  # fmt: skip
        assert await refused(here, unsigned.replaced(target=target)) in {307, 400, 401, 404, 405}
    for method in ("PUT", "PATCH", "DELETE", "GET"):
        other = Signed(method, "/inbox", unsigned.headers, unsigned.body)
        assert await refused(here, other) == 405


async def test_s122_a_failed_signature_refreshes_keys_and_nothing_else(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    before = await here.actor(ana.uri)
    here.clock.move(timedelta(minutes=6))
    ana.key = rsa_key(1)
    ana.document = ana.document | {
        "inbox": far.url("/elsewhere/inbox"),
        "preferredUsername": "renamed",
        "endpoints": {"sharedInbox": far.url("/elsewhere")},
        "publicKey": ana.document["publicKey"] | {"publicKeyPem": pem_of(ana.key)},
    }
    await accepted(here, letter(here, ana.create("two"), ana))
    assert await here.actor(ana.uri) == before
    assert await refused(here, letter(here, ana.create("three"), ana, key=rsa_key(0))) == 401
    update = ana.activity("Update", ana.document)
    await accepted(here, letter(here, update, ana))
    after = await here.actor(ana.uri)
    assert after is not None
    assert (after.inbox, after.handle) == (far.url("/elsewhere/inbox"), "renamed")


# ── authority ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_s201_to_s204_who_speaks_for_whom(here: Receiver, far: ScriptedPeer, evil: ScriptedPeer) -> None:
    ana, mallory, sibling = far.person("ana"), evil.person("mallory", key=1), evil.person("sibling", key=2)
    await accepted(here, letter(here, mallory.create("her own"), mallory))
    theirs = far.url("/users/ana/notes/1")
    forgeries: list[Json] = [
        mallory.create("201") | {"id": far.url("/activities/1")},
        mallory.create("202", id=theirs),
        mallory.create("202", id=theirs, attributedTo=ana.uri),
        mallory.create("203", attributedTo=ana.uri),
        mallory.create("203", attributedTo=sibling.uri),
        mallory.create("203", attributedTo=[mallory.uri, ana.uri]),
        mallory.create("203", attributedTo=[ana.uri, mallory.uri]),
        mallory.create("203", attributedTo=...),
        mallory.activity("Update", mallory.note("202", id=theirs)),
        mallory.activity("Update", mallory.note("203", attributedTo=ana.uri)),
        *(mallory.create("204", attributedTo=value) for value in (1, "", "1", "/users/ana", "ana", True, {}, [])),
        *(mallory.create("204") | {"actor": value} for value in (1, "", "1", "/users/ana", [], {}, None, True)),
        mallory.create("204") | {"actor": [mallory.uri, ana.uri]},
        mallory.create("208", id=...) | {"id": ""},
    ]
    for forged in forgeries:
        assert await refused(here, letter(here, forged, mallory)) in {400, 401, 403}
    # S-202: the true object can still be stored afterwards.
    await accepted(here, letter(here, ana.create("mine", id=theirs), ana))


async def test_s209_nobody_else_has_ids_on_this_node(here: Receiver, evil: ScriptedPeer) -> None:
    mallory = evil.person("mallory", key=1)
    await accepted(here, letter(here, mallory.create("one"), mallory))
    kim = await make_local(here, "kim")
    for local in (kim.uri, kim.uri.upper().replace("/U/KIM-TOKEN", "/u/kim-token"), kim.uri.replace("http:", "HTTP:")):
        for document in (
            mallory.create("two") | {"actor": local},
            mallory.create("two", id=f"{local}/note", attributedTo=local) | {"actor": local, "id": f"{local}/1"},
            mallory.create("two", id=f"{local}/note"),
        ):
            assert await refused(here, letter(here, document, mallory)) in {400, 401, 403}
            assert await refused(here, letter(here, document, mallory, key_id=f"{local}#main-key")) in {400, 401, 403}


async def test_s213_to_s216_contexts(here: Receiver, far: ScriptedPeer, canary: ScriptedPeer) -> None:
    ana = far.person("ana")
    unknown = canary.url("/context")  # S-213: never fetched, as the fixture asserts
    await accepted(here, letter(here, ana.create("one") | {"@context": [AS, unknown]}, ana))
    await accepted(here, letter(here, ana.create("two") | {"signature": {"type": "RsaSignature2017"}}, ana))
    for bent in (
        {"@context": unknown},
        {"@context": [AS, {"actor": "https://evil.example/ns#actor"}]},
        {"@context": [AS, {"object": "as:target"}]},
        {"@context": [AS, {"type": "@id"}]},
        {
            "@context": [AS, {"other": {"@id": "as:actor", "@type": "@id"}}],
            "other": "https://victim.example/ana",
        },
        {"@graph": [ana.create("hidden")]},
        {"@included": [ana.create("hidden")]},
        {"@reverse": {"object": {"id": ana.uri}}},
    ):
        assert await refused(here, letter(here, ana.create("three") | bent, ana)) in {400, 401, 403}


async def test_s215_s602_to_s604_one_reading_only(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    body = json.dumps(ana.create("two"))
    head = body[:-1]
    for text in (
        head + f', "actor": "{ana.uri}"}}',
        head + ', "deep": ' + "[" * 100 + "]" * 100 + "}",
        head + ', "deep": ' + "[" * 100_000 + "]" * 100_000 + "}",
        head + ', "number": ' + "9" * 5_000 + "}",
        head + ', "number": 1e400}',
        head + ', "number": NaN}',
        head + ', "text": "\\u0000"}',
        head + ', "text": "\\ud800"}',
        "[" + body + "]",
        "7",
        "",
        "{}",
        "null",
        "\ufeff" + body,
    ):
        assert await refused(here, letter(here, text.encode(), ana)) == 400
    assert await refused(here, letter(here, head.encode() + b', "text": "\xff"}', ana)) == 400


FIELDS = ("id", "type", "actor", "object", "to")
SHAPES: tuple[Any, ...] = (
    None,
    7,
    1.5,
    True,
    "",
    "text",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"id": 7},
    {"id": None},
    ["x", "y"],
)


async def test_s222_every_shape_in_every_field(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    known = await here.marks()
    for field, shape in itertools.product(FIELDS, SHAPES):
        answer = await here.send(letter(here, ana.create("two") | {field: shape}, ana))
        assert answer.status_code in (202, 400, 401, 403), (field, shape)
    for field, shape in itertools.product(("id", "type", "attributedTo", "to", "content", "tag", "inReplyTo"), SHAPES):
        answer = await here.send(letter(here, ana.create("three", **{field: shape}), ana))
        assert answer.status_code in (202, 400, 401, 403), (field, shape)
    await here.work()
    assert known.items() <= (await here.marks()).items()


# ── the queue ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_s318_of_two_bodies_with_one_id_the_first_stays(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    first = ana.create("first")
    await accepted(here, letter(here, first, ana))
    assert await refused(here, letter(here, first | {"object": ana.note("second")}, ana)) in {202, 409}
    assert (await here.marks())[first["id"]] == "Create first"


async def test_s311_the_sender_of_a_waiting_activity_must_still_be_active(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    gone = ana.activity("Delete", ana.uri)
    late = ana.create("late")
    for document in (gone, late):
        assert (await here.send(letter(here, document, ana))).status_code == 202
    await here.work()
    assert gone["id"] in await here.marks()
    assert late["id"] not in await here.marks()


async def test_activity_answer_is_what_the_peer_serves(far: ScriptedPeer) -> None:
    assert b'"type": "Note"' in activity_answer({"type": "Note"})


@pytest.mark.parametrize("count", [3])
async def test_nothing_is_left_of_the_body_once_processed(here: Receiver, far: ScriptedPeer, count: int) -> None:
    ana = far.person("ana")
    for number in range(count):
        await accepted(here, letter(here, ana.create(f"words {number}"), ana))
    bodies = await here.bodies()
    assert bodies == [None] * count


@pytest.mark.parametrize("whose", ["actor", "host"])
async def test_s311_a_flood_is_held_back_and_nobody_else_is(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer, whose: str
) -> None:
    """Per actor and per server, with 429 and Retry-After; what is held back leaves no row, and may come later."""
    ana, bea, eve = far.person("ana"), far.person("bea"), evil.person("eve")
    for person in (ana, bea, eve):
        await accepted(here, letter(here, person.create("first"), person))
    rate, key = (OF_ACTOR, ana.uri) if whose == "actor" else (OF_HOST, far.authority)
    now = 1_000.0
    budgets = Buckets(lambda: now)
    object.__setattr__(here.context, "budgets", budgets)
    for _ in range(rate.requests):
        budgets.take(whose, key.encode(), rate)
    late = letter(here, ana.create("late"), ana)
    assert await refused(here, late) == 429
    answer = await here.send(late)
    assert int(answer.headers["Retry-After"]) >= 1
    if whose == "host":
        assert await refused(here, letter(here, bea.create("second"), bea)) == 429
    else:
        await accepted(here, letter(here, bea.create("second"), bea))
    await accepted(here, letter(here, eve.create("second"), eve))
    now += rate.seconds
    await accepted(here, late)


async def test_s311_what_a_group_answers_takes_nothing_from_what_it_may_announce(far: ScriptedPeer) -> None:
    """It sends an Accept now and then, and announces for everybody."""
    club = far.person("club")
    budgets = Buckets(lambda: 1_000.0)
    common = {"@context": AS, "actor": club.uri, "object": f"{club.uri}/notes/1", "to": []}
    accept, announce = (
        parse({**common, "id": f"{club.uri}/{kind}/1", "type": kind}) for kind in ("Accept", "Announce")
    )
    assert isinstance(accept, Activity)
    assert isinstance(announce, Activity)
    spend(budgets, accept)
    for _ in range(OF_GROUP.requests):
        spend(budgets, announce)
    with pytest.raises(TooMuch):
        spend(budgets, announce)
    spend(budgets, accept)
