"""News for a persona: rows of ids, numbered for each persona, gone after two weeks at the latest."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, delete, insert, literal, or_, select, update

from groups.errors import NotFound
from groups.models import Notification
from groups.people import cards
from groups.places import MEMBERSHIPS, group_views
from groups.policy import FACILITATORS, PARTICIPANTS
from groups.showing import POSTS, show
from groups.views import NotificationView, Page, Viewer
from groups.visibility import GROUPS, Onlooker, visible_to
from privacy.holding import RETIRED
from privacy.models import Persona
from privacy.records import MAX_ID
from privacy.unit_of_work import UnitOfWork, table_of

NOTIFICATIONS, PERSONAS = table_of(Notification), table_of(Persona)
NEWS_FOR = timedelta(days=14)


def notify(
    uow: UnitOfWork,
    actor_ids: Collection[int],
    *,
    kind: str,
    actor_id: int,
    group_id: int | None = None,
    post_id: int | None = None,
    until: datetime | None = None,
) -> None:
    """Give news to those of the actors who are personas of this node; `until` is when what it is about ends."""
    if actor_ids:
        _give(uow, PERSONAS.c.id.in_(sorted(actor_ids)), kind, actor_id, group_id, post_id, until)


def notify_members(
    uow: UnitOfWork,
    actor_ids: Collection[int],
    *,
    kind: str,
    actor_id: int,
    group_id: int,
    post_id: int,
    until: datetime,
) -> None:
    """Give news of a post to those of the actors who are personas of this node and in its group now."""
    if not actor_ids:
        return
    members = select(MEMBERSHIPS.c.actor_id).where(
        MEMBERSHIPS.c.group_id == group_id,
        MEMBERSHIPS.c.actor_id.in_(sorted(actor_ids)),
        MEMBERSHIPS.c.state == "active",
        MEMBERSHIPS.c.role.in_(PARTICIPANTS),
    )
    _give(uow, PERSONAS.c.id.in_(members), kind, actor_id, group_id, post_id, until)


def notify_facilitators(
    uow: UnitOfWork, group_id: int, *, kind: str, actor_id: int, post_id: int | None = None
) -> None:
    """Give news to those who look after a group."""
    caring = select(MEMBERSHIPS.c.actor_id).where(
        MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.state == "active", MEMBERSHIPS.c.role.in_(FACILITATORS)
    )
    _give(uow, PERSONAS.c.id.in_(caring), kind, actor_id, group_id, post_id, None)


def forget_news_of(uow: UnitOfWork, post_id: int, *, kind: str | None = None, actor_id: int | None = None) -> None:
    """Take back all news of a post, or only that of one kind by one actor."""
    conditions = [NOTIFICATIONS.c.post_id == post_id]
    if kind is not None:
        conditions += [NOTIFICATIONS.c.kind == kind, NOTIFICATIONS.c.actor_id == actor_id]
    uow.connection.execute(delete(NOTIFICATIONS).where(*conditions))


def notifications_of(
    uow: UnitOfWork,
    persona_id: int,
    page: Page,
    kinds: Sequence[str] | None = None,
    excluded: Sequence[str] = (),
) -> list[NotificationView]:
    """Return a persona's news, newest first, less what is about posts that it may not see any more."""
    where = [_alive(uow, persona_id), NOTIFICATIONS.c.kind.not_in(excluded)]
    if kinds is not None:
        where.append(NOTIFICATIONS.c.kind.in_(kinds))
    if page.max_id is not None:
        where.append(NOTIFICATIONS.c.number < page.max_id)
    newer_than = [bound for bound in (page.since_id, page.min_id) if bound is not None]
    where += [NOTIFICATIONS.c.number > bound for bound in newer_than]
    order = NOTIFICATIONS.c.number.asc() if page.min_id is not None else NOTIFICATIONS.c.number.desc()
    query = _still_visible(uow, persona_id, select(NOTIFICATIONS)).where(*where).order_by(order).limit(page.limit)
    rows = sorted(uow.connection.execute(query).fetchall(), key=lambda row: -int(row.number))
    return _views(uow, persona_id, rows)


def notification(uow: UnitOfWork, persona_id: int, number: int) -> NotificationView:
    """Return one piece of news of a persona. Raises NotFound."""
    if not 0 < number < MAX_ID:
        raise NotFound("notification")
    found = notifications_of(uow, persona_id, Page(limit=1, max_id=number + 1, since_id=number - 1))
    if not found:
        raise NotFound(f"notification {number}")
    return found[0]


def dismiss(uow: UnitOfWork, persona_id: int, number: int) -> None:
    """Forget one piece of news. Raises NotFound."""
    mine = and_(NOTIFICATIONS.c.persona_id == persona_id, NOTIFICATIONS.c.number == number)
    if uow.connection.execute(delete(NOTIFICATIONS).where(mine)).rowcount == 0:
        raise NotFound(f"notification {number}")


def clear(uow: UnitOfWork, persona_id: int) -> None:
    """Forget all news of a persona."""
    uow.connection.execute(delete(NOTIFICATIONS).where(NOTIFICATIONS.c.persona_id == persona_id))


def unread_count(uow: UnitOfWork, persona_id: int, read_up_to: int, limit: int) -> int:
    """Return how many pieces of news that would be shown are newer than a number, counting no further than `limit`."""
    newer = and_(_alive(uow, persona_id), NOTIFICATIONS.c.number > read_up_to)
    query = _still_visible(uow, persona_id, select(NOTIFICATIONS.c.number)).where(newer).limit(limit)
    return len(uow.connection.execute(query).fetchall())


def _give(
    uow: UnitOfWork,
    who: ColumnElement[bool],
    kind: str,
    actor_id: int,
    group_id: int | None,
    post_id: int | None,
    until: datetime | None,
) -> None:
    """Number and write the news of all concerned in two statements; the first locks their rows, in one order."""
    # Whoever is leaving gets none: it would stay behind.
    chosen = and_(who, PERSONAS.c.id != actor_id, PERSONAS.c.state != RETIRED)
    counted = (
        update(PERSONAS)
        .where(chosen)
        .values(notified=PERSONAS.c.notified + 1)
        .returning(PERSONAS.c.id, PERSONAS.c.notified)
    )
    rows = [
        {
            "persona_id": row.id,
            "number": row.notified,
            "kind": kind,
            "actor_id": actor_id,
            "group_id": group_id,
            "post_id": post_id,
            "created_at": uow.now,
            "expires_at": min(until or uow.now + NEWS_FOR, uow.now + NEWS_FOR),
        }
        for row in uow.connection.execute(counted).fetchall()
    ]
    if rows:
        uow.connection.execute(insert(NOTIFICATIONS), rows)


def _still_visible(uow: UnitOfWork, persona_id: int, query: Select[Any]) -> Select[Any]:
    """Leave out what is about posts that a persona may not see any more."""
    return (
        query.outerjoin(POSTS, POSTS.c.id == NOTIFICATIONS.c.post_id)
        .outerjoin(GROUPS, GROUPS.c.id == POSTS.c.group_id)
        .where(or_(NOTIFICATIONS.c.post_id.is_(None), visible_to(Onlooker(persona_id), uow.now)))
    )


def _alive(uow: UnitOfWork, persona_id: int) -> ColumnElement[bool]:
    return and_(
        NOTIFICATIONS.c.persona_id == literal(persona_id, NOTIFICATIONS.c.persona_id.type),
        NOTIFICATIONS.c.expires_at > uow.now,
    )


def _views(uow: UnitOfWork, persona_id: int, rows: Sequence[Row[Any]]) -> list[NotificationView]:
    faces = cards(uow, [row.actor_id for row in rows])
    groups = group_views(uow, [row.group_id for row in rows if row.group_id is not None])
    wanted = [row.post_id for row in rows if row.post_id is not None]
    posts = {}
    if wanted:
        found = uow.connection.execute(select(POSTS).where(POSTS.c.id.in_(wanted))).fetchall()
        posts = {view.id: view for view in show(uow, Viewer(persona_id), found)}
    return [
        NotificationView(
            number=row.number,
            kind=row.kind,
            created_at=row.created_at,
            actor=faces[row.actor_id],
            post=posts.get(row.post_id),
            group=groups.get(row.group_id),
        )
        for row in rows
        if row.actor_id in faces and (row.post_id is None or row.post_id in posts)
    ]
