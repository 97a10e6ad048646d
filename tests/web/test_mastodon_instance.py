"""What the node says of itself before anybody signs in: what apps need, and no number that tells of people."""

import httpx
import pytest

from node.app import TrailingSlash
from tests.factories import make_group, make_persona
from tests.web.app_client import World

V2 = {
    "domain", "title", "version", "source_url", "description", "usage", "thumbnail", "icon", "languages",
    "configuration", "registrations", "api_versions", "contact", "rules",
}  # fmt: skip
V1 = {
    "uri", "title", "short_description", "description", "email", "version", "urls", "stats", "thumbnail", "languages",
    "registrations", "approval_required", "invites_enabled", "max_toot_chars", "configuration", "contact_account",
    "rules",
}  # fmt: skip


async def test_the_node_describes_itself_in_both_forms(world: World) -> None:
    new, old = [await world.anyone.told("GET", f"/api/{version}/instance") for version in ("v2", "v1")]
    assert (set(new), set(old)) == (V2, V1)
    assert (new["domain"], old["uri"], new["title"], old["title"]) == (
        "kin.example",
        "kin.example",
        *["A test node"] * 2,
    )
    assert new["version"] == old["version"]
    assert new["version"].startswith("4.")
    assert new["api_versions"]["mastodon"] >= 2
    assert new["configuration"]["statuses"]["max_characters"] == old["max_toot_chars"] > 500
    for each in (new["thumbnail"]["url"], old["thumbnail"], new["configuration"]["urls"]["about"]):
        assert each.startswith("https://kin.example/")
    assert new["configuration"]["urls"]["streaming"].startswith("wss://")
    assert (new["registrations"]["enabled"], old["registrations"]) == (False, False)


async def test_nothing_tells_how_many_people_or_which_groups_are_here(world: World) -> None:
    paths = ("/api/v2/instance", "/api/v1/instance", "/api/v1/instance/activity", "/api/v1/instance/peers")
    before = [(await world.anyone.get(path)).content for path in paths]
    ada = world.database.write_now(make_persona, world.uris, "ada")
    world.database.write_now(make_group, world.uris, "grief", owner_id=ada, audience="public")
    await world.client(ada).told("POST", "/api/v1/statuses", json={"status": "@grief hello"})
    assert [(await world.anyone.get(path)).content for path in paths] == before
    told = await world.anyone.told("GET", "/api/v1/instance")
    assert told["stats"] == {"user_count": 0, "status_count": 0, "domain_count": 0}


async def test_sizes_fit_into_32_bits(world: World) -> None:
    def numbers(value: object) -> list[int]:
        if isinstance(value, dict):
            return [number for each in value.values() for number in numbers(each)]
        return [value] if isinstance(value, int) else []

    told = await world.anyone.told("GET", "/api/v2/instance")
    assert all(0 <= number < 2**31 for number in numbers(told["configuration"]))


@pytest.mark.parametrize("authorization", ["Bearer wrong", "Bearer", "Basic eA==", "nonsense"])
async def test_a_bad_token_does_not_keep_an_app_from_asking(world: World, authorization: str) -> None:
    answer = await world.anyone.get("/api/v2/instance", headers={"Authorization": authorization})
    assert answer.status_code == 200


@pytest.mark.parametrize("path", ["/api/v1/instance/", "/api/v2/instance//", "/api/v1/custom_emojis/"])
async def test_a_slash_at_the_end_is_passed_over(world: World, path: str) -> None:
    transport = httpx.ASGITransport(app=TrailingSlash(world.app))
    async with httpx.AsyncClient(transport=transport, base_url="https://kin.example") as client:
        assert (await client.get(path)).json() == (await client.get(path.rstrip("/"))).json()


async def test_every_answer_says_how_often_one_may_still_ask(world: World) -> None:
    first, second = [await world.anyone.get("/api/v1/instance") for _ in range(2)]
    for answer in (first, second):
        assert answer.headers["content-type"] == "application/json; charset=utf-8"
        assert answer.headers["x-ratelimit-reset"].endswith("Z")
    assert int(second.headers["x-ratelimit-remaining"]) <= int(first.headers["x-ratelimit-remaining"])
    assert int(first.headers["x-ratelimit-remaining"]) < int(first.headers["x-ratelimit-limit"])
