"""Who is sent what, when something happens in a group: one activity for each kind of reader (product decision 16)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select

from activitypub.models import LedgerEntry, Peer
from activitypub.queueing import Audience, Outgoing, Secrets, enqueue_for, enqueue_to
from activitypub.uris import Uris
from groups import translation
from groups.audiences import (
    HOLDERS,
    HOLDERS_OF_ACTIVITIES,
    HOLDERS_OF_EDITS,
    HOLDERS_OF_NOTES,
    PRIVATE_ACTIVITIES,
    PRIVATE_NOTES,
    PUBLIC_ACTIVITIES,
    PUBLIC_BOOSTS,
    SHUT_OUT,
    SHUT_OUT_OF_PRIVATE,
    TRUSTED,
)
from groups.models import Mention
from groups.people import ACTORS
from groups.translation import GroupFacts, PostFacts
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of

PEERS, LEDGER, MENTIONS = table_of(Peer), table_of(LedgerEntry), table_of(Mention)


@dataclass(frozen=True, slots=True)
class Parcel:
    """What an outgoing activity has in common with all others about one post."""

    post_id: int
    group_id: int
    thread_id: int
    secrets: Secrets | None
    """Those of the post, or None for an activity that carries none of its words."""
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class LocalPost:
    """A post of this node on its way out."""

    facts: PostFacts
    author_id: int
    author_name: str
    parcel: Parcel
    begins_thread: bool
    parent_reemission: str | None = None


def spread_local_post(uow: UnitOfWork, uris: Uris, post: LocalPost, group: GroupFacts) -> None:
    """Send a new or edited post of this node to all who may have it: nothing at all where the audience is `none`."""
    if group.audience == "none":
        return
    activity = _activity_of(uris, post, group)
    if post.facts.direct:
        _send(uow, post.author_id, activity, post.parcel, _named_inboxes(post.facts), SHUT_OUT_OF_PRIVATE)
        return
    if not group.local:
        to = [(group.host, group.inbox), *_named_inboxes(post.facts)]
        _send(uow, post.author_id, activity, post.parcel, to)
        return
    if group.audience == "public":
        named = _named_inboxes(post.facts)
        if post.facts.edited_at is not None:
            # An edit goes wherever the first words went; a boost brought only their address to microblog hosts.
            _enqueue(uow, post.author_id, "Update", activity, post.parcel, HOLDERS_OF_EDITS, post.parcel.post_id)
            named = _without_copy(uow, post.parcel.post_id, named)
        _send(uow, post.author_id, activity, post.parcel, named)
    spread_in_group(uow, uris, activity, post.facts.uri, post.parcel, group, begins_thread=post.begins_thread)
    if group.audience == "followers":
        reemit(uow, uris, post, group)


def spread_in_group(
    uow: UnitOfWork,
    uris: Uris,
    activity: Mapping[str, Any],
    object_uri: str,
    parcel: Parcel,
    group: GroupFacts,
    *,
    begins_thread: bool,
) -> None:
    """Announce an activity in a group of this node, in the form that each class of host understands.

    Threadiverse hosts get the activity verbatim, microblog hosts the id of what begins a thread, once. A private group
    announces activities to hosts with members only; a `peers-only` one announces ids, to trusted nodes.
    """
    if group.audience == "none":
        return
    if group.audience == "peers-only":
        announce = translation.to_announce_object(uris.activity(_token()), group, object_uri, uow.now)
        _announce(uow, group, announce, parcel, TRUSTED)
        return
    verbatim = translation.to_announce_activity(uris.activity(_token()), group, activity)
    _announce(uow, group, verbatim, parcel, PUBLIC_ACTIVITIES if group.is_public else PRIVATE_ACTIVITIES)
    if begins_thread and group.is_public and activity.get("type") == "Create":
        boost = translation.to_announce_object(uris.announce(parcel.post_id), group, object_uri, uow.now)
        _announce(uow, group, boost, parcel, PUBLIC_BOOSTS)


def reemit(uow: UnitOfWork, uris: Uris, post: LocalPost, group: GroupFacts) -> None:
    """Have a private group say a post again itself, for its members on microblog software."""
    document = translation.to_reemission(uris, post.facts, group, post.author_name, post.parent_reemission)
    _announce(uow, group, document, post.parcel, PRIVATE_NOTES)


def spread_rule(uow: UnitOfWork, uris: Uris, activity: Mapping[str, Any], parcel: Parcel, group: GroupFacts) -> None:
    """Announce what was decided of a conversation, verbatim; it holds no words, and leaves no copy of any."""
    announce = translation.to_announce_activity(uris.activity(_token()), group, activity)
    readers = {"public": PUBLIC_ACTIVITIES, "followers": PRIVATE_ACTIVITIES, "peers-only": TRUSTED}
    if group.audience in readers:
        _enqueue(uow, group.id, str(activity["type"]), announce, parcel, readers[group.audience], group.id)


def spread_word(uow: UnitOfWork, uris: Uris, activity: Mapping[str, Any], group: GroupFacts) -> None:
    """Announce what concerns a group as a whole, and no post of it, to those that know groups."""
    parcel = Parcel(post_id=0, group_id=group.id, thread_id=group.id, secrets=None, expires_at=None)
    announce = translation.to_announce_activity(uris.activity(_token()), group, activity)
    readers = {"public": PUBLIC_ACTIVITIES, "followers": PRIVATE_ACTIVITIES, "peers-only": TRUSTED}
    if group.audience in readers:
        outgoing = replace(_outgoing(group.id, str(activity["type"]), announce, parcel), object_id=None)
        enqueue_for(uow, outgoing, readers[group.audience], group.id)


def spread_delete(
    uow: UnitOfWork,
    uris: Uris,
    actor: tuple[int, str],
    object_uri: str,
    parcel: Parcel,
    group: GroupFacts,
    *,
    reason: str | None = None,
    author: tuple[int, str] | None = None,
    direct: bool = False,
) -> None:
    """Tell every server that got a post that it is gone; nothing of its words travels.

    `actor` is the id and URI of who deletes, `author` those of the author of what is our own: its Delete, the only one
    that microblog software obeys, goes to each inbox in the ledger. What came from elsewhere is only withdrawn from the
    group, and of a direct post nobody learns but who got it.
    """
    if author is not None:
        withdraw_own(uow, uris, author, object_uri, parcel, group, direct=direct)
    if group.local and not direct:
        delete = translation.to_delete(uris.activity(_token()), actor[1], object_uri, group, reason=reason)
        withdraw_in_group(uow, uris, delete, object_uri, parcel, group)


def withdraw_own(
    uow: UnitOfWork,
    uris: Uris,
    author: tuple[int, str],
    object_uri: str,
    parcel: Parcel,
    group: GroupFacts,
    *,
    direct: bool,
) -> None:
    """Send the Delete of a post of ours in its author's name, to every server that got it."""
    delete = translation.to_delete(uris.activity(_token()), author[1], object_uri, group, reason=None)
    if direct:
        del delete["audience"]
        delete["to"] = _readers(uow, parcel.post_id)
    _enqueue(uow, author[0], "Delete", delete, parcel, HOLDERS, parcel.post_id)


def withdraw_in_group(
    uow: UnitOfWork, uris: Uris, delete: Mapping[str, Any], object_uri: str, parcel: Parcel, group: GroupFacts
) -> None:
    """Take a post back from every server that got it, whoever is a member there now and whatever the audience is now.

    It is told in each form in which the post may have come, also while the group was open to more than today; one that
    a server never saw means nothing to it.
    """
    announce = translation.to_announce_activity(uris.activity(_token()), group, delete)
    _enqueue(uow, group.id, "Delete", announce, parcel, HOLDERS_OF_ACTIVITIES, parcel.post_id)
    boost = translation.to_announce_object(uris.announce(parcel.post_id), group, object_uri, uow.now)
    undo = translation.to_undo(uris.activity(_token()), group.uri, boost, boost["to"] + boost["cc"])
    _enqueue(uow, group.id, "Delete", undo, parcel, HOLDERS, parcel.post_id)
    if not group.is_public:
        _withdraw_reemission(uow, uris, parcel, group)


def _without_copy(uow: UnitOfWork, post_id: int, inboxes: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    wanted = [inbox for _, inbox in inboxes]
    query = select(LEDGER.c.inbox).where(LEDGER.c.object_id == post_id, LEDGER.c.inbox.in_(wanted))
    with_copy = set(uow.connection.execute(query).scalars()) if wanted else set()
    return [(host, inbox) for host, inbox in inboxes if inbox not in with_copy]


def _readers(uow: UnitOfWork, post_id: int) -> list[str]:
    """Return the addresses of those elsewhere to whom a direct post was written, as long as its mentions are there."""
    named = select(MENTIONS.c.actor_id).where(MENTIONS.c.post_id == post_id)
    query = select(ACTORS.c.uri).where(ACTORS.c.id.in_(named), ACTORS.c.local.is_(False)).order_by(ACTORS.c.id)
    return list(uow.connection.execute(query).scalars())


def send_from(
    uow: UnitOfWork, actor_id: int, document: Mapping[str, Any], group_id: int, to: Sequence[tuple[str, str]]
) -> None:
    """Send an activity without words of anybody (Follow, Accept, Reject, Undo, Like) to some inboxes."""
    outgoing = Outgoing(
        actor_id=actor_id,
        kind=document["type"],
        document=dict(document),
        object_id=None,
        group_id=group_id,
        secrets=None,
        ordering_key=group_id,
        expires_at=None,
    )
    enqueue_to(uow, outgoing, list(to))


def _activity_of(uris: Uris, post: LocalPost, group: GroupFacts) -> dict[str, Any]:
    if post.facts.edited_at is None:
        return translation.to_create(uris, post.facts, group)
    return translation.to_update(uris, post.facts, group, uris.activity(_token()))


def _withdraw_reemission(uow: UnitOfWork, uris: Uris, parcel: Parcel, group: GroupFacts) -> None:
    delete = translation.to_delete(
        uris.activity(_token()), group.uri, uris.reemission(parcel.post_id), group, reason=None
    )
    delete["to"] = [group.followers]
    _enqueue(uow, group.id, "Delete", delete, parcel, HOLDERS_OF_NOTES, parcel.post_id)


def _named_inboxes(post: PostFacts) -> list[tuple[str, str]]:
    return sorted({(mention.host, mention.inbox) for mention in post.mentions if not mention.local})


def _send(
    uow: UnitOfWork,
    actor_id: int,
    document: dict[str, Any],
    parcel: Parcel,
    to: Sequence[tuple[str, str]],
    shut_out: Sequence[str] = SHUT_OUT,
) -> None:
    """Send what carries words to some inboxes, less those of servers that are shut out."""
    shut = select(PEERS.c.host).where(PEERS.c.host.in_({host for host, _ in to}), PEERS.c.level.in_(shut_out))
    closed = set(uow.connection.execute(shut).scalars()) if to else set()
    recipients = [(host, inbox) for host, inbox in to if host not in closed]
    if recipients:
        enqueue_to(uow, _outgoing(actor_id, document["type"], document, parcel), recipients)


def _announce(uow: UnitOfWork, group: GroupFacts, document: dict[str, Any], parcel: Parcel, audience: Audience) -> None:
    """Send what a group says to those of its members elsewhere who are an audience."""
    _enqueue(uow, group.id, document["type"], document, parcel, audience, group.id)


def _enqueue(
    uow: UnitOfWork,
    actor_id: int,
    kind: str,
    document: dict[str, Any],
    parcel: Parcel,
    audience: Audience,
    of: int,
) -> None:
    enqueue_for(uow, _outgoing(actor_id, kind, document, parcel), audience, of)


def _outgoing(actor_id: int, kind: str, document: dict[str, Any], parcel: Parcel) -> Outgoing:
    return Outgoing(
        actor_id=actor_id,
        kind=kind,
        document=document,
        object_id=parcel.post_id,
        group_id=parcel.group_id,
        secrets=parcel.secrets,
        ordering_key=parcel.thread_id,
        expires_at=parcel.expires_at,
    )


def _token() -> str:
    return f"{new_id():x}"
