"""Standings for decisions and lists for people: who is shown which members, requests and groups."""

import pytest

from groups.errors import GroupsError, NotAllowed, NotFound
from groups.founding import GroupChanges, change_group
from groups.places import groups_of, groups_to_join, local_groups, members_of, memberships, requests_of, standing_of
from groups.views import Viewer
from tests.groups.house import House

GONE = ("pending", "left", "removed", "refused", "banned", "parked")


def handles(house: House, viewer_id: int | None, group_id: int) -> list[str]:
    """Return the members that a viewer is shown."""
    return [card.handle for card, _ in house.ask(members_of, Viewer(viewer_id), group_id)]


def test_members_are_shown_to_members(house: House) -> None:
    """Those who look after the group first, then by name; nobody who has no place now."""
    grief = house.group("grief", owner_id=house.person("zoe"))
    for name in ("ben", "ana"):
        house.person(name, grief)
    for state in GONE:
        house.person(f"is_{state}", grief, state=state)
    assert handles(house, house.names["ana"], grief) == ["zoe", "ana", "ben"]


@pytest.mark.parametrize("audience", ["none", "followers", "public"])
@pytest.mark.parametrize("state", [None, *GONE])
def test_members_are_shown_to_nobody_else(house: House, audience: str, state: str | None) -> None:
    """Not of a public group either, not to a follower, and not to whoever has not signed in."""
    grief = house.group("grief", audience=audience)
    ana, eve = house.person("ana", grief), house.person("eve")
    if state is not None:
        house.join(grief, eve, state=state)
    follower = house.person("kim", grief, role="follower")
    for viewer in (eve, follower, None):
        with pytest.raises(GroupsError):
            handles(house, viewer, grief)
    assert "ana" in handles(house, ana, grief)


def test_requests_are_shown_to_those_who_answer_them(house: House) -> None:
    """And to the operator; members and the one who asks see none."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner)
    ana, eve = house.person("ana", grief), house.person("eve", grief, state="pending")
    for nobody in (ana, eve):
        with pytest.raises(NotAllowed):
            house.ask(requests_of, nobody, grief)
    for by in (owner, None):
        assert [card.handle for card in house.ask(requests_of, by, grief)] == ["eve"]


def test_a_standing_is_about_one_group_and_one_actor(house: House) -> None:
    """The owner of one group is nobody in another, and a group that is not there has no standing."""
    owner = house.person("owner")
    grief, town = house.group("grief", owner_id=owner), house.group("town")
    assert house.ask(standing_of, grief, owner).looks_after
    assert house.ask(standing_of, town, owner).state is None
    assert house.ask(standing_of, grief, None).state is None
    with pytest.raises(NotFound):
        house.ask(standing_of, grief + 1, owner)
    assert set(house.ask(memberships, owner, [grief, town])) == {grief}


def test_one_s_groups_are_those_one_is_in_or_asked_for(house: House) -> None:
    """Also hidden ones; none that one left or was shown out of, and none of anybody else."""
    hidden, asked = house.group("hidden", join_rule="invite"), house.group("asked")
    ana = house.person("ana", hidden)
    house.join(asked, ana, state="pending")
    for state in GONE[1:]:
        house.join(house.group(f"is_{state}"), ana, state=state)
    found = house.ask(groups_of, ana)
    assert {(view.card.handle, place.state) for view, place in found} == {("hidden", "active"), ("asked", "pending")}
    assert house.ask(groups_of, house.person("eve")) == []


def test_what_can_be_joined_is_what_is_open_to_be_known(house: House) -> None:
    """No sealed group, none of another node, no hidden one but to its members; the operator sees all of this node."""
    house.group("known")
    hidden, sealed = house.group("hidden", join_rule="invite"), house.group("sealed")
    house.do(change_group, house.uris, None, sealed, GroupChanges(state="sealed"))
    house.stranger("club", "club.example", kind="Group")
    ana, eve = house.person("ana", hidden), house.person("eve")
    assert [view.card.handle for view in house.ask(groups_to_join, Viewer(eve))] == ["known"]
    assert [view.card.handle for view in house.ask(groups_to_join, Viewer(ana))] == ["hidden", "known"]
    assert house.ask(groups_to_join, Viewer(None)) == []
    assert [view.card.handle for view in house.ask(local_groups)] == ["hidden", "known", "sealed"]
