"""The tables of the protocol: who is out there, what came in, what goes out."""

from datetime import datetime

from sqlalchemy import ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from privacy.records import Day, Due, Holds, OnErasure, Record

DUE = text("due_at IS NOT NULL")
SPREADS = text("audience IS NOT NULL")


class Actor(Record):
    """Anything with a URI that acts: a persona, a group, someone remote, this node itself."""

    __tablename__ = "actors"
    holds = Holds("the public name, address and keys of a person or group", OnErasure.SHRED)
    __table_args__ = (Index("ix_actors_handle_host", "handle", "host"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    uri: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    """`Person`, `Group`, `Application`, `Service` or `Organization`."""
    local: Mapped[bool] = mapped_column(default=False)
    local_handle: Mapped[str | None] = mapped_column(unique=True)
    """The handle of a local actor, never given twice; null for a remote one, and for one that is gone."""
    handle: Mapped[str]
    """`preferredUsername`, lower case."""
    host: Mapped[str] = mapped_column(index=True)
    """The canonical host of the URI, with its port where that is not the default one."""
    inbox: Mapped[str] = mapped_column(index=True)
    shared_inbox: Mapped[str | None]
    followers: Mapped[str | None]
    outbox: Mapped[str | None]
    url: Mapped[str | None]
    locked: Mapped[bool] = mapped_column(default=False)
    """`manuallyApprovesFollowers`."""
    open_to_all: Mapped[bool] = mapped_column(default=False)
    """Whether a group elsewhere says that everybody may read it, also where it asks for approval."""
    key_id: Mapped[str | None] = mapped_column(index=True)
    rsa_public_pem: Mapped[str | None]
    ed25519_key_id: Mapped[str | None] = mapped_column(index=True)
    ed25519_public_multibase: Mapped[str | None]
    state: Mapped[str] = mapped_column(default="active")
    """`active`, `suspended` or `gone`."""
    created_on: Mapped[datetime]
    """A local actor's month of making, a remote one's day of first sight."""
    fetched_at: Mapped[datetime | None]
    """When a remote actor's document was read last: an older answer, still remembered, brings no old key back."""
    refused_until: Mapped[datetime | None]
    """A remote actor is not fetched again before this (federation reference §3.5)."""
    bucket: Mapped[str]
    slot: Mapped[int] = mapped_column(index=True)
    revision: Mapped[int] = mapped_column(default=0)
    body: Mapped[bytes | None]
    """Sealed JSON: `name`, `summary` (sanitised HTML), `source` of it, `icon`; the subject is the actor itself."""


class ActorKey(Record):
    """The private keys of a local actor, sealed under a secret that outlives what the actor wrote."""

    __tablename__ = "actor_keys"
    holds = Holds("the private signing keys of a local actor, sealed", OnErasure.SHRED)

    actor_id: Mapped[int] = mapped_column(ForeignKey("actors.id", ondelete="CASCADE"), primary_key=True)
    rsa_sealed: Mapped[bytes]
    ed25519_sealed: Mapped[bytes]


class FormerKey(Record):
    """The private key that a local actor had before, for as long as it still signs the news of the next one."""

    __tablename__ = "former_keys"
    holds = Holds("the private signing key that a local actor had before, sealed", OnErasure.SHRED)

    actor_id: Mapped[int] = mapped_column(ForeignKey("actors.id", ondelete="CASCADE"), primary_key=True)
    key_id: Mapped[str]
    rsa_sealed: Mapped[bytes]
    ends_at: Mapped[datetime] = mapped_column(Day, index=True)


class Peer(Record):
    """Another server that was seen: what it is and how it takes what we send."""

    __tablename__ = "peers"
    holds = Holds("what is known of another server", OnErasure.KEEP)

    host: Mapped[str] = mapped_column(primary_key=True)
    delivery_class: Mapped[str] = mapped_column(default="microblog")
    """`microblog`, `threadiverse` or `both` (federation reference §5.4)."""
    software: Mapped[str | None]
    """What it says that it runs, in lower case; null when it does not say."""
    described_at: Mapped[datetime | None] = mapped_column(index=True)
    """When it was asked what it runs; null for one that was not asked yet."""
    level: Mapped[str | None]
    """What the rules say of it, its own or that of a domain above it; null where none does. Written by `peers` only."""
    first_seen_on: Mapped[datetime]
    failures: Mapped[int] = mapped_column(default=0)
    """Failed deliveries in a row."""
    closed_until: Mapped[datetime | None]
    """While the breaker is open only one probe is sent, at this moment."""
    last_success_on: Mapped[datetime | None]
    dialect: Mapped[str | None]
    """How it wants requests signed (`signatures.messages.Dialect`), as was found out; null for whom is not known."""
    dialect_on: Mapped[datetime | None] = mapped_column(Day)
    """When that was found out."""


class PeerRule(Record):
    """What the admin rules of a domain and all below it, whether a server there was ever seen or not."""

    __tablename__ = "peer_rules"
    holds = Holds("which servers the admin lets in or holds off", OnErasure.KEEP)

    host: Mapped[str] = mapped_column(primary_key=True)
    """The canonical name, with a port where the rule is for that alone."""
    level: Mapped[str]
    """`allow` (trusted), `normal`, `limit`, `quarantine` or `suspend`."""
    reject_media: Mapped[bool]
    reject_reports: Mapped[bool]
    obfuscate: Mapped[bool]
    public_comment: Mapped[str]
    private_comment: Mapped[str]
    """For the admins alone; lists that are passed on never carry it."""
    source: Mapped[str]
    """`manual`, `import` for what came with a list, or `subscription` for what comes with one again and again."""
    origin: Mapped[str | None]
    """What that list is called: a file's name, or an address."""
    list_id: Mapped[int | None] = mapped_column(index=True)
    made_by: Mapped[int | None]
    """The account of the admin who made or confirmed it; null for the command line."""
    made_on: Mapped[datetime] = mapped_column(Day)


class PeerList(Record):
    """A list of servers to hold off that is fetched again every day."""

    __tablename__ = "peer_lists"
    holds = Holds("to which lists of servers the admin subscribed", OnErasure.KEEP)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    url: Mapped[str] = mapped_column(unique=True)
    priority: Mapped[int]
    """0 to 255: where lists say different things of a domain, the highest counts."""
    applies: Mapped[bool]
    """Whether small changes hold at once; else an admin confirms each."""
    excluded: Mapped[str]
    """Domains that are never taken from it, with all below them; one a line."""
    made_by: Mapped[int | None]
    next_at: Mapped[datetime] = mapped_column(index=True)
    checksum: Mapped[bytes | None]
    """Of what came last: what is the same is not read again."""
    fetched_on: Mapped[datetime | None] = mapped_column(Day)
    failure: Mapped[str | None]
    """Why it did not come the last time; null when it did."""


class PeerListEntry(Record):
    """What a list said of a domain when it came last."""

    __tablename__ = "peer_list_entries"
    holds = Holds("which servers a list names", OnErasure.KEEP)

    list_id: Mapped[int] = mapped_column(ForeignKey("peer_lists.id", ondelete="CASCADE"), primary_key=True)
    host: Mapped[str] = mapped_column(primary_key=True)
    rule: Mapped[str]
    """As JSON."""


class RuleChange(Record):
    """A change of the rules: one that waits for an admin or for its hour, or one that was made and can be undone."""

    __tablename__ = "rule_changes"
    holds = Holds("what an admin or a list changed of the rules for servers", OnErasure.KEEP)
    __table_args__ = (Index("ix_rule_changes_state_applies_at", "state", "applies_at"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    """`manual`, `import` or `subscription`, as the source of its rules."""
    origin: Mapped[str | None]
    """What the list is called."""
    list_id: Mapped[int | None] = mapped_column(index=True)
    state: Mapped[str]
    """`draft`, `waiting` (for `applies_at`), `applied`, `undone` or `dropped`."""
    made_by: Mapped[int | None]
    """The account of the admin who asked for it or confirmed it; null for the command line and for nobody yet."""
    made_on: Mapped[datetime] = mapped_column(Day)
    applies_at: Mapped[datetime | None]
    undo_until: Mapped[datetime | None]
    parked: Mapped[int] = mapped_column(default=0)
    """How many places it put on hold when it was made."""
    ends_at: Mapped[datetime] = mapped_column(Day, index=True)
    """When it is forgotten; the rules stay."""


class RuleChangeLine(Record):
    """What a change does to the rule of one domain."""

    __tablename__ = "rule_change_lines"
    holds = Holds("the rule of a domain before and after a change", OnErasure.KEEP)

    change_id: Mapped[int] = mapped_column(ForeignKey("rule_changes.id", ondelete="CASCADE"), primary_key=True)
    host: Mapped[str] = mapped_column(primary_key=True)
    after: Mapped[str | None]
    """The rule as JSON; null for none."""
    before: Mapped[str | None]
    """What held until the change was made, as JSON; null for none, and until then."""
    made: Mapped[bool] = mapped_column(default=False)
    """Whether the line was carried out: what a human ruled meanwhile is left as it is."""


class InboxItem(Record, Due):
    """An activity that was accepted, once; its row stays for 30 days so that a repeat is known, its body does not."""

    __tablename__ = "inbox_items"
    holds = Holds("an activity as received until it is processed, and a keyed hash of its id", OnErasure.DELETE)
    __table_args__ = (
        Index("ix_inbox_items_due_at", "due_at", sqlite_where=DUE, postgresql_where=DUE),
        Index("ix_inbox_items_received_at", "received_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    id_hash: Mapped[bytes] = mapped_column(unique=True)
    """A keyed hash of the activity's id."""
    body: Mapped[bytes | None]
    """The activity, sealed under the queue secret of the day in `received_at`; null once processed."""
    signer_id: Mapped[int]
    """The actor whose key signed the request."""
    received_at: Mapped[datetime]
    outcome: Mapped[str | None]
    """Null while waiting; `done`, `refused` or `dead` after that."""


class OutboxItem(Record):
    """The exact bytes of an activity that is on its way, sealed with the secrets of the post that it carries."""

    __tablename__ = "outbox_items"
    holds = Holds("an activity on its way out, sealed", OnErasure.SHRED)
    __table_args__ = (
        Index("ix_outbox_items_ordering_key", "ordering_key", "id"),
        Index("ix_outbox_items_spreading", "ordering_key", "id", sqlite_where=SPREADS, postgresql_where=SPREADS),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """A snowflake above those of its ordering key that were there before: what was put in first is sent first."""
    actor_id: Mapped[int] = mapped_column(index=True)
    """The local actor that signs."""
    kind: Mapped[str]
    """The activity's type, which decides how long to try."""
    object_id: Mapped[int | None] = mapped_column(index=True)
    """The post that it carries, or null."""
    group_id: Mapped[int]
    """The group in whose name it travels, or 0."""
    subject_id: Mapped[int | None]
    bucket: Mapped[str | None]
    slot: Mapped[int | None]
    """The three secrets of the post; all null for an activity without words, sealed under its day's queue secret."""
    body: Mapped[bytes]
    created_at: Mapped[datetime] = mapped_column(index=True)
    expires_at: Mapped[datetime | None]
    """When the post ends, after which nothing of it is sent."""
    ordering_key: Mapped[int]
    """The thread, or the object, as its deliveries have it."""
    audience: Mapped[str | None]
    """By what name the rest of those who are to get it is found (`spreading`); null once all have their delivery."""
    audience_of: Mapped[int | None]
    """The group or post of that audience."""
    spread_to: Mapped[str | None]
    """The last inbox that has its delivery already."""
    spread_tries: Mapped[int] = mapped_column(default=0)
    """How often it was tried in vain to spread it further."""


class Delivery(Record, Due):
    """One activity to one inbox; it holds ids only."""

    __tablename__ = "deliveries"
    holds = Holds("which activity goes to which server", OnErasure.DELETE)
    __table_args__ = (
        UniqueConstraint("outbox_id", "inbox"),
        Index("ix_deliveries_due_at", "due_at", sqlite_where=DUE, postgresql_where=DUE),
        Index("ix_deliveries_host_ordering_key", "host", "ordering_key", "outbox_id"),
    )

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    outbox_id: Mapped[int] = mapped_column(ForeignKey("outbox_items.id", ondelete="CASCADE"))
    host: Mapped[str]
    inbox: Mapped[str]
    ordering_key: Mapped[int]
    """The thread, or the object: within host and key strictly one after the other."""
    created_at: Mapped[datetime]


class LedgerEntry(Record):
    """A server that holds a copy of something of ours, so that it can be asked to delete that (reference §5.2)."""

    __tablename__ = "ledger_entries"
    holds = Holds("which server received which post", OnErasure.DELETE)

    object_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    inbox: Mapped[str] = mapped_column(primary_key=True)
    host: Mapped[str]
    via: Mapped[str]
    """`push` or `fetch`."""
    ends_at: Mapped[datetime | None] = mapped_column(index=True)
    """When the entry itself goes: the object's end and 90 days."""


class Tombstone(Record):
    """The keyed hash of the URI, or `acct:handle`, of something that ended, so that it never comes back."""

    __tablename__ = "tombstones"
    holds = Holds("a keyed hash of the address of something erased", OnErasure.KEEP)

    uri_hash: Mapped[bytes] = mapped_column(primary_key=True)
    was_public: Mapped[bool]
    ended_on: Mapped[datetime] = mapped_column(Day)
    ends_at: Mapped[datetime | None] = mapped_column(Day, index=True)
    """When the mark itself goes; null is never."""
