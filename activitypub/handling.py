"""One activity of the queue: opened, prepared, handed to the floor above, and given the documents that it asks for.

Opening, parsing and sanitising happen in the pool, one hop for a whole batch; the deed runs on the writing thread; and
between its attempts, outside of any transaction, at most ten documents are fetched (architecture §3).
"""

import asyncio
import functools
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import structlog
from sqlalchemy import bindparam, update

from activitypub.actor_documents import read_actor
from activitypub.context import FederationContext
from activitypub.discovery import store_actor
from activitypub.errors import FetchError, MalformedActivity, NeedsObject, Refused, RemoteError
from activitypub.models import InboxItem
from activitypub.origins import canonical_uri, check_origin, host_of
from activitypub.ports import ActorView, Arrival, InboxRoute, KnownActor
from activitypub.vocabulary.activities import Activity, Delete, Undo, Update
from activitypub.vocabulary.actors import Actor
from activitypub.vocabulary.base import Document, Object
from activitypub.vocabulary.collections import Collection
from activitypub.vocabulary.reading import parse
from activitypub.vouching import take_proven
from privacy.errors import DatabaseUnavailable, KeyShredded, PublicError
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork, table_of

log = structlog.get_logger()
INBOX_ITEMS = table_of(InboxItem)
MAX_FETCHES = 10
MAX_WISHES = 40
"""How often a handler may ask for a document before its activity is refused; beyond ten fetches it is told no."""

DONE, REFUSED, DEAD = "done", "refused", "dead"
_FINISH = (
    update(INBOX_ITEMS)
    .where(INBOX_ITEMS.c.id == bindparam("item"), INBOX_ITEMS.c.lease == bindparam("held"))
    .values(body=None, due_at=None, lease=None, outcome=bindparam("result"))
)
_FINISH_ONE = Prepared(_FINISH)


@dataclass(frozen=True, slots=True)
class Item:
    """A row of the queue."""

    id: int
    id_hash: bytes
    body: bytes | None
    signer_id: int
    received_at: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class Ready:
    """An activity whose handler can be called."""

    item: Item
    sender: ActorView
    activity: Activity
    route: InboxRoute
    prepared: Any


@dataclass(slots=True)
class Documents:
    """What was fetched for one activity, or came with it and was proved."""

    fetched: dict[str, Any] = field(default_factory=dict)
    unavailable: set[str] = field(default_factory=set)


# ── preparing ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def prepare_batch(
    context: FederationContext, items: Sequence[Item], senders: Mapping[int, ActorView]
) -> tuple[list[Ready], dict[int, str]]:
    """Return the activities that are ready, and the outcomes of those with which nothing is to be done.

    One hop into the pool for all. If one trips over a fault of ours each gets a hop of its own, and the culprit is left
    to come again when its lease ends.
    """
    pairs = [(item, senders.get(item.signer_id)) for item in items]
    (found,) = await asyncio.gather(context.in_pool(prepare_all, context, pairs), return_exceptions=True)
    if isinstance(found, BaseException):
        hops = (context.in_pool(prepare, context, item, sender) for item, sender in pairs)
        found = await asyncio.gather(*hops, return_exceptions=True)
    ready, outcomes = [], {}
    for item, result in zip(items, found, strict=True):
        if isinstance(result, Ready):
            ready.append(result)
        elif isinstance(result, str):
            outcomes[item.id] = result
        else:
            log.error("inbox.failed", item=item.id, error=type(result).__name__, where=where(result))
    return ready, outcomes


def prepare_all(
    context: FederationContext, pairs: Iterable[tuple[Item, ActorView | None]]
) -> Sequence[Ready | str | BaseException]:
    """Prepare each of several items."""
    return [prepare(context, item, sender) for item, sender in pairs]


def prepare(context: FederationContext, item: Item, sender: ActorView | None) -> Ready | str:
    """Open, parse and prepare one item; return its outcome when nothing is to be done with it."""
    if sender is None or context.peers.is_refused(host_of(sender.uri)) or item.body is None:
        return REFUSED
    try:
        body = context.vault.day_open(item.received_at.date(), item.body, item.id_hash)
        activity = parse(orjson.loads(body))  # it came through the strict gate when it was received
        if not isinstance(activity, Activity) or activity.actor != sender.uri:
            raise MalformedActivity("the activity is not the signer's")
        route = context.routes.by_type.get(type(activity))
        if route is None:
            return DONE
        if sender.state != "active" and not isinstance(activity, Delete | Undo):
            return REFUSED
        return Ready(item, sender, activity, route, route.prepare(activity))
    except KeyShredded:
        return DEAD
    except PublicError as error:
        log.info("inbox.refused", item=item.id, error=type(error).__name__, why=str(error))
        return REFUSED


# ── handling ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def work(context: FederationContext, ready: Ready, lease: int) -> None:
    """Have one activity handled, fetching what its handler lacks; it ends `done` or `refused`.

    Raises DatabaseUnavailable, and whatever is a fault of ours: then the item comes again.
    """
    documents = Documents()
    documents.fetched |= await take_proven(context, ready.activity)
    for _ in range(MAX_WISHES):
        arrival = Arrival(
            sender=ready.sender,
            received_at=ready.item.received_at,
            fetched=dict(documents.fetched),
            unavailable=frozenset(documents.unavailable),
        )
        try:
            await context.database.write(handle_item, ready, lease, arrival)
        except NeedsObject as need:
            await _obtain(context, need, documents)
        except DatabaseUnavailable:
            raise
        except PublicError as error:
            log.info("inbox.refused", item=ready.item.id, error=type(error).__name__, why=str(error))
            break
        else:
            _forget_changed(context, ready)
            return
    await context.database.write(settle, lease, {ready.item.id: REFUSED})


def handle_item(uow: UnitOfWork, ready: Ready, lease: int, arrival: Arrival) -> None:
    """Mark an item done and let its handler act, in one transaction; nothing when another worker holds it by now."""
    finish = {"item": ready.item.id, "held": lease, "result": DONE}
    if _FINISH_ONE.run(uow, finish) == 1:
        ready.route.handle(uow, arrival, ready.prepared)


def settle(uow: UnitOfWork, lease: int, outcomes: Mapping[int, str]) -> None:
    """Close items with which nothing more is done, and drop their bodies."""
    rows = [{"item": item_id, "held": lease, "result": result} for item_id, result in outcomes.items()]
    uow.connection.execute(_FINISH, rows)


def where(error: BaseException) -> str:
    """Return the place at which an error arose, without its words, which may be somebody's."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else ""


def _forget_changed(context: FederationContext, ready: Ready) -> None:
    """Drop cached keys of an actor that has just changed or ended itself."""
    if isinstance(ready.activity, Delete | Update) and ready.activity.object_id == ready.sender.uri:
        if isinstance(ready.activity, Update):
            context.keys.succeed(ready.sender.id)
        else:
            context.keys.forget(ready.sender.id)
        context.restraint.forget(ready.sender.uri)


# ── fetching ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _obtain(context: FederationContext, need: NeedsObject, documents: Documents) -> None:
    uri = need.uri
    if uri in documents.fetched or uri in documents.unavailable:
        raise LookupError(f"a handler asks again for {uri}")
    if len(documents.fetched) + len(documents.unavailable) >= MAX_FETCHES:
        documents.unavailable.add(uri)
        return
    try:
        address = canonical_uri(uri).partition("#")[0]
        ask = functools.partial(fetch_object, context, address, need.signer_id)
        # What one member is shown another may be refused, so a failure counts for who asked.
        what = f"object {address} {need.signer_id or ''}"
        found, value = await context.restraint.once(what, context.clock(), ask, keep=False)
    except (FetchError, RemoteError) as error:
        log.info("inbox.unavailable", error=type(error).__name__, why=str(error))
        documents.unavailable.add(uri)
        return
    documents.fetched[uri] = documents.fetched[found] = value


async def fetch_object(context: FederationContext, uri: str, signer_id: int | None = None) -> tuple[str, Any]:
    """Fetch a document from where it lives; return its id, and the actor or what the floor above makes of the object.

    It is asked for as the local actor `signer_id`, where a member is shown more than strangers, else as the node.
    An actor is stored. Raises FetchError, Blocked, MalformedActivity, and ForeignOrigin for an object whose owner is
    of another server (FEP-fe34).
    """
    context.peers.check(host_of(uri))
    if context.uris.is_local(uri):
        raise Refused(404, "object.local")
    keys = context.keys
    signer = await (keys.instance_identity() if signer_id is None else keys.signing_identity(signer_id))
    document = await context.egress.fetch_document(uri, signer)
    found = await context.in_pool(parse, document)
    if isinstance(found, Actor):
        facts = await context.in_pool(read_actor, found, context.uris, context.sanitize)
        return facts.uri, KnownActor(await store_actor(context, facts), found.moved_to, found.also_known_as)
    return await context.in_pool(_believed, context, found, document)


def _believed(context: FederationContext, found: Object, document: Document) -> tuple[str, Any]:
    # A list need not name an owner: it comes from its own address, and nothing in it is believed for standing there.
    if not isinstance(found, Collection) or found.owner is not None:
        check_origin(found)
    assert found.id is not None
    return found.id, context.routes.prepare_fetched(found, document)
