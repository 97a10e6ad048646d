"""The one way out: every byte that this node sends to another server leaves here (invariant I3).

An address is read once, its name is looked up, every record is vetted, and the connection goes to exactly the vetted
address. Redirects are followed by hand, on GET alone, and each hop is vetted and signed anew. Everything is bounded:
time in all, bytes, redirects, connections. Nothing comes from the environment: no proxy, netrc, cookie, key log.
"""

import asyncio
import functools
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any, ParamSpec, TypeVar

import aiohttp
import yarl

from activitypub.addresses import PrivatePeers
from activitypub.answers import (
    Answer,
    Fetched,
    check_coding,
    check_status,
    claimed_id,
    is_activity_type,
    is_json_type,
    load_document,
)
from activitypub.backoff import retry_after
from activitypub.connections import Lookup, NameLookup, VettedResolver, make_session
from activitypub.dialects import UNREADABLE, Dialects, other
from activitypub.errors import FetchError, Gone, Refused, TooLarge, Unreachable
from activitypub.signatures import cavage, rfc9421
from activitypub.signatures.asking import Asked, read_asked
from activitypub.signatures.digest import as_content_digest
from activitypub.signatures.keys import SigningIdentity
from activitypub.signatures.messages import Dialect
from activitypub.targets import NOT_ASKED, Target, join, parse_target
from privacy.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")

ACTIVITY_ACCEPT = 'application/activity+json, application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
ACTIVITY_MEDIA_TYPE = "application/activity+json"
JRD_ACCEPT = "application/jrd+json, application/json"
REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
MAX_REDIRECTS = 3
MAX_DISCARDED_BYTES = 65_536  # read so that the connection can be used again; past that it is closed
DISCARD_SECONDS = 1.0
SIGNING_THREADS = 2
LOOKUP_THREADS = 16
# What aiohttp raises; ValueError is its InvalidURL and its parser on headers that are no headers.
TRANSPORT_ERRORS = (aiohttp.ClientError, OSError, ValueError)


@dataclass(frozen=True, slots=True)
class EgressOptions:
    """How the way out behaves; `private_peers` are refused outside development."""

    user_agent: str
    private_peers: PrivatePeers = frozenset()
    ca_file: Path | None = None
    development: bool = False
    connect_timeout: timedelta = timedelta(seconds=5)
    total_timeout: timedelta = timedelta(seconds=15)
    max_bytes: int = 1_048_576
    max_connections: int = 500
    max_connections_per_host: int = 12

    def __post_init__(self) -> None:
        """Refuse the exemption for private addresses in production (security reference §3)."""
        if self.private_peers and not self.development:
            raise ValueError("private peers are for development only")


class Egress:
    """The only HTTP client of the node; use it on one event loop and close it there.

    `is_refused` is asked before any packet, with the host as it stands in ids (lower case, with a port only where it is
    not the scheme's own).
    """

    def __init__(
        self, options: EgressOptions, *, is_refused: Callable[[str], bool], clock: Clock, lookup: Lookup | None = None
    ) -> None:
        """Make the client; connections and threads are made on first use."""
        self._options = options
        self._is_refused = is_refused
        self._clock = clock
        self._lookup_pool = ThreadPoolExecutor(LOOKUP_THREADS, thread_name_prefix="lookup")
        self._signing_pool = ThreadPoolExecutor(SIGNING_THREADS, thread_name_prefix="sign")
        self._lookup = lookup or NameLookup(self._lookup_pool)
        self._sessions: dict[bool, aiohttp.ClientSession] = {}
        self.dialects = Dialects()
        """In which dialect each server is spoken to."""

    async def close(self) -> None:
        """Close all connections and threads."""
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()
        self._lookup_pool.shutdown(wait=False, cancel_futures=True)
        self._signing_pool.shutdown(wait=False, cancel_futures=True)

    def target(self, url: str) -> Target:
        """Read an address and ask whether it may be reached at all; raises Refused with status 0, and sends nothing."""
        return self._allowed(parse_target(url, self._options.private_peers))

    async def fetch(self, url: str, *, accept: str, signer: SigningIdentity | None = None) -> Fetched:
        """GET a document of any type, signed if a signer is given, following at most three redirects.

        Raises Refused (may not be asked: status 0; or answered 3xx or 4xx), Gone (410), TooLarge, and Unreachable
        (name, TLS, time, 429, 5xx).
        """
        try:
            async with asyncio.timeout(self._options.total_timeout.total_seconds()):
                return await self._follow(self.target(url), accept, signer)
        except TimeoutError as error:
            raise Unreachable("egress.timeout") from error

    async def fetch_document(self, url: str, signer: SigningIdentity | None = None) -> dict[str, Any]:
        """GET an ActivityStreams document whose `id` is the address that it came from (invariant I2).

        When its id is another address, that one is fetched once and must name itself. Raises as `fetch` does; Refused
        too for a wrong media type, JSON that is not strict, or an id that does not fit; Gone for a Tombstone.
        """
        document, fetched = await self._fetch_activity(url, signer)
        claimed = claimed_id(document, fetched, self._options.private_peers)
        if claimed.url != fetched.url:
            document, fetched = await self._fetch_activity(claimed.url, signer)
            if claimed_id(document, fetched, self._options.private_peers).url != fetched.url:
                raise Refused(fetched.status, "document.id", public="The document does not carry its own address.")
        if document.get("type") == "Tombstone":
            raise Gone("document.tombstone")
        return document

    async def fetch_json(self, url: str, accept: str = JRD_ACCEPT) -> dict[str, Any]:
        """GET a plain JSON object (WebFinger, NodeInfo), unsigned; raises as `fetch_document` does."""
        fetched = await self.fetch(url, accept=accept)
        if not is_json_type(fetched.content_type):
            raise Refused(fetched.status, "document.media-type", public="The answer is not JSON.")
        return load_document(fetched)

    async def post(self, target: Target, body: bytes, headers: Mapping[str, str]) -> Answer:
        """POST these very bytes and follow nothing; any status is an answer.

        Raises Refused with status 0 (may not be asked) and Unreachable (name, TLS, time, or no HTTP in the answer).
        """
        allowed = self._allowed(target)
        try:
            async with asyncio.timeout(self._options.total_timeout.total_seconds()):
                try:
                    return await self._post_once(allowed, body, headers)
                except (aiohttp.ServerDisconnectedError, ConnectionResetError, BrokenPipeError):
                    # Mostly a kept connection that the peer closed meanwhile; to repeat one activity id is allowed.
                    return await self._post_once(allowed, body, headers)
        except TimeoutError as error:
            raise Unreachable("egress.timeout") from error
        except TRANSPORT_ERRORS as error:
            raise Unreachable(f"egress.{type(error).__name__}") from error

    async def in_signing_pool(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run something that computes for long, such as a batch of signatures, outside of the event loop."""
        call = functools.partial(work, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._signing_pool, call)

    def _allowed(self, target: Target) -> Target:
        if self._is_refused(target.authority):
            raise Refused(NOT_ASKED, "host.refused", public="This node does not talk with that server.")
        return target

    def _session(self, target: Target) -> aiohttp.ClientSession:
        """Return the pool for public addresses, or the one that reaches exact private peers and nothing else."""
        if target.private not in self._sessions:
            resolver = VettedResolver(self._lookup, self._options.private_peers, private_only=target.private)
            self._sessions[target.private] = make_session(
                resolver,
                user_agent=self._options.user_agent,
                ca_file=self._options.ca_file,
                max_connections=self._options.max_connections,
                max_connections_per_host=self._options.max_connections_per_host,
            )
        return self._sessions[target.private]

    def _request(
        self, method: str, target: Target, headers: Mapping[str, str], body: bytes | None
    ) -> "aiohttp.client._RequestContextManager":
        url = yarl.URL(target.url, encoded=True)
        if url.raw_path_qs != target.path or url.raw_host != target.host:
            # One reading for the check, the signature and the wire (S-516).
            raise Refused(NOT_ASKED, "url.rewritten", public="The address is not written plainly.")
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._options.connect_timeout.total_seconds())
        session = self._session(target)
        return session.request(method, url, headers=headers, data=body, timeout=timeout, allow_redirects=False)

    async def _post_once(self, target: Target, body: bytes, headers: Mapping[str, str]) -> Answer:
        async with self._request("POST", target, headers, body) as response:
            wait = retry_after(response.headers.get("Retry-After"), self._clock())
            answer = Answer(response.status, wait, response.headers.get("Accept-Signature", ""))
            await _discard(response)
            return answer

    async def _fetch_activity(self, url: str, signer: SigningIdentity | None) -> tuple[dict[str, Any], Fetched]:
        fetched = await self.fetch(url, accept=ACTIVITY_ACCEPT, signer=signer)
        if not is_activity_type(fetched.content_type):
            raise Refused(
                fetched.status, "document.media-type", public="The answer is not an ActivityStreams document."
            )
        return load_document(fetched), fetched

    async def _follow(self, target: Target, accept: str, signer: SigningIdentity | None) -> Fetched:
        seen = {target.url}
        for _ in range(MAX_REDIRECTS + 1):
            found = await self._get(target, accept, signer)
            if isinstance(found, Fetched):
                return found
            target = self._allowed(join(target, found, self._options.private_peers))
            if target.url in seen:
                raise Refused(NOT_ASKED, "redirect.loop", public="The address redirects to itself.")
            seen.add(target.url)
        raise Refused(NOT_ASKED, "redirect.limit", public="The address redirects too often.")

    async def _get(self, target: Target, accept: str, signer: SigningIdentity | None) -> Fetched | str:
        """Ask once, and where the signature was not understood once more in the other dialect, or as that is asked."""
        if signer is None:
            return await self._get_once(target, {"Accept": accept})
        first = self.dialects.of(target.authority, self._clock())
        try:
            return await self._get_signed(target, accept, signer, first)
        except Refused as error:
            if error.status not in UNREADABLE or not self.dialects.may_try_other(target.authority, self._clock()):
                raise
            asked = read_asked(error.asked)
        second = other(first) if asked is None else asked.dialect
        try:
            found = await self._get_signed(target, accept, signer, second, asked)
        except Refused as error:
            if error.status in UNREADABLE:
                self.dialects.note_in_vain(target.authority, self._clock())
            raise
        self.dialects.learn(target.authority, second, self._clock())
        return found

    async def _get_signed(
        self, target: Target, accept: str, signer: SigningIdentity, dialect: Dialect, asked: Asked | None = None
    ) -> Fetched | str:
        signed = await self.in_signing_pool(sign_get, signer, target, self._clock(), dialect, asked)
        return await self._get_once(target, {"Accept": accept, **signed})

    async def _get_once(self, target: Target, headers: Mapping[str, str]) -> Fetched | str:
        """Return the document, or the Location of a redirect; the body of anything but a document is never read."""
        try:
            async with self._request("GET", target, headers, None) as response:
                if response.status in REDIRECT_STATUSES and "Location" in response.headers:
                    return response.headers["Location"]
                check_status(response.status, response.headers.get("Accept-Signature", ""))
                check_coding(response.headers)
                body = await _read(response, self._options.max_bytes)
                return Fetched(target.url, response.status, response.headers.get("Content-Type", ""), body)
        except (FetchError, TimeoutError):
            raise
        except TRANSPORT_ERRORS as error:
            raise Unreachable(f"egress.{type(error).__name__}") from error


def sign_post(
    signer: SigningIdentity,
    target: Target,
    body_digest: str,
    now: datetime,
    dialect: Dialect = "cavage",
    asked: Asked | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Return every field of a signed POST of an activity, `more` included (pure, 0.2 ms with RSA: for the pool)."""
    if dialect == "cavage":
        signed = cavage.sign(signer, "POST", target.path, target.authority, now, digest=body_digest, more=more)
    else:
        covered = as_content_digest(body_digest)
        key = _key_for(dialect, signer)
        signed = rfc9421.sign(key, "POST", target.url, now, content_digest=covered, asked=asked, more=more)
    return {"Content-Type": ACTIVITY_MEDIA_TYPE} | signed


def sign_get(
    signer: SigningIdentity, target: Target, now: datetime, dialect: Dialect = "cavage", asked: Asked | None = None
) -> dict[str, str]:
    """Return the fields that sign a GET (pure, for the pool)."""
    if dialect == "cavage":
        return cavage.sign(signer, "GET", target.path, target.authority, now)
    return rfc9421.sign(_key_for(dialect, signer), "GET", target.url, now, asked=asked)


def _key_for(dialect: Dialect, signer: SigningIdentity) -> SigningIdentity:
    return signer.ed25519 or signer if dialect == "rfc9421-ed25519" else signer


async def _read(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    if response.content_length is not None and response.content_length > max_bytes:
        raise TooLarge("egress.length")
    chunks, size = [], 0
    async for chunk in response.content.iter_any():
        size += len(chunk)
        if size > max_bytes:
            raise TooLarge("egress.length")
        chunks.append(chunk)
    return b"".join(chunks)


async def _discard(response: aiohttp.ClientResponse) -> None:
    """Read a short rest, so that the connection can be used again; what is long, slow or broken is cut off."""
    try:
        async with asyncio.timeout(DISCARD_SECONDS):
            await _read(response, MAX_DISCARDED_BYTES)
    except (TimeoutError, TooLarge, *TRANSPORT_ERRORS):
        response.close()
