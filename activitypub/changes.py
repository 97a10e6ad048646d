"""Changes of the rules for servers: planned, looked at, made at their hour, and undone within a week.

A list of any length costs a few statements. What a human ruled of a domain, for it and all below it, no list changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Row, Select, delete, func, insert, select, update

from activitypub.errors import RuleRefused
from activitypub.models import RuleChange, RuleChangeLine
from activitypub.peers import covering, put_rules, rules
from activitypub.rules import IMPORT, MANUAL, SUBSCRIPTION, Rule, pack, unpack
from privacy.clock import first_moment_of
from privacy.records import snowflake
from privacy.unit_of_work import UnitOfWork, table_of

CHANGES, LINES = table_of(RuleChange), table_of(RuleChangeLine)
UNDO_FOR: Final = timedelta(days=7)
REMEMBERED_FOR: Final = timedelta(days=30)
DRAFT, WAITING, APPLIED, UNDONE, DROPPED = "draft", "waiting", "applied", "undone", "dropped"
Rules = Mapping[str, Rule | None]
"""Rules by domain; None takes the rule of that domain back."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be changed, by whom or by which list, and when: at once, at an hour, or when an admin says so."""

    lines: Rules
    kind: str = MANUAL
    origin: str | None = None
    list_id: int | None = None
    made_by: int | None = None


@dataclass(frozen=True, slots=True)
class ChangeView:
    """A change as admins see it."""

    id: int
    kind: str
    origin: str | None
    list_id: int | None
    state: str
    made_by: int | None
    made_on: datetime
    applies_at: datetime | None
    undo_until: datetime | None
    parked: int
    size: int
    """How many domains it is about."""

    def may_undo(self, now: datetime) -> bool:
        """Tell whether it was made, and not more than a week ago."""
        return self.state == APPLIED and self.undo_until is not None and now < self.undo_until


def plan(uow: UnitOfWork, planned: Plan, *, applies_at: datetime | None = None) -> int:
    """Write a change down and return its id: a draft, or one that waits for its hour."""
    change_id = snowflake(uow.now)
    row = {
        "id": change_id, "kind": planned.kind, "origin": planned.origin, "list_id": planned.list_id,
        "state": DRAFT if applies_at is None else WAITING, "made_by": planned.made_by, "made_on": uow.now,
        "applies_at": applies_at, "undo_until": None, "parked": 0, "ends_at": uow.now + REMEMBERED_FOR,
    }  # fmt: skip
    uow.connection.execute(insert(CHANGES), row)
    _write_lines(uow, change_id, planned.lines, {}, {})
    return change_id


def make(uow: UnitOfWork, change_id: int, *, made_by: int | None = None) -> Rules:
    """Carry a change out, and return the rules that it changed. Raises RuleRefused when it was made or dropped."""
    row = _held(uow, change_id, (DRAFT, WAITING))
    standing, wanted = rules(uow), lines_of(uow, change_id)
    by, today = row.made_by if made_by is None else made_by, first_moment_of(uow.now)
    made = {
        name: None if rule is None else replace(rule, made_by=by, made_on=today)
        for name, rule in admissible(wanted, standing, row.list_id).items()
    }
    put_rules(uow, made)
    uow.connection.execute(delete(LINES).where(LINES.c.change_id == change_id))
    _write_lines(uow, change_id, wanted, made, standing)
    values = {"state": APPLIED, "undo_until": uow.now + UNDO_FOR, "made_by": by, "ends_at": uow.now + REMEMBERED_FOR}
    uow.connection.execute(update(CHANGES).where(CHANGES.c.id == change_id).values(values))
    return made


def undo(uow: UnitOfWork, change_id: int) -> Rules:
    """Put back the rules that held before a change, and return them; one that was changed since stays as it is.

    Raises RuleRefused for a change that was not made, or more than a week ago.
    """
    row = _held(uow, change_id, (APPLIED,))
    if row.undo_until is None or row.undo_until <= uow.now:
        raise RuleRefused("undo", public="This was done more than 7 days ago: it can only be changed by a new rule.")
    standing = rules(uow)
    query = select(LINES).where(LINES.c.change_id == change_id, LINES.c.made.is_(True))
    back = {
        line.host: unpack(line.before)
        for line in uow.connection.execute(query)
        if pack(standing.get(line.host)) == line.after
    }
    put_rules(uow, back)
    uow.connection.execute(update(CHANGES).where(CHANGES.c.id == change_id).values(state=UNDONE))
    return back


def drop(uow: UnitOfWork, change_id: int) -> None:
    """Give up a change that was not made. Raises RuleRefused when it was."""
    _held(uow, change_id, (DRAFT, WAITING))
    uow.connection.execute(update(CHANGES).where(CHANGES.c.id == change_id).values(state=DROPPED))


def schedule(uow: UnitOfWork, change_id: int, applies_at: datetime, made_by: int | None) -> None:
    """Let a change wait for an hour. Raises RuleRefused when it was made or dropped."""
    _held(uow, change_id, (DRAFT, WAITING))
    values = {"state": WAITING, "applies_at": applies_at, "made_by": made_by}
    uow.connection.execute(update(CHANGES).where(CHANGES.c.id == change_id).values(values))


def note_parked(uow: UnitOfWork, change_id: int, parked: int) -> None:
    """Remember how many places a change put on hold."""
    uow.connection.execute(update(CHANGES).where(CHANGES.c.id == change_id).values(parked=parked))


def forget_drafts_of(uow: UnitOfWork, list_id: int) -> None:
    """Give up what waits of a list: a newer state of it says everything anew."""
    of_list = (CHANGES.c.list_id == list_id, CHANGES.c.state.in_((DRAFT, WAITING)))
    uow.connection.execute(delete(CHANGES).where(*of_list))


def due(uow: UnitOfWork, limit: int) -> list[int]:
    """Return changes whose hour has come, the oldest first."""
    waiting = (CHANGES.c.state == WAITING, CHANGES.c.applies_at <= uow.now)
    return list(
        uow.connection.execute(
            select(CHANGES.c.id).where(*waiting).order_by(CHANGES.c.applies_at).limit(limit)
        ).scalars()
    )


def changes(uow: UnitOfWork, *, states: Sequence[str] = (), limit: int = 100) -> list[ChangeView]:
    """Return the newest changes, those that wait for somebody first."""
    query = _views().order_by(CHANGES.c.state.not_in((DRAFT, WAITING)), CHANGES.c.id.desc())
    if states:
        query = query.where(CHANGES.c.state.in_(states))
    return [ChangeView(*row) for row in uow.connection.execute(query.limit(limit))]


def change(uow: UnitOfWork, change_id: int) -> ChangeView:
    """Return one change. Raises RuleRefused when there is none of that number."""
    row = uow.connection.execute(_views().where(CHANGES.c.id == change_id)).first()
    if row is None:
        raise RuleRefused("change", public="There is no such change.")
    return ChangeView(*row)


def last_change_of(uow: UnitOfWork, name: str) -> int | None:
    """Return the newest change that can be undone and made the rule of a domain what it is now, or None."""
    now = pack(rules(uow).get(name))
    query = (
        select(CHANGES.c.id)
        .join(LINES, LINES.c.change_id == CHANGES.c.id)
        .where(LINES.c.host == name, LINES.c.made.is_(True), LINES.c.after == now)
        .where(CHANGES.c.state == APPLIED, CHANGES.c.undo_until > uow.now)
        .order_by(CHANGES.c.id.desc())
    )
    found: int | None = uow.connection.execute(query).scalar()
    return found


def put_back(uow: UnitOfWork, name: str) -> Rules:
    """Undo the newest change of one domain alone, or take its rule back where none can be undone."""
    change_id, before = last_change_of(uow, name), None
    if change_id is not None:
        line = (LINES.c.change_id == change_id, LINES.c.host == name)
        before = unpack(uow.connection.execute(select(LINES.c.before).where(*line)).scalar())
        uow.connection.execute(update(LINES).where(*line).values(made=False))
    back = {name: before}
    put_rules(uow, back)
    return back


def lines_of(uow: UnitOfWork, change_id: int) -> dict[str, Rule | None]:
    """Return what a change does, by domain."""
    query = select(LINES.c.host, LINES.c.after).where(LINES.c.change_id == change_id).order_by(LINES.c.host)
    return {row.host: unpack(row.after) for row in uow.connection.execute(query)}


def admissible(wanted: Rules, standing: Mapping[str, Rule], list_id: int | None = None) -> dict[str, Rule | None]:
    """Return those of some rules that may be put in place, and say something new (pure).

    What a human ruled holds for all below it as well, whatever a list says. A list that is read once changes no rule
    that there is; one that is subscribed to changes what came with lists of its kind, and takes back its own alone.
    """
    manual = {name: rule for name, rule in standing.items() if rule.source == MANUAL}
    return {
        name: rule
        for name, rule in wanted.items()
        if ((rule is not None and rule.source == MANUAL) or covering(name, manual) is None)
        and _is_new(rule, standing.get(name), list_id)
    }


def _is_new(rule: Rule | None, there: Rule | None, list_id: int | None) -> bool:
    if rule is None:
        return there is not None and there.list_id is not None and there.list_id == list_id
    if there is None:
        return True
    if rule.source == SUBSCRIPTION and there.source != SUBSCRIPTION:
        return False
    return rule.source != IMPORT and not (
        rule.says_as(there) and rule.source == there.source and rule.list_id == there.list_id
    )


def _write_lines(uow: UnitOfWork, change_id: int, wanted: Rules, made: Rules, standing: Mapping[str, Rule]) -> None:
    """Write down in one statement what a change is to do, and what of it was done, over what."""
    rows = [
        {
            "change_id": change_id,
            "host": name,
            "after": pack(made.get(name, rule)),
            "before": pack(standing.get(name)) if name in made else None,
            "made": name in made,
        }
        for name, rule in sorted(wanted.items())
    ]
    if rows:
        uow.connection.execute(insert(LINES), rows)


def _held(uow: UnitOfWork, change_id: int, states: Sequence[str]) -> Row[Any]:
    """Return a change in one of some states, which nobody else changes meanwhile. Raises RuleRefused."""
    row = uow.connection.execute(select(CHANGES).where(CHANGES.c.id == change_id).with_for_update()).first()
    if row is None:
        raise RuleRefused("change", public="There is no such change.")
    if row.state not in states:
        raise RuleRefused("change", public=WHY_NOT.get(row.state, "This change was not made."))
    return row


def _views() -> Select[Any]:
    size = select(func.count()).where(LINES.c.change_id == CHANGES.c.id).scalar_subquery()
    return select(
        CHANGES.c.id, CHANGES.c.kind, CHANGES.c.origin, CHANGES.c.list_id, CHANGES.c.state, CHANGES.c.made_by,
        CHANGES.c.made_on, CHANGES.c.applies_at, CHANGES.c.undo_until, CHANGES.c.parked, size,
    )  # fmt: skip


WHY_NOT: Final = {
    APPLIED: "This change was made already.",
    UNDONE: "This change was undone already.",
    DROPPED: "This change was given up.",
}
