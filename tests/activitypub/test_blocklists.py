"""Lists of blocked servers: every form that is passed around, and nothing that would hit more than was meant."""

import csv
import io
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activitypub.blocklists import Blocklist, read_blocklist, write_blocklist
from activitypub.errors import MalformedActivity
from activitypub.rules import Rule, clean_comment

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
    "lemmy, asked": '{"federated_instances":{"linked":[{"domain":"good.example"}],"allowed":[],'
    '"blocked":[{"id":1,"domain":"bad.example","software":"lemmy"},{"id":2,"domain":"worse.example"}]}}',
    "lemmy, exported": '{"display_name":"x","followed_communities":["https://good.example/c/x"],'
    '"blocked_instances":["bad.example","worse.example"]}',
    "lemmy, blocked by a person": '{"blocked_instances":[{"instance":{"id":1,"domain":"bad.example"}},'
    '{"instance":{"domain":"worse.example"}}]}',
    "comments with a quotation mark": '# don\'t,"\n#domain,"#severity"\nbad.example,suspend\n# a,"b\nworse.example,\n',
    "a comment of that name": "#domain,#severity,#public_comment\nbad.example,suspend,domain\n"
    "worse.example,suspend,good.example\n",
    "no header, a comment of that name": "bad.example,domain\nworse.example,good.example\n",
    "no header, marked": "bad.example,#domain\nworse.example,good.example\n",
    "a comment of several lines": 'domain,severity,public_comment\nbad.example,suspend,"spam,\ngood.example\n'
    'fine.example,suspend,\n"\nworse.example,suspend,"so ""they""\r\nsaid"\n',
    "a comment with other breaks": "domain,public_comment\nbad.example,a\u2028good.example\x85f.example\x0cx.example\n"
    "worse.example,\x1cx.example\n",
    "two lists in one": "#domain\nbad.example\n#severity,#domain\nsuspend,worse.example\n",
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
        ("bad example", "not a domain"), ("1.2.3", "not a domain"), ("0x7f.1", "not a domain"),
        ("256.1.1.1", "not a domain"), ("bad.example..", "not a domain"), ("domain", "registry"),
        ("203.0.113.7", "IP address"), ("[::1]", "IP address"), ("[2001:db8::1]:8443", "IP address"),
        ("bad.example,mute", "not a level"), ("bad.example,noop", "nothing"),
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
    "content",
    [
        b"\xff\xfe",
        b'{"a": 1}',
        b"[1, 2",
        b"x" * (5 * 1_048_576 + 1),
        b"a.example\n" * 10_001,
        b"[" + b'"a.example",' * 10_000 + b'"b.example"]',
        b'{"blocked": {}}',
        b'{"linked": ["a.example"]}',
    ],
    ids=len,
)
def test_what_is_no_list_is_refused_whole(content: bytes) -> None:
    with pytest.raises(MalformedActivity):
        read_blocklist(content, OWN)


@pytest.mark.parametrize(
    ("cut", "fault"),
    [
        ('bad.example,suspend,"never closed', "quotation mark"),
        ('bad.example,suspend,"he said "so"', "quotation mark"),
        ('"bad.example,suspend', "quotation mark"),
        ("bad.example,suspend,broken\rhere.example", "broken within a cell"),
    ],
)
def test_behind_a_cell_that_never_ends_nothing_is_taken_and_that_is_said(cut: str, fault: str) -> None:
    """What comes next may be a comment or a domain: nobody knows."""
    found = read(
        f"domain,severity,public_comment\nfirst.example,suspend,\n{cut}\nnext.example,suspend,\nlast.example,,\n"
    )
    assert [entry.domain for entry in found.entries] == ["first.example"]
    (refusal,) = found.refusals
    assert (refusal.line, refusal.text) == (3, cut)
    assert fault in refusal.why
    assert "2 more lines" in refusal.why


def test_a_cell_beyond_all_measure_never_ends_either() -> None:
    long = "\n".join(["fine.example,suspend,"] * 9_000)
    found = read(f'bad.example\nother.example,"{long}"\nlast.example\n')
    assert [entry.domain for entry in found.entries] == ["bad.example"]
    assert [refusal.line for refusal in found.refusals] == [2]


def test_an_ip_address_that_begins_a_list_is_no_json() -> None:
    found = read("[::1]\nbad.example\n")
    assert ([entry.domain for entry in found.entries], [one.line for one in found.refusals]) == (["bad.example"], [1])


def test_what_is_refused_within_json_is_told_by_its_place() -> None:
    found = read(
        '{"blocked":[{"domain":"bad.example"},{"domain":"com"},{"software":"x"},7,{"instance":{"domain":"*.x"}}]}'
    )
    assert [entry.domain for entry in found.entries] == ["bad.example"]
    assert [refusal.line for refusal in found.refusals] == [2, 3, 4, 5]


WORDS = st.one_of(
    st.sampled_from(
        ["domain", "#domain", "severity", "#severity", "good.example", "suspend", "silence", '"', '""', "#"]
    ),
    st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('",\n\r\u2028\x85#.'), max_size=20),
)
COMMENT = st.lists(WORDS, max_size=4).map("".join) | st.lists(WORDS, max_size=3).map("\n".join)
NAMES = st.from_regex(r"[a-z][a-z0-9]{2,8}\.example", fullmatch=True)


@given(
    st.lists(st.tuples(NAMES, st.lists(COMMENT, min_size=1, max_size=3)), max_size=8),
    st.sampled_from(["", "domain,severity,comment", "#domain,#severity,#reject_media,#public_comment"]),
    st.sampled_from(["\r\n", "\n"]),
    st.booleans(),
)
def test_whatever_is_said_of_a_domain_only_domains_are_held_off(
    rows: list[tuple[str, list[str]]], header: str, ending: str, all_quoted: bool
) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator=ending, quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL)
    if header:
        writer.writerow(header.split(","))
    for name, comments in rows:
        writer.writerow([name, *(["suspend", *comments] if header else comments)])
    found = read(out.getvalue())
    names = {name for name, _ in rows}
    assert {entry.domain for entry in found.entries} <= names
    if all_quoted or ending == "\r\n":  # else that writer leaves a lone carriage return without quotation marks
        assert ({entry.domain for entry in found.entries}, found.refusals) == (names, ())


@given(st.text(max_size=400))
def test_whatever_is_in_a_file_is_read_or_refused(text: str) -> None:
    try:
        found = read(text)
    except MalformedActivity:
        return
    assert not {entry.domain for entry in found.entries} & {OWN, "charity.example", "example.org"}


@given(st.sets(st.from_regex(r"[a-z][a-z0-9]{2,8}\.example", fullmatch=True), max_size=20))
def test_what_is_written_is_read_again(domains: set[str]) -> None:
    written = write_blocklist({name: Rule("suspend") for name in domains} | {"quiet.example": Rule("quarantine")})
    assert {entry.domain for entry in read(written).entries} == domains


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9]{2,8}\.example", fullmatch=True),
        st.builds(
            Rule,
            st.sampled_from(["suspend", "limit"]),
            obfuscate=st.booleans(),
            public_comment=st.text(st.sampled_from("=+-@'\",\n ab"), max_size=8).map(clean_comment),
            private_comment=st.just("for us alone"),
        ),
        max_size=6,
    )
)
def test_s1301_no_cell_is_a_formula_and_every_cell_is_a_text(rules: dict[str, Rule]) -> None:
    """A comment that begins like a formula is written so that no table computes it, and is read as it was."""
    written = write_blocklist(rules)
    cells = [cell for row in csv.reader(io.StringIO(written)) for cell in row]
    assert not [cell for cell in cells if cell.startswith(("=", "+", "-", "@"))]
    assert "for us alone" not in written
    found = {entry.domain: entry.rule for entry in read(written).entries}
    assert {name: (rule.level, rule.obfuscate) for name, rule in found.items()} == {
        name: (rule.level, rule.obfuscate) for name, rule in rules.items()
    }
    for name, rule in rules.items():
        if not rule.public_comment.startswith("'"):
            assert found[name].public_comment == rule.public_comment


def test_every_column_is_carried() -> None:
    text = (
        "#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate\n"
        "a.example,silence,true,false,spam,true\nb.example,noop,false,true,,false\nc.example,suspend,true,true,,false\n"
    )
    found = read(text)
    assert [(entry.level, entry.rule.reject_media, entry.rule.reject_reports) for entry in found.entries] == [
        ("limit", True, False), ("normal", False, True), ("suspend", True, True),
    ]  # fmt: skip
    assert write_blocklist({entry.domain: entry.rule for entry in found.entries}) == text
    as_json = read('[{"domain":"a.example","severity":"silence","obfuscate":true,"comment":"spam"}]').entries[0].rule
    assert (as_json.level, as_json.obfuscate, as_json.public_comment) == ("limit", True, "spam")


def test_an_obfuscated_line_is_read_by_its_digest_where_the_server_is_known() -> None:
    digest = sha256(b"bad.example").hexdigest()
    content = f'[{{"domain":"b*d.example","digest":"{digest}","severity":"suspend"}}]'.encode()
    assert [one.domain for one in read_blocklist(content, OWN, (), ["sub.bad.example"]).entries] == ["bad.example"]
    assert read_blocklist(content, OWN, (), ["other.example"]).entries == ()
