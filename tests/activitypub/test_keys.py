"""Keys of strangers are measured before use; ours load fast and sign (S-113, S-114, S-118)."""

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from hypothesis import given
from hypothesis import strategies as st

from activitypub.errors import BadSignature
from activitypub.signatures.keys import (
    PrivateKey,
    PublicKey,
    decode_base58,
    decode_multikey,
    encode_base58,
    encode_multikey,
    generate_ed25519_key,
    generate_rsa_key,
    load_private_key,
    parse_public_key,
)

RSA_KEY = generate_rsa_key()
ED25519_KEY = generate_ed25519_key()
# The key pair of the FEP-8b32 and vc-di-eddsa examples.
KNOWN_MULTIKEY = "z6MkrJVnaZkeFzdQyMZu1cgjg7k1pZZ6pvBQ7XJPt4swbTQ2"


def pem_of(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()


def rsa_pem(modulus: int, exponent: int) -> str:
    """Write an SPKI without asking the library whether the numbers make sense."""

    def wrap(tag: int, content: bytes) -> bytes:
        size = len(content)
        length = bytes([size]) if size < 128 else bytes([0x82]) + size.to_bytes(2, "big")
        return bytes([tag]) + length + content

    def integer(number: int) -> bytes:
        return wrap(2, number.to_bytes(number.bit_length() // 8 + 1, "big"))

    algorithm = bytes.fromhex("300d06092a864886f70d0101010500")
    spki = wrap(0x30, algorithm + wrap(3, b"\0" + wrap(0x30, integer(modulus) + integer(exponent))))
    return f"-----BEGIN PUBLIC KEY-----\n{base64.b64encode(spki).decode()}\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize("key", [RSA_KEY, ED25519_KEY])
def test_a_key_survives_its_written_form_and_still_fits(key: PrivateKey) -> None:
    loaded = load_private_key(key.to_der())
    public = parse_public_key(key.public_key().to_pem())
    assert public.kind == key.public_key().kind
    assert public.confirms(loaded.sign(b"words"), b"words")
    assert not public.confirms(loaded.sign(b"words"), b"other words")


def test_only_our_own_kinds_of_private_key_load() -> None:
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with pytest.raises(ValueError, match="not a signing key"):
        load_private_key(other)


def test_a_private_key_never_shows_itself() -> None:
    assert "rsa" not in repr(RSA_KEY).lower()


MODULUS = RSA_KEY.public_key().material.public_numbers().n  # type: ignore[union-attr]  # the RSA key has numbers
HOSTILE_KEYS = {
    "rsa-1024": pem_of(rsa.generate_private_key(65_537, 1024).public_key()),
    "rsa-16384": rsa_pem((1 << 16_383) + 1, 65_537),
    "exponent-1": rsa_pem(MODULUS, 1),
    "exponent-even": rsa_pem(MODULUS, 65_536),
    "exponent-huge": rsa_pem(MODULUS, MODULUS - 2),
    "modulus-even": rsa_pem(MODULUS + 1, 65_537),
    "modulus-zero": rsa_pem(0, 65_537),
    "p256": pem_of(ec.generate_private_key(ec.SECP256R1()).public_key()),
    "one-mebibyte": "-----BEGIN PUBLIC KEY-----\n" + "A" * 1_048_576 + "\n-----END PUBLIC KEY-----",
    "certificate": "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "two-blocks": RSA_KEY.public_key().to_pem() * 2,
    "private": "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----",
    "noise": "-----BEGIN PUBLIC KEY-----\n!!!!\n-----END PUBLIC KEY-----",
    "not-ascii": "-----BEGIN PUBLIC KEY-----\nMIIBé\n-----END PUBLIC KEY-----",
    "empty": "",
}


@pytest.mark.parametrize("pem", HOSTILE_KEYS.values(), ids=HOSTILE_KEYS.keys())
def test_s_114_hostile_keys_are_refused(pem: str) -> None:
    parse_public_key(RSA_KEY.public_key().to_pem())  # control: the same form, honest
    with pytest.raises(BadSignature):
        parse_public_key(pem)


def test_the_writer_of_hostile_keys_can_write_an_honest_one() -> None:
    assert parse_public_key(rsa_pem(MODULUS, 65_537)).confirms(RSA_KEY.sign(b"x"), b"x")


@given(st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("latin-1")))
def test_noise_is_a_bad_signature_and_nothing_else(text: str) -> None:
    for read in (parse_public_key, decode_multikey):
        with pytest.raises(BadSignature):
            read(text)


def test_multikey_as_others_write_it() -> None:
    key = decode_multikey(KNOWN_MULTIKEY)
    assert key.kind == "ed25519"
    assert encode_multikey(key) == KNOWN_MULTIKEY


def test_multikey_is_for_ed25519_alone() -> None:
    assert decode_multikey(encode_multikey(ED25519_KEY.public_key())) == ED25519_KEY.public_key()
    with pytest.raises(ValueError, match="Ed25519"):
        encode_multikey(RSA_KEY.public_key())


def rsa_multikey(key: PublicKey) -> str:
    """An RSA key as Multikey: the multicodec 0x1205, then PKCS#1."""
    der = key.material.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)
    return "z" + encode_base58(b"\x85\x24" + der)


def test_rsa_keys_are_read_from_multikeys_too_and_measured() -> None:
    key = decode_multikey(rsa_multikey(RSA_KEY.public_key()))
    assert key.kind == "rsa"
    assert key.to_pem() == RSA_KEY.public_key().to_pem()
    assert key.confirms(RSA_KEY.sign(b"x"), b"x")
    short = rsa.generate_private_key(public_exponent=65_537, key_size=1024).public_key()
    with pytest.raises(BadSignature):
        decode_multikey(rsa_multikey(PublicKey(short)))
    with pytest.raises(BadSignature):
        decode_multikey(rsa_multikey(RSA_KEY.public_key())[:-9])


@pytest.mark.parametrize(
    "text",
    ["", "z", KNOWN_MULTIKEY[1:], "u" + KNOWN_MULTIKEY[1:], KNOWN_MULTIKEY + "0", "z" + "2" * 200, KNOWN_MULTIKEY[:-2]],
)
def test_hostile_multikeys_are_refused(text: str) -> None:
    with pytest.raises(BadSignature):
        decode_multikey(text)


@given(st.binary(max_size=64))
def test_base58_comes_back(content: bytes) -> None:
    assert decode_base58(encode_base58(content)) == content


def test_ed25519_keys_are_read_from_pem_too() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    assert parse_public_key(PrivateKey(key).public_key().to_pem()).confirms(key.sign(b"x"), b"x")
