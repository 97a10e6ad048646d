"""Where the way out may lead: addresses, and the spelling of URLs (S-501, S-504, S-505, S-507, S-515, S-516)."""

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.addresses import is_global_unicast, may_connect, parse_private_peers
from activitypub.errors import Refused
from activitypub.targets import join, parse_target

PUBLIC_ADDRESSES = ["1.1.1.1", "93.184.215.14", "100.63.255.255", "172.32.0.1", "192.0.1.1", "223.255.255.255"]
PUBLIC_ADDRESSES += ["2606:4700:4700::1111", "2a00:1450:4001::1", "2001:200::1", "2400:cb00::1"]
FORBIDDEN_ADDRESSES = [
    *("0.0.0.0", "0.1.2.3", "10.0.0.1", "10.255.255.255", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.8.8"),
    *("168.63.129.16", "169.254.0.1", "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.192", "192.0.2.1"),
    *("192.31.196.1", "192.52.193.1", "192.88.99.1", "192.168.0.1", "192.175.48.1", "198.18.0.1", "198.19.255.255"),
    *("198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::ffff:1.1.1.1", "::ffff:127.0.0.1", "::1.1.1.1", "64:ff9b::101:101", "64:ff9b:1::1", "100::1"),
    *("2001::1", "2001:0:4136:e378::1", "2001:2::1", "2001:10::1", "2001:20::1", "2001:db8::1", "2002:101:101::1"),
    *("2002:7f00:1::1", "2620:4f:8000::1", "3ffe::1", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd12::1", "fe80::1"),
    *("fe80::1%eth0", "fec0::1", "ff02::1", "2606:4700::1%eth0"),
]


@pytest.mark.parametrize("text", PUBLIC_ADDRESSES)
def test_public_addresses(text: str) -> None:
    assert is_global_unicast(ipaddress.ip_address(text))


@pytest.mark.parametrize("text", FORBIDDEN_ADDRESSES)
def test_s_501_forbidden_addresses(text: str) -> None:
    assert not is_global_unicast(ipaddress.ip_address(text))


@given(st.ip_addresses())
def test_nothing_passes_that_the_standard_library_calls_private(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    private = address.is_private or address.is_loopback or address.is_link_local or address.is_multicast
    assert not (is_global_unicast(address) and (private or address.is_reserved or address.is_unspecified))


PEERS = frozenset({("127.0.0.2", 8001), ("127.0.0.3", 443), ("::1", 8001)})


@pytest.mark.parametrize(
    ("addresses", "port", "private_only", "may"),
    [
        (["1.1.1.1"], 443, False, True),
        (["1.1.1.1", "2606:4700::1"], 443, False, True),
        (["1.1.1.1"], 8001, True, False),
        (["1.1.1.1", "127.0.0.1"], 443, False, False),
        (["1.1.1.1", "127.0.0.3"], 443, False, False),
        (["127.0.0.3"], 443, False, True),
        (["127.0.0.2"], 8001, True, True),
        (["127.0.0.2", "::1"], 8001, True, True),
        (["127.0.0.2"], 8002, True, False),
        (["127.0.0.4"], 8001, True, False),
        (["::ffff:127.0.0.2"], 8001, True, False),
        (["nonsense"], 443, False, False),
        (["1.1.1.1", "nonsense"], 443, False, False),
        ([], 443, False, False),
    ],
)
def test_s_507_all_records_or_none(addresses: list[str], port: int, *, private_only: bool, may: bool) -> None:
    assert may_connect(addresses, port, PEERS, private_only=private_only) is may


def test_private_peers_are_exact() -> None:
    assert parse_private_peers("") == frozenset()
    assert parse_private_peers("127.0.0.2:8001, [::1]:8001 ,127.0.0.3:443,") == PEERS


@pytest.mark.parametrize(
    "entry",
    [
        "127.0.0.2",
        "127.0.0.2:",
        "127.0.0.2:0",
        "127.0.0.2:70000",
        "localhost:1",
        "::1:80",
        "[127.0.0.1]:80",
        "127.1:80",
    ],
)
def test_private_peers_that_are_not_exact(entry: str) -> None:
    with pytest.raises(ValueError, match="exact IP:port"):
        parse_private_peers(entry)


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("https://peer.example", "peer.example", "/"),
        ("https://peer.example:443/u/1?page=1", "peer.example", "/u/1?page=1"),
        ("https://Peer.Example/%7Ebob/a%2Fb;c@d?q=%7e#main-key", "peer.example", "/%7Ebob/a%2Fb;c@d?q=%7e"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", "/"),
        ("https://peer.example?x=1", "peer.example", "/?x=1"),
    ],
)
def test_addresses_of_other_servers(url: str, authority: str, path: str) -> None:
    target = parse_target(url)
    assert (target.authority, target.path, target.private) == (authority, path, False)
    assert target.url == f"https://{authority}{path}"


FORBIDDEN_URLS = [
    *("", "peer.example", "//peer.example/", "file:///etc/passwd", "gopher://peer.example/", "ftp://peer.example/"),
    *("data:text/plain,x", "unix:/run/x", "FILE:///etc/passwd", "HtTpS://peer.example/", "javascript:1"),
    *(" https://peer.example/", "https://peer.example/ ", "\thttps://peer.example/", "https://peer.example/\r\nX: 1"),
    *("https://peer.example/\n", "https://peer.example/a b", "https://peer.example/é", "https://bücher.example/"),
    *("https://user@peer.example/", "https://user:pw@peer.example/", "https://peer.example@evil.example/"),
    *("https://peer.example\\@evil.example/", "https://peer.example\\evil/", "https://pe\\er.example/", "https:///x"),
    *("https://", "https://?x", "https://#", "https://peer.example:", "https://peer.example:x/", "https://:443/"),
    *("http://peer.example/", "https://peer.example:80/", "https://peer.example:8443/", "https://peer.example:99999/"),
    *("https://localhost/", "https://peer/", "https://peer.local/", "https://peer.internal/", "https://peer.onion/"),
    *("https://peer.localhost/", "https://1.0.0.127.in-addr.arpa/", "https://peer.lan/", "https://peer.example./"),
    *(
        "https://127.0.0.1/",
        "https://1.1.1.1/",
        "https://2130706433/",
        "https://0x7f.1/",
        "https://127.1/",
        "https://0/",
    ),
    *("https://a.0x7f000001/", "https://1.2.3.4.5/", "https://[::1]/", "https://[::]/", "https://[2606:4700::1]/"),
    *(
        "https://[::ffff:127.0.0.1]/",
        "https://[::1%25eth0]/",
        "https://[::1/",
        "https://a..example/",
        "https://-a.example/",
    ),
    *("https://a_b.example/", "https://" + "a" * 64 + ".example/", "https://" + "a." * 130 + "example/"),
    "https://peer.example/" + "a" * 5_000,
    *("https://peer.example/<x>", 'https://peer.example/"', "https://peer.example/`", "https://peer.example/{x}"),
]


@pytest.mark.parametrize("url", FORBIDDEN_URLS, ids=lambda url: url[:40] or "empty")
def test_s_504_s_505_s_515_s_516_forbidden_spellings(url: str) -> None:
    with pytest.raises(Refused) as caught:
        parse_target(url)
    assert caught.value.status == 0


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("http://127.0.0.2:8001/inbox", True),
        ("https://127.0.0.2:8001/inbox", True),
        ("http://[::1]:8001/", True),
        ("http://localhost:8001/", True),
        ("http://peer.example:8001/", True),
        ("http://127.0.0.2:8002/", False),
        ("http://127.0.0.4:8001/", False),
        ("http://127.0.0.2/", False),
        ("http://127.1:8001/", False),
        ("http://localhost:8002/", False),
        ("http://peer:8001/", False),
        ("http://peer.local:8001/", False),
        ("http://peer.example/", False),
        ("http://[::ffff:127.0.0.2]:8001/", False),
        ("ftp://127.0.0.2:8001/", False),
        ("http://user@127.0.0.2:8001/", False),
    ],
)
def test_private_peers_waive_some_rules_for_exactly_themselves(url: str, *, may: bool) -> None:
    if may:
        assert parse_target(url, PEERS).private
    else:
        with pytest.raises(Refused):
            parse_target(url, PEERS)
    with pytest.raises(Refused):
        parse_target(url)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("https://other.example/x", "https://other.example/x"),
        ("/x?y=1", "https://peer.example/x?y=1"),
        ("x", "https://peer.example/u/x"),
        ("//other.example/x", "https://other.example/x"),
        ("?page=2", "https://peer.example/u/1?page=2"),
    ],
)
def test_redirects_are_read_against_where_they_came_from(location: str, url: str) -> None:
    assert join(parse_target("https://peer.example/u/1"), location, PEERS).url == url


@pytest.mark.parametrize(
    "location",
    [
        *(
            "http://other.example/",
            "http://127.0.0.2:8001/",
            "https://127.0.0.1/",
            "file:///etc/passwd",
            "//localhost/",
        ),
        *(
            "https://a b/",
            "/\r\nX: 1",
            "/é",
            "https://[::1",
            "\\\\evil.example",
            "https://user@peer.example/",
            "a" * 5_000,
        ),
    ],
)
def test_s_503_redirects_that_are_not_followed(location: str) -> None:
    with pytest.raises(Refused):
        join(parse_target("https://peer.example/u/1"), location, PEERS)


@given(st.text(max_size=80))
def test_noise_is_refused_or_plain(text: str) -> None:
    try:
        target = parse_target(text)
    except Refused:
        return
    assert text.startswith("https://")
    assert target.url.isascii()


@given(st.text(max_size=60))
def test_s_515_no_text_after_the_host_changes_the_host(text: str) -> None:
    try:
        target = parse_target("https://peer.example/" + text)
    except Refused:
        return
    assert target.authority == "peer.example"
    assert target.path.isprintable()
