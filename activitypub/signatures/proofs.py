"""Integrity proofs that an object carries itself (FEP-8b32, `eddsa-jcs-2022`): read here, made by others only (pure).

A proof says that the holder of a key of its author wrote just this. Who carries it along proves nothing and needs to
prove nothing. Linked Data signatures are something else, and give no authority (product decision 4).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from activitypub.errors import BadSignature, MalformedActivity
from activitypub.origins import canonical_uri
from activitypub.signatures.jcs import canonical
from activitypub.signatures.keys import PublicKey, decode_base58

SUITE = "eddsa-jcs-2022"
SIGNATURE_BYTES, MAX_VALUE_CHARACTERS = 64, 100
NOT_PROVED = frozenset({"proof", "signature"})


@dataclass(frozen=True, slots=True)
class Proof:
    """A proof in one piece: which key made it, of what, and the signature."""

    key_id: str
    message: bytes
    signature: bytes

    def confirmed_by(self, key: PublicKey) -> bool:
        """Tell whether a key made it."""
        return key.kind == "ed25519" and key.confirms(self.signature, self.message)


def read_proof(document: Mapping[str, Any]) -> Proof | None:
    """Return the proof in a document as it came, or None where there is none that could be verified."""
    given = document.get("proof")
    if type(given) is list and len(given) == 1:
        given = given[0]
    if type(given) is not dict or given.get("type") != "DataIntegrityProof" or given.get("cryptosuite") != SUITE:
        return None
    if given.get("proofPurpose") != "assertionMethod" or "expires" in given or "domain" in given:
        return None
    proved = {name: value for name, value in document.items() if name not in NOT_PROVED}
    if "@context" in given:
        own = _listed(given["@context"])
        if _listed(document.get("@context"))[: len(own)] != own:
            return None
        proved["@context"] = given["@context"]
    try:
        options = canonical({name: value for name, value in given.items() if name != "proofValue"})
        message = hashlib.sha256(options).digest() + hashlib.sha256(canonical(proved)).digest()
        return Proof(canonical_uri(_text(given, "verificationMethod")), message, _signature(given))
    except (BadSignature, MalformedActivity):
        return None


def _listed(value: Any) -> list[Any]:
    return value if type(value) is list else [value]


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name)
    if type(value) is not str:
        raise MalformedActivity(f"proof.{name}")
    return value


def _signature(document: Mapping[str, Any]) -> bytes:
    text = _text(document, "proofValue")
    if not text.startswith("z") or len(text) > MAX_VALUE_CHARACTERS:
        raise BadSignature("proof.value")
    try:
        found = decode_base58(text[1:])
    except ValueError as error:
        raise BadSignature("proof.value") from error
    if len(found) != SIGNATURE_BYTES:
        raise BadSignature("proof.value")
    return found
