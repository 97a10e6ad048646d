"""Where a URI comes from, and who may therefore speak for it (FEP-fe34).

Every comparison of servers goes through the canonical form made here, so that no spelling of a host (capitals, a
closing dot, the default port, Unicode) is taken for another host, or for none.
"""

import ipaddress
import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple, Protocol

import idna

from activitypub.errors import ForeignOrigin, MalformedActivity

MAX_URI_CHARACTERS = 2048
MAX_HOST_CHARACTERS = 260
DEFAULT_PORTS = {"https": 443, "http": 80}
REMEMBERED = 1_024
"""How many addresses are kept read: the same few dozen occur in every activity of a group."""

# Behind the host: no blanks, controls, quotes, brackets or invisible direction marks: what is shown is what is
# compared.
_URI = re.compile(
    r"(https?)://([^/?#\\\s]+)((?:[/?#][^\x00-\x20\x7f-\xa0<>\"\\^`{|}\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]*)?)",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)")
_AUTHORITY = re.compile(r"(\[[0-9a-fA-F:.]{2,45}\]|[^:\[\]@%]+)(?::([0-9]{1,5}))?")
_STAND_TOGETHER = {"LATIN", "CJK", "HIRAGANA", "KATAKANA", "KATAKANA-HIRAGANA", "BOPOMOFO", "HANGUL"}


class Origin(NamedTuple):
    """Scheme, canonical host and port: what must be equal for one document to speak for another."""

    scheme: str
    host: str
    port: int


class Owned(Protocol):
    """Anything with an id and an owner: every object of the vocabulary."""

    @property
    def id(self) -> str | None:
        """Its URI, if it has one."""

    @property
    def owner(self) -> str | None:
        """URI of the actor that may speak for it."""


@lru_cache(maxsize=REMEMBERED)
def canonical_uri(uri: str) -> str:
    """Return an http(s) URI with scheme and host in canonical form; the path and all behind it stay byte for byte.

    Raises MalformedActivity for another scheme, a relative reference, user information, blanks, control characters,
    more than 2,048 characters. Paths are not normalised: two spellings of a path are two ids (federation reference
    §3.9).
    """
    match = _URI.fullmatch(uri) if len(uri) <= MAX_URI_CHARACTERS else None
    if match is None:
        raise MalformedActivity(public="An address is not an absolute http or https URI.")
    scheme, authority, rest = match.groups()
    prefix = _canonical_prefix(scheme, authority)
    return uri if uri.startswith(prefix) and len(prefix) == len(uri) - len(rest) else prefix + rest


def canonical_host(text: str) -> str:
    """Return a host in its one canonical spelling: lower case, A-labels, no closing dot; a `:port` behind it is kept.

    Raises MalformedActivity for what is not a host name or an IP address. `127.0.0.1:8001` and `[::1]:8001` are hosts
    too: in development a handle may carry them.
    """
    host, port = _split(text)
    return host if port is None else f"{host}:{port}"


@lru_cache(maxsize=REMEMBERED)
def origin(uri: str) -> Origin:
    """Return the origin of an http(s) URI; raises MalformedActivity as `canonical_uri` does."""
    match = _URI.fullmatch(uri) if len(uri) <= MAX_URI_CHARACTERS else None
    if match is None:
        raise MalformedActivity(public="An address is not an absolute http or https URI.")
    return _origin(match[1], match[2])


def host_of(uri: str) -> str:
    """Return the host of a URI as handles and peers name it: with the port only if it is not the scheme's default."""
    scheme, host, port = origin(uri)
    return host if DEFAULT_PORTS[scheme] == port else f"{host}:{port}"


def same_origin(one: str, other: str) -> bool:
    """Tell whether two URIs share scheme, host and port; what is not an http(s) URI shares an origin with nothing."""
    try:
        return origin(one) == origin(other)
    except MalformedActivity:
        return False


def check_origin(document: Owned, *, authority: str | None = None) -> None:
    """Refuse a document whose id, owner and (if given) authority do not share one origin (federation reference §3.9).

    `authority` is what vouches for the document: the signer's URI, or the URL that it was fetched from. Raises
    ForeignOrigin, also for a document without id or owner: nobody can speak for it.
    """
    if document.id is None or document.owner is None:
        raise ForeignOrigin(str(document.id), public="The document does not name itself and its owner.")
    if not same_origin(document.id, document.owner):
        raise ForeignOrigin(f"{document.id} of {document.owner}")
    if authority is not None and not same_origin(document.id, authority):
        raise ForeignOrigin(f"{document.id} from {authority}")


def mixes_scripts(host: str) -> bool:
    """Tell whether a host mixes scripts within one label in a way that invites confusion, so that its display warns.

    Latin, Han, kana, bopomofo and hangul may stand together, as Chinese, Japanese and Korean need (UTS 39 §5.2).
    """
    for label in host.split(":", 1)[0].split("."):
        if not label.startswith("xn--"):
            continue
        try:
            scripts = {_script(character) for character in idna.ulabel(label)} - {""}
        except idna.IDNAError:
            return True
        if len(scripts) > 1 and not scripts <= _STAND_TOGETHER:
            return True
    return False


def _script(character: str) -> str:
    """Return the script in a letter's Unicode name; digits and marks belong to every script and give ""."""
    if not character.isalpha():
        return ""
    return unicodedata.name(character, "UNKNOWN").split(" ", 1)[0]


@lru_cache(maxsize=4096)
def _canonical_prefix(scheme: str, authority: str) -> str:
    name, host, port = _origin(scheme, authority)
    return f"{name}://{host}" if port == DEFAULT_PORTS[name] else f"{name}://{host}:{port}"


@lru_cache(maxsize=4096)
def _origin(scheme: str, authority: str) -> Origin:
    scheme = scheme.lower()
    host, port = _split(authority)
    return Origin(scheme, host, port or DEFAULT_PORTS[scheme])


@lru_cache(maxsize=4096)
def _split(authority: str) -> tuple[str, int | None]:
    """Return the canonical host of an authority and its port, if it names one."""
    match = _AUTHORITY.fullmatch(authority) if len(authority) <= MAX_HOST_CHARACTERS else None
    if match is None:
        raise MalformedActivity(public="An address has no valid host.")
    host, port = match[1], int(match[2]) if match[2] else None
    if port is not None and not 0 < port < 65536:
        raise MalformedActivity(public="An address has no valid port.")
    return (_canonical_ipv6(host) if host.startswith("[") else _canonical_name(host)), port


def _canonical_ipv6(host: str) -> str:
    try:
        return f"[{ipaddress.IPv6Address(host[1:-1]).compressed}]"
    except ValueError as error:
        raise MalformedActivity(public="An address has no valid host.") from error


def _canonical_name(host: str) -> str:
    if host.isascii():
        name = host.lower()
    else:
        try:
            name = idna.encode(host, uts46=True).decode()
        except idna.IDNAError as error:
            raise MalformedActivity(public="An address has no valid host.") from error
    name = name.removesuffix(".")
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise MalformedActivity(public="An address has no valid host.")
    return name
