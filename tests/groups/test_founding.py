"""How groups come to be, and that a change of their rules keeps what members were promised."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activitypub import actors
from groups import founding, timelines
from groups.errors import Conflict, Invalid, NotAllowed, NotFound
from groups.founding import GroupChanges
from groups.membership import request_to_join
from groups.places import any_group, membership_of, standing_of
from groups.views import GroupView, Page, Viewer
from privacy.errors import NameTaken
from privacy.records import new_id
from tests.factories import shared_keys
from tests.groups.house import GROUPS, House

DAY = timedelta(days=1)


def found(house: House, handle: str = "grief", title: str = "Grief", **columns: Any) -> GroupView:
    """Make a group with nothing but what is given."""
    group_id = new_id()
    house.database.vault.make_subject(group_id)
    new = founding.NewGroup(group_id, handle, f"token_{handle}", title, **columns)
    view = house.do(founding.found_group, house.uris, new, shared_keys())
    assert isinstance(view, GroupView)
    return view


def change(house: House, by: int | None, group_id: int, **changes: Any) -> GroupView:
    """Change the rules of a group."""
    view = house.do(founding.change_group, house.uris, by, group_id, GroupChanges(**changes))
    assert isinstance(view, GroupView)
    return view


def locked(house: House, group_id: int) -> bool:
    """Return what the actor says of approving followers."""
    view = house.ask(actors.actor_by_id, group_id)
    assert view is not None
    return bool(view.locked)


def test_a_group_begins_closed(house: House) -> None:
    """Without a word: nothing leaves, newcomers are let in, posts end after 90 days; its owner is a member."""
    ana = house.person("ana")
    view = found(house, owner_id=ana)
    assert (view.audience, view.join_rule, view.keep, view.state) == ("none", "approval", timedelta(days=90), "open")
    assert locked(house, view.id)
    standing = house.ask(standing_of, view.id, ana)
    assert (standing.role, standing.state, standing.takes_part) == ("owner", "active", True)


@pytest.mark.parametrize("preset", sorted(founding.HIGH_RISK))
def test_a_group_at_high_risk_cannot_be_public(house: House, preset: str) -> None:
    """Neither from the beginning nor by a later change; and it starts out of everybody's home."""
    with pytest.raises(Invalid):
        found(house, preset=preset, audience="public")
    assert house.count(GROUPS) == 0
    view = found(house, preset=preset, join_rule="open")
    with pytest.raises(Invalid):
        change(house, None, view.id, audience="public")
    assert house.ask(any_group, "grief").audience == "none"
    other = found(house, "town", preset="announcements", audience="public")
    assert other.audience == "public"
    ana = house.person("ana")
    for group_id, apart in ((view.id, True), (other.id, False)):
        house.do(request_to_join, house.uris, ana, group_id, invited=True)
        assert house.ask(membership_of, group_id, ana).exclusive is apart


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 500), st.integers(1, 500))
def test_a_change_never_moves_the_end_of_what_was_posted(house: House, before: int, after: int) -> None:
    """Not later, not earlier: members were told a date. What is posted from then on goes by the new rule."""
    number = len(house.names)
    group = house.group(f"group_{number}", keep=before * DAY)
    ana = house.person(f"ana_{number}", group)
    old = house.post(ana, "old", group_id=group)
    change(house, None, group, keep=after * DAY)
    assert house.row(old.id).expires_at == old.received_at + before * DAY
    new = house.post(ana, "new", group_id=group)
    assert new.expires_at == new.received_at + after * DAY


@pytest.mark.parametrize(
    ("field", "columns"),
    [
        ("audience", {"audience": "everybody"}),
        ("join", {"join_rule": "never"}),
        ("preset", {"preset": "party"}),
        ("keep", {"keep": timedelta(0)}),
        ("keep", {"keep": -DAY}),
        ("about", {"about": "x" * 2_001}),
        ("title", {"title": " \u200b "}),
    ],
)
def test_what_is_no_group_is_refused(house: House, field: str, columns: dict[str, Any]) -> None:
    """With the field that needs another look, and nothing made."""
    with pytest.raises(Invalid) as refusal:
        found(house, **columns)
    assert set(refusal.value.fields) == {field}
    assert house.count(GROUPS) == 0
    assert found(house).card.handle == "grief"


def test_a_change_keeps_what_it_does_not_name(house: House) -> None:
    """A faulty change changes nothing at all."""
    view = found(house, about="For us", audience="followers", join_rule="invite", keep=7 * DAY)
    assert change(house, None, view.id) == view
    renamed = change(house, None, view.id, title="Loss")
    assert (renamed.card.name, renamed.card.source) == ("Loss", "For us")
    with pytest.raises(Invalid):
        change(house, None, view.id, title="Other", audience="everybody")
    assert house.ask(any_group, "grief") == renamed


def test_only_the_owner_changes_the_rules(house: House) -> None:
    """Not those who look after the group, not members, not the owner of another; the operator may."""
    owner, other = house.person("owner"), house.person("other")
    group = house.group("grief", owner_id=owner)
    house.group("town", owner_id=other)
    for nobody in (house.person("kim", group, role="moderator"), house.person("ana", group), other):
        with pytest.raises(NotAllowed):
            change(house, nobody, group, audience="public")
    assert house.ask(any_group, "grief").audience == "none"
    assert change(house, owner, group, audience="followers").audience == "followers"
    assert change(house, None, group, audience="none").audience == "none"


def test_a_group_elsewhere_is_not_ours_to_change(house: House) -> None:
    """Neither by a member who calls itself its owner; what does not exist is NotFound."""
    club = house.stranger("club", "club.example", kind="Group")
    ana = house.person("ana", club, role="owner")
    with pytest.raises(NotAllowed):
        change(house, ana, club, audience="none")
    with pytest.raises(NotFound):
        change(house, ana, club + 1, audience="none")


@pytest.mark.parametrize("audience", founding.AUDIENCES)
@pytest.mark.parametrize("join_rule", founding.JOIN_RULES)
def test_a_group_says_that_it_lets_in(house: House, audience: str, join_rule: str) -> None:
    """Its actor approves followers unless all is open, from the start and after every change."""
    expected = not (audience == "public" and join_rule == "open")
    view = found(house, audience=audience, join_rule=join_rule)
    assert locked(house, view.id) is expected
    other = found(house, "other")
    change(house, None, other.id, audience=audience, join_rule=join_rule)
    assert locked(house, other.id) is expected


def test_handles_are_one_namespace(house: House) -> None:
    """A group cannot take the name of a person, of another group, or of the house, in whatever case."""
    house.person("ana")
    found(house, "grief")
    for taken in ("ana", "Ana", "grief", "admin", "ab", "with space", "grief!"):
        with pytest.raises(NameTaken):
            found(house, taken)
    assert house.count(GROUPS) == 1


def test_a_group_elsewhere_is_taken_for_what_it_says(house: House) -> None:
    """Locked means private unless it says more; its posts live 30 days here; being met again keeps its row.

    A group that opens up does so for what comes from then on: what is stored here was written for its members.
    """
    club = house.stranger("club", "club.example", kind="Person")

    def says(actor_id: int, **values: bool) -> None:
        table = founding.ACTORS
        changed = table.update().where(table.c.id == actor_id).values(**values)
        house.do(lambda uow: uow.connection.execute(changed).close())

    says(club, locked=True)
    view = house.do(founding.adopt_remote_group, club)
    assert (view.audience, view.join_rule, view.keep) == ("followers", "approval", timedelta(days=30))
    says(club, locked=False)
    opened = house.do(founding.adopt_remote_group, club)
    assert (opened.audience, opened.join_rule) == ("followers", "open")
    assert house.count(GROUPS) == 1

    for name, open_to_all in (("square", True), ("hall", False)):
        other = house.stranger(name, "club.example", kind="Person")
        says(other, locked=open_to_all, open_to_all=open_to_all)
        assert house.do(founding.adopt_remote_group, other).audience == "public", name
    says(other, locked=True)
    assert house.do(founding.adopt_remote_group, other).audience == "followers"


def test_what_was_written_for_few_is_not_opened_to_more(house: House) -> None:
    """A group's audience is widened once nothing is left that was written for fewer; narrowing goes at once."""
    grief = house.group("grief", audience="none", keep=timedelta(days=1))
    ana = house.person("ana", grief)
    post = house.post(ana, "for us only", group_id=grief)

    def change(audience: str) -> str:
        return house.do(
            founding.change_group, house.uris, None, grief, founding.GroupChanges(audience=audience)
        ).audience

    for wider in ("peers-only", "followers", "public"):
        with pytest.raises(Invalid):
            change(wider)
    assert house.ask(timelines.group_timeline, Viewer(ana), grief, Page())[0].id == post.id
    house.delete(ana, post.id)
    assert change("public") == "public"
    house.post(ana, "for all", group_id=grief)
    assert change("followers") == "followers"
    with pytest.raises(Invalid):
        change("public")
    house.clock.move(timedelta(days=2))
    assert change("public") == "public"


def test_a_sealed_group_stays_so(house: House) -> None:
    grief = house.group("grief")
    house.do(founding.change_group, house.uris, None, grief, founding.GroupChanges(state="sealed"))
    for state in ("open", "paused"):
        with pytest.raises(Conflict):
            house.do(founding.change_group, house.uris, None, grief, founding.GroupChanges(state=state))
