"""Who looks after a group: appointed by its owner alone, and named to other servers only where they want it."""

from typing import Any

import pytest

from activitypub import actors
from activitypub.ports import NOBODY, Publication, Requester
from groups import membership, roles
from groups.errors import Conflict, NotAllowed, NotFound
from groups.places import standing_of
from groups.publications import GroupPublications
from tests.groups.house import PUBLIC, House
from tests.groups.test_federation import passed_over, receive


class Circle:
    """A group with its owner, a facilitator, members, and a reader on a server that knows groups."""

    def __init__(self, house: House, audience: str = "public") -> None:
        self.house = house
        self.owner, self.fay, self.kim = (house.person(name) for name in ("olive", "fay", "kim"))
        self.group = house.group("grief", audience=audience, owner_id=self.owner)
        house.join(self.group, self.fay, role="facilitator")
        house.join(self.group, self.kim)
        self.sam = house.stranger("sam", "far.example", self.group)
        house.class_of("far.example", level="allow", threadiverse=True)

    def role(self, actor_id: int) -> str | None:
        """Return what somebody is in the group."""
        found: str | None = self.house.ask(standing_of, self.group, actor_id).role
        return found

    def listed(self, requester: Requester = NOBODY) -> Any:
        """Return what the collection of moderators says to somebody."""
        actor = self.house.ask(actors.actor_by_id, self.group)
        publications = GroupPublications(self.house.uris)
        found = self.house.ask(publications.collection, actor, "moderators", {}, requester)
        return found.document["orderedItems"] if isinstance(found, Publication) else None

    @property
    def collection(self) -> str:
        """The address of that collection."""
        return f"{self.house.uri(self.group)}/moderators"


@pytest.fixture
def circle(house: House) -> Circle:
    return Circle(house)


@pytest.mark.parametrize("who", ["owner", "operator", "fay", "kim"])
def test_only_the_owner_appoints_and_dismisses(house: House, circle: Circle, who: str) -> None:
    by = None if who == "operator" else getattr(circle, who)
    deeds = (
        lambda: house.do(roles.appoint, by, circle.group, circle.kim),
        lambda: house.do(roles.dismiss, house.uris, by, circle.group, circle.fay),
    )
    if who in {"owner", "operator"}:
        for deed in deeds:
            deed()
        assert (circle.role(circle.kim), circle.role(circle.fay)) == ("facilitator", "member")
        return
    for deed in deeds[: 1 if who == "fay" else 2]:
        with pytest.raises(NotAllowed):
            deed()
    assert (circle.role(circle.kim), circle.role(circle.fay)) == ("member", "facilitator")


def test_one_steps_down_oneself_but_not_as_the_owner(house: House, circle: Circle) -> None:
    house.do(roles.dismiss, house.uris, circle.fay, circle.group, circle.fay)
    assert circle.role(circle.fay) == "member"
    with pytest.raises(NotAllowed):
        house.do(roles.dismiss, house.uris, circle.owner, circle.group, circle.owner)
    house.do(roles.dismiss, house.uris, None, circle.group, circle.owner)
    assert circle.role(circle.owner) == "owner"


def test_who_does_not_take_part_looks_after_nothing(house: House, circle: Circle) -> None:
    asks = house.person("asks")
    house.join(circle.group, asks, state="pending")
    for nobody in (asks, house.person("eve")):
        with pytest.raises(Conflict):
            house.do(roles.appoint, circle.owner, circle.group, nobody)
        with pytest.raises((NotAllowed, NotFound)):
            house.do(roles.be_named, house.uris, nobody, circle.group, named=True)


@pytest.mark.parametrize("audience", ["none", "peers-only", "followers", "public"])
def test_who_looks_after_a_group_is_named_outside_only_by_their_own_wish(house: House, audience: str) -> None:
    """To everybody where the group is public, else to servers with a member; and never without being asked."""
    circle = Circle(house, audience)
    member, stranger = Requester(circle.sam, "far.example"), Requester(house.stranger("eve", "e.example"), "e.example")
    asked = {"nobody": NOBODY, "stranger": stranger, "member": member}
    assert {circle.listed(who) == [] or circle.listed(who) is None for who in asked.values()} == {True}
    house.do(roles.be_named, house.uris, circle.fay, circle.group, named=True)
    fay = house.uri(circle.fay)
    readers = {"public": set(asked), "none": set()}.get(audience, {"member"})
    assert {name for name, who in asked.items() if circle.listed(who) == [fay]} == readers
    (told,) = house.deliver() if audience != "none" else [None]
    if told is not None:
        assert (told.kind, told.document["object"]["target"]) == ("Announce(Add(id))", circle.collection)
        assert (told.document["object"]["object"], PUBLIC in str(told.document)) == (fay, audience == "public")
    house.do(roles.be_named, house.uris, circle.fay, circle.group, named=False)
    assert not any(circle.listed(who) for who in asked.values())
    assert [sent.kind for sent in house.sent()] == ([] if audience == "none" else ["Announce(Remove(id))"])


@pytest.mark.parametrize("way", ["dismissed", "removed", "left"])
def test_who_no_longer_looks_after_a_group_is_not_named_when_they_do_again(
    house: House, circle: Circle, way: str
) -> None:
    house.do(roles.be_named, house.uris, circle.fay, circle.group, named=True)
    if way == "dismissed":
        house.do(roles.dismiss, house.uris, circle.owner, circle.group, circle.fay)
    elif way == "removed":
        house.do(membership.remove, house.uris, circle.owner, circle.group, circle.fay)
    else:
        house.do(membership.leave, house.uris, circle.fay, circle.group)
    assert circle.listed() == []
    house.place(circle.group, circle.fay, state="active")
    house.do(roles.appoint, circle.owner, circle.group, circle.fay)
    assert circle.listed() == []


# ── from elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ["member", "facilitator", "moderator"])
def test_s316_nobody_elsewhere_appoints_or_dismisses_others(house: House, circle: Circle, role: str) -> None:
    """Who owns a group is of this node, so nobody elsewhere may; all that they may is to step down."""
    house.place(circle.group, circle.sam, role=role)
    house.deliver()
    for kind, whom in (("Add", circle.kim), ("Add", circle.sam), ("Remove", circle.fay), ("Remove", circle.owner)):
        passed_over(house, circle.sam, kind, house.uri(whom), target=circle.collection)
    assert [circle.role(who) for who in (circle.owner, circle.fay, circle.kim, circle.sam)] == [
        "owner", "facilitator", "member", role,
    ]  # fmt: skip
    assert house.sent() == []
    passed_over(house, circle.sam, "Remove", house.uri(circle.sam), target=circle.collection)
    assert circle.role(circle.sam) == "member"


@pytest.mark.parametrize("announcer", ["its own", "another"])
def test_a_group_elsewhere_says_who_looks_after_it(house: House, announcer: str) -> None:
    """Of its own members here, and of no other group's."""
    club = house.stranger("club", "club.example", kind="Group")
    rival = house.stranger("rival", "rival.example", kind="Group")
    ana = house.person("ana", club, rival)
    by = club if announcer == "its own" else rival
    add = {"id": "https://club.example/a/1", "type": "Add", "actor": "https://club.example/users/mod",
           "object": house.uri(ana), "target": f"{house.uri(club)}/moderators", "to": [PUBLIC], "cc": []}  # fmt: skip
    receive(house, by, "Announce", add, id=f"{house.uri(by)}/1")
    expected = "facilitator" if by == club else "member"
    assert house.ask(standing_of, club, ana).role == expected
    assert house.ask(standing_of, rival, ana).role == "member"
    receive(house, by, "Announce", {**add, "type": "Remove", "id": "https://club.example/a/2"}, id=f"{house.uri(by)}/2")
    assert house.ask(standing_of, club, ana).role == "member"
