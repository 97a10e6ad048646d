"""A node whose clock is moved by hand, for the tests of what it does by itself."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from node.keys import make_keys
from node.settings import load_settings
from node.wiring import Node, build_node
from tests.clock import MovableClock


@pytest.fixture
def node(database_address: str, tmp_path: Path, clock: MovableClock) -> Iterator[Node]:
    """A node on a fresh database of each kind in turn; nothing of it runs by itself."""
    settings = load_settings(
        {
            "KINFOLD_DOMAIN": "kin.example",
            "KINFOLD_DATA_DIR": str(tmp_path / "data"),
            "KINFOLD_DATABASE_URL": database_address,
        }
    )
    make_keys(settings)
    built = build_node(settings, clock=clock)
    yield built
    built.close()
