"""The shape of everything that goes out, against what other servers expect, and that we read it as we wrote it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.audience import Audience, Visibility
from activitypub.uris import Uris
from activitypub.vocabulary import activities, actors
from activitypub.vocabulary.base import Uri
from activitypub.vocabulary.objects import Note
from activitypub.vocabulary.reading import parse
from activitypub.vocabulary.writing import to_document
from groups import translation
from groups.translation import GroupFacts, LocalActorFacts, MentionFacts, PostFacts

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
URIS = Uris("https://kin.example", "kin.example")
GROUP_URI, ANA, SAM = "https://kin.example/g/abc", "https://kin.example/u/ana", "https://far.example/users/sam"
FOLLOWERS = f"{GROUP_URI}/followers"
AUDIENCES = ("peers-only", "followers", "public")
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MENTION = MentionFacts(9, SAM, "sam@far.example", "far.example", f"{SAM}/inbox", local=False)


def group(audience: str = "public", **changes: Any) -> GroupFacts:
    """Return a group of this node."""
    facts = GroupFacts(
        1, GROUP_URI, "grief", "kin.example", FOLLOWERS, f"{GROUP_URI}/inbox", local=True, audience=audience,
        name="Grief",
    )  # fmt: skip
    return replace(facts, **changes)


def post(**changes: Any) -> PostFacts:
    """Return a post in it."""
    facts = PostFacts(
        id=42, uri="https://kin.example/p/42", author_uri=ANA, page="https://kin.example/@grief/42", thread_id=42,
        title="A hard day", html="<p>words</p>", note="", sensitive=False, language="en", parent_uri=None,
        direct=False, published=NOW, edited_at=None, ends_at=NOW + timedelta(days=90),
    )  # fmt: skip
    return replace(facts, **changes)


def test_a_note_is_what_group_software_looks_for() -> None:
    """The group stands first in `to`, in `audience` and in the tags; the title in `name` and as the first line."""
    note = to_document(translation.to_note(URIS, post(mentions=(MENTION,)), group()))
    assert (note["id"], note["type"], note["attributedTo"]) == ("https://kin.example/p/42", "Note", ANA)
    assert note["to"] == [GROUP_URI, PUBLIC]
    assert note["cc"] == [FOLLOWERS, SAM]
    assert note["audience"] in (GROUP_URI, [GROUP_URI])
    assert (note["name"], note["content"]) == ("A hard day", "<p><strong>A hard day</strong></p><p>words</p>")
    assert note["context"] == "https://kin.example/ctx/42"
    assert [tag["name"] for tag in note["tag"]] == ["@grief@kin.example", "@sam@far.example"]
    assert [tag["href"] for tag in note["tag"]] == [GROUP_URI, SAM]


@pytest.mark.parametrize("direct", [False, True])
@pytest.mark.parametrize("audience", AUDIENCES)
def test_addresses_never_widen(audience: str, direct: bool) -> None:
    """Public only where the group is public and the post is not direct; a direct one names its people alone."""
    facts = post(direct=direct, mentions=(MENTION,))
    create = translation.to_create(URIS, facts, group(audience))
    assert (PUBLIC in str(create)) is (audience == "public" and not direct)
    assert (create["to"], create.get("cc", [])) == (create["object"]["to"], create["object"].get("cc", []))
    if direct:
        assert (create["to"], create.get("cc", [])) == ([SAM], [])
        assert "audience" not in create or not create["audience"]


@pytest.mark.parametrize(("audience", "visibility"), [
    ("public", Visibility.PUBLIC), ("followers", Visibility.GROUP), ("peers-only", Visibility.GROUP),
])  # fmt: skip
def test_another_node_reads_the_audience_that_was_meant(audience: str, visibility: Visibility) -> None:
    """What we write as public, private to the group or direct is derived as just that from its lists."""
    read = parse(translation.to_create(URIS, post(), group(audience)))
    assert isinstance(read, activities.Create)
    note = read.object.embedded
    assert isinstance(note, Note)
    assert Audience.derive(note, read, groups=[Uri(GROUP_URI)]).visibility is visibility
    direct = parse(translation.to_create(URIS, post(direct=True, mentions=(MENTION,)), group(audience)))
    assert isinstance(direct, activities.Create)
    assert isinstance(direct.object.embedded, Note)
    assert Audience.derive(direct.object.embedded, direct, groups=[Uri(GROUP_URI)]).visibility is Visibility.DIRECT


def test_a_title_is_text_and_never_markup() -> None:
    """It is escaped where it becomes HTML, cut to one line, and left out where there is none."""
    note = translation.to_note(URIS, post(title="<script>\nx & y"), group())
    assert note.content == "<p><strong>&lt;script&gt; x &amp; y</strong></p><p>words</p>"
    assert translation.to_note(URIS, post(title=""), group()).content == "<p>words</p>"


def test_an_update_says_when_and_a_create_does_not() -> None:
    """Both carry the whole Note; the Update has an id of its own."""
    edited = post(edited_at=NOW.replace(hour=13))
    update = translation.to_update(URIS, edited, group(), "https://kin.example/a/x")
    create = translation.to_create(URIS, post(), group())
    assert (update["type"], update["id"]) == ("Update", "https://kin.example/a/x")
    assert update["object"]["updated"] == "2026-11-23T13:00:00Z"
    assert "updated" not in create["object"]
    assert create["id"] == "https://kin.example/p/42/activity"


@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_delete_carries_the_bare_id(audience: str) -> None:
    """Lemmy takes nothing else; a reason, even an empty one, marks a removal and nothing else does."""
    own = translation.to_delete(
        "https://kin.example/a/x", ANA, "https://kin.example/p/42", group(audience), reason=None
    )
    removal = translation.to_delete(
        "https://kin.example/a/x", ANA, "https://kin.example/p/42", group(audience), reason=""
    )
    assert own["object"] == "https://kin.example/p/42"
    assert "summary" not in own
    assert removal["summary"] == ""
    assert (PUBLIC in str(own)) is (audience == "public")


@pytest.mark.parametrize("audience", ["followers", "public"])
def test_form_a_carries_the_activity_verbatim(audience: str) -> None:
    """As it came, with its own context and proof, less the blind recipients that must not be passed on."""
    inner = {"@context": ["x"], "id": "https://far.example/1", "type": "Like", "actor": SAM, "object": "https://o",
             "proof": {"type": "DataIntegrityProof"}, "odd": 1, "bto": [ANA], "bcc": [ANA]}  # fmt: skip
    announce = translation.to_announce_activity("https://kin.example/a/1", group(audience), inner)
    assert announce["object"] == {key: value for key, value in inner.items() if key not in {"bto", "bcc"}}
    assert (announce["type"], announce["actor"]) == ("Announce", GROUP_URI)
    assert announce["to"] == [PUBLIC if audience == "public" else FOLLOWERS]
    assert announce["cc"] == ([FOLLOWERS] if audience == "public" else [])


def test_form_b_carries_an_id() -> None:
    """Microblog software fetches by id and does not believe what is embedded; the date sorts the boost."""
    announce = translation.to_announce_object("https://kin.example/a/1", group(), "https://far.example/p/9", NOW)
    assert announce["object"] == "https://far.example/p/9"
    assert announce["published"] == "2026-11-23T12:00:00Z"
    undo = translation.to_undo("https://kin.example/a/2", GROUP_URI, announce, announce["to"])
    assert undo["object"] == {key: announce[key] for key in ("id", "type", "actor", "object")}


@pytest.mark.parametrize("edited", [None, NOW])
def test_a_re_emitted_note_is_the_group_s_own(edited: datetime | None) -> None:
    """Attributed to the group, to its followers alone, with its warning and how to answer; no Announce, no Public."""
    facts = post(note="loss", edited_at=edited, mentions=(MENTION,))
    activity = translation.to_reemission(URIS, facts, group("followers"), "Ana <b>", None)
    note = activity["object"]
    assert activity["type"] == ("Update" if edited else "Create")
    assert (activity["actor"], note["attributedTo"], note["id"]) == (GROUP_URI, GROUP_URI, "https://kin.example/r/42")
    assert (activity["to"], note["to"]) == ([FOLLOWERS], [FOLLOWERS])
    assert (note["sensitive"], note["summary"]) == (True, "loss")
    assert "<p>words</p>" in note["content"]
    assert "Ana &lt;b&gt; wrote" in note["content"]
    assert "mentioned people only" in note["content"]
    assert PUBLIC not in str(activity)
    assert ANA not in str(activity)


def test_a_re_emitted_note_shows_its_title() -> None:
    """Members on microblog software must not lose the first line of what was written."""
    assert "A hard day" in translation.to_reemission(URIS, post(), group("followers"), "Ana", None)["object"]["content"]


def test_an_actor_says_what_others_decide_by() -> None:
    """A group that lets in says so (FEP-1b12, Lemmy); neither is to be indexed."""
    key = actors.Key(id=Uri(f"{GROUP_URI}#main-key"), owner=Uri(GROUP_URI), pem="PEM", multibase=None)
    facts = LocalActorFacts(
        id=1, uri=GROUP_URI, kind="Group", handle="grief", name="Grief", summary="<p>x</p>", locked=True,
        discoverable=False, created_on=NOW, keys=(key,),
        page="https://kin.example/@grief",
    )  # fmt: skip
    document = translation.actor_document(URIS, facts)
    assert (document["type"], document["manuallyApprovesFollowers"], document["discoverable"]) == ("Group", True, False)
    assert document["indexable"] is False
    assert document["followers"] == FOLLOWERS
    assert document["endpoints"]["sharedInbox"] == "https://kin.example/inbox"
    assert document["publicKey"]["id"] == f"{GROUP_URI}#main-key"
    person = translation.actor_document(URIS, replace(facts, kind="Person", uri=ANA, keys=()))
    assert person["type"] == "Person"
    assert isinstance(parse(document), actors.Group)
    assert isinstance(parse(person), actors.Person)


MADE: dict[str, Callable[[], dict[str, Any]]] = {
    "Create": lambda: translation.to_create(URIS, post(), group()),
    "Update": lambda: translation.to_update(URIS, post(edited_at=NOW), group(), "https://kin.example/a/x"),
    "Delete": lambda: translation.to_delete("https://kin.example/a/x", ANA, "https://o", group(), reason=""),
    "Announce": lambda: translation.to_announce_object("https://kin.example/a/1", group(), "https://far/9", NOW),
    "Follow": lambda: translation.to_follow("https://kin.example/a/1", ANA, "https://far.example/g"),
    "Accept": lambda: translation.to_answer("Accept", "https://kin.example/a/1", GROUP_URI, "https://f/1", SAM),
    "Reject": lambda: translation.to_answer("Reject", "https://kin.example/a/1", GROUP_URI, "https://f/1", SAM),
    "Like": lambda: translation.to_like("https://kin.example/a/1", ANA, "https://o", [SAM], GROUP_URI),
    "Undo": lambda: translation.to_undo("https://kin.example/a/2", ANA, MADE["Like"](), [SAM]),
}  # fmt: skip


@pytest.mark.parametrize("kind", MADE)
def test_we_read_what_we_wrote(kind: str) -> None:
    """Each activity has a context, an id of ours that is short enough for PieFed, an actor and recipients."""
    document = MADE[kind]()
    read = parse(document)
    assert type(read).__name__ == kind
    assert isinstance(read, activities.Activity)
    assert read.id == document["id"]
    assert len(document["id"]) <= 90
    assert read.actor == document["actor"]
    assert read.to
    assert document["@context"]
    again = parse(to_document(read))
    assert (type(again), again.id) == (type(read), read.id)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=40)


@given(TEXT, TEXT, st.booleans(), st.sampled_from(AUDIENCES), st.booleans())
def test_a_post_comes_back_as_it_went(title: str, note: str, sensitive: bool, audience: str, edited: bool) -> None:
    """Whatever it says: what is parsed from its Create has the same words, owner, addresses and times."""
    facts = post(title=title, note=note, sensitive=sensitive, edited_at=NOW if edited else None)
    made = translation.to_note(URIS, facts, group(audience))
    read = parse(translation.to_create(URIS, facts, group(audience)))
    assert isinstance(read, activities.Create)
    back = read.object.embedded
    assert isinstance(back, Note)
    for name in (
        "id",
        "attributed_to",
        "content",
        "sensitive",
        "to",
        "cc",
        "audience",
        "published",
        "updated",
        "context",
    ):
        assert getattr(back, name) == getattr(made, name), name
    assert (back.name or "") == (made.name or "")
    assert (back.summary or "") == (made.summary or "")
