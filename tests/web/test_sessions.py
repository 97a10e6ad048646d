"""Sessions: what their cookies promise, what the row behind them holds, and how they end."""

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from starlette.responses import Response

from node.database import ThreadedDatabase
from privacy import accounts
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import START, MovableClock
from tests.factories import make_persona
from tests.web.browsing import Place
from web import sessions
from web.models import AccessToken, Session
from web.sessions import Cookies, chosen_persona, find_visit, new_session_token, open_session, sign_choice
from web.tokens import NewToken, make_token


def cookies_of(response: Response) -> dict[str, tuple[str, set[str]]]:
    """Return the cookies that an answer sets: the value and the attributes of each."""
    found = {}
    for name, header in response.raw_headers:
        if name == b"set-cookie":
            pair, *attributes = header.decode().split("; ")
            key, _, value = pair.partition("=")
            found[key] = (value, {attribute.lower() for attribute in attributes})
    return found


def test_on_https_cookies_are_bound_to_this_very_host() -> None:
    response = Response()
    Cookies(https=True).sign_in(response, new_session_token(START, shared=False), 7, "known")
    given = cookies_of(response)
    assert set(given) == {"__Host-kinfold", "__Host-kinfold-name", "__Host-kinfold-form", "__Host-kinfold-browser"}
    for _, attributes in given.values():
        assert {"secure", "httponly", "path=/", "samesite=lax"} <= attributes
        assert not any(attribute.startswith("domain") for attribute in attributes)


def test_in_development_cookies_go_without_https_and_keep_all_else() -> None:
    response = Response()
    Cookies(https=False).sign_in(response, new_session_token(START, shared=False), 7, "known")
    given = cookies_of(response)
    assert set(given) == {"kinfold", "kinfold-name", "kinfold-form", "kinfold-browser"}
    for _, attributes in given.values():
        assert {"httponly", "path=/", "samesite=lax"} <= attributes
        assert "secure" not in attributes


@pytest.mark.parametrize(("shared", "lasting"), [(True, False), (False, True)])
def test_cookies_of_a_shared_device_end_with_the_browser(shared: bool, lasting: bool) -> None:
    response = Response()
    Cookies(https=True).sign_in(response, new_session_token(START, shared=shared), 7, "known")
    given = cookies_of(response)
    for name in ("__Host-kinfold", "__Host-kinfold-name"):
        assert ("max-age=2592000" in given[name][1]) is lasting
        assert any(attribute.startswith("max-age") for attribute in given[name][1]) is lasting
    assert "max-age=0" in given["__Host-kinfold-form"][1]
    assert ("max-age=15552000" in given["__Host-kinfold-browser"][1]) is lasting
    assert ("max-age=0" in given["__Host-kinfold-browser"][1]) is not lasting


def test_tokens_cannot_be_guessed_and_say_whether_the_device_is_shared() -> None:
    tokens = {new_session_token(START, shared=number % 2 == 0) for number in range(100)}
    assert len(tokens) == 100
    assert {len(token) for token in tokens} == {55}
    assert sum(map(sessions.is_shared, tokens)) == 50


def test_the_row_of_a_session_holds_neither_the_cookie_nor_a_name(
    database: ThreadedDatabase, clock: MovableClock
) -> None:
    token = new_session_token(START, shared=False)
    database.write_now(open_session, 5, token)
    [row] = database.read_now(lambda uow: uow.connection.execute(select(table_of(Session))).fetchall())
    assert set(row._mapping) == {"token_hash", "account_id", "expires_at"}
    assert token.encode() not in row.token_hash
    assert row.token_hash == sessions.hash_of(token)


DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)


@pytest.mark.parametrize(("shared", "unused", "idle"), [(False, 29 * DAY, 30 * DAY), (True, 14 * MINUTE, 15 * MINUTE)])
def test_a_session_ends_when_it_is_not_used(
    database: ThreadedDatabase, clock: MovableClock, shared: bool, unused: timedelta, idle: timedelta
) -> None:
    token = new_session_token(clock(), shared=shared)
    database.write_now(open_session, 5, token)
    clock.move(unused)
    visit = database.read_now(find_visit, token)
    assert visit is not None
    assert (visit.account_id, visit.is_shared) == (5, shared)
    database.write_now(sessions.extend_session, token)
    clock.move(unused)
    assert database.read_now(find_visit, token) is not None
    clock.move(idle - unused)
    assert database.read_now(find_visit, token) is None
    database.write_now(sessions.extend_session, token)
    assert database.read_now(find_visit, token) is None, "what has ended is not brought back"


@pytest.mark.parametrize(("shared", "step"), [(False, DAY), (True, MINUTE)])
@given(st.timedeltas(timedelta(0), timedelta(days=5000)))
def test_the_end_of_a_session_does_not_tell_when_it_was_used(shared: bool, step: timedelta, later: timedelta) -> None:
    """To the day, or the minute where a visit is that short; never later than promised, and sooner by one at most."""
    now = START + later
    token = new_session_token(now, shared=shared)
    end, promised = sessions.end_of(token, now), now + sessions.idle_span(token)
    assert promised - step < end <= promised
    assert (end - datetime(1970, 1, 1, tzinfo=UTC)) % step == timedelta(0)


def test_a_cookie_says_when_the_visit_began_and_cannot_be_made_younger(
    database: ThreadedDatabase, clock: MovableClock
) -> None:
    """The database does not hold that moment; whoever writes another one into the cookie is signed out."""
    token = new_session_token(clock(), shared=False)
    database.write_now(open_session, 5, token)
    visit = database.read_now(find_visit, token)
    assert visit is not None
    assert visit.began_at == START
    younger = new_session_token(START + 5 * DAY, shared=False).partition(".")[0] + token[token.index(".") :]
    assert len(younger) == len(token)
    assert database.read_now(find_visit, younger) is None


def test_the_sign_of_a_shared_device_cannot_be_taken_off(database: ThreadedDatabase) -> None:
    token = new_session_token(START, shared=True)
    database.write_now(open_session, 5, token)
    assert database.read_now(find_visit, token) is not None
    assert database.read_now(find_visit, f"o{token[1:]}") is None


def test_sessions_that_have_ended_are_swept_by_the_next(database: ThreadedDatabase, clock: MovableClock) -> None:
    database.write_now(open_session, 5, new_session_token(START, shared=True))
    clock.move(timedelta(minutes=15))
    database.write_now(open_session, 5, new_session_token(START, shared=False))
    assert len(database.read_now(lambda uow: uow.connection.execute(select(table_of(Session))).fetchall())) == 1


def test_the_name_in_use_is_signed_for_this_visit_alone() -> None:
    token, other = new_session_token(START, shared=False), new_session_token(START, shared=False)
    value = sign_choice(token, 7)
    assert chosen_persona(token, value) == 7
    assert chosen_persona(other, value) is None
    assert chosen_persona(token, value.replace("7.", "8.", 1)) is None
    assert chosen_persona(token, "7") is None
    assert chosen_persona(token, None) is None


@given(st.one_of(st.text(max_size=200), st.from_regex(r"[0-9]{1,30}\..{0,80}", fullmatch=True)))
def test_whatever_stands_in_the_cookie_of_the_name_chooses_nothing(value: str) -> None:
    assert chosen_persona("a visit", value) is None


@pytest.mark.parametrize("value", ["7.é", "7." + "\xff" * 64, "9" * 199, "²", "", "7"])
def test_an_odd_cookie_of_the_name_breaks_no_page(place: Place, value: str) -> None:
    place.member("ada")
    browser = place.signed_in("ada")
    token = browser.cookies["__Host-kinfold"]
    cookie = f"__Host-kinfold={token}; __Host-kinfold-name={value}".encode("latin-1")
    answer = place.browser().request("GET", "/", headers={"Cookie": cookie})
    assert answer.status_code == 200
    assert "You are here as" in answer.text


@pytest.mark.parametrize("value", ["", "x", "o" * 201, "o" + "A" * 43, "\xe9" * 44])
def test_an_odd_cookie_of_the_visit_is_a_stranger_s(place: Place, value: str) -> None:
    cookie = f"__Host-kinfold={value}; __Host-kinfold-name={value}".encode("latin-1")
    answer = place.browser().request("GET", "/", headers={"Cookie": cookie})
    assert answer.status_code == 200
    assert "You are here as" not in answer.text


def test_a_name_of_another_account_is_not_in_use_however_it_was_signed(place: Place) -> None:
    place.member("ada")
    eve = place.member("eve")
    browser = place.signed_in("ada")
    browser.cookies["__Host-kinfold-name"] = sign_choice(browser.cookies["__Host-kinfold"], eve)
    page = browser.visit("/")
    assert "You are here as Ada" in page.text
    assert "Eve" not in page.text


def test_everything_of_an_account_ends_together_and_nothing_of_another(place: Place) -> None:
    ada, eve = place.member("ada"), place.member("eve")
    token = place.do(make_token, NewToken(ada, ["read"]))
    kept = place.do(make_token, NewToken(eve, ["read"]))
    quiet = place.do(another_name, place, "ada", "quiet")
    place.do(make_token, NewToken(quiet, ["read"]))
    browsers, other = [place.signed_in("ada"), place.signed_in("ada")], place.signed_in("eve")
    place.do(end_all, "ada")
    for browser in browsers:
        assert "You are here as" not in browser.visit("/").text
    assert "You are here as Eve" in other.visit("/").text
    left = place.do(lambda uow: uow.connection.execute(select(table_of(AccessToken).c.token_hash)).scalars().all())
    assert left == [sessions.hash_of(kept)]
    assert sessions.hash_of(token) not in left


def another_name(uow: UnitOfWork, place: Place, account: str, handle: str) -> int:
    found = accounts.account_named(uow, account)
    assert found is not None
    return make_persona(uow, place.uris, handle, account_id=found.id)


def end_all(uow: UnitOfWork, account: str) -> None:
    found = accounts.account_named(uow, account)
    assert found is not None
    sessions.close_everything(uow, found.id, accounts.personas_of(uow, found.id))


@pytest.mark.parametrize("database_address", ["sqlite"], indirect=True)
def test_a_visit_that_cannot_be_put_off_is_read_on_all_the_same(place: Place, clock: MovableClock) -> None:
    place.member("ada")
    browser = place.signed_in("ada")
    clock.move(sessions.IDLE * 0.2)
    place.do(lambda uow: uow.connection.exec_driver_sql("PRAGMA busy_timeout = 1") and None)
    with closing(sqlite3.connect(str(place.database.url.database), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = browser.request("GET", "/settings/names")
        assert (answer.status_code, "set-cookie" in answer.headers) == (200, False)
        other.execute("ROLLBACK")
    assert "__Host-kinfold=" in browser.request("GET", "/settings/names").headers["set-cookie"]
