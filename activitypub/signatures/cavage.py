"""HTTP signatures as nearly every peer speaks them: draft-cavage-http-signatures-12, as practised.

What peers insist on is written in the federation reference §3.1; how we verify in §3.3, strictly (S-101 to S-122).
"""

import base64
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from types import MappingProxyType
from typing import Final

from activitypub.errors import BadSignature, MalformedActivity
from activitypub.signatures.digest import check_digest
from activitypub.signatures.keys import KeyKind, PublicKey, SigningIdentity
from activitypub.signatures.messages import (
    MAX_COVERED,
    Claim,
    SignedRequest,
    check_expiry,
    check_host,
    check_key_id,
    check_moment,
    decode_signature,
    fields_of,
    signature_field,
)

_PARAMETER = re.compile(r'\s*([A-Za-z]+)\s*=\s*(?:"([^"\\]*)"|([^\s",]+))\s*(,|$)')
_FIELD_NAME = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]+")
_SECONDS = re.compile(r"[0-9]{1,11}(?:\.[0-9]{1,9})?")
READING = ("GET", "HEAD")
MAX_DATE_CHARACTERS = 128
DATES_REMEMBERED = 256
"""Senders write whole seconds, so that many requests of one moment carry the same date."""
_PSEUDO_FIELDS = frozenset({"(request-target)", "(created)", "(expires)"})
_EITHER: Final[frozenset[KeyKind]] = frozenset({"rsa", "ed25519"})
# The name narrows what the key may be and does nothing else. `hs2019` hides the algorithm; in practice it is
# PKCS#1 v1.5 with SHA-256 for RSA keys (Mastodon, GoToSocial, Pleroma).
_KINDS_BY_ALGORITHM: Final[dict[str, frozenset[KeyKind]]] = {
    "": _EITHER,
    "hs2019": _EITHER,
    "rsa-sha256": frozenset({"rsa"}),
    "ed25519": frozenset({"ed25519"}),
}


@dataclass(frozen=True, slots=True)
class Signature:
    """A Signature field, read: `algorithm` is empty when none was named, `covered` in lower case and in order."""

    key_id: str
    algorithm: str
    covered: tuple[str, ...]
    signature: bytes
    created: str
    expires: str


def sign(
    identity: SigningIdentity,
    method: str,
    target: str,
    host: str,
    now: datetime,
    *,
    digest: str | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Return the fields Host, Date, Digest (if given) and Signature for a request.

    `target` is the path with its query, `host` carries a port only where it is not the scheme's own. POST needs
    `digest`, from `digest.digest(body)`. Always `algorithm="rsa-sha256"` (PieFed insists on a name, Mastodon takes
    this one), quoted, without a space after a comma (NodeBB and PieFed split there).
    """
    fields = {"Host": host, "Date": format_datetime(now.astimezone(UTC), usegmt=True)}
    if digest is not None:
        fields["Digest"] = digest
    elif method.upper() == "POST":
        raise ValueError("a POST is signed with its digest")
    fields |= more
    covered = ["(request-target)", *(name.lower() for name in fields)]
    lines = [f"(request-target): {method.lower()} {target}", *(f"{name.lower()}: {fields[name]}" for name in fields)]
    value = base64.b64encode(identity.private_key.sign("\n".join(lines).encode("ascii"))).decode("ascii")
    fields["Signature"] = (
        f'keyId="{identity.key_id}",algorithm="rsa-sha256",headers="{" ".join(covered)}",signature="{value}"'
    )
    return fields


def parse_signature(field: str) -> Signature:
    """Read a Signature field, tolerant of spaces and order; raises MalformedActivity.

    A parameter given twice is refused: two readers could take different ones (S-111).
    """
    parameters: dict[str, str] = {}
    position = 0
    while position < len(field):
        found = _PARAMETER.match(field, position)
        if found is None:
            raise MalformedActivity("signature.form", public="The signature field cannot be read.")
        name = found.group(1).lower()
        if name in parameters:
            raise MalformedActivity("signature.repeated", public="The signature field gives a parameter twice.")
        parameters[name] = found.group(2) if found.group(2) is not None else found.group(3)
        position = found.end()
    if "keyid" not in parameters or "signature" not in parameters:
        raise MalformedActivity("signature.form", public="The signature field lacks keyId or signature.")
    algorithm = parameters.get("algorithm", "").lower()
    default = "(created)" if algorithm == "hs2019" else "date"
    return Signature(
        check_key_id(parameters["keyid"]),
        algorithm,
        tuple(parameters.get("headers", default).lower().split()),
        decode_signature(parameters["signature"]),
        parameters.get("created", ""),
        parameters.get("expires", ""),
    )


def read_claim(request: SignedRequest, now: datetime) -> Claim:
    """Make every check that needs no key: form, covered fields, host, digest, time.

    Raises MalformedActivity (cannot be read, or is ambiguous) and BadSignature (unsigned, incomplete, stale, or
    another body).
    """
    fields = fields_of(request)
    signature = parse_signature(signature_field(fields))
    kinds = _KINDS_BY_ALGORITHM.get(signature.algorithm)
    if kinds is None:
        raise BadSignature("signature.algorithm", public="The signature's algorithm is not accepted.")
    _check_covered(signature, request.method)
    check_host(fields, request.origin)
    if "digest" in signature.covered and "digest" in fields:
        check_digest(fields["digest"], request.body)
    _check_times(signature, fields, now)
    messages = [_message(signature, request.method, request.target, fields)]
    path, question, _ = request.target.partition("?")
    if question and request.method.upper() in READING:
        # Friendica, PieFed and old Mastodon sign the path alone; Mastodon and GoToSocial try both, as we do. No inbox
        # of ours has a query, so that one in a POST was put there after signing.
        messages.append(_message(signature, request.method, path, fields))
    covered = frozenset(signature.covered)
    return Claim(signature.key_id, "cavage", kinds, tuple(messages), signature.signature, covered)


def verify(request: SignedRequest, key: PublicKey, now: datetime) -> None:
    """Return when the request is signed with this key; raises as `read_claim` does, and BadSignature."""
    read_claim(request, now).confirmed_by(key)


def _check_covered(signature: Signature, method: str) -> None:
    covered = set(signature.covered)
    if len(covered) != len(signature.covered) or len(covered) > MAX_COVERED:
        raise MalformedActivity("signature.covered", public="The signature lists a field twice, or too many.")
    needed = {"(request-target)", "host"}
    if method.upper() not in READING:
        needed.add("digest")
    if not needed <= covered or not covered & {"date", "(created)"}:
        raise BadSignature(
            "signature.uncovered",
            public="Sign (request-target), host, date, and for a POST the digest.",
        )
    # Draft 12 §2.3: the pseudo-fields belong to hs2019; an older verifier would not have seen them.
    if signature.algorithm.startswith("rsa") and covered & {"(created)", "(expires)"}:
        raise BadSignature("signature.pseudo-field", public="(created) and (expires) need the algorithm hs2019.")


def _check_times(signature: Signature, fields: dict[str, str], now: datetime) -> None:
    if "date" in signature.covered:
        check_moment(_parse_date(fields.get("date", "")), now)
    if "(created)" in signature.covered:
        check_moment(_parse_seconds(signature.created), now)
    if signature.expires or "(expires)" in signature.covered:
        check_expiry(_parse_seconds(signature.expires), now)


def _parse_date(text: str) -> datetime:
    if not text:
        raise BadSignature("signature.date", public="The request has no date.")
    if len(text) > MAX_DATE_CHARACTERS:
        raise MalformedActivity("signature.date", public="The date cannot be read.")
    return _read_date(text)


@functools.lru_cache(maxsize=DATES_REMEMBERED)
def _read_date(text: str) -> datetime:
    try:
        moment = parsedate_to_datetime(text)
        # RFC 9110 dates are always GMT; the parser leaves "-0000" without a zone.
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError) as error:
        raise MalformedActivity("signature.date", public="The date cannot be read.") from error


def _parse_seconds(text: str) -> datetime:
    if not _SECONDS.fullmatch(text):
        raise MalformedActivity("signature.time", public="The time in the signature cannot be read.")
    return datetime.fromtimestamp(float(text), UTC)


def _message(signature: Signature, method: str, target: str, fields: dict[str, str]) -> bytes:
    pseudo = {
        "(request-target)": f"{method.lower()} {target}",
        "(created)": signature.created,
        "(expires)": signature.expires,
    }
    lines = []
    for name in signature.covered:
        value = pseudo.get(name) if name in _PSEUDO_FIELDS else fields.get(name)
        if value is None or not (name in _PSEUDO_FIELDS or _FIELD_NAME.fullmatch(name)):
            raise BadSignature("signature.absent", public="The signature covers a field that the request lacks.")
        lines.append(f"{name}: {value}")
    return "\n".join(lines).encode("latin-1", "replace")  # as the fields were decoded
