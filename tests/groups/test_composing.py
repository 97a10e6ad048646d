"""From what a person typed to a post: limits, names that may be known, and nothing taken on trust."""

import pytest

from groups import composing, content
from groups.composing import KnownActor, PostForm
from groups.content import NamedActor
from groups.errors import Invalid
from groups.views import Viewer
from tests.groups.house import House


@pytest.mark.parametrize(
    ("field", "limit", "name"),
    [
        ("text", content.MAX_SOURCE_CHARACTERS, "status"),
        ("title", content.MAX_TITLE_CHARACTERS, "title"),
        ("note", content.MAX_NOTE_CHARACTERS, "spoiler_text"),
    ],
)
def test_each_part_has_its_limit(house: House, field: str, limit: int, name: str) -> None:
    """To the character: the last that fits is taken, one more is refused before anything is rendered or looked up."""
    fits, too_long = ({"text": "x"} | {field: "ä" * length} for length in (limit, limit + 1))
    words = composing.compose(house.uris, PostForm(**fits), {}).words
    assert len(words.source if field == "text" else getattr(words, field)) == limit
    for deed in (lambda: composing.compose(house.uris, PostForm(**too_long), {}),
                 lambda: composing.handles_of(PostForm(**too_long))):  # fmt: skip
        with pytest.raises(Invalid) as refusal:
            deed()
        assert set(refusal.value.fields) == {name}


@pytest.mark.parametrize("text", ["", " \n\t ", "\u00a0"])
def test_nothing_is_no_post(house: House, text: str) -> None:
    """Blank text is refused with a sentence; a letter is enough."""
    with pytest.raises(Invalid):
        composing.compose(house.uris, PostForm(text), {})
    assert composing.compose(house.uris, PostForm("x"), {}).words.html == "<p>x</p>"


def test_what_is_typed_is_never_markup(house: House) -> None:
    """Neither in the text nor in the title, nor by a link that is none."""
    words = composing.compose(
        house.uris, PostForm("<script>x</script> [a](javascript:b) <img src=x onerror=y>", title="<b>\u202e t"), {}
    ).words
    assert "<script" not in words.html
    assert "<img" not in words.html
    assert "href" not in words.html
    assert words.title == "<b> t"


def test_a_content_note_makes_a_post_sensitive(house: House) -> None:
    """Whether it was said or not: what stands behind a note is hidden until asked for."""
    assert composing.compose(house.uris, PostForm("x", note="loss"), {}).words.sensitive
    assert not composing.compose(house.uris, PostForm("x", note="  "), {}).words.sensitive


def test_people_and_groups_are_told_apart(house: House) -> None:
    """Each named once, in whatever spelling, with the handle of this node's own domain the same as without."""
    known = {
        ("ana", None): KnownActor(1, NamedActor("ana", None, "https://kin.example/@ana"), is_group=False),
        ("grief", None): KnownActor(2, NamedActor("grief", None, "https://kin.example/@grief"), is_group=True),
    }
    new = composing.compose(house.uris, PostForm("@Ana @ana@KIN.example @grief @nobody @x@far.example `@ana`"), known)
    assert (new.people, new.groups, new.handles) == ((1,), (2,), ("nobody", "x@far.example"))


def test_a_post_names_so_many_people_at_most(house: House) -> None:
    """Nobody is told of a post that names a crowd; the last that fits is taken."""
    grief = house.group("grief")
    ana = house.person("ana", grief)
    for number in range(composing.MAX_MENTIONS + 1):
        house.person(f"person_{number}", grief)
    names = [f"@person_{number}" for number in range(composing.MAX_MENTIONS + 1)]
    assert len(house.compose(ana, " ".join(names[:-1])).people) == composing.MAX_MENTIONS
    with pytest.raises(Invalid):
        house.compose(ana, " ".join(names))


def test_only_who_may_be_known_becomes_a_mention(house: House) -> None:
    """The name of a stranger stays as text without a link: writing it tells nobody whether it exists."""
    grief = house.group("grief")
    ana, _ = house.person("ana", grief), house.person("ben", grief)
    house.person("robin", house.group("town"))
    asked = {("ben", None), ("robin", None), ("nobody", None)}
    assert set(house.ask(composing.known_actors, house.uris, Viewer(ana), asked)) == {("ben", None)}
    html = house.compose(ana, "@ben @robin @nobody").words.html
    assert html.count("href") == 1
    assert "@robin @nobody" in html
