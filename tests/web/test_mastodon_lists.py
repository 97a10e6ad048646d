"""The groups that one is in, as lists: the switcher of every app, in which only the home timeline is a choice."""

import pytest

from tests.factories import make_group, make_member, make_persona
from tests.web.app_client import World
from tests.web.entity_shapes import ACCOUNT, LIST, STATUS, faults


class Circle:
    """Somebody in two groups, and somebody in neither."""

    def __init__(self, world: World) -> None:
        write, uris = world.database.write_now, world.uris
        self.ada, self.eve = (write(make_persona, uris, name) for name in ("ada", "eve"))
        self.grief = write(make_group, uris, "grief", owner_id=self.ada)
        self.garden = write(make_group, uris, "garden", owner_id=self.ada)
        write(make_member, self.grief, self.eve, state="pending")
        self.as_ada, self.as_eve = world.client(self.ada), world.client(self.eve)


@pytest.fixture
def circle(world: World) -> Circle:
    return Circle(world)


async def test_each_group_is_a_list_with_its_id_and_name(circle: Circle) -> None:
    shown = await circle.as_ada.told("GET", "/api/v1/lists")
    assert [fault for each in shown for fault in faults(each, LIST)] == []
    assert {each["id"]: each["title"] for each in shown} == {str(circle.grief): "Grief", str(circle.garden): "Garden"}
    assert await circle.as_ada.told("GET", f"/api/v1/lists/{circle.grief}") in shown
    assert await circle.as_eve.told("GET", "/api/v1/lists") == [], "who only asks is in no list"


async def test_a_list_holds_the_posts_of_its_group_alone(circle: Circle) -> None:
    post = await circle.as_ada.told("POST", "/api/v1/statuses", json={"status": "@grief one"})
    [shown] = await circle.as_ada.told("GET", f"/api/v1/timelines/list/{circle.grief}")
    assert (shown["id"], faults(shown, STATUS)) == (post["id"], [])
    assert await circle.as_ada.told("GET", f"/api/v1/timelines/list/{circle.garden}") == []
    for path in (f"/api/v1/timelines/list/{circle.grief}", f"/api/v1/lists/{circle.grief}", "/api/v1/lists/77"):
        answer = await circle.as_eve.get(path)
        assert (answer.status_code, answer.json()) == (404, {"error": "Record not found"})


async def test_a_group_is_kept_out_of_the_home_timeline_and_let_in_again(circle: Circle) -> None:
    await circle.as_ada.told("POST", "/api/v1/statuses", json={"status": "@grief one"})
    path = f"/api/v1/lists/{circle.grief}"
    for value, length in (("true", 0), ("false", 1)):
        told = await circle.as_ada.told("PUT", path, data={"title": "Grief", "exclusive": value})
        assert told["exclusive"] is (value == "true")
        assert len(await circle.as_ada.told("GET", "/api/v1/timelines/home")) == length
        assert len(await circle.as_ada.told("GET", f"/api/v1/timelines/list/{circle.grief}")) == 1
    for sent, status in (({"title": "Mine"}, 422), ({"replies_policy": "odd"}, 400), ({"exclusive": "perhaps"}, 400)):
        assert (await circle.as_ada.ask("PUT", path, data=sent)).status_code == status
    assert (await circle.as_eve.ask("PUT", path, data={"exclusive": "true"})).status_code == 404


async def test_lists_are_neither_made_nor_emptied_here(circle: Circle) -> None:
    path = f"/api/v1/lists/{circle.grief}"
    [member] = await circle.as_ada.told("GET", f"{path}/accounts")
    assert (member["id"], member["group"], faults(member, ACCOUNT)) == (str(circle.grief), True, [])
    for verb, tail in (
        ("POST", "/api/v1/lists"),
        ("DELETE", path),
        ("POST", f"{path}/accounts"),
        ("DELETE", f"{path}/accounts"),
    ):
        answer = await circle.as_ada.ask(verb, tail, params={"title": "x", "account_ids[]": str(circle.eve)})
        assert (answer.status_code, set(answer.json())) == (422, {"error", "details"})
    assert len(await circle.as_ada.told("GET", "/api/v1/lists")) == 2
