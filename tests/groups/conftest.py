"""What the tests of the domain stand on."""

import pytest

from activitypub.uris import Uris
from node.database import ThreadedDatabase
from tests.clock import MovableClock
from tests.groups.house import House


@pytest.fixture
def house(database: ThreadedDatabase, uris: Uris, clock: MovableClock) -> House:
    """An empty node, on each kind of database in turn."""
    return House(database, uris, clock)
