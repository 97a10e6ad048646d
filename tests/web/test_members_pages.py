"""Who asks to join and who belongs: letting in, refusing and removing by hand, and who may not."""

import pytest

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
