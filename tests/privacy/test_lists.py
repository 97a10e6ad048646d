"""A list as one parameter finds what SQLAlchemy's own `in_` finds, on both databases."""

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import ColumnElement, delete, insert, select

from node.database import ThreadedDatabase
from privacy.lists import among
from privacy.models import NodeState, ShredJob
from privacy.statements import Prepared
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import START

JOBS, STATES = table_of(ShredJob), table_of(NodeState)
NAMES = ["plain", "a'b", 'a"b', "a\\b", "a,b", "[1]", "{}", "zoë", "🌱", "\u2028", ""]
NUMBERS = [0, 1, -1, 2**31, 2**53 + 1, 2**63 - 1]
BY_ID = Prepared(select(JOBS.c.id).where(among(JOBS.c.id, "wanted")))
BY_NAME = Prepared(select(STATES.c.name).where(among(STATES.c.name, "wanted")))
BOTH = HealthCheck.function_scoped_fixture


@pytest.fixture
def filled(database: ThreadedDatabase) -> ThreadedDatabase:
    """A database with a row for each of the numbers and names."""
    common = {"kind": "posts", "target_id": 7, "slot": None, "created_at": START, "due_at": START, "attempts": 0}

    def fill(uow: UnitOfWork) -> None:
        uow.connection.execute(insert(JOBS), [common | {"id": number} for number in NUMBERS])
        uow.connection.execute(insert(STATES), [{"name": name, "value": "x"} for name in NAMES])

    database.write_now(fill)
    return database


def agree(uow: UnitOfWork, query: Prepared, column: ColumnElement[Any], wanted: Sequence[object]) -> bool:
    """Tell whether the same rows are found in both ways."""
    theirs = uow.connection.execute(select(column).where(column.in_(wanted))).scalars()
    return {row[0] for row in query.rows(uow, {"wanted": wanted})} == set(theirs)


@settings(max_examples=30, deadline=None, suppress_health_check=[BOTH])
@given(numbers=st.lists(st.sampled_from(NUMBERS) | st.integers(-(2**63), 2**63 - 1)))
def test_numbers_are_found(filled: ThreadedDatabase, numbers: list[int]) -> None:
    assert filled.read_now(agree, BY_ID, JOBS.c.id, numbers)


@settings(max_examples=30, deadline=None, suppress_health_check=[BOTH])
@given(
    names=st.lists(st.sampled_from(NAMES) | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
)
def test_texts_are_found_and_mean_nothing_else(filled: ThreadedDatabase, names: list[str]) -> None:
    assert filled.read_now(agree, BY_NAME, STATES.c.name, names)


def test_a_list_may_be_longer_than_a_statement_may_have_parameters(filled: ThreadedDatabase) -> None:
    found = filled.read_now(BY_ID.rows, {"wanted": range(100_000)})
    assert sorted(row.id for row in found) == [0, 1]


def test_what_is_deleted_is_what_was_named(filled: ThreadedDatabase) -> None:
    gone = Prepared(delete(JOBS).where(among(JOBS.c.id, "wanted")))
    assert filled.write_now(gone.run, {"wanted": [0, 2**63 - 1, 99]}) == 2
    assert filled.write_now(gone.run, {"wanted": []}) == 0
    left = filled.read_now(lambda uow: uow.connection.execute(select(JOBS.c.id)).scalars().all())
    assert sorted(left) == sorted(set(NUMBERS) - {0, 2**63 - 1})
