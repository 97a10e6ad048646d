"""How SQLite finds what a busy node asks for: by an index, in every table that grows, whatever anybody does.

The statements are those that really run while a crowd acts at random; a new one without an index is found here.
"""

import random
import re
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import event
from sqlalchemy.engine import Engine

from groups import notifications, timelines
from groups.views import Page, Viewer
from privacy.records import Record
from privacy.unit_of_work import UnitOfWork
from tests.groups.house import House
from tests.groups.test_side_by_side import Crowd

DEEDS = 400
VALUE = re.compile(r"x'[0-9a-f]*'|'[^']*'|\b[0-9]+\b", re.IGNORECASE)
SEVERAL = re.compile(r"\(\?(?:, \?)+\)")
SCANNED = re.compile(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")
SMALL = {"groups", "peers", "peer_rules"}
"""Read whole when a rule about servers changes, which is seldom."""
OF_ADMINS = "peers.level IN"
"""Marks what is done when such a rule changes: everybody of a server is looked for."""
WAITING = {"ix_outbox_items_spreading"}
"""Holds only what is to be spread, and so is read from its beginning."""
OF_THE_TEST = re.compile(r"FROM (\w+) ORDER BY \1\.id")


@pytest.fixture
def asked() -> Iterator[dict[str, str]]:
    """Every statement that is executed from now on, by what it looks like without its values."""
    seen: dict[str, str] = {}

    def listen(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(lambda said: seen.setdefault(SEVERAL.sub("(?)", VALUE.sub("?", said)), said))

    event.listen(Engine, "connect", listen)
    yield seen
    event.remove(Engine, "connect", listen)


def scans(uow: UnitOfWork, statement: str) -> set[str]:
    """Return the tables that a statement reads from one end to the other."""
    driver: Any = uow.connection.connection.driver_connection
    found = [SCANNED.match(row[3]) for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()]
    return {match[1] for match in found if match is not None and match[2] not in WAITING}


@pytest.mark.parametrize(
    "database_address", ["sqlite"], indirect=True
)  # its plans can be read; the indexes are the same
def test_no_table_that_grows_is_read_from_one_end_to_the_other(asked: dict[str, str], house: House) -> None:
    crowd = Crowd(house, random.Random(5))
    for number in range(DEEDS):
        crowd.act(number)
    reader = crowd.people[0]
    house.ask(timelines.home_timeline, reader, Page())
    house.ask(timelines.group_timeline, Viewer(reader), crowd.groups[0], Page())
    house.ask(notifications.notifications_of, reader, Page())
    grows = {table.name for table in Record.metadata.sorted_tables} - SMALL
    verbs = ("SELECT", "UPDATE", "DELETE", "INSERT", "WITH")
    statements = {shape: said for shape, said in asked.items() if said.lstrip().upper().startswith(verbs)}
    assert len(statements) > 100
    found = {
        (table, shape)
        for shape, said in statements.items()
        for table in house.ask(scans, said) & grows
        if OF_ADMINS not in shape and not OF_THE_TEST.search(shape)
    }
    assert found == set()


@pytest.mark.parametrize("database_address", ["sqlite"], indirect=True)
def test_what_has_no_index_is_noticed(house: House) -> None:
    """The control."""
    assert house.ask(scans, "SELECT id FROM posts WHERE revision = 1") == {"posts"}
    assert house.ask(scans, "SELECT id FROM posts WHERE uri = 'x'") == set()
