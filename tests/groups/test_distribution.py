"""Exactly which activity goes to which inbox, for each audience and kind of server; and what never leaves."""

from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groups import founding, posting
from tests.groups.house import PUBLIC, House

SECRET = "Rotkehlchen"
AUDIENCES = ("none", "peers-only", "followers", "public")
MICRO, LEMMY, TRUSTED, TRUSTED_LEMMY = "micro.example", "lemmy.example", "trusted.example", "ours.example"
SUSPENDED, QUARANTINED, STRANGE = "suspended.example", "waiting.example", "strange.example"
HOSTS = (MICRO, LEMMY, TRUSTED, TRUSTED_LEMMY, SUSPENDED, QUARANTINED)
NOT_IN = ("pending", "left", "removed", "refused", "banned", "parked")


@dataclass
class World:
    """A group with its author here and a member on each kind of server."""

    house: House
    group: int
    ana: int
    members: dict[str, int]

    def goes(self) -> dict[str, list[str]]:
        """Return by host what waits for its inboxes."""
        found: dict[str, list[str]] = {}
        for one in self.house.sent():
            found.setdefault(one.host, []).append(one.kind)
        return {host: sorted(kinds) for host, kinds in found.items()}


def classify(house: House) -> None:
    """Say what kind of server each host is; `micro.example` is one that nothing is known of."""
    house.class_of(LEMMY, threadiverse=True)
    house.class_of(TRUSTED, level="allow")
    house.class_of(TRUSTED_LEMMY, level="allow", threadiverse=True)
    house.class_of(SUSPENDED, level="suspend")
    house.class_of(QUARANTINED, level="quarantine")


def world(house: House, audience: str) -> World:
    """Make the group with a member on every host, one of them twice, and a person of a host without a member."""
    classify(house)
    group = house.group("grief", audience=audience)
    ana = house.person("ana", group)
    members = {host: house.stranger("sam", host, group) for host in HOSTS}
    house.stranger("kim", MICRO, group)
    house.stranger("eve", STRANGE)
    return World(house, group, ana, members)


def post(made: World, text: str = SECRET, **form: Any) -> Any:
    """Publish in the group."""
    return made.house.post(made.ana, text, group_id=made.group, **form)


@pytest.mark.parametrize(
    ("audience", "expected"),
    [
        ("none", {}),
        ("peers-only", {TRUSTED: ["Announce(id)"], TRUSTED_LEMMY: ["Announce(id)"]}),
        (
            "followers",
            {
                MICRO: ["Create(Note)", "Create(Note)"],
                TRUSTED: ["Create(Note)"],
                LEMMY: ["Announce(Create(Note))"],
                TRUSTED_LEMMY: ["Announce(Create(Note))"],
            },
        ),
        (
            "public",
            {
                MICRO: ["Announce(id)"],
                TRUSTED: ["Announce(id)"],
                LEMMY: ["Announce(Create(Note))"],
                TRUSTED_LEMMY: ["Announce(Create(Note))"],
            },
        ),
    ],
)
def test_each_kind_of_server_gets_its_form(house: House, audience: str, expected: dict[str, list[str]]) -> None:
    """A new thread: nothing to servers that are suspended, in quarantine or without a member."""
    made = world(house, audience)
    post(made)
    assert made.goes() == expected


@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_shared_inbox_serves_public_groups_only(house: House, audience: str) -> None:
    """Who reads a shared inbox is the other server's decision, so a private group names each member (S-405)."""
    made = world(house, audience)
    post(made)
    shared = {one.inbox for one in house.sent() if one.inbox == f"https://{one.host}/inbox"}
    assert shared == ({f"https://{host}/inbox" for host in made.goes()} if audience == "public" else set())


@pytest.mark.parametrize("audience", ["peers-only", "followers"])
def test_nothing_of_a_private_group_is_addressed_to_the_public(house: House, audience: str) -> None:
    """Neither posts, replies and edits, nor Deletes and removals, nor anything that they embed."""
    made = world(house, audience)
    first = post(made)
    post(made, "answer @sam@micro.example", parent_id=first.id)
    house.edit(made.ana, first.id, f"{SECRET} again")
    posting_of_all = house.deliver()
    house.delete(made.ana, first.id)
    ending = house.sent()
    assert posting_of_all
    assert ending
    assert [one for one in (*posting_of_all, *ending) if PUBLIC in str(one.document)] == []


def test_the_addresses_of_a_private_post_are_its_group_and_its_members(house: House) -> None:
    """The verbatim activity names the group and its followers; the group's own Note names its followers alone."""
    made = world(house, "followers")
    post(made)
    group, followers = house.uri(made.group), f"{house.uri(made.group)}/followers"
    for one in house.sent():
        inner = one.document["object"]
        assert one.document["to"] == [followers]
        assert set(inner.get("to", [])) <= {group, followers}
        assert inner.get("cc", []) == []


def test_peers_only_announces_nothing_but_the_address(house: House) -> None:
    """No word, no author, no title stands in what is pushed; the text has to be fetched, signed."""
    made = world(house, "peers-only")
    view = post(made, title="Zaunkoenig")
    for one in house.sent():
        assert one.document["object"] == view.uri
        assert not any(word in str(one.document) for word in (SECRET, "Zaunkoenig", house.uri(made.ana), "ana"))


@pytest.mark.parametrize("state", NOT_IN)
@pytest.mark.parametrize("audience", ["peers-only", "followers", "public"])
def test_whoever_has_no_place_gets_nothing(house: House, audience: str, state: str) -> None:
    """While it has one it does; with any other state of its place its server is told nothing of new posts."""
    made = world(house, audience)
    post(made)
    assert house.deliver()
    for member in [*made.members.values(), house.names[f"kim@{MICRO}"]]:
        house.place(made.group, member, state=state)
    post(made, "after")
    assert house.sent() == []


def test_a_follower_of_old_gets_nothing_of_a_group_that_turned_private(house: House) -> None:
    """Another group that read along while all was public is no member, and members go on reading."""
    made = world(house, "public")
    house.stranger("club", "club.example", made.group, kind="Group", role="follower")
    post(made)
    assert "club.example" in made.goes()
    house.deliver()
    house.do(founding.change_group, house.uris, None, made.group, founding.GroupChanges(audience="followers"))
    post(made, "after")
    assert "club.example" not in made.goes()
    assert MICRO in made.goes()


@pytest.mark.parametrize("direct", [False, True])
def test_nothing_at_all_leaves_a_group_that_turned_inward(house: House, direct: bool) -> None:
    """Not even a direct post to a member elsewhere who joined while it was open (product decision 16)."""
    made = world(house, "followers")
    text = f"@sam@{MICRO} {SECRET}"
    post(made, text, direct=direct)
    assert MICRO in made.goes()
    house.deliver()
    house.do(founding.change_group, house.uris, None, made.group, founding.GroupChanges(audience="none"))
    try:
        post(made, text, direct=direct)
    except posting.Invalid:
        assert direct
    assert house.sent() == []


@pytest.mark.parametrize("host", [SUSPENDED, QUARANTINED])
@pytest.mark.parametrize("direct", [False, True])
def test_naming_somebody_does_not_reach_a_server_that_is_shut_out(house: House, host: str, direct: bool) -> None:
    """A mention carries the post to its server in a public group; to one that is suspended or waits it does not."""
    made = world(house, "public")
    post(made, f"@sam@{MICRO} hello", direct=direct)
    assert "Create(Note)" in made.goes()[MICRO]
    house.deliver()
    try:
        post(made, f"@sam@{host} hello", direct=direct)
    except posting.Invalid:  # nobody is known there, so a direct message names nobody
        assert direct
    assert host not in made.goes()


def test_a_reply_in_public_goes_to_who_is_answered_and_named(house: House) -> None:
    """Microblog servers get no boost of replies; those named and the author that is answered get the Create."""
    made = world(house, "public")
    first = post(made)
    house.deliver()
    post(made, f"@kim@{MICRO} answer", parent_id=first.id)
    goes = made.goes()
    assert goes == {
        MICRO: ["Create(Note)"],
        LEMMY: ["Announce(Create(Note))"],
        TRUSTED_LEMMY: ["Announce(Create(Note))"],
    }
    assert (f"https://{MICRO}/users/kim/inbox") in {one.inbox for one in house.sent()}


def test_a_reply_in_private_never_goes_to_its_author_for_being_named(house: House) -> None:
    """Somebody elsewhere who is no member is not reached by a mention: naming a person cannot widen a group."""
    made = world(house, "followers")
    post(made, f"@eve@{STRANGE} {SECRET}")
    assert STRANGE not in made.goes()
    assert MICRO in made.goes()


@pytest.mark.parametrize("audience", ["followers", "public"])
def test_an_edit_reaches_every_server_that_holds_the_post(house: House, audience: str) -> None:
    """What was written by mistake and edited away must go everywhere where the first words went."""
    made = world(house, audience)
    first = post(made, f"@sam@{MICRO} {SECRET}")
    holders = {one.host for one in house.deliver()}
    house.edit(made.ana, first.id, "edited")
    goes = made.goes()
    assert goes.keys() == holders == {MICRO, TRUSTED, LEMMY, TRUSTED_LEMMY}
    for host, kinds in goes.items():
        assert any("Update(Note)" in kind for kind in kinds), host
    assert not [one for one in house.sent() if SECRET in str(one.document)]


@pytest.mark.parametrize("audience", ["peers-only", "followers", "public"])
def test_a_delete_reaches_every_server_that_holds_the_post(house: House, audience: str) -> None:
    """Each gets a Delete by the author, also when its place in the group or its standing with us is gone by then."""
    made = world(house, audience)
    first = post(made)
    holders = {one.host for one in house.deliver()}
    for member in made.members.values():
        house.place(made.group, member, state="left")
    house.class_of(MICRO, level="quarantine")
    house.delete(made.ana, first.id)
    goes = made.goes()
    assert goes.keys() == holders
    assert all("Delete(id)" in kinds for kinds in goes.values())
    assert not [one for one in house.sent() if SECRET in str(one.document)]


@pytest.mark.parametrize("later", ["public", "followers", "peers-only", "none"])
def test_what_was_public_is_taken_back_in_every_form_after_narrowing(house: House, later: str) -> None:
    """A group that turns private asks back all that it announced in public: boosts here, posts there."""
    made = world(house, "public")
    first = post(made)
    boosts = {one.host: one.document["id"] for one in house.deliver() if one.kind == "Announce(id)"}
    if later != "public":
        house.do(founding.change_group, house.uris, None, made.group, founding.GroupChanges(audience=later))
        house.deliver()
    house.delete(made.ana, first.id)
    sent = house.sent()
    undone = {one.host: one.document["object"]["id"] for one in sent if one.kind.startswith("Undo")}
    assert boosts.items() <= undone.items()
    announced = {one.host for one in sent if one.kind.startswith("Announce(Delete")}
    assert announced == {LEMMY, TRUSTED_LEMMY}


def test_a_boost_is_taken_back_by_its_own_id(house: House) -> None:
    """Undo names the very Announce that was sent; re-emitted Notes are deleted by the group."""
    made = world(house, "public")
    first = post(made)
    (boost,) = {one.document["id"] for one in house.deliver() if one.kind == "Announce(id)"}
    house.delete(made.ana, first.id)
    undone = [one.document["object"] for one in house.sent() if one.kind.startswith("Undo")]
    assert undone
    assert {inner["id"] for inner in undone} == {boost}
    private = House(house.database, house.uris, house.clock)
    group = private.group("inner", audience="followers")
    ben = private.person("ben", group)
    private.stranger("lou", MICRO, group)
    house.deliver()
    second = private.post(ben, SECRET, group_id=group)
    (create,) = private.deliver()
    private.delete(ben, second.id)
    deleted = [one.document["object"] for one in private.sent() if one.inbox == create.inbox]
    assert create.document["object"]["id"] in deleted


def test_the_end_of_a_direct_post_is_told_to_its_reader_alone(house: House) -> None:
    """No other server learns that there was one; the post of the group beside it is withdrawn everywhere."""
    made = world(house, "followers")
    direct = post(made, f"@sam@{MICRO} {SECRET}", direct=True)
    assert made.goes() == {MICRO: ["Create(Note)"]}
    house.deliver()
    house.delete(made.ana, direct.id)
    assert made.goes() == {MICRO: ["Delete(id)"]}
    house.deliver()
    shared = post(made)
    house.deliver()
    house.delete(made.ana, shared.id)
    assert made.goes().keys() == {MICRO, TRUSTED, LEMMY, TRUSTED_LEMMY}


def test_a_removal_by_a_facilitator_has_effect_where_only_authors_delete(house: House) -> None:
    """Microblog servers ignore a Delete by anybody but the author: for a post of this node they get the author's."""
    made = world(house, "public")
    kim = house.person("kim", made.group, role="facilitator")
    first = post(made, f"@sam@{MICRO} {SECRET}")
    house.deliver()
    house.delete(kim, first.id)
    deletes = [one.document for one in house.sent() if one.kind == "Delete(id)" and one.host == MICRO]
    assert deletes
    assert {document["actor"] for document in deletes} == {house.uri(made.ana)}


def test_a_post_into_a_group_elsewhere_goes_there_and_to_those_named(house: House) -> None:
    """To the group's inbox, and nowhere else of its server's members."""
    club = house.stranger("club", "club.example", kind="Group")
    ana = house.person("ana", club)
    house.stranger("kim", "near.example", club)
    house.post(ana, f"{SECRET}", group_id=club)
    assert house.kinds() == [("Create(Note)", "https://club.example/users/club/inbox")]


CASES = st.fixed_dictionaries({
    host: st.sampled_from(("active", "none", *NOT_IN)) for host in HOSTS
})  # fmt: skip


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(("none", "peers-only", "followers")), CASES, st.booleans(), st.booleans(), st.booleans())
def test_private_words_never_reach_a_server_without_an_active_member(
    house: House, audience: str, places: dict[str, str], replying: bool, naming: bool, editing: bool
) -> None:
    """Whatever the memberships, mentions, replies and edits: not the words, and not so much as the address."""
    number = len(house.names)
    classify(house)
    group = house.group(f"group_{number}", audience=audience)
    ana = house.person(f"ana_{number}", group)
    for host, state in places.items():
        handle = f"sam{number}"
        member = house.stranger(handle, host)
        if state != "none":
            house.join(group, member, state=state)
    named = " ".join(f"@sam{number}@{host}" for host in HOSTS) if naming else ""
    first = house.post(ana, f"{SECRET} {named}", group_id=group)
    if replying:
        house.post(ana, f"{SECRET} {named}", parent_id=first.id)
    if editing:
        house.edit(ana, first.id, f"{SECRET} again {named}")
    allowed = {host for host, state in places.items() if state == "active"} - {SUSPENDED, QUARANTINED}
    sent = house.deliver()
    assert {one.host for one in sent} <= (allowed if audience != "none" else set())
    if audience == "peers-only":
        assert not [one for one in sent if SECRET in str(one.document) or one.host not in {TRUSTED, TRUSTED_LEMMY}]
    if audience == "followers" and allowed:
        assert {one.host for one in sent} == allowed


def test_who_got_a_post_is_told_of_its_end_also_after_leaving(house: House) -> None:
    """The last member of a server leaves, and only then the post ends: its copy there is asked back all the same."""
    group = house.group("inner", audience="followers")
    ben = house.person("ben", group)
    lou = house.stranger("lou", MICRO, group)
    second = house.post(ben, SECRET, group_id=group)
    (create,) = house.deliver()
    house.place(group, lou, state="left")
    house.delete(ben, second.id)
    told = [one.document["object"] for one in house.sent() if one.inbox == create.inbox]
    assert create.document["object"]["id"] in told
    assert second.uri in told
