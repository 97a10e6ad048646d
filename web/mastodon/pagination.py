"""Pages of timelines: what an app asks for, and the links to the pages beside it (client API reference §5; pure)."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from groups.views import Page

BOUNDS = frozenset({"max_id", "since_id", "min_id"})


@dataclass(frozen=True, slots=True)
class Limit:
    """How many entries a page has when nothing is said, and at most."""

    default: int
    most: int


STATUSES = Limit(20, 40)
NOTIFICATIONS = Limit(40, 80)
ACCOUNTS = Limit(40, 80)


def links(address: str, asked: Sequence[tuple[str, str]], page: Page, ids: Sequence[int]) -> str | None:
    """Return the value of a Link field for a page that holds these ids, newest first, or None for an empty one.

    `next` stands first, since toot reads only the beginning. A page that is not full has no next one: toot would ask
    for ever. `address` is the absolute address without its query, `asked` what else was asked.
    """
    if not ids:
        return None
    others = [(name, value) for name, value in asked if name not in BOUNDS]
    told = []
    if len(ids) >= page.limit:
        told.append(_link(address, others, "max_id", ids[-1], "next"))
    told.append(_link(address, others, "min_id", ids[0], "prev"))
    return ", ".join(told)


def _link(address: str, others: Sequence[tuple[str, str]], bound: str, identifier: int, relation: str) -> str:
    query = urlencode([*others, (bound, str(identifier))])
    return f'<{address}?{query}>; rel="{relation}"'
