"""Who asks to join and who belongs: letting in, refusing and removing by hand, and who may not."""

import pytest

from groups.places import membership_of
from groups.roles import is_named
from tests.factories import make_group, make_member
from tests.web.browsing import Place


class Circle:
    """A group with its owner, a facilitator, a member, and somebody who asks."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.owner, self.fay, self.mia, self.ask = (place.member(name) for name in ("owner", "fay", "mia", "asker"))
        self.group = place.do(make_group, place.uris, "grief", owner_id=self.owner)
        place.do(make_member, self.group, self.fay, role="facilitator")
        place.do(make_member, self.group, self.mia)
        place.do(make_member, self.group, self.ask, state="pending")
        self.path = f"/groups/{self.group}"

    def state(self, actor: int) -> str | None:
        return self.place.state_in(self.group, actor)


@pytest.fixture
def circle(place: Place) -> Circle:
    return Circle(place)


@pytest.mark.parametrize("who", ["owner", "fay"])
@pytest.mark.parametrize(("button", "state"), [("Let in", "active"), ("Refuse", "refused")])
def test_who_looks_after_the_group_answers_who_asks(
    circle: Circle, place: Place, who: str, button: str, state: str
) -> None:
    browser = place.signed_in(who)
    assert "1 person asks to join" in browser.visit("/").text
    page = browser.visit(f"{circle.path}/requests")
    assert "Asker" in page.text
    form = page.form(button=button)
    assert "Nobody is waiting." in browser.submit(page, form, button).text
    assert circle.state(circle.ask) == state
    again = browser.submit(page, form, button)
    assert (again.status, circle.state(circle.ask)) == (409, state)


@pytest.mark.parametrize("who", ["mia", "asker"])
def test_nobody_else_sees_or_answers_requests(circle: Circle, place: Place, who: str) -> None:
    browser = place.signed_in(who)
    page = browser.visit(f"{circle.path}/requests")
    assert page.status == 403
    assert "Asker" not in page.text or who == "asker"
    owner = place.signed_in("owner")
    honest = owner.visit(f"{circle.path}/requests").form(button="Let in")
    honest.values["form_token"] = browser.visit("/sign-out").form().values["form_token"]
    assert browser.send_form(page, honest, "Let in").status_code == 403
    assert circle.state(circle.ask) == "pending"


def test_members_see_one_another_and_nobody_else_does(circle: Circle, place: Place) -> None:
    page = place.signed_in("mia").visit(f"{circle.path}/members")
    assert page.status == 200
    assert all(name in page.text for name in ("Owner", "Fay", "Mia"))
    assert "Asker" not in page.text
    assert "Remove" not in page.text
    place.member("eve")
    for who in ("eve", "asker"):
        page = place.signed_in(who).visit(f"{circle.path}/members")
        assert page.status == 404
        assert "Mia" not in page.text


def test_removing_a_member_asks_first(circle: Circle, place: Place) -> None:
    fay = place.signed_in("fay")
    page = fay.visit(f"{circle.path}/members/{circle.mia}/remove")
    assert "Remove Mia from the group?" in page.text
    assert circle.state(circle.mia) == "active"
    page = fay.submit(page, page.form(button="Remove"))
    assert ("They no longer belong to the group." in page.text, circle.state(circle.mia)) == (True, "removed")
    assert place.signed_in("mia").visit(f"{circle.path}/members").status == 404


def role(circle: Circle, place: Place, actor: int) -> str:
    found = place.database.read_now(membership_of, circle.group, actor)
    assert found is not None
    return found.role


def test_the_owner_has_members_look_after_the_group_and_others_see_no_button(circle: Circle, place: Place) -> None:
    owner = place.signed_in("owner")
    page = owner.visit(f"{circle.path}/members")
    page = owner.submit(page, page.form(button="Let them look after it Mia"), "Let them look after it Mia")
    assert ("They look after the group now." in page.text, role(circle, place, circle.mia)) == (True, "facilitator")
    foreign = {"Origin": "https://evil.example"}
    form = page.form(button="Look after it no longer Mia")
    assert owner.send_form(page, form, "Look after it no longer Mia", headers=foreign).status_code == 403
    page = owner.submit(page, form, "Look after it no longer Mia")
    assert ("They no longer look after the group." in page.text, role(circle, place, circle.mia)) == (True, "member")
    for who in ("fay", "mia"):
        assert "Let them look after it" not in place.signed_in(who).visit(f"{circle.path}/members").text


def test_who_looks_after_a_group_that_others_read_may_tell_other_sites(place: Place) -> None:
    fay = place.member("fay")
    group = place.do(make_group, place.uris, "town", audience="public")
    place.do(make_member, group, fay, role="facilitator")
    browser = place.signed_in("fay")
    page = browser.visit(f"/groups/{group}/members")
    for button, named in (("Tell other sites that you look after it", True), ("Do not tell other sites", False)):
        page = browser.submit(page, page.form(button=button), button)
        assert place.database.read_now(is_named, group, fay) is named


def test_a_group_that_nothing_leaves_offers_no_such_thing(circle: Circle, place: Place) -> None:
    assert "other sites" not in place.signed_in("fay").visit(f"{circle.path}/members").text


@pytest.mark.parametrize(("who", "whom"), [("fay", "owner"), ("mia", "fay"), ("owner", "owner")])
def test_who_may_not_be_removed_stays(circle: Circle, place: Place, who: str, whom: str) -> None:
    target: int = getattr(circle, whom)
    browser = place.signed_in(who)
    assert browser.visit(f"{circle.path}/members/{target}/remove").status == 403
    token = browser.visit("/sign-out").form().values["form_token"][0]
    headers = {"Origin": browser.base, "Sec-Fetch-Site": "same-origin"}
    path = f"{circle.path}/members/{target}/remove"
    assert browser.request("POST", path, data={"form_token": token}, headers=headers).status_code == 403
    assert circle.state(target) == "active"


@pytest.mark.parametrize("target", ["1", "nonsense", "-1", "²"])
def test_who_is_not_there_cannot_be_removed(circle: Circle, place: Place, target: str) -> None:
    assert place.signed_in("owner").visit(f"{circle.path}/members/{target}/remove").status == 404


def test_no_form_of_another_site_lets_anybody_in_or_out(circle: Circle, place: Place) -> None:
    owner, foreign = place.signed_in("owner"), {"Origin": "https://evil.example"}
    page = owner.visit(f"{circle.path}/requests")
    assert owner.send_form(page, page.form(button="Let in"), "Let in", headers=foreign).status_code == 403
    page = owner.visit(f"{circle.path}/members/{circle.mia}/remove")
    assert owner.send_form(page, page.form(button="Remove"), "Remove", headers=foreign).status_code == 403
    assert (circle.state(circle.ask), circle.state(circle.mia)) == ("pending", "active")
