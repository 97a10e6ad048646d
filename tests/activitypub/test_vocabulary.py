"""The vocabulary: every shape that peers send comes out in one normal form (federation reference §4.2)."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from activitypub.errors import ForeignOrigin, MalformedActivity, RemoteError
from activitypub.strict_json import loads_strict
from activitypub.vocabulary.activities import (
    Accept,
    Announce,
    Block,
    Create,
    Delete,
    Flag,
    Join,
    Like,
    Undo,
    UnknownActivity,
    Update,
)
from activitypub.vocabulary.actors import Application, Group, Person, parse_key
from activitypub.vocabulary.base import PUBLIC, Object
from activitypub.vocabulary.collections import Collection
from activitypub.vocabulary.objects import Note, Option, Question, Tombstone, Unknown
from activitypub.vocabulary.reading import parse
from activitypub.vocabulary.writing import to_document
from tests.vectors.outcomes import SAMPLES as REAL_SAMPLES
from tests.vectors.outcomes import TABLE, outcomes

SAMPLES = Path(__file__).parents[1] / "vectors" / "samples"
AS2 = "https://www.w3.org/ns/activitystreams"
ANA = "https://peer.example/u/ana"
GROUP = "https://circle.example/g/1"
NOTE: dict[str, Any] = {
    "@context": AS2,
    "id": "https://peer.example/n/1",
    "type": "Note",
    "attributedTo": ANA,
    "to": [GROUP],
    "cc": [],
    "content": "<p>Hello</p>",
}
ACTOR: dict[str, Any] = {
    "@context": AS2,
    "id": ANA,
    "type": "Person",
    "preferredUsername": "ana",
    "inbox": f"{ANA}/inbox",
    "outbox": f"{ANA}/outbox",
    "followers": f"{ANA}/followers",
    "endpoints": {"sharedInbox": "https://peer.example/inbox"},
    "publicKey": {"id": f"{ANA}#main-key", "owner": ANA, "publicKeyPem": "-----BEGIN PUBLIC KEY-----"},
}


def sample(name: str) -> Object:
    return parse(loads_strict((SAMPLES / name).read_bytes()))


def note(**fields: Any) -> Note:
    found = parse({**NOTE, **fields})
    assert isinstance(found, Note)
    return found


def activity(kind: str, **fields: Any) -> Any:
    return parse(
        {"@context": AS2, "id": "https://peer.example/a/1", "type": kind, "actor": ANA, "object": GROUP, **fields}
    )


def actor(**fields: Any) -> Any:
    return parse({**ACTOR, **fields})


class TestWholeDocuments:
    """Documents as each kind of software shapes them."""

    def test_mastodon_create(self) -> None:
        create = sample("mastodon/create_note.json")
        assert isinstance(create, Create)
        assert create.actor == "https://micro.example/users/ivy"
        post = create.object.embedded
        assert isinstance(post, Note)
        assert (post.to, post.cc) == (create.to, create.cc) == ((PUBLIC,), create.cc)
        assert post.published == datetime(2026, 11, 20, 8, 15, 30, tzinfo=UTC)
        assert post.language == "en"
        assert (post.summary, post.in_reply_to, post.sensitive) == (None, None, False)
        assert [tag.href for tag in post.mentions] == ["https://threads.example/c/gardens"]
        [picture] = post.attachments
        assert (picture.name, picture.width, picture.focal_point) == (
            "A tray of seedlings on a window sill",
            1200,
            (0, -0.5),
        )
        assert post.replies == "https://micro.example/users/ivy/statuses/11/replies"
        assert post.context is None

    def test_mastodon_vote_and_question(self) -> None:
        vote = sample("mastodon/create_vote.json").object.embedded
        assert vote.is_vote
        assert not note(name="a title").is_vote
        poll = sample("mastodon/question.json")
        assert isinstance(poll, Question)
        assert poll.options == (Option(name="In October", votes=3), Option(name="In March", votes=1))
        assert (poll.multiple, poll.voters_count, poll.end_time) == (False, 4, datetime(2026, 11, 21, 9, tzinfo=UTC))

    def test_mastodon_person(self) -> None:
        person = sample("mastodon/person.json")
        assert isinstance(person, Person)
        assert (person.preferred_username, person.shared_inbox) == ("ivy", "https://micro.example/inbox")
        assert (person.manually_approves_followers, person.discoverable, person.memorial) == (True, False, False)
        assert person.also_known_as == ("https://old.example/users/ivy",)
        assert [(key.id, key.owner) for key in person.keys] == [(f"{person.id}#main-key", person.id)]
        assert [line.name for line in person.fields] == ["Garden"]

    def test_mastodon_flag_undo_and_delete(self) -> None:
        report = sample("mastodon/flag.json")
        assert isinstance(report, Flag)
        assert report.objects == ("https://threads.example/u/rowan", "https://threads.example/post/9")
        assert report.content == "Selling something"
        undo = sample("mastodon/undo_follow.json")
        assert isinstance(undo, Undo)
        assert undo.object_id == "https://micro.example/aa77"
        assert undo.object.embedded is not None
        assert undo.object.embedded.owner == undo.actor
        farewell = sample("mastodon/delete_actor.json")
        assert isinstance(farewell, Delete)
        assert farewell.object_id == farewell.actor

    def test_lemmy_announce_keeps_the_inner_activity_as_it_came(self) -> None:
        announce = sample("lemmy/announce_create_page.json")
        assert isinstance(announce, Announce)
        create = announce.object.embedded
        assert isinstance(create, Create)
        document = json.loads((SAMPLES / "lemmy/announce_create_page.json").read_text(encoding="utf-8"))
        assert create.raw == document["object"]
        page = create.object.embedded
        assert isinstance(page, Note)
        assert (page.type, page.name, page.language) == ("Page", "Broad beans", "en")
        assert page.audience == ("https://threads.example/c/gardens",)
        assert [(tag.type, tag.name) for tag in page.tags] == [("CommunityPostTag", "seeds")]
        assert [link.url for link in page.attachments] == ["https://seeds.example/beans"]

    def test_lemmy_group_moderation_and_collections(self) -> None:
        group = sample("lemmy/group.json")
        assert isinstance(group, Group)
        assert group.moderators == "https://threads.example/c/gardens/moderators"
        assert (group.languages, group.discoverable) == (("en", "cy"), None)
        ban = sample("lemmy/block_user.json")
        assert isinstance(ban, Block)
        assert (ban.target, ban.remove_data, ban.summary) == (group.id, True, "spam")
        assert ban.end_time == datetime(2026, 12, 1, 12, 0, 0, 500_000, tzinfo=UTC)
        removal = sample("lemmy/remove_note.json")
        assert isinstance(removal, Delete)
        assert removal.summary == "off topic"
        moderators = sample("lemmy/moderators.json")
        assert isinstance(moderators, Collection)
        assert [item.id for item in moderators.items] == ["https://threads.example/u/rowan"]

    def test_gotosocial_single_values_and_policy(self) -> None:
        post = sample("gotosocial/note_with_policy.json")
        assert isinstance(post, Note)
        assert post.to == (PUBLIC,)
        assert [picture.name for picture in post.attachments] == ["A window"]
        assert post.interaction_policy is not None
        assert post.interaction_policy.can_like == (PUBLIC,)
        assert post.interaction_policy.can_announce == ("https://social.example/users/sam",)
        assert post.interaction_policy.can_reply is None
        stub = sample("gotosocial/main_key.json")
        assert isinstance(stub, Person)
        assert stub.keys[0].id.endswith("/main-key")

    def test_peertube_posts_with_two_authors_are_refused_and_groups_are_not(self) -> None:
        with pytest.raises(MalformedActivity):
            sample("peertube/video.json")
        comment = sample("peertube/comment.json")
        assert isinstance(comment, Note)
        assert comment.media_type == "text/markdown"
        channel = sample("peertube/group.json")
        assert isinstance(channel, Group)
        assert (channel.moderators, channel.attributed_to) == (None, ("https://video.example/accounts/kit",))
        assert channel.icon == "https://video.example/i/48.jpg"

    def test_others(self) -> None:
        dialect = sample("pleroma/note.json")
        assert isinstance(dialect, Note)
        assert (dialect.cc, dialect.summary, dialect.attachments) == ((PUBLIC,), None, ())
        assert (dialect.tags[0].id, dialect.tags[0].icon) == (None, "https://pl.example/emoji/leaf.png")
        reaction = sample("misskey/like_reaction.json")
        assert isinstance(reaction, Like)
        assert reaction.content == "🌱"
        article = sample("friendica/update_article.json")
        assert isinstance(article, Update)
        assert article.object.embedded.updated == datetime(2026, 11, 20, 7, tzinfo=UTC)
        created = sample("discourse/create.json")
        assert isinstance(created, Create)
        assert created.actor == created.object.embedded.owner == "https://forum.example/ap/actor/7"
        assert isinstance(sample("smithereen/join.json"), Join)


@pytest.mark.skipif(
    not REAL_SAMPLES.is_dir(), reason="the collection of real documents does not stand beside this checkout"
)
def test_every_real_document_comes_out_as_the_table_says() -> None:
    """Rewrite the table after a deliberate change: python -m tests.vectors.outcomes."""
    assert outcomes(REAL_SAMPLES) == json.loads(TABLE.read_text(encoding="utf-8"))


class TestAddresses:
    """`to`, `cc`, `audience`."""

    @pytest.mark.parametrize("spelling", [f"{AS2}#Public", "as:Public", "Public", {"id": f"{AS2}#Public"}])
    def test_public_has_one_spelling(self, spelling: Any) -> None:
        assert note(to=spelling).to == (PUBLIC,)
        assert note(to=[GROUP, spelling, spelling]).to == (GROUP, PUBLIC)

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            (None, ()),
            ([], ()),
            (GROUP, (GROUP,)),
            ({"id": GROUP, "type": "Group"}, (GROUP,)),
            ([GROUP, None, {"id": ANA}, GROUP], (GROUP, ANA)),
            (["https://CIRCLE.example:443/g/1"], (GROUP,)),
            (["", "mailto:ana@peer.example", "/u/1", "as:public", {"type": "Person"}], ()),
        ],
    )
    def test_variants(self, given: Any, expected: tuple[str, ...]) -> None:
        assert note(cc=given).cc == expected

    @pytest.mark.parametrize("given", [7, True, [7], [[GROUP]], {"id": 7}, [{"id": [GROUP]}], [GROUP] * 1001])
    def test_nonsense_is_refused(self, given: Any) -> None:
        for name in ("to", "cc", "audience"):
            with pytest.raises(MalformedActivity):
                note(**{name: given})

    def test_blind_copies_are_dropped(self) -> None:
        found = note(bto=[ANA], bcc=[ANA])
        assert ANA not in found.to + found.cc + found.audience


class TestSecurityRelevantFields:
    """Wrong shapes are refused, never guessed at (security catalogue S-203, S-204, S-208, S-222)."""

    SHAPES = (7, 0, True, 1.5, "", "7", "ana", "/u/ana", "//peer.example/u", {}, {"id": 7}, {"id": None}, [7], [[ANA]])
    SEVERAL = ([ANA, "https://peer.example/u/bo"], [{"id": ANA}, {"id": GROUP}])

    def test_the_honest_forms_are_read(self) -> None:
        assert note().attributed_to == ANA
        assert note(attributedTo={"id": ANA, "type": "Person"}).attributed_to == ANA
        assert note(inReplyTo=[GROUP]).in_reply_to == GROUP
        assert activity("Follow").object == GROUP
        assert activity("Follow", object={"id": GROUP, "type": "Group"}).object == GROUP
        assert activity("Follow", actor={"id": ANA}).actor == ANA

    @pytest.mark.parametrize("shape", [*SHAPES, *SEVERAL])
    def test_authors_and_actors(self, shape: Any) -> None:
        for read in (lambda: note(attributedTo=shape), lambda: activity("Follow", actor=shape)):
            with pytest.raises(MalformedActivity):
                read()

    @pytest.mark.parametrize("shape", [[ANA], [{"id": ANA}]])
    def test_an_array_of_one_author_is_refused_too(self, shape: Any) -> None:
        for read in (lambda: note(attributedTo=shape), lambda: activity("Follow", actor=shape)):
            with pytest.raises(MalformedActivity):
                read()

    @pytest.mark.parametrize("shape", [*SHAPES, *SEVERAL, None, []])
    @pytest.mark.parametrize(
        "kind", ["Follow", "Like", "Block", "Undo", "Create", "Delete", "Announce", "Accept", "Move"]
    )
    def test_objects(self, kind: str, shape: Any) -> None:
        with pytest.raises(MalformedActivity):
            activity(kind, object=shape)

    @pytest.mark.parametrize("shape", [*SHAPES, *SEVERAL])
    def test_parents_and_targets(self, shape: Any) -> None:
        for read in (
            lambda: note(inReplyTo=shape),
            lambda: activity("Add", target=shape),
            lambda: activity("Block", target=shape),
        ):
            with pytest.raises(MalformedActivity):
                read()

    @pytest.mark.parametrize(
        "shape", [7, "", "7", "/n/1", [NOTE["id"]], {"id": NOTE["id"]}, None, "tag:peer.example,2026:1"]
    )
    def test_ids(self, shape: Any) -> None:
        for document in (NOTE, ACTOR):
            with pytest.raises(MalformedActivity):
                parse({**document, "id": shape})
        with pytest.raises(MalformedActivity):
            activity("Follow", id=shape)

    @pytest.mark.parametrize(
        "shape", [None, 7, "", [], {}, [7], ["Note", None], [["Note"]], ["Note", "Create"], ["Follow", "Undo"]]
    )
    def test_types(self, shape: Any) -> None:
        with pytest.raises(MalformedActivity):
            parse({**NOTE, "type": shape})

    @pytest.mark.parametrize("shape", [7, [7], [[]], {"id": 7}, [{"publicKeyPem": 7, "id": ANA}]])
    def test_keys(self, shape: Any) -> None:
        with pytest.raises(MalformedActivity):
            actor(publicKey=shape if isinstance(shape, (int, list)) else {**shape, "publicKeyPem": "x"})

    @pytest.mark.parametrize("name", ["inbox", "outbox", "followers", "following", "endpoints"])
    def test_places_of_an_actor_stand_on_its_own_origin(self, name: str) -> None:
        foreign = "https://evil.example/inbox"
        with pytest.raises(ForeignOrigin):
            actor(**{name: {"sharedInbox": foreign} if name == "endpoints" else foreign})
        honest = "https://PEER.example:443/inbox"
        assert actor(**{name: {"sharedInbox": honest} if name == "endpoints" else honest}).id == ANA

    @pytest.mark.parametrize(
        "key",
        [
            {"id": f"{ANA}#main-key", "owner": "https://peer.example/u/bo", "publicKeyPem": "x"},
            {"id": "https://evil.example/key", "owner": ANA, "publicKeyPem": "x"},
        ],
    )
    def test_keys_of_others_are_refused(self, key: dict[str, Any]) -> None:
        with pytest.raises(ForeignOrigin):
            actor(publicKey=key)

    @pytest.mark.parametrize("missing", ["inbox", "preferredUsername"])
    def test_an_actor_without_the_needful_is_refused(self, missing: str) -> None:
        with pytest.raises(MalformedActivity):
            parse({name: value for name, value in ACTOR.items() if name != missing})

    @pytest.mark.parametrize("name", ["", "-", "a b", "ana@peer.example", "<b>", "a" * 257, 7, ["ana"]])
    def test_user_names_are_plain(self, name: Any) -> None:
        with pytest.raises(MalformedActivity):
            actor(preferredUsername=name)
        assert actor(preferredUsername="Ana.of-peer").preferred_username == "Ana.of-peer"

    @pytest.mark.parametrize("kind", ["Create", "Update", "Delete", "Announce"])
    def test_embedded_things_need_an_id_where_it_decides(self, kind: str) -> None:
        with pytest.raises(MalformedActivity):
            activity(kind, object={"type": "Note", "attributedTo": ANA})
        assert activity("Undo", object={"type": "Follow", "actor": ANA, "object": GROUP}).object.id is None

    def test_errors_name_no_content(self) -> None:
        with pytest.raises(MalformedActivity) as caught:
            note(attributedTo="a secret of ana")
        assert "secret" not in str(caught.value) + caught.value.public


class TestShownFields:
    """What is only shown is dropped when it makes no sense, and the rest stays."""

    @pytest.mark.parametrize(
        "url",
        [
            "javascript:alert(1)",
            "data:text/html,x",
            "//evil.example/",
            "/p/1",
            "https://a@b/",
            "https://x\u0000",
            7,
            None,
            {},
            [],
        ],
    )
    def test_links_that_are_none(self, url: Any) -> None:
        found = note(
            url=url,
            attachment=[{"type": "Image", "url": url}],
            tag=[{"type": "Mention", "href": url, "name": "@ana"}],
            quote=url,
        )
        assert (found.url, found.attachments, found.mentions, found.quote) == (None, (), (), None)
        assert found.tags[0].name == "@ana"
        assert actor(url=url, icon={"type": "Image", "url": url}).icon is None

    @pytest.mark.parametrize(
        ("url", "expected"),
        [
            ("https://peer.example/@ana/1", "https://peer.example/@ana/1"),
            (["https://peer.example/a", "https://peer.example/b"], "https://peer.example/a"),
            ({"type": "Link", "href": "https://peer.example/a"}, "https://peer.example/a"),
            (
                [
                    {"type": "Link", "mediaType": "video/mp4", "href": "https://peer.example/v.mp4"},
                    {"type": "Link", "mediaType": "text/html", "href": "https://peer.example/w"},
                ],
                "https://peer.example/w",
            ),
            ([7, {"href": "javascript:x"}, "https://peer.example/a"], "https://peer.example/a"),
        ],
    )
    def test_the_page_to_show(self, url: Any, expected: str) -> None:
        assert note(url=url).url == expected

    @pytest.mark.parametrize(
        "icon",
        [
            "https://peer.example/i.png",
            {"type": "Image", "url": "https://peer.example/i.png"},
            {"type": "Image", "url": ["https://peer.example/i.png"]},
            {"type": "Image", "url": {"type": "Link", "href": "https://peer.example/i.png"}},
            {"type": "Image", "url": [{"type": "Link", "href": "https://peer.example/i.png"}]},
            [
                {"type": "Image", "url": "https://peer.example/i.png"},
                {"type": "Image", "url": "https://peer.example/j.png"},
            ],
        ],
    )
    def test_icons(self, icon: Any) -> None:
        assert actor(icon=icon).icon == "https://peer.example/i.png"

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("2026-11-20T08:00:00Z", datetime(2026, 11, 20, 8, tzinfo=UTC)),
            ("2026-11-20T08:00:00.123456789Z", datetime(2026, 11, 20, 8, 0, 0, 123_456, tzinfo=UTC)),
            ("2026-11-20T09:00:00+01:00", datetime(2026, 11, 20, 8, tzinfo=UTC)),
            ("2026-11-20T08:00:00", datetime(2026, 11, 20, 8, tzinfo=UTC)),
            ("1970-01-01T00:00:00Z", None),
            ("0001-01-01T00:00:00+14:00", None),
            ("yesterday", None),
            ("", None),
            (1763625600, None),
            (["2026-11-20T08:00:00Z"], None),
            ("2" * 500, None),
        ],
    )
    def test_times(self, given: Any, expected: datetime | None) -> None:
        assert note(published=given).published == expected

    @pytest.mark.parametrize(
        "fields",
        [
            {"content": "hallo"},
            {"content": {"@value": "hallo"}},
            {"content": ["hallo", "hello"]},
            {"content": None, "contentMap": {"en": "hello", "de": "hallo"}},
        ],
    )
    def test_texts(self, fields: dict[str, Any]) -> None:
        found = parse({**NOTE, **fields}, language="de")
        assert isinstance(found, Note)
        assert found.content == "hallo"

    def test_the_language_of_a_text(self) -> None:
        assert note(content="a", contentMap={"en": "a", "de": "b"}).language == "en"
        assert note(content="a", contentMap={"cy": "b"}).language == "cy"
        assert note(content="a", contentMap={"und": "a"}).language is None
        assert note(content="a", language={"identifier": "fr"}).language == "fr"
        assert note(contentMap=["en"], language="fr").language is None

    @pytest.mark.parametrize("tag", [None, 7, "x", [], [7, None, "x"], {}, {"type": 7}, [{"name": "no type"}]])
    def test_tags_that_are_none(self, tag: Any) -> None:
        assert note(tag=tag).tags == ()

    @pytest.mark.parametrize("kind", [None, 7, ["Image"], {"Image": 1}, "Poem"])
    def test_attachments_of_no_known_type(self, kind: Any) -> None:
        assert (
            note(attachment=[{"type": kind, "url": GROUP}, {"type": "Image", "url": GROUP}]).attachments[0].type
            == "Image"
        )
        assert len(note(attachment={"type": kind, "url": GROUP}).attachments) == 0

    def test_lists_are_bounded(self) -> None:
        many = [{"type": "Image", "url": f"https://peer.example/{number}"} for number in range(200)]
        assert len(note(attachment=many).attachments) == 16
        assert len(note(tag=[{"type": "Hashtag", "name": "x"}] * 200).tags) == 100
        assert len(note(name="n" * 900).name or "") == 500
        assert note(content="ä" * 32_768).content
        with pytest.raises(MalformedActivity):
            note(content="ä" * 32_769)
        with pytest.raises(MalformedActivity):
            parse({"@context": AS2, "id": NOTE["id"], "type": "Collection", "items": [ANA] * 1001})

    def test_flags_are_booleans_only(self) -> None:
        assert note(sensitive=True).sensitive
        assert note(commentsEnabled=False).comments_enabled is False
        for other in ("true", 1, None, [True]):
            assert not note(sensitive=other).sensitive
            assert note(commentsEnabled=other).comments_enabled is None

    def test_context_is_a_web_address_or_nothing(self) -> None:
        assert note(context="https://peer.example/c/1").context == "https://peer.example/c/1"
        assert (
            note(context={"id": "https://peer.example/c/1", "type": "Collection"}).context == "https://peer.example/c/1"
        )
        assert note(context="tag:peer.example,2026:c").context is None

    def test_the_first_name_of_a_quote_wins(self) -> None:
        assert note(quoteUrl=GROUP, _misskey_quote=ANA).quote == GROUP


class TestTypes:
    """Dispatch by type."""

    def test_arrays_of_types(self) -> None:
        assert note(type=["Note"]).type == "Note"
        assert note(type=["sm:Special", "Page"]).type == "Page"
        assert note(type=["Article", "Page"]).type == "Article"

    def test_unknown_types_are_kept_apart_and_harmless(self) -> None:
        thing = parse({"@context": AS2, "id": NOTE["id"], "type": "Place", "attributedTo": [ANA, GROUP]})
        assert isinstance(thing, Unknown)
        assert (thing.type, thing.owner) == ("Place", None)
        deed = activity("Travel", object=[1, 2])
        assert isinstance(deed, UnknownActivity)
        assert (deed.type, deed.actor, deed.object_id) == ("Travel", ANA, None)

    def test_references_by_id_alone(self) -> None:
        answer = activity("Accept", object={"id": "https://circle.example/a/7"})
        assert isinstance(answer, Accept)
        assert (answer.object.id, answer.object.embedded) == ("https://circle.example/a/7", None)

    def test_what_is_embedded_too_deeply_is_its_id(self) -> None:
        inner: dict[str, Any] = {**NOTE}
        for number in range(12):
            inner = {"id": f"https://peer.example/a/{number}", "type": "Undo", "actor": ANA, "object": inner}
        found: Any = parse(inner)
        depth = 0
        while found.object.embedded is not None:
            found, depth = found.object.embedded, depth + 1
        assert found.object.id is not None
        assert depth == 6

    def test_a_bad_item_does_not_hide_the_good_ones(self) -> None:
        page = parse(
            {
                "@context": AS2,
                "id": "https://peer.example/c?page=1",
                "type": "OrderedCollectionPage",
                "partOf": "https://peer.example/c",
                "next": "https://peer.example/c?page=2",
                "orderedItems": [
                    ANA,
                    7,
                    {**NOTE, "attributedTo": [ANA, GROUP]},
                    {**NOTE},
                    {**ACTOR, "inbox": "https://evil.example/"},
                ],
            }
        )
        assert isinstance(page, Collection)
        assert [item.id for item in page.items] == [ANA, NOTE["id"]]
        assert page.is_ordered
        assert page.next == "https://peer.example/c?page=2"

    def test_an_embedded_first_page(self) -> None:
        outer = parse(
            {
                "@context": AS2,
                "id": "https://peer.example/c",
                "type": "Collection",
                "totalItems": 1,
                "first": {"type": "CollectionPage", "items": ANA},
            }
        )
        assert isinstance(outer, Collection)
        first = outer.first and outer.first.embedded
        assert isinstance(first, Collection)
        assert [item.id for item in first.items] == [ANA]

    def test_tombstones(self) -> None:
        found = parse(
            {
                "@context": AS2,
                "id": NOTE["id"],
                "type": "Tombstone",
                "formerType": "Note",
                "deleted": "2026-01-01T00:00:00Z",
            }
        )
        assert isinstance(found, Tombstone)
        assert (found.former_type, found.deleted) == ("Note", datetime(2026, 1, 1, tzinfo=UTC))


class TestKeysAndCapabilities:
    """What an actor signs with, and what its server can do."""

    def test_multikeys_and_arrays_of_keys(self) -> None:
        rsa = {"id": f"{ANA}#main-key", "owner": ANA, "publicKeyPem": "pem"}
        multikey = {"id": f"{ANA}#ed25519-key", "type": "Multikey", "controller": ANA, "publicKeyMultibase": "z6Mk"}
        found = actor(publicKey=[rsa], assertionMethod=[multikey, f"{ANA}#elsewhere"])
        assert [(key.id, key.pem, key.multibase) for key in found.keys] == [
            (f"{ANA}#main-key", "pem", None),
            (f"{ANA}#ed25519-key", None, "z6Mk"),
        ]
        assert actor(publicKey=None).keys == ()
        assert len(actor(publicKey=[{**rsa, "id": f"{ANA}#{number}"} for number in range(15)]).keys) == 10

    def test_key_documents(self) -> None:
        assert parse_key({"id": f"{ANA}/key", "owner": ANA, "publicKeyPem": "pem"}).owner == ANA
        assert parse_key({"id": f"{ANA}#k", "controller": ANA, "publicKeyMultibase": "z6"}).multibase == "z6"
        for bad in (
            {"owner": ANA, "publicKeyPem": "pem"},
            {"id": f"{ANA}#k", "publicKeyPem": "pem"},
            {"id": f"{ANA}#k", "owner": ANA},
            {"id": f"{ANA}#k", "owner": ANA, "publicKeyPem": "pem", "publicKeyMultibase": "z6"},
            {"id": f"{ANA}#k", "owner": ANA, "controller": GROUP, "publicKeyPem": "pem"},
            {"id": f"{ANA}#k", "owner": [ANA], "publicKeyPem": "pem"},
            {"id": f"{ANA}#k", "owner": ANA, "publicKeyPem": "x" * 9000},
        ):
            with pytest.raises(MalformedActivity):
                parse_key(bad)

    def test_capabilities(self) -> None:
        rfc = {"href": "https://datatracker.ietf.org/doc/html/rfc9421", "name": "HTTP Message Signatures"}
        assert actor(generator={"type": "Application", "implements": [rfc]}).implements == (rfc["href"],)
        server = actor(type="Application", implements=rfc)
        assert isinstance(server, Application)
        assert server.implements == (rfc["href"],)
        assert actor(generator="https://peer.example/actor").implements == ()


def scrambled(draw: st.DrawFn, value: Any) -> Any:
    """Replace something within a document by something else."""
    if isinstance(value, dict) and value and draw(st.integers(0, 4)):
        name = draw(st.sampled_from(sorted(value)))
        return {**value, name: scrambled(draw, value[name])}
    if isinstance(value, list) and value and draw(st.booleans()):
        return [scrambled(draw, value[0]), *value[1:]]
    return draw(NONSENSE)


NONSENSE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", ANA, "x", "Note"]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(
            st.sampled_from(["id", "type", "url", "href", "name", "items", "@value", "@context"]), inner, max_size=3
        )
    ),
    max_leaves=5,
)
DOCUMENTS = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(SAMPLES.rglob("*.json"))]


@settings(max_examples=120)
@given(st.data())
def test_scrambled_documents_are_read_or_refused_and_never_fail_otherwise(data: st.DataObject) -> None:
    document = data.draw(st.sampled_from(DOCUMENTS))
    for _ in range(data.draw(st.integers(1, 3))):
        document = {
            **document,
            **data.draw(st.composite(scrambled)(document).filter(lambda found: isinstance(found, dict))),
        }
    try:
        thing = parse(document)
    except RemoteError:
        return
    assert thing.id is not None
    assert isinstance(to_document(thing) if not isinstance(thing, Unknown) else {}, dict)


def test_repr_shows_no_words_that_people_wrote() -> None:
    found = note(
        name="very private",
        content="very private",
        attachment=[{"type": "Image", "url": GROUP, "name": "very private"}],
    )
    person = actor(
        name="very private", attachment=[{"type": "PropertyValue", "name": "very private", "value": "very private"}]
    )
    shown = repr(
        (found, found.attachments, found.source, person, person.fields, activity("Flag", content="very private"))
    )
    assert "very private" not in shown
    assert str(found.id) in shown
