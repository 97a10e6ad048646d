"""A node is killed in the midst of its work, again and again: what it answered for is there afterwards, and once."""

import random
import threading
from collections import Counter
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from tests.federation.scripted import Json, ScriptedHost
from tests.served import ServedNode, new_database, until

ROUNDS = 20
SENDERS = 4
BURST = 24
FOLLOWERS = 5
PAGE = 40


@dataclass
class Story:
    """What the outside knows of a node that keeps dying: what it sent, what was answered, who watches."""

    node: ServedNode
    host: ScriptedHost
    group: str
    inbox: str
    list_id: str
    token: str
    sent: dict[str, Json] = field(default_factory=dict)  # note id -> its Create
    taken: set[str] = field(default_factory=set)  # the ids of what was answered with 2xx, from both sides
    chance: random.Random = field(default_factory=lambda: random.Random(20261123))

    def burst(self, number: int) -> None:
        """Post from both sides at once, and kill the node after a number of answers that chance names."""
        enough, counted = self.chance.randint(1, BURST - 1), threading.Semaphore(0)
        with ThreadPoolExecutor(SENDERS + 1) as pool:
            waiting: list[Future[None]] = [
                pool.submit(self._deliver, f"round {number} note {which}", counted) for which in range(BURST)
            ]
            waiting.append(pool.submit(self._post, number, counted))
            for _ in range(enough):
                counted.acquire(timeout=10)
            self.node.kill()
        for future in waiting:
            future.result()
        self.node.end_leases()
        self.node.start()

    def send_again(self) -> None:
        """Send again what was never answered, as a server does."""
        with httpx.Client() as client:
            for note, activity in self.sent.items():
                if note not in self.taken:
                    status = self.host.send("ada", self.inbox, activity, client)
                    assert status == 202, status
                    self.taken.add(note)

    def shown(self) -> Counter[str]:
        """Return the ids of all posts in the group's list, by its pages."""
        seen: Counter[str] = Counter()
        bearer = {"Authorization": f"Bearer {self.token}"}
        address: str | None = f"{self.node.base}/api/v1/timelines/list/{self.list_id}?limit={PAGE}"
        with httpx.Client(headers=bearer, timeout=20) as client:
            while address is not None:
                answer = client.get(address)
                assert answer.status_code == 200, answer.text
                seen.update(status["uri"] for status in answer.json())
                address = answer.links.get("next", {}).get("url")
        return seen

    def spread(self) -> dict[str, dict[str, set[str]]]:
        """Return inbox -> what was announced to it -> the ids of the Announces that did so."""
        found: dict[str, dict[str, set[str]]] = {}
        for arrival in list(self.host.arrivals):
            if arrival.activity["type"] == "Announce":
                spread = arrival.activity["object"]
                what = spread if isinstance(spread, str) else spread["id"]
                found.setdefault(arrival.path, {}).setdefault(what, set()).add(arrival.activity["id"])
        return found

    def activity_of(self, uri: str) -> str:
        """Return the id of the Create of a post."""
        return str(self.sent[uri]["id"]) if uri in self.sent else f"{uri}/activity"

    def _deliver(self, words: str, counted: threading.Semaphore) -> None:
        activity = self.host.note("ada", self.group, words)
        note = activity["object"]["id"]
        self.sent[note] = activity
        try:
            with httpx.Client() as client:
                status = self.host.send("ada", self.inbox, activity, client)
        except httpx.TransportError:
            return
        finally:
            counted.release()
        assert status == 202, status
        self.taken.add(note)

    def _post(self, number: int, counted: threading.Semaphore) -> None:
        bearer = {"Authorization": f"Bearer {self.token}"}
        form = {"status": f"@round Local word {number}"}
        try:
            answer = httpx.post(f"{self.node.base}/api/v1/statuses", data=form, headers=bearer, timeout=20)
        except httpx.TransportError:
            return
        finally:
            counted.release()
        assert answer.status_code == 200, answer.text
        self.taken.add(answer.json()["uri"])


def begun(node: ServedNode, host: ScriptedHost) -> Story:
    """Make a public group that several people of the foreign host follow."""
    node.command("group", "add", "round", "--title", "Round", "--audience", "public", "--join", "open",
                 "--owner", node.owner)  # fmt: skip
    token = node.token(node.owner)
    found = httpx.get(f"{node.base}/.well-known/webfinger", params={"resource": f"acct:round@{node.authority}"}).json()
    [group] = [link["href"] for link in found["links"] if link["rel"] == "self"]
    inbox = httpx.get(group, headers={"Accept": "application/activity+json"}).json()["inbox"]
    account = httpx.get(
        f"{node.base}/api/v1/accounts/lookup", params={"acct": "round"}, headers={"Authorization": f"Bearer {token}"}
    ).json()
    with httpx.Client() as client:
        for name in ("ada", *(f"watcher{number}" for number in range(FOLLOWERS - 1))):
            assert host.send(name, inbox, host.follow(name, group), client) == 202

    def accepted() -> bool:
        return len([each for each in list(host.arrivals) if each.activity["type"] == "Accept"]) >= FOLLOWERS

    until(accepted, "an Accept for each follower")
    return Story(node, host, group, inbox, account["id"], token)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_nothing_answered_for_is_lost_and_nothing_is_shown_twice(
    database: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    url = new_database(database, request)
    with (
        ScriptedHost("127.0.0.6") as host,
        ServedNode(tmp_path, host="127.0.0.5", peers=[host.authority], database_url=url) as node,
    ):
        story = begun(node, host)
        for number in range(ROUNDS):
            story.burst(number)
        story.send_again()
        node.settle()

        shown = story.shown()
        assert story.taken - set(shown) == set()
        assert {uri: count for uri, count in shown.items() if count > 1} == {}

        spread = story.spread()
        assert len(spread) == FOLLOWERS
        for announced in spread.values():
            missing = [uri for uri in shown if not announced.keys() & {uri, story.activity_of(uri)}]
            assert missing == []
            assert {what: ids for what, ids in announced.items() if len(ids) > 1} == {}
        assert "Traceback" not in node.log()
