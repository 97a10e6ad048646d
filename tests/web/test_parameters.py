"""One reader for everything that apps send."""

from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from web.errors import status_of
from web.parameters import BadParameters, Parameters, TooManyBytes, UnknownForm, nest, read_parameters


async def echo(request: Request) -> JSONResponse:
    """Answer what was read, or the status of the refusal."""
    try:
        read = await read_parameters(request)
    except (BadParameters, TooManyBytes, UnknownForm) as error:
        return JSONResponse({"error": error.public}, status_of(error))
    return JSONResponse(read._values)


APP = Starlette(routes=[Route("/", echo, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])])


async def send(verb: str = "POST", **sent: Any) -> httpx.Response:
    """Send a request to the reader."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=APP), base_url="http://here") as client:
        return await client.request(verb, "/", **sent)


WAYS: list[dict[str, Any]] = [
    {"json": {"ids": ["1", 2], "poll": {"options": ["a", "b"], "multiple": True}}},
    {"data": {"ids[]": ["1", "2"], "poll[options][]": ["a", "b"], "poll[multiple]": "true"}},
    {"params": {"ids[]": ["1", "2"], "poll[options][]": ["a", "b"], "poll[multiple]": "true"}},
    {"data": {"ids[0]": "1", "ids[1]": "2", "poll[options][0]": "a", "poll[options][1]": "b", "poll[multiple]": "1"}},
    {"data": {"ids": ["1", "2"], "poll[options][]": ["a", "b"], "poll[multiple]": "on"}},
    {
        "content": b'--x\r\nContent-Disposition: form-data; name="ids[]"\r\n\r\n1\r\n'
        b'--x\r\nContent-Disposition: form-data; name="ids[]"\r\n\r\n2\r\n'
        b'--x\r\nContent-Disposition: form-data; name="poll[options][]"\r\n\r\na\r\n'
        b'--x\r\nContent-Disposition: form-data; name="poll[options][]"\r\n\r\nb\r\n'
        b'--x\r\nContent-Disposition: form-data; name="poll[multiple]"\r\n\r\ntrue\r\n--x--\r\n',
        "headers": {"content-type": "multipart/form-data; boundary=x"},
    },
]


@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("way", WAYS)
async def test_every_way_of_writing_says_the_same_on_every_verb(verb: str, way: dict[str, Any]) -> None:
    read = Parameters((await send(verb, **way)).json())
    assert read.identifiers("ids") == (1, 2)
    assert read.nested("poll").texts("options") == ("a", "b")
    assert read.nested("poll").flag("multiple") is True


async def test_the_body_wins_over_the_query_and_null_was_not_sent() -> None:
    answer = await send(params={"a": "query", "b": "query"}, json={"a": "body", "c": None, "d": [None, "x"]})
    assert answer.json() == {"a": "body", "b": "query", "d": ["x"]}


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"[1]", "headers": {"content-type": "application/json"}}, 400),
        ({"content": b'{"a": NaN}', "headers": {"content-type": "application/json"}}, 400),
        ({"content": b'{"a": "\\ud800"}', "headers": {"content-type": "application/json"}}, 400),
        ({"content": b'{"a": "\\u0000"}', "headers": {"content-type": "application/json"}}, 400),
        ({"content": b'{"a":' * 2000 + b"1" + b"}" * 2000, "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"\xef\xbb\xbf{}", "headers": {"content-type": "application/json"}}, 400),
        ({"content": b"a=%00", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400),
        ({"content": b"a=%ff", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400),
        ({"content": b"a=1&a[b]=2", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400),
        ({"content": b"a[b][c][d][e][f]=2", "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400),
        ({"content": b"&".join(b"a%d=1" % n for n in range(101)),
          "headers": {"content-type": "application/x-www-form-urlencoded"}}, 400),
        ({"json": {f"a{n}": 1 for n in range(101)}}, 400),
        ({"json": {"a" * 300: 1}}, 400),
        ({"json": {"a": ["1"] * 101}}, 400),
        ({"json": {"a": "x" * 100_001}}, 400),
        ({"content": b"x" * 300_000, "headers": {"content-type": "application/json"}}, 413),
        ({"content": b"a=1", "headers": {"content-type": "text/plain"}}, 415),
        ({"files": {"avatar": b"picture"}}, 400),
        ({"content": b"--y", "headers": {"content-type": "multipart/form-data; boundary=x"}}, 400),
        ({"content": b"a", "headers": {"content-type": "multipart/form-data"}}, 400),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_refused(sent: dict[str, Any], status: int) -> None:
    answer = await send(**sent)
    assert (answer.status_code, set(answer.json())) == (status, {"error"})


@pytest.mark.parametrize(
    ("name", "value"),
    [("text", {"a": "b"}), ("text", ["a", ["b"]]), ("identifier", "x"), ("identifier", "-1"), ("identifier", "9" * 20),
     ("identifier", str(2**63)), ("flag", "perhaps"), ("number", "1e3"), ("texts", {"a": "b"}), ("nested", "x")],
)  # fmt: skip
def test_a_value_of_another_kind_is_refused(name: str, value: Any) -> None:
    read = Parameters({"it": value})
    calls = {
        "text": lambda: read.text("it"),
        "identifier": lambda: read.identifier("it"),
        "flag": lambda: read.flag("it"),
        "number": lambda: read.number("it", 1, most=9),
        "texts": lambda: read.texts("it"),
        "nested": lambda: read.nested("it"),
    }
    with pytest.raises(BadParameters):
        calls[name]()


@pytest.mark.parametrize(
    ("word", "meant"),
    [*((word, True) for word in ("true", "1", "on")), *((word, False) for word in ("false", "0", "off", "f", ""))],
)
def test_booleans_in_every_spelling(word: str, meant: bool) -> None:
    assert Parameters({"it": word}).flag("it", not meant) is meant


def test_numbers_are_drawn_into_their_bounds() -> None:
    assert Parameters({"limit": "1000000000"}).number("limit", 20, most=40) == 40
    assert Parameters({"limit": "-5"}).number("limit", 20, most=40) == 1
    assert Parameters({}).number("limit", 20, most=40) == 20


def test_entries_of_a_list_begin_where_a_name_comes_again() -> None:
    pairs = [("m[][id]", "1"), ("m[][text]", "a"), ("m[][id]", "2"), ("f[0][name]", "n"), ("f[0][value]", "v")]
    assert nest(pairs) == {
        "m": [{"id": "1", "text": "a"}, {"id": "2"}],
        "f": {"0": {"name": "n", "value": "v"}},
    }


@given(st.lists(st.tuples(st.text(max_size=12), st.text(max_size=5)), max_size=8))
def test_no_name_breaks_the_reader(pairs: list[tuple[str, str]]) -> None:
    try:
        values = nest(pairs)
    except BadParameters:
        return
    assert isinstance(values, dict)
