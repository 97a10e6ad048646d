"""Two Kinfold nodes over loopback sockets: a member of one takes part in a group of the other."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.served import ServedNode, free_port, new_database, until

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Journey:
    """Ana of one node, and a group named lantern of another, which asks for approval."""

    home: ServedNode
    away: ServedNode
    ana: httpx.Client
    owner: httpx.Client

    @property
    def group_handle(self) -> str:
        """The group's full handle."""
        return f"lantern@{self.away.authority}"

    @property
    def ana_handle(self) -> str:
        """Ana's full handle."""
        return f"ana@{self.home.authority}"

    def group_for_ana(self) -> str:
        """Return the id by which Ana's node knows the group."""
        query = {"q": f"@{self.group_handle}", "resolve": "true", "type": "accounts"}
        answer = self.ana.get("/api/v2/search", params=query)
        assert answer.status_code == 200, answer.text
        [found] = answer.json()["accounts"]
        assert found["group"] is True
        return str(found["id"])

    def relationship(self, group: str) -> Json:
        """Return what Ana is to the group, as her app sees it."""
        [found] = self.ana.get("/api/v1/accounts/relationships", params={"id[]": group}).json()
        return dict(found)

    def join(self) -> str:
        """Take Ana through the approval, and return the group's id on her node."""
        group = self.group_for_ana()
        asked = self.ana.post(f"/api/v1/accounts/{group}/follow")
        assert asked.status_code == 200, asked.text
        assert (asked.json()["requested"], asked.json()["following"]) == (True, False)
        until(lambda: self.ana_handle in str(self.away.kinfold("group", "requests", "lantern")), "Ana's request")
        self.away.command("group", "admit", "lantern", f"@{self.ana_handle}")
        until(lambda: self.relationship(group)["following"], "Ana to be a member")
        return group

    def settle(self) -> None:
        """Wait until neither node has anything left to do for the other."""
        until(lambda: self.home.waiting() + self.away.waiting() == 0, "both nodes to have nothing left to do")


@pytest.fixture(params=["sqlite", "postgresql"])
def journey(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journey]:
    """Two fresh nodes, both on SQLite or both on PostgreSQL."""
    ports = {host: free_port(host) for host in ("127.0.0.10", "127.0.0.11")}
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(
                ServedNode(
                    tmp_path / host,
                    host=host,
                    port=port,
                    peers=[f"{other}:{ports[other]}" for other in ports if other != host],
                    database_url=new_database(request.param, request),
                )
            )
            for host, port in ports.items()
        ]
        home, away = nodes
        home.account("ana")
        ana, owner = stack.enter_context(home.api("ana")), stack.enter_context(away.api(away.owner))
        yield Journey(home, away, ana, owner)
        for node in nodes:
            assert "Traceback" not in node.log()


def posted(api: httpx.Client, words: str, **more: str) -> Json:
    """Post by the client API, and return the status."""
    answer = api.post("/api/v1/statuses", data={"status": words, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def listed(api: httpx.Client, group: str) -> list[Json]:
    """Return a group's posts as an app lists them."""
    answer = api.get(f"/api/v1/timelines/list/{group}")
    assert answer.status_code == 200, answer.text
    return list(answer.json())


def seen(api: httpx.Client, group: str, words: str) -> Json:
    """Wait for the post that says this in a group's list; there may be one only."""

    def matching() -> list[Json]:
        return [each for each in listed(api, group) if words in each["content"]]

    [found] = until(matching, f"{words!r} in the list")
    return found


@pytest.mark.parametrize("audience", ["peers-only", "followers", "public"])
def test_a_member_of_another_node_takes_part_until_they_leave(journey: Journey, audience: str) -> None:
    away, ana, owner = journey.away, journey.ana, journey.owner
    away.command("group", "add", "lantern", "--title", "Lantern", "--audience", audience, "--join", "approval",
                 "--owner", away.owner)  # fmt: skip
    if audience == "peers-only":
        away.command("domain", "set", journey.home.authority, "--level", "allow")
    there = owner.get("/api/v1/accounts/lookup", params={"acct": "lantern"}).json()["id"]
    group = journey.join()

    hers = posted(ana, f"@{journey.group_handle} I am new here")
    hers_there = seen(owner, there, "I am new here")
    assert (hers_there["uri"], hers_there["account"]["acct"]) == (hers["uri"], journey.ana_handle)
    theirs = posted(owner, "@lantern Welcome, all of you")
    theirs_here = seen(ana, group, "Welcome, all of you")
    assert theirs_here["uri"] == theirs["uri"]

    her_reply = posted(ana, "Thank you", in_reply_to_id=theirs_here["id"])
    assert seen(owner, there, "Thank you")["in_reply_to_id"] == theirs["id"]
    their_reply = posted(owner, "Glad that you came", in_reply_to_id=hers_there["id"])
    assert seen(ana, group, "Glad that you came")["in_reply_to_id"] == hers["id"]
    expected = {each["uri"] for each in (hers, theirs, her_reply, their_reply)}
    journey.settle()
    for api, where in ((ana, group), (owner, there)):
        assert sorted(each["uri"] for each in listed(api, where)) == sorted(expected)

    edit(ana, hers, "I am not so new here")
    assert seen(owner, there, "I am not so new here")["id"] == hers_there["id"]
    edit(owner, theirs, "Welcome, each of you")
    assert seen(ana, group, "Welcome, each of you")["id"] == theirs_here["id"]

    for api, post, other, copy in ((ana, hers, owner, hers_there), (owner, theirs, ana, theirs_here)):
        assert api.delete(f"/api/v1/statuses/{post['id']}").status_code == 200
        until(partial(is_gone, other, copy), "the deletion to cross")

    left = ana.post(f"/api/v1/accounts/{group}/unfollow")
    assert (left.status_code, left.json()["following"]) == (200, False)
    journey.settle()
    rows = journey.home.rows()
    after = posted(owner, "@lantern Only among us now")
    seen(owner, there, "Only among us now")
    journey.settle()
    assert journey.home.rows()["inbox_items"] == rows["inbox_items"]
    assert journey.home.rows()["posts"] == rows["posts"]
    refused = ana.post("/api/v1/statuses", data={"status": f"@{journey.group_handle} Can you hear me?"})
    assert refused.status_code == 422, refused.text
    assert listed(owner, there)[0]["uri"] == after["uri"]


def test_one_who_was_not_admitted_gets_nothing(journey: Journey) -> None:
    away, ana, owner = journey.away, journey.ana, journey.owner
    away.command("group", "add", "lantern", "--title", "Lantern", "--audience", "followers", "--join", "approval",
                 "--owner", away.owner)  # fmt: skip
    group = journey.group_for_ana()
    ana.post(f"/api/v1/accounts/{group}/follow")
    until(lambda: journey.ana_handle in str(away.kinfold("group", "requests", "lantern")), "Ana's request")
    post = posted(owner, "@lantern Not yet for you")
    journey.settle()

    assert journey.home.rows()["posts"] == 0
    refused = ana.post("/api/v1/statuses", data={"status": f"@{journey.group_handle} Hello?"})
    assert refused.status_code == 422, refused.text
    assert httpx.get(post["uri"], headers={"Accept": "application/activity+json"}).status_code == 404
    away.command("group", "admit", "lantern", f"@{journey.ana_handle}")
    until(lambda: journey.relationship(group)["following"], "Ana to be a member")
    posted(owner, "@lantern But this is")
    assert seen(ana, group, "But this is")


def test_new_keys_on_both_sides_interrupt_nobody(journey: Journey) -> None:
    """While both nodes go on serving, and so for a while sign with what they have in memory."""
    away, home, ana, owner = journey.away, journey.home, journey.ana, journey.owner
    away.command("group", "add", "lantern", "--title", "Lantern", "--audience", "followers", "--join", "approval",
                 "--owner", away.owner)  # fmt: skip
    there = owner.get("/api/v1/accounts/lookup", params={"acct": "lantern"}).json()["id"]
    group = journey.join()
    journey.settle()
    for node in (away, home):
        assert " 0 servers" not in node.command("key", "rotate", "--all")
        posted(ana, f"@{journey.group_handle} I write while {node.authority} changes its keys")
        posted(owner, f"@lantern We answer while {node.authority} changes its keys")
        seen(owner, there, f"I write while {node.authority}")
        seen(ana, group, f"We answer while {node.authority}")
        journey.settle()
        posted(ana, f"@{journey.group_handle} I write after {node.authority} has changed them")
        posted(owner, f"@lantern We answer after {node.authority} has changed them")
        seen(owner, there, f"I write after {node.authority}")
        seen(ana, group, f"We answer after {node.authority}")
    journey.settle()


@pytest.mark.parametrize("journey", ["sqlite"], indirect=True)
def test_what_a_group_says_shows_and_is_told_crosses_too(journey: Journey) -> None:
    """Its new name, what stands on top of it, and a report, which says nothing of who made it."""
    away, ana, owner = journey.away, journey.ana, journey.owner
    away.command("group", "add", "lantern", "--title", "Lantern", "--audience", "followers", "--join", "approval",
                 "--owner", away.owner)  # fmt: skip
    group = journey.join()
    theirs = posted(owner, "@lantern Read this first")
    theirs_here = seen(ana, group, "Read this first")

    away.command("group", "set", "lantern", "--title", "Lantern by the sea")

    def name_here() -> str:
        return str(ana.get(f"/api/v1/accounts/{group}").json()["display_name"])

    until(lambda: name_here() == "Lantern by the sea", "the group's new name")

    def on_top() -> list[str]:
        shown = ana.get(f"/api/v1/accounts/{group}/statuses", params={"pinned": "true"}).json()
        return [each["reblog"]["id"] for each in shown]

    assert on_top() == []
    assert owner.post(f"/api/v1/statuses/{theirs['id']}/pin").status_code == 200
    assert until(on_top, "the post on top") == [theirs_here["id"]]
    assert owner.post(f"/api/v1/statuses/{theirs['id']}/unpin").status_code == 200
    until(lambda: on_top() == [], "the post not to be on top any more")

    report = {"account_id": theirs_here["account"]["id"], "status_ids[]": theirs_here["id"], "comment": "from Ana"}
    assert ana.post("/api/v1/reports", data=report).status_code == 200
    told = str(until(lambda: away.kinfold("group", "reports", "lantern"), "the report"))
    assert ("elsewhere" in told, "ana" in told.lower().replace("lantern", "")) == (True, False)


def is_gone(api: httpx.Client, post: Json) -> bool:
    """Tell whether a post is no longer there for this reader."""
    return api.get(f"/api/v1/statuses/{post['id']}").status_code == 404


def edit(api: httpx.Client, post: Json, words: str) -> None:
    """Change a post of one's own by the client API."""
    answer = api.put(f"/api/v1/statuses/{post['id']}", data={"status": words})
    assert answer.status_code == 200, answer.text
