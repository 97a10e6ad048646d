"""Every page: a language, one first heading, landmarks, a label for each field, no script, nothing from elsewhere."""

import gzip
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit
from xml.etree.ElementTree import Element

import pytest
from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import Route, sync_playwright

from privacy import accounts
from privacy.unit_of_work import UnitOfWork
from tests.conftest import missing
from tests.factories import make_group, make_member, make_persona, make_remote_actor
from tests.interop.browser import Page
from tests.web.browsing import Browser, Place
from web.applications import NewApplication, register_application
from web.middleware import content_security_policy
from web.rendering import STATIC

MOST_BYTES = 100 * 1024
GROUP, PUBLIC, PERSON, POST_TITLE = "Harrowgate", "Openhearth", "Wrenfield", "Lanternlight"
"""Names that no word of ours contains, so that finding one in a title means that it was put there."""
Show = Callable[[], Page]


@dataclass(frozen=True, slots=True)
class Words:
    """What the people of a site are called and what they write."""

    group: str = GROUP
    public: str = PUBLIC
    person: str = PERSON
    asker: str = "asker"
    name: str | None = None
    """What everybody and every group is called; else as their handles."""
    title: str = POST_TITLE
    note: str = ""
    text: str = "Some words."


class Site:
    """A node on which there is something to see on every page, and the pages by name."""

    def __init__(self, place: Place, words: Words = Words()) -> None:
        self.place, self.words = place, words
        people = (words.person.lower(), words.asker, "newcomer", "member")
        owner, asks, _, member = (place.do(make_persona, place.uris, each, name=words.name) for each in people)
        own = {"owner_id": owner, "title": words.name}
        self.group = place.do(make_group, place.uris, words.group.lower(), **own)
        place.do(make_group, place.uris, words.public.lower(), audience="public", join_rule="open", **own)
        place.do(make_member, self.group, member)
        place.do(make_member, self.group, place.do(make_remote_actor, words.name or "sam"))
        place.do(make_member, self.group, asks, state="pending")
        self.owner, self.newcomer = place.signed_in(words.person.lower()), place.signed_in("newcomer")
        self.member = place.signed_in("member")
        self.post = self._write()

    def _write(self) -> str:
        page, words = self.owner.visit(f"/groups/{self.group}"), self.words
        form = page.form(field="Your post").fill("Your post", words.text).fill("title", words.title)
        form.fill("note", words.note)
        shown = self.owner.submit(page, form, "Post")
        newest = shown.root.find(".//article")
        assert newest is not None
        path = f"/groups/{self.group}/{newest.get('id', '').removeprefix('post-')}"
        page = self.member.visit(f"{path}/reply")
        self.member.submit(page, page.form(field="Your reply").fill("Your reply", self.words.text), "Reply")
        return path

    def _report(self, words: str) -> Page:
        page = self.member.visit(f"{self.post}/report")
        return self.member.submit(page, page.form(button="Report it").fill("words", words), "Report it")

    def pages(self) -> dict[str, Page]:
        """Return every page once, by what it is."""
        group, stranger = f"/groups/{self.group}", self.place.browser()
        shown = {
            path: stranger.visit(path) for path in ("/", "/about", "/privacy", "/sign-in", "/signed-out", "/nowhere")
        }
        shown["link"] = stranger.visit(self.place.do(sign_in_link, "member"))
        shown["dead link"] = stranger.submit(dead := stranger.visit("/sign-in/x"), dead.form())
        shown["public group"] = stranger.visit(f"/@{self.words.public.lower()}")
        shown["wrong password"] = self._wrong_password()
        own = ["/", "/groups", "/settings/names", "/settings/names/new", "/settings/password", "/sign-out", group]
        own += [f"{group}/{tail}" for tail in ("members", "requests", "invites", "reports", "leave")]
        own += [
            self.post,
            *(f"{self.post}/{tail}" for tail in ("reply", "edit", "delete")),
            f"/@{self.words.person.lower()}",
        ]
        shown |= {f"signed in {path}": self.owner.visit(path) for path in own}
        shown["reporting"] = self.member.visit(f"{self.post}/report")
        shown["too long a report"] = self._report("x" * 3_000)
        shown["reported"] = self._report(self.words.text)
        shown["reports"] = self.owner.visit(f"{group}/reports")
        shown["joining"] = self.newcomer.visit(f"{group}/join")
        shown["removing"] = self.owner.visit(self._remove_link())
        invited = self._invitation()
        shown["invited"] = self.newcomer.visit(invited)
        shown["registering"] = stranger.visit(invited)
        shown["empty post"] = self.owner.submit(page := self.owner.visit(group), page.form(field="Your post"), "Post")
        shown["no address"] = self._no_address()
        shown["authorize"] = self.owner.visit(self.place.do(authorize_path))
        form = shown["authorize"].form(button="Allow")
        form.values["as"] = [next(iter(form.choices["as"]))]
        shown["code"] = self.owner.submit(shown["authorize"], form, "Allow")
        return shown

    def _wrong_password(self) -> Page:
        browser = self.place.browser()
        page = browser.visit("/sign-in")
        return browser.submit(page, page.form(field="Password").fill("Name", "zoe").fill("Password", "x"), "Sign in")

    def _no_address(self) -> Page:
        page = self.owner.visit("/groups")
        return self.owner.submit(page, page.form(field="address").fill("address", "nonsense"))

    def _remove_link(self) -> str:
        page = self.owner.visit(f"/groups/{self.group}/members")
        return page.link("Remove")

    def _invitation(self) -> str:
        page = self.owner.visit(f"/groups/{self.group}/invites")
        shown = self.owner.submit(page, page.form(field="uses").fill("uses", "5"), "Make the link")
        found = re.search(r"/i/[A-Za-z0-9_-]+", shown.source)
        assert found is not None
        return found[0]


def sign_in_link(uow: UnitOfWork, name: str) -> str:
    found = accounts.account_named(uow, name)
    assert found is not None
    return f"/sign-in/{accounts.make_sign_in_link(uow, found.id)}"


def authorize_path(uow: UnitOfWork) -> str:
    made, _ = register_application(uow, NewApplication("An app", ("urn:ietf:wg:oauth:2.0:oob",), ("read",)))
    uri = "urn:ietf:wg:oauth:2.0:oob"
    return f"/oauth/authorize?response_type=code&client_id={made.client_id}&redirect_uri={uri}"


@pytest.fixture
def site(place: Place) -> Site:
    return Site(place)


def test_every_page_can_be_used_by_everybody(site: Site) -> None:
    pages = site.pages()
    assert len(pages) > 30
    faults = [f"{name}: {fault}" for name, page in pages.items() for fault in faults_of(page)]
    assert faults == []


def test_no_title_and_no_address_names_a_group_or_a_person(site: Site) -> None:
    for name, page in site.pages().items():
        title = page.root.findtext("head/title") or ""
        for secret in (GROUP, PUBLIC, PERSON, POST_TITLE):
            assert secret.lower() not in title.lower(), name


def test_the_first_page_with_all_that_it_needs_is_small(site: Site) -> None:
    for browser in (site.place.browser(), site.owner):
        page = browser.visit("/")
        total = len(page.source.encode())
        for element in page.root.iter("link"):
            answer = browser.request("GET", element.get("href", ""))
            assert answer.status_code == 200
            assert "immutable" in answer.headers["cache-control"]
            total += len(answer.content)
        assert total <= MOST_BYTES
        assert len(gzip.compress(page.source.encode())) < total


def faults_of(page: Page) -> list[str]:
    """Return what keeps somebody from using a page."""
    return [
        *_head_faults(page), *_heading_faults(page.root), *_landmark_faults(page.root), *_field_faults(page.root),
        *_foreign_faults(page), *_reference_faults(page.root), *_name_faults(page.root),
    ]  # fmt: skip


def _head_faults(page: Page) -> list[str]:
    faults = []
    if not page.root.get("lang") or not page.root.get("dir"):
        faults.append("no language or direction")
    if not (page.root.findtext("head/title") or "").strip():
        faults.append("no title")
    viewport = [each.get("content", "") for each in page.root.iter("meta") if each.get("name") == "viewport"]
    if not viewport or "user-scalable=no" in viewport[0] or "maximum-scale" in viewport[0]:
        faults.append("cannot be made larger")
    if not page.source.startswith("<!doctype html>") and "<!doctype html>" not in page.source[:200]:
        faults.append("no doctype")
    return faults


def _heading_faults(root: Element) -> list[str]:
    levels = [int(each.tag[1]) for each in root.iter() if re.fullmatch(r"h[1-6]", str(each.tag))]
    faults = [] if levels.count(1) == 1 else [f"{levels.count(1)} first headings"]
    if any(later > earlier + 1 for earlier, later in zip([0, *levels], levels, strict=False)):
        faults.append(f"a level of headings is skipped: {levels}")
    return faults


def _landmark_faults(root: Element) -> list[str]:
    faults = [f"{len(list(root.iter(tag)))} {tag}" for tag in ("main",) if len(list(root.iter(tag))) != 1]
    first = next((each for each in root.iter("a")), None)
    target = "" if first is None else first.get("href", "")
    if not target.startswith("#") or not any(each.get("id") == target[1:] for each in root.iter()):
        faults.append("the first link does not skip to the content")
    navs = [each for each in root.iter("nav") if not each.get("aria-label") and not each.get("aria-labelledby")]
    return [*faults, *("a nav without a name" for _ in navs)]


def _field_faults(root: Element) -> list[str]:
    labels = {each.get("for") for each in root.iter("label") if "".join(each.itertext()).strip()}
    return [
        f"{field.tag} {field.get('name')} has no label"
        for field in root.iter()
        if field.tag in ("input", "select", "textarea") and field.get("type") not in ("hidden", "submit")
        if field.get("id") not in labels and not field.get("aria-label")
    ]


def _reference_faults(root: Element) -> list[str]:
    ids = [each.get("id") for each in root.iter() if each.get("id")]
    faults = [f"the id {each} stands twice" for each in {one for one in ids if ids.count(one) > 1}]
    for element in root.iter():
        for name in ("aria-labelledby", "aria-describedby"):
            faults += [f"{name} leads to nothing: {each}" for each in element.get(name, "").split() if each not in ids]
        href = element.get("href", "")
        if element.tag == "a" and href.startswith("#") and href[1:] not in ids:
            faults.append(f"a link leads to nothing: {href}")
    return faults


def _name_faults(root: Element) -> list[str]:
    """Return links and buttons that say nothing to who does not see them."""
    return [
        f"a {element.tag} without words"
        for element in root.iter()
        if element.tag in ("a", "button") and not "".join(element.itertext()).strip() and not element.get("aria-label")
    ]


def _foreign_faults(page: Page) -> list[str]:
    faults = [
        f"a {tag} element" for tag in ("script", "style", "iframe", "object", "embed") for _ in page.root.iter(tag)
    ]
    for element in page.root.iter():
        faults += [f"{name} on {element.tag}" for name in element.attrib if name.startswith("on") or name == "style"]
        for name in ("src", "href", "action", "srcset", "poster", "data"):
            address = element.get(name, "")
            if re.match(r"[a-z]+:|//", address) and not address.startswith("https://kin.example/"):
                faults.append(f"{name} leads off the site: {address[:60]}")
    if "'unsafe" in page.headers["content-security-policy"] or "script-src 'none'" not in content_security_policy():
        faults.append("a policy that lets scripts in")
    return faults


def test_no_page_is_told_to_search_engines_or_kept(site: Site) -> None:
    for name, page in site.pages().items():
        assert "noindex" in page.headers["x-robots-tag"], name
        assert page.headers["cache-control"] == "private, no-store", name
        robots = [each.get("content", "") for each in page.root.iter("meta") if each.get("name") == "robots"]
        assert "noindex" in robots[0], name


def test_an_error_is_said_beside_its_field_and_above_the_form(site: Site) -> None:
    def told(browser: Browser) -> Page:
        page = browser.visit(f"/groups/{site.group}")
        return browser.submit(page, page.form(field="Your post"), "Post")

    page = told(site.owner)
    summary = [each for each in page.root.iter() if each.get("role") == "alert"]
    assert len(summary) == 1
    [target] = [each.get("href", "")[1:] for each in summary[0].iter("a")]
    [field] = [each for each in page.root.iter() if each.get("id") == target]
    assert field.get("aria-invalid") == "true"
    described = field.get("aria-describedby", "").split()
    assert any(each.get("id") in described and "".join(each.itertext()).strip() for each in page.root.iter())


PHONE = {"width": 320, "height": 640}
UNFOLD = "() => document.querySelectorAll('details').forEach(each => { each.open = true; })"
WIDTHS = "() => [document.documentElement.scrollWidth, window.innerWidth]"
TOO_WIDE = """() => [...document.querySelectorAll("body *")]
    .filter(each => each.getBoundingClientRect().right > window.innerWidth + 1)
    .slice(-3).map(each => `${each.tagName}.${each.className}`)"""


@contextmanager
def phone() -> Iterator[BrowserPage]:
    """Open a real browser with a window as wide as a small phone; it runs a loop, which other browsers here cannot."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if found is None:
        missing("Chromium is not installed")
    with sync_playwright() as started:
        browser = started.chromium.launch(executable_path=found, args=["--no-sandbox"])
        yield browser.new_page(viewport=PHONE)
        browser.close()


def too_wide(screen: BrowserPage, sources: Mapping[str, str]) -> list[str]:
    """Return the pages that a reader would have to push sideways, each with what makes it so wide."""
    faults, shown = [], dict(enumerate(sources.values()))

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        if path.startswith("/static/"):
            route.fulfill(path=STATIC / path.removeprefix("/static/"))
        else:
            route.fulfill(body=shown[int(path[1:])], content_type="text/html; charset=utf-8")

    screen.route("**/*", answer)
    for number, name in enumerate(sources):
        screen.goto(f"https://kin.example/{number}")
        screen.evaluate(UNFOLD)
        width, most = screen.evaluate(WIDTHS)
        if width > most:
            faults.append(f"{name}: {width} px: {screen.evaluate(TOO_WIDE)}")
    return faults


LONG = {
    **{name: (name[:3] + "ww") * 6 for name in ("group", "public", "person", "asker")},
    **dict.fromkeys(("name", "title", "note", "text"), "wordw" * 40),
}


@pytest.mark.parametrize("database_address", ["sqlite"], indirect=True)
@pytest.mark.parametrize("words", [Words(), Words(**LONG)], ids=["words of people", "200 letters without a space"])
def test_no_word_however_long_makes_a_page_wider_than_a_phone(place: Place, words: Words) -> None:
    sources = {name: page.source for name, page in Site(place, words).pages().items()}
    said = [name for name, source in sources.items() if (words.name or words.group).lower()[:50] in source.lower()]
    assert len(said) > 10, "the words are on the pages"
    wide = sources["/about"].replace("<main", f"<p style='white-space: nowrap'>{'w' * 200}</p><main")
    with phone() as screen:
        faults = too_wide(screen, {"the control": wide, **sources})
    assert faults[0].startswith("the control")
    assert faults[1:] == []
