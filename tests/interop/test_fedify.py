"""Foreign software takes part in a group: on its side stand Fedify's discovery, signing and verification, not ours."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx
import pytest

from tests.interop.fedify import FedifyPeer, Json, Signature, signature_of
from tests.served import ServedNode, until

numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Place:
    """A public, open group on the node under test, as its owner and as the foreign peer see it."""

    node: ServedNode
    peer: FedifyPeer
    api: httpx.Client
    name: str
    found: Json
    local_id: str

    @property
    def id(self) -> str:
        """The group's actor id, as the peer found it."""
        return str(self.found["id"])

    def follow(self, by: str, site: int) -> Json:
        """Have one of the peer's people follow the group, and return the Accept's record and the Follow's id."""
        since = len(self.peer.ask("inbound", site))
        follow = self.peer.ask("follow", site, by=by, actor=self.id)
        assert follow["sent"], follow
        record = self.peer.arrival(lambda activity: activity["type"] == "Accept", site=site, since=since)
        return {"follow": follow["id"], "record": record}

    def timeline(self) -> list[Json]:
        """Return the group's posts as its owner's app lists them, newest first."""
        answer = self.api.get(f"/api/v1/timelines/list/{self.local_id}")
        assert answer.status_code == 200, answer.text
        return list(answer.json())

    def shown(self, words: str) -> Json | None:
        """Return the one post that says this, or None."""
        matching = [status for status in self.timeline() if words in status["content"]]
        assert len(matching) < 2, matching
        return matching[0] if matching else None

    def wait_for(self, words: str) -> Json:
        """Return the post that says this once it is shown."""
        return until(lambda: self.shown(words), f"{words!r} in the group's list")


@pytest.fixture
def place(federated: ServedNode, peer: FedifyPeer) -> Iterator[Place]:
    """A fresh public group that anybody may join."""
    name = f"garden{next(numbers)}"
    federated.command("group", "add", name, "--title", "A garden", "--audience", "public", "--join", "open",
                      "--owner", federated.owner)  # fmt: skip
    with federated.api(federated.owner) as api:
        found = peer.ask("resolve", handle=f"@{name}@{federated.authority}")
        assert found["status"] == 200, found
        local = api.get("/api/v1/accounts/lookup", params={"acct": name})
        assert local.status_code == 200, local.text
        yield Place(federated, peer, api, name, found, local.json()["id"])


def id_of(told: str | Json) -> str:
    """Return the id of what an activity names or embeds."""
    return told if isinstance(told, str) else str(told["id"])


def is_announce_of(*ids: str) -> Callable[[Json], bool]:
    """Tell an Announce of one of these, by its id or embedded."""

    def announces(activity: Json) -> bool:
        return activity["type"] == "Announce" and id_of(activity["object"]) in ids

    return announces


def test_fedify_finds_the_group(place: Place) -> None:
    assert place.found["kind"] == "Group"
    assert place.found["name"] == place.name
    assert place.found["subject"] == place.found["subjectById"] == f"acct:{place.name}@{place.node.authority}"
    assert place.found["mediaType"].startswith("application/jrd+json")
    assert place.found["followers"] == f"{place.id}/followers"
    assert place.found["approves"] is False


def test_an_unknown_name_is_not_found(federated: ServedNode, peer: FedifyPeer) -> None:
    assert peer.ask("resolve", handle=f"@nobody_at_all@{federated.authority}")["status"] == 404


def test_a_foreign_member_joins_posts_replies_edits_deletes_and_leaves(place: Place) -> None:
    peer = place.peer
    watching = place.follow("wanda", 1)
    joined = place.follow("ada", 0)
    for accepted in (watching, joined):
        assert id_of(accepted["record"]["activity"]["object"]) == accepted["follow"]
        assert signature_of(accepted["record"]).owner == place.id

    mark = len(peer.ask("inbound", 1))
    written = peer.ask("create", by="ada", actor=place.id, content="The first frost came")
    assert written["sent"], written
    spread = peer.arrival(is_announce_of(written["note"], written["id"]), site=1, since=mark)
    assert signature_of(spread).owner == place.id
    post = place.wait_for("The first frost came")
    assert post["uri"] == written["note"]
    assert post["account"]["acct"] == f"ada@{peer.authority(0)}"

    reply = peer.ask("create", 1, by="wanda", actor=place.id, content="Here too, last night", inReplyTo=written["note"])
    assert reply["sent"], reply

    def descendants() -> list[Json]:
        answer = place.api.get(f"/api/v1/statuses/{post['id']}/context")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["descendants"])

    until(descendants, "the reply in its thread")
    assert [(each["uri"], each["in_reply_to_id"]) for each in descendants()] == [(reply["note"], post["id"])]

    edited = peer.ask("update", by="ada", actor=place.id, note=written["note"], content="The first frost went")
    assert edited["sent"], edited
    assert place.wait_for("The first frost went")["id"] == post["id"]
    assert place.shown("The first frost came") is None

    removed = peer.ask("remove", by="ada", actor=place.id, note=written["note"])
    assert removed["sent"], removed
    until(lambda: place.shown("The first frost went") is None, "the deleted post to be gone")
    assert place.api.get(f"/api/v1/statuses/{post['id']}").status_code == 404

    left = peer.ask("unfollow", by="ada", actor=place.id, follow=joined["follow"])
    assert left["sent"], left
    place.node.settle()
    ends = len(peer.ask("inbound", 0)), len(peer.ask("inbound", 1))
    said = place.api.post("/api/v1/statuses", data={"status": f"@{place.name} Who is still here?"})
    assert said.status_code == 200, said.text
    peer.arrival(is_announce_of(said.json()["uri"], f"{said.json()['uri']}/activity"), site=1, since=ends[1])
    place.node.settle()
    assert peer.ask("inbound", 0, since=ends[0]) == []


def test_a_foreign_like_is_news_for_the_author(place: Place) -> None:
    place.follow("ada", 0)
    said = place.api.post("/api/v1/statuses", data={"status": f"@{place.name} Tea is ready"})
    assert said.status_code == 200, said.text
    assert place.peer.ask("like", by="ada", actor=place.id, object=said.json()["uri"])["sent"]

    def liked() -> bool:
        news = place.api.get("/api/v1/notifications", params={"types[]": "favourite"}).json()
        return any(each["status"]["id"] == said.json()["id"] for each in news)

    assert until(liked, "news of the like")


def a_create(place: Place, words: str) -> Json:
    """A Create as Mastodon shapes it, honest as it stands; the peer serves none of it, so it can only be believed."""
    author, token = place.peer.actor("ada"), next(numbers)
    public = "https://www.w3.org/ns/activitystreams#Public"
    note = {
        "id": f"{place.peer.sites[0]}/notes/{place.name}-{token}",
        "type": "Note",
        "attributedTo": author,
        "content": f"<p>{words}</p>",
        "published": "2026-11-23T10:00:00Z",
        "to": [public],
        "cc": [f"{author}/followers", place.id],
        "tag": [{"type": "Mention", "href": place.id, "name": f"@{place.name}@{place.node.authority}"}],
    }
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": f"{note['id']}/activity",
        "type": "Create",
        "actor": author,
        "object": note,
        "to": note["to"],
        "cc": note["cc"],
    }


REFUSED = [
    ("unsigned", 401),
    ("body", 401),
    ("body-and-digest", 401),
    ("stale", 401),
    ("foreign-key", 401),
    ("foreign-actor", 401),
]


@pytest.mark.parametrize("spec", ["cavage", "rfc9421"])
def test_a_bad_signature_is_refused_and_leaves_no_row(place: Place, spec: str) -> None:
    place.follow("ada", 0)
    send = {"by": "ada", "inbox": place.found["inbox"], "spec": spec, "stranger": "mallory"}
    honest = place.peer.ask("send", activity=a_create(place, "An honest word"), spoil="none", **send)
    assert honest["status"] == 202, honest
    place.wait_for("An honest word")
    place.node.settle()

    rows = place.node.rows()
    for spoil, status in REFUSED:
        answer = place.peer.ask("send", activity=a_create(place, f"An honest {spoil}"), spoil=spoil, **send)
        assert (spoil, answer["status"]) == (spoil, status), answer
        assert (spoil, place.node.rows()) == (spoil, rows)
    assert [each["content"] for each in place.timeline()] == ["<p>An honest word</p>"]
    assert "Traceback" not in place.node.log()


def test_a_repeat_is_taken_once(place: Place) -> None:
    place.follow("ada", 0)
    watched = place.follow("wanda", 1)["record"]["n"] + 1
    activity = a_create(place, "An honest repeat")
    answers = [
        place.peer.ask("send", by="ada", inbox=place.found["inbox"], activity=activity)["status"] for _ in range(3)
    ]
    place.wait_for("An honest repeat")
    place.node.settle()

    spread = [
        record["activity"]["id"]
        for record in place.peer.ask("inbound", 1, since=watched)
        if is_announce_of(activity["id"])(record["activity"])
        or is_announce_of(activity["object"]["id"])(record["activity"])
    ]
    assert answers == [202, 202, 202]
    assert place.shown("An honest repeat") is not None
    assert len(spread) == len(set(spread)) > 0


def test_the_node_signs_what_it_fetches(place: Place) -> None:
    place.follow("ada", 0)
    assert any(
        signature_of(each) == Signature("cavage", True, f"{place.node.base}/actor")
        for each in place.peer.ask("fetches")
    )


def test_a_persona_takes_part_in_a_foreign_group(federated: ServedNode, peer: FedifyPeer) -> None:
    name = f"sorrel{next(numbers)}"
    federated.account(name)
    club = peer.actor("club", 1)
    with federated.api(name) as api:
        query = {"q": f"@club@{peer.authority(1)}", "resolve": "true", "type": "accounts"}
        [found] = api.get("/api/v2/search", params=query).json()["accounts"]
        assert (found["group"], found["uri"]) == (True, club)
        assert api.post(f"/api/v1/accounts/{found['id']}/follow").status_code == 200

        def following() -> bool:
            [told] = api.get("/api/v1/accounts/relationships", params={"id[]": found["id"]}).json()
            return bool(told["following"])

        until(following, "the foreign group's Accept to take effect")
        wanda = peer.ask("follow", 1, by="wanda", actor=club)
        written = peer.ask("create", 1, by="wanda", actor=club, content="Bring your own cup")
        assert written["sent"], written

        def listed() -> list[Json]:
            return list(api.get(f"/api/v1/timelines/list/{found['id']}").json())

        until(listed, "the announced post in the foreign group's list")
        assert [each["uri"] for each in listed()] == [written["note"]]

        mark = len(peer.ask("inbound", 1))
        said = api.post("/api/v1/statuses", data={"status": f"@club@{peer.authority(1)} I bring two"})
        assert said.status_code == 200, said.text
        arrived = peer.arrival(
            lambda activity: activity["type"] == "Create" and id_of(activity["object"]) == said.json()["uri"],
            site=1,
            since=mark,
        )
        author = arrived["activity"]["actor"]
        assert signature_of(arrived).owner == author
        assert author in peer.ask("followers", 1, of="club")

        assert api.post(f"/api/v1/accounts/{found['id']}/unfollow").status_code == 200
        until(
            lambda: author not in peer.ask("followers", 1, of="club"), "the foreign group to have heard of the leaving"
        )
        peer.ask("unfollow", 1, by="wanda", actor=club, follow=wanda["id"])
