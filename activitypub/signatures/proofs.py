"""Proofs of integrity in a document (FEP-8b32, the suite eddsa-jcs-2022): whoever passes it on, it stays its author's.

The document and what the proof says of itself are each brought into the one form of RFC 8785, hashed, and the two
hashes signed. A proof names no recipient, so what it proves can be repeated by anybody: it counts for as long as
deliveries are tried, which is shorter than ids are remembered.
"""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import rfc8785

from activitypub.errors import BadSignature, MalformedActivity
from activitypub.signatures.keys import KeyKind, SigningIdentity, decode_base58, encode_base58
from activitypub.signatures.messages import FUTURE_WINDOW, MAX_KEY_ID_CHARACTERS, Claim
from activitypub.strict_json import dumps

Document = dict[str, Any]

PROOF_TYPE, SUITE, PURPOSE = "DataIntegrityProof", "eddsa-jcs-2022", "assertionMethod"
CONTEXT: Final = "https://w3id.org/security/data-integrity/v2"
AS2: Final = "https://www.w3.org/ns/activitystreams"
PUBLIC: Final = f"{AS2}#Public"
_PUBLIC_IN_SHORT = ("as:Public", "Public")
_ADDRESSES = frozenset({"to", "cc", "bto", "bcc", "audience"})
COUNTS_FOR: Final = timedelta(days=7)
MAX_PROOFS = 4
MAX_PROVEN_BYTES: Final = 65_536
"""A larger document takes too long to bring into its one form for whoever may be a stranger: 8 ms is the most."""
SIGNATURE_BYTES, MAX_SIGNATURE_CHARACTERS = 64, 96
MAX_TIME_CHARACTERS = 40
_ED25519: Final[frozenset[KeyKind]] = frozenset({"ed25519"})
_APART = frozenset({"proof", "signature"})
"""What no proof covers: itself, and the Linked Data signature that may have been put over it afterwards."""


def read_proof(document: Document, now: datetime) -> Claim | None:
    """Return what the proof in a document claims; None where there is none that counts, at no cost.

    One of another suite, by a key that is no web address, without a time, expired or too old says nothing (FEP-8b32),
    nor does one in a document of more than 64 KiB, or in one that has no canonical form.
    Raises MalformedActivity and BadSignature for one of this suite that cannot be right.
    """
    proof = _of_this_suite(document["proof"]) if "proof" in document else None
    if proof is None:
        return None
    key_id, created = proof.get("verificationMethod"), _moment(proof, "created")
    if created is None or now - created > COUNTS_FOR or not _is_address(key_id) or _has_expired(proof, now):
        return None
    if len(dumps(document)) > MAX_PROVEN_BYTES:
        return None
    if created - now > FUTURE_WINDOW:
        raise BadSignature("proof.future", public="The proof is from the future. Please check your clock.")
    if proof.get("proofPurpose") != PURPOSE:
        raise BadSignature("proof.purpose", public="The proof was made for another purpose.")
    signature = _signature(proof.get("proofValue"))
    try:
        return Claim(str(key_id), "proof", _ED25519, _messages(document, proof), signature)
    except rfc8785.CanonicalizationError:
        return None


def prove(document: Document, identity: SigningIdentity, created: datetime) -> Document:
    """Return a document with a proof by an Ed25519 key: the same input gives the same bytes.

    One that has no canonical form is returned as it is.
    """
    contexts = _with_proofs(document.get("@context", AS2))
    unsigned = {"@context": contexts, **{name: value for name, value in document.items() if name not in _APART}}
    unsigned["@context"] = contexts
    config = {
        "@context": contexts,
        "type": PROOF_TYPE,
        "cryptosuite": SUITE,
        "verificationMethod": identity.key_id,
        "proofPurpose": PURPOSE,
        "created": created.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    try:
        signature = identity.private_key.sign(signed_message(unsigned, config))
    except rfc8785.CanonicalizationError:
        return document
    return unsigned | {"proof": config | {"proofValue": "z" + encode_base58(signature)}}


def signed_message(unsigned: Document, config: Document) -> bytes:
    """Return what is signed: the hash of the proof without its value, then that of the document without proof.

    Raises rfc8785.CanonicalizationError for what has no canonical form (RFC 8785 §3: whole numbers beyond 53 bits).
    """
    return b"".join(hashlib.sha256(rfc8785.dumps(part)).digest() for part in (config, unsigned))


def _messages(document: Document, proof: Document) -> tuple[bytes, ...]:
    """Return what may have been signed: the document as it came, and as Fedify signs it before it writes it."""
    unsigned = {name: value for name, value in document.items() if name not in _APART}
    spelled_out = _spelled_out(unsigned, "")
    messages = _messages_of(unsigned, proof)
    return messages if spelled_out == unsigned else messages + _messages_of(spelled_out, proof)


def _spelled_out(value: Any, name: str) -> Any:
    """Return a value with the address of everybody in full, and attachments in an array.

    Fedify signs documents in this spelling and may send them in the other; read here, both say the same.
    """
    if name == "attachment" and value is not None and type(value) is not list:
        return [_spelled_out(value, "")]
    if type(value) is dict:
        return {key: each if key == "@context" else _spelled_out(each, key) for key, each in value.items()}
    if type(value) is list:
        return [_spelled_out(each, "" if name == "attachment" else name) for each in value]
    return PUBLIC if name in _ADDRESSES and value in _PUBLIC_IN_SHORT else value


def _messages_of(unsigned: Document, proof: Document) -> tuple[bytes, ...]:
    config = {name: value for name, value in proof.items() if name != "proofValue"}
    if "@context" in config:
        # The suite would let the document have more contexts than were signed: then it says more than was signed.
        if _listed(config["@context"]) != _listed(unsigned.get("@context", config["@context"])):
            raise BadSignature("proof.context", public="The proof was made under another @context.")
        return (signed_message(unsigned | {"@context": config["@context"]}, config),)
    messages = [signed_message(unsigned, config)]
    if "@context" in unsigned:
        # Some sign the document's context along and do not write it into the proof.
        messages.append(signed_message(unsigned, config | {"@context": unsigned["@context"]}))
    return tuple(messages)


def _of_this_suite(value: Any) -> Document | None:
    """Return the first proof of the suite; a document should not have more than one (FEP-8b32)."""
    given = value if type(value) is list else [value]
    if len(given) > MAX_PROOFS:
        raise MalformedActivity("proof.many", public="The document has too many proofs.")
    fitting = (
        entry
        for entry in given
        if type(entry) is dict and entry.get("type") == PROOF_TYPE and entry.get("cryptosuite") == SUITE
    )
    return next(fitting, None)


def _is_address(key_id: Any) -> bool:
    return type(key_id) is str and len(key_id) <= MAX_KEY_ID_CHARACTERS and key_id.startswith(("https://", "http://"))


def _has_expired(proof: Document, now: datetime) -> bool:
    expires = _moment(proof, "expires")
    return expires is not None and now - expires > FUTURE_WINDOW


def _moment(proof: Document, name: str) -> datetime | None:
    value = proof.get(name)
    if value is None:
        return None
    if type(value) is not str or len(value) > MAX_TIME_CHARACTERS:
        raise MalformedActivity("proof.time", public="A time in the proof cannot be read.")
    try:
        moment = datetime.fromisoformat(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedActivity("proof.time", public="A time in the proof cannot be read.") from error


def _signature(value: Any) -> bytes:
    if type(value) is not str or not value.startswith("z") or len(value) > MAX_SIGNATURE_CHARACTERS:
        raise MalformedActivity("proof.value", public="The value of the proof is not in base58btc.")
    try:
        signature = decode_base58(value[1:])
    except ValueError as error:
        raise MalformedActivity("proof.value", public="The value of the proof is not in base58btc.") from error
    if len(signature) != SIGNATURE_BYTES:
        raise MalformedActivity("proof.value", public="The value of the proof is not an Ed25519 signature.")
    return signature


def _listed(context: Any) -> list[Any]:
    return context if type(context) is list else [context]


def _with_proofs(context: Any) -> list[Any]:
    """Return a context that also says what a proof is: behind ActivityStreams, which peers look for first."""
    listed = _listed(context)
    return listed if CONTEXT in listed else [*listed[:1], CONTEXT, *listed[1:]]
