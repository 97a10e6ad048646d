"""Whom one may learn of: handles cannot be tried one by one, and a name is shown as its owner wrote it."""

from collections.abc import Callable

import pytest

from groups import composing, people
from groups.errors import GroupsError, Invalid
from groups.places import group, group_by_handle, groups_to_join
from groups.views import Viewer
from tests.groups.house import House


def ways(house: House, viewer_id: int | None, actor_id: int, handle: str) -> dict[str, bool]:
    """Return by each way of asking whether a viewer learns of an actor."""
    viewer = Viewer(viewer_id)
    asked: dict[str, Callable[[], object]] = {
        "card": lambda: house.ask(people.card_for, viewer, actor_id),
        "cards": lambda: house.ask(people.known_cards, viewer, [actor_id]),
        "handle": lambda: house.ask(people.look_up, viewer, handle, None),
        "search": lambda: house.ask(people.search, viewer, handle, 40),
        "part": lambda: house.ask(people.search, viewer, f"@{handle[:3]}", 40),
        "mention": lambda: house.ask(composing.known_actors, house.uris, viewer, {(handle, None)}),
        "address": lambda: house.ask(composing.known_actors, house.uris, viewer, {(handle, "kin.example")}),
    }
    return {name: learns(question) for name, question in asked.items()}


def learns(question: Callable[[], object]) -> bool:
    """Tell whether a question has an answer with anything in it."""
    try:
        return bool(question())
    except GroupsError:
        return False


def test_people_are_known_to_those_who_share_a_group(house: House) -> None:
    """By no way at all to anybody else, signed in or not; to members by every way."""
    grief, town = house.group("grief"), house.group("town", audience="public")
    robin, ana = house.person("robin", grief), house.person("ana", grief)
    eve = house.person("eve", town)
    assert all(ways(house, ana, robin, "robin").values())
    assert all(ways(house, robin, robin, "robin").values())
    for viewer in (eve, None):
        assert not any(ways(house, viewer, robin, "robin").values())


@pytest.mark.parametrize("state", ["pending", "left", "removed", "refused", "banned", "parked"])
def test_whoever_has_no_place_is_not_known(house: House, state: str) -> None:
    """Asking for a group does not show one to its members, and having left does not either."""
    grief = house.group("grief")
    robin, ana = house.person("robin", grief, state=state), house.person("ana", grief)
    assert not any(ways(house, ana, robin, "robin").values())
    house.place(grief, robin, state="active")
    assert all(ways(house, ana, robin, "robin").values())


@pytest.mark.parametrize("state", ["pending", "left", "removed", "refused", "banned", "parked"])
def test_asking_for_a_group_does_not_show_its_members(house: House, state: str) -> None:
    """Anybody may ask: were that enough, handles could be tried after all."""
    grief = house.group("grief")
    robin, eve = house.person("robin", grief), house.person("eve", grief, state=state)
    assert not any(ways(house, eve, robin, "robin").values())
    house.place(grief, eve, state="active")
    assert all(ways(house, eve, robin, "robin").values())


@pytest.mark.parametrize(
    ("audience", "join_rule", "to_members", "to_all"),
    [
        ("none", "invite", False, False),
        ("none", "approval", True, False),
        ("followers", "invite", True, False),
        ("public", "invite", True, True),
    ],
)
def test_groups_are_known_as_their_rules_say(
    house: House, audience: str, join_rule: str, to_members: bool, to_all: bool
) -> None:
    """A hidden group to those in it alone; one that can be asked for to people here; a public one to all."""
    grief = house.group("grief", audience=audience, join_rule=join_rule)
    ana, eve = house.person("ana", grief), house.person("eve")
    for viewer, known in ((ana, True), (eve, to_members), (None, to_all)):
        assert set(ways(house, viewer, grief, "grief").values()) == {known}
        assert learns(lambda: house.ask(group, Viewer(viewer), grief)) is known  # noqa: B023 - asked at once
        assert learns(lambda: house.ask(group_by_handle, Viewer(viewer), "grief")) is known  # noqa: B023 - asked at once
        assert bool(house.ask(groups_to_join, Viewer(viewer))) is known


def test_a_refusal_tells_nothing_of_who_is_there(house: House) -> None:
    """What is not known and what does not exist are refused alike."""
    robin, eve = house.person("robin", house.group("grief")), house.person("eve")
    answers = []
    for handle in ("robin", "nobody"):
        with pytest.raises(GroupsError) as refusal:
            house.ask(people.look_up, Viewer(eve), handle, None)
        answers.append((type(refusal.value), refusal.value.public, str(refusal.value)))
    assert answers[0] == answers[1]
    assert learns(lambda: house.ask(people.look_up, Viewer(robin), "robin", None))


def test_a_search_takes_signs_for_letters(house: House) -> None:
    """What a pattern would match by a wild card is not found by it; the letters themselves are."""
    grief = house.group("grief")
    ana = house.person("ana_b", grief)
    house.person("anaxb", grief)
    found = [card.handle for card in house.ask(people.search, Viewer(ana), "ana_", 40)]
    assert found == ["ana_b"]
    assert house.ask(people.search, Viewer(ana), "%", 40) == []
    assert house.ask(people.search, Viewer(ana), "", 40) == []


def test_people_elsewhere_are_found_with_their_host(house: House) -> None:
    """Two of one name are told apart, and only those of shared groups are known."""
    grief = house.group("grief", audience="followers")
    ana = house.person("ana", grief)
    sam = house.stranger("sam", "far.example", grief)
    house.stranger("sam", "strange.example")
    assert house.ask(people.look_up, Viewer(ana), "sam", "far.example").id == sam
    assert not learns(lambda: house.ask(people.look_up, Viewer(ana), "sam", "strange.example"))
    assert [card.host for card in house.ask(people.search, Viewer(ana), "sam", 40)] == ["far.example"]


def test_a_profile_is_cleaned() -> None:
    """Directions are taken out of names, and a name there must be."""
    assert people.clean_profile("A\u202ena\n<b>", " hi\n") == ("Ana <b>", "hi")
    for name, summary in (("", ""), ("\u200b", ""), ("ana", "x" * 2_001)):
        with pytest.raises(Invalid):
            people.clean_profile(name, summary)
