"""Where a post went: for its author, in the names of servers and nothing more (privacy reference §5.2, §5.5)."""

from dataclasses import dataclass

from sqlalchemy import func, select

from activitypub.models import Delivery, LedgerEntry, OutboxItem
from groups.errors import NotFound
from groups.timelines import post
from groups.views import PostView, Viewer
from privacy.unit_of_work import UnitOfWork, table_of

LEDGER, DELIVERIES, ITEMS = table_of(LedgerEntry), table_of(Delivery), table_of(OutboxItem)
MOST_SHOWN = 1_000


@dataclass(frozen=True, slots=True)
class Copies:
    """The servers that have a post, and those that it has not reached so far, each by name.

    Who has a post has it while an edit is on its way, too.
    """

    post: PostView
    sent: tuple[str, ...]
    fetched: tuple[str, ...]
    """Those that came for it themselves."""
    waiting: tuple[str, ...]
    still_spreads: bool
    """Whether more servers than these are still to get it."""


def copies_of(uow: UnitOfWork, persona_id: int, post_id: int) -> Copies:
    """Return where one's own post went. Raises NotFound, also for a post of somebody else."""
    found = post(uow, Viewer(persona_id), post_id)
    if not found.mine:
        raise NotFound(f"copies of post {post_id}")
    # Sent counts more than fetched where a server has both.
    query = select(LEDGER.c.host, func.max(LEDGER.c.via)).where(LEDGER.c.object_id == post_id)
    rows = uow.connection.execute(query.group_by(LEDGER.c.host).order_by(LEDGER.c.host).limit(MOST_SHOWN)).fetchall()
    of_it = DELIVERIES.join(ITEMS, ITEMS.c.id == DELIVERIES.c.outbox_id)
    # What was queued at the post's own moment brings it; what was queued later brings an edit of it.
    brings_it = (ITEMS.c.object_id == post_id, ITEMS.c.created_at <= found.received_at)
    late = select(DELIVERIES.c.host).select_from(of_it).where(*brings_it).distinct().limit(MOST_SHOWN)
    waiting = set(uow.connection.execute(late).scalars())
    spreads = select(ITEMS.c.id).where(*brings_it, ITEMS.c.audience.is_not(None)).limit(1)
    return Copies(
        post=found,
        sent=tuple(host for host, via in rows if via == "push" and host not in waiting),
        fetched=tuple(host for host, via in rows if via == "fetch" and host not in waiting),
        waiting=tuple(sorted(waiting)),
        still_spreads=uow.connection.execute(spreads).first() is not None,
    )
