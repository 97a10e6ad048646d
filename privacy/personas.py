"""A member's faces: names under which people meet, none of which leads to another."""

from sqlalchemy import insert, select, update

from privacy.models import Persona
from privacy.unit_of_work import UnitOfWork, table_of

PERSONAS = table_of(Persona)


def create_persona(uow: UnitOfWork, persona_id: int) -> None:
    """Write down that an actor is a member's persona; its secret is made beforehand with `Vault.make_subject`."""
    month = uow.now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    uow.connection.execute(insert(PERSONAS), {"id": persona_id, "state": "active", "created_on": month})


def may_act(uow: UnitOfWork, persona_id: int) -> bool:
    """Tell whether a persona is there and neither frozen nor retired."""
    state = uow.connection.execute(select(PERSONAS.c.state).where(PERSONAS.c.id == persona_id)).scalar()
    return bool(state == "active")


def retire_persona(uow: UnitOfWork, persona_id: int) -> None:
    """End a persona for good: it never acts again. Erasing what it wrote is `privacy.erasure`'s."""
    uow.connection.execute(update(PERSONAS).where(PERSONAS.c.id == persona_id).values(state="retired"))
