"""Rows that end by themselves: each floor declares in its `ends` module which of its rows go when.

What was sealed ends by its keys first and is `privacy.retention`'s; here are the rows that hold ids and times only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from sqlalchemy import Column, delete, func, select, tuple_

from privacy.accounts import TOKENS
from privacy.unit_of_work import UnitOfWork

NO_TIME = timedelta(0)


@dataclass(frozen=True, slots=True)
class EndRule:
    """Rows of `column`'s table go when the moment in it is `after` past, as far as they fulfil `where`."""

    column: Column[Any]
    after: timedelta = NO_TIME
    where: tuple[Any, ...] = ()

    @property
    def name(self) -> str:
        """What the rule is called in counts."""
        return str(self.column.table)


ENDS = (EndRule(TOKENS.c.expires_at),)
"""Sign-in links."""


def end_rows(uow: UnitOfWork, rule: EndRule, limit: int) -> int:
    """Delete rows whose end has come, at most so many, and return how many went."""
    table = rule.column.table
    keys = list(table.primary_key.columns)
    ended = select(*keys).where(rule.column <= uow.now - rule.after, *rule.where).limit(limit)
    chosen = keys[0].in_(ended) if len(keys) == 1 else tuple_(*keys).in_(ended)
    found: int = uow.connection.execute(delete(table).where(chosen)).rowcount
    return found


def count_ending(uow: UnitOfWork, rules: Sequence[EndRule]) -> dict[str, int]:
    """Return how many rows would go now, by table."""
    counts: dict[str, int] = {}
    for rule in rules:
        ended = select(func.count()).select_from(rule.column.table)
        found = uow.connection.execute(ended.where(rule.column <= uow.now - rule.after, *rule.where)).scalar_one()
        counts[rule.name] = counts.get(rule.name, 0) + found
    return counts
