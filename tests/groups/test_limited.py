"""What becomes of a server that is limited, or held off: who hears its people, and who is not bothered by them.

A limited server is heard by those who let its people in, and by nobody who did not ask. Each case has its control: the
same of a server without a rule.
"""

from typing import Any

import pytest

from activitypub import peers
from activitypub.actors import actor_by_id
from activitypub.ports import Arrival
from activitypub.vocabulary.reading import parse
from groups import membership, people
from groups.errors import NotAllowed, NotFound
from groups.federation import inbox_routes
from groups.notifications import notifications_of
from groups.places import requests_of, standing_of
from groups.policy import Act, Standing, may
from groups.showing import POSTS
from groups.timelines import post_by_uri
from groups.views import ANYONE, Page, PostView, Viewer
from privacy.unit_of_work import UnitOfWork
from tests.groups.house import PUBLIC, House

HOSTS = ["far.example", "limited.example"]


@pytest.fixture
def ruled(house: House) -> House:
    """A house whose admin has limited one server."""
    house.do(peers.set_level, "limited.example", "limit")
    return house


def receive(house: House, sender_id: int, document: dict[str, Any]) -> None:
    """Hand an activity of somebody elsewhere to its handler, as the inbox does."""
    activity, routes = (
        parse({"@context": "https://www.w3.org/ns/activitystreams", **document}),
        inbox_routes(house.uris),
    )
    route = routes.by_type[type(activity)]
    prepared = route.prepare(activity)

    def handle(uow: UnitOfWork) -> None:
        sender = actor_by_id(uow, sender_id)
        assert sender is not None
        route.handle(uow, Arrival(sender, uow.now, {}, frozenset()), prepared)

    house.do(handle)


def write(house: House, author_id: int, group_id: int, **fields: Any) -> PostView:
    """Let somebody elsewhere post into a group here, and return the post as its owner sees it."""
    author, group = house.uri(author_id), house.uri(group_id)
    note = {
        "id": f"{author}/notes/1", "type": "Note", "attributedTo": author, "content": "<p>words</p>", "to": [PUBLIC],
        "cc": [group], "tag": [{"type": "Mention", "href": group, "name": "@town@kin.example"}],
    } | fields  # fmt: skip
    create = {"id": f"{author}/creates/1", "type": "Create", "actor": author, "object": note}
    receive(house, author_id, create | {"to": note["to"], "cc": note["cc"]})
    view = house.ask(post_by_uri, Viewer(house.names["owner"]), note["id"])
    assert isinstance(view, PostView)
    return view


def kinds(house: House, who: int) -> list[str]:
    """Return the kinds of somebody's news."""
    return [news.kind for news in house.ask(notifications_of, who, Page(limit=40))]


@pytest.mark.parametrize("host", HOSTS)
def test_its_people_ask_for_a_group_that_is_open_and_find_no_other(ruled: House, host: str) -> None:
    owner = ruled.person("owner")
    town = ruled.group("town", owner_id=owner, audience="public", join_rule="open")
    grief = ruled.group("grief", owner_id=owner, audience="followers", join_rule="open")
    sam = ruled.stranger("sam", host)
    for group in (town, grief):
        uri = f"https://{host}/follows/{group}"
        ruled.do(membership.receive_follow, ruled.uris, sam, group, uri, "member")
    limited = host == "limited.example"
    assert ruled.ask(standing_of, town, sam).state == ("pending" if limited else "active")
    assert ruled.ask(standing_of, grief, sam).state == (None if limited else "active")
    assert [card.id for card in ruled.ask(requests_of, owner, town)] == ([sam] if limited else [])
    assert kinds(ruled, owner) == (["join_request"] if limited else []), "who looks after the group is asked"
    answers = ["Reject(Follow(id))"] if limited else ["Accept(Follow(id))"] * 2
    assert [one.kind for one in ruled.deliver()] == answers


@pytest.mark.parametrize("host", HOSTS)
def test_what_it_writes_is_read_by_members_alone_and_is_not_passed_on(ruled: House, host: str) -> None:
    """In a group that anybody can read; members are told of what is for them, as of anybody's."""
    owner, mia, ben = (ruled.person(name) for name in ("owner", "mia", "ben"))
    town = ruled.group("town", owner_id=owner, audience="public")
    ruled.join(town, mia)
    sam = ruled.stranger("sam", host, town)
    ruled.stranger("kim", "near.test", town)
    tags = [{"type": "Mention", "href": ruled.uri(who), "name": "x"} for who in (town, mia)]
    post = write(ruled, sam, town, tag=tags, cc=[ruled.uri(town), ruled.uri(mia)])
    limited = host == "limited.example"
    assert ruled.reads_of(mia, post) >= {"group", "post", "thread", "home"}
    assert bool(ruled.reads_of(ben, post)) is not limited
    assert bool(ruled.reads_of(None, post)) is not limited
    assert kinds(ruled, mia) == ["mention"]
    assert ("near.test" in {one.host for one in ruled.deliver()}) is not limited


@pytest.mark.parametrize("host", HOSTS)
def test_nobody_hears_of_its_strangers(ruled: House, host: str) -> None:
    """Whoever reads a public group may support a post in it; of a stranger there, its author is told nothing."""
    owner = ruled.person("owner")
    town = ruled.group("town", owner_id=owner, audience="public")
    post = ruled.post(owner, group_id=town)
    stranger, member = ruled.stranger("sam", host), ruled.stranger("kim", host, town)
    for number, actor in enumerate((stranger, member)):
        uri = ruled.uri(actor)
        like = {
            "id": f"{uri}/likes/{number}",
            "type": "Like",
            "actor": uri,
            "object": post.uri,
            "to": [ruled.uri(owner)],
        }
        receive(ruled, actor, like)
    assert kinds(ruled, owner) == ["reaction"] * (1 if host == "limited.example" else 2)


@pytest.mark.parametrize("host", HOSTS)
def test_nothing_private_goes_there(ruled: House, host: str) -> None:
    owner = ruled.person("owner")
    groups = {
        name: ruled.group(f"g_{name.replace('-', '')}", owner_id=owner, audience=name)
        for name in ("followers", "public")
    }
    sam = ruled.stranger("sam", host, *groups.values())
    for group in groups.values():
        ruled.post(owner, "words", group_id=group)
    sent = ruled.deliver()
    private = [one for one in sent if one.document["actor"] == ruled.uri(groups["followers"])]
    assert bool(private) is (host != "limited.example")
    assert [one for one in sent if one.document["actor"] == ruled.uri(groups["public"])]
    ruled.post(owner, f"@sam@{host} hello", group_id=groups["public"], direct=True)
    assert bool(ruled.deliver()) is (host != "limited.example")
    assert sam


@pytest.mark.parametrize("level", ["quarantine", "suspend"])
def test_s309_who_is_held_off_disappears_with_all_that_it_wrote_and_comes_back(house: House, level: str) -> None:
    """From every read, from search and from look-up by address; the control is the same before and after."""
    owner, mia = house.person("owner"), house.person("mia")
    town = house.group("town", owner_id=owner, audience="public")
    house.join(town, mia)
    sam = house.stranger("sam", "far.example", town)
    post = write(house, sam, town)
    answer = house.post(mia, "yes", parent_id=post.id)
    club = house.stranger("club", "far.example", kind="Group")

    def found() -> tuple[bool, bool, bool, bool, int]:
        reads = house.reads_of(mia, post) | house.reads_of(None, post) | house.reads_of(owner, post)
        hits = house.ask(people.search, Viewer(mia), "club", 10)
        return (
            bool(reads),
            known(house, mia, sam),
            known(house, mia, club),
            bool(hits),
            len(house.reads_of(mia, answer) - {"thread"}),
        )

    before = found()
    assert before[:4] == (True, True, True, True)
    house.do(peers.set_level, "far.example", level)
    assert found() == (False, False, False, False, before[4]), "what others answered stays"
    house.do(peers.lift_level, "far.example")
    assert found() == before
    assert house.count(POSTS) == 2, "nothing was lost"


def known(house: House, viewer: int, actor: int) -> bool:
    """Tell whether somebody may learn of an actor."""
    try:
        return bool(house.ask(people.card_for, Viewer(viewer), actor))
    except NotFound:
        return False


def test_strangers_learn_of_no_group_of_a_limited_server(ruled: House) -> None:
    clubs = {host: ruled.stranger("club", host, kind="Group") for host in HOSTS}
    mia = ruled.person("mia")
    shown = {}
    for host, club in clubs.items():
        try:
            shown[host] = bool(ruled.ask(people.card_for, ANYONE, club))
        except NotFound:
            shown[host] = False
    assert shown == {"far.example": True, "limited.example": False}
    assert all(known(ruled, mia, club) for club in clubs.values()), "a member may ask for it"


@pytest.mark.parametrize("act", list(Act))
@pytest.mark.parametrize("level", ["suspend", "quarantine"])
def test_s307_of_a_server_that_is_held_off_nobody_may_do_anything(act: Act, level: str) -> None:
    """Not even learn that the group is there; the control is a server without a rule."""
    standing = Standing(1, "public", "open", "open", local=True, role="owner", state="active", server=level)
    assert isinstance(may(act, standing).refusal, NotFound)
    control = Standing(1, "public", "open", "open", local=True, role="owner", state="active")
    assert not isinstance(may(act, control).refusal, NotFound)


def test_of_a_limited_server_one_may_not_have_words_passed_on_nor_join_what_is_private() -> None:
    def standing(server: str | None, audience: str = "public") -> Standing:
        return Standing(1, audience, "open", "open", local=True, role="member", state="active", server=server)

    assert isinstance(may(Act.SPREAD, standing("limit")).refusal, NotAllowed)
    assert isinstance(may(Act.JOIN, standing("limit", "followers")).refusal, NotAllowed)
    for server in (None, "normal", "allow"):
        assert may(Act.SPREAD, standing(server))
        assert may(Act.JOIN, standing(server, "followers"))
        assert standing(server).is_let_in_at_once
    assert may(Act.JOIN, standing("limit"))
    assert not standing("limit").is_let_in_at_once
