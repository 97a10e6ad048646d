"""The door for forms: only a page of ours may open it, and its tokens tell nothing."""

import asyncio
from collections.abc import Mapping

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from web.forms import FormRefused, comes_from_us, make_token, read_form, token_matches
from web.parameters import TooManyBytes

ORIGIN = "https://kin.example"
SECRET = b"a visitor's cookie"
HONEST = {"Origin": ORIGIN, "Sec-Fetch-Site": "same-origin"}


async def answer(request: Request) -> Response:
    """Tell what the form said, or how it was refused."""
    try:
        form = await read_form(request, origin=ORIGIN, secret=SECRET)
    except FormRefused:
        return Response(status_code=403)
    except TooManyBytes:
        return Response(status_code=413)
    return JSONResponse({"text": form.text("text"), "line": form.line("text"), "ticked": form.ticked("box")})


def post(content: str | bytes, headers: Mapping[str, str]) -> httpx.Response:
    return asyncio.run(send(content, headers))


async def send(content: str | bytes, headers: Mapping[str, str]) -> httpx.Response:
    transport = httpx.ASGITransport(app=Starlette(routes=[Route("/", answer, methods=["POST"])]))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN) as client:
        sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
        return await client.post("/", content=content, headers=sent)


@pytest.mark.parametrize(
    ("headers", "ours"),
    [
        ({"origin": ORIGIN}, True),
        ({"origin": ORIGIN, "sec-fetch-site": "same-origin"}, True),
        ({"origin": "null", "sec-fetch-site": "same-origin"}, True),
        ({"referer": f"{ORIGIN}/groups/1"}, True),
        ({}, False),
        ({"sec-fetch-site": "same-origin"}, False),
        ({"origin": "null"}, False),
        ({"origin": "https://evil.example"}, False),
        ({"origin": f"{ORIGIN}.evil.example"}, False),
        ({"origin": "http://kin.example"}, False),
        ({"origin": ORIGIN, "sec-fetch-site": "cross-site"}, False),
        ({"origin": ORIGIN, "sec-fetch-site": "same-site"}, False),
        ({"referer": "https://evil.example/?https://kin.example/"}, False),
        ({"referer": "https://kin.example@evil.example/"}, False),
    ],
)
def test_only_a_page_of_ours_is_us(headers: dict[str, str], ours: bool) -> None:
    assert comes_from_us(headers, ORIGIN) is ours


def test_tokens_are_masked_anew_and_fit_one_visitor_only() -> None:
    tokens = {make_token(SECRET) for _ in range(50)}
    assert len(tokens) == 50
    assert all(token_matches(token, SECRET) for token in tokens)
    assert not any(token_matches(token, b"somebody else") for token in tokens)


@pytest.mark.parametrize("token", ["", "x", "é", "A" * 88, "=" * 64])
def test_what_is_no_token_does_not_match(token: str) -> None:
    assert not token_matches(token, SECRET)


def test_an_honest_form_is_read_and_each_change_to_it_is_refused() -> None:
    good = f"form_token={make_token(SECRET)}&text=one%0D%0Atwo&box=yes"
    honest = post(good, HONEST)
    assert honest.json() == {"text": "one\ntwo", "line": "one two", "ticked": True}
    assert (post(good, {})).status_code == 403
    assert (post(good, {**HONEST, "Origin": "https://evil.example"})).status_code == 403
    assert (post(good, {**HONEST, "Content-Type": "text/plain"})).status_code == 403
    assert (post("text=one&box=yes", HONEST)).status_code == 403
    assert (post(f"form_token={make_token(b'other')}&text=one", HONEST)).status_code == 403


@pytest.mark.parametrize("rest", ["&text=1&text=2", "&text=%FF", "&x=1" * 80, "&text=\xff"])
def test_a_form_that_no_page_of_ours_would_send_is_refused(rest: str) -> None:
    good = f"form_token={make_token(SECRET)}"
    assert (post(good, HONEST)).status_code == 200
    assert (post((good + rest).encode("latin-1"), HONEST)).status_code == 403


def test_a_form_is_not_read_beyond_its_bound() -> None:
    good = f"form_token={make_token(SECRET)}&text="
    assert (post(good + "a" * 200_000, HONEST)).status_code == 200
    assert (post(good + "a" * 400_000, HONEST)).status_code == 413
