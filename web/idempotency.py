"""Posting once, however often an app asks: the key and the post are written in one transaction (S-819)."""

from datetime import timedelta

from sqlalchemy import delete, insert, select

from activitypub.uris import Uris
from groups import posting, timelines
from groups.composing import NewPost
from groups.views import PostView, Viewer
from privacy.unit_of_work import UnitOfWork, table_of
from web.models import IdempotencyKey

KEYS = table_of(IdempotencyKey)
REMEMBERED_FOR = timedelta(hours=1)


def publish_once(
    uow: UnitOfWork, uris: Uris, author_id: int, new: NewPost, token_id: int, key_hash: bytes | None
) -> PostView:
    """Publish a post, or return the one that answered the same key of the same token within the hour.

    Of two that come at one moment the second collides on the key, is run again, and finds what the first has written.
    Raises as `groups.posting.publish_post` does, and NotFound when that post has ended since.
    """
    if key_hash is None:
        return posting.publish_post(uow, uris, author_id, new)
    uow.connection.execute(delete(KEYS).where(KEYS.c.created_at < uow.now - REMEMBERED_FOR))
    same = select(KEYS.c.post_id).where(KEYS.c.token_id == token_id, KEYS.c.key_hash == key_hash)
    done: int | None = uow.connection.execute(same).scalar()
    if done is not None:
        return timelines.post(uow, Viewer(author_id), done)
    post = posting.publish_post(uow, uris, author_id, new)
    row = {"token_id": token_id, "key_hash": key_hash, "post_id": post.id, "created_at": uow.now}
    uow.connection.execute(insert(KEYS).values(row))
    return post
