"""Posts of members elsewhere reach the members of a private group on microblog software, who would see none of them."""

from typing import Any

import pytest

from activitypub.ports import NOBODY, Publication, Requester
from groups.publications import GroupPublications
from groups.timelines import thread
from groups.views import Viewer
from tests.groups.house import POSTS, PUBLIC, House, Sent
from tests.groups.test_federation import receive

WORDS = "Rotkehlchen"


class Circle:
    """A group with a member on each kind of server; sam writes."""

    def __init__(self, house: House, audience: str) -> None:
        self.house = house
        self.group = house.group("grief", audience=audience)
        self.ana = house.person("ana", self.group)
        self.sam = house.stranger("sam", "far.example", self.group)
        for host, level in (("micro.example", "normal"), ("lemmy.example", "normal"), ("shut.example", "suspend")):
            house.stranger("kim", host, self.group)
            house.class_of(host, level=level, threadiverse=host == "lemmy.example")
        house.stranger("eve", "strange.example")
        house.class_of("far.example", level="allow", threadiverse=True)

    def note(self, number: int = 1, **fields: Any) -> dict[str, Any]:
        """Return a Note of sam's."""
        uri = self.house.uri(self.sam)
        to = [self.house.uri(self.group), *([PUBLIC] if fields.pop("public", False) else [])]
        words = {"content": f"<p>{WORDS} {number}</p>", "updated": "2026-11-23T12:00:00Z"}
        note = {"id": f"{uri}/notes/{number}", "type": "Note", "attributedTo": uri, "to": to, "cc": []}
        return note | words | fields

    def send(self, kind: str, target: Any, number: int = 1) -> list[Sent]:
        """Have sam do something, and return what is sent because of it."""
        to = target["to"] if isinstance(target, dict) else []
        receive(self.house, self.sam, kind, target, to=to, id=f"{self.house.uri(self.sam)}/{kind}/{number}")
        return self.house.deliver()


def to_micro(sent: list[Sent]) -> list[dict[str, Any]]:
    """Return what goes to the member on microblog software."""
    return [one.document for one in sent if one.host == "micro.example"]


def test_a_post_of_somebody_elsewhere_is_said_again_by_the_group(house: House) -> None:
    """In the group's name with the author's in words, to its followers alone; new, edited, and withdrawn."""
    circle = Circle(house, "followers")
    sent = circle.send("Create", circle.note())
    assert {one.host for one in sent} == {"micro.example", "lemmy.example", "far.example"}
    (made,) = to_micro(sent)
    note, group = made["object"], house.uri(circle.group)
    assert (made["type"], made["actor"], note["attributedTo"], note["to"]) == (
        "Create",
        group,
        group,
        [f"{group}/followers"],
    )
    assert (f"{WORDS} 1" in note["content"], "Sam wrote:" in note["content"]) == (True, True)
    assert PUBLIC not in str(sent)
    edit = circle.note(content="<p>better</p>", updated="2026-11-23T13:00:00Z")
    (edited,) = to_micro(circle.send("Update", edit))
    assert (edited["type"], edited["object"]["id"], "better" in edited["object"]["content"]) == (
        "Update",
        note["id"],
        True,
    )
    gone = to_micro(circle.send("Delete", circle.note()["id"]))
    assert ("Delete", note["id"]) in {(one["type"], one["object"]) for one in gone if isinstance(one["object"], str)}


def test_an_answer_stands_below_what_the_group_said_again(house: House) -> None:
    """And an answer to that joins the conversation."""
    circle = Circle(house, "followers")
    post = house.post(circle.ana, "hello", group_id=circle.group)
    house.deliver()
    (made,) = to_micro(circle.send("Create", circle.note(inReplyTo=post.uri)))
    assert made["object"]["inReplyTo"] == house.uris.reemission(post.id)
    again = circle.note(2, inReplyTo=made["object"]["id"])
    circle.send("Create", again, 2)
    found = house.ask(thread, Viewer(circle.ana), post.id)
    assert [reply.html for reply in found.descendants] == [f"<p>{WORDS} 1</p>", f"<p>{WORDS} 2</p>"]


@pytest.mark.parametrize("audience", ["none", "peers-only", "public"])
def test_no_other_group_says_anything_again(house: House, audience: str) -> None:
    """A public one boosts, one for trusted nodes announces addresses, and out of the last nothing goes."""
    circle = Circle(house, audience)
    sent = circle.send("Create", circle.note(public=audience == "public"))
    assert [one.kind for one in sent if "Create(Note)" in one.kind and one.host == "micro.example"] == []
    assert len(house.rows(POSTS)) == 1


def test_what_was_said_again_is_read_by_servers_with_a_member(house: House) -> None:
    circle = Circle(house, "followers")
    (made,) = to_micro(circle.send("Create", circle.note()))
    number = int(made["object"]["id"].rsplit("/", 1)[-1])
    publications = GroupPublications(house.uris)
    kim, eve = house.names["kim@micro.example"], house.names["eve@strange.example"]
    for requester, may in (
        (Requester(kim, "micro.example"), True),
        (Requester(eve, "strange.example"), False),
        (NOBODY, False),
    ):
        assert isinstance(house.ask(publications.reemission, number, requester), Publication) is may
