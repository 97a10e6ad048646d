"""Each kind of signature, in both directions, between the node and Fedify; and each of them tampered with.

Fedify signs requests with RSA alone, and reads no Ed25519 key under a request: that kind is held to apsig and to other
tests. Its proofs of integrity are Ed25519.
"""

import itertools

import pytest

from tests.interop.fedify import FedifyPeer, Json, Signature, signature_of
from tests.interop.test_fedify import Place, a_create, id_of, is_announce_of, place
from tests.served import ServedNode, until

__all__ = ["place"]  # the fixture
numbers = itertools.count(1)
PUBLIC = "https://www.w3.org/ns/activitystreams#Public"


@pytest.mark.parametrize(("who", "site", "scheme"), [("olga", 2, "cavage"), ("rita", 3, "rfc9421")])
def test_requests_in_both_directions(place: Place, who: str, site: int, scheme: str) -> None:
    """Fedify's own sending is taken in; what we send back is signed as it signs, and verified by it."""
    accepted = place.follow(who, site)["record"]
    assert signature_of(accepted) == Signature(scheme, True, place.id)
    assert ("signature-input" in accepted["headers"]) is (scheme == "rfc9421")
    written = place.peer.ask("create", site, by=who, actor=place.id, content=f"Signed in {scheme}")
    assert written["sent"], written
    assert place.wait_for(f"Signed in {scheme}")["uri"] == written["note"]

    # The very bytes again are good; with one word changed they are not.
    assert place.peer.ask("repeat", site, n=accepted["n"])["status"] < 300
    tampered = accepted["text"].replace('"Accept"', '"Reject"')
    assert place.peer.ask("repeat", site, n=accepted["n"], text=tampered)["status"] == 401


def test_our_proofs_hold_for_fedify(place: Place) -> None:
    """On the post of a member and on the Announce of the group around it; not once a word is changed."""
    record = place.follow("wanda", 1)["record"]
    assert record["proven"] == [None, None]  # nothing of it is public
    assert "proof" not in record["activity"]
    said = place.api.post("/api/v1/statuses", data={"status": f"@{place.name} To be proved"})
    assert said.status_code == 200, said.text
    uri = said.json()["uri"]
    arrived = place.peer.arrival(is_announce_of(uri, f"{uri}/activity"), site=1, since=record["n"])
    announce = arrived["activity"]
    assert arrived["proven"][0] == place.id
    forged = announce | {"published": "2020-01-01T00:00:00Z"}
    assert place.peer.ask("prover", 1, activity=forged) == {"owner": None}
    assert place.peer.ask("prover", 1, activity=announce) == {"owner": place.id}


def test_the_author_s_proof_inside_an_announce_holds_for_fedify(federated: ServedNode, peer: FedifyPeer) -> None:
    """The author's Create, as the group elsewhere gets it, so that it can pass it on."""
    name = f"thyme{next(numbers)}"
    federated.account(name)
    with federated.api(name) as api:
        query = {"q": f"@guild@{peer.authority(1)}", "resolve": "true", "type": "accounts"}
        [found] = api.get("/api/v2/search", params=query).json()["accounts"]
        assert api.post(f"/api/v1/accounts/{found['id']}/follow").status_code == 200

        def following() -> bool:
            [told] = api.get("/api/v1/accounts/relationships", params={"id[]": found["id"]}).json()
            return bool(told["following"])

        until(following, "the foreign group's Accept to take effect")
        mark = len(peer.ask("inbound", 1))
        said = api.post("/api/v1/statuses", data={"status": f"@guild@{peer.authority(1)} Proved by me"})
        assert said.status_code == 200, said.text

        def is_mine(activity: Json) -> bool:
            return activity["type"] == "Create" and id_of(activity["object"]) == said.json()["uri"]

        arrived = peer.arrival(is_mine, site=1, since=mark)
        author = arrived["activity"]["actor"]
        assert arrived["proven"][0] == author
        assert arrived["activity"]["proof"]["verificationMethod"] == f"{author}#ed25519-key"
        forged = arrived["activity"] | {"to": []}
        assert peer.ask("prover", 1, activity=forged) == {"owner": None}
        assert api.post(f"/api/v1/accounts/{found['id']}/unfollow").status_code == 200


def test_fedify_s_proof_lets_anybody_bring_it(place: Place) -> None:
    """Signed by another host's actor: with the author's proof it is taken in, without it or changed it is not."""
    place.follow("ada", 0)
    place.follow("wanda", 1)
    send = {"by": "wanda", "site": 1, "inbox": place.found["inbox"]}
    bare = a_create(place, "Brought without")
    proven = place.peer.ask("prove", by="ada", activity=a_create(place, "Brought with"))
    other = place.peer.ask("prove", by="ada", activity=a_create(place, "Brought untouched"))
    forged = {**other, "object": {**other["object"], "content": "<p>Brought changed</p>"}}
    stranger = place.peer.ask("prove", by="mallory", activity=a_create(place, "Brought by a stranger's proof"))
    place.node.settle()
    rows = place.node.rows()
    for activity in (bare, forged, stranger):
        assert place.peer.ask("send", activity=activity, **send)["status"] == 401
        assert place.node.rows() == rows
    # Her own signature under the request does not heal a proof that was tampered with.
    assert place.peer.ask("send", by="ada", inbox=place.found["inbox"], activity=forged)["status"] == 401
    assert place.peer.ask("send", activity=proven, **send)["status"] == 202
    shown = place.wait_for("Brought with")
    assert shown["account"]["acct"] == f"ada@{place.peer.authority(0)}"
    assert place.peer.ask("send", activity=other, **send)["status"] == 202
    place.wait_for("Brought untouched")
    assert place.shown("Brought changed") is None


def test_fedify_s_proof_inside_an_announce_is_believed(federated: ServedNode, peer: FedifyPeer) -> None:
    """Her server has no such note, so that nothing but the proof can speak for it."""
    name = f"sage{next(numbers)}"
    federated.account(name)
    guild, ada = peer.actor("guild", 1), peer.actor("ada")
    with federated.api(name) as api:
        query = {"q": f"@guild@{peer.authority(1)}", "resolve": "true", "type": "accounts"}
        [found] = api.get("/api/v2/search", params=query).json()["accounts"]
        assert api.post(f"/api/v1/accounts/{found['id']}/follow").status_code == 200

        def following() -> bool:
            [told] = api.get("/api/v1/accounts/relationships", params={"id[]": found["id"]}).json()
            return bool(told["following"])

        until(following, "the foreign group's Accept to take effect")

        def announce(words: str, *, changed: bool) -> Json:
            number = next(numbers)
            note = {
                "id": f"{peer.sites[0]}/notes/carried-{name}-{number}",
                "type": "Note",
                "attributedTo": ada,
                "content": f"<p>{words}</p>",
                "to": [PUBLIC],
                "cc": [guild],
            }
            create = {"id": f"{note['id']}/activity", "type": "Create", "actor": ada, "object": note, "to": [PUBLIC]}
            context = {"@context": "https://www.w3.org/ns/activitystreams"}
            proven = peer.ask("prove", by="ada", activity=context | create)
            if changed:
                proven = {**proven, "object": {**proven["object"], "content": "<p>Something else</p>"}}
            shell = {"id": f"{peer.sites[1]}/did/carry-{name}-{number}", "type": "Announce", "actor": guild}
            return context | shell | {"to": [PUBLIC], "object": proven}

        inbox = f"{federated.base}/inbox"
        for words, changed in (("Carried and changed", True), ("Carried as it was", False)):
            sent = peer.ask("send", 1, by="guild", inbox=inbox, activity=announce(words, changed=changed))
            assert sent["status"] == 202, sent

        def listed() -> list[str]:
            told = [post["content"] for post in api.get(f"/api/v1/timelines/list/{found['id']}").json()]
            return [content for content in told if "Carried" in content or "else" in content]

        until(listed, "the announced post in the foreign group's list")
        federated.settle()
        assert listed() == ["<p>Carried as it was</p>"]
        assert api.post(f"/api/v1/accounts/{found['id']}/unfollow").status_code == 200
