"""Which servers this node talks with: the rule for a host is the rule for all below it, in every spelling (S-308)."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from activitypub.errors import Blocked, MalformedActivity
from activitypub.models import Peer
from activitypub.origins import canonical_host
from activitypub.peers import FRESH_FOR, LEVELS, MODES, PeerPolicy, domains_above, levels, note_seen, set_level
from node.database import ThreadedDatabase
from privacy.unit_of_work import table_of
from tests.clock import START, MovableClock

PEERS = table_of(Peer)
LABEL = st.text("abcxyz019", min_size=1, max_size=6)
HOST = st.lists(LABEL, min_size=2, max_size=4).map(lambda labels: ".".join([*labels, "example"]))


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
        expected = {} if level == "normal" else {"xn--mller-kva.example": level}
        assert database.read_now(levels) == expected
    rows = database.read_now(lambda uow: uow.connection.execute(select(PEERS.c.host)).scalars().all())
    assert rows == ["xn--mller-kva.example"]


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


async def test_in_quarantine_mode_a_server_that_was_met_before_goes_on(database: ThreadedDatabase) -> None:
    database.write_now(note_seen, "old.example")
    made = PeerPolicy("quarantine")
    await made.refresh(database, START)
    assert (made.is_refused("old.example"), made.is_refused("new.example")) == (False, True)
    database.write_now(set_level, "new.example", "normal")
    await made.refresh(database, START)
    assert not made.is_refused("new.example")
