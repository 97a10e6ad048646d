"""How a persona ends: its posts first, a batch at a time, then its places, then its name (product decision 18).

Other servers are told by a Delete of each post that they got, and at the end by one of the actor. Its signing keys live
on until those are through; its subject secret is destroyed with the first step of `privacy.retention` after this.
"""

from sqlalchemy import BigInteger, Select, bindparam, delete, or_, select, union, update

from activitypub import actors
from activitypub.models import LedgerEntry
from activitypub.queueing import Outgoing, enqueue
from activitypub.uris import Uris
from groups import translation
from groups.endings import groups_of, hide, tell_of_end
from groups.errors import NotFound
from groups.membership import LEFT_FOR
from groups.models import Bookmark, Invitation, Notification, PersonFollow
from groups.people import ACTORS
from groups.places import GROUPS, MEMBERSHIPS
from groups.showing import MENTIONS, POSTS, REACTIONS
from privacy.personas import retire_persona
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of

BOOKMARKS, NOTIFICATIONS = table_of(Bookmark), table_of(Notification)
FOLLOWS, INVITATIONS, LEDGER = table_of(PersonFollow), table_of(Invitation), table_of(LedgerEntry)
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
    _tell_of_end(uow, uris, persona_id, actor.uri)
    places = (MEMBERSHIPS.c.actor_id == persona_id, MEMBERSHIPS.c.state != "banned")
    uow.connection.execute(
        update(MEMBERSHIPS).where(*places).values(state="left", role="member", ends_at=uow.now + LEFT_FOR)
    )
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
    retire_persona(uow, persona_id)
    actors.retire_actor(uow, persona_id)


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
    """Return host and inbox of whoever knows the persona `gone`."""
    persona_id = bindparam("gone", type_=BigInteger())
    written = select(POSTS.c.id).where(POSTS.c.author_id == persona_id)
    holders = select(LEDGER.c.host, LEDGER.c.inbox).where(LEDGER.c.object_id.in_(written))
    joined = select(MEMBERSHIPS.c.group_id).where(MEMBERSHIPS.c.actor_id == persona_id)
    elsewhere = joined.join(GROUPS, GROUPS.c.id == MEMBERSHIPS.c.group_id).where(GROUPS.c.local.is_(False))
    following = select(FOLLOWS.c.follower_id).where(FOLLOWS.c.target_id == persona_id)
    known = select(ACTORS.c.host, ACTORS.c.inbox).where(
        ACTORS.c.local.is_(False), or_(ACTORS.c.id.in_(elsewhere), ACTORS.c.id.in_(following))
    )
    both = union(holders, known).subquery()
    return select(both.c.host, both.c.inbox)


WHO_KNOWS = _who_knows()
