"""One rule said twice: what `can_see` answers is what `visible_to` finds, and neither shows what has ended."""

import itertools
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from activitypub.peers import set_level
from activitypub.rules import CLOSED, LEVELS
from activitypub.uris import Uris
from groups.models import Membership
from groups.visibility import GROUPS, MENTIONS, POSTS, Onlooker, Places, PostFacts, can_see, visible_to
from node.database import ThreadedDatabase
from privacy.records import new_id, snowflake
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import MovableClock
from tests.factories import make_group, make_persona, make_remote_actor

AUDIENCES = ("none", "peers-only", "followers", "public")
STATES = ("live", "held", "hidden", "shredded")
MEMBERSHIPS = ("active", "pending", "left", "removed", "banned")
ROLES = ("follower", "member", "owner")


@dataclass(frozen=True, slots=True)
class World:
    """People, and one post for each combination of what decides."""

    reader: int
    stranger: int
    remote: int
    host: str
    posts: dict[int, PostFacts]
    joined: frozenset[int]
    host_joined: frozenset[int]
    elsewhere: tuple[int, ...]
    """Authors of other servers, of which the admin's rules say something."""


def build_world(uow: UnitOfWork, uris: Uris) -> World:
    """Fill a database with every combination of audience, membership, kind, state and end."""
    reader, stranger, writer = (make_persona(uow, uris, name) for name in ("reader", "stranger", "writer"))
    remote = make_remote_actor(uow, "sam", "far.example")
    ruled = {make_remote_actor(uow, "kim", f"{level}.example"): level for level in LEVELS}
    for level in LEVELS:
        set_level(uow, f"{level}.example", level)
    memberships = table_of(Membership)
    posts: dict[int, PostFacts] = {}
    joined: set[int] = set()
    host_joined: set[int] = set()
    places = [None, *itertools.product(MEMBERSHIPS, ROLES)]
    for number, (audience, place) in enumerate(itertools.product(AUDIENCES, places)):
        group_id = make_group(uow, uris, f"group_{number}", audience=audience)
        if place is not None:
            state, role = place
            for actor_id, found in ((reader, joined), (remote, host_joined)):
                uow.connection.execute(
                    insert(memberships).values(
                        id=new_id(), group_id=group_id, actor_id=actor_id, role=role, state=state, exclusive=False,
                        created_on=uow.now,
                    )
                )  # fmt: skip
                if state == "active" and role != "follower":
                    found.add(group_id)
        for kind, state, author, mentioned in itertools.product(
            ("group", "direct"), STATES, (writer, reader, remote, *ruled), ((), (reader,), (remote,))
        ):
            if author in ruled and state != "live":
                continue
            for ends in (timedelta(days=1), timedelta(0)):
                facts = PostFacts(
                    group_id, audience, author, kind, state, uow.now + ends, frozenset(mentioned), ruled.get(author)
                )
                posts[snowflake(uow.now)] = facts
    add_posts(uow, posts)
    return World(
        reader, stranger, remote, "far.example", posts, frozenset(joined), frozenset(host_joined), tuple(ruled)
    )


def add_posts(uow: UnitOfWork, posts: dict[int, PostFacts]) -> None:
    """Insert rows for posts without any words."""
    rows = [
        {
            "id": post_id, "uri": f"https://kin.example/p/{post_id}", "group_id": facts.group_id,
            "author_id": facts.author_id, "thread_id": post_id, "audience": facts.audience,
            "local": facts.author_level is None,
            "state": facts.state, "received_at": uow.now, "expires_at": facts.expires_at,
            "subject_id": facts.author_id, "bucket": "none", "slot": 0, "revision": 0,
        }
        for post_id, facts in posts.items()
    ]  # fmt: skip
    uow.connection.execute(insert(POSTS), rows)
    named = [{"post_id": post_id, "actor_id": actor} for post_id, facts in posts.items() for actor in facts.mentioned]
    uow.connection.execute(insert(MENTIONS), named)


def seen_in_sql(uow: UnitOfWork, onlooker: Onlooker) -> set[int]:
    """Return the posts that the SQL form of the rule lets through."""
    query = select(POSTS.c.id).join(GROUPS, GROUPS.c.id == POSTS.c.group_id).where(visible_to(onlooker, uow.now))
    return set(uow.connection.execute(query).scalars())


def test_the_two_forms_agree_for_everybody(database: ThreadedDatabase, uris: Uris, clock: MovableClock) -> None:
    """Every onlooker is shown exactly the posts that the Python form lets it see."""
    world = database.write_now(build_world, uris)
    now = clock()
    onlookers = {
        "nobody": (Onlooker(), Places()),
        "reader": (Onlooker(world.reader), Places(world.joined, frozenset({world.reader}))),
        "stranger": (Onlooker(world.stranger), Places(frozenset(), frozenset({world.stranger}))),
        "server": (Onlooker(host=world.host), Places(world.host_joined, frozenset({world.remote}))),
        "other server": (Onlooker(host="other.example"), Places()),
        "limited server": (
            Onlooker(host="limit.example", limited=True),
            Places(actors=frozenset(world.elsewhere[2:3])),
        ),
    }
    for name, (onlooker, places) in onlookers.items():
        expected = {post_id for post_id, facts in world.posts.items() if can_see(onlooker, places, facts, now)}
        assert database.read_now(seen_in_sql, onlooker) == expected, name
        assert expected or name in {"never"}


FACTS = st.builds(
    PostFacts,
    group_id=st.integers(1, 3),
    group_audience=st.sampled_from(AUDIENCES),
    author_id=st.integers(1, 4),
    audience=st.sampled_from(("group", "direct")),
    state=st.sampled_from(STATES),
    expires_at=st.just(MovableClock()() + timedelta(days=1)),
    mentioned=st.frozensets(st.integers(1, 4), max_size=2),
    author_level=st.sampled_from((None, *LEVELS)),
)
PLACES = st.builds(
    Places, groups=st.frozensets(st.integers(1, 3), max_size=2), actors=st.frozensets(st.integers(1, 4), max_size=1)
)


@given(FACTS, PLACES, st.integers(1, 3))
def test_losing_a_place_never_shows_more(facts: PostFacts, places: Places, lost: int) -> None:
    """Whoever leaves a group sees no post that it did not see before."""
    now = MovableClock()()
    fewer = Places(places.groups - {lost}, places.actors)
    before, after = (can_see(Onlooker(1), some, facts, now) for some in (places, fewer))
    assert before or not after


@given(FACTS, PLACES)
def test_nothing_is_seen_after_its_end(facts: PostFacts, places: Places) -> None:
    """From the very moment of its end nobody sees a post, its author included."""
    assert not can_see(Onlooker(1), places, facts, facts.expires_at)


@pytest.mark.parametrize("audience", ["none", "peers-only", "followers"])
def test_nobody_in_particular_sees_only_public_groups(audience: str) -> None:
    """Without signing in, a post of a group that is not public is not there; of a public one it is."""
    now = MovableClock()()
    private = PostFacts(1, audience, 2, "group", "live", now + timedelta(days=1))
    public = PostFacts(1, "public", 2, "group", "live", now + timedelta(days=1))
    assert not can_see(Onlooker(), Places(), private, now)
    assert can_see(Onlooker(), Places(), public, now)


STRICTER = ("allow", "normal", "limit", "quarantine")


@given(FACTS, PLACES, st.sampled_from(range(3)))
def test_a_stricter_rule_never_shows_more(facts: PostFacts, places: Places, step: int) -> None:
    """Nor to anybody: what is seen of a limited server is seen of a normal one, and of one that is held off nothing."""
    now = MovableClock()()
    for onlooker in (Onlooker(), Onlooker(1), Onlooker(host="far.example"), Onlooker(host="far.example", limited=True)):
        before, after = (
            can_see(onlooker, places, replace(facts, author_level=level), now) for level in STRICTER[step : step + 2]
        )
        assert before or not after
        assert not any(can_see(onlooker, places, replace(facts, author_level=level), now) for level in CLOSED)


@given(FACTS, PLACES)
def test_a_server_that_is_limited_is_shown_what_anybody_sees_at_most(facts: PostFacts, places: Places) -> None:
    now = MovableClock()()
    limited = Onlooker(host="far.example", limited=True)
    if can_see(limited, places, facts, now):
        assert facts.group_audience == "public"
        assert can_see(Onlooker(host="far.example"), places, facts, now)
