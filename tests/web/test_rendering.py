"""Words about moments, the choice of a language, marks, and a template set in which nothing escapes escaping."""

from datetime import UTC, datetime, timedelta

import pytest
from jinja2 import TemplateSyntaxError

from web.rendering import (
    HERE,
    HUES,
    SHAPES,
    asset,
    choose_language,
    environment,
    full_time,
    machine_time,
    mark_for,
    readable_day,
    readable_time,
)

NOW = datetime(2026, 11, 23, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("ago", "said"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=12, seconds=10), "12 minutes ago"),
        (timedelta(hours=3), "today, 11:05 UTC"),
        (timedelta(days=1), "22 November, 14:05 UTC"),
        (timedelta(days=400), "19 October 2025, 14:05 UTC"),
        (timedelta(hours=-2), "today, 16:05 UTC"),
    ],
)
def test_moments_are_told_as_a_reader_would_say_them(ago: timedelta, said: str) -> None:
    assert readable_time(NOW - ago, NOW, "en") == said


def test_moments_are_told_to_machines_and_in_full() -> None:
    assert machine_time(NOW) == "2026-11-23T14:05:00Z"
    assert full_time(NOW, "en") == "23 November 2026, 14:05 UTC"
    assert readable_day(NOW, "en") == "23 November 2026"
    assert readable_day(NOW, "de") == "23. November 2026"


@pytest.mark.parametrize("wish", [None, "", "en-GB,en;q=0.9", "xx, *;q=0.1", "en;q=zero", ";;;,,,", "a" * 9000])
def test_a_language_that_we_lack_falls_back_to_the_source(wish: str | None) -> None:
    assert choose_language(wish) == "en"


def test_a_name_keeps_its_mark() -> None:
    marks = [mark_for(f"https://kin.example/u/{number}", "willow") for number in range(200)]
    assert mark_for("https://kin.example/u/1", "willow") == marks[1]
    assert {mark.hue for mark in marks} == set(range(HUES))
    assert {mark.shape for mark in marks} == set(range(SHAPES))
    assert mark_for("x", "«élan»").letter == "É"
    assert mark_for("x", "☺").letter == "·"


def test_the_address_of_a_file_carries_its_content() -> None:
    assert asset("kinfold.css").startswith("/static/kinfold.css?v=")
    assert asset("kinfold.css") != asset("icon.svg")


def test_every_template_can_be_read_and_escapes() -> None:
    templates = environment("en")
    names = templates.list_templates()
    assert "base.html" in names
    for name in names:
        try:
            templates.get_template(name)
        except TemplateSyntaxError as error:  # names the file, which jinja2's own message may not
            raise AssertionError(f"{name}: {error}") from error
    assert templates.from_string("{{ words }}").render(words="<b>") == "&lt;b&gt;"


def test_no_template_holds_script_or_style() -> None:
    for path in (HERE / "templates").rglob("*.html"):
        text = path.read_text("utf-8").lower()
        assert "<script" not in text, path
        assert "<style" not in text, path
        assert " style=" not in text, path
        assert " onclick" not in text, path
        assert "http://" not in text.replace('xmlns="http://', ""), path
        assert "https://" not in text, path
