"""What the tables tell a thief who has them, and not the keyring: never which account and which names are one person's.

A thief pairs rows by what they have in common or next to each other: moments, numbers that count up, the order in which
rows were stored. So every number in a row of an account, or of a name, is a day, a small count, or chance.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

import pytest
import sqlalchemy as sa

from activitypub.uris import Uris
from groups import invitations, membership
from node import schema
from node.database import ThreadedDatabase
from privacy import accounts
from privacy.clock import to_milliseconds
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork
from tests.clock import START, MovableClock
from tests.factories import make_group, make_persona, shared_keys
from web.applications import NewApplication, register_application
from web.grants import Grant, grant_code
from web.registration import NewMember, register_invited
from web.sessions import extend_session, new_session_token, open_session
from web.tokens import NewToken, make_token

DAY_MS, HOUR_MS = 86_400_000, 3_600_000
FEW = 1_000
SHORT_LIVED = {
    ("sign_in_links", "expires_at"): "an hour; the row goes with its use, before anybody is signed in",
    ("authorization_codes", "expires_at"): "ten minutes, and remembered for a day; no row of an account has a moment",
}
COUNTED = {("actors", "slot"): "numbered by the keyring; no row of an account has a number that counts up"}


@dataclass(frozen=True, slots=True)
class Person:
    """An account with its one name, as the database knows them."""

    account_id: int
    persona_id: int


@dataclass(frozen=True, slots=True)
class Found:
    """A number in a row that stands for somebody."""

    table: str
    column: str
    value: int


def tells_when(value: int) -> bool:
    """Tell whether a number gives a moment away, or a place in an order: it is no day, no small count, no chance."""
    if value < FEW or value % DAY_MS == 0:
        return False
    now, is_ordered = to_milliseconds(START), value < 1 << 40
    # As a snowflake within the hour that these tests last, or chance would look like one now and then.
    return is_ordered or abs(value - now) < 366 * DAY_MS or abs((value >> 16) - now) < HOUR_MS


def come_in(uow: UnitOfWork, uris: Uris, name: str, group_id: int, welcome_id: int) -> Person:
    """Register by invitation, sign in on two devices, let an app in, ask for another group: all at one moment."""
    _, link = invitations.invite(uow, None, group_id, 1, timedelta(days=7))
    made, _ = register_invited(uow, uris, NewMember(name, name, email=f"{name}@mail.example"), shared_keys(), link)
    account_id, persona_id = made.account_id, made.persona.id
    membership.request_to_join(uow, uris, persona_id, welcome_id)
    own, other = (new_session_token(uow.now, shared=False) for _ in range(2))
    for token in (own, other):
        open_session(uow, account_id, token)
    extend_session(uow, own)
    accounts.make_sign_in_link(uow, account_id)
    make_token(uow, NewToken(persona_id, ["read"]))
    app, _ = register_application(uow, NewApplication("Lantern", ("https://app.example/",), ("read",)))
    grant_code(uow, Grant(app, persona_id, None, ("read",), "https://app.example/", None))
    return Person(account_id, persona_id)


def rows_of(uow: UnitOfWork, number: int) -> Iterator[tuple[sa.Table, dict[str, object]]]:
    """Go through the rows that name somebody, as they are stored: without our types, by the database's own account."""
    stored = sa.MetaData()
    stored.reflect(uow.connection)
    assert set(stored.tables) >= set(schema.metadata.tables)
    for table in stored.sorted_tables:
        for row in uow.connection.execute(sa.select(*table.c)):
            if number in tuple(row):
                yield table, dict(row._mapping)


def numbers_of(uow: UnitOfWork, number: int) -> list[Found]:
    """Return every number in the rows of somebody; on SQLite also those by which it counts the rows of a table."""
    found: list[Found] = []
    for table, row in rows_of(uow, number):
        found += [Found(table.name, name, value) for name, value in row.items() if type(value) is int]
        if uow.dialect == "sqlite" and not is_unordered(uow, table):
            # The number of a row is the key itself where that is one integer, and counts up everywhere else.
            keys = list(table.primary_key.columns)
            is_key = len(keys) == 1 and isinstance(keys[0].type, sa.Integer)
            found.append(Found(table.name, "rowid", int(str(row[keys[0].name])) if is_key else FEW))
    return found


def is_unordered(uow: UnitOfWork, table: sa.Table) -> bool:
    """Tell whether SQLite does not number the rows of a table."""
    try:
        uow.connection.exec_driver_sql(f"SELECT rowid FROM {table.name} LIMIT 1").close()
    except sa.exc.OperationalError:
        return True
    return False


@pytest.fixture
def people(database: ThreadedDatabase, uris: Uris, clock: MovableClock) -> list[Person]:
    """Two who came in one after the other, at moments that no other row has."""
    owner = database.write_now(make_persona, uris, "owner")
    group, welcome = (database.write_now(make_group, uris, name, owner_id=owner) for name in ("grief", "welcome"))
    came: list[Person] = []
    for name in ("robin", "sam"):
        clock.move(timedelta(minutes=7, milliseconds=461))
        came.append(database.write_now(come_in, uris, name, group, welcome))
    return came


@pytest.mark.parametrize("whose", ["account_id", "persona_id"])
def test_no_number_in_the_rows_of_somebody_tells_when_they_were_written(
    database: ThreadedDatabase, people: list[Person], whose: str
) -> None:
    """So rows of an account and rows of a name that were written together have nothing by which to pair them."""
    expected = {
        "account_id": {"accounts", "sessions", "sign_in_links"},
        "persona_id": {"personas", "persona_links", "actors", "actor_keys", "memberships", "access_tokens"},
    }[whose]
    for person in people:
        found = database.read_now(numbers_of, getattr(person, whose))
        assert {one.table for one in found} >= expected
        telling = {(one.table, one.column) for one in found if one.table in expected and tells_when(one.value)}
        assert telling <= set(SHORT_LIVED) | set(COUNTED)


def test_no_row_names_an_account_and_a_name(database: ThreadedDatabase, people: list[Person]) -> None:
    """Not even with a table between: what the rows of the one name beside it, no row of the other does."""
    for person in people:
        sides = [database.read_now(numbers_of, number) for number in (person.account_id, person.persona_id)]
        account, persona = ({one.value for one in side if one.value >= FEW and one.value % DAY_MS} for side in sides)
        assert person.account_id in account
        assert person.persona_id in persona
        assert account & persona == set()


def test_what_would_give_a_moment_away_is_known_for_it() -> None:
    """The honest control: moments, snowflakes and numbers that count up are found; days and chance are not."""
    moment = START + timedelta(milliseconds=461)
    assert tells_when(to_milliseconds(moment))
    assert tells_when(to_milliseconds(moment) << 16 | 0xBEEF)
    assert tells_when(FEW)
    assert not tells_when(to_milliseconds(START.replace(hour=0)))
    assert not any(tells_when(new_id()) for _ in range(100))
