"""Mastodon.py, as it comes from PyPI, against a served node: from registering an app to deleting a post."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from mastodon import Mastodon
from mastodon.errors import MastodonAPIError, MastodonNotFoundError, MastodonUnauthorizedError

from tests.interop.browser import OUT_OF_BAND, Person, authorize_url, pkce
from tests.served import ServedNode, until

CALLBACK = "http://127.0.0.1:1/callback"
SCOPES = ["read", "write", "follow", "push"]
numbers = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Circle:
    """A members-only group with two members, each with an account of their own."""

    name: str
    writer: str
    reader: str


@pytest.fixture
def circle(served: ServedNode) -> Circle:
    """A fresh group of two."""
    number = next(numbers)
    name, writer, reader = f"evening{number}", f"willow{number}", f"robin{number}"
    for account in (writer, reader):
        served.account(account)
    served.command("group", "add", name, "--title", "Evenings", "--join", "approval", "--owner", writer)
    with served.api(reader) as api:
        group = api.get("/api/v1/accounts/lookup", params={"acct": name})
        # What is not for outsiders cannot be looked up by one: an invitation is how they come in.
        if group.status_code == 200:
            api.post(f"/api/v1/accounts/{group.json()['id']}/follow")
            served.command("group", "admit", name, reader)
        else:
            with Person(served.base) as somebody:
                somebody.sign_in(served.link(reader))
                page = somebody.visit(str(served.kinfold("group", "invite", name)["link"]))
                somebody.submit(page, page.form(), None)
    return Circle(name, writer, reader)


def logged_in(served: ServedNode, account: str) -> Mastodon:
    """Log in as an app does that keeps a client secret, out of band."""
    client_id, client_secret = Mastodon.create_app("Evening reader", scopes=SCOPES, api_base_url=served.base)
    app = Mastodon(client_id=client_id, client_secret=client_secret, api_base_url=served.base)
    with Person(served.base) as somebody:
        somebody.sign_in(served.link(account))
        code = somebody.authorize(app.auth_request_url(scopes=SCOPES))
    app.log_in(code=code, scopes=SCOPES)
    return app


def test_an_app_logs_in_with_pkce(served: ServedNode, person: Person) -> None:
    served.account("juniper")
    client_id, client_secret = Mastodon.create_app(
        "A scripted client", scopes=SCOPES, redirect_uris=[CALLBACK, OUT_OF_BAND], api_base_url=served.base
    )
    proof = pkce()
    person.sign_in(served.link("juniper"))
    url = authorize_url(
        served.base, client_id=client_id, redirect_uri=CALLBACK, scopes=SCOPES, proof=proof, state="as it was"
    )
    code = person.authorize(url)
    form = {"grant_type": "authorization_code", "client_id": client_id, "client_secret": client_secret,
            "redirect_uri": CALLBACK, "code": code}  # fmt: skip
    token = httpx.post(f"{served.base}/oauth/token", data=form | {"code_verifier": proof.verifier})

    assert token.status_code == 200, token.text
    assert set(token.json()["scope"].split()) == set(SCOPES)
    app = Mastodon(access_token=token.json()["access_token"], api_base_url=served.base)
    assert app.account_verify_credentials().acct == "juniper"


def test_a_code_without_its_verifier_gives_nothing(served: ServedNode, person: Person) -> None:
    served.account("hazel")
    client_id, client_secret = Mastodon.create_app(
        "A scripted client", scopes=SCOPES, redirect_uris=CALLBACK, api_base_url=served.base
    )
    person.sign_in(served.link("hazel"))
    url = authorize_url(served.base, client_id=client_id, redirect_uri=CALLBACK, scopes=SCOPES, proof=pkce())
    form = {"grant_type": "authorization_code", "client_id": client_id, "client_secret": client_secret,
            "redirect_uri": CALLBACK}  # fmt: skip
    for verifier in ({}, {"code_verifier": pkce().verifier}):
        refused = httpx.post(f"{served.base}/oauth/token", data=form | {"code": person.authorize(url)} | verifier)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


def test_mastodon_py_writes_reads_replies_favours_and_deletes(served: ServedNode, circle: Circle) -> None:
    writer, reader = logged_in(served, circle.writer), logged_in(served, circle.reader)
    assert writer.instance().version
    me = writer.account_verify_credentials()
    assert (me.acct, me.username) == (circle.writer, circle.writer)

    post = writer.status_post(f"@{circle.name} The swifts have left", visibility="public")
    assert post.visibility == "private"
    assert circle.name in [mention.acct for mention in post.mentions]

    lists = [each for each in reader.lists() if each.title]
    [group] = [each for each in lists if each.id == reader.account_lookup(circle.name).id]
    assert [status.id for status in reader.timeline_list(group.id)] == [post.id]
    assert [status.id for status in reader.timeline_home()] == [post.id]

    reply = reader.status_post("They do, in August", in_reply_to_id=post.id, visibility="private")
    assert reply.in_reply_to_id == post.id
    context = writer.status_context(post.id)
    assert ([each.id for each in context.ancestors], [each.id for each in context.descendants]) == ([], [reply.id])
    assert [each.id for each in writer.status_context(reply.id).ancestors] == [post.id]

    assert reader.status_favourite(post.id).favourited is True
    news = until(
        lambda: writer.notifications(types=["mention", "favourite"])[1:], "news of the reply and the favourite"
    )
    assert {each.type for each in writer.notifications()} >= {"mention", "favourite"}
    assert news[0].status.id in (reply.id, post.id)

    deleted = writer.status_delete(post.id)
    assert "The swifts have left" in deleted.text
    with pytest.raises(MastodonNotFoundError):
        reader.status(post.id)
    assert post.id not in [status.id for status in reader.timeline_list(group.id)]


def test_a_post_without_a_group_is_refused_with_a_sentence(served: ServedNode, circle: Circle) -> None:
    app = logged_in(served, circle.writer)
    with pytest.raises(MastodonAPIError, match="422") as refused:
        app.status_post("Is anybody there?")
    assert "group" in str(refused.value)
    assert app.timeline_home() == []


def test_outsiders_see_nothing_of_it(served: ServedNode, circle: Circle) -> None:
    served.account(f"stranger{circle.name}")
    writer, stranger = logged_in(served, circle.writer), logged_in(served, f"stranger{circle.name}")
    post = writer.status_post(f"@{circle.name} Between us")

    assert writer.status(post.id).id == post.id
    for look in (stranger.status, stranger.status_context, stranger.status_favourited_by):
        with pytest.raises(MastodonNotFoundError):
            look(post.id)
    with pytest.raises(MastodonAPIError, match="422"):
        stranger.status_post(f"@{circle.name} May I come in?")
    assert [status.id for status in writer.timeline_home()] == [post.id]


def test_a_revoked_token_is_refused_everywhere(served: ServedNode, circle: Circle) -> None:
    app = logged_in(served, circle.writer)
    assert app.account_verify_credentials().acct == circle.writer
    token = app.access_token
    app.revoke_access_token()
    gone = Mastodon(access_token=token, api_base_url=served.base)
    for look in (gone.account_verify_credentials, gone.timeline_home, gone.lists):
        with pytest.raises(MastodonUnauthorizedError):
            look()


@pytest.fixture(autouse=True)
def quiet_node(served: ServedNode) -> Iterator[None]:
    """Whatever an app sends, the node never fails inside."""
    yield
    assert "Traceback" not in served.log()
