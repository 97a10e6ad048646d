"""Lists that are fetched every day: drafts until an admin confirms, retraction, and which list counts (T-MO-04)."""

import pytest

from activitypub import changes, subscriptions
from activitypub.changes import DRAFT
from activitypub.errors import MalformedActivity, RuleRefused
from activitypub.peers import rules, set_level
from activitypub.subscriptions import AFTER_A_FAILURE, EVERY, MOST_LISTS, NewSubscription
from groups.places import standing_of
from groups.ruling import MOST_WITHOUT_A_HUMAN, carry_out, take_back, take_in_list, unsubscribe
from tests.groups.house import House

ONE, TWO = "https://lists.example/one.csv", "https://lists.example/two.csv"


def subscribed(house: House, url: str = ONE, priority: int = 0, *, applies: bool = True, excluded: str = "") -> int:
    """Subscribe to a list."""
    names = tuple(excluded.split())
    return int(house.do(subscriptions.subscribe, NewSubscription(url, priority, applies, names)))


def says(house: House, list_id: int, *lines: str) -> None:
    """Let a list say something when it is fetched."""
    content = "\n".join(["#domain,#severity", *(f"{line},suspend" if "," not in line else line for line in lines)])
    house.do(take_in_list, house.uris, "open", list_id, content.encode())


def levels(house: House) -> dict[str, str]:
    """Return the rules that hold."""
    return {name: rule.level for name, rule in house.ask(rules).items()}


def drafts(house: House) -> list[int]:
    """Return the changes that wait for somebody."""
    return [view.id for view in house.ask(changes.changes, states=(DRAFT,))]


def test_what_a_list_says_holds_where_it_is_from_is_known_and_what_it_drops_ends(house: House) -> None:
    grief = house.group("grief", owner_id=house.person("owner"))
    sam = house.stranger("sam", "bad.example", grief)
    one = subscribed(house)
    says(house, one, "bad.example", "worse.example")
    rule = house.ask(rules)["bad.example"]
    assert (rule.source, rule.origin, rule.list_id) == ("subscription", ONE, one)
    assert house.ask(standing_of, grief, sam).state == "parked"
    says(house, one, "worse.example")
    assert levels(house) == {"worse.example": "suspend"}


def test_a_domain_that_one_of_two_lists_drops_stays_by_the_other(house: House) -> None:
    """Whichever of the two came first, and it ends when both have dropped it."""
    one, two = subscribed(house, ONE), subscribed(house, TWO)
    for list_id in (one, two):
        says(house, list_id, "bad.example")
    says(house, one, "other.example")
    assert house.ask(rules)["bad.example"].list_id == two
    assert levels(house) == {"bad.example": "suspend", "other.example": "suspend"}
    says(house, two)
    assert levels(house) == {"other.example": "suspend"}


@pytest.mark.parametrize(("first", "second", "level"), [(1, 2, "limit"), (2, 1, "suspend")])
def test_the_list_of_the_highest_priority_counts(house: House, first: int, second: int, level: str) -> None:
    one, two = subscribed(house, ONE, first), subscribed(house, TWO, second)
    says(house, one, "bad.example,suspend")
    says(house, two, "bad.example,silence")
    assert levels(house) == {"bad.example": level}


def test_a_draft_holds_when_an_admin_confirms_it_and_the_newest_alone_waits(house: House) -> None:
    one = subscribed(house, applies=False)
    says(house, one, "bad.example")
    says(house, one, "bad.example", "worse.example")
    (draft,) = drafts(house)
    assert levels(house) == {}
    house.do(carry_out, house.uris, "open", draft)
    assert set(levels(house)) == {"bad.example", "worse.example"}
    says(house, one, "worse.example", "# the same, said otherwise")
    (retraction,) = drafts(house)
    assert set(levels(house)) == {"bad.example", "worse.example"}, "a retraction waits as well"
    house.do(carry_out, house.uris, "open", retraction)
    assert set(levels(house)) == {"worse.example"}
    house.do(take_back, house.uris, "open", retraction)
    assert set(levels(house)) == {"bad.example", "worse.example"}


def test_a_list_that_changes_much_at_once_waits_for_a_human(house: House) -> None:
    one = subscribed(house)
    names = [f"bad{number}.example" for number in range(MOST_WITHOUT_A_HUMAN + 1)]
    says(house, one, *names[:-1])
    assert len(levels(house)) == MOST_WITHOUT_A_HUMAN
    says(house, one)
    says(house, one, *(f"x{name}" for name in names))
    assert (levels(house), len(drafts(house))) == ({}, 1)


def test_a_list_changes_nothing_that_a_human_said_and_nothing_that_is_left_out(house: House) -> None:
    house.do(set_level, "friend.example", "normal")
    house.do(set_level, "own.example", "limit")
    one = subscribed(house, excluded="kept.example")
    says(
        house,
        one,
        "friend.example",
        "sub.friend.example",
        "own.example",
        "kept.example",
        "a.kept.example",
        "com",
        "x.example",
    )
    assert levels(house) == {"friend.example": "normal", "own.example": "limit", "x.example": "suspend"}
    says(house, one)
    assert levels(house) == {"friend.example": "normal", "own.example": "limit"}


def test_the_same_list_again_does_nothing(house: House) -> None:
    one = subscribed(house)
    says(house, one, "bad.example")
    (change,) = [view.id for view in house.ask(changes.changes)]
    house.do(take_back, house.uris, "open", change)
    says(house, one, "bad.example")
    assert levels(house) == {}, "what an admin has undone stays undone until the list says something else"


def test_what_is_no_list_changes_nothing(house: House) -> None:
    one = subscribed(house)
    says(house, one, "bad.example")
    with pytest.raises(MalformedActivity):
        house.do(take_in_list, house.uris, "open", one, b'{"not": "a list"}')
    assert levels(house) == {"bad.example": "suspend"}


def test_a_subscription_that_ends_takes_its_own_back_and_can_be_undone(house: House) -> None:
    one, two = subscribed(house, ONE), subscribed(house, TWO)
    says(house, one, "bad.example", "both.example")
    says(house, two, "both.example")
    done = house.do(unsubscribe, house.uris, "open", one)
    assert levels(house) == {"both.example": "suspend"}
    assert [each.url for each in house.ask(subscriptions.subscriptions)] == [TWO]
    house.do(take_back, house.uris, "open", done.change_id)
    assert set(levels(house)) == {"bad.example", "both.example"}


def test_a_list_is_due_once_a_day_and_after_a_failure_in_an_hour(house: House) -> None:
    one = subscribed(house)
    assert house.do(subscriptions.claim_list).id == one
    assert house.do(subscriptions.claim_list) is None, "nobody else fetches it meanwhile"
    house.do(subscriptions.note_failure, one, "no answer")
    house.clock.move(AFTER_A_FAILURE)
    assert house.do(subscriptions.claim_list).failure == "no answer"
    says(house, one, "bad.example")
    house.clock.move(EVERY - AFTER_A_FAILURE)
    assert house.do(subscriptions.claim_list) is None
    house.clock.move(AFTER_A_FAILURE)
    assert house.do(subscriptions.claim_list).failure is None


def test_what_cannot_be_subscribed_to_is_refused(house: House) -> None:
    subscribed(house)
    for wrong in (NewSubscription(ONE), NewSubscription(TWO, 256), NewSubscription(TWO, excluded=("no domain",))):
        with pytest.raises(RuleRefused):
            house.do(subscriptions.subscribe, wrong)
    for number in range(MOST_LISTS - 1):
        subscribed(house, f"{TWO}?{number}")
    with pytest.raises(RuleRefused):
        subscribed(house, TWO)
