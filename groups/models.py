"""The tables of the domain. Words that people write stand sealed in `body`; the rest are ids, times and states."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from privacy.records import Day, Holds, OnErasure, Record, SealedRow

ANSWERS = text("parent_author_id IS NOT NULL")
ORPHANED = text("parent_id IS NULL AND parent_uri IS NOT NULL")


class Group(Record):
    """A support group, of this node or of another; its id is the id of its actor, whose profile says what it is for."""

    __tablename__ = "groups"
    holds = Holds("the rules of a group", OnErasure.DELETE)

    id: Mapped[int] = mapped_column(ForeignKey("actors.id"), primary_key=True, autoincrement=False)
    local: Mapped[bool] = mapped_column(default=False)
    audience: Mapped[str] = mapped_column(default="none")
    """`none`, `peers-only`, `followers` or `public` (product decision 16)."""
    join_rule: Mapped[str] = mapped_column(default="approval")
    """`open`, `approval` or `invite`."""
    keep_seconds: Mapped[int]
    """How long a post lives."""
    preset: Mapped[str | None]
    state: Mapped[str] = mapped_column(default="open")
    """`open`, `paused` (read, but nobody posts) or `sealed` (closed for good)."""
    exclusive: Mapped[bool] = mapped_column(default=False)
    """Whether new members start with the group kept out of their home timeline."""
    created_on: Mapped[datetime] = mapped_column(Day)


class Membership(Record):
    """What an actor is to a group: one row for each pair, whatever happened between them."""

    __tablename__ = "memberships"
    holds = Holds("that somebody asked for, has, or had a place in a group", OnErasure.DELETE)
    __table_args__ = (
        UniqueConstraint("group_id", "actor_id"),
        Index("ix_memberships_actor_id_state", "actor_id", "state"),
        Index("ix_memberships_ends_at", "ends_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    group_id: Mapped[int] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"))
    actor_id: Mapped[int] = mapped_column(ForeignKey("actors.id", ondelete="CASCADE"))
    role: Mapped[str] = mapped_column(default="member")
    """`follower`, `member`, `facilitator`, `moderator` or `owner`."""
    state: Mapped[str]
    """`pending`, `active`, `parked` (the server is held off), `left`, `removed`, `refused` or `banned`."""
    follow_uri: Mapped[str | None]
    """The id of the Follow that asked for it, ours or theirs."""
    exclusive: Mapped[bool] = mapped_column(default=False)
    """Whether the member keeps this group out of the home timeline."""
    named: Mapped[bool] = mapped_column(default=False)
    """Whether one who looks after the group lets other servers know that."""
    created_on: Mapped[datetime] = mapped_column(Day)
    ends_at: Mapped[datetime | None] = mapped_column(Day)
    """The day on which the row itself goes: 30 days after leaving, 14 after a refusal, 7 after it was parked."""


class Post(Record, SealedRow):
    """What somebody wrote into a group, local or remote; every post belongs to one."""

    __tablename__ = "posts"
    holds = Holds("what a member wrote", OnErasure.SHRED)
    __table_args__ = (
        Index("ix_posts_group_id_id", "group_id", "id"),
        Index("ix_posts_thread_id_id", "thread_id", "id"),
        Index("ix_posts_author_id_id", "author_id", "id"),
        Index(
            "ix_posts_expires_at",
            "expires_at",
            sqlite_where=text("state = 'live'"),
            postgresql_where=text("state = 'live'"),
        ),
        Index("ix_posts_parent_author_id", "parent_author_id", sqlite_where=ANSWERS, postgresql_where=ANSWERS),
        Index("ix_posts_parent_uri", "parent_uri", sqlite_where=ORPHANED, postgresql_where=ORPHANED),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    uri: Mapped[str] = mapped_column(unique=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("groups.id"))
    author_id: Mapped[int] = mapped_column(ForeignKey("actors.id"))
    thread_id: Mapped[int]
    """The id of the post that began the thread; its own for that one."""
    parent_id: Mapped[int | None] = mapped_column(index=True)
    parent_author_id: Mapped[int | None]
    parent_uri: Mapped[str | None]
    """The address of the parent, also while that has not been seen yet."""
    audience: Mapped[str] = mapped_column(default="group")
    """`group`, or `direct` for those mentioned only."""
    local: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(default="live")
    """`live`, `held`, `hidden` or `shredded`."""
    received_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    edited_at: Mapped[datetime | None]
    remote_updated_at: Mapped[datetime | None]
    """The sender's `updated`, by which an older edit that comes late is known."""
    locked: Mapped[bool] = mapped_column(default=False)
    """Whether its conversation takes no more replies; the same for every post of a thread."""


class Pin(Record):
    """That a post is kept on top of its group."""

    __tablename__ = "pins"
    holds = Holds("which posts a group keeps on top", OnErasure.DELETE)

    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    group_id: Mapped[int] = mapped_column(index=True)


class Mention(Record):
    """That a post names an actor: who is told of it, and who may read it when it is direct."""

    __tablename__ = "mentions"
    holds = Holds("whom a post names", OnErasure.DELETE)

    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    actor_id: Mapped[int] = mapped_column(primary_key=True, index=True)


class Reaction(Record):
    """A sign of support for a post, by one actor, once."""

    __tablename__ = "reactions"
    holds = Holds("that somebody supported a post", OnErasure.DELETE)

    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True)
    actor_id: Mapped[int] = mapped_column(primary_key=True, index=True)
    uri: Mapped[str | None]
    """The id of the Like, ours or theirs."""
    created_on: Mapped[datetime] = mapped_column(Day)


class Bookmark(Record):
    """That a persona wants to find a post again; nobody else ever learns of it."""

    __tablename__ = "bookmarks"
    holds = Holds("which posts a persona kept", OnErasure.DELETE)

    actor_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    post_id: Mapped[int] = mapped_column(ForeignKey("posts.id", ondelete="CASCADE"), primary_key=True, index=True)
    created_on: Mapped[datetime] = mapped_column(Day)


class Notification(Record):
    """News for a persona, by ids only; numbered for each persona."""

    __tablename__ = "notifications"
    holds = Holds("that something happened that concerns a persona", OnErasure.DELETE)
    __table_args__ = (Index("ix_notifications_expires_at", "expires_at"),)

    persona_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    """`mention`, `reply`, `reaction`, `join_request`, `admitted`, `report`, `announcement`, or one of the border:
    `severed`, `severing`, `members_severed`, `members_severing`."""
    actor_id: Mapped[int] = mapped_column(index=True)
    group_id: Mapped[int | None]
    post_id: Mapped[int | None] = mapped_column(index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class Report(Record, SealedRow):
    """That somebody, here or elsewhere, reports somebody in a group; `subject_id` made it, and is shown to nobody."""

    __tablename__ = "reports"
    holds = Holds("what somebody reports of somebody else in a group", OnErasure.SHRED)
    __table_args__ = (
        UniqueConstraint("group_id", "target_id", "post_id", "subject_id"),
        Index("ix_reports_target_id", "target_id"),
        Index("ix_reports_subject_id", "subject_id"),
        Index("ix_reports_expires_at", "expires_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    group_id: Mapped[int] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"))
    target_id: Mapped[int]
    post_id: Mapped[int]
    """The post that it is about, or 0."""
    source: Mapped[str]
    """`here` or `elsewhere`."""
    state: Mapped[str] = mapped_column(default="live")
    """`live` or `hidden`."""
    made_on: Mapped[datetime] = mapped_column(Day)
    closed_on: Mapped[datetime | None] = mapped_column(Day)
    """The day on which one who looks after the group said that it was dealt with."""
    expires_at: Mapped[datetime] = mapped_column(Day)


class PersonFollow(Record):
    """That somebody follows a persona; it is accepted at once and gives nothing (product decision 9)."""

    __tablename__ = "person_follows"
    holds = Holds("that one actor follows another", OnErasure.DELETE)

    follower_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    target_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False, index=True)
    uri: Mapped[str | None]
    state: Mapped[str]
    """`pending` or `active`."""
    created_on: Mapped[datetime] = mapped_column(Day)


class Invitation(Record):
    """A link that lets people into a group, and lets them register where the node asks for an invitation."""

    __tablename__ = "invitations"
    holds = Holds("a hashed link into a group", OnErasure.DELETE)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    token_hash: Mapped[bytes] = mapped_column(unique=True)
    group_id: Mapped[int] = mapped_column(ForeignKey("groups.id", ondelete="CASCADE"), index=True)
    made_by: Mapped[int | None] = mapped_column(index=True)
    """The actor that made it, or null for the command line."""
    uses_left: Mapped[int]
    created_on: Mapped[datetime] = mapped_column(Day)
    expires_at: Mapped[datetime] = mapped_column(index=True)
