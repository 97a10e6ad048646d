"""What was said in a members-only group stands nowhere in the clear, and nowhere at all once it has ended.

The bytes on disk are searched: database, write-ahead log, keyring, logs, queue.
"""

import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.federation.scripted import ScriptedHost
from tests.served import ServedNode, new_database, until

ENCODINGS = ("utf-8", "utf-16-le", "utf-16-be")


@pytest.fixture(params=["sqlite", "postgresql"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ServedNode]:
    """A served node, with a foreign member whose server is away, so that what is sent to it waits in the queue."""
    url = new_database(request.param, request)
    with ScriptedHost("127.0.0.12") as host:
        served = ServedNode(tmp_path, host="127.0.0.13", peers=[host.authority], database_url=url)
        with served:
            served.command("group", "add", "hearth", "--title", "Hearth", "--audience", "followers",
                           "--join", "approval", "--owner", served.owner)  # fmt: skip
            admit_a_foreign_member(served, host)
            host.leave()
            yield served
            assert "Traceback" not in served.log()


def admit_a_foreign_member(node: ServedNode, host: ScriptedHost) -> None:
    """Let somebody of the scripted host into the group."""
    found = httpx.get(f"{node.base}/.well-known/webfinger", params={"resource": f"acct:hearth@{node.authority}"})
    [group] = [link["href"] for link in found.json()["links"] if link["rel"] == "self"]
    inbox = httpx.get(group, headers={"Accept": "application/activity+json"}).json()["inbox"]
    with httpx.Client() as client:
        assert host.send("ada", inbox, host.follow("ada", group), client) == 202
    handle = f"ada@{host.authority}"
    until(lambda: handle in str(node.kinfold("group", "requests", "hearth")), "the request")
    node.command("group", "admit", "hearth", f"@{handle}")
    until(lambda: any(each.activity["type"] == "Accept" for each in list(host.arrivals)), "the Accept")


def places_of(word: str, *roots: Path) -> list[str]:
    """Return the files below these directories whose bytes hold this word in any usual encoding."""
    patterns = [word.encode(encoding) for encoding in ENCODINGS]
    files = [path for root in roots for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in files if any(pattern in bytes_of(path) for pattern in patterns)]


def bytes_of(path: Path) -> bytes:
    """Return what a file holds, or nothing of one that a running database took away since it was listed."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def test_a_canary_is_found_nowhere_and_ends(node: ServedNode) -> None:
    canary, note = f"canary-{secrets.token_hex(12)}", f"warning-{secrets.token_hex(12)}"
    with node.api(node.owner) as api:
        group = api.get("/api/v1/accounts/lookup", params={"acct": "hearth"}).json()["id"]
        form = {"status": f"@hearth {canary}", "spoiler_text": note}
        post = api.post("/api/v1/statuses", data=form)
        assert post.status_code == 200, post.text
        reply = api.post("/api/v1/statuses", data={"status": canary, "in_reply_to_id": post.json()["id"]})
        assert reply.status_code == 200, reply.text
        [first, _] = [post.json(), reply.json()]
        assert canary in api.get(f"/api/v1/statuses/{first['id']}").json()["content"]
        assert node.waiting() > 0, "nothing waits in the queue"
        # The honest control: what is meant to be readable is found by the same search.
        assert places_of(f"127.0.0.13:{node.port}", *node.files()) != []
        assert places_of(canary, *node.files()) == places_of(note, *node.files()) == []

        node.end_posts()
        assert canary not in api.get(f"/api/v1/statuses/{first['id']}").text, "hidden before any sweep"
        assert len(live_posts(node)) == 2
        node.command("retention", "run")
        assert live_posts(node) == []
        for address in (f"/api/v1/statuses/{first['id']}", f"/api/v1/statuses/{first['id']}/context"):
            assert api.get(address).status_code == 404
        assert [each["id"] for each in api.get(f"/api/v1/timelines/list/{group}").json()] == []
        assert canary not in api.get("/api/v1/notifications").text
        assert canary not in api.get("/api/v2/search", params={"q": canary, "type": "statuses"}).text
    asked = httpx.get(first["uri"], headers={"Accept": "application/activity+json"})
    assert (asked.status_code in (404, 410), canary in asked.text) == (True, False)
    assert keys_of_posts(node) == []
    assert places_of(canary, *node.files()) == []


def live_posts(node: ServedNode) -> list[int]:
    """Return the slots of posts that still have words."""
    return [slot for slot, words in node.query("SELECT slot, body FROM posts") if words is not None]


def keys_of_posts(node: ServedNode) -> list[int]:
    """Return the object secrets of posts that the keyring still holds."""
    slots = {slot for slot, _ in node.query("SELECT slot, body FROM posts") if slot is not None}
    with sqlite3.connect(f"file:{node.data / 'keyring' / 'keyring.db'}?mode=ro", uri=True) as keyring:
        kept = {slot for (slot,) in keyring.execute("SELECT slot FROM object")}
    keyring.close()
    return sorted(slots & kept)
