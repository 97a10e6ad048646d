"""A second opinion on signatures: apsig signs what we verify, over the real route, and verifies what we sign.

It shares no code with the node, and none with the signer of these tests. It asks the clock itself, so the node's clock
is set to the present here.
"""

import base64
from datetime import UTC, datetime

import pytest
from apsig.draft.sign import Signer
from apsig.draft.verify import Verifier
from apsig.rfc9421 import RFC9421Signer, RFC9421Verifier
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from multiformats import multibase, multicodec

from activitypub.authentication import OF_CLIENT, check_owner, is_confirmed, listed_key
from activitypub.discovery import fetch_facts
from activitypub.egress import sign_post
from activitypub.errors import BadSignature
from activitypub.keystore import KnownKey
from activitypub.signatures import cavage, rfc9421
from activitypub.signatures.digest import content_digest, digest
from activitypub.signatures.inbound import read_claim
from activitypub.signatures.keys import PrivateKey, SigningIdentity
from activitypub.signatures.messages import SignedRequest, fields_of
from privacy.budgets import Buckets
from tests.activitypub.letters import accepted, letter, refused
from tests.loopback import response
from tests.peers import (
    Person,
    ScriptedPeer,
    Signed,
    body_of,
    ed25519_key,
    multikey_of,
    pem_of,
    prove,
    rsa_key,
    sign,
)
from tests.receiver import DOMAIN, Receiver

ORIGIN = f"http://{DOMAIN}"
KEY = PrivateKey(rsa_key(0))
IDENTITY = SigningIdentity("https://peer.example/u/ana#main-key", KEY)


@pytest.fixture
def present(here: Receiver) -> Receiver:
    """The node, now: apsig does not let itself be told the time."""
    here.clock.now = datetime.now(UTC).replace(microsecond=0)
    return here


def by_draft(person: Person, body: bytes, *, method: str = "POST", target: str = "/inbox") -> Signed:
    """A request as apsig signs it in draft-cavage, less the Authorization field that nobody reads."""
    made = Signer({}, person.key, method, f"{ORIGIN}{target}", person.key_id, body).sign()
    fields = [(name.title(), value) for name, value in made.items() if name != "Authorization"]
    return Signed(method, target, tuple(fields), body)


def by_standard(person: Person, body: bytes) -> Signed:
    """A request as apsig signs it by RFC 9421."""
    signer = RFC9421Signer(person.key, person.key_id)
    signer.sign_headers = ["date", "@method", "@path", "@authority", "content-digest"]
    sent = {"content-digest": content_digest(body)}
    made = signer.sign("POST", "/inbox", DOMAIN, sent, body)
    # It writes the field anew after signing, with its own idea of a digest.
    made |= {"content-digest": content_digest(body), "host": DOMAIN}
    return Signed("POST", "/inbox", tuple((name.title(), value) for name, value in made.items()), body)


async def test_what_apsig_signs_is_taken_in_and_each_change_to_it_is_refused(
    present: Receiver, far: ScriptedPeer
) -> None:
    ana = far.person("ana")
    for number, write in enumerate((by_draft, by_standard)):
        await accepted(present, write(ana, body_of(ana.create(f"honest {number}"))))
        other = write(ana, body_of(ana.create(f"bent {number}")))
        assert await refused(present, other.replaced(body=other.body + b" ")) == 401
        assert await refused(present, other.replaced(target="/actor/inbox")) == 401
        assert await refused(present, other.changed("Date", "Mon, 23 Nov 2020 10:00:00 GMT")) == 401
        thief = Person(ana.uri, "ana", rsa_key(1))
        assert await refused(present, write(thief, other.body)) == 401


async def test_what_apsig_asks_for_it_gets(present: Receiver, far: ScriptedPeer) -> None:
    """A signed GET, by which a server learns what only it may know."""
    ana = far.person("ana")
    request = by_draft(ana, b"", method="GET", target="/actor")
    assert (await present.send(request)).status_code == 200


async def test_what_we_fetch_and_send_is_verified_by_apsig(present: Receiver, far: ScriptedPeer) -> None:
    """Real requests over a socket, read by the other side with the key that our document lists."""
    ana = far.person("ana")
    far.answers["/inbox"] = response(202)
    await fetch_facts(present.context, ana.uri)
    identity = await present.context.keys.instance_identity()
    egress, body = present.context.egress, b'{"type":"Follow"}'
    target = egress.target(far.url("/inbox"))
    await egress.post(target, body, sign_post(identity, target, digest(body), present.clock()))
    pem = (await present.get("/actor")).json()["publicKey"]["publicKeyPem"]
    got, posted = far.server.seen
    for seen in (got, posted):
        verifier = Verifier(pem, seen.method, far.url(seen.target), seen.headers, seen.body)
        assert verifier.verify(raise_on_fail=True) == f"{ORIGIN}/actor#main-key"
        wrong = Verifier(pem_of(rsa_key(1)), seen.method, far.url(seen.target), seen.headers, seen.body)
        assert wrong.verify() is None
    assert Verifier(pem, "POST", far.url("/inbox"), posted.headers, b"{}").verify() is None


PATHS = st.text("abcXYZ019-._~/", max_size=20).map(lambda rest: f"/{rest}".replace("//", "/"))
BODIES = st.binary(min_size=1, max_size=200)
OFTEN = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@OFTEN
@given(PATHS, BODIES)
def test_draft_cavage_is_written_as_apsig_reads_it(path: str, body: bytes) -> None:
    fields = cavage.sign(IDENTITY, "POST", path, "kin.example", datetime.now(UTC), digest=digest(body))
    verifier = Verifier(pem_of(rsa_key(0)), "POST", f"https://kin.example{path}", fields, body)
    assert verifier.verify(raise_on_fail=True) == IDENTITY.key_id
    assert Verifier(pem_of(rsa_key(0)), "POST", f"https://kin.example{path}x", fields, body).verify() is None


@OFTEN
@given(PATHS, BODIES, st.permutations(["@method", "@path", "@authority", "content-digest", "date"]))
def test_what_is_signed_by_rfc_9421_is_the_same_text_for_both(path: str, body: bytes, covered: list[str]) -> None:
    """Our signature base, signed, is verified by apsig; and apsig's reading of a bent request fails as ours does."""
    now = datetime.now(UTC)
    fields = {
        "host": "kin.example",
        "date": "Mon, 23 Nov 2026 10:00:00 GMT",
        "content-digest": content_digest(body),
    }
    names = " ".join(f'"{name}"' for name in covered)
    text = f'sig1=({names});created={int(now.timestamp())};alg="rsa-v1_5-sha256";keyid="{IDENTITY.key_id}"'
    unsigned = SignedRequest("POST", path, "https://kin.example", tuple(fields.items()), body)
    base = rfc9421.signature_base(rfc9421.parse_input(text), unsigned, fields_of(unsigned))
    signed = fields | {"signature-input": text, "signature": f"sig1=:{_base64(KEY.sign(base))}:"}
    verifier = RFC9421Verifier(rsa_key(0).public_key(), "POST", path, "kin.example", signed, body)
    assert verifier.verify(raise_on_fail=True) == IDENTITY.key_id
    request = SignedRequest("POST", path, "https://kin.example", tuple(signed.items()), body)
    rfc9421.verify(request, KEY.public_key(), now)
    bent = SignedRequest("POST", path + "x", "https://kin.example", tuple(signed.items()), body)
    with pytest.raises(BadSignature):
        rfc9421.verify(bent, KEY.public_key(), now)


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()


# ── whose key it is ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_s109_only_a_key_that_its_owner_lists_is_a_key(present: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    facts = await fetch_facts(present.context, ana.uri)
    assert listed_key(facts, ana.key_id).to_pem() == pem_of(ana.key)
    for other in (f"{ana.uri}#other", ana.uri, "", f"{ana.key_id} ", ana.key_id.upper()):
        with pytest.raises(BadSignature):
            listed_key(facts, other)


async def test_s108_a_key_counts_for_its_owner_alone(present: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    request = letter(present, ana.create("x"), ana)
    claim = read_claim(SignedRequest("POST", "/inbox", ORIGIN, request.headers, request.body), present.clock())
    facts = await fetch_facts(present.context, ana.uri)
    public = listed_key(facts, ana.key_id)
    known = KnownKey(ana.key_id, public, 1, ana.uri, far.authority)
    check_owner(known, ana.uri)
    for somebody in (far.url("/users/ben"), ana.uri.upper(), f"{ana.uri}/", ""):
        with pytest.raises(BadSignature):
            check_owner(known, somebody)
    assert is_confirmed(claim, public)
    assert not is_confirmed(claim, PrivateKey(rsa_key(1)).public_key())


async def test_s110_a_key_that_two_actors_list_belongs_to_neither(present: Receiver, far: ScriptedPeer) -> None:
    """The first keeps it; who lists it too is not heard under it."""
    ana, ben = far.person("ana"), far.person("ben", key=1)
    await accepted(present, letter(present, ana.create("mine"), ana))
    ben.document = ben.document | {"publicKey": ben.document["publicKey"] | {"id": ana.key_id}}
    assert await refused(present, letter(present, ben.create("as ben"), ben, key_id=ana.key_id)) in {401, 403}
    assert await refused(present, letter(present, ana.create("as ana"), ben, key_id=ana.key_id)) in {401, 403}
    await accepted(present, letter(present, ana.create("still mine"), ana))


async def test_s115_from_one_address_only_so_many_keys_are_fetched(here: Receiver, far: ScriptedPeer) -> None:
    """Whoever makes up signers makes us ask, and not without end; who is known is heard all the same."""
    ana, ben = far.person("ana"), far.person("ben", key=1)
    await accepted(here, letter(here, ana.create("one"), ana))
    object.__setattr__(here.context, "budgets", Buckets(lambda: 0.0))  # which does not fill by itself
    fetched = far.fetches()
    for number in range(OF_CLIENT.requests + 20):
        stranger = Person(far.url(f"/users/made-up-{number}"), "nobody", rsa_key(1))
        status = (await here.send(letter(here, stranger.create("x"), stranger))).status_code
        assert status in (401, 429)
    assert far.fetches() - fetched == OF_CLIENT.requests
    answer = await here.send(letter(here, ben.create("one"), ben))
    assert (answer.status_code, "retry-after" in answer.headers) == (429, True)
    asked = sign(b"", ben, at=here.clock(), host=DOMAIN, method="GET", target="/u/somebody")
    assert (await here.send(asked.with_field("Accept", "application/activity+json"))).status_code == 429
    await accepted(here, letter(here, ana.create("two"), ana))


# ── more than one key ────────────────────────────────────────────────────────────────────────────────────────────────


def with_keys(person: Person, *numbers: int) -> list[Person]:
    """Let a server list several RSA keys of somebody, and return that one with each of them."""
    keys = [
        {"id": f"{person.uri}#key-{number}", "owner": person.uri, "publicKeyPem": pem_of(rsa_key(number))}
        for number in numbers
    ]
    person.document = person.document | {"publicKey": keys}
    return [Person(person.uri, person.name, rsa_key(number), document=person.document) for number in numbers]


async def test_each_key_that_an_actor_lists_is_one_of_its_keys(here: Receiver, far: ScriptedPeer) -> None:
    """As while a server changes from one to the next; not only the first of them counts."""
    ana = far.person("ana")
    one, two = with_keys(ana, 0, 1)
    for number, person in enumerate((two, one, two)):
        key = f"{ana.uri}#key-{int(person is two)}"
        await accepted(here, letter(here, ana.create(f"by {number}"), person, key_id=key))
        assert (
            await refused(here, letter(here, ana.create(f"not by {number}"), person, key_id=f"{ana.uri}#key-7")) == 401
        )
    assert await refused(here, letter(here, ana.create("mixed up"), one, key_id=f"{ana.uri}#key-1")) == 401
    assert far.fetches("/users/ana") == 1


async def test_a_key_that_is_listed_as_multikey_signs_requests(here: Receiver, far: ScriptedPeer) -> None:
    """An RSA key in `assertionMethod` alone, and the second Ed25519 key there (FEP-521a)."""
    ana = far.person("ana")
    der = ana.key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    rsa_multikey = multibase.encode(multicodec.wrap("rsa-pub", der), "base58btc")
    listed = [
        {
            "id": f"{ana.uri}#multikey-{number}",
            "type": "Multikey",
            "controller": ana.uri,
            "publicKeyMultibase": material,
        }
        for number, material in enumerate((rsa_multikey, multikey_of(ed25519_key(0)), multikey_of(ed25519_key(1))))
    ]
    ana.document = {name: value for name, value in ana.document.items() if name != "publicKey"}
    ana.document["assertionMethod"] = listed
    await accepted(here, letter(here, ana.create("one"), ana, key_id=f"{ana.uri}#multikey-0"))
    for number in (1, 0):
        key_id = f"{ana.uri}#multikey-{number + 1}"
        proven = prove(ana.create(f"by {number}"), ana, here.clock(), number=number, verificationMethod=key_id)
        await accepted(here, letter(here, proven, ana, key_id=f"{ana.uri}#multikey-0"))
    mixed = prove(ana.create("mixed"), ana, here.clock(), number=1, verificationMethod=f"{ana.uri}#multikey-1")
    assert await refused(here, letter(here, mixed, ana, key_id=f"{ana.uri}#multikey-0")) == 401
