"""Pages under a handle, of groups that all may know and of people whom the reader meets; and permanent addresses."""

from dataclasses import dataclass

from markupsafe import Markup
from starlette.responses import Response
from starlette.routing import BaseRoute

from activitypub.actors import actor_by_uri
from activitypub.uris import ActorKind, Uris
from groups.errors import NotFound
from groups.people import card_for, look_up
from groups.timelines import author_timeline
from groups.timelines import post as post_of
from groups.views import ActorCard, Page, PostView, Viewer
from privacy.unit_of_work import UnitOfWork
from web.pages.asked import BLANK, MAX_KEY_CHARACTERS, id_of
from web.pages.framing import Needs, Pages
from web.pages.groups import show_group
from web.pages.posts import show_conversation
from web.pages.presenting import line, post_path, who
from web.visitors import Visitor

LATEST = 20


@dataclass(frozen=True, slots=True)
class Named:
    """Whoever has a handle, with what the reader may see of their posts when it is a person."""

    card: ActorCard
    posts: tuple[PostView, ...]


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route("/@{handle}", show, needs=Needs.NOTHING),
        pages.route("/@{handle}/{post:int}", show_post, needs=Needs.NOTHING),
        pages.route("/g/{token}", find_group_page, needs=Needs.NOTHING, strict=True),
        pages.route("/u/{token}", find_person_page, needs=Needs.NOTHING, strict=True),
        pages.route("/p/{post:int}", find_post, needs=Needs.NOTHING, strict=True),
    ]


async def show(asking: Visitor) -> Response:
    """Show the group or person that has this handle, if the reader may know of it."""
    found = await asking.context.database.read(named, asking.viewer, handle_of(asking))
    if found.card.is_group:
        return await show_group(asking, str(found.card.id), BLANK, {})
    me = None if asking.me is None else asking.me.id
    values = {
        "person": who(found.card, me),
        "about": Markup(found.card.summary),  # noqa: S704 - sanitised by groups.content before it was stored
        "posts": [line(post, me, asking.language) for post in found.posts],
    }
    return asking.page("person.html", asking.say("A person"), values)


async def show_post(asking: Visitor) -> Response:
    """Show a conversation in the group that has this handle."""
    return await show_conversation(asking, handle_of(asking))


async def find_group_page(asking: Visitor) -> Response:
    """Lead a browser from a group's permanent address to its page."""
    return asking.go(await _page_of(asking, "group"))


async def find_person_page(asking: Visitor) -> Response:
    """Lead a browser from a person's permanent address to their page."""
    return asking.go(await _page_of(asking, "person"))


async def find_post(asking: Visitor) -> Response:
    """Lead a browser from a post's permanent address to its page."""
    return asking.go(post_path(await asking.context.database.read(post_of, asking.viewer, id_of(asking, "post"))))


def handle_of(asking: Visitor) -> str:
    """Return the handle in the address. Raises NotFound for what can be none."""
    handle = str(asking.request.path_params["handle"])
    if len(handle) > MAX_KEY_CHARACTERS:
        raise NotFound("handle")
    return handle.lower()


def named(uow: UnitOfWork, viewer: Viewer, handle: str) -> Named:
    """Return whoever of this node has a handle. Raises NotFound for whom the viewer may not know."""
    card = look_up(uow, viewer, handle, None)
    posts = [] if card.is_group else author_timeline(uow, viewer, card.id, Page(limit=LATEST))
    return Named(card, tuple(posts))


def known_by_token(uow: UnitOfWork, uris: Uris, viewer: Viewer, kind: ActorKind, token: str) -> ActorCard:
    """Return whom a permanent address stands for. Raises NotFound for whom the viewer may not know."""
    actor = actor_by_uri(uow, uris.actor(kind, token))
    if actor is None:
        raise NotFound("token")
    return card_for(uow, viewer, actor.id)


async def _page_of(asking: Visitor, kind: ActorKind) -> str:
    token, uris = str(asking.request.path_params["token"])[:MAX_KEY_CHARACTERS], asking.context.uris
    card = await asking.context.database.read(known_by_token, uris, asking.viewer, kind, token)
    return f"/@{card.handle}"
