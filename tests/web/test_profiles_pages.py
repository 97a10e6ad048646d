"""Pages under a handle and permanent addresses: shown to whom one meets, and the same as nothing to anybody else."""

import pytest
from sqlalchemy import select

from activitypub.models import Actor
from privacy.unit_of_work import UnitOfWork, table_of
from tests.factories import make_group, make_member
from tests.web.browsing import Browser, Place

AS_BROWSER = {"Accept": "text/html"}


class Circle:
    """A hidden group and a public one, two who share the hidden one, and somebody in neither."""

    def __init__(self, place: Place) -> None:
        self.ada, self.ben = place.member("ada"), place.member("ben")
        place.member("eve")
        self.group = place.do(make_group, place.uris, "grief", owner_id=self.ada, join_rule="invite")
        self.public = place.do(make_group, place.uris, "lamp", owner_id=self.ada, audience="public")
        place.do(make_member, self.group, self.ben)
        self.as_ada, self.as_ben, self.as_eve = (place.signed_in(name) for name in ("ada", "ben", "eve"))
        self.stranger = place.browser()

    def write(self, browser: Browser, group: int, text: str) -> str:
        page = browser.visit(f"/groups/{group}")
        shown = browser.submit(page, page.form(field="Your post").fill("Your post", text), "Post")
        newest = shown.root.find(".//article")
        assert newest is not None
        return newest.get("id", "").removeprefix("post-")


def uri_of(uow: UnitOfWork, actor: int) -> str:
    table = table_of(Actor)
    return str(uow.connection.execute(select(table.c.uri).where(table.c.id == actor)).scalar_one())


@pytest.fixture
def circle(place: Place) -> Circle:
    return Circle(place)


def test_a_person_is_shown_to_whom_they_share_a_group_with(circle: Circle) -> None:
    circle.write(circle.as_ada, circle.group, "Between us.")
    page = circle.as_ben.visit("/@ada")
    assert (page.status, "Between us." in page.text) == (200, True)
    assert circle.as_ada.visit("/@ADA").status == 200
    for browser in (circle.as_eve, circle.stranger):
        hidden, never = (browser.request("GET", f"/@{name}") for name in ("ada", "zoe"))
        assert (hidden.status_code, hidden.content, hidden.headers.raw) == (404, never.content, never.headers.raw)


def test_the_page_of_a_person_shows_only_what_is_shared(circle: Circle, place: Place) -> None:
    other = place.do(make_group, place.uris, "garden", owner_id=circle.ada, join_rule="invite")
    circle.write(circle.as_ada, other, "Not for Ben.")
    circle.write(circle.as_ada, circle.group, "For Ben.")
    text = circle.as_ben.visit("/@ada").text
    assert ("For Ben." in text, "Not for Ben." in text, "Garden" in text) == (True, False, False)


def test_a_public_group_has_a_page_under_its_handle(circle: Circle) -> None:
    post = circle.write(circle.as_ada, circle.public, "For all.")
    for browser in (circle.stranger, circle.as_eve, circle.as_ben):
        assert "For all." in browser.visit("/@lamp").text
        assert "For all." in browser.visit(f"/@lamp/{post}").text
        assert browser.visit(f"/@ada/{post}").status == 404


@pytest.mark.parametrize("who", ["stranger", "as_eve"])
def test_permanent_addresses_of_what_is_hidden_lead_nowhere(circle: Circle, place: Place, who: str) -> None:
    post = circle.write(circle.as_ada, circle.group, "Between us.")
    browser: Browser = getattr(circle, who)
    for actor in (circle.ada, circle.group):
        path = place.do(uri_of, actor).removeprefix(place.uris.base_url)
        never = path.rpartition("/")[0] + "/nothing"
        assert circle.as_ben.request("GET", path, headers=AS_BROWSER).status_code == 303
        hidden, absent = (browser.request("GET", each, headers=AS_BROWSER) for each in (path, never))
        assert (hidden.status_code, hidden.content) == (404, absent.content)
    hidden, absent = (browser.request("GET", f"/p/{each}", headers=AS_BROWSER) for each in (post, "1"))
    assert (hidden.status_code, hidden.content) == (404, absent.content)
    honest = circle.as_ben.request("GET", f"/p/{post}", headers=AS_BROWSER)
    assert (honest.status_code, honest.headers["location"]) == (303, f"/groups/{circle.group}/{post}")


def test_a_permanent_address_is_left_to_servers_that_ask_for_the_document(circle: Circle, place: Place) -> None:
    path = place.do(uri_of, circle.public).removeprefix(place.uris.base_url)
    assert circle.stranger.request("GET", path, headers=AS_BROWSER).headers["location"] == "/@lamp"
    for accept in ("application/activity+json", "*/*"):
        assert circle.stranger.request("GET", path, headers={"Accept": accept}).status_code == 404
