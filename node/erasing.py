"""Erasing accounts that were closed: everything that their personas wrote, then these, then the account itself.

Each step may be repeated: an erasure that was interrupted is finished by the next sweep (R-109).
"""

from typing import Final

from sqlalchemy import delete, exists, insert, select

from activitypub.keystore import secret_name
from activitypub.models import Actor, ActorKey, OutboxItem
from groups.farewell import end_persona, end_posts_of
from node.wiring import Node
from privacy.accounts import closed_accounts
from privacy.models import ShredJob
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of
from web.markers import forget_markers

POSTS_AT_ONCE: Final = 200
JOBS, ACTORS, KEYS, OUTBOX = table_of(ShredJob), table_of(Actor), table_of(ActorKey), table_of(OutboxItem)


async def finish_erasures(node: Node) -> int:
    """End what accounts that were closed have left, and order their secrets destroyed; return how many they were."""
    database = node.database
    closed = await database.read(closed_accounts)
    for account_id, personas in closed.items():
        for persona_id in personas:
            while await database.write(end_posts_of, node.uris, persona_id, POSTS_AT_ONCE):
                continue
            await database.write(end_persona, node.uris, persona_id)
            await database.write(forget_markers, persona_id)
        await database.write(order_destruction, account_id)
    return len(closed)


def order_destruction(uow: UnitOfWork, account_id: int) -> None:
    """Have the secret of an account destroyed, and its row deleted then."""
    job = {"id": new_id(), "kind": "accounts", "target_id": account_id, "slot": None}
    uow.connection.execute(insert(JOBS).values(job | {"created_at": uow.now, "due_at": uow.now, "attempts": 0}))


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
    gone = select(KEYS.c.actor_id).join(ACTORS, ACTORS.c.id == KEYS.c.actor_id).where(ACTORS.c.state == "gone")
    return list(uow.connection.execute(gone.where(~waiting)).scalars())


def forget_keys(uow: UnitOfWork, actor_ids: list[int]) -> None:
    """Delete the rows of keys whose secret is gone."""
    uow.connection.execute(delete(KEYS).where(KEYS.c.actor_id.in_(actor_ids)))
