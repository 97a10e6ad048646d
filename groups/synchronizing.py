"""Whether two servers agree on who follows a group (FEP-8fcf): what is told of our groups, and what is made of theirs.

Only of a public group anything is told, and only to a server with a follower, of its own people: who belongs to a
private group goes to nobody (privacy reference §8.2). What comes to private members goes to their own inboxes anyway.
"""

from typing import Final

from sqlalchemy import select

from activitypub import actors
from activitypub.ports import ActorView, Arrival
from activitypub.synchronization import Synchronization, digest_of
from activitypub.uris import Uris
from groups import membership
from groups.backfill import listed
from groups.incoming import IncomingSynchronization
from groups.people import ACTORS
from groups.places import GROUPS, MEMBERSHIPS, standing_of
from privacy.unit_of_work import UnitOfWork

MOST_TOLD: Final = 5_000
"""Beyond so many followers on one server nothing is told: it would take too long to look through them."""
MOST_PAGES: Final = 10


def followers_on(uow: UnitOfWork, uris: Uris, group_id: int, host: str) -> Synchronization | None:
    """Return what a server is told of its people who follow a group of this node, or None where nothing is told."""
    followers, group = followers_of(uow, group_id, host), actors.actor_by_id(uow, group_id)
    if group is None or not followers or len(followers) > MOST_TOLD:
        return None
    url = uris.synchronization(group.uri)
    return Synchronization(uris.followers(group.uri), url, digest_of(followers))


def followers_of(uow: UnitOfWork, group_id: int, host: str | None) -> list[str]:
    """Return the addresses of those on a server who follow a public group of this node; nobody of any other group."""
    query = (
        select(ACTORS.c.uri)
        .join(MEMBERSHIPS, MEMBERSHIPS.c.actor_id == ACTORS.c.id)
        .join(GROUPS, GROUPS.c.id == MEMBERSHIPS.c.group_id)
        .where(GROUPS.c.id == group_id, GROUPS.c.local.is_(True), GROUPS.c.audience == "public")
        .where(ACTORS.c.host == host, ACTORS.c.local.is_(False), ACTORS.c.state == "active")
        .where(MEMBERSHIPS.c.state == "active")
        .order_by(ACTORS.c.uri)
        .limit(MOST_TOLD + 1)
    )
    return list(uow.connection.execute(query).scalars())


def receive_synchronization(uow: UnitOfWork, uris: Uris, arrival: Arrival, told: IncomingSynchronization) -> None:
    """Bring who follows a group elsewhere in line with what its server knows, if the two differ. Raises NeedsObject.

    The list counts only when it has the very hash that the group signed: else it is of another moment.
    """
    group = arrival.sender
    mine = _following(uow, group)
    inside = {uri for uri, (_, state) in mine.items() if state == "active"}
    if group.local or told.collection_uri != group.followers or digest_of(inside) == told.digest or not mine:
        return
    signer_id = min(actor_id for actor_id, _ in mine.values())
    addresses = listed(arrival, told.url, group.uri, signer_id=signer_id, pages=MOST_PAGES)
    theirs = {uri for uri in addresses or () if uris.is_local(uri)}
    if addresses is None or digest_of(theirs) != told.digest:
        return
    for uri, (actor_id, state) in mine.items():
        if uri in theirs and state == "pending":
            membership.receive_answer(uow, actor_id, group.id, accepted=True)
        elif uri not in theirs and state == "active":
            membership.receive_answer(uow, actor_id, group.id, accepted=False)
    for uri in theirs - mine.keys():
        _take_back(uow, uris, uri, group)


def _following(uow: UnitOfWork, group: ActorView) -> dict[str, tuple[int, str]]:
    """Return those here who follow a group elsewhere or have asked to, by address, with their ids and states."""
    query = select(ACTORS.c.uri, ACTORS.c.id, MEMBERSHIPS.c.state)
    query = query.join(MEMBERSHIPS, MEMBERSHIPS.c.actor_id == ACTORS.c.id).where(MEMBERSHIPS.c.group_id == group.id)
    query = query.where(ACTORS.c.local.is_(True), MEMBERSHIPS.c.state.in_(("active", "pending")))
    return {row.uri: (row.id, row.state) for row in uow.connection.execute(query.limit(MOST_TOLD))}


def _take_back(uow: UnitOfWork, uris: Uris, uri: str, group: ActorView) -> None:
    """Tell a group that somebody whom it takes for a follower is none."""
    actor = actors.actor_by_uri(uow, uri)
    if actor is not None and actor.local and actor.state == "active" and actor.kind == "Person":
        known = uow.connection.execute(select(GROUPS.c.id).where(GROUPS.c.id == group.id)).first()
        if known is not None and standing_of(uow, group.id, actor.id).state not in {"active", "pending"}:
            membership.undo_follow(uow, uris, actor.id, group.id)
