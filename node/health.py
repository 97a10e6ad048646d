"""Whether the node lives, and whether it is ready: for load balancers and whoever looks after it."""

from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from activitypub.models import Delivery, InboxItem
from node.wiring import Node
from privacy.errors import DatabaseUnavailable
from privacy.models import ShredJob
from privacy.retention import last_run
from privacy.unit_of_work import UnitOfWork, table_of

QUEUES = {"inbox": table_of(InboxItem), "deliveries": table_of(Delivery), "shred": table_of(ShredJob)}
LAG_ALARM = timedelta(hours=1)
"""Retention that is later than this is said to be late (privacy reference §3.5); the node goes on serving."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """What `/health/ready` tells; spans in whole seconds."""

    database: bool
    keyring: bool
    queue_depth: dict[str, int]
    oldest_job_seconds: int
    retention_lag_seconds: int | None
    """How long ago retention ran; null before its first run."""
    retention_late: bool

    @property
    def ready(self) -> bool:
        """Whether requests can be answered."""
        return self.database and self.keyring


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


async def readiness(node: Node) -> Readiness:
    """Look at database, keyring and queues."""
    now = node.clock()
    keyring = await node.in_pool(node.vault.keyring.is_alive)
    try:
        found = await node.database.read(queues)
    except DatabaseUnavailable:
        return Readiness(False, keyring, {}, 0, None, False)
    lag = None if found.retention_ran_at is None else now - found.retention_ran_at
    waiting = timedelta(0) if found.oldest_due_at is None else max(timedelta(0), now - found.oldest_due_at)
    return Readiness(
        database=True,
        keyring=keyring,
        queue_depth=found.depth,
        oldest_job_seconds=int(waiting.total_seconds()),
        retention_lag_seconds=None if lag is None else int(lag.total_seconds()),
        retention_late=lag is not None and lag > LAG_ALARM,
    )


def routes(node: Node) -> list[BaseRoute]:
    """Return the two routes; they hold no names, no addresses and no numbers about people."""

    async def live(_: Request) -> Response:
        return JSONResponse({"status": "live"}, headers={"Cache-Control": "no-store"})

    async def ready(_: Request) -> Response:
        found = await readiness(node)
        told: dict[str, Any] = {"status": "ready" if found.ready else "not ready", **asdict(found)}
        return JSONResponse(told, 200 if found.ready else 503, headers={"Cache-Control": "no-store"})

    return [Route("/health/live", live, methods=["GET"]), Route("/health/ready", ready, methods=["GET"])]
