"""HTTP message signatures (RFC 9421), for the two algorithms that the fediverse uses with it.

Fedify knocks with it first, Mastodon 4.7 as a fallback. What must be covered is the federation reference §3.4: the
method, the whole target, and for a body its Content-Digest.
"""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from activitypub.errors import BadSignature, MalformedActivity
from activitypub.signatures.asking import Asked
from activitypub.signatures.digest import check_content_digest
from activitypub.signatures.keys import KeyKind, PublicKey, SigningIdentity
from activitypub.signatures.messages import (
    MAX_COVERED,
    Claim,
    SignedRequest,
    authority_of,
    check_expiry,
    check_host,
    check_key_id,
    check_moment,
    decode_signature,
    fields_of,
    signature_field,
)

_LABEL = r"[a-z*][a-z0-9_.*-]*"
_VALUE = r"(?:\"([^\"\\]*)\"|(-?[0-9]{1,15})(?![0-9.]))"
_PARAMETER = re.compile(rf"; *({_LABEL})={_VALUE}")
_INPUT_MEMBER = re.compile(rf" *({_LABEL})=\(([^()]*)\)((?:; *{_LABEL}={_VALUE})*) *")
_SIGNATURE_MEMBER = re.compile(rf" *({_LABEL})=:([A-Za-z0-9+/=]*): *")
_COMPONENT = re.compile(r' *"(@?[a-z0-9-]+)"(?= |$)')
_RSA: Final[frozenset[KeyKind]] = frozenset({"rsa"})
_ED25519: Final[frozenset[KeyKind]] = frozenset({"ed25519"})
_KINDS_BY_ALGORITHM: Final[dict[str, frozenset[KeyKind]]] = {
    "": _RSA | _ED25519,
    "rsa-v1_5-sha256": _RSA,
    "ed25519": _ED25519,
}
# Each of these says the whole target; a peer needs to cover one.
_WHOLE_TARGETS = (
    frozenset({"@target-uri"}),
    frozenset({"@authority", "@request-target"}),
    frozenset({"@authority", "@path", "@query"}),
)
SECONDS_ASKED_FOR = 300
"""How long a signature is to hold where a server asks that it says so."""
_BARE_TARGET = frozenset({"@authority", "@path"})  # enough where there is no query


@dataclass(frozen=True, slots=True)
class SignatureInput:
    """One member of Signature-Input: what is covered, the parameters, and the canonical text of both."""

    label: str
    covered: tuple[str, ...]
    parameters: dict[str, str | int]
    text: str

    def string(self, name: str) -> str:
        """Return a parameter that must be a string, empty when absent; raises MalformedActivity."""
        value = self.parameters.get(name, "")
        if not isinstance(value, str):
            raise MalformedActivity("signature.parameter", public=f"The parameter {name} must be a string.")
        return value

    def moment(self, name: str) -> datetime | None:
        """Return a parameter that must be a time; raises MalformedActivity."""
        value = self.parameters.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or not 0 <= value < 100_000_000_000:
            raise MalformedActivity("signature.time", public=f"The parameter {name} must be a time in seconds.")
        return datetime.fromtimestamp(value, UTC)


def sign(
    identity: SigningIdentity,
    method: str,
    url: str,
    now: datetime,
    *,
    content_digest: str | None = None,
    asked: Asked | None = None,
    more: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, str]:
    """Return the fields Content-Digest (if given), Signature-Input and Signature for a request to an absolute URL.

    Covers what Mastodon (`@method`, `@target-uri`) and Fedify (`@authority`) ask for, and what this server `asked` for.
    POST needs `content_digest`.
    """
    if content_digest is None and method.upper() == "POST":
        raise ValueError("a POST is signed with its digest")
    values = _covered_values(method, url, content_digest, asked)
    values |= {name.lower(): value for name, value in more.items()}
    label, created = "sig1" if asked is None else asked.label, int(now.timestamp())
    covered = " ".join(f'"{name}"' for name in values)
    parameters = f'({covered});created={created};keyid="{identity.key_id}"'
    if asked is not None:
        parameters += f";expires={created + SECONDS_ASKED_FOR}" if asked.expires else ""
        parameters += "".join(f';{name}="{value}"' for name, value in asked.echoed)
    lines = [f'"{name}": {value}' for name, value in values.items()]
    base = "\n".join([*lines, f'"@signature-params": {parameters}'])
    signature = base64.b64encode(identity.private_key.sign(base.encode("ascii"))).decode("ascii")
    fields = {} if content_digest is None else {"Content-Digest": content_digest}
    return fields | {**more, "Signature-Input": f"{label}={parameters}", "Signature": f"{label}=:{signature}:"}


def _covered_values(method: str, url: str, content_digest: str | None, asked: Asked | None) -> dict[str, str]:
    """Return what is covered, in order: what we always cover, and what else was asked for."""
    scheme, _, rest = url.partition("://")
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    origin = f"{scheme}://{authority}"
    values = {"@method": method.upper(), "@target-uri": url, "@authority": authority_of(origin)}
    if content_digest is not None:
        values["content-digest"] = content_digest
    for name in () if asked is None else asked.covered:
        found = _derived(
            name, SignedRequest(method, url.removeprefix(origin).partition("#")[0] or "/", origin, (), b"")
        )
        if found is not None:
            values.setdefault(name, found)
    return values


def read_claim(request: SignedRequest, now: datetime) -> Claim:
    """Make every check that needs no key: form, covered components, host, digest, time.

    Raises MalformedActivity (cannot be read, or is ambiguous) and BadSignature (incomplete, stale, other body).
    """
    fields = fields_of(request)
    claimed = parse_input(signature_field(fields, "signature-input"))
    signature = _parse_signature(signature_field(fields), claimed.label)
    kinds = _KINDS_BY_ALGORITHM.get(claimed.string("alg"))
    if kinds is None:
        raise BadSignature("signature.algorithm", public="The signature's algorithm is not accepted.")
    _check_covered(claimed, request)
    check_host(fields, request.origin)
    if "content-digest" in claimed.covered and "content-digest" in fields:
        check_content_digest(fields["content-digest"], request.body)
    _check_times(claimed, now)
    base = signature_base(claimed, request, fields)
    covered = frozenset(claimed.covered)
    return Claim(check_key_id(claimed.string("keyid")), "rfc9421", kinds, (base,), signature, covered)


def verify(request: SignedRequest, key: PublicKey, now: datetime) -> None:
    """Return when the request is signed with this key; raises as `read_claim` does, and BadSignature."""
    read_claim(request, now).confirmed_by(key)


def parse_input(field: str) -> SignatureInput:
    """Read a Signature-Input field with exactly one member (RFC 9421 §4.1); raises MalformedActivity.

    Components with parameters (`;sf`, `;req`, …) do not occur between federated servers and are refused.
    """
    member = _INPUT_MEMBER.fullmatch(field)
    if member is None:
        raise MalformedActivity("signature.form", public="The field Signature-Input must hold one signature.")
    label, components, tail = member.group(1, 2, 3)
    covered, position = [], 0
    while found := _COMPONENT.match(components, position):
        covered.append(found.group(1))
        position = found.end()
    if components[position:].strip(" ") or len(set(covered)) != len(covered) or len(covered) > MAX_COVERED:
        raise MalformedActivity("signature.covered", public="The covered components cannot be read.")
    parameters = _parse_parameters(tail)
    text = "".join(
        f";{name}={value}" if isinstance(value, int) else f';{name}="{value}"' for name, value in parameters.items()
    )
    inner = " ".join(f'"{name}"' for name in covered)
    return SignatureInput(label, tuple(covered), parameters, f"({inner}){text}")


def signature_base(claimed: SignatureInput, request: SignedRequest, fields: dict[str, str]) -> bytes:
    """Build what was signed (RFC 9421 §2.5); raises BadSignature for a component that the request lacks."""
    lines = []
    for name in claimed.covered:
        value = _derived(name, request) if name.startswith("@") else fields.get(name)
        if value is None:
            raise BadSignature("signature.absent", public="The signature covers a field that the request lacks.")
        lines.append(f'"{name}": {value}')
    lines.append(f'"@signature-params": {claimed.text}')
    return "\n".join(lines).encode("latin-1", "replace")  # as the fields were decoded


def _parse_parameters(tail: str) -> dict[str, str | int]:
    parameters: dict[str, str | int] = {}
    position = 0
    while position < len(tail):
        found = _PARAMETER.match(tail, position)
        if found is None or found.group(1) in parameters:
            raise MalformedActivity("signature.parameter", public="The signature parameters cannot be read.")
        parameters[found.group(1)] = found.group(2) if found.group(2) is not None else int(found.group(3))
        position = found.end()
    return parameters


def _parse_signature(field: str, label: str) -> bytes:
    found = _SIGNATURE_MEMBER.fullmatch(field)
    if found is None or found.group(1) != label:
        raise MalformedActivity("signature.form", public="The field Signature does not fit Signature-Input.")
    return decode_signature(found.group(2))


def _check_covered(claimed: SignatureInput, request: SignedRequest) -> None:
    covered = frozenset(claimed.covered)
    whole = any(target <= covered for target in _WHOLE_TARGETS)
    if not whole and "?" not in request.target:
        whole = covered >= _BARE_TARGET
    bodied = request.method.upper() not in ("GET", "HEAD")
    if "@method" not in covered or not whole or (bodied and "content-digest" not in covered):
        raise BadSignature(
            "signature.uncovered", public="Sign @method, @target-uri, and content-digest where there is a body."
        )


def _check_times(claimed: SignatureInput, now: datetime) -> None:
    created = claimed.moment("created")
    if created is None:
        raise BadSignature("signature.date", public="The signature has no time of creation.")
    check_moment(created, now)
    expires = claimed.moment("expires")
    if expires is not None:
        check_expiry(expires, now)


def _derived(name: str, request: SignedRequest) -> str | None:
    path, question, query = request.target.partition("?")
    values = {
        "@method": request.method.upper(),
        "@target-uri": request.origin.rstrip("/") + request.target,
        "@authority": authority_of(request.origin),
        "@scheme": request.origin.partition("://")[0],
        "@request-target": request.target,
        "@path": path,
        "@query": question + query if question else "?",
    }
    return values.get(name)
