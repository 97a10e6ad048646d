"""Proofs that an object carries itself (FEP-8b32): the proposal's vector, a second opinion, and every bent part."""

import copy
import json
from typing import Any

import pytest
from apsig import ProofSigner
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from activitypub.errors import MalformedActivity
from activitypub.signatures.jcs import canonical
from activitypub.signatures.keys import (
    PublicKey,
    decode_multikey,
    encode_base58,
    encode_multikey,
    generate_ed25519_key,
)
from activitypub.signatures.proofs import Proof, read_proof

CONTEXTS = ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/data-integrity/v2"]
ALICE = "https://server.example/users/alice"
KEY = decode_multikey("z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2")
VECTOR: dict[str, Any] = {
    "@context": CONTEXTS,
    "id": "https://server.example/activities/1",
    "type": "Create",
    "actor": ALICE,
    "object": {
        "id": "https://server.example/objects/1",
        "type": "Note",
        "attributedTo": ALICE,
        "content": "Hello world",
        "location": {"type": "Place", "longitude": -71.184902, "latitude": 25.273962},
    },
    "proof": {
        "@context": CONTEXTS,
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": f"{ALICE}#ed25519-key",
        "proofPurpose": "assertionMethod",
        "proofValue": "z42ffGu6AUKPCFcFPiabmUvnGLPJzC7e4DGWC52NUasSSH37UMa9c58tdgVszUcZfytxa4fQ5TYHaJENCxUDe9SdL",
        "created": "2023-02-24T23:36:38Z",
    },
}
"""From FEP-8b32."""


def is_proved(document: dict[str, Any]) -> bool:
    """Tell whether a document is proved by the key of the vector."""
    proof = read_proof(document)
    return proof is not None and proof.key_id == f"{ALICE}#ed25519-key" and proof.confirmed_by(KEY)


def test_the_vector_of_the_proposal_is_proved() -> None:
    assert is_proved(VECTOR)
    assert is_proved(dict(reversed(VECTOR.items()))), "the order of the keys says nothing"
    assert is_proved({**VECTOR, "proof": [VECTOR["proof"]], "signature": {"type": "RsaSignature2017"}})


def bent(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """Return the vector with one part changed, or left out."""
    document = copy.deepcopy(VECTOR)
    place = document
    for name in path[:-1]:
        place = place[name]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("object", "content"), "Hello World"), (("object", "content"), ...), (("object", "more"), 1),
        (("id",), "https://server.example/activities/2"), (("actor",), f"{ALICE}x"),
        (("object", "location", "latitude"), 25),
        (("proof", "created"), "2023-02-24T23:36:39Z"), (("proof", "created"), ...), (("proof", "more"), 1),
        (("proof", "proofPurpose"), "authentication"), (("proof", "cryptosuite"), "eddsa-rdfc-2022"),
        (("proof", "cryptosuite"), ...), (("proof", "type"), "Ed25519Signature2020"),
        (("proof", "expires"), "2099-01-01T00:00:00Z"),
        (("proof", "verificationMethod"), "did:key:z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"),
        (("proof", "verificationMethod"), ["x"]), (("proof", "verificationMethod"), ...),
        (("proof", "proofValue"), ...),
        (("proof", "proofValue"), "u42"), (("proof", "proofValue"), "z0"), (("proof", "proofValue"), "z" + "1" * 64),
        (("proof", "proofValue"), "z" * 5_000), (("proof", "@context"), CONTEXTS[::-1]), (("proof", "@context"), []),
        (("@context",), CONTEXTS[0]), (("proof",), ...), (("proof",), None), (("proof",), []), (("proof",), "x"),
        (("proof",), [VECTOR["proof"], VECTOR["proof"]]),
    ],
)  # fmt: skip
def test_whatever_is_changed_nothing_is_proved(path: tuple[str, ...], value: Any) -> None:
    assert not is_proved(bent(path, value))


def test_another_key_proves_nothing() -> None:
    proof = read_proof(VECTOR)
    assert isinstance(proof, Proof)
    assert proof.confirmed_by(KEY)
    assert not proof.confirmed_by(generate_ed25519_key().public_key())


def test_what_another_library_proves_is_proved() -> None:
    """apsig signs; what is meant is the same, umlauts, emoji and all."""
    ours = ed25519.Ed25519PrivateKey.generate()
    document = {
        "@context": CONTEXTS, "id": "https://far.example/1", "type": "Create", "actor": "https://far.example/u",
        "object": {"id": "https://far.example/2", "type": "Note", "content": "Größe \U0001f642 \u2028 \\ \" / \t",
                   "n": 12},
    }  # fmt: skip
    options = {
        "type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod",
        "verificationMethod": "https://far.example/u#key", "created": "2026-11-23T10:00:00Z",
    }  # fmt: skip
    signed = json.loads(json.dumps(ProofSigner(ours).sign(document, options)))
    proof = read_proof(signed)
    assert proof is not None
    assert proof.confirmed_by(PublicKey(ours.public_key()))
    signed["object"]["content"] += "."
    changed = read_proof(signed)
    assert changed is not None
    assert not changed.confirmed_by(PublicKey(ours.public_key()))


# ── canonical JSON ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (1.0, "1"), (-1.5, "-1.5"), (333333333.33333329, "333333333.3333333"), (1e30, "1e+30"),
        (4.5, "4.5"), (2e-3, "0.002"), (1e-27, "1e-27"), (1e21, "1e+21"), (1e20, "100000000000000000000"),
        (1e-6, "0.000001"), (2**80, "1.2089258196146292e+24"), (2**53, "9007199254740992"),
        (1e-7, "1e-7"), (5e-324, "5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
        (295147905179352830000.0, "295147905179352830000"), (9007199254740994.0, "9007199254740994"),
        (-71.184902, "-71.184902"), (123.456, "123.456"),
    ],
)  # fmt: skip
def test_numbers_are_written_as_in_rfc_8785(value: float, text: str) -> None:
    assert canonical(value) == text.encode()


def test_keys_are_sorted_as_in_rfc_8785() -> None:
    """By UTF-16, in which a character beyond the first plane stands before some within it."""
    document = {
        "\u20ac": "Euro",
        "\r": "CR",
        "\ufb33": "Hebrew",
        "1": "One",
        "\U0001f600": "Emoji",
        "\x80": "C",
        "\xf6": "O",
    }
    order = ["\r", "1", "\x80", "\xf6", "\u20ac", "\U0001f600", "\ufb33"]
    assert list(json.loads(canonical(document))) == order
    assert (
        canonical({"b": [1, None, True], "a": "\x0f\n/\u2028"})
        == '{"a":"\\u000f\\n/\u2028","b":[1,null,true]}'.encode()
    )


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(JSON, NUMBERS)
def test_the_canonical_form_means_the_same_and_is_its_own(value: Any, number: float) -> None:
    text = canonical([value, number])
    read, as_read = json.loads(text)
    assert (read, float(as_read)) == (value, number)
    assert canonical([read, as_read]) == text


def test_what_is_no_json_has_no_form() -> None:
    deep: Any = 1
    for _ in range(60):
        deep = [deep]
    for value in (deep, {"x": float("nan")}, b"x", {"x": "\ud800"}):
        with pytest.raises(MalformedActivity):
            canonical(value)


def test_keys_as_they_are_published_are_read_back() -> None:
    key = generate_ed25519_key().public_key()
    assert encode_multikey(decode_multikey(encode_multikey(key))) == encode_multikey(key)
    assert encode_base58(b"\0\1") == "12"
