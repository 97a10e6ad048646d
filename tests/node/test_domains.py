"""Rules are for other servers, by their one name; what is none, or is this node itself, is refused."""

import json
from pathlib import Path

import pytest
from sqlalchemy import delete

from activitypub.models import Peer, PeerRule
from activitypub.peers import note_seen
from node.commands.running import opened
from privacy.unit_of_work import UnitOfWork, table_of
from tests.factories import make_group, make_member, make_remote_actor
from tests.node.shell import DOMAIN, Shell


@pytest.fixture
def fresh(shell: Shell) -> Shell:
    """The shell, beside a node that has met nobody and rules nothing."""
    with opened(shell.environ) as node:
        node.database.write_now(forget_all)
    return shell


def forget_all(uow: UnitOfWork) -> None:
    """Delete what is known of other servers, and every rule."""
    for table in (Peer, PeerRule):
        uow.connection.execute(delete(table_of(table)))


def listed(shell: Shell, *options: str, **extra: str) -> dict[str, list[str]]:
    """What `domain list` says of each server."""
    rows = [line.split("\t") for line in shell.do("domain", "list", *options, **extra).splitlines()]
    return {row[0]: row[1:] for row in rows}


def levels(shell: Shell) -> dict[str, str]:
    """How each server that is known or ruled is treated."""
    return {name: row[0] for name, row in listed(shell).items()}


def see(shell: Shell, *hosts: str) -> None:
    """Let the node have met some servers."""
    with opened(shell.environ) as node:
        for host in hosts:
            node.database.write_now(note_seen, host)


@pytest.mark.parametrize(
    ("typed", "known"),
    [
        ("far.example", "far.example"),
        ("FAR.Example.", "far.example"),
        ("Müller.example", "xn--mller-kva.example"),
        ("far.example:8443", "far.example:8443"),
        ("203.0.113.7", "203.0.113.7"),
        ("[2001:DB8:0::1]", "[2001:db8::1]"),
        ("127.0.0.1:8001", "127.0.0.1:8001"),
        ("far.example:443", "far.example"),
    ],
)
def test_a_server_has_one_name_and_one_rule(shell: Shell, typed: str, known: str) -> None:
    assert shell.do("domain", "set", typed, "--level", "suspend") == f"{known}: suspend\n"
    assert levels(shell)[known] == "suspend"
    shell.do("domain", "set", known, "--level", "normal")
    assert levels(shell)[known] == "normal"


@pytest.mark.parametrize(
    "typed",
    [
        "", " ", ".", "...", "far..example", "far example", " far.example", "far.example\n", "https://far.example",
        "https://far.example/", "far.example/", "far.example/groups", "//far.example", "@kim@far.example",
        "kim@far.example", "*.far.example", "far.example:0", "far.example:99999", "far.example:x", "-far.example",
        "1.2.3", "256.1.1.1", "127.1", "0x7f.1", "12345", "2001:db8::1", "[far.example]", "far_example!",
        ".".join(["x" * 60] * 4 + ["y" * 12]), "x" * 64 + ".example", "far.example,near.example", "%", "#",
    ],
)  # fmt: skip
def test_what_is_no_domain_is_refused_in_one_sentence(shell: Shell, typed: str) -> None:
    before = levels(shell)
    assert "is not a domain" in shell.refused("domain", "set", "--level", "suspend", "--", typed)
    assert levels(shell) == before


def test_an_address_is_refused_with_the_domain_that_was_meant(shell: Shell) -> None:
    for typed in ("https://Far.example/c/grief", "@kim@far.example"):
        assert "far.example" in shell.refused("domain", "set", typed, "--level", "suspend").split(":")[-1]


@pytest.mark.parametrize("level", ["allow", "normal", "quarantine", "suspend"])
def test_the_node_itself_has_no_rule(shell: Shell, level: str) -> None:
    before = levels(shell)
    for own in (DOMAIN, DOMAIN.upper(), "127.0.0.1"):
        assert "this node itself" in shell.refused("domain", "set", own, "--level", level)
    assert levels(shell) == before
    assert shell.do("domain", "set", "127.0.0.2:8000", "--level", level), "another one is another one"


def test_nobody_holds_off_a_registry_or_what_the_node_lies_in(shell: Shell) -> None:
    own, before = {"DOMAIN": "circle.charity.org.uk", "DEVELOPMENT": ""}, levels(shell)
    for name in ("com", "co.uk", "org.uk", "uk", "su", "charity.org.uk", "CHARITY.org.uk.", "charity.org.uk:443"):
        for level in ("suspend", "quarantine"):
            assert "cannot be held off" in shell.refused("domain", "set", name, "--level", level, **own)
    assert levels(shell) == before
    assert shell.do("domain", "set", "charity.org.uk", "--level", "allow", **own), "it may be trusted"
    assert shell.do("domain", "set", "other.charity.org.uk", "--level", "suspend", **own)
    assert shell.do("domain", "set", "hosted.github.io", "--level", "suspend", **own)


def test_the_node_itself_is_known_by_every_spelling(shell: Shell) -> None:
    own = {"DOMAIN": "müller.example", "DEVELOPMENT": ""}
    for typed in ("MÜLLER.example.", "xn--mller-kva.example", "XN--MLLER-KVA.EXAMPLE", "müller.example:443"):
        assert "this node itself" in shell.refused("domain", "set", typed, "--level", "suspend", **own)
    assert shell.do("domain", "set", "muller.example", "--level", "suspend", **own)


# ── what holds for whom ──────────────────────────────────────────────────────────────────────────────────────────────


def test_the_list_says_how_each_is_treated_and_by_whose_rule(fresh: Shell) -> None:
    see(fresh, "sub.bad.example", "far.example")
    fresh.do("domain", "set", "bad.example", "--level", "suspend")
    fresh.do("domain", "set", "good.bad.example", "--level", "normal")
    assert listed(fresh) == {
        "bad.example": ["suspend", "bad.example", "manual", "-", "-"],
        "far.example": ["normal", "-", "-", "microblog", "0"],
        "good.bad.example": ["normal", "good.bad.example", "manual", "-", "-"],
        "sub.bad.example": ["suspend", "bad.example", "manual", "microblog", "0"],
    }
    assert fresh.do("domain", "undo", "good.bad.example").endswith(": suspend, by the rule for bad.example\n")


def test_in_quarantine_mode_whoever_has_no_rule_waits_and_is_listed(fresh: Shell) -> None:
    """Also after the mode was changed on a node that talked with everybody."""
    see(fresh, "old.example", "sub.bad.example", "friend.example")
    fresh.do("domain", "set", "bad.example", "--level", "suspend")
    fresh.do("domain", "set", "friend.example", "--level", "normal")
    assert listed(fresh, "--waiting") == {}, "control: in open mode nobody waits"
    assert set(listed(fresh, "--waiting", FEDERATION="quarantine")) == {"old.example"}
    assert fresh.do("domain", "set", "old.example", "--level", "normal", FEDERATION="quarantine")
    assert listed(fresh, "--waiting", FEDERATION="quarantine") == {}
    undone = fresh.do("domain", "undo", "old.example", FEDERATION="quarantine")
    assert undone == "old.example: quarantine, as every server without a rule\n"
    assert set(listed(fresh, "--waiting", FEDERATION="quarantine")) == {"old.example"}


@pytest.mark.parametrize("level", ["normal", "allow", "quarantine"])
def test_what_a_human_ruled_no_list_changes(fresh: Shell, tmp_path: Path, level: str) -> None:
    """Neither for the domain itself, nor for what lies below it."""
    fresh.do("domain", "set", "partner.example", "--level", level)
    file = tmp_path / "list.csv"
    file.write_text("sub.partner.example\npartner.example\nbad.example\n")
    assert json.loads(fresh.run("domain", "import", str(file), "--json").stdout) == [
        {"domain": "bad.example", "level": "suspend", "members": 0, "requests": 0, "followed": 0, "posts": 0}
    ]
    fresh.do("domain", "import", str(file), "--apply")
    assert levels(fresh) == {"partner.example": level, "bad.example": "suspend"}
    assert listed(fresh)["bad.example"][2] == "import"
    fresh.do("domain", "set", "bad.example", "--level", "normal")
    fresh.do("domain", "import", str(file), "--apply")
    assert listed(fresh)["bad.example"][:3] == ["normal", "bad.example", "manual"]


def test_the_command_says_what_becomes_of_places_in_groups(fresh: Shell, tmp_path: Path) -> None:
    with opened(fresh.environ) as node:
        group = node.database.write_now(make_group, node.uris, f"club{tmp_path.name[-1]}", audience="followers")
        for host in ("a.bad.example", "worse.example"):
            actor = node.database.write_now(make_remote_actor, "sam", host)
            node.database.write_now(make_member, group, actor, follow_uri=f"https://{host}/follows/1")
    said = fresh.do("domain", "set", "bad.example", "--level", "suspend").splitlines()
    assert said[0] == "bad.example: suspend"
    assert said[1].startswith("1 places in groups here are parked")
    assert fresh.do("domain", "undo", "bad.example").splitlines()[1].startswith("1 people had a place in a group here")
    file = tmp_path / "list.csv"
    file.write_text("worse.example\n")
    assert "parked" not in fresh.do("domain", "import", str(file)), "nothing was changed yet"
    assert "1 places in groups here are parked" in fresh.do("domain", "import", str(file), "--apply")
    assert "1 people had a place" in fresh.do("domain", "set", "worse.example", "--level", "normal")


# ── lists ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_is_looked_at_applied_exported_and_taken_back(fresh: Shell, tmp_path: Path) -> None:
    """5,000 lines, with a registry, this node and a partner among them: those three are refused, the others hold."""
    fresh.do("domain", "set", "partner.example.org", "--level", "allow")
    fresh.do("domain", "set", "known.example", "--level", "quarantine")
    names = [f"bad{number}.example" for number in range(4_996)] + ["co.uk", "127.0.0.1", "example.org", "known.example"]
    file = tmp_path / "list.csv"
    file.write_text("#domain,#severity\n" + "".join(f"{name},suspend\n" for name in names))
    shown = fresh.run("domain", "import", str(file), "--json")
    assert len(json.loads(shown.stdout)) == 4_996
    refused = [line.split(",")[0] for line in shown.stderr.splitlines()]
    assert refused == [f"kinfold: line {number}" for number in (4_998, 4_999, 5_000)]
    assert "bad1.example" not in levels(fresh), "nothing was changed yet"
    assert "4996 rules set: 0 members" in fresh.do("domain", "import", str(file), "--apply")
    assert levels(fresh)["bad4995.example"] == "suspend"
    assert levels(fresh)["known.example"] == "quarantine", "a rule that was made here stays"
    exported = fresh.do("domain", "export")
    assert (exported.count("\nbad"), "known.example" in exported) == (4_996, False)
    assert fresh.do("domain", "undo", "bad7.example").startswith("bad7.example: normal, as every")
    assert "no rule for bad7.example" in fresh.refused("domain", "undo", "bad7.example")
    assert fresh.do("domain", "export").count("\nbad") == 4_995
