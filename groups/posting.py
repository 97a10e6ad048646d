"""Posting, editing and deleting by the people of this node."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, exists, insert, or_, select

from activitypub.queueing import Secrets
from activitypub.uris import Uris
from groups.composing import NewPost
from groups.distribution import LocalPost, Parcel, spread_local_post
from groups.endings import end_post, group_of
from groups.errors import Invalid, NotFound
from groups.notifications import notify_members
from groups.people import ACTORS, cards, hold_actor, still_here
from groups.places import GROUPS, MEMBERSHIPS, standing_of
from groups.policy import FACILITATORS, Act, Target, may
from groups.showing import MENTIONS, POSTS, Words, as_facts, mention_of, mentioned_in, show
from groups.storing import ParentPost, PostToStore, StoredPost, lock_group, may_write, parent_of, rewrite, store
from groups.timelines import post
from groups.translation import GroupFacts, PostFacts
from groups.views import PostView, Viewer
from groups.visibility import Onlooker, visible_to
from privacy.unit_of_work import UnitOfWork

NOTHING_POSTED = "Nothing was posted."


def publish_post(uow: UnitOfWork, uris: Uris, author_id: int, new: NewPost) -> PostView:
    """Publish a post into the one group that it is for. Raises Invalid, NotAllowed, NotFound: nothing was posted then.

    The audience is the group's, whatever was asked for; a direct post may narrow it to people of that group.
    """
    hold_actor(uow, author_id)
    parent = _parent(uow, author_id, new.parent_id)
    group_id = _group_of(uow, author_id, new, parent)
    _check_may_post(uow, author_id, group_id, parent)
    direct = new.direct or (parent is not None and parent.audience == "direct")
    mentioned = _recipients(uow, author_id, group_id, new, parent) if direct else _named(uow, group_id, new.people)
    keep = uow.connection.execute(select(GROUPS.c.keep_seconds).where(GROUPS.c.id == group_id)).scalar_one()
    stored = store(
        uow,
        uris.post,
        PostToStore(
            group_id=group_id,
            author_id=author_id,
            words=new.words,
            keep=timedelta(seconds=keep),
            local=True,
            parent=parent,
            parent_uri=parent.uri if parent else None,
            direct=direct,
            mentioned=tuple(mentioned),
        ),
    )
    _spread_new(uow, uris, author_id, group_id, new.words, stored, parent, mentioned, direct=direct)
    return post(uow, Viewer(author_id), stored.id)


def edit_post(uow: UnitOfWork, uris: Uris, author_id: int, post_id: int, new: NewPost) -> PostView:
    """Put new words in the place of one's own post; it ends when it would have. Raises NotFound, NotAllowed."""
    hold_actor(uow, author_id)
    row = _own_or_visible(uow, author_id, post_id)
    may(Act.EDIT, standing_of(uow, row.group_id, author_id), Target(is_own=row.author_id == author_id)).or_raise()
    lock_group(uow, row.group_id)
    before = mentioned_in(uow, [post_id]).get(post_id, [])
    direct = row.audience == "direct"
    after = before if direct else _named(uow, row.group_id, new.people)
    sealed = rewrite(uow, row, new.words, edited_at=uow.now, remote_updated_at=None)
    if not direct:
        _rewrite_mentions(uow, row, before, after)
    secrets = Secrets(subject_id=row.subject_id, bucket=sealed.bucket, slot=sealed.slot)
    parcel = Parcel(row.id, row.group_id, row.thread_id, secrets, row.expires_at)
    facts = _facts(uow, row, new.words, after)
    facts = replace(facts, edited_at=uow.now)
    _spread(uow, uris, row.author_id, row.group_id, facts, parcel, parent_id=row.parent_id)
    return post(uow, Viewer(author_id), post_id)


def delete_post(uow: UnitOfWork, uris: Uris, by_id: int, post_id: int) -> PostView:
    """Delete one's own post, or as one who looks after its group any post there; it is unreadable at once.

    Returns the post as it was. Raises NotFound, NotAllowed.
    """
    hold_actor(uow, by_id)
    row = _own_or_visible(uow, by_id, post_id)
    own = row.author_id == by_id
    may(Act.DELETE, standing_of(uow, row.group_id, by_id), Target(is_own=own)).or_raise()
    shown = show(uow, Viewer(by_id), [row])
    end_post(uow, uris, row, by_id=by_id, own=own)
    if not shown:
        raise NotFound(f"post {post_id}")
    return shown[0]


def group_facts(uow: UnitOfWork, group_id: int) -> GroupFacts:
    """Return what addressing needs of a group, with its name."""
    return replace(group_of(uow, group_id), name=cards(uow, [group_id])[group_id].name)


def _parent(uow: UnitOfWork, author_id: int, parent_id: int | None) -> ParentPost | None:
    if parent_id is None:
        return None
    _own_or_visible(uow, author_id, parent_id)
    return parent_of(uow, post_id=parent_id)


def _own_or_visible(uow: UnitOfWork, actor_id: int, post_id: int) -> Row[Any]:
    """Return the row of a post that an actor may see. Raises NotFound."""
    allowed = visible_to(Onlooker(actor_id), uow.now)
    query = select(POSTS).join(GROUPS, GROUPS.c.id == POSTS.c.group_id).where(POSTS.c.id == post_id, allowed)
    row = uow.connection.execute(query).first()
    if row is None:
        raise NotFound(f"post {post_id}")
    return row


def _group_of(uow: UnitOfWork, author_id: int, new: NewPost, parent: ParentPost | None) -> int:
    """Return the one group that a post is for: its parent's, the one chosen, the only one it names, or its author."""
    if parent is not None:
        return parent.group_id
    if new.group_id is not None:
        return new.group_id
    if uow.connection.execute(select(GROUPS.c.id).where(GROUPS.c.id == author_id)).first() is not None:
        return author_id  # a group speaks in itself
    if len(new.groups) == 1:
        return new.groups[0]
    if len(new.groups) > 1:
        raise Invalid({"status": f"A post goes to one group; this names several. {NOTHING_POSTED}"})
    if new.direct and new.people:
        return _shared_group(uow, author_id, new.people)
    if new.handles:
        names = ", ".join(f"@{handle}" for handle in new.handles)
        raise Invalid({"status": f"you are not a member of a group called {names}. {NOTHING_POSTED}"})
    raise Invalid({"status": f"Start your post with the @name of one of your groups. {NOTHING_POSTED}"})


def _shared_group(uow: UnitOfWork, author_id: int, people: Sequence[int]) -> int:
    """Return a group of this node in which the author and all of these people are members now."""
    here = and_(MEMBERSHIPS.c.group_id == GROUPS.c.id, MEMBERSHIPS.c.state == "active")
    query = select(GROUPS.c.id).where(GROUPS.c.local.is_(True)).order_by(GROUPS.c.id).limit(1)
    for actor_id in {author_id, *people}:
        query = query.where(exists().where(here, MEMBERSHIPS.c.actor_id == actor_id))
    found = uow.connection.execute(query).scalar()
    if found is None:
        raise Invalid({"status": f"You share no group with everybody you wrote to. {NOTHING_POSTED}"})
    return int(found)


def _check_may_post(uow: UnitOfWork, author_id: int, group_id: int, parent: ParentPost | None) -> None:
    standing = standing_of(uow, group_id, author_id)
    if not standing.is_known:
        raise NotFound(f"group {group_id}")
    if not standing.takes_part:
        name = uow.connection.execute(select(ACTORS.c.handle).where(ACTORS.c.id == group_id)).scalar_one()
        raise Invalid({"status": f"you are not a member of @{name}. {NOTHING_POSTED}"})
    may_write(standing, parent).or_raise()


def _named(uow: UnitOfWork, group_id: int, people: Sequence[int]) -> list[int]:
    """Return those named who belong to the group, or may read it anyway: nobody else learns that they were named."""
    if not people:
        return []
    public = select(GROUPS.c.id).where(GROUPS.c.id == group_id, GROUPS.c.audience == "public")
    if uow.connection.execute(public).first() is not None:
        return list(people)
    return _belonging(uow, group_id, people)


def _belonging(uow: UnitOfWork, group_id: int, people: Sequence[int]) -> list[int]:
    members = select(MEMBERSHIPS.c.actor_id).where(
        MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.actor_id.in_(people), MEMBERSHIPS.c.state == "active"
    )
    # Of a group elsewhere this node knows as members those whose posts came through it.
    authors = select(POSTS.c.author_id).where(POSTS.c.group_id == group_id, POSTS.c.author_id.in_(people))
    query = select(ACTORS.c.id).where(or_(ACTORS.c.id.in_(members), ACTORS.c.id.in_(authors)))
    found = set(uow.connection.execute(query).scalars())
    return [actor_id for actor_id in people if actor_id in found]


def _recipients(uow: UnitOfWork, author_id: int, group_id: int, new: NewPost, parent: ParentPost | None) -> list[int]:
    """Return who reads a direct post: those named, and whom it answers; or those who look after the group."""
    people = [person for person in new.people if person != author_id]
    if parent is not None and parent.audience == "direct" and parent.author_id not in (*people, author_id):
        people.append(parent.author_id)
    if people:
        belonging = _belonging(uow, group_id, people)
        if len(belonging) < len(people):
            raise Invalid({"status": f"Somebody you wrote to is not in this group. {NOTHING_POSTED}"})
        return belonging
    caring = select(MEMBERSHIPS.c.actor_id).where(
        MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.state == "active", MEMBERSHIPS.c.role.in_(FACILITATORS)
    )
    found = [actor_id for actor_id in uow.connection.execute(caring).scalars() if actor_id != author_id]
    if not found:
        raise Invalid({"status": f"Say with @name to whom this goes. {NOTHING_POSTED}"})
    return found


def _spread_new(
    uow: UnitOfWork,
    uris: Uris,
    author_id: int,
    group_id: int,
    words: Words,
    stored: StoredPost,
    parent: ParentPost | None,
    mentioned: Sequence[int],
    *,
    direct: bool,
) -> None:
    secrets = Secrets(subject_id=author_id, bucket=stored.sealed.bucket, slot=stored.sealed.slot)
    parcel = Parcel(stored.id, group_id, stored.thread_id, secrets, stored.expires_at)
    row = uow.connection.execute(select(POSTS).where(POSTS.c.id == stored.id)).one()
    facts = _facts(uow, row, words, [*mentioned, *_answered(parent, author_id, mentioned, direct=direct)])
    _spread(uow, uris, author_id, group_id, facts, parcel, parent_id=parent.id if parent else None)


def _answered(parent: ParentPost | None, author_id: int, mentioned: Sequence[int], *, direct: bool) -> list[int]:
    """Return whom a reply answers, so that it reaches a remote author also where nothing else would bring it."""
    if parent is None or direct or parent.author_id == author_id or parent.author_id in mentioned:
        return []
    return [parent.author_id]


def _spread(
    uow: UnitOfWork,
    uris: Uris,
    author_id: int,
    group_id: int,
    facts: PostFacts,
    parcel: Parcel,
    *,
    parent_id: int | None,
) -> None:
    group = group_facts(uow, group_id)
    author = cards(uow, [author_id])[author_id]
    local = LocalPost(
        facts=facts,
        author_id=author_id,
        author_name=author.name,
        parcel=parcel,
        begins_thread=parcel.thread_id == parcel.post_id,
        parent_reemission=uris.reemission(parent_id) if parent_id is not None else None,
    )
    spread_local_post(uow, uris, local, group)


def _facts(uow: UnitOfWork, row: Row[Any], words: Words, mentioned: Sequence[int]) -> PostFacts:
    people = cards(uow, [row.author_id, *mentioned])
    inboxes = {
        actor.id: actor for actor in uow.connection.execute(select(ACTORS).where(ACTORS.c.id.in_(mentioned))).fetchall()
    }
    group_card = cards(uow, [row.group_id])[row.group_id]
    return as_facts(
        row,
        words,
        author_uri=people[row.author_id].uri,
        page=f"{group_card.url}/{row.id}" if group_card.local else row.uri,
        mentions=[mention_of(people[i], inboxes[i].inbox) for i in mentioned if i in people and i in inboxes],
    )


def _rewrite_mentions(uow: UnitOfWork, row: Row[Any], before: Sequence[int], after: Sequence[int]) -> None:
    added = [actor_id for actor_id in after if actor_id not in before]
    removed = [actor_id for actor_id in before if actor_id not in after]
    if removed:
        uow.connection.execute(delete(MENTIONS).where(MENTIONS.c.post_id == row.id, MENTIONS.c.actor_id.in_(removed)))
    if added := sorted(still_here(uow, added)):
        uow.connection.execute(insert(MENTIONS), [{"post_id": row.id, "actor_id": actor_id} for actor_id in added])
        notify_members(
            uow,
            added,
            kind="mention",
            actor_id=row.author_id,
            group_id=row.group_id,
            post_id=row.id,
            until=row.expires_at,
        )
