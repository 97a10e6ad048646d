"""A foreign server as small as it can be: a person to write as, inboxes to watch, signatures made here.

It shares no code with the node. It answers at once, so that what is measured or killed is the node.
"""

import base64
import contextlib
import hashlib
import itertools
import json
import socket
import threading
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

import httpx
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

AS2 = "https://www.w3.org/ns/activitystreams"
PUBLIC = f"{AS2}#Public"
ACTIVITY = "application/activity+json"
SEND_SECONDS = 15

Json = dict[str, Any]


@dataclass(slots=True)
class Arrival:
    """One activity that was delivered here: to which path, and what it says."""

    path: str
    activity: Json


@dataclass
class ScriptedHost:
    """A server on a loopback address whose people all share one key pair; a context manager."""

    host: str
    arrivals: list[Arrival] = field(default_factory=list)
    connections: set[socket.socket] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._numbers = itertools.count(1)
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._pem = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._server = ThreadingHTTPServer((self.host, 0), _handler(self))
        self._server.daemon_threads = True
        self.authority = f"{self.host}:{self._server.server_address[1]}"
        self.base = f"http://{self.authority}"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def leave(self) -> None:
        """Go away: from here on nobody answers."""
        self._server.shutdown()
        self._server.server_close()
        for connection in list(self.connections):
            with contextlib.suppress(OSError):  # the other side may have closed it already
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join()

    def actor(self, name: str) -> str:
        """Return the id of a person here; whoever is asked for exists."""
        return f"{self.base}/people/{name}"

    def document(self, name: str) -> Json:
        """Return a person's actor document."""
        actor = self.actor(name)
        return {
            "@context": [AS2, "https://w3id.org/security/v1"],
            "id": actor,
            "type": "Person",
            "preferredUsername": name,
            "inbox": f"{actor}/inbox",
            "outbox": f"{actor}/outbox",
            "followers": f"{actor}/followers",
            "publicKey": {"id": f"{actor}#main-key", "owner": actor, "publicKeyPem": self._pem.decode()},
        }

    def follow(self, by: str, group: str) -> Json:
        """Return a Follow of a group."""
        return self._activity(by, "Follow", object=group, to=[group])

    def note(self, by: str, group: str, words: str, *, in_reply_to: str | None = None) -> Json:
        """Return a Create of a public note that mentions a group, as a microblog shapes it."""
        actor = self.actor(by)
        addressed: Json = {"to": [PUBLIC], "cc": [f"{actor}/followers", group]}
        written = {
            "id": f"{self.base}/notes/{next(self._numbers)}",
            "type": "Note",
            "attributedTo": actor,
            "inReplyTo": in_reply_to,
            "content": f"<p>{words}</p>",
            "published": "2026-11-23T10:00:00Z",
            "tag": [{"type": "Mention", "href": group}],
        }
        return self._activity(by, "Create", object=written | addressed, **addressed)

    def send(self, by: str, inbox: str, activity: Json, client: httpx.Client) -> int:
        """POST an activity with a draft-cavage signature, and return the status.

        Raises httpx.TransportError when nobody answers.
        """
        body = json.dumps(activity).encode()
        where = urlsplit(inbox)
        signed = {
            "(request-target)": f"post {where.path}",
            "host": where.netloc,
            "date": formatdate(usegmt=True),
            "digest": f"SHA-256={base64.b64encode(hashlib.sha256(body).digest()).decode()}",
        }
        text = "\n".join(f"{name}: {value}" for name, value in signed.items())
        signature = base64.b64encode(self._key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
        headers = {
            "Date": signed["date"],
            "Digest": signed["digest"],
            "Content-Type": ACTIVITY,
            "Signature": f'keyId="{self.actor(by)}#main-key",algorithm="rsa-sha256",'
            f'headers="{" ".join(signed)}",signature="{signature}"',
        }
        return client.post(inbox, content=body, headers=headers, timeout=SEND_SECONDS).status_code

    def _activity(self, by: str, kind: str, **more: Any) -> Json:
        own = {"@context": AS2, "id": f"{self.base}/did/{next(self._numbers)}", "type": kind, "actor": self.actor(by)}
        return own | more


def _handler(host: ScriptedHost) -> type[BaseHTTPRequestHandler]:
    """Return the request handler of one host."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            host.connections.add(self.connection)

        def finish(self) -> None:
            host.connections.discard(self.connection)
            super().finish()

        def do_GET(self) -> None:
            where = urlsplit(self.path)
            if where.path == "/.well-known/webfinger":
                account = parse_qs(where.query).get("resource", [""])[0]
                name = account.removeprefix("acct:").split("@")[0]
                link = {"rel": "self", "type": ACTIVITY, "href": host.actor(name)}
                self._answer(200, {"subject": f"acct:{name}@{host.authority}", "links": [link]}, "application/jrd+json")
            elif where.path.startswith("/people/") and where.path.count("/") == 2:
                self._answer(200, host.document(where.path.split("/")[2]), ACTIVITY)
            else:
                self._answer(404, {}, "application/json")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            host.arrivals.append(Arrival(self.path, json.loads(body)))
            self._answer(202, {}, "application/json")

        def _answer(self, status: int, document: Json, media_type: str) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", media_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
            """Say nothing."""

    return Handler
