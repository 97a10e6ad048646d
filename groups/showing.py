"""From rows to what a viewer is shown; a page of posts costs a fixed number of statements, whatever its length."""

import functools
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from sqlalchemy import BigInteger, CompoundSelect, Row, bindparam, func, literal, select, union_all

from groups.models import Bookmark, Mention, Post, Reaction
from groups.people import cards
from groups.places import group_views
from groups.translation import MentionFacts, PostFacts
from groups.views import ActorCard, GroupView, PostView, Viewer
from groups.visibility import GROUPS, visible_here, written_for
from privacy.records import Moment
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Place, SealedBox

POSTS, MENTIONS = table_of(Post), table_of(Mention)
REACTIONS, BOOKMARKS = table_of(Reaction), table_of(Bookmark)
COUNTS_SHOWN_FROM = 3
"""Fewer signs of support are shown as none (product decision 15)."""


@dataclass(frozen=True, slots=True)
class Words:
    """All that a person wrote in a post, as it stands sealed in one JSON."""

    title: str
    source: str
    html: str
    note: str
    sensitive: bool
    language: str | None
    url: str | None = None
    """The page of a remote post at its home."""

    def packed(self, version: int) -> bytes:
        """Return what is sealed, stamped with the version of the sanitizer that the HTML went through."""
        return orjson.dumps(
            {
                "v": version,
                "title": self.title,
                "source": self.source,
                "html": self.html,
                "note": self.note,
                "sensitive": self.sensitive,
                "language": self.language,
                "url": self.url,
            }
        )


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What posts of one page have in common, read once."""

    cards: Mapping[int, ActorCard]
    groups: Mapping[int, GroupView]
    mentions: Mapping[int, Sequence[int]]
    replies: Mapping[int, int]
    support: Mapping[int, int]
    supported: frozenset[int]
    bookmarked: frozenset[int]


def unpack(content: bytes) -> Words:
    """Return the words of an opened post."""
    stored: dict[str, Any] = orjson.loads(content)
    return Words(
        title=stored["title"],
        source=stored["source"],
        html=stored["html"],
        note=stored["note"],
        sensitive=stored["sensitive"],
        language=stored["language"],
        url=stored["url"],
    )


def as_facts(row: Row[Any], words: Words, *, author_uri: str, page: str, mentions: Iterable[MentionFacts]) -> PostFacts:
    """Return a post as the wire needs it; `page` is where people read it."""
    return PostFacts(
        id=row.id,
        uri=row.uri,
        author_uri=author_uri,
        page=page,
        thread_id=row.thread_id,
        title=words.title,
        html=words.html,
        note=words.note,
        sensitive=words.sensitive,
        language=words.language,
        parent_uri=row.parent_uri,
        direct=row.audience == "direct",
        published=row.received_at,
        edited_at=row.edited_at,
        ends_at=row.expires_at,
        mentions=tuple(mentions),
    )


def mention_of(card: ActorCard, inbox: str = "") -> MentionFacts:
    """Return somebody who is named in a post; without an inbox where nothing is sent."""
    return MentionFacts(card.id, card.uri, f"{card.handle}@{card.host}", card.host, inbox, card.local)


def sealed_box(row: Row[Any]) -> SealedBox:
    """Return the sealed words of a row of `posts`."""
    place = Place("posts", row.id, row.revision, row.group_id)
    return SealedBox(place, row.subject_id, row.bucket, row.slot, row.body)


def show(uow: UnitOfWork, viewer: Viewer, rows: Sequence[Row[Any]]) -> list[PostView]:
    """Return posts that the viewer was found to be allowed to see; one whose keys are gone is left out."""
    if not rows:
        return []
    opened = uow.vault.open_many([sealed_box(row) for row in rows])
    around = _surroundings(uow, viewer, rows)
    return [
        _view(viewer, row, unpack(content), around)
        for row, content in zip(rows, opened, strict=True)
        if content is not None and row.author_id in around.cards and row.group_id in around.groups
    ]


def mentioned_in(uow: UnitOfWork, post_ids: Iterable[int]) -> dict[int, list[int]]:
    """Return by post whom it names."""
    found: dict[int, list[int]] = defaultdict(list)
    query = select(MENTIONS).where(MENTIONS.c.post_id.in_(list(post_ids)))
    for row in uow.connection.execute(query):
        found[row.post_id].append(row.actor_id)
    return found


def _surroundings(uow: UnitOfWork, viewer: Viewer, rows: Sequence[Row[Any]]) -> _Surroundings:
    ids = [row.id for row in rows]
    named = mentioned_in(uow, ids)
    people = {row.author_id for row in rows} | {actor for actors in named.values() for actor in actors}
    replies, support = _counts(uow, viewer, ids)
    mine = viewer.actor_id or 0
    supported = select(REACTIONS.c.post_id).where(REACTIONS.c.post_id.in_(ids), REACTIONS.c.actor_id == mine)
    bookmarked = select(BOOKMARKS.c.post_id).where(BOOKMARKS.c.post_id.in_(ids), BOOKMARKS.c.actor_id == mine)
    return _Surroundings(
        cards=cards(uow, people),
        groups=group_views(uow, {row.group_id for row in rows}),
        mentions=named,
        replies=replies,
        support=support,
        supported=frozenset(uow.connection.execute(supported).scalars()) if viewer.actor_id else frozenset(),
        bookmarked=frozenset(uow.connection.execute(bookmarked).scalars()) if viewer.actor_id else frozenset(),
    )


def _counts(uow: UnitOfWork, viewer: Viewer, ids: Sequence[int]) -> tuple[dict[int, int], dict[int, int]]:
    """Return replies and signs of support by post, as far as the viewer may know of them, in one statement.

    They are counted anew for each viewer: a number that is the same for all would tell of private answers, and tell
    those who were shown out what goes on without them.
    """
    asked = {"shown": ids, "reader": viewer.actor_id, "moment": uow.now}
    found: dict[str, dict[int, int]] = {"reply": {}, "support": {}}
    for kind, post_id, count in uow.connection.execute(_counting(anybody=viewer.actor_id is None), asked):
        found[kind][post_id] = count
    return found["reply"], found["support"]


@functools.cache
def _counting(*, anybody: bool) -> CompoundSelect[Any]:
    """Return the statement that counts, built once: every page and every post that is written asks it."""
    shown = bindparam("shown", expanding=True, type_=BigInteger())
    reader = None if anybody else bindparam("reader", type_=BigInteger())
    in_groups = POSTS.join(GROUPS, GROUPS.c.id == POSTS.c.group_id)
    answered = (
        select(literal("reply").label("kind"), POSTS.c.parent_id, func.count())
        .select_from(in_groups)
        .where(POSTS.c.parent_id.in_(shown), visible_here(reader, bindparam("moment", type_=Moment())))
        .group_by(POSTS.c.parent_id)
    )
    supported = (
        select(literal("support"), REACTIONS.c.post_id, func.count())
        .select_from(in_groups.join(REACTIONS, REACTIONS.c.post_id == POSTS.c.id))
        .where(REACTIONS.c.post_id.in_(shown), written_for(reader))
        .group_by(REACTIONS.c.post_id)
    )
    return union_all(answered, supported)


def _view(viewer: Viewer, row: Row[Any], words: Words, around: _Surroundings) -> PostView:
    group = around.groups[row.group_id]
    support = around.support.get(row.id, 0)
    return PostView(
        id=row.id,
        uri=row.uri,
        url=f"{group.card.url}/{row.id}" if group.card.local else words.url or row.uri,
        group=group,
        author=around.cards[row.author_id],
        thread_id=row.thread_id,
        parent_id=row.parent_id,
        parent_author_id=row.parent_author_id,
        audience=row.audience,
        local=row.local,
        received_at=row.received_at,
        edited_at=row.edited_at,
        expires_at=row.expires_at,
        title=words.title,
        html=words.html,
        source=words.source,
        note=words.note,
        sensitive=words.sensitive,
        language=words.language,
        mentions=tuple(around.cards[i] for i in around.mentions.get(row.id, ()) if i in around.cards),
        replies_count=around.replies.get(row.id, 0),
        locked=row.locked,
        support_count=support if support >= COUNTS_SHOWN_FROM else 0,
        supported=row.id in around.supported,
        bookmarked=row.id in around.bookmarked,
        mine=row.author_id == viewer.actor_id,
    )
