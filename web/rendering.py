"""Templates to HTML: one environment for each language, moments in words, and the frame that every page stands in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from babel import Locale
from babel.dates import format_date, format_datetime, format_time, format_timedelta
from babel.support import NullTranslations, Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined

HERE = Path(__file__).parent
STATIC = HERE / "static"
LOCALES = HERE / "locale"
DOMAIN = "kinfold"
SOURCE_LANGUAGE = "en"

HUES = 8
SHAPES = 8


@dataclass(frozen=True, slots=True)
class Mark:
    """How a name looks beside its words: one of 8 hues, one of 8 shapes, and a letter."""

    hue: int
    shape: int
    letter: str


def mark_for(key: str, name: str) -> Mark:
    """Return the mark of a name; the same address always gets the same one, wherever it is seen."""
    digest = sha256(key.encode()).digest()
    letter = next((sign for sign in name if sign.isalnum()), "·").upper()[:1]
    return Mark(hue=digest[0] % HUES, shape=digest[1] % SHAPES, letter=letter)


@dataclass(frozen=True, slots=True)
class Self:
    """The name under which the reader acts now."""

    id: int
    name: str
    handle: str
    mark: Mark


@dataclass(frozen=True, slots=True)
class Page:
    """What stands around the content of a page; `token()` makes a fresh masked form token on each call."""

    title: str
    site: str
    language: str
    token: Callable[[], str]
    now: datetime
    signed_in: bool = False
    persona: Self | None = None
    section: str = ""
    notice: str = ""
    robots: str = "noindex, nofollow, noarchive"
    offers_exit: bool = True

    @property
    def direction(self) -> str:
        """`ltr` or `rtl`, as the language is written."""
        return Locale.parse(self.language).text_direction


@cache
def asset(name: str) -> str:
    """Return the address of a file in `static/`, marked with its content so that it may be kept for ever."""
    return f"/static/{name}?v={sha256((STATIC / name).read_bytes()).hexdigest()[:12]}"


@cache
def languages() -> tuple[str, ...]:
    """The languages that the interface speaks: the source and every translation that is there."""
    found = sorted(path.parent.parent.name for path in LOCALES.glob(f"*/LC_MESSAGES/{DOMAIN}.mo"))
    return (SOURCE_LANGUAGE, *(name for name in found if name != SOURCE_LANGUAGE))


def choose_language(accept_language: str | None) -> str:
    """Return the best language that we have for an Accept-Language field (RFC 9110 §12.5.4)."""
    wishes: list[tuple[float, int, str]] = []
    for place, item in enumerate((accept_language or "")[:500].split(",")):
        tag, _, weight = item.partition(";")
        wishes.append((-_weight(weight), place, tag.strip().replace("-", "_").lower()))
    for refused, _, tag in sorted(wishes):
        for language in languages():
            if refused < 0 and tag.partition("_")[0] == language.partition("_")[0].lower():
                return language
    return SOURCE_LANGUAGE


def _weight(parameter: str) -> float:
    name, _, value = parameter.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0


@cache
def translations(language: str) -> NullTranslations:
    """Return the words of a language, or those of the source where no translation is installed."""
    if language == SOURCE_LANGUAGE:
        return NullTranslations()
    return Translations.load(LOCALES, [language], DOMAIN)


def words(language: str) -> Callable[[str], str]:
    """Return the function that turns a source sentence into one of this language."""
    return translations(language).ugettext


@cache
def environment(language: str) -> Environment:
    """Return the templates of a language; everything that is put into them is escaped."""
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    spoken = translations(language)
    # The extension adds this method when it is loaded; jinja2 declares no type for it.
    environment.install_gettext_callables(spoken.ugettext, spoken.ungettext, newstyle=True)  # type: ignore[attr-defined]  # added by jinja2.ext.i18n
    environment.globals["asset"] = asset
    environment.filters["machine_time"] = machine_time
    environment.filters["full_time"] = lambda moment: full_time(moment, language)
    environment.filters["readable_time"] = lambda moment, now: readable_time(moment, now, language)
    environment.filters["readable_day"] = lambda moment: readable_day(moment, language)
    return environment


def render(template: str, page: Page, values: Mapping[str, Any]) -> str:
    """Return the HTML of a page."""
    return environment(page.language).get_template(template).render(page=page, **values)


def machine_time(moment: datetime) -> str:
    """Return a moment as the `datetime` attribute wants it, in UTC and whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def full_time(moment: datetime, language: str) -> str:
    """Return a moment in full words, such as `23 November 2026, 14:05 UTC`."""
    return f"{readable_day(moment, language)}, {_clock(moment, language)}"


def readable_day(moment: datetime, language: str) -> str:
    """Return a day in words with its year, such as `23 November 2026`."""
    return format_date(
        moment.astimezone(UTC).date(), format="d MMMM y" if language == "en" else "long", locale=language
    )


def readable_time(moment: datetime, now: datetime, language: str) -> str:
    """Return a moment as a reader would say it: a span within the hour, then the clock, then the day too."""
    moment, now = moment.astimezone(UTC), now.astimezone(UTC)
    past = now - moment
    if timedelta(0) <= past < timedelta(minutes=1):
        return words(language)("just now")
    if timedelta(0) <= past < timedelta(hours=1):
        return format_timedelta(-past, granularity="minute", add_direction=True, locale=language)
    if moment.date() == now.date():
        return words(language)("today, %(clock)s") % {"clock": _clock(moment, language)}
    if moment.year == now.year and language == "en":
        return f"{format_datetime(moment, 'd MMMM', locale=language)}, {_clock(moment, language)}"
    return full_time(moment, language)


def _clock(moment: datetime, language: str) -> str:
    pattern = "HH:mm" if language == "en" else "short"
    return f"{format_time(moment.astimezone(UTC).time(), format=pattern, locale=language)} UTC"
