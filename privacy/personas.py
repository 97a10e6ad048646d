"""A member's faces: names under which people meet, none of which leads to another."""

from sqlalchemy import Select, insert, select

from privacy import accounts, holding
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
    """End a persona for good: it never acts again. What it wrote is ended by `groups.farewell`."""
    holding.settle(uow, [persona_id], holding.RETIRED)


def is_somebody_s(uow: UnitOfWork, persona_id: int) -> bool:
    """Tell whether an account has this persona among its own, be it retired or not; never says which one."""
    return accounts.account_of(uow, persona_id) is not None


def has_sibling_among(uow: UnitOfWork, persona_id: int, actor_ids: Select[tuple[int]]) -> bool:
    """Tell whether the person behind a persona is among some actors under another name; never says which one.

    This is the link service speaking (privacy reference §8.1): the floors above get yes or no.
    """
    account_id = accounts.account_of(uow, persona_id)
    if account_id is None:
        return False
    siblings = [other for other in accounts.all_personas_of(uow, account_id) if other != persona_id]
    if not siblings:
        return False
    among = actor_ids.where(actor_ids.selected_columns[0].in_(siblings)).limit(1)
    return uow.connection.execute(among).first() is not None
