"""What goes to the driver directly means what SQLAlchemy would have made of it, on both databases."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import BigInteger, LargeBinary, bindparam, insert, literal, select, update

from node.database import ThreadedDatabase
from privacy.models import NodeState, ShredJob
from privacy.records import Moment
from privacy.statements import Prepared, listed
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import START

JOBS, STATES = table_of(ShredJob), table_of(NodeState)
COLUMNS = ("id", "kind", "target_id", "slot", "created_at", "due_at", "attempts")
INSERT = Prepared(insert(JOBS), COLUMNS)
BY_KIND = select(JOBS.c.id, JOBS.c.slot, JOBS.c.created_at.label("made_at")).where(
    JOBS.c.kind == bindparam("wanted"), JOBS.c.attempts == literal(3), JOBS.c.kind.in_(listed(("posts", "actors")))
)
FOUND = Prepared(BY_KIND)


def job(number: int, **values: object) -> dict[str, object]:
    """Return a row."""
    common = {"kind": "posts", "target_id": 7, "slot": None, "created_at": START, "due_at": START, "attempts": 3}
    return {"id": number, **common, **values}


def written(uow: UnitOfWork, *rows: dict[str, object]) -> None:
    """Put rows in."""
    for row in rows:
        assert INSERT.run(uow, row) == 1


def test_what_is_written_and_read_is_what_sqlalchemy_reads(database: ThreadedDatabase) -> None:
    rows = [job(1, slot=5), job(2, created_at=START + timedelta(days=1)), job(3, kind="actors"), job(4, attempts=2)]
    database.write_now(written, *rows)

    def both(uow: UnitOfWork) -> None:
        ours, theirs = FOUND.rows(uow, {"wanted": "posts"}), uow.connection.execute(BY_KIND, {"wanted": "posts"}).all()
        assert sorted(map(tuple, ours)) == sorted(map(tuple, theirs))
        assert {row.id: (row.slot, row.made_at) for row in ours} == {1: (5, START), 2: (None, rows[1]["created_at"])}
        assert FOUND.rows(uow, {"wanted": "none"}) == []
        assert FOUND.value(uow, {"wanted": "actors"}) == 3
        assert FOUND.value(uow, {"wanted": "none"}) is None

    database.read_now(both)


def test_it_belongs_to_the_transaction_in_which_it_is_run(database: ThreadedDatabase) -> None:
    def fail(uow: UnitOfWork) -> None:
        written(uow, job(1))
        raise LookupError

    with pytest.raises(LookupError):
        database.write_now(fail)
    assert database.read_now(lambda uow: FOUND.rows(uow, {"wanted": "posts"})) == []


def test_what_it_collides_with_is_told_as_any_collision_and_takes_nobody_along(database: ThreadedDatabase) -> None:
    database.write_now(written, job(1))
    with pytest.raises(Exception, match=r"(?i)unique"):
        database.write_now(written, job(2), job(1))
    assert database.read_now(lambda uow: [row.id for row in FOUND.rows(uow, {"wanted": "posts"})]) == [1]


def test_a_value_that_is_missing_is_not_taken_for_null(database: ThreadedDatabase) -> None:
    incomplete = job(1)
    del incomplete["slot"]
    with pytest.raises(KeyError, match="slot"):
        database.write_now(written, incomplete)


def test_how_many_rows_were_changed_is_told(database: ThreadedDatabase) -> None:
    change = Prepared(update(JOBS).where(JOBS.c.kind == bindparam("wanted")).values(attempts=JOBS.c.attempts + 1))
    database.write_now(written, job(1), job(2), job(3, kind="actors"))
    assert database.write_now(change.run, {"wanted": "posts"}) == 2
    assert database.write_now(change.run, {"wanted": "none"}) == 0


VALUES = {
    "text": (bindparam("value"), st.text(st.characters(codec="utf-8", exclude_characters="\x00"))),
    "number": (bindparam("value", type_=BigInteger()), st.integers(-(2**63), 2**63 - 1)),
    "bytes": (bindparam("value", type_=LargeBinary()), st.binary()),
    "moment": (
        bindparam("value", type_=Moment()),
        st.datetimes(datetime(1970, 1, 2), datetime(9999, 1, 1), timezones=st.just(UTC)).map(  # noqa: DTZ001 - bounds are naive
            lambda at: at.replace(microsecond=at.microsecond // 1000 * 1000)
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", VALUES)
def test_every_value_comes_back_as_it_went(database: ThreadedDatabase, kind: str) -> None:
    parameter, values = VALUES[kind]
    echo = Prepared(select(parameter.label("value")))

    @settings(max_examples=15, deadline=None)
    @given(values)
    def comes_back(value: object) -> None:
        assert database.read_now(lambda uow: echo.value(uow, {"value": value})) == value

    comes_back()
