"""Other servers, many in one process: actors to be fetched, inboxes that say 202 and count. Nobody measures them.

python -m tests.bench.sink FILE, with {"hosts": [["127.0.1.1", PORT, "certificate.pem"], …], "keys": [PEM, …]} in it.

An empty certificate means plain http. Prints one line when ready; each line on standard input is answered with the
count of posts and the moment of the last one. Ends when standard input does.
"""

import asyncio
import json
import ssl
import sys
import time
from pathlib import Path
from typing import Any, cast

import uvloop

from tests.bench.letters import AS

END_OF_HEAD = b"\r\n\r\n"
LENGTH_FIELD = b"content-length:"
TAKEN = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
UNKNOWN = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
PREFIX = "/users/u"


class Tally:
    """What has arrived."""

    def __init__(self, keys: list[str]) -> None:
        """Begin with nothing; `keys` are the public halves."""
        self.keys = keys
        self.posts = 0
        self.last_at = 0.0

    def document(self, base: str, path: str) -> bytes:
        """Return the answer to a GET of an actor."""
        number = path.removeprefix(PREFIX)
        if not path.startswith(PREFIX) or not number.isdecimal():
            return UNKNOWN
        actor = f"{base}{path}"
        pem = self.keys[int(number) % len(self.keys)]
        told = {
            "@context": [AS, "https://w3id.org/security/v1"],
            "id": actor, "type": "Person", "preferredUsername": f"u{number}", "name": f"Person {number}",
            "inbox": f"{actor}/inbox", "outbox": f"{actor}/outbox", "followers": f"{actor}/followers",
            "endpoints": {"sharedInbox": f"{base}/inbox"},
            "publicKey": {"id": f"{actor}#main-key", "owner": actor, "publicKeyPem": pem},
        }  # fmt: skip
        body = json.dumps(told).encode()
        head = f"HTTP/1.1 200 OK\r\nContent-Type: application/activity+json\r\nContent-Length: {len(body)}\r\n\r\n"
        return head.encode() + body


class Host(asyncio.Protocol):
    """One connection to one of the servers."""

    def __init__(self, base: str, tally: Tally) -> None:
        """Answer as the server at this address."""
        self._base, self._tally = base, tally
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own class is not one of its family

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in what came in."""
        self._buffer += data
        while (end := self._buffer.find(END_OF_HEAD)) >= 0:
            head = self._buffer[:end]
            at = head.lower().find(LENGTH_FIELD)
            length = int(head[at + len(LENGTH_FIELD) :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            whole = end + len(END_OF_HEAD) + length
            if len(self._buffer) < whole:
                return
            self._buffer = self._buffer[whole:]
            self._answer(head)

    def _answer(self, head: bytes) -> None:
        if head.startswith(b"POST "):
            self._tally.posts += 1
            self._tally.last_at = time.monotonic()
            self._transport.write(TAKEN)
        else:
            self._transport.write(self._tally.document(self._base, head.split(b" ", 2)[1].decode("latin-1")))


async def serve(asked: dict[str, Any]) -> None:
    """Serve every host until standard input ends."""
    loop, tally = asyncio.get_running_loop(), Tally(asked["keys"])
    for host, port, certificate in asked["hosts"]:
        context, base = None, f"http://{host}:{port}"
        if certificate:
            context, base = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH), f"https://{host}:{port}"
            context.load_cert_chain(certificate)
        await loop.create_server(lambda base=base: Host(base, tally), host, port, ssl=context, backlog=512)
    print(json.dumps({"ready": len(asked["hosts"])}), flush=True)
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    while await lines.readline():
        print(json.dumps({"posts": tally.posts, "last_at": tally.last_at}), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
