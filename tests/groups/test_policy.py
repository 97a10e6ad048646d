"""Every role against every act: the whole table, written out once more by hand."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groups.errors import NotAllowed, NotFound
from groups.policy import Act, Standing, Target, may

AFTER = {"facilitator", "moderator", "owner"}


def standing(role: str | None = None, state: str | None = None, **changes: object) -> Standing:
    """Return a standing in an ordinary group that asks newcomers to be let in."""
    facts: dict[str, object] = {
        "group_id": 1, "audience": "none", "join_rule": "approval", "group_state": "open", "local": True,
        "role": role, "state": state,
    }  # fmt: skip
    return Standing(**(facts | changes))  # type: ignore[arg-type]  # the table mixes all of its fields


@pytest.mark.parametrize(
    ("act", "allowed"),
    [
        (Act.JOIN, {None, "follower", "member", *AFTER}),
        (Act.LEAVE, {None, "follower", "member", "facilitator", "moderator"}),
        (Act.POST, {"member", *AFTER}),
        (Act.REPLY, {"member", *AFTER}),
        (Act.REACT, {"member", *AFTER}),
        (Act.SEE_MEMBERS, {"member", *AFTER}),
        (Act.SEE_REQUESTS, AFTER),
        (Act.ADMIT, AFTER),
        (Act.INVITE, AFTER),
        (Act.REMOVE, AFTER),
        (Act.CHANGE, {"owner"}),
    ],
)
def test_each_role_may_do_what_it_is_for(act: Act, allowed: set[str | None]) -> None:
    """Whoever is not named for an act is refused it."""
    for role in (None, "follower", "member", "facilitator", "moderator", "owner"):
        verdict = may(act, standing(role, "active" if role else None), Target(role="member"))
        assert bool(verdict) is (role in allowed), (act, role)


@pytest.mark.parametrize("state", ["pending", "left", "removed", "refused", "banned", "parked"])
def test_a_role_counts_only_while_its_place_is_active(state: str) -> None:
    """An owner who left, was removed or banned is nobody, and may do no more than a stranger."""
    for act in (Act.POST, Act.REACT, Act.SEE_MEMBERS, Act.ADMIT, Act.INVITE, Act.REMOVE, Act.CHANGE):
        assert not may(act, standing("owner", state), Target(role="member")), act


def test_one_edits_ones_own_and_removes_as_facilitator() -> None:
    """Others' words can be taken away by those who look after the group, never changed."""
    own, other = Target(is_own=True), Target(is_own=False)
    assert may(Act.EDIT, standing("member", "active"), own)
    assert not may(Act.EDIT, standing("owner", "active"), other)
    assert may(Act.DELETE, standing("member", "active"), own)
    assert not may(Act.DELETE, standing("member", "active"), other)
    assert may(Act.DELETE, standing("facilitator", "active"), other)
    assert may(Act.DELETE, standing("member", "left"), own)


def test_the_owner_stays_and_is_not_removed() -> None:
    """The last owner cannot leave or be shown out; facilitators are removed by the owner alone."""
    assert not may(Act.LEAVE, standing("owner", "active"))
    assert not may(Act.REMOVE, standing("moderator", "active"), Target(role="owner"))
    assert not may(Act.REMOVE, standing("moderator", "active"), Target(role="facilitator"))
    assert may(Act.REMOVE, standing("owner", "active"), Target(role="facilitator"))


def test_a_hidden_group_is_not_there_for_strangers() -> None:
    """A group that nothing leaves and that invites only is NotFound, not NotAllowed; an invitation opens it."""
    hidden = {"audience": "none", "join_rule": "invite"}
    assert isinstance(may(Act.JOIN, standing(**hidden)).refusal, NotFound)
    assert may(Act.JOIN, standing(**hidden, invited=True))
    assert isinstance(may(Act.JOIN, standing(audience="public", join_rule="invite")).refusal, NotAllowed)


@pytest.mark.parametrize(
    ("state", "member", "owner"), [("open", True, True), ("paused", False, True), ("sealed", False, False)]
)
def test_a_paused_group_rests_and_a_sealed_one_is_closed(state: str, member: bool, owner: bool) -> None:
    """While a group is paused those who look after it may post; once it is sealed nobody may."""
    assert bool(may(Act.POST, standing("member", "active", group_state=state))) is member
    assert bool(may(Act.POST, standing("owner", "active", group_state=state))) is owner


@given(st.sampled_from(list(Act)), st.sampled_from([None, "follower", "member", *sorted(AFTER)]), st.booleans())
def test_nobody_who_is_banned_may_do_anything(act: Act, role: str | None, own: bool) -> None:
    """A ban is checked at every act (S-307)."""
    assert not may(act, standing(role, "banned"), Target(is_own=own))


def test_every_act_has_a_rule() -> None:
    """No act is forgotten in the table: each gives a verdict for everybody."""
    for act, role in itertools.product(Act, (None, "member", "owner")):
        assert may(act, standing(role, "active" if role else None)) is not None
