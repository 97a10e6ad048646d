"""The files of our own: kept for ever where their address names their content, and given whole or not at all."""

import pytest

from tests.web.browsing import Place
from web.rendering import asset

pytestmark = pytest.mark.parametrize("database_address", ["sqlite"], indirect=True)
RANGES = (
    "bytes=0-9", "bytes=-1", "bytes=0-", "bytes=9-0", "bytes=999999999-", "bytes=", "bytes=a-b", "lines=1-2", "x", "",
    "bytes=" + ",".join("0-" for _ in range(1_000)), "bytes=0-0,-1", "bytes = 0 - 1",
)  # fmt: skip


@pytest.mark.parametrize("asked", RANGES)
def test_whichever_part_is_asked_for_the_whole_is_given(place: Place, asked: str) -> None:
    browser, path = place.browser(), asset("kinfold.css")
    whole = browser.request("GET", path)
    for headers in ({"Range": asked}, {"Range": asked, "If-Range": whole.headers["etag"]}):
        answer = browser.request("GET", path, headers=headers)
        assert (answer.status_code, answer.content) == (200, whole.content)
        assert "content-range" not in answer.headers
    assert whole.headers["accept-ranges"] == "none"


def test_what_is_named_by_its_content_is_kept_for_ever_and_all_else_for_an_hour(place: Place) -> None:
    browser = place.browser()
    named, plain = browser.request("GET", asset("icon.svg")), browser.request("GET", "/static/icon.svg")
    assert "immutable" in named.headers["cache-control"]
    assert "max-age=3600" in plain.headers["cache-control"]
    unchanged = browser.request("GET", "/static/icon.svg", headers={"If-None-Match": plain.headers["etag"]})
    assert (unchanged.status_code, unchanged.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["nowhere.css", "../rendering.py", "%2e%2e/rendering.py", "..%2frendering.py", "", "%00"]
)
def test_nothing_else_is_given(place: Place, path: str) -> None:
    answer = place.browser().request("GET", f"/static/{path}")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text
