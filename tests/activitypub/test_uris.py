"""Our addresses: made in one form, recognised in every spelling (S-209)."""

import pytest

from activitypub.errors import MalformedActivity
from activitypub.uris import Local, Uris

HERE = Uris("https://circle.example", "circle.example")
DEVELOPMENT = Uris("http://127.0.0.1:8001", "127.0.0.1:8001")


def test_addresses_of_actors_and_things() -> None:
    ana = HERE.actor("person", "k3x9")
    group = HERE.actor("group", "77")
    assert ana == "https://circle.example/u/k3x9"
    assert group == "https://circle.example/g/77"
    assert HERE.inbox(ana) == f"{ana}/inbox"
    assert HERE.outbox(ana) == f"{ana}/outbox"
    assert HERE.followers(group) == f"{group}/followers"
    assert HERE.following(ana) == f"{ana}/following"
    assert HERE.moderators(group) == f"{group}/moderators"
    assert HERE.featured(group) == f"{group}/featured"
    assert HERE.key_id(ana) == f"{ana}#main-key"
    assert HERE.ed25519_key_id(ana) == f"{ana}#ed25519-key"
    assert HERE.instance_actor == "https://circle.example/actor"
    assert HERE.shared_inbox == "https://circle.example/inbox"
    assert HERE.post(17) == "https://circle.example/p/17"
    assert HERE.post_activity(17) == "https://circle.example/p/17/activity"
    assert HERE.replies(17) == "https://circle.example/p/17/replies"
    assert HERE.context(17) == "https://circle.example/ctx/17"
    assert HERE.announce(17) == "https://circle.example/a/17"
    assert HERE.activity("f00") == "https://circle.example/a/f00"
    assert HERE.handle_page("ana") == "https://circle.example/@ana"
    assert HERE.handle("ana") == "acct:ana@circle.example"
    assert DEVELOPMENT.handle("club") == "acct:club@127.0.0.1:8001"


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("https://circle.example/u/k3x9", Local("person", "k3x9", "")),
        ("https://circle.example/g/77/inbox", Local("group", "77", "inbox")),
        ("https://circle.example/g/77/moderators", Local("group", "77", "moderators")),
        ("https://circle.example/actor", Local("instance", "", "")),
        ("https://circle.example/actor/inbox", Local("instance", "", "inbox")),
        ("https://circle.example/p/17", Local("post", "17", "")),
        ("https://circle.example/p/17/activity", Local("post", "17", "activity")),
        ("https://circle.example/a/17", Local("activity", "17", "")),
        ("https://circle.example/ctx/17", Local("context", "17", "")),
        ("https://circle.example/u/k3x9/moderators", None),
        ("https://circle.example/u/", None),
        ("https://circle.example/u/a/b/c", None),
        ("https://circle.example/inbox", None),
        ("https://circle.example/p/17?x=1", None),
        ("https://circle.example/p/../u/1", None),
        ("https://circle.example/u/k3x9\n", None),
        ("https://circle.example.evil.example/u/k3x9", None),
        ("http://circle.example/u/k3x9", None),
        ("https://circle.example:443/u/k3x9", None),
        ("https://peer.example/u/k3x9", None),
        ("not a uri", None),
    ],
)
def test_reads_its_own_addresses_only(uri: str, expected: Local | None) -> None:
    assert HERE.parse_local(uri) == expected


@pytest.mark.parametrize(
    "uri",
    [
        "https://circle.example/anything",
        "https://CIRCLE.example/u/1",
        "https://circle.example./u/1",
        "https://circle.example:443/u/1",
        "http://circle.example/u/1",
        "http://circle.example:80/u/1",
        "https://ｃircle.example/u/1",
        "https://circle。example/u/1",
    ],
)
def test_every_spelling_of_this_node_is_this_node(uri: str) -> None:
    assert HERE.is_local(uri)


@pytest.mark.parametrize(
    "uri",
    [
        "https://peer.example/u/1",
        "https://sub.circle.example/u/1",
        "https://circle.example:8443/u/1",
        "https://circle.example.evil.example/u/1",
        "https://сircle.example/u/1",
        "https://circle.example@evil.example/u/1",
        "acct:ana@circle.example",
        "",
    ],
)
def test_nothing_else_is(uri: str) -> None:
    assert not HERE.is_local(uri)


def test_ports_tell_development_nodes_apart() -> None:
    assert DEVELOPMENT.is_local("http://127.0.0.1:8001/u/1")
    assert not DEVELOPMENT.is_local("http://127.0.0.1:8002/u/1")
    assert not DEVELOPMENT.is_local("http://127.0.0.1/u/1")
    assert DEVELOPMENT.parse_local("http://127.0.0.1:8001/g/5") == Local("group", "5", "")


def test_http_is_taken_only_where_this_node_speaks_it() -> None:
    assert HERE.accepts("https://peer.example/u/1")
    assert not HERE.accepts("http://peer.example/u/1")
    assert not HERE.accepts("javascript:alert(1)")
    assert DEVELOPMENT.accepts("http://127.0.0.2:9000/u/1")
    assert DEVELOPMENT.accepts("https://peer.example/u/1")


def test_settings_come_out_in_canonical_form() -> None:
    odd = Uris("HTTPS://Circle.Example:443/", "Circle.Example")
    assert odd == Uris("HTTPS://Circle.Example:443/", "circle.example")
    assert odd.post(1) == "https://circle.example/p/1"
    for base_url, domain in (("circle.example", "circle.example"), ("https://circle.example", "not a domain")):
        with pytest.raises(MalformedActivity):
            Uris(base_url, domain)


def test_activity_ids_are_short_enough_for_piefed() -> None:
    longest = HERE.activity(str(2**63 - 1))
    assert len(longest) <= 90
