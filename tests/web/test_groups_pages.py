"""The pages of groups, by hand and without scripts: the list, a group, joining and leaving."""

import re

import pytest

from tests.factories import make_group, make_member
from tests.web.browsing import Browser, Place

FORM_TOKEN = re.compile(r'name="form_token" value="[^"]*"')
NEVER = 4_000_000_000_000_000_001


@pytest.fixture
def ada(place: Place) -> int:
    return place.member("ada")


@pytest.fixture
def ben(place: Place, ada: int) -> Browser:
    place.member("ben")
    return place.signed_in("ben")


def test_the_list_shows_what_can_be_asked_for_and_nothing_that_is_hidden(place: Place, ada: int, ben: Browser) -> None:
    place.do(make_group, place.uris, "grief", owner_id=ada, join_rule="approval")
    place.do(make_group, place.uris, "secret", owner_id=ada, join_rule="invite")
    page = ben.visit("/groups")
    assert page.status == 200
    assert "Grief" in page.text
    assert "Secret" not in page.text
    assert "Grief" in ben.visit(page.link("Grief")).text


def test_asking_to_join_waits_for_an_answer_and_can_be_taken_back(place: Place, ada: int, ben: Browser) -> None:
    group = place.do(make_group, place.uris, "grief", owner_id=ada)
    page = ben.visit(f"/groups/{group}")
    assert "What is written here can be read by members only." in page.text
    page = ben.visit(page.link("Ask to join"))
    assert "You join as Ben" in page.text
    page = ben.submit(page, page.form(button="Ask to join"))
    assert "You have asked to join" in page.text
    assert "In this group" not in page.source
    page = ben.submit(page, page.form(button="Take it back"))
    assert page.status == 200
    assert place.state_in(group, ben_of(place)) == "left"


def ben_of(place: Place) -> int:
    from groups.people import look_up
    from groups.views import Viewer

    found = place.database.read_now(look_up, Viewer(_self_id(place, "ben")), "ben", None)
    return int(found.id)


def _self_id(place: Place, handle: str) -> int:
    from privacy import accounts

    account = place.database.read_now(accounts.account_named, handle)
    assert account is not None
    return int(place.database.read_now(accounts.personas_of, account.id)[0])


def test_an_open_group_is_joined_at_once_and_left_again(place: Place, ada: int, ben: Browser) -> None:
    group = place.do(make_group, place.uris, "grief", owner_id=ada, join_rule="open")
    page = ben.visit(f"/groups/{group}/join")
    page = ben.submit(page, page.form(button="Join"))
    assert "You belong to the group now." in page.text
    assert "Write a post" in page.text
    page = ben.visit(page.link("Leave the group"))
    assert "Leave the group?" in page.text
    assert place.state_in(group, ben_of(place)) == "active", "looking at the question leaves nothing"
    page = ben.submit(page, page.form(button="Leave"))
    assert "You have left the group." in page.text
    assert place.state_in(group, ben_of(place)) == "left"


def test_using_one_name_in_two_groups_is_asked_first(place: Place, ada: int, ben: Browser) -> None:
    one = place.do(make_group, place.uris, "grief", owner_id=ada, join_rule="open")
    two = place.do(make_group, place.uris, "garden", owner_id=ada, join_rule="open")
    place.do(make_member, one, ben_of(place))
    page = ben.visit(f"/groups/{two}/join")
    assert "People who are in both groups would see that it is you." in page.text
    refused = ben.submit(page, page.form(button="Join"))
    assert (refused.status, place.state_in(two, ben_of(place))) == (422, None)
    joined = ben.submit(refused, refused.form(button="Join").fill("again", "yes"))
    assert (joined.status, place.state_in(two, ben_of(place))) == (200, "active")


def test_a_group_by_invitation_that_is_public_is_seen_and_not_joined(place: Place, ada: int, ben: Browser) -> None:
    group = place.do(make_group, place.uris, "grief", owner_id=ada, audience="public", join_rule="invite")
    page = ben.visit("/@grief")
    assert page.status == 200
    assert "Join this group" not in page.text
    joining = ben.visit(f"/groups/{group}/join")
    answer = ben.send_form(joining, joining.form(button="Join"))
    assert (answer.status_code, place.state_in(group, ben_of(place))) == (403, None)


def test_an_owner_cannot_leave_their_group_alone(place: Place, ada: int) -> None:
    group = place.do(make_group, place.uris, "grief", owner_id=ada)
    browser = place.signed_in("ada")
    page = browser.visit(f"/groups/{group}/leave")
    answer = browser.submit(page, page.form(button="Leave"))
    assert (answer.status, place.state_in(group, ada)) == (403, "active")
    assert "Make somebody else its owner" in answer.text


def test_who_was_never_there_cannot_leave(place: Place, ada: int, ben: Browser) -> None:
    group = place.do(make_group, place.uris, "grief", owner_id=ada)
    page = ben.visit(f"/groups/{group}/leave")
    assert ben.submit(page, page.form(button="Leave")).status == 404


def test_a_stranger_sees_a_public_group_and_the_way_in(place: Place, ada: int) -> None:
    place.do(make_group, place.uris, "grief", owner_id=ada, audience="public", join_rule="open")
    page = place.browser().visit("/@grief")
    assert (page.status, "Sign in to take part" in page.text) == (200, True)
    assert not page.forms


def test_how_many_belong_to_a_group_is_told_to_nobody(place: Place, ada: int, ben: Browser) -> None:
    group = place.do(make_group, place.uris, "grief", owner_id=ada, audience="public", join_rule="open")
    before = FORM_TOKEN.sub("", ben.visit("/@grief").source)
    for name in ("cleo", "dan", "eve"):
        place.do(make_member, group, place.member(name))
    assert FORM_TOKEN.sub("", ben.visit("/@grief").source) == before


@pytest.mark.parametrize("tail", ["", "/join", "/leave", "/members", "/requests", "/invites", "/1", "/1/reply"])
def test_a_hidden_group_and_none_at_all_are_the_same_page(place: Place, ada: int, ben: Browser, tail: str) -> None:
    group = place.do(make_group, place.uris, "secret", owner_id=ada, join_rule="invite")
    for browser in (ben, place.browser()):
        for found, never in ((f"{group}", f"{NEVER}"), ("secret", "nothing")):
            answers = [browser.request("GET", f"/groups/{key}{tail}") for key in (found, never)]
            bodies = {
                answer.content.replace(key.encode(), b"KEY")
                for answer, key in zip(answers, (found, never), strict=True)
            }
            assert len(bodies) == 1
            heads = {
                repr(sorted((name, value.replace(key, "KEY")) for name, value in answer.headers.items()))
                for answer, key in zip(answers, (found, never), strict=True)
            }
            assert len(heads) == 1, heads
            assert answers[0].status_code == answers[1].status_code != 200
    if tail != "/requests":
        assert place.signed_in("ada").request("GET", f"/groups/{group}{tail}").status_code in {200, 404}


def test_older_conversations_stand_on_pages_of_their_own(place: Place, ada: int) -> None:
    group = place.do(make_group, place.uris, "grief", owner_id=ada)
    browser = place.signed_in("ada")
    for number in range(21):
        page = browser.visit(f"/groups/{group}")
        browser.send_form(page, page.form(field="Your post").fill("Your post", f"entry {number}."), "Post")
    first = browser.visit(f"/groups/{group}")
    second = browser.visit(first.link("Older"))
    seen = [set(re.findall(r"entry (\d+)\.", page.text)) for page in (first, second)]
    assert [len(each) for each in seen] == [20, 1]
    assert not seen[0] & seen[1]
    assert browser.visit(second.link("Newest")).status == 200
    assert browser.visit(f"/groups/{group}?before=1").status == 200
    assert browser.visit(f"/groups/{group}?before=nonsense").status == 200
