"""What an app may do: the scopes of the client API, and which of them contain which (client API reference §6)."""

from collections.abc import Collection, Iterable

READ = frozenset(
    f"read:{what}"
    for what in (
        "accounts", "blocks", "bookmarks", "favourites", "filters", "follows", "groups", "lists", "mutes",
        "notifications", "search", "statuses",
    )
)  # fmt: skip
WRITE = frozenset(
    f"write:{what}"
    for what in (
        "accounts", "blocks", "bookmarks", "conversations", "favourites", "filters", "follows", "groups", "lists",
        "media", "mutes", "notifications", "reports", "statuses",
    )
)  # fmt: skip
FOLLOW = frozenset(f"{verb}:{what}" for verb in ("read", "write") for what in ("follows", "blocks", "mutes"))
CONTAINS = {"read": READ, "write": WRITE, "follow": FOLLOW, "push": frozenset[str](), "profile": frozenset[str]()}
GRANTED = (*CONTAINS, *sorted(READ | WRITE))
"""Every scope that this node grants, the coarse ones first."""
DEFAULT = ("read",)
ADMIN_WORDS = (
    "accounts", "reports", "domain_allows", "domain_blocks", "ip_blocks", "email_domain_blocks",
    "canonical_email_blocks",
)  # fmt: skip
ADMIN = frozenset(
    {"admin:read", "admin:write"} | {f"admin:{verb}:{what}" for verb in ("read", "write") for what in ADMIN_WORDS}
)
"""Apps with a mode for administrators register these; nothing here would be opened by them, so none is granted."""
MAX_SCOPES = 60


def read_scopes(text: str) -> tuple[str, ...] | None:
    """Return the scopes of a space-separated list in the order given, each once, or None when one of them is unknown.

    An empty list means the default scope (RFC 6749 §3.3).
    """
    named = tuple(dict.fromkeys(text.split()))
    if len(named) > MAX_SCOPES or any(scope not in GRANTED and scope not in ADMIN for scope in named):
        return None
    return named or DEFAULT


def covers(granted: Collection[str], wanted: str) -> bool:
    """Tell whether these scopes open what asks for `wanted`."""
    return wanted in granted or any(wanted in CONTAINS.get(scope, ()) for scope in granted)


def is_within(wanted: Iterable[str], granted: Collection[str]) -> bool:
    """Tell whether every wanted scope lies inside what was granted; a coarse one needs itself, or all of its parts."""
    return all(
        covers(granted, scope) or (bool(CONTAINS.get(scope)) and all(covers(granted, part) for part in CONTAINS[scope]))
        for scope in wanted
    )


def grantable(wanted: Iterable[str]) -> tuple[str, ...]:
    """Return those of the wanted scopes that this node ever grants."""
    return tuple(scope for scope in wanted if scope in GRANTED)
