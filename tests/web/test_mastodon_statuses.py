"""Posts in groups as statuses."""

import re

import anyio
import pytest

from tests.factories import make_group, make_member, make_persona
from tests.web.app_client import AppClient, World

MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


class Circle:
    """A group of two, and somebody outside of it."""

    def __init__(self, world: World, *, audience: str = "none") -> None:
        self.world = world
        write, uris = world.database.write_now, world.uris
        self.ada = write(make_persona, uris, "ada")
        self.ben = write(make_persona, uris, "ben")
        self.eve = write(make_persona, uris, "eve")
        self.group = write(make_group, uris, "grief", owner_id=self.ada, audience=audience)
        write(make_member, self.group, self.ben)
        self.as_ada, self.as_ben, self.as_eve = (world.client(who) for who in (self.ada, self.ben, self.eve))


@pytest.fixture
def circle(world: World) -> Circle:
    return Circle(world)


async def test_a_post_by_handle_goes_to_the_group_and_to_nobody_else(circle: Circle) -> None:
    sent = {"status": "@grief first week without him", "visibility": "public"}
    post = await circle.as_ada.told("POST", "/api/v1/statuses", json=sent)

    assert post["visibility"] == "private"
    assert [mention["acct"] for mention in post["mentions"]] == ["grief"]
    assert post["mentions"][0]["url"] in post["content"]
    assert post["expires_at"] > post["created_at"]
    assert MOMENT.fullmatch(post["created_at"])
    assert post["application"] is None
    for shown in ("/api/v1/timelines/home", f"/api/v1/timelines/list/{circle.group}"):
        assert [each["id"] for each in await circle.as_ben.told("GET", shown)] == [post["id"]]


async def test_a_handle_of_a_group_one_is_not_in_posts_nothing(circle: Circle) -> None:
    answer = await circle.as_eve.post("/api/v1/statuses", json={"status": "I want to join @grief"})
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("Validation failed: ")
    assert "Nothing was posted." in answer.json()["error"]
    assert await circle.as_ada.told("GET", "/api/v1/timelines/home") == []
    await circle.as_ada.told("POST", "/api/v1/statuses", json={"status": "@grief the honest control"})
    assert len(await circle.as_ben.told("GET", "/api/v1/timelines/home")) == 1


async def test_the_number_of_replies_is_that_of_the_context(circle: Circle) -> None:
    """A private answer is counted for those who can read it, in the status and in the timeline."""
    cara = circle.world.database.write_now(make_persona, circle.world.uris, "cara")
    circle.world.database.write_now(make_member, circle.group, cara)
    first = await circle.as_ada.told("POST", "/api/v1/statuses", json={"group_id": str(circle.group), "status": "one"})
    for sent in ({"status": "for all"}, {"status": "@ada hush", "visibility": "direct"}):
        await circle.as_ben.told("POST", "/api/v1/statuses", json={**sent, "in_reply_to_id": first["id"]})
    told = []
    for app in (circle.as_ada, circle.as_ben, circle.world.client(cara)):
        context = await app.told("GET", f"/api/v1/statuses/{first['id']}/context")
        home = {each["id"]: each for each in await app.told("GET", "/api/v1/timelines/home")}
        shown = (await app.told("GET", f"/api/v1/statuses/{first['id']}"), home[first["id"]])
        assert {each["replies_count"] for each in shown} == {len(context["descendants"])}
        told.append(len(context["descendants"]))
    assert told == [2, 2, 1]


@pytest.mark.parametrize(
    "sent",
    [
        {"status": "to nobody"},
        {"status": "@grief later", "scheduled_at": "2030-01-01T00:00:00Z"},
        {"status": "@grief look", "quoted_status_id": "1"},
        {"status": "@grief look", "media_ids": ["1"]},
        {"status": "@grief look", "poll": {"options": ["a", "b"], "expires_in": 300}},
        {"status": "@grief look", "expires_in": 300},
        {"status": "@grief look", "language": "<b>"},
        {"status": "@grief " + "x" * 6000},
        {"status": ""},
    ],
)
async def test_what_cannot_be_done_posts_nothing(circle: Circle, sent: dict[str, object]) -> None:
    answer = await circle.as_ada.post("/api/v1/statuses", json=sent)
    assert answer.status_code == 422, answer.text
    assert set(answer.json()) == {"error", "details"}
    assert await circle.as_ben.told("GET", "/api/v1/timelines/home") == []


async def test_a_reply_stays_in_the_group_whatever_is_asked(circle: Circle) -> None:
    first = await circle.as_ada.told("POST", "/api/v1/statuses", json={"group_id": str(circle.group), "status": "one"})
    sent = {"status": "two", "in_reply_to_id": first["id"], "visibility": "public"}
    reply = await circle.as_ben.told("POST", "/api/v1/statuses", data=sent)

    assert (reply["visibility"], reply["in_reply_to_id"]) == ("private", first["id"])
    assert reply["in_reply_to_account_id"] == str(circle.ada)
    thread = await circle.as_ada.told("GET", f"/api/v1/statuses/{reply['id']}/context")
    assert ([each["id"] for each in thread["ancestors"]], thread["descendants"]) == ([first["id"]], [])
    thread = await circle.as_ada.told("GET", f"/api/v1/statuses/{first['id']}/context")
    assert [each["id"] for each in thread["descendants"]] == [reply["id"]]
    kinds = [each["type"] for each in await circle.as_ada.told("GET", "/api/v1/notifications")]
    assert kinds == ["mention"]


async def test_what_is_hidden_and_what_never_was_are_told_alike(circle: Circle, world: World) -> None:
    post = await circle.as_ada.told("POST", "/api/v1/statuses", json={"status": "@grief between us"})
    never = str(int(post["id"]) + 1)
    for client in (circle.as_eve, world.anyone):
        for tail in ("", "/context", "/history", "/favourited_by", "/reblogged_by"):
            hidden = await client.get(f"/api/v1/statuses/{post['id']}{tail}")
            absent = await client.get(f"/api/v1/statuses/{never}{tail}")
            assert (hidden.status_code, hidden.json()) == (404, {"error": "Record not found"})
            assert (absent.status_code, absent.json()) == (404, {"error": "Record not found"})
            assert _stable(hidden) == _stable(absent)
            honest = await circle.as_ben.get(f"/api/v1/statuses/{post['id']}{tail}")
            assert honest.status_code == 200
    for deed in ("favourite", "bookmark", "reblog", "unfavourite", "unbookmark", "unreblog", "pin"):
        answer = await circle.as_eve.post(f"/api/v1/statuses/{post['id']}/{deed}")
        assert (answer.status_code, answer.json()) == (404, {"error": "Record not found"})
    assert await circle.as_eve.told("GET", "/api/v1/statuses", params={"id[]": post["id"]}) == []
    assert (await circle.as_eve.get(f"/api/v1/timelines/list/{circle.group}")).status_code == 404
    reply = await circle.as_eve.post("/api/v1/statuses", json={"status": "let me in", "in_reply_to_id": post["id"]})
    assert reply.status_code == 404


def _stable(answer: object) -> dict[str, str]:
    headers = dict(answer.headers)  # type: ignore[attr-defined]  # httpx.Response
    return {name: value for name, value in headers.items() if not name.startswith("x-ratelimit")}


async def test_support_bookmarks_and_boosts(circle: Circle) -> None:
    post = await circle.as_ada.told("POST", "/api/v1/statuses", json={"status": "@grief hold on"})
    path = f"/api/v1/statuses/{post['id']}"
    liked = await circle.as_ben.told("POST", f"{path}/favourite")
    assert (liked["favourited"], liked["favourites_count"]) == (True, 0)
    assert [each["id"] for each in await circle.as_ben.told("GET", "/api/v1/favourites")] == [post["id"]]
    assert (await circle.as_ben.told("POST", f"{path}/bookmark"))["bookmarked"] is True
    assert [each["id"] for each in await circle.as_ben.told("GET", "/api/v1/bookmarks")] == [post["id"]]
    assert (await circle.as_ben.told("POST", f"{path}/unbookmark"))["bookmarked"] is False
    assert (await circle.as_ben.told("POST", f"{path}/unfavourite"))["favourited"] is False
    assert (await circle.as_ben.post(f"{path}/reblog")).status_code == 403
    assert (await circle.as_ada.post(f"{path}/reblog")).status_code == 403
    assert (await circle.as_ben.told("POST", f"{path}/unreblog"))["id"] == post["id"]


async def test_editing_keeps_one_revision_and_the_source_is_its_author_s(circle: Circle, world: World) -> None:
    sent = {"status": "@grief frist", "spoiler_text": "a typo", "language": "en"}
    post = await circle.as_ada.told("POST", "/api/v1/statuses", json=sent)
    path = f"/api/v1/statuses/{post['id']}"
    assert (post["sensitive"], post["spoiler_text"], post["edited_at"]) == (True, "a typo", None)
    source = await circle.as_ada.told("GET", f"{path}/source")
    assert source == {"id": post["id"], "text": "@grief frist", "spoiler_text": "a typo"}
    assert (await circle.as_ben.get(f"{path}/source")).status_code == 404
    assert (await circle.as_ben.ask("PUT", path, json={"status": "mine now"})).status_code == 404

    edited = await circle.as_ada.told("PUT", path, json={"status": "@grief first"})
    assert MOMENT.fullmatch(edited["edited_at"])
    assert edited["spoiler_text"] == "a typo"
    shown = await circle.as_ben.told("GET", path)
    assert "first" in shown["content"]
    assert "frist" not in shown["content"]
    history = await circle.as_ben.told("GET", f"{path}/history")
    assert [each["content"] for each in history] == [shown["content"]]


async def test_deleting_gives_the_source_back_and_leaves_nothing(circle: Circle) -> None:
    post = await circle.as_ada.told("POST", "/api/v1/statuses", json={"status": "@grief too much"})
    path = f"/api/v1/statuses/{post['id']}"
    assert (await circle.as_ben.ask("DELETE", path)).status_code == 403
    assert (await circle.as_ben.get(path)).status_code == 200
    deleted = await circle.as_ada.told("DELETE", path)
    assert (deleted["text"], deleted["id"]) == ("@grief too much", post["id"])
    assert "content" in deleted
    assert (await circle.as_ada.get(path)).status_code == 404
    assert (await circle.as_ada.ask("DELETE", path)).status_code == 404
    assert await circle.as_ben.told("GET", "/api/v1/timelines/home") == []


async def test_one_key_posts_once_however_often_and_at_once(circle: Circle, world: World) -> None:
    key = {"idempotency-key": "the very same"}
    answers: list[tuple[int, str]] = []

    async def send(client: AppClient) -> None:
        answer = await client.post("/api/v1/statuses", json={"status": "@grief once"}, headers=key)
        answers.append((answer.status_code, answer.json().get("id")))

    async with anyio.create_task_group() as together:
        for _ in range(8):
            together.start_soon(send, circle.as_ada)
    assert {status for status, _ in answers} == {200}
    assert len({identifier for _, identifier in answers}) == 1
    assert len(await circle.as_ben.told("GET", "/api/v1/timelines/home")) == 1

    another_token = world.client(circle.ada)
    await send(another_token)
    assert len({identifier for _, identifier in answers}) == 2
    await another_token.told("POST", "/api/v1/statuses", json={"status": "@grief once"})
    assert len(await circle.as_ben.told("GET", "/api/v1/timelines/home")) == 3


async def test_an_idempotency_key_is_forgotten_after_an_hour(circle: Circle, world: World) -> None:
    from datetime import timedelta

    key, sent = {"idempotency-key": "k"}, {"status": "@grief again"}
    first = await circle.as_ada.told("POST", "/api/v1/statuses", json=sent, headers=key)
    world.clock.move(timedelta(hours=1, seconds=1))
    second = await circle.as_ada.told("POST", "/api/v1/statuses", json=sent, headers=key)
    assert first["id"] != second["id"]


async def test_several_posts_at_once_in_the_order_asked(circle: Circle) -> None:
    ids = [
        (await circle.as_ada.told("POST", "/api/v1/statuses", json={"status": f"@grief {n}"}))["id"] for n in range(3)
    ]
    asked = [ids[2], ids[0], "77"]
    shown = await circle.as_ben.told("GET", "/api/v1/statuses", params=[("id[]", each) for each in asked])
    assert [each["id"] for each in shown] == asked[:2]


async def test_pages_link_to_one_another_and_the_last_has_no_next(circle: Circle) -> None:
    ids = [
        (await circle.as_ada.told("POST", "/api/v1/statuses", json={"status": f"@grief {n}"}))["id"] for n in range(5)
    ]
    newest = sorted(ids, key=int, reverse=True)
    first = await circle.as_ben.get("/api/v1/timelines/home", params={"limit": "2"})
    assert [each["id"] for each in first.json()] == newest[:2]
    link = first.headers["link"]
    assert link.startswith(f'<https://kin.example/api/v1/timelines/home?limit=2&max_id={newest[1]}>; rel="next"')
    assert f'min_id={newest[0]}>; rel="prev"' in link
    last = await circle.as_ben.get("/api/v1/timelines/home", params={"limit": "2", "max_id": newest[3]})
    assert [each["id"] for each in last.json()] == newest[4:]
    assert "next" not in last.headers["link"]
    empty = await circle.as_ben.get("/api/v1/timelines/home", params={"max_id": newest[4]})
    assert (empty.json(), "link" in empty.headers) == ([], False)
    newer = await circle.as_ben.get("/api/v1/timelines/home", params={"limit": "2", "min_id": newest[4]})
    assert [each["id"] for each in newer.json()] == newest[2:4]


async def test_a_public_group_is_read_without_a_token_and_never_wider_than_unlisted(world: World) -> None:
    circle = Circle(world, audience="public")
    post = await circle.as_ada.told("POST", "/api/v1/statuses", json={"status": "@grief open", "visibility": "public"})
    shown = await world.anyone.told("GET", f"/api/v1/statuses/{post['id']}")
    assert (shown["visibility"], shown["id"]) == ("unlisted", post["id"])
    wrapped = (await world.anyone.told("GET", f"/api/v1/accounts/{circle.group}/statuses"))[0]
    assert wrapped["reblog"]["id"] == post["id"]
    assert wrapped["account"]["id"] == str(circle.group)
    assert wrapped["id"] != post["id"]
    assert (await world.anyone.told("GET", f"/api/v1/statuses/{wrapped['id']}"))["id"] == post["id"]
    bare = await world.anyone.told("GET", f"/api/v1/accounts/{circle.group}/statuses?exclude_reblogs=true")
    assert bare == []
    after = f"/api/v1/accounts/{circle.group}/statuses?max_id={wrapped['id']}"
    assert await world.anyone.told("GET", after) == []


async def test_who_looks_after_a_group_can_speak_as_it(circle: Circle) -> None:
    as_group = circle.world.client(circle.group, acting_id=circle.ada)
    post = await as_group.told("POST", "/api/v1/statuses", json={"status": "We meet on Sunday at ten."})
    assert (post["account"]["id"], post["account"]["group"]) == (str(circle.group), True)
    for reader in (circle.as_ada, circle.as_ben):
        listed = await reader.told("GET", f"/api/v1/timelines/list/{circle.group}")
        assert [each["id"] for each in listed] == [post["id"]]
    asked = await circle.as_ben.told(
        "POST", "/api/v1/statuses", json={"status": "Where?", "in_reply_to_id": post["id"]}
    )
    assert (await as_group.told("GET", f"/api/v1/statuses/{asked['id']}"))["in_reply_to_id"] == post["id"]
    assert (await circle.as_eve.get(f"/api/v1/statuses/{post['id']}")).status_code == 404


async def test_who_does_not_look_after_a_group_cannot(circle: Circle) -> None:
    as_group = circle.world.client(circle.group, acting_id=circle.ben)
    answer = await as_group.post("/api/v1/statuses", json={"status": "I am the group now"})
    assert answer.status_code == 401
    assert await circle.as_ada.told("GET", f"/api/v1/timelines/list/{circle.group}") == []
