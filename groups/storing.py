"""Putting a post into the database, whoever wrote it and wherever: one way in for local and remote posts alike."""

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, Row, String, bindparam, func, insert, literal, select, text, update

from activitypub.queueing import follow_on
from groups.content import SANITIZER_VERSION
from groups.errors import Conflict
from groups.models import Mention, Post
from groups.notifications import notify_members
from groups.people import still_here
from groups.policy import Act, Standing, Target, Verdict, may
from groups.showing import Words, sealed_box
from privacy.records import snowflake, snowflake_above
from privacy.retention import RetentionPolicy, expires_at
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Place, Sealed

POSTS, MENTIONS = table_of(Post), table_of(Mention)
_POST_COLUMNS = (
    "id", "uri", "group_id", "author_id", "thread_id", "parent_id", "parent_author_id", "parent_uri", "audience",
    "local", "state", "received_at", "expires_at", "remote_updated_at", "subject_id", "bucket", "slot", "revision",
    "body", "locked",
)  # fmt: skip
_INSERT_POST = Prepared(insert(POSTS), _POST_COLUMNS)
_INSERT_MENTION = Prepared(insert(MENTIONS), ("post_id", "actor_id"))
_ORPHANS = Prepared(
    select(POSTS.c.id).where(
        POSTS.c.parent_uri == bindparam("answered", type_=String()),
        POSTS.c.parent_id.is_(None),
        POSTS.c.group_id == bindparam("of_group", type_=BigInteger()),
        POSTS.c.id != bindparam("not_this", type_=BigInteger()),
    )
)
_LOCK = Prepared(text("SELECT pg_advisory_xact_lock(:group_id)"))
ENDED_MEANWHILE = "What you answer was deleted in the meantime. Nothing was posted."
LOCKED_MEANWHILE = "This conversation was closed in the meantime. Nothing was posted."
CHANGED_MEANWHILE = "This post was changed or deleted in the meantime. Open it again to see how it stands."


@dataclass(frozen=True, slots=True)
class ParentPost:
    """What a reply needs of what it answers."""

    id: int
    uri: str
    author_id: int
    thread_id: int
    group_id: int
    expires_at: datetime
    audience: str
    locked: bool


@dataclass(frozen=True, slots=True)
class PostToStore:
    """A post that was found to be allowed in."""

    group_id: int
    author_id: int
    words: Words
    keep: timedelta
    local: bool
    parent: ParentPost | None = None
    parent_uri: str | None = None
    uri: str | None = None
    """Its address on the wire; None for one of ours, which gets its address with its id."""
    direct: bool = False
    mentioned: tuple[int, ...] = ()
    remote_updated_at: datetime | None = None
    ends_at: datetime | None = None
    """An earlier end that its sender wishes."""


@dataclass(frozen=True, slots=True)
class StoredPost:
    """What was stored, as far as the next steps need it."""

    id: int
    uri: str
    thread_id: int
    sealed: Sealed
    received_at: datetime
    expires_at: datetime


def may_write(standing: Standing, parent: ParentPost | None) -> Verdict:
    """Answer whether somebody may begin a thread, or answer a post, in a group."""
    if parent is None:
        return may(Act.POST, standing)
    return may(Act.REPLY, standing, Target(locked=parent.locked))


def lock_group(uow: UnitOfWork, group_id: int) -> None:
    """Make posting into one group wait its turn on PostgreSQL, or readers who poll by `min_id` would miss posts."""
    if uow.dialect == "postgresql":
        _LOCK.run(uow, {"group_id": group_id})


def next_post_id(uow: UnitOfWork, group_id: int) -> int:
    """Return an id above those of all posts that the group has; its lock is held."""
    if uow.dialect != "postgresql":
        return snowflake(uow.now)
    newest = uow.connection.execute(select(func.max(POSTS.c.id)).where(POSTS.c.group_id == group_id)).scalar()
    return snowflake_above(uow.now, newest)


def store(uow: UnitOfWork, post_uri: Callable[[int], str], new: PostToStore) -> StoredPost:
    """Seal and insert a post, and tell those whom it names or answers."""
    lock_group(uow, new.group_id)
    new = _with_parent_as_it_is_now(uow, new)
    post_id = next_post_id(uow, new.group_id)
    kept_until = expires_at(RetentionPolicy(new.keep), uow.now)
    ends_at = kept_until if new.ends_at is None else min(kept_until, new.ends_at)
    sealed = uow.vault.seal(
        Place("posts", post_id, 0, new.group_id),
        new.words.packed(SANITIZER_VERSION),
        kind="post",
        subject_id=new.author_id,
        now=uow.now,
        expires_at=ends_at,
    )
    stored = StoredPost(
        id=post_id,
        uri=new.uri or post_uri(post_id),
        thread_id=new.parent.thread_id if new.parent else post_id,
        sealed=sealed,
        received_at=uow.now,
        expires_at=ends_at,
    )
    # No row is to say of somebody who is leaving that they were here.
    here = still_here(uow, {*new.mentioned, *([new.parent.author_id] if new.parent else [])})
    new = replace(new, mentioned=tuple(actor_id for actor_id in new.mentioned if actor_id in here))
    _INSERT_POST.run(uow, _row(new, stored, here))
    for actor_id in new.mentioned:
        _INSERT_MENTION.run(uow, {"post_id": post_id, "actor_id": actor_id})
    _adopt(uow, new, stored)
    _tell(uow, new, stored)
    return stored


def rewrite(
    uow: UnitOfWork, row: Row[Any], words: Words, *, edited_at: datetime, remote_updated_at: datetime | None
) -> Sealed:
    """Put new words in the place of a post's; they end when it does, under the same three secrets.

    Raises Conflict when the post ended or was rewritten since it was read.
    """
    revision = row.revision + 1
    place = Place("posts", row.id, revision, row.group_id)
    sealed = uow.vault.reseal(sealed_box(row), place, words.packed(SANITIZER_VERSION))
    as_read = (POSTS.c.id == row.id, POSTS.c.state == "live", POSTS.c.revision == row.revision)
    changed = uow.connection.execute(
        update(POSTS)
        .where(*as_read)
        .values(body=sealed.body, revision=revision, edited_at=edited_at, remote_updated_at=remote_updated_at)
    )
    if changed.rowcount != 1:
        raise Conflict(f"post {row.id} changed meanwhile", public=CHANGED_MEANWHILE)
    return sealed


def parent_of(uow: UnitOfWork, *, post_id: int | None = None, uri: str | None = None) -> ParentPost | None:
    """Return what a reply answers, by id or address, while it lives."""
    key = POSTS.c.id == literal(post_id, POSTS.c.id.type) if post_id is not None else POSTS.c.uri == uri
    row = uow.connection.execute(
        select(POSTS).where(key, POSTS.c.state == "live", POSTS.c.expires_at > uow.now)
    ).first()
    if row is None:
        return None
    return ParentPost(
        row.id, row.uri, row.author_id, row.thread_id, row.group_id, row.expires_at, row.audience, row.locked
    )


def _with_parent_as_it_is_now(uow: UnitOfWork, new: PostToStore) -> PostToStore:
    """Look at what a post answers again under the lock: its conversation may have been closed, or found its beginning.

    Raises Conflict for an answer of this node to what has ended or was closed, so that its author can think again.
    """
    if new.parent is None or uow.dialect != "postgresql":  # on SQLite nobody else has written meanwhile
        return new
    parent = parent_of(uow, post_id=new.parent.id)
    if parent is None and new.local:
        raise Conflict(f"post {new.parent.id} ended meanwhile", public=ENDED_MEANWHILE)
    if parent is not None and new.local and parent.locked and not new.parent.locked:
        raise Conflict(f"post {new.parent.id} was locked meanwhile", public=LOCKED_MEANWHILE)
    return replace(new, parent=parent)


def _adopt(uow: UnitOfWork, new: PostToStore, stored: StoredPost) -> None:
    """Put replies that came before this post below it, with all that answers them (federation reference §4.5)."""
    # What this post itself stands below cannot stand below it: two that answer each other are no circle.
    asked = {"answered": stored.uri, "of_group": new.group_id, "not_this": stored.thread_id}
    orphans = [row.id for row in _ORPHANS.rows(uow, asked)] if not new.direct else []
    if not orphans:
        return
    below = {"parent_id": stored.id, "parent_author_id": new.author_id}
    uow.connection.execute(update(POSTS).where(POSTS.c.id.in_(orphans)).values(below))
    thread = {"thread_id": stored.thread_id, "locked": new.parent is not None and new.parent.locked}
    uow.connection.execute(update(POSTS).where(POSTS.c.thread_id.in_(orphans)).values(thread))
    follow_on(uow, orphans, stored.thread_id)


def _row(new: PostToStore, stored: StoredPost, here: AbstractSet[int]) -> dict[str, Any]:
    return {
        "id": stored.id,
        "uri": stored.uri,
        "group_id": new.group_id,
        "author_id": new.author_id,
        "thread_id": stored.thread_id,
        "parent_id": new.parent.id if new.parent else None,
        "parent_author_id": new.parent.author_id if new.parent and new.parent.author_id in here else None,
        "parent_uri": new.parent_uri,
        "audience": "direct" if new.direct else "group",
        "local": new.local,
        "state": "live",
        "received_at": stored.received_at,
        "expires_at": stored.expires_at,
        "remote_updated_at": new.remote_updated_at,
        "subject_id": new.author_id,
        "bucket": stored.sealed.bucket,
        "slot": stored.sealed.slot,
        "revision": 0,
        "body": stored.sealed.body,
        "locked": new.parent is not None and new.parent.locked,
    }


def _tell(uow: UnitOfWork, new: PostToStore, stored: StoredPost) -> None:
    """Give news to those named, and to whom it answers, once each and only while they are in the group."""
    group_id, author_id, until = new.group_id, new.author_id, stored.expires_at
    notify_members(
        uow, new.mentioned, kind="mention", actor_id=author_id, group_id=group_id, post_id=stored.id, until=until
    )
    if new.parent is not None and not new.direct and new.parent.author_id not in new.mentioned:
        answered = [new.parent.author_id]
        notify_members(
            uow, answered, kind="reply", actor_id=author_id, group_id=group_id, post_id=stored.id, until=until
        )
