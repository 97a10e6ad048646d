"""Reading: pages that miss and repeat nothing, threads with gaps, and a fixed number of statements for any page."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event

from groups import membership, reactions, timelines
from groups.errors import GroupsError, NotFound
from groups.views import Page, PostView, Viewer
from privacy.unit_of_work import UnitOfWork
from tests.groups.house import House


def ids(posts: list[PostView]) -> list[int]:
    """Return the ids of posts."""
    return [post.id for post in posts]


def filled(house: House, count: int, **columns: Any) -> tuple[int, int, list[int]]:
    """Make a group with a member and posts; return group, member, and the posts' ids, oldest first."""
    group = house.group("grief", **columns)
    ana = house.person("ana", group)
    return group, ana, [house.post(ana, f"post {number}", group_id=group).id for number in range(count)]


@contextmanager
def statements() -> Iterator[list[str]]:
    """Gather the statements that are run meanwhile, on any engine."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


READS = ("home", "group", "author", "bookmarks", "favourites")


def read(house: House, which: str, me: int, group: int, page: Page) -> list[PostView]:
    """Read one of the timelines of a member."""
    found: list[PostView] = {
        "home": lambda: house.ask(timelines.home_timeline, me, page),
        "group": lambda: house.ask(timelines.group_timeline, Viewer(me), group, page),
        "author": lambda: house.ask(timelines.author_timeline, Viewer(me), me, page),
        "bookmarks": lambda: house.ask(timelines.bookmarks, me, page),
        "favourites": lambda: house.ask(timelines.favourites, me, page),
    }[which]()
    return found


@pytest.mark.parametrize("which", READS)
def test_pages_bound_as_clients_expect(house: House, which: str) -> None:
    """`max_id` is older than, `since_id` the newest since, `min_id` the next after; newest first in each."""
    group, ana, made = filled(house, 9)
    for post_id in made:
        house.do(reactions.bookmark, ana, post_id)
        house.do(reactions.react, house.uris, ana, post_id)
    newest = made[::-1]

    def page(**bounds: int) -> list[int]:
        return ids(read(house, which, ana, group, Page(limit=3, **bounds)))

    assert page() == newest[:3]
    assert page(max_id=made[4]) == [made[3], made[2], made[1]]
    assert page(since_id=made[2]) == newest[:3]
    assert page(min_id=made[2]) == [made[5], made[4], made[3]]
    assert page(min_id=made[2], max_id=made[5]) == [made[4], made[3]]
    assert page(max_id=made[0]) == page(min_id=made[-1]) == []


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 5), st.booleans())
def test_paging_misses_and_repeats_nothing(house: House, limit: int, upwards: bool) -> None:
    """Whoever pages through, down by `max_id` or up by `min_id`, meets each post of each group exactly once."""
    number = len(house.names)
    groups = [house.group(f"group_{number}_{which}") for which in range(3)]
    me = house.person(f"me_{number}", *groups)
    made = [house.post(me, f"post {which}", group_id=groups[which % 3]).id for which in range(11)]
    met: list[int] = []
    page = Page(limit=limit, min_id=made[0] - 1) if upwards else Page(limit=limit)
    while found := ids(house.ask(timelines.home_timeline, me, page)):
        met = [*found, *met] if upwards else [*met, *found]
        page = Page(limit=limit, min_id=found[0]) if upwards else Page(limit=limit, max_id=found[-1])
    assert met == made[::-1]


def test_a_page_is_never_longer_than_eighty(house: House) -> None:
    """Whatever is asked for."""
    group, ana, made = filled(house, 82)
    for which in ("home", "group", "author"):
        assert ids(read(house, which, ana, group, Page(limit=10_000))) == made[:1:-1], which


def test_home_is_the_groups_that_one_lets_in(house: House) -> None:
    """Not those kept apart, not those one waits for, follows only or has left, and no public group of others."""
    quiet, loud = house.group("quiet"), house.group("loud")
    town = house.group("town", audience="public")
    me, ben = house.person("mia", quiet, loud), house.person("ben", quiet, loud, town)
    shown, hidden = house.post(ben, "loud", group_id=loud), house.post(ben, "quiet", group_id=quiet)
    house.post(ben, "town", group_id=town)
    assert ids(house.ask(timelines.home_timeline, me, Page())) == [hidden.id, shown.id]
    house.do(membership.set_exclusive, me, quiet, exclusive=True)
    assert ids(house.ask(timelines.home_timeline, me, Page())) == [shown.id]
    assert ids(house.ask(timelines.group_timeline, Viewer(me), quiet, Page())) == [hidden.id]
    for place in ({"state": "pending"}, {"state": "left"}, {"state": "active", "role": "follower"}):
        house.place(loud, me, **place)
        assert house.ask(timelines.home_timeline, me, Page()) == []


def test_a_group_that_cannot_be_known_of_has_no_timeline(house: House) -> None:
    """NotFound for a stranger; an empty one where the group is known but not for reading."""
    hidden, known = house.group("hidden", join_rule="invite"), house.group("known")
    ana, eve = house.person("ana", hidden, known), house.person("eve")
    for group in (hidden, known):
        house.post(ana, "here", group_id=group)
    with pytest.raises(NotFound):
        house.ask(timelines.group_timeline, Viewer(eve), hidden, Page())
    assert house.ask(timelines.group_timeline, Viewer(eve), known, Page()) == []
    assert len(house.ask(timelines.group_timeline, Viewer(ana), hidden, Page())) == 1


def test_what_was_kept_is_not_shown_after_leaving(house: House) -> None:
    """A bookmark or a sign of support is no key to a group that one left."""
    group = house.group("grief")
    ana, ben = house.person("ana", group), house.person("ben", group)
    post = house.post(ana, "among us", group_id=group)
    house.do(reactions.bookmark, ben, post.id)
    house.do(reactions.react, house.uris, ben, post.id)
    assert {"bookmarks", "favourites"} <= house.reads_of(ben, post)
    house.do(membership.leave, house.uris, ben, group)
    assert house.reads_of(ben, post) == set()


# ── threads ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def tree(house: House) -> tuple[int, dict[str, PostView]]:
    """Make a thread: a has b and d, b has c, c has e; return a member and the posts by letter."""
    group = house.group("grief")
    ana = house.person("ana", group)
    posts = {"a": house.post(ana, "a", group_id=group)}
    for letter, parent in (("b", "a"), ("c", "b"), ("d", "a"), ("e", "c")):
        posts[letter] = house.post(ana, letter, parent_id=posts[parent].id)
    return ana, posts


def shape(house: House, me: int, post: PostView) -> tuple[str, str]:
    """Return what stands before and after a post in its thread, as letters."""
    found = house.ask(timelines.thread, Viewer(me), post.id)
    return "".join(one.source for one in found.ancestors), "".join(one.source for one in found.descendants)


def test_a_thread_is_shown_in_the_order_of_its_tree(house: House) -> None:
    """What is answered stands before its answers, from wherever one looks."""
    ana, posts = tree(house)
    shapes = {letter: shape(house, ana, post) for letter, post in posts.items()}
    assert shapes == {"a": ("", "bced"), "b": ("a", "ce"), "c": ("ab", "e"), "d": ("a", ""), "e": ("abc", "")}


def test_what_has_ended_leaves_a_gap(house: House) -> None:
    """Its answers are still shown, behind the beginning of the thread; without that, from where one looks."""
    ana, posts = tree(house)
    house.delete(ana, posts["c"].id)
    assert shape(house, ana, posts["a"]) == ("", "bde")
    assert shape(house, ana, posts["e"]) == ("a", "")
    house.delete(ana, posts["a"].id)
    assert shape(house, ana, posts["b"]) == ("", "")
    with pytest.raises(NotFound):
        shape(house, ana, posts["a"])


def test_a_direct_answer_shows_to_its_people_alone(house: House) -> None:
    """In the thread of a group it stands for those who wrote and got it; others see no gap."""
    ana, posts = tree(house)
    group = posts["a"].group.id
    ben, eve = house.person("ben", group), house.person("eve", group)
    house.post(ben, "@ana x", direct=True, parent_id=posts["a"].id)
    assert shape(house, ana, posts["a"])[1] == "bced@ana x"
    assert shape(house, eve, posts["a"])[1] == "bced"


def test_an_ended_thread_is_gone_at_its_moment(house: House) -> None:
    """Each answer ends by its own time, and nobody can look at the thread through one that has ended."""
    group = house.group("grief", keep=timedelta(hours=2))
    ana = house.person("ana", group)
    first = house.post(ana, "a", group_id=group)
    house.clock.move(timedelta(hours=1))
    second = house.post(ana, "b", parent_id=first.id)
    house.clock.move(timedelta(hours=1))
    assert shape(house, ana, second) == ("", "")
    with pytest.raises(NotFound):
        shape(house, ana, first)


# ── what is counted ──────────────────────────────────────────────────────────────────────────────────────────────────

PEOPLE = ("ana", "ben", "cara")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(("reply", "reply", "direct", "delete", "remove", "wait")),
        st.integers(0, 2),
        st.integers(0, 2),
        st.integers(0, 40),
    ),
    min_size=3,
    max_size=14,
)


def counted(house: House, viewer: int | None, post_id: int) -> tuple[int, int] | None:
    """Return the number of replies that is shown, and how many the conversation has; None for what is not shown."""
    try:
        found = house.ask(timelines.thread, Viewer(viewer), post_id)
    except NotFound:
        return None
    alone = house.ask(timelines.post, Viewer(viewer), post_id)
    assert alone.replies_count == found.post.replies_count
    return alone.replies_count, len([one for one in found.descendants if one.parent_id == post_id])


@pytest.mark.parametrize("audience", ["none", "public"])
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(STEPS)
def test_everybody_is_told_as_many_replies_as_they_can_read(
    house: House, audience: str, steps: list[tuple[str, int, int, int]]
) -> None:
    """Whatever was answered privately, deleted, ended, or written after somebody was shown out."""
    number = len(house.names)
    group = house.group(f"group_{number}", audience=audience, keep=timedelta(hours=3))
    people = [house.person(f"{name}_{number}", group) for name in PEOPLE]
    handles = [f"@{name}_{number}" for name in PEOPLE]
    outsider = house.person(f"eve_{number}")
    posts = [house.post(people[0], "begin", group_id=group)]
    for what, who, whom, which in steps:
        about = posts[which % len(posts)]
        with suppress(GroupsError):
            if what == "reply":
                posts.append(house.post(people[who], "answer", parent_id=about.id))
            elif what == "direct":
                posts.append(house.post(people[who], f"{handles[whom]} hush", direct=True, parent_id=about.id))
            elif what == "delete":
                house.delete(about.author.id, about.id)
            elif what == "remove":
                house.do(membership.remove, house.uris, None, group, people[who])
            else:
                house.clock.move(timedelta(hours=1))
    for viewer in (*people, outsider, group, None):
        for post in posts:
            told = counted(house, viewer, post.id)
            assert told is None or told[0] == told[1]


def test_a_number_tells_nothing_of_private_answers(house: House) -> None:
    """Whoever is not named sees the number that there would be without them; those who are count theirs."""
    group = house.group("grief")
    ana, ben, cara = (house.person(name, group) for name in PEOPLE)
    first = house.post(ana, "begin", group_id=group)
    house.post(ben, "for all", parent_id=first.id)
    assert counted(house, cara, first.id) == (1, 1)
    house.post(ben, "@ana for you", direct=True, parent_id=first.id)
    assert counted(house, cara, first.id) == (1, 1)
    assert counted(house, ana, first.id) == (2, 2)


def test_whoever_was_shown_out_is_told_no_numbers_of_the_group(house: House) -> None:
    """Their own words they still see, but neither how often they are answered nor how many support them."""
    group = house.group("grief")
    ana, ben, *others = (house.person(f"person_{number}", group) for number in range(5))
    post = house.post(ben, "my words", group_id=group)
    house.post(ana, "an answer", parent_id=post.id)
    for one in others:
        house.do(reactions.react, house.uris, one, post.id)
    before = house.ask(timelines.post, Viewer(ben), post.id)
    assert (before.replies_count, before.support_count) == (1, 3)
    house.do(membership.remove, house.uris, None, group, ben)
    after = house.ask(timelines.post, Viewer(ben), post.id)
    assert (after.replies_count, after.support_count) == (0, 0)
    here = house.ask(timelines.post, Viewer(ana), post.id)
    assert (here.replies_count, here.support_count) == (1, 3)


# ── what it costs ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("which", [*READS, "thread"])
def test_a_page_costs_the_same_whatever_its_length(house: House, which: str) -> None:
    """Two posts or sixty, with many authors, mentions and signs of support: as many statements."""
    group = house.group("grief")
    people = [house.person(f"person_{number}", group) for number in range(8)]
    me = people[0]
    first = house.post(me, "begin", group_id=group)

    def fill(count: int) -> None:
        for number in range(count):
            author = me if which == "author" else people[number % 8]
            post = house.post(author, f"@person_{number % 7} {number}", parent_id=first.id)
            house.do(reactions.bookmark, me, post.id)
            house.do(reactions.react, house.uris, me, post.id)

    def cost() -> tuple[int, int]:
        with statements() as seen:
            if which == "thread":
                shown = len(house.ask(timelines.thread, Viewer(me), first.id).descendants)
            else:
                shown = len(read(house, which, me, group, Page(limit=80)))
        return shown, len(seen)

    fill(2)
    few, cheap = cost()
    fill(40)
    many, dear = cost()
    assert many >= few + 40
    assert dear == cheap


@pytest.mark.parametrize("database_address", ["sqlite"], indirect=True)  # whose plan is read
@pytest.mark.parametrize("which", ["home", "group"])
def test_timelines_go_by_the_index_of_group_and_id(house: House, which: str) -> None:
    """On SQLite no timeline scans the table of posts or sorts it."""
    group, ana, _ = filled(house, 3)
    plans: list[str] = []

    def explained(uow: UnitOfWork) -> None:
        def explain(connection: Any, _c: Any, statement: str, parameters: Any, *_: Any) -> None:
            if "posts" in statement and "LIMIT" in statement and not statement.startswith("EXPLAIN"):
                cursor = connection.connection.driver_connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
                plans.extend(str(row[3]) for row in cursor.fetchall())

        event.listen(uow.connection, "before_cursor_execute", explain)
        if which == "home":
            timelines.home_timeline(uow, ana, Page(max_id=1 << 62))
        else:
            timelines.group_timeline(uow, Viewer(ana), group, Page(max_id=1 << 62))
        event.remove(uow.connection, "before_cursor_execute", explain)

    house.ask(explained)
    assert [plan for plan in plans if "ix_posts_group_id_id (group_id=? AND id<?)" in plan]
    assert not [plan for plan in plans if plan.startswith("SCAN posts")]
