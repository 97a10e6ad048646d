"""What an operator does to accounts by hand, and is asked or refused before it is done."""

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


@pytest.mark.parametrize("answer", ["", "n\n", "\n", "yeah\n", "maybe\ny\n"])
def test_without_a_clear_yes_nobody_is_erased_and_no_group_closed(shell: Shell, answer: str) -> None:
    shell.run("account", "add", "nia")
    for command in (("account", "erase", "nia"), ("group", "seal", "grief")):
        assert "--yes" in shell.refused(*command, stdin=answer)
    assert states(shell)["nia"] == "active"
    assert "state: open" in shell.do("group", "show", "grief")


def test_with_a_yes_it_is_done(shell: Shell) -> None:
    for number, (stdin, flags) in enumerate((("y\n", ()), ("YES\n", ()), ("", ("--yes",)))):
        shell.do("account", "add", f"leo{number}")
        shell.do("account", "erase", f"leo{number}", *flags, stdin=stdin)
        assert f"leo{number}" not in states(shell)
        shell.do("group", "add", f"end{number}", "--title", "E")
        assert shell.do("group", "seal", f"end{number}", *flags, stdin=stdin) == f"end{number} is sealed.\n"
        assert "closed and takes no new members" in shell.refused("group", "invite", f"end{number}")


def test_where_nothing_can_be_read_nothing_is_done(monkeypatch: pytest.MonkeyPatch, shell: Shell) -> None:
    """Bytes that are no text, and standard input that whoever started the command has closed."""
    assert "nothing was changed" in shell.refused("group", "seal", "grief", stdin=b"\xff\n")
    monkeypatch.setattr("sys.stdin", None)
    assert piped_line() == ""
    with pytest.raises(Refused, match="--yes"):
        make_sure("Erase everything?")
