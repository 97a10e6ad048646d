"""Signing in and out: links that work once, passwords that cannot be guessed and tell of nobody, and an end."""

import functools
import re
from contextlib import suppress
from datetime import timedelta
from itertools import count
from urllib.parse import urlencode, urlsplit

import anyio
import httpx
import pytest
from sqlalchemy import select

from privacy import accounts
from privacy.unit_of_work import UnitOfWork, table_of
from tests.web.browsing import Browser, Place
from web.attempts import TooManyTries
from web.models import Session

PASSWORD = "four words that differ"
FORM_TOKEN = re.compile(r'name="form_token" value="[^"]*"')
OFF_SITE = [
    "https://evil.example/",
    "//evil.example/",
    "/\\evil.example/",
    "\\\\evil.example/",
    "/%2f/evil.example",
    "/%5cevil.example",
    "///evil.example",
    "/a//evil.example",
    "/../evil.example",
    "/x/..//evil.example",
    "javascript:alert(1)",
    "/\tevil.example",
    "/\r\nSet-Cookie: a=b",
    "evil.example",
    "@evil.example",
    "/" + "a" * 3_000,
]


@functools.cache
def hashed() -> str:
    """The slow hash of the one password that is typed here."""
    return accounts.hash_password(PASSWORD)


def with_password(uow: UnitOfWork, name: str) -> None:
    found = accounts.account_named(uow, name)
    assert found is not None
    accounts.change_password(uow, found.id, hashed(), lambda *_: None)


def link_for(uow: UnitOfWork, name: str) -> str:
    found = accounts.account_named(uow, name)
    assert found is not None
    return f"/sign-in/{accounts.make_sign_in_link(uow, found.id)}"


def suspend(uow: UnitOfWork, name: str, state: str) -> None:
    found = accounts.account_named(uow, name)
    assert found is not None
    accounts.set_state(uow, found.id, state, lambda *_: None)


def sessions(uow: UnitOfWork) -> int:
    return len(uow.connection.execute(select(table_of(Session))).fetchall())


def type_password(browser: Browser, name: str, password: str, path: str = "/sign-in") -> httpx.Response:
    page = browser.visit(path)
    form = page.form(field="Password").fill("Name", name).fill("Password", password)
    return browser.send_form(page, form, "Sign in")


def is_in(browser: Browser) -> bool:
    """Tell whether the first page takes the browser for somebody."""
    page = browser.visit("/")
    assert page.status == 200
    return "You are here as" in page.text


@pytest.fixture
def ada(place: Place) -> str:
    place.member("ada")
    place.do(with_password, "ada")
    return "ada"


# ----------------------------------------------------------------------------------------------------------- links


def test_looking_at_a_link_shows_one_button_and_uses_nothing_up(place: Place, ada: str) -> None:
    link = place.do(link_for, ada)
    for _ in range(3):  # a mail filter, a preview, and the person
        page = place.browser().visit(link)
        assert (page.status, len(page.forms), len(page.forms[0].buttons)) == (200, 1, 1)
        assert "set-cookie" not in page.headers or "__Host-kinfold=" not in page.headers["set-cookie"]
    assert place.do(sessions) == 0
    browser = place.browser()
    page = browser.visit(link)
    assert browser.submit(page, page.form()).status == 200
    assert is_in(browser)


def test_a_link_signs_in_once(place: Place, ada: str) -> None:
    link = place.do(link_for, ada)
    first, second = place.browser(), place.browser()
    pages = first.visit(link), second.visit(link)
    assert first.submit(pages[0], pages[0].form()).status == 200
    refused = second.submit(pages[1], pages[1].form())
    assert (refused.status, is_in(first), is_in(second)) == (422, True, False)


async def test_of_two_at_one_moment_one_is_signed_in(place: Place) -> None:
    place.member("ada")
    link = place.do(link_for, "ada")
    answers: list[int] = []

    async def use() -> None:
        transport = httpx.ASGITransport(app=place.app)
        async with httpx.AsyncClient(transport=transport, base_url=place.uris.base_url) as client:
            page = await client.get(link)
            found = re.search(r'name="form_token" value="([^"]+)"', page.text)
            assert found is not None
            headers = {"Origin": place.uris.base_url, "Sec-Fetch-Site": "same-origin"}
            answers.append((await client.post(link, data={"form_token": found[1]}, headers=headers)).status_code)

    async with anyio.create_task_group() as together:
        for _ in range(5):
            together.start_soon(use)
    assert sorted(answers) == [303, 422, 422, 422, 422]


def test_a_link_lasts_an_hour(place: Place, ada: str) -> None:
    late, timely = place.do(link_for, ada), place.do(link_for, ada)
    place.clock.move(timedelta(minutes=59))
    browser = place.browser()
    page = browser.visit(timely)
    assert browser.submit(page, page.form()).status == 200
    place.clock.move(timedelta(minutes=1))
    other = place.browser()
    page = other.visit(late)
    assert (other.submit(page, page.form()).status, is_in(other)) == (422, False)


def test_a_link_that_never_was_looks_like_one_that_was_used(place: Place, ada: str) -> None:
    used, never = place.do(link_for, ada), "/sign-in/never-was"
    first = place.browser()
    page = first.visit(used)
    assert first.submit(page, page.form()).status == 200
    shown = []
    for link in (used, never):
        browser = place.browser()
        page = browser.visit(link)
        answer = browser.submit(page, page.form())
        shown.append([FORM_TOKEN.sub("", each.source).replace(link, "LINK") for each in (page, answer)])
        assert answer.status == 422
    assert shown[0] == shown[1]


@pytest.mark.parametrize("state", ["frozen", "closed"])
def test_neither_link_nor_password_opens_an_account_that_may_not_sign_in(place: Place, ada: str, state: str) -> None:
    link = place.do(link_for, ada)
    if state == "closed":
        place.do(lambda uow: accounts.close_account(uow, accounts.account_named(uow, ada).id, lambda *_: None))  # type: ignore[union-attr]  # she is there
    else:
        place.do(suspend, ada, state)
    browser = place.browser()
    page = browser.visit(link)
    assert browser.submit(page, page.form()).status == 422
    assert type_password(browser, ada, PASSWORD).status_code == 422
    assert (is_in(browser), place.do(sessions)) == (False, 0)


# ------------------------------------------------------------------------------------------------------- passwords


def test_name_and_password_sign_in_and_lead_on(place: Place, ada: str) -> None:
    browser = place.browser()
    answer = type_password(browser, " Ada ", PASSWORD, "/sign-in?next=/groups")
    assert (answer.status_code, answer.headers["location"]) == (303, "/groups")
    assert is_in(browser)
    again = browser.request("GET", "/sign-in?next=/groups")
    assert (again.status_code, again.headers["location"]) == (303, "/groups")


def test_cookies_stay_with_this_host_and_out_of_scripts(place: Place, ada: str) -> None:
    answer = type_password(place.browser(), ada, PASSWORD)
    [cookie] = [each for each in answer.headers.get_list("set-cookie") if each.startswith("__Host-kinfold=")]
    attributes = {part.strip().lower() for part in cookie.split(";")[1:]}
    assert {"secure", "httponly", "path=/", "samesite=lax", "max-age=2592000"} <= attributes
    assert not any(part.startswith("domain") for part in attributes)
    assert len(cookie.partition(";")[0]) > len("__Host-kinfold=") + 43


def test_nobody_learns_from_a_refusal_whether_a_name_is_here(place: Place, ada: str) -> None:
    place.member("ben")  # has no password at all
    place.member("eve")
    place.do(with_password, "eve")
    place.do(suspend, "eve", "frozen")
    answers = []
    for name in ("ada", "ben", "eve", "zoe", "no name"):
        answer = type_password(place.browser(), name, "a wrong one indeed")
        text = FORM_TOKEN.sub("", answer.text).replace(f'value="{name}"', 'value=""')
        headers = {key: value for key, value in answer.headers.items() if key not in {"content-length", "set-cookie"}}
        answers.append((answer.status_code, text, headers))
    assert answers[0][0] == 422
    assert all(answer == answers[0] for answer in answers)
    assert type_password(place.browser(), "ada", PASSWORD).status_code == 303


def test_a_password_is_tried_ten_times_from_one_address_and_nobody_else_is_locked_out(place: Place, ada: str) -> None:
    guesser = place.browser("198.51.100.7")
    for _ in range(10):
        assert type_password(guesser, ada, "wrong").status_code == 422
    for password in ("wrong", PASSWORD):
        refused = type_password(guesser, "ADA", password)
        assert (refused.status_code, 0 < int(refused.headers["retry-after"]) <= 30) == (429, True)
    assert type_password(place.browser("203.0.113.9"), ada, PASSWORD).status_code == 303
    assert not is_in(guesser)


def test_a_name_is_tried_only_so_often_from_all_addresses_together_whether_it_is_here_or_not(
    place: Place, ada: str
) -> None:
    refusals = []
    for name in (ada, "zoe"):
        guessers = (place.browser(f"198.51.100.{number}") for number in range(100))
        answers = [type_password(guesser, name, "wrong") for guesser in guessers]
        refusals.append([answer.status_code for answer in answers].count(429))
        assert answers[0].status_code == 422
    assert all(number > 20 for number in refusals), refusals
    assert place.browser("203.0.113.9").visit(place.do(link_for, ada)).status == 200, "a link opens all the same"


def sign_out(browser: Browser) -> httpx.Response:
    page = browser.visit("/sign-out")
    return browser.send_form(page, page.form(button="Sign out"))


def guess_at(place: Place, name: str) -> None:
    """Let a name be guessed at from many addresses until strangers have no more tries."""
    with suppress(TooManyTries):
        for number in count():
            place.attempts.count(f"198.51.100.{number}", name)


def told(answer: httpx.Response, name: str) -> tuple[int, str, str]:
    """Return what an answer says, without what is another one each time."""
    text = FORM_TOKEN.sub("", answer.text).replace(f'value="{name}"', "")
    return answer.status_code, text, answer.headers.get("retry-after", "")


@pytest.fixture
def known(place: Place, ada: str) -> Browser:
    """A browser in which Ada has signed in before, and out again."""
    browser = place.browser("203.0.113.9")
    type_password(browser, ada, PASSWORD)
    sign_out(browser)
    assert not is_in(browser)
    return browser


def test_who_is_guessed_at_still_gets_in_with_a_browser_of_their_own(place: Place, ada: str, known: Browser) -> None:
    guess_at(place, ada)
    assert type_password(place.browser("203.0.113.9"), ada, PASSWORD).status_code == 429, "a browser that is new"
    assert type_password(known, ada, PASSWORD).status_code == 303
    assert is_in(known)


def test_a_link_lets_in_who_is_guessed_at_and_the_browser_is_known_then(place: Place, ada: str) -> None:
    guess_at(place, ada)
    browser = place.browser("203.0.113.9")
    page = browser.visit(place.do(link_for, ada))
    browser.submit(page, page.form())
    sign_out(browser)
    assert type_password(browser, ada, PASSWORD).status_code == 303


def test_a_browser_does_not_tell_whose_it_was(place: Place, ada: str, known: Browser) -> None:
    """Whoever sits down at it and has a name guessed at elsewhere is told the same, whoever signed in here before."""
    for name in ("eve", "zoe"):
        if name == "eve":
            place.member(name)
            place.do(with_password, name)
        guess_at(place, name)
    guess_at(place, ada)
    names = (ada, "eve", "zoe")
    answers = [told(type_password(known, name, "wrong"), name) for name in names for _ in range(4)]
    answers += [told(type_password(place.browser("203.0.113.9"), name, "wrong"), name) for name in names]
    assert set(answers) == {answers[0]}
    assert answers[0][0] == 429
    assert type_password(known, ada, PASSWORD).status_code == 429, "its tries are used up by those for other names too"


def test_another_browser_that_signed_in_has_no_tries_for_this_name(place: Place, ada: str) -> None:
    place.member("eve")
    place.do(with_password, "eve")
    browser = place.browser("203.0.113.9")
    type_password(browser, "eve", PASSWORD)
    sign_out(browser)
    guess_at(place, ada)
    assert type_password(browser, ada, PASSWORD).status_code == 429
    guess_at(place, "eve")
    assert type_password(browser, "eve", PASSWORD).status_code == 303


def test_a_new_password_ends_what_browsers_are_known_by(place: Place, ada: str, known: Browser) -> None:
    hashed.cache_clear()  # hashed anew, the same words have another hash
    place.do(with_password, ada)
    guess_at(place, ada)
    assert type_password(known, ada, PASSWORD).status_code == 429


def test_a_browser_is_known_for_half_a_year(place: Place, ada: str, known: Browser) -> None:
    place.clock.move(timedelta(days=180))
    guess_at(place, ada)
    cookies = dict(known.cookies)
    assert type_password(known, ada, PASSWORD).status_code == 303
    late = place.browser()
    late.cookies.update(cookies)
    place.clock.move(timedelta(days=1))
    guess_at(place, ada)
    assert type_password(late, ada, PASSWORD).status_code == 429


@pytest.mark.parametrize("spoilt", ["", "x", "AAAA", "A" * 112, "=" * 112, "A" * 4_000])
def test_a_cookie_that_this_node_did_not_make_helps_nobody(place: Place, ada: str, known: Browser, spoilt: str) -> None:
    cookie = known.cookies["__Host-kinfold-browser"]
    guess_at(place, ada)
    for made_up in (spoilt, cookie[:-4], f"{cookie[:-1]}{'A' if cookie[-1] != 'A' else 'B'}", cookie[::-1]):
        browser = place.browser("203.0.113.9")
        browser.cookies["__Host-kinfold-browser"] = made_up
        assert type_password(browser, ada, PASSWORD).status_code == 429
    assert type_password(known, ada, PASSWORD).status_code == 303


def test_a_stolen_cookie_has_few_tries_however_it_is_written(place: Place, ada: str, known: Browser) -> None:
    cookie = known.cookies["__Host-kinfold-browser"]
    guess_at(place, ada)
    for number in range(10):
        thief = place.browser("198.51.100.200")
        thief.cookies["__Host-kinfold-browser"] = f"{cookie[:number]}.{cookie[number:]}"
        assert type_password(thief, ada, "wrong").status_code == 429
    thief.cookies["__Host-kinfold-browser"] = cookie
    assert type_password(thief, ada, PASSWORD).status_code == 429


def test_a_shared_device_keeps_nothing_by_which_it_is_known(place: Place, ada: str, known: Browser) -> None:
    page = known.visit("/sign-in")
    form = page.form(field="Password").fill("Name", ada).fill("Password", PASSWORD).fill("shared", "yes")
    known.send_form(page, form, "Sign in")
    assert set(known.cookies) == {"__Host-kinfold"}
    assert '"cookies"' in sign_out(known).headers["clear-site-data"]
    assert known.cookies == {}


def test_who_leaves_in_a_hurry_leaves_nothing(place: Place, known: Browser) -> None:
    assert "__Host-kinfold-browser" in known.cookies
    known.request("GET", "/x", headers={"Sec-Fetch-Site": "same-origin"})
    assert known.cookies == {}


def test_names_that_are_not_here_are_counted_alike(place: Place, ada: str) -> None:
    guesser = place.browser("198.51.100.8")
    for _ in range(10):
        assert type_password(guesser, "zoe", "wrong").status_code == 422
    assert type_password(guesser, "zoe", "wrong").status_code == 429
    assert type_password(guesser, ada, PASSWORD).status_code == 303, "another name is not lost with it"


def test_a_right_password_forgives_the_wrong_ones(place: Place, ada: str) -> None:
    browser = place.browser("198.51.100.10")
    for _ in range(2):
        for _ in range(7):
            assert type_password(browser, ada, "wrong").status_code == 422
        assert type_password(browser, ada, PASSWORD).status_code == 303
        out = browser.visit("/sign-out")
        browser.submit(out, out.form(button="Sign out"))


def test_who_is_signed_in_is_never_led_off_the_site(place: Place, ada: str) -> None:
    browser = place.signed_in(ada)
    for target in OFF_SITE:
        answer = browser.request("GET", f"/sign-in?{urlencode({'next': target})}")
        assert (answer.status_code, answer.headers["location"]) == (303, "/"), target
    honest = browser.request("GET", "/sign-in?next=/groups%3Fdone%3Dleft")
    assert honest.headers["location"] == "/groups?done=left"


@pytest.mark.parametrize("target", ["https://evil.example/", "//evil.example/", "/\\evil.example/"])
def test_a_form_that_was_tampered_with_does_not_lead_off_the_site(place: Place, ada: str, target: str) -> None:
    browser = place.browser()
    page = browser.visit("/sign-in")
    form = page.form(field="Password").fill("Name", ada).fill("Password", PASSWORD)
    form.values["next"] = [target]
    answer = browser.send_form(page, form, "Sign in")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_nobody_can_be_signed_in_by_another_site(place: Place, ada: str) -> None:
    link = place.do(link_for, ada)
    for path in ("/sign-in", link):
        for headers in ({"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}, {}):
            browser = place.browser()
            page = browser.visit(path)
            form = page.form()
            if path == "/sign-in":
                form.fill("Name", ada).fill("Password", PASSWORD)
            assert browser.send_form(page, form, None, headers=headers).status_code == 403
            form.values["form_token"] = ["x"]
            assert browser.send_form(page, form).status_code == 403
            assert not is_in(browser)
    browser = place.browser()
    page = browser.visit(link)
    assert browser.send_form(page, page.form()).status_code == 303, "the link was not used up by what was refused"


# ---------------------------------------------------------------------------------------------------------- visits


def test_signing_in_begins_a_new_session_and_ends_the_one_before(place: Place, ada: str) -> None:
    place.member("ben")
    browser = place.signed_in("ben")
    before = browser.cookies["__Host-kinfold"]
    page = browser.visit("/sign-in?again=yes")
    form = page.form(field="Password").fill("Name", ada).fill("Password", PASSWORD)
    browser.submit(page, form, "Sign in")
    assert browser.cookies["__Host-kinfold"] != before
    old = place.browser()
    old.cookies["__Host-kinfold"] = before
    assert (is_in(old), is_in(browser)) == (False, True)
    assert "Ada" in browser.visit("/").text


def test_a_cookie_that_was_planted_is_not_taken_on(place: Place, ada: str) -> None:
    browser = place.browser()
    browser.cookies["__Host-kinfold"] = "oplanted-by-somebody-else-aaaaaaaaaaaaaaaaaa"
    type_password(browser, ada, PASSWORD)
    assert browser.cookies["__Host-kinfold"] != "oplanted-by-somebody-else-aaaaaaaaaaaaaaaaaa"
    planted = place.browser()
    planted.cookies["__Host-kinfold"] = "oplanted-by-somebody-else-aaaaaaaaaaaaaaaaaa"
    assert not is_in(planted)


@pytest.mark.parametrize("by", ["password", "link"])
def test_on_a_device_that_others_use_a_visit_is_short_and_ends_with_the_browser(
    place: Place, ada: str, by: str
) -> None:
    browser = place.browser()
    page = browser.visit("/sign-in" if by == "password" else place.do(link_for, ada))
    form = page.form(field="shared").fill("shared", "yes")
    if by == "password":
        form = form.fill("Name", ada).fill("Password", PASSWORD)
    answer = browser.send_form(page, form, "Sign in" if by == "password" else "Sign in now")
    assert set(browser.cookies) == {"__Host-kinfold"}
    for cookie in answer.headers.get_list("set-cookie"):
        assert "max-age" not in cookie.lower() or "max-age=0" in cookie.lower()
    assert is_in(browser)
    place.clock.move(timedelta(minutes=14))
    assert is_in(browser)
    place.clock.move(timedelta(minutes=14))
    assert is_in(browser), "a visit that is in use goes on"
    place.clock.move(timedelta(minutes=15))
    assert not is_in(browser)


def test_signing_out_ends_the_visit_here_and_in_the_browser(place: Place, ada: str) -> None:
    browser = place.browser()
    type_password(browser, ada, PASSWORD)
    kept = dict(browser.cookies)
    page = browser.visit("/sign-out")
    assert is_in(browser), "looking at the page ends nothing"
    answer = browser.send_form(page, page.form(button="Sign out"))
    assert (answer.status_code, answer.headers["location"]) == (303, "/signed-out")
    assert set(answer.headers["clear-site-data"].split(", ")) == {'"cache"', '"storage"'}
    assert "no-store" in answer.headers["cache-control"]
    cleared = {each.partition("=")[0] for each in answer.headers.get_list("set-cookie") if "max-age=0" in each.lower()}
    assert cleared == {"__Host-kinfold", "__Host-kinfold-name", "__Host-kinfold-form"}
    thief = place.browser()
    thief.cookies.update(kept)
    assert (is_in(browser), is_in(thief), place.do(sessions)) == (False, False, 0)
    assert browser.visit("/signed-out").status == 200


def test_nobody_can_be_signed_out_by_another_site(place: Place, ada: str) -> None:
    browser = place.signed_in(ada)
    page = browser.visit("/sign-out")
    form = page.form(button="Sign out")
    assert browser.send_form(page, form, None, headers={"Origin": "https://evil.example"}).status_code == 403
    assert is_in(browser)


def test_every_page_of_a_visit_is_kept_out_of_caches(place: Place, ada: str) -> None:
    browser = place.signed_in(ada)
    for path in ("/", "/groups", "/settings/names", "/nowhere", "/sign-out"):
        assert browser.visit(path).headers["cache-control"] == "private, no-store"


def test_leaving_quickly_ends_the_visit_and_opens_a_page_that_says_nothing(place: Place, ada: str) -> None:
    browser = place.signed_in(ada)
    kept = dict(browser.cookies)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-origin", "Sec-Purpose": "prefetch"}):
        assert browser.request("GET", "/x", headers=headers).status_code == 303
        assert is_in(browser), "a link on another site, or a guess of the browser, ends nothing"
    answer = browser.request("GET", "/x", headers={"Sec-Fetch-Site": "same-origin"})
    target = urlsplit(answer.headers["location"])
    assert (answer.status_code, target.scheme) == (303, "https")
    assert target.netloc != place.uris.domain
    assert place.uris.domain not in answer.headers["location"]
    assert "clear-site-data" in answer.headers
    thief = place.browser()
    thief.cookies.update(kept)
    assert not is_in(thief)


@pytest.mark.parametrize("path", ["/groups", "/settings/names", "/settings/password", "/sign-out", "/groups/1/join"])
def test_a_stranger_is_sent_to_sign_in_and_back(place: Place, ada: str, path: str) -> None:
    browser = place.browser()
    page = browser.visit(path)
    assert urlsplit(page.url).path == "/sign-in"
    form = page.form(field="Password").fill("Name", ada).fill("Password", PASSWORD)
    assert browser.send_form(page, form, "Sign in").headers["location"] == path
