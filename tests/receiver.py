"""A node that does nothing but receive: the real protocol floor over a real database, with the smallest floor above it.

What it understands are Create, Update, Delete, Follow and Undo; each leaves its mark in `node_states`, so that a test
can see whether something had an effect. Its publications are scripted.
"""

from collections.abc import AsyncIterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from sqlalchemy import func, select
from starlette.applications import Starlette

from activitypub.actor_documents import ActorFacts, read_actor
from activitypub.actors import (
    NewLocalActor,
    actor_by_uri,
    apply_actor_update,
    create_local_actor,
    ensure_instance_actor,
    mark_gone,
)
from activitypub.context import FederationContext, FederationOptions
from activitypub.egress import Egress, EgressOptions
from activitypub.endpoints import routes
from activitypub.errors import NeedsObject
from activitypub.inbox import finish_stragglers, process_due
from activitypub.keystore import KeyStore
from activitypub.models import Actor, InboxItem, Peer
from activitypub.peers import PeerPolicy
from activitypub.ports import ActorView, Arrival, Ended, InboxRoute, InboxRoutes, Publication, Requester
from activitypub.uris import Uris
from activitypub.vocabulary.activities import Activity, Create, Delete, Follow, Undo, Update
from activitypub.vocabulary.base import Object
from activitypub.vocabulary.objects import Note
from node.database import ThreadedDatabase
from privacy.models import NodeState
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Vault
from tests.clock import MovableClock
from tests.factories import shared_keys
from tests.peers import Signed

DOMAIN = "127.0.0.1:4000"
STATES = table_of(NodeState)


@dataclass
class ScriptedPublications:
    """Publications that a test fills in; actors that are not named are there for anybody."""

    hidden: set[int] = field(default_factory=set)
    posts: dict[int, Publication | Ended] = field(default_factory=dict)
    private_to: dict[int, str] = field(default_factory=dict)
    """The host that alone may read a post."""
    asked_by: list[Requester] = field(default_factory=list)

    def actor(self, uow: UnitOfWork, actor: ActorView, requester: Requester) -> Publication | Ended | None:
        self.asked_by.append(requester)
        if actor.id in self.hidden:
            return None
        if actor.state == "gone":
            return Ended(actor.uri)
        return Publication({"id": actor.uri, "type": actor.kind}, public=True, html=actor.url)

    def is_findable(self, uow: UnitOfWork, actor: ActorView) -> bool:
        return actor.id not in self.hidden

    def post(self, uow: UnitOfWork, post_id: int, requester: Requester) -> Publication | Ended | None:
        self.asked_by.append(requester)
        if self.private_to.get(post_id, requester.host) != requester.host:
            return None
        return self.posts.get(post_id)

    post_activity = announcement = reemission = post

    def thread(
        self, uow: UnitOfWork, root_id: int, query: Mapping[str, str], requester: Requester
    ) -> Publication | Ended | None:
        return self.post(uow, root_id, requester)

    replies = thread

    def collection(
        self, uow: UnitOfWork, actor: ActorView, name: str, query: Mapping[str, str], requester: Requester
    ) -> Publication | Ended | None:
        return None if actor.id in self.hidden else Publication({"id": f"{actor.uri}/{name}"}, public=True)


@dataclass
class Receiver:
    """The node, as its neighbours see it and as its database knows it."""

    context: FederationContext
    publications: ScriptedPublications
    clock: MovableClock
    client: httpx.AsyncClient
    failing: set[str] = field(default_factory=set)
    """Activities at which the handler has a fault of its own."""

    async def send(self, request: Signed) -> httpx.Response:
        """Send a request exactly as it is."""
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in request.headers]
        built = httpx.Request(request.method, f"http://{DOMAIN}{request.target}", headers=headers, content=request.body)
        if all(name.lower() != "host" for name, _ in request.headers):
            del built.headers["host"]
        return await self.client.send(built)

    async def get(self, target: str, accept: str = "application/activity+json", **headers: str) -> httpx.Response:
        """GET a document."""
        return await self.client.get(f"http://{DOMAIN}{target}", headers={"accept": accept, **headers})

    async def work(self) -> int:
        """Work through everything that is due now."""
        worked = 0
        while taken := await process_due(self.context):
            worked += taken
        await finish_stragglers(self.context)
        return worked

    async def marks(self) -> dict[str, str]:
        """What had an effect: activity id, and what of it was understood."""
        return await self.context.database.read(_marks)

    async def counts(self) -> dict[str, int]:
        """How many rows there are."""
        return await self.context.database.read(_counts)

    async def bodies(self) -> list[bytes | None]:
        """What is still held of activities that came in."""
        return await self.context.database.read(_bodies)

    async def actor(self, uri: str) -> ActorView | None:
        """An actor as it is stored."""
        return await self.context.database.read(actor_by_uri, uri)


def _marks(uow: UnitOfWork) -> dict[str, str]:
    return {row.name: row.value for row in uow.connection.execute(select(STATES))}


def _bodies(uow: UnitOfWork) -> list[bytes | None]:
    return [row.body for row in uow.connection.execute(select(table_of(InboxItem)))]


def _counts(uow: UnitOfWork) -> dict[str, int]:
    tables = {model.__tablename__: table_of(model) for model in (Actor, InboxItem, Peer, NodeState)}
    return {
        name: int(uow.connection.execute(select(func.count()).select_from(table)).scalar_one())
        for name, table in tables.items()
    }


# ── the smallest floor above ─────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class _Prepared:
    activity: Activity
    words: str = ""
    facts: ActorFacts | None = None


class _Routes:
    """What activities mean here."""

    def __init__(self, uris: Uris) -> None:
        self.uris = uris
        self.failing: set[str] = set()
        route = InboxRoute(self.prepare, self.handle)
        self.routes = InboxRoutes(dict.fromkeys((Create, Update, Delete, Follow, Undo), route), self.fetched)

    def prepare(self, activity: Activity) -> _Prepared:
        embedded = activity.object.embedded if isinstance(activity, Create | Update) else None
        if isinstance(embedded, Note):
            return _Prepared(activity, embedded.content or "")
        if embedded is not None and isinstance(activity, Update):
            return _Prepared(activity, facts=read_actor(embedded, self.uris, str.upper))
        return _Prepared(activity)

    def fetched(self, found: Object, document: Mapping[str, Any]) -> str:
        return str(document.get("content", ""))

    def handle(self, uow: UnitOfWork, arrival: Arrival, prepared: _Prepared) -> None:
        activity = prepared.activity
        assert activity.id is not None
        if activity.id in self.failing:
            raise ZeroDivisionError(activity.id)
        words = prepared.words
        if isinstance(activity, Create) and activity.object.embedded is None:
            wanted = str(activity.object.id)
            if wanted not in arrival.fetched and wanted not in arrival.unavailable:
                raise NeedsObject(wanted)
            words = str(arrival.fetched.get(wanted, "unavailable"))
        if prepared.facts is not None:
            apply_actor_update(uow, arrival.sender, prepared.facts)
        if isinstance(activity, Delete) and activity.object_id == arrival.sender.uri:
            mark_gone(uow, arrival.sender.id)
        uow.connection.execute(STATES.insert().values(name=activity.id, value=f"{activity.type} {words}".strip()))


@asynccontextmanager
async def receiving(
    database: ThreadedDatabase,
    vault: Vault,
    clock: MovableClock,
    private_peers: frozenset[tuple[str, int]],
    *,
    mode: str = "open",
) -> AsyncIterator[Receiver]:
    """A node that may reach exactly these peers."""
    uris = Uris(f"http://{DOMAIN}", DOMAIN)
    peers, publications, meaning = PeerPolicy(mode), ScriptedPublications(), _Routes(uris)
    options = EgressOptions("Kinfold test", private_peers, development=True)
    egress = Egress(options, is_refused=peers.is_refused, clock=clock)
    with ThreadPoolExecutor(2) as pool:
        context = FederationContext(
            database=database,
            vault=vault,
            egress=egress,
            uris=uris,
            routes=meaning.routes,
            audiences={},
            publications=publications,
            keys=KeyStore(database, clock),
            peers=peers,
            sanitize=str.upper,
            options=FederationOptions(title="Kin", version="1.2.3"),
            clock=clock,
            pool=pool,
        )
        await database.write(ensure_instance_actor, uris, shared_keys())
        app = Starlette(routes=routes(context))
        app.router.redirect_slashes = False  # as the node does: another spelling is no second way in
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport) as client:
            yield Receiver(context, publications, clock, client, meaning.failing)
        await egress.close()


async def make_local(receiver: Receiver, handle: str, kind: str = "Person") -> ActorView:
    """Make a persona or group of the node."""
    new = NewLocalActor(new_id(), kind, handle, f"{handle}-token", handle.title(), "", "", locked=False)
    receiver.context.vault.make_subject(new.id)
    return await receiver.context.database.write(create_local_actor, receiver.context.uris, new, shared_keys())
