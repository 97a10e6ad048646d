"""Lists of servers to hold off that are fetched again every day: which there are, and what each says.

Where lists say different things of a domain, the one of the highest priority counts; where one says a domain no more,
the next one does. What becomes of that is `groups.ruling`'s.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, Final

from sqlalchemy import delete, insert, select, update

from activitypub.context import FederationContext
from activitypub.domains import domain_in
from activitypub.errors import RuleRefused
from activitypub.models import PeerList, PeerListEntry
from activitypub.peers import covering
from activitypub.rules import SUBSCRIPTION, Rule, pack, unpack
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of

LISTS, ENTRIES = table_of(PeerList), table_of(PeerListEntry)
EVERY: Final = timedelta(days=1)
AFTER_A_FAILURE: Final = timedelta(hours=1)
MOST_LISTS: Final = 20
MAX_PRIORITY: Final = 255
MAX_URL_CHARACTERS: Final = 2_000
ASKED_AT_ONCE: Final = 500
ACCEPT: Final = "text/csv, application/json;q=0.9, text/plain;q=0.8"


@dataclass(frozen=True, slots=True)
class Subscription:
    """A list that is fetched again and again."""

    id: int
    url: str
    priority: int
    applies: bool
    excluded: tuple[str, ...]
    made_by: int | None
    next_at: datetime
    fetched_on: datetime | None
    failure: str | None


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """A list that is to be fetched from now on."""

    url: str
    priority: int = 0
    applies: bool = False
    excluded: tuple[str, ...] = ()
    made_by: int | None = None


async def fetch_list(context: FederationContext, url: str) -> bytes:
    """Fetch a list, as nobody in particular. Raises FetchError."""
    return (await context.egress.fetch(url, accept=ACCEPT)).body


def subscribe(uow: UnitOfWork, new: NewSubscription) -> int:
    """Write a subscription down, to be fetched soon, and return its id. Raises RuleRefused."""
    excluded = [domain_in(each) for each in new.excluded]
    if None in excluded:
        raise RuleRefused("excluded", public="What is to be left out of the list must be domains.")
    if not 0 <= new.priority <= MAX_PRIORITY or len(new.url) > MAX_URL_CHARACTERS:
        raise RuleRefused("priority", public=f"A priority is a number from 0 to {MAX_PRIORITY}.")
    known = list(uow.connection.execute(select(LISTS.c.url)).scalars())
    if new.url in known or len(known) >= MOST_LISTS:
        raise RuleRefused("list", public=f"This list is known already, or there are {MOST_LISTS} lists.")
    list_id = new_id()
    row = {
        "id": list_id, "url": new.url, "priority": new.priority, "applies": new.applies,
        "excluded": "\n".join(each for each in excluded if each), "made_by": new.made_by, "next_at": uow.now,
        "checksum": None, "fetched_on": None, "failure": None,
    }  # fmt: skip
    uow.connection.execute(insert(LISTS), row)
    uow.wake("rules")
    return list_id


def subscriptions(uow: UnitOfWork) -> list[Subscription]:
    """Return all lists, the one that counts most first."""
    rows = uow.connection.execute(select(LISTS).order_by(LISTS.c.priority.desc(), LISTS.c.url))
    return [_view(row) for row in rows]


def subscription(uow: UnitOfWork, list_id: int) -> Subscription:
    """Return one list. Raises RuleRefused when there is none."""
    row = uow.connection.execute(select(LISTS).where(LISTS.c.id == list_id)).first()
    if row is None:
        raise RuleRefused("list", public="There is no such list.")
    return _view(row)


def claim_list(uow: UnitOfWork) -> Subscription | None:
    """Return a list that is to be fetched now, and let nobody else fetch it for an hour."""
    query = select(LISTS).where(LISTS.c.next_at <= uow.now).order_by(LISTS.c.next_at).limit(1)
    row = uow.connection.execute(query.with_for_update(skip_locked=True)).first()
    if row is None:
        return None
    uow.connection.execute(update(LISTS).where(LISTS.c.id == row.id).values(next_at=uow.now + AFTER_A_FAILURE))
    return _view(row)


def note_fetched(uow: UnitOfWork, list_id: int, content: bytes) -> bool:
    """Remember what came; tell whether it is another than the last time."""
    checksum = sha256(content).digest()
    before = uow.connection.execute(select(LISTS.c.checksum).where(LISTS.c.id == list_id)).scalar()
    values = {"checksum": checksum, "fetched_on": uow.now, "failure": None, "next_at": uow.now + EVERY}
    uow.connection.execute(update(LISTS).where(LISTS.c.id == list_id).values(values))
    return before != checksum


def note_failure(uow: UnitOfWork, list_id: int, why: str) -> None:
    """Remember why a list did not come; what it said before stays."""
    uow.connection.execute(update(LISTS).where(LISTS.c.id == list_id).values(failure=why))


def replace_entries(uow: UnitOfWork, list_id: int, said: Mapping[str, Rule]) -> set[str]:
    """Put what a list says in the place of what it said; return the domains that it names, or named."""
    found = subscription(uow, list_id)
    left_out = dict.fromkeys(found.excluded)
    kept = {name: rule for name, rule in said.items() if covering(name, left_out) is None}
    before = set(uow.connection.execute(select(ENTRIES.c.host).where(ENTRIES.c.list_id == list_id)).scalars())
    uow.connection.execute(delete(ENTRIES).where(ENTRIES.c.list_id == list_id))
    rows = [
        {"list_id": list_id, "host": name, "rule": pack(_of_list(rule, found))} for name, rule in sorted(kept.items())
    ]
    if rows:
        uow.connection.execute(insert(ENTRIES), rows)
    return before | kept.keys()


def wanted_of(uow: UnitOfWork, names: Iterable[str]) -> dict[str, Rule | None]:
    """Return what the lists together say of some domains: the highest priority counts, None where no list speaks."""
    asked = sorted(names)
    wanted: dict[str, Rule | None] = dict.fromkeys(asked)
    query = select(ENTRIES.c.host, ENTRIES.c.rule).join(LISTS, LISTS.c.id == ENTRIES.c.list_id)
    query = query.order_by(LISTS.c.priority, LISTS.c.url.desc())
    for start in range(0, len(asked), ASKED_AT_ONCE):
        some = query.where(ENTRIES.c.host.in_(asked[start : start + ASKED_AT_ONCE]))
        wanted |= {row.host: unpack(row.rule) for row in uow.connection.execute(some)}
    return wanted


def forget(uow: UnitOfWork, list_id: int) -> None:
    """Forget a list with all that it said."""
    uow.connection.execute(delete(LISTS).where(LISTS.c.id == list_id))


def _of_list(rule: Rule, found: Subscription) -> Rule:
    return replace(rule, source=SUBSCRIPTION, origin=found.url, list_id=found.id)


def _view(row: Any) -> Subscription:
    excluded = tuple(row.excluded.split("\n")) if row.excluded else ()
    return Subscription(
        row.id, row.url, row.priority, row.applies, excluded, row.made_by, row.next_at, row.fetched_on, row.failure
    )
