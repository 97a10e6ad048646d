"""To a large audience: an author waits for one row, everybody gets the activity once, and no order is lost."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, bindparam, delete, func, insert, literal, select

from activitypub.models import Delivery, LedgerEntry, OutboxItem
from activitypub.outbox import claim_deliveries
from activitypub.queueing import Audience, Outgoing, enqueue_for, enqueue_to
from node.database import ThreadedDatabase
from privacy.unit_of_work import UnitOfWork, table_of
from tests.activitypub.spreads import spread_some
from tests.clock import MovableClock
from tests.meanwhile import beside

DELIVERIES, ITEMS, LEDGER = table_of(Delivery), table_of(OutboxItem), table_of(LedgerEntry)
OF = bindparam("audience_of", type_=BigInteger())
LISTED = select(LEDGER.c.host, LEDGER.c.inbox).where(LEDGER.c.object_id == OF)
ALWAYS, NEVER = literal(value=True), literal(value=False)
READERS = Audience("readers", LISTED, ALWAYS)
"""Whoever is in the ledger of an object, as a list that tests can write."""
AUDIENCES = {READERS.name: READERS}
CLUB, POST, THREAD, ACTOR = 70, 5, 700, 9


@dataclass
class Node:
    """The queue of a node."""

    database: ThreadedDatabase
    clock: MovableClock

    def readers(self, count: int, of: int = CLUB) -> list[str]:
        """Let so many servers, five inboxes each, read something."""
        inboxes = [f"https://h{n // 5:04}.example/u/{n}/inbox" for n in range(count)]
        common = {"object_id": of, "via": "push", "ends_at": None}
        rows = [common | {"inbox": inbox, "host": host_of(inbox)} for inbox in inboxes]
        if rows:
            self.database.write_now(lambda uow: uow.connection.execute(insert(LEDGER), rows).close())
        return inboxes

    def say(self, kind: str = "Announce", audience: Audience = READERS, of: int = CLUB, **changes: Any) -> None:
        """Put an activity into the queue for an audience."""
        self.database.write_now(enqueue_for, outgoing(self.clock, kind, **changes), audience, of)

    def spread(self, most: int = 1_000) -> bool:
        """Take one step."""
        return self.database.write_now(spread_some, AUDIENCES, most)

    def waiting(self) -> list[tuple[str, str]]:
        """Return kind and inbox of what waits, in the order in which it was put in."""
        joined = DELIVERIES.join(ITEMS, ITEMS.c.id == DELIVERIES.c.outbox_id)
        query = select(ITEMS.c.kind, DELIVERIES.c.inbox).select_from(joined).order_by(ITEMS.c.id, DELIVERIES.c.inbox)
        return [tuple(row) for row in self.database.read_now(lambda uow: uow.connection.execute(query).fetchall())]

    def items(self) -> int:
        """Return how many activities there are."""
        return self.database.read_now(
            lambda uow: int(uow.connection.execute(select(func.count()).select_from(ITEMS)).scalar_one())
        )

    def holders(self, of: int = POST) -> list[str]:
        """Return who is noted to hold a copy."""
        query = select(LEDGER.c.inbox).where(LEDGER.c.object_id == of).order_by(LEDGER.c.inbox)
        return self.database.read_now(lambda uow: list(uow.connection.execute(query).scalars()))

    def claim(self) -> list[str]:
        """Return the inboxes of what may be sent now."""
        return sorted(it.inbox for it in self.database.write_now(claim_deliveries, busy=(), room=1_000))

    def forget(self) -> None:
        """Empty the queue."""

        def deed(uow: UnitOfWork) -> None:
            for table in (DELIVERIES, ITEMS, LEDGER):
                uow.connection.execute(delete(table))

        self.database.write_now(deed)


def host_of(inbox: str) -> str:
    """Return the host of an inbox."""
    return inbox.split("/")[2]


def outgoing(clock: MovableClock, kind: str, **changes: Any) -> Outgoing:
    """Return an activity about the post."""
    values: Mapping[str, Any] = {
        "actor_id": ACTOR, "kind": kind, "document": {"type": kind}, "object_id": POST, "group_id": CLUB,
        "secrets": None, "ordering_key": THREAD, "expires_at": clock() + timedelta(days=90),
    }  # fmt: skip
    return Outgoing(**{**values, **changes})


@pytest.fixture
def node(database: ThreadedDatabase, clock: MovableClock) -> Node:
    """A node whose audience is read off a list."""
    return Node(database, clock)


def test_the_author_waits_for_one_row_however_many_read(node: Node) -> None:
    node.readers(3_000)
    node.say()
    assert (node.items(), node.waiting(), node.holders()) == (1, [], [])
    node.say(audience=Audience("readers", LISTED, NEVER), object_id=6)
    assert len(node.waiting()) == 3_000, "the control: a small audience is served at once"


def test_everybody_gets_it_once_in_steps_and_is_noted(node: Node) -> None:
    inboxes = node.readers(23)
    node.say()
    steps = 0
    while node.spread(most=5):
        steps += 1
        assert len(node.waiting()) == min(23, 5 * steps)
    assert steps == 5
    assert node.waiting() == [("Announce", inbox) for inbox in sorted(inboxes)]
    assert node.holders() == sorted(inboxes)
    assert node.items() == 1


def test_nothing_is_left_of_what_nobody_is_to_get(node: Node) -> None:
    node.say()
    assert node.items() == 1
    assert node.spread()
    assert not node.spread()
    assert (node.items(), node.waiting()) == (0, [])


def test_who_has_left_before_their_turn_gets_nothing(node: Node) -> None:
    inboxes = sorted(node.readers(10))
    node.say()
    assert node.spread(most=4)
    gone = (LEDGER.c.object_id == CLUB, LEDGER.c.inbox.in_([inboxes[1], inboxes[7]]))
    node.database.write_now(lambda uow: uow.connection.execute(delete(LEDGER).where(*gone)).close())
    while node.spread(most=4):
        pass
    assert [inbox for _, inbox in node.waiting()] == [inbox for n, inbox in enumerate(inboxes) if n != 7]


def test_what_comes_after_in_the_thread_waits_until_all_have_their_delivery(node: Node) -> None:
    inboxes = sorted(node.readers(10))
    reader = inboxes[5]
    node.say()
    assert node.spread(most=4)
    node.claim()
    node.database.write_now(enqueue_to, outgoing(node.clock, "Like", object_id=None), [(host_of(reader), reader)])
    assert reader not in node.claim(), "the thread waits"
    elsewhere = outgoing(node.clock, "Like", object_id=None, ordering_key=THREAD + 1)
    node.database.write_now(enqueue_to, elsewhere, [("z.example", "https://z.example/inbox")])
    assert node.claim() == ["https://z.example/inbox"], "no other thread does"
    while node.spread(most=4):
        pass
    assert node.claim().count(reader) == 1, "what was said first, and only that"
    assert [kind for kind, inbox in node.waiting() if inbox == reader] == ["Announce", "Like"]


def test_a_delete_stops_it_and_goes_to_those_whom_it_reached(node: Node) -> None:
    inboxes = sorted(node.readers(10))
    node.say("Announce")
    assert node.spread(most=4)
    assert len(node.claim()) > 0, "some of it is under way"
    under_way = {inbox for _, inbox in node.waiting()}
    node.say("Delete", of=POST, expires_at=None)
    while node.spread(most=3):
        pass
    told = [inbox for kind, inbox in node.waiting() if kind == "Delete"]
    assert told == inboxes[:4]
    left = {inbox for kind, inbox in node.waiting() if kind == "Announce"}
    assert left < under_way | {"none"}, "what waited is taken back, what is under way keeps its place"
    assert node.holders() == inboxes[:4]


def test_a_delete_before_the_first_step_leaves_nothing_to_send(node: Node) -> None:
    node.readers(10)
    node.say("Announce")
    node.say("Delete", of=POST, expires_at=None)
    while node.spread():
        pass
    assert (node.waiting(), node.items(), node.holders()) == ([], 0, [])


def test_an_edit_takes_the_place_of_one_that_has_not_gone_out(node: Node) -> None:
    inboxes = sorted(node.readers(10))
    node.say("Update")
    assert node.spread(most=4)
    node.say("Update")
    while node.spread(most=4):
        pass
    assert [inbox for _, inbox in node.waiting()] == inboxes, "one each, and it is the newer one"
    assert node.items() == 1


def test_what_has_ended_goes_no_further(node: Node) -> None:
    node.readers(10)
    node.say("Announce")
    node.say("Delete", object_id=6, of=CLUB)
    node.clock.move(timedelta(days=91))
    while node.spread():
        pass
    assert {kind for kind, _ in node.waiting()} == {"Delete"}


def test_a_step_that_fails_is_taken_again_and_nobody_gets_it_twice(node: Node) -> None:
    inboxes = sorted(node.readers(10))
    node.say()

    def interrupted(uow: UnitOfWork) -> None:
        assert spread_some(uow, AUDIENCES, 4)
        raise LookupError

    assert node.spread(most=4)
    with pytest.raises(LookupError):
        node.database.write_now(interrupted)
    while node.spread(most=4):
        pass
    assert [inbox for _, inbox in node.waiting()] == inboxes


async def test_two_workers_at_once_share_the_work(node: Node) -> None:
    inboxes = sorted(node.readers(60))
    for post in (5, 6, 7):
        node.say(object_id=post, ordering_key=post)
    while any(await asyncio.gather(*(node.database.write(spread_some, AUDIENCES, 7) for _ in range(4)))):
        pass
    assert sorted(inbox for _, inbox in node.waiting()) == sorted(inboxes * 3)


def test_an_audience_of_another_version_waits_and_holds_up_no_other_thread(node: Node) -> None:
    node.readers(3)
    later = Audience("of another version", LISTED, ALWAYS)
    node.say(audience=later, object_id=6, ordering_key=THREAD + 1)
    node.say()
    while node.spread():
        pass
    assert len(node.waiting()) == 3
    assert node.claim() != []
    while node.database.write_now(spread_some, AUDIENCES | {later.name: later}, 2):
        pass
    assert len(node.waiting()) == 6, "whoever knows it goes on"


def test_any_history(node: Node) -> None:
    """Whatever is said and however it is cut, each reader has one edit at most, and nothing behind a Delete."""

    @settings(max_examples=40, deadline=None)
    @given(
        st.integers(0, 30), st.integers(1, 12), st.lists(st.sampled_from(["Announce", "Update", "Delete"]), max_size=5)
    )
    def hold(readers: int, most: int, kinds: list[str]) -> None:
        node.forget()
        inboxes = set(node.readers(readers))
        for kind in kinds:
            node.say(kind, of=POST if kind == "Delete" else CLUB)
            node.spread(most)
        while node.spread(most):
            pass
        waiting = node.waiting()
        edits = [each for each in waiting if each[0] == "Update"]
        assert len(set(edits)) == len(edits)
        if kinds and kinds[-1] == "Delete":
            assert {kind for kind, _ in waiting} <= {"Delete"}
            assert {inbox for _, inbox in waiting} <= inboxes
        if "Delete" not in kinds and kinds:
            assert {inbox for _, inbox in waiting} == inboxes

    hold()


def test_a_delete_waits_for_the_step_that_is_noting_who_holds_a_copy(node: Node) -> None:
    """On PostgreSQL both run at once: whoever is being noted just now is told of the end too, whoever deletes it."""
    inboxes = sorted(node.readers(10))
    node.say("Announce", actor_id=ACTOR + 1)
    beside(
        node.database,
        lambda uow: spread_some(uow, AUDIENCES, 4),
        lambda: node.say("Delete", of=POST, expires_at=None),
    ).result()
    while node.spread(4):
        pass
    assert [inbox for kind, inbox in node.waiting() if kind == "Delete"] == inboxes[:4]
    assert node.holders() == inboxes[:4]
