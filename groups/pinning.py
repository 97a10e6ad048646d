"""Posts that those who look after a group keep on top of it (`featured` on the wire)."""

from typing import Any, Final

from sqlalchemy import Row, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from activitypub import actors
from activitypub.ports import ActorView
from activitypub.uris import Uris
from groups import translation
from groups.distribution import Parcel, spread_rule
from groups.endings import group_of
from groups.errors import Conflict, NotFound
from groups.incoming import IncomingActivity
from groups.models import Pin
from groups.people import hold_actor
from groups.places import GROUPS, standing_of
from groups.policy import Act, may
from groups.roles import is_named
from groups.showing import POSTS, show
from groups.storing import lock_group
from groups.timelines import post
from groups.views import PostView, Viewer
from groups.visibility import Onlooker, visible_to
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of

PINS = table_of(Pin)
MOST: Final = 5
"""How many posts a group keeps on top."""
FULL = f"A group keeps {MOST} posts on top at most. Take one of them down first."
ONLY_BEGINNINGS = "Only a post that begins a conversation can be kept on top."


def pin(uow: UnitOfWork, uris: Uris, by_id: int, post_id: int) -> PostView:
    """Keep the beginning of a conversation on top of its group. Raises NotFound, NotAllowed, Conflict."""
    row = _row(uow, by_id, post_id)
    may(Act.PIN, standing_of(uow, row.group_id, by_id)).or_raise()
    if put_up(uow, row):
        _spread(uow, uris, row, by_id, "Add")
    return post(uow, Viewer(by_id), post_id)


def unpin(uow: UnitOfWork, uris: Uris, by_id: int, post_id: int) -> PostView:
    """Keep a post on top no longer. Raises NotFound, NotAllowed."""
    row = _row(uow, by_id, post_id)
    may(Act.PIN, standing_of(uow, row.group_id, by_id)).or_raise()
    if take_down(uow, row):
        _spread(uow, uris, row, by_id, "Remove")
    return post(uow, Viewer(by_id), post_id)


def pinned_in(uow: UnitOfWork, viewer: Viewer, group_id: int) -> list[PostView]:
    """Return the posts on top of a group that a viewer may see, the newest first."""
    query = select(POSTS).join(GROUPS, GROUPS.c.id == POSTS.c.group_id).join(PINS, PINS.c.post_id == POSTS.c.id)
    query = query.where(PINS.c.group_id == group_id, visible_to(Onlooker(viewer.actor_id), uow.now))
    return show(uow, viewer, uow.connection.execute(query.order_by(POSTS.c.id.desc()).limit(MOST)).fetchall())


def is_pinned(uow: UnitOfWork, post_id: int) -> bool:
    """Tell whether a post is kept on top of its group."""
    return uow.connection.execute(select(PINS.c.post_id).where(PINS.c.post_id == post_id)).first() is not None


def receive_pin(uow: UnitOfWork, uris: Uris, sender: ActorView, row: Row[Any], activity: IncomingActivity) -> None:
    """Put a post up, or take it down, for one who looks after its group here. Raises NotAllowed, Conflict."""
    may(Act.PIN, standing_of(uow, row.group_id, sender.id)).or_raise()
    if (put_up if activity.type == "Add" else take_down)(uow, row):
        spread_rule(uow, uris, activity.raw, _parcel(row), group_of(uow, row.group_id))


def put_up(uow: UnitOfWork, row: Row[Any]) -> bool:
    """Keep a post on top; tells whether that is new. Raises Conflict."""
    if row.thread_id != row.id or row.audience != "group":
        raise Conflict(f"post {row.id} begins no conversation", public=ONLY_BEGINNINGS)
    lock_group(uow, row.group_id)
    on_top = select(PINS.c.post_id).join(POSTS, POSTS.c.id == PINS.c.post_id)
    on_top = on_top.where(PINS.c.group_id == row.group_id, POSTS.c.state == "live", POSTS.c.expires_at > uow.now)
    others = on_top.where(PINS.c.post_id != row.id).subquery()
    if uow.connection.execute(select(func.count()).select_from(others)).scalar_one() >= MOST:
        raise Conflict(f"group {row.group_id} has {MOST} posts on top", public=FULL)
    dialect = postgresql if uow.dialect == "postgresql" else sqlite
    values = {"post_id": row.id, "group_id": row.group_id}
    stored = dialect.insert(PINS).values(**values).on_conflict_do_nothing().returning(PINS.c.post_id)
    return uow.connection.execute(stored).first() is not None


def take_down(uow: UnitOfWork, row: Row[Any]) -> bool:
    """Keep a post on top no longer; tells whether it was."""
    return bool(uow.connection.execute(delete(PINS).where(PINS.c.post_id == row.id)).rowcount)


def _row(uow: UnitOfWork, actor_id: int, post_id: int) -> Row[Any]:
    hold_actor(uow, actor_id)
    query = select(POSTS).join(GROUPS, GROUPS.c.id == POSTS.c.group_id)
    row = uow.connection.execute(query.where(POSTS.c.id == post_id, visible_to(Onlooker(actor_id), uow.now))).first()
    if row is None:
        raise NotFound(f"post {post_id}")
    return row


def _spread(uow: UnitOfWork, uris: Uris, row: Row[Any], by_id: int, kind: str) -> None:
    """Tell the servers of members; who did it only where they are named as looking after the group anyway."""
    group, actor = group_of(uow, row.group_id), actors.actor_by_id(uow, by_id)
    who = actor.uri if actor is not None and is_named(uow, group.id, by_id) else group.uri
    told = translation.to_collected(kind, uris.activity(f"{new_id():x}"), who, row.uri, uris.featured(group.uri), group)
    spread_rule(uow, uris, told, _parcel(row), group)


def _parcel(row: Row[Any]) -> Parcel:
    return Parcel(row.id, row.group_id, row.thread_id, None, row.expires_at)
