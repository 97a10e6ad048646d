"""Rows 4 and 5: what a signed delivery costs, and how soon one post is everywhere."""

import statistics
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx

from tests.bench import letters, rivals
from tests.bench.figures import Figure, Rival, against, at_most, say
from tests.bench.plan import Plan
from tests.bench.processes import MeasuredNode, Neighbours, cpu_seconds, quiet, run_load
from tests.served import until

GROUP = "support"
NODE = "127.0.3.2"
HOSTS_IN_A_NET = 250
COOLING_SECONDS = 17
"""Longer than idle connections are kept, so that the next post opens its own."""
SPREAD_SECONDS = 120
POST_CHARACTERS = 900
MICRO = 1_000_000


@dataclass(frozen=True, slots=True)
class Spread:
    """How one post spread."""

    author_waited: float
    everywhere_after: float
    cpu: float
    count: int


@dataclass
class Scene:
    """A node with everything in one process, and the servers of its members."""

    plan: Plan
    neighbours: Neighbours
    node: MeasuredNode
    people: list[letters.Person]
    api: httpx.Client

    def publish(self, count: int) -> Spread:
        """Post once, and wait until it has been sent so many times."""
        before, process = self.neighbours.posts(), self.node.process
        spent, begun = cpu_seconds(process), time.monotonic()
        text = f"@{GROUP} {letters.WORDS * 20}"[:POST_CHARACTERS]
        answer = self.api.post("/api/v1/statuses", data={"status": text})
        answered = time.monotonic()
        if answer.status_code != httpx.codes.OK:
            raise RuntimeError(f"the post was refused: {answer.text}")
        until(lambda: self.neighbours.posts() >= before + count, "the post everywhere", within=SPREAD_SECONDS)
        until(lambda: self.node.unsent() == 0, "the queue to be empty")
        told = self.neighbours.ask()
        if told["posts"] != before + count:
            raise RuntimeError(f"{told['posts'] - before} deliveries of {count}")
        return Spread(answered - begun, told["last_at"] - begun, cpu_seconds(process) - spent, count)

    def change(self, audience: str) -> None:
        """Have the group's posts go to each member (`followers`), or once to each server (`public`)."""
        self.node.command("group", "set", GROUP, "--audience", audience)


@contextmanager
def scene(plan: Plan) -> Iterator[Scene]:
    """Set the stage: everybody on all those servers is in the group."""
    home = plan.home / "delivering"
    hosts = [f"127.0.{1 + at // HOSTS_IN_A_NET}.{1 + at % HOSTS_IN_A_NET}" for at in range(plan.hosts)]
    with ExitStack() as stack:
        neighbours = stack.enter_context(Neighbours(home / "neighbours", hosts, tls=True))
        trust = {"KINFOLD_CA_FILE": str(neighbours.ca_file)}
        node = stack.enter_context(MeasuredNode(home / "node", host=NODE, peers=neighbours.peers, settings=trust))
        group = node.group(GROUP)
        people = letters.people(neighbours.bases, plan.inboxes)
        say(f"{plan.inboxes} people on {plan.hosts} servers join the group")
        file = home / "follows.bin"
        letters.write(file, (each.signed(each.follow(group), node.authority) for each in people))
        run_load(file, node.authority, start=0, count=len(people), connections=16)
        until(lambda: neighbours.posts() == len(people), "everybody to be let in", within=SPREAD_SECONDS)
        quiet(node.process)
        api = stack.enter_context(node.api(node.owner))
        yield Scene(plan, neighbours, node, people, api)


def figures(plan: Plan) -> Iterator[Figure]:
    """Yield every figure of these rows."""
    with scene(plan) as on:
        say("a first post, which nobody measures")
        on.publish(plan.hosts)
        # In this order: an audience is narrowed at any time, and not widened over what was written for fewer.
        cold_shared, warm_shared = _posted_twice(on, plan.hosts, "the shared inbox of each server")
        on.change("followers")
        cold, warm = _posted_twice(on, plan.inboxes, "each member's own inbox")
        yield from _costs(on, warm)
    to = f"1 post to {plan.inboxes} inboxes on {plan.hosts} servers"
    yield at_most("5", f"{to}, cold", "s", cold.everywhere_after, 5)
    yield at_most("5", f"{to}, connections open", "s", warm.everywhere_after, 5)
    yield at_most("5", f"{to}, by shared inbox, cold", "s", cold_shared.everywhere_after, 1.5)
    yield at_most("5", f"{to}, by shared inbox, connections open", "s", warm_shared.everywhere_after, 1.5)
    waited = [each.author_waited for each in (cold, warm, cold_shared, warm_shared)]
    yield at_most("5", "author waits, worst of four", "ms", 1_000 * max(waited), 20)
    yield at_most("5", "author waits, middle of four", "ms", 1_000 * statistics.median(waited), 20)


def _posted_twice(on: Scene, count: int, where: str) -> tuple[Spread, Spread]:
    say(f"connections cool down, then a post goes to {where}")
    time.sleep(COOLING_SECONDS)
    cold = on.publish(count)
    return cold, on.publish(count)


def _costs(on: Scene, warm: Spread) -> Iterator[Figure]:
    inboxes = [f"{person.uri}/inbox" for person in on.people]
    ours = MICRO * warm.cpu / warm.count
    say("the strawman and Fedify send the same")
    _, taken = rivals.strawman_sends(on.plan.home, inboxes, on.neighbours.ca_file, 2, 2 * POST_CHARACTERS)
    strawman = Rival("strawman", MICRO * taken["cpu_seconds"] / taken["sent"])
    yield against("4", "delivery, signed, over TLS", "us CPU", ours, strawman, 0.65)
    some = inboxes[: on.plan.fedify_recipients]
    rounds = rivals.fedify_sends(on.plan.home, some, on.neighbours.ca_file, 3, POST_CHARACTERS)
    if rounds is not None:
        best = min(each["cpu_seconds"] / each["sent"] for each in rounds)
        yield against("4", "delivery, signed, over TLS", "us CPU", ours, Rival("fedify", MICRO * best), 3)
