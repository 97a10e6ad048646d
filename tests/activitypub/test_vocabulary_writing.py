"""Documents of ours: what is written reads back equal, in the shapes that peers need (reference §2, §4.3, §4.6)."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub import jsonld
from activitypub.errors import LocalError
from activitypub.strict_json import dumps, loads_strict
from activitypub.vocabulary import activities as acts
from activitypub.vocabulary.actors import Application, Field, Group, Key, Person
from activitypub.vocabulary.base import PUBLIC, Object, Ref, Source, Uri
from activitypub.vocabulary.collections import Collection
from activitypub.vocabulary.objects import (
    NOTE_TYPES,
    Attachment,
    InteractionPolicy,
    Note,
    Option,
    Question,
    Tag,
    Tombstone,
    Unknown,
)
from activitypub.vocabulary.reading import parse
from activitypub.vocabulary.writing import to_document

SAMPLES = Path(__file__).parents[1] / "vectors" / "samples"
AS2 = "https://www.w3.org/ns/activitystreams"
ANA = Uri("https://circle.example/u/ana")
GROUP = Uri("https://circle.example/g/grief")
POST = Uri("https://circle.example/p/17")

uris = st.integers(0, 10**6).map(lambda number: Uri(f"https://peer{number % 7}.example/{number}"))
uris_here = st.integers(0, 10**6).map(lambda number: Uri(f"https://peer.example/{number}"))
texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=40)
times = st.integers(631_152_000, 4_102_444_800).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
counts = st.integers(0, 2**31 - 1)
recipients = st.lists(uris | st.just(PUBLIC), unique=True, max_size=4).map(tuple)
maybe_policy = st.none() | st.lists(uris | st.just(PUBLIC), unique=True, max_size=2).map(tuple)

tags = st.builds(
    Tag,
    type=st.sampled_from(["Mention", "Hashtag", "Emoji", "CommunityPostTag"]),
    name=st.none() | texts,
    href=st.none() | uris,
    id=st.none() | uris,
    icon=st.none() | uris,
)
attachments = st.builds(
    Attachment,
    type=st.sampled_from(["Document", "Image", "Video", "Audio", "Link"]),
    url=uris,
    media_type=st.none() | st.just("image/webp"),
    name=st.none() | texts,
    width=st.none() | counts,
    height=st.none() | counts,
    blurhash=st.none() | st.just("UBL_:rOpGG-oBUNG"),
    focal_point=st.none() | st.tuples(st.floats(-1, 1), st.floats(-1, 1)),
)
note_fields: dict[str, Any] = {
    "id": uris,
    "attributed_to": st.none() | uris,
    "to": recipients,
    "cc": recipients,
    "audience": recipients,
    "name": st.none() | texts,
    "summary": st.none() | texts,
    "content": st.none() | texts,
    "media_type": st.none() | st.just("text/markdown"),
    "source": st.none() | st.builds(Source, content=texts, media_type=st.just("text/markdown")),
    "url": st.none() | uris,
    "in_reply_to": st.none() | uris,
    "context": st.none() | uris,
    "replies": st.none() | uris,
    "published": st.none() | times,
    "updated": st.none() | times,
    "sensitive": st.booleans(),
    "tags": st.lists(tags, max_size=3).map(tuple),
    "attachments": st.lists(attachments, max_size=3).map(tuple),
    "quote": st.none() | uris,
    "interaction_policy": st.none()
    | st.builds(
        InteractionPolicy,
        can_quote=maybe_policy,
        can_reply=maybe_policy,
        can_announce=maybe_policy,
        can_like=maybe_policy,
    ),
    "approved_by": st.none() | uris,
    "comments_enabled": st.none() | st.booleans(),
}
notes = st.builds(Note, type=st.sampled_from(sorted(NOTE_TYPES)), **note_fields)
spoken_notes = st.builds(Note, **{**note_fields, "content": texts, "language": st.sampled_from(["en", "cy", "pt-BR"])})
questions = st.builds(
    Question,
    **note_fields,
    options=st.lists(st.builds(Option, name=texts, votes=st.none() | counts), max_size=3).map(tuple),
    multiple=st.booleans(),
    end_time=st.none() | times,
    closed=st.none() | times,
    voters_count=st.none() | counts,
)
tombstones = st.builds(Tombstone, id=uris, former_type=st.none() | st.just("Note"), deleted=st.none() | times)


FLAGS = (
    "manually_approves_followers",
    "indexable",
    "suspended",
    "memorial",
    "sensitive",
    "posting_restricted",
    "hides_public",
)


@st.composite
def actors(draw: st.DrawFn) -> Any:
    cls: Any = draw(st.sampled_from([Person, Group, Application]))
    uri = draw(uris_here)
    here = st.none() | uris_here
    rsa = draw(st.lists(st.builds(Key, id=uris_here, owner=st.just(uri), pem=texts), max_size=2))
    multikeys = draw(st.lists(st.builds(Key, id=uris_here, owner=st.just(uri), multibase=texts), max_size=2))
    places = {name: draw(here) for name in ("outbox", "followers", "following", "featured", "shared_inbox")}
    links = {name: draw(st.none() | uris) for name in ("url", "icon", "image", "moved_to")}
    flags = {name: draw(st.booleans()) for name in FLAGS}
    moderators = draw(st.none() | uris)
    return cls(
        id=uri,
        preferred_username=draw(st.from_regex(r"[a-z0-9_]{3,30}", fullmatch=True)),
        inbox=draw(uris_here),
        name=draw(st.none() | texts),
        summary=draw(st.none() | texts),
        source=draw(note_fields["source"]),
        keys=(*rsa, *multikeys),
        discoverable=draw(st.none() | st.booleans()),
        also_known_as=draw(st.lists(uris, unique=True, max_size=2).map(tuple)),
        webfinger=draw(st.none() | st.just("ana@peer.example")),
        published=draw(st.none() | times),
        updated=draw(st.none() | times),
        fields=draw(st.lists(st.builds(Field, name=texts, value=texts), max_size=2).map(tuple)),
        tags=draw(st.lists(tags, max_size=2).map(tuple)),
        moderators=moderators,
        attributed_to=() if moderators else draw(st.lists(uris, max_size=2).map(tuple)),
        languages=draw(st.lists(st.sampled_from(["en", "cy"]), unique=True).map(tuple)),
        implements=draw(st.lists(uris, unique=True, max_size=2).map(tuple)),
        **places,
        **links,
        **flags,
    )


common: dict[str, Any] = {
    "id": uris,
    "actor": uris,
    "to": recipients,
    "cc": recipients,
    "audience": recipients,
    "published": st.none() | times,
    "summary": st.none() | texts,
}
follows = st.builds(acts.Follow, **common, object=uris)
refs = st.builds(Ref, uris) | st.one_of(notes, tombstones, actors(), follows).map(lambda thing: Ref(thing.id, thing))
maybe_uri = st.none() | uris
activities = st.one_of(
    *(
        st.builds(cls, **common, object=uris)
        for cls in (acts.Follow, acts.Join, acts.Leave, acts.Dislike, acts.Lock, acts.Warn)
    ),
    *(
        st.builds(cls, **common, object=refs)
        for cls in (acts.Undo, acts.Create, acts.Update, acts.Announce, acts.Resolve)
    ),
    *(
        st.builds(cls, **common, object=refs, result=maybe_uri)
        for cls in (acts.Accept, acts.Reject, acts.TentativeAccept)
    ),
    *(st.builds(cls, **common, object=refs, target=uris) for cls in (acts.Add, acts.Remove)),
    *(st.builds(cls, **common, object=uris, content=st.none() | texts) for cls in (acts.Like, acts.EmojiReact)),
    st.builds(acts.Invite, **common, object=uris, target=maybe_uri),
    st.builds(acts.Move, **common, object=uris, target=maybe_uri, origin=maybe_uri),
    st.builds(acts.QuoteRequest, **common, object=uris, instrument=st.none() | refs),
    st.builds(acts.Delete, **common, object=refs, remove_data=st.booleans(), with_replies=st.booleans()),
    st.builds(
        acts.Block, **common, object=uris, target=maybe_uri, end_time=st.none() | times, remove_data=st.booleans()
    ),
    st.builds(
        acts.Flag,
        **common,
        objects=st.lists(uris, unique=True, min_size=1, max_size=3).map(tuple),
        content=st.none() | texts,
    ),
)
collections = st.builds(
    Collection,
    id=uris,
    type=st.sampled_from(["Collection", "OrderedCollection", "CollectionPage", "OrderedCollectionPage"]),
    items=st.lists(refs, max_size=3).map(tuple),
    total_items=st.none() | counts,
    first=st.none() | st.builds(Ref, uris),
    next=maybe_uri,
    prev=maybe_uri,
    part_of=maybe_uri,
    attributed_to=maybe_uri,
)


@given(st.one_of(notes, spoken_notes, questions, tombstones, actors(), activities, collections))
def test_what_is_written_reads_back_equal(thing: Object) -> None:
    document = to_document(thing)
    assert parse(loads_strict(dumps(document))) == thing
    assert jsonld.compact(document) is document
    assert dumps(to_document(thing)) == dumps(document)


@given(st.one_of(notes, actors(), activities))
def test_no_nulls_and_no_unused_or_undefined_terms(thing: Object) -> None:
    document = to_document(thing)
    text = json.dumps({name: value for name, value in document.items() if name != "@context"})
    assert ": null" not in text
    inline = document["@context"][-1] if isinstance(document["@context"][-1], dict) else {}
    definitions = json.dumps(list(inline.values()))
    assert all(f'"{term}"' in text or f'"{term}:' in definitions for term in inline)


# Refused on purpose: it has two authors.
READABLE = sorted(path for path in SAMPLES.rglob("*.json") if path.name != "video.json")


@pytest.mark.parametrize("path", READABLE, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_what_was_read_from_anyone_reads_back_equal(path: Path) -> None:
    document = json.loads(path.read_text(encoding="utf-8"))
    thing: Any = parse(document)
    again = parse(to_document(thing))
    if getattr(thing, "published", None) is not None:
        # Fractions of a second are not written.
        thing = replace(thing, published=thing.published.replace(microsecond=0))
    if isinstance(thing, acts.Block):
        thing = replace(thing, end_time=thing.end_time and thing.end_time.replace(microsecond=0))
    assert again == thing


def starter() -> Note:
    return Note(
        id=POST,
        attributed_to=ANA,
        name="First anniversary",
        content="<p><strong>First anniversary</strong></p><p>…</p>",
        to=(GROUP, PUBLIC),
        cc=(Uri(f"{GROUP}/followers"),),
        audience=(GROUP,),
        context=Uri("https://circle.example/ctx/17"),
        replies=Uri(f"{POST}/replies"),
        published=datetime(2026, 11, 23, 10, 0, 0, 999_999, tzinfo=UTC),
        tags=(Tag(type="Mention", href=GROUP, name="@grief@circle.example"),),
        interaction_policy=InteractionPolicy(can_quote=(ANA,)),
    )


def test_a_thread_starter_has_the_shape_that_every_peer_reads() -> None:
    document = to_document(starter())
    assert document["@context"][0] == AS2
    assert document["@context"][-1]["sensitive"] == "as:sensitive"
    assert document["type"] == "Note"
    assert document["attributedTo"] == ANA
    assert document["audience"] == GROUP
    assert document["to"][0] == GROUP
    assert document["cc"] == [f"{GROUP}/followers"]
    assert document["published"] == "2026-11-23T10:00:00Z"
    assert document["attachment"] == []
    assert document["tag"] == [{"type": "Mention", "href": GROUP, "name": "@grief@circle.example"}]
    assert document["replies"]["first"] == {"type": "CollectionPage", "partOf": f"{POST}/replies", "items": []}
    assert document["interactionPolicy"] == {"canQuote": {"automaticApproval": [ANA]}}
    assert "source" not in document
    assert "inReplyTo" not in document


def test_create_and_announce_carry_both_address_lists() -> None:
    post = starter()
    create = acts.Create(id=Uri(f"{POST}/activity"), actor=ANA, object=Ref(POST, post), to=post.to, cc=())
    document = to_document(create)
    assert (document["to"], document["cc"]) == ([GROUP, PUBLIC], [])
    assert "@context" not in document["object"]
    assert document["@context"][-1]["interactionPolicy"]["@id"] == "gts:interactionPolicy"
    boost = acts.Announce(id=Uri("https://circle.example/a/17"), actor=GROUP, object=Ref(POST))
    assert to_document(boost)["object"] == POST


def test_a_received_activity_is_announced_exactly_as_it_came() -> None:
    received = json.loads((SAMPLES / "mastodon/create_note.json").read_text(encoding="utf-8"))
    create = parse(received)
    announce = acts.Announce(id=Uri("https://circle.example/a/18"), actor=GROUP, object=Ref(create.id, create))
    document = to_document(announce)
    assert document["object"] == received
    assert document["@context"] == [AS2]
    assert dumps(document["object"]) == dumps(received)


def test_an_accept_embeds_the_follow_with_its_own_id() -> None:
    received = {
        "@context": AS2,
        "id": "https://peer.example/activities/follow/77",
        "type": "Follow",
        "actor": "https://peer.example/u/bo",
        "object": GROUP,
    }
    follow = parse(received)
    assert isinstance(follow, acts.Follow)
    accept = acts.Accept(
        id=Uri("https://circle.example/a/ac"), actor=GROUP, to=(follow.actor,), object=Ref(follow.id, follow)
    )
    assert to_document(accept) == {
        "@context": [AS2],
        "id": "https://circle.example/a/ac",
        "type": "Accept",
        "actor": GROUP,
        "to": ["https://peer.example/u/bo"],
        "object": received,
    }


def test_a_public_group_has_the_fields_that_lemmy_and_mastodon_need() -> None:
    group = Group(
        id=GROUP,
        preferred_username="grief",
        name="Grief and loss",
        inbox=Uri(f"{GROUP}/inbox"),
        outbox=Uri(f"{GROUP}/outbox"),
        followers=Uri(f"{GROUP}/followers"),
        shared_inbox=Uri("https://circle.example/inbox"),
        moderators=Uri(f"{GROUP}/moderators"),
        discoverable=True,
        languages=("en",),
        keys=(
            Key(id=Uri(f"{GROUP}#main-key"), owner=GROUP, pem="pem"),
            Key(id=Uri(f"{GROUP}#ed25519-key"), owner=GROUP, multibase="z6Mk"),
        ),
    )
    document = to_document(group)
    assert document["@context"][:3] == [AS2, "https://w3id.org/security/v1", "https://www.w3.org/ns/cid/v1"]
    assert document["attributedTo"] == document["moderators"] == f"{GROUP}/moderators"
    assert document["publicKey"] == {"id": f"{GROUP}#main-key", "owner": GROUP, "publicKeyPem": "pem"}
    assert document["assertionMethod"][0]["type"] == "Multikey"
    assert document["manuallyApprovesFollowers"] is False
    assert document["postingRestrictedToMods"] is False
    assert document["endpoints"] == {"sharedInbox": "https://circle.example/inbox"}
    assert document["language"] == [{"identifier": "en", "name": "en"}]
    assert list(document)[:3] == ["@context", "id", "type"]


def test_followers_can_be_published_without_members_or_count() -> None:
    followers = Collection(id=Uri(f"{GROUP}/followers"), type="Collection", total_items=0)
    assert to_document(followers) == {
        "@context": [AS2],
        "id": f"{GROUP}/followers",
        "type": "Collection",
        "totalItems": 0,
    }
    moderators = Collection(id=Uri(f"{GROUP}/moderators"))
    assert to_document(moderators)["orderedItems"] == []


def test_what_has_no_form_of_its_own_is_our_mistake() -> None:
    with pytest.raises(LocalError):
        to_document(Unknown(id=POST, type="Place"))
