"""Whether the node lives, and whether it is ready: for load balancers and whoever looks after it.

What does not answer within two seconds is told as not there: a database that hangs must not make this hang too. That
writes are taken is tried by a small one, for reading goes on when a disk is full. Who asks while the ground is being
asked waits for that same answer, so that however many ask, no more than one question waits for each part of it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import func, select
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from activitypub.models import Delivery, InboxItem
from node.wiring import Node
from privacy.clock import monotonic_seconds
from privacy.errors import DatabaseUnavailable
from privacy.models import ShredJob
from privacy.retention import last_run, remember
from privacy.unit_of_work import UnitOfWork, table_of

QUEUES = {"inbox": table_of(InboxItem), "deliveries": table_of(Delivery), "shred": table_of(ShredJob)}
NOT_KEPT = {"Cache-Control": "no-store"}
RETRY_SECONDS = "10"
PATIENCE_SECONDS: Final = 2.0
TRIED_FOR_SECONDS: Final = 5.0
"""How long a write that succeeded speaks for the next ones: this may be asked often, and by anybody."""
TRIED_AT: Final = "health.tried_at"
T = TypeVar("T")
LAG_ALARM = timedelta(hours=1)
"""Retention that is later than this is said to be late (privacy reference §3.5); the node goes on serving."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What `/health/ready` tells; spans in whole seconds."""

    database: bool
    writes: bool
    """Whether the database stores anything: not on a full disk, nor where it may only be read."""
    keyring: bool
    queue_depth: dict[str, int]
    oldest_job_seconds: int
    retention_lag_seconds: int | None
    """How long ago retention ran; null before its first run."""
    retention_late: bool

    @property
    def ready(self) -> bool:
        """Whether requests can be answered."""
        return self.database and self.writes and self.keyring


@dataclass(frozen=True, slots=True)
class Queues:
    """What waits, and since when retention has run."""

    depth: dict[str, int]
    oldest_due_at: datetime | None
    retention_ran_at: datetime | None


def queues(uow: UnitOfWork) -> Queues:
    """Return how much waits in each queue and since when the oldest job is due."""
    depth, oldest = {}, []
    for name, table in QUEUES.items():
        query = select(func.count(), func.min(table.c.due_at)).where(table.c.due_at.is_not(None))
        depth[name], due_at = uow.connection.execute(query).one()
        oldest += [due_at] if due_at is not None else []
    return Queues(depth, min(oldest, default=None), last_run(uow))


def try_to_write(uow: UnitOfWork) -> bool:
    """Write a few bytes down, always the same row anew."""
    remember(uow, TRIED_AT, uow.now.isoformat())
    return True


class Question(Generic[T]):
    """What one part of the ground is asked: once at a time, for all who want to know."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._asked: asyncio.Task[T | None] | None = None

    async def answer(self) -> T | None:
        """Return what the ground answers, or None when it has no answer or takes too long."""
        if self._asked is None or self._asked.done():
            self._asked = asyncio.create_task(self._put())
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                return await asyncio.shield(self._asked)
        except TimeoutError:
            return None

    async def _put(self) -> T | None:
        try:
            return await self._ask()
        except (DatabaseUnavailable, SQLAlchemyError):  # the latter: another schema, another user's tables
            return None


class Ground:
    """What a node stands on, as it is asked for everybody who wants to know."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._good_until, self._refusals = 0.0, 0
        self.keyring = Question(lambda: node.in_pool(node.vault.keyring.is_alive))
        self.queues = Question(lambda: node.database.read(queues))
        self._trial = Question(lambda: node.database.write(try_to_write))

    async def takes_writes(self) -> bool:
        """Write, unless that was done a few seconds ago and nothing was refused since."""
        refusals = self._node.database.refusals
        if monotonic_seconds() < self._good_until and refusals == self._refusals:
            return True
        self._refusals = refusals
        done = await self._trial.answer()
        self._good_until = monotonic_seconds() + TRIED_FOR_SECONDS if done else 0.0
        return bool(done)


async def readiness(node: Node, ground: Ground) -> Readiness:
    """Look at database, keyring and queues, at all of them at once."""
    now = node.clock()
    alive, writes, found = await asyncio.gather(ground.keyring.answer(), ground.takes_writes(), ground.queues.answer())
    keyring = bool(alive)
    if found is None:
        return Readiness(False, writes, keyring, {}, 0, None, False)
    lag = None if found.retention_ran_at is None else now - found.retention_ran_at
    waiting = timedelta(0) if found.oldest_due_at is None else max(timedelta(0), now - found.oldest_due_at)
    return Readiness(
        database=True,
        writes=writes,
        keyring=keyring,
        queue_depth=found.depth,
        oldest_job_seconds=int(waiting.total_seconds()),
        retention_lag_seconds=None if lag is None else int(lag.total_seconds()),
        retention_late=lag is not None and lag > LAG_ALARM,
    )


def routes(node: Node) -> list[BaseRoute]:
    """Return the two routes; they hold no names, no addresses and no numbers about people."""
    ground = Ground(node)

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "live"}, headers=NOT_KEPT)

    async def ready(_: Request) -> Response:
        found = await readiness(node, ground)
        told: dict[str, Any] = {"status": "ready" if found.ready else "not ready", **asdict(found)}
        if found.ready:
            return JSONResponse(told, headers=NOT_KEPT)
        return JSONResponse(told, 503, headers={**NOT_KEPT, "Retry-After": RETRY_SECONDS})

    return [Route("/health/live", live, methods=["GET"]), Route("/health/ready", ready, methods=["GET"])]
