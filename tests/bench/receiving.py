"""Rows 1, 2, 2b and 3: what it costs to take activities in, to work through them, and to meet somebody new."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from tests.bench import letters, rivals
from tests.bench.figures import Figure, Rival, against, at_most, say
from tests.bench.plan import Plan
from tests.bench.processes import Jobs, MeasuredNode, Neighbours, cpu_seconds, quiet, run_load
from tests.served import until

GROUP = "support"
NEIGHBOUR, NODE = "127.0.1.1", "127.0.3.1"
GREETINGS = 10
"""First contacts that nobody counts."""
DRAIN_SECONDS = 240
LOOK_SECONDS = 0.25
MICRO = 1_000_000
LATENCY_CONNECTIONS = 64


@dataclass
class Scene:
    """A node with background loops apart, one other server, and people of it who are to write into a group."""

    plan: Plan
    home: Path
    kind: str
    neighbours: Neighbours
    node: MeasuredNode
    people: list[letters.Person]
    group: str
    contestants: list[rivals.Inbox]
    written: int = 0
    costs: dict[str, float] = field(default_factory=dict)
    """CPU seconds for each activity, by who took it in."""

    def letters(self, count: int) -> Path:
        """Sign so many posts by everybody in turn, none of which was seen before."""
        file = self.home / f"letters-{self.written}.bin"
        name, authority = f"{GROUP}@{self.node.authority}", self.node.authority
        numbers = range(self.written, self.written + count)
        authors = [self.people[number % len(self.people)] for number in numbers]
        pairs = zip(numbers, authors, strict=True)
        made = (author.signed(author.create(number, self.group, name), authority) for number, author in pairs)
        self.written += letters.write(file, made)
        return file

    def everyone(self) -> Iterator[tuple[str, str, psutil.Process, int]]:
        """Name each contestant with its address, its process, and what it is sent in a round."""
        yield "kinfold", self.node.authority, self.node.process, self.plan.letters
        for rival in self.contestants:
            count = self.plan.fedify_letters if rival.name == "fedify" else self.plan.letters
            yield rival.name, rival.address, rival.process, count


@contextmanager
def scene(plan: Plan, kind: str, new_database: Callable[[], str] | None) -> Iterator[Scene]:
    """Set the stage on one kind of database; Fedify takes part once, on SQLite's, for it has no database here."""
    home = plan.home / f"receiving-{kind}"
    with ExitStack() as stack:
        neighbours = stack.enter_context(Neighbours(home / "neighbours", [NEIGHBOUR], tls=False))
        url = None if new_database is None else new_database()
        node = stack.enter_context(
            MeasuredNode(
                home / "node", host=NODE, peers=neighbours.peers, database_url=url, serve_options=["--no-jobs"]
            )
        )
        group = node.group(GROUP)
        people = letters.people(neighbours.bases, plan.authors + GREETINGS)
        inboxes = [f"{neighbours.bases[0]}/inbox"]
        accepting = rivals.strawman_inbox(
            home, people, group, inboxes, processed=False, database="" if new_database is None else new_database()
        )
        contestants = [accepting]
        if new_database is None:
            contestants.append(rivals.strawman_inbox(home, people, group, inboxes, processed=True))
            found = rivals.fedify_place()
            contestants += [] if found is None else [rivals.fedify_inbox(*found)]
        for each in contestants:
            stack.enter_context(each)
        yield Scene(plan, home, kind, neighbours, node, people, group, contestants)


def first_contact(on: Scene) -> Iterator[Figure]:
    """Measure Follows by people who were never heard of: fetched, stored, let in and answered (row 2b)."""
    say(f"{on.kind}: {on.plan.authors} people are met for the first time")
    file = on.home / "follows.bin"
    letters.write(file, (each.signed(each.follow(on.group), on.node.authority) for each in on.people))
    with Jobs(on.node) as jobs:
        quiet(jobs.process)
        ours = _met(on, file, on.node.authority, on.node.process, jobs.process)
    rival = next((each for each in on.contestants if each.name == "fedify"), None)
    theirs = None if rival is None else Rival("fedify", 1_000 * _met(on, file, rival.address, rival.process))
    yield at_most("2b", f"first contact, {on.kind}", "ms CPU", 1_000 * ours, 6, theirs)


def _met(on: Scene, file: Path, address: str, *processes: psutil.Process) -> float:
    before, count = on.neighbours.posts(), on.plan.authors
    run_load(file, address, start=0, count=GREETINGS, connections=2)
    until(lambda: on.neighbours.posts() == before + GREETINGS, "the first answers")
    spent = cpu_seconds(*processes)
    run_load(file, address, start=GREETINGS, count=count, connections=8)
    until(lambda: on.neighbours.posts() == before + GREETINGS + count, "every answer", within=120)
    return (cpu_seconds(*processes) - spent) / count


def accepted(on: Scene, fedify: Rival | None) -> Iterator[Figure]:
    """Measure posts taken in (row 1), all contestants in turn and with the same requests."""
    plan = on.plan
    file = on.letters(plan.letters_in_all)
    for _, address, _, _ in on.everyone():
        run_load(file, address, start=0, count=plan.warming)
    # Between its turns a contestant does nothing; one difference over all of them loses less to the kernel's ticks.
    before = {name: cpu_seconds(process) for name, _, process, _ in on.everyone()}
    for number in range(plan.rounds):
        say(f"{on.kind}: posts are taken in, round {number + 1} of {plan.rounds}")
        for _, address, _, count in on.everyone():
            run_load(file, address, start=plan.warming + number * count, count=count)
    on.costs = {
        name: (cpu_seconds(process) - before[name]) / (plan.rounds * count) for name, _, process, count in on.everyone()
    }
    ours = MICRO * on.costs["kinfold"]
    strawman = Rival("strawman", MICRO * on.costs["strawman"])
    if "fedify" in on.costs:
        fedify = Rival("fedify", MICRO * on.costs["fedify"])
    yield against("1", f"inbox accepted, {on.kind}", "us CPU", ours, strawman, 0.40)
    if fedify is not None:
        yield against("1", f"inbox accepted, {on.kind}", "us CPU", ours, fedify, 6)


def processed(on: Scene, ceiling: Rival | None, fedify: Rival | None) -> Iterator[Figure]:
    """Measure the same posts worked through to the end, their neighbour being away (row 2); taking them in counts."""
    waiting = on.node.unprocessed()
    say(f"{on.kind}: {waiting} posts are worked through")
    with Jobs(on.node) as jobs:
        working = _drained(on, jobs.process, waiting)
    posts = on.node.query("SELECT count(*) FROM posts")[0][0]
    if posts != on.written or on.node.unsent() < posts:
        raise RuntimeError(f"{posts} of {on.written} posts were stored, {on.node.unsent()} announcements queued")
    ours = MICRO * (on.costs["kinfold"] + working)
    say(f"{on.kind}: {MICRO * on.costs['kinfold']:.0f} us to take in, {MICRO * working:.0f} us to work through")
    yield at_most("2", f"inbox processed, {on.kind}", "us CPU", ours, 600)
    if ceiling is not None:
        yield against("2", f"inbox processed, {on.kind}", "us CPU", ours, ceiling, 0.40)
    if fedify is not None:
        yield against("2", f"inbox processed, {on.kind}", "us CPU", ours, fedify, 4)


def _drained(on: Scene, process: psutil.Process, waiting: int) -> float:
    """Return CPU seconds for each activity, between two looks at a queue that is being emptied: no start-up in it."""
    seen: list[tuple[int, float]] = []

    def is_empty() -> bool:
        left = on.node.unprocessed()
        if left < 0.95 * waiting:
            seen.append((left, cpu_seconds(process)))
        return left == 0

    until(is_empty, "the queue to be empty", within=DRAIN_SECONDS, pause=LOOK_SECONDS)
    (first, before), (last, after) = seen[0], seen[-1]
    if first == last:
        raise RuntimeError("the queue was empty before it could be looked at twice: send more")
    return (after - before) / (first - last)


def latency(on: Scene) -> Iterator[Figure]:
    """Measure how long posts wait for their answer at a steady rate (row 3)."""
    plan = on.plan
    file = on.letters(plan.latency_letters)
    say(f"{on.kind}: {plan.latency_rate} posts a second for {plan.latency_seconds} s")
    told = {
        name: run_load(file, address, start=0, count=plan.latency_letters, rate=plan.latency_rate,
                       connections=LATENCY_CONNECTIONS)
        for name, address, _, _ in on.everyone() if name in ("kinfold", "strawman")
    }  # fmt: skip
    ours, theirs = told["kinfold"], told["strawman"]
    offered = f"at {plan.latency_rate}/s, {ours['count'] / ours['seconds']:.0f}/s answered, {on.kind}"
    for which, most in (("p99", 15.0), ("p50", 15.0)):
        rival = Rival("strawman", theirs[f"{which}_ms"])
        yield at_most("3", f"inbox latency {which} {offered}", "ms", ours[f"{which}_ms"], most, rival)


def figures(plan: Plan, new_database: Callable[[], str] | None) -> Iterator[Figure]:
    """Yield every figure of these rows, on SQLite and, given a way to make databases, on PostgreSQL."""
    with scene(plan, "SQLite", None) as on:
        yield from first_contact(on)
        yield from accepted(on, None)
        ceiling = Rival("strawman-processed", MICRO * on.costs["strawman-processed"])
        fedify = Rival("fedify", MICRO * on.costs["fedify"]) if "fedify" in on.costs else None
        on.neighbours.leave()
        yield from processed(on, ceiling, fedify)
        time.sleep(1)
        yield from latency(on)
    if new_database is None:
        return
    with scene(plan, "PostgreSQL", new_database) as on:
        yield from first_contact(on)
        yield from accepted(on, fedify)
        on.neighbours.leave()
        yield from processed(on, ceiling, fedify)
