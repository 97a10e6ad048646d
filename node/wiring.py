"""Puts the ground of the node together: keys, database, addresses, and who is woken.

What stands above it, the protocol and the faces, is joined in `node.faces`, so that a command that only looks at
accounts loads neither.
"""

import asyncio
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ParamSpec, TypeVar

from activitypub.uris import Uris
from node.database import ThreadedDatabase
from node.engines import database_url
from node.settings import Settings
from privacy.clock import Clock, utc_now
from privacy.keyring import Keyring, read_root_key
from privacy.vault import Vault

P = ParamSpec("P")
T = TypeVar("T")


class Wakes:
    """Wakes background loops from any thread, after something was put into their queue."""

    def __init__(self) -> None:
        """Begin with nobody listening; what nobody listens for is found by the loop's own poll."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._events: dict[str, asyncio.Event] = {}

    def listen(self, name: str) -> asyncio.Event:
        """Return the event of a background loop; call it on the loop that will wait for it."""
        self._loop = asyncio.get_running_loop()
        return self._events.setdefault(name, asyncio.Event())

    def wake(self, name: str) -> None:
        """Let a background loop look at once."""
        event, loop = self._events.get(name), self._loop
        if event is None or loop is None:
            return
        try:
            loop.call_soon_threadsafe(event.set)
        except RuntimeError:  # the loop has ended meanwhile, and with it whoever listened
            return


@dataclass(frozen=True, slots=True)
class Node:
    """What everything else is handed."""

    settings: Settings
    clock: Clock
    vault: Vault
    database: ThreadedDatabase
    uris: Uris
    pool: ThreadPoolExecutor
    """Where passwords are hashed, signatures verified and texts rendered."""
    wakes: Wakes

    async def in_pool(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that computes, or waits for the keyring, in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, functools.partial(work, *args, **kwargs))

    def close(self) -> None:
        """Do what still waits for the database, then close it and the keyring."""
        self.pool.shutdown(wait=True, cancel_futures=True)
        self.database.close()
        self.vault.keyring.close()


def build_node(settings: Settings, *, clock: Clock = utc_now) -> Node:
    """Open the keyring and the database and return the node that stands on them.

    Raises KeyringRefused when the keys cannot be used.
    """
    vault = Vault(Keyring(settings.keyring_dir, read_root_key(settings.root_key_file)))
    wakes = Wakes()
    return Node(
        settings=settings,
        clock=clock,
        vault=vault,
        database=ThreadedDatabase(database_url(settings.database_url.reveal()), vault, clock, wakes.wake),
        uris=Uris(settings.base_url, settings.domain),
        pool=ThreadPoolExecutor(max_workers=max(2, os.cpu_count() or 1), thread_name_prefix="work"),
        wakes=wakes,
    )
