"""A proxy that the settings do not name is told to the operator, once, and without a word about anybody."""

import httpx
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from structlog.testing import capture_logs
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from node.proxies import UnnamedProxy

PROXY, PERSON = "10.0.0.1", "203.0.113.9"


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await PlainTextResponse("here")(scope, receive, send)


def node_behind(trusted: list[str]) -> ASGIApp:
    """Put what notices where the server puts it: inside of what believes the proxies that are named."""
    inner = UnnamedProxy(answer)
    return ProxyHeadersMiddleware(inner, trusted_hosts=trusted) if trusted else inner  # type: ignore[arg-type,return-value]  # the server's own types


async def ask(app: ASGIApp, **fields: str) -> None:
    """Send one request as the proxy does."""
    headers = {name.replace("_", "-"): value for name, value in fields.items()}
    transport = httpx.ASGITransport(app=app, client=(PROXY, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url="https://kin.example", headers=headers) as client:
        assert (await client.get("/")).text == "here"


@pytest.mark.parametrize("trusted", [[], ["192.0.2.1"], ["192.0.2.0/24"]])
async def test_an_unnamed_proxy_is_told_once_and_nobody_with_it(trusted: list[str]) -> None:
    app = node_behind(trusted)
    with capture_logs() as said:
        await ask(app)
        await ask(app, x_forwarded_for="")
        assert said == []
        for _ in range(3):
            await ask(app, x_forwarded_for=PERSON)
    assert [(each["log_level"], each["event"]) for each in said] == [("warning", "proxy.unnamed")]
    assert PROXY not in str(said)
    assert PERSON not in str(said)


@pytest.mark.parametrize("forwarded", [f"{PROXY}9", f"1{PROXY}", f"x{PROXY}", f"{PERSON}, 1{PROXY}:80"])
async def test_an_address_that_only_holds_the_other_is_another(forwarded: str) -> None:
    with capture_logs() as said:
        await ask(node_behind([]), x_forwarded_for=forwarded)
    assert [each["event"] for each in said] == ["proxy.unnamed"]


async def test_it_is_not_said_for_certain_that_there_is_a_proxy() -> None:
    with capture_logs() as said:
        await ask(node_behind([]), x_forwarded_for=PERSON)
    assert "if a proxy" in said[0]["effect"]


@pytest.mark.parametrize("forwarded", ["[2001:db8::1]:443", "2001:DB8:0::1", "[2001:db8::1]"])
async def test_an_address_is_known_in_each_of_its_spellings(forwarded: str) -> None:
    with capture_logs() as said:
        await ask(node_behind([PROXY]), x_forwarded_for=forwarded)
    assert said == []


@pytest.mark.parametrize("forwarded", [PERSON, f"{PERSON}:4711", f"6.6.6.6, {PERSON}", PROXY, "2001:db8::1"])
@pytest.mark.parametrize("trusted", [[PROXY], ["10.0.0.0/8"], [PROXY, "192.0.2.1"]])
async def test_a_proxy_that_is_named_is_no_news(trusted: list[str], forwarded: str) -> None:
    with capture_logs() as said:
        await ask(node_behind(trusted), x_forwarded_for=forwarded)
    assert said == []
