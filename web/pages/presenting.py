"""What deeds and reads hand out, as the templates show it (pure)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from markupsafe import Markup

from groups.content import text_of
from groups.policy import FACILITATORS, Act, Standing, Target, may
from groups.views import ActorCard, GroupView, PostView, Thread
from web.pages import wording
from web.rendering import Mark, mark_for, words

LONG_CHARACTERS = 900
EXCERPT_CHARACTERS = 600
HEADLINE_CHARACTERS = 90
DEEPEST_REPLY = 3
SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Who:
    """Somebody beside what they wrote or asked."""

    id: int
    name: str
    address: str
    mark: Mark
    is_me: bool = False
    role: str = ""


@dataclass(frozen=True, slots=True)
class GroupCard:
    """A group with its rules in words."""

    id: int
    path: str
    deeds: str
    title: str
    address: str
    about: Markup
    summary: str
    is_public: bool
    is_paused: bool
    audience_icon: str
    audience_words: str
    audience_short: str
    keep_words: str
    join_words: str
    audience_line: str


@dataclass(frozen=True, slots=True)
class PostCard:
    """A post with what the reader may do to it."""

    id: int
    path: str
    deeds: str
    author: Who
    title: str
    note: str
    html: Markup
    excerpt: str
    created: datetime
    edited: datetime | None
    ends: datetime
    reply_to: str
    replies: int
    supported: bool
    support_count: int
    locked: bool
    may_reply: bool
    may_support: bool
    may_edit: bool
    may_delete: bool
    only_named: bool
    may_report: bool = False
    may_pin: bool = False
    pinned: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A post in one line, as lists show it."""

    path: str
    headline: str
    author: Who
    created: datetime
    replies: int


@dataclass(frozen=True, slots=True)
class Branch:
    """A reply with the replies below it."""

    post: PostCard
    replies: list["Branch"] = field(default_factory=list)


def who(card: ActorCard, me: int | None = None, role: str | None = None, language: str = "en") -> Who:
    """Return somebody as pages show them; where the name says it all, the address is left out."""
    address = "" if card.local and card.name == card.handle else f"@{card.address}"
    looks_after = words(language)("looks after the group") if role in FACILITATORS else ""
    return Who(card.id, card.name, address, mark_for(card.uri, card.name), card.id == me, looks_after)


def group_path(group: GroupView) -> str:
    """Return where a group is found here: by its name where all may know it, else by a number that tells nothing."""
    return f"/@{group.card.handle}" if group.card.local and group.audience == "public" else f"/groups/{group.id}"


def deeds_path(group: GroupView) -> str:
    """Return where forms about a group go: always by its number."""
    return f"/groups/{group.id}"


def post_path(post: PostView) -> str:
    """Return where a post is found here."""
    return f"{group_path(post.group)}/{post.id}"


def group_card(group: GroupView, now: datetime, language: str) -> GroupCard:
    """Return a group as pages show it; how many belong to it is never told."""
    return GroupCard(
        id=group.id,
        path=group_path(group),
        deeds=deeds_path(group),
        title=group.card.name,
        address=f"@{group.card.handle}@{group.card.host}",
        about=Markup(group.card.summary),  # noqa: S704 - sanitised by groups.content before it was stored
        summary=_shortened(text_of(group.card.summary), EXCERPT_CHARACTERS // 2),
        is_public=group.audience == "public",
        is_paused=group.state != "open",
        audience_icon=wording.AUDIENCE_ICONS[group.audience],
        audience_words=wording.audience_words(group, language),
        audience_short=wording.audience_short(group, language),
        keep_words=wording.keep_words(group, language),
        join_words=wording.join_words(group, language),
        audience_line=wording.audience_line(group, now, language),
    )


def post_card(
    post: PostView, standing: Standing, me: int | None, *, answers: str = "", pinned: bool = False
) -> PostCard:
    """Return a post as pages show it to somebody with this standing in its group."""
    text = SPACE.sub(" ", text_of(post.html)).strip()
    target = Target(is_own=post.mine)
    signed_in = me is not None
    return PostCard(
        id=post.id,
        path=post_path(post),
        deeds=f"{deeds_path(post.group)}/{post.id}",
        author=who(post.author, me),
        title=post.title,
        note=post.note,
        html=Markup(post.html),  # noqa: S704 - sanitised by groups.content before it was stored
        excerpt=_shortened(text, EXCERPT_CHARACTERS) if len(text) > LONG_CHARACTERS else "",
        created=post.received_at,
        edited=post.edited_at,
        ends=post.expires_at,
        reply_to=answers,
        replies=post.replies_count,
        supported=post.supported,
        support_count=post.support_count,
        locked=post.locked,
        may_reply=signed_in and bool(may(Act.REPLY, standing, Target(locked=post.locked))),
        may_support=signed_in and not post.mine and bool(may(Act.REACT, standing)),
        may_edit=post.mine and bool(may(Act.EDIT, standing, target)),
        only_named=post.audience == "direct",
        may_delete=signed_in and bool(may(Act.DELETE, standing, target)),
        may_report=signed_in and not post.mine,
        may_pin=signed_in and _begins(post) and bool(may(Act.PIN, standing)),
        pinned=pinned,
    )


def _begins(post: PostView) -> bool:
    return post.id == post.thread_id and post.audience == "group"


def line(post: PostView, me: int | None, language: str) -> Line:
    """Return a post in one line: its title, its content note, or its first words where neither is there."""
    text = _shortened(SPACE.sub(" ", text_of(post.html)).strip(), HEADLINE_CHARACTERS)
    noted = words(language)("Content note: %(note)s") % {"note": post.note} if post.note else ""
    headline = post.title or noted or text or "…"
    return Line(post_path(post), headline, who(post.author, me), post.received_at, post.replies_count)


def branches(thread: Thread, standing: Standing, me: int | None) -> list[Branch]:
    """Return the replies of a conversation as a tree, three deep and then flat; each says whom it answers."""
    root = thread.post.id
    names: Mapping[int, str] = {post.id: post.author.name for post in (thread.post, *thread.descendants)}
    top: list[Branch] = []
    places: dict[int, tuple[Branch, int]] = {}
    parents: dict[int, list[Branch]] = {}
    for post in thread.descendants:
        above = places.get(post.parent_id or root)
        answers = names.get(post.parent_id or root, "") if post.parent_id != root else ""
        branch = Branch(post_card(post, standing, me, answers=answers))
        siblings, depth = (top, 1) if above is None else (above[0].replies, above[1] + 1)
        if above is not None and depth > DEEPEST_REPLY:
            siblings, depth = parents[above[0].post.id], DEEPEST_REPLY
        siblings.append(branch)
        places[post.id], parents[post.id] = (branch, depth), siblings
    return top


def _shortened(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    return text[:limit].rsplit(" ", 1)[0].rstrip(" ,.;:–-") + " …"
