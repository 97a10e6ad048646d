"""Links that let people into a group; they are stored hashed and shown once."""

import hashlib
import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import Row, delete, insert, select, update

from activitypub.uris import Uris
from groups.errors import Invalid, NotAllowed, NotFound
from groups.membership import request_to_join
from groups.models import Invitation
from groups.people import hold_actor
from groups.places import GROUPS, group_views, standing_of
from groups.policy import Act, may
from groups.views import GroupView, InvitationView, MembershipView
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of

INVITATIONS = table_of(Invitation)
INVITATION_PREFIX = "kinfold_invite_"
"""Before every token, so that a leaked one is known for what it is."""
MAX_USES = 100
MAX_LIFE = timedelta(days=90)
DEFAULT_LIFE = timedelta(days=7)


def invite(uow: UnitOfWork, by: int | None, group_id: int, uses: int, life: timedelta) -> tuple[InvitationView, str]:
    """Make a link into a group and return it with its token, as one who looks after it or the operator (None).

    Raises NotFound, NotAllowed, Invalid.
    """
    if by is not None:
        hold_actor(uow, by)
        may(Act.INVITE, standing_of(uow, group_id, by)).or_raise()
    if uow.connection.execute(select(GROUPS.c.state).where(GROUPS.c.id == group_id)).scalar() == "sealed":
        raise NotAllowed(f"group {group_id} is sealed", public="This group is closed and takes no new members.")
    if not 1 <= uses <= MAX_USES:
        raise Invalid({"uses": f"A link can be used between 1 and {MAX_USES} times."})
    if not timedelta(0) < life <= MAX_LIFE:
        raise Invalid({"life": f"A link works for at most {MAX_LIFE.days} days."})
    token = INVITATION_PREFIX + secrets.token_urlsafe(32)
    row = {
        "id": new_id(), "token_hash": _hash(token), "group_id": group_id, "made_by": by, "uses_left": uses,
        "created_on": uow.now, "expires_at": uow.now + life,
    }  # fmt: skip
    uow.connection.execute(insert(INVITATIONS).values(**row))
    return InvitationView(int(str(row["id"])), group_id, uses, uow.now, uow.now + life), token


def invitations_of(uow: UnitOfWork, by: int, group_id: int) -> list[InvitationView]:
    """Return the links into a group that still work, to one who looks after it. Raises NotFound, NotAllowed."""
    may(Act.INVITE, standing_of(uow, group_id, by)).or_raise()
    alive = (INVITATIONS.c.group_id == group_id, INVITATIONS.c.expires_at > uow.now, INVITATIONS.c.uses_left > 0)
    query = select(INVITATIONS).where(*alive).order_by(INVITATIONS.c.created_on, INVITATIONS.c.expires_at)
    rows = uow.connection.execute(query).fetchall()
    return [InvitationView(row.id, row.group_id, row.uses_left, row.created_on, row.expires_at) for row in rows]


def revoke(uow: UnitOfWork, by: int, invitation_id: int) -> None:
    """Make a link stop working. Raises NotFound, NotAllowed."""
    query = select(INVITATIONS.c.group_id).where(INVITATIONS.c.id == invitation_id)
    row = uow.connection.execute(query).first()
    if row is None:
        raise NotFound(f"invitation {invitation_id}")
    may(Act.INVITE, standing_of(uow, row.group_id, by)).or_raise()
    uow.connection.execute(delete(INVITATIONS).where(INVITATIONS.c.id == invitation_id))


def invited_to(uow: UnitOfWork, token: str) -> GroupView:
    """Return the group that a link leads into. Raises NotFound when it does not work (any more)."""
    row = _alive(uow, token)
    return group_views(uow, [row.group_id])[row.group_id]


def accept(uow: UnitOfWork, uris: Uris, persona_id: int, token: str) -> MembershipView:
    """Join by a link, and use it up by one; whoever was shown out asks. Raises NotFound, NotAllowed, Conflict."""
    row = _alive(uow, token)
    already = standing_of(uow, row.group_id, persona_id).is_active
    membership = request_to_join(uow, uris, persona_id, row.group_id, invited=True)
    if membership.is_active and not already:
        # The condition decides a race for the last use: only one of two takes it.
        used = (
            update(INVITATIONS)
            .where(INVITATIONS.c.id == row.id, INVITATIONS.c.uses_left > 0)
            .values(uses_left=INVITATIONS.c.uses_left - 1)
        )
        if uow.connection.execute(used).rowcount != 1:
            raise NotFound(f"invitation {row.id} is used up")
    return membership


def _alive(uow: UnitOfWork, token: str) -> Row[Any]:
    query = select(INVITATIONS).where(
        INVITATIONS.c.token_hash == _hash(token), INVITATIONS.c.expires_at > uow.now, INVITATIONS.c.uses_left > 0
    )
    row = uow.connection.execute(query).first()
    if row is None:
        raise NotFound("invitation", public="This invitation does not work any more. Ask for a new one.")
    return row


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
