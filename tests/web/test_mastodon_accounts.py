"""People and groups as accounts: their exact fields, who may be found, joining and leaving as following."""

import re

import pytest

from privacy import accounts
from tests.factories import make_group, make_member, make_persona
from tests.web.app_client import World
from tests.web.entity_shapes import ACCOUNT, CREDENTIAL_ACCOUNT, RELATIONSHIP, WRAPPER, faults


class Circle:
    """A group of two, and somebody outside of it."""

    def __init__(self, world: World, **group: str) -> None:
        write, uris = world.database.write_now, world.uris
        self.ada, self.ben, self.eve = (write(make_persona, uris, name) for name in ("ada", "ben", "eve"))
        self.group = write(make_group, uris, "grief", owner_id=self.ada, **group)
        write(make_member, self.group, self.ben)
        self.as_ada, self.as_ben, self.as_eve = (world.client(who) for who in (self.ada, self.ben, self.eve))
        self.as_group = world.client(self.group, acting_id=self.ada)


async def test_who_am_i_has_every_field_that_apps_read(world: World) -> None:
    circle = Circle(world)
    for client, name in ((circle.as_ada, "ada"), (circle.as_group, "grief")):
        me = await client.told("GET", "/api/v1/accounts/verify_credentials")
        assert faults(me, CREDENTIAL_ACCOUNT) == []
        assert (me["username"], me["acct"], me["url"].endswith(name)) == (name, name, True)
        assert me["source"]["privacy"] == "private"
        assert me["group"] is (name == "grief")
    assert [field["name"] for field in me["fields"]] == ["Who can read", "Posts are kept"]
    assert (me["followers_count"], me["following_count"], me["statuses_count"]) == (0, 0, 0)


async def test_an_account_and_several_have_every_field(world: World) -> None:
    circle = Circle(world)
    for actor in (circle.ada, circle.group):
        assert faults(await circle.as_ben.told("GET", f"/api/v1/accounts/{actor}"), ACCOUNT) == []
    asked = [("id[]", str(one)) for one in (circle.group, 77, circle.ada)]
    several = await circle.as_ben.told("GET", "/api/v1/accounts", params=asked)
    assert [each["id"] for each in several] == [str(circle.group), str(circle.ada)]


@pytest.mark.parametrize("acct", ["ada", "@ada", "ADA", "ada@kin.example", "acct:ada@KIN.example", " @ada "])
async def test_an_account_is_found_by_its_handle(world: World, acct: str) -> None:
    circle = Circle(world)
    found = await circle.as_ben.told("GET", "/api/v1/accounts/lookup", params={"acct": acct})
    assert found["id"] == str(circle.ada)
    answer = await circle.as_eve.get("/api/v1/accounts/lookup", params={"acct": acct})
    assert (answer.status_code, answer.json()) == (404, {"error": "Record not found"})


@pytest.mark.parametrize("acct", ["", "@", "ada@", "@@", "nobody", "ada@far.example", "a@b@c"])
async def test_a_handle_of_nobody_finds_nobody(world: World, acct: str) -> None:
    circle = Circle(world)
    answer = await circle.as_ben.get("/api/v1/accounts/lookup", params={"acct": acct})
    assert (answer.status_code, answer.json()) == (404, {"error": "Record not found"})


@pytest.mark.parametrize(
    ("rule", "first"),
    [("open", {"following": True, "requested": False}), ("approval", {"following": False, "requested": True})],
)
async def test_following_a_group_is_joining_it_and_unfollowing_leaving(
    world: World, rule: str, first: dict[str, bool]
) -> None:
    circle = Circle(world, join_rule=rule)
    for _ in range(2):
        told = await circle.as_eve.told("POST", f"/api/v1/accounts/{circle.group}/follow", json={"reblogs": True})
        assert faults(told, RELATIONSHIP) == []
        assert {name: told[name] for name in first} == first
    [shown] = await circle.as_eve.told("GET", "/api/v1/accounts/relationships", params={"id": str(circle.group)})
    assert {name: shown[name] for name in first} == first
    for _ in range(2):
        told = await circle.as_eve.told("POST", f"/api/v1/accounts/{circle.group}/unfollow")
        assert (told["following"], told["requested"]) == (False, False)


async def test_who_looks_after_a_group_lets_in_who_asks(world: World) -> None:
    circle = Circle(world, join_rule="approval")
    await circle.as_eve.told("POST", f"/api/v1/accounts/{circle.group}/follow")
    for client in (circle.as_ada, circle.as_group):
        [asking] = await client.told("GET", "/api/v1/follow_requests")
        assert (asking["id"], faults(asking, ACCOUNT)) == (str(circle.eve), [])
    assert await circle.as_ben.told("GET", "/api/v1/follow_requests") == []
    refused = await circle.as_ben.post(f"/api/v1/follow_requests/{circle.eve}/authorize")
    assert refused.status_code == 404
    assert (await circle.as_group.told("GET", "/api/v1/accounts/verify_credentials"))["source"][
        "follow_requests_count"
    ] == 1
    told = await circle.as_group.told("POST", f"/api/v1/follow_requests/{circle.eve}/authorize")
    assert (faults(told, RELATIONSHIP), told["followed_by"]) == ([], True)
    [shown] = await circle.as_eve.told("GET", "/api/v1/accounts/relationships", params={"id[]": str(circle.group)})
    assert shown["following"] is True


async def test_an_app_that_acts_for_one_name_learns_nothing_of_another(world: World) -> None:
    """That the same person is in the group already, is told on the page to that person alone."""
    circle = Circle(world, join_rule="open")
    account = world.database.write_now(accounts.register, accounts.NewAccount("twofold"))
    both = [world.database.write_now(make_persona, world.uris, name, account_id=account) for name in ("una", "vera")]
    first, second = (world.client(actor) for actor in both)
    assert (await first.told("POST", f"/api/v1/accounts/{circle.group}/follow"))["following"] is True
    answer = await second.post(f"/api/v1/accounts/{circle.group}/follow")
    assert answer.status_code == 403
    assert not {"already", "another", "una"} & set(re.findall(r"\w+", answer.text.lower()))


async def test_people_are_not_followed(world: World) -> None:
    circle = Circle(world)
    answer = await circle.as_ben.post(f"/api/v1/accounts/{circle.ada}/follow")
    assert (answer.status_code, set(answer.json())) == (403, {"error"})
    hidden = await circle.as_eve.post(f"/api/v1/accounts/{circle.ada}/follow")
    assert (hidden.status_code, hidden.json()) == (404, {"error": "Record not found"})


async def test_an_owner_does_not_leave_alone(world: World) -> None:
    circle = Circle(world)
    answer = await circle.as_ada.post(f"/api/v1/accounts/{circle.group}/unfollow")
    assert answer.status_code == 403
    [shown] = await circle.as_ada.told("GET", "/api/v1/accounts/relationships", params={"id[]": str(circle.group)})
    assert shown["following"] is True


async def test_who_is_in_a_group_is_told_to_nobody(world: World) -> None:
    circle = Circle(world, audience="public")
    for client in (circle.as_ada, circle.as_ben, circle.as_group, world.anyone):
        assert await client.told("GET", f"/api/v1/accounts/{circle.group}/followers") == []
        assert await client.told("GET", f"/api/v1/accounts/{circle.group}/following") == []
    assert await circle.as_ben.told("GET", f"/api/v1/accounts/{circle.ada}/following") == []
    mine = await circle.as_ben.told("GET", f"/api/v1/accounts/{circle.ben}/following")
    assert [each["id"] for each in mine] == [str(circle.group)]


async def test_what_was_posted_in_a_group_stands_on_its_profile_as_boosts(world: World) -> None:
    circle = Circle(world)
    await circle.as_ben.told("POST", "/api/v1/statuses", json={"status": "@grief one"})
    [shown] = await circle.as_ada.told("GET", f"/api/v1/accounts/{circle.group}/statuses")
    assert faults(shown, WRAPPER) == []
    for name in ("pinned", "only_media"):
        assert await circle.as_ada.told("GET", f"/api/v1/accounts/{circle.group}/statuses", params={name: "true"}) == []
    await circle.as_ada.told("POST", f"/api/v1/statuses/{shown['reblog']['id']}/pin")
    on_top = f"/api/v1/accounts/{circle.group}/statuses?pinned=true"
    assert [each["id"] for each in await circle.as_ada.told("GET", on_top)] == [shown["id"]]
    await circle.as_group.told("POST", f"/api/v1/statuses/{shown['reblog']['id']}/unpin")
    assert await circle.as_ada.told("GET", on_top) == []
    assert (await circle.as_ben.post(f"/api/v1/statuses/{shown['reblog']['id']}/pin")).status_code == 403
    [own] = await circle.as_ada.told("GET", f"/api/v1/accounts/{circle.ben}/statuses")
    assert (own["reblog"], own["account"]["id"]) == (None, str(circle.ben))


async def test_no_more_than_so_many_relationships_are_told_at_once(world: World) -> None:
    circle = Circle(world)
    many = [("id[]", str(circle.ada)), *(("id[]", str(number)) for number in range(1, 90))]
    answer = await circle.as_ben.get("/api/v1/accounts/relationships", params=many)
    assert [each["id"] for each in answer.json()] == [str(circle.ada)]
    too_many = [("id[]", str(number)) for number in range(1, 200)]
    assert (await circle.as_ben.get("/api/v1/accounts/relationships", params=too_many)).status_code == 400
