"""One sweep over every route that takes an id: nobody outside of a hidden group sees it, changes it, or learns of it.

The cases are made from the tables of routes themselves, so a route that is added is swept too. Whoever is outside asks
for what is in the group and for what never was, and must not be able to tell the answers apart; then the group is
compared with what it was before. That the same requests mean something is shown by the members and the owner.
"""

import asyncio
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import select
from starlette.applications import Starlette

from activitypub.models import Actor
from activitypub.uris import Uris
from groups import composing, invitations, posting, reports
from groups.models import Bookmark, Group, Invitation, Membership, Pin, Post, Reaction, Report
from groups.notifications import NOTIFICATIONS
from groups.views import ANYONE, Viewer
from node.database import ThreadedDatabase
from privacy.unit_of_work import UnitOfWork, table_of
from tests.clock import MovableClock
from tests.factories import make_group, make_member, make_persona
from tests.web.app_client import ALL, make_context
from tests.web.browsing import Browser, Place, faces
from web.mastodon.routes import METHODS
from web.routes import routes
from web.tokens import NewToken, make_token

HIDDEN = "willowbank"
"""The handle of the group; nobody outside may ever be shown it."""
WORDS = "we meet at the old mill"
NEVER = 4_000_000_000_000_000_001
NEVER_TEXT = "neverwas"
PARAMETER = re.compile(r"\{(\w+)(?::\w+)?\}")
OUTSIDE = ("stranger", "elsewhere", "facilitator elsewhere", "left", "app alone", "group elsewhere")
BY_FORM = tuple(who for who in OUTSIDE if who not in {"app alone", "group elsewhere"})
"""Those outside who have a browser."""


@dataclass(frozen=True, slots=True)
class Known:
    """All that a route may be asked for."""

    group: int
    post: int
    reply: int
    author: int
    asking: int
    invitation: int
    report: int
    news: int
    list_of_ids: tuple[int, ...]


@dataclass
class Node:
    """A node with a hidden group, and people in and outside of it."""

    place: Place
    known: Known
    tokens: Mapping[str, str | None]
    browsers: Mapping[str, Browser]
    people: Mapping[str, int]

    async def api(self, who: str, verb: str, path: str, **sent: Any) -> httpx.Response:
        token = self.tokens[who]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        transport = httpx.ASGITransport(app=self.place.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url=self.place.uris.base_url) as client:
            return await client.request(verb, path, headers=headers, **sent)

    def state(self) -> list[Any]:
        """Return every row that the group consists of, and everything that hangs on it."""
        return list(self.place.database.read_now(rows_of, self.known.group))


def rows_of(uow: UnitOfWork, group_id: int) -> list[Any]:
    found: list[Any] = []
    for record in (Group, Membership, Post, Invitation, Reaction, Bookmark, Report, Pin, Actor):
        table = table_of(record)
        query = select(table).order_by(*table.primary_key.columns)
        if record in {Actor, Group}:
            query = query.where(table.c.id == group_id)
        elif "group_id" in table.c:
            query = query.where(table.c.group_id == group_id)
        found.append((record.__name__, [tuple(row) for row in uow.connection.execute(query).fetchall()]))
    return found


def write_post(uow: UnitOfWork, uris: Uris, author: int, text: str, **where: int) -> int:
    form = composing.PostForm(text, **where)  # type: ignore[arg-type]  # ids by name
    known = composing.known_actors(uow, uris, ANYONE if not author else Viewer(author), composing.handles_of(form))
    return posting.publish_post(uow, uris, author, composing.compose(uris, form, known)).id


def news_of(uow: UnitOfWork, persona_id: int) -> int:
    query = select(NOTIFICATIONS.c.number).where(NOTIFICATIONS.c.persona_id == persona_id)
    return int(uow.connection.execute(query).scalars().first() or 0)


def settle(place: Place) -> tuple[Known, dict[str, int]]:
    """Make the people, the hidden group and another one, and return what there is to ask for."""
    do, uris = place.do, place.uris
    people = {name: place.member(name) for name in ("olive", "mia", "ask", "fay", "edd", "lee")}
    group = do(make_group, uris, HIDDEN, owner_id=people["olive"], join_rule="invite")
    other = do(make_group, uris, "garden", owner_id=people["fay"], join_rule="invite")
    do(make_member, group, people["mia"])
    do(make_member, group, people["ask"], state="pending")
    do(make_member, group, people["lee"], state="left", ends_at=place.clock() + timedelta(days=30))
    do(make_member, other, people["edd"])
    post = do(write_post, uris, people["olive"], WORDS, group_id=group)
    reply = do(write_post, uris, people["mia"], WORDS, parent_id=post)
    invitation, _ = do(invitations.invite, people["olive"], group, 5, timedelta(days=7))
    about = reports.NewReport(people["mia"], (reply,), "that was cruel")
    report, _ = do(reports.file_report, uris, people["olive"], about)
    news = do(news_of, people["olive"])
    assert news
    ids = (group, post, reply, people["mia"], people["olive"])
    return (
        Known(group, post, reply, people["mia"], people["ask"], invitation.id, report, news, ids),
        {**people, "garden": other},
    )


@pytest.fixture
def node(database: ThreadedDatabase, uris: Uris, clock: MovableClock) -> Node:
    place = faces(database, uris, clock)
    known, people = settle(place)

    def token(actor: int | None, acting: int | None = None) -> str:
        return str(place.do(make_token, NewToken(actor, ALL, acting)))

    tokens = {
        "stranger": None,
        "app alone": token(None),
        "elsewhere": token(people["edd"]),
        "facilitator elsewhere": token(people["fay"]),
        "group elsewhere": token(people["garden"], people["fay"]),
        "left": token(people["lee"]),
        "member": token(people["mia"]),
        "owner": token(people["olive"]),
    }
    browsers = {
        "stranger": place.browser(),
        "elsewhere": place.signed_in("edd"),
        "facilitator elsewhere": place.signed_in("fay"),
        "left": place.signed_in("lee"),
        "member": place.signed_in("mia"),
        "owner": place.signed_in("olive"),
    }
    return Node(place, known, tokens, browsers, {"member": people["mia"], "owner": people["olive"]})


# ------------------------------------------------------------------------------------------------------- the sweep


def fillings(path: str, known: Known) -> Iterator[tuple[str, str]]:
    """Return addresses of a route with ids of the group, each with the same address of what never was."""
    names = PARAMETER.findall(path)
    own = {
        "group": (known.group, HIDDEN),
        "post": (known.post, known.reply),
        "actor": (known.asking, known.author),
        "invitation": (known.invitation,),
        "report": (known.report,),
        "persona": (known.author,),
        "handle": (HIDDEN, "mia"),
        "key": (f"favourite-{known.post}", f"ungrouped-{known.news}"),
        "id": (known.group, known.post, known.reply, known.author, known.asking, known.news),
    }
    if not names or any(name not in own for name in names):
        return
    for number in range(max(len(own[name]) for name in names)):
        chosen = {name: str(own[name][min(number, len(own[name]) - 1)]) for name in names}
        never = {name: NEVER_TEXT if not chosen[name].isdecimal() else str(NEVER) for name in names}
        if "key" in names:
            never["key"] = re.sub(r"[0-9]+", str(NEVER // 10), chosen["key"])
        yield PARAMETER.sub(lambda m: chosen[m[1]], path), PARAMETER.sub(lambda m: never[m[1]], path)  # noqa: B023 - used at once


def api_cases(known: Known) -> list[tuple[str, str, str]]:
    return [
        (method.verb, found, never)
        for method in METHODS
        if "{rest" not in method.path
        for found, never in fillings(method.path, known)
    ]


def page_cases(node: Node) -> list[tuple[str, str, str]]:
    context = make_context(node.place.database, node.place.uris, node.place.clock)
    made = Starlette(routes=routes(context)).routes
    cases = []
    for route in made:
        path, verbs = getattr(route, "path", ""), getattr(route, "methods", None) or set()
        if path.startswith(("/api", "/oauth", "/static", "/.well-known")):
            continue
        for verb in sorted(verbs - {"HEAD"}):
            cases += [(verb, found, never) for found, never in fillings(path, node.known)]
    return cases


def bare(answer: httpx.Response, path: str) -> tuple[int, str, dict[str, str]]:
    """Return an answer without what is new in each: form tokens, counters, and the address that was asked."""
    text = re.sub(r'name="form_token" value="[^"]*"', "", answer.text)
    kept = {
        name: value.replace(path, "ASKED")
        for name, value in answer.headers.items()
        if not name.startswith("x-ratelimit") and name not in {"set-cookie", "content-length"}
    }
    for identifier in re.findall(r"[0-9]{15,}", path):
        text = text.replace(identifier, "ID")
    return answer.status_code, text.replace(path, "ASKED"), kept


def assert_tells_nothing(answer: httpx.Response, path: str) -> None:
    told = answer.text.replace(path, "")
    assert WORDS not in told, path
    for secret in (HIDDEN, "Willowbank", "olive", "Olive", "mia", "Mia"):
        assert not re.search(rf"\b{secret}\b", told) or secret in path, (path, secret, told)
    assert answer.status_code < 500, path


@pytest.mark.parametrize("who", OUTSIDE)
async def test_no_method_for_apps_tells_or_changes_anything_outside(node: Node, who: str) -> None:
    before, cases = node.state(), api_cases(node.known)
    assert len(cases) > 150
    for verb, found, never in cases:
        for sent in ({}, {"json": {"status": "from outside", "exclusive": True}}):
            if sent and verb == "GET":
                continue
            answer, absent = await node.api(who, verb, found, **sent), await node.api(who, verb, never, **sent)
            assert_tells_nothing(answer, found)
            assert bare(answer, found) == bare(absent, never), (verb, found)
    assert node.state() == before


@pytest.mark.parametrize("who", OUTSIDE)
async def test_no_parameter_of_a_method_tells_or_changes_anything_outside(node: Node, who: str) -> None:
    before, known = node.state(), node.known
    asked: list[tuple[str, str, str, dict[str, str]]] = [("GET", "/api/v1/accounts/search", "q", {})]
    asked += [("GET", path, "id[]", {}) for path in ("/api/v1/accounts", "/api/v1/statuses")]
    asked += [("GET", "/api/v1/accounts/relationships", "id[]", {}), ("GET", "/api/v1/notifications", "account_id", {})]
    asked += [("POST", "/api/v1/statuses", "in_reply_to_id", {"status": "let me in"})]
    asked += [("POST", "/api/v1/reports", "account_id", {"comment": "tell me"})]
    asked += [("POST", "/api/v1/reports", "status_ids[]", {"account_id": str(known.author)})]
    if who != "group elsewhere":  # a group speaks in itself, whatever else is asked for
        asked += [("POST", "/api/v1/statuses", "group_id", {"status": "let me in"})]
        asked += [("POST", "/api/v1/statuses", "context_id", {"status": "@mia let me in", "visibility": "direct"})]
    asked += [("GET", "/api/v1/timelines/home", "max_id", {}), ("POST", "/api/v1/notifications/dismiss", "id", {})]
    for verb, path, name, more in asked:
        for identifier in (*known.list_of_ids, known.asking, known.invitation, known.news):
            answers = [
                await node.api(who, verb, path, params={name: str(value), **more}) for value in (identifier, NEVER)
            ]
            assert_tells_nothing(answers[0], str(identifier))
            assert bare(answers[0], str(identifier)) == bare(answers[1], str(NEVER)), (path, name)
    assert node.state() == before


@pytest.mark.parametrize("who", OUTSIDE)
async def test_no_name_that_is_tried_is_answered_otherwise_than_one_that_is_free(node: Node, who: str) -> None:
    base, uris = node.place.uris.base_url, actor_uris(node)
    texts = [HIDDEN, f"@{HIDDEN}", f"{HIDDEN}@kin.example", "mia", f"{base}/@{HIDDEN}", f"{base}/@mia", *uris]
    before = node.state()
    for text in texts:
        free = re.sub(rf"{HIDDEN}|\bmia\b", NEVER_TEXT, text) if text not in uris else f"{text}x"
        for path, name in (
            ("/api/v1/accounts/lookup", "acct"),
            ("/api/v1/accounts/search", "q"),
            ("/api/v2/search", "q"),
        ):
            params = ({name: text}, {name: free})
            answers = [await node.api(who, "GET", path, params=sent) for sent in params]
            assert_tells_nothing(answers[0], text)
            assert bare(answers[0], text) == bare(answers[1], free), (path, text)
        posts = [{"status": f"{said} hello"} for said in (text, free)]
        answers = [await node.api(who, "POST", "/api/v1/statuses", json=each) for each in posts]
        told = [answer.text.replace(tried, "TRIED") for answer, tried in zip(answers, (text, free), strict=True)]
        if who == "group elsewhere":  # it writes into itself, where a name that it may not know is no link
            told = ["href" in each for each in told]
        assert (answers[0].status_code, told[0]) == (answers[1].status_code, told[1]), text
    assert node.state() == before


def actor_uris(node: Node) -> list[str]:
    table = table_of(Actor)
    wanted = (node.known.group, node.known.author)
    query = select(table.c.uri).where(table.c.id.in_(wanted))
    return list(node.place.database.read_now(lambda uow: uow.connection.execute(query).scalars().all()))


def send(browser: Browser, verb: str, path: str) -> httpx.Response:
    """Ask as a browser does; a form is sent with the honest token of this visitor, which another page gave."""
    if verb == "GET":
        return browser.request("GET", path, headers={"Sec-Fetch-Site": "none"})
    page = browser.visit("/sign-in" if "__Host-kinfold" not in browser.cookies else "/sign-out")
    [token] = page.form().values["form_token"]
    headers = {"Origin": browser.base, "Sec-Fetch-Site": "same-origin"}
    typed = {"form_token": token, "text": "from outside", "on": "yes", "again": "yes", "uses": "1", "days": "7"}
    return browser.request("POST", path, data=typed, headers=headers)


@pytest.mark.parametrize("who", BY_FORM)
def test_no_page_tells_or_changes_anything_outside(node: Node, who: str) -> None:
    before, cases, browser = node.state(), page_cases(node), node.browsers[who]
    assert len(cases) > 40
    for verb, found, never in cases:
        answer, absent = send(browser, verb, found), send(browser, verb, never)
        assert_tells_nothing(answer, found)
        assert bare(answer, found) == bare(absent, never), (verb, found)
    assert node.state() == before


# --------------------------------------------------------------------------------------------- that it means something


async def test_members_are_shown_what_others_are_not(node: Node) -> None:
    known = node.known
    for path in (
        f"/api/v1/accounts/{known.group}",
        f"/api/v1/accounts/{known.group}/statuses",
        f"/api/v1/timelines/list/{known.group}",
        f"/api/v1/lists/{known.group}",
        f"/api/v1/statuses/{known.post}",
        f"/api/v1/statuses/{known.reply}/context",
        f"/api/v1/accounts/lookup?acct={HIDDEN}",
    ):
        for who in ("member", "owner"):
            assert (await node.api(who, "GET", path)).status_code == 200, (who, path)
        assert (await node.api("elsewhere", "GET", path)).status_code == 404, path


def test_members_open_the_pages_that_others_cannot(node: Node) -> None:
    known = node.known
    for path in (f"/groups/{known.group}", f"/groups/{known.group}/{known.post}", f"/groups/{known.group}/members"):
        for who in ("member", "owner"):
            assert send(node.browsers[who], "GET", path).status_code == 200, (who, path)
        assert send(node.browsers["elsewhere"], "GET", path).status_code == 404, path


def test_a_member_cannot_do_what_those_do_who_look_after_the_group(node: Node) -> None:
    known, before = node.known, node.state()
    member = node.browsers["member"]
    group = f"/groups/{known.group}"
    deeds = [
        ("GET", f"{group}/requests"), ("POST", f"{group}/requests/{known.asking}/admit"), ("GET", f"{group}/invites"),
        ("POST", f"{group}/requests/{known.asking}/refuse"), ("POST", f"{group}/invites"),
        ("POST", f"{group}/invites/{known.invitation}/revoke"),
        ("POST", f"{group}/members/{known.list_of_ids[4]}/remove"),
        ("GET", f"{group}/{known.post}/edit"), ("POST", f"{group}/{known.post}/edit"),
        ("GET", f"{group}/{known.post}/delete"), ("POST", f"{group}/{known.post}/delete"),
    ]  # fmt: skip
    for verb, path in deeds:
        answer = send(member, verb, path)
        assert answer.status_code == 403, (verb, path, answer.status_code)
    assert node.state() == before
    owner = node.browsers["owner"]
    assert send(owner, "POST", f"{group}/requests/{known.asking}/admit").status_code == 303
    assert send(owner, "POST", f"{group}/invites/{known.invitation}/revoke").status_code == 303
    assert send(owner, "POST", f"{group}/members/{known.author}/remove").status_code == 303
    assert node.state() != before


def test_a_facilitator_cannot_reach_into_another_group_through_the_address_of_their_own(node: Node) -> None:
    known, before, fay = node.known, node.state(), node.browsers["facilitator elsewhere"]
    home = fay.visit("/")
    own = re.search(r"/groups/([0-9]{15,})", home.source)
    assert own is not None
    mine = f"/groups/{own[1]}"
    assert send(fay, "GET", f"{mine}/invites").status_code == 200
    not_found = [f"/invites/{known.invitation}/revoke"]
    not_found += [f"/{known.post}/{deed}" for deed in ("delete", "edit", "reply", "support")]
    of_people = [
        f"/requests/{known.asking}/admit",
        f"/requests/{known.asking}/refuse",
        f"/members/{known.author}/remove",
    ]
    for tail in not_found + of_people:
        answer = send(fay, "POST", f"{mine}{tail}")
        absent = send(fay, "POST", mine + re.sub(r"[0-9]+", str(NEVER), tail))
        assert answer.status_code in ({404} if tail in not_found else {404, 409}), tail
        assert bare(answer, f"{mine}{tail}") == bare(absent, f"{mine}{tail}"), tail
    assert node.state() == before


async def test_who_only_asks_to_join_does_not_learn_who_is_in_the_group(place: Place) -> None:
    """Anybody may ask: a request that waits must not open the list of those who came for help."""
    ada, eve = place.member("ada"), place.member("eve")
    group = place.do(make_group, place.uris, "recovery", owner_id=ada, join_rule="approval")
    place.do(make_member, group, eve, state="pending")
    ben = place.do(make_persona, place.uris, "ben")
    place.do(make_member, group, ben)
    transport = httpx.ASGITransport(app=place.app)
    found = {}
    for name, actor in (("eve", eve), ("ben", ben)):
        token = place.do(make_token, NewToken(actor, ALL))
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(transport=transport, base_url=place.uris.base_url, headers=headers) as client:
            paths = ("/api/v1/accounts/lookup?acct=ada", f"/api/v1/accounts/{ada}")
            found[name] = [(await client.get(path)).status_code for path in paths]
    assert found == {"eve": [404, 404], "ben": [200, 200]}


# ------------------------------------------------------------------------------------------------------ what has ended


def get_cases(node: Node) -> tuple[list[str], list[str]]:
    """Return every address that can be asked for, of methods and of pages, with and without an id."""
    plain = [method.path for method in METHODS if method.verb == "GET" and "{" not in method.path]
    searches = [f"/api/v2/search?q=mill&type=statuses&account_id={node.known.group}", "/api/v2/search?q=mill"]
    api = plain + searches + [found for verb, found, _ in api_cases(node.known) if verb == "GET"]
    pages = [found for verb, found, _ in page_cases(node) if verb == "GET"]
    return api, ["/", "/home", "/groups", "/notifications", *pages]


def test_what_has_ended_is_told_by_no_method_and_no_page_before_any_sweep(node: Node) -> None:
    """Not its words and not that it was there, though it was saved, supported and told of in news (privacy §4.4)."""
    known, (api, pages) = node.known, get_cases(node)
    for deed in ("favourite", "bookmark"):
        assert ask(node, "member", "POST", f"/api/v1/statuses/{known.post}/{deed}").status_code == 200
    told = {path for path in api for who in ("member", "owner") if WORDS in ask(node, who, "GET", path).text}
    assert {"/api/v1/favourites", "/api/v1/bookmarks", "/api/v1/notifications", "/api/v1/timelines/home"} <= told
    told |= {path for path in pages if WORDS in send(node.browsers["owner"], "GET", path).text}
    assert f"/groups/{known.group}/{known.post}" in told
    end = max(row.expires_at for row in node.place.do(rows_of_posts))
    node.place.clock.move(end - node.place.clock() + timedelta(milliseconds=1))
    fresh = {who: str(node.place.do(make_token, NewToken(actor, ALL, None))) for who, actor in node.people.items()}
    for who, token in fresh.items():
        node = replace(node, tokens={**node.tokens, who: token})
        for path in api:
            answer = ask(node, who, "GET", path)
            assert WORDS not in answer.text, (who, path)
            assert f'"{known.post}"' not in answer.text, (who, path)
    browsers = [node.place.signed_in(name) for name in ("mia", "olive")]
    for path in pages:
        for browser in browsers:
            answer = send(browser, "GET", path)
            assert WORDS not in answer.text, path
            assert f"/{known.post}" not in answer.text.replace(path, ""), path


def ask(node: Node, who: str, verb: str, path: str) -> httpx.Response:
    return asyncio.run(node.api(who, verb, path))


def rows_of_posts(uow: UnitOfWork) -> list[Any]:
    return list(uow.connection.execute(select(table_of(Post))).fetchall())
