"""Requests to the node, honest unless bent, and what it means that one was taken in or refused.

Every refusal stands beside its honest control: the same request, correct, has its effect first.
"""

import base64
import hashlib
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from tests.peers import Person, Signed, body_of, sign
from tests.receiver import DOMAIN, Receiver


def letter(here: Receiver, document: Any, signer: Person, **bent: Any) -> Signed:
    """A request to the shared inbox of the node, signed now in draft-cavage."""
    return sign(document, signer, **({"at": here.clock(), "host": DOMAIN} | bent))


def modern_letter(
    here: Receiver,
    document: Any,
    signer: Person,
    *,
    target: str = "/inbox",
    covered: Iterable[str] = ("@method", "@target-uri", "@authority", "content-digest"),
    bent: Mapping[str, str] | None = None,
    parameters: str | None = None,
) -> Signed:
    """The same, signed as RFC 9421 has it; `bent` gives components another value than the request has."""
    body = body_of(document)
    digest = f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:"
    path, question, query = target.partition("?")
    values = {
        "@method": "POST",
        "@target-uri": f"http://{DOMAIN}{target}",
        "@authority": DOMAIN,
        "@scheme": "http",
        "@path": path,
        "@query": question + query or "?",
        "@request-target": target,
        "content-digest": digest,
        "content-type": "application/activity+json",
    } | dict(bent or {})
    names = list(covered)
    text = "(" + " ".join(f'"{name}"' for name in names) + ")"
    text += parameters or f';created={int(here.clock().timestamp())};keyid="{signer.key_id}"'
    base = "\n".join([*(f'"{name}": {values[name]}' for name in names), f'"@signature-params": {text}'])
    signature = signer.key.sign(base.encode(), padding.PKCS1v15(), hashes.SHA256())
    headers = (
        ("Host", DOMAIN),
        ("Content-Type", "application/activity+json"),
        ("Content-Digest", digest),
        ("Signature-Input", f"sig1={text}"),
        ("Signature", f"sig1=:{base64.b64encode(signature).decode()}:"),
    )
    return Signed("POST", target, headers, body)


async def accepted(here: Receiver, request: Signed) -> int:
    """The honest control: it is taken in and has its effect; return the status."""
    before = await here.marks()
    answer = await here.send(request)
    assert (answer.status_code, answer.content) == (202, b"")
    await here.work()
    assert len(await here.marks()) == len(before) + 1
    return answer.status_code


async def refused(here: Receiver, request: Signed) -> int:
    """Send the bent one and return the status; not a row more or less, before and after the queue has run."""
    rows, marks = await here.counts(), await here.marks()
    status = (await here.send(request)).status_code
    assert await here.counts() == rows
    await here.work()
    assert (await here.counts(), await here.marks()) == (rows, marks)
    return status
