"""One's own names and password, by hand: names never mix, and a new password ends all that the old one led to."""

import functools
from contextlib import suppress
from datetime import timedelta
from itertools import count

import httpx
import pytest

from privacy import accounts
from privacy.unit_of_work import UnitOfWork
from tests.factories import make_persona
from tests.web.browsing import Browser, Place
from web.attempts import TooManyTries
from web.tokens import NewToken, make_token

PASSWORD, NEW = "four words that differ", "other words entirely"
NAMES = "/settings/names"


@functools.cache
def hashed() -> str:
    return accounts.hash_password(PASSWORD)


def give_password(uow: UnitOfWork, name: str) -> None:
    found = accounts.account_named(uow, name)
    assert found is not None
    accounts.change_password(uow, found.id, hashed(), lambda *_: None)


def second_name(uow: UnitOfWork, place: Place, account: str, handle: str) -> int:
    found = accounts.account_named(uow, account)
    assert found is not None
    return make_persona(uow, place.uris, handle, account_id=found.id)


def is_in(browser: Browser) -> bool:
    return "You are here as" in browser.visit("/").text


@pytest.fixture
def ada(place: Place) -> int:
    persona = place.member("ada")
    place.do(give_password, "ada")
    return persona


def test_a_new_name_is_made_and_in_use(place: Place, ada: int) -> None:
    browser = place.signed_in("ada")
    page = browser.visit(f"{NAMES}/new")
    form = page.form(field="handle").fill("handle", "Quiet_One").fill("shown", "The quiet one")
    page = browser.submit(page, form)
    assert "You are here as The quiet one" in page.text
    names = browser.visit(NAMES)
    assert ("@ada" in names.text, "@quiet_one" in names.text) == (True, True)
    page = browser.submit(names, names.form(button="Use this name"), "Use this name")
    assert "You are here as Ada" in page.text


@pytest.mark.parametrize(
    ("handle", "shown"), [("ada", ""), ("ad", ""), ("a b", ""), ("", ""), ("eve", ""), ("admin", "")]
)
def test_a_name_that_is_taken_or_none_comes_back(place: Place, ada: int, handle: str, shown: str) -> None:
    place.member("eve")
    browser = place.signed_in("ada")
    page = browser.visit(f"{NAMES}/new")
    answer = browser.submit(page, page.form(field="handle").fill("handle", handle).fill("shown", shown))
    assert answer.status == 422
    assert answer.form(field="handle").values["handle"] == [handle]
    assert browser.visit(NAMES).text.count("@") == 1


def test_nobody_uses_a_name_of_somebody_else(place: Place, ada: int) -> None:
    eve = place.member("eve")
    place.do(second_name, place, "ada", "quiet")
    browser = place.signed_in("ada")
    names = browser.visit(NAMES)
    form = names.form(button="Use this name")
    form.action = f"{browser.base}{NAMES}/{eve}/use"
    assert browser.send_form(names, form, "Use this name").status_code == 404
    assert "Eve" not in browser.visit("/").text
    form.action = f"{browser.base}{NAMES}/{ada}/use"
    assert browser.submit(names, form, "Use this name").status == 200


def test_names_are_shown_together_only_soon_after_signing_in(place: Place, ada: int) -> None:
    place.do(second_name, place, "ada", "quiet")
    browser = place.signed_in("ada")
    names = browser.visit(NAMES)
    browser.submit(names, names.form(button="Use this name"), "Use this name")
    place.clock.move(timedelta(minutes=10))
    locked = browser.visit(NAMES)
    assert ("@ada" in locked.text, "@quiet" in locked.text) == (False, False)
    answer = browser.send_form(names, names.form(button="Use this name"), "Use this name")
    assert (answer.status_code, answer.headers["location"]) == (303, NAMES)
    refused = browser.submit(locked, locked.form(field="current").fill("current", "wrong"))
    assert (refused.status, "@ada" in refused.text) == (422, False)
    shown = browser.submit(refused, refused.form(field="current").fill("current", PASSWORD))
    assert ("@ada" in shown.text, "@quiet" in shown.text) == (True, True)


def test_without_a_name_in_use_one_is_chosen_first(place: Place, ada: int) -> None:
    place.do(second_name, place, "ada", "quiet")
    browser = place.signed_in("ada")
    for path in ("/", "/groups"):
        page = browser.visit(path)
        assert page.url.endswith(NAMES)
        assert "Choose the name that you want to use now." in page.text


def set_password(browser: Browser, current: str | None, new: str) -> httpx.Response:
    page = browser.visit("/settings/password")
    form = page.form(field="New password").fill("New password", new)
    if current is not None:
        form.fill("Password now", current)
    return browser.send_form(page, form)


def test_a_new_password_ends_every_other_visit_link_and_token(place: Place, ada: int) -> None:
    quiet = place.do(second_name, place, "ada", "quiet")
    tokens = [place.do(make_token, NewToken(actor, ["read"])) for actor in (ada, quiet)]
    link = place.do(link_for, "ada")
    browser, other = place.signed_in("ada"), place.signed_in("ada")
    before = browser.cookies["__Host-kinfold"]
    assert set_password(browser, PASSWORD, NEW).status_code == 303
    assert browser.cookies["__Host-kinfold"] != before
    assert browser.visit(NAMES).status == 200
    assert other.visit(NAMES).url.partition("?")[0].endswith("/sign-in")
    old = place.browser()
    old.cookies["__Host-kinfold"] = before
    assert old.visit(NAMES).url.partition("?")[0].endswith("/sign-in")
    for token in tokens:
        shown = {"Authorization": f"Bearer {token}"}
        assert place.browser().request("GET", "/api/v1/accounts/verify_credentials", headers=shown).status_code == 401
    late = place.browser()
    page = late.visit(link)
    assert late.submit(page, page.form()).status == 422
    for password, status in ((PASSWORD, 422), (NEW, 303)):
        fresh = place.browser()
        page = fresh.visit("/sign-in")
        form = page.form(field="Password").fill("Name", "ada").fill("Password", password)
        assert fresh.send_form(page, form, "Sign in").status_code == status


def link_for(uow: UnitOfWork, name: str) -> str:
    found = accounts.account_named(uow, name)
    assert found is not None
    return f"/sign-in/{accounts.make_sign_in_link(uow, found.id)}"


@pytest.mark.parametrize(("current", "new"), [("wrong", NEW), ("", NEW), (PASSWORD, "short"), (PASSWORD, "x" * 257)])
def test_a_password_that_cannot_be_set_changes_nothing(place: Place, ada: int, current: str, new: str) -> None:
    browser, other = place.signed_in("ada"), place.signed_in("ada")
    assert set_password(browser, current, new).status_code == 422
    assert (is_in(browser), is_in(other)) == (True, True)
    assert set_password(browser, PASSWORD, NEW).status_code == 303


def test_the_password_now_cannot_be_guessed_from_an_open_browser(place: Place, ada: int) -> None:
    browser = place.signed_in("ada")
    for _ in range(10):
        assert "not the password" in set_password(browser, "wrong", NEW).text
    for current in ("wrong", PASSWORD):
        answer = set_password(browser, current, NEW)
        assert (answer.status_code, "too often" in answer.text) == (422, True)


def test_strangers_at_the_same_address_do_not_keep_anybody_from_changing_their_password(place: Place, ada: int) -> None:
    browser = place.signed_in("ada")
    with suppress(TooManyTries):
        for number in count():
            place.attempts.count(browser.address, f"name {number}")
    page = browser.visit("/settings/password")
    form = page.form(field="current").fill("current", PASSWORD).fill("password", NEW)
    assert browser.send_form(page, form).status_code == 303


def test_who_came_by_a_link_sets_a_first_password_without_an_old_one(place: Place) -> None:
    place.member("ben")
    browser = place.signed_in("ben")
    assert set_password(browser, None, NEW).status_code == 303
    assert is_in(browser)


def test_no_other_site_changes_names_or_password(place: Place, ada: int) -> None:
    place.do(second_name, place, "ada", "quiet")
    browser, foreign = place.signed_in("ada"), {"Origin": "https://evil.example"}
    page = browser.visit(NAMES)
    assert browser.send_form(page, page.form(button="Use"), "Use", headers=foreign).status_code == 403
    page = browser.visit(f"{NAMES}/new")
    form = page.form(field="handle").fill("handle", "planted")
    assert browser.send_form(page, form, headers=foreign).status_code == 403
    page = browser.visit("/settings/password")
    form = page.form(field="New password").fill("Password now", PASSWORD).fill("New password", NEW)
    assert browser.send_form(page, form, headers=foreign).status_code == 403
    assert "planted" not in browser.visit(NAMES).text
