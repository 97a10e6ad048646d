"""What is done how often: the costs that must not creep up, guarded by counting instead of by clocks.

Statements for each activity and commits for each group of them, one signature for each activity and host, each key
read once, and no JSON-LD processor for what every server sends.
"""

import asyncio
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from activitypub import actor_documents, authentication, dispatch, keystore
from activitypub.delivery import deliver_due
from activitypub.keystore import KeyStore
from activitypub.queueing import Outgoing, enqueue_to
from activitypub.signatures.keys import PrivateKey, PublicKey
from node.database import POSTGRESQL_BATCH, POSTGRESQL_THREADS, SQLITE_BATCH, ThreadedDatabase
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork
from tests.activitypub.letters import accepted, letter
from tests.loopback import LoopbackServer, answers, response
from tests.peers import Person, ScriptedPeer
from tests.receiver import DOMAIN, Receiver, make_local, receiving

ROOT = Path(__file__).resolve().parents[2]
KEY_READERS = (
    (keystore, "parse_public_key"),
    (authentication, "parse_public_key"),
    (actor_documents, "parse_public_key"),
)


@contextmanager
def counted() -> Iterator[Counter[str]]:
    """Count statements by their first word, and commits, on every connection meanwhile."""
    found: Counter[str] = Counter()

    def statement(_: Any, __: Any, text: str, *___: Any) -> None:
        found[text.split(maxsplit=1)[0].upper()] += 1

    def commit(_: Any) -> None:
        found["commits"] += 1

    to_the_driver = Prepared._execute

    def prepared(self: Prepared, *args: Any) -> Any:  # these pass SQLAlchemy's events by
        found[str(self._statement).split(maxsplit=1)[0].upper()] += 1
        return to_the_driver(self, *args)

    event.listen(Engine, "before_cursor_execute", statement)
    event.listen(Engine, "commit", commit)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Prepared, "_execute", prepared)
            yield found
    finally:
        event.remove(Engine, "before_cursor_execute", statement)
        event.remove(Engine, "commit", commit)


def statements(found: Counter[str]) -> dict[str, int]:
    """What was asked of the database, without the words that begin and end transactions."""
    return {word: found[word] for word in ("SELECT", "INSERT", "UPDATE", "DELETE") if found[word]}


# ── in ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_an_activity_by_a_known_signer_is_taken_in_with_one_statement(here: Receiver, far: ScriptedPeer) -> None:
    ana = far.person("ana")
    await make_local(here, "kim")
    await accepted(here, letter(here, ana.create("first"), ana))
    with counted() as found:
        assert (await here.send(letter(here, ana.create("second"), ana))).status_code == 202
    assert statements(found) == {"INSERT": 1}
    with counted() as found:
        assert (await here.send(letter(here, ana.create("third"), ana, target="/u/kim-token/inbox"))).status_code == 202
    assert statements(found) == {"INSERT": 1, "SELECT": 1}  # whose inbox it is


async def test_who_was_never_heard_of_is_met_with_one_fetch_two_questions_and_two_commits(
    here: Receiver, far: ScriptedPeer
) -> None:
    """Is the key known, is its owner; then the person is stored in one transaction, and what was sent in another."""
    await accepted(here, letter(here, far.person("ana").create("first"), far.person("ana")))
    bo = far.person("bo")
    fetched = far.fetches()
    with counted() as found:
        assert (await here.send(letter(here, bo.create("first"), bo))).status_code == 202
    assert far.fetches() == fetched + 1
    # In the transaction: the person, the handle, the server, and the key as it is found from now on.
    assert statements(found) == {"SELECT": 2 + 4, "INSERT": 2}
    assert found["commits"] == 2 + 2


@pytest.mark.parametrize("fault", ["unsigned", "garbage", "stale", "no json", "foreign"])
async def test_what_can_be_refused_from_memory_asks_the_database_nothing(
    here: Receiver, far: ScriptedPeer, fault: str
) -> None:
    """A flood of nonsense costs those who are signed in no statement (R-502)."""
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("first"), ana))
    honest = letter(here, ana.create("second"), ana)
    bent = {
        "unsigned": honest.without("Signature"),
        "garbage": honest.changed("Signature", "x"),
        "stale": honest.changed("Date", "Mon, 23 Nov 2020 10:00:00 GMT"),
        "no json": letter(here, b"{", ana),
        "foreign": letter(here, ana.create("second", id="https://victim.example/1"), ana),
    }[fault]
    with counted() as found:
        assert 400 <= (await here.send(bent)).status_code < 500
    assert statements(found) == {}


async def test_many_at_once_share_their_commits(
    here: Receiver, far: ScriptedPeer, database: ThreadedDatabase, anyio_backend: str
) -> None:
    """All deeds that wait go into as few commits as the database has room for (stack §2)."""
    assert anyio_backend == "asyncio"
    ana, count = far.person("ana"), 48
    await accepted(here, letter(here, ana.create("first"), ana))
    letters = [letter(here, ana.create(f"number {number}"), ana) for number in range(count)]
    release, threads = threading.Event(), 1 if database.is_sqlite else POSTGRESQL_THREADS
    started = threading.Semaphore(0)

    def busy(_: UnitOfWork) -> None:
        started.release()
        release.wait(30)

    blockers = []
    for _ in range(threads):  # one by one, or one thread would take them all
        blockers.append(asyncio.create_task(database.write(busy)))
        assert await asyncio.to_thread(started.acquire, timeout=30)
    # Two lots of letters are handed in at once, and the others wait for those.
    waiting = _Waiting(database.write, 2, release)
    object.__setattr__(here.context, "database", _Writing(database, waiting))
    with counted() as found:
        answers_ = await asyncio.gather(*(here.send(request) for request in letters), *blockers)
    assert [answer.status_code for answer in answers_[:count]] == [202] * count
    most = SQLITE_BATCH if database.is_sqlite else POSTGRESQL_BATCH
    # The busy ones, the full groups, and one for each thread that took the last before it stood in line.
    assert found["INSERT"] <= count / 4, "what comes together is stored together"
    assert found["commits"] <= threads + -(-count // most) + threads


class _Waiting:
    """Passes deeds on, and gives a signal when so many have been handed in."""

    def __init__(self, write: Callable[..., Awaitable[Any]], count: int, signal: threading.Event) -> None:
        self._write, self._left, self._signal = write, count, signal

    async def __call__(self, *args: Any, **kwargs: Any) -> Any:
        handed_in = asyncio.ensure_future(self._write(*args, **kwargs))
        asyncio.get_running_loop().call_soon(self._count)  # in its turn: by then it stands in the queue
        return await handed_in

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._signal.set()


class _Writing:
    """A database whose deeds go through a counter."""

    def __init__(self, database: ThreadedDatabase, write: _Waiting) -> None:
        self.read, self.write = database.read, write


async def test_the_work_on_a_batch_grows_by_two_statements_for_each_activity(here: Receiver, far: ScriptedPeer) -> None:
    """The end of the row and what the handler does; claiming, reading senders and peers is one for all."""
    ana = far.person("ana")
    await accepted(here, letter(here, ana.create("first"), ana))
    costs = []
    for size in (8, 40):
        for number in range(size):
            assert (await here.send(letter(here, ana.create(f"{number} of {size}"), ana))).status_code == 202
        with counted() as found:
            assert await here.work() == size
        costs.append(sum(statements(found).values()))
    assert costs[1] - costs[0] == 2 * (40 - 8)
    assert costs[0] <= 2 * 8 + 6


# ── keys ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def keys_read(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Which PEMs were read, and how often, from here on."""
    found: Counter[str] = Counter()
    for module, name in KEY_READERS:
        true: Callable[[str], PublicKey] = getattr(module, name)

        def reading(pem: str, true: Callable[[str], PublicKey] = true) -> PublicKey:
            found[pem] += 1
            return true(pem)

        monkeypatch.setattr(module, name, reading)
    return found


async def test_each_key_is_read_once_however_much_it_signs(
    here: Receiver, far: ScriptedPeer, keys_read: Counter[str]
) -> None:
    people = [far.person(f"person{number}", key=number) for number in range(3)]
    await send_from_each(here, people, "before")
    keys_read.clear()
    for number in range(5):
        await send_from_each(here, people, f"after {number}")
    assert keys_read == {}
    # After a restart they come from the database: one reading each, and no fetch.
    object.__setattr__(here.context, "keys", KeyStore(here.context.database, here.clock))
    fetched = far.fetches()
    for number in range(5):
        await send_from_each(here, people, f"restarted {number}")
    assert sorted(keys_read.values()) == [1, 1, 1]
    assert far.fetches() == fetched


async def send_from_each(here: Receiver, people: list[Person], text: str) -> None:
    """Take in one activity of each."""
    for person in people:
        assert (await here.send(letter(here, person.create(text), person))).status_code == 202


# ── out ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_one_signature_for_each_activity_and_host(
    here: Receiver, database: ThreadedDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many members a host has, its shared inbox gets one request, signed once; the key is loaded once."""
    signed, loaded = Counter[str](), Counter[str]()
    true_sign, true_load = PrivateKey.sign, keystore.load_private_key

    def sign(self: PrivateKey, message: bytes) -> bytes:
        signed[message.split(b"\n", 2)[1].decode()] += 1
        return true_sign(self, message)

    def load(der: bytes) -> PrivateKey:
        loaded["key"] += 1
        return true_load(der)

    monkeypatch.setattr(PrivateKey, "sign", sign)
    monkeypatch.setattr(keystore, "load_private_key", load)
    hosts = [LoopbackServer(answers(response(202)), f"127.0.0.{number}") for number in (5, 6, 7)]
    group = await make_local(here, "club", "Group")
    for host in hosts:
        await host.__aenter__()
    async with receiving(
        here.context.database, here.context.vault, here.clock, frozenset(host.peer for host in hosts)
    ) as sender:
        for number in range(4):
            inboxes = [(host.authority, host.url("/inbox")) for host in hosts for _ in range(10)]
            await sender.context.database.write(enqueue_to, activity(group.id, number), inboxes)
        assert await deliver_due(sender.context) == 4 * len(hosts)
    for host in hosts:
        await host.__aexit__(None, None, None)
        assert len(host.seen) == 4
    assert signed == {f"host: {host.authority}": 4 for host in hosts}
    # A cold start asks on every thread that reads, and on no more, for both keys of an actor.
    assert loaded["key"] <= 2 * (1 if database.is_sqlite else POSTGRESQL_THREADS)


async def test_what_goes_to_a_host_in_order_is_claimed_once_each(
    here: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And once more, to find that nothing is left; while one is under way nobody looks for what cannot go yet."""
    monkeypatch.setattr(dispatch, "LOOK_AGAIN_SECONDS", 60.0)
    group = await make_local(here, "club", "Group")
    async with (
        LoopbackServer(answers(response(202))) as host,
        receiving(here.context.database, here.context.vault, here.clock, frozenset({host.peer})) as sender,
    ):
        for _ in range(5):
            await sender.context.database.write(
                enqueue_to, activity(group.id, 1), [(host.authority, host.url("/inbox"))]
            )
        with counted() as found:
            assert await deliver_due(sender.context) == 5
    assert found["WITH"] == 5 + 1


def activity(actor_id: int, number: int) -> Outgoing:
    """An activity without words."""
    document = {"type": "Announce", "id": f"http://{DOMAIN}/a/{number}"}
    return Outgoing(actor_id, "Announce", document, None, 1, None, number, None)


# ── JSON-LD ──────────────────────────────────────────────────────────────────────────────────────────────────────────

READ_ALL = """
import pathlib, sys
from activitypub.errors import FederationError
from activitypub.strict_json import loads_strict
from activitypub.vocabulary.reading import parse
for path in sys.argv[1:]:
    try:
        parse(loads_strict(pathlib.Path(path).read_bytes()))
    except FederationError:
        continue
print("pyld" in sys.modules, len(sys.argv) - 1)
"""


def test_what_every_server_sends_needs_no_json_ld_processor(tmp_path: Path) -> None:
    """In a process of its own, where nothing else could have loaded it; a context of its own kind does load it."""
    samples = sorted((ROOT / "tests" / "vectors" / "samples").rglob("*.json"))
    assert len(samples) >= 20
    assert in_own_process(*samples) == f"False {len(samples)}"
    odd = tmp_path / "odd.json"
    odd.write_text(
        '{"@context": {"as": "https://www.w3.org/ns/activitystreams#"}, "@type": "as:Note", "@id": "https://x.example/1"}'
    )
    assert in_own_process(odd) == "True 1"


def in_own_process(*paths: Path) -> str:
    """Read documents in a fresh interpreter, and return whether the processor was loaded, and how many there were."""
    command = [sys.executable, "-c", READ_ALL, *map(str, paths)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
