"""Joining, leaving, letting in and showing out, here and over the wire."""

from datetime import timedelta

import pytest

from activitypub.vocabulary.reading import parse
from groups import founding, membership, timelines
from groups.ends import ENDS
from groups.errors import Conflict, NotAllowed, NotFound
from groups.models import Notification
from groups.places import groups_of, groups_owned_by, members_of, requests_of, standing_of
from groups.views import MembershipView, Page, Viewer
from privacy import accounts
from privacy.ends import end_rows
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import START
from tests.factories import make_persona
from tests.groups.house import MEMBERSHIPS, House

NEWS = table_of(Notification)
SAM, SAMS_INBOX = "https://far.example/users/sam", "https://far.example/users/sam/inbox"
FOLLOW = "https://far.example/follows/1"


def state(house: House, group_id: int, actor_id: int) -> str | None:
    """Return the state of an actor's place in a group."""
    found: str | None = house.ask(standing_of, group_id, actor_id).state
    return found


def join(house: House, persona_id: int, group_id: int, **how: bool) -> MembershipView:
    """Ask to join."""
    view = house.do(membership.request_to_join, house.uris, persona_id, group_id, **how)
    assert isinstance(view, MembershipView)
    return view


def follow(house: House, group_id: int, actor_id: int, uri: str = FOLLOW, role: str = "member") -> None:
    """Take in a Follow."""
    house.do(membership.receive_follow, house.uris, actor_id, group_id, uri, role)


# ── joining ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("join_rule", ["open", "approval", "invite"])
@pytest.mark.parametrize("invited", [False, True])
def test_each_rule_lets_in_whom_it_says(house: House, join_rule: str, invited: bool) -> None:
    """An open group at once, one with approval after somebody said yes, one by invitation with a link alone."""
    grief = house.group("grief", join_rule=join_rule, audience="followers")
    ana = house.person("ana")
    if join_rule == "invite" and not invited:
        with pytest.raises(NotAllowed):
            join(house, ana, grief)
        assert state(house, grief, ana) is None
        return
    view = join(house, ana, grief, invited=invited)
    assert view.state == ("active" if invited or join_rule == "open" else "pending")
    assert view.role == "member"


def test_whoever_waits_reads_nothing(house: House) -> None:
    """A request gives no sight of posts or members; being let in does."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner)
    ana = house.person("ana")
    post = house.post(owner, "among us", group_id=grief)
    join(house, ana, grief)
    assert house.reads_of(ana, post) == set()
    with pytest.raises(NotFound):
        house.ask(members_of, Viewer(ana), grief)
    house.do(membership.admit, house.uris, owner, grief, ana)
    assert "group" in house.reads_of(ana, post)
    assert len(house.ask(members_of, Viewer(ana), grief)) == 2


def test_a_request_is_told_once_to_those_who_look_after_the_group(house: House) -> None:
    """Asking again changes nothing and tells nobody; members never see who asks."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner)
    ana, ben = house.person("ana"), house.person("ben", grief)
    join(house, ana, grief)
    join(house, ana, grief)
    assert [(row.persona_id, row.kind, row.actor_id) for row in house.rows(NEWS)] == [(owner, "join_request", ana)]
    assert [card.handle for card in house.ask(requests_of, owner, grief)] == ["ana"]
    with pytest.raises(NotAllowed):
        house.ask(requests_of, ben, grief)


def test_a_member_who_asks_again_stays_what_it_is(house: House) -> None:
    """Its role is not lost, and no second row is made."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner)
    assert join(house, owner, grief).role == "owner"
    assert join(house, owner, grief, invited=True).role == "owner"
    assert house.count(MEMBERSHIPS) == 1


def test_one_person_has_one_name_in_a_group(house: House) -> None:
    """A second persona of the account is refused, while the first is in or waits; elsewhere it is welcome."""
    grief, town = house.group("grief", join_rule="open"), house.group("town", join_rule="open")
    ana, other = house.person("ana"), house.person("other")
    account_id = house.ask(lambda uow: accounts.account_of(uow, ana))
    second = house.do(make_persona, house.uris, "second", account_id=account_id)
    join(house, ana, grief)
    with pytest.raises(Conflict):
        join(house, second, grief)
    with pytest.raises(Conflict):
        join(house, second, grief, invited=True)
    assert state(house, grief, second) is None
    assert join(house, second, town).is_active
    assert join(house, other, grief).is_active
    house.do(membership.leave, house.uris, ana, grief)
    assert join(house, second, grief).is_active


def test_a_ban_holds_for_the_person_not_the_name(house: House) -> None:
    """Neither the banned persona nor another of the same account comes in, not even by invitation."""
    grief = house.group("grief", join_rule="open")
    ana = house.person("ana", grief, state="banned")
    account_id = house.ask(lambda uow: accounts.account_of(uow, ana))
    second = house.do(make_persona, house.uris, "second", account_id=account_id)
    for persona in (ana, second):
        for invited in (False, True):
            with pytest.raises((NotAllowed, Conflict)):
                join(house, persona, grief, invited=invited)
    assert not house.ask(standing_of, grief, second).is_active
    assert join(house, house.person("ben"), grief).is_active


def test_a_hidden_group_is_not_there_to_be_asked(house: House) -> None:
    """A group that nothing leaves and that invites only answers as one that does not exist."""
    hidden = house.group("hidden", join_rule="invite")
    ana = house.person("ana")
    answers = []
    for group_id in (hidden, hidden + 1):
        with pytest.raises(NotFound) as refusal:
            join(house, ana, group_id)
        answers.append(refusal.value.public)
    assert answers[0] == answers[1]
    assert join(house, ana, hidden, invited=True).is_active


# ── answering ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_those_who_look_after_the_group_answer_a_request(house: House) -> None:
    """Members, strangers and whoever asks cannot; facilitators and the operator can, once."""
    grief = house.group("grief", owner_id=house.person("owner"))
    ana, ben, kim = house.person("ana"), house.person("ben", grief), house.person("kim", grief, role="facilitator")
    eve = house.person("eve")
    join(house, ana, grief)
    for nobody in (ana, ben, eve):
        for deed in (membership.admit, membership.refuse):
            with pytest.raises(NotAllowed):
                house.do(deed, house.uris, nobody, grief, ana)
    assert state(house, grief, ana) == "pending"
    house.do(membership.admit, house.uris, kim, grief, ana)
    assert state(house, grief, ana) == "active"
    with pytest.raises(Conflict):
        house.do(membership.admit, house.uris, None, grief, ana)
    assert [row.kind for row in house.rows(NEWS, NEWS.c.persona_id == ana)] == ["admitted"]


def test_a_refusal_is_forgotten_after_two_weeks(house: House) -> None:
    """The row goes by itself; until then asking again is possible and waits anew."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner)
    ana, ben = house.person("ana"), house.person("ben")
    for persona in (ana, ben):
        join(house, persona, grief)
        house.do(membership.refuse, house.uris, owner, grief, persona)
    assert state(house, grief, ana) == "refused"
    assert join(house, ben, grief).state == "pending"
    house.clock.move(timedelta(days=14))
    _sweep(house)
    assert (state(house, grief, ana), state(house, grief, ben)) == (None, "pending")


# ── leaving and being removed ────────────────────────────────────────────────────────────────────────────────────────


def test_whoever_leaves_reads_nothing_more(house: House) -> None:
    """From that moment on only its own posts are left to it."""
    grief = house.group("grief")
    ana, ben = house.person("ana", grief), house.person("ben", grief)
    theirs, own = house.post(ben, "among us", group_id=grief), house.post(ana, "mine", group_id=grief)
    assert "group" in house.reads_of(ana, theirs)
    assert not house.do(membership.leave, house.uris, ana, grief).is_active
    assert house.reads_of(ana, theirs) == set()
    assert "post" in house.reads_of(ana, own)
    assert house.ask(groups_of, ana) == []
    assert house.ask(timelines.home_timeline, ana, Page()) == []


@pytest.mark.parametrize(("days", "comes_in"), [(0, True), (6, True), (7, False), (29, False)])
def test_one_may_come_back_within_a_week(house: House, days: int, comes_in: bool) -> None:
    """After leaving by oneself, and as an ordinary member; later one asks again."""
    grief = house.group("grief")
    ana = house.person("ana", grief, role="facilitator")
    house.do(membership.leave, house.uris, ana, grief)
    house.clock.move(timedelta(days=days))
    view = join(house, ana, grief)
    assert (view.is_active, view.role) == (comes_in, "member")


@pytest.mark.parametrize("join_rule", ["open", "approval"])
@pytest.mark.parametrize("invited", [False, True])
def test_whoever_was_shown_out_does_not_walk_back_in(house: House, join_rule: str, invited: bool) -> None:
    """Removed is not left: the way back leads through a request, however open the group is and whoever comes."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner, audience="public", join_rule=join_rule)
    ana, sam = house.person("ana", grief), house.stranger("sam", "far.example", grief)
    kim = house.person("kim")
    for member in (ana, sam):
        house.do(membership.remove, house.uris, owner, grief, member)
    assert join(house, ana, grief, invited=invited).state == "pending"
    if not invited:
        follow(house, grief, sam)
        assert state(house, grief, sam) == "pending"
    assert join(house, kim, grief, invited=invited).is_active is (invited or join_rule == "open")


def test_leaving_does_not_open_a_way_in_for_whoever_only_asked(house: House) -> None:
    """To take a request back and ask again must not count as coming back: nobody ever let that person in."""
    grief = house.group("grief", owner_id=house.person("owner"))
    ana = house.person("ana")
    join(house, ana, grief)
    house.do(membership.leave, house.uris, ana, grief)
    assert join(house, ana, grief).state == "pending"


def test_refusal_removal_and_ban_are_not_undone_by_leaving(house: House) -> None:
    """Whoever has no place cannot leave, and so cannot turn a removal into a leave that it may come back from."""
    grief = house.group("grief")
    for number, was in enumerate(("removed", "refused", "banned", "left")):
        actor = house.person(f"person_{number}", grief, state=was)
        with pytest.raises(NotFound):
            house.do(membership.leave, house.uris, actor, grief)
        house.do(membership.receive_unfollow, actor, grief)
        assert state(house, grief, actor) == was


def test_the_owner_stays(house: House) -> None:
    """The owner neither leaves nor is removed, not even by the operator's hand on the wrong row."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner)
    kim = house.person("kim", grief, role="moderator")
    with pytest.raises(NotAllowed):
        house.do(membership.leave, house.uris, owner, grief)
    with pytest.raises(NotAllowed):
        house.do(membership.remove, house.uris, kim, grief, owner)
    assert state(house, grief, owner) == "active"


def test_a_group_is_handed_over_to_a_member_by_its_owner_or_by_the_operator(house: House) -> None:
    """Whoever owned it looks after it on, and may leave; a member cannot help itself to a group."""
    grief = house.group("grief")
    ana, ben, cara = (house.person(name, grief) for name in ("ana", "ben", "cara"))
    house.do(membership.appoint_owner, None, grief, ana)
    with pytest.raises(NotAllowed):
        house.do(membership.appoint_owner, ben, grief, ben)
    with pytest.raises(NotAllowed):
        house.do(membership.leave, house.uris, ana, grief)
    house.do(membership.appoint_owner, ana, grief, cara)
    roles = {who: house.ask(standing_of, grief, who).role for who in (ana, ben, cara)}
    assert roles == {ana: "facilitator", ben: "member", cara: "owner"}
    with pytest.raises(NotAllowed):
        house.do(membership.appoint_owner, ana, grief, ana)
    house.do(membership.leave, house.uris, ana, grief)


def test_only_a_member_who_can_act_here_owns_a_group(house: House) -> None:
    """Nobody becomes one from outside or elsewhere; and the owner stays while that is refused."""
    grief, town = house.group("grief"), house.group("town", audience="public")
    ana = house.person("ana", grief, town)
    outsider, asking = house.person("eve"), house.person("ida", grief, state="pending")
    reader = house.person("rob", grief, role="follower")
    left, far = house.person("lee", grief, state="left"), house.stranger("sam", "far.example", town)
    house.do(membership.appoint_owner, None, grief, ana)
    for group, nobody in ((grief, outsider), (grief, asking), (grief, reader), (grief, left), (town, far)):
        with pytest.raises(Conflict):
            house.do(membership.appoint_owner, None, group, nobody)
    assert [view.id for view in house.ask(groups_owned_by, [ana, outsider])] == [grief]


def test_removing_is_for_those_who_look_after_the_group(house: House) -> None:
    """A member cannot; a facilitator removes members, the owner also facilitators; twice is a conflict."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner)
    ana, ben = house.person("ana", grief), house.person("ben", grief)
    kim, lou = (house.person(name, grief, role="facilitator") for name in ("kim", "lou"))
    for by, whom in ((ben, ana), (kim, lou), (ana, kim)):
        with pytest.raises(NotAllowed):
            house.do(membership.remove, house.uris, by, grief, whom)
        assert state(house, grief, whom) == "active"
    house.do(membership.remove, house.uris, kim, grief, ana)
    house.do(membership.remove, house.uris, owner, grief, lou)
    assert {state(house, grief, whom) for whom in (ana, lou)} == {"removed"}
    with pytest.raises(Conflict):
        house.do(membership.remove, house.uris, owner, grief, ana)


def test_a_place_that_was_left_is_forgotten_after_a_month(house: House) -> None:
    """Who was here once stands nowhere from the 30th day on; a ban stays."""
    grief = house.group("grief")
    ana, eve = house.person("ana", grief), house.person("eve", grief, state="banned")
    house.do(membership.leave, house.uris, ana, grief)
    house.clock.now = START.replace(hour=0) + timedelta(days=30) - timedelta(milliseconds=1)
    _sweep(house)
    assert state(house, grief, ana) == "left"
    house.clock.move(timedelta(milliseconds=1))
    _sweep(house)
    assert (state(house, grief, ana), state(house, grief, eve)) == (None, "banned")


def test_keeping_a_group_out_of_home_is_for_its_members(house: House) -> None:
    """It is one's own choice and survives asking again; without a place it is NotFound."""
    grief = house.group("grief")
    ana = house.person("ana", grief)
    assert house.do(membership.set_exclusive, ana, grief, exclusive=True).exclusive
    assert join(house, ana, grief).exclusive
    with pytest.raises(NotFound):
        house.do(membership.set_exclusive, house.person("eve"), grief, exclusive=True)


# ── over the wire ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("audience", ["peers-only", "followers", "public"])
def test_a_follow_is_answered_to_the_one_who_sent_it(house: House, audience: str) -> None:
    """Accept at once where joining is open, after admission elsewhere; the Follow is embedded exactly as it came."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner, audience=audience)
    sam = house.stranger("sam", "far.example")
    house.class_of("far.example", level="allow")
    follow(house, grief, sam)
    assert (state(house, grief, sam), house.sent()) == ("pending", [])
    house.do(membership.admit, house.uris, owner, grief, sam)
    (accept,) = house.sent()
    assert (accept.kind, accept.inbox) == ("Accept(Follow(id))", SAMS_INBOX)
    assert accept.document["object"] == {"id": FOLLOW, "type": "Follow", "actor": SAM, "object": house.uri(grief)}
    assert accept.document["to"] == [SAM]
    assert parse(accept.document).id == accept.document["id"]


def test_a_follow_that_is_refused_gets_a_reject(house: House) -> None:
    """By the facilitator, by the rule of the group, and by a ban; the honest follower gets its Accept."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner, audience="public")
    closed = house.group("closed", audience="public", join_rule="invite")
    town = house.group("town", audience="public", join_rule="open")
    sam, eve = house.stranger("sam", "far.example"), house.stranger("eve", "far.example", town, state="banned")
    follow(house, grief, sam)
    house.do(membership.refuse, house.uris, owner, grief, sam)
    follow(house, closed, sam)
    follow(house, town, eve)
    assert [one.kind for one in house.deliver()] == ["Reject(Follow(id))"] * 3
    assert (state(house, closed, sam), state(house, town, eve)) == (None, "banned")
    follow(house, town, sam)
    assert [one.kind for one in house.sent()] == ["Accept(Follow(id))"]


def test_removing_a_member_elsewhere_is_told_to_its_server(house: House) -> None:
    """Reject of the Follow, which makes microblog software unfollow; a later post does not go there."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner, audience="public", join_rule="open")
    sam = house.stranger("sam", "far.example")
    follow(house, grief, sam)
    house.post(owner, "one", group_id=grief)
    assert [one.kind for one in house.deliver()] == ["Accept(Follow(id))", "Announce(id)"]
    house.do(membership.remove, house.uris, owner, grief, sam)
    house.post(owner, "two", group_id=grief)
    assert [one.kind for one in house.sent()] == ["Reject(Follow(id))"]


def test_a_group_that_nothing_leaves_is_not_found_by_a_follow(house: House) -> None:
    """No row, no answer, no request for anybody to see; through a group of another audience it works."""
    owner = house.person("owner")
    quiet = house.group("quiet", owner_id=owner, join_rule="open")
    town = house.group("town", owner_id=owner, audience="public", join_rule="open")
    sam = house.stranger("sam", "far.example")
    with pytest.raises(NotFound):
        follow(house, quiet, sam)
    assert (state(house, quiet, sam), house.sent(), house.count(NEWS)) == (None, [], 0)
    follow(house, town, sam)
    assert state(house, town, sam) == "active"


def test_another_group_may_follow_but_is_no_member(house: House) -> None:
    """A follower's role carries no right to take part, and is not widened by repeating the Follow."""
    town = house.group("town", audience="public", join_rule="open")
    club = house.stranger("club", "club.example", kind="Group")
    for number in range(2):
        follow(house, town, club, f"https://club.example/follows/{number}", "follower")
    standing = house.ask(standing_of, town, club)
    assert (standing.state, standing.role, standing.takes_part) == ("active", "follower", False)


@pytest.mark.parametrize("audience", ["peers-only", "followers"])
def test_groups_cannot_follow_private_groups(house: House, audience: str) -> None:
    """A group elsewhere would pass on what it gets, so it is not let into a private one, nor kept waiting for it."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner, audience=audience, join_rule="open")
    club, sam = house.stranger("club", "club.example", kind="Group"), house.stranger("sam", "far.example")
    for host in ("club.example", "far.example"):
        house.class_of(host, level="allow")
    follow(house, grief, sam)
    follow(house, grief, club, "https://club.example/follows/1", "follower")
    assert (state(house, grief, sam), state(house, grief, club)) == ("active", None)
    assert [one.kind for one in house.sent()] == ["Accept(Follow(id))", "Reject(Follow(id))"]


@pytest.mark.parametrize("later", ["approval", "invite", "open"])
def test_a_repeated_follow_is_answered_again_and_changes_nothing(house: House, later: str) -> None:
    """One row, no second request, the role kept, whatever newcomers need by then; the newest Follow is answered."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner, audience="followers")
    sam = house.stranger("sam", "far.example")
    follow(house, grief, sam)
    follow(house, grief, sam, "https://far.example/follows/2")
    assert len(house.rows(NEWS)) == 1
    house.do(membership.admit, house.uris, owner, grief, sam)
    (accept,) = house.deliver()
    assert accept.document["object"]["id"] == "https://far.example/follows/2"
    house.place(grief, sam, role="facilitator")
    house.do(founding.change_group, house.uris, None, grief, founding.GroupChanges(join_rule=later))
    house.deliver()
    follow(house, grief, sam, "https://far.example/follows/3")
    assert [one.kind for one in house.sent()] == ["Accept(Follow(id))"]
    assert house.ask(standing_of, grief, sam).role == "facilitator"
    assert [one.document["object"]["id"] for one in house.sent()] == ["https://far.example/follows/3"]


def test_joining_elsewhere_asks_and_leaving_takes_it_back(house: House) -> None:
    """Follow to the group's inbox, once; Undo embeds that very Follow."""
    ana = house.person("ana")
    club = house.stranger("club", "club.example", kind="Group")
    assert join(house, ana, club).state == "pending"
    join(house, ana, club)
    (asked,) = house.deliver()
    assert (asked.kind, asked.inbox) == ("Follow(id)", "https://club.example/users/club/inbox")
    house.do(membership.receive_answer, ana, club, accepted=True)
    assert [row.kind for row in house.rows(NEWS)] == ["admitted"]
    house.do(membership.leave, house.uris, ana, club)
    (undone,) = house.sent()
    assert undone.kind == "Undo(Follow(id))"
    assert undone.document["object"]["id"] == asked.document["id"]


def test_an_answer_is_taken_only_while_something_was_asked(house: House) -> None:
    """An Accept for one who left, was refused or never asked gives no place; for one who waits it does."""
    club = house.stranger("club", "club.example", kind="Group")
    for number, was in enumerate(("left", "refused", "removed", "banned")):
        actor = house.person(f"person_{number}", club, state=was)
        house.do(membership.receive_answer, actor, club, accepted=True)
        assert state(house, club, actor) == was
    nobody, ana = house.person("nobody"), house.person("ana")
    house.do(membership.receive_answer, nobody, club, accepted=True)
    assert state(house, club, nobody) is None
    join(house, ana, club)
    house.do(membership.receive_answer, ana, club, accepted=True)
    house.do(membership.receive_answer, ana, club, accepted=True)
    assert state(house, club, ana) == "active"
    assert house.count(NEWS, NEWS.c.persona_id == ana) == 1
    house.do(membership.receive_answer, ana, club, accepted=False)
    assert state(house, club, ana) == "removed"


def _sweep(house: House) -> None:
    """End the rows whose time has come, as the retention loop does."""

    def run(uow: UnitOfWork) -> None:
        for rule in ENDS:
            end_rows(uow, rule, 1_000)

    house.do(run)


def test_a_group_for_trusted_nodes_is_not_there_for_others(house: House) -> None:
    """Whoever the admin did not allow by name cannot even ask; the honest control is one that is allowed."""
    grief = house.group("grief", owner_id=house.person("owner"), audience="peers-only", join_rule="open")
    sam, eve = house.stranger("sam", "far.example"), house.stranger("eve", "strange.example")
    house.class_of("far.example", level="allow")
    follow(house, grief, sam)
    with pytest.raises(NotFound):
        follow(house, grief, eve, "https://strange.example/follows/1")
    assert (state(house, grief, sam), state(house, grief, eve)) == ("active", None)
