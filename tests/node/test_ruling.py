"""A list that is subscribed to, fetched over a real socket by the one client, and what waits made at its hour."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from activitypub import changes, subscriptions
from activitypub.changes import Plan
from activitypub.peers import rules, set_level
from activitypub.rules import Rule
from groups.ruling import let_wait
from node.faces import Faces, join_faces
from node.keys import make_keys
from node.ruling import rules_due
from node.settings import load_settings
from node.wiring import Node, build_node
from tests.clock import MovableClock
from tests.loopback import response
from tests.peers import ScriptedPeer


@pytest.fixture
async def far() -> AsyncIterator[ScriptedPeer]:
    """A server that keeps a list."""
    async with ScriptedPeer() as peer:
        yield peer


@pytest.fixture
def meeting(database_address: str, tmp_path: Path, clock: MovableClock, far: ScriptedPeer) -> Iterator[Node]:
    """A node that may reach that server."""
    settings = load_settings(
        {
            "KINFOLD_DOMAIN": "127.0.0.1:8000",
            "KINFOLD_DEVELOPMENT": "1",
            "KINFOLD_PRIVATE_PEERS": far.authority,
            "KINFOLD_DATA_DIR": str(tmp_path / "data"),
            "KINFOLD_DATABASE_URL": database_address,
        }
    )
    make_keys(settings)
    built = build_node(settings, clock=clock)
    yield built
    built.close()


@pytest.fixture
async def joined(meeting: Node) -> AsyncIterator[Faces]:
    """Its faces."""
    made = join_faces(meeting)
    yield made
    await made.close()


async def test_a_list_is_fetched_every_day_and_a_failure_changes_nothing(
    meeting: Node, joined: Faces, far: ScriptedPeer, clock: MovableClock
) -> None:
    write, read, url = meeting.database.write, meeting.database.read, far.url("/list.csv")
    far.answers["/list.csv"] = response(200, b"#domain,#severity\nbad.example,suspend\n")
    await write(subscriptions.subscribe, subscriptions.NewSubscription(url, applies=True))
    assert await rules_due(meeting, joined) == 1
    assert joined.federation.peers.is_refused("sub.bad.example"), "this process knows at once"
    assert await rules_due(meeting, joined) == 0
    assert far.fetches("/list.csv") == 1
    far.answers["/list.csv"] = response(500)
    clock.move(timedelta(days=1))
    assert await rules_due(meeting, joined) == 1
    (found,) = await read(subscriptions.subscriptions)
    assert found.failure
    assert set(await read(rules)) == {"bad.example"}
    far.answers["/list.csv"] = response(200, b"#domain,#severity\n")
    clock.move(timedelta(hours=1))
    assert await rules_due(meeting, joined) == 1
    assert await read(rules) == {}
    assert not joined.federation.peers.is_refused("bad.example")
    assert all("signature" not in {name.lower() for name in seen.headers} for seen in far.server.seen), "as nobody"


async def test_a_list_on_a_server_that_is_held_off_is_not_fetched(
    meeting: Node, joined: Faces, far: ScriptedPeer
) -> None:
    far.answers["/list.csv"] = response(200, b"bad.example\n")
    new = subscriptions.NewSubscription(far.url("/list.csv"), applies=True)
    await meeting.database.write(subscriptions.subscribe, new)
    await meeting.database.write(set_level, far.authority, "suspend")
    assert await rules_due(meeting, joined) == 1
    assert far.server.connections == 0
    assert (await meeting.database.read(subscriptions.subscriptions))[0].failure


async def test_what_waits_is_made_at_its_hour(meeting: Node, joined: Faces, clock: MovableClock) -> None:
    write = meeting.database.write
    change_id = await write(changes.plan, Plan({"bad.example": Rule("suspend")}))
    await write(let_wait, "open", change_id, timedelta(hours=24))
    assert await rules_due(meeting, joined) == 0
    clock.move(timedelta(hours=24))
    assert await rules_due(meeting, joined) == 1
    assert joined.federation.peers.is_refused("bad.example")
