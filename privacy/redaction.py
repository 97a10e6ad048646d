"""Keeps out of logs what must not be in them: words of people, secrets, addresses (pure).

Logs name ids and outcomes. This is the net below that rule: values under telling names are blanked, and addresses,
tokens and mail addresses are cut out of all text, whoever wrote it.
"""

import re
import traceback
from collections.abc import Mapping
from typing import Any, Final

from privacy.errors import PublicError

BLANK: Final = "[redacted]"
MAX_TEXT: Final = 500
MAX_FRAMES: Final = 12
TELLING: Final = frozenset(
    {
        *("body", "content", "summary", "text", "title", "note", "alt", "name", "display_name", "source", "html"),
        *("password", "token", "secret", "code", "authorization", "cookie", "set_cookie", "signature"),
        *("email", "mail", "address", "ip", "client", "remote_addr"),
        *("query", "query_string", "headers", "form", "json", "params", "parameters", "statement"),
    }
)
BEHIND_THE_HOST: Final = re.compile(r"(?<=://)([^\s/?#\"']*)[/?#][^\s\"']*")
"""What of an address of the web names somebody, or something of theirs; the server that it leads to is told."""
PATTERNS: Final = (
    re.compile(r"(?:kinfold_[a-z]+|kft|kfs|kfc)_[A-Za-z0-9_-]{8,}"),
    re.compile(r"\b(?:Bearer|Basic)\s+\S+", re.IGNORECASE),
    re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]+"),
    re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?!\w|\.\d)"),
    # With `::` anywhere in it, or with at least three colons: times of day have two.
    re.compile(r"(?<![\w:])(?=[0-9a-fA-F:]*::|(?:[0-9a-fA-F]{1,4}:){3})[0-9a-fA-F:]+(?!\w)"),
    re.compile(r"\?[^\s\"']+"),
)
"""Tokens of ours, credentials, mail addresses, IPv4 and IPv6 addresses, query strings."""


def redact(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what may be logged of an event."""
    return {key: BLANK if str(key).lower() in TELLING else _clean(value) for key, value in event.items()}


def redact_text(text: str) -> str:
    """Return a text without addresses, paths of the web, tokens and queries, on one line and not too long."""
    text = BEHIND_THE_HOST.sub(rf"\1/{BLANK}", text)
    for pattern in PATTERNS:
        text = pattern.sub(BLANK, text)
    return text.replace("\n", " ").replace("\r", " ")[:MAX_TEXT]


def describe_error(error: BaseException) -> dict[str, Any]:
    """Return what may be logged of an exception: its kinds and where it came from, not what it says.

    Only our own errors are known to name ids and nothing else; anybody else's message may quote what a person wrote.
    """
    kinds: list[str] = []
    seen: BaseException | None = error
    while seen is not None and len(kinds) < MAX_FRAMES:
        said = f": {redact_text(str(seen))}" if isinstance(seen, PublicError) else ""
        kinds.append(f"{type(seen).__module__}.{type(seen).__qualname__}{said}")
        seen = seen.__cause__ or seen.__context__
    frames = traceback.extract_tb(error.__traceback__)[-MAX_FRAMES:]
    return {"error": kinds, "at": [f"{_short(f.filename)}:{f.lineno} {f.name}" for f in frames]}


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, BaseException):
        return describe_error(value)
    if isinstance(value, Mapping):
        return redact(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean(item) for item in value]
    if isinstance(value, bytes):
        return BLANK
    return value if isinstance(value, int | float | bool | None) else redact_text(str(value))


def _short(filename: str) -> str:
    return "/".join(filename.replace("\\", "/").split("/")[-2:])
