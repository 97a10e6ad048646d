"""Finding a group of another site by its address: what is known, what is no address, and what cannot be reached."""

import pytest

from tests.factories import make_group, make_remote_actor
from tests.web.browsing import Browser, Place


@pytest.fixture
def ada(place: Place) -> Browser:
    place.member("ada")
    return place.signed_in("ada")


def find(browser: Browser, address: str) -> tuple[int, str, str]:
    page = browser.visit("/groups")
    shown = browser.submit(page, page.form(field="address").fill("address", address))
    return shown.status, shown.url, shown.text


@pytest.mark.parametrize("address", ["@evening@far.example", "!evening@far.example", " evening@FAR.example "])
def test_a_group_that_is_known_here_is_shown(place: Place, ada: Browser, address: str) -> None:
    group = place.do(make_remote_actor, "evening", kind="Group")
    status, url, text = find(ada, address)
    assert (status, url.endswith(f"/groups/{group}")) == (200, True)
    assert "Evening" in text


@pytest.mark.parametrize(
    "address", ["", "evening", "@", "@@", "a@b@c", "https://far.example/g/1", "@evening@", "x" * 400]
)
def test_what_is_no_address_comes_back_with_what_was_typed(place: Place, ada: Browser, address: str) -> None:
    page = ada.visit("/groups")
    shown = ada.submit(page, page.form(field="address").fill("address", address))
    assert (shown.status, "That is not the address of a group." in shown.text) == (422, True)
    assert shown.form(field="address").values["address"] == [address]


@pytest.mark.parametrize("host", ["nowhere.example", "localhost", "127.0.0.1", "10.0.0.1", "169.254.169.254"])
def test_a_site_that_cannot_be_asked_is_said_to_be_so(place: Place, ada: Browser, host: str) -> None:
    status, _, text = find(ada, f"@evening@{host}")
    assert status == 422
    assert "No group was found there." in text or "That is not the address of a group." in text


def test_a_person_cannot_be_joined(place: Place, ada: Browser) -> None:
    group = place.do(make_group, place.uris, "grief", owner_id=None)
    from tests.factories import make_member

    place.do(make_member, group, place.do(make_remote_actor, "sam"))
    place.do(make_member, group, place.member("ben"))
    status, _, text = find(place.signed_in("ben"), "@sam@far.example")
    assert (status, "That is a person, not a group." in text) == (422, True)


def test_an_address_of_this_site_leads_to_its_page_and_a_hidden_one_to_nothing(place: Place, ada: Browser) -> None:
    place.do(make_group, place.uris, "lamp", owner_id=None, audience="public")
    place.do(make_group, place.uris, "secret", owner_id=None, join_rule="invite")
    assert find(ada, "@lamp@kin.example")[:2] == (200, "https://kin.example/@lamp")
    hidden, never = find(ada, "@secret@kin.example"), find(ada, "@nothing@kin.example")
    assert (hidden[0], hidden[2]) == (404, never[2])


def test_nobody_is_looked_up_for_strangers_or_other_sites(place: Place, ada: Browser) -> None:
    page = ada.visit("/groups")
    form = page.form(field="address").fill("address", "@evening@far.example")
    assert ada.send_form(page, form, headers={"Origin": "https://evil.example"}).status_code == 403
    answer = place.browser().send_form(page, form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in")
