"""Moves to another server: only with the word of both sides, once, and never into a private group (S-306)."""

from datetime import timedelta

import pytest

from activitypub import actors
from activitypub.errors import ForeignOrigin, NeedsObject
from activitypub.ports import KnownActor
from groups import membership
from groups.errors import NotAllowed
from groups.places import standing_of
from tests.groups.house import House
from tests.groups.test_federation import state
from tests.groups.test_profiles import hand_over

OLD, NEW = "https://far.example/users/sam", "https://near.example/users/sam"
OLD_CLUB, NEW_CLUB = "https://club.example/users/club", "https://new.example/users/club"


def move(
    house: House,
    old: int,
    new: int,
    *,
    moved_to: str | None = "",
    also_known_as: tuple[str, ...] | None = None,
    onwards: str | None = None,
) -> None:
    """Have an actor say that it moves, with what both servers answer; honest unless it is said otherwise."""
    house.clock.move(timedelta(seconds=1))
    then, now = house.uri(old), house.uri(new)
    document = {"@context": "https://www.w3.org/ns/activitystreams", "id": f"{then}/move/{house.clock().timestamp()}",
                "type": "Move", "actor": then, "object": then, "target": now, "to": [f"{then}/followers"]}  # fmt: skip
    views = {uri: house.ask(actors.actor_by_uri, uri) for uri in (then, now)}
    fetched = {
        then: KnownActor(views[then], now if moved_to == "" else moved_to),
        now: KnownActor(views[now], onwards, (then,) if also_known_as is None else also_known_as),
    }
    hand_over(house, old, document, fetched)


@pytest.mark.parametrize(
    "lie", ["no movedTo", "movedTo another", "no alias", "another alias", "moves on", "another kind"]
)
def test_s306_both_sides_must_say_so(house: House, lie: str) -> None:
    """And the new address must be the end of the way."""
    group = house.group("grief", audience="public", join_rule="open")
    old = house.stranger("sam", "far.example", group)
    new = house.stranger("sam", "near.example", kind="Service" if lie == "another kind" else "Person")
    lies = {
        "no movedTo": {"moved_to": None},
        "movedTo another": {"moved_to": "https://evil.example/users/sam"},
        "no alias": {"also_known_as": ()},
        "another alias": {"also_known_as": ("https://far.example/users/kim",)},
        "moves on": {"onwards": "https://third.example/users/sam"},
        "another kind": {},
    }
    with pytest.raises((ForeignOrigin, NotAllowed)):
        move(house, old, new, **lies[lie])  # type: ignore[arg-type]  # each by its own name
    assert (state(house, group, old), state(house, group, new)) == ("active", None)
    honest = house.stranger("ola", "near.example")
    move(house, old, honest)
    assert (state(house, group, old), state(house, group, honest)) == ("left", "active")


def test_s306_what_was_known_before_proves_nothing(house: House) -> None:
    """Both documents are fetched for the move, however lately they were seen; one that cannot be had stops it."""
    group = house.group("grief", audience="public", join_rule="open")
    old, new = house.stranger("sam", "far.example", group), house.stranger("sam", "near.example")
    document = {"@context": "https://www.w3.org/ns/activitystreams", "id": f"{OLD}/move", "type": "Move", "actor": OLD,
                "object": OLD, "target": NEW, "to": []}  # fmt: skip
    view = house.ask(actors.actor_by_id, old)
    for fetched in ({}, {OLD: KnownActor(view, NEW)}):
        with pytest.raises(NeedsObject):
            hand_over(house, old, document, fetched)
    hand_over(house, old, document, {OLD: KnownActor(view, NEW), NEW: None})
    assert (state(house, group, old), state(house, group, new)) == ("active", None)


def test_s306_an_actor_moves_once_in_thirty_days(house: House) -> None:
    """Neither again nor on from where it went: else one could gather followers from one address to the next."""
    group = house.group("grief", audience="public", join_rule="open")
    old, new = house.stranger("sam", "far.example", group), house.stranger("sam", "near.example")
    third = house.stranger("sam", "third.example")
    move(house, old, new)
    house.clock.move(timedelta(days=29))
    for one, other in ((old, third), (new, third), (new, old)):
        with pytest.raises(NotAllowed):
            move(house, one, other)
    assert state(house, group, new) == "active"
    house.clock.move(timedelta(days=2))
    move(house, new, third)
    assert (state(house, group, new), state(house, group, third)) == ("left", "active")


@pytest.mark.parametrize("audience", ["none", "peers-only", "followers", "public"])
def test_s306_a_place_in_a_private_group_never_goes_over(house: House, audience: str) -> None:
    """Nor does a role in any: whoever moves is a member and nothing more."""
    group = house.group("grief", audience=audience, join_rule="open")
    old, new = house.stranger("sam", "far.example", group, role="facilitator"), house.stranger("sam", "near.example")
    move(house, old, new)
    goes = audience == "public"
    assert (state(house, group, old), state(house, group, new)) == (("left", "active") if goes else ("active", None))
    assert house.ask(standing_of, group, old).role == ("member" if goes else "facilitator")
    assert house.ask(standing_of, group, new).role == ("member" if goes else None)


@pytest.mark.parametrize("kept_out", ["removed", "banned"])
@pytest.mark.parametrize("audience", ["followers", "public"])
def test_whoever_was_shown_out_stays_so_at_the_new_address(house: House, audience: str, kept_out: str) -> None:
    """Also where that one is in already: both sides said that they are one person."""
    group = house.group("grief", audience=audience, join_rule="open")
    old, new = house.stranger("sam", "far.example"), house.stranger("sam", "near.example", group)
    house.join(group, old, state=kept_out)
    move(house, old, new)
    assert state(house, group, new) == kept_out


def test_a_group_elsewhere_that_moves_is_followed_by_its_members_here(house: House) -> None:
    """Each asks the new one and leaves the old one; what is in the old one stays until it ends."""
    old, new = house.stranger("club", "club.example", kind="Group"), house.stranger("club", "new.example", kind="Group")
    ana, ben = house.person("ana", old), house.person("ben", old)
    house.join(new, ben)
    move(house, old, new)
    assert [state(house, group, ana) for group in (old, new)] == ["left", "pending"]
    assert [state(house, group, ben) for group in (old, new)] == ["left", "active"]
    sent = sorted((one.kind, one.inbox) for one in house.deliver())
    assert ("Follow(id)", f"{NEW_CLUB}/inbox") in sent
    assert [kind for kind, inbox in sent if inbox == f"{OLD_CLUB}/inbox"] == ["Undo(Follow(id))"] * 2
    house.do(membership.receive_answer, ana, new, accepted=True)
    assert state(house, new, ana) == "active"


def test_nobody_is_taken_along_to_another_private_group(house: House) -> None:
    """Whoever belongs to a private group elsewhere decides themselves whether another server may know of it."""
    old, new = house.stranger("club", "club.example", kind="Group"), house.stranger("club", "new.example", kind="Group")
    ana = house.person("ana", old)
    house.do(lambda uow: uow.connection.execute(membership.GROUPS.update().values(audience="followers")).close())
    move(house, old, new)
    assert (state(house, old, ana), state(house, new, ana), house.sent()) == ("active", None, [])


def test_a_thread_that_moves_is_no_actor_that_does(house: House) -> None:
    """NodeBB says Move of conversations too."""
    group = house.group("grief", audience="public", join_rule="open")
    old = house.stranger("sam", "far.example", group)
    document = {"@context": "https://www.w3.org/ns/activitystreams", "id": f"{OLD}/move", "type": "Move", "actor": OLD,
                "object": "https://far.example/topics/1", "target": NEW, "to": []}  # fmt: skip
    hand_over(house, old, document, {})
    assert state(house, group, old) == "active"
