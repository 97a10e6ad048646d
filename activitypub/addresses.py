"""Which addresses the way out may connect to: pure tables, no name is resolved here.

Only what is globally routable and unicast passes, by a list of our own: the standard library's `is_global` changed
between patch releases (CPython CVE-2024-4032), and it lets 6to4 and NAT64 through.
"""

import ipaddress
from collections.abc import Iterable

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
PrivatePeers = frozenset[tuple[str, int]]

_FORBIDDEN_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT, and Alibaba's metadata service in it
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's metadata service
        "169.254.0.0/16",  # link-local, and the usual metadata service in it
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and the broadcast address
    )
)
# Unspecified, loopback, mapped and compatible v4, NAT64, ULA, link-local and multicast all lie outside of it.
_UNICAST_V6 = ipaddress.IPv6Network("2000::/3")
_FORBIDDEN_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, ORCHID, benchmarks
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: an IPv4 address in disguise
        "2620:4f:8000::/48",  # AS112
        "3ffe::/16",  # the former 6bone
        "3fff::/20",  # documentation
    )
)


def is_global_unicast(address: IPAddress) -> bool:
    """Tell whether an address is one host on the public internet (security reference S-501)."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _FORBIDDEN_V4)
    if address.scope_id is not None or address not in _UNICAST_V6:
        return False
    return not any(address in network for network in _FORBIDDEN_V6)


def may_connect(addresses: Iterable[str], port: int, private_peers: PrivatePeers, *, private_only: bool) -> bool:
    """Tell whether every address of a host may be connected to on this port.

    All must be public, or all exact private peers: a host with one of each is a trap (S-507). With `private_only`
    (plain http, a port other than 443) public addresses do not count. No address at all is refused.
    """
    found = list(addresses)
    if not found:
        return False
    parsed = [parse_address(text) for text in found]
    if all(address is not None and (str(address), port) in private_peers for address in parsed):
        return True
    return not private_only and all(address is not None and is_global_unicast(address) for address in parsed)


def parse_address(text: str) -> IPAddress | None:
    """Return the address that a text spells canonically enough for the standard library, or None."""
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def parse_private_peers(text: str) -> PrivatePeers:
    """Read `KINFOLD_PRIVATE_PEERS`: comma-separated exact `IP:port`, IPv6 in brackets; ValueError names a bad entry."""
    return frozenset(_parse_peer(entry.strip()) for entry in text.split(",") if entry.strip())


def _parse_peer(entry: str) -> tuple[str, int]:
    host, _, port = entry.rpartition(":")
    address = parse_address(host[1:-1] if host.startswith("[") and host.endswith("]") else host)
    bracketed = host.startswith("[")
    if address is None or bracketed != (address.version == 6) or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ValueError(f"not an exact IP:port: {entry}")
    return str(address), int(port)
