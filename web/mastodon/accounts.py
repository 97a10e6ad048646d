"""People and groups as accounts: who am I, who is this, what did they write, joining and leaving.

Joining a group is following it (client API reference §15.2). Who is in which group is told to nobody: followers are
empty, and one's own following is shown to oneself alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from activitypub.uris import Uris
from groups import membership, people, places, timelines
from groups.errors import NotAllowed, NotFound, SecondName
from groups.pinning import pinned_in
from groups.views import ActorCard, GroupView, MembershipView, Page, PostView, Viewer
from privacy.unit_of_work import UnitOfWork
from web.mastodon import entities
from web.mastodon.calls import Answer, Call, Method, Who
from web.mastodon.pagination import STATUSES
from web.mastodon.stubs import nothing

MAX_RELATIONSHIPS = 80


@dataclass(frozen=True, slots=True)
class Profile:
    """An account as its page shows it; the rules are there when it is a group."""

    card: ActorCard
    group: GroupView | None = None

    def entity(self, site: entities.Site) -> entities.Json:
        """Return the Account."""
        return entities.account(self.card, site, self.group)


def profile(uow: UnitOfWork, viewer: Viewer, actor_id: int) -> Profile:
    """Return whom the viewer may know of. Raises NotFound."""
    return described(uow, people.card_for(uow, viewer, actor_id))


def described(uow: UnitOfWork, card: ActorCard) -> Profile:
    """Return a card with the rules of the group that it shows, if it shows one that is known here."""
    if not card.is_group:
        return Profile(card)
    return Profile(card, places.group_views(uow, [card.id]).get(card.id))


def described_many(uow: UnitOfWork, cards: Sequence[ActorCard]) -> list[Profile]:
    """Return cards with the rules of those that are groups, read once."""
    views = places.group_views(uow, [card.id for card in cards if card.is_group])
    return [Profile(card, views.get(card.id)) for card in cards]


def own_profile(uow: UnitOfWork, actor_id: int, acting_id: int | None) -> tuple[Profile, int]:
    """Return who is signed in, with how many ask to join when it is a group."""
    requests = 0 if acting_id is None else len(places.requests_of(uow, acting_id, actor_id))
    return described(uow, people.card(uow, actor_id)), requests


async def verify_credentials(call: Call) -> dict[str, Any]:
    """Say who the token acts for. https://docs.joinmastodon.org/methods/accounts/#verify_credentials"""
    acting_id = call.persona_id if call.group_id is not None else None
    me, requests = await call.read(own_profile, call.actor_id, acting_id)
    return entities.credential_account(me.card, call.site, me.group, requests=requests)


async def show_account(call: Call) -> dict[str, Any]:
    """Show an account. https://docs.joinmastodon.org/methods/accounts/#get"""
    return (await call.read(profile, call.viewer, call.path_id())).entity(call.site)


async def show_accounts(call: Call) -> list[dict[str, Any]]:
    """Show several accounts. https://docs.joinmastodon.org/methods/accounts/#index"""
    wanted = call.parameters.identifiers("id")[:MAX_RELATIONSHIPS]
    return [found.entity(call.site) for found in await call.read(profiles, call.viewer, wanted)]


def profiles(uow: UnitOfWork, viewer: Viewer, wanted: Sequence[int]) -> list[Profile]:
    """Return those whom the viewer may know of, in the order asked."""
    known = people.known_cards(uow, viewer, wanted)
    return described_many(uow, [known[actor_id] for actor_id in wanted if actor_id in known])


async def look_up(call: Call) -> dict[str, Any]:
    """Find an account by its handle. https://docs.joinmastodon.org/methods/accounts/#lookup"""
    name, host = handle_of(call.parameters.text("acct"), call.site.domain)
    return (await call.read(look_up_profile, call.viewer, name, host)).entity(call.site)


def look_up_profile(uow: UnitOfWork, viewer: Viewer, name: str, host: str | None) -> Profile:
    """Return whoever has this handle, if the viewer may know of it. Raises NotFound."""
    return described(uow, people.look_up(uow, viewer, name, host))


def handle_of(text: str, domain: str) -> tuple[str, str | None]:
    """Return name and host of a handle as apps write it; the host is None for this node. Raises NotFound."""
    name, at, host = text.strip().removeprefix("acct:").lstrip("@").partition("@")
    if not name or (at and not host):
        raise NotFound("handle")
    return name.lower(), None if not host or host.lower() == domain.lower() else host.lower()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which of the statuses of an account are asked for."""

    pinned: bool
    media: bool
    tagged: bool
    replies: bool
    boosts: bool

    @property
    def is_empty(self) -> bool:
        """Whether nothing can be found: there are no media or tags."""
        return self.media or self.tagged


def statuses_of(
    uow: UnitOfWork, viewer: Viewer, actor_id: int, page: Page, wanted: Wanted
) -> tuple[list[PostView], bool]:
    """Return what an account shows, and whether it is a group. Raises NotFound.

    A group shows what was posted in it: its own announcements, and the posts of members as its boosts.
    """
    whose = people.card_for(uow, viewer, actor_id)
    if wanted.is_empty or (whose.is_group and not wanted.boosts and not whose.local):
        return [], whose.is_group
    if wanted.pinned:
        is_whole = whose.is_group and page == replace(page, max_id=None, since_id=None, min_id=None)
        return pinned_in(uow, viewer, actor_id) if is_whole else [], whose.is_group
    if whose.is_group and wanted.boosts:
        return timelines.group_timeline(uow, viewer, actor_id, page, threads_only=not wanted.replies), True
    return timelines.author_timeline(uow, viewer, actor_id, page, replies=wanted.replies), whose.is_group


async def account_statuses(call: Call) -> Answer:
    """Show what an account wrote. https://docs.joinmastodon.org/methods/accounts/#statuses"""
    asked, page = call.parameters, unwrapped(call.page(STATUSES))
    wanted = Wanted(
        pinned=asked.flag("pinned"),
        media=asked.flag("only_media"),
        tagged=bool(asked.text("tagged")),
        replies=not asked.flag("exclude_replies"),
        boosts=not asked.flag("exclude_reblogs"),
    )
    actor_id = call.path_id()
    found, is_group = await call.read(statuses_of, call.viewer, actor_id, page, wanted)
    show = entities.boost_by_group if is_group else entities.status
    shown = [(entities.status if post.author.id == actor_id else show)(post, call.site) for post in found]
    return call.listing(shown, page, [post.id for post in found])


def unwrapped(page: Page) -> Page:
    """Return a page whose bounds are ids of posts, although an app may give those of a group's boosts."""
    bounds = (page.max_id, page.since_id, page.min_id)
    plain = [None if bound is None else entities.status_id(bound) for bound in bounds]
    return Page(page.limit, *plain)


async def relationships(call: Call) -> list[dict[str, Any]]:
    """Tell how one stands to others. https://docs.joinmastodon.org/methods/accounts/#relationships"""
    wanted = call.parameters.identifiers("id")[:MAX_RELATIONSHIPS]
    return await call.read(relationships_with, call.viewer, call.persona_id, call.group_id, wanted)


def relationships_with(
    uow: UnitOfWork, viewer: Viewer, persona_id: int, group_id: int | None, wanted: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the Relationships with those whom the viewer may know of, in the order asked; others are left out."""
    known = people.known_cards(uow, viewer, wanted)
    mine = places.memberships(uow, persona_id, wanted)
    asking = set() if group_id is None else {card.id for card in places.requests_of(uow, persona_id, group_id)}
    return [
        entities.relationship(actor_id, mine.get(actor_id), requested_by=actor_id in asking)
        for actor_id in wanted
        if actor_id in known or actor_id in asking
    ]


async def follow(call: Call) -> dict[str, Any]:
    """Join a group, or ask to be let in. https://docs.joinmastodon.org/methods/accounts/#follow"""
    return await call.write(join, call.context.uris, call.viewer, call.persona_id, call.path_id())


def join(uow: UnitOfWork, uris: Uris, viewer: Viewer, persona_id: int, actor_id: int) -> dict[str, Any]:
    """Join a group; a person cannot be followed, since people publish into groups only. Raises NotFound, NotAllowed."""
    whom = people.card_for(uow, viewer, actor_id)
    if not whom.is_group:
        raise NotAllowed(public="People here are met in groups. Join a group that they are in.")
    try:
        place = membership.request_to_join(uow, uris, persona_id, actor_id)
    except SecondName as error:  # an app that acts for one name is not told of another
        raise NotAllowed(
            str(error), public="This group cannot be joined with this name. Its page says more."
        ) from error
    return entities.relationship(actor_id, place)


async def unfollow(call: Call) -> dict[str, Any]:
    """Leave a group, or take a request back. https://docs.joinmastodon.org/methods/accounts/#unfollow"""
    return await call.write(leave, call.context.uris, call.viewer, call.persona_id, call.path_id())


def leave(uow: UnitOfWork, uris: Uris, viewer: Viewer, persona_id: int, actor_id: int) -> dict[str, Any]:
    """Leave a group; where there is no place to leave, nothing changes. Raises NotFound, NotAllowed."""
    people.card_for(uow, viewer, actor_id)
    place = places.membership_of(uow, actor_id, persona_id)
    if place is not None and place.state in {"active", "pending"}:
        place = membership.leave(uow, uris, persona_id, actor_id)
    return entities.relationship(actor_id, place)


async def followers(call: Call) -> list[Any]:
    """Show nobody: who is in a group is known to its members, on the group's own page."""
    await call.read(people.card_for, call.viewer, call.path_id())
    return []


async def following(call: Call) -> list[dict[str, Any]]:
    """Show the groups that one is in to oneself, and nothing to anybody else (client API reference §15.2)."""
    actor_id = call.path_id()
    if call.bearer is None or call.bearer.actor_id != actor_id or call.group_id is not None:
        await call.read(people.card_for, call.viewer, actor_id)
        return []
    joined: list[tuple[GroupView, MembershipView]] = await call.read(places.groups_of, actor_id)
    return [entities.group_account(group, call.site) for group, place in joined if place.is_active]


METHODS = (
    Method("GET", "/api/v1/accounts/verify_credentials", verify_credentials, ("profile", "read:accounts")),
    Method("GET", "/api/v1/accounts/relationships", relationships, ("read:follows",)),
    Method("GET", "/api/v1/accounts/lookup", look_up, ("read:accounts",), Who.ANYBODY),
    Method("GET", "/api/v1/accounts", show_accounts, ("read:accounts",), Who.ANYBODY),
    Method("GET", "/api/v1/accounts/{id}", show_account, ("read:accounts",), Who.ANYBODY),
    Method("GET", "/api/v1/accounts/{id}/statuses", account_statuses, ("read:statuses",), Who.ANYBODY),
    Method("GET", "/api/v1/accounts/{id}/followers", followers, ("read:accounts",), Who.ANYBODY),
    Method("GET", "/api/v1/accounts/{id}/following", following, ("read:accounts",), Who.ANYBODY),
    Method("GET", "/api/v1/accounts/{id}/featured_tags", nothing, ("read:accounts",), Who.ANYBODY),
    Method("GET", "/api/v1/accounts/{id}/endorsements", nothing, ("read:accounts",), Who.ANYBODY),
    Method("GET", "/api/v1/accounts/{id}/identity_proofs", nothing, ("read:accounts",), Who.ANYBODY),
    Method("GET", "/api/v1/accounts/{id}/lists", nothing, ("read:lists",)),
    Method("POST", "/api/v1/accounts/{id}/follow", follow, ("write:follows",)),
    Method("POST", "/api/v1/accounts/{id}/unfollow", unfollow, ("write:follows",)),
)
