"""An SQLite node is served by one process, and its background loops run in one; nothing is in the way of the next."""

from pathlib import Path

import pytest

from node.locking import JOBS, SERVING, HeldAlready, held
from tests.node.shell import Shell
from tests.served import CommandFailed, ServedNode, free_port

NO_SERVER = "postgresql://nobody@127.0.0.1:9/none"


def test_a_lock_is_held_by_one_and_free_again_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "a.lock"
    with held(path):
        with pytest.raises(HeldAlready), held(path):
            raise AssertionError("it was held twice")
        with held(tmp_path / "b.lock"):
            assert path.read_bytes() == b""
    with held(path):
        assert oct(path.stat().st_mode & 0o777) == "0o600"


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path: Path) -> None:
    with ServedNode(tmp_path) as node:
        for command in (("serve", "--port", str(free_port())), ("serve", "--port", str(free_port()), "--no-jobs")):
            with pytest.raises(CommandFailed, match="this node is served already") as refused:
                node.command(*command)
            assert (refused.value.code, len(refused.value.stderr.splitlines())) == (1, 1)
        with pytest.raises(CommandFailed, match="--no-jobs") as refused:
            node.command("jobs")
        assert (refused.value.code, len(refused.value.stderr.splitlines())) == (1, 1)
        assert node.kinfold("account", "list"), "all other commands write beside it"
        node.kill()
        node.start()


def test_one_serves_while_another_runs_the_background_loops(tmp_path: Path) -> None:
    with ServedNode(tmp_path, serve_options=["--no-jobs"]) as node, held(node.data / JOBS):
        node.command("account", "add", "kim")
        node.kill()
        node.start()


def test_background_loops_in_two_processes_are_refused(shell: Shell) -> None:
    with held(shell.data / JOBS):
        assert "end it first" in shell.refused("jobs")
        assert "use serve --no-jobs" in shell.refused("serve")
    with held(shell.data / SERVING):
        assert "PostgreSQL" in shell.refused("serve", "--no-jobs")


def test_postgresql_has_room_for_many(shell: Shell) -> None:
    with held(shell.data / JOBS), held(shell.data / SERVING):
        assert "served already" in shell.refused("serve")
        assert "cannot be reached" in shell.refused("serve", DATABASE_URL=NO_SERVER)
