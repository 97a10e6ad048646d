"""What the faces are handed: everything that they work with, put together in `node.faces`."""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from activitypub.context import FederationContext
from activitypub.uris import Uris
from privacy.clock import Clock
from privacy.unit_of_work import Database
from privacy.vault import Vault
from web.attempts import Attempts

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class WebOptions:
    """What the operator decided about the faces."""

    registration: str = "invite"
    """`invite`, `open`, `application` or `closed`."""
    development: bool = False
    """Whether cookies go without Secure and `__Host-`, since the node is on loopback http."""


@dataclass(frozen=True, slots=True)
class WebContext:
    """The ground and the options of the faces; one for each process."""

    database: Database
    vault: Vault
    uris: Uris
    federation: FederationContext
    options: WebOptions
    clock: Clock
    pool: ThreadPoolExecutor
    """Where passwords are hashed and texts rendered: nothing slow runs on the event loop."""
    attempts: Attempts = field(default_factory=Attempts)
    """How often passwords were tried of late."""

    async def in_pool(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that computes in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, functools.partial(work, *args, **kwargs))
