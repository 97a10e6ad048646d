"""Nothing that a person wrote, no secret and no address comes through into a log, whoever hands it in and however."""

import json
import re
from ipaddress import IPv4Address, IPv6Address
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groups.invitations import INVITATION_PREFIX
from privacy.accounts import LINK_PREFIX
from privacy.errors import KeyShredded, PublicError
from privacy.redaction import MAX_TEXT, TELLING, describe_error, redact, redact_text
from web.applications import SECRET_PREFIX
from web.grants import CODE_PREFIX
from web.tokens import TOKEN_PREFIX

PREFIXES = (LINK_PREFIX, INVITATION_PREFIX, TOKEN_PREFIX, SECRET_PREFIX, CODE_PREFIX)
WORDS = "i-cannot-sleep-since-march"
WRAPS = ("{}", "from {}", "({})", "seen {}.", "{}, refused", '"{}"', "client={}", "<{}>", "[{}]", "{};x", "a\n{}\nb")
wrapped = st.sampled_from(WRAPS)
token_characters = st.text("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", min_size=20, max_size=60)


@given(token_characters, st.sampled_from(PREFIXES), wrapped)
def test_no_token_of_ours_comes_through(secret: str, prefix: str, around: str) -> None:
    assert secret not in redact_text(around.format(prefix + secret))


@given(st.ip_addresses(v=4), wrapped)
def test_no_ipv4_address_comes_through(address: IPv4Address, around: str) -> None:
    assert str(address) not in redact_text(around.format(address))


@given(st.ip_addresses(v=6), wrapped, st.booleans())
def test_no_ipv6_address_comes_through(address: IPv6Address, around: str, whole: bool) -> None:
    written = address.exploded if whole else address.compressed
    cleaned = redact_text(around.format(written))
    assert written not in cleaned
    assert not re.search(r"[0-9a-f]{1,4}:[0-9a-f]{0,4}:|::", cleaned), "nor does a part of it"


@pytest.mark.parametrize("address", ["2001:db8::1", "fe80::1%eth0", "::1", "::ffff:192.0.2.1", "2001:db8:0:1::5", "::"])
def test_the_short_forms_of_addresses_do_not_come_through(address: str) -> None:
    for around in WRAPS:
        assert address.split("%", maxsplit=1)[0] not in redact_text(around.format(address))
    assert "2001:db8" not in redact_text(f"peer [{address}]:443 closed")


@given(
    st.from_regex(r"[a-z][a-z0-9.+_-]{0,20}", fullmatch=True),
    st.from_regex(r"[a-z0-9-]{1,12}(\.[a-z]{2,8}){1,2}", fullmatch=True),
    wrapped,
)
def test_no_mail_address_and_no_handle_comes_through(local: str, host: str, around: str) -> None:
    cleaned = redact_text(around.format(f"{local}@{host}"))
    assert f"{local}@" not in cleaned
    assert f"@{host}" not in cleaned


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {WORDS}",
        f"authorization: basic {WORDS}",
        f"GET /search?q={WORDS}&type=accounts HTTP/1.1",
        f"https://kin.example/oauth/authorize?state={WORDS}",
    ],
)
def test_no_credential_and_no_query_comes_through(text: str) -> None:
    assert WORDS not in redact_text(text)


@pytest.mark.parametrize("whose", ["robin", "~robin", "r%C3%B6bin", "@robin", "robin:1"])
@pytest.mark.parametrize("form", ["{}", "'{}'", "fetch of {}: gone", "{} of https://other.example", '"{}"'])
@pytest.mark.parametrize(
    "base", ["https://far.example/users/", "http://[2001:db8::1]:8000/u?who=", "https://far.example#"]
)
def test_of_an_address_of_the_web_its_server_is_told_at_most(base: str, form: str, whose: str) -> None:
    cleaned = redact_text(form.format(f"{base}{whose}"))
    assert "bin" not in cleaned
    assert ("far.example" in cleaned) is ("far.example" in base)
    assert redact_text("https://far.example answered 502") == "https://far.example answered 502"


@pytest.mark.parametrize(
    "text",
    ["swept at 12:30:45", "2026-11-23T12:30:45.123Z", "post 5 of group 3", "node.worker:81", "version 1.2.3", "3 of 4"],
)
def test_what_an_operator_needs_stays(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize("key", sorted(TELLING))
def test_what_stands_under_a_telling_name_is_blanked_at_every_depth(key: str) -> None:
    event = {key: WORDS, key.upper(): WORDS, "deep": {"list": [{key: {"more": WORDS}}]}, "post_id": 5}
    cleaned = redact(event)
    assert WORDS not in repr(cleaned)
    assert cleaned["post_id"] == 5


class Talkative:
    """Something whose text is an address."""

    def __str__(self) -> str:
        return "robin@mail.example"

    __repr__ = __str__


@pytest.mark.parametrize(
    "value",
    [
        "robin@mail.example",
        b"robin@mail.example",
        ["robin@mail.example"],
        ("robin@mail.example",),
        {"robin@mail.example"},
        {"who": "robin@mail.example"},
        {1: ["robin@mail.example"]},
        Talkative(),
        ValueError("robin@mail.example"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_of_any_kind_is_cleaned(value: Any) -> None:
    cleaned = redact({"value": value, "count": 3, "ok": True, "none": None})
    assert "mail.example" not in repr(cleaned)
    assert (cleaned["count"], cleaned["ok"], cleaned["none"]) == (3, True, None)
    json.dumps(cleaned, default=str)


def test_a_text_stays_on_one_line_and_is_not_endless() -> None:
    cleaned = redact_text("a\r\nforged line\n" + "x" * 10_000)
    assert len(cleaned) == MAX_TEXT
    assert "\n" not in cleaned
    assert "\r" not in cleaned


@given(
    st.dictionaries(st.text(max_size=8), st.recursive(st.text() | st.integers() | st.none(), st.lists, max_leaves=5))
)
def test_cleaning_never_fails_and_cleans_for_good(event: dict[str, Any]) -> None:
    once = redact(event)
    assert redact(once) == once


# ── exceptions ───────────────────────────────────────────────────────────────────────────────────────────────────────


def raised(error: Exception, cause: Exception | None = None) -> BaseException:
    """Return an exception as it is caught: with a traceback, and a cause if any."""
    with pytest.raises(type(error)) as caught:
        raise error from cause
    return caught.value


def test_an_exception_tells_its_kind_and_place_and_not_what_it_says() -> None:
    told = describe_error(raised(ValueError(WORDS), LookupError(WORDS)))
    assert told["error"] == ["builtins.ValueError", "builtins.LookupError"]
    assert "privacy/test_redaction.py" in told["at"][0]
    assert WORDS not in repr(told)


def test_our_own_errors_tell_their_ids_and_nothing_for_the_public() -> None:
    told = describe_error(raised(KeyShredded("posts 5"), UnicodeDecodeError("utf-8", WORDS.encode(), 0, 1, WORDS)))
    assert told["error"] == ["privacy.errors.KeyShredded: posts 5", "builtins.UnicodeDecodeError"]
    assert WORDS not in repr(describe_error(raised(PublicError("post 5", public=WORDS))))


def test_even_our_own_errors_are_cleaned() -> None:
    told = describe_error(raised(PublicError("robin@mail.example from 2001:db8::7")))
    assert "mail.example" not in repr(told)
    assert "db8" not in repr(told)


def test_a_circle_of_causes_ends() -> None:
    one, other = ValueError(WORDS), LookupError(WORDS)
    one.__cause__, other.__cause__ = other, one
    assert 2 <= len(describe_error(one)["error"]) <= 12
