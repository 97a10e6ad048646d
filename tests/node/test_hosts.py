"""The node answers under its own name only, so that a page of ours is never one of another site (S-609)."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Message, Receive, Scope, Send

from node.app import create_app
from node.hosts import OwnHost
from node.keys import make_keys
from node.settings import load_settings
from node.wiring import Node, build_node
from tests.clock import MovableClock

PATHS = (
    "/", "/about", "/sign-in", "/groups", "/static/kinfold.css", "/api/v1/instance", "/oauth/authorize",
    "/.well-known/webfinger", "/nodeinfo/2.1", "/actor", "/nowhere",
)  # fmt: skip
FOREIGN = (
    "evil.example", "kin.example.evil.example", "evil.kin.example", "kin.example:8443", "kin.example:80", "127.0.0.1",
    "localhost", "localhost:8000", "", "kin.example@evil.example", "evil.example/kin.example", "[::1]", "[",
    "kin.example.",
    "kin.example, evil.example", "kin.example#", "kin.example\\", "\xe9",
)  # fmt: skip
ASKERS = ("text/html", "application/json", "application/activity+json")

on_sqlite = pytest.mark.parametrize("database_address", ["sqlite"], indirect=True)


async def ask(
    node: Node, host: bytes | None, path: str, accept: str = "text/html", verb: str = "GET"
) -> httpx.Response:
    """Ask as if the name in the address and that in the field were two things."""
    app = httpx.ASGITransport(app=create_app(node, jobs=False), raise_app_exceptions=False)
    headers = [(b"accept", accept.encode()), *([] if host is None else [(b"host", host)])]
    request = httpx.Request(verb, f"https://kin.example{path}")
    request.headers = httpx.Headers(headers)
    async with httpx.AsyncClient(transport=app) as client:
        return await client.send(request)


@on_sqlite
@pytest.mark.parametrize("host", FOREIGN)
async def test_whatever_is_asked_of_another_host_is_not_answered(node: Node, host: str) -> None:
    for path in PATHS:
        for accept in ASKERS:
            answer = await ask(node, host.encode("latin-1"), path, accept)
            assert answer.status_code == 421, (path, accept)
            assert "kin.example" not in answer.text, "nor is it told whose address this is"
            assert "set-cookie" not in answer.headers
            assert "no-store" in answer.headers["cache-control"]
            assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert (await ask(node, host.encode("latin-1"), "/inbox", verb="POST")).status_code == 421


@on_sqlite
@pytest.mark.parametrize("host", ["kin.example", "KIN.example", "kin.example:443"])
async def test_its_own_name_is_answered_however_it_is_written(node: Node, host: str) -> None:
    for path in ("/about", "/sign-in", "/static/kinfold.css", "/api/v1/instance", "/nodeinfo/2.1", "/health/live"):
        assert (await ask(node, host.encode(), path)).status_code == 200, path


@on_sqlite
async def test_the_refusal_is_told_in_the_form_that_is_asked_for(node: Node) -> None:
    page = await ask(node, b"evil.example", "/sign-in")
    assert page.headers["content-type"].startswith("text/html")
    assert "does not answer under the name" in page.text
    assert "<form" not in page.text
    told = await ask(node, b"evil.example", "/api/v1/instance", "*/*")
    assert set(told.json()) == {"error"}
    assert (await ask(node, None, "/about")).status_code == 421


@on_sqlite
async def test_health_is_told_at_whatever_address_the_node_has_inside(node: Node) -> None:
    for host in (b"127.0.0.1:8000", b"10.0.0.7", b"kinfold.internal:8000"):
        assert (await ask(node, host, "/health/live")).status_code == 200
        assert (await ask(node, host, "/health/ready")).status_code == 200
        assert (await ask(node, host, "/health/x")).status_code == 421


@pytest.fixture
def trying_out(tmp_path: Path, clock: MovableClock) -> Iterator[Node]:
    """A node in development, on a loopback address."""
    settings = load_settings(
        {"KINFOLD_DEVELOPMENT": "1", "KINFOLD_DOMAIN": "localhost:8000", "KINFOLD_DATA_DIR": str(tmp_path / "data")}
    )
    make_keys(settings)
    built = build_node(settings, clock=clock)
    yield built
    built.close()


@pytest.mark.parametrize(
    "host", ["localhost:8000", "localhost", "127.0.0.1:8000", "127.0.0.2:9000", "[::1]:8000", "[::1]"]
)
async def test_in_development_any_name_of_this_machine_will_do(trying_out: Node, host: str) -> None:
    assert (await ask(trying_out, host.encode(), "/about")).status_code == 200
    for foreign in ("evil.example", "evil.example:8000", "10.0.0.7:8000", f"{host}.evil.example", f"{host}, {host}"):
        assert (await ask(trying_out, foreign.encode(), "/about")).status_code == 421, "a name led here by its owner"


async def here(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("here")(scope, receive, send)


async def nowhere(_: Request, __: Exception) -> Response:
    return PlainTextResponse("nowhere", 421)


async def answered(hosts: list[bytes], *, development: bool = False) -> int:
    """Return the status of a request with these Host fields."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"",
             "headers": [(b"host", host) for host in hosts]}  # fmt: skip
    await OwnHost(here, "https://kin.example", development=development, answer=nowhere)(scope, receive, send)
    return int(sent[0]["status"])


async def test_of_two_hosts_neither_counts() -> None:
    assert await answered([b"kin.example"]) == 200
    for hosts in ([], [b"kin.example"] * 2, [b"kin.example", b"evil.example"], [b"evil.example", b"kin.example"]):
        assert await answered(hosts) == 421


@pytest.mark.parametrize("host", [b"kin.example", b"evil.example"])
async def test_nothing_but_http_is_spoken(host: bytes) -> None:
    """No way in beside the one whose name is looked at."""
    sent, passed = [], []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def inner(scope: Scope, _: Receive, __: Send) -> None:
        passed.append(scope["type"])

    door = OwnHost(inner, "https://kin.example", development=False, answer=nowhere)
    await door({"type": "websocket", "path": "/", "headers": [(b"host", host)]}, receive, send)
    assert [message["type"] for message in sent] == ["websocket.close"]
    with pytest.raises(RuntimeError, match="not spoken here"):
        await door({"type": "something new", "path": "/", "headers": [(b"host", host)]}, receive, send)
    await door({"type": "lifespan"}, receive, send)
    assert passed == ["lifespan"]


@given(host=st.binary(max_size=40), development=st.booleans())
async def test_no_host_is_a_fault(*, host: bytes, development: bool) -> None:
    assert await answered([host], development=development) in {200, 421}
