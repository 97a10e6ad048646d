"""Addresses of other servers, read once: what is validated here is what is connected to (S-504, S-505, S-516)."""

import re
from dataclasses import dataclass
from urllib.parse import urljoin

from activitypub.addresses import PrivatePeers, parse_address
from activitypub.errors import Refused

MAX_URL_CHARACTERS = 4_096
NOT_ASKED = 0  # the status of a refusal that is our own: no packet was sent
HTTPS_PORT = 443
DEFAULT_PORTS = {"https": HTTPS_PORT, "http": 80}
LOOPBACK_ADDRESSES = ("127.0.0.1", "::1")
_URL = re.compile(
    r"(?P<scheme>https?)://"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>/[A-Za-z0-9\-._~:/\[\]@!$&'()*+,;=%]*)?"
    r"(?P<query>\?[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*)?"
    r"(?:#[A-Za-z0-9\-._~:/?\[\]@!$&'()*+,;=%]*)?"
)
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
# Names that never lead to the public internet, and those that lead to its plumbing.
_INWARD_DOMAINS = frozenset(
    {"local", "internal", "localhost", "onion", "arpa", "lan", "home", "corp", "intranet", "private", "alt"}
)


@dataclass(frozen=True, slots=True)
class Target:
    """One address on another server.

    `host` is lower-case and without brackets, `path` holds the query too. `private` says that only an exact private
    peer may answer, because the address breaks a rule that is waived for those alone.
    """

    scheme: str
    host: str
    port: int
    path: str
    private: bool

    @property
    def authority(self) -> str:
        """Host as it stands in ids and in the Host field: with a port only where it is not the scheme's own."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole address in the one form that is compared with ids; never with a fragment."""
        return f"{self.scheme}://{self.authority}{self.path}"


def parse_target(url: str, private_peers: PrivatePeers = frozenset()) -> Target:
    """Read an absolute address; raises Refused for everything but https on port 443 to a public-looking name.

    For exact private peers the rules on address, port, scheme and literal are waived (product decision 31), for
    `localhost` when its loopback address is one.
    """
    found = _URL.fullmatch(url) if len(url) <= MAX_URL_CHARACTERS else None
    if found is None:
        raise Refused(NOT_ASKED, "url.form", public="The address is not a plain https address.")
    scheme = found["scheme"]
    host = found["host"].lower().strip("[]")
    port = int(found["port"] or DEFAULT_PORTS[scheme])
    private = _must_be_private(scheme, host, port)
    if private and not _may_be_private(host, port, private_peers):
        raise Refused(NOT_ASKED, "url.forbidden", public="The address is not one that this node connects to.")
    return Target(scheme, host, port, (found["path"] or "/") + (found["query"] or ""), private)


def join(base: Target, location: str, private_peers: PrivatePeers) -> Target:
    """Read the Location of a redirect, absolute or relative; raises Refused, for a step from https to http too."""
    if len(location) > MAX_URL_CHARACTERS or not location.isascii() or not location.isprintable() or " " in location:
        raise Refused(NOT_ASKED, "redirect.form", public="The redirect cannot be read.")
    try:
        joined = urljoin(base.url, location)
    except ValueError as error:
        raise Refused(NOT_ASKED, "redirect.form", public="The redirect cannot be read.") from error
    target = parse_target(joined, private_peers)
    if base.scheme == "https" and target.scheme != "https":
        raise Refused(NOT_ASKED, "redirect.downgrade", public="The redirect leaves https.")
    return target


def _must_be_private(scheme: str, host: str, port: int) -> bool:
    return scheme != "https" or port != HTTPS_PORT or parse_address(host) is not None or not _is_public_name(host)


def _may_be_private(host: str, port: int, private_peers: PrivatePeers) -> bool:
    address = parse_address(host)
    if address is not None:
        return (str(address), port) in private_peers
    if host == "localhost":
        return any((loopback, port) in private_peers for loopback in LOOPBACK_ADDRESSES)
    # A name is looked up later, and every address of it must then be an exact private peer.
    return _is_public_name(host) and any(port == peer_port for _, peer_port in private_peers)


def _is_public_name(host: str) -> bool:
    labels = host.split(".")
    if len(labels) < 2 or len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        return False
    return labels[-1] not in _INWARD_DOMAINS and not _NUMBER.fullmatch(labels[-1])
