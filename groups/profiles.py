"""What the actors of this node say of themselves to other servers, and who is told when that changes."""

from sqlalchemy import and_, or_, select

from activitypub import actors
from activitypub.ports import ActorView
from activitypub.queueing import Audience, Outgoing, enqueue_for
from activitypub.uris import Uris
from groups import translation
from groups.audiences import FOLLOWERS, MEMBERS, TRUSTED
from groups.people import cards
from groups.places import GROUPS, MEMBERSHIPS
from groups.translation import GroupFacts, LocalActorFacts
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork

WHO_IS_TOLD: dict[str, Audience] = {"public": FOLLOWERS, "followers": MEMBERS, "peers-only": TRUSTED}


def document_facts(uow: UnitOfWork, actor: ActorView) -> LocalActorFacts:
    """Return what the document of a persona or group of this node is made of."""
    card, audience = cards(uow, [actor.id])[actor.id], audience_of(uow, actor)
    is_open = uow.connection.execute(select(GROUPS.c.state).where(GROUPS.c.id == actor.id)).scalar() in {None, "open"}
    return LocalActorFacts(
        id=actor.id,
        uri=actor.uri,
        kind=actor.kind,
        handle=actor.handle,
        name=card.name,
        summary=card.summary,
        locked=actor.locked,
        discoverable=audience == "public",
        created_on=card.created_on,
        keys=actors.public_keys(uow, actor.id),
        page=card.url,
        restricted=not is_open,
    )


def audience_of(uow: UnitOfWork, actor: ActorView) -> str:
    """Return the audience of a group; that of a persona is `persona`, or `none` where no group takes it outside.

    Who belongs only to groups that nothing leaves is not to be found by trying handles (privacy reference §8.2).
    """
    if actor.kind == "Group":
        found = uow.connection.execute(select(GROUPS.c.audience).where(GROUPS.c.id == actor.id)).scalar()
        return str(found or "none")
    here = and_(MEMBERSHIPS.c.group_id == GROUPS.c.id, MEMBERSHIPS.c.state.in_(("active", "pending")))
    outside = select(GROUPS.c.id).join(MEMBERSHIPS, here).where(MEMBERSHIPS.c.actor_id == actor.id)
    outside = outside.where(or_(GROUPS.c.audience != "none", GROUPS.c.local.is_(False))).limit(1)
    return "none" if uow.connection.execute(outside).first() is None else "persona"


def tell_of_change(uow: UnitOfWork, uris: Uris, group: GroupFacts) -> None:
    """Send what a group says of itself now to the servers of its followers; nothing where nothing leaves it.

    Servers that are not told find it out when they fetch the document again, which most do once a day.
    """
    actor = actors.actor_by_id(uow, group.id)
    if actor is None or not actor.local or group.audience not in WHO_IS_TOLD:
        return
    document = translation.actor_document(uris, document_facts(uow, actor))
    update = translation.to_update_actor(uris.activity(f"{new_id():x}"), document, group)
    outgoing = Outgoing(
        actor_id=group.id,
        kind="Update",
        document=update,
        object_id=None,
        group_id=group.id,
        secrets=None,
        ordering_key=group.id,
        expires_at=None,
    )
    enqueue_for(uow, outgoing, WHO_IS_TOLD[group.audience], group.id)
