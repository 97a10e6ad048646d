"""Posting, editing and deleting by the people of this node: whom a post reaches, and that a refusal leaves nothing."""

import itertools
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groups import founding, posting, reactions, timelines
from groups.composing import NewPost
from groups.errors import GroupsError, Invalid, NotAllowed, NotFound
from groups.models import Mention, Notification
from groups.showing import Words
from groups.views import Page, PostView, Viewer
from privacy.unit_of_work import table_of
from tests.groups.house import DELIVERIES, EVERY_READ, ITEMS, LEDGER, POSTS, PUBLIC, House

MENTIONS, NEWS = table_of(Mention), table_of(Notification)
TRACES = (POSTS, MENTIONS, NEWS, DELIVERIES, ITEMS, LEDGER)


def traces(house: House) -> list[int]:
    """Return how much of each kind of trace there is."""
    return [house.count(table) for table in TRACES]


def refused(house: House, author: int, text: str, **form: object) -> GroupsError:
    """Hold a post to being refused without a trace, and return the refusal."""
    before = traces(house)
    with pytest.raises(GroupsError) as refusal:
        house.post(author, text, **form)
    assert traces(house) == before
    return refusal.value


def kept_and_supported(house: House, reader: int, post: PostView) -> None:
    """Let a reader keep a post and support it."""
    house.do(reactions.bookmark, reader, post.id)
    house.do(reactions.react, house.uris, reader, post.id)


# ── into which group ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_post_goes_into_the_group_that_it_names(house: House) -> None:
    """By its handle in the text or by choice; it is read there by every member and by nobody else."""
    grief, other = house.group("grief"), house.group("other")
    ana, ben, eve = house.person("ana", grief, other), house.person("ben", grief), house.person("eve", other)
    named = house.post(ana, "@grief a hard day")
    chosen = house.post(ana, "another", group_id=grief)
    assert named.group.id == chosen.group.id == grief
    for post in (named, chosen):
        assert house.reads_of(ben, post) == EVERY_READ - {"bookmarks", "favourites"}
        assert house.reads_of(eve, post) == set()
        assert house.reads_of(None, post) == set()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("no group at all", "Start your post with the @name"),
        ("@grief @other both", "goes to one group"),
        ("@nowhere hello", "you are not a member of a group called @nowhere"),
    ],
)
def test_a_post_without_exactly_one_group_is_refused(house: House, text: str, sentence: str) -> None:
    """The sentence says how to name one, and nothing was posted."""
    ana = house.person("ana", house.group("grief"), house.group("other"))
    refusal = refused(house, ana, text)
    assert isinstance(refusal, Invalid)
    assert sentence in refusal.public
    assert "Nothing was posted" in refusal.public
    house.post(ana, "@grief alone")
    assert house.count(POSTS) == 1


@pytest.mark.parametrize("state", [None, "pending", "left", "removed", "refused", "parked"])
def test_whoever_is_no_member_posts_nothing(house: House, state: str | None) -> None:
    """Invalid with the reason for a group that can be known of; nothing is stored and nothing queued."""
    grief = house.group("grief", audience="public")
    house.stranger("sam", "far.example", grief)
    ana, ben = house.person("ana"), house.person("ben", grief)
    if state is not None:
        house.join(grief, ana, state=state)
    refusal = refused(house, ana, "let me in", group_id=grief)
    assert isinstance(refusal, Invalid)
    assert "you are not a member of @grief" in refusal.public
    house.post(ben, "let me in", group_id=grief)
    assert [one.kind for one in house.sent()] == ["Announce(id)"]


def test_a_follower_reads_but_does_not_post(house: House) -> None:
    """The role of follower gives no voice; the same row as a member does."""
    grief = house.group("grief", audience="public")
    ana, ben = house.person("ana", grief, role="follower"), house.person("ben", grief)
    assert isinstance(refused(house, ana, "hello", group_id=grief), Invalid)
    assert house.post(ben, "hello", group_id=grief).group.id == grief


def test_a_hidden_group_is_not_given_away_by_its_refusal(house: House) -> None:
    """Posting into a group that cannot be known of is as posting into one that does not exist."""
    hidden = house.group("hidden", join_rule="invite")
    ana = house.person("ana")
    by_id, by_chance = refused(house, ana, "x", group_id=hidden), refused(house, ana, "x", group_id=hidden + 1)
    assert isinstance(by_id, NotFound)
    assert type(by_id) is type(by_chance)
    assert by_id.public == by_chance.public
    by_name, by_guess = refused(house, ana, "@hidden x"), refused(house, ana, "@hidder x")
    assert by_name.public == by_guess.public.replace("hidder", "hidden")


@pytest.mark.parametrize("state", ["paused", "sealed"])
def test_a_group_that_rests_takes_nothing(house: House, state: str) -> None:
    """A member's post into a paused or sealed group leaves no trace; before, it was taken."""
    grief = house.group("grief", owner_id=house.person("owner"))
    ana = house.person("ana", grief)
    house.post(ana, "before", group_id=grief)
    house.do(founding.change_group, house.uris, None, grief, founding.GroupChanges(state=state))
    assert isinstance(refused(house, ana, "after", group_id=grief), NotAllowed)


# ── its audience is the group's ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("audience", ["none", "peers-only", "followers"])
def test_nothing_an_author_asks_for_widens_the_audience(house: House, audience: str) -> None:
    """Whatever is named or chosen, a post of a private group carries no Public and is seen by members alone."""
    grief = house.group("grief", audience=audience)
    open_group = house.group("town", audience="public")
    ana = house.person("ana", grief, open_group)
    house.stranger("sam", "far.example", grief)
    post = house.post(ana, "see @sam@far.example", group_id=grief)
    assert house.reads_of(None, post) == set()
    assert house.reads_of(house.person("eve", open_group), post) == set()
    assert not [one for one in house.sent() if PUBLIC in str(one.document)]
    public = house.post(ana, "to all", group_id=open_group)
    assert house.reads_of(None, public) == {"group", "author", "post", "posts", "address", "thread"}


def test_a_reply_stays_in_the_group_of_what_it_answers(house: House) -> None:
    """A reply that chooses or names another group goes into its parent's all the same."""
    grief, town = house.group("grief"), house.group("town", audience="public")
    ana = house.person("ana", grief, town)
    first = house.post(ana, "begin", group_id=grief)
    for form in ({"group_id": town}, {}):
        reply = house.post(ana, "@town answer", parent_id=first.id, **form)
        assert (reply.group.id, reply.thread_id) == (grief, first.id)
        assert house.reads_of(None, reply) == set()
    assert house.ask(timelines.post, Viewer(ana), first.id).replies_count == 2


def test_nobody_answers_what_it_cannot_see(house: House) -> None:
    """A reply to a post of another group is NotFound, as to one that never was; a member's reply is taken."""
    grief = house.group("grief")
    ana, eve = house.person("ana", grief), house.person("eve", house.group("town"))
    first = house.post(ana, "begin", group_id=grief)
    assert isinstance(refused(house, eve, "and I?", parent_id=first.id), NotFound)
    assert isinstance(refused(house, eve, "and I?", parent_id=first.id + 1), NotFound)
    assert house.post(ana, "yes", parent_id=first.id).parent_id == first.id


def test_whoever_left_does_not_answer_its_own_words(house: House) -> None:
    """The author still sees its own post, but is no member, so the group hears nothing of it."""
    grief = house.group("grief")
    ana = house.person("ana")
    house.join(grief, ana)
    first = house.post(ana, "begin", group_id=grief)
    house.place(grief, ana, state="left")
    assert "you are not a member of @grief" in refused(house, ana, "more", parent_id=first.id).public


def test_a_reply_to_what_has_ended_is_refused(house: House) -> None:
    """Once its parent has ended nobody can answer it, though no sweep has run."""
    grief = house.group("grief", keep=timedelta(days=1))
    ana = house.person("ana", grief)
    first = house.post(ana, "begin", group_id=grief)
    house.post(ana, "in time", parent_id=first.id)
    house.clock.move(timedelta(days=1))
    assert isinstance(refused(house, ana, "too late", parent_id=first.id), NotFound)


# ── direct posts ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_direct_post_is_read_by_those_named_alone(house: House) -> None:
    """Not by other members, not by those who look after the group, and not in the group's timeline."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner)
    ana, ben, eve = (house.person(name, grief) for name in ("ana", "ben", "eve"))
    post = house.post(ana, "@ben between us", direct=True, group_id=grief)
    assert post.audience == "direct"
    for reader in (ana, ben):
        assert {"home", "post", "posts", "address", "thread"} <= house.reads_of(reader, post)
    for reader in (eve, owner, None):
        assert house.reads_of(reader, post) == set()
    assert "group" not in house.reads_of(ben, post)


def test_a_direct_post_takes_a_group_that_all_share(house: House) -> None:
    """Without one it is refused; somebody outside of a chosen group cannot be written to through it."""
    grief, town = house.group("grief"), house.group("town", audience="public")
    ana, ben = house.person("ana", grief, town), house.person("ben", grief)
    house.person("eve", town)
    assert house.post(ana, "@ben hello", direct=True).group.id == grief
    assert "share no group" in refused(house, ana, "@ben @eve hello", direct=True).public
    assert "is not in this group" in refused(house, ana, "@eve hello", direct=True, group_id=grief).public
    assert house.post(ana, "@eve hello", direct=True, group_id=town).mentions[0].handle == "eve"
    assert house.reads_of(ben, house.post(ana, "@eve more", direct=True, group_id=town)) == set()


def test_a_direct_post_to_the_group_reaches_those_who_look_after_it(house: House) -> None:
    """Naming nobody asks the facilitators; they alone read it."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner)
    ana, ben = house.person("ana", grief), house.person("ben", grief)
    post = house.post(ana, "@grief please help", direct=True)
    assert house.reads_of(owner, post) >= {"post", "home"}
    assert house.reads_of(ben, post) == set()


def test_answers_to_a_direct_post_stay_direct(house: House) -> None:
    """Even when the reply does not ask for it: nobody else learns of the exchange."""
    grief = house.group("grief")
    ana, ben, eve = (house.person(name, grief) for name in ("ana", "ben", "eve"))
    first = house.post(ana, "@ben between us", direct=True, group_id=grief)
    answer = house.post(ben, "thank you", parent_id=first.id)
    assert answer.audience == "direct"
    assert "post" in house.reads_of(ana, answer)
    assert house.reads_of(eve, answer) == set()


def test_a_direct_post_leaves_for_its_recipient_alone(house: House) -> None:
    """It goes to the personal inbox of who is named, addressed to nobody else, with no Announce."""
    grief = house.group("grief", audience="followers")
    ana = house.person("ana", grief)
    sam = house.stranger("sam", "far.example", grief)
    house.stranger("kim", "near.example", grief)
    house.post(ana, "@sam@far.example between us", direct=True, group_id=grief)
    (sent,) = house.sent()
    assert (sent.kind, sent.inbox) == ("Create(Note)", "https://far.example/users/sam/inbox")
    assert (sent.document["to"], sent.document.get("cc", [])) == ([house.uri(sam)], [])
    assert house.uri(grief) not in str(sent.document["object"].get("tag", []))


# ── who is named ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_only_members_are_told_that_a_private_post_names_them(house: House) -> None:
    """Somebody of another group of the author's learns nothing, and is not listed among the mentions."""
    grief, town = house.group("grief"), house.group("town")
    ana, ben, eve = house.person("ana", grief, town), house.person("ben", grief), house.person("eve", town)
    post = house.post(ana, "thinking of @ben and @eve", group_id=grief)
    assert [card.handle for card in post.mentions] == ["ben"]
    assert [(row.persona_id, row.kind) for row in house.rows(NEWS)] == [(ben, "mention")]
    assert house.count(MENTIONS, MENTIONS.c.actor_id == eve) == 0


def test_an_author_who_names_itself_gets_no_news(house: House) -> None:
    """And somebody named twice, or named and answered, gets one piece of it."""
    grief = house.group("grief")
    ana, ben = house.person("ana", grief), house.person("ben", grief)
    first = house.post(ben, "begin", group_id=grief)
    house.post(ana, "@ben @ben @ana yes", parent_id=first.id)
    assert [(row.persona_id, row.kind) for row in house.rows(NEWS)] == [(ben, "mention")]


# ── ends ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 400), st.integers(0, 399))
def test_a_post_ends_by_the_keep_of_its_group(house: House, days: int, passed: int) -> None:
    """Whatever was typed: it is read until that very moment, and not a millisecond longer."""
    number = len(house.names)
    grief = house.group(f"group_{number}", keep=timedelta(days=days))
    ana = house.person(f"ana_{number}", grief)
    post = house.post(ana, "for a while", group_id=grief)
    assert post.expires_at == post.received_at + timedelta(days=days)
    house.clock.move(timedelta(days=passed))
    assert ("post" in house.reads_of(ana, post)) is (passed < days)


def test_an_ended_post_is_unreadable_on_every_read(house: House) -> None:
    """One millisecond before its end each read shows it; at its end none does, and no sweep has run."""
    grief = house.group("grief", keep=timedelta(hours=12))
    ana, ben = house.person("ana", grief), house.person("ben", grief)
    post = house.post(ana, "for a while", group_id=grief)
    kept_and_supported(house, ben, post)
    house.clock.move(timedelta(hours=12) - timedelta(milliseconds=1))
    assert house.reads_of(ben, post) == EVERY_READ
    house.clock.move(timedelta(milliseconds=1))
    assert house.reads_of(ben, post) == house.reads_of(ana, post) == set()
    assert house.row(post.id).state == "live"


# ── editing ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_edit_changes_the_words_and_nothing_else(house: House) -> None:
    """It raises the revision, keeps end, group, thread and secrets, and says when."""
    grief = house.group("grief")
    ana = house.person("ana", grief)
    post = house.post(ana, "first", group_id=grief, title="A title")
    before = house.row(post.id)
    house.clock.move(timedelta(hours=1))
    edited = house.edit(ana, post.id, "second")
    after = house.row(post.id)
    assert (edited.html, edited.title, edited.source) == ("<p>second</p>", "", "second")
    assert edited.edited_at == house.clock()
    assert after.revision == before.revision + 1
    assert after.body != before.body
    for column in ("expires_at", "group_id", "thread_id", "received_at", "slot", "bucket", "uri", "audience"):
        assert getattr(after, column) == getattr(before, column), column


def test_an_edit_cannot_move_a_post_or_lengthen_its_life(house: House) -> None:
    """Not by naming another group, not by a longer keep set meanwhile, not by being made just before the end."""
    grief, town = house.group("grief", keep=timedelta(days=2)), house.group("town", audience="public")
    ana = house.person("ana", grief, town)
    post = house.post(ana, "first", group_id=grief)
    house.do(founding.change_group, house.uris, None, grief, founding.GroupChanges(keep=timedelta(days=900)))
    house.clock.move(timedelta(days=2) - timedelta(seconds=1))
    edited = house.edit(ana, post.id, "@town second", group_id=town)
    assert (edited.group.id, edited.expires_at) == (grief, post.expires_at)
    assert house.reads_of(None, edited) == set()
    house.clock.move(timedelta(seconds=1))
    assert house.reads_of(ana, edited) == set()


def test_only_its_author_edits_a_post(house: House) -> None:
    """The owner of the group cannot put words into a member's mouth; a stranger finds nothing."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner)
    ana, eve = house.person("ana", grief), house.person("eve")
    post = house.post(ana, "mine", group_id=grief)
    with pytest.raises(NotAllowed):
        house.edit(owner, post.id, "forged")
    with pytest.raises(NotFound):
        house.edit(eve, post.id, "forged")
    assert house.ask(timelines.post, Viewer(ana), post.id).html == "<p>mine</p>"
    assert house.edit(ana, post.id, "still mine").html == "<p>still mine</p>"


def test_an_edit_tells_those_newly_named_and_forgets_those_no_longer(house: House) -> None:
    """A direct post keeps its readers: an edit adds nobody to a conversation."""
    grief = house.group("grief")
    ana, ben, eve = (house.person(name, grief) for name in ("ana", "ben", "eve"))
    post = house.post(ana, "@ben hello", group_id=grief)
    edited = house.edit(ana, post.id, "@eve hello")
    assert [card.handle for card in edited.mentions] == ["eve"]
    assert {row.persona_id for row in house.rows(NEWS)} == {ben, eve}
    direct = house.post(ana, "@ben secret", direct=True, group_id=grief)
    house.edit(ana, direct.id, "@eve secret")
    assert house.reads_of(eve, direct) == set()
    assert "post" in house.reads_of(ben, direct)


def test_an_edit_of_a_post_that_ended_is_refused(house: House) -> None:
    """It does not come back to life."""
    grief = house.group("grief", keep=timedelta(days=1))
    ana = house.person("ana", grief)
    post = house.post(ana, "mine", group_id=grief)
    house.clock.move(timedelta(days=1))
    with pytest.raises(NotFound):
        house.edit(ana, post.id, "again")
    assert house.row(post.id).revision == 0


# ── deleting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_deleted_post_is_unreadable_at_once_on_every_read(house: House) -> None:
    """For its author too, before any key is destroyed; what answers it stays."""
    grief = house.group("grief")
    ana, ben = house.person("ana", grief), house.person("ben", grief)
    post = house.post(ana, "mine", group_id=grief)
    answer = house.post(ben, "yours", parent_id=post.id)
    kept_and_supported(house, ben, post)
    assert house.reads_of(ben, post) == EVERY_READ
    house.delete(ana, post.id)
    assert house.reads_of(ben, post) == house.reads_of(ana, post) == set()
    assert "post" in house.reads_of(ana, answer)


def test_deleting_is_for_its_author_and_those_who_look_after_the_group(house: House) -> None:
    """Another member cannot, whoever cannot see it finds nothing, and twice is once."""
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner)
    ana, ben, eve = house.person("ana", grief), house.person("ben", grief), house.person("eve")
    post = house.post(ana, "mine", group_id=grief)
    with pytest.raises(NotAllowed):
        house.delete(ben, post.id)
    with pytest.raises(NotFound):
        house.delete(eve, post.id)
    assert "post" in house.reads_of(ana, post)
    house.delete(owner, post.id)
    assert house.reads_of(ana, post) == set()
    with pytest.raises(NotFound):
        house.delete(ana, post.id)


def test_one_deletes_ones_own_words_after_leaving(house: House) -> None:
    """And after being removed, or when the group is sealed: what one wrote stays one's own."""
    grief = house.group("grief")
    ana = house.person("ana", grief)
    post = house.post(ana, "mine", group_id=grief)
    house.place(grief, ana, state="removed")
    house.do(founding.change_group, house.uris, None, grief, founding.GroupChanges(state="sealed"))
    house.delete(ana, post.id)
    assert house.row(post.id).state == "hidden"


# ── ids ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_ids_ascend_within_one_moment(house: House) -> None:
    """Whoever polls by `min_id` misses nothing, though the clock stands still or goes back."""
    grief = house.group("grief")
    ana = house.person("ana", grief)
    ids = [house.post(ana, f"post {number}", group_id=grief).id for number in range(20)]
    house.clock.move(timedelta(seconds=-1))
    ids += [house.post(ana, f"late {number}", group_id=grief).id for number in range(3)]
    assert all(earlier < later for earlier, later in itertools.pairwise(ids))
    newer = house.ask(timelines.group_timeline, Viewer(ana), grief, Page(min_id=ids[19]))
    assert [post.id for post in newer] == ids[:19:-1]


def test_what_is_stored_of_a_post_shows_none_of_its_words(house: House) -> None:
    """Title, text and note stand sealed; no column holds them."""
    grief = house.group("grief")
    ana = house.person("ana", grief)
    words = Words("Zaunkoenig", "Rotkehlchen", "<p>Rotkehlchen</p>", "Amsel", sensitive=True, language="de")
    view = house.do(posting.publish_post, house.uris, ana, NewPost(words, group_id=grief))
    assert (view.title, view.note, view.language) == ("Zaunkoenig", "Amsel", "de")
    stored = b" ".join(bytes(c) if isinstance(c, bytes | memoryview) else str(c).encode() for c in house.row(view.id))
    assert not any(word in stored for word in (b"Zaunkoenig", b"Rotkehlchen", b"Amsel"))
