"""What a rule for a domain says, and where it comes from (pure)."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import orjson

from privacy.clock import from_milliseconds, to_milliseconds

LEVELS: Final = ("allow", "normal", "limit", "quarantine", "suspend")
CLOSED: Final = frozenset({"quarantine", "suspend"})
"""Nothing is taken from these and nothing sent to them: of the one until a human has looked, of the other for good."""
LIMIT: Final = "limit"
MANUAL, IMPORT, SUBSCRIPTION = "manual", "import", "subscription"
"""Who made a rule: a human for that very domain, or a list. What a human said of a domain, no list changes."""
MAX_COMMENT_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Rule:
    """What holds for a domain and all below it, with its provenance."""

    level: str
    reject_media: bool = False
    reject_reports: bool = False
    obfuscate: bool = False
    """Whether others are to see the domain only in part, where a list is passed on."""
    public_comment: str = ""
    private_comment: str = ""
    source: str = MANUAL
    origin: str | None = None
    """The name of the list that it came with: a file, or an address."""
    list_id: int | None = None
    """The subscription that it came with."""
    made_by: int | None = None
    """The account of the admin who made or confirmed it; None for the command line."""
    made_on: datetime | None = None
    """The day on which it began to hold; None before that."""

    def __post_init__(self) -> None:
        """Refuse a level that is none."""
        if self.level not in LEVELS:
            raise ValueError(f"level {self.level!r}")

    @property
    def lets_in(self) -> bool:
        """Whether it may be taken for a yes: a human made it, or it holds off. No list lets anybody in."""
        return self.source == MANUAL or self.level in (*CLOSED, LIMIT)

    def says_as(self, other: "Rule | None") -> bool:
        """Tell whether it says the same as another, wherever that came from."""
        return other is not None and _said(self) == _said(other)


def pack(rule: Rule | None) -> str | None:
    """Return a rule as the JSON in which a change keeps it; nothing of no rule."""
    if rule is None:
        return None
    made_on = None if rule.made_on is None else to_milliseconds(rule.made_on)
    return orjson.dumps(asdict(rule) | {"made_on": made_on}).decode()


def unpack(packed: str | None) -> Rule | None:
    """Return the rule of such JSON."""
    if packed is None:
        return None
    found: dict[str, Any] = orjson.loads(packed)
    made_on = found.pop("made_on")
    return Rule(**found, made_on=None if made_on is None else from_milliseconds(made_on))


def clean_comment(text: str) -> str:
    """Return a comment in one line of bounded length, without signs that steer a terminal or turn its direction."""
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
    return line[:MAX_COMMENT_CHARACTERS]


def _said(rule: Rule) -> Mapping[str, object]:
    return {
        name: getattr(rule, name)
        for name in ("level", "reject_media", "reject_reports", "obfuscate", "public_comment", "private_comment")
    }
