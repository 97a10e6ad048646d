"""Digests of a body: `Digest` as the fediverse writes it, `Content-Digest` as RFC 9530 does."""

import base64
import hashlib
import re

from activitypub.errors import BadSignature, MalformedActivity

MAX_DIGEST_CHARACTERS = 1_024
_SHA256_LENGTH = 44
# RFC 3230 writes `token=value`, comma-separated; the value's own padding is also an equals sign.
_DIGEST_ENTRY = re.compile(r"([A-Za-z0-9-]+)=([A-Za-z0-9+/=_-]+)")
# RFC 9530 §2: a dictionary of byte sequences.
_CONTENT_DIGEST_ENTRY = re.compile(r"([a-z*][a-z0-9_.*-]*)=:([A-Za-z0-9+/=]*):")


def digest(body: bytes) -> str:
    """Return the Digest field for a body: one value, the token in upper case.

    RFC 3230 §4.3.2 with SHA-256. PieFed, NodeBB and Mbin compare the whole field, Lemmy checks every entry against
    SHA-256: a second algorithm or a lower-case token would be refused by one of them.
    """
    return "SHA-256=" + _sha256(body)


def content_digest(body: bytes) -> str:
    """Return the Content-Digest field for a body (RFC 9530 §2)."""
    return f"sha-256=:{_sha256(body)}:"


def as_content_digest(field: str) -> str:
    """Return a Digest field of ours as a Content-Digest field: the same bytes in other words."""
    return f"sha-256=:{field.removeprefix('SHA-256=')}:"


def check_digest(field: str, body: bytes) -> None:
    """Compare a Digest field with the body; `SHA-256` may be written in any case.

    Raises MalformedActivity (not readable, or SHA-256 named twice) and BadSignature (no SHA-256, or another body).
    """
    _compare(_entries(field, _DIGEST_ENTRY), body)


def check_content_digest(field: str, body: bytes) -> None:
    """Compare a Content-Digest field with the body (RFC 9530 §2); raises as `check_digest` does."""
    _compare(_entries(field, _CONTENT_DIGEST_ENTRY), body)


def _sha256(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode("ascii")


def _entries(field: str, pattern: re.Pattern[str]) -> dict[str, str]:
    if len(field) > MAX_DIGEST_CHARACTERS:
        raise MalformedActivity("digest.length", public="The digest field is too long.")
    entries: dict[str, str] = {}
    for part in field.split(","):
        found = pattern.fullmatch(part.strip())
        if found is None:
            raise MalformedActivity("digest.form", public="The digest field cannot be read.")
        name = found.group(1).lower()
        if name in entries:
            raise MalformedActivity("digest.repeated", public="The digest field names an algorithm twice.")
        entries[name] = found.group(2)
    return entries


def _compare(entries: dict[str, str], body: bytes) -> None:
    claimed = entries.get("sha-256")
    if claimed is None or len(claimed) != _SHA256_LENGTH:
        raise BadSignature("digest.algorithm", public="The digest must be SHA-256.")
    if claimed != _sha256(body):
        raise BadSignature("digest.mismatch", public="The digest does not match the body.")
