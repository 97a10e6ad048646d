"""Who is sent what, when something happens in a group: one activity for each kind of reader (product decision 16)."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Select, bindparam, func, or_, select

from activitypub.delivery import Outgoing, Secrets, enqueue, enqueue_to
from activitypub.models import LedgerEntry, Peer
from activitypub.uris import Uris
from groups import translation
from groups.people import ACTORS
from groups.places import MEMBERSHIPS
from groups.policy import PARTICIPANTS
from groups.translation import GroupFacts, PostFacts
from privacy.records import new_id
from privacy.statements import listed
from privacy.unit_of_work import UnitOfWork, table_of

PEERS, LEDGER = table_of(Peer), table_of(LedgerEntry)
VERBATIM, BOOSTS, REEMISSIONS = ("threadiverse", "both"), ("microblog", "both"), ("microblog", "both")
HOLDERS = select(LEDGER.c.host, LEDGER.c.inbox).where(LEDGER.c.object_id == bindparam("held", type_=BigInteger()))
"""The servers that got an object."""
ACTIVITIES_IN_PRIVATE = ("threadiverse",)
"""By form of announcement, the classes of host that get it (federation reference §5.4 and §5.7)."""
SHUT_OUT = ("suspend", "quarantine")
"""No words go to a server of such a level."""


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
        _send(uow, post.author_id, activity, post.parcel, _named_inboxes(post.facts))
        return
    if not group.local:
        to = [(group.host, group.inbox), *_named_inboxes(post.facts)]
        _send(uow, post.author_id, activity, post.parcel, to)
        return
    if group.audience == "public":
        # An edit goes wherever the first words went; a boost brought only their address to microblog hosts.
        held = _held_by(uow, post.parcel.post_id) if post.facts.edited_at is not None else []
        _send(uow, post.author_id, activity, post.parcel, sorted({*_named_inboxes(post.facts), *held}))
    spread_in_group(uow, uris, activity, post.facts.uri, post.parcel, group, begins_thread=post.begins_thread)
    if group.audience == "followers":
        _reemit(uow, uris, post, group)


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
        _announce(uow, group, announce, parcel, trusted=True)
        return
    verbatim = translation.to_announce_activity(uris.activity(_token()), group, activity)
    _announce(uow, group, verbatim, parcel, classes=_verbatim_classes(group))
    if begins_thread and group.is_public and activity.get("type") == "Create":
        boost = translation.to_announce_object(uris.announce(parcel.post_id), group, object_uri, uow.now)
        _announce(uow, group, boost, parcel, classes=BOOSTS)


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
        delete = translation.to_delete(uris.activity(_token()), author[1], object_uri, group, reason=None)
        if direct:
            del delete["audience"]
            delete["to"] = _readers(uow, parcel.post_id)
        _enqueue(uow, author[0], "Delete", delete, parcel, HOLDERS, held=parcel.post_id)
    if group.local and not direct:
        delete = translation.to_delete(uris.activity(_token()), actor[1], object_uri, group, reason=reason)
        withdraw_in_group(uow, uris, delete, object_uri, parcel, group)


def withdraw_in_group(
    uow: UnitOfWork, uris: Uris, delete: Mapping[str, Any], object_uri: str, parcel: Parcel, group: GroupFacts
) -> None:
    """Take a post back from every server that got it, whoever is a member there now and whatever the audience is now.

    It is told in each form in which the post may have come; one that a server never saw means nothing to it.
    """
    announce = translation.to_announce_activity(uris.activity(_token()), group, delete)
    _enqueue(uow, group.id, "Delete", announce, parcel, holders_of(_verbatim_classes(group)), held=parcel.post_id)
    if not group.is_public:
        _withdraw_reemission(uow, uris, parcel, group)
    if group.is_public:
        boost = translation.to_announce_object(uris.announce(parcel.post_id), group, object_uri, uow.now)
        undo = translation.to_undo(uris.activity(_token()), group.uri, boost, boost["to"] + boost["cc"])
        _enqueue(uow, group.id, "Delete", undo, parcel, HOLDERS, held=parcel.post_id)


def _held_by(uow: UnitOfWork, post_id: int) -> list[tuple[str, str]]:
    return [(row.host, row.inbox) for row in uow.connection.execute(HOLDERS, {"held": post_id})]


def _readers(uow: UnitOfWork, post_id: int) -> list[str]:
    """Return the addresses of those elsewhere who got a direct post."""
    inboxes = select(LEDGER.c.inbox).where(LEDGER.c.object_id == post_id)
    return list(uow.connection.execute(select(ACTORS.c.uri).where(ACTORS.c.inbox.in_(inboxes))).scalars())


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


@functools.cache
def member_inboxes(
    *, is_public: bool, classes: tuple[str, ...] | None = None, trusted: bool = False
) -> Select[tuple[str, str]]:
    """Return host and inbox of the members of the group `of_group` on other servers; an inbox may come several times.

    A shared inbox serves public groups; a private audience goes to personal inboxes, because who reads a shared one is
    decided by the other server's idea of the membership (security reference S-405).
    """
    inbox = func.coalesce(ACTORS.c.shared_inbox, ACTORS.c.inbox) if is_public else ACTORS.c.inbox
    query = (
        select(ACTORS.c.host, inbox.label("inbox"))
        .join(MEMBERSHIPS, MEMBERSHIPS.c.actor_id == ACTORS.c.id)
        .outerjoin(PEERS, PEERS.c.host == ACTORS.c.host)
        .where(
            MEMBERSHIPS.c.group_id == bindparam("of_group", type_=BigInteger()),
            MEMBERSHIPS.c.state == "active",
            ACTORS.c.local.is_(False),
            ACTORS.c.state == "active",
            or_(PEERS.c.level.is_(None), PEERS.c.level.not_in(listed(SHUT_OUT))),
        )
    )
    if not is_public:
        # One that followed while the group was public is no member, and gets nothing once it is private.
        query = query.where(MEMBERSHIPS.c.role.in_(listed(sorted(PARTICIPANTS))))
    if classes is not None:
        query = query.where(func.coalesce(PEERS.c.delivery_class, "microblog").in_(listed(classes)))
    if trusted:
        query = query.where(PEERS.c.level == "allow")
    return query


@functools.cache
def holders_of(classes: tuple[str, ...]) -> Select[tuple[str, str]]:
    """Return the servers that got an object, of some classes."""
    with_class = HOLDERS.outerjoin(PEERS, PEERS.c.host == LEDGER.c.host)
    return with_class.where(func.coalesce(PEERS.c.delivery_class, "microblog").in_(listed(classes)))


def _verbatim_classes(group: GroupFacts) -> tuple[str, ...]:
    return VERBATIM if group.is_public else ACTIVITIES_IN_PRIVATE


def _activity_of(uris: Uris, post: LocalPost, group: GroupFacts) -> dict[str, Any]:
    if post.facts.edited_at is None:
        return translation.to_create(uris, post.facts, group)
    return translation.to_update(uris, post.facts, group, uris.activity(_token()))


def _reemit(uow: UnitOfWork, uris: Uris, post: LocalPost, group: GroupFacts) -> None:
    document = translation.to_reemission(uris, post.facts, group, post.author_name, post.parent_reemission)
    _announce(uow, group, document, post.parcel, classes=REEMISSIONS)


def _withdraw_reemission(uow: UnitOfWork, uris: Uris, parcel: Parcel, group: GroupFacts) -> None:
    delete = translation.to_delete(
        uris.activity(_token()), group.uri, uris.reemission(parcel.post_id), group, reason=None
    )
    delete["to"] = [group.followers]
    _enqueue(uow, group.id, "Delete", delete, parcel, holders_of(REEMISSIONS), held=parcel.post_id)


def _named_inboxes(post: PostFacts) -> list[tuple[str, str]]:
    return sorted({(mention.host, mention.inbox) for mention in post.mentions if not mention.local})


def _send(
    uow: UnitOfWork, actor_id: int, document: dict[str, Any], parcel: Parcel, to: Sequence[tuple[str, str]]
) -> None:
    """Send what carries words to some inboxes, less those of servers that are shut out."""
    shut = select(PEERS.c.host).where(PEERS.c.host.in_({host for host, _ in to}), PEERS.c.level.in_(SHUT_OUT))
    closed = set(uow.connection.execute(shut).scalars()) if to else set()
    recipients = [(host, inbox) for host, inbox in to if host not in closed]
    if recipients:
        enqueue_to(uow, _outgoing(actor_id, document["type"], document, parcel), recipients)


def _announce(
    uow: UnitOfWork,
    group: GroupFacts,
    document: dict[str, Any],
    parcel: Parcel,
    *,
    classes: tuple[str, ...] | None = None,
    trusted: bool = False,
) -> None:
    """Send what a group says to its members elsewhere, or to those on some classes of host or on trusted ones only."""
    to = member_inboxes(is_public=group.is_public, classes=classes, trusted=trusted)
    _enqueue(uow, group.id, document["type"], document, parcel, to, of_group=group.id)


def _enqueue(
    uow: UnitOfWork,
    actor_id: int,
    kind: str,
    document: dict[str, Any],
    parcel: Parcel,
    to: Select[tuple[str, str]],
    **parameters: int,
) -> None:
    enqueue(uow, _outgoing(actor_id, kind, document, parcel), to, parameters)


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
