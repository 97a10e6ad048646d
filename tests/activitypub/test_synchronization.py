"""Followers synchronisation (FEP-8fcf): the hash, the header, that both are signed, and what is made of them."""

import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.actors import actor_by_id
from activitypub.delivery import deliver_due
from activitypub.signatures import cavage, rfc9421
from activitypub.signatures.messages import SignedRequest
from activitypub.synchronization import NONE_AT_ALL, Synchronization, digest_of, read_field
from activitypub.uris import Uris
from groups.places import standing_of
from privacy.unit_of_work import UnitOfWork
from tests.activitypub.letters import letter
from tests.activitypub.test_delivery import Node, federation
from tests.activitypub.test_delivery import node as node  # noqa: PLC0414 - a fixture
from tests.activitypub.test_liars import Village, join_club
from tests.activitypub.test_liars import village as village  # noqa: PLC0414 - a fixture
from tests.loopback import LoopbackServer, answers, response
from tests.peers import Person, ScriptedPeer

ACTOR = "https://far.example/users/club"
FIELD = "Collection-Synchronization"
USERS = st.lists(st.integers(0, 99).map(lambda number: f"https://kin.example/u/{number}"), max_size=8)


def test_the_hash_is_that_of_the_proposal() -> None:
    one, two = (f"https://testing.example.org/users/{number}" for number in (1, 2))
    expected = "c33f48cd341ef046a206b8a72ec97af65079f9a3a9b90eef79c5920dce45c61f"
    assert digest_of([one, two]) == digest_of([two, one, two]) == expected
    assert digest_of([]) == NONE_AT_ALL


@given(USERS, USERS)
def test_two_sets_have_one_hash_when_they_are_one(some: list[str], others: list[str]) -> None:
    assert (digest_of(some) == digest_of(others)) is (set(some) == set(others))


def test_what_is_written_is_read() -> None:
    told = Synchronization(f"{ACTOR}/followers", f"{ACTOR}/sync?x=1", digest_of([ACTOR]))
    assert read_field(told.field, ACTOR) == told
    assert read_field(told.field.replace(", ", ","), ACTOR) == told


@pytest.mark.parametrize(
    "text",
    [
        "", "x", 'collectionId="https://far.example/f"', f'collectionId="{ACTOR}/f", url="{ACTOR}/s", digest="12"',
        f'collectionId="{ACTOR}/f", url="https://evil.example/s", digest="{NONE_AT_ALL}"',
        f'collectionId="https://evil.example/f", url="{ACTOR}/s", digest="{NONE_AT_ALL}"',
        f'collectionId="{ACTOR}/f", url="{ACTOR}/s", digest="{NONE_AT_ALL}", url="{ACTOR}/t"',
        f'collectionId="{ACTOR}/f", url="{ACTOR}/s", digest="{NONE_AT_ALL}"' + " " * 6_000,
        f'collectionId="javascript:x", url="{ACTOR}/s", digest="{NONE_AT_ALL}"',
    ],
)  # fmt: skip
def test_what_is_ill_formed_or_of_another_server_says_nothing(text: str) -> None:
    assert read_field(text, ACTOR) is None


# ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("dialect", ["cavage", "rfc9421"])
async def test_the_header_goes_along_signed_and_is_looked_up_once_in_ten_minutes(node: Node, dialect: str) -> None:
    """With what goes to followers, and with nothing else."""
    asked: list[str] = []

    def followers_on(_: UnitOfWork, actor_id: int, host: str) -> Synchronization:
        asked.append(host)
        return Synchronization(f"{ACTOR}/followers", f"{ACTOR}/sync", digest_of([str(actor_id)]))

    script = answers(*[response(202)] * 8) if dialect == "cavage" else answers(response(401), *[response(202)] * 8)
    async with LoopbackServer(script) as peer, federation(node, peer) as context:
        object.__setattr__(context, "followers_on", followers_on)
        for number, kind in enumerate(("Announce", "Update", "Accept"), 1):
            await node.queue([peer.url("/inbox")], number, kind=kind, thread=number)
            await deliver_due(context)
        node.clock.move(timedelta(minutes=11))
        await node.queue([peer.url("/inbox")], 4, kind="Announce", thread=4)
        await deliver_due(context)
    assert asked == [peer.authority] * 2
    sent = {json.loads(seen.body)["number"]: seen for seen in peer.seen}
    assert {number: FIELD.lower() in seen.headers for number, seen in sent.items()} == {
        1: True, 2: True, 3: False, 4: True,
    }  # fmt: skip
    seen = sent[1]
    request = SignedRequest("POST", "/inbox", peer.url("").rstrip("/"), tuple(seen.headers.items()), seen.body)
    read = cavage.read_claim if dialect == "cavage" else rfc9421.read_claim
    claim = read(request, node.clock() - timedelta(minutes=11))
    assert FIELD.lower() in claim.covered
    identity = await context.keys.signing_identity(node.actor_id)
    claim.confirmed_by(identity.private_key.public_key())


async def test_where_nothing_is_to_be_told_there_is_no_header(node: Node) -> None:
    async with LoopbackServer(answers(response(202), response(202))) as peer, federation(node, peer) as context:
        await node.queue([peer.url("/inbox")], 1, kind="Announce")
        await deliver_due(context)
        object.__setattr__(context, "followers_on", lambda *_: None)
        await node.queue([peer.url("/inbox")], 2, kind="Announce")
        await deliver_due(context)
    assert [FIELD.lower() in seen.headers for seen in peer.seen] == [False, False]


# ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def told(club: Person, digest: str, url: str | None = None) -> str:
    """Return the header of a group."""
    return Synchronization(f"{club.uri}/followers", url or f"{club.uri}/sync", digest).field


async def send_with(village: Village, club: Person, value: str, *, signed: bool = True, number: int = 0) -> None:
    """Have a group send something with a header."""
    covered = ["(request-target)", "host", "date", "digest", *([FIELD.lower()] if signed else [])]
    document = club.activity("Announce", f"{club.uri}/nothing/{number}")
    request = letter(village.here, document, club, covered=covered, signed_fields={FIELD.lower(): value})
    assert (await village.here.send(request.with_field(FIELD, value))).status_code == 202
    await village.here.work()


def listed(far: ScriptedPeer, club: Person, *followers: str) -> None:
    """Serve the list of a group's followers here."""
    uri = f"{club.uri}/sync"
    context = {"@context": "https://www.w3.org/ns/activitystreams"}
    far.publish({**context, "id": uri, "type": "OrderedCollection", "orderedItems": list(followers)})


async def mine(village: Village, view: Any) -> tuple[str, str | None]:
    """Return the owner's address, and the state of the owner's place in a group elsewhere."""
    owner = await village.read(actor_by_id, village.owner)
    return owner.uri, (await village.read(standing_of, view.id, village.owner)).state


async def test_whoever_is_not_on_the_list_follows_no_longer(village: Village, far: ScriptedPeer) -> None:
    """The list counts with the very hash that was signed, and is looked at when the two sides differ only."""
    club, view = await join_club(village, far)
    owner, _ = await mine(village, view)
    await send_with(village, club, told(club, digest_of([owner])), number=1)
    assert far.fetches("/users/club/sync") == 0
    listed(far, club, owner)
    await send_with(village, club, told(club, NONE_AT_ALL), number=2)
    assert (far.fetches("/users/club/sync"), (await mine(village, view))[1]) == (1, "active"), "another moment"
    listed(far, club)
    village.here.clock.move(timedelta(days=1))
    await send_with(village, club, told(club, NONE_AT_ALL), signed=False, number=3)
    await send_with(village, club, told(club, NONE_AT_ALL, "https://evil.example/sync"), number=4)
    assert (await mine(village, view))[1] == "active", "not signed, or elsewhere"
    await send_with(village, club, told(club, NONE_AT_ALL), number=5)
    assert (await mine(village, view))[1] == "removed"


async def test_the_same_answer_is_looked_at_once_a_day(village: Village, far: ScriptedPeer) -> None:
    """A sender that repeats itself causes no fetch for each of its activities (S-513)."""
    club, view = await join_club(village, far)
    for number in range(5):
        await send_with(village, club, told(club, NONE_AT_ALL), number=number)
    assert far.fetches("/users/club/sync") == 1
    assert (await mine(village, view))[1] == "active", "there is no such list"


async def test_the_address_of_the_list_is_of_the_node(uris: Uris) -> None:
    group = uris.actor("group", "abc")
    local = uris.parse_local(uris.synchronization(group))
    assert local is not None
    assert (local.kind, local.part) == ("group", "synchronization")
