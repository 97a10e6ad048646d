"""JSON-LD without the network: the common form is read as it is, the rest is compacted within bounds.

Nearly every document on the network names the ActivityStreams context and then uses its terms by their usual names.
Such a document is read as plain JSON. One that says the same in another way (its own names for ActivityStreams terms,
or full IRIs as keys) goes through PyLD, with contexts bundled here and an empty one for every address that is not:
nothing is ever fetched. One that could be read in two ways is refused: a core term with another meaning, or the
restructuring keywords with which signed documents have been forged (security catalogue S-213, S-214, S-216).
"""

import importlib
import re
from functools import cache, lru_cache
from typing import Any, cast

import orjson

from activitypub.errors import MalformedActivity

Document = dict[str, Any]

AS2 = "https://www.w3.org/ns/activitystreams"
SECURITY_V1 = "https://w3id.org/security/v1"
KINFOLD = "urn:uuid:6d1f8a52-0c3e-4f7b-9a64-3f0f5f2a7c1d#"
"""The namespace of this project's own terms: `expires` (FEDERATION.md)."""

MAX_SLOW_BYTES = 16_384
MAX_SLOW_TERMS = 64
MAX_CONTEXTS = 64
_MAX_REMEMBERED_BYTES = 8192

_AS = f"{AS2}#"
_SEC = "https://w3id.org/security#"
_PREFIXES = {
    "as": _AS,
    "sec": _SEC,
    "ldp": "http://www.w3.org/ns/ldp#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
}
_AS_TERMS = """
    actor to cc bto bcc object attributedTo inReplyTo audience content target origin instrument result items tag href
    url outbox followers following endpoints sharedInbox preferredUsername
    Accept Add Announce Application Article Audio Block Collection CollectionPage Create Delete Dislike Document Event
    Flag Follow Group Image Invite Join Leave Like Link Mention Move Note OrderedCollection OrderedCollectionPage
    Organization Page Person Question Reject Remove Service TentativeAccept TentativeReject Tombstone Undo Update Video
"""
_CORE: dict[str, str] = {
    "id": "@id",
    "type": "@type",
    "as": _AS,
    "sec": _SEC,
    "orderedItems": f"{_AS}items",
    "contentMap": f"{_AS}content",
    "inbox": "http://www.w3.org/ns/ldp#inbox",
    **{term: _AS + term for term in _AS_TERMS.split()},
    **{term: _SEC + term for term in ("publicKey", "owner", "publicKeyPem", "controller", "assertionMethod")},
}
_CORE_MEANINGS = frozenset(_CORE.values())
_HARMLESS_KEYWORDS = frozenset({"@vocab", "@language", "@direction", "@version", "@protected"})
_RESTRUCTURING = ("@graph", "@included", "@reverse", "@nest", "@import", "@base", "@propagate")
_RESTRUCTURING_BYTES = re.compile(rb"@(?:" + b"|".join(word[1:].encode() for word in _RESTRUCTURING) + rb")")
_IRI_AS_KEY = re.compile(rb'"(?:as:|https?://www\.w3\.org/ns/activitystreams#)[A-Za-z]+":')

# What a document means in the slow path is written out again with these names, those that the vocabulary reads.
_EXTENSIONS: Document = {
    "toot": "http://joinmastodon.org/ns#",
    "lemmy": "https://join-lemmy.org/ns#",
    "schema": "http://schema.org#",
    "kinfold": KINFOLD,
    "expires": {"@id": "kinfold:expires", "@type": "http://www.w3.org/2001/XMLSchema#dateTime"},
    "sensitive": "as:sensitive",
    "manuallyApprovesFollowers": "as:manuallyApprovesFollowers",
    "movedTo": {"@id": "as:movedTo", "@type": "@id"},
    "Hashtag": "as:Hashtag",
    "Emoji": "toot:Emoji",
    "discoverable": "toot:discoverable",
    "indexable": "toot:indexable",
    "featured": {"@id": "toot:featured", "@type": "@id"},
    "blurhash": "toot:blurhash",
    "votersCount": "toot:votersCount",
    "moderators": {"@id": "lemmy:moderators", "@type": "@id"},
    "postingRestrictedToMods": "lemmy:postingRestrictedToMods",
    "PropertyValue": "schema:PropertyValue",
    "value": "schema:value",
}
_SECURITY_TERMS: Document = {
    "id": "@id",
    "type": "@type",
    "Multikey": f"{_SEC}Multikey",
    "controller": {"@id": f"{_SEC}controller", "@type": "@id"},
    "publicKeyMultibase": f"{_SEC}publicKeyMultibase",
    "assertionMethod": {"@id": f"{_SEC}assertionMethod", "@type": "@id", "@container": "@set"},
    "DataIntegrityProof": f"{_SEC}DataIntegrityProof",
    "cryptosuite": f"{_SEC}cryptosuite",
    "proof": {"@id": f"{_SEC}proof", "@type": "@id"},
    "proofPurpose": f"{_SEC}proofPurpose",
    "proofValue": f"{_SEC}proofValue",
    "verificationMethod": {"@id": f"{_SEC}verificationMethod", "@type": "@id"},
}
# What everybody means by these, also where the context that would say so is one that is not bundled (Fedify writes
# `sec:` by way of the identity context): without them PyLD takes such a key for an address of the scheme `sec`.
_USUAL_PREFIXES: Document = {
    **_PREFIXES,
    "toot": "http://joinmastodon.org/ns#",
    "lemmy": "https://join-lemmy.org/ns#",
    "schema": "http://schema.org#",
}
_OWN_CONTEXTS = (
    "https://www.w3.org/ns/cid/v1",
    "https://w3id.org/security/multikey/v1",
    "https://w3id.org/security/data-integrity/v1",
    "https://w3id.org/security/data-integrity/v2",
)


def compact(document: Document) -> Document:
    """Return the document in the common form: ActivityStreams terms by their usual names; the same object if it has it.

    A missing `@context` is taken for ActivityStreams, as many peers send none within collections and some none at
    all; one that is there and does not lead to ActivityStreams is refused. Raises MalformedActivity.
    """
    try:
        text = orjson.dumps(document)
    except TypeError as error:
        raise MalformedActivity(public="The document is not JSON.") from error
    if _RESTRUCTURING_BYTES.search(text):
        _refuse_restructuring(document)
    contexts = text.count(b'"@context":')
    common = "@context" not in document or _is_common(document["@context"], top=True)
    if contexts > ("@context" in document):
        common &= all(_is_common(context, top=False) for context in _inner_contexts(document))
    if common and not _IRI_AS_KEY.search(text) and "@type" not in document and "@id" not in document:
        return document
    return _compact_slowly(document, len(text))


def _walk(value: Any) -> list[Document]:
    """Return every object within a JSON value, itself included; without recursion."""
    found: list[Document] = []
    waiting = [value]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found.append(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return found


def _refuse_restructuring(document: Document) -> None:
    if any(word in inner for inner in _walk(document) for word in _RESTRUCTURING):
        raise MalformedActivity(public="The document uses JSON-LD keywords that change its structure.")


def _inner_contexts(document: Document) -> list[Any]:
    return [inner["@context"] for inner in _walk(document) if inner is not document and "@context" in inner]


def _is_common(context: Any, *, top: bool) -> bool:
    """Tell whether a context leaves the usual names with their usual meaning, so that no PyLD is needed."""
    text = orjson.dumps(context)
    return (_judged if len(text) <= _MAX_REMEMBERED_BYTES else _judge)(text, top)


def _judge(text: bytes, top: bool) -> bool:  # noqa: FBT001 - the cached form takes positions only
    context = orjson.loads(text)
    entries = context if isinstance(context, list) else [context]
    if not entries or len(entries) > MAX_CONTEXTS or not all(isinstance(entry, (str, dict)) for entry in entries):
        raise MalformedActivity(public="The @context is malformed.")
    terms: Document = {}
    is_common = True
    for entry in entries:
        if isinstance(entry, dict):
            # A definition sees the prefixes of its own map and of those before it, never of a later one.
            terms.update(entry)
            for term in entry:
                is_common &= _is_plain(term, terms)
    if AS2 in entries or not top:
        return is_common
    if any(_meaning(definition, terms) == _AS for definition in terms.values()) or terms.get("@vocab") == _AS:
        return False
    raise MalformedActivity(public="The @context does not name ActivityStreams.")


_judged = lru_cache(maxsize=1024)(_judge)


def _is_plain(term: str, terms: Document) -> bool:
    """Tell whether a definition in an inline context leaves the core alone; raises MalformedActivity if not."""
    if term.startswith("@"):
        if term in _HARMLESS_KEYWORDS:
            return True
        raise MalformedActivity(public="The @context uses a keyword that is not accepted here.")
    definition = terms[term]
    if isinstance(definition, dict) and "@context" in definition:
        raise MalformedActivity(public="The @context holds a scoped context.")
    meaning = _meaning(definition, terms)
    if term not in _CORE:
        return meaning not in _CORE_MEANINGS or meaning in (_AS, _SEC)
    if meaning != _CORE[term] or (
        isinstance(definition, dict) and definition.get("@type", "@id") not in ("@id", "@vocab")
    ):
        raise MalformedActivity(public=f"The @context gives {term!r} another meaning.")
    return True


def _meaning(definition: Any, terms: Document) -> str | None:
    """Return the IRI that a definition stands for, looked up through one prefix, as contexts on the network have it."""
    iri = definition.get("@id") if isinstance(definition, dict) else definition
    if not isinstance(iri, str):
        return None
    prefix, colon, rest = iri.partition(":")
    if not colon or rest.startswith("//") or iri.startswith("@"):
        return iri
    base = terms.get(prefix, _PREFIXES.get(prefix))
    if isinstance(base, dict):
        base = base.get("@id")
    return base + rest if isinstance(base, str) else iri


def _compact_slowly(document: Document, size: int) -> Document:
    """Expand and compact with PyLD: 1–2 ms for a common activity, so size, contexts and terms are bounded first."""
    contexts = [inner["@context"] for inner in _walk(document) if "@context" in inner]
    weight = sum(len(context) if isinstance(context, list) else 1 for context in contexts)
    weight += sum(len(definitions) for definitions in _walk(contexts))
    if size > MAX_SLOW_BYTES or weight > MAX_SLOW_TERMS:
        raise MalformedActivity(public="The document is too large for a @context that is not common.")
    processor, loader, target = _processor()
    try:
        options = {"documentLoader": loader, "base": "", "expandContext": _USUAL_PREFIXES}
        result = processor.compact(document, target, options)
    except (
        processor.JsonLdError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        RecursionError,
    ) as error:
        # PyLD was not written for hostile input: what trips it up is malformed, whatever the exception.
        raise MalformedActivity(public="The document is not valid JSON-LD.") from error
    if not isinstance(result, dict) or "@graph" in result:
        raise MalformedActivity(public="The document does not describe one thing.")
    return cast(Document, result)


@cache
def _processor() -> tuple[Any, Any, list[Any]]:
    """Return PyLD (imported on first use), a loader that knows the bundled contexts only, and the context to write."""
    processor = importlib.import_module("pyld.jsonld")
    frozen = importlib.import_module("pyld.documentloader.frozen")
    bundled: dict[str, Any] = {url: frozen.BUNDLED_CONTEXTS[url] for url in (AS2, SECURITY_V1)}
    bundled |= {url: {"@context": _SECURITY_TERMS} for url in _OWN_CONTEXTS}
    known = frozen.FrozenDocumentLoader(documents=bundled)

    def load(url: str, options: Document) -> Any:
        if url in known.documents:
            return known(url, options)
        empty: Document = {"@context": {}}
        return {"contentType": "application/ld+json", "contextUrl": None, "documentUrl": url, "document": empty}

    return processor, load, [AS2, SECURITY_V1, _OWN_CONTEXTS[0], _EXTENSIONS]
