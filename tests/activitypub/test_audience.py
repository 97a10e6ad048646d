"""Who may see what came from outside: never wider than its author said (federation reference §4.2)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.audience import Audience, Visibility
from activitypub.vocabulary.activities import Create
from activitypub.vocabulary.base import PUBLIC, Ref, Uri
from activitypub.vocabulary.objects import Note

ANA = Uri("https://peer.example/u/ana")
FOLLOWERS = Uri("https://peer.example/u/ana/followers")
BO = Uri("https://other.example/u/bo")
GROUP = Uri("https://circle.example/g/1")
MEMBERS = Uri("https://circle.example/g/1/followers")

ORDER = list(Visibility)


def note(to: tuple[Uri, ...] = (), cc: tuple[Uri, ...] = (), audience: tuple[Uri, ...] = ()) -> Note:
    return Note(id=Uri("https://peer.example/n/1"), attributed_to=ANA, to=to, cc=cc, audience=audience)


def create(to: tuple[Uri, ...] = (), cc: tuple[Uri, ...] = ()) -> Create:
    post = note()
    return Create(id=Uri("https://peer.example/c/1"), actor=ANA, object=Ref(post.id, post), to=to, cc=cc)


@pytest.mark.parametrize(
    ("to", "cc", "expected"),
    [
        ((PUBLIC,), (FOLLOWERS,), Visibility.PUBLIC),
        ((GROUP, PUBLIC), (), Visibility.PUBLIC),
        ((FOLLOWERS,), (PUBLIC,), Visibility.UNLISTED),
        ((GROUP,), (PUBLIC, MEMBERS), Visibility.UNLISTED),
        ((FOLLOWERS,), (), Visibility.FOLLOWERS),
        ((FOLLOWERS,), (GROUP, BO), Visibility.FOLLOWERS),
        ((GROUP,), (MEMBERS,), Visibility.GROUP),
        ((MEMBERS,), (), Visibility.GROUP),
        ((GROUP, BO), (), Visibility.GROUP),
        ((BO,), (), Visibility.DIRECT),
        ((BO,), (FOLLOWERS,), Visibility.DIRECT),
        ((Uri("https://other.example/u/bo/followers"),), (), Visibility.DIRECT),
        ((), (), Visibility.DIRECT),
    ],
)
def test_visibility(to: tuple[Uri, ...], cc: tuple[Uri, ...], expected: Visibility) -> None:
    found = Audience.derive(note(to, cc), followers=FOLLOWERS, groups=[GROUP])
    assert found.visibility == expected
    assert found.is_public == (expected in (Visibility.PUBLIC, Visibility.UNLISTED))


def test_what_is_not_known_to_be_followers_or_a_group_is_direct() -> None:
    assert Audience.derive(note((FOLLOWERS,))).visibility == Visibility.DIRECT
    assert Audience.derive(note((GROUP,))).visibility == Visibility.DIRECT


def test_the_objects_own_lists_decide_and_the_activitys_only_stand_in() -> None:
    assert Audience.derive(note((BO,)), create((PUBLIC,))).visibility == Visibility.DIRECT
    assert Audience.derive(note(), create((PUBLIC,))).visibility == Visibility.PUBLIC
    assert Audience.derive(note(audience=(GROUP,)), create((PUBLIC,))).visibility == Visibility.PUBLIC
    assert Audience.derive(note(cc=(BO,)), create((PUBLIC,))).visibility == Visibility.DIRECT


def test_routing_takes_everyone_named_anywhere_but_not_public() -> None:
    found = Audience.derive(note((BO,), (PUBLIC,), (GROUP,)), create((ANA, PUBLIC), (FOLLOWERS,)))
    assert found.recipients == {BO, GROUP, ANA, FOLLOWERS}


addresses = st.lists(st.sampled_from([PUBLIC, ANA, BO, GROUP, MEMBERS, FOLLOWERS]), max_size=4).map(tuple)


@given(addresses, addresses, addresses, addresses)
def test_an_activity_never_widens_what_its_object_says(
    to: tuple[Uri, ...], cc: tuple[Uri, ...], activity_to: tuple[Uri, ...], activity_cc: tuple[Uri, ...]
) -> None:
    alone = Audience.derive(note(to, cc), followers=FOLLOWERS, groups=[GROUP])
    carried = Audience.derive(note(to, cc), create(activity_to, activity_cc), followers=FOLLOWERS, groups=[GROUP])
    if to or cc:
        assert carried.visibility == alone.visibility
    assert alone.recipients <= carried.recipients
    if PUBLIC not in to + cc + activity_to + activity_cc:
        assert not carried.is_public


@given(addresses, addresses)
def test_taking_an_address_away_never_widens(to: tuple[Uri, ...], cc: tuple[Uri, ...]) -> None:
    whole = Audience.derive(note(to, cc), followers=FOLLOWERS, groups=[GROUP])
    fewer = Audience.derive(note(to[1:], cc), followers=FOLLOWERS, groups=[GROUP])
    assert ORDER.index(fewer.visibility) >= ORDER.index(whole.visibility)
