"""OAuth for apps: token, revocation, who am I, and what is offered here (client API reference §6).

The page on which a person agrees stands in `web/mastodon/consent.py`.
"""

from base64 import b64decode
from typing import Any
from urllib.parse import unquote_plus

from starlette.requests import Request

from groups import people
from groups.errors import NotFound
from web.grants import (
    BAD_CLIENT,
    BAD_SCOPE,
    Client,
    CodeRequest,
    Issued,
    Refusal,
    exchange_code,
    grant_to_application,
    revoke,
)
from web.mastodon.calls import Answer, Call, Method, Who
from web.mastodon.entities import url
from web.parameters import Parameters
from web.scopes import GRANTED, read_scopes

MAX_SECRET_CHARACTERS = 512


def client_of(request: Request, asked: Parameters) -> Client | None:
    """Return the credentials that an app shows, by HTTP Basic or in the body (RFC 6749 §2.3.1)."""
    kind, _, encoded = request.headers.get("authorization", "").partition(" ")
    if kind.lower() == "basic":
        try:
            name, colon, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
        except ValueError:  # signs that are not Base64, not ASCII, or no text
            return None
        client_id, secret = unquote_plus(name), unquote_plus(secret) if colon else ""
    else:
        client_id, secret = asked.text("client_id"), asked.text("client_secret")
    if not client_id or len(client_id) > MAX_SECRET_CHARACTERS or len(secret) > MAX_SECRET_CHARACTERS:
        return None
    if "\0" in client_id:  # `%00` comes through Basic, and PostgreSQL cannot be asked for it
        return None
    return Client(client_id, secret or None)


async def token(call: Call) -> Answer:
    """Give an app a token. https://docs.joinmastodon.org/methods/oauth/#token"""
    asked = call.parameters
    client = client_of(call.request, asked)
    grant_type = asked.text("grant_type")
    if grant_type not in {"authorization_code", "client_credentials"}:
        name = "unsupported_grant_type" if grant_type else "invalid_request"
        return refused(Refusal(name, "grant_type must be authorization_code or client_credentials."))
    if client is None:
        return refused(BAD_CLIENT)
    if grant_type == "client_credentials":
        scopes = read_scopes(asked.text("scope"))
        return answered(BAD_SCOPE if scopes is None else await call.write(grant_to_application, client, scopes))
    code, redirect_uri = asked.text("code"), asked.text("redirect_uri")
    if not code or not redirect_uri:
        return refused(Refusal("invalid_request", "code and redirect_uri are needed."))
    request = CodeRequest(client, code, redirect_uri, asked.text("code_verifier") or None)
    return answered(await call.write(exchange_code, request))


def answered(outcome: Issued | Refusal) -> Answer:
    """Return the answer of the token endpoint (RFC 6749 §5)."""
    if isinstance(outcome, Refusal):
        return refused(outcome)
    return Answer(
        {
            "access_token": outcome.token,
            "token_type": "Bearer",
            "scope": " ".join(outcome.scopes),
            "created_at": int(outcome.created_at.timestamp()),
        },
        headers={"pragma": "no-cache"},
    )


def refused(refusal: Refusal) -> Answer:
    """Return an OAuth error as apps read it."""
    headers = {"www-authenticate": 'Basic realm="Kinfold"'} if refusal is BAD_CLIENT else {}
    return Answer({"error": refusal.error, "error_description": refusal.description}, refusal.status, headers)


async def end_token(call: Call) -> Answer:
    """End a token. https://docs.joinmastodon.org/methods/oauth/#revoke"""
    client, shown = client_of(call.request, call.parameters), call.parameters.text("token")
    if client is None:
        return refused(BAD_CLIENT)
    if not shown:
        return refused(Refusal("invalid_request", "token is needed."))
    refusal = await call.write(revoke, client, shown)
    return Answer({}) if refusal is None else refused(refusal)


async def userinfo(call: Call) -> dict[str, Any]:
    """Tell who the token acts for: the persona, and nothing of whose it is."""
    me = await call.read(people.card, call.actor_id)
    picture = call.site.asset("avatar-0.png")
    return {
        "iss": call.site.base_url,
        "sub": me.uri,
        "name": me.name,
        "preferred_username": me.handle,
        "profile": url(me.url),
        "picture": picture,
    }


async def metadata(call: Call) -> dict[str, Any]:
    """Tell what is offered here (RFC 8414 §2); raises NotFound in development, where the issuer could not be https."""
    base = call.site.base_url
    if not base.startswith("https:"):
        raise NotFound("metadata on http")  # Mastodon.py gives up on addresses that are not https, 404 it takes well
    return {
        "issuer": base,
        "authorization_endpoint": f"{base}/oauth/authorize",
        "token_endpoint": f"{base}/oauth/token",
        "revocation_endpoint": f"{base}/oauth/revoke",
        "userinfo_endpoint": f"{base}/oauth/userinfo",
        "app_registration_endpoint": f"{base}/api/v1/apps",
        "service_documentation": f"{base}/about",
        "scopes_supported": list(GRANTED),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code", "client_credentials"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "none"],
        "code_challenge_methods_supported": ["S256"],
    }


METHODS = (
    Method("POST", "/oauth/token", token, who=Who.STRANGERS),
    Method("POST", "/oauth/revoke", end_token, who=Who.STRANGERS),
    Method("GET", "/oauth/userinfo", userinfo, ("profile",)),
    Method("POST", "/oauth/userinfo", userinfo, ("profile",)),
    Method("GET", "/.well-known/oauth-authorization-server", metadata, who=Who.STRANGERS),
)
