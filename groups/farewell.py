"""How a persona ends: it falls silent, then its posts end, then its name and places, then whatever else names it.

Each step is a transaction of bounded size, and what is done is read off the rows themselves: whoever was interrupted
goes on where they stopped. Other servers are told by a Delete of each post that they got, and one of the actor. Its
signing keys live on until those are through (product decision 18); its subject secret is destroyed with the first step
of `privacy.retention` after its name has gone.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Select,
    String,
    Table,
    and_,
    bindparam,
    cast,
    delete,
    exists,
    false,
    func,
    null,
    or_,
    select,
    tuple_,
    type_coerce,
    union,
    update,
)

from activitypub import actors
from activitypub.models import Delivery, LedgerEntry, OutboxItem
from activitypub.ports import ActorView
from activitypub.queueing import Outgoing, enqueue
from activitypub.uris import Uris
from groups import translation
from groups.endings import ENDING, groups_of, hide, tell_of_end
from groups.errors import NotFound
from groups.models import Bookmark, Invitation, Notification, PersonFollow
from groups.people import ACTORS
from groups.places import GROUPS, MEMBERSHIPS
from groups.publications import GroupPublications
from groups.reports import by_or_about, end_reports
from groups.showing import MENTIONS, POSTS, REACTIONS
from privacy import holding, personas
from privacy.clock import first_moment_of
from privacy.records import MAX_ID, new_id
from privacy.unit_of_work import UnitOfWork, table_of

BOOKMARKS, NOTIFICATIONS = table_of(Bookmark), table_of(Notification)
FOLLOWS, INVITATIONS, LEDGER = table_of(PersonFollow), table_of(Invitation), table_of(LedgerEntry)
OUTBOX, DELIVERIES = table_of(OutboxItem), table_of(Delivery)
MILLISECONDS_OF_A_DAY = 86_400_000


def end_some(uow: UnitOfWork, uris: Uris, persona_id: int, limit: int) -> bool:
    """Do the next step of ending a persona, on at most so many rows; false when nothing is left. Raises NotFound."""
    # Whoever is in the middle of something that it does is waited for; nobody begins anything after the first step.
    state = holding.lock(uow, [persona_id]).get(persona_id)
    actor = actors.actor_by_id(uow, persona_id)
    if state is None or actor is None:
        raise NotFound(f"persona {persona_id}")
    if state != holding.RETIRED:
        personas.retire_persona(uow, persona_id)
        return True
    if _end_posts(uow, uris, actor, limit):
        return True
    if actor.state != "gone":
        _end_name(uow, uris, actor)
        return True
    return _forget_traces(uow, persona_id, limit)


def untie_letters(uow: UnitOfWork, actor_id: int, limit: int) -> int:
    """Take out of what somebody who is gone still has to send whatever tells in which groups that was, and the hour.

    Return how many letters that were, at most `limit`. What carries words goes with them; until then the Delete of a
    post keeps its turn behind them.
    """
    worded = OUTBOX.alias("worded")
    overtakes = exists().where(worded.c.object_id == OUTBOX.c.object_id, worded.c.slot.is_not(None))
    hour = type_coerce(OUTBOX.c.created_at, BigInteger) % MILLISECONDS_OF_A_DAY
    tied = (OUTBOX.c.actor_id == actor_id, OUTBOX.c.slot.is_(None), or_(OUTBOX.c.group_id != 0, hour != 0), ~overtakes)
    columns = (OUTBOX.c.id, OUTBOX.c.ordering_key, OUTBOX.c.created_at)
    rows = uow.connection.execute(select(*columns).where(*tied).order_by(OUTBOX.c.id).limit(limit)).fetchall()
    if not rows:
        return 0
    values = [
        {"item": row.id, "key": _untied(uow, actor_id, row.ordering_key), "day": first_moment_of(row.created_at)}
        for row in rows
    ]
    at: dict[str, Any] = {"ordering_key": bindparam("key"), "created_at": bindparam("day")}
    uow.connection.execute(update(DELIVERIES).where(DELIVERIES.c.outbox_id == bindparam("item")).values(at), values)
    uow.connection.execute(update(OUTBOX).where(OUTBOX.c.id == bindparam("item")).values({**at, "group_id": 0}), values)
    return len(rows)


def _untied(uow: UnitOfWork, actor_id: int, key: int) -> int:
    """Return a key that keeps the same letters in order, and leads to no thread and no group."""
    return int.from_bytes(uow.vault.mac("untied", b"%d/%d" % (actor_id, key))[:8], "big") & MAX_ID or 1


def _end_posts(uow: UnitOfWork, uris: Uris, author: ActorView, limit: int) -> int:
    mine = select(*ENDING).where(POSTS.c.author_id == author.id, POSTS.c.state.in_(("live", "held")))
    rows = uow.connection.execute(mine.order_by(POSTS.c.id).limit(limit)).fetchall()
    if not rows:
        return 0
    hide(uow, rows)
    groups = groups_of(uow, sorted({row.group_id for row in rows}))
    for row in rows:
        me = (author.id, author.uri)
        tell_of_end(uow, uris, row, groups[row.group_id], me, author=me if row.local else None)
    return len(rows)


def _end_name(uow: UnitOfWork, uris: Uris, actor: ActorView) -> None:
    """Tell every server that knows the persona, leave its places, and take its name from it: all or nothing."""
    was_findable = GroupPublications(uris).is_findable(uow, actor)
    _tell_of_end(uow, uris, actor.id, actor.uri)
    uow.connection.execute(delete(MEMBERSHIPS).where(_places_of(uow, actor.id)))
    actors.retire_actor(uow, actor.id, was_findable=was_findable)


def _places_of(uow: UnitOfWork, persona_id: int) -> ColumnElement[bool]:
    # A ban keeps out whoever has this name among theirs. Where nobody has it any more, it keeps out nobody.
    kept = MEMBERSHIPS.c.state == "banned" if personas.is_somebody_s(uow, persona_id) else false()
    return and_(MEMBERSHIPS.c.actor_id == persona_id, ~kept)


def _forget_traces(uow: UnitOfWork, persona_id: int, limit: int) -> bool:
    """Delete the next rows that name a persona, of one table; false when there are none in any."""
    answers = select(POSTS.c.id).where(POSTS.c.parent_author_id == persona_id).limit(limit)
    forgotten = update(POSTS).where(POSTS.c.id.in_(answers)).values(parent_author_id=None)
    if uow.connection.execute(forgotten).rowcount or end_reports(uow, by_or_about([persona_id])):
        return True
    for table, condition in (
        (MEMBERSHIPS, _places_of(uow, persona_id)),
        (REACTIONS, REACTIONS.c.actor_id == persona_id),
        (MENTIONS, MENTIONS.c.actor_id == persona_id),
        (BOOKMARKS, BOOKMARKS.c.actor_id == persona_id),
        (NOTIFICATIONS, NOTIFICATIONS.c.persona_id == persona_id),
        (NOTIFICATIONS, NOTIFICATIONS.c.actor_id == persona_id),
        (FOLLOWS, FOLLOWS.c.follower_id == persona_id),
        (FOLLOWS, FOLLOWS.c.target_id == persona_id),
        (INVITATIONS, INVITATIONS.c.made_by == persona_id),
        # Its other posts go with their keys (`groups.endings.clean`).
        (POSTS, and_(POSTS.c.author_id == persona_id, POSTS.c.state == "shredded")),
    ):
        if _delete_some(uow, table, condition, limit):
            return True
    return False


def _delete_some(uow: UnitOfWork, table: Table, condition: ColumnElement[bool], limit: int) -> int:
    keys = list(table.primary_key.columns)
    some: Any = select(*keys).where(condition).limit(limit)
    chosen = keys[0].in_(some) if len(keys) == 1 else tuple_(*keys).in_(some)
    count: int = uow.connection.execute(delete(table).where(chosen)).rowcount
    return count


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
    joined = select(MEMBERSHIPS.c.group_id).where(MEMBERSHIPS.c.actor_id == persona_id)
    elsewhere = joined.join(GROUPS, GROUPS.c.id == MEMBERSHIPS.c.group_id).where(GROUPS.c.local.is_(False))
    following = select(FOLLOWS.c.follower_id).where(FOLLOWS.c.target_id == persona_id)
    return one_inbox_each(LEDGER.c.object_id.in_(written), or_(ACTORS.c.id.in_(elsewhere), ACTORS.c.id.in_(following)))


def one_inbox_each(copies: ColumnElement[bool], acquainted: ColumnElement[bool]) -> Select[tuple[str, str]]:
    """Return the hosts that hold some copies, or whose actors are acquainted, each with one inbox."""
    no_other = cast(null(), String()).label("shared_inbox")
    holders = select(LEDGER.c.host, LEDGER.c.inbox, no_other).where(copies)
    known = select(ACTORS.c.host, ACTORS.c.inbox, ACTORS.c.shared_inbox).where(ACTORS.c.local.is_(False), acquainted)
    both = union(holders, known).subquery()
    inbox = func.coalesce(func.min(both.c.shared_inbox), func.min(both.c.inbox)).label("inbox")
    return select(both.c.host, inbox).group_by(both.c.host)


WHO_KNOWS = _who_knows()
