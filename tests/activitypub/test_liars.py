"""Whole requests by liars: through the gate, the queue, and the handlers of the domain as they really are.

Each stands beside the same request made honestly (security catalogue S-301 to S-319, R-203, S-405): a node that refuses
everything would fail here too.
"""

import itertools
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select, update

from activitypub import actors
from activitypub.discovery import resolve_actor
from activitypub.models import Delivery, InboxItem, OutboxItem
from activitypub.peers import set_level
from groups import composing, membership, posting, timelines
from groups.federation import inbox_routes
from groups.founding import adopt_remote_group
from groups.models import Membership, Notification, Post, Reaction
from groups.places import standing_of
from groups.views import Page, Viewer
from privacy.unit_of_work import UnitOfWork, table_of
from tests.activitypub.letters import letter
from tests.factories import make_group, make_persona
from tests.peers import PUBLIC, Json, Person, ScriptedPeer, prove, with_multikey
from tests.receiver import Receiver

MEMBERSHIPS, POSTS, REACTIONS, NEWS = table_of(Membership), table_of(Post), table_of(Reaction), table_of(Notification)
DELIVERIES, ITEMS, INBOX = table_of(Delivery), table_of(OutboxItem), table_of(InboxItem)


@dataclass
class Village:
    """A group here with its owner, and a node that gives activities their real meaning."""

    here: Receiver
    owner: int
    group: int
    group_uri: str

    async def send(self, document: Json, signer: Person) -> int:
        """Send an activity and let everything happen that it causes."""
        status = (await self.here.send(letter(self.here, document, signer))).status_code
        await self.here.work()
        return status

    async def join(self, *people: Person) -> None:
        """Make people members, the way that servers do it."""
        for person in people:
            assert await self.send(person.activity("Follow", self.group_uri), person) == 202
            assert (await self.standing(person)).state == "active"

    def words(self, author: Person, text: str, **fields: Any) -> Json:
        """A note to the group."""
        mention = [{"type": "Mention", "href": self.group_uri}]
        return author.note(f"<p>{text}</p>", **({"cc": [self.group_uri], "tag": mention} | fields))

    def post(self, author: Person, text: str, **fields: Any) -> Json:
        """Its Create."""
        return author.activity("Create", self.words(author, text, **fields), cc=[self.group_uri])

    async def posts(self, viewer: int | None = None) -> list[str]:
        """What the owner reads in the group, oldest first."""
        found = await self.read(timelines.group_timeline, Viewer(viewer or self.owner), self.group, Page())
        return [post.html.removeprefix("<p>").removesuffix("</p>") for post in reversed(found)]

    async def standing(self, person: Person, group: int | None = None) -> Any:
        """How somebody elsewhere stands to the group."""
        actor = await self.here.actor(person.uri)
        assert actor is not None
        return await self.read(standing_of, group or self.group, actor.id)

    async def ban(self, person: Person) -> None:
        """Ban somebody from the group."""
        actor = await self.here.actor(person.uri)
        assert actor is not None
        await self.write(_set_state, self.group, actor.id, "banned")

    async def publish(self, text: str) -> Any:
        """Post something as the owner."""
        form = composing.PostForm(text, group_id=self.group)
        made = composing.compose(self.here.context.uris, form, {})
        return await self.write(posting.publish_post, self.here.context.uris, self.owner, made)

    async def count(self, table: Any, *conditions: Any) -> int:
        """How many rows a table has."""
        return await self.read(_count, table, conditions)

    async def read(self, query: Any, *args: Any) -> Any:
        """Ask the database."""
        return await self.here.context.database.read(query, *args)

    async def write(self, deed: Any, *args: Any, **kwargs: Any) -> Any:
        """Do something."""
        return await self.here.context.database.write(deed, *args, **kwargs)

    async def state(self) -> tuple[Any, ...]:
        """All that a liar could want to change."""
        rows = [await self.count(table) for table in (POSTS, REACTIONS, NEWS, DELIVERIES, ITEMS)]
        return *rows, await self.posts(), await self.read(_standings)

    async def unmoved(self, document: Json, signer: Person) -> None:
        """Hold a request to having no effect at all, and no server error."""
        before = await self.state()
        assert await self.send(document, signer) < 500
        assert await self.state() == before


def _count(uow: UnitOfWork, table: Any, conditions: tuple[Any, ...]) -> int:
    return int(uow.connection.execute(select(func.count()).select_from(table).where(*conditions)).scalar_one())


def _standings(uow: UnitOfWork) -> list[tuple[Any, ...]]:
    columns = (MEMBERSHIPS.c.group_id, MEMBERSHIPS.c.actor_id, MEMBERSHIPS.c.role, MEMBERSHIPS.c.state)
    return sorted(tuple(row) for row in uow.connection.execute(select(*columns)))


def _set_state(uow: UnitOfWork, group_id: int, actor_id: int, state: str) -> None:
    mine = (MEMBERSHIPS.c.group_id == group_id, MEMBERSHIPS.c.actor_id == actor_id)
    assert uow.connection.execute(update(MEMBERSHIPS).where(*mine).values(state=state)).rowcount == 1


async def found_village(here: Receiver, **group: Any) -> Village:
    """Found a group, public and open unless said otherwise."""
    uris, write = here.context.uris, here.context.database.write
    object.__setattr__(here.context, "routes", inbox_routes(uris))
    owner = await write(make_persona, uris, "owner")
    made = {"owner_id": owner, "audience": "public", "join_rule": "open"} | group
    group_id = await write(make_group, uris, "grief", **made)
    view = await here.context.database.read(actors.actor_by_id, group_id)
    assert view is not None
    return Village(here, owner, group_id, view.uri)


@pytest.fixture
async def village(here: Receiver) -> Village:
    """A public group that anybody may join."""
    return await found_village(here)


@pytest.fixture
def ana(far: ScriptedPeer) -> Person:
    """A member on a server that means well."""
    return far.person("ana")


@pytest.fixture
def sibling(far: ScriptedPeer) -> Person:
    """Somebody else on the same server."""
    return far.person("sibling", key=2)


@pytest.fixture
def mallory(evil: ScriptedPeer) -> Person:
    """Somebody on a server that does not."""
    return evil.person("mallory", key=1)


# ── undoing and deleting what others did ─────────────────────────────────────────────────────────────────────────────


async def test_s301_only_who_did_it_undoes_it(village: Village, ana: Person, sibling: Person, mallory: Person) -> None:
    await village.join(ana)
    post = await village.publish("hello")
    like = ana.activity("Like", post.uri)
    follow = ana.activity("Follow", village.group_uri)
    await village.send(like, ana)
    assert await village.count(REACTIONS) == 1
    for liar, undone in itertools.product((sibling, mallory), (like, follow)):
        forms = (undone, undone["id"], undone | {"actor": liar.uri}, {"id": undone["id"], "type": undone["type"]})
        for form in forms:
            await village.unmoved(liar.activity("Undo", form), liar)
    await village.send(ana.activity("Undo", like), ana)
    await village.send(ana.activity("Undo", follow), ana)
    assert await village.count(REACTIONS) == 0
    assert (await village.standing(ana)).state != "active"


async def test_s302_only_the_author_ends_a_post(
    village: Village, ana: Person, sibling: Person, mallory: Person
) -> None:
    await village.join(ana)
    words = village.words(ana, "mine")
    await village.send(ana.activity("Create", words), ana)
    tombstone = {"id": words["id"], "type": "Tombstone", "attributedTo": mallory.uri}
    for liar in (sibling, mallory):
        for form in (words["id"], tombstone, words | {"attributedTo": liar.uri}, words):
            await village.unmoved(liar.activity("Delete", form), liar)
        await village.unmoved(liar.activity("Update", words | {"content": "<p>forged</p>"}), liar)
        await village.unmoved(liar.activity("Delete", ana.uri), liar)
        await village.unmoved(liar.activity("Delete", village.group_uri), liar)
    assert await village.posts() == ["mine"]
    await village.send(ana.activity("Delete", words["id"]), ana)
    assert await village.posts() == []


async def test_s302_s319_nobody_ends_in_advance_what_another_will_write(
    village: Village, ana: Person, mallory: Person
) -> None:
    """Ids of posts can often be guessed: a stranger's Delete must not keep a post out that is still to come."""
    await village.join(ana, mallory)
    coming, kept_out = village.words(ana, "still to come"), village.words(mallory, "my own")
    await village.send(mallory.activity("Delete", coming["id"]), mallory)
    await village.send(ana.activity("Create", coming), ana)
    assert await village.posts() == ["still to come"]
    # Its own author may: a Delete that overtakes its Create wins for ever.
    await village.send(mallory.activity("Delete", kept_out["id"]), mallory)
    await village.send(mallory.activity("Create", kept_out), mallory)
    assert await village.posts() == ["still to come"]


async def test_s319_r203_what_was_deleted_stays_so_in_every_order(village: Village, ana: Person) -> None:
    await village.join(ana)
    for number, order in enumerate(itertools.permutations(("Create", "Update", "Delete"))):
        words = village.words(ana, f"order {number}")
        edited = words | {"content": f"<p>order {number} edited</p>", "updated": "2026-11-23T12:00:00Z"}
        for kind in order:
            obj = {"Create": words, "Update": edited, "Delete": words["id"]}[kind]
            await village.send(ana.activity(kind, obj, published=f"2026-11-23T12:00:0{number}Z"), ana)
        for kind, obj in (("Create", words), ("Update", edited)):
            await village.unmoved(ana.activity(kind, obj, published="2026-11-23T13:00:00Z"), ana)
        assert await village.posts() == [], order


async def test_r203_an_update_that_overtakes_its_create_is_the_newest_word(village: Village, ana: Person) -> None:
    await village.join(ana)
    words = village.words(ana, "first")
    edited = words | {"content": "<p>second</p>", "updated": "2026-11-23T12:00:00Z"}
    await village.send(ana.activity("Update", edited), ana)
    await village.send(ana.activity("Create", words), ana)
    assert await village.posts() == ["second"]


# ── membership ───────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_s303_only_the_group_that_was_asked_answers(
    village: Village, far: ScriptedPeer, ana: Person, mallory: Person
) -> None:
    """Exactly that request, by exactly that group; and nobody is let in here by an Accept of their own making."""
    club, view, follow_uri = await ask_club(village, far)
    me = await village.read(actors.actor_by_id, village.owner)
    follow = {"id": follow_uri, "type": "Follow", "actor": me.uri, "object": club.uri}
    for liar, kind in itertools.product((ana, mallory), ("Accept", "Reject")):
        for form in (follow, follow_uri, follow | {"object": liar.uri}):
            await village.unmoved(liar.activity(kind, form), liar)
    for form in (follow | {"actor": mallory.uri, "id": club.uri}, f"{follow_uri}0", follow | {"id": 7}):
        await village.unmoved(club.activity("Accept", form, cc=[mallory.uri]), club)
    own = mallory.activity("Follow", village.group_uri)
    await village.unmoved(mallory.activity("Accept", own), mallory)
    await village.send(club.activity("Accept", follow), club)
    assert (await village.read(standing_of, view.id, village.owner)).state == "active"


async def test_s303_a_closed_group_is_not_opened_from_outside(here: Receiver, mallory: Person, ana: Person) -> None:
    village = await found_village(here, join_rule="approval")
    await village.send(mallory.activity("Follow", village.group_uri), mallory)
    assert (await village.standing(mallory)).state == "pending"
    follow = mallory.activity("Follow", village.group_uri)
    for kind in ("Accept", "Add", "Join", "Invite", "Update"):
        await village.send(mallory.activity(kind, follow, target=f"{village.group_uri}/followers"), mallory)
        await village.send(mallory.activity(kind, mallory.uri, target=village.group_uri), mallory)
        assert (await village.standing(mallory)).state == "pending"
    await village.unmoved(village.post(mallory, "let me in"), mallory)
    actor = await here.actor(mallory.uri)
    assert actor is not None
    await village.write(membership.admit, here.context.uris, village.owner, village.group, actor.id)
    await village.send(village.post(mallory, "thank you"), mallory)
    assert await village.posts() == ["thank you"]


@pytest.mark.parametrize("audience", ["public", "followers"])
async def test_s315_no_address_gets_a_stranger_into_a_group(
    here: Receiver, ana: Person, mallory: Person, audience: str
) -> None:
    village = await found_village(here, audience=audience)
    await village.join(ana)
    to_group = {"to": [village.group_uri], "cc": [f"{village.group_uri}/followers"]}
    await village.send(village.post(ana, "member", **(to_group if audience == "followers" else {})), ana)
    assert await village.posts() == ["member"]
    post = await village.publish("an answer is welcome")
    ways: list[Json] = [
        {},
        {"to": [village.group_uri]},
        {"cc": [f"{village.group_uri}/followers"]},
        {"audience": village.group_uri},
        {"audience": [village.group_uri], "to": [village.group_uri]},
        {"context": f"{village.group_uri}/threads/1"},
        {"context": post.uri},
        {"inReplyTo": post.uri},
        {"inReplyTo": post.uri, "to": [village.group_uri], "audience": village.group_uri},
        {"inReplyTo": [post.uri]},
        {"bto": [village.group_uri]},
        {"attributedTo": [village.group_uri]},
    ]
    before = await village.posts()
    for number, way in enumerate(ways):
        await village.send(village.post(mallory, f"intruding {number}", **way), mallory)
        assert await village.posts() == before, way
        assert await village.count(ITEMS, ITEMS.c.kind == "Announce") <= 2  # hers and mine, as they were


MODERATION = ("Block", "Remove", "Add", "Lock", "Delete", "Undo", "Move", "Update", "Warn", "Resolve")


@pytest.mark.parametrize("member", [True, False])
async def test_s316_moderation_from_elsewhere_needs_a_role_here(
    village: Village, ana: Person, mallory: Person, member: bool
) -> None:
    await village.join(ana, *([mallory] if member else []))
    words = village.words(ana, "stays")
    await village.send(ana.activity("Create", words), ana)
    post = await village.publish("mine too")
    aims = (words["id"], ana.uri, post.uri, village.group_uri)
    for kind, aim in itertools.product(MODERATION, aims):
        for target in (village.group_uri, f"{village.group_uri}/moderators", f"{village.group_uri}/followers"):
            await village.unmoved(mallory.activity(kind, aim, target=target, audience=village.group_uri), mallory)
    assert await village.posts() == ["stays", "mine too"]


async def test_s306_a_move_is_believed_when_both_servers_say_so_now(
    village: Village, ana: Person, mallory: Person, evil: ScriptedPeer
) -> None:
    """What they say is asked for the Move itself, whatever was known before."""
    await village.join(ana)
    there = evil.person("ana", key=2)
    await village.unmoved(ana.activity("Move", ana.uri, target=there.uri), ana)
    there.document["alsoKnownAs"] = [ana.uri]
    await village.unmoved(ana.activity("Move", ana.uri, target=there.uri, id=f"{ana.uri}/moves/2"), ana)
    await village.unmoved(mallory.activity("Move", ana.uri, target=mallory.uri), mallory)
    ana.document["movedTo"] = there.uri
    await village.unmoved(there.activity("Move", ana.uri, target=there.uri), there)
    await village.send(ana.activity("Move", ana.uri, target=there.uri, id=f"{ana.uri}/moves/3"), ana)
    assert [(await village.standing(person)).state for person in (ana, there)] == ["left", "active"]
    assert evil.fetches("/users/ana") > 1


async def test_s307_who_is_banned_has_no_way_back(village: Village, ana: Person) -> None:
    await village.join(ana)
    words = village.words(ana, "from before")
    await village.send(ana.activity("Create", words), ana)
    post = await village.publish("hello")
    await village.ban(ana)
    for document in (
        village.post(ana, "again"),
        village.post(ana, "an answer", inReplyTo=post.uri),
        ana.activity("Follow", village.group_uri, id=f"{ana.uri}/follows/2"),
        ana.activity("Undo", ana.activity("Follow", village.group_uri)),
        ana.activity("Follow", village.group_uri, id=f"{ana.uri}/follows/3"),
        ana.activity("Announce", post.uri),
    ):
        await village.send(document, ana)
        assert (await village.standing(ana)).state == "banned", document["type"]
        assert await village.posts() == ["from before", "hello"]


async def test_s307_who_is_banned_changes_nothing_that_the_group_reads(village: Village, ana: Person) -> None:
    """An edit of an old post would reach every member, in the group's own name."""
    await village.join(ana)
    words = village.words(ana, "from before")
    edits = [words | {"content": f"<p>edit {n}</p>", "updated": f"2026-11-23T12:00:0{n}Z"} for n in range(2)]
    await village.send(ana.activity("Create", words), ana)
    await village.send(ana.activity("Update", edits[0]), ana)
    assert await village.posts() == ["edit 0"]
    await village.ban(ana)
    await village.unmoved(ana.activity("Update", edits[1]), ana)


async def test_s307_who_is_banned_sends_no_news_to_anybody(village: Village, ana: Person, mallory: Person) -> None:
    """A like is a message too: it puts a name before its reader's eyes."""
    await village.join(ana, mallory)
    post = await village.publish("hello")
    await village.send(ana.activity("Like", post.uri), ana)
    assert await village.count(REACTIONS) == 1
    await village.ban(mallory)
    for kind in ("Like", "EmojiReact"):
        await village.unmoved(mallory.activity(kind, post.uri, content="🔪"), mallory)


async def test_s308_a_domain_block_covers_what_lies_below_and_every_spelling(village: Village) -> None:
    """Asked where it is asked for everything: in, out, fetch, and handles go through the same policy."""
    await village.write(set_level, "evil.example", "suspend")
    peers = village.here.context.peers
    await peers.refresh(village.here.context.database, village.here.clock())
    for host in (
        "evil.example",
        "EVIL.example",
        "evil.example.",
        "sub.evil.example",
        "a.b.Evil.Example.",
        "evil.example:8443",
    ):
        assert peers.is_refused(host), host
    for host in ("evil.example.org", "notevil.example", "example", "far.example"):
        assert not peers.is_refused(host), host
    await village.write(set_level, "müller.example", "suspend")
    await peers.refresh(village.here.context.database, village.here.clock())
    for host in ("xn--mller-kva.example", "MÜLLER.example", "m\u00fcller.example.", "x.xn--mller-kva.example:444"):
        assert peers.is_refused(host), host


async def test_s309_a_suspended_author_does_not_come_back_by_another_s_boost(
    village: Village, far: ScriptedPeer, evil: ScriptedPeer, mallory: Person, ana: Person
) -> None:
    """A group elsewhere announces posts of a server that we do not talk with: nothing is fetched, nothing shown."""
    club, view = await join_club(village, far)
    known, blocked = ana.note("<p>fine</p>", cc=[club.uri]), mallory.note("<p>blocked</p>", cc=[club.uri])
    far.publish(known | {"@context": "https://www.w3.org/ns/activitystreams"})
    evil.publish(blocked | {"@context": "https://www.w3.org/ns/activitystreams"})
    await village.write(set_level, evil.authority, "suspend")
    await village.here.context.peers.refresh(village.here.context.database, village.here.clock())
    await village.send(club.activity("Announce", known["id"]), club)
    assert await village.count(POSTS, POSTS.c.group_id == view.id) == 1
    for form in (blocked["id"], mallory.activity("Create", blocked), blocked):
        await village.send(club.activity("Announce", form), club)
    assert await village.count(POSTS, POSTS.c.group_id == view.id) == 1
    assert evil.server.connections == 0


async def test_s304_what_an_announce_carries_of_others_is_fetched_and_never_believed(
    village: Village, far: ScriptedPeer, evil: ScriptedPeer, mallory: Person
) -> None:
    club, view = await join_club(village, far)
    true = mallory.note("<p>true</p>", cc=[club.uri])
    evil.publish(true | {"@context": "https://www.w3.org/ns/activitystreams"})
    forged = true | {"content": "<p>forged</p>"}
    for form in (
        mallory.activity("Create", forged),
        mallory.activity("Update", forged | {"updated": "2027-01-01T00:00:00Z"}),
    ):
        await village.send(club.activity("Announce", form), club)
    texts = await village.read(timelines.group_timeline, Viewer(village.owner), view.id, Page())
    assert [post.html for post in texts] == ["<p>true</p>"]
    # What its author showed to few is not shown to more because somebody announces it.
    for number, to in enumerate(([f"{mallory.uri}/followers"], [club.uri], [])):
        private = mallory.note(f"<p>private {number}</p>", to=to)
        evil.publish(private | {"@context": "https://www.w3.org/ns/activitystreams"})
        await village.send(club.activity("Announce", private["id"]), club)
    assert await village.count(POSTS, POSTS.c.group_id == view.id) == 1


async def test_s304_what_bears_its_author_s_proof_is_believed_without_a_fetch(
    village: Village, far: ScriptedPeer, evil: ScriptedPeer, mallory: Person
) -> None:
    """Her server is asked for her key and for nothing else; what was changed on the way is asked for there."""
    club, view = await join_club(village, far)
    with_multikey(mallory, 1)
    now = village.here.clock()

    async def texts() -> list[str]:
        found = await village.read(timelines.group_timeline, Viewer(village.owner), view.id, Page())
        return [post.html.removeprefix("<p>").removesuffix("</p>") for post in reversed(found)]

    note = mallory.note("<p>one</p>", cc=[club.uri])
    create = prove(mallory.activity("Create", note), mallory, now, number=1)
    await village.send(club.activity("Announce", create), club)
    assert await texts() == ["one"]
    bare = prove(mallory.note("<p>two</p>", cc=[club.uri]), mallory, now, number=1)
    await village.send(club.activity("Announce", bare), club)
    assert await texts() == ["one", "two"]
    newer = note | {"content": "<p>one, better</p>", "updated": "2026-11-23T12:00:00Z"}
    update = prove(mallory.activity("Update", newer), mallory, now, number=1)
    await village.send(club.activity("Announce", update), club)
    assert await texts() == ["one, better", "two"]
    assert evil.fetches() == 1  # mallory

    for number, (changed, secret) in enumerate(((True, 1), (False, 2))):
        true = mallory.note(f"<p>true {number}</p>", cc=[club.uri])
        evil.publish(true | {"@context": "https://www.w3.org/ns/activitystreams"})
        lie = true | {"content": "<p>false</p>"}
        told = prove(mallory.activity("Create", true if changed else lie), mallory, now, number=secret)
        await village.send(club.activity("Announce", told | {"object": lie}), club)
    assert await texts() == ["one, better", "two", "true 0", "true 1"]


async def test_s304_an_announce_cannot_lend_a_post_to_another_author_or_address(
    village: Village, far: ScriptedPeer, evil: ScriptedPeer, ana: Person, mallory: Person
) -> None:
    """What is served must be of its own server, at its own address, in the right media type (S-205, S-206, S-208)."""
    club, view = await join_club(village, far)
    context = {"@context": "https://www.w3.org/ns/activitystreams"}
    lies = [
        mallory.note("<p>1</p>", id=evil.url("/notes/1"), attributedTo=ana.uri, cc=[club.uri]) | context,
        mallory.note("<p>2</p>", id=far.url("/users/ana/notes/2"), cc=[club.uri]) | context,
        mallory.note("<p>3</p>", attributedTo=[mallory.uri, ana.uri], cc=[club.uri]) | context,
        mallory.note("<p>4</p>", cc=[club.uri], attributedTo=...) | context,
    ]
    for number, lie in enumerate(lies):
        evil.publish(lie, f"/lies/{number}")
        await village.send(club.activity("Announce", evil.url(f"/lies/{number}")), club)
        evil.publish(lie, "/" + lie["id"].split("/", 3)[3])
        await village.send(club.activity("Announce", lie["id"]), club)
    assert await village.count(POSTS, POSTS.c.group_id == view.id) == 0
    honest = mallory.note("<p>honest</p>", cc=[club.uri]) | context
    evil.publish(honest)
    await village.send(club.activity("Announce", honest["id"]), club)
    assert await village.count(POSTS, POSTS.c.group_id == view.id) == 1


async def ask_club(village: Village, far: ScriptedPeer) -> tuple[Person, Any, str]:
    """Let the owner ask to be a member of a group elsewhere."""
    club = far.person("club", key=3, kind="Group")
    view = await resolve_actor(village.here.context, club.uri)
    await village.write(adopt_remote_group, view.id)
    await village.write(membership.request_to_join, village.here.context.uris, village.owner, view.id)
    query = select(MEMBERSHIPS.c.follow_uri).where(MEMBERSHIPS.c.group_id == view.id)
    return club, view, await village.read(lambda uow: uow.connection.execute(query).scalar_one())


async def join_club(village: Village, far: ScriptedPeer) -> tuple[Person, Any]:
    """Let the owner be a member of a group elsewhere."""
    club, view, follow_uri = await ask_club(village, far)
    await village.send(club.activity("Accept", follow_uri), club)
    assert (await village.read(standing_of, view.id, village.owner)).state == "active"
    return club, view


# ── floods ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_s310_mass_mentions_reach_nobody(village: Village, ana: Person, canary: ScriptedPeer) -> None:
    await village.join(ana)
    people = [{"type": "Mention", "href": canary.url(f"/users/{number}")} for number in range(200)]
    group = {"type": "Mention", "href": village.group_uri}
    await village.send(village.post(ana, "a few", tag=[group, *people[:3]]), ana)
    assert await village.posts() == ["a few"]
    await village.unmoved(village.post(ana, "everybody", tag=[group, *people]), ana)


async def test_s312_a_deep_chain_is_not_climbed(village: Village, ana: Person, canary: ScriptedPeer) -> None:
    """What a post answers elsewhere is not fetched from within the queue."""
    await village.join(ana)
    await village.send(village.post(ana, "an answer", inReplyTo=canary.url("/notes/1")), ana)
    assert await village.posts() == ["an answer"]


async def test_s317_support_counts_once(village: Village, ana: Person) -> None:
    await village.join(ana)
    post = await village.publish("hello")
    for number in range(5):
        for kind in ("Like", "EmojiReact"):
            await village.send(ana.activity(kind, post.uri, id=f"{ana.uri}/{kind}/{number}", content="x"), ana)
    assert await village.count(REACTIONS) == 1
    assert await village.count(NEWS, NEWS.c.kind == "reaction") == 1


async def test_s305_what_one_cannot_see_is_as_if_it_were_not_there(
    here: Receiver, ana: Person, mallory: Person
) -> None:
    village = await found_village(here, audience="followers")
    await village.join(ana)
    post = await village.publish("for members")
    statuses = []
    for aim in (post.uri, f"{post.uri}9"):
        before = await village.state()
        statuses.append(await village.send(mallory.activity("Like", aim), mallory))
        statuses.append(await village.send(mallory.activity("Announce", aim), mallory))
        statuses.append(await village.send(mallory.create("reply", inReplyTo=aim), mallory))
        assert await village.state() == before
    assert set(statuses) == {202}
    await village.send(ana.activity("Like", post.uri), ana)
    assert await village.count(REACTIONS) == 1


async def test_s405_what_is_for_members_goes_to_their_own_inboxes(here: Receiver, ana: Person) -> None:
    village = await found_village(here, audience="followers")
    await village.join(ana)
    waiting = await village.count(DELIVERIES)
    await village.publish("for members")
    query = select(DELIVERIES.c.inbox).order_by(DELIVERIES.c.id)
    inboxes = await village.read(lambda uow: list(uow.connection.execute(query).scalars()))
    assert inboxes[waiting:]
    assert set(inboxes[waiting:]) == {f"{ana.uri}/inbox"}


async def test_s211_the_newest_edit_stays_whatever_comes_last(village: Village, ana: Person) -> None:
    await village.join(ana)
    words = village.words(ana, "first")
    await village.send(ana.activity("Create", words), ana)
    for second in (5, 3, 5, 1):
        moment = f"2026-11-23T12:00:0{second}Z"
        edit = words | {"content": f"<p>at {second}</p>", "updated": moment}
        await village.send(ana.activity("Update", edit, id=f"{ana.uri}/updates/{second}"), ana)
        assert await village.posts() == ["at 5"]


async def test_s318_a_second_body_under_one_id_is_not_taken(village: Village, ana: Person) -> None:
    await village.join(ana)
    first = village.post(ana, "first")
    await village.send(first, ana)
    await village.unmoved(first | {"object": village.words(ana, "second")}, ana)
    village.here.clock.move(timedelta(hours=2))
    await village.unmoved(first | {"object": village.words(ana, "third")}, ana)
    assert await village.posts() == ["first"]


async def test_public_means_the_three_spellings_and_nothing_else(village: Village, ana: Person) -> None:
    """What is not plainly public is not spread by a public group."""
    await village.join(ana)
    for number, to in enumerate((PUBLIC, "as:Public", "Public")):
        await village.send(village.post(ana, f"public {number}", to=[to]), ana)
    assert await village.posts() == ["public 0", "public 1", "public 2"]
    for to in (
        PUBLIC.replace("https", "http"),
        PUBLIC.lower(),
        f"{PUBLIC}/",
        "as:public",
        "https://evil.example/#Public",
    ):
        await village.send(village.post(ana, f"not {to}", to=[to]), ana)
    assert await village.posts() == ["public 0", "public 1", "public 2"]


async def test_s220_addresses_that_are_none_are_not_passed_on(village: Village, ana: Person, far: ScriptedPeer) -> None:
    """What a reader may click on is http, or it is not there; the words around it stay."""
    await village.join(ana)
    honest = village.words(ana, "honest", url=far.url("/@ana/1"))
    await village.send(ana.activity("Create", honest), ana)
    hostile = (
        "javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "//evil.example/x", "vbscript:x",
        " javascript:x",
        "java\tscript:x", "https://evil.example/\u202egnp.exe", "http:\\\\evil.example", "file:///etc/passwd", "",
    )  # fmt: skip
    for number, address in enumerate(hostile):
        text = f'number {number} <a href="{address}">x</a>'
        icon = {"type": "Image", "url": address}
        words = village.words(ana, text, url=address, icon=icon, attachment=[icon])
        await village.send(ana.activity("Create", words), ana)
    found = await village.read(timelines.group_timeline, Viewer(village.owner), village.group, Page())
    assert [post.html for post in found if "honest" in post.html] == ["<p>honest</p>"]
    assert len(found) > 1
    for post in found:
        shown = repr(post).lower()
        assert not any(
            f"{mark}{word}" in shown for mark in ("'", '"') for word in ("javascript:", "data:", "file:", "//")
        )
