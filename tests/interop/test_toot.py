"""toot, as it comes from PyPI, against a served node: log in out of band, post, read."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.interop.browser import Person
from tests.served import ServedNode

TOOT = str(Path(sys.executable).with_name("toot"))
SECONDS = 60


class Toot:
    """The program with a home directory of its own."""

    def __init__(self, home: Path) -> None:
        places = {"HOME": home, "XDG_CONFIG_HOME": home / "config", "XDG_CACHE_HOME": home / "cache"}
        self._environment = os.environ | {name: str(place) for name, place in places.items()}

    def __call__(self, *arguments: str) -> str:
        result = subprocess.run(
            [TOOT, *arguments],
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        assert result.returncode == 0, f"toot {arguments}: {result.stdout}{result.stderr}"
        return result.stdout

    def json(self, *arguments: str) -> Any:
        """Run a command that can answer JSON."""
        return json.loads(self(*arguments, "--json"))

    def log_in(self, node: ServedNode, account: str) -> None:
        """Say no to its browser, open the link in ours, and paste the code."""
        process = subprocess.Popen(
            [TOOT, "login", "-i", node.base],
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            said.append(line)
            if line.startswith(node.base):
                break
        assert said, "toot said nothing"
        assert said[-1].startswith(node.base), "".join(said)
        with Person(node.base) as somebody:
            somebody.sign_in(node.link(account))
            code = somebody.authorize(said[-1].strip())
        rest, _ = process.communicate(f"n\n{code}\n", timeout=SECONDS)
        assert process.returncode == 0, rest
        assert "Successfully logged in" in rest


@pytest.fixture
def toot(served: ServedNode, tmp_path: Path) -> Toot:
    """toot, logged in as fern, who looks after a group named knitting."""
    served.account("fern")
    served.command("group", "add", "knitting", "--title", "Knitting", "--join", "approval", "--owner", "fern")
    program = Toot(tmp_path)
    program.log_in(served, "fern")
    return program


def test_toot_logs_in_posts_reads_and_searches(served: ServedNode, toot: Toot) -> None:
    assert f"fern@{served.authority}" in toot("auth")
    assert "fern" in toot("whoami")

    post = toot.json("post", "@knitting A scarf at last", "--visibility", "private")
    reply = toot.json("post", "And gloves next", "--reply-to", post["id"])
    assert reply["in_reply_to_id"] == post["id"]

    group = served.kinfold("group", "show", "knitting")
    shown = toot.json("timelines", "home", "--no-pager")
    assert [each["id"] for each in shown] == [reply["id"], post["id"]]
    listed = toot.json("timelines", "list", str(toot_list_id(toot, group)), "--no-pager")
    assert [each["id"] for each in listed] == [reply["id"], post["id"]]
    assert "A scarf at last" in toot("thread", reply["id"])
    assert "knitting" in toot("search", "@knitting")
    assert "Traceback" not in served.log()


def toot_list_id(toot: Toot, group: Any) -> str:
    """Return the id of the list that stands for a group."""
    [found] = [each["id"] for each in toot.json("lists", "list") if group["title"] in each["title"]]
    return str(found)
