"""Signs of support, and what a persona keeps for itself."""

from typing import Any

from sqlalchemy import Row, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from activitypub.uris import Uris
from groups import translation
from groups.distribution import send_from
from groups.errors import NotFound
from groups.notifications import forget_news_of, notify_members
from groups.people import ACTORS, hold_actor
from groups.places import GROUPS, standing_of
from groups.policy import Act, may
from groups.showing import BOOKMARKS, POSTS, REACTIONS
from groups.timelines import post
from groups.views import PostView, Viewer
from groups.visibility import Onlooker, visible_to
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork


def react(uow: UnitOfWork, uris: Uris, persona_id: int, post_id: int) -> PostView:
    """Support a post, once. Raises NotFound, NotAllowed."""
    row = _visible(uow, persona_id, post_id)
    may(Act.REACT, standing_of(uow, row.group_id, persona_id)).or_raise()
    like_uri = uris.activity(f"{new_id():x}")
    if store_reaction(uow, row, persona_id, like_uri):
        _tell_author(uow, uris, row, persona_id, like_uri, undo=False)
    return post(uow, Viewer(persona_id), post_id)


def unreact(uow: UnitOfWork, uris: Uris, persona_id: int, post_id: int) -> PostView:
    """Take a sign of support back. Raises NotFound."""
    row = _visible(uow, persona_id, post_id)
    like_uri = forget_reaction(uow, post_id, persona_id)
    if like_uri is not None:
        _tell_author(uow, uris, row, persona_id, like_uri, undo=True)
    return post(uow, Viewer(persona_id), post_id)


def store_reaction(uow: UnitOfWork, row: Row[Any], actor_id: int, like_uri: str) -> bool:
    """Write down that somebody supports a post and tell its author; answers whether that is new."""
    dialect = postgresql if uow.dialect == "postgresql" else sqlite
    values = {"post_id": row.id, "actor_id": actor_id, "uri": like_uri, "created_on": uow.now}
    # What an INSERT counts is not told on PostgreSQL; what it returns is.
    stored = dialect.insert(REACTIONS).values(**values).on_conflict_do_nothing().returning(REACTIONS.c.post_id)
    if uow.connection.execute(stored).first() is None:
        return False
    notify_members(
        uow,
        [row.author_id],
        kind="reaction",
        actor_id=actor_id,
        group_id=row.group_id,
        post_id=row.id,
        until=row.expires_at,
    )
    return True


def forget_reaction(uow: UnitOfWork, post_id: int, actor_id: int) -> str | None:
    """Forget that somebody supports a post; returns the id of the Like, or None where there was none."""
    gone = (
        delete(REACTIONS)
        .where(REACTIONS.c.post_id == post_id, REACTIONS.c.actor_id == actor_id)
        .returning(REACTIONS.c.uri)
    )
    row = uow.connection.execute(gone).first()
    if row is None:
        return None
    forget_news_of(uow, post_id, kind="reaction", actor_id=actor_id)
    return str(row.uri)


def bookmark(uow: UnitOfWork, persona_id: int, post_id: int) -> PostView:
    """Keep a post at hand; nobody is told. Raises NotFound."""
    _visible(uow, persona_id, post_id)
    dialect = postgresql if uow.dialect == "postgresql" else sqlite
    values = {"actor_id": persona_id, "post_id": post_id, "created_on": uow.now}
    uow.connection.execute(dialect.insert(BOOKMARKS).values(**values).on_conflict_do_nothing())
    return post(uow, Viewer(persona_id), post_id)


def unbookmark(uow: UnitOfWork, persona_id: int, post_id: int) -> PostView:
    """Let go of a post that was kept. Raises NotFound."""
    mine = (BOOKMARKS.c.actor_id == persona_id, BOOKMARKS.c.post_id == post_id)
    uow.connection.execute(delete(BOOKMARKS).where(*mine))
    return post(uow, Viewer(persona_id), post_id)


def _visible(uow: UnitOfWork, actor_id: int, post_id: int) -> Row[Any]:
    hold_actor(uow, actor_id)
    allowed = visible_to(Onlooker(actor_id), uow.now)
    query = select(POSTS).join(GROUPS, GROUPS.c.id == POSTS.c.group_id).where(POSTS.c.id == post_id, allowed)
    row = uow.connection.execute(query).first()
    if row is None:
        raise NotFound(f"post {post_id}")
    return row


def _tell_author(uow: UnitOfWork, uris: Uris, row: Row[Any], persona_id: int, like_uri: str, *, undo: bool) -> None:
    """Send the Like, or its Undo, to the home of a remote post: never of a group from which nothing leaves."""
    ids = (row.author_id, persona_id, row.group_id)
    actors = {actor.id: actor for actor in uow.connection.execute(select(ACTORS).where(ACTORS.c.id.in_(ids)))}
    audience = uow.connection.execute(select(GROUPS.c.audience).where(GROUPS.c.id == row.group_id)).scalar_one()
    author, persona, group = actors[row.author_id], actors[persona_id], actors[row.group_id]
    if audience == "none" or (author.local and group.local):
        return
    # A post of a group elsewhere is supported through that group, which is where its members look.
    target = author if group.local else group
    like = translation.to_like(like_uri, persona.uri, row.uri, [author.uri, group.uri], group.uri)
    if undo:
        like = translation.to_undo(uris.activity(f"{new_id():x}"), persona.uri, like, [author.uri, group.uri])
    send_from(uow, persona_id, like, row.group_id, [(target.host, target.inbox)])
