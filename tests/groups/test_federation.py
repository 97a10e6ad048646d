"""What each activity from elsewhere means here, beyond posts: follows, answers, undoing, updates, ends and support."""

from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest

from activitypub import actors
from activitypub.errors import FederationError
from activitypub.models import Actor
from activitypub.ports import Arrival
from activitypub.vocabulary.reading import parse
from groups import federation, membership, people, reactions
from groups.endings import has_ended
from groups.errors import GroupsError
from groups.federation import ActorEraser, inbox_routes
from groups.models import PersonFollow, Reaction
from groups.places import standing_of
from privacy.models import ShredJob
from privacy.unit_of_work import UnitOfWork, table_of
from tests.groups.house import MEMBERSHIPS, POSTS, PUBLIC, House
from tests.peers import pem_of, rsa_key

SAM, EVE = "https://far.example/users/sam", "https://other.example/users/eve"
CLUB = "https://club.example/users/club"
FOLLOWS, REACTIONS, JOBS, ACTORS = (table_of(one) for one in (PersonFollow, Reaction, ShredJob, Actor))
NOTHING: Mapping[str, Any] = MappingProxyType({})


def receive(house: House, sender_id: int, kind: str, target: Any, /, **fields: Any) -> None:
    """Hand an activity to its handler, as the inbox does."""
    actor = house.uri(sender_id)
    document = {"@context": "https://www.w3.org/ns/activitystreams", "id": f"{actor}/{kind}/1", "type": kind,
                "actor": actor, "object": target, "to": [PUBLIC]}  # fmt: skip
    activity = parse(document | fields)
    route = inbox_routes(house.uris).by_type[type(activity)]
    prepared = route.prepare(activity)

    def handle(uow: UnitOfWork) -> None:
        sender = actors.actor_by_id(uow, sender_id)
        assert sender is not None
        route.handle(uow, Arrival(sender, uow.now, NOTHING, frozenset()), prepared)

    house.do(handle)


def passed_over(house: House, sender_id: int, kind: str, target: Any, /, **fields: Any) -> None:
    """Hand over an activity that has no right to an effect: it may be refused or do nothing."""
    try:
        receive(house, sender_id, kind, target, **fields)
    except (FederationError, GroupsError):
        return


def state(house: House, group_id: int, actor_id: int) -> str | None:
    """Return the state of an actor's place."""
    found: str | None = house.ask(standing_of, group_id, actor_id).state
    return found


# ── Follow and Undo ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("target", ["nobody", "elsewhere", "gone"])
def test_a_follow_of_what_is_not_here_is_passed_over(house: House, target: str) -> None:
    """No row and no answer; a follow of a group that is here gets both."""
    sam = house.stranger("sam", "far.example")
    club = house.stranger("club", "club.example", kind="Group")
    gone = house.person("gone")
    house.do(actors.mark_gone, gone)
    uri = {"nobody": "https://kin.example/u/nobody", "elsewhere": house.uri(club), "gone": house.uri(gone)}[target]
    passed_over(house, sam, "Follow", uri)
    assert (house.count(MEMBERSHIPS), house.count(FOLLOWS), house.sent()) == (0, 0, [])
    receive(house, sam, "Follow", house.uri(house.group("grief", audience="public", join_rule="open")))
    assert [one.kind for one in house.sent()] == ["Accept(Follow(id))"]


def test_a_group_that_follows_is_a_follower(house: House) -> None:
    """By its type, whatever it says; a person that follows is a member."""
    grief = house.group("grief", audience="public", join_rule="open")
    club, sam = house.stranger("club", "club.example", kind="Group"), house.stranger("sam", "far.example")
    for actor in (club, sam):
        receive(house, actor, "Follow", house.uri(grief))
    assert not house.ask(standing_of, grief, club).takes_part
    assert house.ask(standing_of, grief, sam).takes_part


@pytest.mark.parametrize("form", ["embedded", "embedded anew", "by id"])
def test_undo_ends_the_follow_of_its_sender(house: House, form: str) -> None:
    """Told by its id, or by its object where a peer makes the id anew; the places of others stay."""
    grief = house.group("grief", audience="public", join_rule="open")
    sam, kim = house.stranger("sam", "far.example"), house.stranger("kim", "far.example")
    for actor in (sam, kim):
        receive(house, actor, "Follow", house.uri(grief))
    follow = {"id": f"{SAM}/Follow/1", "type": "Follow", "actor": SAM, "object": house.uri(grief)}
    target = {"embedded": follow, "embedded anew": follow | {"id": f"{SAM}/other"}, "by id": follow["id"]}[form]
    receive(house, sam, "Undo", target)
    assert (state(house, grief, sam), state(house, grief, kim)) == ("left", "active")


def test_nobody_undoes_what_another_did(house: House) -> None:
    """Neither by embedding it nor by naming its id (S-301)."""
    grief = house.group("grief", audience="public", join_rule="open")
    sam, eve = house.stranger("sam", "far.example"), house.stranger("eve", "other.example")
    for actor in (sam, eve):
        receive(house, actor, "Follow", house.uri(grief))
    follow = {"id": f"{SAM}/Follow/1", "type": "Follow", "actor": SAM, "object": house.uri(grief)}
    for target in (follow, follow["id"]):
        passed_over(house, eve, "Undo", target)
        assert state(house, grief, sam) == "active"
    receive(house, sam, "Undo", follow)
    assert state(house, grief, sam) == "left"


def test_following_a_persona_is_undone(house: House) -> None:
    """Once accepted it gives nothing, and it ends without a trace."""
    grief = house.group("grief", audience="followers")
    ana, sam = house.person("ana", grief), house.stranger("sam", "far.example")
    post = house.post(ana, "among us", group_id=grief)
    receive(house, sam, "Follow", house.uri(ana))
    assert [one.kind for one in house.deliver()] == ["Accept(Follow(id))"]
    house.post(ana, "more", group_id=grief)
    assert (house.sent(), house.reads_of(sam, post)) == ([], set())
    receive(house, sam, "Undo", {"type": "Follow", "id": f"{SAM}/x", "actor": SAM, "object": house.uri(ana)})
    assert house.count(FOLLOWS) == 0


# ── Accept and Reject ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("form", ["by id", "embedded", "without an id"])
def test_an_answer_is_the_asked_group_s_alone(house: House, form: str) -> None:
    """Another group, even of the same server, answers in vain, whatever it embeds; the one that was asked does not."""
    ana = house.person("ana")
    club = house.stranger("club", "club.example", kind="Group")
    false = house.stranger("false", "club.example", kind="Group")
    house.do(membership.request_to_join, house.uris, ana, club)
    (asked,) = house.deliver()
    follow = {"id": asked.document["id"], "type": "Follow", "actor": house.uri(ana), "object": CLUB}
    nameless = {key: value for key, value in follow.items() if key != "id"}
    target = {"by id": follow["id"], "embedded": follow, "without an id": nameless}[form]
    for kind in ("Accept", "Reject"):
        passed_over(house, false, kind, target)
        assert state(house, club, ana) == "pending"
    assert state(house, false, ana) is None
    receive(house, club, "Accept", target)
    assert state(house, club, ana) == "active"
    receive(house, club, "Reject", target)
    assert state(house, club, ana) == "removed"
    receive(house, club, "Accept", target)
    assert state(house, club, ana) == "removed"


# ── Update and Delete of actors ──────────────────────────────────────────────────────────────────────────────────────


def described(uri: str, kind: str = "Person", **fields: Any) -> dict[str, Any]:
    """Return what an actor says of itself."""
    key = {"id": f"{uri}#main-key", "owner": uri, "publicKeyPem": pem_of(rsa_key(0))}
    return {"id": uri, "type": kind, "preferredUsername": uri.rsplit("/", 1)[1], "name": "New name",
            "inbox": f"{uri}/inbox", "outbox": f"{uri}/outbox", "publicKey": key} | fields  # fmt: skip


def test_an_actor_describes_itself_and_nobody_else(house: House) -> None:
    """Its new name is taken, sanitised; an Update of another, of here or elsewhere, changes nothing."""
    sam, eve = house.stranger("sam", "far.example"), house.stranger("eve", "other.example")
    ana = house.person("ana")
    for uri in (SAM, house.uri(ana)):
        passed_over(house, eve, "Update", described(uri, name="Forged"))
    assert [house.ask(people.card, one).name for one in (sam, ana)] == ["Sam", "Ana"]
    receive(house, sam, "Update", described(SAM, summary="<p>me<script>x</script></p>"))
    card = house.ask(people.card, sam)
    assert (card.name, card.summary) == ("New name", "<p>me</p>")


def test_a_group_that_locks_itself_is_private_here_too(house: House) -> None:
    """Its Update is taken at its word; a person does not become a group by one."""
    club, sam = house.stranger("club", "club.example", kind="Group"), house.stranger("sam", "far.example")
    receive(house, club, "Update", described(CLUB, "Group", manuallyApprovesFollowers=True))
    assert house.ask(standing_of, club, None).audience == "followers"
    receive(house, sam, "Update", described(SAM, "Group"))
    with pytest.raises(GroupsError):
        house.ask(standing_of, sam, None)


def test_only_an_actor_ends_itself(house: House) -> None:
    """With its posts, its place and its profile; an end that another declares has no effect."""
    grief = house.group("grief", audience="public")
    sam, eve = house.stranger("sam", "far.example", grief), house.stranger("eve", "other.example", grief)
    note = {"id": f"{SAM}/notes/1", "type": "Note", "attributedTo": SAM, "content": "hi", "to": [PUBLIC],
            "cc": [house.uri(grief)]}  # fmt: skip
    receive(house, sam, "Create", note, cc=[house.uri(grief)])
    assert house.count(POSTS) == 1
    passed_over(house, eve, "Delete", SAM)
    assert (state(house, grief, sam), house.rows(POSTS)[0].state) == ("active", "live")
    receive(house, sam, "Delete", SAM)
    assert (state(house, grief, sam), house.rows(POSTS)[0].state) == ("left", "hidden")
    assert house.count(JOBS, JOBS.c.kind == "actors", JOBS.c.target_id == sam) == 1
    house.destroy()
    assert house.rows(ACTORS, ACTORS.c.id == sam)[0].body is None
    assert state(house, grief, eve) == "active"


def test_nobody_forbids_another_s_posts_before_they_come(house: House) -> None:
    """A Delete of what has not come yet is believed of its own server only, or anybody could silence anybody."""
    grief = house.group("grief", audience="public")
    sam, eve = house.stranger("sam", "far.example", grief), house.stranger("eve", "other.example", grief)
    passed_over(house, eve, "Delete", f"{SAM}/notes/1")
    assert not house.ask(has_ended, f"{SAM}/notes/1")
    receive(house, sam, "Delete", f"{SAM}/notes/1")
    assert house.ask(has_ended, f"{SAM}/notes/1")


# ── Like ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("kind", ["Like", "EmojiReact"])
@pytest.mark.parametrize("audience", ["none", "peers-only", "followers"])
def test_support_counts_from_whoever_may_see(house: House, kind: str, audience: str) -> None:
    """Not from a stranger, nor of a post that has ended; from a member it does, once."""
    grief = house.group("grief", audience=audience, keep=timedelta(days=1))
    ana = house.person("ana", grief)
    sam, eve = house.stranger("sam", "far.example", grief), house.stranger("eve", "other.example")
    post = house.post(ana, "hello", group_id=grief)
    passed_over(house, eve, kind, post.uri, content="❤")
    assert house.count(REACTIONS) == 0
    for number in range(2):
        receive(house, sam, kind, post.uri, content="❤", id=f"{SAM}/{number}")
    assert [row.actor_id for row in house.rows(REACTIONS)] == [sam]
    house.do(reactions.forget_reaction, post.id, sam)
    house.clock.move(timedelta(days=1))
    passed_over(house, sam, kind, post.uri, content="❤")
    assert house.count(REACTIONS) == 0


# ── ends by time ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_copy_of_another_s_post_ends_in_silence(house: House) -> None:
    """Its original is its author's: nothing is told to its home or anybody else as its time here comes."""
    grief = house.group("grief", audience="public", keep=timedelta(days=1))
    sam, _ = house.stranger("sam", "far.example", grief), house.stranger("kim", "near.example", grief)
    note = {"id": f"{SAM}/notes/1", "type": "Note", "attributedTo": SAM, "content": "hi", "to": [PUBLIC],
            "cc": [house.uri(grief)]}  # fmt: skip
    receive(house, sam, "Create", note, cc=[house.uri(grief)])
    house.deliver()
    mine = house.post(house.person("ana", grief), "mine", group_id=grief)
    house.deliver()
    house.clock.move(timedelta(days=1))
    assert house.hide_due() == 2
    assert not [one for one in house.sent() if f"{SAM}/notes/1" in str(one.document)]
    assert [one for one in house.sent() if one.document["object"] == mine.uri]
    house.destroy()
    assert house.count(POSTS, POSTS.c.body.is_not(None)) == 0


def test_cleaning_an_actor_empties_its_profile(house: House) -> None:
    """Should anything have been written since; no other actor's."""
    ana, ben = house.person("ana"), house.person("ben")
    house.do(ActorEraser(house.uris).clean, [ana])
    assert house.rows(ACTORS, ACTORS.c.id == ana)[0].body is None
    assert house.rows(ACTORS, ACTORS.c.id == ben)[0].body is not None


def test_what_somebody_who_is_gone_wrote_ends_some_at_a_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """However much it is: each transaction ends a few, and the next one goes on; nobody else's post is touched."""
    monkeypatch.setattr(federation, "ENDED_AT_ONCE", 2)
    grief = house.group("grief", audience="public")
    sam, eve = house.stranger("sam", "far.example", grief), house.stranger("eve", "other.example", grief)
    for name, sender in ((SAM, sam), (EVE, eve)):
        for number in range(5):
            note = {"id": f"{name}/notes/{number}", "type": "Note", "attributedTo": name, "content": "hi",
                    "to": [PUBLIC], "cc": [house.uri(grief)]}  # fmt: skip
            receive(house, sender, "Create", note, id=f"{name}/Create/{number}", cc=[house.uri(grief)])
    receive(house, sam, "Delete", SAM)
    assert house.count(POSTS, POSTS.c.author_id == sam, POSTS.c.state == "hidden") == 2
    house.destroy()
    assert house.count(POSTS, POSTS.c.author_id == sam, POSTS.c.state == "shredded") == 5
    assert house.count(POSTS, POSTS.c.author_id == eve, POSTS.c.state == "live") == 5
    assert house.count(JOBS) == 0


# ── other words, other orders ────────────────────────────────────────────────────────────────────────────────────────


def test_join_and_leave_say_the_same_as_follow_and_its_undo(house: House) -> None:
    grief = house.group("grief", audience="public", join_rule="open")
    sam = house.stranger("sam", "far.example")
    receive(house, sam, "Join", house.uri(grief))
    assert state(house, grief, sam) == "active"
    assert [one.kind for one in house.sent()] == ["Accept(Follow(id))"]
    receive(house, sam, "Leave", house.uri(grief), id=f"{SAM}/Leave/1")
    assert state(house, grief, sam) == "left"


def test_an_undo_that_comes_first_undoes_what_comes_after_it(house: House) -> None:
    """Of its own sender only, and only under that very id."""
    grief = house.group("grief", audience="public", join_rule="open")
    sam, eve = house.stranger("sam", "far.example"), house.stranger("eve", "other.example")
    follow = {"id": f"{SAM}/Follow/1", "type": "Follow", "actor": SAM, "object": house.uri(grief)}
    receive(house, eve, "Undo", follow["id"], id=f"{EVE}/Undo/1")
    receive(house, sam, "Follow", house.uri(grief))
    assert state(house, grief, sam) == "active", "nobody undoes what another did"
    receive(house, sam, "Undo", follow)
    receive(house, sam, "Undo", follow | {"id": f"{SAM}/Follow/2"}, id=f"{SAM}/Undo/2")
    receive(house, sam, "Follow", house.uri(grief), id=f"{SAM}/Follow/2")
    assert state(house, grief, sam) == "left"
    receive(house, sam, "Follow", house.uri(grief), id=f"{SAM}/Follow/3")
    assert state(house, grief, sam) == "active"


def test_a_like_that_was_undone_before_it_came_leaves_no_trace(house: House) -> None:
    grief = house.group("grief", audience="public")
    ana, sam = house.person("ana", grief), house.stranger("sam", "far.example", grief)
    post = house.post(ana, "hello", group_id=grief)
    receive(house, sam, "Undo", f"{SAM}/Like/7", id=f"{SAM}/Undo/7")
    receive(house, sam, "Like", post.uri, id=f"{SAM}/Like/7")
    assert house.count(REACTIONS) == 0
    receive(house, sam, "Like", post.uri, id=f"{SAM}/Like/8")
    assert house.count(REACTIONS) == 1


@pytest.mark.parametrize("whose", ["ours", "theirs"])
def test_a_request_to_quote_is_refused(house: House, whose: str) -> None:
    grief = house.group("grief", audience="public")
    ana, sam = house.person("ana", grief), house.stranger("sam", "far.example", grief)
    post = house.post(ana, "hello", group_id=grief)
    house.deliver()
    target = post.uri if whose == "ours" else "https://far.example/notes/1"
    receive(house, sam, "QuoteRequest", target, instrument=f"{SAM}/notes/9")
    refused = [(one.document["type"], one.document["object"]["id"], one.inbox) for one in house.sent()]
    assert refused == ([("Reject", f"{SAM}/QuoteRequest/1", f"{SAM}/inbox")] if whose == "ours" else [])


def test_of_what_one_may_not_see_not_even_quoting_is_refused(house: House) -> None:
    """Or else the answer would tell that there is such a post (S-305)."""
    quiet = house.group("quiet", audience="followers")
    ana, eve = house.person("ana", quiet), house.stranger("eve", "other.example")
    post = house.post(ana, "hello", group_id=quiet)
    house.deliver()
    receive(house, eve, "QuoteRequest", post.uri, instrument=f"{EVE}/notes/9")
    assert house.sent() == []
    sam = house.stranger("sam", "far.example", quiet)
    receive(house, sam, "QuoteRequest", post.uri, instrument=f"{SAM}/notes/9")
    assert [one.document["type"] for one in house.sent()] == ["Reject"]


def test_a_block_between_two_people_ends_what_either_follows_of_the_other(house: House) -> None:
    ana, sam, eve = house.person("ana"), house.stranger("sam", "far.example"), house.stranger("eve", "other.example")
    for actor in (sam, eve):
        receive(house, actor, "Follow", house.uri(ana))
    assert house.count(FOLLOWS) == 2
    receive(house, sam, "Block", house.uri(ana))
    assert [row.follower_id for row in house.rows(FOLLOWS)] == [eve]
