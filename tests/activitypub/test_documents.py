"""Documents for other servers, over the real routes: who may read what, what no cache may keep, and that no address
trips the node (security catalogue S-402, S-403, S-417, S-609, S-616, S-622)."""

from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from activitypub.peers import set_level
from activitypub.ports import NOBODY, Copy, Ended, Publication, Requester
from activitypub.signatures.keys import parse_public_key
from tests.activitypub.letters import letter
from tests.loopback import response
from tests.peers import Person, ScriptedPeer, Signed, rsa_key, sign
from tests.receiver import DOMAIN, Receiver, make_local, receiving

ACTIVITY = "application/activity+json"
PROFILED = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
POST = {"id": f"http://{DOMAIN}/p/1", "type": "Note", "content": "words for members"}
PAGE = f"http://{DOMAIN}/@club/1"
NUMBERED = ("/p/{}", "/p/{}/activity", "/p/{}/replies", "/a/{}", "/r/{}", "/ctx/{}")


def asking(here: Receiver, target: str, signer: Person, **bent: str | None) -> Signed:
    """A signed GET."""
    made = sign(None, signer, **({"at": here.clock(), "host": DOMAIN, "target": target, "method": "GET"} | bent))  # type: ignore[arg-type]  # parts of several types
    return made.with_field("Accept", ACTIVITY)


# ── who asks ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("path", NUMBERED)
async def test_s417_only_the_server_whose_it_is_reads_what_is_private(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer, path: str
) -> None:
    """It is answered to a signature of that host; for all others there is nothing, in the same words (S-402)."""
    ana, mallory = far.person("ana"), evil.person("mallory", key=1)
    here.publications.posts[1] = Publication(POST, public=False)
    here.publications.private_to[1] = far.authority
    target = path.format(1)
    answer = await here.send(asking(here, target, ana))
    assert (answer.status_code, answer.json()) == (200, POST)
    nothing = await here.send(asking(here, path.format(2), mallory))
    for request in (
        asking(here, target, mallory),
        asking(here, target, mallory).without("Signature"),
        asking(here, target, ana).without("Signature"),
    ):
        refused = await here.send(request)
        assert (
            (refused.status_code, refused.content) == (nothing.status_code, nothing.content) == (404, nothing.content)
        )
        assert headers_of(refused) == headers_of(nothing)


def headers_of(answer: object) -> dict[str, str]:
    """What an answer says beside its body."""
    return dict(answer.headers)  # type: ignore[attr-defined]  # an httpx.Response


async def test_s417_a_bad_signature_is_worse_than_none(here: Receiver, far: ScriptedPeer, evil: ScriptedPeer) -> None:
    """Whoever claims to be somebody and is not gets nothing, not even what everybody may read."""
    ana, mallory = far.person("ana"), evil.person("mallory", key=1)
    here.publications.posts[1] = Publication(POST, public=True)
    assert (await here.send(asking(here, "/p/1", ana))).status_code == 200
    for request in (
        asking(here, "/p/1", ana, key_id=mallory.key_id),
        asking(here, "/p/1", mallory, key_id=ana.key_id),
        asking(here, "/p/1", ana, signed_target="/p/2"),
        asking(here, "/p/1", ana, host="other.example").changed("Host", DOMAIN),
        asking(here, "/p/1", ana, method="POST").replaced(body=b""),
    ):
        made = Signed("GET", request.target, request.headers, b"")
        assert (await here.send(made)).status_code in (400, 401)
    stale = asking(here, "/p/1", ana)
    assert (await here.send(stale.changed("Date", "Mon, 23 Nov 2020 10:00:00 GMT"))).status_code == 401


async def test_who_asks_is_the_actor_whose_key_it_is_and_nobody_else(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    here.publications.posts[1] = Publication(POST, public=True)
    await here.send(asking(here, "/p/1", ana))
    await here.send(asking(here, "/p/1", ana).without("Signature"))
    actor = await here.actor(ana.uri)
    assert actor is not None
    assert here.publications.asked_by == [Requester(actor.id, far.authority), NOBODY]


async def test_s119_a_blocked_server_reads_nothing_and_is_asked_nothing(here: Receiver, canary: ScriptedPeer) -> None:
    spy = canary.person("spy")
    here.publications.posts[1] = Publication(POST, public=True)
    await here.context.database.write(set_level, canary.authority, "suspend")
    await here.context.peers.refresh(here.context.database, here.clock())
    assert (await here.send(asking(here, "/p/1", spy))).status_code == 403
    assert (await here.get("/p/1")).status_code == 200


async def test_a_server_that_cannot_be_asked_for_its_key_may_come_again(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    here.publications.posts[1] = Publication(POST, public=True)
    far.answers["/users/ana"] = response(503)
    answer = await here.send(asking(here, "/p/1", ana))
    assert (answer.status_code, "retry-after" in answer.headers) == (503, True)


async def test_an_allow_list_answers_its_own_and_nobody_who_will_not_say(here: Receiver, far: ScriptedPeer) -> None:
    """Where only known servers are served, a request without a name is none of theirs."""
    ana = far.person("ana")
    context = here.context
    peers = frozenset({far.server.peer})
    async with receiving(context.database, context.vault, here.clock, peers, mode="allowlist") as strict:
        strict.publications.posts[1] = Publication(POST, public=True)
        assert (await strict.get("/p/1")).status_code == 401
        assert (await strict.send(asking(strict, "/p/1", ana))).status_code == 403
        await context.database.write(set_level, far.authority, "allow")
        await strict.context.peers.refresh(context.database, here.clock())
        assert (await strict.send(asking(strict, "/p/1", ana))).status_code == 200
        assert (await strict.get("/actor")).status_code == 200  # or two such nodes could never meet
    async with receiving(context.database, context.vault, here.clock, peers, mode="off") as silent:
        silent.publications.posts[1] = Publication(POST, public=True)
        assert (await silent.get("/p/1")).status_code == 404
        assert (await silent.send(letter(silent, ana.create(), ana))).status_code == 403


class EndsOnceRead(dict[int, Publication | Ended]):
    """Posts that end between the moment at which one is read and the next."""

    def get(self, post_id: int, default: object = None) -> Publication | Ended | None:  # type: ignore[override]  # one use
        found = super().get(post_id)
        self[post_id] = Ended(POST["id"])
        return found


async def test_what_ends_before_its_reader_is_noted_is_not_given_out(here: Receiver, far: ScriptedPeer) -> None:
    """Nobody would ask that server to delete it."""
    ana = far.person("ana")
    lasting = Publication(POST, public=True, copy=Copy(1, here.clock()))
    here.publications.posts[1] = lasting
    assert (await here.send(asking(here, "/p/1", ana))).json() == POST
    here.publications.posts = EndsOnceRead({1: lasting})
    answer = await here.send(asking(here, "/p/1", ana))
    assert (answer.status_code, "words" in answer.text) == (410, False)


# ── what a cache may keep ────────────────────────────────────────────────────────────────────────────────────────────


async def test_s403_what_depends_on_who_asked_is_kept_by_nobody(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    here.publications.posts[1] = Publication(POST, public=True, html=PAGE)
    here.publications.posts[2] = Publication(POST, public=False)
    here.publications.posts[3] = Ended(f"http://{DOMAIN}/p/3")
    for number, status in ((1, 200), (2, 200), (3, 410), (4, 404)):
        for request in (asking(here, f"/p/{number}", ana), asking(here, f"/p/{number}", ana).without("Signature")):
            answer = await here.send(request)
            assert answer.status_code == status
            kept = answer.headers["cache-control"]
            assert kept == "public, max-age=60" if number == 1 else "no-store" in kept and "public" not in kept
            assert {"Accept", "Signature", "Signature-Input"} <= set(answer.headers["vary"].split(", "))
    unsigned = await here.get("/p/1")
    assert unsigned.json() == POST


async def test_a_refusal_is_kept_by_nobody(here: Receiver, far: ScriptedPeer) -> None:
    """A 401 in a cache would lock everybody out (federation reference §3.6)."""
    ana = far.person("ana")
    here.publications.posts[1] = Publication(POST, public=True)
    answer = await here.send(asking(here, "/p/1", ana, key_id=f"{ana.uri}#other"))
    assert (answer.status_code, answer.headers["cache-control"]) == (401, "no-store")
    assert "Signature" in answer.headers["vary"]


async def test_people_are_sent_to_the_page_and_only_where_they_may_read_it(here: Receiver) -> None:
    here.publications.posts[1] = Publication(POST, public=True, html=PAGE)
    here.publications.posts[2] = Publication(POST, public=False, html=PAGE)
    here.publications.posts[3] = Ended(f"http://{DOMAIN}/p/3")
    to_page = await here.get("/p/1", "text/html")
    assert (to_page.status_code, to_page.headers["location"]) == (302, PAGE)
    assert (await here.get("/p/2", "text/html")).status_code == 404
    assert (await here.get("/p/3", "text/html")).status_code == 410
    assert "words for members" not in (await here.get("/p/2", "text/html")).text


@pytest.mark.parametrize(
    "accept", [ACTIVITY, PROFILED, "application/ld+json", f"text/html;q=0.1, {ACTIVITY}", "APPLICATION/ACTIVITY+JSON"]
)
async def test_every_way_to_ask_for_a_document_gets_the_one_media_type(here: Receiver, accept: str) -> None:
    here.publications.posts[1] = Publication(POST, public=True)
    answer = await here.get("/p/1", accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/activity+json; charset=utf-8")


# ── the node's own actor ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_node_s_own_actor_is_open_to_all_and_lists_the_key_that_it_signs_with(here: Receiver) -> None:
    document = (await here.get("/actor")).json()
    identity = await here.context.keys.instance_identity()
    key = document["publicKey"]
    assert key["id"] == identity.key_id
    assert key["owner"] == document["id"] == f"http://{DOMAIN}/actor"
    signature = identity.private_key.sign(b"proof")
    assert parse_public_key(key["publicKeyPem"]).confirms(signature, b"proof")
    outbox = (await here.get("/actor/outbox")).json()
    assert (outbox["type"], outbox["totalItems"]) == ("OrderedCollection", 0)


async def test_what_is_said_of_hidden_and_of_ended_actors(here: Receiver) -> None:
    kim, club = await make_local(here, "kim"), await make_local(here, "club", "Group")
    assert (await here.get("/u/kim-token")).json()["id"] == kim.uri
    here.publications.hidden.add(club.id)
    missing = await here.get("/g/nobody-token")
    for path in ("", *(f"/{name}" for name in ("outbox", "followers", "following", "moderators", "featured"))):
        answer = await here.get(f"/g/club-token{path}")
        assert (answer.status_code, answer.content) == (missing.status_code, missing.content) == (404, missing.content)
    # A person under a group's address, and the other way round, are not there either.
    assert (await here.get("/g/kim-token")).status_code == (await here.get("/u/club-token")).status_code == 404


# ── hostile addresses ────────────────────────────────────────────────────────────────────────────────────────────────

PLACES = (
    "/u/{}", "/g/{}", "/u/{}/outbox", "/g/{}/followers?page={}", "/p/{}", "/p/{}/replies", "/p/{}/activity", "/a/{}",
    "/r/{}", "/ctx/{}", "/@{}", "/@{}/{}", "/nodeinfo/{}", "/.well-known/webfinger?resource={}",
    f"/.well-known/webfinger?resource=acct:{{}}@{DOMAIN}", f"/.well-known/webfinger?resource=http://{DOMAIN}/@{{}}",
    f"/.well-known/webfinger?resource=http://{DOMAIN}/u/{{}}",
)  # fmt: skip


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@example("/@{}", b"\0")
@example("/@{}", b"x\0y")
@example("/@{}", b"\xed\xa0\x80")
@example("/.well-known/webfinger?resource=http://" + DOMAIN + "/@{}", b"\0")
@example("/p/{}", b"9" * 19)
@example("/p/{}", b"9" * 5_000)
@example("/p/{}", "\u0663".encode())
@example("/p/{}", b"-1")
@example("/u/{}", b"x\r\nSet-Cookie: a=b")
@example("/u/{}", b"' OR 1=1 --")
@example("/u/{}", b"..%2f..%2f")
@example("/nodeinfo/{}", b"{}")
@given(st.sampled_from(PLACES), st.binary(max_size=60) | st.text(max_size=30).map(str.encode))
async def test_no_address_trips_the_node(here: Receiver, place: str, noise: bytes) -> None:
    """Whatever stands in a path or query, on both databases: an answer that says no, and not a header of theirs."""
    target = place.replace("{}", quote(noise, safe=""))
    for accept in (ACTIVITY, "text/html", ""):
        answer = await here.get(target, accept)
        assert answer.status_code in (302, 400, 404, 405), (target, answer.status_code)
        assert "set-cookie" not in answer.headers
        assert answer.status_code != 302 or answer.headers["location"].startswith(f"http://{DOMAIN}/")


async def test_a_key_that_nobody_knows_is_asked_for_once(here: Receiver, far: ScriptedPeer) -> None:
    """GETs are as good a way as POSTs to have us ask others: the same restraint holds (S-115)."""
    ghost = Person(far.url("/users/ghost"), "ghost", rsa_key(4))
    here.publications.posts[1] = Publication(POST, public=True)
    for _ in range(20):
        assert (await here.send(asking(here, "/p/1", ghost))).status_code == 401
    assert far.fetches() == 1
