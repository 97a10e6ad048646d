"""The whole application: whatever is asked, on any route, while the database is away is answered in words that help."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.routing import BaseRoute, Route

from activitypub import endpoints
from node import health
from node.app import create_app
from node.faces import join_faces
from node.settings import load_settings
from node.wiring import Node, build_node
from privacy.errors import DatabaseUnavailable
from privacy.keyring import create_keyring, create_root_key
from tests.clock import MovableClock
from web.forms import make_token
from web.routes import routes

PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
FILLED = {"status": "words", "text": "words", "name": "ada", "password": "a password", "q": "ada", "decision": "allow",
          "client_name": "Lantern", "redirect_uris": "https://app.example/", "scopes": "read", "group_id": "1",
          "client_id": "a", "client_secret": "b", "grant_type": "client_credentials", "scope": "read", "token": "c",
          "acct": "ada", "id[]": "1", "address": "@evening@kin.example", "home[last_read_id]": "1", "as": "1",
          "current": "a password", "again": "another password", "handle": "ada", "shown": "Ada"}  # fmt: skip
"""What a form or a method may ask for, so that it comes as far as the database."""
SESSION = "o" + "s" * 43
WEB, APP, SERVER = "text/html", "application/json", "application/activity+json"
WITHOUT_DATABASE = {
    "/about", "/privacy", "/x", "/signed-out", "/sign-in", "/sign-in/{token}", "/health/live", "/actor/outbox",
}  # fmt: skip
"""What says the same whatever the database does."""


@pytest.fixture(params=["sqlite", "postgresql"])
def away(request: pytest.FixtureRequest, tmp_path: Path, clock: MovableClock) -> Iterator[Node]:
    """A node with its keys, whose database is not to be had: a port where nobody listens, a file that is none."""
    (tmp_path / "kinfold.db").mkdir()
    addresses = {
        "sqlite": f"sqlite:///{tmp_path / 'kinfold.db'}",
        "postgresql": "postgresql://kinfold@127.0.0.1:9/none",
    }
    environ = {
        "KINFOLD_DOMAIN": "kin.example",
        "KINFOLD_DATA_DIR": str(tmp_path / "data"),
        "KINFOLD_DATABASE_URL": addresses[request.param],
    }
    settings = load_settings(environ)
    create_root_key(settings.root_key_file)
    create_keyring(settings.keyring_dir)
    built = build_node(settings, clock=clock)
    yield built
    built.close()


def all_routes(node: Node) -> list[tuple[str, str]]:
    """Return verb and path of everything that the node answers."""
    faces = join_faces(node)
    found: list[BaseRoute] = [*endpoints.routes(faces.federation), *routes(faces.web), *health.routes(node)]
    listed = {(verb, route.path) for route in found if isinstance(route, Route) for verb in route.methods or ()}
    return sorted(listed)


async def ask(node: Node, asked: list[tuple[str, str]], accept: str, **shown: Any) -> list[httpx.Response]:
    """Ask for each path in turn, with a form that fits most of them."""
    cookies, headers = shown.get("cookies", {}), {"Accept": accept, "Host": "kin.example", **shown.get("headers", {})}
    secret = next(iter(cookies.values()), "f" * 43)
    headers |= {"Origin": "https://kin.example", "Sec-Fetch-Site": "same-origin"} if accept == WEB else {}
    app = httpx.ASGITransport(app=create_app(node, jobs=False), raise_app_exceptions=False)
    answers = []
    async with httpx.AsyncClient(transport=app, base_url="https://kin.example", cookies=cookies) as client:
        for verb, path in asked:
            body = {**FILLED, "form_token": make_token(secret.encode())}
            sent: dict[str, Any] = {"data": body} if verb not in {"GET", "HEAD"} else {"params": FILLED}
            answers.append(await client.request(verb, PARAMETER.sub("1", path), headers=headers, **sent))
    return answers


ASKERS = {
    "somebody signed in": (WEB, {"cookies": {"__Host-kinfold": SESSION}}),
    "a stranger": (WEB, {"cookies": {"__Host-kinfold-form": "f" * 43}}),
    "an app": (APP, {"headers": {"Authorization": "Bearer token"}}),
    "an app without a token": (APP, {}),
    "a server": (SERVER, {}),
}


@pytest.mark.parametrize("asker", ASKERS)
async def test_no_route_fails_while_the_database_is_away(away: Node, asker: str) -> None:
    accept, shown = ASKERS[asker]
    asked = all_routes(away)
    assert len(asked) > 200
    faults, unavailable = [], set()
    for (verb, path), answer in zip(asked, await ask(away, asked, accept, **shown), strict=True):
        if answer.status_code == 503:
            unavailable.add((verb, path))
            if verb != "HEAD" and DatabaseUnavailable.default_public not in answer.text and "/health/" not in path:
                faults.append((verb, path, answer.text[-300:]))
            if "retry-after" not in answer.headers:
                faults.append((verb, path, "no Retry-After"))
        elif answer.status_code >= 500:
            faults.append((verb, path, str(answer.status_code)))
    assert faults == []
    answering = WITHOUT_DATABASE if asker == "a stranger" else {"/x", "/health/live"}
    assert not unavailable & {("GET", path) for path in answering}
    assert len(unavailable) > (5 if asker == "a server" else 15), "most of them did ask the database"


async def test_who_is_signed_in_reads_on_every_page_that_the_database_is_away(away: Node) -> None:
    pages = [(verb, path) for verb, path in all_routes(away) if verb == "GET" and path.startswith(("/groups", "/sett"))]
    assert len(pages) > 10
    answers = await ask(
        away, [*pages, ("GET", "/"), ("GET", "/oauth/authorize")], WEB, cookies={"__Host-kinfold": SESSION}
    )
    assert {answer.status_code for answer in answers} == {503}
    assert all(answer.headers["content-type"].startswith("text/html") for answer in answers)


async def test_leaving_the_site_at_once_needs_no_database(away: Node) -> None:
    [left] = await ask(away, [("GET", "/x")], WEB, cookies={"__Host-kinfold": SESSION})
    assert left.status_code == 303
    assert not left.headers["location"].startswith("/")
    assert "__Host-kinfold=" in left.headers["set-cookie"]
    assert "storage" in left.headers["clear-site-data"]
