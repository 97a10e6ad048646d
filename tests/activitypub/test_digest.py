"""Digests of a body, in both spellings (S-102)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.errors import BadSignature, MalformedActivity, RemoteError
from activitypub.signatures.digest import check_content_digest, check_digest, content_digest, digest

BODY = b'{"hello": "world"}'
# RFC 9530 appendix B.1 gives this value for this content.
KNOWN_BODY = b'{"hello": "world"}\n'
KNOWN = "RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg="


def test_the_value_that_the_specification_gives() -> None:
    assert content_digest(KNOWN_BODY) == f"sha-256=:{KNOWN}:"
    assert digest(KNOWN_BODY) == f"SHA-256={KNOWN}"


@pytest.mark.parametrize(
    "field",
    [
        f"SHA-256={KNOWN}",
        f"sha-256={KNOWN}",
        f"Sha-256={KNOWN}",
        f"SHA-512=AAAA,SHA-256={KNOWN}",
        f"SHA-256={KNOWN} , SHA-512=AAAA",
    ],
)
def test_digests_as_peers_write_them(field: str) -> None:
    check_digest(field, KNOWN_BODY)
    with pytest.raises(BadSignature):
        check_digest(field, BODY)


@pytest.mark.parametrize(
    ("field", "error"),
    [
        ("", MalformedActivity),
        ("SHA-256", MalformedActivity),
        (f"SHA-256={KNOWN},SHA-256={KNOWN}", MalformedActivity),
        (f"SHA-256={KNOWN},sha-256=AAAA", MalformedActivity),
        (f"SHA-256=:{KNOWN}:", MalformedActivity),
        ("SHA-256=é", MalformedActivity),
        ("a" * 2_000, MalformedActivity),
        ("SHA-512=AAAA", BadSignature),
        ("SHA-256=AAAA", BadSignature),
        (f"SHA-256={KNOWN[:-1]}", BadSignature),
    ],
)
def test_other_digests_are_refused(field: str, error: type[RemoteError]) -> None:
    with pytest.raises(error):
        check_digest(field, KNOWN_BODY)


@pytest.mark.parametrize(
    ("field", "error"),
    [
        (f"SHA-256={KNOWN}", MalformedActivity),
        (f"sha-256=:{KNOWN}:, sha-256=:AAAA:", MalformedActivity),
        ("sha-512=:AAAA:", BadSignature),
        ("sha-256=:AAAA:", BadSignature),
    ],
)
def test_other_content_digests_are_refused(field: str, error: type[RemoteError]) -> None:
    check_content_digest(f"sha-256=:{KNOWN}:", KNOWN_BODY)
    check_content_digest(f"sha-512=:AAAA:, sha-256=:{KNOWN}:", KNOWN_BODY)
    with pytest.raises(error):
        check_content_digest(field, KNOWN_BODY)


@given(st.binary(min_size=1, max_size=200), st.data())
def test_s_102_a_flipped_bit_never_fits(body: bytes, data: st.DataObject) -> None:
    position = data.draw(st.integers(0, len(body) * 8 - 1))
    flipped = bytearray(body)
    flipped[position // 8] ^= 1 << position % 8
    check_digest(digest(body), body)
    with pytest.raises(BadSignature):
        check_digest(digest(body), bytes(flipped))
    with pytest.raises(BadSignature):
        check_content_digest(content_digest(body), bytes(flipped))


@given(st.text(max_size=100))
def test_noise_is_refused_with_a_type(text: str) -> None:
    for check in (check_digest, check_content_digest):
        with pytest.raises(RemoteError):
            check(text, BODY)
