"""Whether the node lives and is ready: said in numbers about queues, never about people, and never by a traceback."""

from datetime import timedelta

import httpx
import pytest
from sqlalchemy import insert
from starlette.applications import Starlette

from node.health import LAG_ALARM, readiness, routes
from node.wiring import Node
from privacy import retention
from privacy.models import ShredJob
from privacy.retention import Verdict
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import MovableClock
from tests.factories import make_persona

JOBS = table_of(ShredJob)
FIELDS = {
    "status", "database", "keyring", "queue_depth", "oldest_job_seconds", "retention_lag_seconds", "retention_late",
}  # fmt: skip

on_sqlite = pytest.mark.parametrize("database_address", ["sqlite"], indirect=True)


async def ask(node: Node, path: str) -> httpx.Response:
    app = Starlette(routes=routes(node))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://kin.example") as client:
        return await client.get(path)


def order(uow: UnitOfWork, number: int, due_in: timedelta | None) -> None:
    due_at = None if due_in is None else uow.now + due_in
    row = {"id": number, "kind": "posts", "target_id": number, "created_at": uow.now, "attempts": 0, "due_at": due_at}
    uow.connection.execute(insert(JOBS), row)


async def test_a_new_node_is_alive_and_ready(node: Node) -> None:
    live, ready = await ask(node, "/health/live"), await ask(node, "/health/ready")
    assert (live.status_code, live.json()) == (200, {"status": "live"})
    assert ready.status_code == 200
    told = ready.json()
    assert set(told) == FIELDS
    assert (told["status"], told["database"], told["keyring"]) == ("ready", True, True)
    assert told["queue_depth"] == {"inbox": 0, "deliveries": 0, "shred": 0}
    assert (told["oldest_job_seconds"], told["retention_lag_seconds"], told["retention_late"]) == (0, None, False)
    assert {answer.headers["cache-control"] for answer in (live, ready)} == {"no-store"}


async def test_what_waits_is_counted_and_since_when(node: Node, clock: MovableClock) -> None:
    node.database.write_now(order, 1, timedelta(0))
    node.database.write_now(order, 2, timedelta(minutes=30))
    node.database.write_now(order, 3, None)
    clock.move(timedelta(minutes=10))
    told = (await ask(node, "/health/ready")).json()
    assert told["queue_depth"]["shred"] == 2
    assert told["oldest_job_seconds"] == 600
    clock.move(-timedelta(hours=1))
    assert (await readiness(node)).oldest_job_seconds == 0, "what is not due yet does not wait"


@on_sqlite
async def test_retention_that_has_not_run_for_long_is_late_and_the_node_still_ready(
    node: Node, clock: MovableClock
) -> None:
    node.database.write_now(retention.note_verdict, Verdict.GO)
    clock.move(LAG_ALARM)
    assert not (await readiness(node)).retention_late
    clock.move(timedelta(seconds=1))
    found = await ask(node, "/health/ready")
    assert found.status_code == 200
    assert (found.json()["retention_late"], found.json()["retention_lag_seconds"]) == (True, 3_601)


@on_sqlite
async def test_a_node_without_its_keys_or_its_database_is_alive_and_not_ready(node: Node) -> None:
    assert (await ask(node, "/health/ready")).status_code == 200
    node.vault.keyring.close()
    without_keys = await ask(node, "/health/ready")
    assert (without_keys.status_code, without_keys.json()["keyring"]) == (503, False)
    node.database.close()
    without_both = await ask(node, "/health/ready")
    assert (without_both.status_code, without_both.json()["database"]) == (503, False)
    assert set(without_both.json()) == FIELDS
    assert (await ask(node, "/health/live")).status_code == 200


@on_sqlite
async def test_nothing_is_told_of_people(node: Node) -> None:
    persona = node.database.write_now(make_persona, node.uris, "robin")
    text = (await ask(node, "/health/ready")).text + (await ask(node, "/health/live")).text
    assert "robin" not in text
    assert str(persona) not in text
    assert "account" not in text
