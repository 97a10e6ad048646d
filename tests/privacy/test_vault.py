"""Sealing with three secrets: destroying any one of them erases, a ciphertext belongs to one place, and caches forget.

What is destroyed here stands for what a member of a support group asked to be forgotten; so each case reads first.
"""

import secrets
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from node.database import ThreadedDatabase
from privacy.errors import KeyShredded
from privacy.keyring import Keyring, create_keyring
from privacy.retention import ORPHAN_AGE, orphans_among
from privacy.unit_of_work import UnitOfWork
from privacy.vault import (
    CACHE_SECONDS,
    PAD_BYTES,
    POOL_LIFE,
    SHORT_LIFE,
    SLOT_BATCH,
    Place,
    SealedBox,
    Vault,
    bucket_of,
    lengths_first,
    pad,
    seal,
    unpad,
)
from tests.clock import START, MovableClock

SUBJECT = 7
PLACE = Place("posts", 11, 0, 3)
WORDS = b"I have not slept since the funeral"
DAY = timedelta(days=1)
Destroy = Callable[[Vault, SealedBox], None]
BY_EACH_SECRET: dict[str, Destroy] = {
    "bucket": lambda vault, box: vault.destroy(START, buckets=[box.bucket]),
    "subject": lambda vault, box: vault.destroy(START, subjects=[box.subject_id]),
    "slot": lambda vault, box: vault.destroy(START, slots=[box.slot]),
}


def put(vault: Vault, place: Place = PLACE, content: bytes = WORDS, **chosen: Any) -> SealedBox:
    """Seal words and return them as they would be read from a row."""
    told = {"kind": "post", "subject_id": SUBJECT, "now": START, "expires_at": START + 90 * DAY} | chosen
    vault.make_subject(told["subject_id"])
    sealed = vault.seal(place, content, **told)
    return SealedBox(place, told["subject_id"], sealed.bucket, sealed.slot, sealed.body)


@pytest.fixture(scope="module")
def sealed_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Vault, SealedBox]]:
    """One vault with one sealed row for all examples of the properties, which only read it."""
    directory = tmp_path_factory.mktemp("shared")
    create_keyring(directory)
    ring = Keyring(directory, secrets.token_bytes(32))
    vault = Vault(ring, lambda: 0.0)
    yield vault, put(vault)
    ring.close()


# ── three secrets ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("which", BY_EACH_SECRET)
def test_destroying_any_one_of_the_three_secrets_erases(vault: Vault, which: str) -> None:
    box, other = put(vault), put(vault, Place("posts", 12, 0, 4), b"other", subject_id=8)
    assert vault.open_many([box, other]) == [WORDS, b"other"]
    BY_EACH_SECRET[which](vault, box)
    assert vault.open_many([box, other]) == [None, b"other"]
    with pytest.raises(KeyShredded) as refused:
        vault.open(box)
    assert "funeral" not in f"{refused.value}{refused.value.public}"


@pytest.mark.parametrize("which", BY_EACH_SECRET)
def test_an_old_copy_of_the_rows_with_every_key_of_today_opens_nothing(tmp_path: Path, which: str) -> None:
    """Product decision 22: whoever has yesterday's database and today's keyring has nothing of what ended between."""
    root_key = secrets.token_bytes(32)
    create_keyring(tmp_path / "own")
    ring = Keyring(tmp_path / "own", root_key)
    vault = Vault(ring)
    box = put(vault)
    assert vault.open(box) == WORDS
    BY_EACH_SECRET[which](vault, box)
    for row_id in range(3):  # the keys that are made afterwards do not help either
        put(vault, replace(PLACE, row_id=row_id), subject_id=8)
    ring.close()
    shutil.copytree(tmp_path / "own", tmp_path / "stolen")
    thief = Keyring(tmp_path / "stolen", root_key)
    assert Vault(thief).open_many([box, put(Vault(thief))]) == [None, WORDS]
    thief.close()


def test_a_new_revision_ends_with_the_earlier_one(vault: Vault) -> None:
    box = put(vault)
    place = replace(PLACE, revision=1)
    sealed = vault.reseal(box, place, b"I slept a little")
    edited = SealedBox(place, SUBJECT, sealed.bucket, sealed.slot, sealed.body)
    assert (sealed.bucket, sealed.slot) == (box.bucket, box.slot)
    assert vault.open(edited) == b"I slept a little"
    vault.destroy(START, slots=[box.slot])
    assert vault.open_many([box, edited]) == [None, None]
    with pytest.raises(KeyShredded):
        vault.reseal(edited, replace(PLACE, revision=2), b"again")


@pytest.mark.parametrize("which", BY_EACH_SECRET)
def test_no_new_revision_is_sealed_once_a_secret_is_gone(vault: Vault, which: str) -> None:
    box = put(vault)
    assert vault.reseal(box, replace(PLACE, revision=1), b"edited").slot == box.slot
    BY_EACH_SECRET[which](vault, box)
    with pytest.raises(KeyShredded):
        vault.reseal(box, replace(PLACE, revision=2), b"edited again")


def test_nothing_is_sealed_for_a_subject_that_was_erased(vault: Vault) -> None:
    put(vault)
    vault.destroy(START, subjects=[SUBJECT])
    with pytest.raises(KeyShredded):
        vault.seal(PLACE, WORDS, kind="post", subject_id=SUBJECT, now=START)


def test_destroying_twice_and_what_never_was_does_no_harm(vault: Vault) -> None:
    box = put(vault)
    for _ in range(2):
        vault.destroy(START, slots=[box.slot, 10**9], subjects=[99], buckets=["no/bucket"], names=["no name"])
    assert vault.open_many([box, put(vault)]) == [None, WORDS]


# ── a ciphertext belongs to one place ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "moved",
    [
        {"place": replace(PLACE, row_id=12)},
        {"place": replace(PLACE, revision=1)},
        {"place": replace(PLACE, group_id=4)},
        {"place": replace(PLACE, table="actors")},
        {"subject_id": 8},
    ],
    ids=["row", "revision", "group", "table", "subject"],
)
def test_what_was_moved_elsewhere_cannot_be_read(vault: Vault, moved: dict[str, Any]) -> None:
    box = put(vault)
    put(vault, subject_id=8)
    assert vault.open(box) == WORDS
    assert vault.open_many([replace(box, **moved)]) == [None]


def test_secrets_of_another_row_do_not_open_this_one(vault: Vault) -> None:
    box, other = put(vault), put(vault, replace(PLACE, row_id=12))
    longer = put(vault, expires_at=START + 91 * DAY, kind="other")
    assert vault.open_many([replace(box, slot=other.slot), replace(box, bucket=longer.bucket)]) == [None, None]


@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_flipped_bit_never_opens(sealed_once: tuple[Vault, SealedBox], position: int, bit: int) -> None:
    vault, box = sealed_once
    body = bytearray(box.body or b"")
    body[position % len(body)] ^= 1 << bit
    assert vault.open_many([box, replace(box, body=bytes(body))]) == [WORDS, None]


@given(length=st.integers(0, PAD_BYTES + 28))
def test_a_body_that_was_cut_off_never_opens_and_spoils_no_other(
    sealed_once: tuple[Vault, SealedBox], length: int
) -> None:
    vault, box = sealed_once
    assert box.body is not None
    assert len(box.body) > length
    assert vault.open_many([replace(box, body=box.body[:length]), box]) == [None, WORDS]


def test_an_emptied_row_is_none_and_asks_for_no_key(vault: Vault) -> None:
    box = put(vault)
    assert vault.open_many([replace(box, body=None), box]) == [None, WORDS]


@given(st.lists(st.binary(max_size=6), max_size=4), st.lists(st.binary(max_size=6), max_size=4))
def test_no_two_lists_join_alike(one: list[bytes], other: list[bytes]) -> None:
    assert (lengths_first(*one) == lengths_first(*other)) == (one == other)


# ── padding ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.binary(max_size=3 * PAD_BYTES))
def test_padding_comes_off_again_and_tells_little_of_the_length(content: bytes) -> None:
    padded = pad(content)
    assert unpad(padded) == content
    assert len(padded) % PAD_BYTES == 0
    assert 0 < len(padded) - len(content) <= PAD_BYTES


@given(st.binary(min_size=32, max_size=32), st.integers(0, PAD_BYTES - 1), st.integers(0, PAD_BYTES - 1))
def test_a_yes_and_a_long_answer_have_the_same_size_and_never_the_same_bytes(key: bytes, one: int, other: int) -> None:
    first, second = seal(key, b"x" * one, b"place"), seal(key, b"x" * other, b"place")
    assert len(first) == len(second)
    assert first != second


@pytest.mark.parametrize("padded", [b"", b"\0" * PAD_BYTES, b"words without an end"])
def test_what_is_not_padded_is_refused(padded: bytes) -> None:
    with pytest.raises(ValueError, match="padding"):
        unpad(padded)


# ── buckets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=400)),
    st.timedeltas(min_value=timedelta(seconds=1), max_value=timedelta(days=3_650)),
)
def test_a_bucket_ends_after_all_that_is_in_it_and_soon_after(later: timedelta, life: timedelta) -> None:
    now = START + later
    name, ends_at = bucket_of("post", 3, now, now + life)
    assert ends_at is not None
    assert now + life < ends_at
    assert ends_at - (now + life) <= (timedelta(days=1 if life <= SHORT_LIFE else 7) + timedelta(minutes=1))
    assert bucket_of("post", 4, now, now + life)[0] != name
    assert bucket_of("profile", 3, now, now + life)[0] != name


def test_what_has_no_end_is_in_a_bucket_that_never_ends(vault: Vault) -> None:
    box = put(vault, expires_at=None)
    assert vault.open(box) == WORDS
    assert vault.keyring.buckets_ended(START + 36_500 * DAY) == []


def test_the_end_of_a_shared_bucket_is_that_of_what_lives_longest(vault: Vault) -> None:
    short, long = put(vault, expires_at=START + 60 * DAY), put(vault, expires_at=START + 300 * DAY)
    again = put(vault, expires_at=START + 60 * DAY)
    assert short.bucket == long.bucket == again.bucket
    assert vault.keyring.buckets_ended(START + 299 * DAY) == []
    assert vault.keyring.buckets_ended(START + 310 * DAY) == [short.bucket]


# ── the pool of object secrets ───────────────────────────────────────────────────────────────────────────────────────


def test_each_slot_is_handed_out_once(vault: Vault) -> None:
    taken = [put(vault, replace(PLACE, row_id=i)).slot for i in range(3 * SLOT_BATCH)]
    assert len(set(taken)) == len(taken)
    assert taken[:SLOT_BATCH] != sorted(taken[:SLOT_BATCH]), "neighbours would tell what was written together"


def test_a_slot_is_never_used_again_not_even_when_the_newest_was_destroyed(vault: Vault, keyring: Keyring) -> None:
    slots = [put(vault, replace(PLACE, row_id=i)).slot for i in range(SLOT_BATCH)]
    taken = range(min(slots), max(slots) + SLOT_BATCH)
    vault.destroy(START, slots=taken)
    assert keyring.slots(taken) == {}
    assert put(Vault(keyring)).slot > max(slots)


def test_a_deed_that_is_rolled_back_burns_its_slot(database: ThreadedDatabase, vault: Vault) -> None:
    """Product decision 24: a slot that was handed out is not handed out again, and the sweep takes it for nobody's."""
    taken: list[SealedBox] = []

    def seal_and_fail(uow: UnitOfWork) -> None:
        taken.append(put(uow.vault))
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            database.write_now(seal_and_fail)
    assert taken[0].slot != taken[1].slot
    slots = [box.slot for box in taken]
    assert database.read_now(orphans_among, slots) == slots
    assert put(vault).slot not in slots


def test_two_vaults_on_one_keyring_never_share_a_slot(vault: Vault, keyring: Keyring, clock: MovableClock) -> None:
    other = Vault(keyring, clock.monotonic)
    taken = [put(each, replace(PLACE, row_id=i)).slot for i in range(SLOT_BATCH) for each in (vault, other)]
    assert len(set(taken)) == len(taken)


def test_a_pool_that_grew_old_is_dropped_before_the_sweep_takes_it(vault: Vault, keyring: Keyring) -> None:
    vault.refill(START)
    before = put(vault)
    later = START + POOL_LIFE
    vault.refill(later)
    after = put(vault, now=later, expires_at=later + DAY)
    assert after.slot > before.slot
    soon = later + timedelta(seconds=1)
    unused = keyring.slots_taken_before(soon - POOL_LIFE, after=0, limit=10_000)
    unused.remove(before.slot)
    assert len(unused) == SLOT_BATCH - 1
    assert POOL_LIFE * 2 <= ORPHAN_AGE
    vault.destroy(soon, slots=unused)
    assert vault.open_many([before, after]) == [WORDS, WORDS]


def test_a_pool_from_a_time_to_come_is_dropped_too(vault: Vault) -> None:
    """A clock that was set back must not make a pool live for longer than the sweep lets it."""
    vault.refill(START + 30 * DAY)
    first = put(vault).slot
    vault.refill(START)
    taken = {put(vault, replace(PLACE, row_id=i)).slot for i in range(SLOT_BATCH)}
    assert min(taken) > first, "another batch"
    assert max(taken) - min(taken) == SLOT_BATCH - 1


# ── caches ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("which", BY_EACH_SECRET)
def test_caches_forget_after_a_minute_what_another_process_destroyed(
    vault: Vault, keyring: Keyring, clock: MovableClock, which: str
) -> None:
    box = put(vault)
    assert vault.open(box) == WORDS
    BY_EACH_SECRET[which](Vault(keyring), box)  # the command line, beside the served node
    clock.move(timedelta(seconds=CACHE_SECONDS + 1))
    assert vault.open_many([box]) == [None]


def test_reading_on_does_not_keep_a_key_in_the_cache(vault: Vault, keyring: Keyring, clock: MovableClock) -> None:
    box = put(vault)
    Vault(keyring).destroy(START, slots=[box.slot])
    for _ in range(4):
        vault.open_many([box])
        clock.move(timedelta(seconds=CACHE_SECONDS / 2))
    assert vault.open_many([box]) == [None]


def test_the_minute_is_measured_by_a_clock_that_cannot_be_set(keyring: Keyring) -> None:
    seconds = [0.0]
    vault = Vault(keyring, lambda: seconds[0])
    box = put(vault)
    Vault(keyring).destroy(START, slots=[box.slot])
    assert vault.open_many([box]) == [WORDS], "the control: it is still in the cache"
    seconds[0] += CACHE_SECONDS + 1
    assert vault.open_many([box]) == [None]


# ── named secrets, days, tombs ───────────────────────────────────────────────────────────────────────────────────────


def test_a_named_secret_opens_in_its_place_and_ends_for_good(vault: Vault) -> None:
    sealed = vault.named_seal("account/1", b"mail", b"accounts/1")
    assert vault.named_open("account/1", sealed, b"accounts/1") == b"mail"
    for name, place in (("account/1", b"accounts/2"), ("account/2", b"accounts/1")):
        vault.named_seal("account/2", b"x", b"accounts/2")
        with pytest.raises(KeyShredded):
            vault.named_open(name, sealed, place)
    vault.destroy(START, names=["account/1"])
    vault.named_seal("account/1", b"someone new", b"accounts/1")
    with pytest.raises(KeyShredded):
        vault.named_open("account/1", sealed, b"accounts/1")


def test_opening_does_not_make_a_secret_that_is_gone(vault: Vault) -> None:
    with pytest.raises(KeyShredded):
        vault.named_open("account/1", b"\x01" + bytes(300), b"accounts/1")
    assert vault.keyring.names_below("account/") == []


def test_each_day_has_a_secret_of_its_own(vault: Vault) -> None:
    monday, tuesday = date(2026, 11, 23), date(2026, 11, 24)
    sealed = vault.day_seal(monday, b"activity", b"inbox_items/1")
    assert vault.day_open(monday, sealed, b"inbox_items/1") == b"activity"
    vault.day_seal(tuesday, b"other", b"inbox_items/2")
    with pytest.raises(KeyShredded):
        vault.day_open(tuesday, sealed, b"inbox_items/1")


def test_tombs_and_tags_say_nothing_without_the_key_of_this_node(vault: Vault, tmp_path: Path) -> None:
    create_keyring(tmp_path / "other")
    other = Vault(Keyring(tmp_path / "other", secrets.token_bytes(32)))
    assert vault.tomb("posts", 5) == vault.tomb("posts", 5)
    assert len({vault.tomb("posts", 5), vault.tomb("posts", 6), vault.tomb("actors", 5), other.tomb("posts", 5)}) == 4
    assert vault.mac("login", b"robin") != vault.mac("email", b"robin")
    assert vault.mac("login", b"ro", b"bin") != vault.mac("login", b"rob", b"in")
    other.keyring.close()


def test_what_was_erased_leaves_its_tomb_and_nothing_else(vault: Vault, keyring: Keyring, tmp_path: Path) -> None:
    box = put(vault)
    tomb = vault.tomb("posts", PLACE.row_id)
    assert not keyring.entombed(tomb.id_hash)
    vault.destroy(START, slots=[box.slot], tombs=[tomb])
    assert keyring.entombed(tomb.id_hash)
    with sqlite3.connect(tmp_path / "keyring" / "keyring.db") as reading:
        assert [row[1] for row in reading.execute("SELECT * FROM tomb")] == ["posts"]
    reading.close()


def test_a_new_subject_has_its_secret_and_is_handed_out_once(vault: Vault, keyring: Keyring) -> None:
    ids = [vault.new_subject() for _ in range(70)]
    assert len(set(ids)) == 70
    secrets = keyring.subjects(ids)
    assert set(secrets) == set(ids)
    assert len(set(secrets.values())) == 70
