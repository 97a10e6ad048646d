"""Domains as an admin or a list names them: their one spelling, and which of them nobody may be held off by (pure)."""

import ipaddress
import re
from functools import cache
from typing import Final

from publicsuffixlist import PublicSuffixList

from activitypub.errors import MalformedActivity
from activitypub.origins import canonical_host
from activitypub.peers import domains_above, without_port

MAX_NAME_CHARACTERS: Final = 253
NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
OF_HTTPS: Final = ":443"


def domain_in(text: str) -> str | None:
    """Return the one spelling of a domain or an IP address, with its port if it has one of its own; else None."""
    try:
        name = canonical_host(text).removesuffix(OF_HTTPS)
    except MalformedActivity:
        return None
    bare = without_port(name)
    if NUMBER.fullmatch(bare.rpartition(".")[2]) and not is_address(bare):
        return None  # what ends in a number is an address in four parts, or nothing
    return name if len(bare) <= MAX_NAME_CHARACTERS else None


def is_address(name: str) -> bool:
    """Tell whether a canonical host is an IP address and no name."""
    bare = without_port(name)
    try:
        ipaddress.ip_address(bare.removeprefix("[").removesuffix("]"))
    except ValueError:
        return False
    return True


def is_own(name: str, own: str) -> bool:
    """Tell whether a domain is this node itself: a port of its own may make it another server."""
    return name in {own, without_port(own)}


def why_not_held_off(name: str, own: str) -> str | None:
    """Return why nothing may hold off a domain and all below it, or None; `own` is the domain of this node."""
    bare = without_port(name)
    if is_own(name, own):
        return "it is this node itself"
    if bare == name and bare in domains_above(without_port(own)):
        return "this node lies in it itself"
    if not is_address(bare) and ("." not in bare or _registries().is_public(bare)):
        return "it is a registry under which anybody may have a domain"
    return None


@cache
def _registries() -> PublicSuffixList:
    """Return the list of registries, read from the package once: nothing is asked of the network."""
    return PublicSuffixList(only_icann=True)
