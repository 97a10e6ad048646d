"""Posts that arrive from other servers: into groups of this node, and out of groups elsewhere that people here are in.

A handler never fetches: it raises NeedsObject for a document that it lacks, and is called again with it.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import LargeBinary, Row, and_, bindparam, exists, or_, select

from activitypub import actors
from activitypub.audience import Visibility
from activitypub.errors import ForeignOrigin, NeedsObject
from activitypub.models import Tombstone
from activitypub.origins import same_origin
from activitypub.peers import note_threadiverse
from activitypub.ports import ActorView, Arrival
from activitypub.queueing import Secrets
from activitypub.uris import Uris
from groups import moderation
from groups.addressees import Addressee, addressees_of, home_of, shared_group
from groups.backfill import listed
from groups.distribution import Parcel, spread_in_group, withdraw_in_group
from groups.endings import group_of, has_ended, hide, remember_end, tombstone_hash
from groups.errors import NotAllowed
from groups.founding import renew_group
from groups.incoming import IncomingActivity, IncomingAnnounce, IncomingPost
from groups.places import GROUPS, MEMBERSHIPS, standing_of
from groups.policy import Act, Target, may
from groups.reemission import pass_on
from groups.showing import POSTS
from groups.storing import ParentPost, PostToStore, StoredPost, lock_group, may_write, parent_of, rewrite, store
from groups.translation import GroupFacts
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork, table_of

RULES_OF_GROUPS = frozenset({"Delete", "Lock", "Unlock", "Block", "Renew", "Add", "Remove"})
PUBLIC_ENOUGH = frozenset({Visibility.PUBLIC, Visibility.UNLISTED})
MAX_DIRECT_RECIPIENTS = 25
MOST_FILLED_IN = 8
"""How many posts of a conversation are fetched beside what an announced one answers."""
TOMBSTONES = table_of(Tombstone)
# Built once, since these are asked for every post that comes in.
STORED = select(POSTS).where(POSTS.c.uri == bindparam("uri"))
KNOWN = Prepared(
    select(
        or_(
            exists().where(POSTS.c.uri == bindparam("uri")),
            exists().where(TOMBSTONES.c.uri_hash == bindparam("ended", type_=LargeBinary())),
        )
    )
)


def receive_create(uow: UnitOfWork, uris: Uris, arrival: Arrival, activity: IncomingActivity) -> None:
    """Take in a post that its author's server sent: into a group of this node, or to people here by name."""
    post = _believed(arrival, activity, arrival.sender.uri)
    if post is not None and not _is_over(uow, post) and not _is_known(uow, post.uri):
        _take_in(uow, uris, arrival.sender, post, activity)


def receive_update(uow: UnitOfWork, uris: Uris, arrival: Arrival, activity: IncomingActivity) -> None:
    """Take in an edit by the author; one that comes before its post is taken for the post."""
    post = _believed(arrival, activity, arrival.sender.uri)
    if post is None:
        return
    row = _stored(uow, post.uri)
    if row is None:
        receive_create(uow, uris, arrival, activity)
    elif row.author_id == arrival.sender.id:
        _edit(uow, uris, row, post, activity)


def receive_delete(uow: UnitOfWork, uris: Uris, sender: ActorView, activity: IncomingActivity) -> None:
    """End a post that its author deletes; one that has not come yet is remembered as ended (S-319)."""
    if activity.object_uri is None:
        return
    row = _stored(uow, activity.object_uri)
    if row is None:
        # Only its own server ends what has not come yet, or anybody could silence anybody.
        if same_origin(activity.object_uri, sender.uri):
            remember_end(uow, activity.object_uri, was_public=False)
    elif row.state == "live" and row.author_id == sender.id:
        _end(uow, uris, row, activity)
    elif row.state == "live":
        moderation.receive_removal(uow, uris, sender, row, activity)


def receive_announce(uow: UnitOfWork, uris: Uris, arrival: Arrival, announce: IncomingAnnounce) -> None:
    """Take in what a group elsewhere announces to its members here; boosts by anybody else mean nothing."""
    group = _followed_group(uow, arrival.sender.id)
    if group is None:
        return
    if announce.inner is not None:
        note_threadiverse(uow, arrival.sender.host)
    if announce.inner is not None and announce.inner.type in RULES_OF_GROUPS:
        _ruled(uow, arrival, announce.inner)
        return
    uri = announce.inner.object_uri if announce.inner is not None else announce.object_uri
    if uri is None or uris.is_local(uri):
        return
    post = announce.inner.post if announce.inner is not None else None
    if post is None:
        post = _fetched_post(arrival, uri, signer_id=group.member_id)
    if post is None:
        return
    author = _author(uow, arrival, post)
    if author is not None:
        _take_announced(uow, uris, arrival, author, post, group)


def receive_lock(uow: UnitOfWork, uris: Uris, sender: ActorView, activity: IncomingActivity) -> None:
    """Close or open a conversation, where the sender may."""
    moderation.receive_lock(uow, uris, sender, _stored(uow, activity.object_uri or ""), activity)


def receive_collected(uow: UnitOfWork, uris: Uris, sender: ActorView, activity: IncomingActivity) -> None:
    """Put a post on top of its group, or appoint somebody there, where the sender may."""
    moderation.receive_collected(uow, uris, sender, _stored(uow, activity.object_uri or ""), activity)


def _believed(arrival: Arrival, activity: IncomingActivity, author_uri: str) -> IncomingPost | None:
    """Return the post of an activity: embedded and true, or fetched. Raises NeedsObject, ForeignOrigin."""
    post = activity.post
    if post is None and activity.object_uri is not None:
        post = _fetched_post(arrival, activity.object_uri)
    if post is not None and post.author_uri != author_uri:
        raise ForeignOrigin(f"{activity.uri} speaks of a post of another author")
    return post


def _fetched_post(arrival: Arrival, uri: str, *, signer_id: int | None = None) -> IncomingPost | None:
    found = arrival.fetched.get(uri)
    if isinstance(found, IncomingActivity):
        found = found.post
    if isinstance(found, IncomingPost):
        return found
    if uri in arrival.unavailable or uri in arrival.fetched:
        return None
    raise NeedsObject(uri, signer_id=signer_id)


def _author(uow: UnitOfWork, arrival: Arrival, post: IncomingPost) -> ActorView | None:
    author = actors.actor_by_uri(uow, post.author_uri)
    if author is None and post.author_uri not in arrival.unavailable:
        raise NeedsObject(post.author_uri)
    return author if author is not None and author.state == "active" and not author.local else None


def _take_in(uow: UnitOfWork, uris: Uris, author: ActorView, post: IncomingPost, activity: IncomingActivity) -> None:
    parent = _answered(uow, uris, post)
    addressees = addressees_of(uow, author.id, post, parent)
    groups = [one for one in addressees if one.group is not None and one.local]
    people = [one.id for one in addressees if one.group is None and one.local]
    if parent is not None and parent.audience == "direct":
        _take_direct(uow, author, post, groups, list({*people, parent.author_id}), parent)
        return
    home = home_of(groups, parent)
    if home is None:
        if post.visibility is Visibility.DIRECT and people:
            _take_direct(uow, author, post, groups, people, parent)
        return
    assert home.group is not None
    if home.group.is_public and post.visibility not in PUBLIC_ENOUGH:
        # It was not meant for everybody, so it is kept between its author and those whom it names.
        _take_direct(uow, author, post, [home], people, parent)
        return
    assert home.standing is not None
    here = parent if parent is not None and parent.group_id == home.id else None
    may_write(home.standing, here).or_raise()
    stored = _store(uow, author, post, home.id, home.keep, here, people)
    if may(Act.SPREAD, home.standing):
        _announce_here(uow, uris, home.group, author, post, activity, stored)


def _take_direct(
    uow: UnitOfWork,
    author: ActorView,
    post: IncomingPost,
    groups: Sequence[Addressee],
    people: Sequence[int],
    parent: ParentPost | None,
) -> None:
    """Keep a direct message to people here who share a group with its author, or to those who look after the group."""
    group_id = parent.group_id if parent is not None else groups[0].id if groups else None
    found = shared_group(uow, author.id, people[:MAX_DIRECT_RECIPIENTS], group_id)
    if found is None:
        raise NotAllowed(f"direct message by actor {author.id} to nobody it shares a group with")
    group_id, keep, recipients = found
    here = parent if parent is not None and parent.group_id == group_id else None
    _store(uow, author, post, group_id, keep, here, recipients, direct=True)


def _take_announced(
    uow: UnitOfWork,
    uris: Uris,
    arrival: Arrival,
    author: ActorView,
    post: IncomingPost,
    group: Row[Any],
    below: tuple[str, ...] = (),
) -> None:
    """Take in what a group elsewhere announced, or what that answers; `below` are the addresses of what answers it."""
    announcer, row = arrival.sender, _stored(uow, post.uri)
    if row is not None:
        if row.author_id == author.id and row.group_id == announcer.id:
            _rewrite(uow, row, post)
        return
    if (
        _is_over(uow, post)
        or has_ended(uow, post.uri)
        or (group.audience == "public" and post.visibility not in PUBLIC_ENOUGH)
    ):
        return
    parent = _answered(uow, uris, post)
    if parent is None and post.parent_uri is not None:
        parent = _backfilled(uow, uris, arrival, post, group, (*below, post.uri))
        if not below:
            _fill_conversation(uow, uris, arrival, post, group)
    here = parent if parent is not None and parent.group_id == announcer.id else None
    people = [one.id for one in addressees_of(uow, author.id, post, None) if one.group is None and one.local]
    _store(uow, author, post, announcer.id, timedelta(seconds=group.keep_seconds), here, people)


def _backfilled(
    uow: UnitOfWork, uris: Uris, arrival: Arrival, post: IncomingPost, group: Row[Any], below: tuple[str, ...]
) -> ParentPost | None:
    """Fetch and take in what an announced post answers, if that was written into the same group.

    Its own parent is asked for in turn; the ten fetches of an activity are the bound. Raises NeedsObject.
    """
    if post.parent_uri is None or uris.is_local(post.parent_uri) or has_ended(uow, post.parent_uri):
        return None
    if post.parent_uri in below:  # they answer each other in a circle
        return None
    parent = _fetched_post(arrival, post.parent_uri, signer_id=group.member_id)
    if parent is None or arrival.sender.uri not in {*parent.addressed, *parent.mentioned}:
        return None
    author = _author(uow, arrival, parent)
    if author is None:
        return None
    _take_announced(uow, uris, arrival, author, parent, group, below)
    return parent_of(uow, uri=parent.uri)


def _fill_conversation(uow: UnitOfWork, uris: Uris, arrival: Arrival, post: IncomingPost, group: Row[Any]) -> None:
    """Fetch some more of a conversation that was not known here, by the list that its group keeps. Raises NeedsObject.

    What is fetched for the activity in all is bounded; each post speaks for itself, and must be for the group.
    """
    owner = arrival.sender.uri
    if post.context_uri is None or not same_origin(post.context_uri, owner):
        return
    addresses = listed(arrival, post.context_uri, owner, signer_id=group.member_id) or []
    missing = [uri for uri in addresses if uri != post.uri and not uris.is_local(uri) and not _is_known(uow, uri)]
    for uri in missing[:MOST_FILLED_IN]:
        found = _fetched_post(arrival, uri, signer_id=group.member_id)
        if found is None or owner not in {*found.addressed, *found.mentioned}:
            continue
        author = _author(uow, arrival, found)
        if author is not None:
            _take_announced(uow, uris, arrival, author, found, group, (post.uri,))


def _store(
    uow: UnitOfWork,
    author: ActorView,
    post: IncomingPost,
    group_id: int,
    keep: timedelta,
    parent: ParentPost | None,
    people: Sequence[int],
    *,
    direct: bool = False,
) -> StoredPost:
    return store(
        uow,
        str,
        PostToStore(
            group_id=group_id,
            author_id=author.id,
            words=post.words,
            keep=keep,
            local=False,
            parent=parent,
            parent_uri=post.parent_uri,
            uri=post.uri,
            direct=direct,
            mentioned=tuple(sorted(set(people))),
            remote_updated_at=post.updated,
            ends_at=post.ends_at,
        ),
    )


def _announce_here(
    uow: UnitOfWork,
    uris: Uris,
    group: GroupFacts,
    author: ActorView,
    post: IncomingPost,
    activity: IncomingActivity,
    stored: StoredPost,
) -> None:
    secrets = Secrets(subject_id=author.id, bucket=stored.sealed.bucket, slot=stored.sealed.slot)
    parcel = Parcel(stored.id, group.id, stored.thread_id, secrets, stored.expires_at)
    begins = stored.thread_id == stored.id
    spread_in_group(uow, uris, activity.raw, post.uri, parcel, group, begins_thread=begins)
    pass_on(uow, uris, post.words, parcel, group)


def _edit(uow: UnitOfWork, uris: Uris, row: Row[Any], post: IncomingPost, activity: IncomingActivity) -> None:
    lock_group(uow, row.group_id)
    now = _stored(uow, post.uri)  # as it is while nobody else writes there
    if now is None:
        return
    row, group = now, group_of(uow, row.group_id)
    if group.local:  # who was shown out, or may not write there any more, changes nothing either (S-307)
        standing = standing_of(uow, row.group_id, row.author_id)
        may(Act.EDIT, standing, Target(is_own=True)).or_raise()
    if not _rewrite(uow, row, post):
        return
    if group.local and row.audience == "group" and may(Act.SPREAD, standing):
        secrets = Secrets(subject_id=row.subject_id, bucket=row.bucket, slot=row.slot)
        parcel = Parcel(row.id, row.group_id, row.thread_id, secrets, row.expires_at)
        spread_in_group(uow, uris, activity.raw, post.uri, parcel, group, begins_thread=False)
        pass_on(uow, uris, post.words, parcel, group)


def _rewrite(uow: UnitOfWork, row: Row[Any], post: IncomingPost) -> bool:
    """Put an edit in place, unless the post has ended or what is stored is as new (S-211)."""
    lock_group(uow, row.group_id)
    row = _stored(uow, post.uri) or row  # as it is now that nobody else writes there
    stored_at, came_with = row.remote_updated_at, post.updated
    if row.state != "live" or row.expires_at <= uow.now or came_with is None:
        return False
    if stored_at is not None and came_with <= stored_at:
        return False
    rewrite(uow, row, post.words, edited_at=uow.now, remote_updated_at=came_with)
    return True


def _end(uow: UnitOfWork, uris: Uris, row: Row[Any], activity: IncomingActivity) -> None:
    hide(uow, [row])
    _pass_on_end(uow, uris, row, activity)


def _pass_on_end(uow: UnitOfWork, uris: Uris, row: Row[Any], activity: IncomingActivity) -> None:
    group = group_of(uow, row.group_id)
    if group.local and row.audience == "group":
        parcel = Parcel(row.id, row.group_id, row.thread_id, None, None)
        withdraw_in_group(uow, uris, activity.raw, row.uri, parcel, group)


def _ruled(uow: UnitOfWork, arrival: Arrival, activity: IncomingActivity) -> None:
    """Take in what a group elsewhere decides of its own posts, conversations and members. Raises NeedsObject."""
    announcer = arrival.sender
    if activity.type == "Renew":
        if activity.object_uri == announcer.uri:
            renew_group(uow, arrival, announcer.uri)
        return
    row = _stored(uow, activity.object_uri or "")
    if activity.type != "Delete":
        moderation.receive_announced(uow, announcer, row, activity)
    elif row is not None and row.group_id == announcer.id and row.state == "live":
        hide(uow, [row])


def _answered(uow: UnitOfWork, uris: Uris, post: IncomingPost) -> ParentPost | None:
    """Return the post that this one answers, if it is here; an answer to a re-emitted one answers the original."""
    if post.parent_uri is None:
        return None
    local = uris.parse_local(post.parent_uri)
    if local is not None and local.kind == "reemission" and local.token.isdecimal():
        return parent_of(uow, post_id=int(local.token))
    return parent_of(uow, uri=post.parent_uri)


def _followed_group(uow: UnitOfWork, actor_id: int) -> Row[Any] | None:
    """Return a group of another node with the id of somebody here who is in it (`member_id`), or None."""
    here = and_(MEMBERSHIPS.c.group_id == GROUPS.c.id, MEMBERSHIPS.c.state == "active")
    query = select(GROUPS, MEMBERSHIPS.c.actor_id.label("member_id")).join(MEMBERSHIPS, here)
    query = query.where(GROUPS.c.id == actor_id, GROUPS.c.local.is_(False)).limit(1)
    return uow.connection.execute(query).first()


def _stored(uow: UnitOfWork, uri: str) -> Row[Any] | None:
    return uow.connection.execute(STORED, {"uri": uri}).first()


def _is_over(uow: UnitOfWork, post: IncomingPost) -> bool:
    """Tell whether a post has reached the end that its author's server set, before it came."""
    return post.ends_at is not None and post.ends_at <= uow.now


def _is_known(uow: UnitOfWork, uri: str) -> bool:
    """Tell whether a post is here, or was and has ended, so that it must not come again (S-319)."""
    asked = {"uri": uri, "ended": tombstone_hash(uow, uri)}
    return bool(KNOWN.value(uow, asked))
