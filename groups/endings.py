"""How posts end: hidden at once, then their keys destroyed, then their rows emptied (privacy reference §4.5).

Whatever ends a post goes through here: its author, somebody who looks after the group, its own time, or a Delete from
elsewhere.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import LargeBinary, Row, bindparam, delete, exists, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from activitypub.models import Delivery, LedgerEntry, OutboxItem, Tombstone
from activitypub.uris import Uris
from groups.distribution import Parcel, spread_delete
from groups.models import Bookmark, Mention, Notification, Pin, Post, Reaction
from groups.people import ACTORS
from groups.places import GROUPS
from groups.translation import GroupFacts
from privacy.models import ShredJob
from privacy.records import new_id
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork, table_of

POSTS, MENTIONS, REACTIONS, BOOKMARKS = table_of(Post), table_of(Mention), table_of(Reaction), table_of(Bookmark)
NOTIFICATIONS, OUTBOX, TOMBSTONES, LEDGER = (
    table_of(Notification),
    table_of(OutboxItem),
    table_of(Tombstone),
    table_of(LedgerEntry),
)
PINS = table_of(Pin)
SHRED_JOBS, DELIVERIES = table_of(ShredJob), table_of(Delivery)
ENDING = tuple(
    POSTS.c[name] for name in ("id", "uri", "group_id", "author_id", "thread_id", "audience", "local", "slot")
)
"""What is read of a post that ends: never its words."""
_ENDED = Prepared(
    select(TOMBSTONES.c.ended_on).where(TOMBSTONES.c.uri_hash == bindparam("ended_hash", type_=LargeBinary()))
)
KIND = "posts"
LEDGER_KEPT_FOR = timedelta(days=90)
UNDONE_FOR = timedelta(days=2)


def end_post(uow: UnitOfWork, uris: Uris, row: Row[Any], *, by_id: int, own: bool) -> None:
    """End one post now, and tell every server that got it; a removal by somebody else carries an empty reason."""
    hide(uow, [row])
    query = select(ACTORS.c.id, ACTORS.c.uri).where(ACTORS.c.id.in_((by_id, row.author_id)))
    found = {actor.id: (actor.id, actor.uri) for actor in uow.connection.execute(query)}
    reason, author = None if own else "", found[row.author_id] if row.local else None
    tell_of_end(uow, uris, row, group_of(uow, row.group_id), found[by_id], reason=reason, author=author)


def hide(uow: UnitOfWork, rows: Sequence[Row[Any]]) -> None:
    """Take posts out of every reader's sight, and order their keys destroyed; what is hidden already is left alone."""
    wanted = update(POSTS).where(POSTS.c.id.in_([row.id for row in rows]), POSTS.c.state.in_(("live", "held")))
    found = set(uow.connection.execute(wanted.values(state="hidden").returning(POSTS.c.id)).scalars())
    # Somebody else may have ended one of them at this very moment.
    rows = [row for row in rows if row.id in found]
    ids = [row.id for row in rows]
    if not ids:
        return
    uow.connection.execute(delete(NOTIFICATIONS).where(NOTIFICATIONS.c.post_id.in_(ids)))
    jobs = [
        {
            "id": new_id(),
            "kind": KIND,
            "target_id": row.id,
            "slot": row.slot,
            "created_at": uow.now,
            "due_at": uow.now,
            "attempts": 0,
        }
        for row in rows
    ]
    uow.connection.execute(insert(SHRED_JOBS), jobs)
    _remember(uow, rows)
    ends = uow.now + LEDGER_KEPT_FOR
    uow.connection.execute(update(LEDGER).where(LEDGER.c.object_id.in_(ids)).values(ends_at=ends))
    uow.wake("retention")


def end_some_of(uow: UnitOfWork, uris: Uris, author_id: int, limit: int) -> int:
    """End the next posts of somebody elsewhere who is gone, at most so many; return how many that were.

    Each group of this node withdraws them itself: what the author's server says of its actor names none of them.
    """
    theirs = (POSTS.c.author_id == author_id, POSTS.c.state.in_(("live", "held")))
    rows = uow.connection.execute(select(*ENDING).where(*theirs).order_by(POSTS.c.id).limit(limit)).fetchall()
    if rows:
        hide(uow, rows)
        groups = groups_of(uow, sorted({row.group_id for row in rows}))
        for row in rows:
            group = groups[row.group_id]
            tell_of_end(uow, uris, row, group, (group.id, group.uri))
    return len(rows)


def tell_of_end(
    uow: UnitOfWork,
    uris: Uris,
    row: Row[Any],
    group: GroupFacts,
    actor: tuple[int, str],
    *,
    reason: str | None = None,
    author: tuple[int, str] | None = None,
) -> None:
    """Send the Deletes of a post that has ended; they carry none of its words, so they need none of its keys."""
    parcel = Parcel(post_id=row.id, group_id=row.group_id, thread_id=row.thread_id, secrets=None, expires_at=None)
    direct = row.audience == "direct"
    spread_delete(uow, uris, actor, row.uri, parcel, group, reason=reason, author=author, direct=direct)


def group_of(uow: UnitOfWork, group_id: int) -> GroupFacts:
    """Return the facts of a group for telling others of an end."""
    return groups_of(uow, [group_id])[group_id]


def groups_of(uow: UnitOfWork, group_ids: Sequence[int]) -> dict[int, GroupFacts]:
    """Return the facts of some groups, by id."""
    query = select(ACTORS, GROUPS.c.audience).join(GROUPS, GROUPS.c.id == ACTORS.c.id).where(GROUPS.c.id.in_(group_ids))
    return {row.id: facts_of(row) for row in uow.connection.execute(query)}


def facts_of(row: Any) -> GroupFacts:
    """Return the facts of a group from its actor's row joined with its `audience`."""
    return GroupFacts(
        id=row.id,
        uri=row.uri,
        handle=row.handle,
        host=row.host,
        followers=row.followers or f"{row.uri}/followers",
        inbox=row.inbox,
        local=row.local,
        audience=row.audience,
    )


def clean(uow: UnitOfWork, ids: Sequence[int]) -> None:
    """Empty the rows of posts whose keys are gone, and drop what hangs on them; safe to repeat.

    The rows of somebody of this node who is gone go altogether: they would tell in which groups that was.
    """
    emptied = update(POSTS).where(POSTS.c.id.in_(ids)).values(body=None, state="shredded")
    uow.connection.execute(emptied)
    for table, column in (
        (MENTIONS, MENTIONS.c.post_id),
        (REACTIONS, REACTIONS.c.post_id),
        (BOOKMARKS, BOOKMARKS.c.post_id),
        (PINS, PINS.c.post_id),
    ):
        uow.connection.execute(delete(table).where(column.in_(ids)))
    _take_words_back(uow, ids)
    gone = exists().where(ACTORS.c.id == POSTS.c.author_id, ACTORS.c.local.is_(True), ACTORS.c.state == "gone")
    uow.connection.execute(delete(POSTS).where(POSTS.c.id.in_(ids), gone))


def _take_words_back(uow: UnitOfWork, ids: Sequence[int]) -> None:
    """Drop what still waits to be sent of posts whose keys are gone; their Deletes are sealed by day and go out.

    What is being sent at this moment keeps its place until that is through: else a Delete would overtake it.
    """
    worded = (OUTBOX.c.object_id.in_(ids), OUTBOX.c.slot.is_not(None))
    items = select(OUTBOX.c.id).where(*worded)
    uow.connection.execute(delete(DELIVERIES).where(DELIVERIES.c.outbox_id.in_(items), DELIVERIES.c.lease.is_(None)))
    under_way = exists().where(DELIVERIES.c.outbox_id == OUTBOX.c.id)
    uow.connection.execute(delete(OUTBOX).where(*worded, ~under_way))
    uow.connection.execute(update(OUTBOX).where(*worded).values(audience=None))


def tombstone_hash(uow: UnitOfWork, uri: str) -> bytes:
    """Return the keyed hash under which the end of a thing with this address is remembered."""
    return uow.vault.mac("tombstone", uri.encode())


def has_ended(uow: UnitOfWork, uri: str) -> bool:
    """Tell whether something with this address ended here before, so that it must not come back (S-319)."""
    known = select(TOMBSTONES.c.ended_on).where(TOMBSTONES.c.uri_hash == tombstone_hash(uow, uri))
    return uow.connection.execute(known).first() is not None


def remember_end(uow: UnitOfWork, uri: str, *, was_public: bool) -> None:
    """Remember that something with this address has ended, also when it never came."""
    _write_tombstones(uow, [{"uri_hash": tombstone_hash(uow, uri), "was_public": was_public, "ended_on": uow.now}])


def remember_undone(uow: UnitOfWork, actor_uri: str, uri: str) -> None:
    """Remember for two days that an actor undid something that has not come yet (federation reference §4.5)."""
    mark = {"uri_hash": _undone_hash(uow, actor_uri, uri), "was_public": False, "ended_on": uow.now}
    _write_tombstones(uow, [mark | {"ends_at": uow.now + UNDONE_FOR}])


def was_undone(uow: UnitOfWork, actor_uri: str, uri: str) -> bool:
    """Tell whether an actor's Undo of something came before the thing itself."""
    return _ENDED.value(uow, {"ended_hash": _undone_hash(uow, actor_uri, uri)}) is not None


def note_for_a_while(uow: UnitOfWork, what: str, uri: str, span: timedelta) -> None:
    """Remember something of an address for a time, by a keyed hash."""
    mark = {"uri_hash": uow.vault.mac(what, uri.encode()), "was_public": False, "ended_on": uow.now}
    _write_tombstones(uow, [mark | {"ends_at": uow.now + span}])


def was_noted(uow: UnitOfWork, what: str, uri: str) -> bool:
    """Tell whether something is remembered of an address, and its time is not over."""
    noted = (TOMBSTONES.c.uri_hash == uow.vault.mac(what, uri.encode()), TOMBSTONES.c.ends_at > uow.now)
    return uow.connection.execute(select(TOMBSTONES.c.ended_on).where(*noted)).first() is not None


def _undone_hash(uow: UnitOfWork, actor_uri: str, uri: str) -> bytes:
    return uow.vault.mac("undone", actor_uri.encode(), uri.encode())


def _remember(uow: UnitOfWork, rows: Sequence[Row[Any]]) -> None:
    public = set(
        uow.connection.execute(
            select(GROUPS.c.id).where(GROUPS.c.id.in_({row.group_id for row in rows}), GROUPS.c.audience == "public")
        ).scalars()
    )
    _write_tombstones(
        uow,
        [
            {
                "uri_hash": tombstone_hash(uow, row.uri),
                "was_public": row.group_id in public and row.audience == "group",
                "ended_on": uow.now,
            }
            for row in rows
        ],
    )


def _write_tombstones(uow: UnitOfWork, values: list[dict[str, Any]]) -> None:
    dialect = postgresql if uow.dialect == "postgresql" else sqlite
    uow.connection.execute(dialect.insert(TOMBSTONES).on_conflict_do_nothing(), values)
