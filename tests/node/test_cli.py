"""The real `kinfold`, as operators and their scripts call it: what it prints, what it refuses, and how it ends.

Each command is a process, which costs most of a second: so a test is a small story, and refusals are asked in pairs.
"""

import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from activitypub.actors import local_actor_by_handle
from node.cli import COMMANDS
from node.settings import load_settings
from node.wiring import build_node
from tests.factories import make_member
from tests.served import COMMAND_SECONDS, KINFOLD, first_link
from web.tokens import TOKEN_PREFIX

DOMAIN = "127.0.0.1:8000"
DONE, REFUSED, WRONG_USAGE = 0, 1, 2


@dataclass(frozen=True)
class Answer:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        """What it told a program."""
        return json.loads(self.out)

    def is_refusal(self, says: str) -> bool:
        """Tell whether it is refused as it must be: one line on standard error that says why, and nothing else."""
        lines = self.err.splitlines()
        return (
            self.code == REFUSED
            and self.out == ""
            and len(lines) == 1
            and lines[0].startswith("kinfold: ")
            and says in lines[0]
        )


@dataclass(frozen=True)
class Operator:
    """Somebody at a shell of a node's machine."""

    data: Path

    def run(self, *arguments: str, stdin: str = "", **settings: str) -> Answer:
        """Run a command and return how it ended."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KINFOLD_")}
        own = {"DEVELOPMENT": "1", "DATA_DIR": str(self.data), **settings}
        ended = subprocess.run(
            [KINFOLD, *arguments],
            env=inherited | {f"KINFOLD_{name}": value for name, value in own.items()},
            cwd=self.data.parent,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        return Answer(ended.returncode, ended.stdout, ended.stderr)

    def do(self, *arguments: str, stdin: str = "", **settings: str) -> Answer:
        """Run a command that succeeds."""
        answer = self.run(*arguments, stdin=stdin, **settings)
        assert answer.code == DONE, f"kinfold {' '.join(arguments)}: {answer.code}: {answer.err}"
        return answer

    def told(self, *arguments: str) -> Any:
        """Run a command that succeeds, and return what it tells a program."""
        return self.do(*arguments, "--json").told

    def at_once(self, *commands: tuple[str, ...]) -> list[Answer]:
        """Run several commands that do not need one another."""
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda arguments: self.run(*arguments), commands))

    def member(self, group: str, handle: str) -> None:
        """Give somebody a place in a group, for which there is no command."""
        settings = {"DEVELOPMENT": "1", "DATA_DIR": str(self.data)}
        node = build_node(load_settings({f"KINFOLD_{name}": value for name, value in settings.items()}))
        try:
            found = [node.database.read_now(local_actor_by_handle, name) for name in (group, handle)]
            node.database.write_now(make_member, *(actor.id for actor in found if actor is not None))
        finally:
            node.close()


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory) -> Operator:
    """An operator of a node that was made; each test gives its people and groups names of its own."""
    made = Operator(tmp_path_factory.mktemp("cli") / "data")
    made.do("init", "--domain", DOMAIN, "--title", "A test node")
    return made


# ── init ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_init_makes_a_node_and_may_be_repeated_and_gives_another_link_each_time(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "data")
    early = operator.run("account", "list")
    assert early.is_refusal("DOMAIN is not set") or early.is_refusal("run kinfold init")
    first = operator.do("init", "--domain", DOMAIN, "--title", 'It\'s "A" \\ node', "--owner", "robin", "--welcome")
    key, toml = (operator.data / "secrets" / "root.key").read_bytes(), (operator.data / "node.toml").read_text("utf-8")
    second = operator.do("init", "--domain", DOMAIN, "--welcome")
    links = [first_link(answer.out) for answer in (first, second)]
    assert all(link and link.startswith(f"http://{DOMAIN}/") for link in links)
    assert links[0] != links[1]
    assert "Sign in as robin" in second.out
    assert (operator.data / "secrets" / "root.key").read_bytes() == key
    assert (operator.data / "node.toml").read_text("utf-8") == toml
    other = operator.run("init", "--domain", "other.example", DEVELOPMENT="")
    assert other.is_refusal(f"this node is {DOMAIN}")
    accounts, groups = operator.at_once(("account", "list", "--json"), ("group", "list", "--json"))
    assert accounts.told == [{"name": "robin", "role": "owner", "state": "active"}]
    assert [(each["name"], each["join"]) for each in groups.told] == [("welcome", "open")]
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (operator.data, operator.data / "kinfold.db")}
    assert modes == {"data": "0o700", "kinfold.db": "0o600"}


def test_a_node_is_not_opened_with_the_root_key_of_another(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "data")
    operator.do("init", "--domain", DOMAIN)
    key = operator.data / "secrets" / "root.key"
    right = key.read_bytes()
    for wrong, says in ((bytes(32), "root key"), (b"short", "bytes")):
        key.chmod(0o600)
        key.write_bytes(wrong)
        assert operator.run("account", "list").is_refusal(says)
    key.write_bytes(right)
    key.chmod(0o644)
    assert operator.run("account", "list").is_refusal("chmod 0400")
    key.chmod(0o400)
    operator.do("account", "list")


# ── usage, refusals, settings ────────────────────────────────────────────────────────────────────────────────────────


def test_help_names_every_command_and_nothing_wrong_is_half_done(operator: Operator) -> None:
    shown, release, none, unknown = operator.at_once(("--help",), ("--version",), (), ("frobnicate",))
    assert shown.code == release.code == DONE
    assert all(f"  {name}" in shown.out for name in COMMANDS)
    assert release.out.startswith("kinfold, version")
    assert (none.code, unknown.code) == (WRONG_USAGE, WRONG_USAGE)
    assert "No such command" in unknown.err


@pytest.mark.parametrize(
    "wrong",
    [
        (("init",), ("account", "add")),
        (("account", "add", "kim", "--role", "god"), ("group", "set", "grief")),
        (("group", "add", "grief"), ("group", "add", "grief", "--title", "G", "--keep", "forever")),
        (("group", "add", "grief", "--title", "G", "--audience", "all"), ("retention", "resume")),
        (("domain", "set", "far.example"), ("domain", "set", "far.example", "--level", "hostile")),
        (("serve", "--port", "0"), ("token",)),
        (("account", "add", "\udcff"), ("group", "add", "grief", "--title", "a\n\udce4")),  # bytes that are not UTF-8
    ],
    ids=lambda pair: ascii(" | ".join(" ".join(words) for words in pair)),
)
def test_wrong_usage_is_told_from_a_refusal(operator: Operator, wrong: tuple[tuple[str, ...], ...]) -> None:
    for answer in operator.at_once(*wrong):
        assert (answer.code, answer.out) == (WRONG_USAGE, "")
        assert answer.err.splitlines()[-1].startswith("Error: ")
        assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "cases",
    [
        {("account", "link", "nobody"): "no account nobody", ("account", "freeze", "nobody"): "no account nobody"},
        {("account", "erase", "nobody", "--yes"): "no account nobody", ("account", "add", "owner"): "name"},
        {("account", "add", "x!"): "name", ("token", "nobody"): "no account nobody"},
        {("token", "owner", "--scopes", "read sudo"): "scopes", ("token", "owner", "--persona", "x"): "no persona x"},
        {("group", "show", "none"): "no group none", ("group", "pause", "none"): "no group none"},
        {("group", "owner", "none", "owner"): "no group none", ("group", "requests", "none"): "no group none"},
        {("group", "admit", "none", "robin"): "no group none", ("group", "invite", "none"): "no group none"},
        {
            ("group", "add", "grief", "--title", "G", "--owner", "nobody"): "no nobody on",
            ("domain", "set", "a b", "--level", "suspend"): "not a domain",
        },
        {("serve", "--host", "0.0.0.0"): "this machine only", ("serve", "--workers", "2"): "one process"},
    ],
    ids=lambda cases: " | ".join(" ".join(words[:2]) for words in cases),
)  # fmt: skip
def test_what_cannot_be_done_is_said_in_one_line(operator: Operator, cases: dict[tuple[str, ...], str]) -> None:
    for answer, says in zip(operator.at_once(*cases), cases.values(), strict=True):
        assert answer.is_refusal(says), answer


def test_every_fault_of_the_settings_is_in_that_line(operator: Operator) -> None:
    answer = operator.run("account", "list", FEDERATION="closed", TYPO="1", LOG_FORMAT="xml")
    assert answer.is_refusal("KINFOLD_FEDERATION")
    assert "KINFOLD_TYPO" in answer.err
    assert "KINFOLD_LOG_FORMAT" in answer.err
    in_earnest = operator.run("account", "list", DEVELOPMENT="", PRIVATE_PEERS="127.0.0.2:80")
    assert in_earnest.is_refusal("PRIVATE_PEERS is for KINFOLD_DEVELOPMENT=1 only")


@pytest.mark.parametrize("address", ["sqlite:///{}/none/x/kinfold.db", "postgresql://nobody@127.0.0.1:9/none"])
def test_a_database_that_cannot_be_used_is_told_in_one_line(operator: Operator, tmp_path: Path, address: str) -> None:
    (tmp_path / "none").write_text("a file where a directory should be")
    answer = operator.run("account", "list", DATABASE_URL=address.format(tmp_path))
    assert answer.is_refusal(""), answer


def test_migrating_what_is_as_it_should_be_changes_nothing(operator: Operator) -> None:
    assert operator.do("migrate").out == "The tables are as this version needs them.\n"


# ── accounts and tokens ──────────────────────────────────────────────────────────────────────────────────────────────


def test_an_account_is_added_frozen_thawed_and_erased(operator: Operator) -> None:
    added = operator.do(
        "account", "add", "Kim", "--email", "kim@mail.example", "--password-stdin", stdin="long enough\n"
    )
    assert added.out.startswith("Added kim.")
    assert operator.run("account", "add", "kim").is_refusal("name")
    first, second = (
        first_link(answer.out) for answer in operator.at_once(("account", "link", "kim"), ("account", "link", "kim"))
    )
    assert first
    assert first != second
    operator.do("account", "freeze", "kim")
    assert {"name": "kim", "role": "member", "state": "frozen"} in operator.told("account", "list")
    assert operator.run("account", "link", "kim").is_refusal("kim is frozen")
    operator.do("account", "freeze", "kim", "--thaw")
    plain = operator.do("account", "list").out
    assert "kim\tmember\tactive" in plain.splitlines()
    operator.do("account", "erase", "kim", "--yes")
    assert "kim" not in [each["name"] for each in operator.told("account", "list")]
    assert operator.run("account", "erase", "kim", "--yes").is_refusal("no account kim")
    stored = b"".join(path.read_bytes() for path in operator.data.rglob("*") if path.is_file())
    assert b"kim@mail.example" not in stored


@pytest.mark.parametrize("password", ["short\n", "\n", "", "xx-lee_long-xx\n"], ids=["short", "empty", "none", "name"])
def test_a_password_that_would_be_guessed_is_refused(operator: Operator, password: str) -> None:
    answer = operator.run("account", "add", "lee_long", "--password-stdin", stdin=password)
    assert answer.is_refusal(""), answer
    assert password.strip() == "" or password.strip() not in answer.err


def test_a_token_speaks_for_a_persona_or_for_a_group_that_one_looks_after(operator: Operator) -> None:
    operator.do("account", "add", "toni")
    operator.do("group", "add", "tokens", "--title", "Tokens", "--owner", "toni")
    mine, read, group, foreign = operator.at_once(
        ("token", "toni"),
        ("token", "toni", "--scopes", "read"),
        ("token", "toni", "--persona", "tokens"),
        ("token", "owner", "--persona", "toni"),
    )
    for answer in (mine, read, group):
        assert answer.code == DONE, answer
        (line,) = answer.out.splitlines()
        assert line.startswith(TOKEN_PREFIX)
    assert len({mine.out, read.out, group.out}) == 3
    assert foreign.is_refusal("owner has no persona toni")
    assert operator.run("token", "owner", "--persona", "tokens").is_refusal("looks after no group")
    stored = b"".join(path.read_bytes() for path in operator.data.rglob("*") if path.is_file())
    assert all(answer.out.strip().encode() not in stored for answer in (mine, read, group))


# ── groups ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_group_is_careful_unless_asked_otherwise(operator: Operator) -> None:
    made = operator.told("group", "add", "quiet", "--title", "Quiet")
    assert (made["audience"], made["join"], made["keep"], made["state"]) == ("none", "approval", 90 * 86_400, "open")
    assert made["handle"] == f"quiet@{DOMAIN}"
    assert made["uri"].startswith(f"http://{DOMAIN}/")
    assert int(made["id"]) > 0
    assert set(made) == {"name", "title", "audience", "join", "keep", "preset", "state", "handle", "id", "uri"}
    again = operator.run("group", "add", "quiet", "--title", "Quiet again")
    assert again.is_refusal("")
    assert "quiet\tQuiet\tnone\tapproval\t90d\topen" in operator.do("group", "list").out.splitlines()


def test_a_public_group_that_asks_for_approval_is_warned_of(operator: Operator) -> None:
    asks, opened = operator.at_once(
        ("group", "add", "askers", "--title", "A", "--audience", "public", "--json"),
        ("group", "add", "openers", "--title", "O", "--audience", "public", "--join", "open", "--json"),
    )
    assert asks.code == opened.code == DONE
    assert "Lemmy" in asks.err
    assert len(asks.err.splitlines()) == 1
    assert asks.told["audience"] == "public", "the warning does not stand in the way of programs"
    assert opened.err == ""
    changed = operator.do("group", "set", "openers", "--join", "approval", "--json")
    assert "Lemmy" in changed.err


def test_a_group_s_rules_are_changed_and_it_is_paused_and_sealed(operator: Operator) -> None:
    operator.do("group", "add", "changing", "--title", "Before", "--about", "why")
    changed = operator.told("group", "set", "changing", "--title", "After", "--keep", "12h", "--join", "invite")
    assert (changed["title"], changed["keep"], changed["join"]) == ("After", 12 * 3_600, "invite")
    assert operator.told("group", "show", "changing") == changed
    assert operator.run("group", "set", "changing", "--keep", "5m", DEVELOPMENT="").code == REFUSED
    assert operator.do("group", "pause", "changing").out == "changing is paused.\n"
    assert operator.do("group", "pause", "changing", "--resume").out == "changing is open.\n"
    operator.do("group", "seal", "changing", "--yes")
    assert operator.run("group", "pause", "changing", "--resume").is_refusal("closed for good")
    plain = operator.do("group", "show", "changing").out.splitlines()
    assert "state: sealed" in plain
    assert "keep: 12h" in plain


def test_an_invitation_is_a_link_and_nobody_asks_to_join_yet(operator: Operator) -> None:
    operator.do("group", "add", "inviting", "--title", "I")
    made, asking, asked = operator.at_once(
        ("group", "invite", "inviting", "--uses", "3", "--life", "2d", "--json"),
        ("group", "requests", "inviting", "--json"),
        ("group", "requests", "inviting"),
    )
    assert made.told["uses"] == 3
    assert made.told["link"].startswith(f"http://{DOMAIN}/")
    assert set(made.told) == {"link", "uses", "until"}
    assert asking.told == []
    assert (asked.code, asked.out, asked.err) == (DONE, "", "Nobody asks to join.\n")
    for verb in ("admit", "refuse"):
        assert operator.run("group", verb, "inviting", "@owner").is_refusal("does not ask to join")


def test_whoever_leaves_is_told_which_groups_stay_without_an_owner(operator: Operator) -> None:
    """The sentence names each group and the way out; with another owner there is none."""
    operator.do("account", "add", "olga")
    for group in ("orchard", "oasis"):
        operator.do("group", "add", group, "--title", "O", "--owner", "olga")
    operator.do("group", "set", "oasis", "--join", "open")
    assert operator.run("group", "owner", "oasis", "owner").is_refusal("Only a member of the group")
    assert operator.run("group", "owner", "oasis", "nobody").is_refusal("there is no nobody")
    erased = operator.do("account", "erase", "olga", "--yes")
    assert "olga owns oasis, orchard, which have no owner" in erased.err
    assert "kinfold group owner GROUP HANDLE" in erased.err
    assert "olga is erased" in erased.out


def test_a_group_is_given_another_owner(operator: Operator) -> None:
    operator.do("account", "add", "pia")
    operator.do("account", "add", "quinn")
    operator.do("group", "add", "pond", "--title", "P", "--owner", "pia")
    operator.member("pond", "quinn")
    assert operator.do("group", "owner", "pond", "@quinn").out == "@quinn owns pond.\n"
    assert operator.do("account", "erase", "pia", "--yes").err == ""
    assert "quinn owns pond, which has no owner" in operator.run("account", "erase", "quinn", stdin="n\n").err


# ── other servers, and the end ───────────────────────────────────────────────────────────────────────────────────────


def test_a_domain_gets_a_rule_and_is_listed_with_it(operator: Operator) -> None:
    assert operator.do("domain", "set", "FAR.example.", "--level", "suspend").out == "far.example: suspend\n"
    (known,) = [each for each in operator.told("domain", "list") if each["domain"] == "far.example"]
    assert known["level"] == "suspend"
    assert set(known) == {"domain", "level", "rule", "source", "class", "failures"}
    operator.do("domain", "set", "far.example", "--level", "normal")
    assert "far.example\tnormal" in operator.do("domain", "list").out


def test_retention_is_foretold_run_and_looked_at(tmp_path: Path) -> None:
    operator = Operator(tmp_path / "data")
    operator.do("init", "--domain", DOMAIN)
    assert operator.told("retention", "status") == {"last_run": None, "held_back": False, "why": None}
    foretold = operator.told("retention", "run", "--dry-run")
    assert foretold["posts"] == 0
    assert {"sign_in_links", "sessions", "inbox_items"} <= set(foretold)
    assert operator.told("retention", "status")["last_run"] is None, "nothing was run"
    ran = operator.do("retention", "run", "--json")
    assert json.loads(ran.out) == {"ended": 0, "erased": 0, "rows": {}}
    status = operator.told("retention", "status")
    assert status["last_run"] is not None
    assert not status["held_back"]
    assert "go ahead" in operator.do("retention", "resume", "--confirm").out
