"""Rules are for other servers, by their one name; what is none, or is this node itself, is refused."""

import pytest

from tests.node.shell import DOMAIN, Shell


def levels(shell: Shell) -> dict[str, str]:
    """The rule for each server that is known."""
    rows = [line.split("\t") for line in shell.do("domain", "list").splitlines()]
    return {row[0]: row[1] for row in rows}


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
        ("su", "su"),
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


def test_the_node_itself_is_known_by_every_spelling(shell: Shell) -> None:
    own = {"DOMAIN": "müller.example", "DEVELOPMENT": ""}
    for typed in ("MÜLLER.example.", "xn--mller-kva.example", "XN--MLLER-KVA.EXAMPLE", "müller.example:443"):
        assert "this node itself" in shell.refused("domain", "set", typed, "--level", "suspend", **own)
    assert shell.do("domain", "set", "muller.example", "--level", "suspend", **own)
