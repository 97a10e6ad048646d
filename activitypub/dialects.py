"""In which dialect each server is spoken to: draft-cavage, or RFC 9421 where that was refused and this was taken.

Cavage comes first for whomever is not known: servers that verify only after they have answered would drop a signature
that they cannot read without a word (federation reference §3.4). What was learned is kept for 30 days, then tried anew.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import bindparam, select, update

from activitypub.models import Peer
from activitypub.signatures.messages import Dialect
from privacy.records import Day
from privacy.unit_of_work import Database, UnitOfWork, table_of

PEERS = table_of(Peer)
KEPT: Final = timedelta(days=30)
NOT_AGAIN_FOR: Final = timedelta(hours=1)
"""How long a server that took neither is not tried in both again."""
MAX_HOSTS: Final = 20_000
UNREADABLE: Final = frozenset({400, 401})
"""How a server says that it could not read or verify a signature."""
_KEEP = update(PEERS).where(PEERS.c.host == bindparam("of_host")).values(rfc9421_on=bindparam("learned", type_=Day()))


class Dialects:
    """What is known of each server's dialect; for one event loop, kept in the database between starts."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._rfc9421: OrderedDict[str, datetime] = OrderedDict()
        self._in_vain: OrderedDict[str, datetime] = OrderedDict()
        self._unsaved: dict[str, datetime | None] = {}
        self._is_loaded = False

    def of(self, host: str, now: datetime) -> Dialect:
        """Return the dialect in which a server is spoken to first."""
        learned = self._rfc9421.get(host)
        return "rfc9421" if learned is not None and now - learned < KEPT else "cavage"

    def may_try_other(self, host: str, now: datetime) -> bool:
        """Tell whether a request that was not understood may be made once more in the other dialect."""
        tried = self._in_vain.get(host)
        return tried is None or now - tried >= NOT_AGAIN_FOR

    def learn(self, host: str, dialect: Dialect, now: datetime) -> None:
        """Remember that a server took a dialect in which it was not spoken to first."""
        self._in_vain.pop(host, None)
        if dialect == "rfc9421":
            _put(self._rfc9421, host, now)
        else:
            self._rfc9421.pop(host, None)
        self._unsaved[host] = now if dialect == "rfc9421" else None

    def note_in_vain(self, host: str, now: datetime) -> None:
        """Remember that a server took neither dialect."""
        _put(self._in_vain, host, now)

    async def keep(self, database: Database) -> None:
        """Read what was known when the process before this one ended, once; then write down what is new."""
        if not self._is_loaded:
            self._is_loaded = True
            for host, learned in (await database.read(_known)).items():
                self._rfc9421.setdefault(host, learned)
        if self._unsaved:
            unsaved, self._unsaved = self._unsaved, {}
            await database.write(_write_down, unsaved)


def other(dialect: Dialect) -> Dialect:
    """Return the dialect that is not this one."""
    return "cavage" if dialect == "rfc9421" else "rfc9421"


def _known(uow: UnitOfWork) -> dict[str, datetime]:
    query = select(PEERS.c.host, PEERS.c.rfc9421_on).where(PEERS.c.rfc9421_on > uow.now - KEPT).limit(MAX_HOSTS)
    return {row.host: row.rfc9421_on for row in uow.connection.execute(query)}


def _write_down(uow: UnitOfWork, learned: dict[str, datetime | None]) -> None:
    rows = [{"of_host": host, "learned": moment} for host, moment in sorted(learned.items())]
    uow.connection.execute(_KEEP, rows)


def _put(known: "OrderedDict[str, datetime]", host: str, moment: datetime) -> None:
    known[host] = moment
    known.move_to_end(host)
    while len(known) > MAX_HOSTS:
        known.popitem(last=False)
