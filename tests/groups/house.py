"""A house for the tests of the domain: people and groups here and elsewhere, and a look at what is stored and sent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import orjson
from sqlalchemy import Table, func, select, update

from activitypub import actors, peers
from activitypub.models import Delivery, LedgerEntry, OutboxItem
from activitypub.outbox import load_parcels
from activitypub.uris import Uris
from groups import composing, posting, timelines
from groups.errors import GroupsError
from groups.federation import erasers
from groups.models import Group, Membership, Post
from groups.views import Page, PostView, Viewer
from node.database import ThreadedDatabase
from privacy import retention
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import MovableClock
from tests.factories import make_group, make_member, make_persona, make_remote_actor

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
POSTS, DELIVERIES, ITEMS, GROUPS = table_of(Post), table_of(Delivery), table_of(OutboxItem), table_of(Group)
LEDGER, MEMBERSHIPS = table_of(LedgerEntry), table_of(Membership)


@dataclass(frozen=True, slots=True)
class Sent:
    """One activity on its way to one inbox, opened as the other server will read it."""

    inbox: str
    document: dict[str, Any]

    @property
    def host(self) -> str:
        """The host of the inbox."""
        return self.inbox.split("/")[2]

    @property
    def kind(self) -> str:
        """The activity's type, with that of what it embeds, or `id` for an address alone."""
        return shape_of(self.document)


@dataclass
class House:
    """A node's database with its people, and deeds done on it at the moment of the test's clock."""

    database: ThreadedDatabase
    uris: Uris
    clock: MovableClock
    names: dict[str, int] = field(default_factory=dict)

    def do(self, deed: Any, *args: Any, **kwargs: Any) -> Any:
        """Run a deed."""
        return self.database.write_now(deed, *args, **kwargs)

    def ask(self, question: Any, *args: Any, **kwargs: Any) -> Any:
        """Ask a question in a transaction that cannot write."""
        return self.database.read_now(question, *args, **kwargs)

    def person(self, handle: str, *groups: int, **columns: Any) -> int:
        """Make a persona of this node, a member of some groups."""
        return self._settle(handle, self.do(make_persona, self.uris, handle), groups, columns)

    def stranger(self, handle: str, host: str, *groups: int, kind: str = "Person", **columns: Any) -> int:
        """Make somebody of another server, a member of some groups."""
        made = self.do(make_remote_actor, handle, host, kind=kind)
        return self._settle(f"{handle}@{host}", made, groups, columns)

    def group(self, handle: str = "grief", **columns: Any) -> int:
        """Make a group of this node."""
        return self._settle(handle, self.do(make_group, self.uris, handle, **columns), (), {})

    def join(self, group_id: int, actor_id: int, **columns: Any) -> None:
        """Give an actor a place in a group."""
        self.do(make_member, group_id, actor_id, **columns)

    def place(self, group_id: int, actor_id: int, **columns: Any) -> None:
        """Change the place that an actor has in a group, whatever the rules say."""
        where = (MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.actor_id == actor_id)
        self.do(lambda uow: uow.connection.execute(update(MEMBERSHIPS).where(*where).values(**columns)).close())

    def class_of(self, host: str, *, level: str = "normal", threadiverse: bool = False) -> None:
        """Say what kind of server a host is, and what the admin rules of it."""
        self.do(peers.set_level, host, level)
        if threadiverse:
            self.do(peers.note_threadiverse, host)

    def uri(self, actor_id: int) -> str:
        """Return an actor's address."""
        view = self.ask(actors.actor_by_id, actor_id)
        assert view is not None
        return str(view.uri)

    def compose(self, author_id: int, text: str, **form: Any) -> composing.NewPost:
        """Make a post of what somebody typed, as the faces do."""
        typed = composing.PostForm(text, **form)
        known = self.ask(composing.known_actors, self.uris, Viewer(author_id), composing.handles_of(typed))
        return composing.compose(self.uris, typed, known)

    def posted(self, audience: str, host: str) -> tuple[int, int, PostView]:
        """Have ana post in a group with a member on another server; return the group, ana and the post."""
        group = self.group("grief", audience=audience)
        ana = self.person("ana", group)
        self.stranger("sam", host, group)
        return group, ana, self.post(ana, "hello", group_id=group)

    def post(self, author_id: int, text: str = "hello", **form: Any) -> PostView:
        """Publish a post."""
        view = self.do(posting.publish_post, self.uris, author_id, self.compose(author_id, text, **form))
        assert isinstance(view, PostView)
        return view

    def edit(self, author_id: int, post_id: int, text: str, **form: Any) -> PostView:
        """Edit a post."""
        new = self.compose(author_id, text, **form)
        view = self.do(posting.edit_post, self.uris, author_id, post_id, new)
        assert isinstance(view, PostView)
        return view

    def delete(self, by_id: int, post_id: int) -> None:
        """Delete a post."""
        self.do(posting.delete_post, self.uris, by_id, post_id)

    def rows(self, table: Table, *where: Any) -> list[Any]:
        """Return the rows of a table, in the order of their keys."""
        query = select(table).where(*where).order_by(*table.primary_key.columns)
        return list(self.ask(lambda uow: uow.connection.execute(query).fetchall()))

    def count(self, table: Table, *where: Any) -> int:
        """Return how many rows of a table there are."""
        query = select(func.count()).select_from(table).where(*where)
        return int(self.ask(lambda uow: uow.connection.execute(query).scalar_one()))

    def row(self, post_id: int) -> Any:
        """Return the row of a post."""
        return self.rows(POSTS, POSTS.c.id == post_id)[0]

    def sent(self) -> list[Sent]:
        """Return what waits to be sent, opened, in the order in which it was queued."""
        return list(self.ask(_sent))

    def kinds(self) -> list[tuple[str, str]]:
        """Return (kind, inbox) of what waits to be sent, sorted."""
        return sorted((one.kind, one.inbox) for one in self.sent())

    def deliver(self) -> list[Sent]:
        """Return what waits to be sent and take it off the queue, as if every server had accepted it."""
        sent = self.sent()
        self.do(_drop_all)
        return sent

    def hide_due(self) -> int:
        """Do the first step of a sweep: hide what has reached its end."""
        return int(self.do(retention.hide_due, erasers(self.uris)))

    def destroy(self) -> None:
        """Do the other steps of a sweep: destroy keys and empty rows until nothing is left to destroy."""
        while (shreds := self.do(retention.claim_shreds)) is not None:
            retention.destroy_keys(self.database.vault, shreds, self.clock())
            self.do(retention.finish_shreds, shreds, erasers(self.uris))

    def reads_of(self, viewer_id: int | None, post: PostView) -> set[str]:
        """Return the names of those reads of `groups.timelines` that show a post, or its words, to a viewer."""
        return {name for name, read in self._reads(Viewer(viewer_id), post) if _shows(read, post.id)}

    def _settle(self, name: str, actor_id: int, groups: tuple[int, ...], columns: dict[str, Any]) -> int:
        self.names[name] = actor_id
        for group_id in groups:
            self.join(group_id, actor_id, **columns)
        return actor_id

    def _reads(self, viewer: Viewer, post: PostView) -> Iterator[tuple[str, Callable[[], list[PostView]]]]:
        everything = Page(limit=80)

        def whole_thread() -> list[PostView]:
            found = self.ask(timelines.thread, viewer, post.thread_id)
            return [*found.ancestors, found.post, *found.descendants]

        yield "group", lambda: self.ask(timelines.group_timeline, viewer, post.group.id, everything)
        yield "author", lambda: self.ask(timelines.author_timeline, viewer, post.author.id, everything)
        yield "post", lambda: [self.ask(timelines.post, viewer, post.id)]
        yield "posts", lambda: self.ask(timelines.posts, viewer, [post.id])
        yield "address", lambda: [self.ask(timelines.post_by_uri, viewer, post.uri)]
        yield "thread", whole_thread
        if viewer.actor_id is not None:
            me = viewer.actor_id
            yield "home", lambda: self.ask(timelines.home_timeline, me, everything)
            yield "bookmarks", lambda: self.ask(timelines.bookmarks, me, everything)
            yield "favourites", lambda: self.ask(timelines.favourites, me, everything)


EVERY_READ = {"group", "author", "post", "posts", "address", "thread", "home", "bookmarks", "favourites"}
"""What shows a post of a group to a member who keeps it and supports it."""


def shape_of(document: dict[str, Any]) -> str:
    """Return the type of an activity with that of its object, such as `Create(Note)` or `Announce(id)`."""
    inner = document.get("object")
    if isinstance(inner, dict):
        return f"{document['type']}({shape_of(inner) if 'object' in inner else inner['type']})"
    return f"{document['type']}(id)" if inner is not None else str(document["type"])


def kept(span: timedelta) -> int:
    """Return a span in the seconds that groups are stored with."""
    return int(span.total_seconds())


def _shows(read: Callable[[], list[PostView]], post_id: int) -> bool:
    try:
        return any(view.id == post_id for view in read())
    except GroupsError:
        return False


def _sent(uow: UnitOfWork) -> list[Sent]:
    rows = uow.connection.execute(select(DELIVERIES).order_by(DELIVERIES.c.id)).fetchall()
    parcels = load_parcels(uow, {row.outbox_id for row in rows})
    return [Sent(row.inbox, orjson.loads(parcels[row.outbox_id].body)) for row in rows if row.outbox_id in parcels]


def _drop_all(uow: UnitOfWork) -> None:
    uow.connection.execute(DELIVERIES.delete())
    uow.connection.execute(ITEMS.delete())
