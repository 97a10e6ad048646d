"""Posts of people elsewhere, passed on by a private group of this node to its members on microblog software.

Such software shows a private post only of the one who is followed, which is the group: so the group says it again
itself, as it does for posts of this node (federation reference §5.7, mode 3).
"""

from dataclasses import replace

from sqlalchemy import select

from activitypub.uris import Uris
from groups.distribution import LocalPost, Parcel, reemit
from groups.people import cards
from groups.showing import POSTS, Words
from groups.translation import GroupFacts, PostFacts
from privacy.unit_of_work import UnitOfWork


def pass_on(uow: UnitOfWork, uris: Uris, words: Words, parcel: Parcel, group: GroupFacts) -> None:
    """Send a post that came in, new or edited, to the members of its group on microblog software."""
    if group.audience != "followers" or not group.local:
        return
    row = uow.connection.execute(select(POSTS).where(POSTS.c.id == parcel.post_id)).one()
    people = cards(uow, [row.author_id, group.id])
    facts = PostFacts(
        id=row.id,
        uri=row.uri,
        author_uri=people[row.author_id].uri,
        page=row.uri,
        thread_id=row.thread_id,
        title=words.title,
        html=words.html,
        note=words.note,
        sensitive=words.sensitive,
        language=words.language,
        parent_uri=row.parent_uri,
        direct=False,
        published=row.received_at,
        edited_at=row.edited_at,
        ends_at=row.expires_at,
    )
    said_again = LocalPost(
        facts=facts,
        author_id=row.author_id,
        author_name=people[row.author_id].name,
        parcel=parcel,
        begins_thread=row.thread_id == row.id,
        parent_reemission=None if row.parent_id is None else uris.reemission(row.parent_id),
    )
    reemit(uow, uris, said_again, replace(group, name=people[group.id].name))
