"""Posts as statuses: writing, answering, changing, ending, support and bookmarks (client API reference §8 and §15.2).

The group decides who reads a post, whatever `visibility` an app sends; only `direct` narrows it.
"""

import dataclasses
import hashlib
import re
from collections.abc import Callable
from typing import Any

from activitypub.uris import Uris
from groups import composing, pinning, posting, reactions, timelines
from groups.composing import NewPost, PostForm
from groups.errors import Invalid, NotAllowed, NotFound
from groups.views import PostView, Viewer
from privacy.unit_of_work import UnitOfWork
from web.idempotency import publish_once
from web.mastodon import entities
from web.mastodon.calls import Call, Method, Who
from web.mastodon.limits import POSTS
from web.mastodon.stubs import nothing
from web.parameters import BadParameters, Parameters

MAX_BATCH = 40
MAX_KEY_CHARACTERS = 255
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8}){0,2}")
NOT_TAKEN = {
    "scheduled_at": "Posts cannot be scheduled here. Nothing was posted.",
    "quoted_status_id": "Posts of a group cannot be quoted. Nothing was posted.",
    "quote_id": "Posts of a group cannot be quoted. Nothing was posted.",
    "expires_in": "How long posts are kept is the group's rule and cannot be set for one. Nothing was posted.",
}
"""What is refused rather than passed over, since the person who asked for it would rely on it."""


def post_id(call: Call) -> int:
    """Return the post that the path names, be it by its own id or by that of a group's boost."""
    return entities.status_id(call.path_id())


def refuse_what_is_not_taken(asked: Parameters) -> None:
    """Refuse what cannot be done, so that nothing else is done in its place. Raises Invalid."""
    for name, sentence in NOT_TAKEN.items():
        if asked.text(name):
            raise Invalid({name: sentence})
    if asked.texts("media_ids"):
        raise Invalid({"media_ids": "Pictures and files cannot be sent yet. Nothing was posted."})
    if asked.nested("poll").texts("options"):
        raise Invalid({"poll": "Polls are not offered here. Nothing was posted."})


def read_form(call: Call) -> PostForm:
    """Return what somebody typed and chose. Raises Invalid, NotFound."""
    asked = call.parameters
    refuse_what_is_not_taken(asked)
    language = asked.text("language")
    if language and not LANGUAGE.fullmatch(language):
        raise Invalid({"language": "This is not the code of a language. Nothing was posted."})
    return PostForm(
        text=asked.text("status"),
        group_id=call.group_id or asked.identifier("group_id") or asked.identifier("context_id"),
        parent_id=parent_of(asked),
        note=asked.text("spoiler_text"),
        language=language or None,
        sensitive=asked.flag("sensitive"),
        direct=asked.text("visibility") == "direct",
    )


def parent_of(asked: Parameters) -> int | None:
    """Return the post that is answered; what cannot be an id is not there. Raises NotFound."""
    try:
        parent = asked.identifier("in_reply_to_id")
    except BadParameters as error:
        raise NotFound("parent") from error
    return None if parent is None else entities.status_id(parent)


async def composed(call: Call, form: PostForm) -> NewPost:
    """Look up whom the form names and render it, away from the event loop and before anything is written."""
    uris = call.context.uris
    handles = await call.in_pool(composing.handles_of, form)
    known = await call.read(composing.known_actors, uris, call.viewer, handles)
    return await call.in_pool(composing.compose, uris, form, known)


def idempotency_key(call: Call) -> bytes | None:
    """Return the keyed repeat of a request, hashed; None when the app does not mark repeats."""
    key = call.request.headers.get("idempotency-key", "")
    if len(key) > MAX_KEY_CHARACTERS:
        raise BadParameters("idempotency key too long", public="Idempotency-Key is too long.")
    return hashlib.sha256(key.encode()).digest() if key else None


async def create_status(call: Call) -> entities.Json:
    """Publish a status. https://docs.joinmastodon.org/methods/statuses/#create"""
    new = await composed(call, read_form(call))
    assert call.bearer is not None
    post = await call.write(
        publish_once, call.context.uris, call.actor_id, new, call.bearer.token_id, idempotency_key(call)
    )
    return entities.status(post, call.site)


async def edit_status(call: Call) -> entities.Json:
    """Put new words in the place of one's own. https://docs.joinmastodon.org/methods/statuses/#edit"""
    before = await call.read(own_post, call.viewer, call.actor_id, post_id(call))
    asked = call.parameters
    form = dataclasses.replace(
        read_form(call),
        text=asked.text("status", before.source),
        title=before.title,
        note=asked.text("spoiler_text", before.note),
        language=asked.text("language") or before.language,
        sensitive=asked.flag("sensitive", before.sensitive),
        group_id=None,
        parent_id=None,
    )
    new = await composed(call, form)
    return entities.status(
        await call.write(posting.edit_post, call.context.uris, call.actor_id, before.id, new), call.site
    )


async def delete_status(call: Call) -> entities.Json:
    """End a post at once. https://docs.joinmastodon.org/methods/statuses/#delete"""
    post = await call.write(posting.delete_post, call.context.uris, call.persona_id, post_id(call))
    return entities.deleted_status(post, call.site)


async def show_status(call: Call) -> entities.Json:
    """Show a post. https://docs.joinmastodon.org/methods/statuses/#get"""
    return entities.status(await call.read(timelines.post, call.viewer, post_id(call)), call.site)


async def show_statuses(call: Call) -> list[entities.Json]:
    """Show several posts, less those that may not be seen. https://docs.joinmastodon.org/methods/statuses/#index"""
    wanted = [entities.status_id(identifier) for identifier in call.parameters.identifiers("id")[:MAX_BATCH]]
    return [entities.status(post, call.site) for post in await call.read(timelines.posts, call.viewer, wanted)]


async def show_context(call: Call) -> entities.Json:
    """Show what stands before and after a post. https://docs.joinmastodon.org/methods/statuses/#context"""
    return entities.context(await call.read(timelines.thread, call.viewer, post_id(call)), call.site)


def own_post(uow: UnitOfWork, viewer: Viewer, actor_id: int, identifier: int) -> PostView:
    """Return a post that the actor itself wrote. Raises NotFound for any other."""
    post = timelines.post(uow, viewer, identifier)
    if post.author.id != actor_id:
        raise NotFound(f"own post {identifier}")
    return post


async def show_source(call: Call) -> entities.Json:
    """Show what one typed. https://docs.joinmastodon.org/methods/statuses/#source"""
    return entities.status_source(await call.read(own_post, call.viewer, call.actor_id, post_id(call)))


async def show_history(call: Call) -> list[entities.Json]:
    """Show the one revision that there is. https://docs.joinmastodon.org/methods/statuses/#history"""
    return [entities.status_edit(await call.read(timelines.post, call.viewer, post_id(call)), call.site)]


async def nobody_told(call: Call) -> list[Any]:
    """Show nobody: who supports a post is told to its author alone, as news, and nothing is boosted."""
    await call.read(timelines.post, call.viewer, post_id(call))
    return await nothing(call)


def deed_of_a_persona(deed: Callable[[UnitOfWork, Uris, int, int], PostView]) -> Callable[[Call], Any]:
    """Return the method that does something to a post in the name of a persona; a group supports and keeps nothing."""

    async def method(call: Call) -> entities.Json:
        if call.group_id is not None:
            raise NotAllowed(public="A group cannot do this. Sign in under your own name.")
        return entities.status(await call.write(deed, call.context.uris, call.persona_id, post_id(call)), call.site)

    method.__doc__ = deed.__doc__
    return method


def bookmark(uow: UnitOfWork, _: Uris, persona_id: int, identifier: int) -> PostView:
    """Keep a post at hand. https://docs.joinmastodon.org/methods/statuses/#bookmark"""
    return reactions.bookmark(uow, persona_id, identifier)


def unbookmark(uow: UnitOfWork, _: Uris, persona_id: int, identifier: int) -> PostView:
    """Let a kept post go. https://docs.joinmastodon.org/methods/statuses/#unbookmark"""
    return reactions.unbookmark(uow, persona_id, identifier)


async def boost(call: Call) -> None:
    """Refuse to carry a post out of its group. https://docs.joinmastodon.org/methods/statuses/#boost"""
    await call.read(timelines.post, call.viewer, post_id(call))
    raise NotAllowed(public="What is written in a group stays there: it cannot be boosted.")


async def pin(call: Call) -> entities.Json:
    """Keep a post on top of its group. https://docs.joinmastodon.org/methods/statuses/#pin"""
    post = await call.write(pinning.pin, call.context.uris, call.actor_id, post_id(call))
    return {**entities.status(post, call.site), "pinned": True}


async def unpin(call: Call) -> entities.Json:
    """Keep a post on top no longer. https://docs.joinmastodon.org/methods/statuses/#unpin"""
    return entities.status(await call.write(pinning.unpin, call.context.uris, call.actor_id, post_id(call)), call.site)


STATUS = "/api/v1/statuses/{id}"
METHODS = (
    Method("POST", "/api/v1/statuses", create_status, ("write:statuses",), rate=POSTS),
    Method("GET", "/api/v1/statuses", show_statuses, ("read:statuses",), Who.ANYBODY),
    Method("GET", STATUS, show_status, ("read:statuses",), Who.ANYBODY),
    Method("PUT", STATUS, edit_status, ("write:statuses",), rate=POSTS),
    Method("DELETE", STATUS, delete_status, ("write:statuses",), rate=POSTS),
    Method("GET", f"{STATUS}/context", show_context, ("read:statuses",), Who.ANYBODY),
    Method("GET", f"{STATUS}/source", show_source, ("read:statuses",)),
    Method("GET", f"{STATUS}/history", show_history, ("read:statuses",), Who.ANYBODY),
    Method("GET", f"{STATUS}/favourited_by", nobody_told, ("read:statuses",), Who.ANYBODY),
    Method("GET", f"{STATUS}/reblogged_by", nobody_told, ("read:statuses",), Who.ANYBODY),
    Method("POST", f"{STATUS}/favourite", deed_of_a_persona(reactions.react), ("write:favourites",)),
    Method("POST", f"{STATUS}/unfavourite", deed_of_a_persona(reactions.unreact), ("write:favourites",)),
    Method("POST", f"{STATUS}/bookmark", deed_of_a_persona(bookmark), ("write:bookmarks",)),
    Method("POST", f"{STATUS}/unbookmark", deed_of_a_persona(unbookmark), ("write:bookmarks",)),
    Method("POST", f"{STATUS}/reblog", boost, ("write:statuses",)),
    Method("POST", f"{STATUS}/unreblog", show_status, ("write:statuses",)),
    Method("POST", f"{STATUS}/pin", pin, ("write:accounts",)),
    Method("POST", f"{STATUS}/unpin", unpin, ("write:accounts",)),
)
