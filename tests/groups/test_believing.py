"""What a group announces of others is believed when its author proved it (FEP-8b32), else it is fetched (S-304)."""

import json
from typing import Any

import pytest
from apsig import ProofSigner
from cryptography.hazmat.primitives.asymmetric import ed25519

from activitypub.errors import ForeignOrigin, NeedsObject
from activitypub.signatures.keys import PublicKey, encode_multikey
from groups import timelines
from groups.endings import remember_end
from groups.errors import GroupsError
from groups.views import Page, Viewer
from privacy.unit_of_work import UnitOfWork
from tests.factories import make_remote_actor
from tests.groups.house import PUBLIC, House
from tests.groups.test_federation import receive

CONTEXTS = ["https://www.w3.org/ns/activitystreams", "https://w3id.org/security/data-integrity/v2"]
SAM, KIM = ed25519.Ed25519PrivateKey.generate(), ed25519.Ed25519PrivateKey.generate()


class Circle:
    """A group elsewhere with a member here, and sam, whose key is known."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.club = house.stranger("club", "club.example", kind="Group")
        self.ana = house.person("ana", self.club)
        self.sam, self.kim = self.keyed("sam", SAM), self.keyed("kim", KIM)

    def keyed(self, name: str, key: ed25519.Ed25519PrivateKey) -> int:
        """Make somebody elsewhere with a key for proofs."""
        uri = f"https://far.example/users/{name}"
        multibase = encode_multikey(PublicKey(key.public_key()))
        return int(self.house.do(make_keyed, name, f"{uri}#ed25519-key", multibase))

    def create(self, number: int = 1, **fields: Any) -> dict[str, Any]:
        """Return the Create of a post of sam's into the group."""
        uri, club = self.house.uri(self.sam), self.house.uri(self.club)
        note = {"id": f"{uri}/notes/{number}", "type": "Note", "attributedTo": uri, "content": f"<p>true {number}</p>",
                "to": [PUBLIC], "cc": [club], **fields}  # fmt: skip
        return {"@context": CONTEXTS, "id": f"{uri}/creates/{number}", "type": "Create", "actor": uri, "object": note,
                "to": note["to"], "cc": note["cc"]}  # fmt: skip

    def prove(
        self, activity: dict[str, Any], key: ed25519.Ed25519PrivateKey = SAM, whose: str = "sam"
    ) -> dict[str, Any]:
        """Return an activity with a proof."""
        options = {
            "type": "DataIntegrityProof", "cryptosuite": "eddsa-jcs-2022", "proofPurpose": "assertionMethod",
            "verificationMethod": f"https://far.example/users/{whose}#ed25519-key", "created": "2026-11-23T10:00:00Z",
        }  # fmt: skip
        signed: dict[str, Any] = json.loads(json.dumps(ProofSigner(key).sign(activity, options)))
        return signed

    def announce(self, inner: dict[str, Any], number: int = 1) -> None:
        """Have the group announce an activity; nothing is fetched for it."""
        receive(self.house, self.club, "Announce", inner, id=f"{self.house.uri(self.club)}/announces/{number}")

    def texts(self) -> list[str]:
        """Return what is read in the group."""
        page = self.house.ask(timelines.group_timeline, Viewer(self.ana), self.club, Page())
        return [post.html for post in page]


def make_keyed(uow: UnitOfWork, name: str, key_id: str, multibase: str) -> int:
    """Make an actor with an Ed25519 key."""
    return make_remote_actor(uow, name, "far.example", ed25519_key_id=key_id, ed25519_public_multibase=multibase)


def test_what_its_author_proved_is_taken_without_asking(house: House) -> None:
    """New and edited; it is stored under its own address."""
    circle = Circle(house)
    circle.announce(circle.prove(circle.create()))
    assert circle.texts() == ["<p>true 1</p>"]
    edit = circle.create(content="<p>better</p>", updated="2026-11-23T12:00:00Z")
    edit |= {"type": "Update", "id": f"{edit['id']}/update"}
    circle.announce(circle.prove(edit), 2)
    assert circle.texts() == ["<p>better</p>"]


@pytest.mark.parametrize(
    "lie", ["no proof", "changed words", "changed audience", "another's key", "another's name", "an unlisted key"]
)
def test_s304_what_is_not_proved_by_its_author_is_fetched(house: House, lie: str) -> None:
    circle = Circle(house)
    proved = circle.prove(circle.create())
    if lie == "no proof":
        del proved["proof"]
    elif lie == "changed words":
        proved["object"]["content"] = "<p>false</p>"
    elif lie == "changed audience":
        proved["object"]["to"] = [PUBLIC, "https://evil.example/users/eve"]
    elif lie == "another's key":
        proved = circle.prove(circle.create(), KIM)
    elif lie == "another's name":
        proved = circle.prove(circle.create(), KIM, "kim")
    else:
        proved = circle.prove(circle.create(), ed25519.Ed25519PrivateKey.generate(), "sam")
    with pytest.raises(NeedsObject) as wanted:
        circle.announce(proved)
    assert wanted.value.uri == f"{house.uri(circle.sam)}/notes/1"
    assert circle.texts() == []
    circle.announce(circle.prove(circle.create()))
    assert circle.texts() == ["<p>true 1</p>"]


def test_a_proof_lends_nothing_beyond_its_author(house: House) -> None:
    """Not a post of somebody else, not a wider audience, no life after the end, and no id on another server."""
    circle = Circle(house)
    others = circle.create()
    others["object"]["attributedTo"] = house.uri(circle.kim)
    with pytest.raises((ForeignOrigin, GroupsError)):
        circle.announce(circle.prove(others))
    few = circle.create(2, to=["https://far.example/users/sam/followers"])
    circle.announce(circle.prove(few), 2)
    ended = circle.create(3)
    house.do(remember_end, ended["object"]["id"], was_public=False)
    circle.announce(circle.prove(ended), 3)
    elsewhere = circle.create(4) | {"id": "https://evil.example/creates/4"}
    with pytest.raises(NeedsObject):
        circle.announce(circle.prove(elsewhere), 4)
    assert circle.texts() == []


def test_an_author_who_is_not_known_is_asked_for_first(house: House) -> None:
    circle = Circle(house)
    create = circle.create()
    text = json.dumps(create).replace("users/sam", "users/new")
    with pytest.raises(NeedsObject) as wanted:
        circle.announce(circle.prove(json.loads(text), SAM, "new"))
    assert wanted.value.uri == "https://far.example/users/new"
