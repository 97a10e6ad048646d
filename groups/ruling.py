"""The admin's rule: rules for servers are changed, and whom that concerns is parked, called back and told.

Each deed is one transaction, whoever asks for it: the command line, a page, or a list that is subscribed to. Whoever
runs one calls `PeerPolicy.refresh` after the commit.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import select

from activitypub import changes, subscriptions
from activitypub.blocklists import Blocklist, read_blocklist
from activitypub.changes import Plan, Rules, admissible
from activitypub.domains import domain_in, is_own, why_not_held_off
from activitypub.errors import RuleRefused
from activitypub.peers import PEERS, PeerPolicy, covering, levels, rules
from activitypub.rules import CLOSED, IMPORT, LIMIT, SUBSCRIPTION, Rule
from activitypub.uris import Uris
from groups.parking import Settled, settle_places
from groups.severing import foretell
from privacy.unit_of_work import UnitOfWork

AT_ONCE = timedelta(0)
MAX_GRACE = timedelta(days=14)
CHANGES_AT_ONCE = 20
MOST_WITHOUT_A_HUMAN = 50
"""Of domains that a subscription may change at once; what is more waits for an admin (privacy reference §11.4)."""


@dataclass(frozen=True, slots=True)
class Done:
    """What became of a change."""

    change_id: int
    rules: Rules
    settled: Settled


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What came back with what was undone, and what did not."""

    rules: Rules
    settled: Settled
    lost: int
    """Places that had been parked, and are gone: their holders left, or they ended meanwhile."""


@dataclass(frozen=True, slots=True)
class ServerView:
    """A server that was seen or has a rule: how it is treated, and the rule that says so."""

    host: str
    level: str
    rule: Rule | None


def rule_by_hand(uow: UnitOfWork, uris: Uris, mode: str, name: str, rule: Rule) -> Done:
    """Set the rule for one domain, by its canonical name. Raises RuleRefused for what nobody may be ruled by."""
    check_domain(name, rule, uris)
    return carry_out(uow, uris, mode, changes.plan(uow, Plan({name: rule}, made_by=rule.made_by)))


def carry_out(uow: UnitOfWork, uris: Uris, mode: str, change_id: int, *, made_by: int | None = None) -> Done:
    """Make a change now, and settle what it means for places. Raises RuleRefused."""
    made = changes.make(uow, change_id, made_by=made_by)
    settled = settle_places(uow, uris, mode)
    changes.note_parked(uow, change_id, settled.parked + settled.held)
    return Done(change_id, made, settled)


def let_wait(uow: UnitOfWork, mode: str, change_id: int, grace: timedelta, *, made_by: int | None = None) -> None:
    """Let a change wait for its hour, and tell whom it will cut off. Raises RuleRefused."""
    if not AT_ONCE < grace <= MAX_GRACE:
        raise RuleRefused("grace", public=f"A change waits for {MAX_GRACE.days} days at most.")
    changes.schedule(uow, change_id, uow.now + grace, made_by)
    foretell(uow, mode, changes.lines_of(uow, change_id))


def carry_out_due(uow: UnitOfWork, uris: Uris, mode: str) -> int:
    """Make the changes whose hour has come; return how many."""
    waiting = changes.due(uow, CHANGES_AT_ONCE)
    for change_id in waiting:
        carry_out(uow, uris, mode, change_id)
    return len(waiting)


def take_back(uow: UnitOfWork, uris: Uris, mode: str, change_id: int) -> TakenBack:
    """Undo a change within a week. Raises RuleRefused."""
    parked = changes.change(uow, change_id).parked
    back = changes.undo(uow, change_id)
    settled = settle_places(uow, uris, mode)
    return TakenBack(back, settled, max(0, parked - settled.told - settled.asked))


def take_back_one(uow: UnitOfWork, uris: Uris, mode: str, name: str) -> TakenBack:
    """Put back what held for one domain before, or take its rule back where that is more than a week ago."""
    back = changes.put_back(uow, name)
    return TakenBack(back, settle_places(uow, uris, mode), 0)


def known_servers(uow: UnitOfWork, mode: str) -> list[ServerView]:
    """Return every server that was seen or has a rule, by name, with how it is treated and by whose rule."""
    policy, standing = PeerPolicy(mode), rules(uow)
    policy.replace(levels(uow), uow.now)
    seen = set(uow.connection.execute(select(PEERS.c.host)).scalars())
    found: list[ServerView] = []
    for host in sorted({*seen, *standing}):
        name = covering(host, standing)
        found.append(ServerView(host, policy.level(host), None if name is None else standing[name]))
    return found


def rule_of(uow: UnitOfWork, mode: str, name: str) -> tuple[str, str | None, Rule | None]:
    """Return how a domain is treated, and the domain and words of the rule that says so."""
    policy, standing = PeerPolicy(mode), rules(uow)
    policy.replace(levels(uow), uow.now)
    above = covering(name, standing)
    return policy.level(name), above, None if above is None else standing[above]


def take_in_list(uow: UnitOfWork, uris: Uris, mode: str, list_id: int, content: bytes) -> Done | None:
    """Take in what a list says now: small changes at once where the admin wants that, else as a draft to be confirmed.

    What it says no more is taken back, unless another list says it too. Raises MalformedActivity for what is no list.
    """
    subscription = subscriptions.subscription(uow, list_id)
    if not subscriptions.note_fetched(uow, list_id, content):
        return None
    found = read_list(uow, uris, content)
    touched = subscriptions.replace_entries(uow, list_id, {entry.domain: entry.rule for entry in found.entries})
    wanted = subscriptions.wanted_of(uow, touched)
    changes.forget_drafts_of(uow, list_id)
    new = admissible(wanted, rules(uow), list_id)
    if not new:
        return None
    change_id = changes.plan(uow, Plan(new, SUBSCRIPTION, subscription.url, list_id, subscription.made_by))
    at_once = subscription.applies and len(new) <= MOST_WITHOUT_A_HUMAN
    return carry_out(uow, uris, mode, change_id) if at_once else None


def unsubscribe(uow: UnitOfWork, uris: Uris, mode: str, list_id: int, *, made_by: int | None = None) -> Done:
    """End a subscription: what came with this list alone is taken back, as a change that can be undone."""
    subscription = subscriptions.subscription(uow, list_id)
    touched = subscriptions.replace_entries(uow, list_id, {})
    changes.forget_drafts_of(uow, list_id)
    plan = Plan(subscriptions.wanted_of(uow, touched), SUBSCRIPTION, subscription.url, list_id, made_by)
    done = carry_out(uow, uris, mode, changes.plan(uow, plan))
    subscriptions.forget(uow, list_id)
    return done


def read_list(uow: UnitOfWork, uris: Uris, content: bytes) -> Blocklist:
    """Read a list for this node, with its partners and the servers that it has seen. Raises MalformedActivity."""
    partners = [name for name, level in levels(uow).items() if level == "allow"]
    return read_blocklist(content, uris.domain, partners, uow.connection.execute(select(PEERS.c.host)).scalars())


def plan_of(found: Blocklist, origin: str, *, made_by: int | None = None) -> Plan:
    """Return the change that a list asks for, once (pure)."""
    lines = {entry.domain: replace(entry.rule, origin=origin) for entry in found.entries}
    return Plan(lines, kind=IMPORT, origin=origin, made_by=made_by)


def check_domain(name: str, rule: Rule, uris: Uris) -> None:
    """Raise RuleRefused where a domain cannot have such a rule."""
    if domain_in(name) != name:
        raise RuleRefused("domain", public=f'"{name}" is not a domain.')
    if is_own(name, uris.domain):
        raise RuleRefused("domain", public=f"{name} is this node itself: rules are for other servers")
    reason = why_not_held_off(name, uris.domain)
    if reason is not None and rule.level in (*CLOSED, LIMIT):
        raise RuleRefused("domain", public=f"{name} cannot be held off: {reason}")
