"""Those to whom the activities of a group go, by name: each kind of its readers, and the servers that hold a post."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import BigInteger, BindParameter, ColumnElement, FromClause, bindparam, func, literal, or_, select

from activitypub.models import LedgerEntry, Peer
from activitypub.queueing import Audience
from activitypub.rules import LIMIT
from groups.people import ACTORS
from groups.places import MEMBERSHIPS
from groups.policy import PARTICIPANTS
from privacy.statements import listed
from privacy.unit_of_work import table_of

PEERS, LEDGER = table_of(Peer), table_of(LedgerEntry)
VERBATIM, BOOSTS, REEMISSIONS = ("threadiverse", "both"), ("microblog", "both"), ("microblog", "both")
ACTIVITIES_IN_PRIVATE = ("threadiverse",)
"""By form of announcement, the classes of host that get it (federation reference §5.4 and §5.7)."""
SHUT_OUT = ("suspend", "quarantine")
"""No words go to a server of such a level."""
SHUT_OUT_OF_PRIVATE = (*SHUT_OUT, LIMIT)
"""Words that are not for everybody go to none of these."""
LARGE: Final = 250
"""An audience beyond this is spread behind the back of whoever writes to it."""
OF: BindParameter[int] = bindparam("audience_of", type_=BigInteger())
_LET_IN = or_(PEERS.c.level.is_(None), PEERS.c.level.not_in(listed(SHUT_OUT)))
_LET_IN_TO_PRIVATE = or_(PEERS.c.level.is_(None), PEERS.c.level.not_in(listed(SHUT_OUT_OF_PRIVATE)))


def _members(name: str, classes: tuple[str, ...] | None, *, is_public: bool, trusted: bool = False) -> Audience:
    """Return the members of a group on other servers.

    A shared inbox serves public groups; a private audience goes to personal inboxes, because who reads a shared one is
    decided by the other server's idea of the membership (security reference S-405).
    """
    inbox = func.coalesce(ACTORS.c.shared_inbox, ACTORS.c.inbox) if is_public else ACTORS.c.inbox
    query = (
        select(ACTORS.c.host, inbox.label("inbox"))
        .join(MEMBERSHIPS, MEMBERSHIPS.c.actor_id == ACTORS.c.id)
        .outerjoin(PEERS, PEERS.c.host == ACTORS.c.host)
        .where(
            MEMBERSHIPS.c.group_id == OF,
            MEMBERSHIPS.c.state == "active",
            ACTORS.c.local.is_(False),
            ACTORS.c.state == "active",
            _LET_IN if is_public else _LET_IN_TO_PRIVATE,
        )
    )
    if not is_public:
        # One that followed while the group was public is no member, and gets nothing once it is private.
        query = query.where(MEMBERSHIPS.c.role.in_(listed(sorted(PARTICIPANTS))))
    if classes is not None:
        query = query.where(_of_class(classes))
    if trusted:
        query = query.where(PEERS.c.level == "allow")
    return Audience(name, query, _is_large(MEMBERSHIPS, MEMBERSHIPS.c.group_id))


def _holders(name: str, classes: tuple[str, ...] | None, *, with_words: bool = False) -> Audience:
    """Return the servers that got a post; for new words of it less those that are shut out."""
    query = select(LEDGER.c.host, LEDGER.c.inbox).outerjoin(PEERS, PEERS.c.host == LEDGER.c.host)
    query = query.where(LEDGER.c.object_id == OF)
    if classes is not None:
        query = query.where(_of_class(classes))
    if with_words:
        query = query.where(_LET_IN)
    return Audience(name, query, _is_large(LEDGER, LEDGER.c.object_id))


def _of_class(classes: tuple[str, ...]) -> Any:
    return func.coalesce(PEERS.c.delivery_class, "microblog").in_(listed(classes))


def _is_large(table: FromClause, of: Any) -> ColumnElement[bool]:
    """Return the question whether a table has many rows of something, which reads no more of them than that takes."""
    beyond = select(literal(1)).select_from(table).where(of == OF).limit(literal(1))
    return beyond.offset(literal(LARGE)).exists()


PUBLIC_ACTIVITIES: Final = _members("public/activities", VERBATIM, is_public=True)
PUBLIC_BOOSTS: Final = _members("public/boosts", BOOSTS, is_public=True)
PRIVATE_ACTIVITIES: Final = _members("private/activities", ACTIVITIES_IN_PRIVATE, is_public=False)
PRIVATE_NOTES: Final = _members("private/notes", REEMISSIONS, is_public=False)
FOLLOWERS: Final = _members("public/all", None, is_public=True)
MEMBERS: Final = _members("private/all", None, is_public=False)
TRUSTED: Final = _members("trusted", None, is_public=False, trusted=True)
HOLDERS: Final = _holders("holders", None)
HOLDERS_OF_EDITS: Final = _holders("holders/edits", None, with_words=True)
HOLDERS_OF_ACTIVITIES: Final = _holders("holders/activities", VERBATIM)
HOLDERS_OF_NOTES: Final = _holders("holders/notes", REEMISSIONS)
AUDIENCES: Final[Mapping[str, Audience]] = {
    each.name: each
    for each in (
        PUBLIC_ACTIVITIES, PUBLIC_BOOSTS, PRIVATE_ACTIVITIES, PRIVATE_NOTES, FOLLOWERS, MEMBERS, TRUSTED,
        HOLDERS, HOLDERS_OF_EDITS, HOLDERS_OF_ACTIVITIES, HOLDERS_OF_NOTES,
    )
}  # fmt: skip
"""Activities in the queue name these: a name, once released, keeps its meaning."""
