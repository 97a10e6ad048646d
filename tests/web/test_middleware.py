"""Every answer carries the headers that keep a browser on our side, errors and crashes too."""

import asyncio

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from web.middleware import SecurityHeaders, content_security_policy, form_target


def plain(request: Request) -> Response:
    return PlainTextResponse("words")


def particular(request: Request) -> Response:
    policy = content_security_policy(["tusky:"])
    return PlainTextResponse("words", headers={"Content-Security-Policy": policy, "Cache-Control": "public"})


def fetch(path: str, *, https: bool = True) -> httpx.Response:
    return asyncio.run(get(path, https=https))


async def get(path: str, *, https: bool) -> httpx.Response:
    app = SecurityHeaders(Starlette(routes=[Route("/", plain), Route("/own", particular)]), https=https)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="https://kin.example") as client:
        return await client.get(path)


@pytest.mark.parametrize("path", ["/", "/nowhere"])
def test_every_answer_carries_them(path: str) -> None:
    headers = fetch(path).headers
    policy = headers["content-security-policy"]
    for directive in ("default-src 'none'", "style-src 'self'", "form-action 'self'", "base-uri 'none'"):
        assert directive in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "geolocation=()" in headers["permissions-policy"]
    assert headers["cache-control"] == "private, no-store"
    assert "noindex" in headers["x-robots-tag"]
    assert "max-age" in headers["strict-transport-security"]


def test_plain_http_promises_no_https() -> None:
    assert "strict-transport-security" not in fetch("/", https=False).headers


def test_what_a_handler_said_itself_stands() -> None:
    headers = fetch("/own").headers
    assert headers["cache-control"] == "public"
    assert "form-action 'self' tusky:;" in headers["content-security-policy"]
    assert len(headers.get_list("content-security-policy")) == 1


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("https://elk.zone/api/kin.example/oauth/https%3A%2F%2Felk.zone", "https://elk.zone"),
        ("http://127.0.0.1:7777/back", "http://127.0.0.1:7777"),
        ("http://[::1]:7777/back", "http://[::1]:7777"),
        ("icecubesapp://", "icecubesapp:"),
        ("oauth2redirect://com.keylesspalace.tusky/", "oauth2redirect:"),
        ("urn:ietf:wg:oauth:2.0:oob", None),
        ("javascript:alert(1)", None),
        ("https://a b; script-src *", None),
        ("nothing", None),
    ],
)
def test_form_targets_hold_no_more_than_a_source(address: str, target: str | None) -> None:
    assert form_target(address) == target
