"""Proofs for what leaves (FEP-8b32): put into public activities and posts as they are sent or fetched, into no others.

Whoever gets a public activity may then pass it on, and whoever gets it that way need not ask here. What is for members
gets none: its author could not deny it any more once it has leaked (docs/decisions/proofs.md).
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import orjson

from activitypub.context import FederationContext
from activitypub.outbox import Parcel
from activitypub.signatures.digest import digest
from activitypub.signatures.keys import SigningIdentity
from activitypub.signatures.proofs import MAX_PROVEN_BYTES, prove
from activitypub.strict_json import dumps
from activitypub.vocabulary.base import PUBLIC, Document
from privacy.errors import KeyShredded

MAX_REMEMBERED: Final = 256
_MARK: Final = f'"{PUBLIC}"'.encode()
"""What no body lacks that says it is public; one that has it is read to see where."""


class Prover:
    """Adds proofs, and remembers those of the latest activities: each goes to many servers."""

    def __init__(self, context: FederationContext) -> None:
        """Begin with nothing remembered."""
        self._context = context
        self._proven: OrderedDict[int, Parcel] = OrderedDict()

    async def add_to(self, parcels: Mapping[int, Parcel]) -> dict[int, Parcel]:
        """Return activities by number, those that are public with the proofs of our actors in them."""
        new = {
            number: parcel
            for number, parcel in parcels.items()
            if number not in self._proven and len(parcel.body) <= MAX_PROVEN_BYTES and _MARK in parcel.body
        }
        if new:
            in_pool = self._context.egress.in_signing_pool
            documents = await in_pool(_read_all, new)
            speakers = set[str]().union(*(speakers_in(document) for document in documents.values()))
            identities = await _identities(self._context, speakers)
            self._proven |= await in_pool(_prove_all, new, documents, identities)
        found = {number: self._proven.get(number, parcel) for number, parcel in parcels.items()}
        while len(self._proven) > MAX_REMEMBERED:
            self._proven.popitem(last=False)
        return found


async def proven_document(context: FederationContext, document: Mapping[str, Any]) -> Document:
    """Return a document that somebody fetches with the proof of who speaks in it, if it is for everybody."""
    told, identities = dict(document), await _identities(context, speakers_in(dict(document)))
    return await context.in_pool(with_proofs, told, identities, context.clock()) if identities else told


async def _identities(context: FederationContext, speakers: Iterable[str]) -> dict[str, SigningIdentity]:
    """Return the keys of those who are of this node: what another wrote is proved by itself, or not at all."""
    found = {}
    for uri in sorted(speakers):
        if context.uris.is_local(uri):
            with suppress(KeyShredded):
                found[uri] = await context.keys.proving_identity(uri)
    return found


def speakers_in(document: Document) -> set[str]:
    """Return the actors whose proofs a document needs: its own, and that of the activity which it announces (pure)."""
    parts = (document, announced_in(document))
    return {_speaker(part) for part in parts if part is not None and needs_proof(part)}


def announced_in(document: Document) -> Document | None:
    """Return the activity that a group passes on, if this does."""
    inner = document.get("object") if document.get("type") == "Announce" else None
    return inner if isinstance(inner, dict) else None


def needs_proof(part: Document) -> bool:
    """Tell whether an activity or a post is public and bears no proof yet."""
    return "proof" not in part and bool(_speaker(part)) and _is_public(part)


def with_proofs(document: Document, identities: Mapping[str, SigningIdentity], created: datetime) -> Document:
    """Return an activity with proofs by those who speak in it; the inner one first, for the outer covers it (pure)."""
    inner = announced_in(document)
    if inner is not None:
        document = document | {"object": _proved(inner, identities, created)}
    return _proved(document, identities, created)


def _proved(part: Document, identities: Mapping[str, SigningIdentity], created: datetime) -> Document:
    identity = identities.get(_speaker(part)) if needs_proof(part) else None
    return part if identity is None else prove(part, identity, created)


def _speaker(part: Document) -> str:
    named = part.get("actor") or part.get("attributedTo")
    return named if isinstance(named, str) else ""


def _is_public(document: Document) -> bool:
    return any(PUBLIC in _listed(document.get(name)) for name in ("to", "cc"))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _read_all(parcels: Mapping[int, Parcel]) -> dict[int, Document]:
    return {number: orjson.loads(parcel.body) for number, parcel in parcels.items()}


def _prove_all(
    parcels: Mapping[int, Parcel], documents: Mapping[int, Document], identities: Mapping[str, SigningIdentity]
) -> dict[int, Parcel]:
    proven = {}
    for number, parcel in parcels.items():
        document = with_proofs(documents[number], identities, parcel.created_at)
        body = parcel.body if document == documents[number] else dumps(document)
        proven[number] = replace(parcel, body=body, digest=digest(body))
    return proven
