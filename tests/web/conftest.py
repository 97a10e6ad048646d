"""A node for the tests of its faces."""

import pytest

from activitypub.uris import Uris
from node.database import ThreadedDatabase
from tests.clock import MovableClock
from tests.web.app_client import World, make_app, make_context
from tests.web.browsing import Place, faces


@pytest.fixture
def world(database: ThreadedDatabase, uris: Uris, clock: MovableClock) -> World:
    """A node with nobody on it yet."""
    return World(database, uris, clock, make_app(make_context(database, uris, clock)))


@pytest.fixture
def place(database: ThreadedDatabase, uris: Uris, clock: MovableClock) -> Place:
    """The faces of a node with nobody on it yet, for people with browsers."""
    return faces(database, uris, clock)
