"""The ceiling of delivery: signs and posts, with aiohttp, and does nothing else. No queue, no order, no retry.

python -m tests.bench.strawman_delivery FILE, with {"inboxes", "ca_file", "rounds", "bytes"} in it. Prints for each
round how many were sent and what CPU it took; the first one opens the connections.
"""

import asyncio
import base64
import hashlib
import json
import resource
import ssl
import sys
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import uvloop
import yarl
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.bench.letters import ACTIVITY, key

AT_ONCE = 448
KEY_ID = "https://strawman.example/group#main-key"


def signed(signer: rsa.RSAPrivateKey, url: str, digest: str) -> dict[str, str]:
    """Return the fields of a signed POST."""
    where = urlsplit(url)
    fields = {"host": where.netloc, "date": formatdate(usegmt=True), "digest": digest}
    covered = {"(request-target)": f"post {where.path}"} | fields
    text = "\n".join(f"{name}: {value}" for name, value in covered.items())
    made = base64.b64encode(signer.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())).decode()
    signature = f'keyId="{KEY_ID}",algorithm="rsa-sha256",headers="{" ".join(covered)}",signature="{made}"'
    return fields | {"content-type": ACTIVITY, "signature": signature}


async def send_all(session: aiohttp.ClientSession, inboxes: list[str], body: bytes) -> int:
    """Post one activity to every inbox; return how many took it."""
    digest = f"SHA-256={base64.b64encode(hashlib.sha256(body).digest()).decode()}"
    left, taken = iter(inboxes), 0

    async def work() -> None:
        nonlocal taken
        for inbox in left:
            fields = signed(key(0), inbox, digest)
            async with session.post(yarl.URL(inbox, encoded=True), data=body, headers=fields) as answer:
                await answer.read()
                taken += answer.status == 202

    await asyncio.gather(*(work() for _ in range(min(AT_ONCE, len(inboxes)))))
    return taken


async def run(asked: dict[str, Any]) -> None:
    """Send so many rounds."""
    body = json.dumps({"type": "Announce", "content": "x" * asked["bytes"]}).encode()
    key(0)
    connector = aiohttp.TCPConnector(limit=AT_ONCE + 52, ssl=ssl.create_default_context(cafile=asked["ca_file"]))
    async with aiohttp.ClientSession(connector=connector, headers={"Accept-Encoding": "identity"}) as session:
        for _ in range(asked["rounds"]):
            before = resource.getrusage(resource.RUSAGE_SELF)
            taken = await send_all(session, asked["inboxes"], body)
            after = resource.getrusage(resource.RUSAGE_SELF)
            cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            print(json.dumps({"sent": taken, "cpu_seconds": cpu}), flush=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(json.loads(Path(sys.argv[1]).read_text("utf-8"))))
