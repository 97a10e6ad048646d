"""How often a password may be tried: for one name, for all names, and with tries for its owner that nobody takes."""

from collections.abc import Callable
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.attempts import MAX_COUNTERS, OF_ADDRESS, OF_ADDRESS_FOR_NAME, OF_BROWSER, OF_NAME, Attempts, TooManyTries

LONGEST = max(limit.seconds for limit in (OF_ADDRESS, OF_ADDRESS_FOR_NAME, OF_NAME))
HOUR = 3_600


class Seconds:
    """Time that only the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def is_let(attempts: Attempts, address: str, name: str) -> bool:
    """Try once, and tell whether it was let through."""
    try:
        attempts.count(address, name)
    except TooManyTries:
        return False
    return True


def tries(attempts: Attempts, who: Callable[[int], tuple[str, str]], most: int = 1_000) -> int:
    """Try until it is refused, and return how often it was not."""
    return next(number for number in count() if number == most or not is_let(attempts, *who(number)))


def from_many(number: int) -> tuple[str, str]:
    return f"198.51.100.{number}", "ada"


def test_one_address_tries_one_name_a_few_times_however_it_is_written() -> None:
    attempts = Attempts(Seconds())
    assert tries(attempts, lambda _: ("198.51.100.7", "ada")) == OF_ADDRESS_FOR_NAME.at_once
    for name in ("ada", "ADA", "Ada"):
        with pytest.raises(TooManyTries) as refusal:
            attempts.count("198.51.100.7", name)
        assert refusal.value.wait == OF_ADDRESS_FOR_NAME.seconds
    assert is_let(attempts, "198.51.100.7", "ben")
    assert is_let(attempts, "203.0.113.9", "ada")


def test_one_name_is_not_tried_without_end_from_many_addresses() -> None:
    attempts = Attempts(Seconds())
    assert tries(attempts, from_many) == OF_NAME.at_once
    assert not is_let(attempts, "203.0.113.9", "ADA")
    assert is_let(attempts, "203.0.113.9", "ben"), "another name is as before"


@pytest.mark.parametrize("name", ["ada", "nobody of this name", ""])
def test_a_name_that_is_not_here_is_limited_like_any_other(name: str) -> None:
    attempts = Attempts(Seconds())
    assert tries(attempts, lambda number: (f"192.0.2.{number}", name)) == OF_NAME.at_once


def test_one_address_cannot_go_through_all_names() -> None:
    attempts = Attempts(Seconds())
    assert tries(attempts, lambda number: ("198.51.100.7", f"name {number}")) == OF_ADDRESS.at_once
    assert is_let(attempts, "203.0.113.9", "name 1")


@pytest.mark.parametrize("is_one_address", [True, False])
def test_when_strangers_have_stopped_the_owner_of_a_name_waits_half_a_minute_at_most(*, is_one_address: bool) -> None:
    seconds = Seconds()
    attempts = Attempts(seconds)
    for number in range(5_000):
        seconds.now += 0.1
        is_let(attempts, "10.0.0.1" if is_one_address else f"192.0.2.{number}", "ada")
    owner = "10.0.0.1" if is_one_address else "203.0.113.9"
    seconds.now += LONGEST
    assert is_let(attempts, owner, "ada"), "refused tries have not put it off"


def test_ordinary_visits_of_many_people_behind_one_address_use_nothing_up() -> None:
    attempts = Attempts(Seconds())
    for number in range(1_000):
        attempts.count("10.0.0.1", f"name {number}")
        attempts.forgive("10.0.0.1", f"name {number}")
    assert is_let(attempts, "10.0.0.1", "ada")


def test_a_right_password_forgives_the_name_and_only_itself_of_the_address() -> None:
    attempts = Attempts(Seconds())
    wrong = 0
    while is_let(attempts, "198.51.100.7", f"name {wrong}"):
        wrong += 1
        if is_let(attempts, "198.51.100.7", "ada"):
            attempts.forgive("198.51.100.7", "ADA")
    assert wrong == OF_ADDRESS.at_once


def test_a_right_password_of_the_owner_leaves_a_guesser_no_new_tries() -> None:
    attempts = Attempts(Seconds())
    for number in range(OF_NAME.at_once - 1):
        attempts.count(*from_many(number))
    attempts.count("203.0.113.9", "ada")
    attempts.forgive("203.0.113.9", "ada")
    assert tries(attempts, lambda number: (f"192.0.2.{number}", "ada")) == 1


@given(st.lists(st.floats(0, 60), min_size=1, max_size=200))
def test_however_they_are_spread_no_more_tries_come_through_than_the_limit_says(pauses: list[float]) -> None:
    seconds = Seconds()
    attempts, let = Attempts(seconds), []
    for number, pause in enumerate(pauses):
        seconds.now += pause
        if is_let(attempts, f"address {number}", "ada"):
            let.append(seconds.now)
    for first, moment in enumerate(let):
        within = [other for other in let[first:] if other - moment < HOUR]
        assert len(within) <= OF_NAME.at_once + (within[-1] - moment) / OF_NAME.seconds + 1e-6


def is_let_in_browser(attempts: Attempts, tag: bytes, address: str, name: str) -> bool:
    """Try once in a browser that is known, and tell whether it was let through."""
    if is_let(attempts, address, name):
        return True
    try:
        attempts.count_of_browser(tag)
    except TooManyTries:
        return False
    return True


@given(
    st.lists(st.tuples(st.floats(0, 40), st.sampled_from(["ada", "ben"]), st.integers(0, 30)), max_size=300),
    st.integers(1, 20),
)
def test_whatever_strangers_do_a_browser_of_the_owner_has_its_tries(
    guesses: list[tuple[float, str, int]], burst: int
) -> None:
    """Strangers at many addresses, the owner's among them, with cookies of their own too: the owner is not shut out."""
    seconds, spent = Seconds(), 0.0
    attempts = Attempts(seconds)
    for number, (pause, name, stranger) in enumerate(guesses):
        seconds.now += pause
        spent = max(0.0, spent - pause)
        for _ in range(burst):
            is_let_in_browser(attempts, b"%d" % stranger, f"address {stranger}", name)
        if number % 3 == 0 and spent <= (OF_BROWSER.at_once - 1) * OF_BROWSER.seconds:
            assert is_let_in_browser(attempts, b"of the owner", "address 0", "ada")
            spent += OF_BROWSER.seconds


@given(st.lists(st.floats(0, 60), min_size=1, max_size=200))
def test_a_browser_that_was_stolen_guesses_no_faster_than_its_own_limit(pauses: list[float]) -> None:
    seconds, let = Seconds(), 0
    attempts, began = Attempts(seconds), seconds.now
    for number, pause in enumerate(pauses):
        seconds.now += pause
        for _ in range(20):
            let += is_let_in_browser(attempts, b"stolen", f"address {number}", "ada")
    passed = seconds.now - began
    bound = sum(limit.at_once + passed / limit.seconds for limit in (OF_NAME, OF_BROWSER))
    assert let <= bound + 1e-6


def test_browsers_are_counted_apart() -> None:
    attempts = Attempts(Seconds())
    tries(attempts, from_many)
    for tag in (b"one", b"two"):
        of_this = [is_let_in_browser(attempts, tag, "203.0.113.9", "ada") for _ in range(20)]
        assert of_this == [True] * OF_BROWSER.at_once + [False] * (20 - OF_BROWSER.at_once)


def test_what_is_kept_names_nobody_and_is_bounded() -> None:
    attempts = Attempts(Seconds())
    for number in range(MAX_COUNTERS):
        is_let(attempts, f"address {number}", f"somebody {number}")  # long words: no hash has one in it by chance
    kept = list(attempts._full_at)
    assert len(kept) <= MAX_COUNTERS
    assert not any(b"somebody" in key or b"address" in key for key in kept)
    assert "somebody" not in repr(attempts)
