"""Every route of the faces, in the order in which they are tried."""

from collections.abc import Awaitable, Callable, Mapping

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount

from web.context import WebContext
from web.mastodon import routes as mastodon
from web.pages import (
    elsewhere,
    groups,
    home,
    invites,
    members,
    posts,
    profiles,
    reports,
    rule_changes,
    rule_lists,
    servers,
    settings,
    sign_in,
)
from web.pages.framing import Pages, fault_page, wants_html
from web.static_files import StaticFiles


def routes(context: WebContext) -> list[BaseRoute]:
    """Return what people and their apps can ask for.

    They stand before the routes for other servers: a page leaves aside whoever asks for a document of the protocol.
    """
    pages = Pages(context)
    return [
        Mount("/static", StaticFiles()),
        *mastodon.routes(context),
        *home.routes(pages),
        *sign_in.routes(pages),
        *settings.routes(pages),
        *servers.routes(pages),
        *rule_changes.routes(pages),
        *rule_lists.routes(pages),
        *invites.routes(pages),
        *members.routes(pages),
        *groups.routes(pages),
        *reports.routes(pages),
        *posts.routes(pages),
        *profiles.routes(pages),
        *elsewhere.routes(pages),
    ]


def exception_handlers(context: WebContext) -> Mapping[int, Callable[[Request, Exception], Awaitable[Response]]]:
    """Return what answers for addresses that no route takes, and for faults of ours: a page, or JSON for an app."""
    pages = Pages(context)

    async def answer(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
        if request.scope["path"].startswith("/api/") or not wants_html(request.headers.get("accept", ""), strict=True):
            sentence = error.detail if isinstance(error, HTTPException) else "Something went wrong on our side"
            return JSONResponse({"error": sentence}, status, headers)
        response = fault_page(pages.stranger(request), status)
        response.headers.update(headers)
        return response

    return dict.fromkeys((404, 405, 500), answer)
