"""Which document another server may fetch: by each audience, signed by whom, and after the end."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from activitypub import actors
from activitypub.ports import NOBODY, ActorView, Ended, Publication, Requester
from groups import founding
from groups.publications import GroupPublications
from groups.views import PostView
from tests.groups.house import PUBLIC, House

AUDIENCES = ("none", "peers-only", "followers", "public")
PRIVATE = ("peers-only", "followers")
NOTHING: Mapping[str, str] = {}
SECRET = "Rotkehlchen"
COLLECTIONS = ("outbox", "followers", "following", "featured", "moderators")


class Scene:
    """A group with a post, and those who might ask for it."""

    def __init__(self, house: House, audience: str) -> None:
        self.house = house
        self.publications = GroupPublications(house.uris)
        self.group = house.group("grief", audience=audience, keep=timedelta(days=1))
        self.ana = house.person("ana", self.group)
        self.sam = house.stranger("sam", "far.example", self.group)
        self.eve = house.stranger("eve", "strange.example")
        if audience == "peers-only":
            house.class_of("far.example", level="allow")
        self.post = house.post(self.ana, SECRET, group_id=self.group)
        self.reply = house.post(self.ana, f"{SECRET} again", parent_id=self.post.id)
        house.deliver()

    def fetch(self, what: str, requester: Requester, post: PostView | None = None) -> Publication | Ended | None:
        """Ask for a document of a post."""
        question, query = getattr(self.publications, what), [NOTHING] if what in {"thread", "replies"} else []
        found: Publication | Ended | None = self.house.ask(question, (post or self.post).id, *query, requester)
        return found

    def actor(self, actor_id: int) -> ActorView:
        """Return an actor."""
        view = self.house.ask(actors.actor_by_id, actor_id)
        assert isinstance(view, ActorView)
        return view

    def collection(self, actor_id: int, name: str, requester: Requester = NOBODY) -> Any:
        """Ask for a collection."""
        return self.house.ask(self.publications.collection, self.actor(actor_id), name, NOTHING, requester)

    @property
    def member(self) -> Requester:
        """A member's server, signing as that member."""
        return Requester(self.sam, "far.example")

    @property
    def stranger(self) -> Requester:
        """Another server, signing as somebody who is no member."""
        return Requester(self.eve, "strange.example")


EVERY_DOCUMENT = ("post", "post_activity", "thread", "replies")


@pytest.mark.parametrize("what", EVERY_DOCUMENT)
@pytest.mark.parametrize("audience", AUDIENCES)
def test_who_may_read_a_post(house: House, audience: str, what: str) -> None:
    """Anybody what is public; a member's server what is private; nobody what never leaves."""
    scene = Scene(house, audience)
    allowed = [
        isinstance(scene.fetch(what, requester), Publication) for requester in (NOBODY, scene.stranger, scene.member)
    ]
    expected = {"none": [False] * 3, "public": [True] * 3}.get(audience, [False, False, True])
    assert allowed == expected
    if allowed[2]:
        found = scene.fetch(what, scene.member)
        assert isinstance(found, Publication)
        assert found.public is (audience == "public")
        assert (PUBLIC in str(found.document)) is (audience == "public" and what in {"post", "post_activity"})


@pytest.mark.parametrize("audience", PRIVATE)
@pytest.mark.parametrize("state", ["pending", "left", "removed", "refused", "banned", "parked"])
def test_a_server_whose_member_is_gone_reads_nothing(house: House, audience: str, state: str) -> None:
    """From the moment at which its last member has no place, also what it was shown before."""
    scene = Scene(house, audience)
    assert isinstance(scene.fetch("post", scene.member), Publication)
    house.place(scene.group, scene.sam, state=state)
    for what in EVERY_DOCUMENT:
        assert scene.fetch(what, scene.member) is None, what


@pytest.mark.parametrize("kind", ["Application", "Service"])
def test_the_key_of_a_whole_node_opens_nothing_private(house: House, kind: str) -> None:
    """Though its server has a member, one must ask as one of its people (S-417); public posts it may read."""
    scene, machine = Scene(house, "followers"), house.stranger("machine", "far.example", kind=kind)
    assert scene.fetch("post", Requester(machine, "far.example")) is None
    other = house.stranger("kim", "far.example")
    assert isinstance(scene.fetch("post", Requester(other, "far.example")), Publication)
    town = house.group("town", audience="public")
    public = house.post(house.person("ben", town), "hello", group_id=town)
    assert isinstance(scene.fetch("post", Requester(machine, "far.example"), public), Publication)


def test_a_follower_is_no_member(house: House) -> None:
    """A group that reads along where all is public gets nothing of a private one by signing for it."""
    scene = Scene(house, "followers")
    club = house.stranger("club", "club.example", scene.group, kind="Group", role="follower")
    assert scene.fetch("post", Requester(club, "club.example")) is None
    assert isinstance(scene.fetch("post", scene.member), Publication)


def test_a_direct_post_is_for_the_servers_of_its_people(house: House) -> None:
    """Not for another member's server, not for everybody although its group is public."""
    scene = Scene(house, "public")
    house.stranger("kim", "near.example", scene.group)
    direct = house.post(scene.ana, f"@sam@far.example {SECRET}", direct=True, group_id=scene.group)
    kim = Requester(house.names["kim@near.example"], "near.example")
    for what in ("post", "post_activity"):
        assert scene.fetch(what, NOBODY, direct) is None
        assert scene.fetch(what, kim, direct) is None
        found = scene.fetch(what, scene.member, direct)
        assert isinstance(found, Publication)
        assert not found.public
        assert PUBLIC not in str(found.document)
    assert scene.fetch("announcement", scene.member, direct) is None


def test_a_thread_does_not_list_what_is_not_its_reader_s(house: House) -> None:
    """A direct answer in a public thread stands in no collection, whoever asks."""
    scene = Scene(house, "public")
    direct = house.post(scene.ana, f"@sam@far.example {SECRET}", direct=True, parent_id=scene.post.id)
    for requester in (NOBODY, scene.member):
        for what in ("thread", "replies"):
            found = scene.fetch(what, requester)
            assert isinstance(found, Publication)
            assert direct.uri not in str(found.document)
            assert scene.reply.uri in str(found.document)


@pytest.mark.parametrize("audience", AUDIENCES)
def test_only_public_threads_have_an_announcement(house: House, audience: str) -> None:
    """And only for what begins one; its id is the one that was sent."""
    scene = Scene(house, audience)
    found = scene.fetch("announcement", scene.member)
    assert isinstance(found, Publication) is (audience == "public")
    assert scene.fetch("announcement", scene.member, scene.reply) is None
    if isinstance(found, Publication):
        assert found.document["object"] == scene.post.uri


@pytest.mark.parametrize("audience", AUDIENCES)
def test_only_groups_for_followers_re_emit(house: House, audience: str) -> None:
    """The group's own Note is for members' servers, signed; it does not exist in any other audience."""
    scene = Scene(house, audience)
    found = scene.fetch("reemission", scene.member)
    assert isinstance(found, Publication) is (audience == "followers")
    assert scene.fetch("reemission", NOBODY) is None
    assert scene.fetch("reemission", scene.stranger) is None
    if isinstance(found, Publication):
        assert not found.public
        assert found.document["attributedTo"] == house.uri(scene.group)


# ── after the end ────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["by hand", "by time"])
@pytest.mark.parametrize("audience", AUDIENCES)
def test_an_end_is_told_to_those_who_may_know(house: House, audience: str, how: str) -> None:
    """Ended to all where it was public, to a server that got a copy elsewhere; to anybody else it never was."""
    scene = Scene(house, audience)
    house.class_of("far.example")
    if audience == "peers-only":  # nothing was pushed to an ordinary server: it holds no copy
        house.class_of("far.example", level="allow")
        scene.post = house.post(scene.ana, SECRET, group_id=scene.group)
    if how == "by hand":
        house.delete(scene.ana, scene.post.id)
    else:
        house.clock.move(timedelta(days=1))
        house.hide_due()
    house.place(scene.group, scene.sam, state="left")
    told = [isinstance(scene.fetch("post", one), Ended) for one in (NOBODY, scene.stranger, scene.member)]
    expected = {"none": [False] * 3, "public": [True] * 3}.get(audience, [False, False, True])
    assert told == expected
    house.destroy()
    assert [isinstance(scene.fetch("post", one), Ended) for one in (NOBODY, scene.stranger, scene.member)] == expected


@pytest.mark.parametrize("audience", ["followers", "public"])
def test_a_post_is_unreadable_at_its_end_without_any_sweep(house: House, audience: str) -> None:
    """No document of it is served from that moment on."""
    scene = Scene(house, audience)
    house.clock.move(timedelta(days=1))
    for what in (*EVERY_DOCUMENT, "announcement", "reemission"):
        assert not isinstance(scene.fetch(what, scene.member), Publication), what


def test_what_never_was_is_not_there(house: House) -> None:
    """Not for an id that was never given."""
    scene = Scene(house, "public")
    for what in EVERY_DOCUMENT:
        query = [NOTHING] if what in {"thread", "replies"} else []
        assert house.ask(getattr(scene.publications, what), 1, *query, NOBODY) is None


def test_the_end_of_a_direct_post_is_not_told_to_everybody(house: House) -> None:
    """Though its group is public: only its reader's server hears that there was one."""
    scene = Scene(house, "public")
    direct = house.post(scene.ana, "@sam@far.example hello", direct=True, group_id=scene.group)
    house.delete(scene.ana, direct.id)
    assert scene.fetch("post", NOBODY, direct) is None
    assert isinstance(scene.fetch("post", scene.member, direct), Ended)


# ── actors and collections ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_group_is_found_unless_nothing_leaves_it(house: House, audience: str) -> None:
    """With its document come WebFinger and its collections; neither comes without the other."""
    scene = Scene(house, audience)
    group = scene.actor(scene.group)
    found = house.ask(scene.publications.actor, group, NOBODY)
    there = audience != "none"
    assert isinstance(found, Publication) is there
    assert house.ask(scene.publications.is_findable, group) is there
    assert [scene.collection(scene.group, name) is not None for name in COLLECTIONS] == [there] * len(COLLECTIONS)
    if isinstance(found, Publication):
        assert found.document["manuallyApprovesFollowers"] is True
        assert (found.html is not None) is (audience == "public")


@pytest.mark.parametrize("audience", AUDIENCES)
def test_a_persona_is_found_once_a_group_takes_it_outside(house: House, audience: str) -> None:
    """Whoever is only in groups that nothing leaves cannot be found by trying handles."""
    scene = Scene(house, audience)
    ana = scene.actor(scene.ana)
    there = audience != "none"
    assert isinstance(house.ask(scene.publications.actor, ana, NOBODY), Publication) is there
    assert house.ask(scene.publications.is_findable, ana) is there


@pytest.mark.parametrize("audience", AUDIENCES)
def test_members_are_never_listed_or_counted(house: House, audience: str) -> None:
    """Neither of the group nor of a persona, for anybody, signed or not: no name, no number."""
    scene = Scene(house, audience)
    for owner in (scene.group, scene.ana):
        for name in ("followers", "following", "moderators"):
            for requester in (NOBODY, scene.member):
                found = scene.collection(owner, name, requester)
                if found is None:
                    continue
                assert found.document.get("totalItems", 0) == 0
                assert not any(house.uri(one) in str(found.document.get("items", [])) for one in (scene.ana, scene.sam))


@pytest.mark.parametrize("audience", AUDIENCES)
def test_an_outbox_shows_what_its_reader_may_see(house: House, audience: str) -> None:
    """Announces of public threads to all, addresses to members where it is private; a persona shows nothing."""
    scene = Scene(house, audience)
    if audience == "none":
        assert scene.collection(scene.group, "outbox", scene.member) is None
        return
    open_to = {requester: scene.post.uri in str(scene.collection(scene.group, "outbox", requester).document)
               for requester in (NOBODY, scene.stranger, scene.member)}  # fmt: skip
    public = audience == "public"
    assert list(open_to.values()) == [public, public, True]
    assert scene.post.uri not in str(scene.collection(scene.ana, "outbox", scene.member).document)
    assert scene.reply.uri not in str(scene.collection(scene.group, "outbox", scene.member).document)


def test_an_outbox_is_bounded(house: House) -> None:
    """It shows the newest threads, newest first, and not hundreds of them at once."""
    scene = Scene(house, "public")
    posts = [house.post(scene.ana, f"post {number}", group_id=scene.group) for number in range(25)]
    document = scene.collection(scene.group, "outbox").document
    shown = [item["object"] for item in document["orderedItems"]]
    assert shown == [post.uri for post in posts[::-1]][:20]


def test_a_group_that_turns_inward_is_gone_at_once(house: House) -> None:
    """Document, posts and collections, though they were public a moment before."""
    scene = Scene(house, "public")
    house.do(founding.change_group, house.uris, None, scene.group, founding.GroupChanges(audience="none"))
    for requester in (NOBODY, scene.member):
        assert house.ask(scene.publications.actor, scene.actor(scene.group), requester) is None
        for what in EVERY_DOCUMENT:
            assert scene.fetch(what, requester) is None, what
        assert scene.collection(scene.group, "outbox", requester) is None


def test_a_group_for_trusted_nodes_shows_nothing_to_others(house: House) -> None:
    """Not even to a server with a member: the admin must have allowed it by name."""
    scene = Scene(house, "peers-only")
    assert isinstance(scene.fetch("post", scene.member), Publication)
    for level in ("normal", "quarantine", "suspend"):
        house.class_of("far.example", level=level)
        assert not isinstance(scene.fetch("post", scene.member), Publication), level
