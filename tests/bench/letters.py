"""People of other servers, and requests that they have signed beforehand: signing is no part of what is measured.

A file of requests holds each as it goes over the wire, after its length in four bytes.
"""

import base64
import functools
import hashlib
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AS = "https://www.w3.org/ns/activitystreams"
PUBLIC = f"{AS}#Public"
ACTIVITY = "application/activity+json"
KEYS = 8
"""Everybody's key has its own name; the numbers behind are these few, since making them is slow."""
LENGTH = struct.Struct("<I")
WORDS = "Has anyone else found that mornings are hardest, and evenings a little kinder? "
MICROBLOG: list[Any] = [
    AS,
    {
        "ostatus": "http://ostatus.org#",
        "atomUri": "ostatus:atomUri",
        "inReplyToAtomUri": "ostatus:inReplyToAtomUri",
        "conversation": "ostatus:conversation",
        "sensitive": "as:sensitive",
        "toot": "http://joinmastodon.org/ns#",
        "votersCount": "toot:votersCount",
    },
]

Json = dict[str, Any]


@functools.cache
def key(number: int) -> rsa.RSAPrivateKey:
    """Return one of a few key pairs."""
    return rsa.generate_private_key(public_exponent=65_537, key_size=2_048)


def public_pem(number: int) -> str:
    """Return the public half of a key pair as actors publish it."""
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return key(number).public_key().public_bytes(serialization.Encoding.PEM, spki).decode()


@dataclass(frozen=True, slots=True)
class Person:
    """The nth person of a server."""

    base: str
    number: int

    @property
    def uri(self) -> str:
        """The actor's id."""
        return f"{self.base}/users/u{self.number}"

    @property
    def key_id(self) -> str:
        """The key's id."""
        return f"{self.uri}#main-key"

    def follow(self, group: str) -> Json:
        """Return a Follow of a group."""
        uri = f"{self.uri}/follows/{self.number}"
        return {"@context": AS, "id": uri, "type": "Follow", "actor": self.uri, "object": group, "to": [group]}

    def create(self, number: int, group: str, name: str) -> Json:
        """Return a Create of a note to a group, of the shape and size in which microblogs send them: 2 KB."""
        note = f"{self.uri}/statuses/{number}"
        addressed = {"to": [PUBLIC], "cc": [f"{self.uri}/followers", group]}
        dated = {"published": "2026-11-23T04:00:00Z"}
        mention = f'<span class="h-card"><a href="{group}" class="u-url mention">@<span>support</span></a></span> '
        written = {
            "id": note, "type": "Note", "summary": None, "inReplyTo": None, "url": f"{self.base}/@u/{number}",
            "attributedTo": self.uri, "sensitive": False, "atomUri": note, "inReplyToAtomUri": None,
            "conversation": f"tag:{self.base},2026-11-23:objectId={number}:objectType=Conversation",
            "content": f"<p>{mention}{WORDS * 4}{number}</p>", "contentMap": {"en": f"<p>{WORDS * 2}</p>"},
            "attachment": [], "tag": [
                {"type": "Mention", "href": group, "name": f"@{name}"},
                {"type": "Hashtag", "href": f"{self.base}/tags/support", "name": "#support"},
            ],
            "replies": {"id": f"{note}/replies", "type": "Collection", "first": {
                "type": "CollectionPage", "next": f"{note}/replies?page=true", "partOf": f"{note}/replies", "items": [],
            }},
        }  # fmt: skip
        whole = {"@context": MICROBLOG, "id": f"{note}/activity", "type": "Create", "actor": self.uri}
        return whole | dated | addressed | {"object": written | dated | addressed}

    def signed(self, document: Json, authority: str, target: str = "/inbox") -> bytes:
        """Return a whole request to an inbox, signed now as draft-cavage has it."""
        body = orjson.dumps(document)
        covered = {
            "(request-target)": f"post {target}",
            "host": authority,
            "date": formatdate(usegmt=True),
            "digest": f"SHA-256={base64.b64encode(hashlib.sha256(body).digest()).decode()}",
            "content-type": ACTIVITY,
        }
        text = "\n".join(f"{name}: {value}" for name, value in covered.items())
        made = key(self.number % KEYS).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        signature = (
            f'keyId="{self.key_id}",algorithm="rsa-sha256",headers="{" ".join(covered)}",'
            f'signature="{base64.b64encode(made).decode()}"'
        )
        fields = {name: value for name, value in covered.items() if name != "(request-target)"}
        fields |= {"content-length": str(len(body)), "signature": signature}
        head = [f"POST {target} HTTP/1.1", *(f"{name.title()}: {value}" for name, value in fields.items())]
        return ("\r\n".join(head) + "\r\n\r\n").encode() + body


def people(bases: list[str], count: int) -> list[Person]:
    """Return so many people, spread evenly over some servers."""
    return [Person(bases[number % len(bases)], number) for number in range(count)]


def write(path: Path, requests: Iterable[bytes]) -> int:
    """Write requests into a file; return how many."""
    count = 0
    with path.open("wb") as file:
        for request in requests:
            file.write(LENGTH.pack(len(request)) + request)
            count += 1
    return count


def read(path: Path, start: int, count: int) -> Iterator[bytes]:
    """Read some of the requests of a file."""
    with path.open("rb") as file:
        for number in range(start + count):
            head = file.read(LENGTH.size)
            if not head:
                return
            request = file.read(LENGTH.unpack(head)[0])
            if number >= start:
                yield request
