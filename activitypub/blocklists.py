"""Lists of servers that others hold off, as they are passed around: read, checked line by line, and written (pure).

Read are the CSV of Mastodon and of those who follow it, with or without `#` before the names of its columns, one
domain on a line, and the JSON of GoToSocial (federation reference §8.2). What would hit a whole registry, this node or
a partner is refused, each with its line.
"""

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import orjson
from publicsuffixlist import PublicSuffixList

from activitypub.errors import MalformedActivity
from activitypub.origins import canonical_host
from activitypub.peers import domains_above, without_port

MAX_BYTES: Final = 5 * 1_048_576
MAX_LINES: Final = 100_000
MAX_COMMENT_CHARACTERS: Final = 500
LEVELS: Final[Mapping[str, str]] = {"suspend": "suspend", "block": "suspend"}
"""What is taken over, by the word that lists have for it; where a list has no words, it means this."""
HEADER: Final = ("#domain", "#severity", "#reject_media", "#reject_reports", "#public_comment", "#obfuscate")


@dataclass(frozen=True, slots=True)
class Entry:
    """A domain that a list holds off, and at which level it does so."""

    line: int
    domain: str
    level: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """A line that is not taken over, and why, in words for the admin."""

    line: int
    text: str
    why: str


@dataclass(frozen=True, slots=True)
class Blocklist:
    """What a list says, as far as it can be taken over."""

    entries: tuple[Entry, ...]
    refusals: tuple[Refusal, ...]


def read_blocklist(content: bytes, own: str, partners: Iterable[str] = ()) -> Blocklist:
    """Read a list. `own` is this node's domain, `partners` the servers that are allowed by name.

    Raises MalformedActivity for what is no list at all: not UTF-8, too long, JSON of another form.
    """
    if len(content) > MAX_BYTES:
        raise MalformedActivity("blocklist.size", public="The list is longer than 5 MiB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedActivity("blocklist.text", public="The list is not UTF-8 text.") from error
    rows = _json_rows(text) if text.lstrip().startswith(("[", "{")) else _csv_rows(text)
    check = _checker(own, frozenset(partners))
    entries: dict[str, Entry] = {}
    refusals: list[Refusal] = []
    for line, domain, severity in rows:
        level = LEVELS.get(severity.lower() or "suspend")
        try:
            name = check(domain)
        except ValueError as error:
            refusals.append(Refusal(line, domain[:MAX_COMMENT_CHARACTERS], str(error)))
            continue
        if level is None:
            refusals.append(Refusal(line, name, f'"{severity}" is not a level that this version takes over'))
        else:
            entries.setdefault(name, Entry(line, name, level))
    return Blocklist(tuple(entries.values()), tuple(refusals))


def write_blocklist(rules: Iterable[tuple[str, str]]) -> str:
    """Return rules (domain, level) as the CSV that Mastodon imports; what has no counterpart there is left out."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for domain, level in rules:
        if level == "suspend":
            writer.writerow((domain, "suspend", "true", "true", "", "false"))
    return out.getvalue()


def covering(host: str, domains: Mapping[str, Any]) -> str | None:
    """Return the most specific of some domains that a host lies in, or None."""
    return next((name for name in domains_above(without_port(host)) if name in domains), None)


def _csv_rows(text: str) -> list[tuple[int, str, str]]:
    """Return line, domain and severity of each row that says something; a header may name the columns, or not."""
    lines = text.splitlines()
    if len(lines) > MAX_LINES:
        raise MalformedActivity("blocklist.lines", public=f"The list has more than {MAX_LINES} lines.")
    rows, columns = [], ["domain"]
    for number, row in enumerate(_rows(lines), 1):
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        names = [cell.lower().removeprefix("#").strip() for cell in cells]
        if "domain" in names:
            columns = names
            continue
        if cells[0].startswith("#"):
            continue
        found = dict(zip(columns, cells, strict=False))
        rows.append((number, found.get("domain", ""), found.get("severity", "")))
    return rows


def _rows(lines: Sequence[str]) -> Iterable[list[str]]:
    """Read each line by itself, so that a quotation mark that is never closed spoils one line and not the list."""
    for line in lines:
        try:
            yield next(csv.reader([line]), [])
        except csv.Error:
            yield [line]


def _json_rows(text: str) -> list[tuple[int, str, str]]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedActivity("blocklist.json", public="The list begins like JSON and is not.") from error
    if not isinstance(found, list) or len(found) > MAX_LINES:
        raise MalformedActivity("blocklist.json", public="The list is JSON of another form.")
    rows = []
    for number, entry in enumerate(found, 1):
        name = entry.get("domain") if isinstance(entry, dict) else entry
        severity = entry.get("severity", "") if isinstance(entry, dict) else ""
        rows.append((number, name if isinstance(name, str) else "", severity if isinstance(severity, str) else ""))
    return rows


def _checker(own: str, partners: frozenset[str]) -> Callable[[str], str]:
    """Return what gives the canonical name of a domain that may be held off, and raises ValueError with the reason."""
    own_name = without_port(own)
    above_us = set(domains_above(own_name))
    above_partners = {name: partner for partner in partners for name in domains_above(without_port(partner))}

    def check(typed: str) -> str:
        if "*" in typed:
            raise ValueError("it is obfuscated: nobody can tell which domain is meant")
        try:
            name = canonical_host(typed.rstrip("."))
        except MalformedActivity as error:
            raise ValueError("it is not a domain") from error
        bare = without_port(name)
        if bare in above_us or name == own:
            raise ValueError("it is this node itself, or lies above it")
        if bare in above_partners:
            raise ValueError(f"it would hold off {above_partners[bare]}, which is allowed by name")
        if "." not in bare or (not bare.startswith("[") and _suffixes().is_public(bare)):
            raise ValueError("it is a registry under which anybody may have a domain")
        return name

    return check


@cache
def _suffixes() -> PublicSuffixList:
    """Return the list of registries, read from the package once: nothing is asked of the network."""
    return PublicSuffixList(only_icann=True)
