"""Errors: each of ours has a status, and nothing that anybody sends makes a fault of it."""

import importlib
import pkgutil
import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette

import activitypub
import groups
import privacy
import web
from groups.errors import Invalid, NotFound
from privacy.errors import PublicError
from tests.factories import make_group
from tests.web.app_client import make_context
from tests.web.browsing import Place
from web import errors
from web.mastodon.routes import METHODS
from web.routes import routes
from web.tokens import NewToken, make_token

PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
ODD_IN_PATHS = (
    "0", "-1", "00", "1", "9" * 19, "9" * 5_000, "9223372036854775807", "9223372036854775808", "%00", "a%00b", "%ff",
    "%C2%B2", "%D9%A1", "a", "%2e%2e", "%2F", "null", "%F0%9F%92%A9", "%20", "ungrouped-%D9%A1", "favourite-", "@", "-",
    "ungrouped-99999999999999999999", "a" * 5_000, "%ED%A0%80", "'", "%25",
)  # fmt: skip
NAMES = (
    "id", "id[]", "ids[]", "limit", "max_id", "since_id", "min_id", "status", "group_id", "in_reply_to_id", "q", "acct",
    "type", "resolve", "offset", "types[]", "exclude_types[]", "account_id", "home[last_read_id]", "home", "timeline[]",
    "title", "exclusive", "replies_policy", "scheduled_at", "poll[options][]", "poll", "media_ids[]", "visibility",
    "language", "sensitive", "spoiler_text", "client_name", "redirect_uris", "scopes", "website", "grant_type", "code",
    "client_id", "client_secret", "redirect_uri", "token", "code_verifier", "scope", "grouped_types[]", "a[b][c][d]",
    "token_endpoint_auth_method", "pinned", "tagged", "status[]", "status[x]",
)  # fmt: skip
FIELDS = (
    "text", "title", "note", "name", "password", "current", "handle", "shown", "address", "uses", "days", "again", "on",
    "from", "next", "shared", "as", "decision", *NAMES[:4], "client_id", "redirect_uri", "state", "scope",
)  # fmt: skip
VALUES = st.one_of(
    st.text(max_size=40),
    st.integers().map(str),
    st.sampled_from(
        ["", "\0", "9" * 19, "9" * 400, "true", "@", "@a@", "a@b", "@@@@", "https://", "https://[", "http://[::1",
         "%00", "\ud7ff", "\u202e", "²", "1" * 20, "authorization_code", "client_credentials",
         "urn:ietf:wg:oauth:2.0:oob", "https://kin.example/" + "a" * 3_000, "[](", "*" * 500, "<" * 500,
         "1e9", "-0", "x" * 20_000]
    ),
)  # fmt: skip
PAIRS = st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=4)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([name.partition("[")[0] for name in NAMES]), inner, max_size=3)
    ),
    max_leaves=8,
)
HEADERS = st.dictionaries(
    st.sampled_from(
        ["authorization", "content-type", "accept", "accept-language", "idempotency-key", "cookie", "content-length",
         "origin", "referer", "sec-fetch-site", "range", "if-none-match", "host", "x-forwarded-for", "te"]
    ),
    st.one_of(
        st.binary(max_size=30).map(lambda raw: bytes(sign for sign in raw if sign not in b"\0\r\n")),
        st.sampled_from(
            [b"Bearer", b"Bearer ", b"Basic \xff", b"application/json", b"multipart/form-data", b"\xe9" * 300,
             b"a" * 9_000, b"multipart/form-data; boundary=", b"text/html;q=x", b"application/activity+json", b"*",
             b"en;q=nan, *;q=inf", b'multipart/form-data; boundary="\xe9"; charset=none',
             b"application/json; charset=utf-7", b"de-;q=1"]
        ),
    ),
    max_size=3,
)  # fmt: skip
QUIETLY = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def subclasses(kind: type[Any]) -> Iterator[type[Any]]:
    for each in kind.__subclasses__():
        yield each
        yield from subclasses(each)


def test_every_error_that_people_are_told_has_a_status() -> None:
    for package in (privacy, activitypub, groups, web):
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            importlib.import_module(found.name)
    ours = [kind for kind in subclasses(PublicError) if not kind.__module__.startswith("tests")]
    assert len(ours) > 10
    reachable = [
        kind for kind in ours if kind.__module__.partition(".")[0] != "activitypub" and kind.__subclasses__() == []
    ]
    without = [kind.__name__ for kind in reachable if errors.status_of(_bare(kind)) == errors.UNEXPECTED]
    assert without == []


def _bare(kind: type[PublicError]) -> PublicError:
    return kind.__new__(kind)


def test_an_error_takes_the_status_of_the_nearest_above_it() -> None:
    class Narrow(NotFound):
        pass

    class Foreign(PublicError):
        pass

    assert errors.status_of(Narrow("x")) == 404
    assert errors.status_of(Invalid({"a": "b"})) == 422
    assert errors.status_of(Foreign("x")) == 500


@pytest.fixture
def token(place: Place) -> str:
    ada = place.member("ada")
    place.do(make_group, place.uris, "grief", owner_id=ada)
    return str(place.do(make_token, NewToken(ada, ["read", "write", "follow", "push", "profile"])))


def page_routes(place: Place) -> list[tuple[str, str]]:
    made = Starlette(routes=routes(make_context(place.database, place.uris, place.clock))).routes
    found = [
        (verb, path)
        for route in made
        if (path := getattr(route, "path", "")) and not path.startswith(("/api", "/static"))
        for verb in sorted((getattr(route, "methods", None) or set()) - {"HEAD"})
    ]
    assert len(found) > 50
    return found


def test_no_odd_id_in_the_path_of_a_method_is_a_fault(place: Place, token: str) -> None:
    browser, shown = place.browser(), {"Authorization": f"Bearer {token}"}
    faults = []
    for method in METHODS:
        for odd in ODD_IN_PATHS if "{" in method.path else ():
            path = PARAMETER.sub(lambda _, odd=odd: odd, method.path)
            answer = browser.request(method.verb, path, headers=shown)
            if answer.status_code >= 500:
                faults.append((method.verb, path[:80]))
            elif answer.status_code >= 400 and answer.status_code != 405:
                assert isinstance(answer.json()["error"], str), path[:80]
    assert faults == []


def test_no_odd_id_in_the_path_of_a_page_is_a_fault(place: Place, token: str) -> None:
    browser = place.signed_in("ada")
    [form_token] = browser.visit("/sign-out").form().values["form_token"]
    headers = {"Origin": browser.base, "Sec-Fetch-Site": "same-origin"}
    for verb, path in page_routes(place):
        for odd in ODD_IN_PATHS if "{" in path else ():
            filled = PARAMETER.sub(lambda _, odd=odd: odd, path)
            sent = {"data": {"form_token": form_token}} if verb == "POST" else {}
            answer = browser.request(verb, filled, headers=headers, **sent)
            assert answer.status_code < 500, (verb, filled[:80], answer.text[:200])


def test_no_parameter_of_a_method_is_a_fault(place: Place, token: str) -> None:
    browser, shown = place.browser(), {"Authorization": f"Bearer {token}"}

    @QUIETLY
    @given(st.sampled_from(METHODS), PAIRS, PAIRS | JSON, st.sampled_from(ODD_IN_PATHS[:8]))
    def no_fault(method: Any, query: list[tuple[str, str]], body: Any, odd: str) -> None:
        path = PARAMETER.sub(lambda _: odd, method.path)
        pairs = isinstance(body, list) and all(isinstance(pair, tuple) for pair in body)
        sent = {"data": dict(body)} if pairs else {"json": body}
        answer = browser.request(method.verb, path, headers=shown, params=query, **sent)
        assert answer.status_code < 500, (path[:80], answer.text[:200])

    no_fault()


def test_no_header_is_a_fault(place: Place, token: str) -> None:
    browser = place.browser()

    @QUIETLY
    @given(
        st.sampled_from([*((m.verb, m.path) for m in METHODS), *page_routes(place)]), HEADERS, st.binary(max_size=60)
    )
    def no_fault(asked: tuple[str, str], headers: dict[str, bytes], body: bytes) -> None:
        verb, path = asked
        filled = PARAMETER.sub("1", path)
        encoded = {"authorization": f"Bearer {token}".encode(), **headers}
        encoded = {name.encode(): value for name, value in encoded.items()}
        answer = browser.request(verb, filled, headers=encoded, content=body if verb != "GET" else b"")
        assert answer.status_code < 500, (filled, answer.text[:200])

    no_fault()


def test_nothing_that_is_typed_into_a_form_is_a_fault(place: Place, token: str) -> None:
    browser = place.signed_in("ada")
    [form_token] = browser.visit("/sign-out").form().values["form_token"]
    headers = {"Origin": browser.base, "Sec-Fetch-Site": "same-origin"}
    group = re.search(r"/groups/([0-9]+)", browser.visit("/").source)
    assert group is not None
    slow = ("/settings/names", "/settings/password", "/sign-in", "/i/{token}", "/sign-out", "/settings/names/unlock")
    posts = [path for verb, path in page_routes(place) if verb == "POST" and path not in slow]

    @QUIETLY
    @given(st.sampled_from(posts), st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=4))
    def no_fault(path: str, typed: dict[str, str]) -> None:
        filled = PARAMETER.sub(lambda found: group[1] if found[1] == "group" else "1", path)
        answer = browser.request("POST", filled, headers=headers, data={**typed, "form_token": form_token})
        assert answer.status_code < 500, (filled, typed, answer.text[:200])

    no_fault()


@pytest.mark.parametrize("path", ["/api/v1/nowhere", "/api/", "/oauth/nowhere", "/nowhere", "/groups/a/b/c/d"])
@pytest.mark.parametrize("verb", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_what_is_not_there_is_said_to_be_so_as_each_asker_reads_it(place: Place, verb: str, path: str) -> None:
    as_app = place.browser().request(verb, path, headers={"Accept": "application/json"})
    assert as_app.status_code in {404, 405}
    assert set(as_app.json()) == {"error"}
    as_person = place.browser().request(verb, path)
    assert as_person.status_code in {404, 405}
    kind = "application/json" if path.startswith("/api/") else "text/html"
    assert as_person.headers["content-type"].startswith(kind)


def test_a_fault_of_ours_tells_nothing_of_itself(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    from web.pages import home

    def broken(*_: object) -> None:
        raise RuntimeError("a secret of ours")

    place.member("ada")
    browser = place.signed_in("ada")
    assert browser.visit("/").status == 200
    monkeypatch.setattr(home, "corners_of", broken)
    page = browser.visit("/")
    assert page.status == 500
    assert "secret" not in page.source
    assert "Traceback" not in page.source
    assert "no-store" in page.headers["cache-control"]
    assert "content-security-policy" in page.headers
