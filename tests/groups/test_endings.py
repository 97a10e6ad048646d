"""How posts end: out of sight at once, then without keys, then without words; and who is told."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Table

from activitypub.models import OutboxItem, Tombstone
from groups import endings, founding, reactions, timelines
from groups.models import Bookmark, Mention, Notification, Reaction
from groups.showing import sealed_box
from groups.views import PostView, Viewer
from privacy.errors import KeyShredded
from privacy.models import ShredJob
from privacy.unit_of_work import table_of
from tests.groups.house import EVERY_READ, LEDGER, POSTS, House

JOBS, TOMBSTONES, NEWS, ITEMS = table_of(ShredJob), table_of(Tombstone), table_of(Notification), table_of(OutboxItem)
HANGING_ON: tuple[tuple[Table, Any], ...] = tuple(
    (table_of(model), table_of(model).c.post_id) for model in (Mention, Reaction, Bookmark)
)
KEEP = timedelta(days=1)
SAMS_INBOX = "https://far.example/users/sam/inbox"


def begin(house: House, audience: str = "followers") -> tuple[PostView, int, int]:
    """Make a post that is kept and supported, and that another server holds; return it with two people."""
    group = house.group("grief", audience=audience, keep=KEEP)
    ana, ben = house.person("ana", group), house.person("ben", group)
    house.stranger("sam", "far.example", group)
    post = house.post(ana, "@ben Rotkehlchen", group_id=group)
    house.do(reactions.react, house.uris, ben, post.id)
    house.do(reactions.bookmark, ben, post.id)
    house.deliver()
    return post, ana, ben


def end(house: House, how: str, post: PostView, ana: int) -> None:
    """End a post by its author's hand, or by its time and the first step of a sweep."""
    if how == "by hand":
        house.delete(ana, post.id)
    else:
        house.clock.move(KEEP)
        assert house.hide_due() == 1


@pytest.mark.parametrize("how", ["by hand", "by time"])
def test_the_end_goes_in_three_steps(house: House, how: str) -> None:
    """Hidden with one order to destroy its key; then unreadable for the vault itself; then an empty row."""
    post, ana, ben = begin(house)
    row = house.row(post.id)
    assert b"Rotkehlchen" in house.database.vault.open(sealed_box(row))
    end(house, how, post, ana)
    assert house.row(post.id).state == "hidden"
    assert [(job.kind, job.target_id, job.slot) for job in house.rows(JOBS)] == [("posts", post.id, row.slot)]
    assert house.reads_of(ben, post) == set()
    house.destroy()
    with pytest.raises(KeyShredded):
        house.database.vault.open(sealed_box(row))
    after = house.row(post.id)
    assert (after.state, after.body) == ("shredded", None)
    assert house.count(JOBS) == 0


@pytest.mark.parametrize("how", ["by hand", "by time"])
def test_what_hangs_on_a_post_goes_with_it(house: House, how: str) -> None:
    """News at once; support, marks and mentions with the words. What hangs on another post stays."""
    post, ana, ben = begin(house)
    town = house.group("town")
    for persona in (ana, ben):
        house.join(town, persona)
    other = house.post(ben, "@ana another", group_id=town)
    house.do(reactions.bookmark, ana, other.id)
    end(house, how, post, ana)
    assert house.count(NEWS, NEWS.c.post_id == post.id) == 0
    house.destroy()
    for table, column in HANGING_ON:
        assert house.count(table, column == post.id) == 0, table
    assert house.count(HANGING_ON[2][0]) == 1
    assert house.count(NEWS, NEWS.c.post_id == other.id) == 1


@pytest.mark.parametrize("how", ["by hand", "by time"])
@pytest.mark.parametrize(("audience", "was_public"), [("none", False), ("followers", False), ("public", True)])
def test_an_end_is_remembered_by_a_keyed_hash(house: House, how: str, audience: str, was_public: bool) -> None:
    """The tombstone says whether it was public, and nothing by which the address could be guessed."""
    post, ana, _ = begin(house, audience)
    assert not house.ask(endings.has_ended, post.uri)
    end(house, how, post, ana)
    assert house.ask(endings.has_ended, post.uri)
    (stone,) = house.rows(TOMBSTONES)
    assert stone.was_public is was_public
    assert str(post.id).encode() not in stone.uri_hash
    assert not house.ask(endings.has_ended, f"{post.uri}0")


def test_a_direct_post_in_a_public_group_was_never_public(house: House) -> None:
    """Its tombstone does not tell everybody that there was one."""
    post, ana, _ = begin(house, "public")
    direct = house.post(ana, "@ben secret", direct=True, group_id=post.group.id)
    house.delete(ana, direct.id)
    assert [stone.was_public for stone in house.rows(TOMBSTONES)] == [False]


@pytest.mark.parametrize("how", ["by hand", "by time"])
def test_the_ledger_outlives_the_post_by_ninety_days(house: House, how: str) -> None:
    """Whoever holds a copy can be told as long; nothing is in it of posts that went nowhere."""
    post, ana, _ = begin(house)
    house.post(ana, "@ben here only", direct=True, group_id=post.group.id)
    assert [(entry.object_id, entry.inbox) for entry in house.rows(LEDGER)] == [(post.id, SAMS_INBOX)]
    end(house, how, post, ana) if how == "by hand" else _both_end(house)
    (entry,) = house.rows(LEDGER)
    assert entry.ends_at == house.clock() + timedelta(days=90)


@pytest.mark.parametrize("how", ["by hand", "by time"])
def test_deletes_are_queued_for_holders_only(house: House, how: str) -> None:
    """A member that joined after the post, or whose server never got it, is told nothing of it by its author."""
    post, ana, _ = begin(house)
    house.class_of("late.example", threadiverse=False)
    end(house, how, post, ana)
    deletes = [one for one in house.sent() if one.document["object"] == post.uri]
    assert [one.inbox for one in deletes] == [SAMS_INBOX]
    assert {one.document["type"] for one in deletes} == {"Delete"}
    assert {one.document["actor"] for one in deletes} == {house.uri(ana)}


def test_a_post_that_never_left_is_deleted_in_silence(house: House) -> None:
    """In a group that nothing leaves no Delete is made, whoever is a member there."""
    post, ana, _ = begin(house, "none")
    house.delete(ana, post.id)
    assert house.sent() == []


def test_what_still_waits_to_be_sent_dies_with_the_post(house: House) -> None:
    """A Create on its way out is taken back or unreadable; its Delete is not, and goes out after the keys are gone."""
    group = house.group("grief", audience="followers")
    ana = house.person("ana", group)
    house.stranger("sam", "far.example", group)
    post = house.post(ana, "Rotkehlchen", group_id=group)
    assert [one.kind for one in house.sent()] == ["Create(Note)"]
    house.delete(ana, post.id)
    house.destroy()
    sent = house.sent()
    assert {one.document["type"] for one in sent} == {"Delete", "Undo"}
    assert "Rotkehlchen" not in str(sent)
    assert house.count(ITEMS, ITEMS.c.slot.is_not(None)) == 0


def test_replies_are_counted_as_they_come_and_go(house: House) -> None:
    """Each end lowers its parent's count by one, once, however often the steps run."""
    post, ana, ben = begin(house)
    replies = [house.post(ben, f"answer {number}", parent_id=post.id) for number in range(3)]
    count = lambda: house.ask(timelines.post, Viewer(ana), post.id).replies_count  # noqa: E731 - read three times below
    assert count() == 3
    house.delete(ben, replies[0].id)
    house.destroy()
    assert count() == 2
    house.do(endings.clean, [replies[0].id])
    assert (count(), house.row(replies[0].id).state) == (2, "shredded")


def test_posts_that_end_together_are_told_apart(house: House) -> None:
    """A sweep ends exactly those whose time has come, in whatever group, and a second one finds nothing."""
    short, long = house.group("short", keep=timedelta(hours=1)), house.group("long", keep=timedelta(days=9))
    ana = house.person("ana", short, long)
    ending = [house.post(ana, f"post {number}", group_id=short) for number in range(5)]
    staying = house.post(ana, "stays", group_id=long)
    house.clock.move(timedelta(hours=1) - timedelta(milliseconds=1))
    assert house.hide_due() == 0
    house.clock.move(timedelta(milliseconds=1))
    assert (house.hide_due(), house.hide_due()) == (5, 0)
    house.destroy()
    assert house.count(POSTS, POSTS.c.state == "shredded") == len(ending)
    assert "post" in house.reads_of(ana, staying)


@pytest.mark.parametrize("audience", ["none", "followers", "public"])
def test_a_post_whose_time_has_come_is_unreadable_without_any_sweep(house: House, audience: str) -> None:
    """On every read and for everybody, from the very moment (S-1107)."""
    post, ana, ben = begin(house, audience)
    house.clock.move(KEEP - timedelta(milliseconds=1))
    assert house.reads_of(ben, post) == EVERY_READ
    house.clock.move(timedelta(milliseconds=1))
    assert house.reads_of(ben, post) == house.reads_of(ana, post) == house.reads_of(None, post) == set()


def test_an_edited_post_dies_whole(house: House) -> None:
    """Earlier revisions stood under the same secret: none of them can be opened afterwards."""
    post, ana, _ = begin(house)
    boxes = [sealed_box(house.row(post.id))]
    for number in range(3):
        house.edit(ana, post.id, f"Amsel {number}")
        boxes.append(sealed_box(house.row(post.id)))
    assert None not in house.database.vault.open_many(boxes)
    house.delete(ana, post.id)
    house.destroy()
    assert set(house.database.vault.open_many(boxes)) == {None}


def test_a_sealed_group_does_not_keep_its_posts_longer(house: House) -> None:
    """Closing a group is no way to lengthen what was promised."""
    post, ana, _ = begin(house)
    house.do(founding.change_group, house.uris, None, post.group.id, founding.GroupChanges(state="sealed"))
    house.clock.move(KEEP)
    assert house.reads_of(ana, post) == set()
    assert house.hide_due() == 1


def _both_end(house: House) -> None:
    house.clock.move(KEEP)
    assert house.hide_due() == 2
