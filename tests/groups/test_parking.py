"""Places of people whose server is held off: they count nowhere, and come back only to whoever asks for them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event

from activitypub import peers
from groups import membership
from groups.ends import ENDS
from groups.errors import NotFound
from groups.notifications import notifications_of
from groups.parking import PARKED_FOR, Settled, settle_places
from groups.places import members_of, requests_of, standing_of
from groups.views import Page, Viewer
from privacy.clock import first_moment_of
from privacy.ends import end_rows
from privacy.unit_of_work import UnitOfWork
from tests.groups.house import House

FOLLOW = "https://far.example/follows/1"


def rule(house: House, level: str | None, name: str = "far.example", mode: str = "open") -> Settled:
    """Set the rule for a domain, or take it back."""

    def change(uow: UnitOfWork) -> Settled:
        if level is None:
            peers.lift_level(uow, name)
        else:
            peers.set_level(uow, name, level)
        return settle_places(uow, house.uris, mode)

    settled = house.do(change)
    assert isinstance(settled, Settled)
    return settled


def follow(house: House, group_id: int, actor_id: int, uri: str = FOLLOW) -> None:
    """Take in a Follow."""
    house.do(membership.receive_follow, house.uris, actor_id, group_id, uri, "member")


def state(house: House, group_id: int, actor_id: int) -> str | None:
    """Return the state of an actor's place in a group."""
    found: str | None = house.ask(standing_of, group_id, actor_id).state
    return found


def sweep(house: House) -> None:
    """End the rows whose time has come, as the retention loop does."""

    def run(uow: UnitOfWork) -> None:
        for ending in ENDS:
            end_rows(uow, ending, 1_000)

    house.do(run)


@pytest.mark.parametrize("level", ["suspend", "quarantine"])
@pytest.mark.parametrize("name", ["far.example", "example"])
def test_who_leaves_while_its_server_is_held_off_gets_nothing_afterwards(house: House, level: str, name: str) -> None:
    """The Undo was refused at the gate, so nothing is known of it here; the control is somebody of another server."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner, audience="followers")
    sam = house.stranger("sam", "far.example", grief, follow_uri=FOLLOW, role="facilitator")
    kim = house.stranger("kim", "near.test", grief)
    assert rule(house, level, name) == Settled(parked=1, told=0)
    assert (state(house, grief, sam), state(house, grief, kim)) == ("parked", "active")
    assert rule(house, None, name) == Settled(parked=0, told=1)
    assert [(one.kind, one.inbox) for one in house.deliver()] == [
        ("Reject(Follow(id))", "https://far.example/users/sam/inbox")
    ]
    house.post(owner, "words", group_id=grief)
    assert {one.inbox for one in house.deliver()} == {"https://near.test/users/kim/inbox"}
    assert {card.id for card, _ in house.ask(members_of, Viewer(owner), grief)} == {owner, kim}
    assert rule(house, "normal", "far.example") == Settled(parked=0, told=0), "told once"


@pytest.mark.parametrize("join_rule", ["open", "approval", "invite"])
def test_who_asks_again_within_a_week_is_in_as_before(house: House, join_rule: str) -> None:
    """Without anybody's leave, as a member; the control is somebody who was never in."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner, audience="followers", join_rule=join_rule)
    sam = house.stranger("sam", "far.example", grief, follow_uri=FOLLOW, role="facilitator")
    eve = house.stranger("eve", "far.example")
    rule(house, "suspend")
    house.clock.move(timedelta(days=7))
    rule(house, None)
    sweep(house)
    house.deliver()
    follow(house, grief, sam, "https://far.example/follows/2")
    standing = house.ask(standing_of, grief, sam)
    assert (standing.state, standing.role) == ("active", "member")
    assert [one.kind for one in house.deliver()] == ["Accept(Follow(id))"]
    follow(house, grief, eve, "https://far.example/follows/3")
    assert state(house, grief, eve) == {"open": "active", "approval": "pending", "invite": None}[join_rule]


@pytest.mark.parametrize(
    ("mode", "before", "after", "parked"),
    [
        ("open", "allow", None, 0), ("open", "allow", "normal", 0), ("quarantine", "normal", None, 1),
        ("quarantine", "allow", "normal", 0), ("allowlist", "allow", None, 1), ("allowlist", "allow", "normal", 1),
        ("off", "allow", "allow", 1),
    ],
)  # fmt: skip
def test_who_is_held_off_by_the_mode_alone_is_parked_too(
    house: House, mode: str, before: str, after: str | None, parked: int
) -> None:
    """Nothing is taken from there either; and nobody is told to ask again before anything is."""
    grief = house.group("grief", owner_id=house.person("owner"), audience="followers")
    rule(house, before, mode="open")
    sam = house.stranger("sam", "far.example", grief, follow_uri=FOLLOW)
    assert rule(house, after, mode=mode) == Settled(parked=parked, told=0)
    assert state(house, grief, sam) == ("parked" if parked else "active")
    rule(house, "suspend", mode=mode)
    still_closed = rule(house, after, mode=mode)
    assert (still_closed.told == 0) is bool(parked)
    if mode != "off":
        rule(house, "allow", mode=mode)
        assert [one.kind for one in house.deliver()] == ["Reject(Follow(id))"]


def test_a_week_is_a_week_at_whatever_hour_it_begins(house: House) -> None:
    grief = house.group("grief", owner_id=house.person("owner"), audience="followers", join_rule="invite")
    sam = house.stranger("sam", "far.example", grief, follow_uri=FOLLOW)
    house.clock.move(timedelta(hours=23) - (house.clock() - first_moment_of(house.clock())))
    rule(house, "suspend")
    house.clock.move(timedelta(days=7))
    sweep(house)
    rule(house, None)
    follow(house, grief, sam, "https://far.example/follows/2")
    assert state(house, grief, sam) == "active"


@pytest.mark.parametrize("how", ["shown out", "left"])
def test_a_parked_place_can_be_taken_away_and_given_up(house: House, how: str) -> None:
    """So that nobody comes back unasked whom the group showed out meanwhile, or who has left."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner, audience="followers", join_rule="invite")
    sam = house.stranger("sam", "far.example", grief, follow_uri=FOLLOW)
    rule(house, "suspend")
    if how == "shown out":
        house.do(membership.remove, house.uris, owner, grief, sam)
    rule(house, None)
    if how == "left":
        house.do(membership.receive_unfollow, sam, grief)
    follow(house, grief, sam, "https://far.example/follows/2")
    assert state(house, grief, sam) == ("removed" if how == "shown out" else "left")


def test_after_a_week_the_place_is_gone(house: House) -> None:
    """Swept away, and worth nothing where the sweep is late."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner, audience="followers")
    sam = house.stranger("sam", "far.example", grief, follow_uri=FOLLOW)
    ola = house.stranger("ola", "far.example", grief)
    rule(house, "suspend")
    house.clock.move(PARKED_FOR)
    rule(house, None)
    follow(house, grief, sam, "https://far.example/follows/2")
    assert state(house, grief, sam) == "pending"
    sweep(house)
    assert state(house, grief, ola) is None


def test_nobody_gets_in_while_the_server_is_held_off(house: House) -> None:
    """Neither a Follow that was on its way nor a request that waited; both are asked again afterwards."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner, audience="public", join_rule="open")
    club = house.group("club", owner_id=owner, audience="followers")
    sam = house.stranger("sam", "far.example")
    follow(house, club, sam)
    rule(house, "suspend")
    assert house.ask(requests_of, owner, club) == []
    with pytest.raises(NotFound):
        follow(house, grief, sam)
    assert (state(house, grief, sam), state(house, club, sam)) == (None, "left")
    rule(house, "normal")
    follow(house, grief, sam)
    follow(house, club, sam)
    assert (state(house, grief, sam), state(house, club, sam)) == ("active", "pending")


def test_bans_stay_as_they_are(house: House) -> None:
    town = house.group("town", audience="public")
    eve = house.stranger("eve", "far.example", town, state="banned")
    assert rule(house, "suspend") == Settled(0, 0)
    rule(house, None)
    assert state(house, town, eve) == "banned"


@pytest.mark.parametrize("before", ["active", "pending"])
def test_places_elsewhere_are_parked_and_asked_for_again(house: House, before: str) -> None:
    """Under a Follow that is new, and it is for the other group to answer; the control is a group of another server."""
    club, other = (house.stranger("club", host, kind="Group") for host in ("far.example", "near.test"))
    ana = house.person("ana", club, other, state=before, follow_uri="https://kin.example/a/1")
    assert rule(house, "suspend") == Settled(0, 0, held=1, asked=0)
    assert (state(house, club, ana), state(house, other, ana)) == ("parked", before)
    assert house.sent() == [], "nothing goes to a server that is held off"
    assert rule(house, None) == Settled(0, 0, held=0, asked=1)
    assert state(house, club, ana) == "pending"
    (sent,) = house.deliver()
    assert (sent.kind, sent.inbox) == ("Follow(id)", "https://far.example/users/club/inbox")
    assert sent.document["actor"] == house.uri(ana)
    assert sent.document["id"] != "https://kin.example/a/1"
    house.do(membership.receive_answer, ana, club, accepted=True)
    assert state(house, club, ana) == "active"
    assert rule(house, "normal") == Settled(0, 0), "asked once"


def test_a_place_elsewhere_that_is_parked_can_be_given_up_and_ends_after_a_week(house: House) -> None:
    club = house.stranger("club", "far.example", kind="Group")
    ana, ben = house.person("ana", club), house.person("ben", club)
    rule(house, "suspend")
    house.do(membership.leave, house.uris, ana, club)
    assert (state(house, club, ana), state(house, club, ben)) == ("left", "parked")
    house.clock.move(PARKED_FOR)
    assert rule(house, None).asked == 0
    sweep(house)
    assert state(house, club, ben) is None


def test_whom_it_concerns_is_told_once_and_nobody_else(house: House) -> None:
    """Each of their own places; those who look after a group that places in it are parked, and not whose."""
    owner, fay, mia = (house.person(name) for name in ("owner", "fay", "mia"))
    grief = house.group("grief", owner_id=owner, audience="followers")
    house.join(grief, fay, role="facilitator")
    house.join(grief, mia)
    for name in ("sam", "kim"):
        house.stranger(name, "far.example", grief)
    clubs = [house.stranger(f"club{number}", "far.example", kind="Group") for number in range(2)]
    for club in clubs:
        house.join(club, mia)
    rule(house, "suspend")
    told = {
        who: sorted((news.kind, news.actor.id) for news in house.ask(notifications_of, who, Page(limit=40)))
        for who in (owner, fay, mia)
    }
    assert told == {
        owner: [("members_severed", grief)],
        fay: [("members_severed", grief)],
        mia: sorted(("severed", club) for club in clubs),
    }
    rule(house, "quarantine")
    assert len(house.ask(notifications_of, mia, Page(limit=40))) == 2


def test_a_change_of_many_rules_costs_a_few_statements(house: House) -> None:
    """As many as for one, however many servers, groups and people it concerns."""
    grief, ana = house.group("grief", owner_id=house.person("owner")), house.person("ana")

    def statements(domain: str, hosts: int) -> int:
        for number in range(hosts):
            host = f"s{number}.{domain}"
            house.stranger(f"sam{number}", host, grief, follow_uri=f"https://{host}/follows/1")
            house.join(house.stranger(f"club{number}", host, kind="Group"), ana)
        seen: list[str] = []
        for level, done in (("suspend", Settled(hosts, 0, hosts, 0)), (None, Settled(0, hosts, 0, hosts))):
            with counted(seen):
                assert rule(house, level, domain) == done
        return len(seen)

    assert statements("one.example", 1) == statements("many.example", 40)


@contextmanager
def counted(seen: list[str]) -> Iterator[None]:
    """Note the statements that reach a database."""

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", note)
