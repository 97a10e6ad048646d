"""The strict gate: what it takes, and every way of being refused (security catalogue S-215, S-602 to S-604)."""

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.errors import MalformedActivity
from activitypub.strict_json import MAX_BODY_BYTES, dumps, loads_strict


def nested(depth: int) -> bytes:
    """An object in an object …, `depth` containers in all."""
    return b'{"a":' * (depth - 1) + b"{}" + b"}" * (depth - 1)


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b' {"a": 1}\n',
        b'{"a": [1, 2.5, -3e10, true, null, {"b": []}]}',
        b'{"quote": "she said \\"hi\\" and left \\\\", "a": ":,[{"}',
        b'{"a": "\\\\", "b": "\\\\\\"", "c": "\\\\u0000"}',
        '{"ü": "\\u00e9 \\ud83c\\udf31 🌱"}'.encode(),
        nested(32),
        b'{"n": 9223372036854775807}',
        b'{"%s": 1}' % (b"k" * 256),
        json.dumps({"🌱" * 256: 1}, ensure_ascii=False).encode(),
        b'{"s": "%s"}' % (b"s" * 262_144),
        b'{"a": {"k": 1}, "b": {"k": 2}}',
        b'{"a": [' + b"1," * 19_990 + b"1]}",
    ],
)
def test_takes_what_has_one_reading(body: bytes) -> None:
    assert loads_strict(body) == json.loads(body)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not JSON"),
        (b"null", "not a JSON object"),
        (b"[]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b"<html></html>", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b'{"a": 1} {"b": 2}', "not JSON"),
        (b"{'a': 1}", "not JSON"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": 1, "\\u0061": 2}', "twice"),
        (b'{"a": {"to": "x", "b": "\\"", "to": "y"}}', "twice"),
        (b'{"a": NaN}', "not JSON"),
        (b'{"a": Infinity}', "not JSON"),
        (b'{"a": -Infinity}', "not JSON"),
        (b'{"a": 1e400}', "not JSON"),
        (b'{"a": %s}' % (b"9" * 41), "number"),
        (b'{"a": 0.%s}' % (b"1" * 100), "number"),
        (b'{"a": %s}' % (b"9" * 100_000), "n"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'{"a": "\\\\\\u0000"}', "NUL"),
        (b'{"a": "\x00"}', "not JSON"),
        (b'{"a": "\\ud800"}', "not JSON"),
        (b'{"a": "\\udc00\\ud800"}', "not JSON"),
        (b'{"a": "\xff"}', "not JSON"),
        (b'{"a": "\xc0\x80"}', "not JSON"),
        (b'{"a": "\xed\xa0\x80"}', "not JSON"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b"\xff\xfe{\x00}\x00", "not JSON"),
        (nested(33), "deep"),
        (nested(900), "deep"),
        (nested(100_000), "not JSON"),
        (b"[" * 1_000_000, "not JSON"),
        (b'{"a": %s%s}' % (b"[" * 32, b"]" * 32), "deep"),
        (b'{"a": [' + b"1," * 20_000 + b"1]}", "parts"),
        (b'{"a": [' + b"[]," * 10_000 + b"[]]}", "parts"),
        (b'{"%s": 1}' % (b"k" * 257), "key"),
        (b'{"s": "%s"}' % (b"s" * 262_145), "text is too long"),
        (b'{"s": "%s"}' % (b"s" * MAX_BODY_BYTES), "larger"),
    ],
)
def test_refuses_everything_else(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedActivity) as caught:
        loads_strict(body)
    assert reason in caught.value.public
    assert str(caught.value) == ""


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8")), inner)
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(exclude_characters="\0", codec="utf-8")), JSON_VALUES))
def test_reads_back_what_any_writer_wrote(document: dict[str, object]) -> None:
    assert loads_strict(json.dumps(document).encode()) == document
    assert loads_strict(json.dumps(document, ensure_ascii=False).encode()) == document
    assert loads_strict(dumps(document)) == document


@given(st.binary(max_size=200))
def test_never_fails_in_any_other_way(body: bytes) -> None:
    with contextlib.suppress(MalformedActivity):
        assert isinstance(loads_strict(body), dict)


def test_a_number_beyond_64_bits_is_the_nearest_double() -> None:
    assert loads_strict(b'{"n": %s}' % (b"9" * 40)) == {"n": 1e40}


def test_writes_the_same_bytes_each_time_in_the_given_order() -> None:
    assert dumps({"b": 1, "a": ["é"]}) == '{"b":1,"a":["é"]}'.encode()
