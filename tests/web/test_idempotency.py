"""One key, one post: at the same moment, within the hour, for one token, and never in the place of a refusal."""

from datetime import timedelta

import anyio
import pytest

from tests.factories import make_group, make_persona
from tests.web.app_client import AppClient, World

KEY = {"Idempotency-Key": "a key of an app"}
POST = {"status": "@grief once"}


class Circle:
    """Somebody with a group of their own, and two apps."""

    def __init__(self, world: World) -> None:
        write, uris = world.database.write_now, world.uris
        ada = write(make_persona, uris, "ada")
        write(make_group, uris, "grief", owner_id=ada)
        self.app, self.other = world.client(ada), world.client(ada)

    async def written(self) -> int:
        return len(await self.app.told("GET", "/api/v1/timelines/home"))


@pytest.fixture
def circle(world: World) -> Circle:
    return Circle(world)


async def test_twenty_at_one_moment_are_one_post(circle: Circle) -> None:
    given: list[str] = []

    async def send() -> None:
        given.append((await circle.app.told("POST", "/api/v1/statuses", json=POST, headers=KEY))["id"])

    async with anyio.create_task_group() as together:
        for _ in range(20):
            together.start_soon(send)
    assert (len(given), len(set(given)), await circle.written()) == (20, 1, 1)


async def test_without_a_key_and_with_another_each_is_a_post(circle: Circle) -> None:
    for headers in ({}, {}, KEY, {"Idempotency-Key": "another"}, {"Idempotency-Key": ""}):
        await circle.app.told("POST", "/api/v1/statuses", json=POST, headers=headers)
    assert await circle.written() == 5


async def test_a_key_belongs_to_one_token(circle: Circle) -> None:
    ids = [
        (await app.told("POST", "/api/v1/statuses", json=POST, headers=KEY))["id"]
        for app in (circle.app, circle.other, circle.app)
    ]
    assert (ids[0] == ids[2], ids[0] == ids[1], await circle.written()) == (True, False, 2)


async def test_a_key_is_remembered_for_an_hour(circle: Circle, world: World) -> None:
    first = await circle.app.told("POST", "/api/v1/statuses", json=POST, headers=KEY)
    world.clock.move(timedelta(hours=1))
    assert (await circle.app.told("POST", "/api/v1/statuses", json=POST, headers=KEY))["id"] == first["id"]
    world.clock.move(timedelta(seconds=1))
    assert (await circle.app.told("POST", "/api/v1/statuses", json=POST, headers=KEY))["id"] != first["id"]


async def test_what_was_refused_is_not_remembered(circle: Circle) -> None:
    refused = await circle.app.post("/api/v1/statuses", json={"status": "to nobody"}, headers=KEY)
    assert refused.status_code == 422
    await circle.app.told("POST", "/api/v1/statuses", json=POST, headers=KEY)
    assert await circle.written() == 1


async def test_a_post_that_was_deleted_since_is_not_written_anew(circle: Circle) -> None:
    post = await circle.app.told("POST", "/api/v1/statuses", json=POST, headers=KEY)
    await circle.app.told("DELETE", f"/api/v1/statuses/{post['id']}")
    answer = await circle.app.post("/api/v1/statuses", json=POST, headers=KEY)
    assert (answer.status_code, await circle.written()) == (404, 0)


async def test_a_key_without_end_is_refused(circle: Circle) -> None:
    async def send(client: AppClient, length: int) -> int:
        return (await client.post("/api/v1/statuses", json=POST, headers={"Idempotency-Key": "k" * length})).status_code

    assert [await send(circle.app, length) for length in (255, 256)] == [200, 400]
    assert await circle.written() == 1
