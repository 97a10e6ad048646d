"""What a group says of itself, and who is told when that changes."""

from collections.abc import Mapping
from typing import Any

import pytest

from activitypub import actors
from activitypub.errors import NeedsObject
from activitypub.ports import Arrival
from activitypub.vocabulary.reading import parse
from groups.federation import inbox_routes
from groups.founding import GroupChanges, change_group
from privacy.unit_of_work import UnitOfWork
from tests.groups.house import GROUPS, PUBLIC, House

LEMMY, MICRO, OURS = "lemmy.example", "micro.example", "ours.example"
CLUB = "https://club.example/users/club"


def village(house: House, audience: str) -> int:
    """Make a group with a member on each kind of server."""
    group = house.group("grief", audience=audience)
    for host, level in ((LEMMY, "normal"), (MICRO, "normal"), (OURS, "allow"), ("shut.example", "suspend")):
        house.stranger("sam", host, group)
        house.class_of(host, level=level, threadiverse=host == LEMMY)
    house.stranger("eve", "asks.example", group, state="pending")
    return group


def change(house: House, group: int, **changes: Any) -> dict[str, dict[str, Any]]:
    """Change a group's rules, and return what each inbox is told."""
    house.do(change_group, house.uris, None, group, GroupChanges(**changes))
    return {sent.inbox: sent.document for sent in house.deliver()}


@pytest.mark.parametrize(
    ("audience", "told"),
    [
        ("none", set()),
        ("peers-only", {f"https://{OURS}/users/sam/inbox"}),
        ("followers", {f"https://{host}/users/sam/inbox" for host in (LEMMY, MICRO, OURS)}),
        ("public", {f"https://{host}/inbox" for host in (LEMMY, MICRO, OURS)}),
    ],
)
def test_whoever_follows_is_told_what_a_group_is_called_now(house: House, audience: str, told: set[str]) -> None:
    """Nobody else is, and nobody of a group from which nothing leaves; Public is named by a public group alone."""
    sent = change(house, village(house, audience), title="Grief and loss", about="For all of us.")
    assert set(sent) == told
    for document in sent.values():
        assert (document["type"], document["actor"], document["object"]["type"]) == (
            "Update", document["object"]["id"], "Group",
        )  # fmt: skip
        assert document["object"]["name"] == "Grief and loss"
        assert document["object"]["summary"] == "<p>For all of us.</p>"
        assert (PUBLIC in str(document)) is (audience == "public")
        assert parse(document).owner == document["actor"]


def test_what_a_group_does_not_say_of_itself_is_not_told(house: House) -> None:
    """How long posts stay is told with each of them."""
    group = village(house, "public")
    view = house.ask(actors.actor_by_id, group)
    assert change(house, group, title="Grief") == {}, "it was called so before"
    assert set(change(house, group, join_rule="open")) == {f"https://{host}/inbox" for host in (LEMMY, MICRO, OURS)}
    assert view.locked


@pytest.mark.parametrize(("state", "restricted"), [("open", False), ("paused", True), ("sealed", True)])
def test_a_group_that_takes_no_posts_says_so(house: House, state: str, restricted: bool) -> None:
    group = village(house, "public")
    change(house, group, state="paused")
    sent = change(house, group, state=state, title="Changed")
    assert {document["object"]["postingRestrictedToMods"] for document in sent.values()} == {restricted}


# ── groups elsewhere ─────────────────────────────────────────────────────────────────────────────────────────────────


def hand_over(house: House, sender_id: int, document: Mapping[str, Any], fetched: Mapping[str, Any]) -> None:
    """Hand an activity to its handler with what was fetched for it."""
    activity = parse(dict(document))
    route = inbox_routes(house.uris).by_type[type(activity)]
    prepared = route.prepare(activity)

    def handle(uow: UnitOfWork) -> None:
        sender = actors.actor_by_id(uow, sender_id)
        assert sender is not None
        route.handle(uow, Arrival(sender, uow.now, fetched, frozenset()), prepared)

    house.do(handle)


@pytest.mark.parametrize("way", ["by a moderator", "announced", "announced by another"])
def test_a_group_that_changed_is_looked_at_anew_and_not_believed_by_hearsay(house: House, way: str) -> None:
    """Lemmy has a moderator say it, in an Announce of the group or on its own; what counts is the group's document."""
    club = house.stranger("club", "club.example", kind="Group")
    mod = house.stranger("mod", "club.example")
    other = house.stranger("rival", "rival.example", kind="Group")
    house.person("ana", club, other)
    claimed = {"id": CLUB, "type": "Group", "preferredUsername": "club", "inbox": f"{CLUB}/inbox", "name": "Forged",
               "manuallyApprovesFollowers": True}  # fmt: skip
    update = {"@context": "https://www.w3.org/ns/activitystreams", "id": "https://club.example/u/1", "type": "Update",
              "actor": house.uri(mod), "object": claimed, "to": [PUBLIC], "cc": []}  # fmt: skip
    sender, document = mod, update
    if way != "by a moderator":
        sender = club if way == "announced" else other
        document = {**update, "id": f"{house.uri(sender)}/a/1", "type": "Announce", "actor": house.uri(sender),
                    "object": update}  # fmt: skip
    if way == "announced by another":
        hand_over(house, sender, document, {})
        return
    with pytest.raises(NeedsObject) as wanted:
        hand_over(house, sender, document, {})
    assert wanted.value.uri == CLUB
    hand_over(house, sender, document, {CLUB: house.ask(actors.actor_by_id, club)})
    assert house.rows(GROUPS, GROUPS.c.id == club)[0].audience == "public", "its own document says nothing else"
