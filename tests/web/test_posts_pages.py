"""Posts by hand and without scripts: writing, answering, changing, deleting and support, and each refusal."""

import pytest

from groups.moderation import set_locked
from groups.notifications import notifications_of
from groups.showing import POSTS
from groups.views import Page as NewsPage
from tests.factories import make_group, make_member
from tests.web.browsing import Browser, Place


class Circle:
    """A group of two, and somebody outside of it, each with a browser."""

    def __init__(self, place: Place) -> None:
        self.ada, self.ben, self.eve = (place.member(name) for name in ("ada", "ben", "eve"))
        self.group = place.do(make_group, place.uris, "grief", owner_id=self.ada)
        place.do(make_member, self.group, self.ben)
        self.as_ada, self.as_ben, self.as_eve = (place.signed_in(name) for name in ("ada", "ben", "eve"))
        self.path = f"/groups/{self.group}"

    def write(self, browser: Browser, text: str, **fields: str) -> str:
        """Post, and return the address of the conversation."""
        page = browser.visit(self.path)
        form = page.form(field="Your post").fill("Your post", text)
        for name, value in fields.items():
            form.fill(name, value)
        shown = browser.submit(page, form, "Post")
        assert "Your post is there." in shown.text
        newest = shown.root.find(".//article")
        assert newest is not None
        return f"{self.path}/{newest.get('id', '').removeprefix('post-')}"


@pytest.fixture
def circle(place: Place) -> Circle:
    return Circle(place)


def test_what_is_written_is_read_by_the_others_and_by_nobody_else(circle: Circle) -> None:
    path = circle.write(circle.as_ada, "A *quiet* evening.", title="Tonight", note="a hard day")
    for browser in (circle.as_ada, circle.as_ben):
        page = browser.visit(path)
        assert page.status == 200
        assert "A quiet evening." in page.text
        assert "Content note: a hard day" in page.text
        assert "<em>quiet</em>" in page.source
    assert circle.as_eve.visit(path).status == 404


def test_before_posting_it_is_said_who_will_see_it_and_under_which_name(circle: Circle) -> None:
    page = circle.as_ada.visit(circle.path)
    assert "Posting as Ada in Grief" in page.text
    assert "Stays on this site. Erased on 21 February 2027." in page.text


def test_markup_and_scripts_are_words(circle: Circle) -> None:
    path = circle.write(circle.as_ada, "<script>alert(1)</script> <b onclick=x>", title="<img src=x onerror=y>")
    source = circle.as_ben.visit(path).source.lower()
    assert "<script" not in source
    assert "<img" not in source
    assert "<b " not in source


@pytest.mark.parametrize("text", ["", "   \n ", "x" * 6_000])
def test_what_cannot_be_posted_comes_back_with_all_that_was_typed(circle: Circle, text: str) -> None:
    page = circle.as_ada.visit(circle.path)
    form = page.form(field="Your post").fill("Your post", text).fill("title", "My title")
    answer = circle.as_ada.submit(page, form, "Post")
    assert answer.status == 422
    again = answer.form(field="Your post")
    assert again.values["title"] == ["My title"]
    assert again.values["text"][0].strip() == text.strip()
    assert "Nobody has written yet" in circle.as_ben.visit(circle.path).text


def test_an_answer_stands_below_what_it_answers(circle: Circle) -> None:
    path = circle.write(circle.as_ada, "How are you?")
    page = circle.as_ben.visit(path)
    page = circle.as_ben.visit(page.link("Reply"))
    assert "Reply to Ada" in page.text
    page = circle.as_ben.submit(page, page.form(field="Your reply").fill("Your reply", "Tired."), "Reply")
    assert page.url.partition("?")[0].endswith(path)
    assert ("Tired." in page.text, "1 reply" in page.text) == (True, True)
    empty = circle.as_ben.visit(f"{path}/reply")
    refused = circle.as_ben.submit(empty, empty.form(field="Your reply").fill("Your reply", " "), "Reply")
    assert refused.status == 422
    assert circle.as_ada.visit(path).text.count("Tired.") == 1


def test_one_s_own_words_can_be_changed_and_only_by_oneself(circle: Circle) -> None:
    path = circle.write(circle.as_ben, "A frist try.", title="Hello")
    page = circle.as_ben.visit(f"{path}/edit")
    form = page.form(field="Your post")
    assert form.values["text"][0].strip() == "A frist try."
    changed = circle.as_ben.submit(page, form.fill("Your post", "A first try."), "Save")
    assert "The change is saved." in changed.text
    shown = circle.as_ada.visit(path).text
    assert ("A first try." in shown, "frist" in shown, "edited" in shown) == (True, False, True)
    assert circle.as_ada.visit(f"{path}/edit").status == 403
    token = circle.as_ada.visit("/sign-out").form().values["form_token"][0]
    headers = {"Origin": circle.as_ada.base, "Sec-Fetch-Site": "same-origin"}
    sent = {"form_token": token, "text": "Put into his mouth."}
    assert circle.as_ada.request("POST", f"{path}/edit", data=sent, headers=headers).status_code == 403
    assert "A first try." in circle.as_ada.visit(path).text


def test_deleting_asks_first_and_leaves_nothing(circle: Circle) -> None:
    path = circle.write(circle.as_ben, "Too much.")
    page = circle.as_ben.visit(f"{path}/delete")
    assert "Delete this post?" in page.text
    assert circle.as_ada.visit(path).status == 200, "looking at the question deletes nothing"
    gone = circle.as_ben.submit(page, page.form(button="Delete it"))
    assert "The post is erased here." in gone.text
    for browser in (circle.as_ada, circle.as_ben):
        assert browser.visit(path).status == 404


def test_a_member_deletes_no_post_of_another_and_the_owner_may(circle: Circle) -> None:
    path = circle.write(circle.as_ada, "The owner's.")
    assert circle.as_ben.visit(f"{path}/delete").status == 403
    mine = circle.write(circle.as_ben, "Harsh words.")
    page = circle.as_ada.visit(f"{mine}/delete")
    assert circle.as_ada.submit(page, page.form(button="Delete it")).status == 200
    assert circle.as_ben.visit(mine).status == 404


def test_support_is_given_and_taken_back_and_told_to_the_author_alone(circle: Circle, place: Place) -> None:
    cleo = place.member("cleo")
    place.do(make_member, circle.group, cleo)
    path = circle.write(circle.as_ada, "Hold on.")

    def told(persona: int) -> list[str]:
        return [news.kind for news in place.database.read_now(notifications_of, persona, NewsPage(limit=9))]

    page = circle.as_ben.visit(path)
    page = circle.as_ben.submit(page, page.form(button="Support"))
    assert 'aria-pressed="true"' in page.source
    assert 'aria-pressed="false"' in place.signed_in("cleo").visit(path).source
    assert (told(circle.ada), told(cleo), told(circle.ben)) == (["reaction"], [], [])
    page = circle.as_ben.submit(page, page.form(button="Support"))
    assert 'aria-pressed="false"' in page.source
    assert told(circle.ada) == []


def test_no_form_of_another_site_posts_changes_deletes_or_supports(circle: Circle) -> None:
    path = circle.write(circle.as_ada, "Hold on.")
    foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    for place, field, button in (
        (circle.path, "Your post", "Post"), (f"{path}/edit", "Your post", "Save"),
        (f"{path}/delete", None, "Delete it"), (f"{path}/reply", "Your reply", "Reply"),
    ):  # fmt: skip
        page = circle.as_ada.visit(place)
        form = page.form(field=field, button=button)
        if field:
            form.fill(field, "from elsewhere")
        assert circle.as_ada.send_form(page, form, button, headers=foreign).status_code == 403
    page = circle.as_ben.visit(path)
    assert circle.as_ben.send_form(page, page.form(button="Support"), None, headers=foreign).status_code == 403
    shown = circle.as_ben.visit(path)
    assert ("Hold on." in shown.text, "from elsewhere" in shown.text) == (True, False)
    assert 'aria-pressed="false"' in shown.source


def test_a_post_is_not_found_through_another_group(circle: Circle, place: Place) -> None:
    other = place.do(make_group, place.uris, "garden", owner_id=circle.ada)
    path = circle.write(circle.as_ada, "Hold on.")
    number = path.rpartition("/")[2]
    for tail in ("", "/reply", "/edit", "/delete"):
        assert circle.as_ada.visit(f"/groups/{other}/{number}{tail}").status == 404
        assert circle.as_ada.visit(f"{path}{tail}").status == 200


def test_what_has_ended_is_no_longer_there(circle: Circle, place: Place) -> None:
    from datetime import timedelta

    path = circle.write(circle.as_ada, "For ninety days.")
    place.clock.move(timedelta(days=29))
    assert circle.as_ada.visit(path).status == 200
    place.clock.move(timedelta(days=29))
    assert circle.as_ada.visit(path).status == 200
    place.clock.move(timedelta(days=29))
    assert circle.as_ada.visit(path).status == 200
    place.clock.move(timedelta(days=3, seconds=1))
    assert circle.as_ada.visit(path).status == 404
    assert "For ninety days." not in circle.as_ada.visit(circle.path).text


def test_who_left_reads_nothing_any_more(circle: Circle) -> None:
    path = circle.write(circle.as_ada, "Between us.")
    assert circle.as_ben.visit(path).status == 200
    page = circle.as_ben.visit(f"{circle.path}/leave")
    circle.as_ben.submit(page, page.form(button="Leave"))
    assert circle.as_ben.visit(path).status == 404
    assert "Between us." not in circle.as_ben.visit(circle.path).text


def test_an_author_is_told_where_a_post_went_and_others_are_not(circle: Circle) -> None:
    path = circle.write(circle.as_ada, "A quiet evening.")
    shown = circle.as_ada.visit(circle.as_ada.visit(path).link("Where it went"))
    assert "It is on this site only, as far as we know." in shown.text
    assert "Where it went" not in circle.as_ben.visit(path).text
    for browser in (circle.as_ben, circle.as_eve):
        assert browser.visit(f"{path}/copies").status == 404


def test_a_closed_conversation_says_so_and_takes_no_reply(place: Place, circle: Circle) -> None:
    path = circle.write(circle.as_ada, "A quiet evening.")
    post_id = int(path.rsplit("/", 1)[-1])
    form = circle.as_ben.visit(path).form(field="Your reply").fill("Your reply", "yes")
    stored = place.do(lambda uow: uow.connection.execute(POSTS.select().where(POSTS.c.id == post_id)).one())
    place.do(set_locked, stored, locked=True)
    page = circle.as_ben.visit(path)
    assert "takes no more replies" in page.text
    assert "Reply to the conversation" not in page.text
    refused = circle.as_ben.submit(page, form, "Reply")
    assert (refused.status, "takes no more replies" in refused.text) == (403, True)
    place.do(set_locked, stored, locked=False)
    assert "Reply to the conversation" in circle.as_ben.visit(path).text


def test_who_looks_after_the_group_keeps_a_post_on_top(circle: Circle) -> None:
    first = circle.write(circle.as_ben, "Read this first.")
    circle.write(circle.as_ben, "And then this.")
    assert "Keep on top" not in circle.as_ben.visit(first).text
    page = circle.as_ada.visit(first)
    button = "Keep on top the post by Ben"
    page = circle.as_ada.submit(page, page.form(button=button), button)
    assert "The post stays on top of the group now." in page.text
    text = circle.as_ben.visit(circle.path).text
    assert text.index("Read this first.") < text.index("And then this.")
    assert (text.count("Read this first."), "kept on top" in text) == (1, True)
    page = circle.as_ada.visit(first)
    button = "Keep on top no longer the post by Ben"
    circle.as_ada.submit(page, page.form(button=button), button)
    assert "kept on top" not in circle.as_ben.visit(circle.path).text
