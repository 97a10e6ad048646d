"""What every table stands on: a declared end, ids that tell nothing or only ascend, and moments without a zone lost."""

import threading
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.orm import Mapped, mapped_column

from node.database import ThreadedDatabase
from privacy.clock import from_milliseconds, to_milliseconds
from privacy.models import ShredJob
from privacy.records import MAX_ID, Holds, Moment, OnErasure, Record, new_id, snowflake
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import START

JOBS = table_of(ShredJob)
SECONDS = 20 * 365 * 86_400


def test_a_table_that_does_not_say_what_it_holds_cannot_be_defined() -> None:
    with pytest.raises(TypeError, match="holds"):

        class Mute(Record):
            __tablename__ = "mute_test"
            id: Mapped[int] = mapped_column(primary_key=True)

    assert "mute_test" not in Record.metadata.tables
    assert "shred_jobs" in Record.metadata.tables, "the control: one that says so is there"


@pytest.mark.parametrize("said", ["somebody's words", None, OnErasure.DELETE, Holds], ids=str)
def test_words_alone_are_no_declaration(said: object) -> None:
    with pytest.raises(TypeError, match="holds"):
        type("Vague", (Record,), {"__tablename__": "vague_test", "__module__": __name__, "holds": said})
    assert "vague_test" not in Record.metadata.tables


@given(st.lists(st.integers(-SECONDS, SECONDS), min_size=2, max_size=30))
def test_snowflakes_only_ascend_whatever_the_clock_does(moved: list[int]) -> None:
    made = [snowflake(START + timedelta(seconds=seconds)) for seconds in moved]
    assert made == sorted(set(made))
    assert all(0 < each <= MAX_ID for each in made)


@given(st.timedeltas(timedelta(0), timedelta(seconds=SECONDS)))
def test_a_snowflake_of_a_new_moment_tells_that_moment(later: timedelta) -> None:
    moment = from_milliseconds(to_milliseconds(START + later))
    made = snowflake(moment)
    assert made >> 16 >= to_milliseconds(moment)


def test_snowflakes_of_many_threads_are_all_different() -> None:
    start, made = threading.Barrier(8), []

    def make() -> None:
        start.wait(timeout=20)
        made.append([snowflake(START) for _ in range(500)])

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(each == sorted(each) for each in made)
    assert len({number for each in made for number in each}) == 4_000


def test_ids_fit_and_tell_nothing_of_their_order() -> None:
    made = [new_id() for _ in range(1_000)]
    assert all(0 < each <= MAX_ID for each in made)
    assert len(set(made)) == len(made)
    assert made != sorted(made)


@pytest.mark.parametrize("number", [1, MAX_ID])
def test_the_largest_id_comes_back_from_either_database(database: ThreadedDatabase, number: int) -> None:
    def put(uow: UnitOfWork) -> None:
        row = {"id": number, "kind": "posts", "target_id": number, "created_at": uow.now, "attempts": 0}
        uow.connection.execute(insert(JOBS), row)

    database.write_now(put)
    found = database.read_now(lambda uow: uow.connection.execute(select(JOBS)).one())
    assert (found.id, found.target_id, found.slot, found.due_at) == (number, number, None, None)
    assert found.created_at == START


@given(st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis wants its bounds bare
def test_a_moment_comes_back_to_the_millisecond_and_in_utc(moment: datetime) -> None:
    kind, dialect = Moment(), sqlite.dialect()
    stored = kind.process_bind_param(moment, dialect)
    found = kind.process_result_value(stored, dialect)
    assert found is not None
    assert found.tzinfo is UTC
    assert abs(found - moment) <= timedelta(milliseconds=1)
    assert kind.process_bind_param(found, dialect) == stored


def test_a_moment_of_another_zone_is_the_same_moment() -> None:
    kind, dialect = Moment(), sqlite.dialect()
    there = START.astimezone(timezone(timedelta(hours=9)))
    assert kind.process_bind_param(there, dialect) == kind.process_bind_param(START, dialect)
    assert kind.process_bind_param(None, dialect) is None
    assert kind.process_result_value(None, dialect) is None
