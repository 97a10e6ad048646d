"""Invitation links by hand: made once shown once, looked at without use, taken up by members and by who is new."""

import re
from datetime import timedelta

import pytest

from groups.membership import remove
from groups.places import membership_of, standing_of
from privacy import accounts
from tests.factories import make_group, make_member
from tests.web.browsing import Browser, Place

PASSWORD = "four words that differ"


class Circle:
    """A hidden group with its owner and a member."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.owner, self.mia = place.member("owner"), place.member("mia")
        self.group = place.do(make_group, place.uris, "grief", owner_id=self.owner, join_rule="invite")
        place.do(make_member, self.group, self.mia)
        self.path = f"/groups/{self.group}/invites"
        self.as_owner = place.signed_in("owner")

    def link(self, uses: str = "1", days: str = "7") -> str:
        page = self.as_owner.visit(self.path)
        form = page.form(field="uses").fill("uses", uses).fill("days", days)
        shown = self.as_owner.submit(page, form, "Make the link")
        assert "it is not shown again" in shown.text
        found = re.search(r"https://kin\.example(/i/[A-Za-z0-9_-]{43,})", shown.text)
        assert found is not None
        assert found[1] not in self.as_owner.visit(self.path).source
        return found[1]

    def state(self, actor: int) -> str | None:
        return self.place.state_in(self.group, actor)


@pytest.fixture
def circle(place: Place) -> Circle:
    return Circle(place)


def register(browser: Browser, link: str, name: str, password: str = PASSWORD) -> tuple[int, str]:
    page = browser.visit(link)
    form = page.form(field="Password").fill("Name", name).fill("Password", password)
    shown = browser.submit(page, form, "Make the account")
    return shown.status, shown.text


def test_a_member_takes_a_link_up_and_looking_at_it_uses_nothing(circle: Circle, place: Place) -> None:
    link, ben = circle.link(), place.member("ben")
    browser = place.signed_in("ben")
    for _ in range(3):
        page = browser.visit(link)
        assert "You are invited" in page.text
    assert circle.state(ben) is None
    page = browser.submit(page, page.form(button="Join"))
    assert ("You belong to the group now." in page.text, circle.state(ben)) == (True, "active")
    place.member("cleo")
    assert place.signed_in("cleo").visit(link).status == 404, "it was for one person"


def test_who_is_new_makes_an_account_and_is_in(circle: Circle, place: Place) -> None:
    browser, link = place.browser(), circle.link()
    status, text = register(browser, link, "Newcomer")
    assert status == 200
    assert "You belong to the group now." in text
    assert "You are here as newcomer" in text
    assert place.browser().visit(link).status == 404


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("owner", PASSWORD),
        ("grief", PASSWORD),
        ("ad", PASSWORD),
        ("admin", PASSWORD),
        ("näme", PASSWORD),
        ("newcomer", "short"),
        ("newcomer", "newcomer12345"),
        ("newcomer", "x" * 300),
    ],
)
def test_what_cannot_be_an_account_makes_none_and_uses_nothing_up(
    circle: Circle, place: Place, name: str, password: str
) -> None:
    link = circle.link()
    before = place.do(accounts.list_accounts)
    status, text = register(place.browser(), link, name, password)
    assert status == 422, text
    assert place.do(accounts.list_accounts) == before
    assert register(place.browser(), link, "somebody")[0] == 200


def test_a_password_may_hold_256_signs_of_any_kind(circle: Circle, place: Place) -> None:
    assert register(place.browser(), circle.link(), "newcomer", "\U0001f3e0" * 256)[0] == 200


def test_a_link_is_switched_off(circle: Circle, place: Place) -> None:
    link = circle.link("5")
    assert place.browser().visit(link).status == 200
    page = circle.as_owner.visit(circle.path)
    shown = circle.as_owner.submit(page, page.form(button="Switch off"), "Switch off")
    assert "The link no longer works." in shown.text
    assert "There are none." in shown.text
    assert place.browser().visit(link).status == 404


def test_a_link_ends_when_it_was_said_to(circle: Circle, place: Place) -> None:
    link = circle.link(days="1")
    place.clock.move(timedelta(days=1) - timedelta(seconds=1))
    assert place.browser().visit(link).status == 200
    place.clock.move(timedelta(seconds=1))
    assert place.browser().visit(link).status == 404


def test_a_dead_link_and_one_that_never_was_are_told_alike(circle: Circle, place: Place) -> None:
    link = circle.link("5")
    page = circle.as_owner.visit(circle.path)
    circle.as_owner.submit(page, page.form(button="Switch off"), "Switch off")
    for browser in (place.browser(), circle.as_owner):
        dead, never = browser.request("GET", link), browser.request("GET", "/i/" + "A" * 43)
        assert (dead.status_code, dead.content) == (never.status_code, never.content)


@pytest.mark.parametrize("who", ["mia", "eve"])
def test_who_does_not_look_after_the_group_makes_no_link(circle: Circle, place: Place, who: str) -> None:
    if who == "eve":
        place.member("eve")
    browser = place.signed_in(who)
    honest = circle.as_owner.visit(circle.path)
    form = honest.form(field="uses")
    form.values["form_token"] = browser.visit("/sign-out").form().values["form_token"]
    expected = 403 if who == "mia" else 404
    assert browser.visit(circle.path).status == expected
    assert browser.send_form(honest, form, "Make the link").status_code == expected
    assert "There are none." in circle.as_owner.visit(circle.path).text


@pytest.mark.parametrize(
    ("uses", "days"), [("0", "7"), ("101000", "7"), ("1", "0"), ("1", "9999"), ("x", "y"), ("", "")]
)
def test_a_link_for_anybody_or_for_ever_is_not_made(circle: Circle, uses: str, days: str) -> None:
    page = circle.as_owner.visit(circle.path)
    form = page.form(field="uses")
    form.values |= {"uses": [uses], "days": [days]}
    answer = circle.as_owner.submit(page, form, "Make the link")
    assert answer.status == 422
    assert "There are none." in answer.text


def test_no_other_site_makes_or_takes_up_a_link(circle: Circle, place: Place) -> None:
    foreign, link, ben = {"Origin": "https://evil.example"}, circle.link("5"), place.member("ben")
    page = circle.as_owner.visit(circle.path)
    for button in ("Make the link", "Switch off"):
        assert circle.as_owner.send_form(page, page.form(button=button), button, headers=foreign).status_code == 403
    browser = place.signed_in("ben")
    page = browser.visit(link)
    assert browser.send_form(page, page.form(button="Join"), "Join", headers=foreign).status_code == 403
    assert circle.state(ben) is None


def test_a_link_brings_nobody_in_as_more_than_a_member(circle: Circle, place: Place) -> None:
    link, ben = circle.link("5"), place.member("ben")
    browser = place.signed_in("ben")
    page = browser.visit(link)
    form = page.form(button="Join")
    form.values |= {"role": ["owner"], "group_id": ["1"]}
    browser.submit(page, form, "Join")
    found = place.database.read_now(membership_of, circle.group, ben)
    assert found is not None
    assert (found.role, found.state) == ("member", "active")


def test_whoever_was_shown_out_asks_with_a_link_and_is_told_so(place: Place, circle: Circle) -> None:
    place.do(remove, place.uris, circle.owner, circle.group, circle.mia)
    link, browser = circle.link(), place.signed_in("mia")
    page = browser.visit(link)
    shown = browser.submit(page, page.form(button="Join"))
    assert shown.status == 200
    assert "asked" in shown.text.lower()
    assert place.do(standing_of, circle.group, circle.mia).state == "pending"
