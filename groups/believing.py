"""What of an activity is believed: what its author sent, what was fetched from where it lives, what its author proved.

Nothing is believed for having been passed on (FEP-fe34, S-304).
"""

from activitypub import actors
from activitypub.errors import ForeignOrigin, NeedsObject
from activitypub.ports import ActorView, Arrival
from groups.incoming import IncomingActivity, IncomingPost
from privacy.unit_of_work import UnitOfWork


def proved(uow: UnitOfWork, arrival: Arrival, activity: IncomingActivity) -> IncomingPost | None:
    """Return what an announced activity embeds, if its author has proved it (FEP-8b32). Raises NeedsObject."""
    if activity.proof is None or activity.proved_post is None:
        return None
    author = author_of(uow, arrival, activity.proved_post)
    return activity.proved_post if author and actors.has_proved(uow, author.id, activity.proof) else None


def believed(arrival: Arrival, activity: IncomingActivity, author_uri: str) -> IncomingPost | None:
    """Return the post of an activity: embedded and true, or fetched. Raises NeedsObject, ForeignOrigin."""
    post = activity.post
    if post is None and activity.object_uri is not None:
        post = fetched_post(arrival, activity.object_uri)
    if post is not None and post.author_uri != author_uri:
        raise ForeignOrigin(f"{activity.uri} speaks of a post of another author")
    return post


def fetched_post(arrival: Arrival, uri: str, *, signer_id: int | None = None) -> IncomingPost | None:
    """Return the post that lives at an address, as that says, or None where it cannot be had. Raises NeedsObject."""
    found = arrival.fetched.get(uri)
    if isinstance(found, IncomingActivity):
        found = found.post
    if isinstance(found, IncomingPost):
        return found
    if uri in arrival.unavailable or uri in arrival.fetched:
        return None
    raise NeedsObject(uri, signer_id=signer_id)


def author_of(uow: UnitOfWork, arrival: Arrival, post: IncomingPost) -> ActorView | None:
    """Return who wrote a post elsewhere, if they are known or can be, and may be heard. Raises NeedsObject."""
    author = actors.actor_by_uri(uow, post.author_uri)
    if author is None and post.author_uri not in arrival.unavailable:
        raise NeedsObject(post.author_uri)
    return author if author is not None and author.state == "active" and not author.local else None
