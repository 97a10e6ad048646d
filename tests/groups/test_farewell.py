"""How a persona ends: with everything that it wrote and did, and a word to each server that knows it."""

from collections import Counter

import pytest
from sqlalchemy import Table

from activitypub import actors
from activitypub.handles import ended_handle
from groups import farewell, invitations, reactions
from groups.errors import GroupsError, NotFound
from groups.membership import receive_answer, request_to_join
from groups.models import Bookmark, Invitation, Mention, Notification, PersonFollow, Reaction
from groups.people import card_for, cards
from groups.places import standing_of
from groups.views import Viewer
from privacy import accounts
from privacy.errors import NameTaken
from privacy.models import Persona
from privacy.personas import may_act
from privacy.unit_of_work import table_of
from tests.factories import make_persona
from tests.groups.house import MEMBERSHIPS, POSTS, House

PERSONAS = table_of(Persona)
TRACES: tuple[tuple[Table, tuple[str, ...]], ...] = (
    (table_of(Reaction), ("actor_id",)),
    (table_of(Mention), ("actor_id",)),
    (table_of(Bookmark), ("actor_id",)),
    (table_of(Notification), ("persona_id", "actor_id")),
    (table_of(PersonFollow), ("follower_id", "target_id")),
    (table_of(Invitation), ("made_by",)),
)


def end(house: House, persona_id: int, at_once: int = 2) -> int:
    """End a persona as the erasure of an account does, and return how many steps that took."""
    steps = 0
    while house.do(farewell.end_some, house.uris, persona_id, at_once):
        steps += 1
    return steps


def busy(house: House) -> tuple[int, int]:
    """Make a persona that left traces everywhere, and somebody beside it who did the same; return both."""
    group = house.group("grief", audience="public", join_rule="open")
    ana, ben = (house.person(name, group, role="facilitator") for name in ("ana", "ben"))
    house.stranger("sam", "far.example", group)
    for me, other in ((ana, "ben"), (ben, "ana")):
        post = house.post(me, f"@{other} hello", group_id=group)
        house.do(invitations.invite, me, group, 3, invitations.DEFAULT_LIFE)
        for reader in (ana, ben):
            house.do(reactions.react, house.uris, reader, post.id)
            house.do(reactions.bookmark, reader, post.id)
    return ana, ben


def traces(house: House, persona_id: int) -> list[str]:
    """Return where a persona still stands."""
    return [
        f"{table.name}.{column}"
        for table, columns in TRACES
        for column in columns
        if house.count(table, table.c[column] == persona_id)
    ]


def test_nothing_is_left_of_a_persona_but_the_others(house: House) -> None:
    """Support, marks, mentions, news, follows and invitations go; those of its neighbour stay."""
    ana, ben = busy(house)
    assert len(traces(house, ana)) >= 5
    end(house, ana)
    house.destroy()
    assert traces(house, ana) == []
    assert {"reactions.actor_id", "bookmarks.actor_id", "invitations.made_by"} <= set(traces(house, ben))
    assert house.count(POSTS, POSTS.c.author_id == ana, POSTS.c.body.is_not(None)) == 0
    assert house.count(POSTS, POSTS.c.author_id == ben, POSTS.c.state == "live") == 1


def test_it_acts_and_is_found_no_more(house: House) -> None:
    """Its name is unreadable, its place is left, and whoever still holds its id can do nothing with it."""
    ana, ben = busy(house)
    group = house.names["grief"]
    assert house.ask(card_for, Viewer(ben), ana).name == "Ana"
    end(house, ana)
    house.destroy()
    with pytest.raises(NotFound):
        house.ask(card_for, Viewer(ben), ana)
    assert house.ask(cards, [ana])[ana].name == f"gone!{ana}"
    assert not house.ask(may_act, ana)
    assert not house.ask(standing_of, group, ana).is_active
    with pytest.raises(GroupsError):
        house.post(ana, "a ghost", group_id=group)
    view = house.ask(actors.actor_by_id, ana)
    assert view is not None
    assert view.state == "gone"


def test_each_server_is_told_once(house: House) -> None:
    """Of the actor's end: by its posts, by groups elsewhere that it was in, by followers; and no server else."""
    ana, _ = busy(house)
    club = house.stranger("club", "club.example", kind="Group")
    house.stranger("eve", "strange.example")
    house.do(request_to_join, house.uris, ana, club)
    house.do(receive_answer, ana, club, accepted=True)
    house.post(ana, "over there", group_id=club)
    house.deliver()
    end(house, ana)
    uri = house.uri(ana)
    told = Counter(one.host for one in house.sent() if one.document["object"] == uri)
    assert told == {"far.example": 1, "club.example": 1}


def test_its_posts_are_deleted_where_they_went(house: House) -> None:
    """One Delete each, by the persona itself, before the one of the actor."""
    ana, _ = busy(house)
    group = house.names["grief"]
    posts = [house.post(ana, f"post {number}", group_id=group) for number in range(3)]
    house.deliver()
    end(house, ana)
    mine = [one.document["object"] for one in house.sent() if one.document["actor"] == house.uri(ana)]
    assert set(mine) >= {post.uri for post in posts}
    assert mine[-1] == house.uri(ana)
    assert mine.count(posts[0].uri) == 1


def test_ending_twice_is_ending_once(house: House) -> None:
    """An erasure that was interrupted is finished by the next: nothing is told or destroyed a second time."""
    ana, _ = busy(house)
    house.deliver()
    end(house, ana)
    first = house.kinds()
    end(house, ana)
    house.destroy()
    told = [one for one in house.sent() if one.document["object"] == house.uri(ana)]
    assert len(told) == len({one.inbox for one in told})
    assert set(house.kinds()) == set(first)


def test_a_ban_outlives_the_persona(house: House) -> None:
    """To end a persona is no way to be let in again under another; with the account the ban has done its work."""
    ana, ben = busy(house)
    group = house.names["grief"]
    for one in (ana, ben):
        house.place(group, one, state="banned")
    house.do(accounts.close_account, house.ask(accounts.account_of, ben), lambda *_: None)
    for one in (ana, ben):
        end(house, one)
    assert house.rows(MEMBERSHIPS, MEMBERSHIPS.c.actor_id == ana)[0].state == "banned"
    assert house.count(MEMBERSHIPS, MEMBERSHIPS.c.actor_id == ben) == 0
    house.do(accounts.close_account, house.ask(accounts.account_of, ana), lambda *_: None)
    end(house, ana)
    assert house.count(MEMBERSHIPS, MEMBERSHIPS.c.actor_id == ana) == 0


@pytest.mark.parametrize("place", ["active", "pending", "left", "removed", "refused"])
def test_every_other_place_goes_with_the_persona(house: House, place: str) -> None:
    """Whatever it was to a group is nobody's business once it is gone; its neighbour's place stays."""
    ana, ben = busy(house)
    house.place(house.names["grief"], ana, state=place)
    end(house, ana)
    assert house.count(MEMBERSHIPS, MEMBERSHIPS.c.actor_id == ana) == 0
    assert house.count(MEMBERSHIPS, MEMBERSHIPS.c.actor_id == ben) == 1


@pytest.mark.parametrize(("audience", "told"), [("public", True), ("none", False)])
def test_a_handle_that_ended_is_nobody_s_again(house: House, audience: str, told: bool) -> None:
    """It stands nowhere and cannot be taken; only who could look it up before is told that it has ended."""
    group = house.group("grief", audience=audience)
    ana = house.person("ana", group)
    assert house.ask(actors.local_actor_by_handle, "ana").id == ana
    end(house, ana)
    assert house.ask(actors.local_actor_by_handle, "ana") is None
    assert house.ask(ended_handle, "Ana") is told
    assert house.ask(ended_handle, "ben") is None
    for taken in ("ana", "ANA"):
        with pytest.raises(NameTaken):
            house.do(make_persona, house.uris, taken, account_id=0)
    house.person("ben", group)


@pytest.mark.parametrize("who", ["sam@far.example", "grief"])
def test_only_personas_of_this_node_end_so(house: House, who: str) -> None:
    """Neither a group nor somebody elsewhere can be ended through this door; a persona can."""
    ana, _ = busy(house)
    with pytest.raises(NotFound):
        house.do(farewell.end_some, house.uris, house.names[who], 1)
    end(house, ana)
    assert not house.ask(may_act, ana)


def test_a_persona_that_never_went_outside_ends_in_silence(house: House) -> None:
    """No server hears its address for the first time by its end."""
    group = house.group("inner")
    ana = house.person("ana", group)
    house.stranger("sam", "far.example")
    house.post(ana, "here only", group_id=group)
    end(house, ana)
    assert house.sent() == []
