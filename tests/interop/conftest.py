"""One foreign peer and one served node for all of these tests; each test makes groups and people of its own."""

from collections.abc import Iterator

import pytest

from tests.interop.browser import Person
from tests.interop.fedify import FedifyPeer
from tests.served import ServedNode, new_database


@pytest.fixture(scope="session")
def peer() -> Iterator[FedifyPeer]:
    """A foreign server: ada and mallory on its first host, wanda and the groups club and guild on the second.

    Fedify prefers RFC 9421, and soon speaks to each node as that speaks to it. So the last two hosts are for one test
    alone: olga's begins in draft-cavage, rita's in RFC 9421.
    """
    hosts = (
        {"host": "127.0.0.2", "people": ["ada", "mallory"]},
        {"host": "127.0.0.3", "people": ["wanda"], "groups": ["club", "guild"]},
        {"host": "127.0.0.5", "people": ["olga"], "speaks": "cavage"},
        {"host": "127.0.0.6", "people": ["rita"]},
    )
    with FedifyPeer(*hosts) as running:
        yield running


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def federated(
    request: pytest.FixtureRequest, peer: FedifyPeer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedNode]:
    """A served node that may reach the foreign peer."""
    url = new_database(request.param, request)
    peers = [peer.authority(site) for site in range(len(peer.sites))]
    home = tmp_path_factory.mktemp("federated")
    with ServedNode(home, host="127.0.0.4", peers=peers, database_url=url) as node:
        yield node


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedNode]:
    """A served node for apps and browsers, alone in the world."""
    with ServedNode(tmp_path_factory.mktemp("served"), host="127.0.0.1") as node:
        yield node


@pytest.fixture
def person(served: ServedNode) -> Iterator[Person]:
    """Somebody with a browser, not yet signed in."""
    with Person(served.base) as somebody:
        yield somebody
