"""The admin's pages: rules by hand and by list, looked at before they hold, and undone; nothing for anybody else."""

import re

import httpx
import pytest

from activitypub.peers import note_seen, rules, set_level
from activitypub.subscriptions import subscriptions
from activitypub.uris import Uris
from groups.places import standing_of
from node.database import ThreadedDatabase
from privacy import accounts
from privacy.unit_of_work import UnitOfWork
from tests.clock import MovableClock
from tests.factories import make_group, make_member, make_persona, make_remote_actor
from tests.interop.browser import Page
from tests.web.browsing import Browser, Place, faces
from tests.web.test_accessibility import faults_of

PATHS = ("", "/waiting", "/one/bad.example", "/import", "/changes", "/lists", "/changes/7")


def make_account(uow: UnitOfWork, place: Place, name: str, role: str) -> None:
    """Make an account of a role, with a persona."""
    account = accounts.register(uow, accounts.NewAccount(name, role=role))
    make_persona(uow, place.uris, name, account_id=account)


def freeze(uow: UnitOfWork, name: str) -> None:
    """Take an account's right to act away, but leave its visits."""
    account = accounts.account_named(uow, name)
    assert account is not None
    accounts.set_state(uow, account.id, "frozen", lambda *_: None)


@pytest.fixture
def place(database: ThreadedDatabase, uris: Uris, clock: MovableClock) -> Place:
    """The faces of a node that talks with everybody."""
    return faces(database, uris, clock, "open")


@pytest.fixture
def admin(place: Place) -> Browser:
    """A browser in which an admin is signed in."""
    place.do(make_account, place, "anna", "admin")
    return place.signed_in("anna")


def ruled(place: Place) -> dict[str, str]:
    """Return the levels of the rules."""
    return {name: rule.level for name, rule in place.database.read_now(rules).items()}


def upload(browser: Browser, content: bytes, name: str = "list.csv") -> Page:
    """Hand a list in by the form."""
    token = browser.visit("/admin/servers/import").form(button="See what this would do").values["form_token"][-1]
    honest = {
        "Origin": browser.base,
        "Referer": f"{browser.base}/admin/servers/import",
        "Sec-Fetch-Site": "same-origin",
    }
    files = {"list": (name, content, "text/csv")}
    answer = browser.request("POST", "/admin/servers/import", data={"form_token": token}, files=files, headers=honest)
    return Page(answer)


@pytest.mark.parametrize("role", [None, "member", "facilitator", "moderator"])
def test_s1115_nobody_else_learns_that_there_are_rules(place: Place, role: str | None) -> None:
    """They get what every address gets that does not exist; also whoever is signed out, and by any verb."""
    if role is not None:
        place.do(make_account, place, "eve", role)
    browser = place.browser() if role is None else place.signed_in("eve")
    nowhere = browser.visit("/nowhere")
    for path in PATHS:
        page = browser.visit(f"/admin/servers{path}")
        assert (page.status, page.root.findtext("head/title")) == (404, nowhere.root.findtext("head/title")), path
    for path in ("", "/one/bad.example", "/import", "/lists", "/lists/7/end", "/changes/7/confirm", "/changes/7/undo"):
        assert browser.request("POST", f"/admin/servers{path}").status_code == 404
    assert ruled(place) == {}


@pytest.mark.parametrize("role", ["admin", "owner"])
def test_s1115_who_looks_after_the_node_sees_them_while_the_account_may_act(place: Place, role: str) -> None:
    place.do(make_account, place, "anna", role)
    place.do(make_account, place, "boss", "owner")
    browser = place.signed_in("anna")
    assert [browser.visit(f"/admin/servers{path}").status for path in PATHS] == [200] * 6 + [404]
    place.do(freeze, "anna")
    assert [browser.visit(f"/admin/servers{path}").status for path in PATHS] == [404] * 7


def test_a_rule_is_looked_at_set_and_undone(place: Place, admin: Browser) -> None:
    grief = place.do(make_group, place.uris, "grief")
    sam = place.do(make_remote_actor, "sam", "bad.example")
    place.do(make_member, grief, sam)
    page = admin.visit(admin.visit("/settings/names").link("Servers"))
    assert "bad.example" in page.text
    page = admin.submit(page, page.form(field="Domain").fill("domain", "BAD.example"), "Show")
    form = page.form(field="Level").fill("level", "suspend").fill("public_comment", "spam")
    page = admin.submit(page, form, "See what this would do")
    assert "1 place in groups here" in page.text
    assert "@grief : 1" in page.text
    assert "Sam" not in page.text, "nobody is named"
    assert ruled(place) == {}, "nothing holds yet"
    page = admin.submit(page, page.form(field="Level"), "Set the rule")
    assert ruled(place) == {"bad.example": "suspend"}
    assert place.database.read_now(rules)["bad.example"].public_comment == "spam"
    assert place.database.read_now(standing_of, grief, sam).state == "parked"
    admin.submit(page, page.form(button="Undo the last rule"), "Undo the last rule")
    assert ruled(place) == {}


def test_what_cannot_be_ruled_is_told_beside_the_field(place: Place, admin: Browser) -> None:
    page = admin.visit("/admin/servers/one/co.uk")
    page = admin.submit(page, page.form(field="Level").fill("level", "suspend"), "See what this would do")
    assert (page.status, "registry" in page.text) == (422, True)
    page = admin.visit("/admin/servers")
    page = admin.submit(page, page.form(field="Domain").fill("domain", "no domain"), "Show")
    assert (page.status, ruled(place)) == (422, {})


def test_a_list_is_read_looked_at_confirmed_and_undone(place: Place, admin: Browser) -> None:
    """With a registry, this node and a partner in it, which are left out, each with its line."""
    place.do(set_level, "partner.example.org", "allow")
    names = [*(f"bad{number}.example.net" for number in range(300)), "co.uk", "kin.example", "partner.example.org"]
    page = upload(admin, "\n".join(["#domain,#severity", *(f"{name},suspend" for name in names)]).encode())
    assert [f"Line {number}" in page.text for number in (301, 302, 303, 304)] == [False, True, True, True]
    assert "It sets 300 rules" in page.text
    assert set(ruled(place)) == {"partner.example.org"}
    page = admin.submit(page, page.form(button="Confirm").fill("when", "now"), "Confirm")
    assert len(ruled(place)) == 301
    rule = place.database.read_now(rules)["bad1.example.net"]
    assert (rule.origin, rule.made_by is None) == ("list.csv", False)
    admin.submit(page, page.form(button="Undo"), "Undo")
    assert set(ruled(place)) == {"partner.example.org"}


def test_a_list_waits_a_day_unless_people_are_in_danger_and_can_be_given_up(place: Place, admin: Browser) -> None:
    page = upload(admin, b"bad.example\n")
    page = admin.submit(page, page.form(button="Confirm"), "Confirm")
    assert "Waits for its hour" in page.text
    page = admin.submit(page, page.form(button="Give it up"), "Give it up")
    assert "Given up" in page.text
    assert ruled(place) == {}


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b'{"a": 1}'])
def test_what_is_no_list_is_told(admin: Browser, content: bytes) -> None:
    assert upload(admin, content).status == 422


def test_a_list_from_elsewhere_is_not_taken(place: Place, admin: Browser) -> None:
    """The honest upload is that of the other tests."""
    files = {"list": ("list.csv", b"bad.example\n", "text/csv")}

    def send(token: str, origin: str) -> httpx.Response:
        headers = {"Origin": origin}
        return admin.request("POST", "/admin/servers/import", data={"form_token": token}, files=files, headers=headers)

    token = admin.visit("/admin/servers/import").form(button="See what this would do").values["form_token"][-1]
    assert send(token, "https://evil.example").status_code == 403
    assert send("", admin.base).status_code == 403
    assert send(token, admin.base).status_code == 200


def test_who_waits_is_listed_and_let_in(place: Place, admin: Browser) -> None:
    place.do(note_seen, "new.example")
    place.do(note_seen, "old.example")
    place.do(set_level, "new.example", "quarantine")
    page = admin.visit("/admin/servers/waiting")
    assert "new.example" in page.text
    page = admin.visit(page.link("new.example"))
    page = admin.submit(page, page.form(field="Level").fill("level", "normal"), "See what this would do")
    admin.submit(page, page.form(field="Level"), "Set the rule")
    assert "new.example" not in admin.visit("/admin/servers/waiting").text


def test_a_list_is_subscribed_to_and_given_up(place: Place, admin: Browser) -> None:
    page = admin.visit(admin.visit("/admin/servers").link("Lists that are fetched every day"))
    for url, priority in (("ftp://lists.example/x", "0"), ("https://lists.example/x", "256")):
        form = page.form(field="Its address").fill("url", url).fill("priority", priority)
        refused = admin.submit(page, form, "Fetch it")
        assert (refused.status, faults_of(refused)) == (422, [])
    assert place.database.read_now(subscriptions) == []
    form = page.form(field="Its address").fill("url", "https://lists.example/x").fill("priority", "7")
    page = admin.submit(page, form.fill("excluded", "a.example\nb.example"), "Fetch it")
    (found,) = place.database.read_now(subscriptions)
    assert (found.url, found.priority, found.applies, found.excluded) == (
        "https://lists.example/x", 7, False, ("a.example", "b.example"),
    )  # fmt: skip
    page = admin.submit(page, page.form(button=re.compile("End it")), re.compile("End it"))
    assert place.database.read_now(subscriptions) == []


def test_every_page_of_the_admins_can_be_used_by_everybody(place: Place, admin: Browser) -> None:
    place.do(note_seen, "far.example")
    pages = {path: admin.visit(f"/admin/servers{path}") for path in PATHS[:-1]}
    page = pages["/one/bad.example"]
    pages["confirming"] = admin.submit(
        page, page.form(field="Level").fill("level", "suspend"), "See what this would do"
    )
    pages["list"] = upload(admin, b"bad.example\ncom\n")
    pages["no list"] = upload(admin, b"")
    pages["changes"] = admin.visit("/admin/servers/changes")
    refused = admin.visit("/admin/servers/one/com")
    pages["refused"] = admin.submit(
        refused, refused.form(field="Level").fill("level", "suspend"), "See what this would do"
    )
    assert [f"{name}: {fault}" for name, page in pages.items() for fault in faults_of(page)] == []


def test_whom_a_rule_cuts_off_reads_it_at_home_and_nobody_reads_of_others(place: Place, admin: Browser) -> None:
    """Each of their own places; who looks after a group how many are on hold in it, and not whose."""
    owner, mia, _ = (place.member(name) for name in ("owner", "mia", "ben"))
    grief = place.do(make_group, place.uris, "grief", owner_id=owner)
    place.do(make_member, grief, place.do(make_remote_actor, "sam", "bad.example"))
    place.do(make_member, place.do(make_remote_actor, "club", "bad.example", kind="Group"), mia)
    page = admin.visit("/admin/servers/one/bad.example")
    page = admin.submit(page, page.form(field="Level").fill("level", "suspend"), "See what this would do")
    admin.submit(page, page.form(field="Level"), "Set the rule")
    homes = {who: place.signed_in(who).visit("/") for who in ("owner", "mia", "ben")}
    assert "1 place of somebody on another site is on hold" in homes["owner"].text
    assert "Sam" not in homes["owner"].text
    assert "bad.example" in homes["mia"].text
    assert "bad.example" not in homes["ben"].text
    assert [fault for home in homes.values() for fault in faults_of(home)] == []
    page = admin.visit("/admin/servers/one/bad.example")
    admin.submit(page, page.form(button="Undo the last rule"), "Undo the last rule")
    assert "Groups that cannot be reached now" not in place.signed_in("mia").visit("/").text
