"""Finding people and groups, here and elsewhere. https://docs.joinmastodon.org/methods/search/

Whom one may find is the domain's decision; with `resolve` a handle or address of another server is looked up there.
"""

import re
from collections.abc import Sequence

from activitypub.actors import actor_by_uri
from activitypub.discovery import resolve_actor, resolve_handle
from activitypub.errors import FederationError
from activitypub.ports import ActorView
from groups import founding, people, timelines
from groups.errors import NotFound
from groups.views import PostView, Viewer
from privacy.unit_of_work import UnitOfWork
from web.mastodon import entities
from web.mastodon.accounts import Profile, described_many
from web.mastodon.calls import Call, Method, Who

DEFAULT_LIMIT, MAX_LIMIT = 20, 40
MAX_QUERY_CHARACTERS = 500
FULL_HANDLE = re.compile(r"[@!]?([A-Za-z0-9_.-]{1,64})@([A-Za-z0-9.-]+(?::[0-9]{1,5})?)")


async def search(call: Call) -> entities.Json:
    """Search for anything. https://docs.joinmastodon.org/methods/search/#v2"""
    asked = call.parameters
    query, wanted = asked.text("q").strip()[:MAX_QUERY_CHARACTERS], asked.text("type")
    limit = asked.number("limit", DEFAULT_LIMIT, most=MAX_LIMIT)
    if asked.number("offset", 0, most=1_000_000, least=0):
        return {"accounts": [], "statuses": [], "hashtags": []}
    found = await accounts_found(call, query, limit) if wanted in {"", "accounts"} else []
    posts = await posts_found(call, query) if wanted in {"", "statuses"} else []
    return {
        "accounts": [profile.entity(call.site) for profile in found],
        "statuses": [entities.status(post, call.site) for post in posts],
        "hashtags": [],
    }


async def search_accounts(call: Call) -> list[entities.Json]:
    """Search for accounts, as apps do while a handle is typed. https://docs.joinmastodon.org/methods/accounts/#search"""
    asked = call.parameters
    limit = asked.number("limit", DEFAULT_LIMIT, most=MAX_LIMIT)
    found = await accounts_found(call, asked.text("q").strip()[:MAX_QUERY_CHARACTERS], limit)
    return [profile.entity(call.site) for profile in found]


async def accounts_found(call: Call, query: str, limit: int) -> list[Profile]:
    """Return whom a query finds: the one whose address it is, else those whose handle begins with it."""
    if not query:
        return []
    resolve = call.parameters.flag("resolve") and call.bearer is not None and call.bearer.actor_id is not None
    if query.startswith(("https://", "http://")):
        return await by_address(call, query, resolve=resolve)
    found = await call.read(by_text, call.viewer, local_form(query, call.site.domain), limit)
    if resolve and not found and FULL_HANDLE.fullmatch(query):
        return await elsewhere(call, query)
    return found


def by_text(uow: UnitOfWork, viewer: Viewer, query: str, limit: int) -> list[Profile]:
    """Return those whose handle begins with a text."""
    return described_many(uow, people.search(uow, viewer, query, limit))


def local_form(query: str, domain: str) -> str:
    """Return a handle of this node without its host, by which it is found here."""
    name, at, host = query.lstrip("@!").partition("@")
    return name if at and host.lower() == domain.lower() else query


async def by_address(call: Call, uri: str, *, resolve: bool) -> list[Profile]:
    """Return whoever has this address, fetched from its server when that is wished for and it is not known here."""
    known = await call.read(actor_by_uri, uri)
    if known is not None:
        return await call.read(known_profiles, call.viewer, [known.id])
    return await elsewhere(call, uri) if resolve else []


async def elsewhere(call: Call, query: str) -> list[Profile]:
    """Return whom another server names; nobody when it cannot be asked or does not say so."""
    federation = call.context.federation
    try:
        if query.startswith(("https://", "http://")):
            actor = await resolve_actor(federation, query)
        else:
            actor = await resolve_handle(federation, query.lstrip("@!"))
    except FederationError:
        return []
    await adopt(call, actor)
    return await call.read(known_profiles, call.viewer, [actor.id])


async def adopt(call: Call, actor: ActorView) -> None:
    """Make a group of another server one that can be joined from here."""
    if actor.kind == "Group" and not actor.local:
        await call.write(founding.adopt_remote_group, actor.id)


def known_profiles(uow: UnitOfWork, viewer: Viewer, ids: Sequence[int]) -> list[Profile]:
    """Return those whom the viewer may know of."""
    return described_many(uow, list(people.known_cards(uow, viewer, ids).values()))


async def posts_found(call: Call, query: str) -> list[PostView]:
    """Return the post whose address was pasted, if the viewer may see it; posts are not searched for words."""
    if not query.startswith(("https://", "http://")):
        return []
    try:
        return [await call.read(timelines.post_by_uri, call.viewer, query)]
    except NotFound:
        return []


METHODS = (
    Method("GET", "/api/v2/search", search, ("read:search",), Who.ANYBODY),
    Method("GET", "/api/v1/accounts/search", search_accounts, ("read:accounts",)),
)
