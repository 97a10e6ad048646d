"""The face for other servers, as they meet it: every status that is promised, and nothing stored or fetched without
cause. Each bent request stands beside the honest one (security catalogue S-101 to S-121, S-601, S-609, S-612)."""

import asyncio
import gzip
import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from activitypub import endpoints
from activitypub.endpoints import OTHER_STATUS, STATUSES, status_of
from activitypub.errors import FederationError, LocalError
from activitypub.peers import set_level
from activitypub.strict_json import MAX_BODY_BYTES
from privacy.errors import DatabaseUnavailable
from tests.activitypub.letters import accepted, letter, modern_letter, refused
from tests.loopback import response
from tests.peers import ScriptedPeer, Signed, body_of, rsa_key
from tests.receiver import DOMAIN, Receiver, make_local

INBOXES = ("/inbox", "/actor/inbox", "/u/kim-token/inbox", "/g/club-token/inbox")
Chunks = Callable[[], AsyncIterator[bytes]]


async def post_stream(here: Receiver, request: Signed, chunks: AsyncIterator[bytes], **headers: str) -> httpx.Response:
    """Send a request whose body comes in pieces, without a declared length unless one is given."""
    fields = [*request.headers, *headers.items()]
    built = httpx.Request("POST", f"http://{DOMAIN}{request.target}", headers=fields, content=chunks)
    if "Content-Length" in headers:
        built.headers.pop("Transfer-Encoding", None)
    return await here.client.send(built)


# ── what each status is for (federation reference §3.3, §4.1) ────────────────────────────────────────────────────────


async def test_each_fault_has_its_status_and_leaves_nothing(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer, canary: ScriptedPeer
) -> None:
    ana, mallory, blocked = far.person("ana"), evil.person("mallory", key=1), canary.person("blocked", key=2)
    await here.context.database.write(set_level, canary.authority, "suspend")
    await accepted(here, letter(here, ana.create("honest"), ana))
    honest = letter(here, ana.create("two"), ana)
    cases: list[tuple[Signed, int]] = [
        (honest.without("Signature"), 401),
        (honest.changed("Signature", 'keyId="x'), 400),
        (honest.replaced(body=honest.body + b" "), 401),
        (letter(here, ana.create("two"), ana, key=rsa_key(2)), 401),
        (letter(here, b"not json", ana), 400),
        (letter(here, ana.note("no activity"), ana), 400),
        (letter(here, ana.create("two", id=mallory.uri, attributedTo=mallory.uri), ana), 403),
        (letter(here, blocked.create("two"), blocked), 403),
        (letter(here, ana.create("two"), ana, target="/u/nobody/inbox"), 404),
        (letter(here, b"[" * (MAX_BODY_BYTES + 1), ana), 413),
    ]
    for request, status in cases:
        assert await refused(here, request) == status


async def test_a_refusal_is_short_says_no_inside_and_is_kept_by_nobody(here: Receiver, far: ScriptedPeer) -> None:
    ana, secret = far.person("ana"), "0f8e-planted-words"
    await accepted(here, letter(here, ana.create(secret), ana))
    forged = letter(here, ana.create(secret), ana).changed("Digest", "SHA-256=AAAA")
    answer = await here.send(forged)
    assert answer.status_code in (400, 401)
    assert answer.headers["cache-control"] == "no-store"
    assert set(answer.json()) == {"error"}
    assert secret not in answer.text
    assert "Traceback" not in answer.text


async def test_whom_we_cannot_ask_is_told_when_to_come_again(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    far.answers["/users/ana"] = response(500)
    answer = await here.send(letter(here, ana.create("one"), ana))
    assert (answer.status_code, answer.headers["retry-after"].isdecimal()) == (503, True)
    assert (await here.counts())["inbox_items"] == 0


async def test_no_inbox_ever_says_410(here: Receiver, far: ScriptedPeer) -> None:
    """PieFed forgets a whole server that says so; an actor that has ended is simply not there."""
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    await accepted(here, letter(here, ana.activity("Delete", ana.uri), ana))
    far.answers["/users/ana"] = response(410)
    assert await refused(here, letter(here, ana.create("back"), ana)) == 401
    assert await refused(here, letter(here, ana.activity("Delete", ana.uri), ana)) == 202


def test_every_error_of_this_floor_has_a_status_that_senders_understand() -> None:
    def below(kind: type[FederationError]) -> list[type[FederationError]]:
        return [kind, *itertools.chain.from_iterable(below(child) for child in kind.__subclasses__())]

    for kind in (*below(FederationError), DatabaseUnavailable):
        made: Any = kind.__new__(kind)
        assert status_of(made) in {400, 401, 403, 404, 410, 413, 429, 503}
    assert status_of(LocalError("ours")) == OTHER_STATUS
    assert set(STATUSES.values()) == {400, 401, 403, 404, 410, 413, 429, 503}


async def test_a_database_that_is_away_means_come_again_and_nothing_is_lost(here: Receiver, far: ScriptedPeer) -> None:
    """What cannot be stored is never answered with 202 (R-101)."""
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    working = here.context.database
    object.__setattr__(here.context, "database", _Away())
    answer = await here.send(letter(here, ana.create("two"), ana))
    object.__setattr__(here.context, "database", working)
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)
    await accepted(here, letter(here, ana.create("two"), ana))


class _Away:
    """A database whose disk is full: it can be asked for nothing."""

    async def write(self, *_: object, **__: object) -> None:
        raise DatabaseUnavailable("away")

    read = write


# ── how much is read (S-601, S-602) ──────────────────────────────────────────────────────────────────────────────────


async def test_s601_a_declared_length_is_refused_before_a_byte_is_read(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    read: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        read.append(1)
        yield b"{}"

    request = letter(here, ana.create("two"), ana)
    for length in (str(MAX_BODY_BYTES + 1), "9" * 12, "9" * 4_000):
        answer = await post_stream(here, request, chunks(), **{"Content-Length": length})
        assert answer.status_code == 413
    assert read == []
    assert (await here.counts())["inbox_items"] == 1


async def test_s601_an_endless_body_is_cut_off_at_the_limit(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    read: list[int] = []

    async def chunks() -> AsyncIterator[bytes]:
        while True:
            read.append(65_536)
            yield b" " * 65_536

    for headers in ({}, {"Content-Length": "10"}, {"Content-Length": "-1"}, {"Content-Length": "1e3"}):
        read.clear()
        answer = await post_stream(here, letter(here, ana.create("two"), ana), chunks(), **headers)
        assert answer.status_code == 413
        assert sum(read) <= MAX_BODY_BYTES + 2 * 65_536
    assert (await here.counts())["inbox_items"] == 1


async def test_s601_a_body_that_comes_in_pieces_is_the_same_body(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    create = ana.create("one")
    request = letter(here, create, ana)

    async def chunks() -> AsyncIterator[bytes]:
        for byte in request.body:
            yield bytes([byte])

    assert (await post_stream(here, request, chunks())).status_code == 202
    await here.work()
    assert await here.marks() == {create["id"]: "Create one"}


async def test_s601_exactly_the_limit_is_taken_and_one_byte_more_is_not(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    body = body_of(ana.create("one"))
    filled = body[:-1] + b" " * (MAX_BODY_BYTES - len(body)) + b"}"
    assert len(filled) == MAX_BODY_BYTES
    await accepted(here, letter(here, filled, ana))
    assert await refused(here, letter(here, body_of(ana.create("two")) + b" " * MAX_BODY_BYTES, ana)) == 413


async def test_a_body_that_stops_arriving_is_given_up(
    here: Receiver, far: ScriptedPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who sends one byte and then nothing holds no place for ever (S-611)."""
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    monkeypatch.setattr(endpoints, "BODY_SECONDS", 0.01)
    never = asyncio.Event()

    async def chunks() -> AsyncIterator[bytes]:
        yield b"{"
        await never.wait()

    assert (await post_stream(here, letter(here, ana.create("two"), ana), chunks())).status_code == 400
    assert (await here.counts())["inbox_items"] == 1


async def test_nothing_that_is_sent_to_us_is_unpacked(here: Receiver, far: ScriptedPeer) -> None:
    """A compressed body is bytes that are no JSON, whatever it says of itself (S-509)."""
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    packed = letter(here, gzip.compress(body_of(ana.create("two"))), ana)
    assert await refused(here, packed.with_field("Content-Encoding", "gzip")) == 400
    bomb = letter(here, gzip.compress(b" " * 50_000_000), ana)
    assert await refused(here, bomb.with_field("Content-Encoding", "gzip")) == 400


# ── which address it is (S-107, S-121, S-609) ────────────────────────────────────────────────────────────────────────

ALIASES = ("{}/", "/{}", "//{}", "{}//", "{};x", "{}%00", "{}%2f", "{}.json", "{}%20", "{}%0d", "/api{}", "{}/inbox")


@pytest.mark.parametrize("inbox", INBOXES)
async def test_s121_no_other_spelling_is_a_way_in(here: Receiver, far: ScriptedPeer, inbox: str) -> None:
    """Even when it is signed for that very spelling; the exact address takes the same words afterwards."""
    ana = far.person("ana")
    await make_local(here, "kim")
    await make_local(here, "club", "Group")
    aliases = [alias.format(inbox) for alias in ALIASES]
    aliases += [inbox.upper(), inbox.replace("/inbox", "/Inbox"), inbox.replace("inbox", "inbox\\")]
    await accepted(here, letter(here, ana.create("first"), ana, target=inbox))
    for target in aliases:
        request = letter(here, ana.create("two"), ana, target=target)
        assert await refused(here, request) in {307, 404}
        assert await refused(here, request.without("Signature")) in {307, 404}
    await accepted(here, letter(here, ana.create("two"), ana, target=inbox))


@pytest.mark.parametrize("spelling", ["/%69nbox", "/inbox%0a", "/inbox?x=1"])
async def test_s121_what_was_signed_is_the_address_as_it_was_written(
    here: Receiver, far: ScriptedPeer, spelling: str
) -> None:
    """These are routed to the inbox, and are then verified in full, letter by letter."""
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana, target=spelling))
    assert await refused(here, letter(here, ana.create("two"), ana, target=spelling).without("Signature")) == 401
    assert await refused(here, letter(here, ana.create("two"), ana, target=spelling).replaced(target="/inbox")) == 401
    assert await refused(here, letter(here, ana.create("two"), ana, key=rsa_key(3)).replaced(target=spelling)) == 401
    assert await refused(here, letter(here, ana.create("two"), ana).replaced(target=spelling)) == 401


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
async def test_s121_only_a_post_is_a_post(here: Receiver, far: ScriptedPeer, method: str) -> None:
    ana = far.person("ana")
    await make_local(here, "kim")
    await make_local(here, "club", "Group")
    await accepted(here, letter(here, ana.create("one"), ana))
    for inbox in INBOXES:
        request = letter(here, ana.create("two"), ana, target=inbox)
        assert await refused(here, Signed(method, inbox, request.headers, request.body)) == 405


HOSTS = (
    "evil.example", "", "127.0.0.1", f"{DOMAIN}.evil.example", f"evil.example/{DOMAIN}", f"evil@{DOMAIN}", "[::1]:4000",
    f"{DOMAIN}/inbox?", f"{DOMAIN}#", f"{DOMAIN}, evil.example", f"x\\{DOMAIN}", "127.0.0.1:04000", "localhost:4000",
)  # fmt: skip


@pytest.mark.parametrize("host", HOSTS)
async def test_s609_made_for_another_host_it_is_not_for_us(here: Receiver, far: ScriptedPeer, host: str) -> None:
    """However Host is written, and even when that very Host was signed."""
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("one"), ana))
    assert await refused(here, letter(here, ana.create("two"), ana, host=host)) in {400, 401}
    assert await refused(here, letter(here, ana.create("two"), ana).changed("Host", host)) in {400, 401}
    for target in ("/actor", "/nodeinfo/2.1", "/.well-known/nodeinfo", "/u/kim-token", "/p/1"):
        request = Signed("GET", target, (("Host", host), ("Accept", "application/activity+json")), b"")
        assert (await here.send(request)).status_code == 421
    assert (await here.get("/actor")).status_code == 200


@pytest.mark.parametrize("make", [letter, modern_letter])
async def test_s103_a_query_that_was_put_behind_an_inbox_is_no_part_of_what_was_signed(
    here: Receiver, far: ScriptedPeer, make: Callable[..., Signed]
) -> None:
    ana = far.person("ana")
    await accepted(here, make(here, ana.create("one"), ana))
    for target in ("/inbox?x=1", "/inbox?x", "/inbox?/inbox", "/inbox?x=%2Finbox"):
        assert await refused(here, make(here, ana.create("two"), ana).replaced(target=target)) == 401


async def test_what_is_not_here_is_said_in_words_of_our_own(here: Receiver) -> None:
    for target in ("/u/nobody", "/g/nobody", "/p/1", "/a/1", "/p/x", "/u/nobody/outbox", "/nodeinfo/9.9", "/@nobody"):
        answer = await here.get(target)
        assert (answer.status_code, answer.json()) == (404, {"error": endpoints.NOT_HERE}), target
    assert "server" not in endpoints.NOT_HERE, "it is we who answer, not somebody else's"


async def test_the_kind_of_content_is_no_way_round(here: Receiver, far: ScriptedPeer) -> None:
    """Whatever a body calls itself, it is read in one way (S-101)."""
    ana = far.person("ana")
    kinds = ("application/activity+json", "application/json", "text/plain", "multipart/form-data; boundary=x", "x")
    for number, kind in enumerate(kinds):
        await accepted(here, letter(here, ana.create(f"as {number}"), ana).changed("Content-Type", kind))
        forged = letter(here, ana.create(f"forged {number}"), ana).changed("Content-Type", kind)
        assert await refused(here, forged.without("Signature")) == 401
        assert await refused(here, forged.replaced(body=forged.body + b" ")) == 401


# ── what must be signed (S-103, S-104) ───────────────────────────────────────────────────────────────────────────────

CAVAGE_COMPONENTS = ("(request-target)", "host", "date", "digest", "content-type")
MODERN_COMPONENTS = ("@method", "@target-uri", "@authority", "@path", "content-digest", "content-type")


async def test_s104_of_all_omissions_only_the_harmless_pass(here: Receiver, far: ScriptedPeer) -> None:
    """draft-cavage: all four must be covered; one more may be, in any order."""
    ana = far.person("ana")
    for size in range(1, len(CAVAGE_COMPONENTS) + 1):
        for covered in itertools.combinations(CAVAGE_COMPONENTS, size):
            request = letter(here, ana.create(" ".join(covered)), ana, covered=covered[::-1])
            if {"(request-target)", "host", "date", "digest"} <= set(covered):
                await accepted(here, request)
            else:
                assert await refused(here, request) == 401


async def test_s104_of_all_omissions_only_the_harmless_pass_in_rfc_9421(here: Receiver, far: ScriptedPeer) -> None:
    """The method, the body, and the whole target: as one, or as authority and path where there is no query."""
    ana = far.person("ana")
    for size in range(len(MODERN_COMPONENTS) + 1):
        for covered in itertools.combinations(MODERN_COMPONENTS, size):
            whole = "@target-uri" in covered or {"@authority", "@path"} <= set(covered)
            request = modern_letter(here, ana.create(" ".join(covered)), ana, covered=covered)
            if whole and {"@method", "content-digest"} <= set(covered):
                await accepted(here, request)
            else:
                assert await refused(here, request) == 401


async def test_s103_s107_rfc_9421_for_another_target_method_host_or_body(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await make_local(here, "kim")
    await accepted(here, modern_letter(here, ana.create("one"), ana))
    honest = modern_letter(here, ana.create("two"), ana)
    other = modern_letter(here, ana.create("other"), ana)
    bent = [
        honest.replaced(target="/u/kim-token/inbox"),
        honest.replaced(target="/inbox?x"),
        honest.replaced(body=honest.body + b"\n"),
        honest.replaced(body=other.body),
        honest.replaced(body=other.body).changed("Content-Digest", dict(other.headers)["Content-Digest"]),
        honest.without("Content-Digest"),
        honest.without("Signature-Input"),
        honest.without("Signature"),
        honest.changed("Host", "other.example"),
        modern_letter(here, ana.create("two"), ana, bent={"@target-uri": f"https://{DOMAIN}/inbox"}),
        modern_letter(here, ana.create("two"), ana, bent={"@authority": "other.example"}),
        modern_letter(here, ana.create("two"), ana, bent={"@method": "GET"}),
    ]
    for request in bent:
        assert await refused(here, request) in {400, 401}
    for name in ("Host", "Content-Digest", "Signature-Input", "Signature"):
        assert await refused(here, honest.with_field(name, dict(honest.headers)[name])) == 400


async def test_s105_s113_times_and_algorithms_in_rfc_9421(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    now = int(here.clock().timestamp())
    key = f';keyid="{ana.key_id}"'
    honest = (
        f";created={now}{key}",
        f';created={now - 3_900};alg="rsa-v1_5-sha256"{key}',
        f";created={now + 300}{key}",
    )
    for number, parameters in enumerate(honest):
        await accepted(here, modern_letter(here, ana.create(f"{number}"), ana, parameters=parameters))
    bent = [
        key, f";created={now - 3_901}{key}", f";created={now + 301}{key}", f";created={now};expires={now - 301}{key}",
        f';created="{now}"{key}', f";created={now}", f';created={now};keyid=""', f";created={now};created={now}{key}",
        *(f';created={now};alg="{name}"{key}' for name in ("hmac-sha256", "rsa-pss-sha512", "ed25519", "none", "x")),
    ]  # fmt: skip
    for parameters in bent:
        assert await refused(here, modern_letter(here, ana.create("bent"), ana, parameters=parameters)) in {400, 401}


# ── the same again (S-106, R-202) ────────────────────────────────────────────────────────────────────────────────────


async def test_s106_r202_one_activity_at_every_inbox_and_at_once_is_one(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await make_local(here, "kim")
    await make_local(here, "club", "Group")
    create = ana.create("once")
    letters = [letter(here, create, ana, target=inbox) for inbox in INBOXES for _ in range(5)]
    answers = await asyncio.gather(*(here.send(request) for request in letters))
    assert {answer.status_code for answer in answers} == {202}
    assert (await here.counts())["inbox_items"] == 1
    assert await here.work() == 1
    assert await here.marks() == {create["id"]: "Create once"}
    assert far.fetches("/users/ana") == 1


# ── noise ────────────────────────────────────────────────────────────────────────────────────────────────────

FUZZ = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


@st.composite
def mutations(draw: st.DrawFn) -> Callable[[Signed], Signed]:
    """A change to a signed request that no honest sender makes."""
    kind = draw(st.sampled_from(["flip", "cut", "insert", "field", "drop", "twice", "target", "swap"]))
    place, noise = draw(st.integers(0, 4_000)), draw(st.binary(min_size=1, max_size=12))
    text = draw(st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40))
    name = draw(st.sampled_from(["Signature", "Digest", "Date", "Host", "Content-Digest", "Signature-Input"]))

    def change(request: Signed) -> Signed:
        body, fields = request.body, dict(request.headers)
        name_here = name if name in fields else "Signature"
        value = fields[name_here]
        at, spot = place % len(body), place % len(value)
        return {
            "flip": request.replaced(body=body[:at] + bytes([body[at] ^ (noise[0] or 1)]) + body[at + 1 :]),
            "cut": request.replaced(body=body[:at]),
            "insert": request.replaced(body=body[:at] + noise + body[at:]),
            "field": request.changed(name_here, text),
            "drop": request.without(name_here),
            "twice": request.with_field(name_here, text),
            "target": request.replaced(target="/inbox?" + text.encode("ascii", "ignore").hex()),
            "swap": request.changed(name_here, value[:spot] + text + value[spot + 1 :]),
        }[kind]

    return change


@FUZZ
@given(change=mutations(), modern=st.booleans())
async def test_r503_a_mutated_request_never_gets_in_and_never_trips_us(
    here: Receiver, far: ScriptedPeer, change: Callable[[Signed], Signed], modern: bool
) -> None:
    ana = far.people.get("/users/ana") or far.person("ana")
    write = modern_letter if modern else letter
    honest = write(here, ana.create("fuzzed"), ana)
    bent = change(honest)
    same = {(name.lower(), value.strip()) for name, value in bent.headers} == {
        (name.lower(), value.strip()) for name, value in honest.headers
    } and len(bent.headers) == len(honest.headers)
    assume(not (same and bent.body == honest.body and bent.target == honest.target))
    before = (await here.counts())["inbox_items"]
    answer = await here.send(bent)
    if answer.status_code == 202:
        # Signing leaves room: letter case and blanks between the signature's parameters, a query that is not signed.
        assert bent.body == honest.body
    else:
        assert answer.status_code in (400, 401, 403), (answer.status_code, bent)
        assert (await here.counts())["inbox_items"] == before
