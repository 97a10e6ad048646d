"""Posts on top of a group: put there by those who look after it, from here and elsewhere, and shown to its readers."""

from typing import Any

import pytest

from activitypub import actors
from activitypub.ports import NOBODY, Publication, Requester
from groups import pinning, roles
from groups.errors import Conflict, NotAllowed, NotFound
from groups.models import Pin
from groups.publications import GroupPublications
from groups.views import PostView, Viewer
from privacy.unit_of_work import table_of
from tests.groups.house import PUBLIC, House
from tests.groups.test_federation import passed_over, receive

PINS = table_of(Pin)


class Circle:
    """A group with a post, one who looks after it, a member, and a reader on a server that knows groups."""

    def __init__(self, house: House, audience: str = "public") -> None:
        self.house = house
        self.group = house.group("grief", audience=audience)
        self.fay, self.kim = house.person("fay"), house.person("kim", self.group)
        house.join(self.group, self.fay, role="facilitator")
        self.sam = house.stranger("sam", "far.example", self.group)
        house.class_of("far.example", level="allow", threadiverse=True)
        self.post = house.post(self.kim, "hello", group_id=self.group)
        house.deliver()

    def on_top(self, viewer: int | None) -> list[int]:
        """Return the posts on top, as somebody sees them."""
        found: list[PostView] = self.house.ask(pinning.pinned_in, Viewer(viewer), self.group)
        return [post.id for post in found]

    def featured(self, requester: Requester = NOBODY) -> Any:
        """Return what the collection says to somebody."""
        actor = self.house.ask(actors.actor_by_id, self.group)
        found = self.house.ask(GroupPublications(self.house.uris).collection, actor, "featured", {}, requester)
        return found.document["orderedItems"] if isinstance(found, Publication) else None

    @property
    def collection(self) -> str:
        """The address of that collection."""
        return f"{self.house.uri(self.group)}/featured"


@pytest.mark.parametrize("audience", ["none", "peers-only", "followers", "public"])
def test_a_post_on_top_is_shown_to_those_who_may_read_it(house: House, audience: str) -> None:
    """And to other servers as far as those read the group; who put it there is not told."""
    circle = Circle(house, audience)
    house.do(pinning.pin, house.uris, circle.fay, circle.post.id)
    eve = house.person("eve")
    seen = {who: circle.on_top(who) == [circle.post.id] for who in (circle.kim, eve, None)}
    assert seen == {circle.kim: True, eve: audience == "public", None: audience == "public"}
    member = circle.featured(Requester(circle.sam, "far.example"))
    assert member == (None if audience == "none" else [circle.post.uri])
    assert circle.featured() == {"none": None, "public": [circle.post.uri]}.get(audience, [])
    sent = house.deliver()
    assert [one.kind for one in sent] == ([] if audience == "none" else ["Announce(Add(id))"])
    for one in sent:
        add = one.document["object"]
        assert (add["object"], add["target"], add["actor"]) == (
            circle.post.uri, circle.collection, house.uri(circle.group),
        )  # fmt: skip
        assert (PUBLIC in str(one.document)) is (audience == "public")
    house.do(pinning.unpin, house.uris, circle.fay, circle.post.id)
    assert (circle.on_top(circle.kim), house.count(PINS)) == ([], 0)
    assert [one.kind for one in house.sent()] == ([] if audience == "none" else ["Announce(Remove(id))"])


def test_who_is_named_puts_it_up_under_their_own_name(house: House) -> None:
    circle = Circle(house)
    house.do(roles.be_named, house.uris, circle.fay, circle.group, named=True)
    house.deliver()
    house.do(pinning.pin, house.uris, circle.fay, circle.post.id)
    (sent,) = house.sent()
    assert sent.document["object"]["actor"] == house.uri(circle.fay)


def test_only_who_looks_after_the_group_puts_posts_up(house: House) -> None:
    circle = Circle(house, "none")
    for who, refusal in ((circle.kim, NotAllowed), (house.person("eve"), NotFound)):
        for deed in (pinning.pin, pinning.unpin):
            with pytest.raises(refusal):
                house.do(deed, house.uris, who, circle.post.id)
    assert house.count(PINS) == 0
    house.do(pinning.pin, house.uris, circle.group, circle.post.id)
    assert house.count(PINS) == 1, "the group itself, for one who may act as it"


def test_a_group_keeps_few_posts_on_top_and_no_answers(house: House) -> None:
    circle = Circle(house)
    answer = house.post(circle.kim, "and more", parent_id=circle.post.id)
    with pytest.raises(Conflict):
        house.do(pinning.pin, house.uris, circle.fay, answer.id)
    posts = [house.post(circle.kim, f"number {number}", group_id=circle.group) for number in range(pinning.MOST)]
    for post in posts:
        house.do(pinning.pin, house.uris, circle.fay, post.id)
        house.do(pinning.pin, house.uris, circle.fay, post.id)
    with pytest.raises(Conflict):
        house.do(pinning.pin, house.uris, circle.fay, circle.post.id)
    house.delete(circle.kim, posts[0].id)
    house.do(pinning.pin, house.uris, circle.fay, circle.post.id)
    assert circle.on_top(circle.kim) == [post.id for post in reversed(posts[1:])] + [circle.post.id]


def test_a_post_that_ends_is_on_top_no_longer(house: House) -> None:
    circle = Circle(house)
    house.do(pinning.pin, house.uris, circle.fay, circle.post.id)
    house.delete(circle.kim, circle.post.id)
    assert (circle.on_top(circle.kim), circle.featured()) == ([], [])
    house.destroy()
    assert house.count(PINS) == 0


# ── from elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ["stranger", "member", "facilitator elsewhere", "facilitator"])
def test_s316_what_stands_on_top_is_decided_by_those_who_look_after_the_group(house: House, role: str) -> None:
    circle = Circle(house)
    mod = house.stranger("mod", "mods.example")
    if role == "facilitator elsewhere":
        house.join(house.group("other", audience="public"), mod, role="facilitator")
    elif role != "stranger":
        house.join(circle.group, mod, role=role)
    passed_over(house, mod, "Add", circle.post.uri, target=circle.collection)
    may = role == "facilitator"
    assert (circle.on_top(None) == [circle.post.id]) is may
    told = [(one.kind, one.document["object"]["actor"]) for one in house.deliver() if one.host == "far.example"]
    assert told == ([("Announce(Add(id))", house.uri(mod))] if may else [])
    house.do(pinning.pin, house.uris, circle.fay, circle.post.id)
    passed_over(house, mod, "Remove", circle.post.uri, target=circle.collection, id=f"{house.uri(mod)}/2")
    assert (circle.on_top(None) == []) is may


def test_another_collection_is_no_way_to_the_top(house: House) -> None:
    """Not that of another group here, nor one elsewhere, nor any other of the group."""
    circle = Circle(house)
    other = house.group("other", audience="public")
    mod = house.stranger("mod", "mods.example", circle.group, role="facilitator")
    house.join(other, mod, role="facilitator")
    targets = [f"{house.uri(other)}/featured", f"{house.uri(circle.group)}/outbox", f"{house.uri(mod)}/featured"]
    for number, target in enumerate(targets):
        passed_over(house, mod, "Add", circle.post.uri, target=target, id=f"{house.uri(mod)}/{number}")
    assert house.count(PINS) == 0
    receive(house, mod, "Add", circle.post.uri, target=circle.collection)
    assert house.count(PINS) == 1


@pytest.mark.parametrize("announcer", ["its own", "another"])
def test_a_group_elsewhere_says_what_stands_on_top_of_it(house: House, announcer: str) -> None:
    club = house.stranger("club", "club.example", kind="Group")
    rival = house.stranger("rival", "rival.example", kind="Group")
    ana = house.person("ana", club, rival)
    post = house.post(ana, "hello", group_id=club)
    by = club if announcer == "its own" else rival
    add = {"id": "https://club.example/a/1", "type": "Add", "actor": "https://club.example/users/mod",
           "object": post.uri, "target": f"{house.uri(by)}/featured", "to": [PUBLIC], "cc": []}  # fmt: skip
    receive(house, by, "Announce", add, id=f"{house.uri(by)}/1")
    found: list[PostView] = house.ask(pinning.pinned_in, Viewer(ana), club)
    assert [one.id for one in found] == ([post.id] if by == club else [])
    receive(house, by, "Announce", {**add, "type": "Remove", "id": "https://club.example/a/2"}, id=f"{house.uri(by)}/2")
    assert house.count(PINS) == 0
