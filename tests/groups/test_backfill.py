"""Conversations that were not known in full: filled in from the list that their group keeps, and listed for others."""

from collections.abc import Mapping
from typing import Any

import pytest

from activitypub.errors import NeedsObject
from activitypub.ports import NOBODY, Publication, Requester
from activitypub.vocabulary.reading import parse
from groups import arrivals, paging
from groups.publications import GroupPublications
from tests.groups.house import House
from tests.groups.test_arrivals import SAM, Scene, activity, below, followed_club, note
from tests.groups.test_arrivals import scene as scene  # noqa: PLC0414 - a fixture

CONTEXT = "https://club.example/ctx/1"


class Web:
    """What can be fetched, and what was asked for."""

    def __init__(self, **documents: Any) -> None:
        self.documents: dict[str, dict[str, Any]] = dict(documents)
        self.asked: list[str] = []

    def put(self, document: dict[str, Any]) -> None:
        """Serve a document at its id."""
        self.documents[document["id"]] = document

    def announce(self, scene: Scene, club: int, uri: str, budget: int = 10) -> None:
        """Have the group announce a post; what its handler asks for is fetched, up to the bound of the inbox."""
        known: dict[str, Any] = {}
        missing: set[str] = set()
        document = activity("Announce", uri, actor=scene.uri_of(club))
        for _ in range(40):
            try:
                scene.receive(club, document, known, frozenset(missing))
            except NeedsObject as need:
                self.asked.append(need.uri)
                found = self.page(need.uri)
                if found is None or len(known) + len(missing) >= budget:
                    missing.add(need.uri)
                else:
                    known[need.uri] = found
            else:
                return
        raise AssertionError("it asks without end")

    def page(self, uri: str) -> dict[str, Any] | None:
        """Return what is served at an address."""
        return self.documents.get(uri)


def conversation(scene: Scene, club: int) -> Web:
    """Serve a conversation in the group: 1, answered by 2, 3 and 4, and 5 below 4; with the list of them all."""
    web = Web()
    for number, answers in ((1, None), (2, 1), (3, 1), (4, 1), (5, 4)):
        parent = {} if answers is None else {"inReplyTo": f"{SAM}/notes/{answers}"}
        web.put(note(scene, number, cc=[scene.uri_of(club)], tag=[], context=CONTEXT, **parent))
    return web


def listing(items: list[Any], **more: Any) -> dict[str, Any]:
    """Return the list of a conversation."""
    return {"id": CONTEXT, "type": "OrderedCollection", "orderedItems": items, **more}


WHOLE = {"1": (None, "1"), "2": ("1", "1"), "3": ("1", "1"), "4": ("1", "1"), "5": ("4", "1")}
FORMS: Mapping[str, Any] = {
    "one piece": lambda items: listing(items, attributedTo="https://club.example/users/club"),
    "embedded page": lambda items: {"id": CONTEXT, "type": "Collection", "first": {
        "id": f"{CONTEXT}?page=0", "type": "CollectionPage", "partOf": CONTEXT, "items": items}},
    "embedded objects": lambda items: listing([
        {"id": uri, "type": "Note", "attributedTo": SAM, "content": "forged"} for uri in items]),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_a_conversation_is_filled_in_from_its_group_s_list(scene: Scene, form: str) -> None:
    """Each post is fetched from where it lives; what the list embeds is not read."""
    club, _ = followed_club(scene)
    web = conversation(scene, club)
    web.put(FORMS[form]([f"{SAM}/notes/{number}" for number in range(1, 6)]))
    web.announce(scene, club, f"{SAM}/notes/5")
    assert below(scene) == WHOLE
    texts = scene.database.read_now(lambda uow: [row.state for row in uow.connection.execute(arrivals.POSTS.select())])
    assert texts == ["live"] * 5
    web.asked.clear()
    web.announce(scene, club, f"{SAM}/notes/5")
    assert web.asked == [f"{SAM}/notes/5"], "what is there is not asked for again"


def test_pages_are_followed(scene: Scene) -> None:
    club, _ = followed_club(scene)
    web = conversation(scene, club)
    web.put({"id": CONTEXT, "type": "OrderedCollection", "first": f"{CONTEXT}?page=1"})
    for number, items in ((1, [1, 2]), (2, [3, 4, 5])):
        page = {"id": f"{CONTEXT}?page={number}", "type": "OrderedCollectionPage", "partOf": CONTEXT,
                "orderedItems": [f"{SAM}/notes/{item}" for item in items]}  # fmt: skip
        web.put(page | ({"next": f"{CONTEXT}?page=2"} if number == 1 else {}))
    web.announce(scene, club, f"{SAM}/notes/5")
    assert below(scene) == WHOLE


@pytest.mark.parametrize("lie", ["another server's list", "a list of another", "posts of another group", "nothing"])
def test_a_list_is_believed_about_nothing(scene: Scene, lie: str) -> None:
    """It is asked of the group's own server, must be the group's, and each post in it must be for the group itself."""
    club, club_uri = followed_club(scene)
    web = conversation(scene, club)
    addresses = [f"{SAM}/notes/{number}" for number in range(1, 6)]
    web.put(listing(addresses))
    if lie == "another server's list":
        for uri in addresses:
            web.documents[uri]["context"] = "https://evil.example/ctx/1"
        web.put(listing(addresses) | {"id": "https://evil.example/ctx/1"})
    elif lie == "a list of another":
        web.put(listing(addresses, attributedTo="https://club.example/users/rival"))
    elif lie == "posts of another group":
        for number in (2, 3):
            web.documents[f"{SAM}/notes/{number}"]["cc"] = ["https://club.example/users/rival"]
    else:
        del web.documents[CONTEXT]
    web.announce(scene, club, f"{SAM}/notes/5")
    assert below(scene) == {number: place for number, place in WHOLE.items() if number not in "23"}
    assert "https://evil.example/ctx/1" not in web.asked
    assert club_uri not in web.asked


class Endless(Web):
    """A list that never ends: each page leads to another one, or to itself."""

    def __init__(self, form: str) -> None:
        super().__init__()
        self.form = form

    def page(self, uri: str) -> dict[str, Any] | None:
        """Make a page up."""
        if not uri.startswith(CONTEXT):
            return super().page(uri)
        number = int(uri.partition("=")[2] or 0)
        following = {"itself": uri, "new ones": f"{CONTEXT}?page={number + 1}"}.get(self.form, f"{CONTEXT}?page=0")
        items = [f"https://far.example/none/{number}-{item}" for item in range(100)]
        kind = "OrderedCollectionPage" if number else "OrderedCollection"
        return {"id": uri, "type": kind, "orderedItems": items, "first": f"{CONTEXT}?page=1", "next": following,
                "totalItems": {"itself": -1, "new ones": 10**18}.get(self.form, "many")}  # fmt: skip


@pytest.mark.parametrize("form", ["itself", "new ones", "the beginning"])
def test_s313_an_endless_list_is_left_after_a_few_pages(scene: Scene, form: str) -> None:
    """What is announced is taken in all the same."""
    club, _ = followed_club(scene)
    web = Endless(form)
    web.documents = conversation(scene, club).documents
    web.announce(scene, club, f"{SAM}/notes/5", budget=100)
    assert len([uri for uri in web.asked if uri.startswith(CONTEXT)]) <= 4
    assert len(web.asked) <= 20
    assert {"1", "4", "5"} <= set(below(scene))


def test_where_the_parent_is_known_nothing_else_is_asked_for(scene: Scene) -> None:
    """The list is for what was missed, not for each post that comes."""
    club, _ = followed_club(scene)
    web = conversation(scene, club)
    web.put(listing([f"{SAM}/notes/{number}" for number in range(1, 6)]))
    web.announce(scene, club, f"{SAM}/notes/1")
    web.announce(scene, club, f"{SAM}/notes/2")
    assert web.asked == [f"{SAM}/notes/1", f"{SAM}/notes/2"]


# ── what this node lists ─────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("audience", ["followers", "public"])
@pytest.mark.parametrize("what", ["thread", "replies"])
def test_a_long_conversation_is_listed_in_pages(
    house: House, audience: str, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each post once, in the order in which they came, to whoever may read them, and to nobody else."""
    for module in (paging, "groups.publications"):
        monkeypatch.setattr(f"{module if isinstance(module, str) else module.__name__}.ITEMS_OF_A_PAGE", 3)
    monkeypatch.setitem(paging.paged.__kwdefaults__, "size", 3)  # type: ignore[index]  # it has some
    group = house.group("grief", audience=audience)
    ana, sam = house.person("ana", group), house.stranger("sam", "far.example", group)
    root = house.post(ana, "root", group_id=group)
    replies = [house.post(ana, f"reply {number}", parent_id=root.id) for number in range(7)]
    expected = [post.uri for post in ([root, *replies] if what == "thread" else replies)]
    publications = GroupPublications(house.uris)

    def ask(query: Mapping[str, str], requester: Requester) -> Any:
        return house.ask(getattr(publications, what), root.id, query, requester)

    member = Requester(sam, "far.example")
    found, addresses, asked = ask({}, member), [], 0
    assert isinstance(found, Publication)
    assert "totalItems" not in found.document
    parse(dict(found.document))
    page = found.document["first"]
    while page is not None:
        addresses += page.get("orderedItems", page.get("items"))
        following = page.get("next")
        page = None if following is None else ask({"page": following.partition("=")[2]}, member).document
        asked += 1
        if page is not None:
            assert (page["id"], page["partOf"]) == (following, found.document["id"])
            assert ask({"page": "0"}, NOBODY) is None or audience == "public"
    assert (addresses, asked) == (expected, 3)


def test_an_outbox_leads_to_what_is_older(house: House) -> None:
    """Its newest posts stand in it too, for software that reads no pages."""
    group = house.group("grief", audience="public")
    ana = house.person("ana", group)
    posts = [house.post(ana, f"post {number}", group_id=group) for number in range(45)]
    publications = GroupPublications(house.uris)
    actor = house.ask(arrivals.actors.actor_by_id, group)

    def ask(query: Mapping[str, str]) -> Any:
        return house.ask(publications.collection, actor, "outbox", query, NOBODY).document

    whole = ask({})
    newest = [post.uri for post in reversed(posts)]
    assert [item["object"] for item in whole["orderedItems"]] == newest[:20]
    shown, page = [], whole["first"]
    while page is not None:
        shown += [item["object"] for item in page["orderedItems"]]
        page = ask({"page": page["next"].partition("=")[2]}) if "next" in page else None
    assert shown == newest


@pytest.mark.parametrize("text", ["", "x", "-1", "²", "9" * 40])
def test_what_is_no_page_is_the_whole(text: str) -> None:
    assert paging.asked_page({"page": text}) is None
