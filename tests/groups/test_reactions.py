"""Signs of support and what is kept: counted from three on, told to the author alone, never to the wrong server."""

import pytest

from groups import membership, reactions, timelines
from groups.errors import NotAllowed, NotFound
from groups.models import Bookmark, Notification, Reaction
from groups.views import Viewer
from privacy.unit_of_work import table_of
from tests.groups.house import House

REACTIONS, BOOKMARKS, NEWS = table_of(Reaction), table_of(Bookmark), table_of(Notification)


def react(house: House, actor_id: int, post_id: int) -> int:
    """Support a post and return the count that is shown."""
    return int(house.do(reactions.react, house.uris, actor_id, post_id).support_count)


def test_fewer_than_three_are_shown_as_none(house: House) -> None:
    """Nobody can tell from a count who it was; the one who supports sees its own mark."""
    group = house.group("grief")
    author, *people = (house.person(f"person_{number}", group) for number in range(5))
    post = house.post(author, "hello", group_id=group)
    assert [react(house, one, post.id) for one in people] == [0, 0, 3, 4]
    for reader in (author, people[0]):
        shown = house.ask(timelines.post, Viewer(reader), post.id)
        assert (shown.support_count, shown.supported) == (4, reader != author)
    counts = [house.do(reactions.unreact, house.uris, one, post.id).support_count for one in people]
    assert counts == [3, 0, 0, 0]


def test_support_counts_once(house: House) -> None:
    """However often it is given; and taking back what was not given changes nothing."""
    group = house.group("grief")
    ana, ben = house.person("ana", group), house.person("ben", group)
    post = house.post(ana, "hello", group_id=group)
    house.do(reactions.unreact, house.uris, ben, post.id)
    for _ in range(3):
        react(house, ben, post.id)
    assert (house.count(REACTIONS), house.count(NEWS)) == (1, 1)
    house.do(reactions.unreact, house.uris, ben, post.id)
    assert (house.count(REACTIONS), house.count(NEWS)) == (0, 0)


def test_only_members_support(house: House) -> None:
    """A public post can be read by anybody, supported by members; one that cannot be seen is not there."""
    town, grief = house.group("town", audience="public"), house.group("grief")
    ana, eve = house.person("ana", town, grief), house.person("eve")
    public, private = house.post(ana, "open", group_id=town), house.post(ana, "closed", group_id=grief)
    with pytest.raises(NotAllowed):
        react(house, eve, public.id)
    for post_id in (private.id, private.id + 1):
        with pytest.raises(NotFound):
            react(house, eve, post_id)
        with pytest.raises(NotFound):
            house.do(reactions.bookmark, eve, post_id)
    assert (house.count(REACTIONS), house.count(BOOKMARKS)) == (0, 0)
    react(house, ana, private.id)
    assert house.count(REACTIONS) == 1


@pytest.mark.parametrize("audience", ["none", "peers-only", "followers", "public"])
def test_support_of_a_post_here_leaves_for_nobody(house: House, audience: str) -> None:
    """Who supports what among people of this node is no other server's concern."""
    group, _, post = house.posted(audience, "far.example")
    ben = house.person("ben", group)
    house.deliver()
    react(house, ben, post.id)
    house.do(reactions.unreact, house.uris, ben, post.id)
    assert house.sent() == []


def test_support_of_a_post_elsewhere_goes_to_its_group_once(house: House) -> None:
    """Like and Undo of that very Like, to the group's server; a repeated press sends nothing."""
    club = house.stranger("club", "club.example", kind="Group")
    ana, ben = house.person("ana", club), house.person("ben", club)
    post = house.post(ben, "over there", group_id=club)
    house.deliver()
    react(house, ana, post.id)
    react(house, ana, post.id)
    (like,) = house.deliver()
    assert (like.kind, like.host) == ("Like(id)", "club.example")
    assert like.document["object"] == post.uri
    house.do(reactions.unreact, house.uris, ana, post.id)
    (undo,) = house.sent()
    assert undo.kind == "Undo(Like(id))"
    assert undo.document["object"]["id"] == like.document["id"]


def test_what_one_keeps_is_nobody_else_s_business(house: House) -> None:
    """No news, no activity, no mark for others; and letting go is always possible."""
    group = house.group("grief", audience="followers")
    ana, ben = house.person("ana", group), house.person("ben", group)
    post = house.post(ana, "hello", group_id=group)
    house.deliver()
    assert house.do(reactions.bookmark, ben, post.id).bookmarked
    house.do(reactions.bookmark, ben, post.id)
    assert (house.count(BOOKMARKS), house.count(NEWS), house.sent()) == (1, 0, [])
    assert not house.ask(timelines.post, Viewer(ana), post.id).bookmarked
    assert not house.do(reactions.unbookmark, ben, post.id).bookmarked
    assert house.count(BOOKMARKS) == 0


def test_whoever_left_can_take_its_support_back(house: House) -> None:
    """Leaving must not freeze what one gave: of a public post it still can; a mark goes without seeing the post."""
    town = house.group("town", audience="public")
    ana, ben = house.person("ana", town), house.person("ben", town)
    post = house.post(ana, "hello", group_id=town)
    react(house, ben, post.id)
    house.do(membership.leave, house.uris, ben, town)
    house.do(reactions.unreact, house.uris, ben, post.id)
    assert house.count(REACTIONS) == 0
