"""Moderation across servers: whoever looks after a group here acts from anywhere, and a group elsewhere rules itself.

Nothing but the role that an actor has in the very group counts; the domain that it comes from does not (S-302).
"""

from typing import Any

from sqlalchemy import Row, select, update

from activitypub import actors
from activitypub.origins import same_origin
from activitypub.ports import ActorView
from activitypub.uris import Uris
from groups.distribution import Parcel, spread_rule, withdraw_in_group, withdraw_own
from groups.endings import ENDING, group_of, hide, tell_of_end
from groups.errors import NotFound
from groups.incoming import IncomingActivity
from groups.membership import pardon, receive_answer, remove
from groups.pinning import put_up, receive_pin, take_down
from groups.places import GROUPS, standing_of
from groups.policy import Act, may
from groups.roles import receive_appointment, set_role
from groups.showing import POSTS
from groups.storing import lock_group
from privacy.unit_of_work import UnitOfWork

MOST_AT_ONCE = 50


def receive_removal(uow: UnitOfWork, uris: Uris, sender: ActorView, row: Row[Any], activity: IncomingActivity) -> None:
    """End a post in a group of this node when one who looks after that group deletes it. Raises NotAllowed."""
    may(Act.DELETE, standing_of(uow, row.group_id, sender.id)).or_raise()
    hide(uow, [row])
    group, parcel = group_of(uow, row.group_id), Parcel(row.id, row.group_id, row.thread_id, None, None)
    direct = row.audience == "direct"
    if row.local:
        author = actors.actor_by_id(uow, row.author_id)
        if author is not None:
            withdraw_own(uow, uris, (author.id, author.uri), row.uri, parcel, group, direct=direct)
    if not direct:
        withdraw_in_group(uow, uris, activity.raw, row.uri, parcel, group)


def receive_lock(
    uow: UnitOfWork, uris: Uris, sender: ActorView, row: Row[Any] | None, activity: IncomingActivity
) -> None:
    """Close or open a conversation of a group of this node for one who looks after it. Raises NotAllowed."""
    if row is None or row.state != "live":
        return
    may(Act.LOCK, standing_of(uow, row.group_id, sender.id)).or_raise()
    set_locked(uow, row, locked=activity.type == "Lock")
    group, parcel = group_of(uow, row.group_id), Parcel(row.id, row.group_id, row.thread_id, None, row.expires_at)
    if row.audience == "group":
        spread_rule(uow, uris, activity.raw, parcel, group)


def receive_ban(uow: UnitOfWork, uris: Uris, sender: ActorView, activity: IncomingActivity) -> None:
    """Show a member out of a group of this node for one who looks after it. Raises NotFound, NotAllowed, Conflict."""
    group, member = _named(uow, activity)
    if group is None or member is None or not group.local:
        raise NotFound("ban")
    remove(uow, uris, sender.id, group.id, member.id)
    if activity.remove_data:
        _end_posts_of(uow, uris, group, member)


def receive_pardon(uow: UnitOfWork, sender: ActorView, activity: IncomingActivity) -> None:
    """Let somebody who was shown out of a group of this node come back as anybody may. Raises NotFound, NotAllowed."""
    group, member = _named(uow, activity)
    if group is None or member is None or not group.local:
        raise NotFound("pardon")
    pardon(uow, sender.id, group.id, member.id)


def receive_collected(
    uow: UnitOfWork, uris: Uris, sender: ActorView, row: Row[Any] | None, activity: IncomingActivity
) -> None:
    """Put a post on top of a group of this node, or appoint somebody in it, for one who may do so here (S-316).

    Raises NotFound, NotAllowed, Conflict.
    """
    local = uris.parse_local(activity.target_uri or "")
    if local is None or local.kind != "group" or local.part not in {"featured", "moderators"}:
        return
    group = actors.actor_by_uri(uow, uris.actor("group", local.token))
    if group is None or not group.local:
        raise NotFound("collection")
    if local.part == "moderators":
        receive_appointment(uow, uris, sender, group, activity)
    elif row is not None and row.state == "live" and row.group_id == group.id:
        receive_pin(uow, uris, sender, row, activity)


def receive_announced(uow: UnitOfWork, group: ActorView, row: Row[Any] | None, activity: IncomingActivity) -> None:
    """Take in what a group elsewhere says of its own conversations and members: its word is enough for those."""
    if activity.type in {"Lock", "Unlock"} and row is not None and row.group_id == group.id:
        set_locked(uow, row, locked=activity.type == "Lock")
    if activity.type == "Block" and activity.target_uri == group.uri:
        _, member = _named(uow, activity)
        if member is not None and member.local:
            receive_answer(uow, member.id, group.id, accepted=False)
    if activity.type in {"Add", "Remove"} and same_origin(activity.target_uri or "", group.uri):
        _collect(uow, group, row, activity)


def _collect(uow: UnitOfWork, group: ActorView, row: Row[Any] | None, activity: IncomingActivity) -> None:
    """Take in what a group elsewhere keeps on top, or whom of this node it lets look after it."""
    adds = activity.type == "Add"
    if row is not None:
        if row.group_id == group.id and row.state == "live":
            (put_up if adds else take_down)(uow, row)
        return
    member = actors.actor_by_uri(uow, activity.object_uri or "")
    if member is not None and member.local and standing_of(uow, group.id, member.id).takes_part:
        set_role(uow, group.id, member.id, "facilitator" if adds else "member")


def _end_posts_of(uow: UnitOfWork, uris: Uris, group: ActorView, member: ActorView) -> None:
    """End what somebody who was shown out wrote into the group, the newest first, as far as one transaction goes."""
    theirs = (POSTS.c.author_id == member.id, POSTS.c.group_id == group.id, POSTS.c.state == "live")
    query = select(*ENDING).where(*theirs).order_by(POSTS.c.id.desc()).limit(MOST_AT_ONCE)
    rows = uow.connection.execute(query).fetchall()
    hide(uow, rows)
    author = (member.id, member.uri) if member.local else None
    for row in rows:
        tell_of_end(uow, uris, row, group_of(uow, group.id), (group.id, group.uri), reason="", author=author)


def set_locked(uow: UnitOfWork, row: Row[Any], *, locked: bool) -> None:
    """Close the conversation of a post for new replies, or open it again."""
    lock_group(uow, row.group_id)  # what is just being posted there is closed too, or comes after and is refused
    thread = select(POSTS.c.thread_id).where(POSTS.c.id == row.id).scalar_subquery()
    uow.connection.execute(update(POSTS).where(POSTS.c.thread_id == thread).values(locked=locked))


def _named(uow: UnitOfWork, activity: IncomingActivity) -> tuple[ActorView | None, ActorView | None]:
    """Return the group and the person that a ban names, as far as they are known."""
    group = actors.actor_by_uri(uow, activity.target_uri or "")
    known = group is not None and uow.connection.execute(GROUPS.select().where(GROUPS.c.id == group.id)).first()
    return group if known else None, actors.actor_by_uri(uow, activity.object_uri or "")
