"""Whether personas may act, and the lock that keeps what they do and their end apart.

Whatever a persona does, or is done to it by name, holds its row until the transaction is over. Whoever silences or ends
it waits for those that hold it, and from then on nobody who comes later finds it fit to act (privacy reference §4.5).
"""

from collections.abc import Collection

from sqlalchemy import select, update

from privacy.models import Persona
from privacy.unit_of_work import UnitOfWork, table_of

PERSONAS = table_of(Persona)
ACTIVE, RETIRED = "active", "retired"


def hold(uow: UnitOfWork, actor_ids: Collection[int]) -> dict[int, str]:
    """Return the state of each actor that is a persona; none of them changes until this transaction is over."""
    if not actor_ids:
        return {}
    query = select(PERSONAS.c.id, PERSONAS.c.state).where(PERSONAS.c.id.in_(sorted(set(actor_ids))))
    # The weakest lock there is: news is numbered in the same row, and must not wait for whoever posts.
    held = query.order_by(PERSONAS.c.id).with_for_update(read=True, key_share=True)
    return {row.id: row.state for row in uow.connection.execute(held)}


def lock(uow: UnitOfWork, persona_ids: Collection[int]) -> dict[int, str]:
    """Return the states of personas once nobody holds them, and let nobody hold them until this transaction is over."""
    query = select(PERSONAS.c.id, PERSONAS.c.state).where(PERSONAS.c.id.in_(sorted(set(persona_ids))))
    return {row.id: row.state for row in uow.connection.execute(query.order_by(PERSONAS.c.id).with_for_update())}


def settle(uow: UnitOfWork, persona_ids: Collection[int], state: str) -> None:
    """Freeze personas, let them act again, or retire them for good: what was retired stays so."""
    lock(uow, persona_ids)
    theirs = (PERSONAS.c.id.in_(sorted(set(persona_ids))), PERSONAS.c.state != RETIRED)
    uow.connection.execute(update(PERSONAS).where(*theirs).values(state=state))
