"""Who an activity goes to is the same whether it is written down at once or worked out later."""

from dataclasses import replace

import pytest
from sqlalchemy import literal, select

from activitypub.models import Delivery, OutboxItem
from activitypub.queueing import Audience, Outgoing, enqueue_for
from groups.audiences import AUDIENCES, LARGE
from privacy.unit_of_work import UnitOfWork, table_of
from tests.activitypub.spreads import spread_some
from tests.factories import make_member, make_remote_actor
from tests.groups.house import House

DELIVERIES, ITEMS = table_of(Delivery), table_of(OutboxItem)
ALWAYS = literal(value=True)
HOSTS = {
    "micro.example": {}, "thread.example": {"threadiverse": True}, "friend.example": {"level": "allow"},
    "shut.example": {"level": "suspend"}, "held.example": {"level": "quarantine", "threadiverse": True},
}  # fmt: skip


def inboxes_of(house: House, audience: Audience, of: int) -> list[tuple[str, str]]:
    """Queue something for an audience, spread it to the end, and return host and inbox of each delivery."""
    outgoing = Outgoing(1, "Like", {"type": "Like"}, None, of, None, of, None)
    house.do(lambda uow: uow.connection.execute(ITEMS.delete()).close())
    house.do(enqueue_for, outgoing, audience, of)
    while house.do(spread_some, {audience.name: audience}, 2):
        pass
    query = select(DELIVERIES.c.host, DELIVERIES.c.inbox).order_by(DELIVERIES.c.inbox)
    return [tuple(row) for row in house.ask(lambda uow: uow.connection.execute(query).fetchall())]


@pytest.mark.parametrize("name", AUDIENCES)
@pytest.mark.parametrize("audience", ["public", "followers", "peers-only"])
def test_a_large_audience_gets_what_a_small_one_would(house: House, audience: str, name: str) -> None:
    group = house.group("grief", audience=audience)
    kim = house.person("kim", group)
    for host, facts in HOSTS.items():
        for handle in ("sam", "ola"):
            house.stranger(handle, host, group)
        house.class_of(host, **facts)
    house.stranger("former", "micro.example")
    of = house.post(kim, "hello", group_id=group).id if name.startswith("holders") else group
    at_once = inboxes_of(house, AUDIENCES[name], of)
    spread = inboxes_of(house, replace(AUDIENCES[name], is_large=ALWAYS), of)
    assert spread == at_once
    assert not {host for host, _ in spread} & {"shut.example", "held.example"} or name == "holders"


@pytest.mark.parametrize("level", ["suspend", "quarantine"])
def test_s308_who_is_below_a_domain_that_is_held_off_gets_no_words(house: House, level: str) -> None:
    """However late the server is met; and trust in a domain is trust in what lies below it."""
    group = house.group("grief", audience="public")
    house.stranger("sam", "early.bad.example", group)
    house.class_of("bad.example", level=level)
    house.class_of("good.bad.example", level="allow")
    for host in ("late.bad.example", "good.bad.example", "a.good.bad.example", "other.example"):
        house.stranger("sam", host, group)
    let_in = {"good.bad.example", "a.good.bad.example", "other.example"}
    assert {host for host, _ in inboxes_of(house, AUDIENCES["public/boosts"], group)} == let_in
    assert {host for host, _ in inboxes_of(house, AUDIENCES["private/notes"], group)} == let_in
    trusted = {host for host, _ in inboxes_of(house, AUDIENCES["trusted"], group)}
    assert trusted == {"good.bad.example", "a.good.bad.example"}


@pytest.mark.parametrize("audience", ["public", "followers"])
def test_a_delete_waits_for_a_server_that_was_held_off_after_it_got_the_post(house: House, audience: str) -> None:
    """It has a copy: the day it is let in again, it is told. Of the rest it hears nothing."""
    group, ana, post = house.posted(audience, "sub.bad.example")
    got = {one.host for one in house.deliver()}
    house.class_of("bad.example", level="suspend")
    house.post(ana, "hello again", group_id=group)
    assert house.sent() == []
    house.delete(ana, post.id)
    assert {one.host for one in house.sent()} == got == {"sub.bad.example"}


def many_join(uow: UnitOfWork, group_id: int, count: int) -> None:
    """Let so many people of as many servers into a group."""
    for number in range(count):
        make_member(uow, group_id, make_remote_actor(uow, "sam", f"h{number}.example"))


@pytest.mark.parametrize(("count", "at_once"), [(LARGE - 5, True), (LARGE + 5, False)])
def test_from_how_many_on_an_author_waits_no_longer(house: House, count: int, at_once: bool) -> None:
    group = house.group("grief", audience="public")
    kim = house.person("kim", group)
    house.do(many_join, group, count)
    post = house.post(kim, "hello", group_id=group)
    boosts = [sent for sent in house.sent() if sent.kind == "Announce(id)"]
    assert len(boosts) == (count if at_once else 0)
    house.delete(kim, post.id)
    while house.do(spread_some, AUDIENCES):
        pass
    if not at_once:
        assert house.sent() == [], "it was deleted before it reached anybody"
    again = house.post(kim, "hello again", group_id=group)
    while house.do(spread_some, AUDIENCES):
        pass
    told = {sent.inbox for sent in house.sent() if sent.document.get("object") == again.uri}
    assert len(told) == count
