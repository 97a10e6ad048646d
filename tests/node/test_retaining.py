"""The whole sweep: everything that has reached its end is ended, nothing else is, and what was interrupted is finished.

Each case has two sides: a moment before, when everything must still be there, and the moment of the end.
"""

import secrets
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Integer, LargeBinary, String, Table, delete, func, insert, select, update

from activitypub.ends import LONGEST_IN_QUEUE
from activitypub.keystore import secret_name
from activitypub.models import ActorKey, Delivery, InboxItem, OutboxItem
from activitypub.outbox import DAYS_OF_OUTBOX
from activitypub.queueing import Outgoing, enqueue_to
from groups import composing, farewell, posting
from groups.models import Post
from groups.people import ACTORS
from groups.showing import sealed_box
from node.erasing import finish_erasures, order_destruction
from node.retaining import LONGEST_UNDRAINED, MIDNIGHT_OIL, RULES, Retention, drained_days
from node.wiring import Node
from privacy import accounts, retention
from privacy.ends import EndRule
from privacy.errors import NameTaken
from privacy.models import ShredJob
from privacy.records import Day, Moment, Record, new_id
from privacy.retention import CONFIRMED_FOR, ORPHAN_AGE, Verdict
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import DAYS_OF_INBOX, SealedBox
from tests.clock import MovableClock
from tests.factories import make_group, make_member, make_persona, make_remote_actor
from web.markers import set_markers
from web.sessions import close_everything
from web.tokens import NewToken, make_token

POSTS, JOBS, KEYS = table_of(Post), table_of(ShredJob), table_of(ActorKey)
INBOX, OUTBOX, DELIVERIES = table_of(InboxItem), table_of(OutboxItem), table_of(Delivery)
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
MIDNIGHT = datetime(2026, 11, 24, tzinfo=UTC)
KEEP = DAY


class House:
    """A node with a group and its people."""

    def __init__(self, node: Node, clock: MovableClock) -> None:
        self.node, self.clock, self.database, self.vault = node, clock, node.database, node.vault
        self.retention = Retention(node)
        self.account = self.database.write_now(accounts.register, accounts.NewAccount("robin"))
        self.robin = self.database.write_now(make_persona, node.uris, "robin", account_id=self.account)
        self.sam = self.database.write_now(make_persona, node.uris, "sam")
        self.group = self.database.write_now(
            make_group, node.uris, "grief", owner_id=self.robin, keep=KEEP, audience="public"
        )

    def slots(self) -> set[int]:
        """Every object secret that there is."""
        return set(self.vault.keyring.slots_taken_before(self.clock() + 1000 * DAY, after=0, limit=100_000))

    def publish(self, words: str = "words", by: int | None = None) -> Any:
        """Post into the group and return the row."""
        new = composing.compose(self.node.uris, composing.PostForm(words, group_id=self.group), {})
        post = self.database.write_now(posting.publish_post, self.node.uris, by or self.robin, new)
        return self.row(post.id)

    def row(self, post_id: int) -> Any:
        """Return the row of a post."""
        return self.one(select(POSTS).where(POSTS.c.id == post_id))

    def one(self, query: Any) -> Any:
        """Return the one row of a query."""
        return self.database.read_now(lambda uow: uow.connection.execute(query).one())

    def count(self, table: Table) -> int:
        """Return how many rows a table has."""
        return int(self.one(select(func.count()).select_from(table))[0])

    def everything(self) -> list[tuple[str, tuple[Any, ...]]]:
        """Return every row of every table of the content database, as it is stored."""

        def read(uow: UnitOfWork) -> list[tuple[str, tuple[Any, ...]]]:
            return [
                (table.name, tuple(row))
                for table in Record.metadata.sorted_tables
                for row in uow.connection.execute(select(*table.c))
            ]

        return self.database.read_now(read)

    def do(self, statement: Any) -> None:
        """Change the database beside all deeds."""
        self.database.write_now(lambda uow: uow.connection.execute(statement) and None)

    def opens(self, box: SealedBox) -> bool:
        """Tell whether the keys of today open something as it once was."""
        return self.vault.open_many([box]) != [None]

    def secrets_of(self, prefix: str) -> list[str]:
        """Return the days that have a queue secret."""
        return sorted(name.removeprefix(prefix) for name in self.vault.keyring.names_below(prefix))


@pytest.fixture
def house(node: Node, clock: MovableClock) -> House:
    """A node with a public group whose posts live for a day."""
    return House(node, clock)


# ── content ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_sweep_ends_what_has_ended_and_that_alone(house: House) -> None:
    old = house.publish("old")
    house.clock.move(12 * HOUR)
    young = house.publish("young")
    house.clock.move(12 * HOUR - SECOND)
    assert (await house.retention.sweep()).hidden == 0
    house.clock.move(SECOND)
    swept = await house.retention.sweep()
    assert (swept.verdict, swept.hidden, swept.destroyed, swept.log_is_empty) == (Verdict.GO, 1, 1, True)
    assert (house.row(old.id).state, house.row(old.id).body) == ("shredded", None)
    assert not house.opens(sealed_box(old))
    assert house.opens(sealed_box(young))
    again = await house.retention.sweep()
    assert (again.hidden, again.destroyed, again.secrets, again.orphans) == (0, 0, 0, 0)


async def test_a_bucket_ends_when_nothing_in_it_can_be_alive(house: House) -> None:
    post = house.publish()
    house.clock.move(2 * DAY - 13 * HOUR)  # 35 hours on, 23:00 of the next day: another post of START's day could live
    await house.retention.sweep()
    assert house.vault.keyring.buckets([post.bucket])
    house.clock.move(HOUR + timedelta(minutes=2))
    swept = await house.retention.sweep()
    assert house.vault.keyring.buckets([post.bucket]) == {}
    assert swept.secrets == 1
    profile = house.one(select(ACTORS).where(ACTORS.c.id == house.robin))
    assert house.vault.keyring.buckets([profile.bucket]), "profiles have no end of their own"


async def test_what_somebody_deletes_is_destroyed_without_waiting_for_a_sweep(house: House) -> None:
    await house.retention.due()  # the sweep with which a process begins
    post = house.publish()
    house.database.write_now(posting.delete_post, house.node.uris, house.robin, post.id)
    assert await house.retention.due() == 1
    assert not house.opens(sealed_box(post))
    assert await house.retention.due() == 0


async def test_foretelling_ends_nothing(house: House) -> None:
    post = house.publish()
    house.database.write_now(accounts.make_sign_in_link, house.account)
    house.clock.move(KEEP)
    told = await house.retention.foretell()
    assert (told["posts"], told["sign_in_links"]) == (1, 1)
    assert house.opens(sealed_box(house.row(post.id)))
    assert house.count(accounts.TOKENS) == 1
    assert await house.retention.foretell() == told
    await house.retention.sweep()
    assert not any((await house.retention.foretell()).values())


# ── the clock guard ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("jump", "verdict"), [(400 * DAY, Verdict.LONG_GAP), (-400 * DAY, Verdict.CLOCK_BACK)])
async def test_a_clock_that_jumped_destroys_nothing_until_somebody_has_looked(
    house: House, jump: timedelta, verdict: Verdict
) -> None:
    await house.retention.sweep()
    post, slots = house.publish(), house.slots()
    house.database.write_now(accounts.make_sign_in_link, house.account)
    house.database.write_now(accounts.close_account, house.account, close_everything)
    house.clock.move(jump)
    swept = await house.retention.sweep()
    assert (swept.verdict, swept.rows, swept.secrets, swept.orphans) == (verdict, {}, 0, 0)
    assert house.opens(sealed_box(house.row(post.id)))
    assert slots <= house.slots()
    assert house.database.read_now(retention.stopped_by) == verdict.value
    house.database.write_now(retention.confirm)
    assert (await house.retention.sweep()).verdict is Verdict.GO
    assert not house.opens(sealed_box(post))
    assert house.database.read_now(retention.stopped_by) is None
    house.clock.move(CONFIRMED_FOR)
    assert (await house.retention.sweep()).verdict is Verdict.GO, "the clock it goes by is now the confirmed one"


# ── the secrets of days ──────────────────────────────────────────────────────────────────────────────────────────────


def receive(uow: UnitOfWork, day: date | None = None) -> int:
    """Take an activity in, sealed under its day, as the inbox does."""
    item_id, at = new_id(), uow.now
    body = uow.vault.day_seal(day or at.date(), b"activity", b"inbox_items/%d" % item_id)
    row = {"id": item_id, "id_hash": secrets.token_bytes(32), "body": body, "signer_id": 1, "received_at": at}
    uow.connection.execute(insert(INBOX), row | {"due_at": at, "attempts": 0})
    return item_id


def send(uow: UnitOfWork, actor_id: int) -> int:
    """Queue an activity without words, sealed under its day."""
    outgoing = Outgoing(
        actor_id=actor_id, kind="Accept", document={"type": "Accept"}, object_id=None, group_id=0, secrets=None,
        ordering_key=1, expires_at=None,
    )  # fmt: skip
    return enqueue_to(uow, outgoing, [("far.example", "https://far.example/inbox")])


async def test_a_day_s_secret_goes_when_that_day_is_drained_and_over_for_an_hour(house: House) -> None:
    item = house.database.write_now(receive)
    house.do(update(INBOX).where(INBOX.c.id == item).values(body=None, due_at=None))
    for moment, left in (
        (MIDNIGHT - SECOND, ["2026-11-23"]),
        (MIDNIGHT, ["2026-11-23"]),
        (MIDNIGHT + MIDNIGHT_OIL - SECOND, ["2026-11-23"]),
        (MIDNIGHT + MIDNIGHT_OIL, []),
    ):
        house.clock.now = moment
        await house.retention.sweep()
        assert house.secrets_of(DAYS_OF_INBOX) == left, moment


async def test_a_day_s_secret_stays_while_something_waits_and_goes_after_a_week_all_the_same(house: House) -> None:
    """Product decision 25: an activity that nobody could work through in a week is not readable any more."""
    house.database.write_now(receive)
    for day in range(1, 8):
        house.clock.now = MIDNIGHT + day * DAY - SECOND
        await house.retention.sweep()
        assert house.secrets_of(DAYS_OF_INBOX) == ["2026-11-23"], day
    house.clock.now = MIDNIGHT + LONGEST_UNDRAINED
    await house.retention.sweep()
    assert house.secrets_of(DAYS_OF_INBOX) == []


async def test_a_day_s_outgoing_secret_stays_until_everything_of_that_day_is_through(house: House) -> None:
    house.database.write_now(send, house.group)
    assert house.secrets_of(DAYS_OF_OUTBOX) == ["2026-11-23"]
    house.clock.now = MIDNIGHT + DAY
    await house.retention.sweep()
    assert house.secrets_of(DAYS_OF_OUTBOX) == ["2026-11-23"]
    house.do(delete(DELIVERIES))
    house.do(delete(OUTBOX))
    await house.retention.sweep()
    assert house.secrets_of(DAYS_OF_OUTBOX) == []


def test_one_day_s_queue_says_nothing_of_another_s(house: House) -> None:
    house.database.write_now(receive)
    house.clock.move(DAY)
    house.database.write_now(send, house.group)
    names = [f"{prefix}2026-11-{day}" for prefix in (DAYS_OF_INBOX, DAYS_OF_OUTBOX) for day in (22, 23, 24, 25)]
    waiting = {f"{DAYS_OF_INBOX}2026-11-23", f"{DAYS_OF_OUTBOX}2026-11-24"}
    assert house.database.read_now(drained_days, names) == [name for name in names if name not in waiting]


# ── object secrets without a row ─────────────────────────────────────────────────────────────────────────────────────


async def test_slots_that_no_row_names_go_after_a_day_and_not_before(house: House) -> None:
    def seal_and_fail(uow: UnitOfWork) -> None:
        new = composing.compose(house.node.uris, composing.PostForm("never", group_id=house.group), {})
        posting.publish_post(uow, house.node.uris, house.robin, new)
        raise LookupError

    with pytest.raises(LookupError):
        house.database.write_now(seal_and_fail)
    profile = house.one(select(ACTORS).where(ACTORS.c.id == house.robin))
    house.clock.move(ORPHAN_AGE)
    assert (await house.retention.sweep()).orphans == 0
    house.clock.move(SECOND)
    before = house.slots()
    swept = await house.retention.sweep()
    in_use = 3  # robin's profile, sam's and the group's
    assert swept.orphans > 200, "the burned one and the old pool"
    assert house.vault.keyring.slots([profile.slot])
    left = house.vault.keyring.slots_taken_before(house.clock() - ORPHAN_AGE, after=0, limit=10_000)
    assert len(left) == in_use
    assert len(house.slots()) == len(before) - swept.orphans
    kept = house.publish("after the sweep")
    house.clock.move(2 * HOUR)
    assert (await house.retention.sweep()).orphans == 0
    assert house.opens(sealed_box(kept))


# ── rows that end by themselves ──────────────────────────────────────────────────────────────────────────────────────


def put(house: House, rule: EndRule, moment: datetime) -> None:
    """Insert a row into a rule's table whose end is counted from a moment; what else it needs is made up."""
    table = Record.metadata.tables[rule.name]
    row = {column.name: made_up(house, column) for column in table.columns if column is not rule.column}
    known = {name: value for name, value in row.items() if value is not None}
    house.do(insert(table).values(known | {rule.column.name: moment}))


def made_up(house: House, column: Column[Any]) -> object:
    """Return some value for a column, or None where none is needed."""
    referred = {key.column.table.name for key in column.foreign_keys}
    if referred:
        somebody = secrets.token_hex(4)
        made = {"groups": lambda: house.group, "actors": lambda: house.database.write_now(make_remote_actor, somebody)}
        return made[referred.pop()]()
    if column.nullable or (column.autoincrement is True and column.primary_key):
        return None
    if isinstance(column.type, Boolean):
        return False
    if isinstance(column.type, Moment | Day):
        return house.clock()
    if isinstance(column.type, LargeBinary):
        return secrets.token_bytes(16)
    if isinstance(column.type, String):
        return secrets.token_hex(8)
    assert isinstance(column.type, Integer) or "INT" in str(column.type).upper(), column
    return secrets.randbelow(2**31)


async def test_every_row_that_ends_by_itself_goes_at_its_end_and_not_before(house: House) -> None:
    """Links, visits, codes, news, places that were left, invitations, queues: one of each, and one that ends later."""
    rules = {rule.name: rule for rule in RULES}
    # At a midnight, for some ends are kept to the day only.
    ends = MIDNIGHT + max(rule.after for rule in rules.values()) + 2 * DAY
    for rule in rules.values():
        for moment in (ends, ends + DAY):
            put(house, rule, moment - rule.after)
    house.clock.now = ends - SECOND
    assert (await house.retention.sweep()).verdict is Verdict.GO
    before = counted(house, rules)
    house.clock.move(SECOND)
    swept = await house.retention.sweep()
    one_of_each = dict.fromkeys(rules, 1)
    after = counted(house, rules)
    assert {name: before[name] - after[name] for name in rules} == one_of_each
    assert {name: count for name, count in swept.rows.items() if count} == one_of_each


def counted(house: House, rules: Mapping[str, EndRule]) -> dict[str, int]:
    """Return how many rows the tables of some rules have."""
    return {name: house.count(Record.metadata.tables[name]) for name in rules}


async def test_what_could_not_be_sent_in_a_month_is_given_up(house: House) -> None:
    house.database.write_now(send, house.group)
    house.clock.move(LONGEST_IN_QUEUE - SECOND)
    await house.retention.sweep()
    assert (house.count(OUTBOX), house.count(DELIVERIES)) == (1, 1)
    house.clock.move(SECOND)
    await house.retention.sweep()
    assert (house.count(OUTBOX), house.count(DELIVERIES)) == (0, 0)


# ── keys of those who are gone ───────────────────────────────────────────────────────────────────────────────────────


async def test_the_signing_key_of_somebody_who_is_gone_lives_until_the_last_word_is_out(house: House) -> None:
    """Product decision 18: without it the Deletes that are still on their way could not be signed."""
    house.database.write_now(send, house.robin)
    end_robin(house)
    await house.retention.sweep()
    assert house.vault.keyring.named(secret_name(house.robin)) is not None
    assert house.count(KEYS) == 3
    house.do(delete(DELIVERIES))
    house.do(delete(OUTBOX))
    await house.retention.sweep()
    assert house.vault.keyring.named(secret_name(house.robin)) is None
    kept = house.database.read_now(lambda uow: set(uow.connection.execute(select(KEYS.c.actor_id)).scalars()))
    assert kept == {house.sam, house.group}
    assert house.vault.keyring.named(secret_name(house.sam)) is not None


# ── erasing an account ───────────────────────────────────────────────────────────────────────────────────────────────


def end_robin(house: House) -> None:
    """End the persona, a row at a time."""
    while house.database.write_now(farewell.end_some, house.node.uris, house.robin, 1):
        continue


def crash_after(house: House, step: int) -> None:
    """Erase robin's account as far as a step, as a process does that dies there."""
    database, uris = house.database, house.node.uris
    database.write_now(accounts.close_account, house.account, close_everything)
    if step >= 1:
        database.write_now(farewell.end_some, uris, house.robin, 1)
    if step >= 2:
        end_robin(house)
    if step >= 3:
        database.write_now(order_destruction, house.account)
    if step >= 4:
        shreds = database.write_now(retention.claim_shreds)
        assert shreds is not None
        retention.destroy_keys(house.vault, shreds, house.clock())


@pytest.mark.parametrize("step", range(5), ids=["closed", "a post", "persona", "ordered", "destroyed"])
async def test_an_erasure_that_was_interrupted_is_finished_by_the_next_sweep(house: House, step: int) -> None:
    """R-109: whoever leaves is gone, whatever happened to the process that was erasing them."""
    mine = [house.publish("mine"), house.publish("mine too")]
    house.database.write_now(accounts.register, accounts.NewAccount("kim"))
    account = house.one(select(accounts.ACCOUNTS).where(accounts.ACCOUNTS.c.id == house.account))
    crash_after(house, step)
    house.clock.move(HOUR)  # longer than any lease
    await house.retention.sweep()
    assert [house.opens(sealed_box(post)) for post in mine] == [False, False]
    assert house.count(POSTS) == 0
    assert house.vault.keyring.named(accounts.secret_name(account.id)) is None
    assert house.vault.keyring.subjects([house.robin, house.sam]).keys() == {house.sam}
    profile = house.one(select(ACTORS).where(ACTORS.c.id == house.robin))
    assert (profile.state, profile.body) == ("gone", None)
    names = [view.name for view in house.database.read_now(accounts.list_accounts)]
    assert names == ["kim", "sam"]
    assert house.count(accounts.ACCOUNTS) == 2
    assert house.count(JOBS) == 0
    assert await finish_erasures(house.node) == 0


async def test_erasing_one_leaves_what_others_wrote(house: House) -> None:
    house.database.write_now(make_member, house.group, house.sam)
    theirs, mine = house.publish("theirs", house.sam), house.publish("mine")
    house.database.write_now(accounts.close_account, house.account, close_everything)
    await house.retention.erase_closed()
    assert not house.opens(sealed_box(mine))
    assert house.opens(sealed_box(theirs))
    assert house.row(theirs.id).state == "live"
    assert house.count(POSTS) == 1


async def test_nothing_tells_afterwards_who_was_here_and_in_which_groups(house: House) -> None:
    """A thief of the database finds the name nowhere, and the persona in rows that lead to no group and to no other.

    What still has to be sent to other servers names them until it is sent; then that is gone, too.
    """
    database, uris = house.database, house.node.uris
    database.write_now(make_member, house.group, house.sam)
    far = database.write_now(make_remote_actor, "quilt", "far.example", kind="Group")
    for actor in (house.robin, house.sam):
        database.write_now(make_member, far, actor)
    first = house.publish("by robin")
    answer = composing.compose(uris, composing.PostForm("for robin", parent_id=first.id), {})
    database.write_now(posting.publish_post, uris, house.sam, answer)
    over_there = composing.compose(uris, composing.PostForm("elsewhere", group_id=far), {})
    database.write_now(posting.publish_post, uris, house.robin, over_there)
    database.write_now(set_markers, house.robin, {"home": first.id})
    database.write_now(make_token, NewToken(house.group, ["read"], house.robin))
    assert {"memberships", "posts", "markers", "access_tokens", "actors"} <= standing(house, house.robin)
    assert "actors" in naming(house, "robin")

    database.write_now(accounts.close_account, house.account, close_everything)
    await house.retention.erase_closed()
    threads = set(database.read_now(lambda uow: uow.connection.execute(select(POSTS.c.thread_id)).scalars().all()))
    waiting = database.read_now(lambda uow: uow.connection.execute(select(DELIVERIES.c.ordering_key)).scalars().all())
    assert waiting
    assert not threads & set(waiting)
    assert standing(house, house.robin) == {"actors", "actor_keys", "personas", "outbox_items"}
    assert set(database.read_now(lambda uow: uow.connection.execute(select(OUTBOX.c.group_id)).scalars())) == {0}
    house.do(delete(DELIVERIES))
    house.do(delete(OUTBOX))
    await house.retention.sweep()
    assert standing(house, house.robin) == {"actors", "personas"}
    assert standing(house, house.account) == set()
    assert naming(house, "robin") == set()
    assert "memberships" in standing(house, house.sam)
    assert "actors" in naming(house, "sam")
    database.write_now(accounts.register, accounts.NewAccount("robin"))
    with pytest.raises(NameTaken):
        database.write_now(make_persona, uris, "Robin")


def standing(house: House, number: int) -> set[str]:
    """Return the tables in which a number stands in some row."""
    return {name for name, values in house.everything() if number in values}


def naming(house: House, word: str) -> set[str]:
    """Return the tables in which a word stands in some row, as text or in bytes."""
    return {name for name, values in house.everything() if any(word in str(value).lower() for value in values)}
