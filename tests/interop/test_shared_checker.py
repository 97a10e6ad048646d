"""The independent checker that may stand beside the checkout, pointed at a served node: none of its checks may fail."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.fedify import installed, needed, node_command
from tests.served import ServedNode, free_port

CHECKER = Path(__file__).resolve().parents[3] / "shared" / "peers" / "fedify_peer"
# Rounds run side by side, each with an author's host and a watching host of its own: together they take what one takes.
ROUNDS = {
    "cavage": ["--sig", "cavage", "--no-negative"],
    "rfc9421": ["--sig", "rfc9421", "--no-negative"],
    "cavage+ld": ["--sig", "cavage+ld", "--no-negative"],
    "cavage+proof": ["--sig", "cavage+proof"],  # and what must be refused
}
ANSWER_SECONDS = "6"
SECONDS = 110


@pytest.fixture
def hosts() -> dict[str, tuple[str, str]]:
    """Two free addresses for each round: the author's and the watcher's."""
    return {name: (f"127.0.0.7:{free_port('127.0.0.7')}", f"127.0.0.8:{free_port('127.0.0.8')}") for name in ROUNDS}


@pytest.fixture
def checked(hosts: dict[str, tuple[str, str]], tmp_path: Path) -> Iterator[ServedNode]:
    """A served node with a group that takes follows and posts, and a persona that takes follows."""
    peers = [each for pair in hosts.values() for each in pair]
    with ServedNode(tmp_path, host="127.0.0.9", peers=peers) as node:
        node.command("group", "add", "support", "--title", "Support", "--audience", "public", "--join", "open",
                     "--owner", node.owner)  # fmt: skip
        yield node


def test_the_independent_checker_finds_no_fault(checked: ServedNode, hosts: dict[str, tuple[str, str]]) -> None:
    if not CHECKER.is_dir():
        pytest.skip("no ../shared/peers/fedify_peer beside the checkout")
    if shutil.which("npm") is None:
        needed("npm is not installed")
    node, home = node_command(), installed("checker", CHECKER)
    handles = {"--actor": f"@{checked.owner}@{checked.authority}", "--group": f"@support@{checked.authority}"}
    running = {}
    for name, options in ROUNDS.items():
        author, watcher = hosts[name]
        arguments = ["--base", f"http://{author}", "--watch-base", f"http://{watcher}", "--target", checked.base]
        arguments += [word for pair in handles.items() for word in pair]
        running[name] = subprocess.Popen(
            [node, "peer.mjs", "check", *arguments, "--timeout", ANSWER_SECONDS, *options],
            cwd=home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    told = {name: process.communicate(timeout=SECONDS)[0] for name, process in running.items()}

    faults = [(name, line) for name, lines in told.items() for line in lines.splitlines() if line.startswith("FAIL")]
    assert faults == [], told
    assert {name: process.returncode for name, process in running.items()} == dict.fromkeys(ROUNDS, 0), told
    for name, lines in told.items():
        passed = re.search(r"(\d+) passed, 0 failed", lines)
        assert passed, (name, lines)
        assert int(passed[1]) > 0
    assert "Traceback" not in checked.log()
