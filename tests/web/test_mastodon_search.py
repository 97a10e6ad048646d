"""Finding people and groups: whom one may know of, by the beginning of a handle or an address, and never by words."""

import pytest

from tests.factories import make_group, make_member, make_persona, make_remote_actor
from tests.web.app_client import World
from tests.web.entity_shapes import ACCOUNT, STATUS, faults


class Circle:
    """A hidden group of two, a public one, and somebody in neither."""

    def __init__(self, world: World) -> None:
        write, uris = world.database.write_now, world.uris
        self.ada, self.ben, self.eve = (write(make_persona, uris, name) for name in ("ada", "ben", "eve"))
        self.hidden = write(make_group, uris, "grief", owner_id=self.ada, join_rule="invite")
        self.public = write(make_group, uris, "grove", owner_id=self.ada, audience="public")
        write(make_member, self.hidden, self.ben)
        self.as_ada, self.as_ben, self.as_eve = (world.client(who) for who in (self.ada, self.ben, self.eve))


@pytest.fixture
def circle(world: World) -> Circle:
    return Circle(world)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("gr", ["grief", "grove"]),
        ("@grief", ["grief"]),
        ("GRIEF@kin.example", ["grief"]),
        ("!grove", ["grove"]),
        ("ada", ["ada"]),
        ("eve", []),
        ("%", []),
        ("_rief", []),
        ("rief", []),
        ("", []),
        ("@", []),
    ],
)
async def test_handles_are_found_by_their_beginning_among_those_one_may_know(
    circle: Circle, query: str, found: list[str]
) -> None:
    told = await circle.as_ben.told("GET", "/api/v2/search", params={"q": query})
    assert set(told) == {"accounts", "statuses", "hashtags"}
    assert sorted(each["username"] for each in told["accounts"]) == found
    assert [fault for each in told["accounts"] for fault in faults(each, ACCOUNT)] == []
    accounts = await circle.as_ben.told("GET", "/api/v1/accounts/search", params={"q": query})
    assert accounts == told["accounts"]


async def test_outsiders_find_public_groups_and_nobody_else(circle: Circle, world: World) -> None:
    for client in (circle.as_eve, world.anyone):
        for query in ("gr", "ada", "ben", "grief"):
            told = await client.told("GET", "/api/v2/search", params={"q": query})
            assert [each["username"] for each in told["accounts"]] == (["grove"] if query == "gr" else [])


async def test_a_post_is_found_by_its_address_by_whom_it_is_for(circle: Circle, world: World) -> None:
    post = await circle.as_ada.told("POST", "/api/v1/statuses", json={"status": "@grief between us"})
    for client, length in ((circle.as_ben, 1), (circle.as_eve, 0), (world.anyone, 0)):
        found = (await client.told("GET", "/api/v2/search", params={"q": post["uri"]}))["statuses"]
        assert len(found) == length
        assert [fault for each in found for fault in faults(each, STATUS)] == []
    words = await circle.as_ben.told("GET", "/api/v2/search", params={"q": "between"})
    assert words == {"accounts": [], "statuses": [], "hashtags": []}


async def test_the_kind_and_the_number_that_are_wanted_are_kept_to(circle: Circle) -> None:
    ask = circle.as_ben.told
    assert (await ask("GET", "/api/v2/search", params={"q": "gr", "type": "statuses"}))["accounts"] == []
    assert len((await ask("GET", "/api/v2/search", params={"q": "gr", "limit": "1"}))["accounts"]) == 1
    assert (await ask("GET", "/api/v2/search", params={"q": "gr", "offset": "20"}))["accounts"] == []


@pytest.mark.parametrize(
    "query", ["@sam@nowhere.example", "https://nowhere.example/u/1", "https://127.0.0.1/", "https://["]
)
async def test_what_cannot_be_asked_elsewhere_is_not_found(circle: Circle, query: str) -> None:
    told = await circle.as_ben.told("GET", "/api/v2/search", params={"q": query, "resolve": "true"})
    assert told == {"accounts": [], "statuses": [], "hashtags": []}


async def test_a_group_of_another_server_that_is_known_is_found(circle: Circle, world: World) -> None:
    group = world.database.write_now(make_remote_actor, "evening", kind="Group")
    for query in ("evening@far.example", "https://far.example/users/evening"):
        [found] = (await circle.as_ben.told("GET", "/api/v2/search", params={"q": query}))["accounts"]
        assert (found["id"], found["acct"], found["group"]) == (str(group), "evening@far.example", True)
