"""The foreign peer against itself: what the other tests lean on, shown without Kinfold."""

import pytest

from tests.interop.fedify import FedifyPeer, Json, signature_of

SPOILT = ["unsigned", "body", "body-and-digest", "stale", "foreign-key", "foreign-actor"]


def a_like(peer: FedifyPeer, number: int) -> Json:
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": f"{peer.sites[0]}/did/like-{number}",
        "type": "Like",
        "summary": "honest",
        "actor": peer.actor("ada"),
        "object": peer.actor("wanda", 1),
    }


@pytest.mark.parametrize("spec", ["cavage", "rfc9421"])
def test_fedify_refuses_each_spoilt_signature_and_takes_the_honest_one(peer: FedifyPeer, spec: str) -> None:
    inbox = peer.actor("wanda", 1) + "/inbox"
    answers = {
        spoil: peer.ask(
            "send", by="ada", inbox=inbox, activity=a_like(peer, number), spec=spec, spoil=spoil, stranger="mallory"
        )["status"]
        for number, spoil in enumerate(["none", *SPOILT])
    }
    assert answers == {"none": 202} | dict.fromkeys(SPOILT, 401)


def test_its_group_accepts_a_follower_and_announces_what_it_writes(peer: FedifyPeer) -> None:
    club = peer.ask("resolve", handle=f"@club@{peer.authority(1)}")
    before = len(peer.ask("inbound"))
    follow = peer.ask("follow", by="ada", actor=club["id"])
    accepted = peer.arrival(lambda activity: activity["type"] == "Accept", since=before)
    written = peer.ask("create", by="ada", actor=club["id"], content="Good morning")
    spread = peer.arrival(
        lambda activity: activity["type"] == "Announce" and activity["object"] == written["note"], since=before
    )
    peer.ask("unfollow", by="ada", actor=club["id"], follow=follow["id"])

    assert signature_of(accepted).owner == signature_of(spread).owner == club["id"]
    assert peer.ask("followers", 1, of="club") == []
