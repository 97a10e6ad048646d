"""Rows that end by themselves go at their moment, in bounded batches, and take nothing with them that lives on."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Column, insert, select

from activitypub.models import LedgerEntry
from node.database import ThreadedDatabase
from privacy.accounts import LINK_LIFE, TOKENS, NewAccount, make_sign_in_link, register
from privacy.ends import ENDS, EndRule, count_ending, end_rows
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import START, MovableClock

LEDGER = table_of(LedgerEntry)
SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
(LINKS_END,) = ENDS


def put_link(uow: UnitOfWork, number: int, ends_at: datetime) -> None:
    row = {"token_hash": bytes([number]) * 32, "account_id": number, "expires_at": ends_at}
    uow.connection.execute(insert(TOKENS), row)


def put_copy(uow: UnitOfWork, object_id: int, inbox: str, ends_at: datetime | None) -> None:
    row = {"object_id": object_id, "inbox": inbox, "host": "far.example", "via": "push"}
    uow.connection.execute(insert(LEDGER), row | {"ends_at": ends_at})


def left(database: ThreadedDatabase, column: Column[Any]) -> list[Any]:
    return sorted(database.read_now(lambda uow: uow.connection.execute(select(column)).scalars().all()))


def test_a_sign_in_link_that_nobody_used_goes_after_its_hour(database: ThreadedDatabase, clock: MovableClock) -> None:
    account_id = database.write_now(register, NewAccount("robin"))
    database.write_now(make_sign_in_link, account_id)
    clock.move(LINK_LIFE - SECOND)
    assert database.write_now(end_rows, LINKS_END, 10) == 0
    clock.move(SECOND)
    assert database.read_now(count_ending, ENDS) == {"sign_in_links": 1}
    assert database.write_now(end_rows, LINKS_END, 10) == 1
    assert left(database, TOKENS.c.account_id) == []


def test_no_more_go_at_once_than_asked_for(database: ThreadedDatabase) -> None:
    for number in range(5):
        database.write_now(put_link, number, START - HOUR)
    database.write_now(put_link, 9, START + HOUR)
    assert database.read_now(count_ending, ENDS) == {"sign_in_links": 5}
    assert [database.write_now(end_rows, LINKS_END, 2) for _ in range(4)] == [2, 2, 1, 0]
    assert left(database, TOKENS.c.account_id) == [9]


@pytest.mark.parametrize("after", [timedelta(0), HOUR, timedelta(days=30)])
def test_a_rule_may_wait_after_the_moment(database: ThreadedDatabase, clock: MovableClock, after: timedelta) -> None:
    rule = EndRule(TOKENS.c.expires_at, after)
    database.write_now(put_link, 1, START)
    clock.move(after - SECOND)
    assert database.write_now(end_rows, rule, 10) == 0
    clock.move(SECOND)
    assert database.write_now(end_rows, rule, 10) == 1


def test_a_rule_may_spare_rows(database: ThreadedDatabase) -> None:
    rule = EndRule(TOKENS.c.expires_at, where=(TOKENS.c.account_id > 1,))
    for number in (1, 2):
        database.write_now(put_link, number, START)
    assert database.read_now(count_ending, [rule]) == {"sign_in_links": 1}
    assert database.write_now(end_rows, rule, 10) == 1
    assert left(database, TOKENS.c.account_id) == [1]


def test_of_rows_with_a_key_of_two_columns_only_those_that_ended_go(database: ThreadedDatabase) -> None:
    """A row that shares one half of its key with one that ends stays."""
    rule = EndRule(LEDGER.c.ends_at)
    here, there = "https://far.example/inbox", "https://near.example/inbox"
    for object_id, inbox, ends_at in ((1, here, START), (1, there, START + HOUR), (2, here, None), (2, there, START)):
        database.write_now(put_copy, object_id, inbox, ends_at)
    assert database.write_now(end_rows, rule, 10) == 2
    assert left(database, LEDGER.c.object_id) == [1, 2]
    assert left(database, LEDGER.c.inbox) == [here, there]


def test_rules_of_one_table_are_counted_together(database: ThreadedDatabase) -> None:
    for number in (1, 2, 3):
        database.write_now(put_link, number, START)
    rules = [EndRule(TOKENS.c.expires_at, where=(TOKENS.c.account_id == number,)) for number in (1, 2)]
    assert database.read_now(count_ending, rules) == {"sign_in_links": 2}
    assert left(database, TOKENS.c.account_id) == [1, 2, 3], "counting ends nothing"
