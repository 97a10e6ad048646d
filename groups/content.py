"""What people write: Markdown to HTML, the one sanitizer door, and the handles that a text names (pure)."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from html import escape, unescape

import nh3
from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline

SANITIZER_VERSION = 1
MAX_SOURCE_CHARACTERS = 5_000
MAX_HTML_BYTES = 65_536
MAX_TITLE_CHARACTERS = 200
MAX_NOTE_CHARACTERS = 500
MAX_NAME_CHARACTERS = 100
MAX_STACKED_MARKS = 3
"""Combining marks in a row that a name may carry."""

TAGS = {
    "p", "br", "a", "span", "strong", "em", "b", "i", "u", "del", "code", "pre", "blockquote", "ul", "ol", "li",
    "h1", "h2", "h3", "h4", "h5", "h6",
}  # fmt: skip
CLASSES = {"a": {"mention", "hashtag", "u-url"}, "span": {"h-card", "invisible", "ellipsis", "mention", "hashtag"}}
LINK_SCHEMES = ("http://", "https://", "mailto:")
HANDLE = re.compile(r"@([A-Za-z0-9_]{1,64})(?:@([A-Za-z0-9.-]+(?::[0-9]{1,5})?))?")
HEADING = re.compile(r"<(/?)h[1-6]>")
TAG = re.compile(r"<[^>]*>")
BREAK = re.compile(r"<br ?/?>|</p>")

Handle = tuple[str, str | None]
"""A handle as written, lower case, and the host behind it, or None for this node."""


@dataclass(frozen=True, slots=True)
class NamedActor:
    """An actor that a text names: what its mention shows and where it leads."""

    handle: str
    host: str | None
    url: str


def _keep_link(tag: str, attribute: str, value: str) -> str | None:
    if tag == "a" and attribute == "href":
        return value if value.lower().startswith(LINK_SCHEMES) else None
    return value


_CLEANER = nh3.Cleaner(
    tags=TAGS,
    attributes={"a": {"href"}, "ol": {"start", "reversed"}, "li": {"value"}},
    allowed_classes=CLASSES,
    attribute_filter=_keep_link,
    link_rel="nofollow noopener noreferrer ugc",
    url_schemes={"http", "https", "mailto"},
)


def sanitize(html: str) -> str:
    """Return HTML that holds nothing but plain text structure: the only door for HTML that others wrote (I10).

    Headings become bold paragraphs, as larger type than ours would imitate the page. What is over 64 KiB is cut off
    before parsing, so that its end is well-formed all the same.
    """
    clean = _CLEANER.clean(html.encode()[:MAX_HTML_BYTES].decode(errors="ignore"))
    return HEADING.sub(lambda match: "</strong></p>" if match[1] else "<p><strong>", clean)


def render(source: str, known: Callable[[str, str | None], NamedActor | None]) -> str:
    """Return the HTML of Markdown that a member wrote; handles that `known` finds become links to their profiles."""
    return sanitize(_markdown().render(source, {"known": known})).strip()


def handles_in(source: str) -> frozenset[Handle]:
    """Return the handles that a text names outside code, as (name, host or None), lower case."""
    found: set[Handle] = set()

    def note(name: str, host: str | None) -> None:
        found.add((name, host))

    _markdown().render(source, {"known": note})
    return frozenset(found)


def text_of(html: str) -> str:
    """Return the plain text of sanitised HTML, a line for each paragraph or break."""
    return unescape(TAG.sub("", BREAK.sub("\n", html))).strip()


def one_line(text: str, limit: int) -> str:
    """Return text fit for a name or title: one line, no control or direction characters, few stacked marks."""
    kept: list[str] = []
    marks = 0
    for character in unicodedata.normalize("NFC", text):
        category = unicodedata.category(character)
        marks = marks + 1 if category in {"Mn", "Me"} else 0
        if category == "Cc" or category == "Zl" or category == "Zp":
            kept.append(" ")
        elif category != "Cf" and category != "Cs" and marks <= MAX_STACKED_MARKS:
            kept.append(character)
    return " ".join("".join(kept).split())[:limit].strip()


def plain_to_html(text: str) -> str:
    """Return HTML paragraphs of plain text, everything in it escaped."""
    paragraphs = [
        escape(part, quote=False).replace("\n", "<br>") for part in text.strip().split("\n\n") if part.strip()
    ]
    return "".join(f"<p>{part}</p>" for part in paragraphs)


@cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("commonmark", {"html": False, "linkify": True, "breaks": True}).enable("linkify")
    assert markdown.linkify is not None
    # Only what carries its scheme becomes a link: a bare word with a dot in it is seldom meant as one.
    markdown.linkify.set({"fuzzy_link": False, "fuzzy_email": False, "fuzzy_ip": False})
    markdown.disable(["image", "html_block", "html_inline"])
    markdown.inline.ruler.before("link", "mention", _mention_rule)
    return markdown


def _mention_rule(state: StateInline, silent: bool) -> bool:  # noqa: FBT001 - how markdown-it calls a rule
    """Take a handle at the cursor for a mention, as an inline rule of markdown-it."""
    if state.src[state.pos] != "@" or (
        state.pos > 0 and (state.src[state.pos - 1].isalnum() or state.src[state.pos - 1] in "@/_")
    ):
        return False
    match = HANDLE.match(state.src, state.pos)
    if match is None:
        return False
    written = match[0].rstrip(".-")
    name, host = match[1].lower(), match[2].rstrip(".-").lower() if match[2] else None
    known: Callable[[str, str | None], NamedActor | None] = state.env["known"]
    actor = known(name, host)
    if not silent:
        _push_mention(state, actor, written)
    state.pos += len(written)
    return True


def _push_mention(state: StateInline, actor: NamedActor | None, written: str) -> None:
    if actor is None:
        state.push("text", "", 0).content = written
        return
    state.push("span_open", "span", 1).attrs = {"class": "h-card"}
    state.push("link_open", "a", 1).attrs = {"href": actor.url, "class": "u-url mention"}
    state.push("text", "", 0).content = "@"
    state.push("span_open", "span", 1)
    state.push("text", "", 0).content = actor.handle
    for kind, tag in (("span_close", "span"), ("link_close", "a"), ("span_close", "span")):
        state.push(kind, tag, -1)
