"""Rows of the protocol that end by themselves."""

from datetime import timedelta

from sqlalchemy import exists

from activitypub.models import (
    Actor,
    Delivery,
    FormerKey,
    InboxItem,
    LedgerEntry,
    OutboxItem,
    RuleChange,
    Tombstone,
)
from activitypub.peers import PEERS, STRANGERS
from privacy.ends import EndRule
from privacy.unit_of_work import table_of

INBOX_ITEMS, DELIVERIES = table_of(InboxItem), table_of(Delivery)
OUTBOX_ITEMS, LEDGER, TOMBSTONES = table_of(OutboxItem), table_of(LedgerEntry), table_of(Tombstone)
ACTORS, FORMER_KEYS = table_of(Actor), table_of(FormerKey)
STRANGERS_FOR = timedelta(days=30)
"""How long the name of a server is kept of which nothing else ever came to be known (privacy reference §11.4)."""
REPEATS_KNOWN_FOR = timedelta(days=30)
LONGEST_IN_QUEUE = timedelta(days=31)
"""A day longer than the longest that anything is tried for (federation reference §6.3)."""

ENDS = (
    EndRule(INBOX_ITEMS.c.received_at, REPEATS_KNOWN_FOR),
    EndRule(OUTBOX_ITEMS.c.created_at, LONGEST_IN_QUEUE),
    EndRule(
        OUTBOX_ITEMS.c.created_at,
        timedelta(hours=1),
        (OUTBOX_ITEMS.c.audience.is_(None), ~exists().where(DELIVERIES.c.outbox_id == OUTBOX_ITEMS.c.id)),
    ),
    EndRule(LEDGER.c.ends_at),
    EndRule(TOMBSTONES.c.ends_at),
    EndRule(FORMER_KEYS.c.ends_at),
    EndRule(table_of(RuleChange).c.ends_at),
    EndRule(PEERS.c.first_seen_on, STRANGERS_FOR, (*STRANGERS, ~exists().where(ACTORS.c.host == PEERS.c.host))),
)
"""What was received, sent, kept by others, undone too soon, keys of before, old changes of rules, and strangers."""
