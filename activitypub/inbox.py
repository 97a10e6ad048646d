"""In: what other servers send is checked, stored once, and worked through later (invariants I1, I2, I7).

`receive` runs within the request and writes one sealed row; `process_due` is the background loop that gives the rows
their meaning, which the floor above knows (`ports.InboxRoutes`).
"""

import asyncio
import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from sqlalchemy import bindparam, update
from sqlalchemy.dialects import postgresql, sqlite

from activitypub.actors import actor_by_uri, actors_by_id
from activitypub.allowances import people_named, spend
from activitypub.authentication import check_owner, identify, is_confirmed, note_dialect
from activitypub.context import FederationContext
from activitypub.errors import (
    BadSignature,
    FetchError,
    ForeignOrigin,
    Forged,
    Gone,
    MalformedActivity,
    RemoteError,
    TooLarge,
    TooMuch,
    Unreachable,
)
from activitypub.handling import INBOX_ITEMS, REFUSED, Item, Ready, prepare_batch, settle, where, work
from activitypub.keystore import KnownKey
from activitypub.models import InboxItem
from activitypub.origins import canonical_uri, check_origin, host_of, same_origin
from activitypub.ports import ActorView
from activitypub.repeats import hash_of_id
from activitypub.signatures.inbound import read_claim
from activitypub.signatures.messages import Claim, SignedRequest
from activitypub.signatures.proofs import read_proof
from activitypub.strict_json import MAX_BODY_BYTES, dumps, loads_strict
from activitypub.synchronization import told_of_followers
from activitypub.vocabulary.activities import (
    Activity,
    Announce,
    Create,
    Delete,
    Follow,
    Join,
    Like,
    Synchronize,
    Undo,
    Update,
)
from activitypub.vocabulary.reading import parse
from privacy.records import snowflake
from privacy.unit_of_work import UnitOfWork, claim_due

log = structlog.get_logger()
BATCH = 64
LEASE = timedelta(minutes=5)
"""Longer than ten fetches take, so that no second worker begins before the first has given up."""
MAX_ATTEMPTS = 8
PATIENCE_SECONDS = 2.0
"""How long a batch waits for documents of others before the queue goes on without it (R-206)."""
MAX_STRAGGLERS = 128
RETRY_AFTER = tuple(timedelta(seconds=seconds) for seconds in (10, 60, 300, 900, 3_600, 10_800, 21_600))
CONTEXT = "https://www.w3.org/ns/activitystreams"
_INSERTS = {
    "sqlite": sqlite.insert(INBOX_ITEMS).on_conflict_do_nothing(index_elements=["id_hash"]),
    "postgresql": postgresql.insert(INBOX_ITEMS).on_conflict_do_nothing(index_elements=["id_hash"]),
}
_POSTPONE = (
    update(INBOX_ITEMS)
    .where(INBOX_ITEMS.c.id == bindparam("item"), INBOX_ITEMS.c.lease == bindparam("held"))
    .values(due_at=bindparam("at"), lease=None)
)


@dataclass(frozen=True, slots=True)
class Letter:
    """An activity that is well formed and claims a signer; `signer` once that is proved.

    With a `proof` of its actor inside, the request may be signed by whoever passes the activity on (FEP-8b32).
    """

    activity: Activity
    claim: Claim
    proof: Claim | None
    signer: KnownKey | None
    row: dict[str, Any] | None = None
    """What is to be stored, once the signer is proved and the activity means something here."""
    synchronize: Synchronize | None = None
    """What the request says of the sender's followers here, if that is signed too."""

    @property
    def ends_or_renews_itself(self) -> bool:
        """Whether an actor speaks of itself, which those that were never heard of may do in vain."""
        return isinstance(self.activity, Delete | Update) and self.activity.object_id == self.activity.actor


# ── receiving ────────────────────────────────────────────────────────────────────────────────────────────────────────


async def receive(context: FederationContext, request: SignedRequest) -> None:
    """Take an activity in: when this returns it is verified and stored, or was known, or means nothing here.

    In whose inbox it arrived is not kept. Raises TooLarge, MalformedActivity, BadSignature, ForeignOrigin, Blocked and
    Unreachable (the signer's server does not answer: try again later).
    """
    now = context.clock()
    await context.peers.keep_current(context.database, now)
    letter: Letter = await context.openings.ask(functools.partial(_open_letters, context), (request, now))
    if letter.signer is not None and letter.proof is None:
        await note_dialect(context, letter.claim, letter.signer)
    signer_id = letter.signer.actor_id if letter.signer is not None else await _signer(context, letter, request.client)
    if signer_id is None or type(letter.activity) not in context.routes.by_type:
        return
    passed_on = None if letter.proof is None else letter.claim
    spend(context.budgets, letter.activity, people_named(context.uris, letter.activity), passed_on)
    row = letter.row
    if row is None:
        row = await context.in_pool(sealed_row, context, letter.activity, request.body, now)
    await context.storings.ask(functools.partial(_store, context), {**row, "signer_id": signer_id})
    if letter.synchronize is not None and Synchronize in context.routes.by_type:
        told = await context.in_pool(told_row, context, letter.synchronize, now)
        await context.storings.ask(functools.partial(_store, context), {**told, "signer_id": signer_id})


async def _open_letters(
    context: FederationContext, asked: Sequence[tuple[SignedRequest, datetime]]
) -> Sequence[Letter | BaseException]:
    return await context.in_pool(open_letters, context, asked)


async def _store(context: FederationContext, rows: Sequence[dict[str, Any]]) -> Sequence[None]:
    await context.database.write(store_items, rows)
    return [None] * len(rows)


def open_letters(
    context: FederationContext, asked: Sequence[tuple[SignedRequest, datetime]]
) -> list[Letter | BaseException]:
    """Open several letters; what is wrong with one is no matter of the others."""
    opened: list[Letter | BaseException] = []
    for request, now in asked:
        try:
            opened.append(open_letter(context, request, now))
        except BaseException as error:  # noqa: BLE001 - whatever is wrong belongs to who sent this one
            opened.append(error)
    return opened


def open_letter(context: FederationContext, request: SignedRequest, now: datetime) -> Letter:
    """Make every check that needs nothing but memory (in the pool): form, authority, policy, and a cached key."""
    if len(request.body) > MAX_BODY_BYTES:
        raise TooLarge("inbox.body")
    document = loads_strict(request.body)
    claim, proof = read_claim(request, now), read_proof(document, now)
    activity = parse(document)
    if not isinstance(activity, Activity):
        raise MalformedActivity(public="The document is not an activity.")
    context.peers.check(host_of(claim.key_id))
    context.peers.check(host_of(activity.actor))
    if proof is not None and not (may_be_passed_on(activity) and same_origin(proof.key_id, activity.actor)):
        proof = None
    check_authority(activity, proof or claim)
    signer = _at_hand(context, claim)
    if signer is not None and proof is None:
        check_owner(signer, activity.actor)
    elif signer is not None and proof is not None:
        vouching = _at_hand(context, proof)
        signer = vouching if vouching is not None and vouching.actor_uri == activity.actor else None
    told = told_of_followers(request, claim, activity, now)
    letter = Letter(activity, claim, proof, signer, synchronize=told)
    if signer is None or letter.ends_or_renews_itself:
        return replace(letter, signer=None)
    if type(activity) not in context.routes.by_type:
        return letter
    return replace(letter, row=sealed_row(context, activity, request.body, now))


def _at_hand(context: FederationContext, claim: Claim) -> KnownKey | None:
    """Return the key behind a claim if it is in memory and confirms it."""
    known = context.keys.cached(canonical_uri(claim.key_id))
    return known if known is not None and is_confirmed(claim, known.public) else None


def may_be_passed_on(activity: Activity) -> bool:
    """Tell whether a proof counts for an activity: not for what its author may take back and do anew, in any order.

    Whoever has kept such an activity could else do it again for its author: a Follow or Like that was undone since, or
    what an actor said of itself before.
    """
    renews_itself = isinstance(activity, Update) and activity.object_id == activity.actor
    return not isinstance(activity, Follow | Join | Like) and not renews_itself


def check_authority(activity: Activity, claim: Claim) -> None:
    """Refuse who speaks for others: activity, actor and key share an origin, and an author sends only what is its own.

    Raises BadSignature for another server's key, ForeignOrigin else (S-201 to S-203; federation reference §3.9).
    """
    if not same_origin(claim.key_id, activity.actor):
        raise BadSignature("key.origin", public="The key is not one of the activity's actor.")
    check_origin(activity)
    if isinstance(activity, Create | Update) and activity.object.embedded is not None:
        embedded = activity.object.embedded
        check_origin(embedded, authority=activity.actor)
        # An Update may come from a moderator of the same server; whether it may is asked of the stored owner (S-210).
        if isinstance(activity, Create) and embedded.owner != activity.actor:
            raise ForeignOrigin(f"{embedded.id} of {embedded.owner}")


async def _signer(context: FederationContext, letter: Letter, client: str) -> int | None:
    """Return the actor that proved to be the signer, or None for what is accepted and forgotten.

    Deletions by actors that were never heard of are forgotten before any fetch: a big server that closes sends one for
    each of its people (federation reference §3.7).
    """
    actor = letter.activity.actor
    known = await context.database.read(actor_by_uri, actor) if letter.ends_or_renews_itself else None
    if letter.ends_or_renews_itself:
        if known is None or known.state == "gone":
            return None
        context.keys.forget(known.id)  # another process may have learned of new ones
    try:
        author = await _author(context, letter, client)
    except Unreachable:
        raise
    except FetchError as error:
        if letter.ends_or_renews_itself:
            return _ended(letter, known, error)
        raise BadSignature(f"key of {actor}: {error}") from error
    except MalformedActivity as error:  # the actor's document, not what was sent: that was read before
        raise BadSignature(f"document of {actor}: {error}") from error
    if author.is_former and letter.ends_or_renews_itself:
        raise BadSignature("key.former", public="The actor has told of another key since.")
    return author.actor_id


async def _author(context: FederationContext, letter: Letter, client: str) -> KnownKey:
    """Return the key by which the activity's actor vouches for it: in the proof inside, else under the request.

    A proof that is forged is worse than none; one whose key cannot be had says nothing, and then the request has to be
    signed by the actor itself (FEP-8b32).
    """
    actor = letter.activity.actor
    by_itself = letter.proof is None or letter.claim.key_id.partition("#")[0] == actor
    try:
        sender = await identify(context, letter.claim, actor if by_itself else None, client=client)
    except FetchError as error:
        if by_itself or isinstance(error, Unreachable):
            raise
        # Of whoever passes it on: it says nothing of the actor.
        raise BadSignature(f"key of {letter.claim.key_id}: {error}") from error
    if letter.proof is None:
        return sender
    try:
        return await identify(context, letter.proof, actor, client=client)
    except (FetchError, RemoteError) as error:
        if isinstance(error, Forged) or (isinstance(error, Unreachable | TooMuch) and sender.actor_uri != actor):
            raise
        check_owner(sender, actor)
        return sender


def _ended(letter: Letter, known: ActorView | None, error: FetchError) -> int | None:
    """Believe a deletion that the actor's own server confirms with 410; ignore one that it does not."""
    if isinstance(error, Gone) and isinstance(letter.activity, Delete) and known is not None:
        return known.id
    return None


def sealed_row(context: FederationContext, activity: Activity, body: bytes, now: datetime) -> dict[str, Any]:
    """Return the row of an activity: its id as a keyed hash, its body under the queue secret of the day."""
    id_hash = hash_of_id(context.vault, str(activity.id))
    sealed = context.vault.day_seal(now.date(), body, id_hash)
    # Ascending, so that what one sender sent first is worked through first.
    return {"id": snowflake(now), "id_hash": id_hash, "body": sealed, "received_at": now, "due_at": now, "attempts": 0}


def told_row(context: FederationContext, told: Synchronize, now: datetime) -> dict[str, Any]:
    """Return the row of what a request said of the sender's followers."""
    body = {"@context": CONTEXT, "id": told.id, "type": told.type, "actor": told.actor, "object": told.object}
    return sealed_row(context, told, dumps({**body, "target": told.target, "digest": told.digest}), now)


def store_items(uow: UnitOfWork, rows: Sequence[dict[str, Any]]) -> None:
    """Store activities, each unless its id was seen before: one statement, in one order, so that no two lock up."""
    ordered = sorted(rows, key=lambda row: bytes(row["id_hash"]))
    if uow.connection.execute(_INSERTS[uow.dialect], ordered).rowcount:
        uow.wake("inbox")


# ── processing ───────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Batch:
    """Items that this worker holds, and who sent them."""

    lease: int
    items: tuple[Item, ...]
    senders: dict[int, ActorView]


async def process_due(context: FederationContext) -> int:
    """Work through activities that wait; return how many were taken up, zero when nothing is due.

    What waits for another server goes on behind `FederationContext.stragglers` while the queue moves on. What fails for
    a reason of ours is tried again later, eight times; it stops nobody else (S-620, R-210).
    """
    await context.peers.keep_current(context.database, context.clock())
    batch = await context.database.write(claim_batch)
    if not batch.items:
        return 0
    ready, outcomes = await prepare_batch(context, batch.items, batch.senders)
    if outcomes:
        await context.database.write(settle, batch.lease, outcomes)
    tasks = start_in_order(context, ready, batch.lease)
    if tasks:
        patience = None if len(context.stragglers) >= MAX_STRAGGLERS else PATIENCE_SECONDS
        done, waiting = await asyncio.wait(tasks, timeout=patience)
        for task in waiting:
            context.stragglers.add(task)
            task.add_done_callback(context.stragglers.discard)
        failed = [tasks[task] for task in done if _failed(task, tasks[task])]
        if failed:
            await context.database.write(postpone, batch.lease, failed)
    return len(batch.items)


def start_in_order(context: FederationContext, ready: Sequence[Ready], lease: int) -> dict["asyncio.Task[None]", Item]:
    """Start to work on activities, those of one sender one after the other: a Follow never overtakes its Undo.

    What a group announces has many authors and needs many fetches, so each of those goes by itself.
    """
    tasks: dict[asyncio.Task[None], Item] = {}
    latest: dict[int, asyncio.Task[None]] = {}
    ended: set[int] = set()
    for entry in ready:
        in_line = not isinstance(entry.activity, Announce)
        ahead = latest.get(entry.sender.id) if in_line else None
        task = asyncio.create_task(_work_after(ahead, context, entry, lease, ended))
        tasks[task] = entry.item
        if in_line:
            latest[entry.sender.id] = task
    return tasks


async def _work_after(
    ahead: "asyncio.Task[None] | None", context: FederationContext, entry: Ready, lease: int, ended: set[int]
) -> None:
    if ahead is not None:
        await asyncio.wait([ahead])
    if entry.sender.id in ended and not isinstance(entry.activity, Delete | Undo):
        await context.database.write(settle, lease, {entry.item.id: REFUSED})
        return
    await work(context, entry, lease)
    if isinstance(entry.activity, Delete) and entry.activity.object_id == entry.sender.uri:
        ended.add(entry.sender.id)


async def finish_stragglers(context: FederationContext) -> None:
    """Wait for the activities that still wait for other servers: before the node stops, and in tests."""
    while context.stragglers:
        await asyncio.wait(set(context.stragglers))


def claim_batch(uow: UnitOfWork) -> Batch:
    """Lease items that are due, and read who sent them; what was tried too often is given up here."""
    lease, rows = claim_due(uow, InboxItem, limit=BATCH, lease_for=LEASE)
    names = Item.__slots__
    items = tuple(Item(**{name: getattr(row, name) for name in names}) for row in rows)
    dead = [item.id for item in items if item.attempts > MAX_ATTEMPTS]
    if dead:
        bury = update(INBOX_ITEMS).where(INBOX_ITEMS.c.id.in_(dead))
        uow.connection.execute(bury.values(body=None, due_at=None, lease=None, outcome="dead"))
        log.error("inbox.dead", items=dead)
    alive = tuple(item for item in items if item.attempts <= MAX_ATTEMPTS)
    return Batch(lease, alive, actors_by_id(uow, (item.signer_id for item in alive)))


def postpone(uow: UnitOfWork, lease: int, items: list[Item]) -> None:
    """Let items come again later, each time after a longer pause."""
    pauses = (RETRY_AFTER[min(item.attempts, len(RETRY_AFTER)) - 1] for item in items)
    rows = [{"item": item.id, "held": lease, "at": uow.now + pause} for item, pause in zip(items, pauses, strict=True)]
    uow.connection.execute(_POSTPONE, rows)


def _failed(task: "asyncio.Task[None]", item: Item) -> bool:
    error = task.exception()
    if error is not None:
        name = type(error).__name__
        log.error("inbox.failed", item=item.id, attempts=item.attempts, error=name, where=where(error))
    return error is not None
