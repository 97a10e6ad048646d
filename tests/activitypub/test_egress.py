"""The one way out: what it reaches, what it never touches, and how much it takes (security S-501 to S-516)."""

import asyncio
import gzip
import json
import ssl
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest
import trustme

from activitypub.answers import Answer, is_activity_type, is_json_type
from activitypub.egress import ACTIVITY_ACCEPT, Egress, EgressOptions, sign_post
from activitypub.errors import FetchError, Gone, Refused, TooLarge, Unreachable
from activitypub.signatures import cavage, rfc9421
from activitypub.signatures.digest import digest
from activitypub.signatures.keys import SigningIdentity, generate_rsa_key
from activitypub.signatures.messages import SignedRequest
from tests.loopback import ACTIVITY, LoopbackServer, Seen, answers, by_target, response

T = TypeVar("T")
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KEY = generate_rsa_key()
SIGNER = SigningIdentity("https://kin.example/actor#main-key", KEY)
SHORT = timedelta(milliseconds=300)
DRIP_SECONDS = 0.01


def run(journey: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(journey)


async def nobody(host: str) -> Sequence[str]:
    raise OSError(f"no such name: {host}")


@asynccontextmanager
async def egress_to(
    *servers: LoopbackServer,
    names: dict[str, list[str]] | None = None,
    refused: Sequence[str] = (),
    **options: Any,
) -> AsyncIterator[Egress]:
    """A way out for which these servers are private peers, with a name service of its own."""

    async def look_up(host: str) -> Sequence[str]:
        return (names or {})[host] if host in (names or {}) else await nobody(host)

    egress = Egress(
        EgressOptions(
            user_agent="Kinfold/0 (+https://kin.example)",
            private_peers=frozenset(server.peer for server in servers),
            development=True,
            **options,
        ),
        is_refused=lambda host: host in refused,
        clock=lambda: NOW,
        lookup=look_up,
    )
    try:
        yield egress
    finally:
        await egress.close()


async def post_signed(egress: Egress, url: str, body: bytes) -> Answer:
    """POST an activity as a delivery does."""
    target = egress.target(url)
    return await egress.post(target, body, sign_post(SIGNER, target, digest(body), NOW))


def document(url: str, **members: Any) -> bytes:
    return json.dumps({"id": url, "type": "Person", **members}).encode()


def as_request(seen: Seen, origin: str) -> SignedRequest:
    return SignedRequest(seen.method, seen.target, origin, tuple(seen.headers.items()), seen.body)


def test_a_document_is_fetched_signed_and_plainly() -> None:
    async def journey() -> tuple[dict[str, Any], Seen, str]:
        async with LoopbackServer(answers(b"")) as peer:
            peer.script = answers(response(200, document(peer.url("/u/%7Ebob?x=%7e"))))
            async with egress_to(peer) as egress:
                found = await egress.fetch_document(peer.url("/u/%7Ebob?x=%7e#main-key"), SIGNER)
            return found, peer.seen[0], peer.url("/").removesuffix("/")

    found, seen, origin = run(journey())
    assert found["type"] == "Person"
    assert seen.target == "/u/%7Ebob?x=%7e"
    assert seen.headers["accept"] == ACTIVITY_ACCEPT
    assert seen.headers["accept-encoding"] == "identity"
    assert seen.headers["user-agent"] == "Kinfold/0 (+https://kin.example)"
    assert set(seen.headers) == {"host", "accept", "accept-encoding", "user-agent", "date", "signature"}
    cavage.verify(as_request(seen, origin), KEY.public_key(), NOW)


def test_a_post_carries_the_very_bytes_and_its_signature() -> None:
    body = '{"type":"Create","content":"tschüß"}'.encode()

    async def journey() -> tuple[Answer, Seen, str]:
        async with LoopbackServer(answers(response(202))) as peer, egress_to(peer) as egress:
            answer = await post_signed(egress, peer.url("/inbox"), body)
            return answer, peer.seen[0], peer.url("").removesuffix("/")

    answer, seen, origin = run(journey())
    assert answer == Answer(202, None)
    assert seen.body == body
    assert seen.headers["content-type"] == "application/activity+json"
    cavage.verify(as_request(seen, origin), KEY.public_key(), NOW)


@pytest.mark.parametrize("status", [200, 202, 301, 307, 308, 400, 401, 404, 410, 429, 500, 503])
def test_any_status_answers_a_post_and_no_redirect_is_followed(status: int) -> None:
    async def journey() -> tuple[Answer, int, int]:
        async with LoopbackServer(answers(b"")) as peer, LoopbackServer(answers(response(200)), "127.0.0.3") as other:
            peer.script = answers(response(status, b"x", headers={"Location": other.url(), "Retry-After": "7"}))
            async with egress_to(peer, other) as egress:
                answer = await egress.post(egress.target(peer.url("/inbox")), b"{}", {})
                again = await egress.post(egress.target(peer.url("/inbox")), b"{}", {})
            assert again.status == answer.status
            return answer, peer.connections, other.connections

    answer, connections, followed = run(journey())
    assert answer == Answer(status, NOW + timedelta(seconds=7))
    assert connections == 1  # kept and used again
    assert followed == 0


STATUSES: list[tuple[int, type[FetchError]]] = [
    (304, Refused),
    (400, Refused),
    (401, Refused),
    (403, Refused),
    (404, Refused),
    (408, Unreachable),
    (410, Gone),
    (429, Unreachable),
    (500, Unreachable),
    (503, Unreachable),
]


@pytest.mark.parametrize(("status", "error"), STATUSES)
def test_what_a_status_means_for_a_fetch(status: int, error: type[FetchError]) -> None:
    async def journey() -> None:
        async with LoopbackServer(answers(response(status))) as peer, egress_to(peer) as egress:
            await egress.fetch(peer.url("/x"), accept="*/*")

    with pytest.raises(error) as caught:
        run(journey())
    if isinstance(caught.value, Refused):
        assert caught.value.status == status


def test_s_501_canaries_see_nothing() -> None:
    """Every spelling of an address that is not the exact private peer, on a listener that would answer."""

    async def journey() -> tuple[int, int]:
        async with (
            LoopbackServer(answers(response(200, b"{}"))) as peer,
            LoopbackServer(answers(response(200, b"{}")), "127.0.0.3") as canary,
            LoopbackServer(answers(response(200, b"{}")), "::1") as canary6,
        ):
            names = {
                "inner.example": ["127.0.0.3"],
                "mapped.example": ["::ffff:127.0.0.3"],
                "mixed.example": ["127.0.0.2", "127.0.0.3"],
                "v6.example": ["::1"],
                "any.example": ["0.0.0.0"],
                "outer.example": ["127.0.0.2"],
            }
            async with egress_to(peer, names=names) as egress:
                for host in ("127.0.0.3", "[::ffff:127.0.0.3]", "2130706435", "127.3", "0x7f000003", "0.0.0.0"):
                    with pytest.raises(Refused):
                        await egress.fetch(f"http://{host}:{canary.port}/", accept="*/*")
                for host, port in (("[::1]", canary6.port), ("localhost", canary.port), ("localhost", canary6.port)):
                    with pytest.raises(Refused):
                        await egress.fetch(f"http://{host}:{port}/", accept="*/*")
                for host in ("inner", "mapped", "mixed", "v6", "any"):
                    for url in (f"http://{host}.example:{peer.port}/", f"https://{host}.example/"):
                        with pytest.raises(Refused):
                            await egress.fetch(url, accept="*/*")
                        with pytest.raises(Refused):
                            await post_signed(egress, url, b"{}")
                await egress.fetch(f"http://outer.example:{peer.port}/", accept="*/*")  # control
            return peer.connections, canary.connections + canary6.connections

    assert run(journey()) == (1, 0)


def test_s_502_the_address_that_was_checked_is_the_one_that_is_used() -> None:
    """A resolver that answers differently each time: what is refused once is not asked again for the connection."""
    asked: list[str] = []

    async def journey() -> int:
        async with (
            LoopbackServer(answers(response(200, b"{}", headers={"Connection": "close"}))) as peer,
            LoopbackServer(answers(response(200, b"{}")), "127.0.0.3", port=peer.port) as canary,
        ):

            async def rebinding(host: str) -> Sequence[str]:
                asked.append(host)
                return ["127.0.0.2" if len(asked) % 2 else "127.0.0.3"]

            options = EgressOptions("x", frozenset({peer.peer}), development=True)
            egress = Egress(options, is_refused=lambda _: False, clock=lambda: NOW, lookup=rebinding)
            for host in ("a", "b", "c", "d"):
                try:
                    await egress.fetch(f"http://{host}.example:{peer.port}/", accept="*/*")
                except Refused:
                    assert len(asked) % 2 == 0
            await egress.close()
            assert peer.connections == 2
            return canary.connections

    assert run(journey()) == 0
    assert asked == ["a.example", "b.example", "c.example", "d.example"]


def test_s_503_redirects_are_followed_by_hand_and_signed_anew() -> None:
    async def journey() -> tuple[str, list[Seen], list[str]]:
        async with LoopbackServer(answers(b"")) as first, LoopbackServer(answers(b""), "127.0.0.3") as second:
            first.script = by_target(
                {
                    "/a": response(302, headers={"Location": "/b"}),
                    "/b": response(301, headers={"Location": second.url("/c")}),
                }
            )
            second.script = by_target(
                {"/c": response(307, headers={"Location": "d?x=1"}), "/d?x=1": response(200, b"{}")}
            )
            async with egress_to(first, second) as egress:
                found = await egress.fetch(first.url("/a"), accept="*/*", signer=SIGNER)
            assert found.url == second.url("/d?x=1")
            return found.url, first.seen + second.seen, [first.url("")] * 2 + [second.url("")] * 2

    _, seen, origins = run(journey())
    assert [it.target for it in seen] == ["/a", "/b", "/c", "/d?x=1"]
    for request, origin in zip(seen, origins, strict=True):
        cavage.verify(as_request(request, origin), KEY.public_key(), NOW)


def test_s_503_redirects_have_an_end() -> None:
    async def journey() -> list[int]:
        counts = []
        async with LoopbackServer(answers(b"")) as peer, LoopbackServer(answers(b""), "127.0.0.3") as canary:
            locations = {f"/{n}": response(302, headers={"Location": f"/{n + 1}"}) for n in range(9)}
            locations |= {
                "/loop": response(302, headers={"Location": "/loop?2"}),
                "/loop?2": response(302, headers={"Location": "/loop"}),
                "/inner": response(302, headers={"Location": canary.url("/")}),
                "/other": response(302, headers={"Location": "file:///etc/passwd"}),
                "/split": response(302, headers={"Location": "/x y"}),
                "/blocked": response(302, headers={"Location": "https://blocked.example/"}),
                "/bomb": b"HTTP/1.1 302 Found\r\nLocation: /0\r\nContent-Length: 99999999999\r\n\r\nx",
            }
            peer.script = by_target(locations)
            async with egress_to(peer, refused=["blocked.example"]) as egress:
                for path in ("/0", "/loop", "/inner", "/other", "/split", "/blocked", "/bomb"):
                    before = len(peer.seen)
                    with pytest.raises(Refused):
                        await egress.fetch(peer.url(path), accept="*/*", signer=SIGNER)
                    counts.append(len(peer.seen) - before)
            assert canary.connections == 0
        return counts

    assert run(journey()) == [4, 2, 1, 1, 1, 1, 4]


def test_suspended_hosts_are_refused_before_any_packet() -> None:
    async def journey() -> int:
        async with LoopbackServer(answers(response(200, b"{}"))) as peer:
            async with egress_to(peer) as egress:
                await egress.fetch(peer.url("/"), accept="*/*")  # control
                target = egress.target(peer.url("/inbox"))
            seen = peer.connections
            async with egress_to(peer, refused=[peer.authority]) as egress:
                for attempt in (
                    egress.fetch(peer.url("/"), accept="*/*"),
                    egress.fetch_document(peer.url("/")),
                    egress.fetch_json(peer.url("/")),
                    post_signed(egress, peer.url("/"), b"{}"),
                    egress.post(target, b"{}", {}),
                ):
                    with pytest.raises(Refused) as caught:
                        await attempt
                    assert caught.value.status == 0
            return peer.connections - seen

    assert run(journey()) == 0


def test_private_peers_are_for_development_only() -> None:
    with pytest.raises(ValueError, match="development"):
        EgressOptions("x", frozenset({("127.0.0.2", 8001)}))
    assert not EgressOptions("x").private_peers


async def endless(_: Seen, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/activity+json\r\n\r\n")
    while True:
        writer.write(b"x" * 65_536)
        await writer.drain()


async def silent(_: Seen, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()  # until the server is closed
    writer.close()


def dripping(head: bytes) -> Any:
    """A peer that is never silent and never through: its own slowness is what is tested."""

    async def script(_: Seen, writer: asyncio.StreamWriter) -> None:
        def drip() -> None:
            if not writer.is_closing():
                writer.write(b"x")
                asyncio.get_running_loop().call_later(DRIP_SECONDS, drip)

        writer.write(head)
        drip()
        await writer.wait_closed()

    return script


@pytest.mark.parametrize(
    "script",
    [
        endless,
        answers(response(200, b"x" * 2_001)),
        answers(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
        answers(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"7d1\r\n" + b"x" * 2_001 + b"\r\n0\r\n\r\n"
        ),
    ],
    ids=["endless", "declared", "mis-declared", "chunked"],
)
def test_s_508_bytes_are_counted(script: Any) -> None:
    async def journey() -> None:
        async with LoopbackServer(script) as peer, egress_to(peer, max_bytes=2_000) as egress:
            await egress.fetch(peer.url("/"), accept="*/*")

    with pytest.raises(TooLarge):
        run(journey())


def test_s_508_exactly_as_much_as_is_allowed_fits() -> None:
    async def journey() -> bytes:
        peer = LoopbackServer(answers(response(200, b"x" * 2_000)))
        async with peer, egress_to(peer, max_bytes=2_000) as egress:
            return (await egress.fetch(peer.url("/"), accept="*/*")).body

    assert run(journey()) == b"x" * 2_000


@pytest.mark.parametrize("coding", ["gzip", "br", "deflate", "gzip, gzip", "GZIP"])
def test_s_509_nothing_is_unpacked(coding: str) -> None:
    bomb = gzip.compress(b'{"id":"' + b"x" * 100_000 + b'"}')

    async def journey() -> None:
        peer = LoopbackServer(answers(response(200, bomb, headers={"Content-Encoding": coding})))
        async with peer, egress_to(peer) as egress:
            await egress.fetch(peer.url("/"), accept="*/*")

    with pytest.raises(Refused):
        run(journey())


def test_s_509_a_transfer_coding_is_refused_too() -> None:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"

    async def journey() -> None:
        async with LoopbackServer(answers(head + b"1\r\nx\r\n0\r\n\r\n")) as peer, egress_to(peer) as egress:
            await egress.fetch(peer.url("/"), accept="*/*")

    with pytest.raises((Refused, Unreachable)):
        run(journey())


SLOW = {
    "silent": silent,
    "head": dripping(b"HTTP/1.1 200 OK\r\nX-Drip: "),
    "body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"),
    "interim": dripping(b"HTTP/1.1 100 Continue\r\n\r\n" * 50),
}


@pytest.mark.parametrize("script", SLOW.values(), ids=SLOW.keys())
def test_s_510_a_deadline_over_all(script: Any) -> None:
    async def journey() -> None:
        async with LoopbackServer(script) as peer, egress_to(peer, total_timeout=SHORT) as egress:
            await egress.fetch(peer.url("/"), accept="*/*")

    with pytest.raises(Unreachable):
        run(journey())


def test_s_510_a_deadline_over_all_redirects() -> None:
    async def journey() -> None:
        async with LoopbackServer(silent) as slow, LoopbackServer(answers(b""), "127.0.0.3") as peer:
            peer.script = answers(response(302, headers={"Location": slow.url("/")}))
            async with egress_to(peer, slow, total_timeout=SHORT) as egress:
                await egress.fetch(peer.url("/"), accept="*/*")

    with pytest.raises(Unreachable):
        run(journey())


@pytest.mark.parametrize("script", [silent, SLOW["head"]], ids=["silent", "head"])
def test_s_510_a_post_has_the_same_deadline(script: Any) -> None:
    async def journey() -> None:
        async with LoopbackServer(script) as peer, egress_to(peer, total_timeout=SHORT) as egress:
            await post_signed(egress, peer.url("/"), b"{}")

    with pytest.raises(Unreachable):
        run(journey())


def test_the_status_counts_although_the_rest_drips_or_is_endless() -> None:
    async def journey() -> list[int]:
        statuses = []
        for script in (dripping(b"HTTP/1.1 202 Accepted\r\nContent-Length: 100000\r\n\r\n"), endless):
            async with LoopbackServer(script) as peer, egress_to(peer) as egress:
                statuses.append((await post_signed(egress, peer.url("/"), b"{}")).status)
        return statuses

    assert run(journey()) == [202, 200]


def test_s_511_nothing_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.2 login me password secret\n")
    key_log = tmp_path / "keys.log"
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("SSLKEYLOGFILE", str(key_log))

    async def journey() -> tuple[list[Seen], int]:
        async with (
            LoopbackServer(answers(response(200, b"{}", headers={"Set-Cookie": "a=b; Path=/"}))) as peer,
            LoopbackServer(answers(response(200, b"{}")), "127.0.0.3") as proxy,
        ):
            for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
                monkeypatch.setenv(name, proxy.url())
            async with egress_to(peer) as egress:
                await egress.fetch(peer.url("/"), accept="*/*")
                await egress.fetch(peer.url("/"), accept="*/*")
                await post_signed(egress, peer.url("/"), b"{}")
            return peer.seen, proxy.connections

    seen, proxied = run(journey())
    assert proxied == 0
    assert not key_log.exists()
    assert not any({"authorization", "cookie", "proxy-authorization"} & set(it.headers) for it in seen)


def tls_server(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


def test_s_512_certificates_and_names_are_verified(tmp_path: Path) -> None:
    ours, foreign = trustme.CA(), trustme.CA()
    ca_file = tmp_path / "ca.pem"
    ours.cert_pem.write_to_path(str(ca_file))

    async def attempt(authority: trustme.CA, certified: str, ca: Path | None) -> str:
        server = LoopbackServer(answers(response(200, b"{}")), tls=tls_server(authority, certified))
        async with server:
            names = {"peer.example": [server.host]}
            async with egress_to(server, names=names, ca_file=ca) as egress:
                try:
                    await egress.fetch(f"https://peer.example:{server.port}/", accept="*/*")
                except Unreachable as error:
                    return str(error)
        return "fetched"

    assert run(attempt(ours, "peer.example", ca_file)) == "fetched"
    assert "Certificate" in run(attempt(foreign, "peer.example", ca_file))
    assert "Certificate" in run(attempt(ours, "other.example", ca_file))
    assert "Certificate" in run(attempt(ours, "peer.example", None))


def test_names_and_ports_that_are_not_there_are_unreachable() -> None:
    async def journey() -> None:
        async with LoopbackServer(silent) as peer:
            pass
        async with egress_to(peer) as egress:
            for url in (peer.url("/"), "https://nowhere.example/"):
                with pytest.raises(Unreachable):
                    await egress.fetch(url, accept="*/*")
                with pytest.raises(Unreachable):
                    await post_signed(egress, url, b"{}")

    run(journey())


NOT_HTTP = [
    b"",
    b"SSH-2.0-OpenSSH\r\n",
    b"HTTP/1.1 abc\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: " + b"a" * 100_000 + b"\r\n\r\n",
    b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 10_000 + b"\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
    bytes(range(256)),
]


@pytest.mark.parametrize("answer", NOT_HTTP, ids=range(len(NOT_HTTP)))
def test_what_is_not_http_is_unreachable(answer: bytes) -> None:
    async def script(_: Seen, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        await writer.drain()
        raise ConnectionResetError  # hang up

    async def journey() -> None:
        async with LoopbackServer(script) as peer, egress_to(peer) as egress:
            await egress.fetch(peer.url("/"), accept="*/*")

    with pytest.raises(Unreachable):
        run(journey())


def test_a_kept_connection_that_the_peer_closed_is_opened_again() -> None:
    turns = []

    async def once(_: Seen, writer: asyncio.StreamWriter) -> None:
        turns.append(1)
        if len(turns) == 2:
            raise ConnectionResetError  # hangs up instead of answering on the kept connection
        writer.write(response(202))
        await writer.drain()

    async def journey() -> tuple[int, int]:
        async with LoopbackServer(once) as peer, egress_to(peer) as egress:
            for _ in range(2):
                assert (await post_signed(egress, peer.url("/"), b"{}")).status == 202
            return peer.connections, len(peer.seen)

    assert run(journey()) == (2, 3)


def test_idle_connections_are_bounded() -> None:
    """Watches over the two names of aiohttp that `BoundedConnector` leans on."""

    async def journey() -> list[int]:
        async with (
            LoopbackServer(answers(response(202)), "127.0.0.2") as first,
            LoopbackServer(answers(response(202)), "127.0.0.3") as second,
            LoopbackServer(answers(response(202)), "127.0.0.4") as third,
            egress_to(first, second, third, max_connections=2) as egress,
        ):
            for peer in (first, second, third, second, third, first):
                assert (await post_signed(egress, peer.url("/"), b"{}")).status == 202
            return [first.connections, second.connections, third.connections]

    assert run(journey()) == [2, 1, 1]


MEDIA_TYPES = [
    ("application/activity+json", True),
    ("application/activity+json; charset=utf-8", True),
    ("Application/Activity+JSON", True),
    ('application/ld+json; profile="https://www.w3.org/ns/activitystreams"', True),
    ('application/ld+json;charset=utf-8;profile="https://www.w3.org/ns/activitystreams https://x.example/"', True),
    ("application/ld+json", False),
    ('application/ld+json; profile="https://x.example/"', False),
    ("application/json", False),
    ("text/html", False),
    ("text/plain; application/activity+json", False),
    ("", False),
]


@pytest.mark.parametrize(("content_type", "fits"), MEDIA_TYPES)
def test_only_the_two_media_types_of_activitystreams_are_read(content_type: str, *, fits: bool) -> None:
    assert is_activity_type(content_type) is fits

    async def journey() -> dict[str, Any]:
        async with LoopbackServer(answers(b"")) as peer:
            peer.script = answers(response(200, document(peer.url("/u/1")), content_type=content_type))
            async with egress_to(peer) as egress:
                return await egress.fetch_document(peer.url("/u/1"))

    if fits:
        assert run(journey())["type"] == "Person"
    else:
        with pytest.raises(Refused):
            run(journey())


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b'"x"',
        b"<html></html>",
        b'{"id":1}',
        b'{"type":"Person"}',
        b'{"id":"x","id":"y"}',
        b'{"id":"file:///etc/passwd"}',
        b'{"id":"https://127.0.0.1/u/1"}',
    ],
)
def test_documents_that_are_none(body: bytes) -> None:
    async def journey() -> None:
        async with LoopbackServer(answers(response(200, body))) as peer, egress_to(peer) as egress:
            await egress.fetch_document(peer.url("/u/1"))

    with pytest.raises(Refused):
        run(journey())


def test_the_id_is_believed_at_its_own_address_alone() -> None:
    async def journey() -> tuple[dict[str, Any], int]:
        async with LoopbackServer(answers(b"")) as origin, LoopbackServer(answers(b""), "127.0.0.3") as mirror:
            genuine = origin.url("/u/1")
            origin.script = by_target({"/u/1": response(200, document(genuine, name="genuine"))})
            mirror.script = by_target(
                {
                    "/copy": response(200, document(genuine, name="forged")),
                    "/ghost": response(200, document(origin.url("/u/2"), name="forged")),
                    "/chain": response(200, document(mirror.url("/copy"))),
                    "/moved": response(302, headers={"Location": genuine}),
                }
            )
            async with egress_to(origin, mirror) as egress:
                found = await egress.fetch_document(mirror.url("/copy"))
                assert found == await egress.fetch_document(mirror.url("/moved"))
                with pytest.raises(Refused):
                    await egress.fetch_document(mirror.url("/ghost"))
                with pytest.raises(Refused):
                    await egress.fetch_document(mirror.url("/chain"))
            return found, len(origin.seen)

    found, fetched = run(journey())
    assert found["name"] == "genuine"
    assert fetched == 3


def test_a_tombstone_is_gone() -> None:
    async def journey() -> None:
        async with LoopbackServer(answers(b"")) as peer:
            peer.script = answers(response(200, document(peer.url("/u/1"), type="Tombstone")))
            async with egress_to(peer) as egress:
                await egress.fetch_document(peer.url("/u/1"))

    with pytest.raises(Gone):
        run(journey())


@pytest.mark.parametrize(
    ("content_type", "body", "fits"),
    [
        ("application/jrd+json", b'{"subject":"acct:a@b"}', True),
        ("application/json; charset=utf-8", b'{"subject":"acct:a@b"}', True),
        ("application/json", b"[]", False),
        ("text/html", b'{"subject":"acct:a@b"}', False),
        ("text/json+json", b'{"subject":"acct:a@b"}', False),
        ("", b'{"subject":"acct:a@b"}', False),
    ],
)
def test_plain_json_for_webfinger_and_nodeinfo(content_type: str, body: bytes, *, fits: bool) -> None:
    async def journey() -> tuple[dict[str, Any], Seen]:
        peer = LoopbackServer(answers(response(200, body, content_type=content_type)))
        async with peer, egress_to(peer) as egress:
            return await egress.fetch_json(peer.url("/.well-known/webfinger?resource=acct:a@b")), peer.seen[0]

    if not fits:
        with pytest.raises(Refused):
            run(journey())
        return
    found, seen = run(journey())
    assert found == {"subject": "acct:a@b"}
    assert "signature" not in seen.headers
    assert is_json_type(content_type)


def test_what_is_said_of_a_failure_holds_no_address() -> None:
    async def journey() -> None:
        async with egress_to() as egress:
            await egress.fetch("https://secret-group.example/u/1?token=x", accept=ACTIVITY)

    with pytest.raises(Unreachable) as caught:
        run(journey())
    assert "secret" not in str(caught.value) + caught.value.public


# ── in which dialect a fetch is signed ───────────────────────────────────────────────────────────────────────────────


async def test_a_fetch_that_was_not_understood_is_made_once_more_in_the_other_dialect_and_that_is_remembered() -> None:
    async with LoopbackServer(answers(b"")) as peer, egress_to(peer) as egress:
        url = peer.url("/u/ana")

        async def wants_rfc9421(seen: Seen, writer: asyncio.StreamWriter) -> None:
            writer.write(response(200, document(url)) if "signature-input" in seen.headers else response(401))
            await writer.drain()

        peer.script = wants_rfc9421
        for _ in range(2):
            assert (await egress.fetch_document(url, SIGNER))["id"] == url
        assert ["signature-input" in seen.headers for seen in peer.seen] == [False, True, True]
        rfc9421.verify(as_request(peer.seen[-1], peer.url("").rstrip("/")), KEY.public_key(), NOW)


async def test_a_fetch_that_is_understood_in_no_dialect_is_refused_and_costs_one_request_from_then_on() -> None:
    async with LoopbackServer(answers(response(401))) as peer, egress_to(peer) as egress:
        for asked in (2, 3):
            with pytest.raises(Refused) as refused:
                await egress.fetch_document(peer.url("/u/ana"), SIGNER)
            assert (refused.value.status, len(peer.seen)) == (401, asked)


async def test_an_unsigned_fetch_is_never_signed_because_it_was_refused() -> None:
    async with LoopbackServer(answers(response(401))) as peer, egress_to(peer) as egress:
        with pytest.raises(Refused):
            await egress.fetch_json(peer.url("/nodeinfo"))
        assert ["signature" in seen.headers for seen in peer.seen] == [False]
