"""Scripted servers that speak ActivityPub, honest or not, and a signer of which every part can be bent.

Nothing of the node signs here: the strings that are signed are put together anew, so that a fault of the node's own
signer cannot hide in its tests.
"""

import base64
import functools
import hashlib
import json
from asyncio import StreamWriter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import format_datetime
from types import TracebackType
from typing import Any, Self

import jcs
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from multiformats import multibase, multicodec

from tests.loopback import LoopbackServer, Seen, response

AS = "https://www.w3.org/ns/activitystreams"
PUBLIC = f"{AS}#Public"
Json = dict[str, Any]


@functools.cache
def rsa_key(number: int, bits: int = 2048) -> rsa.RSAPrivateKey:
    """One of a few keys that all tests of a run share: making them is slow and not what is tested."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=bits)


@functools.cache
def ed25519_key(number: int) -> ed25519.Ed25519PrivateKey:
    """One of a few Ed25519 keys, the same in every run."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"key {number}".encode()).digest())


def multikey_of(key: ed25519.Ed25519PrivateKey) -> str:
    """The public half as actors publish it in `assertionMethod` (FEP-521a)."""
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return multibase.encode(multicodec.wrap("ed25519-pub", raw), "base58btc")


def pem_of(key: rsa.RSAPrivateKey) -> str:
    """The public half as actors publish it."""
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(serialization.Encoding.PEM, spki).decode()


@dataclass
class Person:
    """Somebody on a scripted server; `document` is what the server says of them and may be bent."""

    uri: str
    name: str
    key: rsa.RSAPrivateKey
    kind: str = "Person"
    document: Json = field(default_factory=dict)

    @property
    def key_id(self) -> str:
        """The id of the RSA key."""
        return f"{self.uri}#main-key"

    def __post_init__(self) -> None:
        base = self.uri.rsplit("/", 2)[0]
        self.document = self.document or {
            "@context": [AS, "https://w3id.org/security/v1"],
            "id": self.uri,
            "type": self.kind,
            "preferredUsername": self.name,
            "name": self.name.title(),
            "summary": f"<p>I am {self.name}.</p>",
            "inbox": f"{self.uri}/inbox",
            "outbox": f"{self.uri}/outbox",
            "followers": f"{self.uri}/followers",
            "endpoints": {"sharedInbox": f"{base}/inbox"},
            "publicKey": {"id": self.key_id, "owner": self.uri, "publicKeyPem": pem_of(self.key)},
        }

    def activity(self, kind: str, obj: Any, **fields: Any) -> Json:
        """An activity of theirs; a field given as `...` is left out."""
        number = hashlib.sha256(repr((kind, obj, sorted(fields.items(), key=str))).encode()).hexdigest()[:12]
        whole: Json = {
            "@context": AS,
            "id": f"{self.uri}/activities/{number}",
            "type": kind,
            "actor": self.uri,
            "to": [PUBLIC],
            "object": obj,
        }
        return {name: value for name, value in (whole | fields).items() if value is not ...}

    def note(self, text: str = "<p>Hello</p>", **fields: Any) -> Json:
        """A note of theirs; a field given as `...` is left out."""
        number = hashlib.sha256(repr((text, sorted(fields.items(), key=str))).encode()).hexdigest()[:12]
        whole: Json = {
            "id": f"{self.uri}/notes/{number}",
            "type": "Note",
            "attributedTo": self.uri,
            "to": [PUBLIC],
            "content": text,
        }
        return {name: value for name, value in (whole | fields).items() if value is not ...}

    def create(self, text: str = "<p>Hello</p>", **fields: Any) -> Json:
        """A Create of a note of theirs."""
        return self.activity("Create", self.note(text, **fields))


@dataclass
class ScriptedPeer:
    """A server of which each path answers as the test wants, and that remembers who asked for what."""

    host: str = "127.0.0.2"
    answers: dict[str, bytes] = field(default_factory=dict)
    people: dict[str, Person] = field(default_factory=dict)
    server: LoopbackServer = field(init=False)

    def __post_init__(self) -> None:
        self.server = LoopbackServer(self._script, self.host)

    async def __aenter__(self) -> Self:
        await self.server.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.server.__aexit__(kind, error, trace)

    @property
    def authority(self) -> str:
        """Host and port."""
        return self.server.authority

    def url(self, path: str) -> str:
        """An address on this server."""
        return self.server.url(path)

    def person(self, name: str, *, key: int = 0, kind: str = "Person") -> Person:
        """Somebody who lives here, and whom the server knows from now on."""
        someone = Person(self.url(f"/users/{name}"), name, rsa_key(key), kind)
        self.people[f"/users/{name}"] = someone
        self.answers[f"/.well-known/webfinger?resource=acct:{name}@{self.authority}"] = jrd(
            f"acct:{name}@{self.authority}", someone.uri
        )
        return someone

    def publish(self, document: Json, path: str | None = None) -> None:
        """Serve a document at its id, or elsewhere."""
        self.answers[path or "/" + document["id"].split("/", 3)[3]] = activity_answer(document)

    def fetches(self, path: str = "") -> int:
        """How often a path, or anything at all, was asked for."""
        return sum(1 for seen in self.server.seen if not path or seen.target == path)

    async def _script(self, seen: Seen, writer: StreamWriter) -> None:
        answer = self.answers.get(seen.target)
        if answer is None and seen.target in self.people:
            answer = activity_answer(self.people[seen.target].document)
        writer.write(answer or response(404))
        await writer.drain()


def activity_answer(document: Any, status: int = 200) -> bytes:
    """An answer with an ActivityStreams document."""
    return response(status, json.dumps(document).encode())


def jrd(subject: str, uri: str, **link: Any) -> bytes:
    """An answer of WebFinger."""
    links = [{"rel": "self", "type": "application/activity+json", "href": uri} | link]
    body = json.dumps({"subject": subject, "links": links}).encode()
    return response(200, body, content_type="application/jrd+json")


# ── proofs ───────────────────────────────────────────────────────────────────────────────────────────────────────────

DATA_INTEGRITY = "https://w3id.org/security/data-integrity/v2"


def with_multikey(person: Person, number: int = 0, key_id: str = "") -> ed25519.Ed25519PrivateKey:
    """Let a server list an Ed25519 key of somebody, and return the key."""
    key = ed25519_key(number)
    listed = {
        "id": key_id or f"{person.uri}#ed25519-key",
        "type": "Multikey",
        "controller": person.uri,
        "publicKeyMultibase": multikey_of(key),
    }
    person.document = person.document | {"assertionMethod": [listed]}
    return key


def prove(document: Json, person: Person, at: datetime, *, number: int = 0, **bent: Any) -> Json:
    """A document with an eddsa-jcs-2022 proof of somebody's; a field of the proof given as `...` is left out."""
    context = [AS, DATA_INTEGRITY]
    whole: Json = {
        "@context": context,
        "type": "DataIntegrityProof",
        "cryptosuite": "eddsa-jcs-2022",
        "verificationMethod": f"{person.uri}#ed25519-key",
        "proofPurpose": "assertionMethod",
        "created": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    proof = {name: value for name, value in (whole | bent).items() if value is not ...}
    unsigned = {**document, "@context": bent.get("@context", context)}
    if unsigned["@context"] is ...:
        unsigned["@context"] = context
    hashed = [hashlib.sha256(jcs.canonicalize(part)).digest() for part in (proof, unsigned)]
    value = multibase.encode(ed25519_key(number).sign(b"".join(hashed)), "base58btc")
    return {**unsigned, "proof": proof | {"proofValue": value}}


# ── signing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True)
class Signed:
    """A request ready to be sent; header fields in order, repeats possible."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def without(self, name: str) -> "Signed":
        """The same request without a header field."""
        return self.replaced(headers=[(key, value) for key, value in self.headers if key.lower() != name.lower()])

    def with_field(self, name: str, value: str) -> "Signed":
        """The same request with one header field more."""
        return self.replaced(headers=[*self.headers, (name, value)])

    def changed(self, name: str, value: str) -> "Signed":
        """The same request with another value in a header field."""
        return self.without(name).with_field(name, value)

    def replaced(
        self,
        *,
        headers: Iterable[tuple[str, str]] | None = None,
        body: bytes | None = None,
        target: str | None = None,
    ) -> "Signed":
        """The same request with other parts."""
        return Signed(
            self.method,
            self.target if target is None else target,
            self.headers if headers is None else tuple(headers),
            self.body if body is None else body,
        )


def body_of(document: Any) -> bytes:
    """The bytes of a document."""
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def sign(
    document: Any,
    signer: Person,
    *,
    at: datetime,
    host: str,
    target: str = "/inbox",
    method: str = "POST",
    key: rsa.RSAPrivateKey | None = None,
    key_id: str | None = None,
    algorithm: str | None = "rsa-sha256",
    covered: Iterable[str] | None = None,
    signed_target: str | None = None,
    signed_fields: Mapping[str, str] | None = None,
    digest: str | None = None,
) -> Signed:
    """Sign a request as draft-cavage has it; each part can be another than it should be."""
    body = body_of(document) if method == "POST" else b""
    fields = {"host": host, "date": format_datetime(at, usegmt=True)}
    if method == "POST":
        fields["digest"] = digest or "SHA-256=" + base64.b64encode(hashlib.sha256(body).digest()).decode()
        fields["content-type"] = "application/activity+json"
    names = list(covered) if covered is not None else ["(request-target)", *(n for n in fields if n != "content-type")]
    values = fields | {"(request-target)": f"{method.lower()} {signed_target or target}"} | dict(signed_fields or {})
    text = "\n".join(f"{name}: {values[name]}" for name in names)
    signature = (key or signer.key).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
    parameters = [("keyId", key_id or signer.key_id)]
    if algorithm is not None:
        parameters.append(("algorithm", algorithm))
    parameters += [("headers", " ".join(names)), ("signature", base64.b64encode(signature).decode())]
    line = ",".join(f'{name}="{value}"' for name, value in parameters)
    return Signed(
        method, target, (*((name.title(), value) for name, value in fields.items()), ("Signature", line)), body
    )
