"""Erasing accounts that were closed: everything that their personas wrote, then these, then the account itself.

Each step may be repeated: an erasure that was interrupted is finished by the next sweep (R-109).
"""

from typing import Final

from sqlalchemy import delete, exists, insert, select

from activitypub.keystore import secret_name
from activitypub.models import Actor, ActorKey, FormerKey, OutboxItem
from groups.farewell import end_some, untie_letters
from node.wiring import Node
from privacy.accounts import closed_accounts
from privacy.models import ShredJob
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of
from web.markers import forget_markers

ROWS_AT_ONCE: Final = 50
"""What one transaction of an erasure touches at most, so that nobody else waits for long."""
JOBS, ACTORS, OUTBOX = table_of(ShredJob), table_of(Actor), table_of(OutboxItem)
KEYS, FORMER_KEYS = table_of(ActorKey), table_of(FormerKey)
GONE_WITH_KEYS = select(KEYS.c.actor_id).join(ACTORS, ACTORS.c.id == KEYS.c.actor_id).where(ACTORS.c.state == "gone")


async def finish_erasures(node: Node) -> int:
    """End what accounts that were closed have left, and order their secrets destroyed; return how many they were."""
    database = node.database
    closed = await database.read(closed_accounts)
    for account_id, personas in closed.items():
        for persona_id in personas:
            while await database.write(end_some, node.uris, persona_id, ROWS_AT_ONCE):
                continue
            await database.write(forget_markers, persona_id)
        await database.write(order_destruction, account_id)
    return len(closed)


def order_destruction(uow: UnitOfWork, account_id: int) -> None:
    """Have the secret of an account destroyed, and its row deleted then."""
    job = {"id": new_id(), "kind": "accounts", "target_id": account_id, "slot": None}
    uow.connection.execute(insert(JOBS).values(job | {"created_at": uow.now, "due_at": uow.now, "attempts": 0}))


async def untie_all_letters(node: Node) -> None:
    """Take out of what those who are gone still have to send whatever tells where they were."""
    for actor_id in await node.database.read(gone_with_keys):
        while await node.database.write(untie_letters, actor_id, ROWS_AT_ONCE):
            continue


async def drop_signing_keys(node: Node) -> int:
    """Destroy the signing keys of actors that are gone and have nothing left to send; return how many they were."""
    silent = await node.database.read(silent_actors)
    if silent:
        names = [secret_name(actor_id) for actor_id in silent]
        await node.in_pool(node.vault.destroy, node.clock(), names=names)
        await node.database.write(forget_keys, silent)
    return len(silent)


def silent_actors(uow: UnitOfWork) -> list[int]:
    """Return the actors of this node that are gone, have keys, and have nothing left to send."""
    waiting = exists().where(OUTBOX.c.actor_id == KEYS.c.actor_id)
    return list(uow.connection.execute(GONE_WITH_KEYS.where(~waiting)).scalars())


def gone_with_keys(uow: UnitOfWork) -> list[int]:
    """Return the actors of this node that are gone and still have keys, since they may have something left to send."""
    return list(uow.connection.execute(GONE_WITH_KEYS).scalars())


def forget_keys(uow: UnitOfWork, actor_ids: list[int]) -> None:
    """Delete the rows of keys whose secret is gone."""
    for table in (KEYS, FORMER_KEYS):
        uow.connection.execute(delete(table).where(table.c.actor_id.in_(actor_ids)))
