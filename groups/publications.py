"""Which documents another server may read: the domain's answer to the port of that name.

Everything private is answered only to a server that has a member in the group now, and only to one of its people: a key
of a whole node opens nothing private (security reference S-417).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, select

from activitypub.ledger import holds_copy
from activitypub.models import Tombstone
from activitypub.peers import PEERS
from activitypub.ports import ActorView, Copy, Ended, Publication, Requester
from activitypub.rules import LIMIT
from activitypub.uris import Uris
from activitypub.vocabulary.writing import to_document
from groups import translation
from groups.endings import facts_of, tombstone_hash
from groups.paging import CONTEXT, ITEMS_OF_A_PAGE, asked_page, collection, paged
from groups.people import ACTORS, cards
from groups.pinning import MOST, PINS
from groups.places import GROUPS, MEMBERSHIPS
from groups.policy import PARTICIPANTS
from groups.profiles import audience_of, document_facts
from groups.roles import named_in
from groups.showing import POSTS, as_facts, mention_of, mentioned_in, sealed_box, unpack
from groups.storing import parent_of
from groups.synchronizing import MOST_TOLD, followers_of
from groups.translation import GroupFacts, PostFacts
from groups.visibility import Onlooker, shared_with, visible_to
from privacy.unit_of_work import UnitOfWork, table_of

TOMBSTONES = table_of(Tombstone)
MAX_OUTBOX = 20
WHOLE_NODES = frozenset({"Application", "Service"})


class GroupPublications:
    """Answers for the actors, posts and collections of this node."""

    def __init__(self, uris: Uris) -> None:
        """Know the addresses that documents are made with."""
        self._uris = uris

    def actor(
        self,
        uow: UnitOfWork,
        actor: ActorView,
        requester: Requester,  # noqa: ARG002 - whoever has the address may read this much
    ) -> Publication | Ended | None:
        """Return the document of a persona or group; a group that nothing leaves is not there."""
        if actor.state == "gone":
            return Ended(actor.uri)
        audience = audience_of(uow, actor)
        if audience == "none":
            return None
        facts = document_facts(uow, actor)
        document = translation.actor_document(self._uris, facts)
        return Publication(document, public=True, html=facts.page if audience == "public" else None)

    def is_findable(self, uow: UnitOfWork, actor: ActorView) -> bool:
        """Tell whether a handle leads anywhere from outside."""
        return actor.state == "active" and audience_of(uow, actor) != "none"

    def post(self, uow: UnitOfWork, post_id: int, requester: Requester) -> Publication | Ended | None:
        """Return the Note of a post of this node."""
        found = self._readable(uow, post_id, requester)
        if not isinstance(found, _Readable):
            return found
        document = to_document(translation.to_note(self._uris, found.facts, found.group))
        page = found.facts.page if found.public else None
        return Publication(document, public=found.public, html=page, copy=_copy(uow, found.row, requester))

    def post_activity(self, uow: UnitOfWork, post_id: int, requester: Requester) -> Publication | Ended | None:
        """Return the Create of a post of this node."""
        found = self._readable(uow, post_id, requester)
        if not isinstance(found, _Readable):
            return found
        create = translation.to_create(self._uris, found.facts, found.group)
        return Publication(create, public=found.public, copy=_copy(uow, found.row, requester))

    def announcement(self, uow: UnitOfWork, post_id: int, requester: Requester) -> Publication | Ended | None:
        """Return the Announce of what began a thread in a public group of this node."""
        row = self._row(uow, post_id, requester)
        if not isinstance(row, Row):
            return row
        group = _group(uow, row.group_id)
        if not group.local or not group.is_public or row.thread_id != row.id or row.audience != "group":
            return None
        announce = translation.to_announce_object(self._uris.announce(post_id), group, row.uri, row.received_at)
        return Publication(announce, public=True)

    def reemission(self, uow: UnitOfWork, post_id: int, requester: Requester) -> Publication | Ended | None:
        """Return the Note by which a private group passes a post on to members on microblog software."""
        row = self._row(uow, post_id, requester)
        if not isinstance(row, Row):
            return row
        group = _group(uow, row.group_id)
        facts = self._facts(uow, row, group)
        if facts is None or group.audience != "followers" or not group.local or row.audience != "group":
            return None
        parent = self._uris.reemission(row.parent_id) if row.parent_id is not None else None
        author = cards(uow, [row.author_id])[row.author_id]
        activity = translation.to_reemission(self._uris, facts, group, author.name, parent)
        note = {"@context": CONTEXT, **activity["object"]}
        return Publication(note, public=False, copy=_copy(uow, row, requester))

    def thread(
        self, uow: UnitOfWork, root_id: int, query: Mapping[str, str], requester: Requester
    ) -> Publication | Ended | None:
        """Return the posts of a thread in the order in which they came (FEP-f228)."""
        root = self._row(uow, root_id, requester)
        if not isinstance(root, Row):
            return root
        group, uri = _group(uow, root.group_id), self._uris.context(root_id)
        document = self._listed(uow, requester, POSTS.c.thread_id == root_id, uri, query)
        return Publication({**document, "attributedTo": group.uri}, public=group.is_public)

    def replies(
        self, uow: UnitOfWork, post_id: int, query: Mapping[str, str], requester: Requester
    ) -> Publication | Ended | None:
        """Return the direct replies to a post of this node."""
        row = self._row(uow, post_id, requester)
        if not isinstance(row, Row):
            return row
        uri = self._uris.replies(post_id)
        document = self._listed(uow, requester, POSTS.c.parent_id == post_id, uri, query, kind="Collection")
        return Publication(document, public=_group(uow, row.group_id).is_public)

    def collection(
        self,
        uow: UnitOfWork,
        actor: ActorView,
        name: str,
        query: Mapping[str, str],
        requester: Requester,
    ) -> Publication | Ended | None:
        """Return a collection of a persona or group: who belongs to a group is never listed or counted."""
        if actor.state == "gone":
            return Ended(actor.uri)
        audience = audience_of(uow, actor)
        if audience == "none":
            return None
        uri = f"{actor.uri}/{name}"
        if name == "outbox":
            return Publication(self._outbox(uow, actor, query, requester), public=audience == "public")
        if name == "synchronization":
            followers = followers_of(uow, actor.id, requester.host) if requester.host is not None else []
            return Publication(collection(uri, followers[:MOST_TOLD]), public=False) if followers else None
        if name == "moderators" and actor.kind == "Group":
            named = named_in(uow, actor.id) if self._reads_group(uow, actor.id, requester) else []
            return Publication(collection(uri, named), public=audience == "public")
        if name == "featured":
            return Publication(collection(uri, self._featured(uow, actor, requester)), public=audience == "public")
        if name in {"followers", "following"}:
            return Publication(collection(uri, [], kind="Collection"), public=True)
        return None

    def _outbox(
        self, uow: UnitOfWork, actor: ActorView, query: Mapping[str, str], requester: Requester
    ) -> dict[str, Any]:
        """Return the newest beginnings of conversations, and the way to older ones; a persona shows nothing."""
        uri, at = f"{actor.uri}/outbox", asked_page(query)
        if actor.kind != "Group":
            return collection(uri, [])
        began = and_(POSTS.c.group_id == actor.id, POSTS.c.thread_id == POSTS.c.id, POSTS.c.audience == "group")
        older = and_(began, POSTS.c.id < at) if at else began
        rows, group = self._rows(uow, requester, older, newest=MAX_OUTBOX + 1), _group(uow, actor.id)
        items: list[tuple[int, Any]] = [(row.id, row.uri) for row in rows]
        if group.is_public:
            announce = translation.to_announce_object
            items = [(row.id, announce(self._uris.announce(row.id), group, row.uri, row.received_at)) for row in rows]
        return paged(uri, items, at, size=MAX_OUTBOX, inline=True)

    def _listed(
        self,
        uow: UnitOfWork,
        requester: Requester,
        which: Any,
        uri: str,
        query: Mapping[str, str],
        kind: str = "OrderedCollection",
    ) -> dict[str, Any]:
        """Return the addresses of posts in the order in which they came."""
        at = asked_page(query)
        condition = and_(which, POSTS.c.audience == "group", POSTS.c.id > (at or 0))
        rows = self._rows(uow, requester, condition, most=ITEMS_OF_A_PAGE + 1)
        return paged(uri, [(row.id, row.uri) for row in rows], at, kind=kind)

    def _featured(self, uow: UnitOfWork, actor: ActorView, requester: Requester) -> list[str]:
        on_top = POSTS.c.id.in_(select(PINS.c.post_id).where(PINS.c.group_id == actor.id))
        return [row.uri for row in self._rows(uow, requester, on_top, newest=MOST)]

    def _reads_group(self, uow: UnitOfWork, group_id: int, requester: Requester) -> bool:
        """Tell whether a server may read what is written in a group: everybody, or one with a member there now."""
        audience = uow.connection.execute(select(GROUPS.c.audience).where(GROUPS.c.id == group_id)).scalar()
        onlooker = _onlooker(uow, requester)
        if audience == "public":
            return True
        if onlooker.host is None or audience not in shared_with(onlooker):
            return False
        there = and_(MEMBERSHIPS.c.actor_id == ACTORS.c.id, MEMBERSHIPS.c.group_id == group_id)
        members = select(ACTORS.c.id).join(MEMBERSHIPS, there).where(ACTORS.c.host == onlooker.host)
        members = members.where(MEMBERSHIPS.c.state == "active", MEMBERSHIPS.c.role.in_(PARTICIPANTS))
        return uow.connection.execute(members.where(ACTORS.c.local.is_(False)).limit(1)).first() is not None

    def _readable(self, uow: UnitOfWork, post_id: int, requester: Requester) -> "_Readable | Ended | None":
        row = self._row(uow, post_id, requester)
        if not isinstance(row, Row):
            return row
        group = _group(uow, row.group_id)
        facts = self._facts(uow, row, group)
        if facts is None or not row.local:
            return None
        return _Readable(row, facts, group, public=group.is_public and row.audience == "group")

    def _row(self, uow: UnitOfWork, post_id: int, requester: Requester) -> "Row[Any] | Ended | None":
        rows = self._rows(uow, requester, POSTS.c.id == post_id)
        return rows[0] if rows else self._ended(uow, post_id, requester)

    def _rows(
        self, uow: UnitOfWork, requester: Requester, condition: Any, *, newest: int | None = None, most: int = 1
    ) -> Sequence[Row[Any]]:
        onlooker = _onlooker(uow, requester)
        query = select(POSTS).join(GROUPS, GROUPS.c.id == POSTS.c.group_id)
        query = query.where(condition, GROUPS.c.audience != "none", visible_to(onlooker, uow.now))
        query = query.order_by(POSTS.c.id.asc() if newest is None else POSTS.c.id.desc()).limit(newest or most)
        return uow.connection.execute(query).fetchall()

    def _ended(self, uow: UnitOfWork, post_id: int, requester: Requester) -> Ended | None:
        """Tell of an end where that was public, or to a server that had got the post (product decision 20)."""
        uri = self._uris.post(post_id)
        known = select(TOMBSTONES.c.was_public).where(TOMBSTONES.c.uri_hash == tombstone_hash(uow, uri))
        row = uow.connection.execute(known).first()
        if row is None:
            return None
        if row.was_public or (requester.host is not None and holds_copy(uow, post_id, requester.host)):
            return Ended(uri)
        return None

    def _facts(self, uow: UnitOfWork, row: Row[Any], group: GroupFacts) -> PostFacts | None:
        content = uow.vault.open_many([sealed_box(row)])[0]
        if content is None:
            return None
        words = unpack(content)
        parent = parent_of(uow, post_id=row.parent_id) if row.parent_id is not None else None
        named = [*mentioned_in(uow, [row.id]).get(row.id, []), *([parent.author_id] if parent else [])]
        people = cards(uow, [row.author_id, *named])
        page = uow.connection.execute(select(ACTORS.c.url).where(ACTORS.c.id == row.group_id)).scalar()
        return as_facts(
            row,
            words,
            author_uri=people[row.author_id].uri,
            page=f"{page}/{row.id}" if group.local and page else row.uri,
            mentions=[mention_of(people[i]) for i in dict.fromkeys(named) if i in people and i != row.author_id],
        )


@dataclass(frozen=True, slots=True)
class _Readable:
    """A post that may be read, with its group."""

    row: Row[Any]
    facts: PostFacts
    group: GroupFacts
    public: bool


def _copy(uow: UnitOfWork, row: Row[Any], requester: Requester) -> Copy | None:
    """Return what is to be noted of an answer: nothing where its server is known to have the post already."""
    if requester.host is None or holds_copy(uow, row.id, requester.host):
        return None
    return Copy(row.id, row.expires_at)


def _onlooker(uow: UnitOfWork, requester: Requester) -> Onlooker:
    if requester.actor_id is None:
        return Onlooker()
    query = select(ACTORS.c.kind, PEERS.c.level).outerjoin(PEERS, PEERS.c.host == ACTORS.c.host)
    row = uow.connection.execute(query.where(ACTORS.c.id == requester.actor_id)).first()
    if row is None or row.kind in WHOLE_NODES:
        return Onlooker()
    return Onlooker(host=requester.host, trusted=row.level == "allow", limited=row.level == LIMIT)


def _group(uow: UnitOfWork, group_id: int) -> GroupFacts:
    query = select(ACTORS, GROUPS.c.audience).join(GROUPS, GROUPS.c.id == ACTORS.c.id).where(GROUPS.c.id == group_id)
    return facts_of(uow.connection.execute(query).one())
