"""What a persona does while it is being ended: it goes with the rest, or does not happen, whichever comes first."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, event

from activitypub import actors
from activitypub.ports import Arrival
from groups import farewell, federation, incoming, invitations, membership, posting, reactions
from groups.errors import GroupsError
from groups.founding import make_owner
from groups.models import Notification
from privacy import accounts
from privacy.errors import NameTaken
from privacy.unit_of_work import UnitOfWork, table_of
from tests.factories import make_persona
from tests.groups.house import MEMBERSHIPS, POSTS, House
from tests.groups.test_farewell import traces
from tests.meanwhile import beside

NEWS = table_of(Notification)
Deed = Callable[[UnitOfWork], Any]


class Scene:
    """A public group with two people and a stranger; what one of them may be in the middle of."""

    def __init__(self, house: House) -> None:
        self.house, self.uris = house, house.uris
        self.group = house.group("grief", audience="public", join_rule="open")
        self.ana, self.ben = (house.person(name, self.group, role="facilitator") for name in ("ana", "ben"))
        self.town, self.club = house.group("town", audience="public", join_rule="open"), house.group("club")
        self.sam = house.stranger("sam", "far.example", self.group)
        self.hers = house.post(self.ana, "hers", group_id=self.group)
        self.his = house.post(self.ben, "his", group_id=self.group)

    def acts(self) -> dict[str, Deed]:
        """Return all that somebody may be in the middle of, by name."""
        house, ana, ben, uris = self.house, self.ana, self.ben, self.uris
        new = house.compose(ana, "in flight", group_id=self.group)
        reply = house.compose(ana, "in flight", parent_id=self.his.id)
        naming = house.compose(ben, "@ana in flight", group_id=self.group)
        answer = house.compose(ben, "in flight", parent_id=self.hers.id)
        sam = house.ask(actors.actor_by_id, self.sam)
        follow = incoming.IncomingFollow("https://far.example/follows/1", house.uri(self.sam), house.uri(ana))
        return {
            "post": lambda uow: posting.publish_post(uow, uris, ana, new),
            "reply": lambda uow: posting.publish_post(uow, uris, ana, reply),
            "edit": lambda uow: posting.edit_post(uow, uris, ana, self.hers.id, new),
            "react": lambda uow: reactions.react(uow, uris, ana, self.his.id),
            "bookmark": lambda uow: reactions.bookmark(uow, ana, self.his.id),
            "join": lambda uow: membership.request_to_join(uow, uris, ana, self.town),
            "invite": lambda uow: invitations.invite(uow, ana, self.group, 3, invitations.DEFAULT_LIFE),
            "own": lambda uow: make_owner(uow, self.club, ana),
            "named by another": lambda uow: posting.publish_post(uow, uris, ben, naming),
            "answered by another": lambda uow: posting.publish_post(uow, uris, ben, answer),
            "supported by another": lambda uow: reactions.react(uow, uris, ben, self.hers.id),
            "followed": lambda uow: federation.on_follow(uow, uris, Arrival(sam, uow.now, {}, frozenset()), follow),
        }


ACTS = (
    "post", "reply", "edit", "react", "bookmark", "join", "invite", "own", "named by another",
    "answered by another", "supported by another", "followed",
)  # fmt: skip
BY_OTHERS = {"named by another", "answered by another", "supported by another", "followed"}


def end(house: House, persona_id: int) -> None:
    """End a persona, a step at a time."""
    while house.do(farewell.end_some, house.uris, persona_id, 2):
        continue


def left_of(scene: Scene) -> list[str]:
    """Return where anything of ana still stands, when the sweep is over."""
    house, ana = scene.house, scene.ana
    house.destroy()
    found = traces(house, ana)
    found += ["posts"] * house.count(POSTS, POSTS.c.author_id == ana)
    found += ["answers"] * house.count(POSTS, POSTS.c.parent_author_id == ana)
    found += ["memberships"] * house.count(MEMBERSHIPS, MEMBERSHIPS.c.actor_id == ana)
    return found


@pytest.mark.parametrize("act", ACTS)
def test_what_was_begun_before_the_end_goes_with_the_rest(house: House, act: str) -> None:
    scene = Scene(house)
    ended = beside(house.database, scene.acts()[act], lambda: end(house, scene.ana))
    assert ended.exception() is None
    assert left_of(scene) == []
    assert house.count(POSTS, POSTS.c.author_id == scene.ben, POSTS.c.state == "live") >= 1


@pytest.mark.parametrize("act", ACTS)
def test_what_comes_while_the_end_begins_does_not_happen(house: House, act: str) -> None:
    scene = Scene(house)
    deed = scene.acts()[act]
    tried = beside(
        house.database, lambda uow: farewell.end_some(uow, house.uris, scene.ana, 2), lambda: house.do(deed)
    ).exception()
    if act in BY_OTHERS:
        assert tried is None
    else:
        assert isinstance(tried, GroupsError)
    end(house, scene.ana)
    assert left_of(scene) == []
    assert house.count(POSTS, POSTS.c.author_id == scene.ben, POSTS.c.state == "live") >= 1


@pytest.mark.parametrize("act", ACTS)
def test_nobody_waits_for_the_end_of_somebody_else(house: House, act: str) -> None:
    """The honest control: with another's end under way beside it, all of this happens at once."""
    scene = Scene(house)
    cas = house.person("cas", scene.group)
    done = beside(
        house.database, lambda uow: farewell.end_some(uow, house.uris, cas, 2), lambda: house.do(scene.acts()[act])
    )
    assert done.exception() is None


@contextmanager
def before_its_insert(deed: Callable[[], None]) -> Iterator[list[str]]:
    """Do something else while an actor is made: its handle was found free, and its row is not there yet."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("INSERT INTO actors") and not seen:
            seen.append(statement)
            deed()

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


@pytest.mark.parametrize("database_address", ["postgresql"], indirect=True)  # where there are writers side by side
@pytest.mark.parametrize(("handle", "given"), [("ana", False), ("ben", True)])
def test_a_handle_that_ends_while_it_is_given_again_is_not(house: House, handle: str, given: bool) -> None:
    """Whoever had it is made and ended between the look and the insert; a handle beside it goes to who asked."""

    account = house.do(accounts.register, accounts.NewAccount("somebody"))

    def come_and_go() -> None:
        end(house, house.person("ana"))

    def made() -> bool:
        try:
            house.do(make_persona, house.uris, handle, account_id=account)
        except NameTaken:
            return False
        return True

    with before_its_insert(come_and_go) as seen:
        assert made() is given
    assert len(seen) == 1
    assert (house.ask(actors.local_actor_by_handle, handle) is not None) is given
