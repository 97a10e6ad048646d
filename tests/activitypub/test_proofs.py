"""Proofs of integrity in documents: read as others write them, written as others read them, and refused when bent."""

import copy
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from apsig import ProofSigner, ProofVerifier
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activitypub.errors import BadSignature, Forged, MalformedActivity, RemoteError
from activitypub.signatures.keys import (
    PrivateKey,
    PublicKey,
    SigningIdentity,
    decode_base58,
    decode_multikey,
    encode_base58,
    generate_ed25519_key,
)
from activitypub.signatures.proofs import CONTEXT, prove, read_proof, signed_message

VECTORS = Path(__file__).parents[1] / "vectors" / "proofs"
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "eddsa-jcs-2022"
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
KEY = PrivateKey(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
IDENTITY = SigningIdentity("https://kin.example/u/ana#ed25519-key", KEY)
AS = "https://www.w3.org/ns/activitystreams"
DOCUMENT: dict[str, Any] = {
    "@context": AS,
    "id": "https://kin.example/p/1/activity",
    "type": "Create",
    "actor": "https://kin.example/u/ana",
    "object": {"id": "https://kin.example/p/1", "type": "Note", "content": "<p>Ünïcode €</p>", "tag": []},
}
beside = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the published vectors (shared/data/eddsa-jcs-2022) are not beside the checkout"
)


def holds(document: dict[str, Any], key: PublicKey, now: datetime) -> bool:
    """Whether a proof is there and was made with this key."""
    claim = read_proof(document, now)
    if claim is None:
        return False
    claim.confirmed_by(key)
    return True


def bent(**fields: Any) -> dict[str, Any]:
    """An honest document with other fields in its proof; `...` leaves one out."""
    honest = prove(DOCUMENT, IDENTITY, NOW)
    changed = {name: value for name, value in (honest["proof"] | fields).items() if value is not ...}
    return honest | {"proof": changed}


# ── as others have it ────────────────────────────────────────────────────────────────────────────────────────────────


@beside
def test_the_vector_of_the_suite_step_by_step() -> None:
    unsigned, config = (json.loads((SHARED / name).read_text()) for name in ("unsigned.json", "proofConfigJCS.json"))
    assert rfc8785.dumps(unsigned).decode() == (SHARED / "canonDocJCS.txt").read_text()
    assert rfc8785.dumps(config).decode() == (SHARED / "proofCanonJCS.txt").read_text()
    message = signed_message(unsigned, config)
    assert message.hex() == (SHARED / "combinedHashJCS.txt").read_text().strip()
    pair = json.loads((SHARED / "keyPair.json").read_text())
    seed = decode_base58(pair["privateKeyMultibase"][1:])[2:]
    signature = PrivateKey(ed25519.Ed25519PrivateKey.from_private_bytes(seed)).sign(message)
    assert signature.hex() == (SHARED / "sigHexJCS.txt").read_text().strip()
    assert "z" + encode_base58(signature) == (SHARED / "sigBTC58JCS.txt").read_text().strip()
    signed = json.loads((SHARED / "signedJCS.json").read_text())
    # Its key has no web address, so that it is nobody's who could speak here.
    assert read_proof(signed, datetime(2023, 2, 25, tzinfo=UTC)) is None
    decode_multikey(pair["publicKeyMultibase"])


@beside
def test_the_vector_of_the_proposal() -> None:
    vector = json.loads((SHARED / "fep-8b32.json").read_text())
    key, now = decode_multikey(vector["publicKeyMultibase"]), datetime(2023, 2, 25, tzinfo=UTC)
    assert holds(vector["signed"], key, now)
    other = vector["signed"] | {"actor": "https://server.example/users/mallory"}
    with pytest.raises(Forged):
        holds(other, key, now)


@pytest.mark.parametrize("name", sorted(path.stem for path in VECTORS.glob("*.json")))
def test_our_own_vectors(name: str) -> None:
    """Documents as other software wrote them, with the key that made the proof, and some that it did not make."""
    vector = json.loads((VECTORS / f"{name}.json").read_text())
    key, now = decode_multikey(vector["publicKeyMultibase"]), datetime.fromisoformat(vector["at"])
    assert holds(vector["document"], key, now) is vector["counts"]
    for change in vector["forged_by"]:
        with pytest.raises(RemoteError):
            holds({**copy.deepcopy(vector["document"]), **change}, key, now)


# ── as we write it ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_proof_says_what_it_is_and_the_same_each_time() -> None:
    proven = prove(DOCUMENT | {"signature": {"type": "RsaSignature2017"}}, IDENTITY, NOW)
    assert proven == prove(DOCUMENT, IDENTITY, NOW)
    assert proven["@context"] == [AS, CONTEXT] == proven["proof"]["@context"]
    assert {name: proven[name] for name in DOCUMENT if name != "@context"} == {
        name: value for name, value in DOCUMENT.items() if name != "@context"
    }
    assert proven["proof"]["created"] == "2026-11-23T10:00:00Z"
    assert holds(proven, KEY.public_key(), NOW)
    with pytest.raises(Forged):
        holds(proven, generate_ed25519_key().public_key(), NOW)
    inline = prove(DOCUMENT | {"@context": [AS, {"sensitive": "as:sensitive"}]}, IDENTITY, NOW)
    assert inline["@context"] == [AS, CONTEXT, {"sensitive": "as:sensitive"}]
    assert holds(inline, KEY.public_key(), NOW)


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
)
NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4))
APART = {"proof", "signature", "@context"}
DOCUMENTS = st.dictionaries(NAMES.filter(lambda name: name not in APART), VALUES, max_size=5)
OFTEN = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@OFTEN
@given(DOCUMENTS)
def test_what_we_prove_apsig_verifies_and_the_other_way_round(fields: dict[str, Any]) -> None:
    """Two implementations, two libraries for the canonical form."""
    document = {**fields, "@context": AS}
    proven = prove(document, IDENTITY, NOW)
    assert ProofVerifier(_public(KEY)).verify(copy.deepcopy(proven), raise_on_fail=True) == IDENTITY.key_id
    options = {
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": IDENTITY.key_id,
        "proofPurpose": "assertionMethod",
        "created": "2026-11-23T10:00:00Z",
    }
    assert isinstance(KEY.material, ed25519.Ed25519PrivateKey)
    theirs = ProofSigner(KEY.material).sign(document | {"@context": [AS, CONTEXT]}, options)
    assert holds(theirs, KEY.public_key(), NOW)
    assert theirs["proof"] == proven["proof"]


@OFTEN
@given(DOCUMENTS, DOCUMENTS, st.randoms(use_true_random=False))
def test_any_other_document_is_forged_and_order_does_not_count(one: Any, two: Any, random: Any) -> None:
    proven = prove({**one, "@context": AS}, IDENTITY, NOW)
    names = list(proven)
    random.shuffle(names)
    assert holds({name: proven[name] for name in names}, KEY.public_key(), NOW)
    # Compared in the one form of RFC 8785, which does not tell 1 from 1.0.
    if rfc8785.dumps(one) != rfc8785.dumps(two):
        with pytest.raises(Forged):
            holds({**two, "@context": proven["@context"], "proof": proven["proof"]}, KEY.public_key(), NOW)


def _public(key: PrivateKey) -> Any:
    return key.public_key().material


# ── what does not count, and what is refused ─────────────────────────────────────────────────────────────────────────


def test_what_says_nothing() -> None:
    """Another suite, another kind of key, no time, too old, at its end: as if it were not there."""
    assert holds(bent(), KEY.public_key(), NOW)
    assert read_proof(DOCUMENT, NOW) is None
    for proof in (None, "proof", 7, [], ["x"], {}, {"type": "DataIntegrityProof"}):
        assert read_proof(DOCUMENT | {"proof": proof}, NOW) is None
    for fields in (
        {"cryptosuite": "eddsa-rdfc-2022"},
        {"type": "Ed25519Signature2020"},
        {"verificationMethod": "did:key:z6Mk#z6Mk"},
        {"verificationMethod": ...},
        {"verificationMethod": {"id": IDENTITY.key_id}},
        {"created": ...},
        {"expires": "2026-11-23T09:54:59Z"},
    ):
        assert read_proof(bent(**fields), NOW) is None
    for size, counts in ((64_000, True), (66_000, False)):
        large = prove(DOCUMENT | {"summary": "x" * size}, IDENTITY, NOW)
        assert (read_proof(large, NOW) is not None) is counts
    for age, counts in ((timedelta(days=7), True), (timedelta(days=7, seconds=1), False)):
        assert (read_proof(bent(), NOW + age) is not None) is counts


def test_of_several_proofs_the_one_of_this_suite_is_read() -> None:
    honest = bent()
    for given_with in ([honest["proof"]], [{"type": "Other"}, honest["proof"]], [7, honest["proof"], honest["proof"]]):
        assert holds(honest | {"proof": given_with}, KEY.public_key(), NOW)
    with pytest.raises(MalformedActivity):
        read_proof(honest | {"proof": [honest["proof"]] * 5}, NOW)


@pytest.mark.parametrize(
    "fields",
    [
        {"proofPurpose": "authentication"},
        {"proofPurpose": ...},
        {"created": "2026-11-23T10:05:01Z"},
        {"created": "yesterday"},
        {"created": 7},
        {"created": "2" * 41},
        {"expires": "soon"},
        {"proofValue": ...},
        {"proofValue": "u" + "A" * 86},
        {"proofValue": "z0"},
        {"proofValue": "z" + "2" * 96},
        {"proofValue": "z" + encode_base58(bytes(63))},
        {"@context": [AS]},
        {"@context": [AS, CONTEXT, {"x": "y"}]},
    ],
)
def test_what_cannot_be_right_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises((BadSignature, MalformedActivity)):
        read_proof(bent(**fields), NOW)


@pytest.mark.parametrize("name", ["created", "verificationMethod", "nonce", "expires"])
def test_every_word_of_the_proof_is_signed(name: str) -> None:
    later = {"created": "2026-11-23T09:59:59Z", "expires": "2026-11-24T00:00:00Z"}
    with pytest.raises(Forged):
        holds(bent(**{name: later.get(name, "https://kin.example/u/ben#ed25519-key")}), KEY.public_key(), NOW)


def test_more_contexts_than_were_signed_are_refused() -> None:
    """They could give other meanings to words that the signer chose."""
    honest = bent()
    added = honest | {"@context": [*honest["@context"], {"content": "https://evil.example/#content"}]}
    with pytest.raises(BadSignature):
        read_proof(added, NOW)


def test_in_what_has_no_canonical_form_a_proof_says_nothing_and_none_is_put() -> None:
    """Whole numbers beyond 53 bits: of two programs each may read another one."""
    assert read_proof(bent() | {"number": 2**53}, NOW) is None
    assert prove(DOCUMENT | {"number": 2**53}, IDENTITY, NOW) == DOCUMENT | {"number": 2**53}
    assert holds(prove(DOCUMENT | {"number": 2**53 - 1}, IDENTITY, NOW), KEY.public_key(), NOW)


def test_the_linked_data_signature_around_it_is_left_out() -> None:
    assert holds(bent() | {"signature": {"type": "RsaSignature2017"}}, KEY.public_key(), NOW)
