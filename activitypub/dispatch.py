"""The sending half of delivery: many servers at once, each in order, none waiting for another.

What may be sent is claimed, signed at the moment of sending, posted, and recorded in batches. Each server has a few
requests under way at most; one that fails gets a probe for each step of its back-off, and nothing else.
"""

import asyncio
import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from activitypub.actors import actor_by_uri, mark_gone
from activitypub.answers import Answer
from activitypub.batching import Batcher
from activitypub.context import FederationContext
from activitypub.dialects import UNREADABLE, other
from activitypub.discovery import resolve_actor
from activitypub.egress import sign_post
from activitypub.errors import FetchError, Gone, MalformedActivity, Refused, RemoteError, Unreachable
from activitypub.follower_digests import fields_of_followers
from activitypub.origins import host_of
from activitypub.outbox import (
    MAX_ATTEMPTS,
    MAX_PER_HOST,
    Claimed,
    Outcome,
    Parcel,
    actors_behind,
    claim_deliveries,
    load_parcels,
    record_outcomes,
    release,
)
from activitypub.outcomes import judge, kept_back_until
from activitypub.proving import Prover
from activitypub.rotation import ROTATION
from activitypub.signatures.asking import Asked, read_asked
from activitypub.signatures.keys import SigningIdentity
from activitypub.signatures.messages import Dialect
from activitypub.targets import Target
from privacy.errors import KeyShredded
from privacy.unit_of_work import UnitOfWork

MAX_IN_FLIGHT = 448  # below the connections that the egress keeps, so that a fetch finds one
CLAIMED_AT_ONCE = 256
SIGNED_AT_ONCE, SIGNING_LANES = 16, 2
LOOK_AGAIN_SECONDS = 0.2
"""How soon a new delivery is seen while only slow servers are being waited for."""
SigningJob = tuple[SigningIdentity, Target, str, Dialect, Asked | None, Mapping[str, str]]


def draw() -> float:
    """Return a draw of chance from 0 to 1, which spreads retries over time."""
    return secrets.randbelow(1_001) / 1_000


class Dispatch:
    """What is under way, from the first claim until nothing is left to do; run once, then stop."""

    def __init__(self, context: FederationContext, chance: Callable[[], float]) -> None:
        """Begin with nothing; `chance` draws from 0 to 1."""
        self._context = context
        self._chance = chance
        self._prover = Prover(context)
        self._signing: Batcher[SigningJob, dict[str, str]] = Batcher(most=SIGNED_AT_ONCE, lanes=SIGNING_LANES)
        self._under_way: dict[asyncio.Task[None], Claimed] = {}
        self._inquiries: set[asyncio.Task[None]] = set()
        self._per_host: Counter[str] = Counter()
        self._busy: set[str] = set()
        self._finished: list[Outcome] = []
        self._progress = asyncio.Event()
        self._more_may_go = False
        """Whether the last claim may have left behind what could go at once."""
        self._fault: BaseException | None = None

    async def run(self) -> int:
        """Send until nothing is due and nothing under way; return the number of attempts."""
        attempts = 0
        await self._context.egress.dialects.keep(self._context.database, self._context.clock())
        while True:
            self._progress.clear()
            await self._context.peers.keep_current(self._context.database, self._context.clock())
            claimed = await self._settle_and_claim()
            attempts += len(claimed)
            await self._start(claimed)
            if self._fault is not None:
                raise self._fault  # a fault of ours: the leases end by themselves, and the row is tried again
            if self._more_may_go or self._finished:
                continue
            if self._progress.is_set():
                continue  # an attempt ended meanwhile, and its host takes more
            if not self._under_way and not self._inquiries:
                await self._context.egress.dialects.keep(self._context.database, self._context.clock())
                return attempts
            try:
                await asyncio.wait_for(self._progress.wait(), LOOK_AGAIN_SECONDS)
            except TimeoutError:
                continue

    async def stop(self) -> None:
        """Give back what was not sent; there is nothing to do unless `run` was cancelled or failed."""
        interrupted = dict(self._under_way)
        for task in (*interrupted, *self._inquiries):
            task.cancel()
        await asyncio.gather(*interrupted, *self._inquiries, return_exceptions=True)
        if interrupted or self._finished:
            outcomes, self._finished = self._finished, []
            await self._context.database.write(record_outcomes, outcomes, self._chance())
            await self._context.database.write(release, list(interrupted.values()))

    async def _settle_and_claim(self) -> list[Claimed]:
        """Record what has finished and claim what may go next, in one commit."""
        outcomes, self._finished = self._finished, []
        room = min(CLAIMED_AT_ONCE, MAX_IN_FLIGHT - len(self._under_way))
        busy = frozenset(self._busy)
        claimed = await self._context.database.write(settle_and_claim, outcomes, self._chance(), busy=busy, room=room)
        self._more_may_go = more_may_go(claimed, room)
        gone = {it.claimed.inbox for it in outcomes if it.verdict is not None and it.verdict.inbox_gone}
        if gone:
            inquiry = asyncio.create_task(ask_whether_gone(self._context, sorted(gone)))
            self._inquiries.add(inquiry)
            inquiry.add_done_callback(self._answered)
        return claimed

    async def _start(self, claimed: Sequence[Claimed]) -> None:
        if not claimed:
            return
        opened = await self._context.database.read(load_parcels, {it.outbox_id for it in claimed})
        parcels = await self._prover.add_to(opened)
        for it in claimed:
            task = asyncio.create_task(self._attempt(it, parcels.get(it.outbox_id)))
            self._under_way[task] = it
            self._count(it, 1)
            task.add_done_callback(self._ended)

    def _count(self, claimed: Claimed, change: int) -> None:
        """Keep count of what a host has under way, and whether it takes another handful."""
        self._per_host[claimed.host] += change
        under_way = self._per_host[claimed.host]
        most = MAX_PER_HOST if claimed.proven else claimed.allowance
        if under_way == 0:
            del self._per_host[claimed.host]
        if under_way and under_way + claimed.allowance > most:
            self._busy.add(claimed.host)
        else:
            self._busy.discard(claimed.host)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._count(self._under_way.pop(task), -1)
        if not task.cancelled() and task.exception() is not None:
            self._fault = task.exception()
        self._progress.set()

    def _answered(self, inquiry: asyncio.Task[None]) -> None:
        self._inquiries.discard(inquiry)
        if not inquiry.cancelled() and inquiry.exception() is not None:
            self._fault = inquiry.exception()
        self._progress.set()

    async def _send(
        self, identity: SigningIdentity, target: Target, parcel: Parcel, more: Mapping[str, str]
    ) -> Answer | None:
        """Send once, and where the signature was not understood once more in another dialect; None is no answer."""
        dialects, clock = self._context.egress.dialects, self._context.clock
        first = dialects.of(target.authority, clock())
        answer = await self._post(identity, target, parcel, first, more)
        if answer is None or answer.status not in UNREADABLE or not dialects.may_try_other(target.authority, clock()):
            return answer
        asked = read_asked(answer.asked)
        dialect = other(first) if asked is None else asked.dialect
        second = await self._post(identity, target, parcel, dialect, more, asked)
        if second is not None and second.is_taken:
            dialects.learn(target.authority, dialect, clock())
            return second
        dialects.note_in_vain(target.authority, clock())
        return answer

    async def _post(
        self,
        identity: SigningIdentity,
        target: Target,
        parcel: Parcel,
        dialect: Dialect,
        more: Mapping[str, str],
        asked: Asked | None = None,
    ) -> Answer | None:
        headers = await self._signing.ask(self._sign, (identity, target, parcel.digest, dialect, asked, more))
        try:
            return await self._context.egress.post(target, parcel.body, headers)
        except (Unreachable, Refused):  # refused: the name leads to an address that is not ours to reach
            return None

    async def _sign(self, jobs: Sequence[SigningJob]) -> Sequence[dict[str, str]]:
        return await self._context.egress.in_signing_pool(sign_all, jobs, self._context.clock())

    async def _attempt(self, claimed: Claimed, parcel: Parcel | None) -> None:
        """Send one delivery and keep its outcome; what has ended or may not be sent any more is dropped silently.

        Of what the admin's rules keep back, that which takes something back waits.
        """
        if parcel is None or claimed.attempts > MAX_ATTEMPTS:
            self._finished.append(Outcome(claimed, None))
            return
        if self._is_kept_back(claimed):
            until = kept_back_until(parcel.kind, parcel.created_at, self._context.clock())
            self._finished.append(Outcome(claimed, None, until))
            return
        try:
            target = self._context.egress.target(claimed.inbox)
            keys, is_news = self._context.keys, parcel.kind == ROTATION
            identity = await (keys.former_identity if is_news else keys.signing_identity)(parcel.actor_id)
        except (Refused, KeyShredded):
            self._finished.append(Outcome(claimed, None))
            return
        more = await fields_of_followers(self._context, parcel.actor_id, parcel.kind, claimed.host)
        answer = await self._send(identity, target, parcel, more)
        now = self._context.clock()
        verdict = judge(answer, kind=parcel.kind, attempts=claimed.attempts, now=now, jitter=self._chance())
        self._finished.append(Outcome(claimed, verdict))

    def _is_kept_back(self, claimed: Claimed) -> bool:
        """Tell whether the admin's rules hold off the server whose people this goes to, or the one of the inbox."""
        try:
            hosts = {claimed.host, host_of(claimed.inbox)}
        except MalformedActivity:
            hosts = {claimed.host}
        return any(self._context.peers.is_refused(host) for host in hosts)


def sign_all(jobs: Sequence[SigningJob], now: datetime) -> list[dict[str, str]]:
    """Sign several POSTs: signer, target, digest of the body, dialect, what is asked for, more fields (pure)."""
    return [
        sign_post(identity, target, digest, now, dialect, asked, more)
        for identity, target, digest, dialect, asked, more in jobs
    ]


def more_may_go(claimed: Sequence[Claimed], room: int) -> bool:
    """Tell whether a claim ended at its room, or at what a host is given at once, and not for want of deliveries."""
    per_host = Counter(it.host for it in claimed)
    return 0 < room <= len(claimed) or any(per_host[it.host] >= it.allowance for it in claimed)


def settle_and_claim(
    uow: UnitOfWork, outcomes: Sequence[Outcome], jitter: float, *, busy: frozenset[str], room: int
) -> list[Claimed]:
    """Record outcomes and claim at most `room` deliveries that may go now."""
    if outcomes:
        record_outcomes(uow, outcomes, jitter)
    return claim_deliveries(uow, busy=busy, room=room) if room > 0 else []


async def ask_whether_gone(context: FederationContext, inboxes: Sequence[str]) -> None:
    """Ask after the actors whose own inbox said 410; one that is gone is marked so, and gets nothing any more."""
    for uri in await context.database.read(actors_behind, inboxes):
        try:
            await resolve_actor(context, uri, force=True)
        except Gone:
            await context.database.write(_mark_gone, uri)
        except (FetchError, RemoteError):
            continue


def _mark_gone(uow: UnitOfWork, uri: str) -> None:
    actor = actor_by_uri(uow, uri)
    if actor is not None and not actor.local:
        mark_gone(uow, actor.id)
