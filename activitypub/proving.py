"""Proofs for what leaves (FEP-8b32): put into public activities shortly before they are sent, and into no others.

Whoever gets a public activity may then pass it on, and whoever gets it that way need not ask here. What is for members
gets none: its author could not deny it any more once it has leaked (docs/decisions/proofs.md).
"""

from collections import OrderedDict
from collections.abc import Mapping
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
            identities = {uri: key for uri in sorted(speakers) if (key := await self._identity(uri)) is not None}
            self._proven |= await in_pool(_prove_all, new, documents, identities)
        found = {number: self._proven.get(number, parcel) for number, parcel in parcels.items()}
        while len(self._proven) > MAX_REMEMBERED:
            self._proven.popitem(last=False)
        return found

    async def _identity(self, uri: str) -> SigningIdentity | None:
        if not self._context.uris.is_local(uri):
            return None  # what another wrote and a group of ours announces: proved by its author, or not at all
        try:
            return await self._context.keys.proving_identity(uri)
        except KeyShredded:
            return None


def speakers_in(document: Document) -> set[str]:
    """Return the actors whose proofs an activity needs: its own, and that of the activity which it announces (pure)."""
    return {str(part["actor"]) for part in (document, announced_in(document)) if part is not None and needs_proof(part)}


def announced_in(document: Document) -> Document | None:
    """Return the activity that a group passes on, if this does."""
    inner = document.get("object") if document.get("type") == "Announce" else None
    return inner if isinstance(inner, dict) else None


def needs_proof(part: Document) -> bool:
    """Tell whether an activity is public and bears no proof yet."""
    return "proof" not in part and isinstance(part.get("actor"), str) and _is_public(part)


def with_proofs(document: Document, identities: Mapping[str, SigningIdentity], created: datetime) -> Document:
    """Return an activity with proofs by those who speak in it; the inner one first, for the outer covers it (pure)."""
    inner = announced_in(document)
    if inner is not None:
        document = document | {"object": _proved(inner, identities, created)}
    return _proved(document, identities, created)


def _proved(part: Document, identities: Mapping[str, SigningIdentity], created: datetime) -> Document:
    identity = identities.get(part["actor"]) if needs_proof(part) else None
    return part if identity is None else prove(part, identity, created)


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
