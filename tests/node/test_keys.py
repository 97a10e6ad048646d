"""A node and its keys: what is missing is told and never replaced, and no database is opened with another's keys.

Under an empty keyring all that is old would look shredded, and what is erased meanwhile would destroy, once the right
keyring is back, the keys of posts that live.
"""

import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner

from node.cli import kinfold
from node.engines import database_url, writing_engine
from tests.served import new_database

DOMAIN = "kin.example"


@dataclass(frozen=True)
class Shell:
    """The command line of a node on one database, with the paths that a command is given."""

    database: str
    data: Path

    def environ(self, **settings: str) -> dict[str, str]:
        """Return the settings of the node, some of them replaced."""
        own = {"DATABASE_URL": self.database, "DATA_DIR": str(self.data), **settings}
        return {f"KINFOLD_{name}": value for name, value in own.items()}

    def done(self, *arguments: str, **settings: str) -> str:
        """Run a command that succeeds and return what it printed."""
        ended = CliRunner().invoke(kinfold, arguments, obj=self.environ(**settings))
        assert ended.exit_code == 0, ended.output
        return ended.output

    def refused(self, *arguments: str, **settings: str) -> str:
        """Run a command that is refused in one line and return that line."""
        ended = CliRunner().invoke(kinfold, arguments, obj=self.environ(**settings))
        assert (ended.exit_code, ended.stdout, len(ended.stderr.splitlines())) == (1, "", 1), ended.output
        return ended.stderr


@pytest.fixture(params=["sqlite", "postgresql"])
def fresh(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    """The command line of a node that is not made yet, on an empty database of each kind in turn."""
    address = new_database(request.param, request) or f"sqlite:///{tmp_path}/kinfold.db"
    return Shell(address, tmp_path / "data")


@pytest.fixture
def shell(fresh: Shell) -> Shell:
    """The command line of a node that was made."""
    made = fresh
    made.done("init", "--domain", DOMAIN, "--no-link")
    assert "owner" in made.done("account", "list")
    return made


def everything_below(directory: Path) -> dict[str, bytes]:
    """Return what the files below a directory hold."""
    return {str(path.relative_to(directory)): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


COMMANDS = (
    ("account", "list"),
    ("serve", "--port", "9"),
    ("jobs",),
    ("retention", "run"),
    ("account", "erase", "owner", "--yes"),
    ("init", "--domain", DOMAIN),
)


def test_a_keyring_that_is_not_where_the_settings_say_is_not_replaced(shell: Shell, tmp_path: Path) -> None:
    elsewhere = tmp_path / "mistyped"
    for command in COMMANDS:
        assert str(elsewhere) in shell.refused(*command, KEYRING_URL=str(elsewhere))
    assert not elsewhere.exists()
    assert "owner" in shell.done("account", "list")


def test_a_database_is_not_opened_with_the_keys_of_another_node(shell: Shell, tmp_path: Path) -> None:
    other = Shell(f"sqlite:///{tmp_path}/other/kinfold.db", tmp_path / "other")
    other.done("init", "--domain", "other.example", "--no-link")
    keys = {"KEYRING_URL": str(other.data / "keyring"), "ROOT_KEY_FILE": str(other.data / "secrets" / "root.key")}
    for command in COMMANDS:
        assert "not the one that this database was written with" in shell.refused(*command, **keys)
    assert "owner" in shell.done("account", "list")
    assert "owner" in other.done("account", "list")


def test_a_root_key_that_is_missing_is_asked_for_and_not_made_anew(shell: Shell) -> None:
    root_key = shell.data / "secrets" / "root.key"
    kept = root_key.read_bytes()
    root_key.unlink()
    for command in COMMANDS:
        assert f"the root key {root_key} is missing" in shell.refused(*command)
    assert not root_key.exists()
    root_key.write_bytes(kept)
    root_key.chmod(0o400)
    assert "owner" in shell.done("account", "list")


def test_a_keyring_that_was_lost_is_asked_for_by_init_too(shell: Shell) -> None:
    shutil.move(shell.data / "keyring", shell.data / "away")
    assert "keyring" in shell.refused("init", "--domain", DOMAIN)
    assert not (shell.data / "keyring").exists()
    shutil.move(shell.data / "away", shell.data / "keyring")
    shell.done("init", "--domain", DOMAIN, "--no-link")


def states(shell: Shell, statement: str) -> list[str]:
    """Run a statement on what a node remembers of itself, beside the node; return what is there afterwards."""
    engine = writing_engine(database_url(shell.database))
    with engine.connect() as connection:
        connection.exec_driver_sql(statement)
        names = [name for (name,) in connection.exec_driver_sql("SELECT name FROM node_states")]
        connection.commit()
    return names


def unmark(shell: Shell) -> None:
    """Let a database not know its keyring."""
    assert "keyring" not in states(shell, "DELETE FROM node_states WHERE name = 'keyring'")


def is_marked(shell: Shell) -> bool:
    return "keyring" in states(shell, "SELECT 1")


def other_node(tmp_path: Path) -> dict[str, str]:
    """Make another node, and return the settings that name its keys."""
    other = Shell(f"sqlite:///{tmp_path}/other/kinfold.db", tmp_path / "other")
    other.done("init", "--domain", "other.example", "--no-link")
    return {"KEYRING_URL": str(other.data / "keyring"), "ROOT_KEY_FILE": str(other.data / "secrets" / "root.key")}


def test_a_keyring_of_no_bytes_is_not_filled_for_a_node_that_has_one(shell: Shell, tmp_path: Path) -> None:
    keyring = shell.data / "keyring" / "keyring.db"
    whole = keyring.read_bytes()
    for marked in (True, False):
        keyring.write_bytes(b"")
        for command in (*COMMANDS, ("migrate",)):
            assert "keyring" in shell.refused(*command)
            assert keyring.read_bytes() == b""
        keyring.write_bytes(whole)
        assert "owner" in shell.done("account", "list")
        if marked:
            unmark(shell)


def test_a_node_is_made_where_a_keyring_was_only_begun(fresh: Shell) -> None:
    (fresh.data / "keyring").mkdir(parents=True)
    (fresh.data / "keyring" / "keyring.db").touch(0o600)
    fresh.done("init", "--domain", DOMAIN, "--no-link")
    assert "owner" in fresh.done("account", "list")


def test_nothing_is_written_to_the_keyring_of_another_node(shell: Shell, tmp_path: Path) -> None:
    keys = other_node(tmp_path)
    for marked in (True, False):
        before = everything_below(tmp_path / "other")
        for command in COMMANDS:
            assert "not the one that this database was written with" in shell.refused(*command, **keys)
        assert everything_below(tmp_path / "other") == before
        assert is_marked(shell) is marked
        if marked:
            unmark(shell)


def test_a_database_without_its_mark_is_not_bound_by_a_new_keyring(shell: Shell, tmp_path: Path) -> None:
    unmark(shell)
    elsewhere = tmp_path / "elsewhere"
    for command in COMMANDS:
        assert str(elsewhere) in shell.refused(*command, KEYRING_URL=str(elsewhere))
    assert not elsewhere.exists()


@pytest.mark.parametrize("command", [("init", "--domain", DOMAIN, "--no-link"), ("serve", "--host", "192.0.2.1")])
def test_a_database_without_its_mark_is_bound_by_the_keyring_that_opens_it(
    shell: Shell, tmp_path: Path, command: tuple[str, ...]
) -> None:
    unmark(shell)
    assert "owner" in shell.done("account", "list")
    assert not is_marked(shell), "looking at it does not bind it"
    if command[0] == "serve":
        assert "cannot listen" in shell.refused(*command)
    else:
        shell.done(*command)
    assert is_marked(shell)
    assert "not the one" in shell.refused("account", "list", **other_node(tmp_path))


def test_serving_a_database_that_holds_nothing_binds_it_first(shell: Shell, tmp_path: Path) -> None:
    empty = Shell(f"sqlite:///{tmp_path}/empty.db", shell.data)
    empty.done("migrate")
    assert not is_marked(empty)
    assert "run kinfold init" in empty.refused("serve")
    assert is_marked(empty)


def test_making_a_node_that_was_interrupted_goes_on(fresh: Shell) -> None:
    half = fresh
    (half.data / "secrets").mkdir(parents=True)
    (half.data / "secrets" / "root.key").write_bytes(bytes(32))
    (half.data / "secrets" / "root.key").chmod(0o400)
    assert "run kinfold init" in half.refused("account", "list")
    half.done("init", "--domain", DOMAIN, "--no-link")
    assert "owner" in half.done("account", "list")


def test_a_directory_that_is_not_ours_is_not_closed_to_others(fresh: Shell, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    (shared / "somebody's letter").write_text("dear all")
    assert "holds other things" in fresh.refused("init", "--domain", DOMAIN, KEYRING_URL=str(shared))
    assert "holds other things" in fresh.refused("init", "--domain", DOMAIN, DATA_DIR=str(shared))
    assert stat.S_IMODE(shared.stat().st_mode) == 0o755
    assert [path.name for path in shared.iterdir()] == ["somebody's letter"]
    empty = tmp_path / "empty"
    empty.mkdir(mode=0o755)
    fresh.done("init", "--domain", DOMAIN, "--no-link", KEYRING_URL=str(empty))
    assert stat.S_IMODE(empty.stat().st_mode) == 0o700


@pytest.mark.parametrize("which", ["kinfold.db", "keyring/keyring.db"])
@pytest.mark.parametrize("damage", ["another file", "a page"])
def test_a_damaged_file_is_told_in_one_line_and_left_as_it_is(tmp_path: Path, which: str, damage: str) -> None:
    shell = Shell(f"sqlite:///{tmp_path}/data/kinfold.db", tmp_path / "data")
    shell.done("init", "--domain", DOMAIN, "--no-link")
    path = shell.data / which
    whole = path.read_bytes()
    broken = b"this is no database " * 500 if damage == "another file" else whole[:4096] + b"\xff" * (len(whole) - 4096)
    path.write_bytes(broken)
    for command in (*COMMANDS, ("migrate",)):
        said = shell.refused(*command)
        assert "damaged" in said or "cannot be used" in said
        assert path.read_bytes() == broken
    path.write_bytes(whole)
    assert "owner" in shell.done("account", "list")
