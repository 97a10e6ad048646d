"""What commands print: lines for scripts, tables for people at a terminal, JSON for programs."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import click

from node.commands.durations import written

as_json = click.option("--json", "json_wanted", is_flag=True, help="Print JSON, for programs.")
"""The option of every command that lists or shows."""
MOST_CHARACTERS: Final = 2_000
"""Of one line that says what went wrong."""


def in_one_line(text: str) -> str:
    """Return what goes wrong in one line: what would break it, steer a terminal or turn its direction is escaped."""
    told = text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in told)


def tell(values: Mapping[str, Any], *, json_wanted: bool) -> None:
    """Print one thing: a line for each of its fields, or a JSON object."""
    if json_wanted:
        click.echo(json.dumps(values, ensure_ascii=False, default=_plain))
        return
    for name, value in values.items():
        click.echo(f"{name.replace('_', ' ')}: {_words(value)}")


def tell_all(columns: Sequence[str], rows: Sequence[Mapping[str, Any]], *, json_wanted: bool, none: str) -> None:
    """Print many: a table at a terminal, else tab-separated lines, or a JSON array; `none` is said of an empty list."""
    if json_wanted:
        click.echo(json.dumps(list(rows), ensure_ascii=False, default=_plain))
    elif not rows:
        click.echo(none, err=True)
    elif sys.stdout.isatty():
        _table(columns, rows)
    else:
        for row in rows:
            click.echo("\t".join(_words(row[column]) for column in columns))


def _table(columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console  # noqa: PLC0415 - heavy, and only for people at a terminal
    from rich.table import Table  # noqa: PLC0415 - heavy, and only for people at a terminal
    from rich.text import Text  # noqa: PLC0415 - heavy, and only for people at a terminal

    table = Table(*(column.replace("_", " ") for column in columns), box=None, header_style="bold")
    for row in rows:
        table.add_row(*(Text(_words(row[column])) for column in columns))
    Console().print(table)


def _words(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_words(each)}" for name, each in value.items()) or "-"
    if isinstance(value, list | tuple):
        return ", ".join(_words(each) for each in value) or "-"
    if isinstance(value, timedelta):
        return written(value)
    return str(_plain(value))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    if isinstance(value, timedelta):
        return int(value.total_seconds())
    return str(value)
