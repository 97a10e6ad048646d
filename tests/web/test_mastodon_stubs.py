"""What apps ask at their start and that is not had here: an honest nothing of the right shape, with the right door."""

import pytest

from tests.factories import make_persona
from tests.web.app_client import World
from web.mastodon import stubs
from web.mastodon.calls import Who

LISTS = [method.path for method in stubs.METHODS if method.handler is stubs.nothing and "{" not in method.path]
MINE = [(method.verb, method.path, method.scopes) for method in stubs.METHODS if method.who is Who.ACTOR]


@pytest.mark.parametrize("path", LISTS)
async def test_what_is_not_had_is_an_empty_list(world: World, path: str) -> None:
    ada = world.database.write_now(make_persona, world.uris, "ada")
    assert await world.client(ada).told("GET", path) == []


async def test_what_is_one_s_own_needs_a_token_with_its_scope(world: World) -> None:
    ada = world.database.write_now(make_persona, world.uris, "ada")
    narrow, wide = world.client(ada, ["profile"]), world.client(ada)
    for verb, path, _ in MINE:
        assert (await world.anyone.ask(verb, path)).status_code == 401, path
        refused = await narrow.ask(verb, path)
        assert (refused.status_code, refused.json()) == (403, {"error": "This action is outside the authorized scopes"})
        assert (await wide.ask(verb, path)).status_code in {200, 404}, path


async def test_nobody_is_told_who_shares_a_group_with_whom(world: World) -> None:
    ada = world.database.write_now(make_persona, world.uris, "ada")
    asked = {"id[]": [str(ada), "77"]}
    told = await world.client(ada).told("GET", "/api/v1/accounts/familiar_followers", params=asked)
    assert told == [{"id": str(ada), "accounts": []}, {"id": "77", "accounts": []}]


async def test_the_policy_of_notifications_is_to_show_all(world: World) -> None:
    ada = world.client(world.database.write_now(make_persona, world.uris, "ada"))
    new, old = [await ada.told("GET", f"/api/{version}/notifications/policy") for version in ("v2", "v1")]
    assert [value for name, value in new.items() if name != "summary"] == ["accept"] * 5
    assert new["summary"] == old["summary"] == {"pending_requests_count": 0, "pending_notifications_count": 0}
    assert [value for name, value in old.items() if name != "summary"] == [False] * 4


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_what_does_not_exist_is_said_to_be_so_as_json(world: World, verb: str) -> None:
    for path in ("/api/v1/media", "/api/v3/anything", "/api/v1/admin/accounts", "/api/v1/push/nothing"):
        answer = await world.anyone.ask(verb, path)
        assert (answer.status_code, answer.json()) == (404, {"error": "Record not found"})
