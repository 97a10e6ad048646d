"""News for a persona: rows of ids, numbered for each persona, gone after two weeks at the latest."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, and_, bindparam, delete, exists, insert, literal, or_, select, update

from activitypub.peers import PEERS
from activitypub.rules import CLOSED, LIMIT
from groups.errors import NotFound
from groups.models import Notification
from groups.people import cards
from groups.places import MEMBERSHIPS, SOMEBODY, group_views
from groups.policy import FACILITATORS, PARTICIPANTS
from groups.showing import POSTS, show
from groups.views import NotificationView, Page, Viewer
from groups.visibility import GROUPS, Onlooker, visible_to
from privacy.holding import RETIRED
from privacy.models import Persona
from privacy.records import MAX_ID
from privacy.unit_of_work import UnitOfWork, table_of

NOTIFICATIONS, PERSONAS = table_of(Notification), table_of(Persona)
PEOPLE_AT_ONCE = 500
NEWS_FOR = timedelta(days=14)
ASKED_FOR = frozenset({"join_request"})
"""News that asks for an answer: it comes from wherever anybody may ask."""
SEVERED, SEVERING, MEMBERS_SEVERED, MEMBERS_SEVERING = "severed", "severing", "members_severed", "members_severing"
"""That a place elsewhere is on hold, or will be; and for who looks after a group, that places of members in it are."""


@dataclass(frozen=True, slots=True)
class News:
    """A piece of news for one persona."""

    persona_id: int
    kind: str
    group_id: int
    """The group that it is about, which also stands for whoever caused it."""


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


def give_each(uow: UnitOfWork, news: Sequence[News]) -> None:
    """Give many people news, each their own, in a few statements however many they are."""
    told, numbers = Counter(item.persona_id for item in news), dict[int, int]()
    people = sorted(told)
    for start in range(0, len(people), PEOPLE_AT_ONCE):
        here = PERSONAS.c.id.in_(people[start : start + PEOPLE_AT_ONCE])
        query = select(PERSONAS.c.id, PERSONAS.c.notified).where(here, PERSONAS.c.state != RETIRED)
        numbers |= {
            row.id: row.notified for row in uow.connection.execute(query.order_by(PERSONAS.c.id).with_for_update())
        }
    rows = []
    for item in news:
        if item.persona_id in numbers:
            numbers[item.persona_id] += 1
            rows.append(_news_row(uow, item, numbers[item.persona_id]))
    if rows:
        counted = update(PERSONAS).where(PERSONAS.c.id == bindparam("of")).values(notified=bindparam("up_to"))
        uow.connection.execute(counted, [{"of": each, "up_to": number} for each, number in sorted(numbers.items())])
        uow.connection.execute(insert(NOTIFICATIONS), rows)


def those_who_look_after(uow: UnitOfWork, group_ids: Collection[int]) -> list[tuple[int, int]]:
    """Return group and actor for each who looks after one of some groups, in one statement."""
    caring = (MEMBERSHIPS.c.state == "active", MEMBERSHIPS.c.role.in_(FACILITATORS))
    query = select(MEMBERSHIPS.c.group_id, MEMBERSHIPS.c.actor_id).where(MEMBERSHIPS.c.group_id.in_(group_ids), *caring)
    return [(row.group_id, row.actor_id) for row in uow.connection.execute(query)] if group_ids else []


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
    if kind not in ASKED_FOR:
        chosen = and_(chosen, _may_be_news(actor_id, group_id))
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


def _news_row(uow: UnitOfWork, item: News, number: int) -> dict[str, object]:
    return {
        "persona_id": item.persona_id, "number": number, "kind": item.kind, "actor_id": item.group_id,
        "group_id": item.group_id, "post_id": None, "created_at": uow.now, "expires_at": uow.now + NEWS_FOR,
    }  # fmt: skip


def _may_be_news(actor_id: int, group_id: int | None) -> ColumnElement[bool]:
    """Return whether news of an actor may reach anybody: strangers of servers that are limited are not heard of."""
    of_server = select(literal(1)).select_from(SOMEBODY.join(PEERS, PEERS.c.host == SOMEBODY.c.host))
    of_server = of_server.where(SOMEBODY.c.id == actor_id, SOMEBODY.c.local.is_(False))
    held_off, limited = (exists(of_server.where(PEERS.c.level.in_(levels))) for levels in (sorted(CLOSED), [LIMIT]))
    member = exists().where(
        MEMBERSHIPS.c.group_id == (group_id or 0),
        MEMBERSHIPS.c.actor_id == actor_id,
        MEMBERSHIPS.c.state == "active",
        MEMBERSHIPS.c.role.in_(PARTICIPANTS),
    )
    return and_(~held_off, or_(~limited, member))


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
