"""Origins: one spelling for each host, and nobody speaks for another server (S-201, S-202, S-209, S-219)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.errors import ForeignOrigin, MalformedActivity
from activitypub.origins import (
    Origin,
    canonical_host,
    canonical_uri,
    check_origin,
    host_of,
    mixes_scripts,
    origin,
    same_origin,
)
from activitypub.vocabulary.base import Uri
from activitypub.vocabulary.objects import Note


@pytest.mark.parametrize(
    ("given_uri", "expected"),
    [
        ("https://peer.example/u/1", "https://peer.example/u/1"),
        ("HTTPS://Peer.EXAMPLE/U/1", "https://peer.example/U/1"),
        ("https://peer.example:443/u", "https://peer.example/u"),
        ("http://peer.example:80/u", "http://peer.example/u"),
        ("https://peer.example:8443/u", "https://peer.example:8443/u"),
        ("https://peer.example./u", "https://peer.example/u"),
        ("https://bücher.example/u", "https://xn--bcher-kva.example/u"),
        ("https://BÜCHER.example/u", "https://xn--bcher-kva.example/u"),
        ("https://ｐｅｅｒ.example/u", "https://peer.example/u"),
        ("https://peer。example/u", "https://peer.example/u"),
        ("https://peer.example", "https://peer.example"),
        ("https://peer.example?x=1", "https://peer.example?x=1"),
        ("https://peer.example/a/../b//c/%7e#Key", "https://peer.example/a/../b//c/%7e#Key"),
        ("https://peer.example/ünï", "https://peer.example/ünï"),
        ("http://127.0.0.1:8001/u", "http://127.0.0.1:8001/u"),
        ("http://[0:0::1]:8001/u", "http://[::1]:8001/u"),
        ("https://under_score.example/", "https://under_score.example/"),
    ],
)
def test_gives_each_uri_one_spelling(given_uri: str, expected: str) -> None:
    assert canonical_uri(given_uri) == expected
    assert canonical_uri(expected) == expected
    assert same_origin(given_uri, expected)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "7",
        "peer.example/u",
        "/u/1",
        "//peer.example/u",
        "https:/peer.example/u",
        "https://",
        "https:///u",
        "javascript:alert(1)",
        "data:text/html,x",
        "bear:?t=x&u=https://peer.example/",
        "ftp://peer.example/u",
        "tag:peer.example,2026:1",
        "https://user@peer.example/u",
        "https://user:secret@peer.example/u",
        "https://our.example@evil.example/",
        "https://evil.example\\@our.example/",
        "https://peer.example /u",
        " https://peer.example/u",
        "https://peer.example/u\n",
        "https://peer.example/a b",
        "https://peer.example/\x00",
        "https://peer.example/\u202egnp",
        'https://peer.example/"><script>',
        "https://peer%2eexample/u",
        "https://peer..example/u",
        "https://-peer.example/u",
        "https://peer.example:/u",
        "https://peer.example:0/u",
        "https://peer.example:99999/u",
        "https://[::1/u",
        "https://[not-an-address]/u",
        "https://xn--\u0301.example/u",
        "https://" + "a" * 64 + ".example/u",
        "https://" + "a." * 200 + "example/u",
        "https://peer.example/" + "a" * 2048,
    ],
)
def test_refuses_what_is_not_an_absolute_web_address(uri: str) -> None:
    with pytest.raises(MalformedActivity):
        canonical_uri(uri)
    with pytest.raises(MalformedActivity):
        origin(uri)
    assert not same_origin(uri, "https://peer.example/")
    assert not same_origin(uri, uri)


def test_names_hosts_with_their_unusual_port_only() -> None:
    assert host_of("https://Peer.example:443/u") == "peer.example"
    assert host_of("https://peer.example:8443/u") == "peer.example:8443"
    assert host_of("http://127.0.0.1:8001/u") == "127.0.0.1:8001"
    assert canonical_host("Peer.Example.") == "peer.example"
    assert canonical_host("127.0.0.1:8001") == "127.0.0.1:8001"
    assert origin("https://peer.example/u") == Origin("https", "peer.example", 443)


@pytest.mark.parametrize("text", ["", "a b", "user@peer.example", "peer.example/path", "peer.example:", "*.example"])
def test_refuses_what_is_not_a_host(text: str) -> None:
    with pytest.raises(MalformedActivity):
        canonical_host(text)


def test_scheme_port_and_host_all_count() -> None:
    assert not same_origin("https://peer.example/", "http://peer.example/")
    assert not same_origin("https://peer.example/", "https://peer.example:8443/")
    assert not same_origin("https://peer.example/", "https://sub.peer.example/")


@given(st.text(max_size=60))
def test_any_text_is_refused_or_stable(text: str) -> None:
    for candidate in (text, f"https://{text}", f"https://peer.example/{text}"):
        try:
            once = canonical_uri(candidate)
        except MalformedActivity:
            continue
        assert canonical_uri(once) == once
        assert origin(once) == origin(candidate)


def note(uri: str | None, author: str | None) -> Note:
    return Note(id=None if uri is None else Uri(uri), attributed_to=None if author is None else Uri(author))


def test_a_document_of_one_origin_passes_and_any_other_does_not() -> None:
    honest = note("https://peer.example/n/1", "https://peer.example/u/ana")
    check_origin(honest)
    check_origin(honest, authority="https://peer.example/u/ana#main-key")
    forgeries = [
        (note("https://evil.example/1", "https://victim.example/u/ana"), None),
        (note("http://peer.example/n/1", "https://peer.example/u/ana"), None),
        (note("https://peer.example:8443/n/1", "https://peer.example/u/ana"), None),
        (honest, "https://evil.example/u/mal#main-key"),
        (note(None, "https://peer.example/u/ana"), None),
        (note("https://peer.example/n/1", None), None),
    ]
    for document, authority in forgeries:
        with pytest.raises(ForeignOrigin):
            check_origin(document, authority=authority)


def test_warns_of_mixed_scripts_within_a_label_only() -> None:
    assert mixes_scripts(canonical_host("pаypal.example"))
    assert mixes_scripts("xn--a.example")
    assert not mixes_scripts("paypal.example")
    assert not mixes_scripts(canonical_host("bücher.example"))
    assert not mixes_scripts(canonical_host("яндекс.example"))
    assert not mixes_scripts(canonical_host("例え.example"))
    assert not mixes_scripts("127.0.0.1:8001")
