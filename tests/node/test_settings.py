"""What the operator decides is understood or refused, all faults at once, and a wrong word never half starts a node."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme
from hypothesis import given
from hypothesis import strategies as st

from node.settings import (
    MEANINGS,
    PREFIX,
    Secret,
    Settings,
    SettingsRefused,
    is_loopback,
    load_settings,
)

DOMAIN = "kin.example"


@pytest.fixture
def load(tmp_path: Path) -> "Load":
    """Loads settings of a node called kin.example whose data are in a directory of the test's own."""
    return Load(tmp_path)


class Load:
    """Loads settings from an environment given without the prefix."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir

    def environ(self, values: Mapping[str, str]) -> dict[str, str]:
        own = {"DATA_DIR": str(self.data_dir), "DOMAIN": DOMAIN} | values
        return {"HOME": "/nowhere", **{PREFIX + name: value for name, value in own.items()}}

    def settings(self, **values: str) -> Settings:
        return load_settings(self.environ(values))

    def faults(self, **values: str) -> list[str]:
        with pytest.raises(SettingsRefused) as refused:
            load_settings(self.environ(values))
        assert str(refused.value) == "; ".join(refused.value.faults)
        return refused.value.faults


# ── what holds when nothing is said ──────────────────────────────────────────────────────────────────────────────────


def test_a_domain_is_enough(load: Load) -> None:
    found = load.settings()
    assert (found.domain, found.base_url, found.title) == (DOMAIN, f"https://{DOMAIN}", "Kinfold")
    assert found.database_url.reveal() == f"sqlite:///{load.data_dir}/kinfold.db"
    assert found.keyring_dir == load.data_dir / "keyring"
    assert found.root_key_file == load.data_dir / "secrets" / "root.key"
    assert (found.federation, found.registration, found.log_format) == ("open", "invite", "json")
    assert (found.development, found.private_peers, found.trusted_proxies) == (False, frozenset(), ())
    assert (found.ca_file, found.without_effect, found.on_sqlite) == (None, (), True)


def test_development_has_rules_of_its_own(load: Load) -> None:
    found = load.settings(DEVELOPMENT="1", DOMAIN="127.0.0.1:8000", PRIVATE_PEERS="127.0.0.2:9000, 10.0.0.5:443")
    assert (found.base_url, found.log_format, found.development) == ("http://127.0.0.1:8000", "console", True)
    assert found.private_peers == {("127.0.0.2", 9000), ("10.0.0.5", 443)}
    assert load.settings(DEVELOPMENT="1", LOG_FORMAT="json").log_format == "json"
    assert load.settings(DEVELOPMENT="0").development is False


def test_an_empty_value_is_as_good_as_none(load: Load) -> None:
    own = {"DATA_DIR": str(load.data_dir), "DOMAIN": DOMAIN}
    assert load.settings(**dict.fromkeys(MEANINGS, "") | own) == load.settings()


def test_what_is_not_ours_is_not_looked_at(load: Load) -> None:
    environ = load.environ({}) | {"NODE_ENV": "production", "KINFOLDED": "1", "DATABASE_URL": "mysql://x"}
    assert load_settings(environ) == load.settings()


def test_a_domain_is_written_in_one_way(load: Load) -> None:
    found = load.settings(DOMAIN="Kin.EXAMPLE", BASE_URL="https://kin.example/")
    assert (found.domain, found.base_url) == (DOMAIN, f"https://{DOMAIN}")


def test_settings_without_effect_are_named(load: Load) -> None:
    found = load.settings(SMTP_URL="smtp://mail.example", MEDIA_URL="s3://bucket")
    assert found.without_effect == (f"{PREFIX}MEDIA_URL", f"{PREFIX}SMTP_URL")


def test_a_title_may_be_long_and_of_any_writing(load: Load) -> None:
    for title in ("x" * 100, "Rød grød 🌱", "👩‍👧 zusammen", "بيت", 'It\'s "A" \\ node'):
        assert load.settings(TITLE=f"  {title}\n").title == title


def test_a_file_of_certificates_is_a_root_of_trust(load: Load) -> None:
    path = load.data_dir / "root.pem"
    trustme.CA().cert_pem.write_to_path(path)
    assert load.settings(CA_FILE=str(path)).ca_file == path
    path.write_text("-----BEGIN CERTIFICATE-----\nnothing\n-----END CERTIFICATE-----\n")
    assert "holds no certificate" in load.faults(CA_FILE=str(path))[0]


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"DOMAIN": ""}, ["DOMAIN is not set"]),
        ({"DOMAIN": "not a host"}, ["DOMAIN is not a host"]),
        ({"DOMAIN": "https://kin.example"}, ["DOMAIN is not a host"]),
        ({"DOMAIN": "kin.example/groups"}, ["DOMAIN is not a host"]),
        ({"DOMAIN": "robin@kin.example"}, ["DOMAIN is not a host"]),
        ({"BASE_URL": "http://kin.example"}, ["BASE_URL begins with https://"]),
        ({"BASE_URL": "https://other.example"}, ["BASE_URL is https://kin.example"]),
        ({"BASE_URL": "https://kin.example/sub"}, ["BASE_URL is https://kin.example"]),
        ({"BASE_URL": "https://[::1"}, ["BASE_URL is https://kin.example"]),
        ({"BASE_URL": "HTTP://kin.example"}, ["BASE_URL is https://kin.example"]),
        ({"DEVELOPMENT": "1", "BASE_URL": "http://other.example"}, ["BASE_URL is"]),
        ({"DEVELOPMENT": "yes"}, ["DEVELOPMENT is 1 or 0"]),
        ({"PRIVATE_PEERS": "127.0.0.2:9000"}, ["PRIVATE_PEERS is for KINFOLD_DEVELOPMENT=1 only"]),
        ({"DEVELOPMENT": "1", "PRIVATE_PEERS": "127.0.0.2"}, ["PRIVATE_PEERS"]),
        ({"DEVELOPMENT": "1", "PRIVATE_PEERS": "far.example:443"}, ["PRIVATE_PEERS"]),
        ({"DEVELOPMENT": "1", "PRIVATE_PEERS": "127.0.0.2:99999"}, ["PRIVATE_PEERS"]),
        ({"FEDERATION": "closed"}, ["FEDERATION is one of open, quarantine, allowlist, off"]),
        ({"REGISTRATION": "yes"}, ["REGISTRATION is one of invite, open, application, closed"]),
        ({"LOG_FORMAT": "xml"}, ["LOG_FORMAT is one of json, console"]),
        ({"TRUSTED_PROXIES": "10.0.0.1, proxy"}, ["TRUSTED_PROXIES: 'proxy'"]),
        ({"TRUSTED_PROXIES": "10.0.0.1/8"}, ["TRUSTED_PROXIES"]),
        ({"CA_FILE": "/no/such/file"}, ["CA_FILE: /no/such/file is not there"]),
        ({"CA_FILE": "/"}, ["CA_FILE"]),
        ({"CA_FILE": __file__}, ["CA_FILE holds no certificate"]),
        ({"TITLE": "x" * 101}, ["TITLE is longer than 100 characters"]),
        ({"TITLE": "A\nnode"}, ["TITLE is not one line"]),
        ({"TITLE": "A\x1b[31m node"}, ["TITLE is not one line"]),
        ({"TITLE": "A \udcff node"}, ["TITLE is not one line of UTF-8 text"]),
        ({"TITLE": "A \u202eedon"}, ["TITLE holds characters that"]),
        ({"DATABASE_URL": "sqlite:////tmp/\udcff.db"}, ["DATABASE_URL is not one line"]),
        ({"CONFIG": "/no/such/file.toml"}, ["CONFIG names a file that is not there"]),
        ({"DATABASE_URL": "mysql://kin.example/kinfold"}, ["DATABASE_URL is not the address"]),
        ({"DATABASE_URL": "kinfold.db"}, ["DATABASE_URL is not the address"]),
        ({"DATABASE_URL": "postgresql://h:port/y"}, ["DATABASE_URL is not the address"]),
        ({"DATABASE_URL": "sqlite://"}, ["DATABASE_URL names no file"]),
        ({"DATABASE_URL": "sqlite:///:memory:"}, ["DATABASE_URL names no file"]),
        ({"DATABASE_URL_FILE": "/no/such/file"}, ["DATABASE_URL_FILE"]),
        ({"KEYRING_URL": "redis://127.0.0.1"}, ["KEYRING_URL is a directory"]),
        ({"DATBASE_URL": "sqlite:///x.db"}, ["DATBASE_URL is not a setting"]),
        ({"TITLE_FILE": "/etc/title"}, ["TITLE_FILE is not a setting"]),
        ({"": "x"}, [" is not a setting"]),
    ],
    ids=lambda value: ",".join(value) if isinstance(value, dict) else "",
)
def test_each_fault_is_told(load: Load, values: dict[str, str], told: list[str]) -> None:
    load.settings()
    found = load.faults(**values)
    assert len(found) == len(told), found
    assert all(part in fault for part, fault in zip(told, found, strict=True)), found


def test_all_faults_are_told_at_once(load: Load) -> None:
    found = load.faults(
        DOMAIN="", DEVELOPMENT="maybe", FEDERATION="x", REGISTRATION="x", LOG_FORMAT="x", TRUSTED_PROXIES="x",
        CA_FILE="/no", DATABASE_URL="x", KEYRING_URL="x://y", PRIVATE_PEERS="x", TYPO="1",
    )  # fmt: skip
    for name in ("DOMAIN", "DEVELOPMENT", "FEDERATION", "REGISTRATION", "LOG_FORMAT", "TRUSTED_PROXIES", "CA_FILE",
                 "DATABASE_URL", "KEYRING_URL", "PRIVATE_PEERS", "TYPO"):  # fmt: skip
        assert any(fault.startswith(PREFIX + name) for fault in found), (name, found)


def test_keys_and_content_never_share_a_store(load: Load) -> None:
    """Product decision 22: one file with both would make every copy of it a copy of the keys too."""
    ring = load.data_dir / "ring"
    (load.data_dir / "same").symlink_to(ring)
    for address in (f"sqlite:///{ring}/keyring.db", f"sqlite:///{load.data_dir}/same/keyring.db"):
        (fault,) = load.faults(KEYRING_URL=str(ring), DATABASE_URL=address)
        assert "never share a store" in fault
    (load.data_dir / "url").write_text(f"sqlite:///{ring}/keyring.db")
    (fault,) = load.faults(KEYRING_URL=f"file://{ring}", DATABASE_URL_FILE=str(load.data_dir / "url"))
    assert "never share a store" in fault
    assert load.settings(KEYRING_URL=str(ring), DATABASE_URL=f"sqlite:///{ring}/content.db").keyring_dir == ring
    assert load.settings(KEYRING_URL=f"file://{ring}").keyring_dir == ring


@given(
    st.sampled_from(sorted(set(MEANINGS) - {"DATA_DIR", "CONFIG"})),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=40),
)
def test_no_value_is_answered_with_anything_but_settings_or_faults(name: str, value: str) -> None:
    """Anything else would be a traceback where an operator needs one line."""
    environ = {f"{PREFIX}DATA_DIR": "no-such-directory", f"{PREFIX}DOMAIN": DOMAIN, PREFIX + name: value}
    faults: list[str] = []
    try:
        load_settings(environ)
    except SettingsRefused as refused:
        faults = refused.faults
    assert all(fault.startswith(PREFIX) for fault in faults)


# ── where settings come from ─────────────────────────────────────────────────────────────────────────────────────────


def test_the_environment_is_stronger_than_the_file_and_that_than_what_init_wrote(load: Load) -> None:
    config = load.data_dir / "kinfold.toml"
    (load.data_dir / "node.toml").write_text('domain = "one.example"\ntitle = "One"\nfederation = "off"\n')
    own = {"DATA_DIR": str(load.data_dir)}
    found = load_settings({PREFIX + name: value for name, value in own.items()})
    assert (found.domain, found.title, found.federation) == ("one.example", "One", "off")
    config.write_text('title = "Two"\nfederation = "allowlist"\n')
    own["CONFIG"] = str(config)
    found = load_settings({PREFIX + name: value for name, value in own.items()})
    assert (found.domain, found.title, found.federation) == ("one.example", "Two", "allowlist")
    own["TITLE"] = "Three"
    found = load_settings({PREFIX + name: value for name, value in own.items()})
    assert (found.domain, found.title, found.federation) == ("one.example", "Three", "allowlist")


def test_a_file_may_hold_flags_numbers_and_lists_and_the_data_directory(load: Load) -> None:
    config, data = load.data_dir / "kinfold.toml", load.data_dir / "elsewhere"
    config.write_text(
        f'data_dir = "{data}"\ndomain = "kin.example"\ndevelopment = true\n'
        'trusted_proxies = ["10.0.0.1", "10.1.0.0/16"]\n'
    )
    found = load_settings({f"{PREFIX}CONFIG": str(config)})
    assert (found.data_dir, found.development) == (data, True)
    assert found.trusted_proxies == ("10.0.0.1", "10.1.0.0/16")
    assert found.keyring_dir == data / "keyring"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title = [1, 2]", "neither text nor number"),
        ("[title]\nx = 1", "neither text nor number"),
        ("title = ", "cannot be read"),
        ('tittle = "x"', "TITTLE is not a setting in"),
        ('database_url_file = "/no/such"', "DATABASE_URL_FILE"),
        ("\udcff", "cannot be read"),
    ],
)
@pytest.mark.parametrize("where", ["node.toml", "kinfold.toml"])
def test_a_fault_in_a_file_is_told_with_the_file(load: Load, text: str, told: str, where: str) -> None:
    path = load.data_dir / where
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    chosen = {"CONFIG": str(path)} if where == "kinfold.toml" else {}
    faults = load.faults(**chosen)
    assert any(told in fault for fault in faults), faults


def test_a_secret_comes_from_a_file_and_is_shown_nowhere(load: Load) -> None:
    address = "postgresql://kinfold:hunter2@127.0.0.1/kinfold"
    (load.data_dir / "url").write_text(f"{address}\n")
    found = load.settings(DATABASE_URL_FILE=str(load.data_dir / "url"))
    assert found.database_url.reveal() == address
    assert not found.on_sqlite
    for shown in (repr(found), str(found), f"{found.database_url}", repr(Secret("hunter2"))):
        assert "hunter2" not in shown
    faults = load.faults(DATABASE_URL="mysql://kinfold:hunter2@127.0.0.1/kinfold", TYPO="hunter2")
    assert "hunter2" not in repr(faults)


# ── small parts ──────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("127.0.0.1", True), ("127.9.9.9", True), ("::1", True), ("[::1]", True), ("localhost", True),
        ("0.0.0.0", False), ("::", False), ("192.168.0.1", False), ("kin.example", False), ("", False),
    ],
)  # fmt: skip
def test_which_hosts_are_this_machine_only(host: str, here: bool) -> None:
    assert is_loopback(host) is here
