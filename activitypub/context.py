"""What the protocol is handed: everything that it works with, put together in `node.faces`."""

import asyncio
import functools
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ParamSpec, TypeVar

from activitypub.batching import Batcher
from activitypub.egress import Egress
from activitypub.keystore import KeyStore
from activitypub.peers import PeerPolicy
from activitypub.ports import InboxRoutes, Publications
from activitypub.queueing import Audience
from activitypub.restraint import Restraint
from activitypub.synchronization import Synchronization
from activitypub.uris import Uris
from privacy.budgets import Buckets
from privacy.clock import Clock
from privacy.unit_of_work import Database, UnitOfWork
from privacy.vault import Vault

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class FederationOptions:
    """What the node says of itself to other servers."""

    title: str = "Kinfold"
    description: str = ""
    version: str = "0"
    repository: str = ""
    open_registrations: bool = False


@dataclass(frozen=True, slots=True)
class FederationContext:
    """The ground and the ports of this floor; one for each process and event loop."""

    database: Database
    vault: Vault
    egress: Egress
    uris: Uris
    routes: InboxRoutes
    audiences: Mapping[str, Audience]
    """Those to whom activities are spread, by name; who is in them is known to the floor above."""
    publications: Publications
    keys: KeyStore
    peers: PeerPolicy
    sanitize: Callable[[str], str]
    """The one door for HTML of others (`groups.content`), which stands above this floor."""
    options: FederationOptions
    clock: Clock
    pool: ThreadPoolExecutor
    """Where signatures are verified and documents parsed: nothing that a stranger sent runs on the event loop."""
    followers_on: Callable[[UnitOfWork, int, str], Synchronization | None] | None = None
    """What a server may be told of its people who follow a local actor (FEP-8fcf); None tells nobody anything."""
    told_of_followers: "OrderedDict[tuple[int, str], tuple[datetime, Mapping[str, str]]]" = field(
        default_factory=OrderedDict
    )
    """What was said of them lately, by actor and host (`follower_digests`)."""
    restraint: Restraint = field(default_factory=Restraint)
    budgets: Buckets = field(default_factory=Buckets)
    """How much is taken in from each actor and each server."""
    openings: Batcher[Any, Any] = field(default_factory=lambda: Batcher(most=32, lanes=2))
    """Activities on their way through the gate, checked together."""
    storings: Batcher[Any, Any] = field(default_factory=lambda: Batcher(most=128, lanes=2))
    """Activities that were let in, stored together."""
    stragglers: set["asyncio.Task[None]"] = field(default_factory=set)
    """Activities that still wait for a document of another server, while the queue goes on."""

    async def in_pool(self, work: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that computes in the pool."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, functools.partial(work, *args, **kwargs))
