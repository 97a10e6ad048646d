"""How things end: the clock guard, and steps that may be repeated and interrupted between any two of them.

A wrong clock must not destroy a community, and a crash must neither keep what has ended nor take what has not.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select, update

from activitypub.uris import Uris
from groups import composing, posting
from groups.federation import erasers
from groups.models import Post
from groups.showing import sealed_box
from node.database import ThreadedDatabase
from privacy import retention
from privacy.models import ShredJob
from privacy.retention import (
    AGREEING_FOR,
    BACKWARDS,
    CONFIRMED_FOR,
    LEASE,
    LONG_GAP,
    MANY,
    MOST_DRIFT,
    ORPHAN_AGE,
    ClockWatch,
    Facts,
    RetentionPolicy,
    Shreds,
    Verdict,
    expires_at,
    judge,
)
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import SLOT_BATCH, Vault
from tests.clock import START, MovableClock
from tests.factories import make_group, make_persona

POSTS, JOBS = table_of(Post), table_of(ShredJob)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
moments = st.timedeltas(timedelta(days=-4_000), timedelta(days=4_000)).map(lambda span: START + span)


# ── the clock guard ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("facts", "verdict"),
    [
        (Facts(None, 0, 0), Verdict.GO),
        (Facts(None, MANY, MANY), Verdict.GO),
        (Facts(None, MANY + 1, MANY + 1), Verdict.TOO_MUCH),
        (Facts(START, MANY + 1, 5 * (MANY + 1)), Verdict.GO),
        (Facts(START, MANY + 1, 5 * (MANY + 1) - 1), Verdict.TOO_MUCH),
        (Facts(START + BACKWARDS, 0, 0), Verdict.GO),
        (Facts(START + BACKWARDS + SECOND, 0, 0), Verdict.CLOCK_BACK),
        (Facts(START - LONG_GAP, 0, 0), Verdict.GO),
        (Facts(START - LONG_GAP - SECOND, 0, 0), Verdict.LONG_GAP),
        (Facts(START - LONG_GAP - SECOND, 0, 0, clocks_agree=True), Verdict.GO),
        (Facts(START - LONG_GAP - SECOND, MANY + 1, MANY + 1, clocks_agree=True), Verdict.TOO_MUCH),
        (Facts(START + DAY, 0, 0, clocks_agree=True), Verdict.CLOCK_BACK),
        (Facts(START + DAY, MANY + 1, MANY + 1, confirmed=True), Verdict.GO),
        (Facts(START - 30 * DAY, MANY + 1, MANY + 1, confirmed=True), Verdict.GO),
    ],
)
def test_the_guard_judges(facts: Facts, verdict: Verdict) -> None:
    assert judge(facts, START) is verdict


@given(moments, moments, st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_a_clock_that_stands_before_the_last_run_never_lets_a_sweep_pass(
    ran_at: datetime, now: datetime, due: int, live: int, agree: bool
) -> None:
    if now < ran_at - BACKWARDS:
        assert judge(Facts(ran_at, due, live, clocks_agree=agree), now) is Verdict.CLOCK_BACK


@given(moments, moments, st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**6), st.booleans())
def test_more_that_would_end_never_makes_the_guard_milder(
    ran_at: datetime, now: datetime, due: int, more: int, live: int, agree: bool
) -> None:
    few = judge(Facts(ran_at, due, live, clocks_agree=agree), now)
    many = judge(Facts(ran_at, due + more, live, clocks_agree=agree), now)
    assert many is Verdict.GO or few is not Verdict.GO or many is Verdict.TOO_MUCH
    assert few is Verdict.GO or many is not Verdict.GO


@given(st.timedeltas(LONG_GAP + SECOND, timedelta(days=3_000)))
def test_a_jump_forward_destroys_nothing_unless_the_clocks_have_agreed_since(jump: timedelta) -> None:
    assert judge(Facts(START, 10, 100), START + jump) is Verdict.LONG_GAP
    assert judge(Facts(START, 10, 100, clocks_agree=True), START + jump) is Verdict.GO


@given(st.timedeltas(timedelta(0), timedelta(days=3_650)), moments)
def test_a_shorter_period_never_ends_later(keep: timedelta, received: datetime) -> None:
    assert expires_at(RetentionPolicy(keep), received) <= expires_at(RetentionPolicy(keep + SECOND), received)


class TwoClocks:
    """A wall clock that can be set and one that cannot."""

    def __init__(self) -> None:
        self.wall, self.seconds = START, 0.0

    def pass_time(self, span: timedelta, *, set_by: timedelta = timedelta(0)) -> datetime:
        self.seconds += span.total_seconds()
        self.wall += span + set_by
        return self.wall


def test_the_clocks_agree_after_an_hour_side_by_side() -> None:
    clocks = TwoClocks()
    watch = ClockWatch(lambda: clocks.seconds)
    assert not watch.agrees(clocks.wall)
    assert not watch.agrees(clocks.pass_time(AGREEING_FOR - SECOND))
    assert watch.agrees(clocks.pass_time(SECOND))


@pytest.mark.parametrize("jump", [MOST_DRIFT + SECOND, -MOST_DRIFT - SECOND, 400 * DAY, -400 * DAY])
def test_a_jump_begins_the_hour_anew(jump: timedelta) -> None:
    clocks = TwoClocks()
    watch = ClockWatch(lambda: clocks.seconds)
    watch.agrees(clocks.wall)
    assert watch.agrees(clocks.pass_time(2 * AGREEING_FOR)), "the control"
    assert not watch.agrees(clocks.pass_time(SECOND, set_by=jump))
    assert not watch.agrees(clocks.pass_time(AGREEING_FOR - SECOND))
    assert watch.agrees(clocks.pass_time(SECOND))


def test_many_small_steps_are_a_jump_too() -> None:
    clocks = TwoClocks()
    watch = ClockWatch(lambda: clocks.seconds)
    found = [watch.agrees(clocks.pass_time(timedelta(minutes=1), set_by=timedelta(seconds=5))) for _ in range(180)]
    assert not any(found)


def test_what_the_guard_said_is_written_down(database: ThreadedDatabase, clock: MovableClock) -> None:
    def standing(uow: UnitOfWork) -> tuple[datetime | None, str | None]:
        return retention.last_run(uow), retention.stopped_by(uow)

    assert database.read_now(standing) == (None, None)
    database.write_now(retention.note_verdict, Verdict.TOO_MUCH)
    assert database.read_now(standing) == (None, Verdict.TOO_MUCH.value)
    database.write_now(retention.note_verdict, Verdict.GO)
    assert database.read_now(standing) == (START, None)
    clock.move(DAY)
    database.write_now(retention.note_verdict, Verdict.CLOCK_BACK)
    assert database.read_now(standing) == (START, Verdict.CLOCK_BACK.value), "a run that was held back is no run"


def test_a_confirmation_lasts_an_hour_and_none_from_a_time_to_come_counts(
    database: ThreadedDatabase, clock: MovableClock
) -> None:
    def confirmed() -> bool:
        return database.read_now(retention.gather, {}).confirmed

    assert not confirmed()
    database.write_now(retention.confirm)
    assert confirmed()
    clock.move(CONFIRMED_FOR - SECOND)
    assert confirmed()
    clock.move(SECOND)
    assert not confirmed()
    clock.move(-CONFIRMED_FOR - SECOND)
    assert not confirmed()


# ── the steps ────────────────────────────────────────────────────────────────────────────────────────────────────────


class Ground:
    """A group with posts, and the steps of an ending."""

    def __init__(self, database: ThreadedDatabase, vault: Vault, uris: Uris, clock: MovableClock) -> None:
        self.database, self.vault, self.uris, self.clock = database, vault, uris, clock
        self.erasers = erasers(uris)
        self.author = database.write_now(make_persona, uris, "robin")
        self.group = database.write_now(make_group, uris, "grief", owner_id=self.author, keep=7 * DAY)

    def publish(self, words: str) -> int:
        """Post into the group and return the post's id."""
        new = composing.compose(self.uris, composing.PostForm(words, group_id=self.group), {})
        return self.database.write_now(posting.publish_post, self.uris, self.author, new).id

    def row(self, post_id: int) -> Any:
        """Return the row of a post."""
        return self.database.read_now(
            lambda uow: uow.connection.execute(select(POSTS).where(POSTS.c.id == post_id)).one()
        )

    def jobs(self) -> list[tuple[str, int]]:
        """Return kind and id of what is ordered to be destroyed."""
        query = select(JOBS.c.kind, JOBS.c.target_id)
        found = self.database.read_now(lambda uow: uow.connection.execute(query).fetchall())
        return sorted((row.kind, row.target_id) for row in found)

    def hide(self, limit: int = retention.BATCH) -> int:
        """Take step 1."""
        return self.database.write_now(retention.hide_due, self.erasers, limit)

    def claim(self) -> Shreds | None:
        """Take step 2."""
        return self.database.write_now(retention.claim_shreds)

    def destroy(self, shreds: Shreds) -> None:
        """Take step 3."""
        retention.destroy_keys(self.vault, shreds, self.clock())

    def finish(self, shreds: Shreds) -> int:
        """Take step 4."""
        return self.database.write_now(retention.finish_shreds, shreds, self.erasers)

    def run(self) -> None:
        """Take every step until nothing is left, as the next sweep after a crash does."""
        while self.hide():
            continue
        while (shreds := self.claim()) is not None:
            self.destroy(shreds)
            self.finish(shreds)

    def counted(self) -> tuple[int, int]:
        """Return how much is due and how much is live, as the guard counts it."""
        facts = self.database.read_now(retention.gather, self.erasers)
        return facts.due, facts.live


@pytest.fixture
def ground(database: ThreadedDatabase, vault: Vault, uris: Uris, clock: MovableClock) -> Ground:
    """A group whose posts live for a week."""
    return Ground(database, vault, uris, clock)


def has_ended(ground: Ground, post_id: int, before: Any) -> bool:
    """Tell whether nothing of a post is left: neither words, nor a key that opens a copy of its row, nor a job."""
    row = ground.row(post_id)
    return (
        row.state == "shredded"
        and row.body is None
        and ground.vault.open_many([sealed_box(before)]) == [None]
        and ground.vault.keyring.entombed(ground.vault.tomb("posts", post_id).id_hash)
        and ground.jobs() == []
    )


def test_what_has_ended_ends_and_what_has_not_stays(ground: Ground) -> None:
    old = ground.publish("old words")
    ground.clock.move(3 * DAY)
    young = ground.publish("young words")
    before, kept = ground.row(old), ground.row(young)
    ground.clock.move(4 * DAY - SECOND)
    ground.run()
    assert ground.row(old).state == "live"
    ground.clock.move(SECOND)
    assert ground.counted() == (1, 2)
    ground.run()
    assert has_ended(ground, old, before)
    assert ground.row(young).state == "live"
    assert b"young words" in ground.vault.open(sealed_box(kept))
    assert ground.counted() == (0, 1)


@pytest.mark.parametrize("done", range(5), ids=["nothing", "hidden", "claimed", "destroyed", "finished"])
def test_a_crash_between_any_two_steps_is_made_good_by_the_next_run(ground: Ground, done: int) -> None:
    """R-105: whatever was done before the lights went out, the next run ends what has ended, and that alone."""
    old = ground.publish("old words")
    before = ground.row(old)
    ground.clock.move(DAY)
    young = ground.publish("young words")
    ground.clock.move(6 * DAY)
    steps: list[Callable[[], object]] = [ground.hide]
    held: list[Shreds] = []

    def claim() -> None:
        shreds = ground.claim()
        assert shreds is not None
        held.append(shreds)

    steps += [claim, lambda: ground.destroy(held[0]), lambda: ground.finish(held[0])]
    for step in steps[:done]:
        step()
    if done:
        assert ground.row(old).state != "live", "hidden from the first step on"
    ground.clock.move(LEASE + SECOND)
    ground.run()
    assert has_ended(ground, old, before)
    assert b"young words" in ground.vault.open(sealed_box(ground.row(young)))


@pytest.mark.parametrize("twice", [(2, 1, 1, 1), (1, 2, 1, 1), (1, 1, 2, 1), (1, 1, 1, 2), (2, 2, 2, 2)], ids=str)
def test_each_step_may_be_taken_twice(twice: tuple[int, int, int, int], ground: Ground) -> None:
    post_id = ground.publish("words")
    before = ground.row(post_id)
    ground.clock.move(7 * DAY)
    for _ in range(twice[0]):
        ground.hide()
    assert ground.jobs() == [("posts", post_id)], "hidden twice, it is ordered once"
    claimed = [ground.claim() for _ in range(twice[1])]
    assert claimed[0] is not None
    assert claimed[1:] in ([], [None]), "what is leased is not leased again"
    for _ in range(twice[2]):
        ground.destroy(claimed[0])
    for _ in range(twice[3]):
        ground.finish(claimed[0])
    assert has_ended(ground, post_id, before)


def test_a_worker_that_comes_late_does_not_close_the_job_of_another(ground: Ground) -> None:
    post_id = ground.publish("words")
    before = ground.row(post_id)
    ground.clock.move(7 * DAY)
    ground.hide()
    late = ground.claim()
    ground.clock.move(LEASE)
    again = ground.claim()
    assert late is not None
    assert again is not None
    assert late.jobs == again.jobs
    ground.finish(late)  # its keys were never destroyed: it stood still before that
    assert ground.jobs() == [("posts", post_id)]
    ground.destroy(again)
    ground.finish(again)
    assert has_ended(ground, post_id, before)


def test_destroying_is_in_batches_and_the_one_that_ended_first_goes_first(ground: Ground) -> None:
    ids = []
    for number in range(5):
        ids.append(ground.publish(f"words {number}"))
        ground.clock.move(HOUR)
    ground.clock.move(8 * DAY)
    assert ground.hide(2) == 2
    assert ground.jobs() == sorted(("posts", post_id) for post_id in ids[:2])
    assert [ground.hide(2) for _ in range(3)] == [2, 1, 0]
    assert ground.jobs() == sorted(("posts", post_id) for post_id in ids)


def test_what_is_hidden_already_is_not_ordered_a_second_time(ground: Ground) -> None:
    post_id = ground.publish("words")
    ground.database.write_now(
        lambda uow: uow.connection.execute(update(POSTS).where(POSTS.c.id == post_id).values(state="hidden")) and None
    )
    ground.clock.move(30 * DAY)
    assert (ground.hide(), ground.jobs()) == (0, [])


# ── slots and days ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_slots_that_no_row_names_are_orphans_and_those_in_use_are_not(ground: Ground) -> None:
    post_id = ground.publish("words")
    used = {ground.row(post_id).slot}
    slots = ground.vault.keyring.slots_taken_before(START + DAY, after=0, limit=10_000)
    orphans = ground.database.read_now(retention.orphans_among, slots)
    assert used < set(slots)
    assert not used & set(orphans)
    assert len(orphans) == len(slots) - 3, "the post, its author's profile and the group's"
    assert ground.database.read_now(retention.orphans_among, []) == []


def test_slots_are_left_alone_for_a_day(ground: Ground) -> None:
    ground.publish("words")
    ring = ground.vault.keyring
    taken_before = START + ORPHAN_AGE - ORPHAN_AGE
    assert ring.slots_taken_before(taken_before, after=0, limit=10_000) == []
    assert len(ring.slots_taken_before(taken_before + SECOND, after=0, limit=10_000)) == SLOT_BATCH


def test_days_are_over_when_a_later_one_has_begun(vault: Vault) -> None:
    for day in ("2026-11-21", "2026-11-22", "2026-11-23", "2026-11-24"):
        vault.secret(f"day/{day}")
        vault.secret(f"outbox/{day}")
    found = retention.secrets_of_days(vault, ["day/"], START)
    assert sorted(found) == ["day/2026-11-21", "day/2026-11-22"]
    both = retention.secrets_of_days(vault, ["day/", "outbox/"], START + DAY)
    assert len(both) == 6
    midnight = START.replace(hour=0, minute=0)
    assert len(retention.secrets_of_days(vault, ["day/"], midnight - SECOND)) == 1
