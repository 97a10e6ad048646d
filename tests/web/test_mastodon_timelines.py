"""Home, bookmarks and favourites: pages that link to one another, in whatever form an app writes its parameters."""

import re

import pytest

from tests.factories import make_group, make_member, make_persona
from tests.web.app_client import World
from tests.web.entity_shapes import STATUS, faults

LINK = re.compile(r'<([^>]+)>; rel="(\w+)"')


class Circle:
    """A group of two with five posts, the newest first."""

    def __init__(self, world: World) -> None:
        write, uris = world.database.write_now, world.uris
        self.ada, self.ben = (write(make_persona, uris, name) for name in ("ada", "ben"))
        self.group = write(make_group, uris, "grief", owner_id=self.ada)
        write(make_member, self.group, self.ben)
        self.as_ada, self.as_ben = world.client(self.ada), world.client(self.ben)
        self.ids: list[str] = []

    async def write(self) -> None:
        for number in range(5):
            post = await self.as_ada.told("POST", "/api/v1/statuses", json={"status": f"@grief {number}"})
            self.ids.insert(0, post["id"])
            await self.as_ben.told("POST", f"/api/v1/statuses/{post['id']}/bookmark")
            await self.as_ben.told("POST", f"/api/v1/statuses/{post['id']}/favourite")


@pytest.fixture
async def circle(world: World) -> Circle:
    made = Circle(world)
    await made.write()
    return made


@pytest.mark.parametrize("name", ["timelines/home", "timelines/list", "bookmarks", "favourites"])
async def test_following_the_links_shows_each_post_once_and_ends(circle: Circle, name: str) -> None:
    address = f"/api/v1/{name}" + (f"/{circle.group}" if name.endswith("list") else "") + "?limit=2"
    seen: list[str] = []
    for _ in range(9):
        answer = await circle.as_ben.get(address)
        assert answer.status_code == 200
        seen += [each["id"] for each in answer.json()]
        assert [fault for each in answer.json() for fault in faults(each, STATUS)] == []
        links = LINK.findall(answer.headers.get("link", ""))
        assert [relation for _, relation in links] in (["next", "prev"], ["prev"], [])
        if "next" not in dict(map(reversed, links)):
            break
        address = links[0][0]
        assert address.startswith("https://kin.example/api/v1/")
    assert seen == circle.ids


@pytest.mark.parametrize(
    "sent",
    [{"params": {"limit": "2"}}, {"json": {"limit": 2}}, {"data": {"limit": "2"}}, {"files": {"limit": (None, "2")}}],
)
async def test_parameters_may_stand_in_query_json_or_form(circle: Circle, sent: dict[str, object]) -> None:
    shown = await circle.as_ben.told("GET", "/api/v1/timelines/home", **sent)
    assert [each["id"] for each in shown] == circle.ids[:2]


@pytest.mark.parametrize(("limit", "length"), [("0", 1), ("-5", 1), ("1", 1), ("9999", 5), ("", 5)])
async def test_a_limit_is_drawn_into_its_bounds(circle: Circle, limit: str, length: int) -> None:
    assert len(await circle.as_ben.told("GET", "/api/v1/timelines/home", params={"limit": limit})) == length


@pytest.mark.parametrize("name", ["limit", "max_id", "since_id", "min_id"])
async def test_what_is_no_number_is_told_as_an_error(circle: Circle, name: str) -> None:
    answer = await circle.as_ben.get("/api/v1/timelines/home", params={name: "soon"})
    assert (answer.status_code, set(answer.json())) == (400, {"error"})


async def test_without_a_good_token_there_is_no_home(circle: Circle, world: World) -> None:
    for path in ("timelines/home", f"timelines/list/{circle.group}", "bookmarks", "favourites"):
        answer = await world.anyone.get(f"/api/v1/{path}")
        assert (answer.status_code, answer.json()) == (401, {"error": "The access token is invalid"})
        assert answer.headers["www-authenticate"].startswith("Bearer")


async def test_what_one_kept_is_one_s_own(circle: Circle) -> None:
    for name in ("bookmarks", "favourites"):
        assert await circle.as_ada.told("GET", f"/api/v1/{name}") == []
    await circle.as_ada.told("DELETE", f"/api/v1/statuses/{circle.ids[0]}")
    for name in ("bookmarks", "favourites", "timelines/home"):
        assert [each["id"] for each in await circle.as_ben.told("GET", f"/api/v1/{name}")] == circle.ids[1:]
