"""Apps register themselves, and ask who they are. https://docs.joinmastodon.org/methods/apps/"""

from typing import Any
from urllib.parse import urlsplit

from groups.content import one_line
from groups.errors import Invalid, NotFound
from web.applications import Application, NewApplication, application, register_application
from web.mastodon.calls import Call, Method, Who
from web.mastodon.limits import REGISTRATIONS
from web.parameters import Parameters
from web.redirects import MAX_URIS, is_redirect_uri, split_uris
from web.scopes import read_scopes

MAX_NAME_CHARACTERS = 100
MAX_WEBSITE_CHARACTERS = 2_000


def new_application(asked: Parameters) -> NewApplication:
    """Return the app that asks to be registered. Raises Invalid."""
    faults: dict[str, str] = {}
    name = asked.text("client_name")
    if not one_line(name, MAX_NAME_CHARACTERS) or len(name) > MAX_NAME_CHARACTERS:
        faults["client_name"] = f"Application name must have 1 to {MAX_NAME_CHARACTERS} characters."
    uris = split_uris(asked.texts("redirect_uris"))
    if not uris or len(uris) > MAX_URIS or not all(is_redirect_uri(uri) for uri in uris):
        faults["redirect_uris"] = "Redirect URI must be an absolute URI that an app can be sent back to."
    scopes = read_scopes(asked.text("scopes"))
    if scopes is None:
        faults["scopes"] = "Scopes hold one that is not known here."
    website = asked.text("website")
    if website and not is_website(website):
        faults["website"] = "Application website must be an http or https address."
    method = asked.choice(
        "token_endpoint_auth_method", ("client_secret_post", "client_secret_basic", "none"), "client_secret_post"
    )
    if faults or scopes is None:
        raise Invalid(faults)
    return NewApplication(name, uris, scopes, website or None, confidential=method != "none")


def is_website(text: str) -> bool:
    """Tell whether an app's website may be shown as a link."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return len(text) <= MAX_WEBSITE_CHARACTERS and parts.scheme in {"http", "https"} and bool(parts.hostname)


def entity(app: Application) -> dict[str, Any]:
    """Return an Application. One app refuses the node unless the name is the very one that it sent."""
    return {
        "id": str(app.id),
        "name": app.name,
        "website": app.website,
        "scopes": list(app.scopes),
        "redirect_uris": list(app.redirect_uris),
        "redirect_uri": "\n".join(app.redirect_uris),
        "vapid_key": "",
    }


async def register(call: Call) -> dict[str, Any]:
    """Register an app. https://docs.joinmastodon.org/methods/apps/#create"""
    app, secret = await call.write(register_application, new_application(call.parameters))
    told = {**entity(app), "client_id": app.client_id, "client_secret_expires_at": 0}
    return {**told, "client_secret": secret} if app.confidential else told


async def verify(call: Call) -> dict[str, Any]:
    """Tell an app who it is. https://docs.joinmastodon.org/methods/apps/#verify_credentials"""
    assert call.bearer is not None
    app = await call.read(application, call.bearer.application_id)
    if app is None:
        raise NotFound("application")
    return entity(app)


METHODS = (
    Method("POST", "/api/v1/apps", register, who=Who.STRANGERS, rate=REGISTRATIONS),
    Method("GET", "/api/v1/apps/verify_credentials", verify, who=Who.APP),
)
