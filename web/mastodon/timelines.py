"""Home, the groups as lists, bookmarks and favourites. https://docs.joinmastodon.org/methods/timelines/"""

from collections.abc import Sequence

from groups import places, timelines
from groups.errors import NotFound
from groups.views import Page, PostView, Viewer
from privacy.unit_of_work import UnitOfWork
from web.mastodon import entities
from web.mastodon.accounts import unwrapped
from web.mastodon.calls import Answer, Call, Method
from web.mastodon.pagination import STATUSES


def listed(call: Call, page: Page, posts: Sequence[PostView]) -> Answer:
    """Return a page of posts."""
    return call.listing([entities.status(post, call.site) for post in posts], page, [post.id for post in posts])


async def home(call: Call) -> Answer:
    """Show the groups that one lets into one's home; the home of a group is what is posted in it."""
    page = unwrapped(call.page(STATUSES))
    if call.group_id is not None:
        return listed(call, page, await call.read(timelines.group_timeline, call.viewer, call.group_id, page))
    return listed(call, page, await call.read(timelines.home_timeline, call.actor_id, page))


async def of_list(call: Call) -> Answer:
    """Show the posts of a group that one is in. https://docs.joinmastodon.org/methods/timelines/#list"""
    page = unwrapped(call.page(STATUSES))
    return listed(call, page, await call.read(posts_of_list, call.persona_id, call.path_id(), page))


def posts_of_list(uow: UnitOfWork, persona_id: int, group_id: int, page: Page) -> list[PostView]:
    """Return the posts of a group that a persona is in. Raises NotFound: a list of others is not there."""
    place = places.membership_of(uow, group_id, persona_id)
    if place is None or not place.is_active:
        raise NotFound(f"list {group_id}")
    return timelines.group_timeline(uow, Viewer(persona_id), group_id, page)


async def bookmarks(call: Call) -> Answer:
    """Show what one kept. https://docs.joinmastodon.org/methods/bookmarks/"""
    page = unwrapped(call.page(STATUSES))
    return listed(call, page, await call.read(timelines.bookmarks, call.actor_id, page))


async def favourites(call: Call) -> Answer:
    """Show what one supported. https://docs.joinmastodon.org/methods/favourites/"""
    page = unwrapped(call.page(STATUSES))
    return listed(call, page, await call.read(timelines.favourites, call.actor_id, page))


METHODS = (
    Method("GET", "/api/v1/timelines/home", home, ("read:statuses",)),
    Method("GET", "/api/v1/timelines/list/{id}", of_list, ("read:lists",)),
    Method("GET", "/api/v1/bookmarks", bookmarks, ("read:bookmarks",)),
    Method("GET", "/api/v1/favourites", favourites, ("read:favourites",)),
)
