"""Whatever stands on the command line, an operator gets an answer: one line that says why, and never a traceback."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import click
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from node.cli import kinfold
from node.settings import load_settings
from tests.node.shell import DOMAIN, DONE, REFUSED, WRONG_USAGE, Shell, answer_of

NO_TEXT: Final = ("\udcff", "\ud800", "\x00", "\x1b[31m", "\x7f", "\x85")
"""What no argument may hold: bytes that are not UTF-8 come as lone surrogates, and the rest steers terminals."""
STRANGE: Final = ("\n", "\r\n", "\t", "\u2028", "\u202e", "é" * 5_000, "9" * 5_000, "'", '"', "%", "@", "\\", "")
HONEST: Final = {
    "domain": DOMAIN, "title": "T", "owner": "owner", "email": "kim@mail.example", "role": "member", "persona": "owner",
    "scopes": "read", "about": "why", "preset": "general", "audience": "none", "join": "open", "keep": "90d",
    "handle": "owner", "uses": "1", "life": "1d", "level": "suspend", "host": "127.0.0.1", "port": "8000",
    "workers": "1",
}  # fmt: skip
NAMES: Final = {"group": "grief", "domain": "far.example"}
"""Whom a command is about, by the first word of it; all others are about an account."""


# ── every argument of every command ──────────────────────────────────────────────────────────────────────────────────


def leaves(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command that does something, by the words that call it."""
    if not isinstance(command, click.Group):
        yield path, command
        return
    context = click.Context(command)
    for name in command.list_commands(context):
        found = command.get_command(context, name)
        assert found is not None
        yield from leaves(found, (*path, name))


def calls(strange: str) -> Iterator[tuple[str, ...]]:
    """Every command with one strange argument, all others honest; and strange words where there should be none."""
    yield (strange,)
    yield (f"--{strange}",)
    yield ("group", strange)
    for path, command in leaves(kinfold):
        for chosen in command.params:
            if isinstance(chosen, click.Argument) or not getattr(chosen, "is_flag", False):
                yield call(path, command.params, {str(chosen.name): strange})
        yield (*path, f"--{strange}", *call(path, command.params, {})[len(path) :])
        yield (*call(path, command.params, {}), strange, strange)


def call(path: tuple[str, ...], params: Sequence[click.Parameter], strange: dict[str, str]) -> tuple[str, ...]:
    """One call of a command: what must be said, and what is strange."""
    words = list(path)
    for param in params:
        name = str(param.name)
        value = strange.get(name, NAMES.get(path[0], "owner") if name == "name" else HONEST.get(name, ""))
        if isinstance(param, click.Option) and (param.required or name in strange):
            words += [] if param.is_flag else [param.opts[-1], value]
    return (*words, "--", *(strange.get(str(p.name), NAMES.get(path[0], "owner") if p.name == "name" else "owner")
                            for p in params if isinstance(p, click.Argument)))  # fmt: skip


def test_the_calls_reach_every_command() -> None:
    commands = {path for path, _ in leaves(kinfold)}
    assert {("init",), ("group", "refuse"), ("domain", "set"), ("retention", "run"), ("token",)} <= commands
    reached = {words[: len(path)] for words in calls("x") for path in commands if words[: len(path)] == path}
    assert reached == commands


@pytest.mark.parametrize("bad", NO_TEXT, ids=ascii)
def test_an_argument_that_is_no_text_is_refused_by_every_command(shell: Shell, bad: str) -> None:
    """Whichever it is, before anything is done: a name in a wrong encoding must not end in half a deed."""
    before = shell.do("account", "list") + shell.do("group", "list") + shell.do("domain", "list")
    for words in calls(f"a{bad}b"):
        assert answer_of(shell.run(*words)) == WRONG_USAGE, words
    assert shell.do("account", "list") + shell.do("group", "list") + shell.do("domain", "list") == before


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_is_typed_is_answered_in_one_line(shell: Shell, data: st.DataObject) -> None:
    pieces = st.lists(st.one_of(st.sampled_from(STRANGE + NO_TEXT), st.text(max_size=4)), min_size=1, max_size=3)
    words = data.draw(st.sampled_from(list(calls("".join(data.draw(pieces))))))
    if words[0] not in {"serve", "jobs"}:  # which go on for ever where nothing is wrong with them
        assert answer_of(shell.run(*words)) in {DONE, REFUSED, WRONG_USAGE}


@pytest.mark.parametrize("strange", STRANGE, ids=lambda text: ascii(text[:3]))
def test_serving_is_refused_for_whatever_is_not_understood(shell: Shell, strange: str) -> None:
    for words in calls(f"x{strange}"):
        if words[0] in {"serve", "jobs"}:
            assert answer_of(shell.run(*words)) != DONE, words


def test_what_is_refused_is_named_on_the_line_so_that_nothing_can_be_forged(shell: Shell) -> None:
    assert shell.refused("account", "link", "kim\nkinfold: done") == r"there is no account kim\nkinfold: done"
    assert shell.refused("group", "show", "\u202eeno") == r"there is no group \u202eeno on this node"
    wrong = shell.run("account", "add", "kim", "--role", "x\nError: y")
    assert answer_of(wrong) == WRONG_USAGE
    assert r"'x\\nError: y' is not one of" in wrong.stderr or r"'x\nError: y' is not one of" in wrong.stderr


def test_a_password_that_is_no_text_is_refused(shell: Shell) -> None:
    shell.do("account", "add", "nils", "--password-stdin", stdin="löng enough\n".encode())
    assert "not UTF-8" in shell.refused("account", "add", "nova", "--password-stdin", stdin=b"long \xff enough\n")
    assert "nova" not in shell.do("account", "list")


def test_a_title_is_kept_as_it_was_given_or_refused(shell: Shell, tmp_path: Path) -> None:
    data = {"DATA_DIR": str(tmp_path / "data")}
    for wrong in ("x" * 101, "two\nlines", "turned \u202eback"):
        assert "KINFOLD_TITLE" in shell.refused("init", "--domain", DOMAIN, "--title", wrong, **data)
    assert not (tmp_path / "data").exists(), "nothing was begun"
    shell.do("init", "--domain", DOMAIN, "--title", "👩‍👧 zusammen", **data)
    shell.do("init", "--domain", DOMAIN, **data)
    assert load_settings({"KINFOLD_DATA_DIR": str(tmp_path / "data")}).title == "👩‍👧 zusammen"


# ── what the operating system refuses ────────────────────────────────────────────────────────────────────────────────


def test_directories_that_cannot_be_are_told_without_numbers(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    through = "leads through a file"
    for wrong, says in ((file, through), (file / "x", through), ("y" * 300, "longer than a file name")):
        told = shell.refused("init", "--domain", DOMAIN, DATA_DIR=str(wrong))
        assert says in told
        assert "Errno" not in told
    (shell.data / "node.toml").rename(tmp_path / "node.toml")
    (shell.data / "node.toml").mkdir()
    try:
        assert "is a directory where a file should be" in shell.refused("account", "list", DOMAIN=DOMAIN)
    finally:
        (shell.data / "node.toml").rmdir()
        (tmp_path / "node.toml").rename(shell.data / "node.toml")


def test_what_was_not_foreseen_is_told_in_one_line_too(shell: Shell, tmp_path: Path) -> None:
    """A lock that is a directory: nobody thought of it, and the operator reads of it all the same."""
    lock = shell.data / "kinfold.db.jobs.lock"
    lock.unlink(missing_ok=True)
    lock.mkdir()
    try:
        assert "jobs.lock is a directory where a file should be" in shell.refused("jobs")
    finally:
        lock.rmdir()
