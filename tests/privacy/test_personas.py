"""A member's faces: each acts by itself, ends for good, and the question after a sibling is answered by yes or no."""

from sqlalchemy import select

from node.database import ThreadedDatabase
from privacy import accounts, personas
from privacy.accounts import NewAccount
from privacy.models import Persona
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import START

PERSONAS = table_of(Persona)


def add(uow: UnitOfWork, account_id: int) -> int:
    persona_id = new_id()
    personas.create_persona(uow, persona_id)
    accounts.link_persona(uow, account_id, persona_id)
    return persona_id


def sibling_among(uow: UnitOfWork, persona_id: int, others: list[int]) -> bool:
    return personas.has_sibling_among(uow, persona_id, select(PERSONAS.c.id).where(PERSONAS.c.id.in_(others)))


def test_a_persona_acts_until_it_is_retired_and_never_again(database: ThreadedDatabase) -> None:
    account_id = database.write_now(accounts.register, NewAccount("robin"))
    first, second = (database.write_now(add, account_id) for _ in range(2))
    assert database.read_now(personas.may_act, first)
    database.write_now(personas.retire_persona, first)
    assert not database.read_now(personas.may_act, first)
    assert database.read_now(personas.may_act, second)
    assert database.read_now(accounts.personas_of, account_id) == (second,)
    assert database.read_now(accounts.all_personas_of, account_id) == (first, second)
    assert not database.read_now(personas.may_act, 12345), "one that is not there does not act either"


def test_a_persona_row_tells_a_month_and_no_account(database: ThreadedDatabase) -> None:
    account_id = database.write_now(accounts.register, NewAccount("robin"))
    persona_id = database.write_now(add, account_id)
    row = database.read_now(lambda uow: uow.connection.execute(select(PERSONAS)).one())
    assert row.created_on == START.replace(day=1, hour=0, minute=0)
    assert (row.id, row.state) == (persona_id, "active")
    assert "account" not in repr(PERSONAS.columns.keys())


def test_whether_somebody_is_there_under_another_name(database: ThreadedDatabase) -> None:
    """A ban holds for the person: the floors above learn that, and not which other name it was."""
    robin = database.write_now(accounts.register, NewAccount("robin"))
    sam = database.write_now(accounts.register, NewAccount("sam"))
    first, second, third = (database.write_now(add, robin) for _ in range(3))
    other = database.write_now(add, sam)

    def asked(persona_id: int, among: list[int]) -> bool:
        return database.read_now(sibling_among, persona_id, among)

    assert asked(first, [second, other])
    assert asked(third, [first, second])
    assert not asked(first, [first, other]), "oneself is no sibling"
    assert not asked(first, [other])
    assert not asked(first, [])
    assert not asked(other, [first, second, third])
    assert not asked(4711, [first]), "nor has anybody of another server one"
    database.write_now(personas.retire_persona, second)
    assert asked(first, [second]), "a name that was given up does not wash a ban off"
