"""News for a persona: numbered for itself, about what it may still see, and gone after two weeks."""

from datetime import timedelta

import pytest

from groups import membership, notifications, reactions
from groups.ends import ENDS
from groups.errors import NotFound
from groups.models import Notification
from groups.views import NotificationView, Page
from privacy.ends import end_rows
from privacy.unit_of_work import UnitOfWork, table_of
from tests.groups.house import House

NEWS = table_of(Notification)
ALL = Page(limit=80)


def news(house: House, persona_id: int, page: Page = ALL, **only: object) -> list[NotificationView]:
    """Return a persona's news."""
    found: list[NotificationView] = house.ask(notifications.notifications_of, persona_id, page, **only)
    return found


def numbers(house: House, persona_id: int, **bounds: int) -> list[int]:
    """Return the numbers of a page of news."""
    return [one.number for one in news(house, persona_id, Page(**({"limit": 3} | bounds)))]


def two(house: House, audience: str = "none", keep: timedelta = timedelta(days=90)) -> tuple[int, int, int]:
    """Make a group with two members."""
    group = house.group("grief", audience=audience, keep=keep)
    return group, house.person("ana", group), house.person("ben", group)


def test_news_is_numbered_for_each_persona(house: House) -> None:
    """From one on and without gaps, so that no number tells of anything that happened to others."""
    group, ana, ben = two(house)
    eve = house.person("eve", group)
    for number in range(3):
        house.post(ana, f"@ben {number}", group_id=group)
        house.post(ana, f"@eve @ben {number}", group_id=group)
    assert [one.number for one in news(house, ben)] == [6, 5, 4, 3, 2, 1]
    assert [one.number for one in news(house, eve)] == [3, 2, 1]
    assert news(house, ana) == []


def test_pages_of_news_are_bounded_as_clients_expect(house: House) -> None:
    """Newest first, by number."""
    group, ana, ben = two(house)
    for number in range(6):
        house.post(ana, f"@ben {number}", group_id=group)
    assert numbers(house, ben) == [6, 5, 4]
    assert numbers(house, ben, max_id=4) == [3, 2, 1]
    assert numbers(house, ben, since_id=2) == [6, 5, 4]
    assert numbers(house, ben, min_id=2) == [5, 4, 3]
    assert numbers(house, ben, max_id=5, min_id=3) == [4]


def test_each_kind_is_told_once(house: House) -> None:
    """Mention, reply and reaction, each with its post and who it was; kinds can be asked for and left out."""
    group, ana, ben = two(house)
    first = house.post(ben, "begin", group_id=group)
    house.post(ana, "@ben hello", group_id=group)
    house.post(ana, "answer", parent_id=first.id)
    house.do(reactions.react, house.uris, ana, first.id)
    told = news(house, ben)
    assert [one.kind for one in told] == ["reaction", "reply", "mention"]
    assert {one.actor.handle for one in told} == {"ana"}
    assert told[0].post is not None
    assert told[0].post.id == first.id
    assert [one.kind for one in news(house, ben, kinds=["reply"])] == ["reply"]
    assert [one.kind for one in news(house, ben, excluded=["reply"])] == ["reaction", "mention"]


@pytest.mark.parametrize("how", ["deleted", "ended", "left"])
def test_news_of_what_cannot_be_seen_is_not_shown(house: House, how: str) -> None:
    """Neither the words nor the fact that there were any, at once."""
    group, ana, ben = two(house, keep=timedelta(days=1))
    post = house.post(ana, "@ben hello", group_id=group)
    assert len(news(house, ben)) == 1
    if how == "deleted":
        house.delete(ana, post.id)
    elif how == "ended":
        house.clock.move(timedelta(days=1))
    else:
        house.do(membership.leave, house.uris, ben, group)
    assert news(house, ben) == []
    with pytest.raises(NotFound):
        house.ask(notifications.notification, ben, 1)
    assert house.count(NEWS, NEWS.c.kind == "mention") == (0 if how == "deleted" else 1)


def test_news_goes_after_two_weeks_or_with_its_post(house: House) -> None:
    """Whichever is first; the rows go by the sweep, from sight at once."""
    group, ana, ben = two(house)
    short = house.group("short", keep=timedelta(days=1))
    for persona in (ana, ben):
        house.join(short, persona)
    house.post(ana, "@ben long", group_id=group)
    house.post(ana, "@ben short", group_id=short)
    assert [row.expires_at - house.clock() for row in house.rows(NEWS)] == [timedelta(days=14), timedelta(days=1)]
    house.clock.move(timedelta(days=14))
    assert news(house, ben) == []

    def sweep(uow: UnitOfWork) -> None:
        for rule in ENDS:
            end_rows(uow, rule, 100)

    house.do(sweep)
    assert house.count(NEWS) == 0


def test_nobody_outside_is_told(house: House) -> None:
    """Not whoever waits, left or is elsewhere; a member beside them is."""
    group, ana, ben = two(house, "public")
    eve = house.person("eve", group, state="left")
    house.stranger("sam", "far.example", group)
    house.post(ana, "@ben @eve @sam@far.example hello", group_id=group)
    assert {row.persona_id for row in house.rows(NEWS)} == {ben}
    assert news(house, eve) == []


def test_news_is_dismissed_by_its_owner(house: House) -> None:
    """One or all; the number of another's news is not there; numbers are not given again."""
    group, ana, ben = two(house)
    for number in range(3):
        house.post(ana, f"@ben {number}", group_id=group)
    with pytest.raises(NotFound):
        house.do(notifications.dismiss, ana, 2)
    house.do(notifications.dismiss, ben, 2)
    assert [one.number for one in news(house, ben)] == [3, 1]
    with pytest.raises(NotFound):
        house.do(notifications.dismiss, ben, 2)
    house.do(notifications.clear, ana)
    assert len(news(house, ben)) == 2
    house.do(notifications.clear, ben)
    house.post(ana, "@ben again", group_id=group)
    assert [one.number for one in news(house, ben)] == [4]


def test_unread_news_is_counted_so_far(house: House) -> None:
    """Newer than what was read, and no further than asked."""
    group, ana, ben = two(house)
    for number in range(5):
        house.post(ana, f"@ben {number}", group_id=group)
    assert house.ask(notifications.unread_count, ben, 0, 100) == 5
    assert house.ask(notifications.unread_count, ben, 3, 100) == 2
    assert house.ask(notifications.unread_count, ben, 0, 4) == 4
    assert house.ask(notifications.unread_count, ana, 0, 100) == 0


def test_unread_news_counts_what_would_be_shown(house: House) -> None:
    """A count must not tell of posts in a group that one left."""
    group, ana, ben = two(house)
    house.post(ana, "@ben hello", group_id=group)
    assert house.ask(notifications.unread_count, ben, 0, 100) == 1
    house.do(membership.leave, house.uris, ben, group)
    assert news(house, ben) == []
    assert house.ask(notifications.unread_count, ben, 0, 100) == 0
