"""The rules of a group in plain words, as every page says them (pure)."""

from datetime import datetime, timedelta

from babel.units import format_unit

from groups.views import GroupView
from web.rendering import readable_day, words


def same(text: str) -> str:
    """Mark a sentence for translation where it is only stored; it is translated where it is shown."""
    return text


_ = same

AUDIENCES = {
    "none": _("Members with a name on this site. Nothing leaves it."),
    "peers-only": _("Members, here and on partner sites that promised to erase on the same day."),
    "followers": _("Members, here and on other sites. We ask those sites to delete; we cannot force them."),
    "public": _("Anyone can read and copy this."),
}
SHORT_AUDIENCES = {
    "none": _("Stays on this site"),
    "peers-only": _("Members and partner sites"),
    "followers": _("Members only"),
    "public": _("Anyone can read"),
}
AUDIENCE_ICONS = {"none": "lock", "peers-only": "people", "followers": "people", "public": "globe"}
JOINING = {
    "open": _("Anyone with a name may join at once."),
    "approval": _("You ask, and the people who look after the group answer."),
    "invite": _("By invitation only."),
}
COMPOSER = {
    "none": _("Stays on this site. Erased on %(day)s."),
    "peers-only": _("Also goes to partner sites that promised to erase on the same day. Erased on %(day)s."),
    "followers": _(
        "Also goes to members on other sites. Erased here on %(day)s; we will ask the other sites to delete, "
        "but we cannot force them."
    ),
    "public": _("Anyone can read and copy this. Erased here on %(day)s."),
}  # fmt: skip
ELSEWHERE = _(
    "Goes to the group's own site, %(host)s, and from there to its members. How long it stays there is up to that "
    "site. Erased here on %(day)s."
)
LEVEL_WORDS = {
    "allow": _("Trusted by name"),
    "normal": _("Let in"),
    "limit": _("Limited: heard by members of a group alone"),
    "quarantine": _("Waits for a decision: nothing is taken and nothing sent"),
    "suspend": _("Held off: nothing is taken and nothing sent"),
}
CHANGE_STATES = {
    "draft": _("Waits for somebody to confirm it"),
    "waiting": _("Waits for its hour"),
    "applied": _("Done"),
    "undone": _("Undone"),
    "dropped": _("Given up"),
}
UNITS = (
    ("duration-year", timedelta(days=365)),
    ("duration-day", timedelta(days=1)),
    ("duration-hour", timedelta(hours=1)),
    ("duration-minute", timedelta(minutes=1)),
)
REGISTRATION = {
    "invite": _("New accounts are made with an invitation link from a group."),
    "open": _("New here? You may make an account with a name and a password."),
    "application": _("New accounts are made by the people who run this site. Ask them."),
    "closed": _("New accounts are made by the people who run this site. Ask them."),
}


def audience_words(group: GroupView, language: str) -> str:
    """Say who can read a group."""
    return words(language)(AUDIENCES[group.audience])


def audience_short(group: GroupView, language: str) -> str:
    """Say who can read a group in three words."""
    return words(language)(SHORT_AUDIENCES[group.audience])


def join_words(group: GroupView, language: str) -> str:
    """Say how one joins a group."""
    return words(language)(JOINING[group.join_rule])


def keep_words(group: GroupView, language: str) -> str:
    """Say how long posts stay in a group."""
    return words(language)(_("Posts are erased after %(span)s.")) % {"span": span_words(group.keep, language)}


def span_words(span: timedelta, language: str) -> str:
    """Say a span in the largest unit of which it is a whole number."""
    for unit, size in UNITS:
        if span >= size and not span % size:
            return format_unit(span // size, unit, length="long", locale=language)
    return format_unit(int(span.total_seconds()), "duration-second", length="long", locale=language)


def audience_line(group: GroupView, now: datetime, language: str) -> str:
    """Say who will see a post that is written now, and until when (privacy reference §5.5)."""
    day = readable_day(now + group.keep, language)
    if not group.card.local:
        return words(language)(ELSEWHERE) % {"host": group.card.host, "day": day}
    return words(language)(COMPOSER[group.audience]) % {"day": day}
