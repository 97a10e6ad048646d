"""A node that receives, and the servers that it may meet."""

from collections.abc import AsyncIterator

import pytest

from node.database import ThreadedDatabase
from privacy.vault import Vault
from tests.clock import MovableClock
from tests.peers import ScriptedPeer
from tests.receiver import Receiver, receiving


@pytest.fixture
async def far() -> AsyncIterator[ScriptedPeer]:
    """A server that means well."""
    async with ScriptedPeer("127.0.0.2") as peer:
        yield peer


@pytest.fixture
async def evil() -> AsyncIterator[ScriptedPeer]:
    """A server that does not."""
    async with ScriptedPeer("127.0.0.3") as peer:
        yield peer


@pytest.fixture
async def canary() -> AsyncIterator[ScriptedPeer]:
    """A server that nobody may ever contact: it is reachable, so that silence means obedience."""
    async with ScriptedPeer("127.0.0.4") as peer:
        yield peer
        assert peer.server.connections == 0


@pytest.fixture
async def here(
    database: ThreadedDatabase,
    vault: Vault,
    clock: MovableClock,
    far: ScriptedPeer,
    evil: ScriptedPeer,
    canary: ScriptedPeer,
) -> AsyncIterator[Receiver]:
    """The node, able to reach all three."""
    private = frozenset(peer.server.peer for peer in (far, evil, canary))
    async with receiving(database, vault, clock, private) as receiver:
        yield receiver
