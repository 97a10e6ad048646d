"""Apps in browsers: the client API may be read by pages of any origin, our own pages by none."""

import pytest

from tests.web.app_client import World

OPEN = (
    "/api/v1/instance", "/api/v2/instance", "/api/v1/nowhere", "/api/v1/timelines/home", "/oauth/token",
    "/oauth/revoke", "/oauth/userinfo", "/.well-known/oauth-authorization-server", "/nodeinfo/2.0", "/nodeinfo",
)  # fmt: skip
CLOSED = ("/elsewhere", "/oauth/authorize", "/oauth", "/apiary", "/static/kinfold.css", "/oauth/token/x", "//api/x")
ORIGIN = {"Origin": "https://elk.example"}


@pytest.mark.parametrize("path", OPEN)
async def test_answers_for_apps_may_be_read_by_any_page_errors_too(world: World, path: str) -> None:
    answer = await world.anyone.get(path, headers=ORIGIN)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in answer.headers
    exposed = answer.headers["access-control-expose-headers"]
    assert all(name in exposed for name in ("Link", "X-RateLimit-Remaining", "X-RateLimit-Reset"))
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"


@pytest.mark.parametrize("path", CLOSED)
async def test_our_pages_may_be_read_by_no_other(world: World, path: str) -> None:
    for verb in ("GET", "POST", "OPTIONS"):
        answer = await world.anyone.ask(verb, path, headers=ORIGIN)
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("path", OPEN)
@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_a_preflight_lets_every_verb_and_field_through(world: World, path: str, verb: str) -> None:
    asked = {
        **ORIGIN,
        "Access-Control-Request-Method": verb,
        "Access-Control-Request-Headers": "authorization,content-type,idempotency-key,x-odd",
    }
    answer = await world.anyone.ask("OPTIONS", path, headers=asked)
    assert answer.status_code == 204
    assert verb in answer.headers["access-control-allow-methods"].split(", ")
    assert answer.headers["access-control-allow-headers"] == "authorization,content-type,idempotency-key,x-odd"
    assert int(answer.headers["access-control-max-age"]) > 0


async def test_a_preflight_repeats_no_endless_list(world: World) -> None:
    asked = {**ORIGIN, "Access-Control-Request-Headers": "x" * 5_000}
    answer = await world.anyone.ask("OPTIONS", "/api/v1/statuses", headers=asked)
    assert "x" * 100 not in answer.headers["access-control-allow-headers"]
    assert "Authorization" in answer.headers["access-control-allow-headers"]


async def test_every_answer_for_apps_is_private(world: World) -> None:
    for path in ("/api/v1/instance", "/api/v1/nowhere", "/api/v1/timelines/home"):
        answer = await world.anyone.get(path, headers=ORIGIN)
        assert "no-store" in answer.headers["cache-control"]
        assert "Authorization" in answer.headers["vary"]
