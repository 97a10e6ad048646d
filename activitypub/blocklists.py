"""Lists of servers that others hold off, as they are passed around: read, checked line by line, and written (pure).

Read are the CSV of Mastodon and of those who follow it, with or without `#` before the names of its columns, one
domain on a line, and the JSON of Mastodon, GoToSocial and Lemmy (federation reference §8.2). What would hit a whole
registry, this node or a partner is refused, each with its line. Every cell is a text, and none a formula (S-1301).
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from itertools import chain
from typing import Any, Final

import orjson

from activitypub.domains import domain_in, is_address, why_not_held_off
from activitypub.errors import MalformedActivity
from activitypub.peers import domains_above, without_port
from activitypub.rules import IMPORT, Rule, clean_comment

MAX_BYTES: Final = 5 * 1_048_576
MAX_LINES: Final = 10_000
MAX_TEXT_CHARACTERS: Final = 500
"""Of what a refusal repeats."""
LEVELS: Final[Mapping[str, str]] = {
    "suspend": "suspend", "block": "suspend", "silence": "limit", "limit": "limit", "filter": "limit",
    "noop": "normal", "none": "normal",
}  # fmt: skip
"""What is taken over, by the word that lists have for it; where a list has no words, it means the first."""
SEVERITIES: Final[Mapping[str, str]] = {"suspend": "suspend", "limit": "silence", "normal": "noop"}
"""The words of Mastodon for what is passed on."""
YES: Final = frozenset({"true", "1", "yes", "t"})
FORMULA: Final = ("=", "+", "-", "@")
"""What makes a formula of a cell, where a list is opened as a table."""
HEADER: Final = ("#domain", "#severity", "#reject_media", "#reject_reports", "#public_comment", "#obfuscate")
COLUMN: Final = re.compile(r"#?\s*[^\W\d][^.*@/:]*")
"""What may be the name of a column; no domain that a server can have is, for that has a dot."""
BRACKETED: Final = re.compile(r"\[[0-9a-f.]*:[0-9a-f:.]+\](?::[0-9]+)?\s*(?:[,\r\n]|$)", re.IGNORECASE)
"""What begins a line with a bracket and is no JSON: an IP address."""
Line = tuple[int, Mapping[str, str]]
"""On which line something stands, and what stands there, by the names of Mastodon's columns."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A domain of which a list says something, and what."""

    line: int
    domain: str
    rule: Rule

    @property
    def level(self) -> str:
        """The level at which the list would have it."""
        return self.rule.level


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


def read_blocklist(content: bytes, own: str, partners: Iterable[str] = (), known: Iterable[str] = ()) -> Blocklist:
    """Read a list. `own` is this node's domain, `partners` the servers that are allowed by name.

    `known` are servers that were seen: only of these is it found out which one an obfuscated line means, by its digest.
    Raises MalformedActivity for what is no list at all: not UTF-8, too long, JSON of another form.
    """
    if len(content) > MAX_BYTES:
        raise MalformedActivity("blocklist.size", public="The list is longer than 5 MiB.")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedActivity("blocklist.text", public="The list is not UTF-8 text.") from error
    is_json = text.lstrip().startswith(("[", "{")) and not BRACKETED.match(text.lstrip())
    refusals: list[Refusal] = []
    rows = _json_rows(text) if is_json else _csv_rows(text, refusals)
    check = _checker(own, frozenset(partners), _by_digest(known))
    entries: dict[str, Entry] = {}
    for line, said in rows:
        try:
            name, rule = check(said), _rule_of(said)
        except ValueError as error:
            refusals.append(Refusal(line, said.get("domain", "")[:MAX_TEXT_CHARACTERS], str(error)))
        else:
            entries.setdefault(name, Entry(line, name, rule))
    return Blocklist(tuple(entries.values()), tuple(sorted(refusals, key=lambda refusal: refusal.line)))


def write_blocklist(rules: Mapping[str, Rule]) -> str:
    """Return rules as the CSV that Mastodon imports, less private comments and what has no counterpart there."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(HEADER)
    for domain, rule in sorted(rules.items()):
        severity = SEVERITIES.get(rule.level)
        if severity is None or (severity == "noop" and not (rule.reject_media or rule.reject_reports)):
            continue
        # Who suspends takes neither media nor reports; Mastodon writes that out.
        flags = (rule.level == "suspend" or each for each in (rule.reject_media, rule.reject_reports))
        cells = [*map(_flag, flags), _as_text(rule.public_comment), _flag(rule.obfuscate)]
        writer.writerow((domain, severity, *cells))
    return out.getvalue()


def _rule_of(said: Mapping[str, str]) -> Rule:
    """Return the rule that a line asks for. Raises ValueError with the reason why there is none."""
    severity = said.get("severity", "")
    level = LEVELS.get(severity.lower() or "suspend")
    if level is None:
        raise ValueError(f'"{severity}" is not a level that this version takes over')
    media, reports, obfuscate = (
        said.get(name, "").lower() in YES for name in ("reject_media", "reject_reports", "obfuscate")
    )
    if level == "normal" and not (media or reports):
        raise ValueError("it asks for nothing")
    comment = said.get("public_comment") or said.get("comment", "")
    return Rule(
        level, media, reports, obfuscate, _as_typed(comment), _as_typed(said.get("private_comment", "")), IMPORT
    )


def _flag(value: bool) -> str:  # noqa: FBT001 - what is written is that very value
    return "true" if value else "false"


def _as_text(comment: str) -> str:
    """Return a comment as a cell that no table takes for a formula."""
    return f"'{comment}" if comment.startswith(FORMULA) else comment


def _as_typed(cell: str) -> str:
    comment = clean_comment(cell)
    return comment[1:] if comment.startswith(tuple(f"'{sign}" for sign in FORMULA)) else comment


def _by_digest(known: Iterable[str]) -> Mapping[str, str]:
    names = {name for host in known for name in domains_above(without_port(host))}
    return {sha256(name.encode()).hexdigest(): name for name in names}


def _csv_rows(text: str, refusals: list[Refusal]) -> list[Line]:
    """Return what each row says; a header may name the columns, or not. Adds the rows that cannot be read."""
    rows: list[Line] = []
    columns: list[str] | None = None
    for line, row in _rows(text, refusals):
        cells = [cell.strip() for cell in row]
        header = _header_in(cells, first=columns is None)
        if header is not None:
            columns = header
        elif any(cells) and not cells[0].startswith("#"):
            columns = columns or ["domain"]
            rows.append((line, dict(zip(columns, cells, strict=False))))
    return rows


def _header_in(cells: list[str], *, first: bool) -> list[str] | None:
    """Return the names of the columns if a row is a header: the first that says something, or each with its `#`.

    Anything else may be a comment of one word, and the row a domain with it.
    """
    named = [cell for cell in cells if cell]
    names = [cell.lower().removeprefix("#").strip() for cell in cells]
    marked = all(cell.startswith("#") for cell in named)
    return names if "domain" in names and (first or marked) and all(map(COLUMN.fullmatch, named)) else None


def _rows(text: str, refusals: list[Refusal]) -> Iterator[tuple[int, list[str]]]:
    """Yield each row with the line on which it begins; a quoted cell may go on over several lines.

    Behind a quotation mark that is not closed nobody knows what is a comment and what a domain, so the rest is left
    out, and said to be. Raises MalformedActivity for too many lines.
    """
    lines = list(io.StringIO(text, newline="\n"))  # only here: what else breaks a line may stand in a comment
    if len(lines) > MAX_LINES:
        raise MalformedActivity("blocklist.lines", public=f"The list has more than {MAX_LINES} lines.")
    source = iter(lines)
    number = 1
    for line in source:
        if line.lstrip().startswith("#") and not _marks_columns(line):
            number += 1
            continue
        reader = csv.reader(chain([line], source), strict=True)
        try:
            row = next(reader, [])
        except csv.Error:
            why = f"{_fault_of(line)}: nothing is taken over from here on ({len(lines) - number} more lines)"
            refusals.append(Refusal(number, line.strip()[:MAX_TEXT_CHARACTERS], why))
            return
        yield number, row
        number += reader.line_num


def _marks_columns(line: str) -> bool:
    """Tell whether a line that begins with `#` is a header and no comment, in which quotation marks mean nothing."""
    return _header_in([cell.strip() for cell in line.replace('"', "").split(",")], first=False) is not None


def _fault_of(line: str) -> str:
    if '"' in line:
        return "a quotation mark that begins here is never closed as it should be"
    return "the line is broken within a cell"


def _json_rows(text: str) -> list[Line]:
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise MalformedActivity("blocklist.json", public="The list begins like JSON and is not.") from error
    entries = _blocked_in(found)
    if entries is None:
        raise MalformedActivity("blocklist.json", public="The list is JSON of another form.")
    if len(entries) > MAX_LINES:
        raise MalformedActivity("blocklist.lines", public=f"The list has more than {MAX_LINES} entries.")
    return [(number, _entry_in(entry)) for number, entry in enumerate(entries, 1)]


def _blocked_in(found: Any) -> list[Any] | None:
    """Return the list of those held off: the document itself, or what Lemmy calls so beside those that it knows."""
    if isinstance(found, dict):
        found = found.get("federated_instances", found)
    if isinstance(found, dict):
        found = found.get("blocked", found.get("blocked_instances"))
    return found if isinstance(found, list) else None


def _entry_in(entry: Any) -> Mapping[str, str]:
    """Return what an entry says as a row would: a name, an object with it, or one with such an `instance`."""
    if not isinstance(entry, dict):
        return {"domain": entry} if isinstance(entry, str) else {}
    within = entry.get("instance")
    told = {**entry, "domain": (within if isinstance(within, dict) else entry).get("domain")}
    flags = {name: _flag(value) for name, value in told.items() if isinstance(value, bool)}
    return {name: value for name, value in told.items() if isinstance(value, str)} | flags


def _checker(own: str, partners: frozenset[str], by_digest: Mapping[str, str]) -> Callable[[Mapping[str, str]], str]:
    """Return what gives the canonical name of a domain that may be held off, and raises ValueError with the reason."""
    above_partners = {name: partner for partner in partners for name in domains_above(without_port(partner))}

    def check(said: Mapping[str, str]) -> str:
        typed = said.get("domain", "")
        if "*" in typed:
            typed = by_digest.get(said.get("digest", "").lower(), "")
            if not typed:
                raise ValueError("it is obfuscated: nobody can tell which domain is meant")
        name = domain_in(typed)
        if name is None:
            raise ValueError("it is not a domain")
        reason = why_not_held_off(name, own)
        if reason is not None:
            raise ValueError(reason)
        if is_address(name):
            raise ValueError("it is an IP address and not a domain")
        if without_port(name) in above_partners:
            raise ValueError(f"it would hold off {above_partners[without_port(name)]}, which is allowed by name")
        return name

    return check
