"""Connections that go to vetted addresses only: the lower half of `egress`, and used by nobody else."""

import asyncio
import functools
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import TCPConnector

from activitypub.addresses import PrivatePeers, may_connect
from activitypub.errors import Refused
from activitypub.targets import LOOPBACK_ADDRESSES, NOT_ASKED

Lookup = Callable[[str], Awaitable[Sequence[str]]]
"""Returns every address of a host name, as text; raises OSError when there is none."""

KEEP_ALIVE_SECONDS = 15.0
LOOKUP_CACHE_SECONDS = 60


class NameLookup:
    """The system's resolver, on threads of its own: slow names of dead hosts must not fill the loop's default pool."""

    def __init__(self, pool: Executor) -> None:
        """Look names up on the threads of `pool`, whose owner closes it."""
        self._pool = pool

    async def __call__(self, host: str) -> Sequence[str]:
        """Return all addresses of a host; raises OSError."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, _look_up, host)


class VettedResolver(AbstractResolver):
    """Hands aiohttp the addresses that it may connect to, or raises Refused: what is checked is what is used (S-502).

    aiohttp never asks a resolver for literals; those are judged in `targets`.
    """

    def __init__(self, lookup: Lookup, private_peers: PrivatePeers, *, private_only: bool) -> None:
        """Vet for public addresses, or with `private_only` for exact private peers alone."""
        self._lookup = lookup
        self._private_peers = private_peers
        self._private_only = private_only

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the host's addresses when all of them are acceptable; raises Refused, or OSError for no such name."""
        del family  # every record is looked at, whichever one a connection would have used
        if host == "localhost":
            addresses: Sequence[str] = [it for it in LOOPBACK_ADDRESSES if (it, port) in self._private_peers]
        else:
            addresses = await self._lookup(host)
        if not may_connect(addresses, port, self._private_peers, private_only=self._private_only):
            raise Refused(NOT_ASKED, "address.forbidden", public="The address is not one that this node connects to.")
        return [_result(host, address, port) for address in addresses]

    async def close(self) -> None:
        """Hold nothing, close nothing."""


class BoundedConnector(TCPConnector):
    """Keeps at most so many hosts' idle connections and lets the longest unused host go first.

    aiohttp bounds busy connections only, and an idle one under TLS takes 0.24 MB: a fan-out to 5,000 hosts would keep a
    gigabyte. The names with an underscore are aiohttp's; a test in tests/activitypub/test_egress.py watches over them.
    """

    def __init__(self, *, idle_hosts: int, **options: Any) -> None:
        """Take aiohttp's own options and the number of hosts that may be kept."""
        super().__init__(**options)
        self._idle_hosts = idle_hosts

    def _release(self, key: Any, protocol: Any, *, should_close: bool = False) -> None:
        super()._release(key, protocol, should_close=should_close)
        while len(self._conns) > self._idle_hosts:
            oldest = next(iter(self._conns))
            for idle, _ in self._conns.pop(oldest):
                idle.close()


def make_session(
    resolver: AbstractResolver,
    *,
    user_agent: str,
    ca_file: Path | None,
    max_connections: int,
    max_connections_per_host: int,
) -> aiohttp.ClientSession:
    """Open a pool of connections whose addresses come from `resolver`, with nothing taken from the environment."""
    connector = BoundedConnector(
        idle_hosts=max_connections,
        resolver=resolver,
        family=socket.AF_UNSPEC,
        ttl_dns_cache=LOOKUP_CACHE_SECONDS,
        ssl=tls_context(ca_file),
        limit=max_connections,
        limit_per_host=max_connections_per_host,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
    )
    return aiohttp.ClientSession(
        connector=connector,
        headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None),  # the deadline is the caller's, over all hops
        auto_decompress=False,
        trust_env=False,
    )


@functools.cache
def tls_context(ca_file: Path | None) -> ssl.SSLContext:
    """Verify certificate and host name, against the system's roots and one more; TLS 1.2 or newer.

    Not `ssl.create_default_context`: it writes the session keys to `SSLKEYLOGFILE` when the environment says so.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.load_default_certs(ssl.Purpose.SERVER_AUTH)
    if ca_file is not None:
        context.load_verify_locations(cafile=str(ca_file))
    return context


def _look_up(host: str) -> list[str]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _result(host: str, address: str, port: int) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address,
        port=port,
        family=socket.AF_INET6 if ":" in address else socket.AF_INET,
        proto=0,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )
