"""How each server is spoken to: as it asks, as it speaks itself, or as it says that it can be; and what we ask for."""

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from activitypub.delivery import deliver_due
from activitypub.dialects import Dialects
from activitypub.discovery import fetch_facts
from activitypub.models import Peer
from activitypub.ports import ActorView
from activitypub.queueing import Outgoing, enqueue_to
from activitypub.signatures import rfc9421
from activitypub.signatures.asking import Asked, ask, read_asked
from activitypub.signatures.messages import Dialect, SignedRequest
from privacy.unit_of_work import UnitOfWork, table_of
from tests.activitypub.letters import accepted, letter, modern_letter, refused
from tests.factories import shared_keys
from tests.loopback import Seen, response
from tests.peers import Person, ScriptedPeer, Signed, body_of, ed25519_key, with_multikey
from tests.receiver import DOMAIN, Receiver, make_local, receiving

PEERS = table_of(Peer)
RFC_9421 = "https://datatracker.ietf.org/doc/html/rfc9421"
OF_OURS = ("@method", "@target-uri", "@authority", "content-digest")


def by_ed25519(here: Receiver, document: Any, person: Person, number: int = 0) -> Signed:
    """A request signed by RFC 9421 with an Ed25519 key that its actor lists as Multikey."""
    body = body_of(document)
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    values = {
        "@method": "POST",
        "@target-uri": f"http://{DOMAIN}/inbox",
        "@authority": DOMAIN,
        "content-digest": digest,
    }
    names = " ".join(f'"{name}"' for name in values)
    text = f'({names});created={int(here.clock().timestamp())};keyid="{person.uri}#ed25519-key";alg="ed25519"'
    base = "\n".join([*(f'"{name}": {value}' for name, value in values.items()), f'"@signature-params": {text}'])
    signature = base64.b64encode(ed25519_key(number).sign(base.encode())).decode()
    fields = (("Host", DOMAIN), ("Content-Digest", digest), ("Signature-Input", f"sig1={text}"))
    return Signed("POST", "/inbox", (*fields, ("Signature", f"sig1=:{signature}:")), body)


# ── what is asked for ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("field", "asked"),
    [
        ('sig1=("@method")', Asked("sig1", ("@method",), "rfc9421")),
        ('a=("@method" "@path");created;keyid', Asked("a", ("@method", "@path"), "rfc9421")),
        ('a=();alg="ed25519"', Asked("a", (), "rfc9421-ed25519")),
        ('a=("@query");alg="rsa-v1_5-sha256"', Asked("a", ("@query",), "rfc9421")),
        (
            'a=("@method");nonce="n/+=";tag="t";expires;created',
            Asked("a", ("@method",), "rfc9421", (("nonce", "n/+="), ("tag", "t")), expires=True),
        ),
        # The first that can be given, whatever else is wanted.
        ('x=("@status"), y=("@method");alg="hmac-sha256", z=("@authority")', Asked("z", ("@authority",), "rfc9421")),
        ('a=("date" "@method")', None),
        ('a=("@method");keyid="https://peer.example/somebody#key"', None),
        ('a=("@method" "@method")', None),
        ('a=("@method";req)', None),
        ("a", None),
        ("", None),
        ('a=("@method"', None),
        ("é" * 10, None),
        ('a=("@method")' + " " * 5_000, None),
    ],
)
def test_what_can_be_given_is_read_and_nothing_else(field: str, asked: Asked | None) -> None:
    assert read_asked(field) == asked


@given(
    st.text(st.characters(max_codepoint=0x7F), max_size=60)
    | st.from_regex(r'\A[a-z]=\("@[a-z]+"\)(;[a-z]+="?\w*"?)*\Z')
)
def test_no_field_trips_us(field: str) -> None:
    assert read_asked(field) is None or read_asked(field) is not None


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_what_we_ask_for_is_what_we_would_give(method: str) -> None:
    asked = read_asked(ask(method))
    assert asked is not None
    assert asked.covered == OF_OURS[: 3 if method == "GET" else 4]


async def test_whoever_is_refused_for_its_signature_is_told_what_to_sign(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    for request in (
        letter(here, ana.create("x"), ana).without("Signature"),
        letter(here, ana.create("y"), ana, key=far.person("ben", key=1).key),
    ):
        answer = await here.send(request)
        assert (answer.status_code, answer.headers["accept-signature"]) == (401, ask("POST"))
    for request in (letter(here, b"{}", ana), letter(here, ana.create("z"), ana)):
        assert "accept-signature" not in (await here.send(request)).headers
    context = here.context
    async with receiving(context.database, context.vault, here.clock, frozenset(), mode="allowlist") as strict:
        answer = await strict.get("/u/nobody")
        assert (answer.status_code, answer.headers["accept-signature"]) == (401, ask("GET"))
        assert "signature" in answer.headers["vary"].lower()
        assert answer.headers["cache-control"] == "no-store"


# ── what is given ────────────────────────────────────────────────────────────────────────────────────────────────────


def wants(judge: Callable[[Seen], bool], asking: str = "") -> Callable[[Seen, asyncio.StreamWriter], Any]:
    """A server that takes what passes, and asks for something else of the rest."""

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        refusal = response(401, headers={"Accept-Signature": asking} if asking else None)
        good = response(202) if seen.method == "POST" else response(200, b"{}")
        writer.write(good if judge(seen) else refusal)
        await writer.drain()

    return script


def dialect_of(seen: Seen, base: str) -> Dialect:
    """How a request is signed, found out by verifying it with the keys of its sender."""
    if "signature-input" not in seen.headers:
        return "cavage"
    request = SignedRequest(seen.method, seen.target, base, tuple(seen.headers.items()), seen.body)
    is_new = "#ed25519-key" in seen.headers["signature-input"]
    key = shared_keys().ed25519 if is_new else shared_keys().rsa
    created = re.search(r";created=(\d+)", seen.headers["signature-input"])
    assert created is not None
    rfc9421.verify(request, key.public_key(), datetime.fromtimestamp(int(created[1]), UTC))
    return "rfc9421-ed25519" if is_new else "rfc9421"


async def deliver(here: Receiver, far: ScriptedPeer, sender: ActorView, number: int) -> list[Dialect]:
    """Send one activity, and return how the requests that it took were signed."""
    before = len(far.server.seen)
    document = {"type": "Like", "id": f"http://{DOMAIN}/a/{number}", "actor": sender.uri}
    outgoing = Outgoing(sender.id, "Like", document, None, 0, None, number, None)
    await here.context.database.write(enqueue_to, outgoing, [(far.authority, far.url("/inbox"))])
    await deliver_due(here.context)
    return [dialect_of(seen, far.url("").rstrip("/")) for seen in far.server.seen[before:]]


@pytest.mark.parametrize(
    ("asking", "then"),
    [
        ('x=("@method" "@path");alg="ed25519";nonce="n1";tag="app";expires', "rfc9421-ed25519"),
        ('y=("@query")', "rfc9421"),
    ],
)
async def test_what_is_asked_for_is_given_and_remembered(
    here: Receiver, far: ScriptedPeer, asking: str, then: Dialect
) -> None:
    kim, ana = await make_local(here, "kim"), far.person("ana")
    await accepted(here, letter(here, ana.create("so that it is known"), ana))
    far.server.script = wants(lambda seen: "signature-input" in seen.headers, asking)
    assert await deliver(here, far, kim, 1) == ["cavage", then]
    field = far.server.seen[-1].headers["signature-input"]
    if then == "rfc9421-ed25519":
        assert field.startswith('x=("@method" "@target-uri" "@authority" "content-digest" "@path");created=')
        assert re.search(r';expires=\d+;nonce="n1";tag="app"$', field)
    else:
        assert field.startswith('y=("@method" "@target-uri" "@authority" "content-digest" "@query");created=')
    assert await deliver(here, far, kim, 2) == [then]
    # Another process learns it from the database, and a fetch is signed in the same way.
    fresh = Dialects()
    await fresh.keep(here.context.database, here.clock())
    assert fresh.of(far.authority, here.clock()) == then
    await here.context.egress.fetch(
        far.url("/x"), accept="*/*", signer=await here.context.keys.signing_identity(kim.id)
    )
    assert dialect_of(far.server.seen[-1], far.url("").rstrip("/")) == then


async def test_a_fetch_is_signed_as_it_is_asked_for(here: Receiver, far: ScriptedPeer) -> None:
    kim = await make_local(here, "kim")
    identity = await here.context.keys.signing_identity(kim.id)
    far.server.script = wants(
        lambda seen: "nonce=" in seen.headers.get("signature-input", ""), 'x=("@method");nonce="7"'
    )
    for asked in (["cavage", "rfc9421"], ["rfc9421", "rfc9421"]):
        far.server.seen.clear()
        await here.context.egress.fetch(far.url("/x"), accept="*/*", signer=identity)
        assert [dialect_of(seen, far.url("").rstrip("/")) for seen in far.server.seen] == asked


async def test_what_cannot_be_given_leaves_it_at_the_other_dialect(here: Receiver, far: ScriptedPeer) -> None:
    kim = await make_local(here, "kim")
    far.server.script = wants(lambda seen: "signature-input" in seen.headers, 'x=("@method" "x-secret")')
    assert await deliver(here, far, kim, 1) == ["cavage", "rfc9421"]


# ── what is learned from others ──────────────────────────────────────────────────────────────────────────────────────


async def learned(here: Receiver, far: ScriptedPeer) -> str | None:
    """What the database knows of a server."""

    def ask_for(uow: UnitOfWork) -> str | None:
        found: str | None = uow.connection.execute(
            select(PEERS.c.dialect).where(PEERS.c.host == far.authority)
        ).scalar()
        return found

    return await here.context.database.read(ask_for)


async def test_who_signs_so_itself_is_spoken_to_so(here: Receiver, far: ScriptedPeer) -> None:
    kim, ana = await make_local(here, "kim"), far.person("ana")
    with_multikey(ana)
    far.answers["/inbox"] = response(202)
    await accepted(here, letter(here, ana.create("in cavage"), ana))
    assert await deliver(here, far, kim, 1) == ["cavage"]
    await accepted(here, modern_letter(here, ana.create("in RSA"), ana))
    assert await deliver(here, far, kim, 2) == ["rfc9421"]
    await accepted(here, by_ed25519(here, ana.create("in Ed25519"), ana))
    assert await deliver(here, far, kim, 3) == ["rfc9421-ed25519"]
    await accepted(here, modern_letter(here, ana.create("in RSA again"), ana))
    assert await deliver(here, far, kim, 4) == ["rfc9421-ed25519"]
    assert await learned(here, far) == "rfc9421-ed25519"
    here.clock.move(timedelta(days=31))
    assert await deliver(here, far, kim, 5) == ["cavage"]


async def test_who_is_not_proved_to_speak_so_teaches_nothing(here: Receiver, far: ScriptedPeer) -> None:
    kim, ana = await make_local(here, "kim"), far.person("ana")
    with_multikey(ana)
    far.answers["/inbox"] = response(202)
    await accepted(here, letter(here, ana.create("one"), ana))
    assert await refused(here, by_ed25519(here, ana.create("two"), ana, 1)) == 401
    assert await refused(here, modern_letter(here, ana.create("three"), ana, bent={"@method": "GET"})) == 401
    assert await deliver(here, far, kim, 1) == ["cavage"]
    assert await learned(here, far) is None


async def test_who_speaks_so_and_does_not_read_it_is_left_in_peace(here: Receiver, far: ScriptedPeer) -> None:
    kim, ana = await make_local(here, "kim"), far.person("ana")
    await accepted(here, modern_letter(here, ana.create("one"), ana))
    answers = far.server.script
    far.server.script = wants(lambda seen: "signature-input" not in seen.headers)
    assert await deliver(here, far, kim, 1) == ["rfc9421", "cavage"]
    for number in (2, 3):
        far.server.script = answers
        await accepted(here, modern_letter(here, ana.create(f"again {number}"), ana))
        far.server.script = wants(lambda seen: "signature-input" not in seen.headers)
        assert await deliver(here, far, kim, number) == ["cavage"]
    assert await learned(here, far) == "cavage"


@pytest.mark.parametrize(
    ("implements", "then"),
    [
        ([{"href": RFC_9421}], "rfc9421"),
        ([{"href": RFC_9421}, {"href": f"{RFC_9421}#name-eddsa-using-curve-edwards25"}], "rfc9421-ed25519"),
        ([{"href": "https://example.org/"}], "cavage"),
    ],
)
@pytest.mark.parametrize("by_generator", [False, True])
async def test_who_says_that_it_reads_it_is_spoken_to_so(
    here: Receiver, far: ScriptedPeer, implements: Any, then: Dialect, by_generator: bool
) -> None:
    """FEP-844e, on the server's own actor or on the generator of any."""
    kim, ana = await make_local(here, "kim"), far.person("ana", kind="Person" if by_generator else "Application")
    said = (
        {"generator": {"type": "Application", "implements": implements}} if by_generator else {"implements": implements}
    )
    ana.document = ana.document | said
    await fetch_facts(here.context, ana.uri)
    far.answers["/inbox"] = response(202)
    assert await deliver(here, far, kim, 1) == [then]


async def test_in_ed25519_by_rfc_9421_only_the_honest_is_taken_in(here: Receiver, far: ScriptedPeer) -> None:
    """With a key from `assertionMethod` (FEP-521a): the signature matrix of the reference, §10."""
    ana, ben = far.person("ana"), far.person("ben", key=1)
    with_multikey(ana)
    with_multikey(ben, 1)
    await accepted(here, by_ed25519(here, ana.create("one"), ana))
    request = by_ed25519(here, ana.create("two"), ana)
    assert await refused(here, request.replaced(body=request.body + b" ")) == 401
    assert await refused(here, request.replaced(target="/actor/inbox")) == 401
    assert await refused(here, by_ed25519(here, ana.create("three"), ana, 1)) == 401
    assert await refused(here, by_ed25519(here, ana.create("four"), ben, 1)) == 401
    field = dict(request.headers)["Signature-Input"]
    assert await refused(here, request.changed("Signature-Input", field.replace('ed25519"', 'rsa-v1_5-sha256"'))) == 401
    await accepted(here, request)
