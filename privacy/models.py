"""The ground's own tables; those of accounts live hidden in `privacy.accounts`."""

from datetime import datetime

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from privacy.records import Due, Holds, OnErasure, Record


class Persona(Record):
    """A name that a member uses; its id is the id of its actor, and nothing here leads to the account.

    What it says of itself stands in the sealed profile of the actor.
    """

    __tablename__ = "personas"
    holds = Holds("that an actor is a member's persona, and whether it may act", OnErasure.DELETE)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    state: Mapped[str] = mapped_column(default="active")
    """`active`, `frozen` (its account may not act) or `retired`."""
    notified: Mapped[int] = mapped_column(default=0)
    """How many notifications it was ever given: the number of the last one."""
    created_on: Mapped[datetime]
    """The first day of the month in which it was made, so that personas cannot be told to be of one hour."""


class ShredJob(Record, Due):
    """Something hidden whose keys are to be destroyed, then its row emptied (privacy reference §4.5)."""

    __tablename__ = "shred_jobs"
    holds = Holds("which row is being erased, and how far that is", OnErasure.DELETE)
    __table_args__ = (Index("ix_shred_jobs_due_at", "due_at"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    kind: Mapped[str]
    """Which eraser finishes the job: the name of a table."""
    target_id: Mapped[int]
    slot: Mapped[int | None]
    created_at: Mapped[datetime]


class NodeState(Record):
    """A fact of the node that must outlive a restart, such as when retention ran last."""

    __tablename__ = "node_states"
    holds = Holds("facts of the node itself", OnErasure.KEEP)

    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]
