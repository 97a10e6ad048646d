"""Changes of the rules for servers: a list overrides no human, and what was done can be undone exactly, for a week."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activitypub import changes
from activitypub.changes import UNDO_FOR, Plan, admissible
from activitypub.errors import RuleRefused
from activitypub.models import Peer, PeerRule
from activitypub.peers import covering, levels, lift_level, note_seen, put_rules, rules, set_level
from activitypub.rules import IMPORT, LEVELS, MANUAL, SUBSCRIPTION, Rule, pack, unpack
from node.database import ThreadedDatabase
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import MovableClock

WHOLE = Rule("limit", reject_media=True, obfuscate=True, public_comment="spam", private_comment="see the notes")
NAMES = st.sampled_from(["a.x", "b.x", "bad.a.x", "c.y", "x"])
RULES = st.builds(
    Rule,
    st.sampled_from(LEVELS),
    reject_media=st.booleans(),
    public_comment=st.sampled_from(["", "why"]),
    source=st.sampled_from([MANUAL, IMPORT, SUBSCRIPTION]),
    list_id=st.sampled_from([None, 1, 2]),
)


def done(uow: UnitOfWork, lines: changes.Rules, kind: str = MANUAL, list_id: int | None = None) -> int:
    """Plan a change and make it at once."""
    change_id = changes.plan(uow, Plan(lines, kind=kind, list_id=list_id))
    changes.make(uow, change_id)
    return change_id


@given(RULES)
def test_what_is_packed_is_unpacked(rule: Rule) -> None:
    assert unpack(pack(rule)) == rule
    assert unpack(pack(None)) is None


@given(st.dictionaries(NAMES, RULES), st.dictionaries(NAMES, RULES), st.sampled_from([None, 1, 2]))
def test_a_list_changes_nothing_that_a_human_ruled(
    wanted: dict[str, Rule], standing: dict[str, Rule], list_id: int | None
) -> None:
    manual = {name for name, rule in standing.items() if rule.source == MANUAL}
    for name, rule in admissible(wanted, standing, list_id).items():
        assert rule is None or rule.source == MANUAL or covering(name, dict.fromkeys(manual)) is None
    gone = admissible(dict.fromkeys(wanted), standing, list_id)
    assert all(standing[name].list_id == list_id and standing[name].source != MANUAL for name in gone)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(NAMES, RULES), st.dictionaries(NAMES, st.none() | RULES), st.dictionaries(NAMES, RULES))
def test_undone_is_as_before_but_for_what_was_ruled_since(
    database: ThreadedDatabase, before: dict[str, Rule], change: dict[str, Rule | None], since: dict[str, Rule]
) -> None:
    def play(uow: UnitOfWork) -> None:
        for table in (Peer, PeerRule):
            uow.connection.execute(table_of(table).delete())
        put_rules(uow, before)
        standing = rules(uow)
        change_id = done(uow, change, list_id=1)
        put_rules(uow, since)
        after = rules(uow)
        changes.undo(uow, change_id)
        found = rules(uow)
        for name in {*standing, *found, *change}:
            untouched = name not in since or pack(after.get(name)) == pack(standing.get(name))
            assert found.get(name) == (standing.get(name) if untouched else after.get(name)), name

    database.write_now(play)


def test_a_change_keeps_all_that_a_rule_says_and_where_it_is_from(database: ThreadedDatabase) -> None:
    database.write_now(done, {"far.example": WHOLE})
    kept = database.read_now(rules)["far.example"]
    assert kept.says_as(WHOLE)
    assert (kept.source, kept.made_by) == (MANUAL, None)
    assert kept.made_on is not None


def test_what_is_undone_once_and_in_time_is_undone(database: ThreadedDatabase, clock: MovableClock) -> None:
    first, second = (database.write_now(done, {f"{name}.example": Rule("suspend")}) for name in ("one", "two"))
    clock.move(UNDO_FOR - timedelta(seconds=1))
    database.write_now(changes.undo, first)
    with pytest.raises(RuleRefused) as twice:
        database.write_now(changes.undo, first)
    assert "already" in twice.value.public
    clock.move(timedelta(seconds=1))
    with pytest.raises(RuleRefused) as late:
        database.write_now(changes.undo, second)
    assert "7 days" in late.value.public
    assert set(database.read_now(rules)) == {"two.example"}


def test_one_domain_is_put_back_a_step_at_a_time_and_is_without_a_rule_in_the_end(
    database: ThreadedDatabase, clock: MovableClock
) -> None:
    for level in ("allow", "suspend", "suspend", "limit"):
        clock.move(timedelta(minutes=1))
        database.write_now(done, {"far.example": Rule(level)})
    found = []
    for _ in range(3):
        database.write_now(changes.put_back, "far.example")
        rule = database.read_now(rules).get("far.example")
        found.append(None if rule is None else rule.level)
    assert found == ["suspend", "allow", None], "the same rule twice is one"
    database.write_now(done, {"far.example": Rule("suspend")})
    clock.move(UNDO_FOR)
    database.write_now(changes.put_back, "far.example")
    assert database.read_now(rules) == {}


def test_what_waits_is_made_at_its_hour_or_given_up(database: ThreadedDatabase, clock: MovableClock) -> None:
    soon, never = (
        database.write_now(
            lambda uow, host=host: changes.plan(
                uow, Plan({host: Rule("suspend")}), applies_at=uow.now + timedelta(hours=1)
            )
        )
        for host in ("soon.example", "never.example")
    )
    assert database.read_now(changes.due, 10) == []
    database.write_now(changes.drop, never)
    clock.move(timedelta(hours=1))
    assert database.read_now(changes.due, 10) == [soon]
    with pytest.raises(RuleRefused):
        database.write_now(changes.make, never)
    assert {view.id: view.state for view in database.read_now(changes.changes)} == {soon: "waiting", never: "dropped"}


def test_a_list_calls_nobody_harmless(database: ThreadedDatabase) -> None:
    """What it lets in stands there for its flags, and opens no door; what a human lets in does."""
    database.write_now(note_seen, "far.example")
    database.write_now(done, {"far.example": Rule("normal", reject_media=True, source=IMPORT)}, IMPORT)
    assert database.read_now(levels) == {}
    assert "far.example" in database.read_now(rules)
    database.write_now(set_level, "far.example", "normal")
    assert database.read_now(levels) == {"far.example": "normal"}
    database.write_now(lift_level, "far.example")
