"""New keys for a persona or a group: whoever knows it hears of them, and nobody else hears of it by that."""

from sqlalchemy import BigInteger, Select, bindparam, or_, select

from activitypub.actors import KeyPair
from activitypub.models import LedgerEntry
from activitypub.ports import NOBODY, ActorView, Publication
from activitypub.queueing import enqueue
from activitypub.rotation import news_of, rotate_keys
from activitypub.uris import Uris
from groups.farewell import one_inbox_each
from groups.models import PersonFollow
from groups.people import ACTORS
from groups.places import GROUPS, MEMBERSHIPS
from groups.publications import GroupPublications
from groups.showing import POSTS
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of

FOLLOWS, LEDGER = table_of(PersonFollow), table_of(LedgerEntry)


def rotate_keys_of(uow: UnitOfWork, uris: Uris, actor: ActorView, keys: KeyPair) -> int:
    """Give a persona or a group new keys and send word of it; return to how many servers. Raises KeyShredded."""
    rotate_keys(uow, actor.id, keys)
    found = GroupPublications(uris).actor(uow, actor, NOBODY)
    if not isinstance(found, Publication):
        return 0  # nothing leaves it, so nobody knows its keys
    news = news_of(uris, actor.id, dict(found.document), f"{new_id():x}")
    return enqueue(uow, news, WHO_KNOWS, {"known": actor.id})


def _who_knows() -> Select[tuple[str, str]]:
    """Return the hosts that know the persona or group `known`, each with one inbox."""
    actor_id = bindparam("known", type_=BigInteger())
    posts = select(POSTS.c.id).where(or_(POSTS.c.author_id == actor_id, POSTS.c.group_id == actor_id))
    joined = select(MEMBERSHIPS.c.group_id).where(MEMBERSHIPS.c.actor_id == actor_id)
    elsewhere = joined.join(GROUPS, GROUPS.c.id == MEMBERSHIPS.c.group_id).where(GROUPS.c.local.is_(False))
    following = select(FOLLOWS.c.follower_id).where(FOLLOWS.c.target_id == actor_id)
    members = select(MEMBERSHIPS.c.actor_id).where(MEMBERSHIPS.c.group_id == actor_id)
    acquainted = or_(*(ACTORS.c.id.in_(those) for those in (elsewhere, following, members)))
    return one_inbox_each(LEDGER.c.object_id.in_(posts), acquainted)


WHO_KNOWS = _who_knows()
