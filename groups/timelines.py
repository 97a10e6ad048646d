"""Reading: timelines, threads and single posts, each through the one visibility rule."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, CompoundSelect, Row, Select, and_, literal, select, union_all

from groups.errors import NotFound
from groups.models import Bookmark, Reaction
from groups.places import MEMBERSHIPS, group
from groups.policy import PARTICIPANTS
from groups.showing import POSTS, show
from groups.views import Page, PostView, Thread, Viewer
from groups.visibility import GROUPS, Onlooker, visible_to
from privacy.unit_of_work import UnitOfWork, table_of

REACTIONS, BOOKMARKS = table_of(Reaction), table_of(Bookmark)
MAX_PAGE = 80
MAX_THREAD = 1_000
MAX_ANCESTORS = 100
MAX_GROUPS_AT_HOME = 400


def home_timeline(uow: UnitOfWork, persona_id: int, page: Page) -> list[PostView]:
    """Return the newest posts of the groups that a persona lets into its home."""
    home = and_(
        MEMBERSHIPS.c.actor_id == persona_id,
        MEMBERSHIPS.c.state == "active",
        MEMBERSHIPS.c.role.in_(PARTICIPANTS),
        MEMBERSHIPS.c.exclusive.is_(False),
    )
    mine = select(MEMBERSHIPS.c.group_id).where(home).order_by(MEMBERSHIPS.c.group_id).limit(MAX_GROUPS_AT_HOME)
    group_ids = list(uow.connection.execute(mine).scalars())
    if not group_ids:
        return []
    viewer = Viewer(persona_id)
    # The top of each group, then the top of those: groups that are quiet cost no scan of the others (stack §2).
    parts = [_paged(_ids(uow, viewer).where(POSTS.c.group_id == one), page) for one in group_ids]
    return _page_of(uow, viewer, union_all(*(select(part.subquery().c.id) for part in parts)), page)


def group_timeline(
    uow: UnitOfWork, viewer: Viewer, group_id: int, page: Page, *, threads_only: bool = False
) -> list[PostView]:
    """Return the newest posts of one group, or only those that begin a thread. Raises NotFound."""
    group(uow, viewer, group_id)
    ids = _ids(uow, viewer).where(POSTS.c.group_id == group_id, POSTS.c.audience == "group")
    if threads_only:
        ids = ids.where(POSTS.c.thread_id == POSTS.c.id)
    return _page_of(uow, viewer, _paged(ids, page), page)


def author_timeline(
    uow: UnitOfWork, viewer: Viewer, author_id: int, page: Page, *, replies: bool = True
) -> list[PostView]:
    """Return the newest posts of one author that the viewer may see."""
    ids = _ids(uow, viewer).where(POSTS.c.author_id == author_id)
    if not replies:
        ids = ids.where(POSTS.c.thread_id == POSTS.c.id)
    return _page_of(uow, viewer, _paged(ids, page), page)


def bookmarks(uow: UnitOfWork, persona_id: int, page: Page) -> list[PostView]:
    """Return what a persona kept and may still see."""
    mine = select(BOOKMARKS.c.post_id).where(BOOKMARKS.c.actor_id == persona_id)
    ids = _ids(uow, Viewer(persona_id)).where(POSTS.c.id.in_(mine))
    return _page_of(uow, Viewer(persona_id), _paged(ids, page), page)


def favourites(uow: UnitOfWork, persona_id: int, page: Page) -> list[PostView]:
    """Return what a persona supported and may still see."""
    mine = select(REACTIONS.c.post_id).where(REACTIONS.c.actor_id == persona_id)
    ids = _ids(uow, Viewer(persona_id)).where(POSTS.c.id.in_(mine))
    return _page_of(uow, Viewer(persona_id), _paged(ids, page), page)


def post(uow: UnitOfWork, viewer: Viewer, post_id: int) -> PostView:
    """Return one post. Raises NotFound for what is not there or not for this viewer."""
    found = posts(uow, viewer, [post_id])
    if not found:
        raise NotFound(f"post {post_id}")
    return found[0]


def posts(uow: UnitOfWork, viewer: Viewer, ids: Sequence[int]) -> list[PostView]:
    """Return those of the posts that the viewer may see, in the order asked."""
    wanted = list(dict.fromkeys(ids))[:MAX_PAGE]
    rows = _rows(uow, viewer, POSTS.c.id.in_(wanted))
    shown = {view.id: view for view in show(uow, viewer, rows)}
    return [shown[post_id] for post_id in wanted if post_id in shown]


def post_by_uri(uow: UnitOfWork, viewer: Viewer, uri: str) -> PostView:
    """Return a post by its address on the wire. Raises NotFound."""
    found = show(uow, viewer, _rows(uow, viewer, POSTS.c.uri == uri))
    if not found:
        raise NotFound("post by address")
    return found[0]


def thread(uow: UnitOfWork, viewer: Viewer, post_id: int) -> Thread:
    """Return a post with what it answers and what answers it. Raises NotFound.

    What the viewer may not see, or what has ended, leaves a gap: its answers are still shown.
    """
    here = post(uow, viewer, post_id)
    oldest_first = _query(uow, viewer).where(POSTS.c.thread_id == here.thread_id).order_by(POSTS.c.id).limit(MAX_THREAD)
    views = {view.id: view for view in show(uow, viewer, uow.connection.execute(oldest_first).fetchall())}
    views[here.id] = here
    return Thread(tuple(_ancestors(views, here)), here, tuple(_descendants(views, here)))


def _ancestors(views: dict[int, PostView], here: PostView) -> list[PostView]:
    found: list[PostView] = []
    parent = here.parent_id
    while parent is not None and parent in views and len(found) < MAX_ANCESTORS:
        found.append(views[parent])
        parent = views[parent].parent_id
    if here.parent_id is not None and not found and here.thread_id in views and here.thread_id != here.id:
        found.append(views[here.thread_id])
    return found[::-1]


def _descendants(views: dict[int, PostView], here: PostView) -> list[PostView]:
    """Return the answers in the order of the tree; those whose parent is gone follow the beginning of the thread."""
    children: dict[int, list[PostView]] = {}
    for view in sorted(views.values(), key=lambda view: view.id):
        if view.id != view.thread_id:
            parent = view.parent_id if view.parent_id in views else view.thread_id
            children.setdefault(parent or view.thread_id, []).append(view)
    ordered: list[PostView] = []
    waiting = children.get(here.id, [])[::-1]
    while waiting:
        view = waiting.pop()
        ordered.append(view)
        waiting.extend(children.get(view.id, [])[::-1])
    return ordered


def _query(uow: UnitOfWork, viewer: Viewer) -> Select[Any]:
    allowed = visible_to(Onlooker(viewer.actor_id), uow.now)
    return select(POSTS).join(GROUPS, GROUPS.c.id == POSTS.c.group_id).where(allowed)


def _ids(uow: UnitOfWork, viewer: Viewer) -> Select[tuple[int]]:
    allowed = visible_to(Onlooker(viewer.actor_id), uow.now)
    return select(POSTS.c.id).join(GROUPS, GROUPS.c.id == POSTS.c.group_id).where(allowed)


def _rows(uow: UnitOfWork, viewer: Viewer, condition: ColumnElement[bool]) -> Sequence[Row[Any]]:
    return uow.connection.execute(_query(uow, viewer).where(condition)).fetchall()


def _paged(query: Select[tuple[int]], page: Page) -> Select[tuple[int]]:
    if page.max_id is not None:
        query = query.where(POSTS.c.id < _big(page.max_id))
    if page.since_id is not None:
        query = query.where(POSTS.c.id > _big(page.since_id))
    if page.min_id is not None:
        query = query.where(POSTS.c.id > _big(page.min_id))
    order = POSTS.c.id.asc() if page.min_id is not None else POSTS.c.id.desc()
    return query.order_by(order).limit(min(page.limit, MAX_PAGE))


def _page_of(
    uow: UnitOfWork, viewer: Viewer, ids: Select[tuple[int]] | CompoundSelect[tuple[int]], page: Page
) -> list[PostView]:
    """Show the posts of a page of ids, newest first."""
    chosen = ids.subquery()
    order = chosen.c.id.asc() if page.min_id is not None else chosen.c.id.desc()
    wanted = select(chosen.c.id).order_by(order).limit(min(page.limit, MAX_PAGE))
    found = list(uow.connection.execute(wanted).scalars())
    rows = uow.connection.execute(select(POSTS).where(POSTS.c.id.in_(found)).order_by(POSTS.c.id.desc())).fetchall()
    return show(uow, viewer, rows)


def _big(value: int) -> ColumnElement[int]:
    return literal(value, BigInteger())
