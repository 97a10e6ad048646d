"""Which activities have come before: known by a keyed hash of their id, for 30 days."""

from sqlalchemy import delete

from activitypub.models import InboxItem
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Vault

INBOX_ITEMS = table_of(InboxItem)


def hash_of_id(vault: Vault, activity_id: str) -> bytes:
    """Return the hash by which an activity is known again."""
    return vault.mac("activity", activity_id.encode())


def forget(uow: UnitOfWork, activity_id: str, signer_id: int) -> None:
    """Let an activity of this signer come again: Misskey gives each Follow of one by the same other the same id."""
    worked_through = (INBOX_ITEMS.c.signer_id == signer_id, INBOX_ITEMS.c.due_at.is_(None))
    same = INBOX_ITEMS.c.id_hash == hash_of_id(uow.vault, activity_id)
    uow.connection.execute(delete(INBOX_ITEMS).where(same, *worked_through))
