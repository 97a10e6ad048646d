"""What comes in from other servers, by each kind of activity: what it does when it is honest, and that it does nothing
when it is not."""

import contextlib
import itertools
from collections.abc import Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

import pytest
from sqlalchemy import func, select

from activitypub import actors
from activitypub.errors import FederationError, NeedsObject
from activitypub.models import Delivery, OutboxItem
from activitypub.peers import note_threadiverse
from activitypub.ports import NOBODY, Arrival, Publication
from activitypub.uris import Uris
from activitypub.vocabulary.reading import parse
from groups import composing, membership, posting, timelines
from groups.errors import GroupsError
from groups.federation import inbox_routes
from groups.incoming import ACCEPTED_TYPES
from groups.models import Membership, PersonFollow, Post, Reaction
from groups.places import standing_of
from groups.publications import GroupPublications
from groups.views import Page, Viewer
from node.database import ThreadedDatabase
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import MovableClock
from tests.factories import make_group, make_member, make_persona, make_remote_actor

PUBLIC = "https://www.w3.org/ns/activitystreams#Public"
CONTEXT = "https://www.w3.org/ns/activitystreams"
POSTS, REACTIONS, DELIVERIES = table_of(Post), table_of(Reaction), table_of(Delivery)
SAM = "https://far.example/users/sam"
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Scene:
    """A public group here with its owner, a remote member, and a way to hand activities to their handlers."""

    def __init__(self, database: ThreadedDatabase, uris: Uris, audience: str = "public") -> None:
        self.database, self.uris = database, uris
        self.routes = inbox_routes(uris)
        self.owner = database.write_now(make_persona, uris, "owner")
        self.group = database.write_now(
            make_group, uris, "grief", owner_id=self.owner, audience=audience, join_rule="open"
        )
        self.sam = database.write_now(make_remote_actor, "sam", "far.example")
        self.group_uri = self.uri_of(self.group)

    def uri_of(self, actor_id: int) -> str:
        """Return an actor's address."""
        view = self.database.read_now(actors.actor_by_id, actor_id)
        assert view is not None
        return view.uri

    def join(self, actor_id: int, **columns: Any) -> None:
        """Make an actor a member."""
        self.database.write_now(make_member, self.group, actor_id, **columns)

    def receive(
        self,
        sender_id: int,
        document: dict[str, Any],
        fetched: Mapping[str, Any] = NOTHING,
        unavailable: frozenset[str] = frozenset(),
    ) -> None:
        """Prepare an activity and hand it to its handler, as the inbox does; refusals are raised."""
        activity = parse({"@context": CONTEXT, **document})
        route = self.routes.by_type[type(activity)]
        prepared = route.prepare(activity)
        ready = {
            uri: self.routes.prepare_fetched(parse({"@context": CONTEXT, **other}), other)
            for uri, other in fetched.items()
        }

        def handle(uow: UnitOfWork) -> None:
            sender = actors.actor_by_id(uow, sender_id)
            assert sender is not None
            route.handle(uow, Arrival(sender, uow.now, ready, unavailable), prepared)

        self.database.write_now(handle)

    def refuses(self, sender_id: int, document: dict[str, Any]) -> None:
        """Hold an activity to having no effect, whether it is refused or passed over."""
        before = self.count(POSTS), self.count(DELIVERIES)
        with contextlib.suppress(FederationError, GroupsError):
            self.receive(sender_id, document)
        assert (self.count(POSTS), self.count(DELIVERIES)) == before

    def count(self, table: Any) -> int:
        """Return how many rows a table has."""
        return self.database.read_now(
            lambda uow: uow.connection.execute(select(func.count()).select_from(table)).scalar_one()
        )

    def texts(self, viewer: int | None = None) -> list[str]:
        """Return what a viewer reads in the group, newest first."""
        page = self.database.read_now(timelines.group_timeline, Viewer(viewer), self.group, Page())
        return [post.html for post in page]

    def queued(self) -> list[tuple[str, str]]:
        """Return (kind, inbox) of what waits to be sent, in order."""
        items = table_of(OutboxItem)
        query = select(items.c.kind, DELIVERIES.c.inbox).join(items, items.c.id == DELIVERIES.c.outbox_id)
        rows = self.database.read_now(lambda uow: uow.connection.execute(query.order_by(DELIVERIES.c.id)).fetchall())
        return [(row.kind, row.inbox) for row in rows]


@pytest.fixture
def scene(database: ThreadedDatabase, uris: Uris) -> Scene:
    """A public group with a remote member called sam."""
    made = Scene(database, uris)
    made.join(made.sam)
    return made


def note(scene: Scene, number: int = 1, author: str = SAM, **fields: Any) -> dict[str, Any]:
    """Return a Note of sam's that mentions the group."""
    return {
        "id": f"{author}/notes/{number}",
        "type": "Note",
        "attributedTo": author,
        "content": f"<p>words {number}</p>",
        "to": [PUBLIC],
        "cc": [scene.group_uri],
        "tag": [{"type": "Mention", "href": scene.group_uri, "name": "@grief@kin.example"}],
    } | fields


def create(scene: Scene, number: int = 1, author: str = SAM, **fields: Any) -> dict[str, Any]:
    """Return the Create of that Note."""
    inner = note(scene, number, author, **fields)
    return {
        "id": f"{author}/creates/{number}", "type": "Create", "actor": author, "to": inner["to"], "cc": inner["cc"],
        "object": inner,
    }  # fmt: skip


def activity(kind: str, target: Any, number: int = 1, actor: str = SAM) -> dict[str, Any]:
    """Return some other activity of sam's."""
    return {"id": f"{actor}/{kind.lower()}/{number}", "type": kind, "actor": actor, "object": target, "to": [PUBLIC]}


def test_a_member_elsewhere_posts_into_the_group(scene: Scene) -> None:
    """It is stored once, read by all, and announced to the members on other servers by its id."""
    other = scene.database.write_now(make_remote_actor, "kim", "near.example")
    scene.join(other)
    scene.receive(scene.sam, create(scene))
    scene.receive(scene.sam, create(scene))
    assert scene.texts() == ["<p>words 1</p>"]
    assert ("Announce", "https://near.example/inbox") in scene.queued()
    assert scene.count(POSTS) == 1


def test_what_it_brings_is_sanitised(scene: Scene) -> None:
    """Nothing but text comes through."""
    scene.receive(scene.sam, create(scene, content="<p onclick=x>a<script>b</script></p><img src=//x>"))
    assert scene.texts() == ["<p>a</p>"]


@pytest.mark.parametrize("state", [None, "pending", "left", "removed", "banned"])
def test_only_members_post_in(database: ThreadedDatabase, uris: Uris, state: str | None) -> None:
    """Strangers, those who wait, those who left and those who were shown out are refused; members are not (S-315)."""
    scene = Scene(database, uris)
    if state is not None:
        scene.join(scene.sam, state=state)
    scene.refuses(scene.sam, create(scene))
    kim = scene.database.write_now(make_remote_actor, "kim", "near.example")
    scene.join(kim)
    scene.receive(kim, create(scene, author="https://near.example/users/kim"))
    assert len(scene.texts()) == 1


def test_nobody_posts_for_another(scene: Scene) -> None:
    """A post whose author is not its sender is refused, be it of the same server or another (S-202, S-203)."""
    scene.refuses(scene.sam, create(scene) | {"object": note(scene, attributedTo="https://far.example/users/other")})
    scene.refuses(scene.sam, create(scene) | {"object": note(scene, attributedTo="https://near.example/users/kim")})
    scene.receive(scene.sam, create(scene))
    assert len(scene.texts()) == 1


def test_an_edit_by_the_author_takes_effect_once(scene: Scene) -> None:
    """A newer edit replaces the words; an older one that comes late, or one by a sibling, does not (S-210, S-211)."""
    scene.receive(scene.sam, create(scene))
    newer = note(scene, content="<p>second</p>", updated="2026-11-23T13:00:00Z")
    older = note(scene, content="<p>first</p>", updated="2026-11-23T12:30:00Z")
    scene.receive(scene.sam, activity("Update", newer, 1))
    scene.receive(scene.sam, activity("Update", older, 2))
    assert scene.texts() == ["<p>second</p>"]
    sibling = scene.database.write_now(make_remote_actor, "eve", "far.example")
    scene.join(sibling)
    scene.refuses(sibling, activity("Update", note(scene, content="<p>forged</p>", updated="2026-11-23T14:00:00Z"), 3))
    assert scene.texts() == ["<p>second</p>"]


def test_a_delete_by_the_author_ends_the_post(scene: Scene) -> None:
    """Only the author's Delete counts; afterwards the post does not come back (S-302, S-319)."""
    scene.receive(scene.sam, create(scene))
    eve = scene.database.write_now(make_remote_actor, "eve", "far.example")
    scene.refuses(eve, activity("Delete", f"{SAM}/notes/1", actor="https://far.example/users/eve"))
    assert len(scene.texts()) == 1
    scene.receive(scene.sam, activity("Delete", f"{SAM}/notes/1"))
    assert scene.texts() == []
    scene.receive(scene.sam, create(scene))
    assert scene.texts() == []


def test_a_delete_that_comes_first_wins(scene: Scene) -> None:
    """A Create behind its Delete stores nothing; another post of the author is stored."""
    scene.receive(scene.sam, activity("Delete", f"{SAM}/notes/1"))
    scene.receive(scene.sam, create(scene))
    scene.receive(scene.sam, create(scene, 2))
    assert scene.texts() == ["<p>words 2</p>"]


def test_a_reply_from_elsewhere_joins_its_thread(scene: Scene) -> None:
    """It stands below what it answers, and the one who is answered gets news."""
    form = composing.PostForm("hello", group_id=scene.group)
    mine = scene.database.write_now(
        posting.publish_post, scene.uris, scene.owner, composing.compose(scene.uris, form, {})
    )
    scene.receive(scene.sam, create(scene, inReplyTo=mine.uri))
    thread = scene.database.read_now(timelines.thread, Viewer(scene.owner), mine.id)
    assert [reply.html for reply in thread.descendants] == ["<p>words 1</p>"]


def test_a_like_counts_once_and_is_taken_back_by_its_giver(scene: Scene) -> None:
    """Undo works by the id of the Like, and by its object where a peer makes the id anew; never for another's."""
    scene.receive(scene.sam, create(scene))
    uri = f"{SAM}/notes/1"
    scene.receive(scene.sam, activity("Like", uri))
    scene.receive(scene.sam, activity("Like", uri, 2))
    assert scene.count(REACTIONS) == 1
    eve = scene.database.write_now(make_remote_actor, "eve", "far.example")
    like = {"id": f"{SAM}/like/9", "type": "Like", "actor": SAM, "object": uri}
    with pytest.raises(FederationError):
        scene.receive(eve, activity("Undo", like, actor="https://far.example/users/eve"))
    assert scene.count(REACTIONS) == 1
    scene.receive(scene.sam, activity("Undo", like))
    assert scene.count(REACTIONS) == 0


def test_nobody_likes_what_it_cannot_see(database: ThreadedDatabase, uris: Uris) -> None:
    """A Like of a post in a closed group by somebody outside has no effect (S-305); by a member it has."""
    scene = Scene(database, uris, "followers")
    kim = scene.database.write_now(make_remote_actor, "kim", "near.example")
    scene.join(kim)
    form = composing.PostForm("hello", group_id=scene.group)
    mine = scene.database.write_now(
        posting.publish_post, scene.uris, scene.owner, composing.compose(scene.uris, form, {})
    )
    scene.receive(scene.sam, activity("Like", mine.uri))
    assert scene.count(REACTIONS) == 0
    scene.receive(kim, activity("Like", mine.uri, actor="https://near.example/users/kim"))
    assert scene.count(REACTIONS) == 1


def test_a_follow_of_an_open_group_is_accepted_and_undone(database: ThreadedDatabase, uris: Uris) -> None:
    """Follow makes a member and is answered at its inbox, again when repeated; Undo ends it."""
    scene = Scene(database, uris)
    scene.receive(scene.sam, activity("Follow", scene.group_uri))
    scene.receive(scene.sam, activity("Follow", scene.group_uri, 2))
    assert scene.database.read_now(standing_of, scene.group, scene.sam).takes_part
    assert scene.queued() == [("Accept", f"{SAM}/inbox")] * 2
    scene.receive(scene.sam, activity("Undo", f"{SAM}/follow/2"))
    assert scene.database.read_now(standing_of, scene.group, scene.sam).state == "left"


def test_a_follow_of_a_group_that_lets_in_waits(database: ThreadedDatabase, uris: Uris) -> None:
    """Nothing is answered until somebody decides; then Accept goes out."""
    scene = Scene(database, uris, "followers")
    closed = scene.database.write_now(make_group, uris, "closed", owner_id=scene.owner, audience="followers")
    scene.receive(scene.sam, activity("Follow", scene.uri_of(closed)))
    assert scene.database.read_now(standing_of, closed, scene.sam).state == "pending"
    assert scene.queued() == []
    scene.database.write_now(membership.admit, uris, scene.owner, closed, scene.sam)
    assert scene.queued() == [("Accept", f"{SAM}/inbox")]


def test_a_group_that_nothing_leaves_cannot_be_followed(database: ThreadedDatabase, uris: Uris) -> None:
    """A Follow of it is as if it were not there, and no answer goes out."""
    scene = Scene(database, uris, "none")
    scene.refuses(scene.sam, activity("Follow", scene.group_uri))
    assert scene.database.read_now(standing_of, scene.group, scene.sam).state is None


def test_following_a_persona_is_accepted_and_gives_nothing(scene: Scene) -> None:
    """It is answered at once; no place in any group comes of it."""
    before = scene.count(table_of(Membership))
    scene.receive(scene.sam, activity("Follow", scene.uri_of(scene.owner)))
    assert scene.queued() == [("Accept", f"{SAM}/inbox")]
    assert scene.count(table_of(PersonFollow)) == 1
    assert scene.count(table_of(Membership)) == before


def remote_group(scene: Scene, **columns: Any) -> tuple[int, str]:
    """Make a group elsewhere that the owner asked to join, and return it with the id of our Follow."""
    club = scene.database.write_now(make_remote_actor, "club", "club.example", kind="Group")
    scene.database.write_now(membership.request_to_join, scene.uris, scene.owner, club)
    table = table_of(Membership)
    query = select(table.c.follow_uri).where(table.c.group_id == club, table.c.actor_id == scene.owner)
    follow_uri = scene.database.read_now(lambda uow: uow.connection.execute(query).scalar_one())
    return club, follow_uri


def test_only_the_group_that_was_asked_accepts(scene: Scene) -> None:
    """An Accept by anybody else, or of a Follow that was never sent, changes nothing (S-303)."""
    club, follow_uri = remote_group(scene)
    scene.receive(scene.sam, activity("Accept", follow_uri))
    assert scene.database.read_now(standing_of, club, scene.owner).state == "pending"
    club_uri = "https://club.example/users/club"
    scene.receive(club, activity("Accept", "https://kin.example/a/other", actor=club_uri))
    assert scene.database.read_now(standing_of, club, scene.owner).state == "pending"
    scene.receive(club, activity("Accept", follow_uri, actor=club_uri))
    assert scene.database.read_now(standing_of, club, scene.owner).state == "active"
    scene.receive(club, activity("Reject", follow_uri, actor=club_uri))
    assert scene.database.read_now(standing_of, club, scene.owner).state == "removed"


def joined_club(scene: Scene) -> int:
    """Make a group elsewhere that the owner is in."""
    club, follow_uri = remote_group(scene)
    scene.receive(club, activity("Accept", follow_uri, actor="https://club.example/users/club"))
    return club


def club_texts(scene: Scene, club: int) -> list[str]:
    """Return what the owner reads of the group elsewhere."""
    return [post.html for post in scene.database.read_now(timelines.group_timeline, Viewer(scene.owner), club, Page())]


def test_a_group_elsewhere_brings_its_posts(scene: Scene) -> None:
    """What it announces is fetched from its own server; what the Announce embeds of others is not believed (S-304)."""
    club = joined_club(scene)
    club_uri = "https://club.example/users/club"
    true = note(scene, 7, cc=[club_uri], tag=[])
    forged = create(scene, 7, cc=[club_uri], tag=[], content="<p>forged</p>")
    announce = activity("Announce", forged, actor=club_uri)
    with pytest.raises(NeedsObject) as wish:
        scene.receive(club, announce)
    assert wish.value.uri == true["id"]
    scene.receive(club, announce, {true["id"]: true})
    assert club_texts(scene, club) == ["<p>words 7</p>"]


def test_boosts_by_people_and_strange_groups_mean_nothing(scene: Scene) -> None:
    """An Announce by a person, or by a group that nobody here is in, stores nothing and fetches nothing."""
    other = scene.database.write_now(make_remote_actor, "noise", "noise.example", kind="Group")
    scene.refuses(scene.sam, activity("Announce", f"{SAM}/notes/1"))
    scene.refuses(other, activity("Announce", f"{SAM}/notes/1", actor="https://noise.example/users/noise"))
    joined_club(scene)
    assert scene.count(POSTS) == 0


def test_a_group_withdraws_what_it_showed(scene: Scene) -> None:
    """A Delete that the group announces ends the post here; another group's does not."""
    club = joined_club(scene)
    club_uri = "https://club.example/users/club"
    true = note(scene, 7, cc=[club_uri], tag=[])
    scene.receive(club, activity("Announce", true["id"], actor=club_uri), {true["id"]: true})
    noise = scene.database.write_now(make_remote_actor, "noise", "noise.example", kind="Group")
    scene.database.write_now(make_member, noise, scene.owner)
    delete = activity("Delete", true["id"])
    scene.receive(noise, activity("Announce", delete, 2, actor="https://noise.example/users/noise"))
    assert len(club_texts(scene, club)) == 1
    scene.receive(club, activity("Announce", delete, 3, actor=club_uri))
    assert club_texts(scene, club) == []


def test_a_private_post_to_a_public_group_is_not_spread(scene: Scene) -> None:
    """It goes to those who look after the group, and to no other server."""
    scene.receive(scene.sam, create(scene, to=[scene.group_uri], cc=[f"{scene.group_uri}/followers"]))
    assert scene.texts() == []
    home = scene.database.read_now(timelines.home_timeline, scene.owner, Page())
    assert [post.audience for post in home] == ["direct"]
    assert scene.queued() == []


def test_a_direct_message_needs_a_group_that_both_share(database: ThreadedDatabase, uris: Uris) -> None:
    """Between people of one group it arrives; from a stranger it does not."""
    scene = Scene(database, uris)
    message = {"to": [scene.uri_of(scene.owner)], "cc": [], "tag": []}
    scene.refuses(scene.sam, create(scene, **message))
    scene.join(scene.sam)
    scene.receive(scene.sam, create(scene, **message))
    found = scene.database.read_now(timelines.home_timeline, scene.owner, Page())
    assert [post.html for post in found] == ["<p>words 1</p>"]
    assert scene.texts() == []


def test_a_reply_to_a_passed_on_note_answers_the_original(database: ThreadedDatabase, uris: Uris) -> None:
    """Microblog members of a private group answer the group's own Note; the answer joins the real thread."""
    scene = Scene(database, uris, "followers")
    scene.join(scene.sam)
    form = composing.PostForm("hello", group_id=scene.group)
    mine = scene.database.write_now(
        posting.publish_post, scene.uris, scene.owner, composing.compose(scene.uris, form, {})
    )
    assert scene.queued() == [("Create", f"{SAM}/inbox")]
    answer = create(
        scene, to=[scene.group_uri], cc=[f"{scene.group_uri}/followers"], inReplyTo=str(uris.reemission(mine.id))
    )
    scene.receive(scene.sam, answer)
    thread = scene.database.read_now(timelines.thread, Viewer(scene.owner), mine.id)
    assert [reply.html for reply in thread.descendants] == ["<p>words 1</p>"]


def test_threadiverse_hosts_get_the_activity_itself(scene: Scene) -> None:
    """Both forms go out, each to its class of host, and a Delete reaches both."""
    lemmy = scene.database.write_now(make_remote_actor, "lee", "lemmy.example")
    scene.join(lemmy)

    scene.database.write_now(note_threadiverse, "lemmy.example")
    scene.receive(scene.sam, create(scene))
    assert sorted(scene.queued()) == [
        ("Announce", "https://far.example/inbox"),
        ("Announce", "https://lemmy.example/inbox"),
    ]


def test_the_end_of_a_remote_person_takes_its_words_along(scene: Scene) -> None:
    """A Delete of the actor by itself ends its posts and its place."""
    scene.receive(scene.sam, create(scene))
    scene.receive(scene.sam, activity("Delete", SAM))
    assert scene.texts() == []
    assert scene.database.read_now(standing_of, scene.group, scene.sam).state == "left"


def test_a_post_is_gone_at_its_end_without_any_sweep(scene: Scene, clock: MovableClock) -> None:
    """Nobody reads it from that moment on, though no job has run (S-1107)."""
    scene.receive(scene.sam, create(scene))
    assert len(scene.texts()) == 1
    clock.move(timedelta(days=90))
    assert scene.texts() == []


# ── conversations whose parts come in any order ──────────────────────────────────────────────────────────────────────


def below(scene: Scene) -> dict[str, tuple[str | None, str]]:
    """Return for each post, by the last part of its address, what it answers and what began its thread."""
    rows = scene.database.read_now(lambda uow: uow.connection.execute(select(POSTS)).fetchall())
    name = {row.id: row.uri.rsplit("/", 1)[-1] for row in rows}
    return {name[row.id]: (name.get(row.parent_id), name[row.thread_id]) for row in rows}


@pytest.mark.parametrize("order", list(itertools.permutations((1, 2, 3))))
def test_a_conversation_is_one_whatever_order_its_parts_come_in(scene: Scene, order: tuple[int, ...]) -> None:
    """A reply that comes before its parent is put below it when that comes (federation reference §4.5)."""
    kim = scene.database.write_now(make_remote_actor, "kim", "near.example")
    scene.join(kim)
    for number in order:
        answers = {"inReplyTo": f"{SAM}/notes/{number - 1}"} if number > 1 else {}
        scene.receive(scene.sam, create(scene, number, **answers))
    assert below(scene) == {"1": (None, "1"), "2": ("1", "1"), "3": ("2", "1")}


def test_no_reply_is_put_below_a_post_of_another_group(scene: Scene) -> None:
    """Nor below a direct message."""
    scene.receive(scene.sam, create(scene, 2, inReplyTo=f"{SAM}/notes/1"))
    direct = note(scene, 1, to=[scene.uri_of(scene.owner)], cc=[], tag=[])
    scene.receive(scene.sam, {"id": f"{SAM}/creates/1", "type": "Create", "actor": SAM, "to": direct["to"], "cc": [],
                              "object": direct})  # fmt: skip
    assert below(scene)["2"] == (None, "2")


def test_what_an_announced_reply_answers_is_fetched_and_put_above_it(scene: Scene) -> None:
    """Up the whole conversation, as long as each part was written into that very group."""
    club, club_uri = followed_club(scene)
    parts = {}
    for n in range(4):
        answers = {"inReplyTo": f"{SAM}/notes/{n - 1}"} if n else {}
        parts[f"{SAM}/notes/{n}"] = note(scene, n, cc=[club_uri], tag=[], **answers)
    parts[f"{SAM}/notes/0"]["cc"] = ["https://elsewhere.example/g/other"]
    announce, known = activity("Announce", f"{SAM}/notes/3", actor=club_uri), {}
    for missing in (3, 2, 1, 0):
        with pytest.raises(NeedsObject) as need:
            scene.receive(club, announce, known)
        assert need.value.uri == f"{SAM}/notes/{missing}"
        known = {**known, f"{SAM}/notes/{missing}": parts[f"{SAM}/notes/{missing}"]}
    scene.receive(club, announce, known)
    assert below(scene) == {"1": (None, "1"), "2": ("1", "1"), "3": ("2", "1")}


def test_posts_that_answer_each_other_make_no_circle(scene: Scene) -> None:
    """Neither when they come nor when they are fetched: whoever reads on from one would never come to an end."""
    for number, other in ((1, 2), (2, 1)):
        scene.receive(scene.sam, create(scene, number, inReplyTo=f"{SAM}/notes/{other}"))
    assert below(scene) == {"1": (None, "1"), "2": ("1", "1")}
    club, club_uri = followed_club(scene)
    parts = {
        f"{SAM}/notes/{number}": note(scene, number, cc=[club_uri], tag=[], inReplyTo=f"{SAM}/notes/{other}")
        for number, other in ((7, 8), (8, 9), (9, 7))
    }
    scene.receive(club, activity("Announce", f"{SAM}/notes/7", actor=club_uri), parts)
    assert {name: found for name, found in below(scene).items() if name in "789"} == {
        "9": (None, "9"), "8": ("9", "9"), "7": ("8", "9"),
    }  # fmt: skip


def test_where_a_parent_cannot_be_had_the_reply_stands_alone(scene: Scene) -> None:
    club, club_uri = followed_club(scene)
    reply = note(scene, 2, cc=[club_uri], tag=[], inReplyTo=f"{SAM}/notes/1")
    announce = activity("Announce", reply["id"], actor=club_uri)
    scene.receive(club, announce, {reply["id"]: reply}, frozenset({f"{SAM}/notes/1"}))
    assert below(scene) == {"2": (None, "2")}


def followed_club(scene: Scene) -> tuple[int, str]:
    """Return a group elsewhere that somebody here is in."""
    club = scene.database.write_now(make_remote_actor, "club", "club.example", kind="Group")
    scene.database.write_now(make_member, club, scene.owner)
    return club, scene.uri_of(club)


def test_a_poll_is_shown_with_the_answers_that_it_offers(scene: Scene) -> None:
    """It is answered where it was asked; a name is text and nothing else."""
    asked = create(scene)
    asked["object"] |= {"type": "Question", "content": "<p>Tea?</p>",
                        "oneOf": [{"type": "Note", "name": "yes"}, {"type": "Note", "name": "<b>no</b>"}]}  # fmt: skip
    scene.receive(scene.sam, asked)
    assert scene.texts() == ["<p>Tea?</p><ul><li>yes</li><li>&lt;b&gt;no&lt;/b&gt;</li></ul>"]
    vote = create(scene, 2)
    answers = {"name": "yes", "to": [scene.group_uri], "inReplyTo": asked["object"]["id"]}
    vote["object"] = {"id": f"{SAM}/votes/1", "type": "Note", "attributedTo": SAM, **answers}
    scene.refuses(scene.sam, vote)


@pytest.mark.parametrize("kind", sorted(ACCEPTED_TYPES - {"Question"}))
def test_whatever_peers_call_a_post_is_one(scene: Scene, kind: str) -> None:
    """A title is what is named; what is no note has no content note, but a summary for want of anything else."""
    sent = create(scene)
    sent["object"] |= {"type": kind, "name": "A title"}
    scene.receive(scene.sam, sent)
    sent = create(scene, 2)
    sent["object"] |= {"type": kind, "name": "Another", "content": None, "summary": "in short"}
    scene.receive(scene.sam, sent)
    page = scene.database.read_now(timelines.group_timeline, Viewer(scene.owner), scene.group, Page())
    second, first = page
    assert (first.title, first.html, first.note) == ("A title", "<p>words 1</p>", "")
    is_note = kind == "Note"
    assert (second.html, second.note) == (("", "in short") if is_note else ("<p>in short</p>", ""))


# ── an end that its author's server sets ─────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("expires", "days"),
    [(timedelta(days=3), 3), (timedelta(days=400), 90), (timedelta(seconds=-1), None), (None, 90), ("soon", 90)],
)
def test_a_post_ends_when_its_author_s_server_says_if_that_is_sooner(
    scene: Scene, clock: MovableClock, expires: timedelta | str | None, days: int | None
) -> None:
    """At `min(own rule, expires)`; what is over already is not taken (privacy reference §5.4)."""
    told = (clock() + expires).isoformat() if isinstance(expires, timedelta) else expires
    scene.receive(scene.sam, create(scene, **({} if told is None else {"expires": told})))
    rows = scene.database.read_now(lambda uow: uow.connection.execute(select(POSTS)).fetchall())
    assert [row.expires_at for row in rows] == ([] if days is None else [clock() + timedelta(days=days)])


def test_our_own_posts_tell_their_end(scene: Scene, clock: MovableClock) -> None:
    """So that a node of the same kind ends its copy without being asked."""
    form = composing.PostForm("hello", group_id=scene.group)
    mine = scene.database.write_now(
        posting.publish_post, scene.uris, scene.owner, composing.compose(scene.uris, form, {})
    )
    found = scene.database.read_now(GroupPublications(scene.uris).post, mine.id, NOBODY)
    assert isinstance(found, Publication)
    assert found.document["expires"] == (clock() + timedelta(days=90)).strftime("%Y-%m-%dT%H:%M:%SZ")
    assert "expires" in str(found.document["@context"])
