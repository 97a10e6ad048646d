"""Many deeds at once: none locks another up for good, each happens whole or is refused, and what is left agrees.

On PostgreSQL they stand beside each other, on SQLite one behind the other. What is chosen is drawn anew in each run;
the seed is told when something fails.
"""

import random
import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from activitypub.answers import Answer
from activitypub.outbox import Outcome, claim_deliveries, load_parcels, record_outcomes
from activitypub.outcomes import judge
from activitypub.peers import lift_level, set_level
from groups import farewell, membership, moderation, reactions
from groups.audiences import AUDIENCES
from groups.errors import GroupsError
from groups.parking import settle_places
from privacy.unit_of_work import UnitOfWork
from tests.activitypub.spreads import spread_some
from tests.groups.house import DELIVERIES, ITEMS, LEDGER, MEMBERSHIPS, POSTS, House
from tests.groups.test_federation import passed_over

AT_ONCE, DEEDS = 6, 300
HOSTS = ("one.example", "two.example", "three.example")


class Crowd:
    """A public and a private group, people here and elsewhere, and what any of them may do at any time."""

    def __init__(self, house: House, chance: random.Random) -> None:
        self.house, self.chance, self.uris = house, chance, house.uris
        audiences = {"town": "public", "inner": "followers"}
        self.groups = [house.group(name, audience=each, join_rule="open") for name, each in audiences.items()]
        self.ending = [house.person(f"ole{number}", *self.groups) for number in range(4)]
        self.people = [house.person(f"mia{number}", *self.groups) for number in range(5)] + self.ending
        self.guides = [house.person("lena"), house.stranger("max", HOSTS[0])]
        for group in self.groups:
            for guide in self.guides:
                house.join(group, guide, role="facilitator")
        self.far = [house.stranger(f"s{n}", HOSTS[n % 3], *self.groups) for n in range(9)]
        house.class_of(HOSTS[1], threadiverse=True)
        for person in self.people:
            house.post(person, "hello", group_id=chance.choice(self.groups))

    def act(self, number: int) -> str:
        """Do something; return what, and whether it was refused."""
        name = self.chance.choice(DEEDS_BY_NAME)
        try:
            getattr(self, name)(number)
        except GroupsError:
            return f"{name}: refused"
        return name

    def _post(self) -> int:
        return int(self.chance.choice(self.house.rows(POSTS)).id)

    def write(self, number: int) -> None:
        self.house.post(self.chance.choice(self.people), f"words {number}", group_id=self.chance.choice(self.groups))

    def answer(self, number: int) -> None:
        self.house.post(self.chance.choice(self.people), f"words {number}", parent_id=self._post())

    def write_from_afar(self, number: int) -> None:
        author = self.chance.choice(self.far)
        uri, group = self.house.uri(author), self.house.uri(self.chance.choice(self.groups))
        note = {"id": f"{uri}/notes/{number}", "type": "Note", "attributedTo": uri, "content": "far", "to": [group]}
        note["inReplyTo"] = self.chance.choice([self.house.row(self._post()).uri, f"{uri}/notes/{number + 3}"])
        passed_over(self.house, author, "Create", note, to=[group])

    def edit(self, number: int) -> None:
        row = self.chance.choice(self.house.rows(POSTS))
        if row.local:
            self.house.edit(row.author_id, row.id, f"words {number} anew")

    def delete(self, number: int) -> None:
        row = self.chance.choice(self.house.rows(POSTS))
        if number % 3 and row.local:
            self.house.delete(row.author_id, row.id)
        else:
            passed_over(self.house, self.guides[1], "Delete", row.uri)

    def support(self, number: int) -> None:
        deed = reactions.react if number % 2 else reactions.unreact
        self.house.do(deed, self.uris, self.chance.choice(self.people), self._post())

    def close(self, number: int) -> None:
        row = self.house.row(self._post())
        self.house.do(moderation.set_locked, row, locked=bool(number % 2))

    def come(self, number: int) -> None:
        deed = membership.request_to_join if number % 2 else membership.leave
        self.house.do(deed, self.uris, self.chance.choice(self.people), self.chance.choice(self.groups))

    def show_out(self, number: int) -> None:
        guide, group = self.guides[0], self.chance.choice(self.groups)
        self.house.do(membership.remove, self.uris, guide, group, self.chance.choice(self.far[:3]))

    def rule(self, number: int) -> None:
        def deed(uow: UnitOfWork) -> None:
            if number % 2:
                set_level(uow, HOSTS[2], "suspend")
            else:
                lift_level(uow, HOSTS[2])
            settle_places(uow, self.uris, "open")

        self.house.do(deed)

    def end(self, number: int) -> None:
        self.house.do(farewell.end_some, self.uris, self.chance.choice(self.ending), 3)

    def sweep(self, number: int) -> None:
        self.house.destroy()

    def send(self, number: int) -> None:
        self.house.do(spread_some, AUDIENCES, 3)
        claimed = self.house.do(claim_deliveries, busy=(), room=20)
        parcels = self.house.ask(load_parcels, {it.outbox_id for it in claimed})
        answer, now = Answer(202 if number % 4 else 500, None), self.house.clock()
        outcomes = []
        for it in claimed:
            parcel = parcels.get(it.outbox_id)
            verdict = judge(answer, kind=parcel.kind, attempts=it.attempts, now=now, jitter=0.5) if parcel else None
            outcomes.append(Outcome(it, verdict))
        self.house.do(record_outcomes, outcomes, 0.5)


DEEDS_BY_NAME = (
    "write", "answer", "write_from_afar", "edit", "delete", "support", "close", "come", "show_out", "rule", "end",
    "sweep", "send", "send",
)  # fmt: skip


def test_everybody_at_once(house: House) -> None:
    seed = secrets.randbits(32)
    crowd = Crowd(house, random.Random(seed))
    with ThreadPoolExecutor(AT_ONCE) as threads:
        done = Counter(threads.map(crowd.act, range(DEEDS)))
    assert len({name for name in done if not name.endswith("refused")}) > 8, (seed, done)
    for persona in crowd.ending:
        while house.do(farewell.end_some, house.uris, persona, 50):
            continue
    house.destroy()
    assert not house.count(POSTS, POSTS.c.author_id.in_(crowd.ending)), seed
    assert not house.count(MEMBERSHIPS, MEMBERSHIPS.c.actor_id.in_(crowd.ending)), seed
    posts = {row.id: row for row in house.rows(POSTS)}
    for row in posts.values():
        thread = posts.get(row.thread_id)
        assert thread is None or row.group_id == thread.group_id, seed
        assert thread is None or row.locked == thread.locked, seed
        assert row.parent_author_id not in crowd.ending, seed
    keys = {row.id: row.ordering_key for row in house.rows(ITEMS)}
    assert all(keys[row.outbox_id] == row.ordering_key for row in house.rows(DELIVERIES)), seed
    held = {row.host for row in house.rows(LEDGER)}
    assert held <= set(HOSTS), seed
