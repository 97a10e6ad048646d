"""Who follows whom, agreed upon between servers: what is told of our groups, and what is made of what others tell."""

from typing import Any

import pytest

from activitypub import actors
from activitypub.errors import NeedsObject
from activitypub.ports import NOBODY, Publication, Requester
from activitypub.synchronization import digest_of
from groups import membership
from groups.incoming import IncomingCollection
from groups.publications import GroupPublications
from groups.synchronizing import followers_on
from tests.groups.house import House
from tests.groups.test_federation import state
from tests.groups.test_profiles import hand_over

CLUB = "https://club.example/users/club"


@pytest.mark.parametrize("audience", ["none", "peers-only", "followers", "public"])
def test_only_of_a_public_group_and_only_its_own_people_a_server_is_told(house: House, audience: str) -> None:
    """Nothing at all of a private one, to nobody, nor to a server that has no follower now."""
    group = house.group("grief", audience=audience)
    sam, kim = house.stranger("sam", "far.example", group), house.stranger("kim", "far.example", group)
    house.stranger("ola", "near.example", group)
    asks = house.stranger("asks", "asks.example", group, state="pending")
    house.person("ana", group)
    for host in ("far.example", "near.example"):
        house.class_of(host, level="allow")
    actor, publications = house.ask(actors.actor_by_id, group), GroupPublications(house.uris)
    requesters = {"far.example": sam, "near.example": house.names["ola@near.example"], "asks.example": asks,
                  "strange.example": house.stranger("eve", "strange.example")}  # fmt: skip
    expected = {"far.example": sorted([house.uri(sam), house.uri(kim)]),
                "near.example": [house.uri(house.names["ola@near.example"])]}  # fmt: skip
    for host, person in requesters.items():
        found = house.ask(publications.collection, actor, "synchronization", {}, Requester(person, host))
        told = house.ask(followers_on, house.uris, group, host)
        if audience != "public" or host not in expected:
            assert (found, told) == (None, None)
            continue
        assert isinstance(found, Publication)
        assert (found.document["orderedItems"], found.public) == (expected[host], False)
        assert told.digest == digest_of(expected[host])
        assert (told.collection, told.url) == (f"{house.uri(group)}/followers", found.document["id"])
    assert house.ask(publications.collection, actor, "synchronization", {}, NOBODY) is None


class Circle:
    """A group elsewhere, and people here who follow it, have asked to, or neither."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.club = house.stranger("club", "club.example", kind="Group")
        self.ana, self.ben, self.cara = (house.person(name) for name in ("ana", "ben", "cara"))
        house.join(self.club, self.ana)
        house.do(membership.request_to_join, house.uris, self.ben, self.club)
        house.deliver()

    def tell(self, digest: str, *followers: str, collection: str = f"{CLUB}/followers", **more: Any) -> None:
        """Have the group's server say who follows it here, and answer with a list."""
        document = {"@context": "https://www.w3.org/ns/activitystreams", "id": f"{CLUB}/followers#1", "to": [],
                    "type": "Synchronize", "actor": CLUB, "object": collection, "target": f"{CLUB}/sync",
                    "digest": digest}  # fmt: skip
        listed = IncomingCollection(f"{CLUB}/sync", None, followers, None, None)
        hand_over(self.house, self.club, document, more.get("fetched", {f"{CLUB}/sync": listed}))

    def states(self) -> list[str | None]:
        """Return what each of them is to the group."""
        return [state(self.house, self.club, who) for who in (self.ana, self.ben, self.cara)]


def test_both_sides_come_to_agree(house: House) -> None:
    """Who is not listed is out, who waits and is listed is in, and who is listed and never asked is taken back."""
    circle = Circle(house)
    listed = [house.uri(circle.ben), house.uri(circle.cara), "https://kin.example/u/nobody"]
    circle.tell(digest_of(listed), *listed, "https://elsewhere.example/u/x")
    assert circle.states() == ["removed", "active", None]
    (sent,) = house.sent()
    assert (sent.kind, sent.document["actor"], sent.inbox) == (
        "Undo(Follow(id))", house.uri(circle.cara), f"{CLUB}/inbox",
    )  # fmt: skip


def test_a_list_of_another_moment_changes_nothing(house: House) -> None:
    """Nor does one of another collection; where both sides agree already nothing is fetched."""
    circle = Circle(house)
    listed = [house.uri(circle.ben)]
    circle.tell(digest_of([house.uri(circle.cara)]), *listed)
    circle.tell(digest_of(listed), *listed, collection=f"{CLUB}/others")
    circle.tell(digest_of([house.uri(circle.ana)]), fetched={})
    assert (circle.states(), house.sent()) == (["active", "pending", None], [])
    with pytest.raises(NeedsObject) as wanted:
        circle.tell(digest_of(listed), fetched={})
    assert (wanted.value.uri, wanted.value.signer_id) == (f"{CLUB}/sync", min(circle.ana, circle.ben))


def test_a_group_of_which_nobody_here_has_heard_is_asked_nothing(house: House) -> None:
    circle = Circle(house)
    rival = house.stranger("rival", "rival.example", kind="Group")
    uri = house.uri(rival)
    document = {"@context": "https://www.w3.org/ns/activitystreams", "id": f"{uri}/followers#1", "to": [],
                "type": "Synchronize", "actor": uri, "object": f"{uri}/followers", "target": f"{uri}/sync",
                "digest": digest_of([house.uri(circle.ana)])}  # fmt: skip
    hand_over(house, rival, document, {})
    assert (circle.states(), house.sent()) == (["active", "pending", None], [])
