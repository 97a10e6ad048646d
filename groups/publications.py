"""Which documents another server may read: the domain's answer to the port of that name.

Everything private is answered only to a server that has a member in the group now, and only to one of its people: a key
of a whole node opens nothing private (security reference S-417).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, and_, or_, select

from activitypub import actors
from activitypub.ledger import holds_copy
from activitypub.models import Tombstone
from activitypub.peers import PEERS
from activitypub.ports import ActorView, Copy, Ended, Publication, Requester
from activitypub.rules import LIMIT
from activitypub.uris import Uris
from activitypub.vocabulary.writing import to_document
from groups import translation
from groups.endings import facts_of, tombstone_hash
from groups.people import ACTORS, cards
from groups.places import GROUPS, MEMBERSHIPS
from groups.showing import POSTS, mentioned_in, sealed_box, unpack
from groups.storing import parent_of
from groups.translation import GroupFacts, LocalActorFacts, MentionFacts, PostFacts
from groups.visibility import Onlooker, visible_to
from privacy.unit_of_work import UnitOfWork, table_of

TOMBSTONES = table_of(Tombstone)
CONTEXT = "https://www.w3.org/ns/activitystreams"
MAX_OUTBOX = 20
MAX_THREAD = 500
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
        audience = _audience_of(uow, actor)
        if audience == "none":
            return None
        card = cards(uow, [actor.id])[actor.id]
        facts = LocalActorFacts(
            id=actor.id,
            uri=actor.uri,
            kind=actor.kind,
            handle=actor.handle,
            name=card.name,
            summary=card.summary,
            locked=actor.locked,
            discoverable=audience == "public",
            created_on=card.created_on,
            keys=actors.public_keys(uow, actor.id),
            page=card.url,
        )
        document = translation.actor_document(self._uris, facts)
        return Publication(document, public=True, html=card.url if audience == "public" else None)

    def is_findable(self, uow: UnitOfWork, actor: ActorView) -> bool:
        """Tell whether a handle leads anywhere from outside."""
        return actor.state == "active" and _audience_of(uow, actor) != "none"

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

    def thread(self, uow: UnitOfWork, root_id: int, requester: Requester) -> Publication | Ended | None:
        """Return the posts of a thread in the order in which they came (FEP-f228)."""
        root = self._row(uow, root_id, requester)
        if not isinstance(root, Row):
            return root
        rows = self._rows(uow, requester, and_(POSTS.c.thread_id == root_id, POSTS.c.audience == "group"))
        group = _group(uow, root.group_id)
        document = _collection(self._uris.context(root_id), [row.uri for row in rows]) | {"attributedTo": group.uri}
        return Publication(document, public=group.is_public)

    def replies(self, uow: UnitOfWork, post_id: int, requester: Requester) -> Publication | Ended | None:
        """Return the direct replies to a post of this node."""
        row = self._row(uow, post_id, requester)
        if not isinstance(row, Row):
            return row
        rows = self._rows(uow, requester, and_(POSTS.c.parent_id == post_id, POSTS.c.audience == "group"))
        document = _collection(self._uris.replies(post_id), [reply.uri for reply in rows], kind="Collection")
        return Publication(document, public=_group(uow, row.group_id).is_public)

    def collection(
        self,
        uow: UnitOfWork,
        actor: ActorView,
        name: str,
        query: Mapping[str, str],  # noqa: ARG002 - paging comes with larger collections
        requester: Requester,
    ) -> Publication | Ended | None:
        """Return a collection of a persona or group: who belongs to a group is never listed or counted."""
        if actor.state == "gone":
            return Ended(actor.uri)
        audience = _audience_of(uow, actor)
        if audience == "none":
            return None
        uri = f"{actor.uri}/{name}"
        if name == "outbox":
            return Publication(_collection(uri, self._outbox(uow, actor, requester)), public=audience == "public")
        if name == "moderators" and actor.kind == "Group":
            return Publication(_collection(uri, []), public=audience == "public")
        if name == "featured":
            return Publication(_collection(uri, []), public=audience == "public")
        if name in {"followers", "following"}:
            return Publication(_collection(uri, [], kind="Collection"), public=True)
        return None

    def _outbox(self, uow: UnitOfWork, actor: ActorView, requester: Requester) -> list[Any]:
        if actor.kind != "Group":
            return []
        began = and_(POSTS.c.group_id == actor.id, POSTS.c.thread_id == POSTS.c.id, POSTS.c.audience == "group")
        rows = self._rows(uow, requester, began, newest=MAX_OUTBOX)
        group = _group(uow, actor.id)
        if not group.is_public:
            return [row.uri for row in rows]
        return [
            translation.to_announce_object(self._uris.announce(row.id), group, row.uri, row.received_at) for row in rows
        ]

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
        self, uow: UnitOfWork, requester: Requester, condition: Any, *, newest: int | None = None
    ) -> Sequence[Row[Any]]:
        onlooker = _onlooker(uow, requester)
        query = select(POSTS).join(GROUPS, GROUPS.c.id == POSTS.c.group_id)
        query = query.where(condition, GROUPS.c.audience != "none", visible_to(onlooker, uow.now))
        query = query.order_by(POSTS.c.id.asc() if newest is None else POSTS.c.id.desc()).limit(newest or MAX_THREAD)
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
        return PostFacts(
            id=row.id,
            uri=row.uri,
            author_uri=people[row.author_id].uri,
            page=f"{page}/{row.id}" if group.local and page else row.uri,
            thread_id=row.thread_id,
            title=words.title,
            html=words.html,
            note=words.note,
            sensitive=words.sensitive,
            language=words.language,
            parent_uri=row.parent_uri,
            direct=row.audience == "direct",
            published=row.received_at,
            edited_at=row.edited_at,
            ends_at=row.expires_at,
            mentions=tuple(
                MentionFacts(card.id, card.uri, f"{card.handle}@{card.host}", card.host, "", card.local)
                for card in (people[i] for i in dict.fromkeys(named) if i in people and i != row.author_id)
            ),
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


def _audience_of(uow: UnitOfWork, actor: ActorView) -> str:
    """Return the audience of a group; that of a persona is `persona`, or `none` where no group takes it outside.

    Who belongs only to groups that nothing leaves is not to be found by trying handles (privacy reference §8.2).
    """
    if actor.kind == "Group":
        found = uow.connection.execute(select(GROUPS.c.audience).where(GROUPS.c.id == actor.id)).scalar()
        return str(found or "none")
    here = and_(MEMBERSHIPS.c.group_id == GROUPS.c.id, MEMBERSHIPS.c.state.in_(("active", "pending")))
    outside = select(GROUPS.c.id).join(MEMBERSHIPS, here).where(MEMBERSHIPS.c.actor_id == actor.id)
    outside = outside.where(or_(GROUPS.c.audience != "none", GROUPS.c.local.is_(False))).limit(1)
    return "none" if uow.connection.execute(outside).first() is None else "persona"


def _group(uow: UnitOfWork, group_id: int) -> GroupFacts:
    query = select(ACTORS, GROUPS.c.audience).join(GROUPS, GROUPS.c.id == ACTORS.c.id).where(GROUPS.c.id == group_id)
    return facts_of(uow.connection.execute(query).one())


def _collection(uri: str, items: Sequence[Any], *, kind: str = "OrderedCollection") -> dict[str, Any]:
    """Return a small collection in one piece; without a count where that would tell how many belong to something."""
    name = "orderedItems" if kind == "OrderedCollection" else "items"
    return {"@context": CONTEXT, "id": uri, "type": kind, "totalItems": len(items), name: list(items)}
