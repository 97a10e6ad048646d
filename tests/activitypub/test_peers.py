"""Which servers this node talks with: the rule for a host is the rule for all below it, in every spelling (S-308)."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, insert, select

from activitypub.changes import Plan, make, plan
from activitypub.ends import ENDS
from activitypub.errors import Blocked, MalformedActivity
from activitypub.models import Peer, PeerRule
from activitypub.origins import canonical_host
from activitypub.peers import (
    FRESH_FOR,
    MODES,
    PeerPolicy,
    domains_above,
    levels,
    lift_level,
    note_knocks,
    note_seen,
    set_level,
)
from activitypub.rules import IMPORT, LEVELS, Rule
from node.database import ThreadedDatabase
from privacy.ends import end_rows
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import START, MovableClock
from tests.meanwhile import beside

PEERS, RULES = table_of(Peer), table_of(PeerRule)
LABEL = st.text("abcxyz019", min_size=1, max_size=6)
HOST = st.lists(LABEL, min_size=2, max_size=4).map(lambda labels: ".".join([*labels, "example"]))


def listed(names: Iterable[str]) -> Plan:
    """What a list of suspended servers asks for."""
    return Plan({name: Rule("suspend", source=IMPORT) for name in names}, kind=IMPORT)


def take_over(uow: UnitOfWork, names: Iterable[str]) -> None:
    """Apply such a list."""
    make(uow, plan(uow, listed(names)))


def policy(mode: str = "open", **rules: str) -> PeerPolicy:
    """A policy with rules, dots written as underscores."""
    made = PeerPolicy(mode)
    made.replace({host.replace("_", "."): level for host, level in rules.items()}, START)
    return made


@given(HOST, st.sampled_from(["", ".", ":443", ":8443", ".:80"]), st.lists(LABEL, max_size=3), st.booleans())
def test_s308_a_rule_holds_below_and_however_it_is_written(
    host: str, ending: str, below: list[str], capitals: bool
) -> None:
    made = PeerPolicy()
    made.replace({canonical_host(host): "suspend"}, START)
    name = ".".join([*below, host]) + ending
    assert made.is_refused(name.upper() if capitals else name)
    with pytest.raises(Blocked):
        made.check(name)
    for other in (f"not{host}", f"{host}.org", f"x{host}:1", host.partition(".")[2]):
        assert not made.is_refused(other)


def test_the_most_specific_rule_wins() -> None:
    made = policy(bad_example="suspend", good_bad_example="normal", odd_good_bad_example="suspend")
    assert [made.is_refused(h) for h in ("bad.example", "x.bad.example", "good.bad.example", "a.good.bad.example")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert made.is_refused("b.odd.good.bad.example")


@pytest.mark.parametrize("host", ["", "a b", "evil.example/x", "@", "a..b", "\0", "[::1", "x" * 300, "a@b.example"])
def test_what_is_no_host_is_refused(host: str) -> None:
    """Nothing can be said for it, so nothing is taken from it."""
    assert policy().is_refused(host)
    assert not policy().is_refused("good.example")


def test_addresses_have_no_domains_above_them() -> None:
    assert domains_above("127.0.0.1") == ["127.0.0.1"]
    assert domains_above("[::1]") == ["[::1]"]
    made = PeerPolicy()
    made.replace({"0.0.1": "suspend"}, START)
    assert not made.is_refused("127.0.0.1:4000")


@pytest.mark.parametrize(
    ("mode", "unknown", "normal", "allowed", "limited", "suspended"),
    [
        ("open", False, False, False, False, True),
        ("quarantine", True, False, False, False, True),
        ("allowlist", True, True, False, True, True),
        ("off", True, True, True, True, True),
    ],
)
def test_what_each_mode_refuses(
    mode: str, unknown: bool, normal: bool, allowed: bool, limited: bool, suspended: bool
) -> None:
    made = policy(
        mode, normal_example="normal", allowed_example="allow", limited_example="limit", bad_example="suspend"
    )
    hosts = ("unknown.example", "normal.example", "allowed.example", "limited.example", "bad.example")
    assert [made.is_refused(host) for host in hosts] == [unknown, normal, allowed, limited, suspended]


def test_modes_and_levels_that_are_none(database: ThreadedDatabase) -> None:
    assert [PeerPolicy(mode).mode for mode in MODES] == list(MODES)
    with pytest.raises(ValueError, match="mode"):
        PeerPolicy("closed")
    with pytest.raises(ValueError, match="level"):
        database.write_now(set_level, "x.example", "banned")
    with pytest.raises(MalformedActivity):
        database.write_now(set_level, "no host", "suspend")
    assert database.read_now(levels) == {}


def test_a_rule_is_kept_under_the_one_name_and_survives_what_is_seen_later(database: ThreadedDatabase) -> None:
    for level in LEVELS:
        assert database.write_now(set_level, "MÜLLER.example.", level) == "xn--mller-kva.example"
        database.write_now(note_seen, "xn--mller-kva.example")
        assert database.read_now(levels) == {"xn--mller-kva.example": level}
        assert database.read_now(seen) == {"xn--mller-kva.example": level}


HOSTS = ("bad.example", "sub.bad.example", "a.sub.bad.example", "bad.example:8443", "notbad.example", "127.0.0.1:1")


def seen(uow: UnitOfWork) -> dict[str, str | None]:
    """Every server that was seen, with the level that statements find."""
    return {row.host: row.level for row in uow.connection.execute(select(PEERS.c.host, PEERS.c.level))}


def test_s308_statements_find_the_level_that_the_rules_give(database: ThreadedDatabase) -> None:
    """Whether a server was seen before the rule was made or after, for its own name or one above it."""
    for host in HOSTS[::2]:
        database.write_now(note_seen, host)
    database.write_now(set_level, "bad.example", "suspend")
    database.write_now(set_level, "sub.bad.example", "allow")
    for host in HOSTS[1::2]:
        database.write_now(note_seen, host)
    assert database.read_now(seen) == {
        "bad.example": "suspend", "sub.bad.example": "allow", "a.sub.bad.example": "allow",
        "bad.example:8443": "suspend", "notbad.example": None, "127.0.0.1:1": None,
    }  # fmt: skip
    assert database.write_now(lift_level, "sub.bad.example")
    assert not database.write_now(lift_level, "sub.bad.example")
    assert set(database.read_now(seen).values()) == {"suspend", None}
    assert database.write_now(lift_level, "bad.example")
    assert set(database.read_now(seen).values()) == {None}


NAME = st.lists(st.sampled_from(["a", "b", "bad"]), min_size=1, max_size=3).map(lambda labels: ".".join([*labels, "x"]))
PORT = st.sampled_from(["", "", ":8443"])
DEED = st.tuples(st.sampled_from(["see", "lift", "import", *LEVELS]), st.builds(str.__add__, NAME, PORT))


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(DEED, max_size=12))
def test_s308_what_statements_find_is_what_the_policy_says(
    database: ThreadedDatabase, deeds: list[tuple[str, str]]
) -> None:
    """Whatever is seen, ruled, imported and taken back, in whatever order."""

    def do_all(uow: UnitOfWork) -> dict[str, str | None]:
        for table in (PEERS, RULES):
            uow.connection.execute(table.delete())
        for deed, name in deeds:
            if deed == "see":
                note_seen(uow, name)
            elif deed == "lift":
                lift_level(uow, name)
            elif deed == "import":
                take_over(uow, [name])
            else:
                set_level(uow, name, deed)
        return seen(uow)

    found = database.write_now(do_all)
    made = PeerPolicy()
    made.replace(database.read_now(levels), START)
    assert {host: level or "normal" for host, level in found.items()} == {host: made.level(host) for host in found}


@pytest.mark.parametrize("database_address", ["postgresql"], indirect=True)  # where there is a meanwhile
def test_s308_a_server_that_is_met_while_a_rule_is_made_falls_under_it(database: ThreadedDatabase) -> None:
    """On PostgreSQL neither transaction would see the other: the rule waits for whoever is meeting somebody."""
    meets = {"host": "sub.bad.example", "delivery_class": "microblog", "first_seen_on": START, "failures": 0}
    made = beside(
        database,
        lambda uow: uow.connection.execute(insert(PEERS).values(meets)),
        lambda: database.write_now(set_level, "bad.example", "suspend"),
    )
    assert made.result() == "bad.example"
    assert database.read_now(seen) == {"sub.bad.example": "suspend"}


def test_a_list_changes_nothing_that_a_human_ruled(database: ThreadedDatabase) -> None:
    database.write_now(note_seen, "partner.example")
    database.write_now(set_level, "partner.example", "normal")
    database.write_now(take_over, ["partner.example", "bad.example"])
    database.write_now(take_over, [])
    assert database.read_now(levels) == {"partner.example": "normal", "bad.example": "suspend"}
    assert database.read_now(levels, source="manual") == {"partner.example": "normal"}
    database.write_now(set_level, "bad.example", "quarantine")
    assert database.read_now(levels, source="import") == {}, "what a human says of it is a human's from there on"


def test_a_long_list_is_taken_in_a_few_statements(database: ThreadedDatabase) -> None:
    names = [f"bad{number}.example" for number in range(5_000)]

    def see(uow: UnitOfWork) -> None:
        for name in names[:1_200]:
            note_seen(uow, f"sub.{name}")

    database.write_now(see)
    statements: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        statements.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        database.write_now(take_over, names)
    finally:
        event.remove(Engine, "before_cursor_execute", note)
    assert len(statements) < 20
    assert set(database.read_now(seen).values()) == {"suspend"}


async def test_another_process_learns_of_a_rule_within_fifteen_seconds(
    database: ThreadedDatabase, clock: MovableClock
) -> None:
    made = PeerPolicy()
    await made.keep_current(database, clock())
    await database.write(set_level, "bad.example", "suspend")
    await made.keep_current(database, clock.move(FRESH_FOR - timedelta(seconds=1)))
    assert not made.is_refused("bad.example")
    await made.keep_current(database, clock.move(timedelta(seconds=1)))
    assert made.is_refused("bad.example")
    other = PeerPolicy()
    await other.keep_current(database, clock())
    assert other.is_refused("bad.example")


def test_what_is_in_quarantine_is_held_off_with_all_below_it_until_it_is_let_go() -> None:
    made = policy("open", bad_example="quarantine")
    assert [made.is_refused(host) for host in ("bad.example", "sub.bad.example", "good.example")] == [True, True, False]
    made.replace({"bad.example": "normal"}, START)
    assert not made.is_refused("sub.bad.example")


async def test_s308_in_quarantine_mode_to_have_been_met_is_not_to_be_let_in(database: ThreadedDatabase) -> None:
    """A server without a rule waits for a human, seen or not, and one that was seen falls under the rule above it."""
    for host in ("old.example", "sub.bad.example"):
        database.write_now(note_seen, host)
    database.write_now(set_level, "bad.example", "suspend")
    made = PeerPolicy("quarantine")
    await made.refresh(database, START)
    hosts = ("old.example", "new.example", "sub.bad.example")
    assert [made.level(host) for host in hosts] == ["quarantine", "quarantine", "suspend"]
    for level in ("normal", "allow"):
        database.write_now(set_level, "old.example", level)
        await made.refresh(database, START)
        assert [made.is_refused(host) for host in hosts] == [False, True, True], "a human let it in"
    database.write_now(lift_level, "old.example")
    database.write_now(lift_level, "bad.example")
    await made.refresh(database, START)
    assert {made.level(host) for host in hosts} == {"quarantine"}, "to take a rule back lets nobody in"


def test_who_is_turned_away_for_want_of_a_rule_is_remembered_for_a_human_and_let_in_by_nobody(
    database: ThreadedDatabase, clock: MovableClock
) -> None:
    """A few at a time, in quarantine mode alone, forgotten after 30 days; who is held off by a rule is not listed."""
    made = PeerPolicy("quarantine")
    made.replace({"bad.example": "suspend"}, START)
    for host in (
        "new.example",
        "NEW.example.",
        "sub.bad.example",
        "a b",
        *(f"n{number}.example" for number in range(200)),
    ):
        with pytest.raises(Blocked):
            made.check(host)
    knocked = made.take_knocks()
    assert ("new.example" in knocked, "sub.bad.example" in knocked, len(knocked)) == (True, False, 100)
    assert made.take_knocks() == set()
    database.write_now(note_knocks, knocked)
    assert set(database.read_now(seen)) == knocked
    assert made.is_refused("new.example")
    for number in range(6):
        database.write_now(note_knocks, [f"x{number}-{each}.example" for each in range(100)])
    assert len(database.read_now(seen)) == 500
    open_to_all = PeerPolicy("open")
    open_to_all.replace({"bad.example": "suspend"}, START)
    with pytest.raises(Blocked):
        open_to_all.check("bad.example")
    assert open_to_all.take_knocks() == set()
    clock.move(timedelta(days=31))
    for rule in ENDS:
        database.write_now(end_rows, rule, 1_000)
    assert database.read_now(seen) == {}
