"""The command line: `kinfold`, also as `python -m node`.

Exit codes: 0 done, 1 refused or failed with one line why on standard error, 2 wrong usage. A command's module is loaded
when that command is called, so that `kinfold token` does not pay for a web server.
"""

import os
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final

import click

from node.commands.showing import in_one_line
from node.reasons import sentence

COMMANDS: Final = {
    "init": ("node.commands.starting", "init", "Make a node, or a new sign-in link for its owner."),
    "serve": ("node.commands.starting", "serve", "Serve the node."),
    "jobs": ("node.commands.starting", "jobs", "Run the background loops alone."),
    "migrate": ("node.commands.starting", "migrate_tables", "Bring the database to this version."),
    "account": ("node.commands.accounts", "account", "Look after accounts."),
    "token": ("node.commands.accounts", "token", "Print an API access token."),
    "group": ("node.commands.groups", "group", "Look after groups."),
    "key": ("node.commands.keys", "key", "Make new keys to sign with."),
    "domain": ("node.commands.blocklists", "domain", "Rule which servers the node talks with."),
    "retention": ("node.commands.retention", "retention", "End what has reached its end."),
}
"""By name: the module, the command in it, and what it does in a few words."""
BREAKS: Final = "\t\n\r"
"""The control characters that a text on the command line may hold: those that part it into lines and columns."""


class LateCommands(click.Group):
    """A group of commands that are loaded when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - its base class asks for it
        """Return the names, in the order in which one meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - as above
        """Return a command, loaded now."""
        if cmd_name not in COMMANDS:
            return None
        module, name, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(module), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - as above
        """Write the list of commands without loading any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, what) for name, (_, _, what) in COMMANDS.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Refuse arguments that are no text, whichever command they are for, before anything of it is done."""
        with usage_in_one_line():
            check_texts(args, ctx)
            return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what the operating system refuses, unforeseen where it happened, is told here."""
        try:
            with usage_in_one_line():
                return super().invoke(ctx)
        except BrokenPipeError:  # who reads our output went away, which click ends in silence
            raise
        except OSError as error:
            from node.commands.running import Refused  # noqa: PLC0415 - heavy, and loaded by whatever failed

            raise Refused(sentence(error)) from error


def check_texts(arguments: Sequence[str], ctx: click.Context) -> None:
    """Raise UsageError for an argument that holds bytes that are not UTF-8, or control characters."""
    for place, argument in enumerate(arguments, 1):
        kinds = {unicodedata.category(character) for character in argument if character not in BREAKS}
        if "Cs" in kinds:  # how Python hands on bytes that it cannot read
            raise click.UsageError(f"argument {place} is not UTF-8 text: {argument}", ctx)
        if "Cc" in kinds:
            raise click.UsageError(f"argument {place} holds control characters: {argument}", ctx)


@contextmanager
def usage_in_one_line() -> Iterator[None]:
    """Have click say what is wrong in one line, whatever was typed."""
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:  # its message is the help
        raise
    except click.UsageError as error:
        raise click.UsageError(in_one_line(error.format_message()), error.ctx) from error


@click.group(cls=LateCommands)
@click.version_option(version("kinfold"), prog_name="kinfold")
def kinfold() -> None:
    """Run a Kinfold node: support groups, with no more kept than must be, and no longer."""


def main() -> None:
    """Run a command with the settings of this process's environment."""
    kinfold(obj=os.environ, prog_name="kinfold")


if __name__ == "__main__":
    main()
