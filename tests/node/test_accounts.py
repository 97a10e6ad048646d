"""What an operator does to accounts by hand, and is asked or refused before it is done."""

import io

import pytest

from node.commands.running import Refused, make_sure, piped_line
from tests.node.shell import Shell


def states(shell: Shell) -> dict[str, str]:
    """The state of each account."""
    rows = [line.split("\t") for line in shell.do("account", "list").splitlines()]
    return {row[0]: row[2] for row in rows}


def test_a_name_that_is_in_use_is_said_to_be_taken(shell: Shell) -> None:
    shell.do("account", "add", "kim", "--email", "kim@mail.example")
    assert "is taken" in shell.refused("account", "add", "KIM")
    assert "e-mail address" in shell.refused("account", "add", "sam", "--email", "KIM@mail.example")
    assert "is taken" in shell.refused("account", "add", "grief"), "a group has it"
    assert "kept for the node" in shell.refused("account", "add", "admin")
    assert "not an e-mail address" in shell.refused("account", "add", "sam", "--email", "sam at mail.example")
    assert "sam" not in states(shell)


def test_the_only_owner_is_neither_frozen_nor_erased(shell: Shell) -> None:
    for command in (("freeze", "owner"), ("erase", "owner", "--yes")):
        assert "only owner" in shell.refused("account", *command)
        assert states(shell)["owner"] == "active"
    shell.do("account", "add", "second", "--role", "owner")
    shell.do("account", "freeze", "second")
    assert "only owner" in shell.refused("account", "freeze", "owner")
    shell.do("account", "freeze", "second", "--thaw")
    shell.do("account", "freeze", "owner")
    shell.do("account", "freeze", "owner", "--thaw")
    shell.do("account", "erase", "second", "--yes")


@pytest.mark.parametrize("flags", [(), ("--yes",)])
def test_a_script_is_taken_at_its_word(shell: Shell, flags: tuple[str, ...]) -> None:
    name = f"leo{len(flags)}"
    shell.do("account", "add", name)
    shell.do("account", "erase", name, *flags)
    assert name not in states(shell)
    shell.do("group", "add", f"end{len(flags)}", "--title", "E")
    assert shell.do("group", "seal", f"end{len(flags)}", *flags) == f"end{len(flags)} is sealed.\n"
    assert "closed and takes no new members" in shell.refused("group", "invite", f"end{len(flags)}")


@pytest.mark.parametrize(("answer", "sure"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_somebody_at_a_terminal_is_asked(answer: str, sure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO(answer)
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    if sure:
        make_sure("Erase everything?")
        return
    with pytest.raises(Refused, match="nothing was changed"):
        make_sure("Erase everything?")


def test_a_password_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> None:
    said = shell.refused("account", "add", "nia", "--password-stdin", stdin=b"\xff\n")
    assert "nothing was changed" in said
    monkeypatch.setattr("sys.stdin", None)
    assert piped_line() == ""
