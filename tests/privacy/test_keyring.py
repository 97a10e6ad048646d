"""The store of the keys: kept so that nobody else reads it, and so that what is destroyed there is nowhere left."""

import os
import secrets
import shutil
import sqlite3
import stat
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from privacy.errors import DatabaseUnavailable, KeyringRefused, KeyShredded
from privacy.keyring import (
    FILE,
    SECRET_BYTES,
    SLOTS_A_SECOND_BITS,
    Keyring,
    Tomb,
    create_keyring,
    create_root_key,
    read_root_key,
)
from privacy.vault import Vault
from tests.clock import START

DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
FIRST_SLOT = int(START.timestamp()) << SLOTS_A_SECOND_BITS
SLOTS_OF_SEVERAL_PAGES = 500
Kind = tuple[Callable[[Keyring], bytes], Callable[[Keyring], bytes | None], str]
KINDS: dict[str, Kind] = {
    "bucket": (
        lambda ring: ring.make_bucket("post/3/2026-11-23.1", START + DAY),
        lambda ring: ring.buckets(["post/3/2026-11-23.1"]).get("post/3/2026-11-23.1"),
        "SELECT k FROM bucket",
    ),
    "subject": (lambda ring: ring.make_subject(7), lambda ring: ring.subjects([7]).get(7), "SELECT k FROM subject"),
    "object": (
        lambda ring: ring.take_slots(1, START)[0][1],
        lambda ring: ring.slots([FIRST_SLOT]).get(FIRST_SLOT),
        "SELECT k FROM object",
    ),
    "named": (
        lambda ring: ring.make_named("day/2026-11-23"),
        lambda ring: ring.named("day/2026-11-23"),
        "SELECT k FROM misc",
    ),
}


def destroy_all(ring: Keyring) -> None:
    """Destroy the secret of each kind."""
    ring.destroy(now=START, slots=[FIRST_SLOT], subjects=[7], buckets=["post/3/2026-11-23.1"], names=["day/2026-11-23"])


def rows(directory: Path, query: str) -> list[bytes]:
    """Return what a query finds in the file, read from beside the keyring."""
    reading = sqlite3.connect(directory / "keyring.db")
    try:
        return [value for (value,) in reading.execute(query)]
    finally:
        reading.close()


def new_keyring(directory: Path, root_key: bytes) -> Keyring:
    """Return a store in a directory where there may be none yet."""
    create_keyring(directory)
    return Keyring(directory, root_key)


def bytes_of(directory: Path) -> bytes:
    """Return every byte that the store has on disk, its journal included."""
    return b"".join(path.read_bytes() for path in directory.iterdir())


# ── secrets ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", KINDS)
def test_a_secret_stays_the_same_over_a_restart_and_is_gone_once_destroyed(tmp_path: Path, kind: str) -> None:
    make, fetch, _ = KINDS[kind]
    root_key = secrets.token_bytes(32)
    first = new_keyring(tmp_path / "ring", root_key)
    made = make(first)
    assert len(made) == SECRET_BYTES
    assert fetch(first) == made
    first.close()
    second = Keyring(tmp_path / "ring", root_key)
    assert fetch(second) == made
    destroy_all(second)
    assert fetch(second) is None
    second.close()


@pytest.mark.parametrize("kind", ["bucket", "subject", "named"])
def test_a_secret_that_is_made_anew_is_another_one(keyring: Keyring, kind: str) -> None:
    make, fetch, _ = KINDS[kind]
    made = make(keyring)
    assert make(keyring) == made
    destroy_all(keyring)
    assert make(keyring) != made
    assert fetch(keyring) != made


@pytest.mark.parametrize("kind", KINDS)
def test_the_bytes_of_a_destroyed_secret_are_nowhere_on_disk(keyring: Keyring, tmp_path: Path, kind: str) -> None:
    make, _, query = KINDS[kind]
    secret, directory = make(keyring), tmp_path / "keyring"
    (wrapped,) = rows(directory, query)
    assert wrapped in bytes_of(directory), "the control: sealed under the root key it is there"
    assert secret not in bytes_of(directory), "in the clear it never is"
    destroy_all(keyring)
    assert wrapped not in bytes_of(directory)


def test_many_destroyed_secrets_leave_no_byte_behind_and_the_others_stay(keyring: Keyring, tmp_path: Path) -> None:
    """Enough of them to fill, empty and merge pages of the file."""
    slots = dict(keyring.take_slots(600, START))
    directory = tmp_path / "keyring"
    wrapped = dict(zip(slots, rows(directory, "SELECT k FROM object ORDER BY slot"), strict=True))
    gone = [slot for slot in slots if slot % 5]
    keyring.destroy(now=START, slots=gone)
    left = bytes_of(directory)
    assert [slot for slot in gone if wrapped[slot] in left] == []
    kept = [slot for slot in slots if slot % 5 == 0]
    assert keyring.slots(slots) == {slot: slots[slot] for slot in kept}
    assert all(wrapped[slot] in left for slot in kept)


def test_everything_of_one_call_goes_or_nothing_does(keyring: Keyring) -> None:
    made = keyring.make_subject(7)
    taken = dict(keyring.take_slots(1, START))
    broken = Tomb(None, "posts")  # type: ignore[arg-type]  # the store refuses it, as it would on a full disk
    with pytest.raises(sqlite3.Error):
        keyring.destroy(now=START, subjects=[7], slots=[FIRST_SLOT], tombs=[broken])
    assert keyring.subjects([7]) == {7: made}
    assert keyring.slots(taken) == taken
    keyring.destroy(now=START, subjects=[7], slots=[FIRST_SLOT], tombs=[Tomb(b"x" * 32, "posts")])
    assert (keyring.subjects([7]), keyring.slots(taken)) == ({}, {})


def test_many_are_asked_for_at_once(keyring: Keyring) -> None:
    taken = dict(keyring.take_slots(1_200, START))
    assert keyring.slots([*taken, 10**9]) == taken


def test_a_secret_moved_to_another_name_does_not_open(keyring: Keyring, tmp_path: Path) -> None:
    keyring.make_subject(7)
    with sqlite3.connect(tmp_path / "keyring" / "keyring.db") as writing:
        writing.execute("INSERT INTO subject SELECT 8, k FROM subject WHERE id = 7")
    writing.close()
    assert set(keyring.subjects([7])) == {7}
    with pytest.raises(KeyShredded):
        keyring.subjects([8])


def test_two_threads_that_make_the_same_secret_get_the_same(keyring: Keyring) -> None:
    start, found = threading.Barrier(8), []

    def make() -> None:
        start.wait(timeout=20)
        found.append(keyring.make_named("link"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_two_processes_share_the_store_without_sharing_a_slot(tmp_path: Path) -> None:
    root_key = secrets.token_bytes(32)
    one, other = (new_keyring(tmp_path / "ring", root_key) for _ in range(2))
    taken = [slot for ring in (one, other, one) for slot, _ in ring.take_slots(10, START)]
    assert taken == list(range(taken[0], taken[0] + 30))
    assert one.make_named("link") == other.make_named("link")
    one.close()
    other.close()


def test_slot_numbers_are_not_used_again_after_everything_was_destroyed(keyring: Keyring) -> None:
    taken = [slot for slot, _ in keyring.take_slots(10, START)]
    keyring.destroy(now=START, slots=taken)
    assert [slot for slot, _ in keyring.take_slots(2, START)] == [taken[-1] + 1, taken[-1] + 2]


def test_an_older_copy_that_was_put_back_uses_no_slot_that_was_used_since(tmp_path: Path) -> None:
    """Or else what is erased under the copy would destroy what was sealed under the newer one, and the other way."""
    root_key = secrets.token_bytes(32)
    ring = new_keyring(tmp_path / "ring", root_key)
    ring.take_slots(3, START)
    shutil.copytree(tmp_path / "ring", tmp_path / "copy")
    since = {slot for slot, _ in ring.take_slots(300, START + SECOND)}
    ring.close()
    copy = Keyring(tmp_path / "copy", root_key)
    assert not since & {slot for slot, _ in copy.take_slots(300, START + 2 * SECOND)}
    assert len(copy.take_slots(3, START - DAY)) == 3, "nor does a clock that was put back lead into old numbers"
    copy.close()


# ── what the sweeps ask ──────────────────────────────────────────────────────────────────────────────────────────────


def test_slots_are_told_by_the_moment_at_which_they_were_taken(keyring: Keyring) -> None:
    first, then = ([slot for slot, _ in keyring.take_slots(3, at)] for at in (START, START + DAY))
    assert keyring.slots_taken_before(START, after=0, limit=10) == []
    assert keyring.slots_taken_before(START + DAY, after=0, limit=10) == first
    assert keyring.slots_taken_before(START + 2 * DAY, after=first[1], limit=3) == [first[2], *then[:2]]


def test_the_end_of_a_bucket_only_moves_later(keyring: Keyring) -> None:
    keyring.make_bucket("b", START + 2 * DAY)
    keyring.make_bucket("b", START + DAY)
    keyring.make_bucket("open", None)
    assert keyring.buckets_ended(START + DAY) == []
    assert keyring.buckets_ended(START + 2 * DAY) == ["b"]
    keyring.make_bucket("b", START + 3 * DAY)
    assert keyring.buckets_ended(START + 2 * DAY) == []


@pytest.mark.parametrize("prefix", ["day/", "day%", "da_/"])
def test_names_are_found_by_what_they_begin_with_and_not_by_a_pattern(keyring: Keyring, prefix: str) -> None:
    for name in ("day/2026-11-23", "day/2026-11-24", "Day/x", "account/1"):
        keyring.make_named(name)
    found = sorted(keyring.names_below(prefix))
    assert found == (["day/2026-11-23", "day/2026-11-24"] if prefix == "day/" else [])


def test_a_closed_store_is_not_alive(tmp_path: Path) -> None:
    ring = new_keyring(tmp_path / "ring", bytes(32))
    assert ring.is_alive()
    ring.close()
    assert not ring.is_alive()


# ── how it is kept ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_store_that_is_missing_is_not_replaced_by_an_empty_one(tmp_path: Path) -> None:
    with pytest.raises(KeyringRefused, match="missing"):
        Keyring(tmp_path / "ring", bytes(32))
    assert not (tmp_path / "ring").exists()


def test_a_directory_that_others_may_enter_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    new_keyring(tmp_path / "ring", bytes(32)).close()
    (tmp_path / "ring").chmod(0o755)
    with pytest.raises(KeyringRefused, match="chmod 0700"):
        Keyring(tmp_path / "ring", bytes(32))
    assert stat.S_IMODE((tmp_path / "ring").stat().st_mode) == 0o755
    (tmp_path / "ring").chmod(0o700)
    Keyring(tmp_path / "ring", bytes(32)).close()


@pytest.mark.parametrize("damage", [b"no database at all, only words" * 100, None])
def test_a_damaged_store_is_told_in_a_sentence_and_left_as_it_is(tmp_path: Path, damage: bytes | None) -> None:
    ring = new_keyring(tmp_path / "ring", bytes(32))
    taken = dict(ring.take_slots(SLOTS_OF_SEVERAL_PAGES, START))
    ring.close()
    path = tmp_path / "ring" / FILE
    whole = path.read_bytes()
    damaged = damage or whole[:4096] + bytes(len(whole) - 4096)
    path.write_bytes(damaged)
    with pytest.raises(KeyringRefused, match="put back an undamaged copy"):
        Keyring(tmp_path / "ring", bytes(32))
    assert path.read_bytes() == damaged
    path.write_bytes(whole)
    again = Keyring(tmp_path / "ring", bytes(32))
    assert again.slots(taken) == taken
    again.close()


@pytest.mark.parametrize("lost", [None, "misc", "object"])
def test_a_store_without_its_tables_is_refused_and_not_filled(tmp_path: Path, lost: str | None) -> None:
    """A copy that failed leaves a file of no bytes: that is no new store."""
    new_keyring(tmp_path / "ring", bytes(32)).close()
    path = tmp_path / "ring" / FILE
    if lost is None:
        path.write_bytes(b"")
    else:
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"DROP TABLE {lost}")
    before = path.read_bytes()
    with pytest.raises(KeyringRefused, match="put back an undamaged copy"):
        Keyring(tmp_path / "ring", bytes(32))
    assert path.read_bytes() == before


def test_looking_a_keyed_hash_up_writes_nothing(keyring: Keyring, tmp_path: Path) -> None:
    vault = Vault(keyring)
    before = bytes_of(tmp_path / "keyring")
    assert vault.known_mac("keyring", b"this") is None
    assert bytes_of(tmp_path / "keyring") == before
    assert vault.mac("keyring", b"this") == vault.known_mac("keyring", b"this")


def test_a_full_disk_refuses_and_changes_nothing_and_is_got_over(keyring: Keyring, tmp_path: Path) -> None:
    made = keyring.make_named("link")
    pages = keyring._connection.execute("PRAGMA page_count").fetchone()[0]
    keyring._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(DatabaseUnavailable):
        keyring.take_slots(SLOTS_OF_SEVERAL_PAGES, START)
    assert (rows(tmp_path / "keyring", "SELECT k FROM object"), keyring.named("link")) == ([], made)
    keyring._connection.execute("PRAGMA max_page_count = 1000000")
    assert len(keyring.take_slots(SLOTS_OF_SEVERAL_PAGES, START)) == SLOTS_OF_SEVERAL_PAGES


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        ring = new_keyring(tmp_path / "ring", bytes(32))
    finally:
        os.umask(before)
    ring.make_named("link")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "ring").iterdir()}
    assert set(modes.values()) == {0o600}, modes
    assert stat.S_IMODE((tmp_path / "ring").stat().st_mode) == 0o700
    ring.close()


def test_the_store_is_set_up_so_that_what_is_deleted_is_overwritten(keyring: Keyring) -> None:
    asked = ("journal_mode", "secure_delete", "synchronous", "temp_store")
    found = {name: keyring._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in asked}
    assert found == {"journal_mode": "truncate", "secure_delete": 1, "synchronous": 2, "temp_store": 2}


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_opens_under_another_root_key_and_nobody_takes_that_for_shredded(tmp_path: Path, kind: str) -> None:
    """A node that took every key for destroyed would drop what waits in its queues: it must not even start."""
    right, wrong = secrets.token_bytes(32), secrets.token_bytes(32)
    ring = new_keyring(tmp_path / "ring", right)
    made = KINDS[kind][0](ring)
    ring.close()
    with pytest.raises(KeyringRefused):
        Keyring(tmp_path / "ring", wrong)
    again = Keyring(tmp_path / "ring", right)
    assert KINDS[kind][1](again) == made
    again.close()


# ── the root key's file ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_root_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secrets" / "root.key"
    create_root_key(path)
    made = read_root_key(path)
    assert len(made) == SECRET_BYTES
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    create_root_key(path)
    assert read_root_key(path) == made
    create_root_key(tmp_path / "other.key")
    assert read_root_key(tmp_path / "other.key") != made


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o640, 0o604, 0o777])
def test_a_root_key_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "root.key"
    create_root_key(path)
    read_root_key(path)
    path.chmod(mode)
    with pytest.raises(KeyringRefused, match="chmod"):
        read_root_key(path)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_root_key_of_another_size_is_refused_and_not_told(tmp_path: Path, size: int) -> None:
    path, value = tmp_path / "root.key", b"k" * size
    path.write_bytes(value)
    path.chmod(0o400)
    with pytest.raises(KeyringRefused, match=f"{size} bytes") as refused:
        read_root_key(path)
    assert "kkk" not in str(refused.value)


def test_a_root_key_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(KeyringRefused, match="missing"):
        read_root_key(tmp_path / "root.key")
