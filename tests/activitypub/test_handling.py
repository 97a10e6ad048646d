"""One activity of the queue, from its opened body to its end: what is fetched for it and how much, and that none of it
disturbs the others (security catalogue S-205, S-308, S-312, S-513, S-615, S-620, S-621, R-102, R-201, R-206, R-210)."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from activitypub import handling, inbox
from activitypub.errors import NeedsObject
from activitypub.handling import DEAD, DONE, MAX_FETCHES, MAX_WISHES, REFUSED, Item, Ready, handle_item, prepare
from activitypub.inbox import LEASE, MAX_ATTEMPTS, claim_batch, postpone, process_due
from activitypub.models import InboxItem
from activitypub.ports import Arrival, InboxRoute, InboxRoutes
from activitypub.vocabulary.activities import Create
from groups.errors import NotAllowed
from privacy.unit_of_work import UnitOfWork, table_of
from tests.activitypub.letters import accepted, letter
from tests.loopback import response
from tests.peers import AS, Json, Person, ScriptedPeer
from tests.receiver import DOMAIN, STATES, Receiver

ITEMS = table_of(InboxItem)


def with_context(note: Json) -> Json:
    """A document as it is served, not embedded."""
    return note | {"@context": AS}


async def take_in(here: Receiver, document: Json, signer: Person) -> None:
    """Receive an activity and leave it in the queue."""
    assert (await here.send(letter(here, document, signer))).status_code == 202


async def outcomes(here: Receiver) -> list[str | None]:
    """How the activities of the queue ended, in order of arrival."""
    query = select(ITEMS.c.outcome).order_by(ITEMS.c.id)
    return await here.context.database.read(lambda uow: list(uow.connection.execute(query).scalars()))


async def row(here: Receiver) -> Any:
    """The only activity of the queue."""
    return await here.context.database.read(lambda uow: uow.connection.execute(select(ITEMS)).one())


# ── what is fetched ──────────────────────────────────────────────────────────────────────────────────────────────────


async def test_what_is_only_named_is_fetched_from_its_own_server(here: Receiver, far: ScriptedPeer) -> None:
    """Signed by the node itself, and outside of any transaction."""
    ana = far.person("ana")
    words = ana.note("fetched")
    far.publish(with_context(words))
    create = ana.activity("Create", words["id"])
    await take_in(here, create, ana)
    await here.work()
    assert await here.marks() == {create["id"]: "Create fetched"}
    assert "signature" in far.server.seen[-1].headers


async def test_s205_what_is_fetched_must_be_its_server_s_own(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer
) -> None:
    """The handler is told that there is nothing, and the lie is not asked for twice."""
    ana, mallory = far.person("ana"), evil.person("mallory", key=1)
    address = evil.url("/notes/1")
    lies: list[bytes] = [
        response(200, b"{}"),
        response(200, b"[]"),
        response(200, b"<html>", content_type="text/html"),
        response(404),
        response(410),
        response(302, headers={"Location": f"http://{DOMAIN}/actor"}),
    ]
    for document in (
        mallory.note("x", id=address, attributedTo=ana.uri),
        mallory.note("x", id=far.url("/users/ana/notes/7")),
        mallory.note("x", id=address, attributedTo=...),
        mallory.note("x", id=address) | {"@graph": []},
        mallory.note("x", id=address) | {"@context": "https://evil.example/context"},
    ):
        evil.publish({"@context": AS} | document, "/notes/1")
        lies.append(evil.answers["/notes/1"])
    for number, lie in enumerate(lies):
        evil.answers["/notes/1"] = lie
        create = mallory.activity("Create", address, published=f"2026-11-23T12:00:{number:02}Z")
        await take_in(here, create, mallory)
        await here.work()
        assert (await here.marks())[create["id"]] == "Create unavailable"
        here.clock.move(timedelta(minutes=11))
    evil.publish(with_context(mallory.note("true", id=address)))
    honest = mallory.activity("Create", address)
    await take_in(here, honest, mallory)
    await here.work()
    assert (await here.marks())[honest["id"]] == "Create true"


async def test_nothing_of_ours_is_fetched_from_ourselves(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("honest"), ana))
    for address in (f"http://{DOMAIN}/p/1", f"HTTP://{DOMAIN}/p/1", f"http://{DOMAIN}/u/x#y"):
        create = ana.activity("Create", address)
        await take_in(here, create, ana)
        await here.work()
        assert (await here.marks()).get(create["id"]) in (None, "Create unavailable")


@pytest.mark.parametrize(
    "address",
    ["http://127.0.0.1/", "http://[::1]/", "http://169.254.169.254/latest/meta-data", "http://10.0.0.1/x", "http://0/",
     "https://localhost/x", "https://kin.local/x", "ftp://far.example/x", "file:///etc/passwd", "https://a@b.example/"],
)  # fmt: skip
async def test_s501_s504_s505_an_activity_does_not_lead_us_inside(
    here: Receiver, far: ScriptedPeer, address: str
) -> None:
    """Neither by what it names nor by where its server sends us on to; the honest address beside it is read."""
    ana = far.person("ana")
    words = ana.note("fetched")
    far.publish(with_context(words))
    far.answers["/on"] = response(302, headers={"Location": address})
    for number, named in enumerate((address, far.url("/on"))):
        create = ana.activity("Create", named, published=f"2026-11-23T12:00:0{number}Z")
        assert (await here.send(letter(here, create, ana))).status_code in (202, 400)
        await here.work()
        assert (await here.marks()).get(create["id"]) in (None, "Create unavailable")
    honest = ana.activity("Create", words["id"])
    await take_in(here, honest, ana)
    await here.work()
    assert (await here.marks())[honest["id"]] == "Create fetched"


def wishing(here: Receiver, base: str) -> list[int]:
    """Have the handler wish for one document after the other, for ever; return how many it saw at each call."""
    calls: list[int] = []

    def handle(uow: UnitOfWork, arrival: Arrival, prepared: Any) -> None:
        known = len(arrival.fetched) + len(arrival.unavailable)
        calls.append(known)
        raise NeedsObject(f"{base}/{known}")

    routes = InboxRoutes({Create: InboxRoute(lambda activity: activity, handle)}, lambda found, _: found)
    object.__setattr__(here.context, "routes", routes)
    return calls


async def test_s513_s312_one_activity_causes_ten_fetches_at_most(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer
) -> None:
    """However its handler is led on: the eleventh wish is told no, and the forty-first ends it."""
    ana = far.person("ana")
    calls = wishing(here, evil.url("/chain"))
    await take_in(here, ana.create("x"), ana)
    await here.work()
    assert evil.fetches() == MAX_FETCHES
    assert len(calls) == MAX_WISHES
    assert await outcomes(here) == [REFUSED]
    assert (await row(here)).body is None


async def test_s308_a_document_of_a_blocked_server_is_not_asked_for(
    here: Receiver, far: ScriptedPeer, canary: ScriptedPeer
) -> None:
    ana = far.person("ana")
    await take_in(here, ana.activity("Create", canary.url("/notes/1")), ana)
    here.context.peers.replace({canary.authority: "suspend"}, here.clock())
    await here.work()
    assert list((await here.marks()).values()) == ["Create unavailable"]


# ── how it ends ──────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_s620_r210_one_that_trips_us_comes_again_and_stops_nobody(here: Receiver, far: ScriptedPeer) -> None:
    """Each time after a longer pause, and after the eighth it is buried, without its words."""
    ana = far.person("ana")
    poison = ana.create("poison")
    here.failing.add(poison["id"])
    for number in range(3):
        await take_in(here, ana.create(f"before {number}"), ana)
    await take_in(here, poison, ana)
    for number in range(3):
        await take_in(here, ana.create(f"after {number}"), ana)
    await here.work()
    assert len(await here.marks()) == 6
    for _ in range(MAX_ATTEMPTS + 1):
        here.clock.move(timedelta(hours=7))
        await here.work()
    assert sorted(filter(None, await outcomes(here))) == sorted([DEAD] + [DONE] * 6)
    here.failing.clear()
    here.clock.move(timedelta(days=1))
    assert await here.work() == 0
    assert poison["id"] not in await here.marks()


async def test_s620_r210_one_that_heals_is_taken_in_late(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    create = ana.create("late")
    here.failing.add(create["id"])
    await take_in(here, create, ana)
    await here.work()
    assert await here.marks() == {}
    here.failing.clear()
    assert await here.work() == 0
    here.clock.move(timedelta(seconds=11))
    await here.work()
    assert await here.marks() == {create["id"]: "Create late"}


async def test_s620_one_whose_preparation_trips_us_takes_no_other_along(
    here: Receiver, far: ScriptedPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch is prepared in one go; a fault in one of it must not cost the rest."""
    ana = far.person("ana")
    for text in ("one", "two", "three"):
        await take_in(here, ana.create(text), ana)
    true = here.context.routes.by_type[Create]

    def tripping(activity: Any) -> Any:
        prepared = true.prepare(activity)
        if prepared.words == "two":
            raise ZeroDivisionError
        return prepared

    routes = InboxRoutes({Create: InboxRoute(tripping, true.handle)}, here.context.routes.prepare_fetched)
    object.__setattr__(here.context, "routes", routes)
    await here.work()
    assert sorted((await here.marks()).values()) == ["Create one", "Create three"]
    object.__setattr__(here.context, "routes", InboxRoutes({Create: true}, routes.prepare_fetched))
    here.clock.move(LEASE + timedelta(seconds=1))
    await here.work()
    assert len(await here.marks()) == 3


async def test_r102_what_a_handler_did_before_it_failed_is_undone(here: Receiver, far: ScriptedPeer) -> None:
    """All or nothing, and the row that asks for it is still there."""
    ana = far.person("ana")
    fail = [True]

    def handle(uow: UnitOfWork, arrival: Arrival, prepared: Any) -> None:
        uow.connection.execute(STATES.insert().values(name=f"half of {prepared.id}", value="x"))
        if fail:
            raise ZeroDivisionError

    object.__setattr__(
        here.context, "routes", InboxRoutes({Create: InboxRoute(lambda it: it, handle)}, lambda found, _: found)
    )
    await take_in(here, ana.create("x"), ana)
    await here.work()
    assert await here.marks() == {}
    assert (await row(here)).body is not None
    fail.clear()
    here.clock.move(timedelta(minutes=1))
    await here.work()
    assert len(await here.marks()) == 1


async def test_a_refusal_by_the_floor_above_is_final_and_leaves_nothing(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")

    def handle(uow: UnitOfWork, arrival: Arrival, prepared: Any) -> None:
        uow.connection.execute(STATES.insert().values(name="half", value="x"))
        raise NotAllowed("no")

    object.__setattr__(
        here.context, "routes", InboxRoutes({Create: InboxRoute(lambda it: it, handle)}, lambda found, _: found)
    )
    await take_in(here, ana.create("x"), ana)
    await here.work()
    assert (await here.marks(), await outcomes(here)) == ({}, [REFUSED])
    assert (await row(here)).body is None


async def test_r201_a_late_worker_is_fenced_off(here: Receiver, far: ScriptedPeer) -> None:
    """Whose lease has ended finds that another has the row, and does nothing."""
    ana = far.person("ana")
    await take_in(here, ana.create("x"), ana)
    database = here.context.database
    slow = await database.write(claim_batch)
    here.clock.move(LEASE + timedelta(seconds=1))
    quick = await database.write(claim_batch)
    assert [item.id for item in slow.items] == [item.id for item in quick.items]
    assert (await database.write(claim_batch)).items == ()
    ready = prepare(here.context, slow.items[0], slow.senders[slow.items[0].signer_id])
    assert isinstance(ready, Ready)
    arrival = Arrival(ready.sender, here.clock(), {}, frozenset())
    await database.write(postpone, slow.lease, list(slow.items))
    await database.write(handle_item, ready, slow.lease, arrival)
    assert await here.marks() == {}
    await database.write(handle_item, ready, quick.lease, arrival)
    await database.write(handle_item, ready, quick.lease, arrival)
    assert len(await here.marks()) == 1


async def test_r202_two_workers_at_once_do_it_once(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    for number in range(20):
        await take_in(here, ana.create(f"number {number}"), ana)
    taken = await asyncio.gather(*(process_due(here.context) for _ in range(4)))
    assert sum(taken) == 20
    assert len(await here.marks()) == 20


async def test_r206_one_that_waits_for_a_slow_server_holds_up_nobody(
    here: Receiver, far: ScriptedPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox, "PATIENCE_SECONDS", 0.05)
    ana = far.person("ana")
    slow, answered = asyncio.Event(), asyncio.Event()

    async def hold(context: Any, uri: str, signer_id: int | None) -> tuple[str, Any]:
        await slow.wait()
        answered.set()
        return uri, "late words"

    monkeypatch.setattr(handling, "fetch_object", hold)
    waiting = ana.activity("Create", far.url("/notes/slow"))
    await take_in(here, waiting, ana)
    assert await process_due(here.context) == 1
    quick = ana.create("quick")
    await take_in(here, quick, ana)
    assert await process_due(here.context) == 1
    assert await here.marks() == {quick["id"]: "Create quick"}
    slow.set()
    await here.work()
    assert (await here.marks())[waiting["id"]] == "Create late words"


async def test_what_cannot_be_opened_any_more_is_dead_and_what_was_changed_is_not_read(
    here: Receiver, far: ScriptedPeer
) -> None:
    """A row whose body somebody exchanged for another's is not taken for what it was (I9)."""
    ana, ben = far.person("ana"), far.person("ben", key=1)
    for person in (ana, ben):
        await take_in(here, person.create(person.name), person)
    batch = await here.context.database.write(claim_batch)
    first, second = batch.items
    swapped = Item(first.id, first.id_hash, second.body, first.signer_id, first.received_at, 1)
    assert prepare(here.context, swapped, batch.senders[first.signer_id]) in (DEAD, REFUSED)
    assert prepare(here.context, first, batch.senders[second.signer_id]) == REFUSED
    assert prepare(here.context, first, None) == REFUSED
    assert isinstance(prepare(here.context, first, batch.senders[first.signer_id]), Ready)


CODE_WORDS = (
    "__class__", "__init__", "_sa_instance_state", "Object", "object", "Create\0", "create", "Activity", "handle",
    "{0.__class__}", "%s", "{{7*7}}", "${jndi:ldap://x}", "metadata", "registry", "Ref",
)  # fmt: skip


@pytest.mark.parametrize("word", CODE_WORDS)
async def test_s615_s621_words_of_others_choose_no_code(here: Receiver, far: ScriptedPeer, word: str) -> None:
    """As type, as key, as value: nothing happens but what the table of types says."""
    ana = far.person("ana")
    before = await here.marks()
    for document in (
        ana.create("x") | {"type": word},
        ana.create("x") | {"type": [word, word]},
        ana.create("x", type=word),
        ana.create("x") | {word: word},
        ana.create("x", **{word: {word: word}}),
        ana.create(word, name=word, summary=word, tag=[{"type": word, "name": word, "href": word}]),
        ana.activity(word, ana.note(word)),
    ):
        assert (await here.send(letter(here, document, ana))).status_code in (202, 400, 401, 403)
        await here.work()
    after = await here.marks()
    assert {mark.split(" ", 1)[0] for mark in after.values()} <= {"Create"}
    assert before.items() <= after.items()
    await accepted(here, letter(here, ana.create(f"honest beside {word!r}"), ana))
