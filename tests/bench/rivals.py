"""The others that do the same work in the same run: our own strawmen, and Fedify where Node.js is to be had."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.bench.figures import say
from tests.bench.letters import KEYS, Person, public_pem
from tests.bench.processes import ROOT, Program, module
from tests.interop import fedify
from tests.served import free_port

HERE = Path(__file__).parent
SENDING_SECONDS = 240

Json = dict[str, Any]


def fedify_place() -> tuple[str, Path] | None:
    """Return a Node.js and a directory with Fedify and our programs, or None where they cannot be had."""
    try:
        node = fedify.node_command()
        place = fedify.installed("peer", fedify.HERE / "peer")
    except (pytest.skip.Exception, pytest.fail.Exception) as missing:
        say(f"Fedify is left out: {missing}")
        return None
    for program in (HERE / "fedify").glob("*.mjs"):
        shutil.copyfile(program, place / program.name)
    return node, place


class Inbox(Program):
    """A rival's inbox on a port of its own."""

    def __init__(self, name: str, port: int, *command: str, cwd: Path = ROOT) -> None:
        """Know what to start."""
        super().__init__(*command, cwd=cwd)
        self.name = name
        self.address = f"127.0.0.1:{port}"


def fedify_inbox(node: str, place: Path) -> Inbox:
    """Return Fedify's inbox."""
    port = free_port()
    return Inbox("fedify", port, node, "bench_inbox.mjs", str(port), cwd=place)


def strawman_inbox(
    home: Path, people: list[Person], group: str, inboxes: list[str], *, processed: bool, database: str = ""
) -> Inbox:
    """Return the strawman's inbox, which knows the keys of these people."""
    name = "strawman-processed" if processed else "strawman"
    where = home / name
    where.mkdir(parents=True, exist_ok=True)
    port = free_port()
    pems = [public_pem(number) for number in range(KEYS)]
    asked = {
        "port": port, "database": database or str(where / "strawman.db"), "processed": processed,
        "keys": {person.key_id: pems[person.number % KEYS] for person in people}, "inboxes": inboxes, "group": group,
    }  # fmt: skip
    file = where / "asked.json"
    file.write_text(json.dumps(asked))
    return Inbox(name, port, *module("strawman_inbox", str(file)))


def strawman_sends(home: Path, inboxes: list[str], ca_file: Path, rounds: int, size: int) -> list[Json]:
    """Have the strawman send; return what each round took."""
    file = home / "strawman-sends.json"
    file.write_text(json.dumps({"inboxes": inboxes, "ca_file": str(ca_file), "rounds": rounds, "bytes": size}))
    return _rounds(module("strawman_delivery", str(file)), ROOT, {})


def fedify_sends(home: Path, inboxes: list[str], ca_file: Path, rounds: int, size: int) -> list[Json] | None:
    """Have Fedify send; return what each round took, or None without Fedify."""
    found = fedify_place()
    if found is None:
        return None
    node, place = found
    file = home / "fedify-sends.json"
    file.write_text(json.dumps({"inboxes": inboxes, "rounds": rounds, "bytes": size}))
    return _rounds((node, "bench_send.mjs", str(file)), place, {"NODE_EXTRA_CA_CERTS": str(ca_file)})


def _rounds(command: tuple[str, ...], cwd: Path, more: dict[str, str]) -> list[Json]:
    ran = subprocess.run(
        command, cwd=cwd, env=os.environ | more, capture_output=True, text=True, timeout=SENDING_SECONDS, check=False
    )
    if ran.returncode != 0:
        raise RuntimeError(f"{command[:3]} failed: {ran.stderr[-1_000:]}")
    return [json.loads(line) for line in ran.stdout.splitlines() if line.startswith("{")]
