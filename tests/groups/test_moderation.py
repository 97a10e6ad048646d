"""Moderation across servers: a role in the very group decides, and nothing else does."""

from collections.abc import Mapping
from typing import Any

import pytest

from groups import moderation, posting
from groups.errors import GroupsError, NotAllowed
from groups.places import standing_of
from privacy.unit_of_work import UnitOfWork
from tests.groups.house import DELIVERIES, ITEMS, LEDGER, POSTS, PUBLIC, House
from tests.groups.test_federation import passed_over, receive, state
from tests.meanwhile import beside

CREATE: Mapping[str, Any] = {"to": [PUBLIC], "cc": []}


@pytest.fixture
def grief(house: House) -> int:
    """A public group of this node."""
    return house.group("grief", audience="public", join_rule="open")


def live(house: House) -> set[int]:
    """Return the posts that can be read."""
    return {row.id for row in house.rows(POSTS) if row.state == "live"}


def locked(house: House, post_id: int) -> bool:
    """Tell whether a conversation is closed."""
    return next(row.locked for row in house.rows(POSTS) if row.id == post_id)


def note(author: str, number: int, group: str, **fields: Any) -> dict[str, Any]:
    """Return a Note into a group."""
    uri = f"{author}/notes/{number}"
    return {"id": uri, "type": "Note", "attributedTo": author, "content": "<p>hello</p>", "to": [PUBLIC], "cc": [group],
            **fields}  # fmt: skip


# ── in a group of this node ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("role", ["stranger", "member", "facilitator elsewhere", "facilitator", "moderator", "owner"])
def test_a_post_is_deleted_by_its_group_s_facilitators_only(house: House, grief: int, role: str) -> None:
    kim, sam = house.person("kim", grief), house.stranger("sam", "far.example")
    house.class_of("far.example", threadiverse=True)
    reader = house.stranger("ola", "reader.example", grief)
    house.class_of("reader.example", threadiverse=True)
    if role == "facilitator elsewhere":
        house.join(house.group("other", audience="public"), sam, role="facilitator")
    elif role != "stranger":
        house.join(grief, sam, role=role)
    post = house.post(kim, "hello", group_id=grief)
    house.deliver()
    passed_over(house, sam, "Delete", post.uri)
    may = role in {"facilitator", "moderator", "owner"}
    assert (post.id in live(house)) is not may
    told = {(sent.kind, sent.host) for sent in house.sent()}
    assert (("Announce(Delete(id))", "reader.example") in told) is may
    assert (("Delete(id)", "reader.example") in told) is may, "in the author's name, to whoever has it"
    assert house.ask(standing_of, grief, reader).is_active


@pytest.mark.parametrize("role", ["member", "facilitator"])
def test_a_conversation_is_closed_and_opened_by_its_group_s_facilitators_only(
    house: House, grief: int, role: str
) -> None:
    kim, sam, eve = house.person("kim", grief), house.stranger("sam", "far.example"), house.stranger("eve", "e.example")
    house.join(grief, sam, role=role)
    house.join(grief, eve)
    house.class_of("e.example", threadiverse=True)
    post = house.post(kim, "hello", group_id=grief)
    house.post(kim, "and more", parent_id=post.id)
    house.deliver()
    passed_over(house, sam, "Lock", post.uri)
    closed = role == "facilitator"
    assert locked(house, post.id) is closed
    assert ("Announce(Lock(id))" in {sent.kind for sent in house.sent()}) is closed
    answer = note(house.uri(eve), 1, house.uri(grief), inReplyTo=post.uri)
    passed_over(house, eve, "Create", answer, **CREATE)
    assert (len(live(house)) == 2) is closed
    if not closed:
        return
    with pytest.raises(NotAllowed) as refused:
        house.post(kim, "one more", parent_id=post.id)
    assert "takes no more replies" in refused.value.public
    lock = {"id": "https://far.example/users/sam/Lock/1", "type": "Lock", "actor": house.uri(sam), "object": post.uri}
    passed_over(house, eve, "Undo", lock | {"actor": house.uri(eve)})
    assert locked(house, post.id)
    receive(house, sam, "Undo", lock)
    assert not locked(house, post.id)
    house.post(kim, "one more", parent_id=post.id)


@pytest.mark.parametrize("first", ["answer", "lock"])
def test_no_answer_slips_into_a_conversation_that_is_being_closed(house: House, grief: int, first: str) -> None:
    """It is closed with the rest when it was there before, and refused when it was not."""
    kim, sam = house.person("kim", grief), house.stranger("sam", "far.example", grief, role="facilitator")
    post = house.post(kim, "hello", group_id=grief)
    answer = house.compose(kim, "and more", parent_id=post.id)

    def answering(uow: UnitOfWork) -> None:
        posting.publish_post(uow, house.uris, kim, answer)

    def locking(uow: UnitOfWork) -> None:
        moderation.set_locked(uow, stored, locked=True)

    stored = house.row(post.id)
    deeds = (answering, locking) if first == "answer" else (locking, answering)
    other = beside(house.database, deeds[0], lambda: house.do(deeds[1]))
    assert isinstance(other.exception(), GroupsError) is (first == "lock")
    assert [row.locked for row in house.rows(POSTS)] == ([True, True] if first == "answer" else [True])
    house.join(grief, house.person("lena"), role="facilitator")
    receive(
        house, sam, "Undo", {"id": "https://far.example/l", "type": "Lock", "actor": house.uri(sam), "object": post.uri}
    )
    house.post(kim, "once more", parent_id=post.id)


def test_an_answer_that_came_too_early_is_closed_with_the_conversation_that_it_belongs_to(
    house: House, grief: int
) -> None:
    """And what of it still waits to be announced keeps its place in the order of that conversation."""
    kim, sam = house.person("kim", grief), house.stranger("sam", "far.example", grief, role="facilitator")
    eve = house.stranger("eve", "e.example", grief)
    house.stranger("ola", "reader.example", grief)
    post = house.post(kim, "hello", group_id=grief)
    receive(house, sam, "Lock", post.uri)
    last = note(house.uri(sam), 1, house.uri(grief), inReplyTo=post.uri)
    receive(house, eve, "Create", note(house.uri(eve), 1, house.uri(grief), inReplyTo=last["id"]), **CREATE)
    receive(house, sam, "Create", last, **CREATE)
    assert {(row.thread_id, row.locked) for row in house.rows(POSTS)} == {(post.id, True)}
    assert {row.ordering_key for row in house.rows(ITEMS)} == {row.ordering_key for row in house.rows(DELIVERIES)}
    assert {row.ordering_key for row in house.rows(ITEMS)} == {post.id}


@pytest.mark.parametrize("audience", ["none", "peers-only", "followers", "public"])
def test_a_closed_conversation_is_told_to_its_readers_and_leaves_no_copy(house: House, audience: str) -> None:
    """It is no boost, and who is told of it is not noted as one that got the post."""
    club = house.group("club", audience=audience, join_rule="open")
    kim, sam = house.person("kim", club), house.stranger("sam", "far.example", club, role="facilitator")
    post = house.post(kim, "hello", group_id=club)
    house.deliver()
    for host, level in (("late.example", "normal"), ("ours.example", "allow")):
        house.stranger("ola", host, club)
        house.class_of(host, level=level, threadiverse=True)
    receive(house, sam, "Lock", post.uri)
    expected = {"none": set(), "peers-only": {"ours.example"}}.get(audience, {"late.example", "ours.example"})
    assert {(sent.kind, sent.host) for sent in house.sent()} == {("Announce(Lock(id))", host) for host in expected}
    assert not {row.host for row in house.rows(LEDGER)} & {"late.example", "ours.example"}


def test_who_looks_after_a_group_answers_in_a_closed_conversation(house: House, grief: int) -> None:
    kim, lena = house.person("kim", grief), house.person("lena")
    house.join(grief, lena, role="facilitator")
    sam = house.stranger("sam", "far.example")
    house.join(grief, sam, role="moderator")
    post = house.post(kim, "hello", group_id=grief)
    receive(house, sam, "Lock", post.uri)
    last = house.post(lena, "we stop here", parent_id=post.id)
    with pytest.raises(NotAllowed):
        house.post(kim, "but", parent_id=last.id)


@pytest.mark.parametrize("role", ["member", "facilitator"])
@pytest.mark.parametrize("victim", ["member", "owner"])
def test_a_member_is_shown_out_by_the_group_s_facilitators_only(
    house: House, grief: int, role: str, victim: str
) -> None:
    kim, sam = house.person("kim"), house.stranger("sam", "far.example")
    house.join(grief, kim, role=victim)
    house.join(grief, sam, role=role)
    passed_over(house, sam, "Block", house.uri(kim), target=house.uri(grief))
    may = role == "facilitator" and victim == "member"
    assert state(house, grief, kim) == ("removed" if may else "active")
    passed_over(house, sam, "Block", house.uri(kim), target="https://far.example/g/none", id="https://far.example/b/2")
    assert state(house, grief, kim) == ("removed" if may else "active")


# ── in a group elsewhere ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def club(house: House) -> int:
    """A group of another server that somebody here is in, and one of its posts."""
    made = house.stranger("club", "club.example", kind="Group")
    house.person("ana", made)
    return made


def announce(house: House, group: int, inner: dict[str, Any]) -> None:
    """Have a group announce what somebody of its server did."""
    actor = house.uri(group).replace("club", "mod")
    activity = {"actor": actor, "to": [PUBLIC], "cc": [], **inner}
    receive(house, group, "Announce", activity, id=f"{house.uri(group)}/{inner['id'].rsplit('/', 1)[-1]}")


@pytest.mark.parametrize("whose", ["its own", "another's"])
def test_a_group_elsewhere_rules_its_own_conversations(house: House, club: int, whose: str) -> None:
    other = house.stranger("rival", "rival.example", kind="Group")
    house.join(other, house.names["ana"])
    where = club if whose == "its own" else other
    post = house.post(house.names["ana"], "hello", group_id=where)
    lock = {"id": "https://club.example/l/1", "type": "Lock", "object": post.uri}
    announce(house, club, lock)
    assert locked(house, post.id) is (where == club)
    undone = {
        "id": "https://club.example/l/2",
        "type": "Undo",
        "object": lock | {"actor": "https://club.example/users/mod"},
    }
    announce(house, club, undone)
    assert not locked(house, post.id)


@pytest.mark.parametrize("from_where", ["its own", "another"])
def test_a_group_elsewhere_shows_its_own_members_out(house: House, club: int, from_where: str) -> None:
    ana = house.names["ana"]
    other = house.stranger("rival", "rival.example", kind="Group")
    house.join(other, ana)
    target = club if from_where == "its own" else other
    ban = {"id": "https://club.example/b/1", "type": "Block", "object": house.uri(ana), "target": house.uri(target)}
    announce(house, club, ban)
    assert state(house, club, ana) == ("removed" if target == club else "active")
    assert state(house, other, ana) == "active"


@pytest.mark.parametrize("takes_along", [False, True])
def test_who_is_shown_out_may_lose_what_they_wrote(house: House, grief: int, takes_along: bool) -> None:
    """Lemmy's `removeData`: in this group alone, and told in the group's name to whoever has it."""
    kim, mod = house.person("kim", grief), house.stranger("mod", "far.example", grief, role="facilitator")
    house.class_of("far.example", threadiverse=True)
    other = house.group("other", audience="public")
    house.join(other, kim)
    here, there = house.post(kim, "here", group_id=grief), house.post(kim, "there", group_id=other)
    house.deliver()
    receive(house, mod, "Block", house.uri(kim), target=house.uri(grief), removeData=takes_along)
    assert state(house, grief, kim) == "removed"
    assert live(house) == ({there.id} if takes_along else {here.id, there.id})
    assert (("Delete(id)", "far.example") in {(sent.kind, sent.host) for sent in house.sent()}) is takes_along


@pytest.mark.parametrize("role", ["member", "facilitator"])
def test_who_was_shown_out_is_let_back_by_the_group_s_facilitators_only(house: House, grief: int, role: str) -> None:
    """Lemmy undoes a ban; after that they come in as anybody does. Who left, or is banned, is not concerned."""
    kim, mod = house.stranger("kim", "near.example", grief), house.stranger("mod", "far.example", grief, role=role)
    house.place(grief, kim, state="removed")
    block = {"id": f"{house.uri(mod)}/blocks/1", "type": "Block", "actor": house.uri(mod), "object": house.uri(kim),
             "target": house.uri(grief)}  # fmt: skip
    receive(house, kim, "Follow", house.uri(grief))
    assert state(house, grief, kim) == "pending"
    house.place(grief, kim, state="removed")
    passed_over(house, mod, "Undo", block)
    receive(house, kim, "Follow", house.uri(grief), id=f"{house.uri(kim)}/follows/2")
    assert state(house, grief, kim) == ("active" if role == "facilitator" else "pending")
    house.place(grief, kim, state="banned")
    passed_over(house, mod, "Undo", block, id=f"{house.uri(mod)}/undos/2")
    assert state(house, grief, kim) == "banned"
