"""What a server asks to have signed, and how: the field Accept-Signature (RFC 9421 §5), read and written.

It comes with a refusal. What is asked for and can be given is given at once; a request for a signature by another key,
or over what a request of ours does not have, is passed over.
"""

import re
from dataclasses import dataclass
from typing import Final

from activitypub.signatures.messages import MAX_COVERED, Dialect

MAX_FIELD_CHARACTERS = 4_096
_LABEL = r"[a-z*][a-z0-9_.*-]*"
_MEMBER = re.compile(rf' *({_LABEL})=\(([^()]*)\)((?:; *{_LABEL}(?:=(?:"[^"\\]*"|[^;,"\s]+))?)*) *(?:,|$)')
_COMPONENT = re.compile(r' *"(@?[a-z0-9-]+)"(?= |$)')
_PARAMETER = re.compile(rf'; *({_LABEL})(?:=(?:"([^"\\]*)"|([^;,"\s]+)))?')
_DIALECTS: Final[dict[str, Dialect]] = {"": "rfc9421", "rsa-v1_5-sha256": "rfc9421", "ed25519": "rfc9421-ed25519"}
PRESENT: Final = frozenset(
    {"@method", "@target-uri", "@authority", "@scheme", "@request-target", "@path", "@query", "content-digest"}
)
"""What every request of ours has; a GET has no body, and so no digest of it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A signature that a server asks for: the label, what it is to cover, by which kind of key, and what to repeat."""

    label: str
    covered: tuple[str, ...]
    dialect: Dialect
    echoed: tuple[tuple[str, str], ...] = ()
    """`nonce` and `tag`, as they were given."""
    expires: bool = False


def read_asked(field: str) -> Asked | None:
    """Return the first signature asked for that can be made; None where there is none, or the field cannot be read."""
    if len(field) > MAX_FIELD_CHARACTERS or not field.isascii() or not field.isprintable():
        return None
    position = 0
    while position < len(field):
        member = _MEMBER.match(field, position)
        if member is None:
            return None
        asked = _asked(*member.group(1, 2, 3))
        if asked is not None:
            return asked
        position = member.end()
    return None


def ask(method: str) -> str:
    """Return the field with which we ask for a signature of a request."""
    covered = ["@method", "@target-uri", "@authority"] + ([] if method in ("GET", "HEAD") else ["content-digest"])
    listed = " ".join(f'"{name}"' for name in covered)
    return f"sig1=({listed});created;keyid"


def _asked(label: str, components: str, tail: str) -> Asked | None:
    covered, position = [], 0
    while found := _COMPONENT.match(components, position):
        covered.append(found.group(1))
        position = found.end()
    parameters = {name: quoted or bare or "" for name, quoted, bare in _PARAMETER.findall(tail)}
    dialect = _DIALECTS.get(parameters.get("alg", ""))
    if components[position:].strip(" ") or len(covered) > MAX_COVERED or len(set(covered)) != len(covered):
        return None
    if dialect is None or not PRESENT.issuperset(covered) or parameters.get("keyid"):
        return None  # by another key than ours, or over what we do not send
    echoed = tuple((name, parameters[name]) for name in ("nonce", "tag") if parameters.get(name))
    return Asked(label, tuple(covered), dialect, echoed, "expires" in parameters)
