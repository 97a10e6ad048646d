"""What the operator decides: read once, from the environment and a file, into one frozen object.

Names begin with `KINFOLD_`. The environment is stronger than the TOML file that `KINFOLD_CONFIG` names, and that is
stronger than what `kinfold init` wrote down (`node.toml` in the data directory). In the files names stand without the
prefix, in lower case. A secret may be read from a file: `KINFOLD_DATABASE_URL_FILE`. A name that is not known is a
typing error, and is told as one; all faults are told at once.
"""

import ipaddress
import os
import ssl
import tomllib
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sqlalchemy.exc import ArgumentError

from activitypub.addresses import parse_private_peers
from activitypub.errors import MalformedActivity
from activitypub.origins import canonical_host
from node.engines import database_url, is_sqlite
from node.reasons import sentence

PREFIX: Final = "KINFOLD_"
SECRETS: Final = ("DATABASE_URL",)
FEDERATION_MODES: Final = ("open", "quarantine", "allowlist", "off")
REGISTRATION_MODES: Final = ("invite", "open", "application", "closed")
REGISTRATION_MODES_NOW: Final = ("invite", "closed")
LOG_FORMATS: Final = ("json", "console")
NODE_FILE: Final = "node.toml"
MAX_TITLE_CHARACTERS: Final = 100
NOT_IN_A_VALUE: Final = frozenset({"Cc", "Cs"})
"""Control characters, and bytes that are not UTF-8."""
TURNS: Final = frozenset("\u2028\u2029\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Breaks of lines and paragraphs, and marks of direction."""
MEANINGS: Final[Mapping[str, str]] = {
    "DATA_DIR": "database, keyring and keys of the embedded node (default ./var)",
    "CONFIG": "a TOML file with settings, weaker than the environment",
    "DOMAIN": "host, and port if any, in handles and ids (from init)",
    "BASE_URL": "https://DOMAIN; http:// only in development",
    "TITLE": "what the node is called (from init)",
    "DEVELOPMENT": "1 for a node on the loopback interface, for trying out and for tests",
    "DATABASE_URL": "SQLite in the data directory, or postgresql://…",
    "KEYRING_URL": "keyring/ in the data directory; never the content database",
    "ROOT_KEY_FILE": "the key that seals the keyring (default secrets/root.key in the data directory)",
    "PRIVATE_PEERS": "IP:port, comma-separated, that may be reached although private; development only",
    "CA_FILE": "an extra root of trust for outgoing TLS",
    "FEDERATION": "open, quarantine, allowlist or off",
    "REGISTRATION": "invite, open, application or closed",
    "TRUSTED_PROXIES": "addresses, comma-separated, whose forwarded headers are believed",
    "LOG_FORMAT": "json, or console for reading (the default in development)",
    "MEDIA_URL": "where media go; this version keeps none",
    "SMTP_URL": "how mail is sent; this version sends none",
}
"""Every setting, in one line each; README.md explains them."""
WITHOUT_EFFECT: Final = ("MEDIA_URL", "SMTP_URL")


class SettingsRefused(Exception):
    """The settings cannot be used; `faults` names each thing that is wrong."""

    def __init__(self, faults: list[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = faults


@dataclass(frozen=True, slots=True)
class Secret:
    """A text that no log and no traceback shows."""

    _text: str = field(repr=False)

    def reveal(self) -> str:
        """Return the text."""
        return self._text


@dataclass(frozen=True, slots=True)
class Settings:
    """Every decision of the operator."""

    data_dir: Path
    domain: str
    base_url: str
    title: str
    development: bool
    database_url: Secret
    keyring_dir: Path
    root_key_file: Path
    private_peers: frozenset[tuple[str, int]]
    ca_file: Path | None
    federation: str
    registration: str
    trusted_proxies: tuple[str, ...]
    log_format: str
    without_effect: tuple[str, ...] = ()

    @property
    def on_sqlite(self) -> bool:
        """Whether the database is a file that one process serves."""
        return self.sqlite_file is not None

    @property
    def sqlite_file(self) -> Path | None:
        """The file of the database; None where that is not SQLite."""
        url = database_url(self.database_url.reveal())
        return Path(url.database or "") if is_sqlite(url) else None


def load_settings(environ: Mapping[str, str]) -> Settings:
    """Return the settings of an environment. Raises SettingsRefused with every fault that was found."""
    reader = _Reader(environ)
    settings = reader.settings()
    if reader.faults:
        raise SettingsRefused(reader.faults)
    return settings


def settings_of_process() -> Settings:
    """Return the settings of this process: for those that another one of ours has started, which checked them."""
    return load_settings(os.environ)


def is_loopback(host: str) -> bool:
    """Tell whether a host to bind or to call is this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class _Reader:
    """Reads the sources one after the other, collecting faults instead of stopping at the first."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.faults: list[str] = []
        self._values: dict[str, str] = {}
        own = {name[len(PREFIX) :]: value for name, value in environ.items() if name.startswith(PREFIX)}
        self.data_dir = Path(own.get("DATA_DIR") or "./var")
        config = self._toml(Path(own["CONFIG"]), needed=True) if own.get("CONFIG") else {}
        self.data_dir = Path(own.get("DATA_DIR") or config.get("DATA_DIR") or "./var")
        for source, values in (("node.toml", self._toml(self.data_dir / NODE_FILE)), ("the file", config), ("", own)):
            self._take(source, values)
        self.development = self._flag("DEVELOPMENT")
        self._without_effect = [PREFIX + name for name in WITHOUT_EFFECT if self._values.get(name)]

    def settings(self) -> Settings:
        """Return the settings, which are whole only if no fault was found."""
        domain = self._domain()
        return Settings(
            data_dir=self.data_dir,
            domain=domain,
            base_url=self._base_url(domain),
            title=self._title(),
            development=self.development,
            database_url=self._database_url(),
            keyring_dir=self._keyring_dir(),
            root_key_file=Path(self._values.get("ROOT_KEY_FILE") or self.data_dir / "secrets" / "root.key"),
            private_peers=self._private_peers(),
            ca_file=self._ca_file(),
            federation=self._one_of("FEDERATION", FEDERATION_MODES, "open"),
            registration=self._registration(),
            trusted_proxies=self._trusted_proxies(),
            log_format=self._one_of("LOG_FORMAT", LOG_FORMATS, "console" if self.development else "json"),
            without_effect=tuple(self._without_effect),
        )

    def _toml(self, path: Path, *, needed: bool = False) -> dict[str, str]:
        try:
            table = tomllib.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            if needed:
                self.faults.append(f"{PREFIX}CONFIG names a file that is not there: {path}")
            return {}
        except OSError as error:
            self.faults.append(sentence(error))
            return {}
        except UnicodeDecodeError:
            self.faults.append(f"{path} cannot be read: it is not UTF-8 text")
            return {}
        except tomllib.TOMLDecodeError as error:
            self.faults.append(f"{path} cannot be read: it is not TOML: {error}")
            return {}
        return {name.upper(): self._as_text(path, name, value) for name, value in table.items()}

    def _as_text(self, path: Path, name: str, value: object) -> str:
        if isinstance(value, bool):
            return "1" if value else ""
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return ",".join(value)
        if isinstance(value, str | int):
            return str(value)
        self.faults.append(f"{path}: {name} is neither text nor number nor a list of texts")
        return ""

    def _take(self, source: str, values: Mapping[str, str]) -> None:
        for name, value in values.items():
            if name.endswith("_FILE") and name.removesuffix("_FILE") in SECRETS:
                self._values[name.removesuffix("_FILE")] = self._secret_from(name, value)
            elif name in MEANINGS:
                self._values[name] = self._one_line(name, value.strip())
            else:
                where = f" in {source}" if source else ""
                self.faults.append(f"{PREFIX}{name} is not a setting{where}")

    def _secret_from(self, name: str, path: str) -> str:
        try:
            return Path(path).read_text("utf-8").strip()
        except OSError as error:
            self.faults.append(f"{PREFIX}{name}: {sentence(error)}")
            return ""
        except UnicodeDecodeError:
            self.faults.append(f"{PREFIX}{name} is not UTF-8 text: {path}")
            return ""

    def _one_line(self, name: str, value: str) -> str:
        if any(unicodedata.category(character) in NOT_IN_A_VALUE for character in value):
            self.faults.append(f"{PREFIX}{name} is not one line of UTF-8 text")
            return ""
        return value

    def _title(self) -> str:
        value = self._values.get("TITLE") or "Kinfold"
        if len(value) > MAX_TITLE_CHARACTERS:
            self.faults.append(f"{PREFIX}TITLE is longer than {MAX_TITLE_CHARACTERS} characters")
        if TURNS.intersection(value):
            self.faults.append(f"{PREFIX}TITLE holds characters that break a line or turn its direction")
        return value

    def _flag(self, name: str) -> bool:
        value = self._values.get(name, "")
        if value not in {"", "0", "1"}:
            self.faults.append(f"{PREFIX}{name} is 1 or 0, not {value!r}")
        return value == "1"

    def _one_of(self, name: str, allowed: tuple[str, ...], default: str) -> str:
        value = self._values.get(name) or default
        if value not in allowed:
            self.faults.append(f"{PREFIX}{name} is one of {', '.join(allowed)}, not {value!r}")
        return value

    def _registration(self) -> str:
        """Return how people come to have an account: by invitation, or not at all; the rest is for later versions."""
        wanted = self._one_of("REGISTRATION", REGISTRATION_MODES, "invite")
        if wanted not in REGISTRATION_MODES_NOW:
            self._without_effect.append(f"{PREFIX}REGISTRATION={wanted}")
            return "invite"
        return wanted

    def _domain(self) -> str:
        value = self._values.get("DOMAIN", "")
        if not value:
            self.faults.append(f"{PREFIX}DOMAIN is not set: run kinfold init --domain D first")
            return ""
        try:
            return canonical_host(value)
        except MalformedActivity:
            self.faults.append(f"{PREFIX}DOMAIN is not a host: {value!r}")
            return ""

    def _base_url(self, domain: str) -> str:
        scheme = "http" if self.development else "https"
        value = (self._values.get("BASE_URL") or f"{scheme}://{domain}").rstrip("/")
        if value.startswith("http://") and not self.development:
            self.faults.append(f"{PREFIX}BASE_URL begins with https://; http:// is for {PREFIX}DEVELOPMENT=1 only")
        elif domain and value not in {f"https://{domain}", f"http://{domain}"}:
            self.faults.append(f"{PREFIX}BASE_URL is https://{domain}, the domain of handles and ids, not {value!r}")
        return value

    def _database_url(self) -> Secret:
        value = self._values.get("DATABASE_URL") or f"sqlite:///{self.data_dir / 'kinfold.db'}"
        try:
            url = database_url(value)
        except (ArgumentError, ValueError):
            self.faults.append(f"{PREFIX}DATABASE_URL is not the address of an SQLite or PostgreSQL database")
            return Secret("")
        if is_sqlite(url) and (not url.database or url.database == ":memory:"):
            self.faults.append(f"{PREFIX}DATABASE_URL names no file")
        return Secret(value)

    def _keyring_dir(self) -> Path:
        value = self._values.get("KEYRING_URL", "").removeprefix("file://")
        if "://" in value:
            self.faults.append(f"{PREFIX}KEYRING_URL is a directory: this version keeps its keyring in files only")
            return self.data_dir
        path = Path(value) if value else self.data_dir / "keyring"
        try:
            database = database_url(self._values.get("DATABASE_URL", "")).database
        except (ArgumentError, ValueError):  # told already
            return path
        if database and (path / "keyring.db").resolve() == Path(database).resolve():
            self.faults.append(f"{PREFIX}KEYRING_URL is the content database: keys and content never share a store")
        return path

    def _private_peers(self) -> frozenset[tuple[str, int]]:
        value = self._values.get("PRIVATE_PEERS", "")
        if value and not self.development:
            self.faults.append(f"{PREFIX}PRIVATE_PEERS is for {PREFIX}DEVELOPMENT=1 only")
        try:
            return parse_private_peers(value)
        except ValueError as error:
            self.faults.append(f"{PREFIX}PRIVATE_PEERS: {error}")
            return frozenset()

    def _ca_file(self) -> Path | None:
        value = self._values.get("CA_FILE")
        if not value:
            return None
        try:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.load_verify_locations(cafile=value)
            usable = context.cert_store_stats()["x509"] > 0
        except ssl.SSLError:
            usable = False
        except OSError as error:
            error.filename = value
            self.faults.append(f"{PREFIX}CA_FILE: {sentence(error)}")
            return None
        if not usable:
            self.faults.append(f"{PREFIX}CA_FILE holds no certificate in PEM: {value}")
        return Path(value)

    def _trusted_proxies(self) -> tuple[str, ...]:
        entries = tuple(entry.strip() for entry in self._values.get("TRUSTED_PROXIES", "").split(",") if entry.strip())
        for entry in entries:
            try:
                ipaddress.ip_network(entry)
            except ValueError:
                self.faults.append(f"{PREFIX}TRUSTED_PROXIES: {entry!r} is neither an address nor a network")
        return entries
