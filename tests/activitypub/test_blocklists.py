"""Lists of blocked servers: every form that is passed around, and nothing that would hit more than was meant."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.blocklists import Blocklist, read_blocklist, write_blocklist
from activitypub.errors import MalformedActivity

OWN, PARTNERS = "circle.charity.example", ["friends.example.org"]
FORMS = {
    "mastodon": "#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate\n"
    'bad.example,suspend,true,true,"spam, and worse",false\nworse.example,suspend,false,false,,false\n',
    "without the sign": "domain,severity,public_comment\nbad.example,suspend,x\nworse.example,suspend,\n",
    "other order": "severity,domain\nsuspend,bad.example\nsuspend,worse.example\n",
    "one column": "#domain\nbad.example\nworse.example\n",
    "plain": "# a list of ours\nbad.example\n\nworse.example\n",
    "with a mark and other ends": "\ufeff#domain\r\nbad.example\r\nworse.example\r\n",
    "no severity": "#domain,#severity\nbad.example,\nworse.example,\n",
    "gotosocial": '[{"domain":"bad.example","suspended_at":"2026-01-01T00:00:00Z"},{"domain":"worse.example"}]',
    "lemmy": '["bad.example","worse.example"]',
    "spelled otherwise": "BAD.example\nworse.example.\n",
    "twice": "bad.example\nworse.example\nbad.example\n",
}


def read(text: str) -> Blocklist:
    """Read a list for a node with a partner."""
    return read_blocklist(text.encode(), OWN, PARTNERS)


@pytest.mark.parametrize("form", FORMS)
def test_every_form_says_the_same(form: str) -> None:
    found = read(FORMS[form])
    assert [(entry.domain, entry.level) for entry in found.entries] == [
        ("bad.example", "suspend"),
        ("worse.example", "suspend"),
    ]
    assert found.refusals == ()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("com", "registry"), ("co.uk", "registry"), ("example", "itself"), ("b*d.example", "obfuscated"),
        (OWN, "itself"), ("charity.example", "itself"), ("example.org", "allowed by name"),
        ("friends.example.org", "allowed by name"), ("https://bad.example/", "not a domain"),
        ("bad example", "not a domain"),
        ("bad.example,silence", "not a level"), ("bad.example,noop", "not a level"),
    ],
)  # fmt: skip
def test_what_would_hit_more_than_was_meant_is_refused_with_its_line(line: str, why: str) -> None:
    """And everything else in the list is taken all the same."""
    found = read(f"domain,severity\ntrue.example,suspend\n{line}\nlast.example,suspend\n")
    assert [entry.domain for entry in found.entries] == ["true.example", "last.example"]
    assert [refusal.line for refusal in found.refusals] == [3]
    assert why in found.refusals[0].why


def test_what_lies_beside_us_and_our_partners_may_be_held_off() -> None:
    found = read("other.charity.example\nenemies.example.org\ngithub.io\nbad.co.uk\n")
    assert len(found.entries) == 4


@pytest.mark.parametrize(
    "content", [b"\xff\xfe", b'{"a": 1}', b"[1, 2", b"x" * (5 * 1_048_576 + 1), b"a.example\n" * 100_001], ids=len
)
def test_what_is_no_list_is_refused_whole(content: bytes) -> None:
    with pytest.raises(MalformedActivity):
        read_blocklist(content, OWN)


@given(st.text(max_size=400))
def test_whatever_is_in_a_file_is_read_or_refused(text: str) -> None:
    try:
        found = read(text)
    except MalformedActivity:
        return
    assert not {entry.domain for entry in found.entries} & {OWN, "charity.example", "example.org"}


@given(st.sets(st.from_regex(r"[a-z][a-z0-9]{2,8}\.example", fullmatch=True), max_size=20))
def test_what_is_written_is_read_again(domains: set[str]) -> None:
    written = write_blocklist([*((name, "suspend") for name in sorted(domains)), ("quiet.example", "quarantine")])
    assert {entry.domain for entry in read(written).entries} == domains
