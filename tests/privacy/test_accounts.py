"""Signing in, and the link between an account and its personas: nobody who reads the database learns who is who."""

import asyncio
import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher, extract_parameters
from sqlalchemy import LargeBinary, insert, select, update

from activitypub.uris import Uris
from node import schema
from node.database import ThreadedDatabase
from privacy import accounts, personas
from privacy.accounts import ACCOUNTS, LINKS, TOKENS, Credentials, NewAccount
from privacy.errors import KeyShredded, LastOwner, NameTaken, SignInRefused
from privacy.models import Persona
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import START, MovableClock
from tests.factories import make_persona
from web.models import Session
from web.sessions import close_everything, open_session
from web.tokens import NewToken, find_bearer, make_token

SECOND = timedelta(seconds=1)
CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD = "correct horse battery"
SESSIONS, PERSONAS = table_of(Session), table_of(Persona)


class SpyHasher(PasswordHasher):
    """A cheap hasher that counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__(time_cost=1, memory_cost=8, parallelism=1)
        self.asked: list[str | bytes] = []

    def verify(self, hash: str | bytes, password: str | bytes) -> bool:  # noqa: A002 - the name is its base class's
        self.asked.append(hash)
        return super().verify(hash, password)


def end_nothing(uow: UnitOfWork, account_id: int, persona_ids: Sequence[int]) -> None:
    """Stand for faces under which nobody is signed in."""


def every_value(database: ThreadedDatabase) -> list[Any]:
    """Return every value of every row of the content database."""

    def read(uow: UnitOfWork) -> list[Any]:
        tables = schema.metadata.sorted_tables
        return [value for table in tables for row in uow.connection.execute(select(table)) for value in row]

    return database.read_now(read)


def add(database: ThreadedDatabase, name: str = "robin", **more: Any) -> int:
    return database.write_now(accounts.register, NewAccount(name, **more))


def add_persona(uow: UnitOfWork, account_id: int) -> int:
    persona_id = new_id()
    personas.create_persona(uow, persona_id)
    accounts.link_persona(uow, account_id, persona_id)
    return persona_id


# ── names and passwords ──────────────────────────────────────────────────────────────────────────────────────────────


def test_what_was_registered_is_there_and_sealed(database: ThreadedDatabase) -> None:
    account_id = add(database, "Robin ", email="Robin.Doe@Mail.Example", role="owner")
    view = database.read_now(accounts.account, account_id)
    assert view is not None
    assert (view.name, view.email, view.role, view.state) == ("robin", "robin.doe@mail.example", "owner", "active")
    assert database.read_now(accounts.account_named, " ROBIN") == view
    held = repr(every_value(database)).lower()
    assert "robin" not in held
    assert "mail.example" not in held
    assert "robin" not in repr(view)
    assert "mail" not in repr(view)


def test_only_the_month_is_kept_of_when_an_account_was_made(database: ThreadedDatabase) -> None:
    add(database)
    made = database.read_now(lambda uow: uow.connection.execute(select(ACCOUNTS.c.created_on)).scalar_one())
    assert made == START.replace(day=1, hour=0, minute=0)


@pytest.mark.parametrize(
    "again",
    [
        NewAccount("robin"), NewAccount(" ROBIN "), NewAccount("sam", email="ROBIN@mail.example "),
        NewAccount("robin", email="sam@mail.example"),
    ],
    ids=["name", "other case", "address", "name with another address"],
)  # fmt: skip
def test_a_name_and_an_address_have_one_account(database: ThreadedDatabase, again: NewAccount) -> None:
    add(database, email="robin@mail.example")
    with pytest.raises(NameTaken) as refused:
        database.write_now(accounts.register, again)
    said = NameTaken.default_public if again.email is None else accounts.NAME_OR_EMAIL_TAKEN
    assert refused.value.public == said, "it is not said which of the two is taken"
    assert add(database, "kim", email="kim@mail.example")


def test_two_without_an_address_do_not_stand_in_each_other_s_way(database: ThreadedDatabase) -> None:
    assert add(database, "robin") != add(database, "sam")


def test_what_is_no_name_is_refused(database: ThreadedDatabase) -> None:
    for name in ("", "ab", "a" * 31, "röbin", "ro bin", "robin!", "robin\n1", "../robin", "ｒｏｂｉｎ"):
        with pytest.raises(NameTaken):
            database.write_now(accounts.register, NewAccount(name))
    with pytest.raises(ValueError, match="role"):
        database.write_now(accounts.register, NewAccount("robin", role="god"))


@pytest.mark.parametrize(
    "email",
    [
        "kim", "kim@", "@mail.example", "kim@mail@example", "kim doe@mail.example", "kim@mail example", "kim@.example",
        "kim@mail..example", "kim@mail.example\nBcc: all@mail.example", "kim\x00@mail.example", "<kim@mail.example>",
        "Kim <kim@mail.example>", "kim@mail.example,sam@mail.example", "x" * 65 + "@mail.example", "x" * 5_000, " @ ",
        "kim@" + "x" * 64 + ".example", "kim@" + "x." * 100 + "example", "kim@[127.0.0.1]",
    ],
)  # fmt: skip
def test_what_is_no_address_is_refused(database: ThreadedDatabase, email: str) -> None:
    with pytest.raises(NameTaken) as refused:
        add(database, "kim", email=email)
    assert refused.value.public == "This is not an e-mail address."
    for right in ("kim+list@mail.example", "Kim.O'Doe@müller.example", "kim@localhost"):
        assert add(database, f"kim{len(right)}", email=right)


def test_a_password_opens_the_account_that_it_is_of(database: ThreadedDatabase) -> None:
    account_id = add(database, password_hash=CHEAP.hash(PASSWORD))
    found = database.read_now(accounts.find_for_sign_in, "Robin")
    assert found is not None
    assert accounts.authenticate(found, PASSWORD) == account_id
    for wrong in ("", "correct horse", PASSWORD + " ", PASSWORD.upper(), "x" * 2_000):
        with pytest.raises(SignInRefused):
            accounts.authenticate(found, wrong)
    assert "argon2" not in repr(found)


@pytest.mark.parametrize(
    "credentials",
    [
        None,
        Credentials(1, None, "active"),
        Credentials(1, CHEAP.hash(PASSWORD), "active"),
        Credentials(1, CHEAP.hash("right"), "frozen"),
        Credentials(1, CHEAP.hash("right"), "erased"),
    ],
    ids=["unknown", "links only", "wrong", "frozen", "erased"],
)
def test_every_refusal_takes_the_same_way(monkeypatch: pytest.MonkeyPatch, credentials: Credentials | None) -> None:
    """S-802: an unknown name costs one hash like a known one, and is answered in the same words."""
    spy = SpyHasher()
    monkeypatch.setattr(accounts, "HASHER", spy)
    monkeypatch.setattr(accounts, "NOBODY_S_HASH", CHEAP.hash("nobody"))
    assert accounts.authenticate(Credentials(1, CHEAP.hash("right"), "active"), "right") == 1
    spy.asked.clear()
    with pytest.raises(SignInRefused) as refused:
        accounts.authenticate(credentials, "right")
    assert len(spy.asked) == 1
    assert (str(refused.value), refused.value.public) == ("", SignInRefused.default_public)


def test_the_hash_of_nobody_costs_what_a_real_one_does() -> None:
    real = extract_parameters(accounts.hash_password(PASSWORD))
    assert extract_parameters(accounts.NOBODY_S_HASH) == real
    assert (real.memory_cost, real.time_cost, real.parallelism) == (65_536, 3, 4)


def test_a_password_that_is_too_long_is_refused_and_not_hashed() -> None:
    with pytest.raises(ValueError, match="1024"):
        accounts.hash_password("ä" * 513)
    assert not accounts.verify_password(CHEAP.hash("ä" * 513), "ä" * 513)
    assert accounts.verify_password(CHEAP.hash("ä" * 512), "ä" * 512)
    assert not accounts.verify_password("what is no hash", PASSWORD)


# ── sign-in links ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_link_signs_in_once(database: ThreadedDatabase) -> None:
    account_id = add(database)
    token = database.write_now(accounts.make_sign_in_link, account_id)
    assert database.write_now(accounts.consume_sign_in_link, token) == account_id
    with pytest.raises(SignInRefused):
        database.write_now(accounts.consume_sign_in_link, token)


async def test_of_many_who_follow_a_link_at_once_one_comes_in(database: ThreadedDatabase) -> None:
    account_id = await database.write(accounts.register, NewAccount("robin"))
    token = await database.write(accounts.make_sign_in_link, account_id)
    tries = [database.write(accounts.consume_sign_in_link, token) for _ in range(12)]
    found = await asyncio.gather(*tries, return_exceptions=True)
    assert [answer for answer in found if isinstance(answer, int)] == [account_id]
    assert sum(isinstance(answer, SignInRefused) for answer in found) == 11


def test_a_link_works_for_an_hour_and_a_second_one_beside_it(database: ThreadedDatabase, clock: MovableClock) -> None:
    account_id = add(database)
    first, second = (database.write_now(accounts.make_sign_in_link, account_id) for _ in range(2))
    clock.move(accounts.LINK_LIFE - SECOND)
    assert database.write_now(accounts.consume_sign_in_link, first) == account_id
    clock.move(SECOND)
    with pytest.raises(SignInRefused):
        database.write_now(accounts.consume_sign_in_link, second)


def test_a_link_stands_in_no_row_and_cannot_be_made_from_one(database: ThreadedDatabase) -> None:
    account_id = add(database)
    token = database.write_now(accounts.make_sign_in_link, account_id)
    assert token.startswith(accounts.LINK_PREFIX)
    assert len(token) - len(accounts.LINK_PREFIX) >= 43, "256 bits"
    (stored,) = database.read_now(lambda uow: uow.connection.execute(select(TOKENS.c.token_hash)).scalars().all())
    assert token.removeprefix(accounts.LINK_PREFIX) not in repr(every_value(database))
    for forged in (stored.hex(), accounts.LINK_PREFIX + stored.hex(), "", accounts.LINK_PREFIX, token[:-1]):
        with pytest.raises(SignInRefused):
            database.write_now(accounts.consume_sign_in_link, forged)
    assert database.write_now(accounts.consume_sign_in_link, token) == account_id


# ── what ends access ─────────────────────────────────────────────────────────────────────────────────────────────────


class SignedIn:
    """Somebody with a session, an app and an unused link, and somebody else with the same."""

    def __init__(self, database: ThreadedDatabase, uris: Uris, name: str) -> None:
        self.database = database
        self.account = add(database, name, password_hash=CHEAP.hash(PASSWORD))
        self.persona = database.write_now(make_persona, uris, f"{name}_face", account_id=self.account)
        self.link = database.write_now(accounts.make_sign_in_link, self.account)
        self.token = database.write_now(make_token, NewToken(self.persona, ("read",), None))
        database.write_now(open_session, self.account, f"o{name}")

    def access(self) -> tuple[int, bool, int]:
        """Return how many sessions there are, whether the app may act, and how many links wait."""

        def count(uow: UnitOfWork) -> tuple[int, bool, int]:
            sessions = uow.connection.execute(select(SESSIONS).where(SESSIONS.c.account_id == self.account)).fetchall()
            links = uow.connection.execute(select(TOKENS).where(TOKENS.c.account_id == self.account)).fetchall()
            return len(sessions), find_bearer(uow, self.token) is not None, len(links)

        return self.database.read_now(count)


@pytest.fixture
def two(database: ThreadedDatabase, uris: Uris) -> tuple[SignedIn, SignedIn]:
    """Robin and Sam, both signed in."""
    return SignedIn(database, uris, "robin"), SignedIn(database, uris, "sam")


def test_another_password_ends_every_session_token_and_link_of_that_account_alone(
    two: tuple[SignedIn, SignedIn], database: ThreadedDatabase
) -> None:
    robin, sam = two
    assert robin.access() == sam.access() == (1, True, 1)
    database.write_now(accounts.change_password, robin.account, CHEAP.hash("another one"), close_everything)
    assert robin.access() == (0, False, 0)
    assert sam.access() == (1, True, 1)
    found = database.read_now(accounts.find_for_sign_in, "robin")
    assert accounts.authenticate(found, "another one") == robin.account
    with pytest.raises(SignInRefused):
        accounts.authenticate(found, PASSWORD)
    with pytest.raises(SignInRefused):
        database.write_now(accounts.consume_sign_in_link, robin.link)


def test_a_frozen_account_is_out_and_silent_until_it_is_thawed(
    two: tuple[SignedIn, SignedIn], database: ThreadedDatabase
) -> None:
    robin, sam = two
    retired = database.write_now(add_persona, robin.account)
    database.write_now(personas.retire_persona, retired)
    database.write_now(accounts.set_state, robin.account, "frozen", close_everything)
    assert robin.access() == (0, False, 0)
    assert sam.access() == (1, True, 1)
    assert not database.read_now(personas.may_act, robin.persona)
    assert database.read_now(accounts.personas_of, robin.account) == ()
    with pytest.raises(SignInRefused):
        accounts.authenticate(database.read_now(accounts.find_for_sign_in, "robin"), PASSWORD)
    late = database.write_now(accounts.make_sign_in_link, robin.account)
    with pytest.raises(SignInRefused):
        database.write_now(accounts.consume_sign_in_link, late)
    database.write_now(accounts.set_state, robin.account, "active", close_everything)
    assert accounts.authenticate(database.read_now(accounts.find_for_sign_in, "robin"), PASSWORD) == robin.account
    assert database.read_now(accounts.personas_of, robin.account) == (robin.persona,)
    assert not database.read_now(personas.may_act, retired), "what was ended for good does not come back"
    assert robin.access() == (0, False, 1), "what was signed out stays signed out"


def test_no_other_state_can_be_set(database: ThreadedDatabase) -> None:
    account_id = add(database)
    for state in ("erased", "gone", ""):
        with pytest.raises(ValueError, match="state"):
            database.write_now(accounts.set_state, account_id, state, end_nothing)
    assert database.read_now(accounts.account, account_id) is not None


def test_an_account_that_is_closed_gets_no_persona_and_its_own_are_silent_at_once(database: ThreadedDatabase) -> None:
    """Else one that is made at this very moment would outlive its account; the account beside it gets one."""
    closed, beside = add(database), add(database, "sam")
    mine = database.write_now(add_persona, closed)
    close(database, closed)
    assert not database.read_now(personas.may_act, mine)
    with pytest.raises(SignInRefused):
        database.write_now(add_persona, closed)
    made = database.write_now(add_persona, beside)
    assert database.read_now(accounts.personas_of, beside) == (made,)


# ── somebody looks after the node ────────────────────────────────────────────────────────────────────────────────────


def freeze(database: ThreadedDatabase, account_id: int) -> object:
    return database.write_now(accounts.set_state, account_id, "frozen", end_nothing)


def close(database: ThreadedDatabase, account_id: int) -> object:
    return database.write_now(accounts.close_account, account_id, end_nothing)


@pytest.mark.parametrize("end", [freeze, close])
def test_the_last_owner_who_can_act_stays(
    database: ThreadedDatabase, end: Callable[[ThreadedDatabase, int], object]
) -> None:
    """S-903: neither a frozen nor an erased owner looks after a node, nor anybody of another role."""
    owner, frozen, closed = (add(database, name, role="owner") for name in ("robin", "sam", "toni"))
    add(database, "ada", role="admin")
    freeze(database, frozen)
    close(database, closed)
    with pytest.raises(LastOwner):
        end(database, owner)
    (view,) = [each for each in database.read_now(accounts.list_accounts) if each.id == owner]
    assert view.state == "active"
    other = add(database, "uli", role="owner")
    end(database, owner)
    with pytest.raises(LastOwner):
        end(database, other)
    end(database, database.read_now(accounts.account_named, "ada").id)  # type: ignore[union-attr]  # she is there


def test_two_owners_who_end_each_other_at_once_do_not_leave_the_node_alone(database: ThreadedDatabase) -> None:
    owners = [add(database, name, role="owner") for name in ("robin", "sam")]

    def tried(account_id: int) -> bool:
        try:
            freeze(database, account_id)
        except LastOwner:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(tried, owners)) == [False, True]


# ── closing and forgetting ───────────────────────────────────────────────────────────────────────────────────────────


def test_a_closed_account_is_out_at_once_and_comes_back_by_no_way(
    two: tuple[SignedIn, SignedIn], database: ThreadedDatabase
) -> None:
    robin, sam = two
    assert database.write_now(accounts.close_account, robin.account, close_everything) == (robin.persona,)
    assert robin.access() == (0, False, 0)
    assert sam.access() == (1, True, 1)
    assert database.read_now(accounts.account, robin.account) is None
    assert database.read_now(accounts.account_named, "robin") is None
    assert [view.name for view in database.read_now(accounts.list_accounts)] == ["sam"]
    assert database.read_now(accounts.account_of, robin.persona) is None
    late = database.write_now(accounts.make_sign_in_link, robin.account)
    database.write_now(accounts.change_password, robin.account, CHEAP.hash("again"), end_nothing)
    for state in ("frozen", "active"):  # an operator who froze it in the same moment does not wake it either
        database.write_now(accounts.set_state, robin.account, state, end_nothing)
    with pytest.raises(SignInRefused):
        database.write_now(accounts.consume_sign_in_link, late)
    with pytest.raises(SignInRefused):
        accounts.authenticate(database.read_now(accounts.find_for_sign_in, "robin"), "again")
    assert database.read_now(accounts.closed_accounts) == {robin.account: (robin.persona,)}


def test_the_words_of_a_closed_account_are_unreadable_once_its_secret_is_gone(database: ThreadedDatabase) -> None:
    account_id = add(database, email="robin@mail.example")
    database.write_now(accounts.close_account, account_id, end_nothing)
    copy = database.read_now(lambda uow: uow.connection.execute(select(ACCOUNTS)).one())
    name, place = accounts.secret_name(account_id), f"accounts/{account_id}".encode()
    assert json.loads(database.vault.named_open(name, copy.body, place))["email"] == "robin@mail.example"
    database.vault.destroy(START, names=[name])
    with pytest.raises(KeyShredded):
        database.vault.named_open(name, copy.body, place)
    database.write_now(accounts.forget_account, account_id)
    assert database.read_now(lambda uow: uow.connection.execute(select(ACCOUNTS)).all()) == []
    assert add(database, "robin", email="robin@mail.example") != account_id, "the name is free again"


def test_an_account_that_is_not_closed_is_not_forgotten(database: ThreadedDatabase) -> None:
    account_id = add(database)
    database.write_now(accounts.forget_account, account_id)
    assert database.read_now(accounts.account, account_id) is not None


# ── the link service ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_whose_a_persona_is_can_be_told_here_and_stands_nowhere_in_the_clear(
    database: ThreadedDatabase, tmp_path: Path
) -> None:
    robin, sam = add(database, "robin"), add(database, "sam")
    first, second, other = (database.write_now(add_persona, each) for each in (robin, robin, sam))
    assert database.read_now(accounts.all_personas_of, robin) == (first, second)
    assert [database.read_now(accounts.account_of, each) for each in (first, second, other, 5)] == [
        robin,
        robin,
        sam,
        None,
    ]

    def rows(uow: UnitOfWork) -> list[tuple[Any, ...]]:
        tables = schema.metadata.sorted_tables
        return [tuple(row) for table in tables for row in uow.connection.execute(select(table))]

    for account_id in (robin, sam):
        with_account = [row for row in database.read_now(rows) if str(account_id) in repr(row)]
        assert with_account, "the control: the account's own row is found"
        assert [row for row in with_account if any(str(face) in repr(row) for face in (first, second, other))] == []


def test_nothing_that_can_be_compared_joins_the_faces_of_one_person(database: ThreadedDatabase) -> None:
    """Not even a sealed value, a moment or a length: the rows of two faces of one look like those of two people."""
    robin, sam = add(database, "robin"), add(database, "sam")
    faces = [database.write_now(add_persona, each) for each in (robin, robin, sam)]

    def columns(uow: UnitOfWork, persona_id: int) -> list[Any]:
        rows = [
            uow.connection.execute(select(PERSONAS).where(PERSONAS.c.id == persona_id)).one(),
            uow.connection.execute(select(LINKS).where(LINKS.c.persona_id == persona_id)).one(),
        ]
        return [len(value) if isinstance(value, bytes) else value for row in rows for value in row]

    shapes = [database.read_now(columns, face) for face in faces]
    told_apart = [[value for value in shape if value != face] for shape, face in zip(shapes, faces, strict=True)]
    assert told_apart[0] == told_apart[1] == told_apart[2]
    sealed = database.read_now(lambda uow: uow.connection.execute(select(LINKS.c.sealed)).scalars().all())
    assert len(set(sealed)) == 3


def test_a_link_that_was_put_under_another_persona_opens_nothing(database: ThreadedDatabase) -> None:
    robin = add(database)
    face = database.write_now(add_persona, robin)

    def forge(uow: UnitOfWork) -> None:
        sealed = uow.connection.execute(select(LINKS.c.sealed)).scalar_one()
        uow.connection.execute(insert(LINKS), {"persona_id": 99, "sealed": sealed})

    database.write_now(forge)
    assert database.read_now(accounts.account_of, face) == robin
    with pytest.raises(KeyShredded):
        database.read_now(accounts.account_of, 99)


def test_linking_twice_is_linking_once(database: ThreadedDatabase) -> None:
    robin = add(database)
    face = database.write_now(add_persona, robin)
    database.write_now(accounts.link_persona, robin, face)
    assert database.read_now(accounts.all_personas_of, robin) == (face,)


def test_the_sealed_words_of_one_account_do_not_open_as_those_of_another(database: ThreadedDatabase) -> None:
    robin, sam = add(database, "robin"), add(database, "sam", role="owner")
    assert isinstance(ACCOUNTS.c.body.type, LargeBinary)

    def swap(uow: UnitOfWork) -> None:
        body = uow.connection.execute(select(ACCOUNTS.c.body).where(ACCOUNTS.c.id == robin)).scalar_one()
        uow.connection.execute(update(ACCOUNTS).where(ACCOUNTS.c.id == sam).values(body=body))

    database.write_now(swap)
    assert database.read_now(accounts.account, robin) is not None
    with pytest.raises(KeyShredded):
        database.read_now(accounts.account, sam)
