"""Who asks to join, as follow requests. https://docs.joinmastodon.org/methods/follow_requests/

Signed in as a group one sees that group's requests; under one's own name those of all groups that one looks after.
"""

from typing import Any

from activitypub.uris import Uris
from groups import membership, places
from groups.errors import Conflict, NotFound
from groups.views import ActorCard
from privacy.unit_of_work import UnitOfWork
from web.mastodon import entities
from web.mastodon.calls import Call, Method

SEVERAL = "They ask to join several of your groups. Please answer on the pages of the groups."


def groups_looked_after(uow: UnitOfWork, persona_id: int, group_id: int | None) -> list[int]:
    """Return the groups for which one answers: that one, or all that one looks after here."""
    if group_id is not None:
        return [group_id]
    mine = places.groups_of(uow, persona_id)
    return [group.id for group, place in mine if place.is_facilitator and group.card.local]


def asking(uow: UnitOfWork, persona_id: int, group_id: int | None) -> list[tuple[int, ActorCard]]:
    """Return who asks to join which group."""
    wanted = groups_looked_after(uow, persona_id, group_id)
    return [(one, card) for one in wanted for card in places.requests_of(uow, persona_id, one)]


async def show_requests(call: Call) -> list[entities.Json]:
    """Show who asks to join. https://docs.joinmastodon.org/methods/follow_requests/#get"""
    found = {card.id: card for _, card in await call.read(asking, call.persona_id, call.group_id)}
    return [entities.account(card, call.site) for card in found.values()]


def answer(
    uow: UnitOfWork, uris: Uris, persona_id: int, group_id: int | None, actor_id: int, *, admitted: bool
) -> None:
    """Let somebody in, or refuse them, in the one group for which they ask. Raises NotFound, Conflict."""
    found = [one for one, card in asking(uow, persona_id, group_id) if card.id == actor_id]
    if not found:
        raise NotFound(f"request of {actor_id}")
    if len(found) > 1:
        raise Conflict(f"requests of {actor_id}", public=SEVERAL)
    deed = membership.admit if admitted else membership.refuse
    deed(uow, uris, persona_id, found[0], actor_id)


async def authorize(call: Call) -> Any:
    """Let somebody in. https://docs.joinmastodon.org/methods/follow_requests/#accept"""
    return await _answer(call, admitted=True)


async def reject(call: Call) -> Any:
    """Refuse somebody. https://docs.joinmastodon.org/methods/follow_requests/#reject"""
    return await _answer(call, admitted=False)


async def _answer(call: Call, *, admitted: bool) -> entities.Json:
    actor_id = call.path_id()
    await call.write(answer, call.context.uris, call.persona_id, call.group_id, actor_id, admitted=admitted)
    return {**entities.relationship(actor_id, None), "followed_by": admitted}


METHODS = (
    Method("GET", "/api/v1/follow_requests", show_requests, ("read:follows",)),
    Method("POST", "/api/v1/follow_requests/{id}/authorize", authorize, ("write:follows",)),
    Method("POST", "/api/v1/follow_requests/{id}/reject", reject, ("write:follows",)),
)
