"""A preview counts what a change would cut off, by domain and by group; what it says is what happens (T-MO-03)."""

from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activitypub import changes
from activitypub.changes import Plan
from activitypub.errors import RuleRefused
from activitypub.peers import put_rules, rules, set_level
from activitypub.rules import IMPORT, LEVELS, MANUAL, Rule
from groups.notifications import notifications_of
from groups.places import standing_of
from groups.ruling import carry_out, carry_out_due, let_wait, plan_of, read_list, take_back
from groups.severing import FOLLOWED, MEMBERS, REQUESTS, WORDS, Preview, preview
from groups.views import Page
from tests.groups.house import House

HOSTS = ("far.example", "sub.far.example", "near.test", "ok.test")


def seen_by(house: House, lines: dict[str, str], mode: str = "open") -> Preview:
    """Look at what rules would do."""
    found = house.ask(preview, mode, {name: Rule(level) for name, level in lines.items()})
    assert isinstance(found, Preview)
    return found


def test_a_preview_counts_whom_it_would_cut_off(house: House) -> None:
    """Members here, requests, places of our own people there and posts, on servers below the domain too.

    Nobody who has left, or whose server goes on by a rule made here.
    """
    grief, club = house.group("grief"), house.stranger("club", "clubs.bad.example", kind="Group")
    places = [
        ("a.bad.example", "active"), ("bad.example", "pending"), ("bad.example", "left"),
        ("good.bad.example", "active"), ("a.good.bad.example", "active"), ("ok.example", "active"),
    ]  # fmt: skip
    for host, state in places:
        house.stranger(f"sam{state}", host, grief, state=state)
    house.person("ana", club)
    house.do(set_level, "good.bad.example", "normal")
    found = seen_by(house, {"bad.example": "suspend", "other.example": "suspend"})
    assert {line.domain: dict(line.counts) for line in found.lines} == {
        "bad.example": {MEMBERS: 1, REQUESTS: 1, FOLLOWED: 1, WORDS: 0},
        "other.example": {MEMBERS: 0, REQUESTS: 0, FOLLOWED: 0, WORDS: 0},
    }
    assert (found.groups, found.followed) == ({"@grief": 1}, {"@club@clubs.bad.example": 1})
    assert not any(seen_by(house, {"bad.example": "limit"}).lines[0].counts.values()), "limited is not cut off"


RULED = st.dictionaries(
    st.sampled_from(["example", "far.example", "sub.far.example", "near.test"]), st.sampled_from(LEVELS)
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(RULED, RULED, st.sampled_from(["open", "quarantine", "allowlist"]))
def test_what_is_foretold_is_what_happens_and_undone_comes_back(
    house: House, before: dict[str, str], change: dict[str, str], mode: str
) -> None:
    """The numbers of the preview are those of the deed; undoing asks for every place again that can be had."""
    if "grief" not in house.names:
        grief = house.names["grief"] = house.group("grief", owner_id=house.person("owner"), audience="followers")
        for host in HOSTS:
            house.stranger("sam", host, grief)
            house.person(f"ana_{HOSTS.index(host)}", house.stranger("club", host, kind="Group"))
    house.do(lambda uow: put_rules(uow, dict.fromkeys(rules(uow))))
    house.do(put_rules, {name: Rule(level) for name, level in before.items()})
    for handle, actor_id in house.names.items():
        if handle.startswith("sam@"):
            house.place(house.names["grief"], actor_id, state="active", follow_uri=f"https://x/{handle}", ends_at=None)
        if handle.startswith("ana_"):
            club = house.names[f"club@{HOSTS[int(handle[-1])]}"]
            house.place(club, actor_id, state="active", ends_at=None)
    lines = {name: Rule(level) for name, level in change.items()}
    # What the rules before had closed already is parked before the change is looked at.
    house.do(lambda uow: carry_out(uow, house.uris, mode, changes.plan(uow, Plan({}))))
    told = house.ask(preview, mode, lines)
    done = house.do(lambda uow: carry_out(uow, house.uris, mode, changes.plan(uow, Plan(lines))))
    assert (told.total(MEMBERS), told.total(FOLLOWED)) == (done.settled.parked, done.settled.held)
    back = house.do(take_back, house.uris, mode, done.change_id)
    assert back.lost == 0
    assert (back.settled.told, back.settled.asked) >= (done.settled.parked, done.settled.held)


def test_a_change_that_waits_tells_whom_it_will_cut_off_and_is_made_at_its_hour(house: House) -> None:
    owner, mia, ben = (house.person(name) for name in ("owner", "mia", "ben"))
    grief, club = house.group("grief", owner_id=owner), house.stranger("club", "far.example", kind="Group")
    house.stranger("sam", "far.example", grief)
    house.join(club, mia)
    house.join(grief, ben)
    change_id = house.do(changes.plan, Plan({"far.example": Rule("suspend", source=IMPORT)}, kind=IMPORT))
    house.do(let_wait, "open", change_id, timedelta(hours=24))
    assert {who: kinds(house, who) for who in (owner, mia, ben)} == {
        owner: ["members_severing"], mia: ["severing"], ben: [],
    }  # fmt: skip
    assert house.do(carry_out_due, house.uris, "open") == 0
    assert house.ask(standing_of, club, mia).state == "active"
    house.clock.move(timedelta(hours=24))
    assert house.do(carry_out_due, house.uris, "open") == 1
    assert house.ask(standing_of, club, mia).state == "parked"
    assert kinds(house, mia) == ["severed", "severing"]
    assert house.do(carry_out_due, house.uris, "open") == 0


@pytest.mark.parametrize("grace", [timedelta(0), timedelta(days=15)])
def test_a_change_waits_for_a_sane_time(house: House, grace: timedelta) -> None:
    change_id = house.do(changes.plan, Plan({"far.example": Rule("suspend")}))
    with pytest.raises(RuleRefused):
        house.do(let_wait, "open", change_id, grace)


def test_what_came_to_an_end_meanwhile_is_told_when_a_change_is_undone(house: House) -> None:
    owner = house.person("owner")
    grief = house.group("grief", owner_id=owner)
    sam, _ = (
        house.stranger(name, "far.example", grief, follow_uri=f"https://far.example/{name}") for name in ("a", "b")
    )
    done = house.do(lambda uow: carry_out(uow, house.uris, "open", changes.plan(uow, bad())))
    house.place(grief, sam, state="removed")
    back = house.do(take_back, house.uris, "open", done.change_id)
    assert (back.settled.told, back.lost) == (1, 1)


def bad() -> Plan:
    """What a list asks for that suspends one domain."""
    return Plan({"far.example": Rule("suspend", source=IMPORT)}, kind=IMPORT)


def kinds(house: House, who: int) -> list[str]:
    """Return the kinds of somebody's news, the newest first."""
    return [news.kind for news in house.ask(notifications_of, who, Page(limit=40))]


def blocklist(lines: int) -> bytes:
    """A list as Mastodon exports it, with a registry, this node and a partner in it."""
    names = [f"bad{number}.example.net" for number in range(lines - 3)]
    wrong = ["co.uk", "kin.example", "partner.example.org"]
    rows = [f'{name},suspend,true,false,"spam, {name}",false' for name in [*names, *wrong]]
    return "\n".join(["#domain,#severity,#reject_media,#reject_reports,#public_comment,#obfuscate", *rows, ""]).encode()


def test_a_list_of_five_thousand_lines_is_looked_at_applied_and_undone(house: House) -> None:
    """The registry, this node and the partner are left out, each with its line; all else holds, and then nothing."""
    house.do(set_level, "partner.example.org", "allow")
    house.do(set_level, "bad7.example.net", "normal")
    grief = house.group("grief", owner_id=house.person("owner"))
    for number in (1, 2, 3):
        house.stranger("sam", f"a.bad{number}.example.net", grief, follow_uri=f"https://far.example/{number}")
    before, content = house.ask(rules), blocklist(5_000)
    found = house.ask(read_list, house.uris, content)
    assert [(refusal.line, refusal.text) for refusal in found.refusals] == [
        (4_999, "co.uk"), (5_000, "kin.example"), (5_001, "partner.example.org"),
    ]  # fmt: skip
    planned = plan_of(found, "list.csv")
    told = house.ask(preview, "open", planned.lines)
    assert (len(told.lines), told.left_alone, told.total(MEMBERS)) == (4_996, 1, 3)
    assert house.ask(rules) == before, "nothing was changed yet"
    done = house.do(lambda uow: carry_out(uow, house.uris, "open", changes.plan(uow, planned)))
    after = house.ask(rules)
    assert (len(done.rules), done.settled.parked) == (4_996, 3)
    assert (after["partner.example.org"].level, after["bad7.example.net"].source) == ("allow", MANUAL)
    assert after["bad1.example.net"].origin == "list.csv"
    assert after["bad1.example.net"].public_comment == "spam, bad1.example.net"
    back = house.do(take_back, house.uris, "open", done.change_id)
    assert house.ask(rules) == before
    assert (len(back.rules), back.settled.told, back.lost) == (4_996, 3, 0)
