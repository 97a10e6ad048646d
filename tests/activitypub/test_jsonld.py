"""JSON-LD: the common form as it is, the rest compacted or refused, nothing fetched (S-213, S-214, S-216, S-217)."""

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from activitypub.errors import MalformedActivity
from activitypub.jsonld import AS2, compact

SAMPLES = Path(__file__).parents[1] / "vectors" / "samples"
FOLLOW = {
    "id": "https://peer.example/f/1",
    "type": "Follow",
    "actor": "https://peer.example/u/ana",
    "object": "https://circle.example/g/1",
}


def with_context(context: Any, **fields: Any) -> dict[str, Any]:
    return {"@context": context, **FOLLOW, **fields}


@pytest.mark.parametrize(
    "context",
    [
        AS2,
        [AS2],
        [AS2, "https://w3id.org/security/v1"],
        [AS2, "https://never-fetched.example/context.jsonld", {"@language": "und"}],
        ["https://join-lemmy.org/context.json", AS2],
        [AS2, {"toot": "http://joinmastodon.org/ns#", "featured": {"@id": "toot:featured", "@type": "@id"}}],
        [AS2, {"id": "@id", "type": "@type", "to": {"@id": "as:to", "@type": "@id"}}],
        [AS2, {"actor": f"{AS2}#actor", "publicKey": {"@id": "https://w3id.org/security#publicKey", "@type": "@id"}}],
        [AS2, {"security": "https://w3id.org/security#", "owner": {"@id": "security:owner", "@type": "@id"}}],
        [AS2, {"@vocab": "https://extra.example/#", "likes": {"@id": "as:likes", "@type": "@id"}}],
        [AS2, {"unused": None}],
    ],
)
def test_common_documents_are_read_as_they_are(context: Any) -> None:
    document = with_context(context)
    assert compact(document) is document


def test_a_missing_context_means_activitystreams() -> None:
    assert compact(FOLLOW) is FOLLOW


@pytest.mark.parametrize(
    "context",
    [
        None,
        [],
        7,
        [None],
        [AS2, 7],
        [[AS2]],
        "https://elsewhere.example/context",
        {},
        {"as": "https://elsewhere.example/#"},
        [AS2] * 65,
        [AS2, {"actor": "https://evil.example/#actor"}],
        [AS2, {"actor": "as:object"}],
        [AS2, {"actor": None}],
        [AS2, {"object": {"@type": "@id"}}],
        [AS2, {"to": {"@id": "as:to", "@type": "xsd:string"}}],
        [AS2, {"type": "https://evil.example/#type"}],
        [AS2, {"id": "as:url"}],
        [AS2, {"publicKey": "as:attachment"}],
        [AS2, {"Follow": "as:Undo"}],
        [AS2, {"as": "https://evil.example/#"}],
        [AS2, {"p": "https://evil.example/#"}, {"actor": "p:actor"}, {"p": f"{AS2}#"}],
        [AS2, {"x": {"@id": "as:x", "@context": {"actor": "as:object"}}}],
        [AS2, {"x": {"@reverse": "as:object"}}],
        [AS2, {"@base": "https://evil.example/"}],
        [AS2, {"@import": "https://evil.example/context"}],
    ],
)
def test_contexts_that_change_the_core_or_say_nothing_are_refused(context: Any) -> None:
    with pytest.raises(MalformedActivity):
        compact(with_context(context))


def test_a_poisoned_context_deep_inside_is_refused_too() -> None:
    inner = {"@context": [AS2, {"attributedTo": "as:generator"}], "type": "Note"}
    with pytest.raises(MalformedActivity):
        compact(with_context(AS2, object=inner))
    honest = with_context(AS2, object={**inner, "@context": AS2})
    assert compact(honest) is honest


@pytest.mark.parametrize("word", ["@graph", "@included", "@reverse", "@nest"])
def test_restructuring_keywords_are_refused_wherever_they_are_keys(word: str) -> None:
    for document in (with_context(AS2, **{word: []}), with_context(AS2, object={"id": FOLLOW["object"], word: {}})):
        with pytest.raises(MalformedActivity):
            compact(document)
    talk = with_context(AS2, summary=f'the word "{word}": in a text')
    assert compact(talk) is talk


def test_own_names_for_core_terms_are_compacted() -> None:
    context = [AS2, {"wer": {"@id": "as:actor", "@type": "@id"}, "was": {"@id": "as:object", "@type": "@id"}}]
    document = {
        "@context": context,
        "id": FOLLOW["id"],
        "type": "Follow",
        "wer": FOLLOW["actor"],
        "was": FOLLOW["object"],
    }
    found = compact(document)
    assert {name: found[name] for name in FOLLOW} == FOLLOW


@pytest.mark.parametrize(
    "document",
    [
        {"@context": AS2, "@id": FOLLOW["id"], "@type": "Follow", "actor": FOLLOW["actor"], "object": FOLLOW["object"]},
        {
            "@context": {"@vocab": f"{AS2}#"},
            "@id": FOLLOW["id"],
            "@type": "Follow",
            "actor": {"@id": FOLLOW["actor"]},
            "object": {"@id": FOLLOW["object"]},
        },
        {
            "@context": AS2,
            "id": FOLLOW["id"],
            "type": "Follow",
            "as:actor": {"id": FOLLOW["actor"]},
            f"{AS2}#object": {"id": FOLLOW["object"]},
        },
    ],
)
def test_other_spellings_of_the_same_meaning_are_compacted(document: dict[str, Any]) -> None:
    found = compact(document)
    assert {name: found[name] for name in FOLLOW} == FOLLOW


def test_the_slow_path_never_touches_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *arguments, **_: asked.append(arguments))
    monkeypatch.setattr(socket.socket, "connect", lambda _, address: asked.append(address))
    context = [AS2, "https://canary.example/context", {"wer": {"@id": "as:actor", "@type": "@id"}}]
    document = {"@context": context, "id": FOLLOW["id"], "type": "Follow", "wer": FOLLOW["actor"]}
    assert compact(document)["actor"] == FOLLOW["actor"]
    assert asked == []


@pytest.mark.parametrize(
    "extra",
    [
        {"content": "x" * 20_000},
        {"tag": [{"@context": [AS2] * 20, "type": "Mention"} for _ in range(4)]},
        {"@context": [AS2, {f"t{number}": f"https://x.example/{number}" for number in range(70)}]},
        {"@context": [AS2, {f"t{number}": f"t{number + 1}:x" for number in range(65)}]},
    ],
)
def test_the_slow_path_is_bounded(extra: dict[str, Any]) -> None:
    document = {"@context": AS2, **FOLLOW, **extra, "as:summary": "slow"}
    with pytest.raises(MalformedActivity):
        compact(document)
    assert compact({"@context": AS2, **FOLLOW, "as:summary": "slow"})["actor"] == FOLLOW["actor"]


def test_what_is_not_json_at_all_is_refused() -> None:
    with pytest.raises(MalformedActivity):
        compact({"@context": AS2, "id": object()})
    with pytest.raises(MalformedActivity):
        compact({"@context": AS2, "id": "\ud800"})


def test_the_fast_reading_equals_that_of_a_json_ld_processor() -> None:
    """For a common document, PyLD gives core fields the same values as reading them as they are."""
    document = json.loads((SAMPLES / "mastodon" / "create_note.json").read_text(encoding="utf-8"))
    slow = compact({**document, "as:location": "forces the slow path"})
    assert compact(document) is document
    for name in ("id", "type", "actor", "cc"):
        assert slow[name] == document[name]
    for name in ("id", "type", "attributedTo", "content", "url", "published"):
        assert slow["object"][name] == document["object"][name]
    assert slow["to"] == "as:Public"
