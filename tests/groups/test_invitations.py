"""Links into a group: hashed, counted, ending, and good for one group only."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from groups import invitations
from groups.errors import GroupsError, Invalid, NotAllowed, NotFound
from groups.founding import GroupChanges, change_group
from groups.membership import request_to_join
from groups.models import Invitation
from groups.places import standing_of
from privacy.unit_of_work import table_of
from tests.groups.house import House

LINKS = table_of(Invitation)
WEEK = timedelta(days=7)


def link(house: House, group_id: int, by: int | None = None, uses: int = 1, life: timedelta = WEEK) -> str:
    """Make a link and return its token."""
    _, token = house.do(invitations.invite, by, group_id, uses, life)
    return str(token)


def accept(house: House, persona_id: int, token: str) -> bool:
    """Use a link, and tell whether it led anywhere."""
    try:
        return bool(house.do(invitations.accept, house.uris, persona_id, token).is_active)
    except GroupsError:
        return False


@pytest.mark.parametrize("join_rule", ["open", "approval", "invite"])
def test_a_link_lets_in(house: House, join_rule: str) -> None:
    """Whatever the rule of the group, without asking anybody, also out of the queue of those who wait."""
    grief = house.group("grief", join_rule=join_rule)
    ana, ben = house.person("ana"), house.person("ben", grief, state="pending")
    token = link(house, grief, uses=2)
    assert house.ask(invitations.invited_to, token).id == grief
    assert accept(house, ana, token)
    assert accept(house, ben, token)


def test_the_link_itself_is_stored_nowhere(house: House) -> None:
    """Whoever holds the database cannot use it: there is only a hash, and each link is another."""
    grief = house.group("grief")
    tokens = {link(house, grief) for _ in range(5)}
    assert len(tokens) == 5
    assert min(map(len, tokens)) >= 43
    stored = repr([tuple(row) for row in house.rows(LINKS)])
    assert not [token for token in tokens if token in stored]


def test_a_link_is_good_for_so_many_people(house: House) -> None:
    """One that is in already costs nothing; the one too many is refused and gets no place."""
    grief = house.group("grief", join_rule="invite")
    people = [house.person(name) for name in ("ana", "ben", "eve")]
    token = link(house, grief, uses=2)
    assert [accept(house, one, token) for one in (people[0], people[0], people[1], people[2])] == [
        True,
        True,
        True,
        False,
    ]
    assert house.ask(standing_of, grief, people[2]).state is None
    with pytest.raises(NotFound):
        house.ask(invitations.invited_to, token)


def test_a_closed_group_invites_nobody(house: House) -> None:
    """Neither do those who look after it nor the operator; a group that is paused still does."""
    kim = house.person("kim")
    grief = house.group("grief", owner_id=kim)
    house.do(change_group, house.uris, None, grief, GroupChanges(state="paused"))
    for by in (None, kim):
        assert link(house, grief, by)
    house.do(change_group, house.uris, None, grief, GroupChanges(state="sealed"))
    before = house.count(LINKS)
    for by in (None, kim):
        with pytest.raises(NotAllowed, match=str(grief)) as refused:
            link(house, grief, by)
        assert refused.value.public == "This group is closed and takes no new members."
    assert house.count(LINKS) == before


def test_a_link_ends(house: House) -> None:
    """A millisecond before its end it works, at its end it does not."""
    grief = house.group("grief")
    ana, ben = house.person("ana"), house.person("ben")
    token = link(house, grief, uses=5)
    house.clock.move(WEEK - timedelta(milliseconds=1))
    assert accept(house, ana, token)
    house.clock.move(timedelta(milliseconds=1))
    assert not accept(house, ben, token)


def test_only_one_of_many_takes_the_last_use(house: House) -> None:
    """They come at the same moment; the others get neither a place nor a request."""
    grief = house.group("grief", join_rule="invite")
    people = [house.person(f"person_{number}") for number in range(6)]
    token = link(house, grief)
    with ThreadPoolExecutor(len(people)) as pool:
        came_in = list(pool.map(lambda one: accept(house, one, token), people))
    assert came_in.count(True) == 1
    places = [house.ask(standing_of, grief, one).state for one in people]
    assert (places.count("active"), places.count(None)) == (1, 5)
    assert [row.uses_left for row in house.rows(LINKS)] == [0]


def test_a_link_leads_into_its_own_group(house: House) -> None:
    """The other group stays as closed as it was, and a token that was bent opens nothing."""
    grief, other = house.group("grief", join_rule="invite"), house.group("other", join_rule="invite")
    ana = house.person("ana")
    token = link(house, grief)
    assert not accept(house, ana, token[:-1] + ("A" if token[-1] != "A" else "B"))
    assert not accept(house, ana, "")
    assert accept(house, ana, token)
    with pytest.raises(NotFound):
        house.do(request_to_join, house.uris, ana, other)
    assert house.ask(standing_of, other, ana).state is None


def test_a_link_does_not_lift_a_ban(house: House) -> None:
    """Whoever was banned stays out and does not use it up; whoever was removed asks with it, and is let in or not."""
    grief = house.group("grief")
    eve, ana = house.person("eve", grief, state="banned"), house.person("ana", grief, state="removed")
    token = link(house, grief)
    assert not accept(house, eve, token)
    assert house.ask(standing_of, grief, eve).state == "banned"
    assert not accept(house, ana, token)
    assert house.ask(standing_of, grief, ana).state == "pending"
    assert accept(house, house.person("ben"), token)


def test_a_link_into_a_sealed_group_opens_nothing(house: House) -> None:
    """A closed group takes nobody, with whatever link."""
    grief = house.group("grief")
    ana = house.person("ana")
    token = link(house, grief, uses=2)
    assert accept(house, ana, token)
    house.do(change_group, house.uris, None, grief, GroupChanges(state="sealed"))
    assert not accept(house, house.person("ben"), token)


def test_inviting_is_for_those_who_look_after_the_group(house: House) -> None:
    """Members and strangers make, see and revoke none; nor do facilitators of another group."""
    grief, other = house.group("grief"), house.group("other")
    kim, lou = (house.person(name, group, role="facilitator") for name, group in (("kim", grief), ("lou", other)))
    ana = house.person("ana", grief)
    view, token = house.do(invitations.invite, kim, grief, 3, WEEK)
    for nobody in (ana, lou):
        with pytest.raises(NotAllowed):
            house.do(invitations.invite, nobody, grief, 1, WEEK)
        with pytest.raises(NotAllowed):
            house.ask(invitations.invitations_of, nobody, grief)
        with pytest.raises(NotAllowed):
            house.do(invitations.revoke, nobody, view.id)
    assert [one.id for one in house.ask(invitations.invitations_of, kim, grief)] == [view.id]
    house.do(invitations.revoke, kim, view.id)
    assert not accept(house, house.person("ben"), token)
    assert house.ask(invitations.invitations_of, kim, grief) == []


@pytest.mark.parametrize(
    ("uses", "life"), [(0, WEEK), (-1, WEEK), (101, WEEK), (1, timedelta(0)), (1, -WEEK), (1, timedelta(days=91))]
)
def test_a_link_has_bounds(house: House, uses: int, life: timedelta) -> None:
    """Neither for everybody nor for ever; at the bounds themselves it is made."""
    grief = house.group("grief")
    with pytest.raises(Invalid):
        link(house, grief, uses=uses, life=life)
    assert house.count(LINKS) == 0
    link(house, grief, uses=100, life=timedelta(days=90))
    assert house.count(LINKS) == 1
