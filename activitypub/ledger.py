"""Which servers hold a copy of what: by being sent it (`queueing`), or by fetching it with a signed GET.

Whoever holds a copy is asked to delete it when it ends (privacy reference §5.2).
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import BigInteger, bindparam, exists, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from activitypub.models import Actor, LedgerEntry
from privacy.records import Moment
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork, table_of

LEDGER, ACTORS = table_of(LedgerEntry), table_of(Actor)
LEDGER_KEPT: Final = timedelta(days=90)
"""How long an entry outlives what it is about."""
COLUMNS: Final = ["object_id", "inbox", "host", "via", "ends_at"]
_FETCHED = select(
    bindparam("object", type_=BigInteger()),
    func.coalesce(ACTORS.c.shared_inbox, ACTORS.c.inbox),
    ACTORS.c.host,
    literal("fetch"),
    bindparam("until", type_=Moment()),
).where(ACTORS.c.id == bindparam("by", type_=BigInteger()), ACTORS.c.local.is_(False))
_NOTE = {
    "sqlite": Prepared(sqlite.insert(LEDGER).from_select(COLUMNS, _FETCHED).on_conflict_do_nothing()),
    "postgresql": Prepared(postgresql.insert(LEDGER).from_select(COLUMNS, _FETCHED).on_conflict_do_nothing()),
}
_HELD = Prepared(
    select(
        exists().where(
            LEDGER.c.object_id == bindparam("object", type_=BigInteger()), LEDGER.c.host == bindparam("host")
        )
    )
)


def note_fetch(uow: UnitOfWork, object_id: int, actor_id: int, ends_at: datetime) -> None:
    """Note that a remote actor was answered with an object that ends at a moment; safe to repeat."""
    asked = {"object": object_id, "by": actor_id, "until": ends_at + LEDGER_KEPT}
    _NOTE[uow.dialect].run(uow, asked)


def holds_copy(uow: UnitOfWork, object_id: int, host: str) -> bool:
    """Tell whether a server is known to hold a copy of an object."""
    return bool(_HELD.value(uow, {"object": object_id, "host": host}))
