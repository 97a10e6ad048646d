"""Every route is documented, and nothing is documented that is not there."""

import re

from starlette.routing import BaseRoute, Mount, Route

from activitypub import endpoints
from activitypub.uris import Uris
from node import health
from node.database import ThreadedDatabase
from tests.architecture.tree import ROOT
from tests.clock import MovableClock
from tests.web.app_client import make_context
from web import routes

ROW = re.compile(r"^\| (GET|POST|PUT|PATCH|DELETE|any) \| `([^`]+)` \|(?: [^|]+ \|)? ([^|]{5,}) \|$", re.M)
VERBS = {"GET", "POST", "PUT", "PATCH", "DELETE"}


def served(found: list[BaseRoute]) -> set[tuple[str, str]]:
    """The verbs and paths that routes answer to; what serves files stands for all of them."""
    listed = {
        (verb, route.path) for route in found if isinstance(route, Route) for verb in (route.methods or set()) & VERBS
    }
    return listed | {("GET", f"{route.path}/{{file}}") for route in found if isinstance(route, Mount)}


def test_the_guide_lists_each_route_and_no_other(database: ThreadedDatabase, uris: Uris, clock: MovableClock) -> None:
    context = make_context(database, uris, clock)
    nothing: object = None
    found = [*endpoints.routes(context.federation), *routes.routes(context), *health.routes(nothing)]  # type: ignore[arg-type]  # the routes are listed, not asked
    told: set[tuple[str, str]] = set()
    for verb, path, _ in ROW.findall((ROOT / "docs" / "routes.md").read_text("utf-8")):
        told |= {(each, path) for each in (VERBS if verb == "any" else {verb})}
    assert served(found) - told == set()
    assert told - served(found) == set()
