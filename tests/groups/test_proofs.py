"""Whose proofs are put into what leaves a group: none at all where it is for members, and in public its speakers'."""

import pytest

from activitypub.proving import speakers_in
from tests.groups.house import House

MICRO, LEMMY = "micro.example", "lemmy.example"


@pytest.mark.parametrize("audience", ["peers-only", "followers", "public"])
def test_only_what_everybody_may_read_is_proved(house: House, audience: str) -> None:
    """A post, an answer to somebody elsewhere, an edit, a direct message and the ends of them."""
    house.class_of(LEMMY, threadiverse=True, level="allow")
    group = house.group("grief", audience=audience)
    ana = house.person("ana", group)
    for host in (MICRO, LEMMY):
        house.stranger("sam", host, group)
    first = house.post(ana, "first", group_id=group)
    house.post(ana, f"answer @sam@{MICRO}", group_id=group, parent_id=first.id)
    house.edit(ana, first.id, "first, again")
    sent = house.deliver()
    house.delete(ana, first.id)
    sent += house.deliver()
    assert sent
    speakers = [speakers_in(one.document) for one in sent]
    if audience != "public":
        assert speakers == [set()] * len(sent)
        return
    assert all(one.document["actor"] in found for one, found in zip(sent, speakers, strict=True))
    assert {house.uri(ana), house.uri(group)} in speakers  # the group's Announce around the author's Create
    direct = house.post(ana, f"@sam@{MICRO} between us", group_id=group, direct=True)
    assert direct
    assert [speakers_in(one.document) for one in house.deliver()] == [set()]
