"""What other servers run, asked of each once and again every week, so that each gets what it understands.

A hint and nothing more (FEP-0151): it decides in which form a group announces, never who may see something.
"""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from sqlalchemy import or_, select, update

from activitypub import nodeinfo
from activitypub.context import FederationContext
from activitypub.errors import FetchError, RemoteError
from activitypub.peers import PEERS
from privacy.unit_of_work import UnitOfWork

ASKED_AT_ONCE: Final = 8
ASK_AGAIN: Final = timedelta(days=7)
THREADIVERSE: Final = frozenset(
    {"kinfold", "lemmy", "piefed", "mbin", "kbin", "lotide", "discourse", "hubzilla", "forte"}
)
BOTH: Final = frozenset({"nodebb", "friendica", "pleroma", "streams"})
"""These show boosts, and understand announced activities as well (federation reference §5.4)."""


async def describe_due(context: FederationContext) -> int:
    """Ask the servers that were not asked yet, or not for a week; return how many were asked."""
    if context.peers.mode == "off":
        return 0
    await context.peers.keep_current(context.database, context.clock())
    await context.egress.dialects.keep(context.database, context.clock())
    hosts = await context.database.read(undescribed)
    names = await asyncio.gather(*(_software_of(context, host) for host in hosts))
    if hosts:
        await context.database.write(note_software, dict(zip(hosts, names, strict=True)))
    return len(hosts)


def undescribed(uow: UnitOfWork) -> list[str]:
    """Return servers that are to be asked, those that never were first."""
    waiting = or_(PEERS.c.described_at.is_(None), PEERS.c.described_at <= uow.now - ASK_AGAIN)
    query = select(PEERS.c.host).where(waiting).order_by(PEERS.c.described_at.asc().nulls_first())
    return list(uow.connection.execute(query.limit(ASKED_AT_ONCE)).scalars())


def note_software(uow: UnitOfWork, names: Mapping[str, str | None]) -> None:
    """Write down what servers run, and the class that follows; one that does not say keeps the class that it has."""
    for host, name in sorted(names.items()):
        changed: dict[str, object] = {"described_at": uow.now}
        if name is not None:
            changed |= {"software": name, "delivery_class": class_of(name)}
        uow.connection.execute(update(PEERS).where(PEERS.c.host == host).values(changed))


def class_of(software: str) -> str:
    """Return the form of announcements that a software understands (pure)."""
    if software in BOTH:
        return "both"
    return "threadiverse" if software in THREADIVERSE else "microblog"


async def _software_of(context: FederationContext, host: str) -> str | None:
    if context.peers.is_refused(host):
        return None
    asked = f"{context.uris.scheme_of(host)}://{host}/.well-known/nodeinfo"
    try:
        link = nodeinfo.schema_link(await context.egress.fetch_json(asked), asked=asked)
        return nodeinfo.software_name(await context.egress.fetch_json(link))
    except (FetchError, RemoteError):
        return None
