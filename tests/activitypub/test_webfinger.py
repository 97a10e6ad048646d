"""WebFinger: handles in, descriptors out, and answers that are read with care (S-218, S-219)."""

from typing import Any

import pytest

from activitypub.errors import MalformedActivity
from activitypub.webfinger import Handle, descriptor, parse_acct, parse_resource, self_link, service_descriptor, subject

GROUP = "https://circle.example/g/77"
AS_TYPE = "https://www.w3.org/ns/activitystreams#type"


@pytest.mark.parametrize(
    "text",
    [
        "acct:grief@circle.example",
        "grief@circle.example",
        "@grief@circle.example",
        "!grief@circle.example",
        "&grief@circle.example",
        "acct:@grief@circle.example",
        "acct:!grief@circle.example",
        "ACCT:Grief@Circle.Example",
        " grief@circle.example ",
        "acct%3Agrief%40circle.example",
        "grief%40circle.example",
        "grief@circle.example.",
        "grief@ｃircle.example",
    ],
)
def test_every_way_to_write_a_handle(text: str) -> None:
    assert parse_acct(text) == Handle("grief", "circle.example")
    assert parse_resource(text) == Handle("grief", "circle.example")


def test_handles_of_other_kinds_of_hosts() -> None:
    assert parse_acct("@club@127.0.0.1:8001") == Handle("club", "127.0.0.1:8001")
    assert parse_acct("acct:circle.example@circle.example") == Handle("circle.example", "circle.example")
    assert parse_acct("127.0.0.1:8001@127.0.0.1:8001").name == "127.0.0.1:8001"
    assert parse_acct("ana@bücher.example").host == "xn--bcher-kva.example"
    assert str(Handle("ana", "circle.example")) == "ana@circle.example"
    assert Handle("ana", "circle.example").uri == "acct:ana@circle.example"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "grief",
        "@grief",
        "acct:",
        "@circle.example",
        "@@circle.example",
        "@@grief@circle.example",
        "gr ief@circle.example",
        "grief@",
        "grief@circle example",
        "grief@user@circle.example",
        "<b>@circle.example",
        "gríef@circle.example",
        "-grief@circle.example",
        "grief-@circle.example",
        "grief@circle.example/path",
        "grief%00@circle.example",
        "%ff%fe@circle.example",
        "a" * 257 + "@circle.example",
        "a" * 5000,
    ],
)
def test_what_is_not_a_handle(text: str) -> None:
    with pytest.raises(MalformedActivity):
        parse_acct(text)
    with pytest.raises(MalformedActivity):
        parse_resource(text)


@pytest.mark.parametrize("text", [GROUP, "https%3A%2F%2Fcircle.example%2Fg%2F77", "HTTPS://circle.EXAMPLE/g/77"])
def test_addresses_as_resources(text: str) -> None:
    assert parse_resource(text) == GROUP


@pytest.mark.parametrize(
    "text", ["https://", "https://user@circle.example/", "ftp://circle.example/", "mailto:a@b.example"]
)
def test_resources_that_are_none(text: str) -> None:
    with pytest.raises(MalformedActivity):
        parse_resource(text)


def test_our_answer_for_a_group() -> None:
    found = descriptor(
        Handle("grief", "circle.example"),
        GROUP,
        kind="Group",
        page="https://circle.example/@grief",
        subscribe="https://circle.example/interact?uri={uri}",
    )
    assert found == {
        "subject": "acct:grief@circle.example",
        "aliases": [GROUP, "https://circle.example/@grief"],
        "links": [
            {
                "rel": "self",
                "type": "application/activity+json",
                "href": GROUP,
                "properties": {AS_TYPE: "Group"},
            },
            {
                "rel": "http://webfinger.net/rel/profile-page",
                "type": "text/html",
                "href": "https://circle.example/@grief",
            },
            {
                "rel": "http://ostatus.org/schema/1.0/subscribe",
                "template": "https://circle.example/interact?uri={uri}",
            },
        ],
    }
    assert self_link(found) == GROUP
    assert subject(found) == Handle("grief", "circle.example")


def test_a_private_thing_has_no_page() -> None:
    found = descriptor(Handle("quiet", "circle.example"), GROUP, kind="Group")
    assert found["aliases"] == [GROUP]
    assert [link["rel"] for link in found["links"]] == ["self"]


def test_our_answer_for_the_server() -> None:
    assert service_descriptor("https://circle.example/", "https://circle.example/actor") == {
        "subject": "https://circle.example/",
        "links": [
            {
                "rel": "https://www.w3.org/ns/activitystreams#Service",
                "type": "application/activity+json",
                "href": "https://circle.example/actor",
            }
        ],
    }


def link(href: Any, kind: str | None = None, **fields: Any) -> dict[str, Any]:
    properties = {} if kind is None else {"properties": {AS_TYPE: kind}}
    return {"rel": "self", "type": "application/activity+json", "href": href, **properties, **fields}


@pytest.mark.parametrize(
    "media_type",
    [
        "application/activity+json",
        "application/activity+json; charset=utf-8",
        'application/ld+json; profile="https://www.w3.org/ns/activitystreams"',
        'application/ld+json;profile="https://www.w3.org/ns/activitystreams"',
    ],
)
def test_links_of_every_activitystreams_type_count(media_type: str) -> None:
    page = {"rel": "http://webfinger.net/rel/profile-page", "type": "text/html", "href": "https://peer.example/@ana"}
    assert self_link({"links": [page, link(GROUP, type=media_type)]}) == GROUP


@pytest.mark.parametrize(
    "links",
    [
        None,
        [],
        {},
        "https://peer.example/",
        [None, 7, "x"],
        [{"rel": "self", "href": GROUP}],
        [link(GROUP, type="text/html")],
        [link(GROUP, type="application/json")],
        [link(GROUP, type="application/ld+json")],
        [link(GROUP, rel="alternate")],
        [link(None)],
        [link("/g/77")],
        [link("javascript:alert(1)")],
        [link([GROUP])],
        [link(GROUP), link("https://peer.example/other")],
        [link(GROUP, "Person"), link("https://peer.example/other", "Person")],
    ],
)
def test_answers_that_name_no_actor_or_several(links: Any) -> None:
    with pytest.raises(MalformedActivity):
        self_link({"subject": "acct:ana@peer.example", "links": links})


def test_a_person_and_a_group_under_one_handle() -> None:
    both = {"links": [link("https://peer.example/u/x", "Person"), link("https://peer.example/c/x", "Group")]}
    assert self_link(both) == "https://peer.example/u/x"
    assert self_link(both, kind="Group") == "https://peer.example/c/x"
    with pytest.raises(MalformedActivity):
        self_link(both, kind="Service")


def test_the_same_link_twice_is_one() -> None:
    assert self_link({"links": [link(GROUP), link(GROUP, type="application/activity+json; charset=utf-8")]}) == GROUP


@pytest.mark.parametrize("value", [None, 7, "", [], "peer.example", "https://peer.example/"])
def test_subjects_that_are_none(value: Any) -> None:
    with pytest.raises(MalformedActivity):
        subject({"subject": value})
