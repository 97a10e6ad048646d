"""What people write, and what others send: one door, and nothing gets through it that is not text."""

import html5lib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groups.content import (
    CLASSES,
    TAGS,
    NamedActor,
    handles_in,
    one_line,
    plain_to_html,
    render,
    sanitize,
    text_of,
)

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<svg><script>1</script></svg>",
    "<math><mi//xlink:href=x>",
    '<a href="javascript:alert(1)">x</a>',
    '<a href="data:text/html,x">x</a>',
    '<a href="/sign-out">x</a>',
    "<form action=/x>",
    '<p style="position:fixed" id="a" class="button" data-x="1">x</p>',
    "<table><td><table>",
    "<noscript><p title='</noscript><img>'>",
    "<style>@import url(//far.example/x)</style>",
    "<iframe src=//far.example></iframe>",
    "<input name=password>",
    '<span class="mention invisible menu">x</span>',
    "<!-- --!><img src=x onerror=alert(1)> -->",
    "<p>a<h1 class=big>b</h1>c</p>",
]


def assert_plain(html: str) -> None:
    """Read HTML with an independent parser and hold each element and attribute to the list."""
    for element in html5lib.parseFragment(html, namespaceHTMLElements=False).iter():
        if not isinstance(element.tag, str) or element.tag == "DOCUMENT_FRAGMENT":
            continue
        assert element.tag in TAGS - {"h1", "h2", "h3", "h4", "h5", "h6"}
        for name, value in element.attrib.items():
            assert name in {"href", "class", "rel", "start", "reversed", "value"}
            if name == "href":
                assert value.startswith(("https://", "http://", "mailto:"))
            if name == "class":
                assert set(value.split()) <= CLASSES[element.tag]


@pytest.mark.parametrize("hostile", HOSTILE)
def test_hostile_html_becomes_text(hostile: str) -> None:
    """No element, class or address gets through that could act or imitate; what is read again stays the same."""
    clean = sanitize(hostile)
    assert_plain(clean)
    assert sanitize(clean) == clean


@given(st.text(alphabet=st.sampled_from("<>/\"'= ahp1isvgcrtonmle!-&;#x")))
def test_no_soup_gets_through(soup: str) -> None:
    """Whatever is made of the letters of tags, the result holds to the list and does not change again."""
    clean = sanitize(soup)
    assert_plain(clean)
    assert sanitize(clean) == clean


def test_honest_html_is_kept() -> None:
    """Paragraphs, emphasis, lists, quotes and links stay; a heading becomes a bold paragraph."""
    assert sanitize("<p>a <em>b</em></p><ul><li>c</li></ul>") == "<p>a <em>b</em></p><ul><li>c</li></ul>"
    assert sanitize("<h2>Title</h2>") == "<p><strong>Title</strong></p>"
    assert 'href="https://far.example/x"' in sanitize('<a href="https://far.example/x">x</a>')


def known(name: str, host: str | None) -> NamedActor | None:
    """Know one group here and one person elsewhere."""
    found = {("grief", None): "https://kin.example/@grief", ("bo", "127.0.0.1:8001"): "http://127.0.0.1:8001/@bo"}
    url = found.get((name, host))
    return NamedActor(name, host, url) if url else None


def test_handles_become_mentions_where_they_are_known() -> None:
    """A known handle is linked, an unknown one and one in code stay text."""
    html = render("@Grief and @bo@127.0.0.1:8001, not @nobody or `@grief`.", known)
    assert html.count('class="u-url mention"') == 2
    assert "@nobody" in text_of(html)
    assert "<code>@grief</code>" in html


def test_handles_are_found_outside_code_and_addresses() -> None:
    """An e-mail address names nobody."""
    found = handles_in("@Grief, a@b.example @bo@far.example. `@code`")
    assert found == {("grief", None), ("bo", "far.example")}


def test_markdown_gives_no_html_of_its_own() -> None:
    """Raw HTML that a member types is shown as typed."""
    html = render("<b onclick=x>bold</b> **strong**", known)
    assert "&lt;b" in html
    assert "<strong>strong</strong>" in html


@given(st.text())
def test_a_line_is_one_short_line(text: str) -> None:
    """A name has no breaks, no characters that turn the direction of text, and no more than its limit."""
    line = one_line(text, 100)
    assert len(line) <= 100
    assert not any(character in line for character in "\n\r\u202e\u2066\u200b\x00")


def test_plain_text_is_escaped() -> None:
    """Plain text keeps its paragraphs and loses its power."""
    assert plain_to_html("a <b>\nc\n\nd") == "<p>a &lt;b&gt;<br>c</p><p>d</p>"
