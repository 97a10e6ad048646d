"""Sign-in tries are counted by account and by address, and the one whose account it is is not locked out (S-801)."""

import threading
from datetime import timedelta

import pytest

from privacy.throttle import KEY_LIFE, WINDOW, Limits, Throttle
from tests.clock import MovableClock

LIMITS = Limits(per_address=5, per_account=8, per_pair=3)


@pytest.fixture
def throttle(clock: MovableClock) -> Throttle:
    return Throttle(LIMITS, monotonic=clock.monotonic)


def admitted(throttle: Throttle, tries: int, account: str = "robin", address: str = "192.0.2.1") -> int:
    return sum(throttle.admit(account, address) for _ in range(tries))


def test_one_address_is_slowed_whichever_names_it_tries(throttle: Throttle, clock: MovableClock) -> None:
    assert sum(throttle.admit(f"name{i}", "192.0.2.1") for i in range(20)) == LIMITS.per_address
    assert throttle.admit("robin", "192.0.2.2")
    clock.move(WINDOW)
    assert throttle.admit("robin", "192.0.2.1")


def test_one_account_is_slowed_wherever_the_tries_come_from(throttle: Throttle, clock: MovableClock) -> None:
    assert sum(throttle.admit("Robin ", f"192.0.2.{i}") for i in range(20)) == LIMITS.per_account
    assert not throttle.admit("robin", "198.51.100.1")
    assert throttle.admit("sam", "198.51.100.1")
    clock.move(WINDOW)
    assert throttle.admit("robin", "198.51.100.1")


def test_who_signed_in_before_is_not_kept_out_by_strangers(throttle: Throttle) -> None:
    assert throttle.admit("robin", "home")
    throttle.succeeded("robin", "home")
    assert sum(throttle.admit("robin", f"192.0.2.{i}") for i in range(20)) == LIMITS.per_account
    assert throttle.admit("robin", "home")
    assert admitted(throttle, 10, address="home") == LIMITS.per_pair - 1


def test_an_account_of_one_s_own_buys_no_tries_at_others(throttle: Throttle) -> None:
    guesses = 0
    for _ in range(20):
        if throttle.admit("mine", "192.0.2.1"):
            throttle.succeeded("mine", "192.0.2.1")
        guesses += throttle.admit("robin", "192.0.2.1")
    assert guesses <= LIMITS.per_address


def test_nothing_is_counted_twice_by_many_threads(throttle: Throttle) -> None:
    found: list[int] = []
    start = threading.Barrier(8)

    def guess() -> None:
        start.wait(timeout=20)
        found.append(admitted(throttle, 10))

    threads = [threading.Thread(target=guess) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(found) == LIMITS.per_address


def test_each_process_has_its_share(clock: MovableClock) -> None:
    assert admitted(Throttle(LIMITS, processes=2, monotonic=clock.monotonic), 10) == 2


def test_no_address_and_no_name_is_kept_and_the_key_changes_daily(throttle: Throttle, clock: MovableClock) -> None:
    admitted(throttle, 1)
    throttle.succeeded("robin", "192.0.2.1")
    assert b"192.0.2.1" not in repr(vars(throttle)).encode()
    assert "robin" not in repr(vars(throttle))
    admitted(throttle, 1, account="sam")
    before = set(throttle._tries)
    clock.move(KEY_LIFE + timedelta(seconds=1))
    admitted(throttle, 1, account="sam")
    assert before
    assert not before & set(throttle._tries)
