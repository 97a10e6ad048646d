"""An SQLite node is served by one process, and its background loops run in one; nothing is in the way of the next."""

import shutil
from pathlib import Path

import pytest

from node.locking import JOBS, SERVING, HeldAlready, held, lock_of
from node.settings import NODE_FILE
from tests.node.shell import DOMAIN, Shell
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
    with ServedNode(tmp_path, serve_options=["--no-jobs"]) as node, held(lock_of(node.data / "kinfold.db", JOBS)):
        node.command("account", "add", "kim")
        node.kill()
        node.start()
        assert node.rows()["accounts"] == 2, "the owner and kim"


def lock(shell: Shell, name: str) -> Path:
    """The lock on the database of a node."""
    return lock_of(shell.data / "kinfold.db", name)


def test_background_loops_in_two_processes_are_refused(shell: Shell) -> None:
    with held(lock(shell, JOBS)):
        assert "end it first" in shell.refused("jobs")
        assert "use serve --no-jobs" in shell.refused("serve")
    with held(lock(shell, SERVING)):
        assert "PostgreSQL" in shell.refused("serve", "--no-jobs")


def test_postgresql_has_room_for_many(shell: Shell) -> None:
    with held(lock(shell, JOBS)), held(lock(shell, SERVING)):
        assert "served already" in shell.refused("serve")
        assert "cannot be reached" in shell.refused("serve", DATABASE_URL=NO_SERVER)


def test_two_data_directories_with_one_database_are_told_apart(tmp_path: Path) -> None:
    """Whatever the file is called by: the lock is that of the database."""
    database = tmp_path / "content" / "kinfold.db"
    first = Shell(tmp_path / "first")
    first.environ["KINFOLD_DATABASE_URL"] = f"sqlite:///{database}"
    first.do("init", "--domain", DOMAIN, "--no-link")
    second = tmp_path / "second"
    shutil.copytree(first.data, second)
    (tmp_path / "called").symlink_to(database.parent)
    other = Shell(second)
    other.environ["KINFOLD_DATABASE_URL"] = f"sqlite:///{tmp_path}/called/kinfold.db"
    with held(lock_of(database, SERVING)):
        assert "PostgreSQL" in first.refused("serve", "--no-jobs")
        assert "PostgreSQL" in other.refused("serve", "--no-jobs")
    assert {path.name for path in database.parent.iterdir()} >= {"kinfold.db", "kinfold.db.serve.lock"}
    assert not list(first.data.glob("*.lock"))


@pytest.mark.parametrize("name", [SERVING, JOBS])
def test_tables_are_not_changed_under_a_process_that_works_with_them(tmp_path: Path, name: str) -> None:
    fresh = Shell(tmp_path / "data")
    fresh.do("init", "--domain", DOMAIN, "--no-link")
    (fresh.data / "kinfold.db").unlink()
    with held(lock(fresh, name)):
        for command in (("migrate",), ("init", "--domain", DOMAIN), ("serve", "--no-jobs")):
            assert "end " in fresh.refused(*command)
            assert "older tables" in fresh.refused("account", "list"), "nothing was made"
    assert "were brought" in fresh.do("migrate")


def test_a_node_that_is_served_is_initialised_once_more_and_its_tables_are_looked_at(shell: Shell) -> None:
    shell.do("init", "--domain", DOMAIN, "--no-link")
    with held(lock(shell, SERVING)), held(lock(shell, JOBS)):
        assert "/sign-in/" in shell.do("init", "--domain", DOMAIN)
        assert "are as this version needs them" in shell.do("migrate")


def test_postgresql_is_locked_by_the_database_itself(shell: Shell) -> None:
    with held(lock(shell, SERVING)), held(lock(shell, JOBS)):
        assert "cannot be reached" in shell.refused("migrate", DATABASE_URL=NO_SERVER)


def test_what_a_node_wrote_down_is_replaced_whole_and_never_half(shell: Shell) -> None:
    before = {path.name for path in shell.data.iterdir()}
    with (shell.data / NODE_FILE).open() as old:
        shell.do("init", "--domain", DOMAIN, "--title", "Another title", "--no-link")
        assert "Another title" not in old.read(), "who reads the old file reads it to its end"
    assert 'title = "Another title"' in (shell.data / NODE_FILE).read_text()
    assert {path.name for path in shell.data.iterdir()} == before
