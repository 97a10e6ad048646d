"""How a persona ends: its posts first, a batch at a time, then its places, then its name (product decision 18).

Other servers are told by a Delete of each post that they got, and at the end by one of the actor. Its signing keys live
on until those are through; its subject secret is destroyed with the first step of `privacy.retention` after this.
"""

from sqlalchemy import (
    BigInteger,
    Select,
    String,
    bindparam,
    cast,
    delete,
    false,
    func,
    null,
    or_,
    select,
    union,
    update,
)

from activitypub import actors
from activitypub.models import Delivery, InboxItem, LedgerEntry, OutboxItem
from activitypub.queueing import Outgoing, enqueue
from activitypub.uris import Uris
from groups import translation
from groups.endings import groups_of, hide, tell_of_end
from groups.errors import NotFound
from groups.models import Bookmark, Invitation, Notification, PersonFollow
from groups.people import ACTORS
from groups.places import GROUPS, MEMBERSHIPS
from groups.publications import GroupPublications
from groups.showing import MENTIONS, POSTS, REACTIONS
from privacy import personas
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of

BOOKMARKS, NOTIFICATIONS = table_of(Bookmark), table_of(Notification)
FOLLOWS, INVITATIONS, LEDGER = table_of(PersonFollow), table_of(Invitation), table_of(LedgerEntry)
INBOX, OUTBOX, DELIVERIES = table_of(InboxItem), table_of(OutboxItem), table_of(Delivery)
LAST_POSTS = 100


def end_posts_of(uow: UnitOfWork, uris: Uris, persona_id: int, limit: int) -> int:
    """End at most so many posts of a persona and return how many that were; call it until nothing is left."""
    mine = select(POSTS).where(POSTS.c.author_id == persona_id, POSTS.c.state.in_(("live", "held")))
    rows = uow.connection.execute(mine.order_by(POSTS.c.id).limit(limit)).fetchall()
    if not rows:
        return 0
    author = actors.actor_by_id(uow, persona_id)
    assert author is not None
    hide(uow, rows)
    groups = groups_of(uow, sorted({row.group_id for row in rows}))
    for row in rows:
        me = (author.id, author.uri)
        tell_of_end(uow, uris, row, groups[row.group_id], me, author=me if row.local else None)
    return len(rows)


def end_persona(uow: UnitOfWork, uris: Uris, persona_id: int) -> None:
    """End a persona whose posts have ended: every place, every trace of what it did, its name. Raises NotFound."""
    actor = actors.actor_by_id(uow, persona_id)
    if actor is None or not actor.local or actor.kind != "Person":
        raise NotFound(f"persona {persona_id}")
    if actor.state == "gone":
        return  # an erasure that was interrupted comes by again: every server was told
    was_findable = GroupPublications(uris).is_findable(uow, actor)
    _tell_of_end(uow, uris, persona_id, actor.uri)
    # A ban keeps out whoever has this name among theirs. Where nobody has it any more, it keeps out nobody.
    kept = MEMBERSHIPS.c.state == "banned" if personas.is_somebody_s(uow, persona_id) else false()
    uow.connection.execute(delete(MEMBERSHIPS).where(MEMBERSHIPS.c.actor_id == persona_id, ~kept))
    # Nothing can be posted from here on; what was, since the last batch, ends in this very transaction.
    while end_posts_of(uow, uris, persona_id, LAST_POSTS):
        continue
    for table, condition in (
        (REACTIONS, REACTIONS.c.actor_id == persona_id),
        (MENTIONS, MENTIONS.c.actor_id == persona_id),
        (BOOKMARKS, BOOKMARKS.c.actor_id == persona_id),
        (NOTIFICATIONS, or_(NOTIFICATIONS.c.persona_id == persona_id, NOTIFICATIONS.c.actor_id == persona_id)),
        (FOLLOWS, or_(FOLLOWS.c.follower_id == persona_id, FOLLOWS.c.target_id == persona_id)),
        (INVITATIONS, INVITATIONS.c.made_by == persona_id),
    ):
        uow.connection.execute(delete(table).where(condition))
    _forget_where_it_was(uow, persona_id)
    personas.retire_persona(uow, persona_id)
    actors.retire_actor(uow, persona_id, was_findable=was_findable)


def _forget_where_it_was(uow: UnitOfWork, persona_id: int) -> None:
    """Take a persona out of the rows that would tell in which groups it was; its other posts go with their keys."""
    written = select(POSTS.c.id).where(POSTS.c.author_id == persona_id)
    answers = (POSTS.c.parent_id.in_(written), POSTS.c.parent_author_id == persona_id)
    uow.connection.execute(update(POSTS).where(*answers).values(parent_author_id=None))
    uow.connection.execute(delete(POSTS).where(POSTS.c.author_id == persona_id, POSTS.c.state == "shredded"))
    uow.connection.execute(update(INBOX).where(INBOX.c.delivered_to == persona_id).values(delivered_to=None))
    # What carries words is bound to its group, and goes with them; the rest waits for its server, nameless.
    wordless = (OUTBOX.c.actor_id == persona_id, OUTBOX.c.slot.is_(None))
    uow.connection.execute(update(OUTBOX).where(*wordless).values(group_id=0))
    for key in uow.connection.execute(select(OUTBOX.c.ordering_key).where(*wordless).distinct()).scalars().all():
        same = (*wordless, OUTBOX.c.ordering_key == key)
        told = DELIVERIES.c.outbox_id.in_(select(OUTBOX.c.id).where(*same))
        other = new_id()
        uow.connection.execute(update(DELIVERIES).where(told).values(ordering_key=other))
        uow.connection.execute(update(OUTBOX).where(*same).values(ordering_key=other))


def _tell_of_end(uow: UnitOfWork, uris: Uris, persona_id: int, uri: str) -> None:
    """Send a Delete of the actor to every server that knows it: through its posts, its groups, its followers."""
    document = translation.to_delete_actor(uris.activity(f"{new_id():x}"), uri)
    outgoing = Outgoing(
        actor_id=persona_id,
        kind="Delete",
        document=document,
        object_id=None,
        group_id=0,
        secrets=None,
        ordering_key=persona_id,
        expires_at=None,
    )
    enqueue(uow, outgoing, WHO_KNOWS, {"gone": persona_id})


def _who_knows() -> Select[tuple[str, str]]:
    """Return the hosts that know the persona `gone`, each with one inbox: the one common to the server, if it has one.

    That tells less of whom the letter is about while it waits.
    """
    persona_id = bindparam("gone", type_=BigInteger())
    written = select(POSTS.c.id).where(POSTS.c.author_id == persona_id)
    no_other = cast(null(), String()).label("shared_inbox")
    holders = select(LEDGER.c.host, LEDGER.c.inbox, no_other).where(LEDGER.c.object_id.in_(written))
    joined = select(MEMBERSHIPS.c.group_id).where(MEMBERSHIPS.c.actor_id == persona_id)
    elsewhere = joined.join(GROUPS, GROUPS.c.id == MEMBERSHIPS.c.group_id).where(GROUPS.c.local.is_(False))
    following = select(FOLLOWS.c.follower_id).where(FOLLOWS.c.target_id == persona_id)
    known = select(ACTORS.c.host, ACTORS.c.inbox, ACTORS.c.shared_inbox).where(
        ACTORS.c.local.is_(False), or_(ACTORS.c.id.in_(elsewhere), ACTORS.c.id.in_(following))
    )
    both = union(holders, known).subquery()
    inbox = func.coalesce(func.min(both.c.shared_inbox), func.min(both.c.inbox)).label("inbox")
    return select(both.c.host, inbox).group_by(both.c.host)


WHO_KNOWS = _who_knows()
