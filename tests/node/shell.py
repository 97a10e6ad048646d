"""A shell in this process, where a command costs milliseconds; `test_cli.py` runs the real program."""

from pathlib import Path
from typing import Final

from click.testing import CliRunner, Result

from node.cli import kinfold

DOMAIN: Final = "127.0.0.1:8000"
DONE, REFUSED, WRONG_USAGE = 0, 1, 2


class Shell:
    """Somebody who types commands at a node's machine."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.environ = {"KINFOLD_DEVELOPMENT": "1", "KINFOLD_DATA_DIR": str(data)}

    def run(self, *arguments: str, stdin: str | bytes = "", **extra: str) -> Result:
        """Run a command in this process."""
        environ = self.environ | {f"KINFOLD_{name}": value for name, value in extra.items()}
        return CliRunner().invoke(kinfold, arguments, input=stdin, obj=environ, prog_name="kinfold")

    def do(self, *arguments: str, stdin: str | bytes = "", **extra: str) -> str:
        """Run a command that succeeds, and return what it printed."""
        ended = self.run(*arguments, stdin=stdin, **extra)
        assert ended.exit_code == DONE, ended.output
        return ended.stdout

    def refused(self, *arguments: str, stdin: str | bytes = "", **extra: str) -> str:
        """Run a command that is refused, and return the line that says why."""
        ended = self.run(*arguments, stdin=stdin, **extra)
        assert answer_of(ended) == REFUSED, ended.output
        return ended.stderr.removeprefix("kinfold: ").rstrip("\n")


def answer_of(ended: Result) -> int:
    """Return the exit code of a command that ended as every command must."""
    assert ended.exception is None or isinstance(ended.exception, SystemExit), repr(ended.exception)
    lines = ended.stderr.splitlines()
    if ended.exit_code == REFUSED:
        assert (len(lines), ended.stdout) == (1, ""), ended.output
        assert lines[0].startswith("kinfold: ")
    elif ended.exit_code == WRONG_USAGE:
        assert ended.stdout == ""
        assert [line for line in lines if line.startswith("Error: ")] == [lines[-1]], ended.output
        assert lines[0].startswith("Usage: kinfold")
        assert all(line == "" or line.isprintable() for line in lines)
    assert all(len(line) < 3_000 for line in lines)
    return ended.exit_code
