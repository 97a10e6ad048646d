"""Deliveries to scripted peers: order, pace, patience, and an end to everything (security catalogue R-201 to R-212)."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, bindparam, func, insert, literal, select, update

from activitypub import actors
from activitypub.context import FederationContext, FederationOptions
from activitypub.delivery import deliver_due
from activitypub.dispatch import MAX_IN_FLIGHT
from activitypub.egress import Egress, EgressOptions
from activitypub.keystore import KeyStore, secret_name
from activitypub.models import Actor, Delivery, LedgerEntry, OutboxItem, Peer
from activitypub.outbox import LEASE, Claimed, Outcome, claim_deliveries, record_outcomes
from activitypub.outcomes import Effect, Verdict
from activitypub.peers import KNOWN_TO_ALL, PeerPolicy, lift_level, note_seen, set_level
from activitypub.ports import InboxRoutes, Publications
from activitypub.queueing import Audience, Outgoing, Secrets, enqueue, enqueue_for, enqueue_to
from activitypub.signatures import cavage, rfc9421
from activitypub.signatures.messages import SignedRequest
from activitypub.spreading import spread_due
from activitypub.uris import Uris
from node.database import ThreadedDatabase
from privacy import records
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Place, Vault
from tests.clock import MovableClock
from tests.loopback import LoopbackServer, Script, Seen, answers, by_target, response

DELIVERIES, ITEMS, PEERS, LEDGER = table_of(Delivery), table_of(OutboxItem), table_of(Peer), table_of(LedgerEntry)
KEYS = actors.make_key_pair()
GROUP = 7
THREAD = 70
NOT_HTTP = b"SSH-2.0-OpenSSH\r\n\r\n"
Draw = Callable[[], float]


def middling() -> float:
    return 0.5


@dataclass
class Node:
    """This node, with a clock of its own and some peers."""

    database: ThreadedDatabase
    vault: Vault
    clock: MovableClock
    uris: Uris
    actor_id: int
    key_id: str

    async def write(self, deed: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self.database.write(deed, *args, **kwargs)

    async def queue(
        self,
        inboxes: Sequence[str],
        number: int = 1,
        *,
        kind: str = "Create",
        thread: int = THREAD,
        object_id: int | None = None,
        **changes: Any,
    ) -> int:
        outgoing = Outgoing(
            actor_id=changes.pop("actor_id", self.actor_id),
            kind=kind,
            document={"type": kind, "number": number},
            object_id=object_id,
            group_id=GROUP,
            secrets=changes.pop("secrets", None),
            ordering_key=thread,
            expires_at=changes.pop("expires_at", None),
        )
        assert not changes
        return cast(int, await self.write(enqueue_to, outgoing, [(host_of(inbox), inbox) for inbox in inboxes]))

    async def count(self, table: Any = DELIVERIES) -> int:
        return int(await self.database.read(_count, table))

    async def peer(self, server: LoopbackServer) -> Any:
        return await self.database.read(_peer, server.authority)

    async def deliver(self, *servers: LoopbackServer, **options: Any) -> int:
        async with federation(self, *servers, **options) as context:
            return await deliver_due(context, chance=middling)


def host_of(inbox: str) -> str:
    return inbox.partition("://")[2].partition("/")[0]


def _count(uow: UnitOfWork, table: Any) -> int:
    return int(uow.connection.execute(select(func.count()).select_from(table)).scalar_one())


def _peer(uow: UnitOfWork, host: str) -> Any:
    return uow.connection.execute(select(PEERS).where(PEERS.c.host == host)).first()


def _waits(uow: UnitOfWork) -> list[int]:
    rows = uow.connection.execute(select(DELIVERIES.c.due_at).order_by(DELIVERIES.c.id)).scalars()
    return [round((due_at - uow.now).total_seconds()) for due_at in rows]


def _prove(uow: UnitOfWork, hosts: Sequence[str]) -> None:
    """Make hosts known as ones that took something before."""
    common = {"delivery_class": "microblog", "failures": 0}
    rows = [common | {"host": host, "first_seen_on": uow.now, "last_success_on": uow.now} for host in hosts]
    uow.connection.execute(insert(PEERS), rows)


@asynccontextmanager
async def federation(
    node: Node, *servers: LoopbackServer, audiences: Mapping[str, Audience] = MappingProxyType({}), **options: Any
) -> AsyncIterator[FederationContext]:
    """What a worker of this node works with; these servers may be reached."""
    peers = PeerPolicy()
    peer_addresses = frozenset(server.peer for server in servers)
    egress = Egress(
        EgressOptions("Kinfold/0", peer_addresses, development=True, **options),
        is_refused=peers.is_refused,
        clock=node.clock,
    )
    pool = ThreadPoolExecutor(1)
    try:
        yield FederationContext(
            database=node.database,
            vault=node.vault,
            egress=egress,
            uris=node.uris,
            routes=InboxRoutes({}, lambda thing, _: thing),
            audiences=audiences,
            publications=cast(Publications, None),  # nobody asks for anything here
            keys=KeyStore(node.database, node.clock),
            peers=peers,
            sanitize=str,
            options=FederationOptions(),
            clock=node.clock,
            pool=pool,
        )
    finally:
        await egress.close()
        pool.shutdown()


@pytest.fixture
def node(database: ThreadedDatabase, vault: Vault, clock: MovableClock, uris: Uris) -> Node:
    actor = database.write_now(actors.ensure_instance_actor, uris, KEYS)
    row = database.read_now(lambda uow: uow.connection.execute(select(table_of(Actor).c.key_id)).first())
    assert row is not None
    return Node(database, vault, clock, uris, actor.id, row.key_id)


def numbers(server: LoopbackServer) -> list[int]:
    return [json.loads(seen.body)["number"] for seen in server.seen if seen.method == "POST"]


# ── into the queue ───────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_activity_and_one_delivery_for_each_distinct_inbox(node: Node) -> None:
    known = table_of(Actor)

    def deed(uow: UnitOfWork) -> int:
        for number, inbox in enumerate(["https://a.example/inbox", "https://a.example/inbox", "https://b.example/in"]):
            row = {
                "id": new_id(), "uri": f"https://x.example/{number}", "kind": "Person", "local": False, "handle": "x",
                "host": host_of(inbox), "inbox": inbox, "locked": False, "state": "active", "created_on": uow.now,
                "bucket": "b", "slot": 1, "revision": 0,
            }  # fmt: skip
            uow.connection.execute(insert(known), row)
        outgoing = Outgoing(node.actor_id, "Create", {"type": "Create"}, 5, GROUP, None, THREAD, uow.now)
        query = select(known.c.host, known.c.inbox).where(known.c.local.is_(False))
        assert enqueue(uow, outgoing, query.where(known.c.host == "nobody.example")) == 0
        return enqueue(uow, outgoing, query)

    assert await node.write(deed) == 2
    assert (await node.count(), await node.count(ITEMS), await node.count(LEDGER)) == (2, 1, 2)
    rows = await node.database.read(lambda uow: uow.connection.execute(select(LEDGER).order_by(LEDGER.c.host)).all())
    assert [(row.object_id, row.host, row.inbox, row.via) for row in rows] == [
        (5, "a.example", "https://a.example/inbox", "push"),
        (5, "b.example", "https://b.example/in", "push"),
    ]
    assert {row.ends_at for row in rows} == {node.clock() + timedelta(days=90)}


async def test_the_ledger_keeps_one_entry_for_each_inbox(node: Node) -> None:
    for kind in ("Create", "Update", "Announce", "Like", "Delete"):
        await node.queue(["https://a.example/inbox"], kind=kind, object_id=5)
    await node.queue(["https://a.example/inbox"], kind="Follow")
    assert await node.count(LEDGER) == 1


async def test_what_waits_is_sealed(node: Node) -> None:
    await node.queue(["https://a.example/inbox"], kind="Follow")
    body = await node.database.read(lambda uow: uow.connection.execute(select(ITEMS.c.body)).scalar())
    assert b"Follow" not in body


@pytest.mark.parametrize(("kind", "left"), [("Delete", ["Delete"]), ("Update", ["Create", "Update"])])
async def test_r_204_what_is_pointless_is_taken_back(node: Node, kind: str, left: list[str]) -> None:
    inbox, other = "https://a.example/inbox", "https://b.example/inbox"
    await node.queue([inbox, other], kind="Create", object_id=5)
    await node.queue([inbox], kind="Update", object_id=5)
    await node.queue([inbox], kind="Create", object_id=6)
    await node.queue([inbox], kind=kind, object_id=5)

    def kinds(uow: UnitOfWork) -> list[str]:
        joined = DELIVERIES.join(ITEMS, ITEMS.c.id == DELIVERIES.c.outbox_id)
        query = select(ITEMS.c.kind).select_from(joined).where(DELIVERIES.c.inbox == inbox, ITEMS.c.object_id == 5)
        return list(uow.connection.execute(query.order_by(DELIVERIES.c.id)).scalars())

    assert await node.database.read(kinds) == left
    assert await node.count() == len(left) + 2


# ── out of the queue ─────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_activity_arrives_once_signed_by_its_actor(node: Node) -> None:
    async with LoopbackServer(answers(response(202))) as peer:
        await node.queue([peer.url("/inbox"), peer.url("/u/1/inbox")])
        assert await node.deliver(peer) == 2
        assert await node.deliver(peer) == 0
    assert sorted(seen.target for seen in peer.seen) == ["/inbox", "/u/1/inbox"]
    assert (await node.count(), await node.count(ITEMS)) == (0, 0)
    for seen in peer.seen:
        assert seen.body == b'{"type":"Create","number":1}'
        headers = tuple(seen.headers.items())
        request = SignedRequest("POST", seen.target, peer.url(""), headers, seen.body)
        claim = cavage.read_claim(request, node.clock())
        claim.confirmed_by(KEYS.rsa.public_key())
        assert claim.key_id == node.key_id


async def test_the_whole_of_a_wide_fan_out_arrives(node: Node) -> None:
    async with (
        LoopbackServer(answers(response(202))) as first,
        LoopbackServer(answers(response(202)), "127.0.0.3") as second,
    ):
        inboxes = [server.url(f"/u/{n}/inbox") for n in range(60) for server in (first, second)]
        await node.queue(inboxes)
        assert await node.deliver(first, second) == 120
        assert sorted(seen.target for seen in first.seen) == sorted(f"/u/{n}/inbox" for n in range(60))
        assert len({seen.target for seen in second.seen}) == 60
    assert await node.count(ITEMS) == 0


@pytest.mark.parametrize("status", [301, 307, 400, 403, 404, 405, 406, 410, 413, 415, 422, 451, 501])
async def test_final_statuses_end_it(node: Node, status: int) -> None:
    async with (
        LoopbackServer(answers(b"")) as peer,
        LoopbackServer(answers(response(202)), "127.0.0.3") as elsewhere,
    ):
        peer.script = answers(response(status, headers={"Location": elsewhere.url("/inbox")}))
        await node.queue([peer.url("/inbox")])
        assert await node.deliver(peer, elsewhere) == 1
        assert elsewhere.connections == 0
    assert (await node.count(), await node.count(ITEMS)) == (0, 0)


@pytest.mark.parametrize("status", [401, 408, 425, 429, 500, 502, 503, 504])
async def test_other_statuses_are_tried_again(node: Node, status: int) -> None:
    asked = 2 if status == 401 else 1  # a signature that was not understood is made once more in the other dialect
    async with LoopbackServer(answers(*[response(status)] * asked, response(202))) as peer:
        await node.queue([peer.url("/inbox")])
        assert await node.deliver(peer) == 1
        assert await node.deliver(peer) == 0
        assert await node.count() == 1
        node.clock.move(timedelta(minutes=20))
        assert await node.deliver(peer) == 1
    assert await node.count() == 0
    assert numbers(peer) == [1] * (asked + 1)
    signatures = [seen.headers["signature"] for seen in peer.seen]
    assert len(set(signatures)) == asked + 1  # signed at the moment of sending


async def test_r_207_retry_after_holds_the_whole_host(node: Node) -> None:
    async with LoopbackServer(answers(response(429, headers={"Retry-After": "120"}), response(202))) as peer:
        await node.write(_prove, [peer.authority])
        await node.queue([peer.url("/inbox")], 1)
        assert await node.deliver(peer) == 1
        await node.queue([peer.url("/inbox")], 2, thread=71)
        node.clock.move(timedelta(seconds=119))
        assert await node.deliver(peer) == 0
        node.clock.move(timedelta(seconds=1))
        assert await node.deliver(peer) == 2
    assert sorted(numbers(peer)) == [1, 1, 2]
    assert (await node.peer(peer)).failures == 0


async def test_a_thread_keeps_its_order_and_holds_up_no_other(node: Node) -> None:
    async with LoopbackServer(answers(response(500), response(202))) as peer:
        await node.queue([peer.url("/inbox")], 1)
        await node.queue([peer.url("/inbox")], 2)
        assert await node.deliver(peer) == 1
        await node.queue([peer.url("/inbox")], 3)
        await node.queue([peer.url("/inbox")], 4, thread=71)
        assert await node.deliver(peer) == 1
        assert numbers(peer) == [1, 4]
        node.clock.move(timedelta(minutes=1))
        assert await node.deliver(peer) == 3
    assert numbers(peer) == [1, 4, 1, 2, 3]


async def test_a_final_refusal_does_not_hold_up_what_comes_after(node: Node) -> None:
    async with LoopbackServer(answers(response(422), response(202))) as peer:
        for number in (1, 2, 3):
            await node.queue([peer.url("/inbox")], number)
        assert await node.deliver(peer) == 3
    assert numbers(peer) == [1, 2, 3]


class Gate:
    """A script that lets nobody out until it is opened, and knows how many were in at once."""

    def __init__(self, wanted: int) -> None:
        self.wanted = wanted
        self.inside = 0
        self.most = 0
        self.full = asyncio.Event()
        self.open = asyncio.Event()

    async def __call__(self, _: Seen, writer: asyncio.StreamWriter) -> None:
        self.inside += 1
        self.most = max(self.most, self.inside)
        if self.inside == self.wanted:
            self.full.set()
        await self.open.wait()
        self.inside -= 1
        writer.write(response(202))
        await writer.drain()


def telling(arrived: asyncio.Event) -> Script:
    """A script that takes what comes, and tells that something came."""

    async def script(_: Seen, writer: asyncio.StreamWriter) -> None:
        arrived.set()
        writer.write(response(202))
        await writer.drain()

    return script


@pytest.mark.parametrize(("proven", "at_once"), [(True, 8), (False, 2)])
async def test_a_host_has_a_few_at_once(node: Node, *, proven: bool, at_once: int) -> None:
    gate, arrived = Gate(at_once), asyncio.Event()
    async with LoopbackServer(gate) as peer, LoopbackServer(telling(arrived), "127.0.0.3") as other:
        if proven:
            await node.write(_prove, [peer.authority])
        for number in range(20):
            await node.queue([peer.url("/inbox")], number, thread=number)
        sending = asyncio.create_task(node.deliver(peer, other))
        await asyncio.wait_for(gate.full.wait(), 10)
        # One that came too early would be inside by the time that a newcomer to another host is through.
        await node.queue([other.url("/inbox")])
        await asyncio.wait_for(arrived.wait(), 10)
        assert gate.most == at_once
        gate.open.set()
        await sending
    assert sorted(numbers(peer)) == list(range(20))
    assert gate.most <= 8


async def test_r_206_slow_hosts_do_not_delay_a_fast_one(node: Node) -> None:
    gates = [Gate(1) for _ in range(40)]
    arrived = asyncio.Event()
    slow = [LoopbackServer(gate, f"127.0.1.{n + 1}") for n, gate in enumerate(gates)]
    async with LoopbackServer(telling(arrived)) as fast, AsyncExitStack() as stack:
        for server in slow:
            await stack.enter_async_context(server)
        for number, server in enumerate(slow):
            for thread in range(4):
                await node.queue([server.url("/inbox")], number, thread=thread)
        sending = asyncio.create_task(node.deliver(fast, *slow))
        await asyncio.wait_for(asyncio.gather(*(gate.full.wait() for gate in gates)), 20)
        await node.queue([fast.url("/inbox")], 99)
        await asyncio.wait_for(arrived.wait(), 20)
        assert all(gate.inside for gate in gates)  # every slow one is still at it
        for gate in gates:
            gate.open.set()
        assert await sending == 4 * len(slow) + 1
    assert await node.count() == 0
    assert MAX_IN_FLIGHT >= 64


async def test_a_dead_host_costs_one_probe_for_each_step(node: Node) -> None:
    async with LoopbackServer(answers(NOT_HTTP)) as peer, LoopbackServer(answers(response(202)), "127.0.0.3") as well:
        for number in range(30):
            await node.queue([peer.url("/inbox")], number, thread=number)
        assert await node.deliver(peer, well) == 2  # an unknown host gets two at once
        assert (await node.peer(peer)).failures == 1
        steps = [10, 60, 300, 900, 3_600, 7_200, 14_400, 21_600]
        for failures, step in enumerate(steps, start=2):
            await node.queue([well.url("/inbox")], failures)
            node.clock.move(timedelta(seconds=step - 1))
            assert await node.deliver(peer, well) == 1  # the healthy one
            node.clock.move(timedelta(seconds=1))
            assert await node.deliver(peer, well) == 1
            assert (await node.peer(peer)).failures == failures
        await node.queue([peer.url("/inbox")], 30, thread=30)
        assert await node.deliver(peer, well) == 0  # what is new waits with the rest
        peer.script, before = answers(response(202)), peer.connections
        node.clock.move(timedelta(hours=6))
        assert await node.deliver(peer, well) == 31
        assert peer.connections - before <= 8
    assert sorted(set(numbers(peer))) == list(range(31))
    assert (await node.count(), (await node.peer(peer)).failures, (await node.peer(peer)).closed_until) == (0, 0, None)
    assert len(numbers(well)) == len(steps)


async def test_five_errors_of_its_own_close_a_host(node: Node) -> None:
    async with LoopbackServer(answers(response(500))) as peer:
        for number in range(30):
            await node.queue([peer.url("/inbox")], number, thread=number)
        attempts = await node.deliver(peer)
        assert (await node.peer(peer)).failures == 5
        assert attempts == 6  # two at once in the beginning, then one at a time
        assert min(await node.database.read(_waits)) > 0


async def test_r_205_a_refusal_neither_closes_nor_heals(node: Node) -> None:
    async with LoopbackServer(answers(response(500), response(404))) as peer:
        await node.queue([peer.url("/inbox")], 1, thread=1)
        await node.deliver(peer)
        await node.queue([peer.url("/inbox")], 2, thread=2)
        await node.deliver(peer)
    assert (await node.peer(peer)).failures == 1


async def test_a_dead_host_loses_its_queue_after_a_week_and_last_words_after_a_month(node: Node) -> None:
    async with LoopbackServer(answers(NOT_HTTP)) as peer:
        for thread in range(5):
            await node.queue([peer.url("/inbox")], thread, thread=thread)
        await node.queue([peer.url("/inbox")], 9, thread=9, kind="Delete", object_id=5)
        for _ in range(40):
            node.clock.move(timedelta(hours=6))
            await node.deliver(peer)
        assert await node.count() == 1
        for _ in range(120):
            node.clock.move(timedelta(hours=6))
            await node.deliver(peer)
    assert (await node.count(), await node.count(ITEMS)) == (0, 0)


async def test_r_211_a_clock_that_jumps_empties_no_queue(node: Node) -> None:
    async with LoopbackServer(answers(NOT_HTTP, NOT_HTTP, NOT_HTTP, response(202))) as peer:
        for thread in range(5):
            await node.queue([peer.url("/inbox")], thread, thread=thread)
        await node.deliver(peer)
        node.clock.move(timedelta(days=3_650))
        await node.deliver(peer)
        assert await node.count() == 5
        node.clock.move(timedelta(days=1))
        assert await node.deliver(peer) == 5
    assert await node.count() == 0


async def seal_post(node: Node) -> tuple[Secrets, int]:
    await node.write(lambda uow: uow.vault.make_subject(3))
    place = Place("posts", 5, 0, GROUP)
    sealed = node.vault.seal(place, b"words", kind="post", subject_id=3, now=node.clock())
    return Secrets(3, sealed.bucket, sealed.slot), sealed.slot


async def test_what_is_shredded_is_never_sent(node: Node) -> None:
    shared, slot = await seal_post(node)
    async with LoopbackServer(answers(response(202))) as peer:
        await node.queue([peer.url("/inbox")], 1, secrets=shared)
        assert await node.deliver(peer) == 1  # control
        await node.queue([peer.url("/inbox")], 2, secrets=shared, object_id=5)
        await node.queue([peer.url("/inbox")], 3, secrets=shared, object_id=5, kind="Delete")
        node.vault.destroy(node.clock(), slots=[slot])
        await node.deliver(peer)
    assert numbers(peer) == [1, 3]
    assert (await node.count(), await node.count(ITEMS)) == (0, 0)


async def test_what_has_ended_is_never_sent_but_its_delete_is(node: Node) -> None:
    async with LoopbackServer(answers(response(202))) as peer:
        soon = node.clock() + timedelta(seconds=10)
        await node.queue([peer.url("/inbox")], 1, expires_at=soon)
        await node.deliver(peer)  # control
        await node.queue([peer.url("/inbox")], 2, expires_at=soon)
        await node.queue([peer.url("/inbox")], 3, expires_at=soon, kind="Delete")
        node.clock.move(timedelta(seconds=10))
        await node.deliver(peer)
    assert numbers(peer) == [1, 3]
    assert await node.count() == 0


async def test_nothing_is_sent_for_an_actor_without_a_key(node: Node) -> None:
    async with LoopbackServer(answers(response(202))) as peer:
        await node.queue([peer.url("/inbox")], 1)
        await node.deliver(peer)  # control
        await node.queue([peer.url("/inbox")], 2)
        await node.queue([peer.url("/inbox")], 3, actor_id=new_id())
        node.vault.destroy(node.clock(), names=[secret_name(node.actor_id)])
        await node.deliver(peer)
    assert numbers(peer) == [1]
    assert (await node.count(), await node.count(ITEMS)) == (0, 0)


async def test_suspended_hosts_get_nothing(node: Node) -> None:
    async with (
        LoopbackServer(answers(response(202))) as peer,
        LoopbackServer(answers(response(202)), "127.0.0.3") as other,
    ):
        await node.queue([peer.url("/inbox"), other.url("/inbox")])
        await node.write(set_level, peer.authority, "suspend")
        await node.deliver(peer, other)
        assert (peer.connections, other.connections) == (0, 1)
    assert await node.count() == 0


@pytest.mark.parametrize("kind", ["Delete", "Reject", "Undo"])
@pytest.mark.parametrize("suspended_first", [True, False])
async def test_what_takes_back_waits_until_the_server_is_let_in_again(
    node: Node, kind: str, suspended_first: bool
) -> None:
    """For days, which are no attempts; words that wait meanwhile are dropped."""
    async with LoopbackServer(answers(response(202))) as peer:
        await node.write(note_seen, peer.authority)
        if not suspended_first:
            await node.queue([peer.url("/inbox")], 1, kind=kind, object_id=5)
        await node.write(set_level, "127.0.0.2", "suspend")
        if suspended_first:
            await node.queue([peer.url("/inbox")], 1, kind=kind, object_id=5)
        await node.queue([peer.url("/inbox")], 2, object_id=6, thread=THREAD + 1)
        for _ in range(160):
            await node.deliver(peer)
            node.clock.move(timedelta(hours=1))
        await node.deliver(peer)
        assert (peer.connections, await node.count()) == (0, 1)
        await node.write(lift_level, "127.0.0.2")
        node.clock.move(KNOWN_TO_ALL)
        await node.deliver(peer)
        assert numbers(peer) == [1]
    assert (await node.count(), await node.count(ITEMS)) == (0, 0)


@pytest.mark.parametrize(("kind", "days"), [("Delete", 30), ("Undo", 7)])
async def test_what_takes_back_does_not_wait_for_ever(node: Node, kind: str, days: int) -> None:
    async with LoopbackServer(answers(response(202))) as peer:
        await node.write(set_level, peer.authority, "suspend")
        await node.queue([peer.url("/inbox")], 1, kind=kind, object_id=5)
        node.clock.move(timedelta(days=days, seconds=-1))
        await node.deliver(peer)
        assert await node.count() == 1
        node.clock.move(timedelta(hours=1))
        await node.deliver(peer)
    assert (peer.connections, await node.count(), await node.count(ITEMS)) == (0, 0, 0)


async def test_s308_whose_server_is_held_off_is_reached_by_no_other_s_inbox(node: Node) -> None:
    async with LoopbackServer(answers(response(202))) as peer:
        outgoing = Outgoing(node.actor_id, "Create", {"type": "Create", "number": 1}, 5, GROUP, None, THREAD, None)
        await node.write(set_level, "bad.example", "suspend")
        await node.write(enqueue_to, outgoing, [("sub.bad.example", peer.url("/bad")), ("ok.example", peer.url("/ok"))])
        await node.deliver(peer)
        assert [seen.target for seen in peer.seen] == ["/ok"]


async def test_an_inbox_that_is_gone_gets_nothing_more_and_its_actor_is_asked_after(node: Node) -> None:
    async with LoopbackServer(answers(b"")) as peer:
        peer.script = by_target(
            {
                "/u/1/inbox": response(410),
                "/u/1": response(410),
                "/u/2/inbox": response(410),
                "/u/2": response(500),
                "/inbox": response(202),
            }
        )

        def remember(uow: UnitOfWork) -> None:
            for number in (1, 2):
                uri = peer.url(f"/u/{number}")
                row = {
                    "id": new_id(), "uri": uri, "kind": "Person", "local": False, "handle": f"x{number}",
                    "host": peer.authority, "inbox": f"{uri}/inbox", "locked": False, "state": "active",
                    "created_on": uow.now, "bucket": "b", "slot": number, "revision": 0,
                }  # fmt: skip
                uow.connection.execute(insert(table_of(Actor)), row)

        await node.write(remember)
        for thread in range(3):
            await node.queue([peer.url("/u/1/inbox"), peer.url("/u/2/inbox")], thread, thread=thread)
        await node.queue([peer.url("/inbox")], 9)
        await node.deliver(peer)
        known = table_of(Actor)
        query = select(known.c.state).where(known.c.local.is_(False)).order_by(known.c.handle)
        states = await node.database.read(lambda uow: list(uow.connection.execute(query).scalars()))
    assert states == ["gone", "active"]
    assert await node.count() == 0
    assert len([seen for seen in peer.seen if seen.target == "/u/1/inbox"]) < 3


# ── two workers ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def claim(node: Node, room: int = 10) -> list[Claimed]:
    return cast(list[Claimed], await node.write(claim_deliveries, busy=frozenset(), room=room))


async def test_r_201_a_lease_ends_and_the_late_finisher_is_fenced_off(node: Node) -> None:
    await node.queue(["https://a.example/inbox"])
    (first,) = await claim(node)
    assert await claim(node) == []
    node.clock.move(LEASE)
    (second,) = await claim(node)
    assert (second.id, second.attempts) == (first.id, 2)
    done = Verdict(Effect.NEUTRAL)
    await node.write(record_outcomes, [Outcome(first, done)], 0.5)
    await node.write(record_outcomes, [Outcome(first, Verdict(Effect.NEUTRAL, node.clock()))], 0.5)
    assert await node.count() == 1
    assert await claim(node) == []
    await node.write(record_outcomes, [Outcome(second, done)], 0.5)
    assert (await node.count(), await node.count(ITEMS)) == (0, 0)


async def test_a_claim_takes_no_more_than_there_is_room_for(node: Node) -> None:
    for number in range(6):
        await node.queue([f"https://h{number}.example/inbox"], number)
    first, second = await claim(node, 4), await claim(node, 4)
    assert [len(first), len(second)] == [4, 2]
    assert len({it.id for it in first + second}) == 6


async def test_r_212_what_was_not_sent_is_given_back(node: Node) -> None:
    gate = Gate(2)
    async with LoopbackServer(gate) as peer:
        for thread in range(3):
            await node.queue([peer.url("/inbox")], thread, thread=thread)
        sending = asyncio.create_task(node.deliver(peer))
        await asyncio.wait_for(gate.full.wait(), 10)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert await node.database.read(_waits) == [0, 0, 0]
        gate.open.set()
        assert await node.deliver(peer) == 3
    assert await node.count() == 0


async def test_r_210_a_poisoned_delivery_ends_and_others_do_not_suffer(node: Node) -> None:
    async with LoopbackServer(answers(response(202))) as peer:
        await node.queue([peer.url("/inbox")], 1, thread=1)
        await node.queue([peer.url("/inbox")], 2, thread=2)
        first = select(func.min(DELIVERIES.c.id)).scalar_subquery()
        spoil = update(DELIVERIES).where(DELIVERIES.c.id == first).values(attempts=1_000)
        await node.write(lambda uow: uow.connection.execute(spoil) and None)
        await node.deliver(peer)
    assert numbers(peer) == [2]
    assert await node.count() == 0


@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(st.sampled_from([202, 202, 202, 500, 503, 401, 429, 0]), min_size=5, max_size=30), st.integers(1, 2))
async def test_whatever_happens_a_thread_arrives_in_order(node: Node, moods: list[int], workers: int) -> None:
    """A host with moods (0: no HTTP at all), two workers: each activity arrives, none before the one ahead."""
    taken: dict[int, list[int]] = {0: [], 1: [], 2: []}
    left = list(moods)

    async def moody(seen: Seen, writer: asyncio.StreamWriter) -> None:
        mood = left.pop() if left else 202
        if mood == 202:
            number = json.loads(seen.body)["number"]
            taken[number % 3].append(number)
        writer.write(response(mood) if mood else NOT_HTTP)
        await writer.drain()

    async with LoopbackServer(moody) as peer:
        for number in range(15):
            await node.queue([peer.url("/inbox")], number, thread=number % 3)
        while await node.count():
            node.clock.move(timedelta(hours=7))
            async with federation(node, peer) as one, federation(node, peer) as two:
                await asyncio.gather(*(deliver_due(context, chance=middling) for context in [one, two][:workers]))
    assert taken == {thread: list(range(thread, 15, 3)) for thread in range(3)}


# ── in which dialect ─────────────────────────────────────────────────────────────────────────────────────────────────


def dialect_of(seen: Seen) -> str:
    """Tell in which dialect a request is signed, and that it is signed in one only."""
    is_rfc9421 = "signature-input" in seen.headers
    assert ("content-digest" in seen.headers) is is_rfc9421
    assert ("digest" in seen.headers) is not is_rfc9421
    assert ("keyId=" in seen.headers["signature"]) is not is_rfc9421
    return "rfc9421" if is_rfc9421 else "cavage"


def understands(*dialects: str, otherwise: int = 401) -> Script:
    """Take what is signed in one of these dialects."""

    async def script(seen: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(response(202 if dialect_of(seen) in dialects else otherwise))
        await writer.drain()

    return script


@pytest.mark.parametrize("otherwise", [400, 401])
async def test_who_wants_rfc_9421_gets_it_and_is_remembered_over_a_restart(node: Node, otherwise: int) -> None:
    """One request more, once; and after 30 days it is tried anew (federation reference §3.4)."""
    async with LoopbackServer(understands("rfc9421", otherwise=otherwise)) as peer:
        for number, asked in enumerate((["cavage", "rfc9421"], ["rfc9421"])):
            peer.seen.clear()
            await node.queue([peer.url("/inbox")], number)
            assert await node.deliver(peer) == 1
            assert [dialect_of(seen) for seen in peer.seen] == asked
        (seen,) = peer.seen
        request = SignedRequest("POST", seen.target, peer.url(""), tuple(seen.headers.items()), seen.body)
        rfc9421.verify(request, KEYS.rsa.public_key(), node.clock())
        assert await node.count() == 0
        node.clock.move(timedelta(days=31))
        peer.seen.clear()
        await node.queue([peer.url("/inbox")], 3)
        assert await node.deliver(peer) == 1
        assert [dialect_of(seen) for seen in peer.seen] == ["cavage", "rfc9421"]


async def test_who_takes_cavage_is_never_asked_in_another_dialect(node: Node) -> None:
    """What is refused for another reason is no question of dialect."""
    async with (
        LoopbackServer(understands("cavage", "rfc9421")) as peer,
        LoopbackServer(answers(response(403)), "127.0.0.3") as closed,
    ):
        await node.queue([peer.url("/inbox"), closed.url("/inbox")])
        assert await node.deliver(peer, closed) == 2
        assert [dialect_of(seen) for seen in (*peer.seen, *closed.seen)] == ["cavage", "cavage"]


async def test_who_turns_back_to_cavage_is_followed(node: Node) -> None:
    async with LoopbackServer(understands("rfc9421")) as peer:
        await node.queue([peer.url("/inbox")], 1)
        await node.deliver(peer)
        peer.script = understands("cavage")
        peer.seen.clear()
        for number in (2, 3):
            await node.queue([peer.url("/inbox")], number)
            assert await node.deliver(peer) == 1
        assert [dialect_of(seen) for seen in peer.seen] == ["rfc9421", "cavage", "cavage"]
        assert await node.count() == 0


async def test_who_takes_neither_is_not_asked_in_both_each_time(node: Node) -> None:
    """The delivery waits, as after any 401."""
    async with LoopbackServer(understands()) as peer, federation(node, peer) as context:
        for number, asked in ((1, 2), (2, 1)):
            peer.seen.clear()
            await node.queue([peer.url("/inbox")], number, thread=number)
            assert await deliver_due(context, chance=middling) == 1
            assert len(peer.seen) == asked
        assert await node.count() == 2


# ── to a large audience ──────────────────────────────────────────────────────────────────────────────────────────────

OF = bindparam("audience_of", type_=BigInteger())
LISTED = select(LEDGER.c.host, LEDGER.c.inbox).where(LEDGER.c.object_id == OF)
LARGE = literal(value=True)
READERS = Audience("readers", LISTED, LARGE)
BROKEN = Audience("broken", LISTED.where(func.no_such_function(LEDGER.c.host)), LARGE)


async def test_a_large_audience_is_reached_whatever_cannot_be_spread(node: Node) -> None:
    """A fault in one activity, or one of another version, keeps nothing else from going out."""
    unknown = Audience("of another version", LISTED, LARGE)
    async with LoopbackServer(answers(response(202))) as peer:
        row = {"object_id": 1, "inbox": peer.url("/inbox"), "host": peer.authority, "via": "push", "ends_at": None}
        await node.write(lambda uow: uow.connection.execute(insert(LEDGER), row).close())
        for number, audience in enumerate((replace(BROKEN, recipients=LISTED), unknown, READERS)):
            said = Outgoing(node.actor_id, "Announce", {"number": number}, None, GROUP, None, number + 1, None)
            await node.write(enqueue_for, said, audience, 1)
        known = {each.name: each for each in (READERS, BROKEN)}
        async with federation(node, peer, audiences=known) as context:
            with pytest.raises(Exception, match="no_such_function"):  # the worker's loop outlives it
                await spread_due(context)
            assert await spread_due(context) == 1
            assert await deliver_due(context) == 1
        assert numbers(peer) == [2]
        assert await node.count(ITEMS) == 2
        async with federation(node, peer, audiences={unknown.name: unknown}) as context:
            assert await spread_due(context) == 1
            assert await spread_due(context) == 0
            assert await deliver_due(context) == 1
        assert numbers(peer) == [2, 1]


async def test_what_a_process_with_a_slower_clock_says_later_comes_later(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Delete never goes before its Create, though its process believes that it is earlier."""
    async with LoopbackServer(answers(response(202))) as peer:
        await node.queue([peer.url("/inbox")], 1, object_id=5)
        node.clock.move(-timedelta(hours=1))
        monkeypatch.setattr(records, "_newest", 0)  # as in a process of its own
        await node.queue([peer.url("/inbox")], 2, kind="Like")
        node.clock.move(timedelta(hours=1))
        assert await node.deliver(peer) == 2
        assert numbers(peer) == [1, 2]
