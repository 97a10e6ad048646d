"""Public and private keys of actors: RSA for everyone, Ed25519 for those who can (federation reference §2.5).

A key comes from a stranger, so it is measured before it is used: size, exponent, form (S-114, S-118).
"""

from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa

from activitypub.errors import BadSignature

KeyKind = Literal["rsa", "ed25519"]

MIN_RSA_BITS = 2048
MAX_RSA_BITS = 8192
MAX_RSA_EXPONENT = 2**32  # a longer one makes each verification as dear as a signature
MAX_PEM_CHARACTERS = 8_192  # an SPKI of RSA-8192 takes about 1,500
MAX_MULTIKEY_CHARACTERS = 1_500  # RSA-8192 takes 1,420; base58 is quadratic, so it is bounded before it is read
ED25519_MULTICODEC, RSA_MULTICODEC = b"\xed\x01", b"\x85\x24"
PEM_HEAD = "-----BEGIN PUBLIC KEY-----"
PEM_TAIL = "-----END PUBLIC KEY-----"
BASE58_ALPHABET = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE58_VALUES = {character: value for value, character in enumerate(BASE58_ALPHABET)}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that was measured and may be used to verify."""

    material: rsa.RSAPublicKey | ed25519.Ed25519PublicKey

    @property
    def kind(self) -> KeyKind:
        """The family of the key, which alone decides the algorithm (S-113)."""
        return "rsa" if isinstance(self.material, rsa.RSAPublicKey) else "ed25519"

    def confirms(self, signature: bytes, message: bytes) -> bool:
        """Tell whether the signature over the message was made with this key (RSASSA-PKCS1-v1_5/SHA-256 or Ed25519)."""
        try:
            if isinstance(self.material, rsa.RSAPublicKey):
                self.material.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
            else:
                self.material.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def to_pem(self) -> str:
        """Return the SPKI PEM that goes into `publicKeyPem`."""
        encoded = self.material.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return encoded.decode("ascii")


@dataclass(frozen=True, slots=True, repr=False)
class PrivateKey:
    """One of our own keys, loaded once and kept: loading costs more than signing."""

    material: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey

    def sign(self, message: bytes) -> bytes:
        """Sign with the one algorithm of the key's kind."""
        if isinstance(self.material, rsa.RSAPrivateKey):
            return self.material.sign(message, padding.PKCS1v15(), hashes.SHA256())
        return self.material.sign(message)

    def public_key(self) -> PublicKey:
        """Return the half that may be shown."""
        return PublicKey(self.material.public_key())

    def to_der(self) -> bytes:
        """Return PKCS#8 DER in the clear, to be sealed by the caller at once."""
        return self.material.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


@dataclass(frozen=True, slots=True)
class SigningIdentity:
    """Who signs: the key's id as peers can fetch it, and the key."""

    key_id: str
    private_key: PrivateKey
    ed25519: "SigningIdentity | None" = None
    """The same one with the Ed25519 key, for servers that were seen to take it."""


def generate_rsa_key() -> PrivateKey:
    """Make an RSA-2048 key; takes about 35 ms and holds the interpreter, so it belongs in a pool."""
    return PrivateKey(rsa.generate_private_key(public_exponent=65_537, key_size=MIN_RSA_BITS))


def generate_ed25519_key() -> PrivateKey:
    """Make an Ed25519 key."""
    return PrivateKey(ed25519.Ed25519PrivateKey.generate())


def load_private_key(der: bytes) -> PrivateKey:
    """Load one of our own keys from PKCS#8 DER; raises ValueError for anything else.

    The check of the primes is skipped (0.4 ms instead of 30): the bytes come out of our own seal.
    """
    key = serialization.load_der_private_key(der, password=None, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise ValueError("not a signing key of ours")
    return PrivateKey(key)


def parse_public_key(pem: str) -> PublicKey:
    """Read an actor's `publicKeyPem`: SPKI PEM with RSA of 2048 to 8192 bits, or Ed25519; raises BadSignature.

    Everything else that PEM can hold (certificates, private keys, PKCS#1, other curves) is refused unread.
    """
    text = pem.strip()
    if len(text) > MAX_PEM_CHARACTERS or not (text.startswith(PEM_HEAD) and text.endswith(PEM_TAIL)):
        raise BadSignature("key.form", public="The public key is not a PEM of the form BEGIN PUBLIC KEY.")
    if text.count("-----BEGIN") != 1 or not text.isascii():
        raise BadSignature("key.form", public="The public key holds more than one PEM block.")
    try:
        material = serialization.load_pem_public_key(text.encode("ascii"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadSignature("key.unreadable", public="The public key cannot be read.") from error
    return _measured(material)


def _measured(material: object) -> PublicKey:
    if isinstance(material, ed25519.Ed25519PublicKey):
        return PublicKey(material)
    if not isinstance(material, rsa.RSAPublicKey):
        raise BadSignature("key.kind", public="The public key is neither RSA nor Ed25519.")
    numbers = material.public_numbers()
    if not MIN_RSA_BITS <= numbers.n.bit_length() <= MAX_RSA_BITS or numbers.n % 2 == 0:
        raise BadSignature("key.size", public="An RSA key must have 2048 to 8192 bits.")
    if not 1 < numbers.e <= MAX_RSA_EXPONENT or numbers.e % 2 == 0:
        raise BadSignature("key.exponent", public="The exponent of the RSA key is not acceptable.")
    return PublicKey(material)


def encode_multikey(key: PublicKey) -> str:
    """Return `publicKeyMultibase` of an Ed25519 key (FEP-521a: multicodec 0xed01, base58btc); ValueError for RSA."""
    if not isinstance(key.material, ed25519.Ed25519PublicKey):
        raise ValueError("only Ed25519 keys are published as Multikey")
    raw = key.material.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return "z" + encode_base58(ED25519_MULTICODEC + raw)


def decode_multikey(text: str) -> PublicKey:
    """Read the `publicKeyMultibase` of an Ed25519 key or of an RSA key of 2048 to 8192 bits (FEP-521a).

    Raises BadSignature.
    """
    if len(text) > MAX_MULTIKEY_CHARACTERS or not text.startswith("z"):
        raise BadSignature("key.multibase", public="The Multikey is not in base58btc.")
    try:
        content = decode_base58(text[1:])
        if content[:2] == ED25519_MULTICODEC:
            return PublicKey(ed25519.Ed25519PublicKey.from_public_bytes(content[2:]))
        if content[:2] == RSA_MULTICODEC:
            return _measured(serialization.load_der_public_key(content[2:]))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BadSignature("key.unreadable", public="The Multikey cannot be read.") from error
    raise BadSignature("key.kind", public="The Multikey is neither RSA nor Ed25519.")


def encode_base58(content: bytes) -> str:
    """Write bytes in base58btc (draft-msporny-base58)."""
    number = int.from_bytes(content, "big")
    digits = []
    while number:
        number, remainder = divmod(number, 58)
        digits.append(BASE58_ALPHABET[remainder])
    zeros = len(content) - len(content.lstrip(b"\0"))
    return "1" * zeros + "".join(reversed(digits))


def decode_base58(text: str) -> bytes:
    """Read base58btc; raises ValueError for a character outside the alphabet. The caller bounds the length."""
    number = 0
    for character in text:
        value = BASE58_VALUES.get(character)
        if value is None:
            raise ValueError("not base58btc")
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    return b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
