"""This floor's answers to the ports below: what each activity means here, and what else must happen when a row ends."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from activitypub import actors, repeats
from activitypub.actor_documents import read_actor
from activitypub.errors import MalformedActivity
from activitypub.ports import ActorView, Arrival, InboxRoute, InboxRoutes
from activitypub.uris import Uris
from activitypub.vocabulary import activities
from activitypub.vocabulary.base import Object
from groups import arrivals, incoming, membership, moderation, moving, reports, synchronizing
from groups.content import sanitize
from groups.distribution import send_from
from groups.endings import (
    ENDING,
    KIND,
    SHRED_JOBS,
    clean,
    end_some_of,
    groups_of,
    hide,
    remember_undone,
    tell_of_end,
    was_undone,
)
from groups.founding import adopt_remote_group, renew_group
from groups.models import PersonFollow
from groups.people import ACTORS, still_here
from groups.places import GROUPS, MEMBERSHIPS, standing_of
from groups.policy import Act, may
from groups.reactions import forget_reaction, store_reaction
from groups.showing import POSTS, REACTIONS
from groups.translation import to_answer, to_refusal
from groups.visibility import Onlooker, visible_to
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of

PERSON_FOLLOWS = table_of(PersonFollow)
ENDED_AT_ONCE = 50
"""How many posts of somebody who is gone end in one transaction."""


def inbox_routes(uris: Uris) -> InboxRoutes:
    """Return what each activity means here; whatever is not named is accepted and forgotten."""

    def route(prepare: Callable[[Any], Any], handle: Callable[[UnitOfWork, Uris, Arrival, Any], None]) -> InboxRoute:
        return InboxRoute(prepare, lambda uow, arrival, prepared: handle(uow, uris, arrival, prepared))

    by_type: Mapping[type[Object], InboxRoute] = {
        activities.Follow: route(incoming.read_follow, on_follow),
        activities.Accept: route(lambda activity: incoming.read_answer(activity, accepted=True), on_answer),
        activities.Reject: route(lambda activity: incoming.read_answer(activity, accepted=False), on_answer),
        activities.Undo: route(incoming.read_undo, on_undo),
        activities.Create: route(incoming.read_create, arrivals.receive_create),
        activities.Update: route(lambda activity: _prepared_update(uris, activity), on_update),
        activities.Delete: route(incoming.read_delete, on_delete),
        activities.Announce: route(incoming.read_announce, arrivals.receive_announce),
        activities.Like: route(incoming.read_like, on_like),
        activities.EmojiReact: route(incoming.read_like, on_like),
        activities.Join: route(incoming.read_follow, on_follow),
        activities.Leave: route(incoming.read_leave, on_undo),
        activities.Lock: route(incoming.read_lock, on_lock),
        activities.Block: route(incoming.read_block, on_block),
        activities.Add: route(incoming.read_collected, on_collected),
        activities.Remove: route(incoming.read_collected, on_collected),
        activities.Flag: route(incoming.read_flag, reports.receive_flag),
        activities.Move: route(incoming.read_move, moving.receive_move),
        activities.Synchronize: route(incoming.read_synchronization, synchronizing.receive_synchronization),
        activities.QuoteRequest: route(incoming.read_quote_request, on_quote_request),
    }
    return InboxRoutes(by_type=by_type, prepare_fetched=incoming.read_fetched)


def on_follow(uow: UnitOfWork, uris: Uris, arrival: Arrival, follow: incoming.IncomingFollow) -> None:
    """Take a Follow for the wish to join a group; a persona may be followed by anybody, which gives nothing."""
    target = actors.actor_by_uri(uow, follow.object_uri)
    if (
        target is None
        or not target.local
        or target.state != "active"
        or was_undone(uow, arrival.sender.uri, follow.uri)
    ):
        return
    if target.kind == "Group":
        # Another group may read along where everything is public, but it is no member (federation reference §5.8).
        role = "follower" if arrival.sender.kind == "Group" else "member"
        membership.receive_follow(uow, uris, arrival.sender.id, target.id, follow.uri, role)
    elif target.kind == "Person":
        _follow_person(uow, uris, arrival.sender, target, follow.uri)


def on_answer(uow: UnitOfWork, uris: Uris, arrival: Arrival, answer: incoming.IncomingAnswer) -> None:  # noqa: ARG001 - every handler is called alike
    """Take the Accept or Reject of a Follow of ours by the very group that it asked (S-303)."""
    asked = select(MEMBERSHIPS.c.actor_id).where(MEMBERSHIPS.c.group_id == arrival.sender.id)
    if answer.follow_uri is not None:
        found = uow.connection.execute(asked.where(MEMBERSHIPS.c.follow_uri == answer.follow_uri)).first()
    elif answer.follower_uri is not None and answer.group_uri == arrival.sender.uri:
        asked = asked.join(ACTORS, ACTORS.c.id == MEMBERSHIPS.c.actor_id).where(ACTORS.c.local.is_(True))
        found = uow.connection.execute(asked.where(ACTORS.c.uri == answer.follower_uri)).first()
    else:
        found = None
    if found is not None and not _is_local_group(uow, arrival.sender.id):
        membership.receive_answer(uow, found.actor_id, arrival.sender.id, accepted=answer.accepted)


def on_lock(uow: UnitOfWork, uris: Uris, arrival: Arrival, lock: incoming.IncomingActivity) -> None:
    """Close a conversation for one who looks after its group."""
    arrivals.receive_lock(uow, uris, arrival.sender, lock)


def on_collected(uow: UnitOfWork, uris: Uris, arrival: Arrival, change: incoming.IncomingActivity) -> None:
    """Change what stands on top of a group, or who looks after it."""
    arrivals.receive_collected(uow, uris, arrival.sender, change)


def on_block(uow: UnitOfWork, uris: Uris, arrival: Arrival, block: incoming.IncomingActivity) -> None:
    """Show somebody out of a group; a block between two people ends what the one followed of the other."""
    if block.target_uri is not None:
        moderation.receive_ban(uow, uris, arrival.sender, block)
        return
    blocked = actors.actor_by_uri(uow, block.object_uri or "")
    if blocked is not None and blocked.local:
        ends = (PERSON_FOLLOWS.c.follower_id, PERSON_FOLLOWS.c.target_id)
        between = [(blocked.id, arrival.sender.id), (arrival.sender.id, blocked.id)]
        uow.connection.execute(PERSON_FOLLOWS.delete().where(tuple_(*ends).in_(between)))


def on_quote_request(uow: UnitOfWork, uris: Uris, arrival: Arrival, asked: incoming.IncomingActivity) -> None:
    """Say no: what is written in a group is not for quoting elsewhere (federation reference §4.3).

    Of what the sender may not see nothing is said at all, not even that.
    """
    visible = visible_to(Onlooker(arrival.sender.id), uow.now)
    query = select(POSTS.c.author_id).join(GROUPS, GROUPS.c.id == POSTS.c.group_id)
    row = uow.connection.execute(query.where(POSTS.c.uri == asked.object_uri, visible)).first()
    author = None if row is None else actors.actor_by_id(uow, row.author_id)
    if author is None or not author.local:
        return
    sender = arrival.sender
    document = to_refusal(uris.activity(f"{new_id():x}"), author.uri, asked.raw, sender.uri)
    send_from(uow, author.id, document, 0, [(sender.host, sender.inbox)])


def on_undo(uow: UnitOfWork, uris: Uris, arrival: Arrival, undo: incoming.IncomingUndo) -> None:
    """Take back what the sender did, told by its id or by its object: some peers make the id anew.

    What has not come yet is remembered as undone; what was undone may be done again, even under the same id.
    """
    sender = arrival.sender
    if undo.undone_type == "Lock":
        arrivals.receive_lock(uow, uris, sender, incoming.unlocked(undo))
        return
    if undo.undone_type == "Block" and undo.target_uri is not None:
        moderation.receive_pardon(uow, sender, incoming.pardoned(undo))
        return
    found = undo.undone_type in {"Follow", None} and _unfollow(uow, sender, undo)
    if undo.undone_type in {"Like", "EmojiReact", None}:
        for post_id in _liked(uow, sender.id, undo):
            found = forget_reaction(uow, post_id, sender.id) is not None or found
    if undo.undone_uri is None:
        return
    if found:
        repeats.forget(uow, undo.undone_uri, sender.id)
    else:
        remember_undone(uow, sender.uri, undo.undone_uri)


def on_update(uow: UnitOfWork, uris: Uris, arrival: Arrival, prepared: Any) -> None:
    """Take an edited post, or what an actor says of itself anew."""
    if isinstance(prepared, incoming.IncomingActivity) and prepared.type == "Renew":
        renew_group(uow, arrival, prepared.object_uri or "")
        return
    if isinstance(prepared, incoming.IncomingActivity):
        arrivals.receive_update(uow, uris, arrival, prepared)
        return
    actors.apply_actor_update(uow, arrival.sender, prepared)
    if prepared.kind == "Group" and _is_group(uow, arrival.sender.id):
        adopt_remote_group(uow, arrival.sender.id)


def on_delete(uow: UnitOfWork, uris: Uris, arrival: Arrival, delete: incoming.IncomingActivity) -> None:
    """Take the end of a post, or of the sender itself with all that it wrote."""
    if delete.object_uri == arrival.sender.uri:
        _forget_actor(uow, uris, arrival.sender)
    else:
        arrivals.receive_delete(uow, uris, arrival.sender, delete)


def on_like(uow: UnitOfWork, uris: Uris, arrival: Arrival, like: incoming.IncomingActivity) -> None:  # noqa: ARG001 - every handler is called alike
    """Take a sign of support for a post that the sender may see; for any other it means nothing (S-305)."""
    allowed = visible_to(Onlooker(arrival.sender.id), uow.now)
    query = select(POSTS).join(GROUPS, GROUPS.c.id == POSTS.c.group_id).where(POSTS.c.uri == like.object_uri, allowed)
    row = uow.connection.execute(query).first()
    if row is None or was_undone(uow, arrival.sender.uri, like.uri):
        return
    if may(Act.REACT_FROM_AFAR, standing_of(uow, row.group_id, arrival.sender.id)):
        store_reaction(uow, row, arrival.sender.id, like.uri)


class PostEraser:
    """What must happen when posts end: hidden from all, told to whoever got them, then emptied."""

    def __init__(self, uris: Uris) -> None:
        """Know the addresses that Deletes are made with."""
        self._uris = uris

    def hide(self, uow: UnitOfWork, ids: Sequence[int]) -> None:
        """Hide posts whose time has come, order their keys destroyed, and tell the servers that hold a copy."""
        rows = uow.connection.execute(select(*ENDING).where(POSTS.c.id.in_(ids), POSTS.c.state == "live")).fetchall()
        if not rows:
            return
        hide(uow, rows)
        groups = groups_of(uow, sorted({row.group_id for row in rows}))
        authors = actors.actors_by_id(uow, {row.author_id for row in rows})
        for row in rows:
            # A copy of somebody else's post ends here alone; the original is theirs.
            if row.local and row.author_id in authors:
                author = (authors[row.author_id].id, authors[row.author_id].uri)
                tell_of_end(uow, self._uris, row, groups[row.group_id], author, author=author)

    def clean(self, uow: UnitOfWork, ids: Sequence[int]) -> None:
        """Empty the rows of posts whose keys are gone."""
        clean(uow, ids)


class ActorEraser:
    """What must happen when an actor's keys are gone: whatever of its words is still here ends, some at a time."""

    def __init__(self, uris: Uris) -> None:
        """Know the addresses that Deletes are made with."""
        self._uris = uris

    def hide(self, uow: UnitOfWork, ids: Sequence[int]) -> None:
        """Hide nothing: an actor ends by `activitypub.actors.mark_gone`, not by time."""

    def clean(self, uow: UnitOfWork, ids: Sequence[int]) -> None:
        """Empty the profiles, should anything have been written since, and end posts; what is left over comes again."""
        uow.connection.execute(update(ACTORS).where(ACTORS.c.id.in_(ids)).values(body=None))
        reports.end_reports(uow, reports.by_or_about(ids))
        room, again = ENDED_AT_ONCE, []
        for actor_id in ids:
            room -= end_some_of(uow, self._uris, actor_id, room) if room else 0
            if not room:
                again.append({"id": new_id(), "kind": "actors", "target_id": actor_id, "slot": None})
        if again:
            due = {"created_at": uow.now, "due_at": uow.now, "attempts": 0}
            uow.connection.execute(insert(SHRED_JOBS), [job | due for job in again])
            uow.wake("retention")


def erasers(uris: Uris) -> Mapping[str, PostEraser | ActorEraser | reports.ReportEraser]:
    """Return who finishes the erasure of which kind of row."""
    return {KIND: PostEraser(uris), "actors": ActorEraser(uris), reports.KIND: reports.ReportEraser()}


def _prepared_update(uris: Uris, activity: activities.Update) -> Any:
    prepared = incoming.read_update(activity)
    if isinstance(prepared, incoming.IncomingActivity):
        return prepared
    return read_actor(prepared, uris, sanitize)


def _follow_person(uow: UnitOfWork, uris: Uris, sender: ActorView, target: ActorView, follow_uri: str) -> None:
    if not still_here(uow, [target.id]):
        return
    dialect = postgresql if uow.dialect == "postgresql" else sqlite
    values = {
        "follower_id": sender.id,
        "target_id": target.id,
        "uri": follow_uri,
        "state": "active",
        "created_on": uow.now,
    }
    uow.connection.execute(dialect.insert(PERSON_FOLLOWS).values(**values).on_conflict_do_nothing())
    accept = to_answer("Accept", uris.activity(f"{new_id():x}"), target.uri, follow_uri, sender.uri)
    send_from(uow, target.id, accept, 0, [(sender.host, sender.inbox)])


def _forget_actor(uow: UnitOfWork, uris: Uris, sender: ActorView) -> None:
    if sender.local:
        raise MalformedActivity(f"delete of {sender.uri}, which is ours")
    # The rest is unreadable with the next step of retention, which then ends it.
    end_some_of(uow, uris, sender.id, ENDED_AT_ONCE)
    places = (MEMBERSHIPS.c.actor_id == sender.id, MEMBERSHIPS.c.state.in_(("active", "pending")))
    ended = {"state": "left", "ends_at": uow.now + membership.LEFT_FOR}
    uow.connection.execute(update(MEMBERSHIPS).where(*places).values(**ended))
    actors.mark_gone(uow, sender.id)


def _unfollow(uow: UnitOfWork, sender: ActorView, undo: incoming.IncomingUndo) -> bool:
    """End what a sender follows by an Undo; tell whether there was anything."""
    target = None if undo.object_uri is None else actors.actor_by_uri(uow, undo.object_uri)
    matching = MEMBERSHIPS.c.follow_uri == undo.undone_uri if target is None else MEMBERSHIPS.c.group_id == target.id
    standing = MEMBERSHIPS.c.state.in_(("active", "pending", "parked"))
    followed = select(MEMBERSHIPS.c.group_id).where(MEMBERSHIPS.c.actor_id == sender.id, standing, matching)
    left = [group_id for group_id in uow.connection.execute(followed).scalars() if _is_local_group(uow, group_id)]
    for group_id in left:
        membership.receive_unfollow(uow, sender.id, group_id)
    same = PERSON_FOLLOWS.c.uri == undo.undone_uri if target is None else PERSON_FOLLOWS.c.target_id == target.id
    gone = PERSON_FOLLOWS.delete().where(PERSON_FOLLOWS.c.follower_id == sender.id, same)
    return bool(uow.connection.execute(gone).rowcount) or bool(left)


def _liked(uow: UnitOfWork, actor_id: int, undo: incoming.IncomingUndo) -> list[int]:
    query = select(REACTIONS.c.post_id).where(REACTIONS.c.actor_id == actor_id)
    if undo.object_uri is not None:
        query = query.join(POSTS, POSTS.c.id == REACTIONS.c.post_id).where(POSTS.c.uri == undo.object_uri)
    else:
        query = query.where(REACTIONS.c.uri == undo.undone_uri)
    return list(uow.connection.execute(query).scalars())


def _is_group(uow: UnitOfWork, actor_id: int) -> bool:
    return uow.connection.execute(select(GROUPS.c.id).where(GROUPS.c.id == actor_id)).first() is not None


def _is_local_group(uow: UnitOfWork, group_id: int) -> bool:
    query = select(GROUPS.c.id).where(GROUPS.c.id == group_id, GROUPS.c.local.is_(True))
    return uow.connection.execute(query).first() is not None
