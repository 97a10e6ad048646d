"""What was signed, and what a signature claims: the words that both dialects share."""

import base64
import binascii
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from activitypub.errors import BadSignature, Forged, MalformedActivity
from activitypub.signatures.keys import KeyKind, PublicKey

Dialect = Literal["cavage", "rfc9421", "rfc9421-ed25519"]
"""How a request of ours is signed; the first two with RSA, which every server can verify."""
ClaimForm = Literal["cavage", "rfc9421", "proof"]

PAST_WINDOW = timedelta(minutes=65)  # product decision 18; senders queue, and re-sign on each retry
FUTURE_WINDOW = timedelta(minutes=5)
MAX_SIGNATURE_CHARACTERS = 8_192
MAX_KEY_ID_CHARACTERS = 2_048
MAX_COVERED = 32
DEFAULT_PORTS = {"https": 443, "http": 80}
# Two of these would let one reader verify what another reader does not use (S-112).
SOLE_FIELDS = ("signature", "signature-input", "date", "host", "digest", "content-digest")


@dataclass(frozen=True, slots=True)
class SignedRequest:
    """A request as it came over the wire.

    `target` is the raw path with its query ("/inbox?x=1"), `origin` our own base URL ("https://kin.example"),
    `headers` every field as received, repeats included, `client` the address that it came from, if that is known.
    """

    method: str
    target: str
    origin: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    client: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Claim:
    """A signature that passed every check that needs no key; `confirmed_by` is the last one."""

    key_id: str
    dialect: ClaimForm
    kinds: frozenset[KeyKind]
    messages: tuple[bytes, ...]
    signature: bytes
    covered: frozenset[str] = frozenset()
    """The header fields that were signed, in lower case."""

    def confirmed_by(self, key: PublicKey) -> None:
        """Return when the key made the signature; raises BadSignature otherwise, Forged where the key would have done.

        The key's kind decides the algorithm; a name in the message can only narrow it (S-113).
        """
        if key.kind not in self.kinds:
            raise BadSignature(
                "signature.algorithm", public="The signature names an algorithm that the key does not fit."
            )
        if not any(key.confirms(self.signature, message) for message in self.messages):
            raise Forged("signature.mismatch", public="The signature does not match what is signed.")


def fields_of(request: SignedRequest) -> dict[str, str]:
    """Return the header fields by lower-case name, repeats joined by ", " (RFC 9110 §5.2).

    Raises MalformedActivity when a field that signing relies on is repeated.
    """
    fields: dict[str, str] = {}
    for name, value in request.headers:
        lowered = name.lower()
        if lowered not in fields:
            fields[lowered] = value.strip()
        elif lowered in SOLE_FIELDS:
            raise MalformedActivity("signature.repeated-field", public=f"The field {lowered} is given twice.")
        else:
            fields[lowered] += ", " + value.strip()
    return fields


def signature_field(fields: dict[str, str], name: str = "signature") -> str:
    """Return a signature field, measured; raises BadSignature when absent, MalformedActivity when hostile."""
    field = fields.get(name)
    if not field:
        raise BadSignature("signature.missing", public="The request must be signed.")
    if len(field) > MAX_SIGNATURE_CHARACTERS or not field.isascii() or not field.isprintable():
        raise MalformedActivity("signature.form", public="The signature field cannot be read.")
    return field


def check_key_id(key_id: str) -> str:
    """Return the key id when it can be one; raises MalformedActivity."""
    if not key_id or len(key_id) > MAX_KEY_ID_CHARACTERS or " " in key_id:
        raise MalformedActivity("signature.key-id", public="The key id is not an address.")
    return key_id


def decode_signature(text: str) -> bytes:
    """Read the base64 of a signature, in its one canonical form; raises MalformedActivity."""
    try:
        signature = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise MalformedActivity("signature.base64", public="The signature is not base64.") from error
    # Leftover bits would make two texts for one signature.
    if not signature or base64.b64encode(signature).decode("ascii") != text:
        raise MalformedActivity("signature.base64", public="The signature is not base64.")
    return signature


def check_host(fields: dict[str, str], origin: str) -> None:
    """Check that the request was made for this node and no other (S-107); raises BadSignature."""
    if normal_authority(fields.get("host", ""), origin) != authority_of(origin):
        raise BadSignature("signature.host", public="The request was signed for another host.")


def authority_of(origin: str) -> str:
    """Return host, and port where it is not the scheme's own, of an origin such as "https://kin.example"."""
    return normal_authority(origin.partition("://")[2], origin)


def normal_authority(authority: str, origin: str) -> str:
    """Return an authority in lower case without the default port of the origin's scheme (RFC 9421 §2.2.3)."""
    return authority.lower().removesuffix(f":{DEFAULT_PORTS.get(origin.partition('://')[0])}")


def check_moment(signed_at: datetime, now: datetime) -> None:
    """Check a signature's time: at most 65 minutes past, 5 ahead, both ends included; raises BadSignature (S-105)."""
    if now - signed_at > PAST_WINDOW:
        raise BadSignature(
            "signature.stale", public="The signature is too old. Please check your clock and sign again."
        )
    if signed_at - now > FUTURE_WINDOW:
        raise BadSignature("signature.future", public="The signature is from the future. Please check your clock.")


def check_expiry(expires_at: datetime, now: datetime) -> None:
    """Honour a signature's own end, with the five minutes that clocks may differ; raises BadSignature."""
    if now - expires_at > FUTURE_WINDOW:
        raise BadSignature("signature.expired", public="The signature has expired.")
