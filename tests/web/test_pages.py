"""What people do with the pages: each journey by hand, without scripts, on a database of each kind."""

import pytest

from activitypub.uris import Uris
from node.database import ThreadedDatabase
from tests.clock import MovableClock
from tests.factories import make_group, make_member
from tests.web.browsing import Place, faces


@pytest.fixture
def place(database: ThreadedDatabase, uris: Uris, clock: MovableClock) -> Place:
    return faces(database, uris, clock)


def test_a_stranger_sees_what_the_site_is(place: Place) -> None:
    page = place.browser().visit("/")
    assert page.status == 200
    assert "A test node" in page.text


def test_a_member_reads_and_writes(place: Place) -> None:
    robin, willow = place.member("robin"), place.member("willow")
    group = place.do(make_group, place.uris, "evening", owner_id=robin)
    place.do(make_member, group, willow)
    browser = place.signed_in("robin")
    home = browser.visit("/")
    page = browser.visit(home.link("Evening"))
    posted = browser.submit(page, page.form(field="Your post").fill("Your post", "A *quiet* evening."), "Post")
    assert "A quiet evening." in posted.text
    assert place.signed_in("willow").visit("/").text.count("A quiet evening.") == 1
