"""How a command gets at the node: settings read, tables checked, everything closed again, errors told in one line."""

import sqlite3
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import click

from node.commands.showing import in_one_line
from node.keys import check_mark, is_there
from node.logs import set_up_logs
from node.migrating import SchemaRefused, check_schema
from node.reasons import sentence
from node.settings import Settings, SettingsRefused, load_settings
from node.wiring import Node, build_node
from privacy.errors import DatabaseDamaged, DatabaseUnavailable, KeyringRefused, PublicError

REFUSED: Final = 1
DOES_NOT_FIT: Final = (SettingsRefused, SchemaRefused, KeyringRefused, sqlite3.Error)
"""What is wrong with a node before it is opened."""
F = TypeVar("F", bound=Callable[..., Any])


class Refused(click.ClickException):
    """The command cannot be done: one line on standard error, exit code 1."""

    exit_code = REFUSED

    def show(self, file: Any = None) -> None:  # noqa: ARG002 - its base class asks for it
        """Print the one line."""
        click.echo(f"kinfold: {in_one_line(self.format_message())}", err=True)


def make_sure(question: str) -> None:
    """Ask somebody at a terminal before what cannot be undone; a script is taken at its word. Raises Refused."""
    if sys.stdin is None or not sys.stdin.isatty():
        return
    try:
        sure = click.confirm(f"{question} This cannot be undone", err=True)
    except click.Abort:
        sure = False
    if not sure:
        raise Refused("nothing was changed")


def piped_line() -> str:
    """Return the first line of standard input, empty where there is none. Raises Refused for what is no text."""
    if sys.stdin is None:  # closed by whoever started us
        return ""
    try:
        line = sys.stdin.readline().rstrip("\r\n")
        line.encode()
    except UnicodeError as error:
        raise Refused("what came on standard input is not UTF-8 text: nothing was changed") from error
    return line


def read_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings and send logs where they say. Raises Refused with every fault."""
    try:
        settings = load_settings(environ)
    except SettingsRefused as error:
        raise Refused("; ".join(error.faults)) from error
    set_up_logs(settings.log_format)
    return settings


@contextmanager
def opened(environ: Mapping[str, str], *, checked: bool = True) -> Iterator[Node]:
    """Open the node for a command, and close it afterwards.

    Raises Refused when it cannot be used, and for whatever a deed refuses, in that deed's public words.
    """
    settings = read_settings(environ)
    if not is_there(settings):
        raise Refused(f"there is no node in {settings.data_dir} yet: run kinfold init --domain D first")
    try:
        node = build_node(settings)
    except OSError as error:
        raise Refused(sentence(error)) from error
    except DOES_NOT_FIT as error:
        raise Refused(str(error)) from error
    try:
        if checked:
            _check_usable(node)
        yield node
    except KeyringRefused as error:
        raise Refused(str(error)) from error
    except DatabaseDamaged as error:
        raise Refused("the database is damaged: stop the node and put back a copy that is whole") from error
    except DatabaseUnavailable as error:
        raise Refused("the database cannot be reached, or takes nothing at the moment; nothing was changed") from error
    except PublicError as error:
        raise Refused(error.public) from error
    finally:
        node.close()


def _check_usable(node: Node) -> None:
    """Raise Refused or KeyringRefused unless the tables are of this version and written with this keyring."""
    if not has_tables(node):
        raise Refused("the database has older tables than this version needs: run kinfold migrate")
    check_mark(node.database)


def has_tables(node: Node) -> bool:
    """Tell whether the database has the tables of this version. Raises Refused for those of a newer one."""
    try:
        return check_schema(node.database)
    except SchemaRefused as error:
        raise Refused(str(error)) from error
