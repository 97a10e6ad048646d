"""A node whose clock is moved by hand, for the tests of what it does by itself; and a shell beside another one."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from node.keys import make_keys
from node.logs import QUIET
from node.settings import load_settings
from node.wiring import Node, build_node
from tests.clock import MovableClock
from tests.node.shell import DOMAIN, Shell


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


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell beside a node with a group; logs are put back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    quiet = {name: logging.getLogger(name).level for name in QUIET}
    made = Shell(tmp_path_factory.mktemp("shell") / "data")
    made.do("init", "--domain", DOMAIN)
    made.do("group", "add", "grief", "--title", "Grief")
    yield made
    root.handlers, root.level = handlers, level
    for name, before in quiet.items():
        logging.getLogger(name).setLevel(before)
    structlog.reset_defaults()
