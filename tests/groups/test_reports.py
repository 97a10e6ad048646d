"""Reports: who reads them, what leaves, what comes in, and how they end; and that nobody learns who made one."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest

from activitypub import actors
from activitypub.models import OutboxItem
from groups import farewell, notifications, reports
from groups.errors import Conflict, Invalid, NotAllowed, NotFound
from groups.models import Report
from groups.reports import NewReport
from groups.views import Page
from privacy.unit_of_work import table_of
from tests.factories import shared_keys
from tests.groups.house import House
from tests.groups.test_federation import passed_over, receive

REPORTS, ITEMS = table_of(Report), table_of(OutboxItem)
WORDS = "Rotkehlchen was cruel to me"
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Circle:
    """A group with those who look after it and members, one of them elsewhere."""

    def __init__(self, house: House, audience: str = "public") -> None:
        self.house = house
        house.do(actors.ensure_instance_actor, house.uris, shared_keys())
        self.group = house.group("grief", audience=audience)
        self.olive, self.fay, self.kim, self.ben = (house.person(name) for name in ("olive", "fay", "kim", "ben"))
        for who, role in ((self.olive, "owner"), (self.fay, "facilitator"), (self.kim, "member"), (self.ben, "member")):
            house.join(self.group, who, role=role)
        self.sam = house.stranger("sam", "far.example", self.group)
        if audience == "peers-only":
            house.class_of("far.example", level="allow")

    def post_of_sam(self) -> int:
        """Have the member elsewhere write something, and return its id."""
        note = {"id": f"{self.house.uri(self.sam)}/notes/1", "type": "Note", "attributedTo": self.house.uri(self.sam),
                "content": "<p>cruel</p>", "to": [self.house.uri(self.group)]}  # fmt: skip
        if self.house.ask(reports.group_views, [self.group])[self.group].audience == "public":
            note["to"] = ["https://www.w3.org/ns/activitystreams#Public", *note["to"]]
        receive(self.house, self.sam, "Create", note, to=note["to"])
        self.house.deliver()
        (row,) = [row for row in self.house.rows(reports.POSTS) if row.author_id == self.sam]
        return int(row.id)

    def report(self, by: int, target: int, *posts: int, **more: Any) -> Any:
        """Report somebody."""
        new = NewReport(target, posts, WORDS, **more)
        return self.house.do(reports.file_report, self.house.uris, by, new)

    def read(self, by: int | None) -> list[tuple[int, str, bool]]:
        """Return the open reports as somebody reads them: about whom, in what words, and whether with a post."""
        _, found = self.house.ask(reports.reports_of, by, self.group)
        return [(each.target.id, each.words, each.post is not None) for each in found]

    def news(self, of: int) -> list[str]:
        """Return the kinds of news that somebody has."""
        return [each.kind for each in self.house.ask(notifications.notifications_of, of, Page())]


def test_a_report_is_read_by_those_who_look_after_the_group(house: House) -> None:
    """With news of it, once however often it is made; members and strangers read nothing, whoever made it."""
    circle = Circle(house)
    post = house.post(circle.kim, "something cruel", group_id=circle.group)
    for _ in range(2):
        circle.report(circle.ben, circle.kim, post.id)
    for who in (circle.olive, circle.fay, None):
        assert circle.read(who) == [(circle.kim, WORDS, True)]
    assert (circle.news(circle.olive), circle.news(circle.fay)) == (["report"], ["report"])
    for who in (circle.ben, circle.kim):
        with pytest.raises(NotAllowed):
            circle.read(who)
        assert circle.news(who) == []
    assert [one for one in house.sent() if one.document["type"] == "Flag"] == []
    assert WORDS.encode() not in b"".join(bytes(row.body) for row in house.rows(REPORTS))


def test_who_is_reported_never_reads_of_it(house: House) -> None:
    """Also when they look after the group themselves; the others who do read it."""
    circle = Circle(house)
    circle.report(circle.ben, circle.fay)
    assert (circle.read(circle.fay), circle.read(circle.olive)) == ([], [(circle.fay, WORDS, False)])
    assert (circle.news(circle.fay), circle.news(circle.olive)) == ([], ["report"])
    (row,) = house.rows(REPORTS)
    with pytest.raises(NotFound):
        house.do(reports.close_report, circle.fay, circle.group, row.id)
    assert house.ask(reports.waiting, circle.fay, circle.group) == 0


def test_a_report_is_closed_once_and_kept_half_a_year(house: House) -> None:
    circle = Circle(house)
    circle.report(circle.ben, circle.kim)
    (row,) = house.rows(REPORTS)
    for who, group in ((circle.ben, circle.group), (circle.olive, house.group("other", owner_id=house.person("lena")))):
        with pytest.raises((NotAllowed, NotFound)):
            house.do(reports.close_report, who, group, row.id)
    house.clock.move(timedelta(days=100))
    house.do(reports.close_report, circle.olive, circle.group, row.id)
    assert circle.read(circle.olive) == []
    with pytest.raises(Conflict):
        house.do(reports.close_report, circle.fay, circle.group, row.id)
    house.clock.move(timedelta(days=179))
    assert house.hide_due() == 0
    house.clock.move(timedelta(days=2))
    assert house.hide_due() == 1
    house.destroy()
    assert house.count(REPORTS) == 0


@pytest.mark.parametrize("who", ["reporter", "reported"])
def test_a_report_ends_with_who_made_it_and_with_whom_it_is_about(house: House, who: str) -> None:
    circle = Circle(house)
    circle.report(circle.ben, circle.kim)
    ends = circle.ben if who == "reporter" else circle.kim
    while house.do(farewell.end_some, house.uris, ends, 50):
        continue
    assert circle.read(circle.olive) == []
    house.destroy()
    assert house.count(REPORTS) == 0


def test_one_reports_only_what_one_may_see_and_whom_one_knows(house: House) -> None:
    """A stranger's report, or one of a post by somebody else, is answered as if there were nothing."""
    circle = Circle(house, "none")
    post = house.post(circle.kim, "something cruel", group_id=circle.group)
    eve = house.person("eve")
    for target, posts in ((circle.kim, ()), (circle.kim, (post.id,)), (circle.ben, (post.id,)), (1, ())):
        with pytest.raises(NotFound):
            circle.report(eve, target, *posts)
    with pytest.raises(NotFound):
        circle.report(circle.ben, circle.fay, post.id)
    with pytest.raises(Invalid):
        house.do(reports.file_report, house.uris, circle.ben, NewReport(circle.kim, (), "x" * 3_000))
    assert house.count(REPORTS) == 0
    circle.report(circle.ben, circle.kim, post.id)
    assert house.count(REPORTS) == 1


# ── what leaves ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("with_words", [False, True])
@pytest.mark.parametrize("forward", [False, True])
def test_s320_what_leaves_is_sent_by_the_node_and_names_nobody(house: House, forward: bool, with_words: bool) -> None:
    """Only where the reporter wants it, and with their words only where they want that too."""
    circle = Circle(house, "followers")
    post_id = circle.post_of_sam()
    circle.report(circle.ben, circle.sam, post_id, forward=forward, with_words=with_words)
    assert circle.read(circle.olive) == [(circle.sam, WORDS, True)]
    sent = house.sent()
    assert [one.inbox for one in sent] == ([f"{house.uri(circle.sam)}/inbox"] if forward else [])
    for one in sent:
        flag = one.document
        assert (flag["type"], flag["actor"]) == ("Flag", house.uris.instance_actor)
        assert flag["object"] == [house.uri(circle.sam), f"{house.uri(circle.sam)}/notes/1"]
        assert flag["content"] == flag["summary"] == (WORDS if with_words else reports.WITHOUT_WORDS)
        for secret in (house.uri(circle.ben), house.uri(circle.group), "ben", "grief"):
            assert secret not in str(flag)
    house.clock.move(timedelta(days=1))
    while house.do(farewell.end_some, house.uris, circle.ben, 50):
        continue
    house.destroy()
    assert not [one for one in house.sent() if one.document["type"] == "Flag"], "what waited went with its author"


def test_nothing_leaves_a_group_that_nothing_leaves(house: House) -> None:
    circle = Circle(house, "none")
    post = house.post(circle.kim, "something cruel", group_id=circle.group)
    circle.report(circle.ben, circle.kim, post.id, forward=True, with_words=True)
    assert (house.sent(), house.count(REPORTS)) == ([], 1)


@pytest.mark.parametrize("forward", [False, True])
def test_a_report_in_a_group_elsewhere_goes_to_that_group(house: House, forward: bool) -> None:
    """One thing at a time to the group, as Lemmy reads it, and if wanted to the author's server; nobody here reads it.

    The group itself can be reported too.
    """
    circle = Circle(house)
    club = house.stranger("club", "club.example", kind="Group")
    house.join(club, circle.ben)
    house.join(club, circle.sam)
    sam, group = house.uri(circle.sam), house.uri(club)
    if forward:
        circle.report(circle.ben, circle.sam, forward=True)
        expected = {f"{group}/inbox": sam, f"{sam}/inbox": sam}
    else:
        circle.report(circle.ben, circle.sam)
        expected = {f"{group}/inbox": sam}
    assert {one.inbox: one.document["object"] for one in house.deliver()} == expected
    circle.report(circle.ben, club)
    assert [(one.inbox, one.document["object"]) for one in house.sent()] == [(f"{group}/inbox", group)]
    with pytest.raises(NotAllowed):
        house.ask(reports.reports_of, circle.ben, club)


# ── from elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────────


def flag(house: House, sender: int, objects: Any, number: int = 1, **more: Any) -> None:
    """Have a server report something."""
    fields = {
        "content": "this is <b>cruel</b><script>x</script>",
        "to": [],
        "id": f"{house.uri(sender)}/flags/{number}",
    }
    receive(house, sender, "Flag", objects, **(fields | more))


@pytest.mark.parametrize("form", ["mastodon", "lemmy", "misskey", "the person alone"])
def test_s320_a_report_from_elsewhere_is_read_and_nothing_else_happens(house: House, form: str) -> None:
    """In the forms that peers use; its words are plain text, and whoever is reported keeps everything."""
    circle = Circle(house)
    post = house.post(circle.kim, "something cruel", group_id=circle.group)
    node = house.stranger("far.example", "far.example", kind="Application")
    house.deliver()
    kim, group = house.uri(circle.kim), house.uri(circle.group)
    if form == "lemmy":
        flag(house, circle.sam, post.uri, to=[group], content=None, summary="cruel")
    else:
        objects = {"mastodon": [kim, post.uri], "misskey": [kim], "the person alone": kim}[form]
        words = f"this is cruel: {post.uri}" if form == "misskey" else "this is <b>cruel</b><script>x</script>"
        flag(house, node, objects, content=words)
    (read,) = circle.read(circle.olive)
    assert read[0] == circle.kim
    assert read[2] is (form != "the person alone")
    assert "cruel" in read[1]
    assert "<" not in read[1]
    assert (circle.news(circle.olive), circle.news(circle.kim)) == (["report"], [])
    assert house.row(post.id).state == "live"
    assert house.sent() == []


def test_s320_the_same_report_again_is_the_same(house: House) -> None:
    circle = Circle(house)
    post = house.post(circle.kim, "something cruel", group_id=circle.group)
    for number in range(5):
        flag(house, circle.sam, post.uri, number)
    assert (len(circle.read(circle.olive)), circle.news(circle.olive)) == (1, ["report"])
    flag(house, house.stranger("kai", "near.example"), post.uri)
    assert len(circle.read(circle.olive)) == 2


@pytest.mark.parametrize("audience", ["none", "peers-only", "followers"])
def test_what_a_server_may_not_read_it_reports_in_vain(house: House, audience: str) -> None:
    """Neither a post nor a member of a group of which it has none; one that has a member is heard."""
    circle = Circle(house, audience)
    post = house.post(circle.kim, "something cruel", group_id=circle.group)
    eve = house.stranger("eve", "strange.example")
    for number, objects in enumerate(([post.uri], [house.uri(circle.kim)], [house.uri(circle.group)])):
        passed_over(house, eve, "Flag", objects, to=[house.uri(circle.group)], id=f"{house.uri(eve)}/{number}")
    assert house.count(REPORTS) == 0
    flag(house, circle.sam, [house.uri(circle.kim), post.uri])
    assert house.count(REPORTS) == (0 if audience == "none" else 1)


def test_s311_reports_from_elsewhere_do_not_pile_up_without_end(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond some that nobody looked at more are dropped; those of members are not, and there is room again later."""
    monkeypatch.setattr(reports, "MOST_FROM_ELSEWHERE", 2)
    circle = Circle(house)
    posts = [house.post(circle.kim, f"number {number}", group_id=circle.group) for number in range(4)]
    for number, post in enumerate(posts):
        flag(house, circle.sam, post.uri, number)
    assert len(circle.read(circle.olive)) == 2
    circle.report(circle.ben, circle.kim)
    assert len(circle.read(circle.olive)) == 3
    for row in house.rows(REPORTS, REPORTS.c.source == "elsewhere"):
        house.do(reports.close_report, circle.olive, circle.group, row.id)
    flag(house, circle.sam, posts[3].uri, 9)
    assert len(circle.read(circle.olive)) == 2
