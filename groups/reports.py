"""Reports: made here or elsewhere, read by those who look after the group, and never by whom they are about.

Who made one is told to nobody: what leaves is sent by the node's own actor (privacy reference §11.1, S-320). A report
is about a person and mostly about posts of theirs; nothing ever happens because of it but that somebody reads it.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import orjson
from sqlalchemy import ColumnElement, Row, and_, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from activitypub import actors
from activitypub.models import Peer
from activitypub.ports import Arrival
from activitypub.queueing import Outgoing, Secrets, enqueue_to
from activitypub.uris import Uris
from groups import translation
from groups.errors import Conflict, Invalid, NotFound
from groups.incoming import IncomingFlag
from groups.models import Report
from groups.notifications import notify_facilitators
from groups.people import ACTORS, cards, hold_actor, known_to
from groups.places import GROUPS, MEMBERSHIPS, group_views, standing_of
from groups.policy import PARTICIPANTS, Act, may
from groups.showing import POSTS, show
from groups.views import ActorCard, GroupView, PostView, Viewer
from groups.visibility import SHARED_AUDIENCES, Onlooker, visible_to
from privacy.models import ShredJob
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Place, Sealed, SealedBox

REPORTS, PEERS, SHRED_JOBS = table_of(Report), table_of(Peer), table_of(ShredJob)
KIND: Final = "reports"
KEPT: Final = timedelta(days=180)
"""How long a report is kept after it was made, and again after somebody said that it was dealt with."""
MAX_WORDS: Final = 2_000
MAX_POSTS: Final = 20
MAX_GROUPS: Final = 10
MOST_FROM_ELSEWHERE: Final = 100
"""How many reports from other servers wait in a group at once; more are dropped until some were looked at (S-311)."""
WITHOUT_WORDS: Final = "A member of another server reports this."
FROM_HERE, FROM_ELSEWHERE = "here", "elsewhere"


@dataclass(frozen=True, slots=True)
class NewReport:
    """What somebody here reports."""

    target_id: int
    post_ids: tuple[int, ...] = ()
    words: str = ""
    forward: bool = False
    """Whether the server of the person reported is told too."""
    with_words: bool = False
    """Whether what leaves carries the words."""


@dataclass(frozen=True, slots=True)
class ReportView:
    """A report as those who look after a group read it: never who made it."""

    id: int
    target: ActorCard
    post: PostView | None
    """The post, as long as it can be read."""
    about_post: bool
    words: str
    source: str
    """`here` or `elsewhere`."""
    made_on: datetime


@dataclass(frozen=True, slots=True)
class _Aim:
    """One thing that is reported: somebody in a group, and a post of theirs there or 0."""

    group_id: int
    target_id: int
    post_id: int


# ── by people here ───────────────────────────────────────────────────────────────────────────────────────────────────


def file_report(uow: UnitOfWork, uris: Uris, by_id: int, new: NewReport) -> tuple[int, ActorCard]:
    """Report somebody, and posts of theirs, to those who look after the groups in which that happened.

    Returns the id of the report, and whom it is about. A report about a group elsewhere, or in it, goes to its server.
    Raises NotFound for what the reporter does not know of, Invalid.
    """
    hold_actor(uow, by_id)
    if len(new.words) > MAX_WORDS:
        raise Invalid({"comment": f"Please say it in {MAX_WORDS} characters."})
    known = select(ACTORS).where(ACTORS.c.id == new.target_id, known_to(Viewer(by_id)))
    target = uow.connection.execute(known).first()
    posts = _posts_of(uow, by_id, new)
    if target is None and not posts:
        raise NotFound(f"actor {new.target_id}")
    aims = [_Aim(row.group_id, new.target_id, row.id) for row in posts] or _shared(uow, by_id, new.target_id)
    if not aims:
        raise Invalid({"account_id": "You share no group with them. Nothing was reported."})
    local = {row.id for row in _groups(uow, {aim.group_id for aim in aims}) if row.local}
    first = 0
    for aim in aims:
        report_id, sealed = _store(uow, aim, by_id, new.words, FROM_HERE)
        first = first or report_id
        if sealed is not None and aim.group_id in local:
            _tell(uow, aim)
        if sealed is not None and (new.forward or aim.group_id not in local):
            _forward(uow, uris, aim, new, Secrets(by_id, sealed.bucket, sealed.slot))
    return first, cards(uow, [new.target_id])[new.target_id]


def other_server(post: PostView) -> str | None:
    """Return the server that a report about a post can be sent to, or None where there is no other."""
    if not post.group.card.local:
        return post.group.card.host
    return None if post.author.local or post.group.audience == "none" else post.author.host


def reports_of(uow: UnitOfWork, by: int | None, group_id: int) -> tuple[GroupView, list[ReportView]]:
    """Return the open reports of a group, the oldest first, to one who looks after it and is not their subject.

    `by` None is the operator. Raises NotFound, NotAllowed.
    """
    if by is not None:
        may(Act.SEE_REPORTS, standing_of(uow, group_id, by)).or_raise()
    rows = uow.connection.execute(select(REPORTS).where(*_open(group_id, by)).order_by(REPORTS.c.made_on, REPORTS.c.id))
    found = rows.fetchall()
    words = uow.vault.open_many([_box(row) for row in found])
    faces = cards(uow, {row.target_id for row in found})
    posts = _shown(uow, by or group_id, [row.post_id for row in found if row.post_id])
    return group_views(uow, [group_id])[group_id], [
        ReportView(
            id=row.id,
            target=faces[row.target_id],
            post=posts.get(row.post_id),
            about_post=bool(row.post_id),
            words=orjson.loads(content)["words"],
            source=row.source,
            made_on=row.made_on,
        )
        for row, content in zip(found, words, strict=True)
        if content is not None and row.target_id in faces
    ]


def waiting(uow: UnitOfWork, by: int, group_id: int) -> int:
    """Return how many reports of a group wait for one who looks after it."""
    query = select(func.count()).select_from(REPORTS).where(*_open(group_id, by))
    return int(uow.connection.execute(query).scalar_one())


def close_report(uow: UnitOfWork, by: int, group_id: int, report_id: int) -> None:
    """Say that a report was dealt with. Raises NotFound, NotAllowed, Conflict."""
    may(Act.SEE_REPORTS, standing_of(uow, group_id, by)).or_raise()
    where = (REPORTS.c.id == report_id, REPORTS.c.group_id == group_id, REPORTS.c.target_id != by)
    row = uow.connection.execute(select(REPORTS.c.closed_on).where(*where, REPORTS.c.state == "live")).first()
    if row is None:
        raise NotFound(f"report {report_id}")
    if row.closed_on is not None:
        raise Conflict(f"report {report_id}", public="Somebody has dealt with this report already.")
    uow.connection.execute(update(REPORTS).where(*where).values(closed_on=uow.now, expires_at=uow.now + KEPT))


# ── from elsewhere ───────────────────────────────────────────────────────────────────────────────────────────────────


def receive_flag(uow: UnitOfWork, uris: Uris, arrival: Arrival, flag: IncomingFlag) -> None:
    """Take a report from another server to those who look after the groups that it is about; nothing else happens.

    What that server may not read it reports in vain, and nobody learns whether it was there.
    """
    for aim in _aims(uow, uris, arrival, flag)[:MAX_POSTS]:
        if _from_elsewhere(uow, aim.group_id) >= MOST_FROM_ELSEWHERE:
            continue
        _, sealed = _store(uow, aim, arrival.sender.id, flag.words[:MAX_WORDS], FROM_ELSEWHERE)
        if sealed is not None:
            _tell(uow, aim)


def _aims(uow: UnitOfWork, uris: Uris, arrival: Arrival, flag: IncomingFlag) -> list[_Aim]:
    host = arrival.sender.host
    trusted = uow.connection.execute(select(PEERS.c.level).where(PEERS.c.host == host)).scalar() == "allow"
    here = [local for uri in flag.objects if (local := uris.parse_local(uri)) is not None]
    passed_on = [int(local.token) for local in here if local.kind == "reemission" and local.token.isdecimal()]
    query = select(POSTS.c.id, POSTS.c.group_id, POSTS.c.author_id).join(GROUPS, GROUPS.c.id == POSTS.c.group_id)
    named = or_(POSTS.c.uri.in_(flag.objects), POSTS.c.id.in_(passed_on[:MAX_POSTS]))
    onlooker = Onlooker(host=host, trusted=trusted)
    rows = uow.connection.execute(query.where(named, GROUPS.c.local.is_(True), visible_to(onlooker, uow.now)))
    aims = [_Aim(row.group_id, row.author_id, row.id) for row in rows.fetchall()]
    return aims or _of_people(uow, flag, host, trusted=trusted)


def _from_elsewhere(uow: UnitOfWork, group_id: int) -> int:
    where = (*_open(group_id, None), REPORTS.c.source == FROM_ELSEWHERE)
    return int(uow.connection.execute(select(func.count()).select_from(REPORTS).where(*where)).scalar_one())


def _of_people(uow: UnitOfWork, flag: IncomingFlag, host: str, *, trusted: bool) -> list[_Aim]:
    """Return those groups of the people named that the report names itself, or else that its server reads along in."""
    people = uow.connection.execute(select(ACTORS.c.id).where(ACTORS.c.uri.in_(flag.objects), ACTORS.c.kind != "Group"))
    target_ids = list(people.scalars())
    named = select(ACTORS.c.id).where(ACTORS.c.uri.in_([*flag.addressed, *flag.objects]), ACTORS.c.kind == "Group")
    group_ids = list(uow.connection.execute(named).scalars())
    there = select(MEMBERSHIPS.c.group_id).join(ACTORS, ACTORS.c.id == MEMBERSHIPS.c.actor_id)
    there = there.where(ACTORS.c.host == host, ACTORS.c.local.is_(False), *_takes_part())
    shared = SHARED_AUDIENCES if trusted else SHARED_AUDIENCES[1:]
    reads = and_(GROUPS.c.audience.in_(shared), or_(GROUPS.c.audience == "public", GROUPS.c.id.in_(there)))
    query = select(MEMBERSHIPS.c.group_id, MEMBERSHIPS.c.actor_id).join(GROUPS, GROUPS.c.id == MEMBERSHIPS.c.group_id)
    query = query.where(MEMBERSHIPS.c.actor_id.in_(target_ids), *_takes_part(), GROUPS.c.local.is_(True), reads)
    if group_ids:
        query = query.where(GROUPS.c.id.in_(group_ids))
    rows = uow.connection.execute(query.order_by(GROUPS.c.id).limit(MAX_GROUPS))
    return [_Aim(row.group_id, row.actor_id, 0) for row in rows.fetchall()]


# ── how they end ─────────────────────────────────────────────────────────────────────────────────────────────────────


class ReportEraser:
    """What must happen when reports end: hidden, then their rows go with their keys."""

    def hide(self, uow: UnitOfWork, ids: Sequence[int]) -> None:
        """Hide reports whose time has come, and order their keys destroyed."""
        end_reports(uow, REPORTS.c.id.in_(ids))

    def clean(self, uow: UnitOfWork, ids: Sequence[int]) -> None:
        """Delete the rows of reports whose keys are gone."""
        uow.connection.execute(delete(REPORTS).where(REPORTS.c.id.in_(ids)))


def end_reports(uow: UnitOfWork, which: ColumnElement[bool]) -> int:
    """Hide some reports, and order their keys destroyed; return how many that were."""
    hidden = update(REPORTS).where(which, REPORTS.c.state == "live").values(state="hidden")
    rows = uow.connection.execute(hidden.returning(REPORTS.c.id, REPORTS.c.slot)).fetchall()
    due = {"created_at": uow.now, "due_at": uow.now, "attempts": 0}
    jobs = [{"id": new_id(), "kind": KIND, "target_id": row.id, "slot": row.slot, **due} for row in rows]
    if jobs:
        uow.connection.execute(SHRED_JOBS.insert(), jobs)
        uow.wake("retention")
    return len(jobs)


def by_or_about(actor_ids: Collection[int]) -> ColumnElement[bool]:
    """Return which reports some people made, or are about them."""
    return or_(REPORTS.c.subject_id.in_(actor_ids), REPORTS.c.target_id.in_(actor_ids))


# ── small parts ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _posts_of(uow: UnitOfWork, by_id: int, new: NewReport) -> list[Row[Any]]:
    """Return the posts that are reported. Raises NotFound for one that the reporter may not see, or of another."""
    wanted = list(dict.fromkeys(new.post_ids))
    if len(wanted) > MAX_POSTS:
        raise Invalid({"status_ids": f"Please report at most {MAX_POSTS} posts at once."})
    if not wanted:
        return []
    query = select(POSTS).join(GROUPS, GROUPS.c.id == POSTS.c.group_id)
    mine = (POSTS.c.id.in_(wanted), POSTS.c.author_id == new.target_id, visible_to(Onlooker(by_id), uow.now))
    rows = uow.connection.execute(query.where(*mine).order_by(POSTS.c.id)).fetchall()
    if len(rows) < len(wanted):
        raise NotFound("a reported post")
    return list(rows)


def _shared(uow: UnitOfWork, by_id: int, target_id: int) -> list[_Aim]:
    """Return the groups in which two people take part; a group elsewhere is reported to itself."""
    mine = select(MEMBERSHIPS.c.group_id).where(MEMBERSHIPS.c.actor_id == by_id, *_takes_part())
    query = select(MEMBERSHIPS.c.group_id).where(MEMBERSHIPS.c.actor_id == target_id, *_takes_part())
    shared = uow.connection.execute(query.where(MEMBERSHIPS.c.group_id.in_(mine)).limit(MAX_GROUPS)).scalars()
    elsewhere = [row.id for row in _groups(uow, [target_id]) if not row.local]
    return [_Aim(group_id, target_id, 0) for group_id in [*shared, *elsewhere]]


def _groups(uow: UnitOfWork, group_ids: Collection[int]) -> Sequence[Any]:
    query = select(GROUPS.c.id, GROUPS.c.local).where(GROUPS.c.id.in_(group_ids))
    return uow.connection.execute(query).fetchall()


def _takes_part() -> tuple[ColumnElement[bool], ...]:
    return (MEMBERSHIPS.c.state == "active", MEMBERSHIPS.c.role.in_(PARTICIPANTS))


def _store(uow: UnitOfWork, aim: _Aim, by_id: int, words: str, source: str) -> tuple[int, Sealed | None]:
    """Write a report down, once for each who makes it about the same; returns its id, and how it is sealed when new."""
    about = (REPORTS.c.group_id == aim.group_id, REPORTS.c.target_id == aim.target_id)
    same = (REPORTS.c.post_id == aim.post_id, REPORTS.c.subject_id == by_id)
    known = uow.connection.execute(select(REPORTS.c.id).where(*about, *same)).scalar()
    if known is not None:
        return int(known), None
    report_id = new_id()
    place = Place("reports", report_id, 0, aim.group_id)
    content = orjson.dumps({"words": words})
    # The period of its key is longer than it lasts at first: it begins anew when the report is closed.
    ends = uow.now + 2 * KEPT
    sealed = uow.vault.seal(place, content, kind="report", subject_id=by_id, now=uow.now, expires_at=ends)
    dialect = postgresql if uow.dialect == "postgresql" else sqlite
    row = {
        "id": report_id,
        "group_id": aim.group_id,
        "target_id": aim.target_id,
        "post_id": aim.post_id,
        "source": source,
        "state": "live",
        "made_on": uow.now,
        "closed_on": None,
        "expires_at": uow.now + KEPT,
        "subject_id": by_id,
        "bucket": sealed.bucket,
        "slot": sealed.slot,
        "revision": 0,
        "body": sealed.body,
    }
    stored = dialect.insert(REPORTS).values(**row).on_conflict_do_nothing().returning(REPORTS.c.id)
    return report_id, sealed if uow.connection.execute(stored).first() is not None else None


def _tell(uow: UnitOfWork, aim: _Aim) -> None:
    """Give news to those who look after the group, but not to whom the report is about."""
    post_id = aim.post_id or None
    notify_facilitators(uow, aim.group_id, kind="report", actor_id=aim.target_id, post_id=post_id)


def _forward(uow: UnitOfWork, uris: Uris, aim: _Aim, new: NewReport, secrets: Secrets) -> None:
    """Send a report, in the node's own name, to a group elsewhere, and if wanted to the server of whom it is about."""
    node = actors.actor_by_uri(uow, uris.instance_actor)
    ends = actors.actors_by_id(uow, [aim.group_id, aim.target_id])
    group, target = ends[aim.group_id], ends[aim.target_id]
    audience = uow.connection.execute(select(GROUPS.c.audience).where(GROUPS.c.id == aim.group_id)).scalar()
    if node is None or audience == "none":
        return
    post_uri = uow.connection.execute(select(POSTS.c.uri).where(POSTS.c.id == aim.post_id)).scalar()
    words = new.words if new.with_words and new.words else WITHOUT_WORDS
    readers = {reader.id: reader for reader in (group, target) if not reader.local}
    if not new.forward:
        readers.pop(target.id if target.id != group.id else 0, None)
    for reader in readers.values():
        # Lemmy and its kin read one thing at a time, addressed to the group; Mastodon wants the person first.
        to_group = reader.id == group.id and not group.local
        objects = [post_uri or target.uri] if to_group else _in_order([target.uri, post_uri])
        document = translation.to_flag(uris.activity(f"{new_id():x}"), node.uri, objects, reader.uri, words)
        outgoing = Outgoing(
            actor_id=node.id,
            kind="Flag",
            document=document,
            object_id=None,
            group_id=aim.group_id,
            secrets=secrets,
            ordering_key=new_id(),
            expires_at=None,
        )
        enqueue_to(uow, outgoing, [(reader.host, reader.inbox)])


def _in_order(uris: Iterable[str | None]) -> list[str]:
    return list(dict.fromkeys(uri for uri in uris if uri))


def _open(group_id: int, by: int | None) -> tuple[ColumnElement[bool], ...]:
    where = (REPORTS.c.group_id == group_id, REPORTS.c.state == "live", REPORTS.c.closed_on.is_(None))
    return where if by is None else (*where, REPORTS.c.target_id != by)


def _box(row: Row[Any]) -> SealedBox:
    place = Place("reports", row.id, row.revision, row.group_id)
    return SealedBox(place, row.subject_id, row.bucket, row.slot, row.body)


def _shown(uow: UnitOfWork, viewer_id: int, post_ids: Sequence[int]) -> dict[int, PostView]:
    query = select(POSTS).join(GROUPS, GROUPS.c.id == POSTS.c.group_id)
    allowed = visible_to(Onlooker(viewer_id), uow.now)
    rows = uow.connection.execute(query.where(POSTS.c.id.in_(post_ids), allowed)).fetchall()
    return {view.id: view for view in show(uow, Viewer(viewer_id), rows)}
