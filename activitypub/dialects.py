"""In which dialect each server is spoken to: draft-cavage, or RFC 9421 where that was refused, or where it is spoken.

Cavage comes first for whomever is not known: servers that verify only after they have answered would drop a signature
that they cannot read without a word (federation reference §3.4). Who signs its own requests by RFC 9421, or says that
it reads such signatures (FEP-844e), is spoken to in that way, with Ed25519 where it does so itself. What was learned is
kept for 30 days, then tried anew.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final, TypeVar, cast

from sqlalchemy import bindparam, select, update

from activitypub.models import Peer
from activitypub.signatures.keys import KeyKind
from activitypub.signatures.messages import Dialect
from privacy.records import Day
from privacy.unit_of_work import Database, UnitOfWork, table_of

T = TypeVar("T")
PEERS = table_of(Peer)
KEPT: Final = timedelta(days=30)
REFRESHED_AFTER: Final = timedelta(days=1)
"""How often it is written down that a server goes on as it did."""
READ_AGAIN_AFTER: Final = timedelta(minutes=10)
"""How late another process learns what one has learned."""
NOT_AGAIN_FOR: Final = timedelta(hours=1)
"""How long a server that took neither is not tried in both again."""
MAX_HOSTS: Final = 20_000
UNREADABLE: Final = frozenset({400, 401})
"""How a server says that it could not read or verify a signature."""
_KEEP = (
    update(PEERS)
    .where(PEERS.c.host == bindparam("of_host"))
    .values(dialect=bindparam("learned"), dialect_on=bindparam("learned_on", type_=Day()))
)
Learned = tuple[datetime, Dialect]


class Dialects:
    """What is known of each server's dialect; for one event loop, kept in the database between starts."""

    def __init__(self) -> None:
        """Begin with nothing known."""
        self._learned: OrderedDict[str, Learned] = OrderedDict()
        self._in_vain: OrderedDict[str, datetime] = OrderedDict()
        self._unsaved: dict[str, Learned] = {}
        self._read_at: datetime | None = None

    def of(self, host: str, now: datetime) -> Dialect:
        """Return the dialect in which a server is spoken to first."""
        learned = self._learned.get(host)
        return learned[1] if learned is not None and now - learned[0] < KEPT else "cavage"

    def may_try_other(self, host: str, now: datetime) -> bool:
        """Tell whether a request that was not understood may be made once more in the other dialect."""
        tried = self._in_vain.get(host)
        return tried is None or now - tried >= NOT_AGAIN_FOR

    def learn(self, host: str, dialect: Dialect, now: datetime) -> None:
        """Remember that a server took a dialect in which it was not spoken to first."""
        self._in_vain.pop(host, None)
        self._unsaved[host] = (now, dialect)
        _put(self._learned, host, (now, dialect))

    def note_spoken(self, host: str, kind: KeyKind, now: datetime) -> bool:
        """Remember that a server signs by RFC 9421 itself, or says that it reads that; tell whether that was news.

        One that was found to refuse it is not believed until that is forgotten.
        """
        heard: Dialect = "rfc9421-ed25519" if kind == "ed25519" else "rfc9421"
        learned = self._learned.get(host)
        if learned is not None and now - learned[0] < KEPT:
            is_less = heard == "rfc9421" and learned[1] == "rfc9421-ed25519"
            if learned[1] == "cavage" or is_less or (learned[1] == heard and now - learned[0] < REFRESHED_AFTER):
                return False
        self.learn(host, heard, now)
        return True

    def note_in_vain(self, host: str, now: datetime) -> None:
        """Remember that a server took neither dialect."""
        _put(self._in_vain, host, now)

    async def keep(self, database: Database, now: datetime) -> None:
        """Write down what is new, and read now and then what other processes have learned, or had before this one."""
        if self._unsaved:
            unsaved, self._unsaved = self._unsaved, {}
            await database.write(_write_down, unsaved)
        if self._read_at is None or now - self._read_at >= READ_AGAIN_AFTER:
            self._read_at = now
            for host, (moment, dialect) in (await database.read(_known)).items():
                mine = self._learned.get(host)
                # They keep the day only; what this process knows more exactly stays.
                if mine is None or mine[0] < moment:
                    _put(self._learned, host, (moment, dialect))


def other(dialect: Dialect) -> Dialect:
    """Return the dialect to try after this one."""
    return "rfc9421" if dialect == "cavage" else "cavage"


def _known(uow: UnitOfWork) -> dict[str, Learned]:
    known = (PEERS.c.dialect.is_not(None), PEERS.c.dialect_on > uow.now - KEPT)
    query = select(PEERS.c.host, PEERS.c.dialect, PEERS.c.dialect_on).where(*known).limit(MAX_HOSTS)
    return {row.host: (row.dialect_on, cast(Dialect, row.dialect)) for row in uow.connection.execute(query)}


def _write_down(uow: UnitOfWork, learned: dict[str, Learned]) -> None:
    rows = [
        {"of_host": host, "learned": dialect, "learned_on": moment}
        for host, (moment, dialect) in sorted(learned.items())
    ]
    uow.connection.execute(_KEEP, rows)


def _put(known: "OrderedDict[str, T]", host: str, what: T) -> None:
    known[host] = what
    known.move_to_end(host)
    while len(known) > MAX_HOSTS:
        known.popitem(last=False)
