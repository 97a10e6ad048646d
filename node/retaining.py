"""What ends, ended: the sweep of everything that has reached its end, and the destroying of what was ended by hand.

The steps are `privacy.retention`'s; here they are put in order, each with a commit of its own. A sweep comes every five
minutes, or when the command line asks for one; what somebody deleted is destroyed as soon as the loop is woken.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy import exists, select

from activitypub import ends as protocol_ends
from activitypub.models import InboxItem, OutboxItem
from activitypub.outbox import DAYS_OF_OUTBOX
from groups import ends as domain_ends
from groups.federation import erasers as domain_erasers
from node.erasing import drop_signing_keys, finish_erasures, untie_all_letters
from node.wiring import Node
from privacy import ends, retention
from privacy.accounts import forget_account
from privacy.clock import day_of, monotonic_seconds
from privacy.ends import EndRule, count_ending, end_rows
from privacy.retention import Erasers, Verdict
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import DAYS_OF_INBOX
from web import ends as face_ends

SWEEP_EVERY: Final = timedelta(minutes=5)
LONGEST_UNDRAINED: Final = timedelta(days=7)
"""An activity that nobody could work through in this time is not readable any more (product decision 25)."""
MIDNIGHT_OIL: Final = timedelta(hours=1)
"""How long into the next day something may still be on its way into a queue of this one."""
ROWS_AT_ONCE: Final = 1_000
SLOTS_AT_ONCE: Final = 2_000
RULES: Final[tuple[EndRule, ...]] = (*ends.ENDS, *protocol_ends.ENDS, *domain_ends.ENDS, *face_ends.ENDS)
INBOX_ITEMS, OUTBOX_ITEMS = table_of(InboxItem), table_of(OutboxItem)
log = structlog.get_logger()


@dataclass(slots=True)
class Swept:
    """What a sweep did."""

    verdict: Verdict
    hidden: int = 0
    destroyed: int = 0
    rows: dict[str, int] = field(default_factory=dict)
    orphans: int = 0
    secrets: int = 0
    log_is_empty: bool = True


class AccountEraser:
    """What must happen when an account's secret is gone: its row goes too."""

    def hide(self, uow: UnitOfWork, ids: Sequence[int]) -> None:
        """Hide nothing: an account ends by `privacy.accounts.close_account`, not by time."""

    def clean(self, uow: UnitOfWork, ids: Sequence[int]) -> None:
        """Delete the rows of accounts."""
        for account_id in ids:
            forget_account(uow, account_id)


class Retention:
    """The one who ends things; one for each process."""

    def __init__(self, node: Node) -> None:
        """Begin with a sweep that is due."""
        self._node = node
        self._watch = retention.ClockWatch()
        self._next_sweep = monotonic_seconds()
        self._erasers: Erasers = {**domain_erasers(node.uris), "accounts": AccountEraser()}

    async def due(self) -> int:
        """Do what is due: a sweep every five minutes, and whatever was ended meanwhile; return how much that was."""
        if monotonic_seconds() >= self._next_sweep:
            self._next_sweep = monotonic_seconds() + SWEEP_EVERY.total_seconds()
            await self.sweep()
        return await self._destroy()

    async def sweep(self) -> Swept:
        """End all that has reached its end, as far as the clock guard lets it."""
        database = self._node.database
        agree = self._watch.agrees(self._node.clock())
        facts = await database.read(retention.gather, self._erasers, clocks_agree=agree)
        verdict = retention.judge(facts, self._node.clock())
        await database.write(retention.note_verdict, verdict)
        swept = Swept(verdict)
        if verdict is not Verdict.GO:
            log.warning("retention.held", why=verdict.value, due=facts.due, live=facts.live)
            return swept
        await finish_erasures(self._node)
        while hidden := await database.write(retention.hide_due, self._erasers):
            swept.hidden += hidden
        while destroyed := await self._destroy():
            swept.destroyed += destroyed
        await untie_all_letters(self._node)
        for rule in RULES:
            swept.rows[rule.name] = swept.rows.get(rule.name, 0) + await self._end_rows(rule)
        swept.secrets = await self._drop_secrets() + await drop_signing_keys(self._node)
        swept.orphans = await self._sweep_orphans()
        swept.log_is_empty = await self._node.in_pool(database.truncate_log)
        told = {name: count for name, count in swept.rows.items() if count}
        if swept.hidden or swept.destroyed or told:
            log.info("retention.swept", hidden=swept.hidden, destroyed=swept.destroyed, **told)
        return swept

    async def erase_closed(self) -> None:
        """Erase the accounts that were closed, now."""
        await finish_erasures(self._node)
        while await self._destroy():
            continue
        await untie_all_letters(self._node)

    async def foretell(self) -> Mapping[str, int]:
        """Return how much a sweep would end now, by table, and end nothing."""
        facts = await self._node.database.read(retention.gather, self._erasers)
        return {"posts": facts.due, **await self._node.database.read(count_ending, RULES)}

    async def _destroy(self) -> int:
        """Destroy one batch of what is ordered to be destroyed; return how much that was."""
        database, vault = self._node.database, self._node.vault
        shreds = await database.write(retention.claim_shreds)
        if shreds is None:
            return 0
        await self._node.in_pool(retention.destroy_keys, vault, shreds, self._node.clock())
        done = await database.write(retention.finish_shreds, shreds, self._erasers)
        # What was overwritten in the file may still stand in the log in front of it (reference §4.8).
        await self._node.in_pool(database.truncate_log)
        return done

    async def _end_rows(self, rule: EndRule) -> int:
        ended = 0
        while True:
            count = await self._node.database.write(end_rows, rule, ROWS_AT_ONCE)
            ended += count
            if count < ROWS_AT_ONCE:
                return ended

    async def _drop_secrets(self) -> int:
        """Destroy the secrets of days whose queues are drained, and of buckets in which nothing can live any more."""
        now, vault, in_pool = self._node.clock(), self._node.vault, self._node.in_pool
        over = await in_pool(retention.secrets_of_days, vault, [DAYS_OF_INBOX, DAYS_OF_OUTBOX], now - MIDNIGHT_OIL)
        drained = await self._node.database.read(drained_days, over)
        too_old = await in_pool(retention.secrets_of_days, vault, [DAYS_OF_INBOX], now - LONGEST_UNDRAINED)
        names, buckets = sorted({*drained, *too_old}), await in_pool(vault.keyring.buckets_ended, now)
        if names or buckets:
            await in_pool(vault.destroy, now, names=names, buckets=buckets)
        return len(names) + len(buckets)

    async def _sweep_orphans(self) -> int:
        """Destroy object secrets that no row names, a day after they were made (product decision 24).

        A slot is judged once: from then on it goes with the row that names it.
        """
        now, vault, in_pool = self._node.clock(), self._node.vault, self._node.in_pool
        swept, after = 0, await self._node.database.read(retention.slots_judged)
        while True:
            before = now - retention.ORPHAN_AGE
            slots = await in_pool(vault.keyring.slots_taken_before, before, after=after, limit=SLOTS_AT_ONCE)
            if not slots:
                return swept
            orphans = await self._node.database.read(retention.orphans_among, slots)
            if orphans:
                await in_pool(vault.destroy, now, slots=orphans)
            swept, after = swept + len(orphans), slots[-1]
            await self._node.database.write(retention.note_slots_judged, after)


def drained_days(uow: UnitOfWork, names: Sequence[str]) -> list[str]:
    """Return those names of day secrets under which nothing waits any more."""
    return [name for name in names if not _is_in_use(uow, name)]


def _is_in_use(uow: UnitOfWork, name: str) -> bool:
    start = day_of(name.rpartition("/")[2])
    table, column = (
        (INBOX_ITEMS, INBOX_ITEMS.c.received_at)
        if name.startswith(DAYS_OF_INBOX)
        else (OUTBOX_ITEMS, OUTBOX_ITEMS.c.created_at)
    )
    that_day = (column >= start, column < start + timedelta(days=1))
    sealed = (INBOX_ITEMS.c.body.is_not(None),) if table is INBOX_ITEMS else (OUTBOX_ITEMS.c.slot.is_(None),)
    return bool(uow.connection.execute(select(exists().where(*that_day, *sealed))).scalar())
