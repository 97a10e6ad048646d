"""Where a post went: whoever was sent it or came for it is noted, asked to delete it, and told to its author only."""

from datetime import timedelta

import pytest

from activitypub.ledger import holds_copy, note_fetch
from activitypub.ports import Publication, Requester
from groups.copies import Copies, copies_of
from groups.errors import NotFound
from groups.publications import GroupPublications
from groups.views import PostView
from tests.groups.house import LEDGER, House


def fetched(house: House, post: PostView, by: int, host: str) -> Publication | None:
    """Have a server fetch a post, and note what the protocol would."""
    found = house.ask(GroupPublications(house.uris).post, post.id, Requester(by, host))
    if isinstance(found, Publication) and found.copy is not None:
        house.do(note_fetch, found.copy.post_id, by, found.copy.ends_at)
    return found if isinstance(found, Publication) else None


def copies(house: House, post: PostView, of: str = "ana") -> Copies:
    """Ask where a post went."""
    found = house.ask(copies_of, house.names[of], post.id)
    assert isinstance(found, Copies)
    return found


def test_who_fetches_a_post_is_asked_to_delete_it(house: House) -> None:
    """T-FD-02: a server that only fetched is in the ledger, once, and gets the Delete."""
    group = house.group("grief", audience="public")
    ana, eve = house.person("ana", group), house.stranger("eve", "strange.example")
    post = house.post(ana, "hello", group_id=group)
    assert not house.ask(holds_copy, post.id, "strange.example")
    for _ in range(2):
        assert fetched(house, post, eve, "strange.example") is not None
    assert [(row.host, row.via) for row in house.rows(LEDGER)] == [("strange.example", "fetch")]
    again = fetched(house, post, eve, "strange.example")
    assert again is not None
    assert again.copy is None, "it is known already"
    house.delete(ana, post.id)
    assert ("Delete(id)", "strange.example") in {(sent.kind, sent.host) for sent in house.sent()}


def test_what_was_not_given_is_not_noted(house: House) -> None:
    group = house.group("grief", audience="followers")
    ana, eve = house.person("ana", group), house.stranger("eve", "strange.example")
    post = house.post(ana, "hello", group_id=group)
    assert fetched(house, post, eve, "strange.example") is None
    assert house.count(LEDGER) == 0


def test_its_author_sees_where_it_went_and_nobody_else_does(house: House) -> None:
    group, _, post = house.posted("public", "far.example")
    kim, eve = house.person("kim", group), house.stranger("eve", "strange.example")
    waiting = copies(house, post)
    assert (waiting.sent, waiting.fetched, waiting.waiting) == ((), (), ("far.example",))
    house.deliver()
    fetched(house, post, eve, "strange.example")
    arrived = copies(house, post)
    assert (arrived.sent, arrived.fetched, arrived.waiting) == (("far.example",), ("strange.example",), ())
    with pytest.raises(NotFound):
        house.ask(copies_of, kim, post.id)


@pytest.mark.parametrize("audience", ["public", "followers"])
def test_a_server_that_has_a_post_has_it_while_an_edit_waits(house: House, audience: str) -> None:
    _, ana, post = house.posted(audience, "far.example")
    for text in ("hello again", "hello once more"):
        house.clock.move(timedelta(minutes=1))
        house.edit(ana, post.id, text)
        assert copies(house, post).waiting == ("far.example",), "it has not even reached them"
    house.deliver()
    house.clock.move(timedelta(minutes=1))
    house.edit(ana, post.id, "hello at last")
    assert house.sent() != []
    found = copies(house, post)
    assert (found.sent, found.waiting) == (("far.example",), ())


@pytest.mark.parametrize("audience", ["none", "public"])
def test_a_post_that_nobody_got_went_nowhere(house: House, audience: str) -> None:
    group = house.group("grief", audience=audience)
    ana = house.person("ana", group)
    found = copies(house, house.post(ana, "hello", group_id=group))
    assert (found.sent, found.fetched, found.waiting, found.still_spreads) == ((), (), (), False)
