"""What deeds and reads hand out: frozen, with the words opened, never rows."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: an actor of this node, or nobody in particular."""

    actor_id: int | None = None


ANYONE = Viewer()


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a timeline is wanted; ids are exclusive bounds."""

    limit: int = 20
    max_id: int | None = None
    since_id: int | None = None
    min_id: int | None = None


@dataclass(frozen=True, slots=True)
class ActorCard:
    """A person or group as shown to people."""

    id: int
    uri: str
    url: str
    kind: str
    local: bool
    handle: str
    host: str
    name: str
    summary: str
    """Sanitised HTML."""
    source: str
    """What the person typed; empty for remote actors."""
    locked: bool
    created_on: datetime

    @property
    def is_group(self) -> bool:
        """Whether this is a group."""
        return self.kind == "Group"

    @property
    def address(self) -> str:
        """`name` for an actor of this node, `name@host` for any other."""
        return self.handle if self.local else f"{self.handle}@{self.host}"


@dataclass(frozen=True, slots=True)
class GroupView:
    """A group with its rules."""

    card: ActorCard
    audience: str
    join_rule: str
    keep: timedelta
    preset: str | None
    state: str
    created_on: datetime

    @property
    def id(self) -> int:
        """The group's id, which is its actor's."""
        return self.card.id


@dataclass(frozen=True, slots=True)
class MembershipView:
    """What an actor is to a group."""

    group_id: int
    actor_id: int
    role: str
    state: str
    exclusive: bool

    @property
    def is_active(self) -> bool:
        """Whether the actor takes part now (a follower of a public group does not)."""
        return self.state == "active"

    @property
    def is_facilitator(self) -> bool:
        """Whether the actor looks after the group."""
        return self.is_active and self.role in {"facilitator", "moderator", "owner"}


@dataclass(frozen=True, slots=True)
class PostView:
    """A post as one viewer may see it."""

    id: int
    uri: str
    url: str
    group: GroupView
    author: ActorCard
    thread_id: int
    parent_id: int | None
    parent_author_id: int | None
    audience: str
    local: bool
    received_at: datetime
    edited_at: datetime | None
    expires_at: datetime
    title: str
    html: str
    source: str
    note: str
    """The content note in front of it, or nothing."""
    sensitive: bool
    language: str | None
    mentions: tuple[ActorCard, ...]
    replies_count: int
    """How many answers to it this viewer may see."""
    locked: bool
    """Whether its conversation takes no more replies."""
    support_count: int
    """Zero unless three or more people reacted (product decision 15)."""
    supported: bool
    bookmarked: bool
    mine: bool


@dataclass(frozen=True, slots=True)
class Thread:
    """A post with what it answers, the beginning first, and with its answers, each after what it answers."""

    ancestors: tuple[PostView, ...]
    post: PostView
    descendants: tuple[PostView, ...]


@dataclass(frozen=True, slots=True)
class NotificationView:
    """One piece of news for a persona."""

    number: int
    kind: str
    created_at: datetime
    actor: ActorCard
    post: PostView | None
    group: GroupView | None


@dataclass(frozen=True, slots=True)
class InvitationView:
    """An invitation link without the link, which is shown once."""

    id: int
    group_id: int
    uses_left: int
    created_on: datetime
    expires_at: datetime
