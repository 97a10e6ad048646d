"""News as notifications, one by one and grouped; only one's own, and of kinds that every app knows."""

import pytest

from activitypub.rules import Rule
from groups.ruling import rule_by_hand
from tests.factories import make_group, make_member, make_persona, make_remote_actor
from tests.web.app_client import World
from tests.web.entity_shapes import ACCOUNT, MARKER, NOTIFICATION, NOTIFICATION_GROUP, STATUS, faults


class Circle:
    """A group of three in which one has written and the others support and answer it."""

    def __init__(self, world: World) -> None:
        write, uris = world.database.write_now, world.uris
        self.ada, self.ben, self.cleo = (write(make_persona, uris, name) for name in ("ada", "ben", "cleo"))
        self.group = write(make_group, uris, "grief", owner_id=self.ada)
        for member in (self.ben, self.cleo):
            write(make_member, self.group, member)
        self.as_ada, self.as_ben, self.as_cleo = (world.client(who) for who in (self.ada, self.ben, self.cleo))
        self.post = ""

    async def stir(self) -> None:
        self.post = (await self.as_ada.told("POST", "/api/v1/statuses", json={"status": "@grief hello"}))["id"]
        for client in (self.as_ben, self.as_cleo):
            await client.told("POST", f"/api/v1/statuses/{self.post}/favourite")
        await self.as_ben.told("POST", "/api/v1/statuses", json={"status": "hi", "in_reply_to_id": self.post})


@pytest.fixture
async def circle(world: World) -> Circle:
    made = Circle(world)
    await made.stir()
    return made


async def test_news_has_every_field_the_newest_first(circle: Circle) -> None:
    shown = await circle.as_ada.told("GET", "/api/v1/notifications")
    assert [each["type"] for each in shown] == ["mention", "favourite", "favourite"]
    for each in shown:
        assert faults(each, {**NOTIFICATION, "status": STATUS}) == []
    assert [int(each["id"]) for each in shown] == sorted((int(each["id"]) for each in shown), reverse=True)
    one = await circle.as_ada.told("GET", f"/api/v1/notifications/{shown[0]['id']}")
    assert one == shown[0]
    assert await circle.as_ben.told("GET", "/api/v1/notifications") == []


@pytest.mark.parametrize(
    ("asked", "types"),
    [
        ([("types[]", "mention")], ["mention"]),
        ([("types[]", "favourite"), ("types[]", "mention")], ["mention", "favourite", "favourite"]),
        ([("exclude_types[]", "favourite")], ["mention"]),
        ([("exclude_types[]", "mention"), ("exclude_types[]", "favourite")], []),
        ([("types[]", "poll"), ("types[]", "no.such")], []),
        ([("limit", "1")], ["mention"]),
        ([("limit", "0")], ["mention"]),
        ([("account_id", "1")], []),
    ],
)
async def test_an_app_says_which_news_it_wants(circle: Circle, asked: list[tuple[str, str]], types: list[str]) -> None:
    shown = await circle.as_ada.told("GET", "/api/v1/notifications", params=asked)
    assert [each["type"] for each in shown] == types


async def test_pages_of_news_link_to_one_another_next_first(circle: Circle) -> None:
    first = await circle.as_ada.get("/api/v1/notifications", params={"limit": "2", "types[]": ["mention", "favourite"]})
    link = first.headers["link"]
    assert link.index('rel="next"') < link.index('rel="prev"')
    assert f"max_id={first.json()[-1]['id']}" in link
    assert "types%5B%5D=mention" in link
    rest = await circle.as_ada.get("/api/v1/notifications", params={"limit": "2", "max_id": first.json()[-1]["id"]})
    assert len(rest.json()) == 1
    assert 'rel="next"' not in rest.headers["link"]


async def test_grouped_news_brings_support_together(circle: Circle) -> None:
    told = await circle.as_ada.told("GET", "/api/v2/notifications")
    assert set(told) == {"accounts", "statuses", "notification_groups"}
    assert [each["type"] for each in told["notification_groups"]] == ["mention", "favourite"]
    for group in told["notification_groups"]:
        assert faults(group, {**NOTIFICATION_GROUP, "status_id": str}) == []
    together = told["notification_groups"][1]
    assert together["notifications_count"] == 2
    assert set(together["sample_account_ids"]) == {str(circle.ben), str(circle.cleo)}
    known = {each["id"] for each in told["accounts"]}
    assert all(set(group["sample_account_ids"]) <= known for group in told["notification_groups"])
    assert {group["status_id"] for group in told["notification_groups"]} <= {each["id"] for each in told["statuses"]}
    for found in told["accounts"]:
        assert faults(found, ACCOUNT) == []

    key = together["group_key"]
    people = await circle.as_ada.told("GET", f"/api/v2/notifications/{key}/accounts")
    assert {each["id"] for each in people} == {str(circle.ben), str(circle.cleo)}
    assert (await circle.as_ben.get(f"/api/v2/notifications/{key}")).status_code == 404
    assert (await circle.as_ben.post(f"/api/v2/notifications/{key}/dismiss")).status_code == 404
    assert await circle.as_ada.told("POST", f"/api/v2/notifications/{key}/dismiss") == {}
    assert [each["type"] for each in await circle.as_ada.told("GET", "/api/v1/notifications")] == ["mention"]


async def test_news_is_dismissed_and_cleared_by_oneself_alone(circle: Circle) -> None:
    first, second, _ = await circle.as_ada.told("GET", "/api/v1/notifications")
    assert (await circle.as_ben.post(f"/api/v1/notifications/{first['id']}/dismiss")).status_code == 404
    assert await circle.as_ben.told("POST", "/api/v1/notifications/clear") == {}
    assert len(await circle.as_ada.told("GET", "/api/v1/notifications")) == 3
    assert await circle.as_ada.told("POST", f"/api/v1/notifications/{first['id']}/dismiss") == {}
    assert await circle.as_ada.told("POST", "/api/v1/notifications/dismiss", data={"id": second["id"]}) == {}
    assert (await circle.as_ada.post(f"/api/v1/notifications/{first['id']}/dismiss")).status_code == 404
    assert len(await circle.as_ada.told("GET", "/api/v1/notifications")) == 1
    assert await circle.as_ada.told("POST", "/api/v1/notifications/clear") == {}
    assert await circle.as_ada.told("GET", "/api/v1/notifications") == []


async def test_how_much_is_unread_follows_the_marker(circle: Circle) -> None:
    newest = (await circle.as_ada.told("GET", "/api/v1/notifications"))[0]["id"]
    for path in ("/api/v1/notifications/unread_count", "/api/v2/notifications/unread_count"):
        assert await circle.as_ada.told("GET", path) == {"count": 3}
    sent = {"notifications": {"last_read_id": newest}}
    told = await circle.as_ada.told("POST", "/api/v1/markers", json=sent)
    assert (set(told), faults(told["notifications"], MARKER)) == ({"notifications"}, [])
    assert await circle.as_ada.told("GET", "/api/v1/notifications/unread_count") == {"count": 0}
    kept = await circle.as_ada.told("GET", "/api/v1/markers", params={"timeline[]": ["home", "notifications"]})
    assert kept == told
    assert await circle.as_ben.told("GET", "/api/v1/markers", params={"timeline[]": "notifications"}) == {}


async def test_markers_are_read_in_the_form_of_apps(circle: Circle) -> None:
    told = await circle.as_ada.told("POST", "/api/v1/markers", data={"home[last_read_id]": "17"})
    assert (told["home"]["last_read_id"], told["home"]["version"]) == ("17", 1)
    told = await circle.as_ada.told("POST", "/api/v1/markers", data={"home[last_read_id]": "18"})
    assert (told["home"]["last_read_id"], told["home"]["version"]) == ("18", 2)
    for bad in ({"home[last_read_id]": "x"}, {"home": "17"}):
        assert (await circle.as_ada.post("/api/v1/markers", data=bad)).status_code == 400


async def test_a_place_elsewhere_that_is_put_on_hold_is_told_with_the_server_s_name(world: World) -> None:
    """To whom it belongs and nobody else, as the event that apps know."""
    write, uris = world.database.write_now, world.uris
    mia, ben = (write(make_persona, uris, name) for name in ("mia", "ben"))
    club = write(make_remote_actor, "club", "far.example", kind="Group")
    write(make_member, club, mia)
    write(rule_by_hand, uris, "open", "far.example", Rule("suspend"))
    (told,) = await world.client(mia).told("GET", "/api/v1/notifications")
    assert (told["type"], told["event"]["target_name"], told["event"]["following_count"]) == (
        "severed_relationships", "far.example", 1,
    )  # fmt: skip
    (together,) = (await world.client(mia).told("GET", "/api/v2/notifications"))["notification_groups"]
    assert together["event"]["target_name"] == "far.example"
    assert await world.client(ben).told("GET", "/api/v1/notifications") == []
