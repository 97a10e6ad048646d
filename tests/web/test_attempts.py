"""How often a password may be tried: for one name, for all names together, and never so that others are locked out."""

import pytest

from web.attempts import MAX_COUNTERS, SECONDS, TRIES_FOR_ONE_NAME, TRIES_IN_ALL, Attempts, TooManyTries


class Seconds:
    """Time that only the test moves."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


def tries(attempts: Attempts, address: str, name: str, most: int = 10_000) -> int:
    """Try until it is refused, and return how often it was not."""
    for done in range(most):
        try:
            attempts.count(address, name)
        except TooManyTries:
            return done
    return most


def test_one_address_tries_one_name_a_few_times_however_it_is_written() -> None:
    attempts = Attempts(Seconds())
    assert tries(attempts, "198.51.100.7", "ada") == TRIES_FOR_ONE_NAME
    for name in ("ada", "ADA", "Ada"):
        with pytest.raises(TooManyTries):
            attempts.count("198.51.100.7", name)


def test_the_owner_of_a_name_is_not_locked_out_by_who_guesses() -> None:
    attempts = Attempts(Seconds())
    for number in range(50):
        tries(attempts, f"198.51.100.{number}", "ada")
    attempts.count("203.0.113.9", "ada")


def test_one_address_cannot_go_through_all_names() -> None:
    attempts = Attempts(Seconds())
    refused = None
    for number in range(TRIES_IN_ALL + 1):
        try:
            attempts.count("198.51.100.7", f"name {number}")
        except TooManyTries:
            refused = number
    assert refused == TRIES_IN_ALL
    attempts.count("203.0.113.9", "name 1")


def test_after_ten_minutes_it_may_be_tried_again() -> None:
    seconds = Seconds()
    attempts = Attempts(seconds)
    assert tries(attempts, "198.51.100.7", "ada") == TRIES_FOR_ONE_NAME
    seconds.now += SECONDS - 1
    with pytest.raises(TooManyTries):
        attempts.count("198.51.100.7", "ada")
    seconds.now += 1
    attempts.count("198.51.100.7", "ada")


def test_a_right_password_forgives_the_name_and_not_the_address() -> None:
    attempts = Attempts(Seconds())
    done = 0
    while True:
        try:
            attempts.count("198.51.100.7", "ada")
        except TooManyTries:
            break
        attempts.forgive("198.51.100.7", "ADA")
        done += 1
    assert done == TRIES_IN_ALL


def test_what_is_kept_names_nobody_and_is_bounded() -> None:
    attempts = Attempts(Seconds())
    for number in range(MAX_COUNTERS):
        attempts.count(f"address {number}", "ada")
    kept = vars_of(attempts)
    assert len(kept) <= MAX_COUNTERS
    assert not any(b"ada" in key or b"address" in key for key in kept)
    assert "ada" not in repr(attempts)


def vars_of(attempts: Attempts) -> list[bytes]:
    """Return the keys of the counters."""
    return list(attempts._tries)
