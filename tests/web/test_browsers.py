"""The cookie of a browser that signed in before: it says who to the node alone, and only about who types a name."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from node.database import ThreadedDatabase
from privacy import accounts
from privacy.unit_of_work import UnitOfWork
from tests.clock import MovableClock
from web.browsers import DAY_BYTES, KNOWN_FOR, introduction, recognise


@cache
def hashed() -> str:
    return accounts.hash_password("four words that differ")


def add(uow: UnitOfWork, name: str, *, has_password: bool = True) -> int:
    return accounts.register(uow, accounts.NewAccount(name, hashed() if has_password else None))


@pytest.fixture
def ada(database: ThreadedDatabase) -> int:
    return database.write_now(add, "ada")


def made(database: ThreadedDatabase, account_id: int) -> str:
    cookie = database.write_now(introduction, account_id)
    assert cookie is not None
    return cookie


def is_known_as(database: ThreadedDatabase, cookie: str, name: str) -> bool | None:
    """Tell whether the browser is that of the account of a name; None where it is nobody's."""
    known = database.read_now(recognise, cookie, name)
    return None if known is None else known.credentials is not None


def test_it_is_known_for_whom_it_was_made_and_for_nobody_else(database: ThreadedDatabase, ada: int) -> None:
    database.write_now(add, "eve")
    cookie = made(database, ada)
    assert [is_known_as(database, cookie, name) for name in (" Ada ", "eve", "nobody")] == [True, False, False]


def test_no_two_of_one_account_share_anything_but_their_last_day(database: ThreadedDatabase, ada: int) -> None:
    one, two = (urlsafe_b64decode(made(database, ada)) for _ in range(2))
    assert one[:DAY_BYTES] == two[:DAY_BYTES]
    pieces = {one[at : at + 6] for at in range(DAY_BYTES, len(one) - 5)}
    assert not pieces & {two[at : at + 6] for at in range(DAY_BYTES, len(two) - 5)}
    for told in (b"ada", str(ada).encode(), ada.to_bytes(8), ada.to_bytes(8, "little")):
        assert told not in one


def test_it_ends(database: ThreadedDatabase, ada: int, clock: MovableClock) -> None:
    cookie = made(database, ada)
    clock.move(KNOWN_FOR)
    assert is_known_as(database, cookie, "ada")
    clock.move(timedelta(days=1))
    assert is_known_as(database, cookie, "ada") is None


def test_who_has_no_password_needs_none(database: ThreadedDatabase) -> None:
    assert database.write_now(introduction, database.write_now(add, "ben", has_password=False)) is None
    assert database.write_now(introduction, 5) is None, "nor has somebody who is not there one"


def test_who_is_erased_is_forgotten(database: ThreadedDatabase, ada: int) -> None:
    cookie = made(database, ada)
    database.write_now(accounts.close_account, ada, lambda *_: None)
    assert is_known_as(database, cookie, "ada") is False


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(min_value=0))
def test_not_a_bit_of_it_can_be_changed(database: ThreadedDatabase, ada: int, bit: int) -> None:
    written = bytearray(urlsafe_b64decode(made(database, ada)))
    written[bit // 8 % len(written)] ^= 1 << bit % 8
    assert is_known_as(database, urlsafe_b64encode(written).decode(), "ada") is None


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(max_size=200))
def test_no_text_is_a_fault(database: ThreadedDatabase, text: str) -> None:
    assert is_known_as(database, text, "ada") is None
