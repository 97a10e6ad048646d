"""How an app comes to act for somebody: exactly one name, exactly one address, no wider than was agreed, and once."""

import base64
import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import anyio
import httpx
import pytest
from sqlalchemy import select

from privacy import accounts
from privacy.unit_of_work import UnitOfWork, table_of
from tests.factories import make_group, make_member, make_persona
from tests.interop.browser import OUT_OF_BAND, Form, Page, pkce
from tests.web.browsing import Browser, Place
from web.models import AccessToken, AuthorizationCode, OAuthApplication
from web.sessions import close_everything

BACK = "https://app.example/back?from=kinfold"
STATE = "st&te=/+ é"
ALLOW, REFUSE = "Allow", "Refuse"


@dataclass(frozen=True, slots=True)
class App:
    """An app that registered itself."""

    place: Place
    client_id: str
    secret: str | None
    redirect_uri: str

    def address(self, **changed: str | None) -> str:
        """Return where the app sends a person; a parameter that is changed to None is left out."""
        sent: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": self.redirect_uri,
            "scope": "read",
            "state": STATE,
            **changed,
        }
        return f"/oauth/authorize?{urlencode({name: value for name, value in sent.items() if value is not None})}"

    def exchange(self, code: str, **changed: str | None) -> httpx.Response:
        """Change a code for a token; a parameter that is changed to None is left out."""
        sent: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "client_id": self.client_id,
            "client_secret": self.secret,
            "redirect_uri": self.redirect_uri,
            **changed,
        }
        return ask(self.place, "POST", "/oauth/token", data={k: v for k, v in sent.items() if v is not None})


def ask(place: Place, verb: str, path: str, token: str | None = None, **sent: Any) -> httpx.Response:
    """Send a request as an app does, without cookies."""
    headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    return place.browser().request(verb, path, headers={**headers, **sent.pop("headers", {})}, **sent)


def register(place: Place, redirect_uri: str = BACK, *, scopes: str = "read write", public: bool = False) -> App:
    sent = {"client_name": "Lantern", "redirect_uris": redirect_uri, "scopes": scopes}
    if public:
        sent["token_endpoint_auth_method"] = "none"
    answer = ask(place, "POST", "/api/v1/apps", data=sent)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    return App(place, told["client_id"], told.get("client_secret"), redirect_uri)


def answered(response: httpx.Response, app: App) -> dict[str, str]:
    """Return what a redirect tells the app, once it is certain that it goes to the app's own address."""
    assert response.status_code in {302, 303}, response.text
    target = response.headers["location"]
    assert target.startswith(f"{app.redirect_uri}&"), target
    told = parse_qs(urlsplit(target).query, strict_parsing=True)
    assert told.pop("from") == ["kinfold"]
    assert all(len(values) == 1 for values in told.values())
    return {name: values[0] for name, values in told.items()}


def consent(browser: Browser, address: str) -> tuple[Page, Form]:
    page = browser.visit(address)
    assert page.status == 200, page.text
    return page, page.form(button=ALLOW)


def code_for(browser: Browser, app: App, address: str | None = None) -> str:
    """Agree, as somebody with one name, and return the code."""
    page, form = consent(browser, address or app.address())
    return answered(browser.send_form(page, form, ALLOW), app)["code"]


def works(place: Place, token: str) -> bool:
    """Tell whether a token opens anything."""
    status = ask(place, "GET", "/api/v1/accounts/verify_credentials", token).status_code
    assert status in {200, 401}
    return status == 200


@pytest.fixture
def ada(place: Place) -> Browser:
    place.member("ada")
    return place.signed_in("ada")


# ---------------------------------------------------------------------------------------------------- registration


@pytest.mark.parametrize(
    "sent",
    [
        {
            "data": {
                "client_name": "Lantern",
                "redirect_uris": f"{BACK}\n{OUT_OF_BAND}",
                "scopes": "read write:statuses",
            }
        },
        {
            "json": {
                "client_name": "Lantern",
                "redirect_uris": f"{BACK}\n{OUT_OF_BAND}",
                "scopes": "read write:statuses",
            }
        },
        {"json": {"client_name": "Lantern", "redirect_uris": [BACK, OUT_OF_BAND], "scopes": "read write:statuses"}},
        {
            "params": {
                "client_name": "Lantern",
                "redirect_uris[]": [BACK, OUT_OF_BAND],
                "scopes": "read write:statuses",
            }
        },
    ],
    ids=["form", "json lines", "json list", "query"],
)
def test_an_app_registers_itself_in_any_of_the_usual_ways(place: Place, sent: dict[str, Any]) -> None:
    answer = ask(place, "POST", "/api/v1/apps", **sent)
    assert answer.status_code == 200, answer.text
    told = answer.json()
    assert {name: told.pop(name) for name in ("name", "website", "scopes", "redirect_uris", "redirect_uri")} == {
        "name": "Lantern",
        "website": None,
        "scopes": ["read", "write:statuses"],
        "redirect_uris": [BACK, OUT_OF_BAND],
        "redirect_uri": f"{BACK}\n{OUT_OF_BAND}",
    }
    assert set(told) == {"id", "vapid_key", "client_id", "client_secret", "client_secret_expires_at"}
    assert all(isinstance(told[name], str) for name in ("id", "vapid_key", "client_id", "client_secret"))
    assert told["client_secret_expires_at"] == 0
    assert len(told["client_secret"]) >= 43
    assert "no-store" in answer.headers["cache-control"]


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "relative/path",
        "//app.example/back",
        "https://",
        "http://app.example/back",
        "https://app.example/back#part",
        "https://user@app.example/back",
        "https://app.example\\@evil.example/",
        "https://app.example/b ack",
        "https://app.example/\x07",
        "https://äpp.example/",
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "intent://x",
        f"https://app.example/{'a' * 2_000}",
    ],
)
def test_an_address_that_no_app_can_be_sent_back_to_is_not_registered(place: Place, uri: str) -> None:
    sent = {"client_name": "Lantern", "redirect_uris": [BACK, uri] if uri else []}
    answer = ask(place, "POST", "/api/v1/apps", json=sent)
    assert answer.status_code == 422
    assert answer.json()["error"].startswith("Validation failed: ")
    assert ask(place, "POST", "/api/v1/apps", json={**sent, "redirect_uris": [BACK]}).status_code == 200


@pytest.mark.parametrize("uri", [OUT_OF_BAND, "icecubesapp://", "com.example.app:/back", "http://127.0.0.1:7777/b"])
def test_apps_on_a_device_register_addresses_of_their_own(place: Place, uri: str) -> None:
    answer = ask(place, "POST", "/api/v1/apps", json={"client_name": "Lantern", "redirect_uris": uri})
    assert (answer.status_code, answer.json()["redirect_uri"]) == (200, uri)
    assert answer.json()["scopes"] == ["read"]


@pytest.mark.parametrize(
    "changed",
    [
        {"client_name": ""},
        {"client_name": "x" * 101},
        {"scopes": "read fly"},
        {"website": "javascript:alert(1)"},
    ],
)
def test_an_app_that_cannot_be_named_or_asks_for_what_is_not_there_is_refused(
    place: Place, changed: dict[str, str]
) -> None:
    answer = ask(place, "POST", "/api/v1/apps", json={"client_name": "L", "redirect_uris": BACK, **changed})
    assert answer.status_code == 422
    assert set(answer.json()["details"]) == set(changed)


# ------------------------------------------------------------------------------------------------------- agreeing


def test_an_app_with_a_challenge_comes_to_a_token_for_the_name_that_agreed(place: Place, ada: Browser) -> None:
    app, proof = register(place, public=True), pkce()
    address = app.address(code_challenge=proof.challenge, code_challenge_method="S256")
    page, form = consent(ada, address)
    assert "Lantern" in page.text
    assert "https://app.example" in page.text
    assert "form-action 'self' https://app.example;" in page.headers["content-security-policy"]
    told = answered(ada.send_form(page, form, ALLOW), app)
    assert (set(told), told["state"]) == ({"code", "state"}, STATE)

    answer = app.exchange(told["code"], code_verifier=proof.verifier)
    assert answer.status_code == 200, answer.text
    assert "no-store" in answer.headers["cache-control"]
    issued = answer.json()
    assert set(issued) == {"access_token", "token_type", "scope", "created_at"}
    assert (issued["token_type"], issued["scope"]) == ("Bearer", "read")
    assert issued["created_at"] == int(place.clock().timestamp())
    me = ask(place, "GET", "/api/v1/accounts/verify_credentials", issued["access_token"]).json()
    assert me["username"] == "ada"
    who = ask(place, "GET", "/api/v1/apps/verify_credentials", issued["access_token"]).json()
    assert who["name"] == "Lantern"
    assert "client_secret" not in who


def test_a_stranger_signs_in_first_and_comes_back_to_the_same_question(place: Place) -> None:
    place.member("ada")
    app = register(place)
    sent = place.browser().request("GET", app.address())
    assert sent.status_code == 303
    onward = parse_qs(urlsplit(sent.headers["location"]).query)["next"][0]
    assert urlsplit(sent.headers["location"]).path == "/sign-in"
    page, _ = consent(place.signed_in("ada"), onward)
    assert "Lantern" in page.text


def test_an_app_may_have_the_person_sign_in_once_more(place: Place, ada: Browser) -> None:
    app = register(place)
    page = ada.visit(app.address(force_login="true"))
    assert urlsplit(page.url).path == "/sign-in"
    assert page.form(button="Sign in").name_of("Password") == "password"
    assert ada.visit(app.address(force_login="false")).form(button=ALLOW)


def test_refusing_tells_the_app_and_gives_it_nothing(place: Place, ada: Browser) -> None:
    app = register(place)
    page, form = consent(ada, app.address())
    told = answered(ada.send_form(page, form, REFUSE), app)
    assert set(told) == {"error", "error_description", "state"}
    assert (told["error"], told["state"]) == ("access_denied", STATE)
    assert place.do(rows, AuthorizationCode) == []


def test_without_a_state_none_is_made_up(place: Place, ada: Browser) -> None:
    app = register(place)
    page, form = consent(ada, app.address(state=None))
    assert set(answered(ada.send_form(page, form, ALLOW), app)) == {"code"}


def test_an_app_without_an_address_is_shown_its_code_to_copy(place: Place, ada: Browser) -> None:
    app = register(place, OUT_OF_BAND)
    page, form = consent(ada, app.address())
    shown = ada.submit(page, form, ALLOW)
    assert shown.status == 200
    assert "no-store" in shown.headers["cache-control"]
    assert app.exchange(shown.copyable()).status_code == 200


def test_refusing_an_app_without_an_address_is_told_on_a_page(place: Place, ada: Browser) -> None:
    page, form = consent(ada, register(place, OUT_OF_BAND).address())
    shown = ada.submit(page, form, REFUSE)
    assert (shown.status, shown.redirect) == (400, None)


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example/back",
        "https://app.example/back?from=kinfold&x=1",
        "https://app.example/back?from=kinfold#",
        "https://app.example/Back?from=kinfold",
        "https://APP.example/back?from=kinfold",
        "https://app.example:443/back?from=kinfold",
        "https://app.example/./back?from=kinfold",
        "https://app.example.evil.example/back?from=kinfold",
        "http://app.example/back?from=kinfold",
        "https://evil.example/",
        "javascript:alert(1)",
        OUT_OF_BAND,
        "",
        None,
    ],
)
def test_nobody_is_sent_to_an_address_that_differs_by_one_sign(place: Place, ada: Browser, uri: str | None) -> None:
    app = register(place)
    answer = ada.request("GET", app.address(redirect_uri=uri), headers={"Sec-Fetch-Site": "none"})
    assert (answer.status_code, "location" in answer.headers) == (400, False)
    page, form = consent(ada, app.address())
    form.values["redirect_uri"] = [uri or ""]
    sent = ada.send_form(page, form, ALLOW)
    assert (sent.status_code, "location" in sent.headers) == (400, False)
    assert place.do(rows, AuthorizationCode) == []
    assert code_for(ada, app)


@pytest.mark.parametrize("client_id", ["", "unknown", "kinfold-command-line", "\x7f", "a" * 5_000])
def test_an_app_that_is_not_known_is_told_to_the_person_alone(place: Place, ada: Browser, client_id: str) -> None:
    app = register(place)
    answer = ada.request("GET", app.address(client_id=client_id), headers={"Sec-Fetch-Site": "none"})
    assert (answer.status_code, "location" in answer.headers) == (400, False)


ASKED_WRONGLY = pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "unsupported_response_type"),
        ({"scope": "read fly"}, "invalid_scope"),
        ({"scope": "read push"}, "invalid_scope"),
        ({"scope": "admin:read"}, "invalid_scope"),
        ({"code_challenge": "A" * 43, "code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "A" * 43}, "invalid_request"),
        ({"code_challenge": "A" * 42, "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge": "A" * 42 + "=", "code_challenge_method": "S256"}, "invalid_request"),
        ({"code_challenge_method": "S256"}, "invalid_request"),
        ({"state": "s" * 1_001}, "invalid_request"),
    ],
)


@ASKED_WRONGLY
def test_what_an_app_asks_wrongly_it_is_told_itself(
    place: Place, ada: Browser, changed: dict[str, str | None], error: str
) -> None:
    app = register(place)
    told = answered(ada.request("GET", app.address(**changed)), app)
    state = (changed.get("state") or STATE)[:1_000]
    assert (told["error"], told["state"], "code" in told) == (error, state, False)
    assert code_for(ada, app)


@ASKED_WRONGLY
def test_a_stranger_is_led_to_no_other_site_by_an_app_that_anybody_registered(
    place: Place, changed: dict[str, str | None], error: str
) -> None:
    app, stranger = register(place), place.browser()
    place.member("ada")
    assert answered(place.signed_in("ada").request("GET", app.address(**changed)), app)["error"] == error
    stale = place.browser()
    stale.cookies["__Host-kinfold"] = "o" + "s" * 43
    for browser in (stranger, stale):
        answer = browser.request("GET", app.address(**changed), headers={"Sec-Fetch-Site": "cross-site"})
        assert (answer.status_code, "location" in answer.headers) == (400, False)
        assert "app.example" not in answer.text
        assert browser.visit("/sign-in").status == 200


def test_a_form_that_a_stranger_sends_leads_to_no_other_site(place: Place) -> None:
    app, stranger = register(place), place.browser()
    page = stranger.visit("/sign-in")
    [token] = page.form().values["form_token"]
    sent = dict(parse_qs(urlsplit(app.address()).query)) | {"form_token": [token]}
    for decision, status, leads in (("refuse", 400, None), ("allow", 303, "/sign-in?")):
        data = {name: value[0] for name, value in sent.items()} | {"decision": decision}
        headers = {"Origin": stranger.base, "Sec-Fetch-Site": "same-origin"}
        answer = stranger.request("POST", "/oauth/authorize", data=data, headers=headers)
        assert answer.status_code == status
        assert answer.headers.get("location", "").startswith(leads or "")
        assert "app.example" not in answer.headers.get("location", "").partition("?")[0]
        assert ("location" in answer.headers) == (leads is not None)


def test_a_form_that_was_tampered_with_is_checked_like_an_address(place: Place, ada: Browser) -> None:
    app = register(place, scopes="read")
    for name, value in (("scope", "read write"), ("code_challenge_method", "S256"), ("response_type", "token")):
        page, form = consent(ada, app.address())
        form.values[name] = [value]
        assert "error" in answered(ada.send_form(page, form, ALLOW), app)
    assert place.do(rows, AuthorizationCode) == []


# ----------------------------------------------------------------------------------------------------------- names


def test_with_several_names_the_person_chooses_and_the_app_learns_of_one(place: Place) -> None:
    ada = place.member("ada")
    place.do(second_name, place, "ada", "quiet")
    browser, app = place.signed_in("ada"), register(place)
    page, form = consent(browser, app.address())
    assert "as" not in form.values
    unsaid = browser.send_form(page, form, ALLOW)
    assert (unsaid.status_code, place.do(rows, AuthorizationCode)) == (403, [])
    code = answered(browser.send_form(page, form.choose("quiet"), ALLOW), app)["code"]
    token = app.exchange(code).json()["access_token"]
    me = ask(place, "GET", "/api/v1/accounts/verify_credentials", token)
    assert me.json()["username"] == "quiet"
    assert str(ada) not in me.text
    assert "ada" not in me.text


def test_no_name_of_somebody_else_can_be_chosen(place: Place, ada: Browser) -> None:
    eve = place.member("eve")
    app = register(place)
    for tampered in (str(eve), f"{eve}.{eve}", "1", "", "x", "9" * 30, "²"):
        page, form = consent(ada, app.address())
        form.values["as"] = [tampered]
        assert ada.send_form(page, form, ALLOW).status_code == 403
    assert place.do(rows, AuthorizationCode) == []
    assert code_for(ada, app)


def test_who_looks_after_a_group_may_let_an_app_act_as_it_and_no_one_else_may(place: Place) -> None:
    ada, ben = place.member("ada"), place.member("ben")
    group = place.do(make_group, place.uris, "grief", owner_id=ada)
    place.do(make_member, group, ben)
    app = register(place)
    browser = place.signed_in("ada")
    page, form = consent(browser, app.address())
    code = answered(browser.send_form(page, form.choose("grief"), ALLOW), app)["code"]
    token = app.exchange(code).json()["access_token"]
    assert ask(place, "GET", "/api/v1/accounts/verify_credentials", token).json()["username"] == "grief"

    other = place.signed_in("ben")
    page, form = consent(other, app.address())
    assert "grief" not in page.text
    for tampered in (f"{group}.{ben}", f"{group}.{ada}", str(group)):
        form.values["as"] = [tampered]
        assert other.send_form(page, form, ALLOW).status_code == 403


def test_who_finds_a_browser_open_is_not_shown_which_names_belong_together(place: Place) -> None:
    place.member("ada")
    place.do(second_name, place, "ada", "quiet")
    place.do(give_password, "ada")
    browser, app = place.signed_in("ada"), register(place)
    names = browser.visit("/settings/names")
    browser.submit(names, names.form(button="quiet"))
    assert "@ada" in browser.visit(app.address()).text
    place.clock.move(timedelta(minutes=11))
    page, form = consent(browser, app.address())
    assert "@ada" not in page.text
    form.choose("quiet")
    assert "code" in answered(browser.send_form(page, form, ALLOW), app)


def test_agreeing_is_for_our_own_page_alone(place: Place, ada: Browser) -> None:
    app = register(place)
    for headers in ({"Origin": "https://evil.example"}, {}, {"Origin": place.uris.base_url, "Sec-Fetch-Site": "x"}):
        page, form = consent(ada, app.address())
        assert ada.send_form(page, form, ALLOW, headers=headers).status_code == 403
    page, form = consent(ada, app.address())
    form.values["form_token"] = [secrets.token_urlsafe(64)]
    assert ada.send_form(page, form, ALLOW).status_code == 403
    assert place.do(rows, AuthorizationCode) == []
    assert code_for(ada, app)


def test_a_visit_that_ended_agrees_to_nothing(place: Place, ada: Browser) -> None:
    app = register(place)
    page, form = consent(ada, app.address())
    out = ada.visit("/sign-out")
    ada.submit(out, out.form(button="Sign out"))
    assert ada.send_form(page, form, ALLOW).status_code in {303, 403}
    assert place.do(rows, AuthorizationCode) == []


# ------------------------------------------------------------------------------------------------- code for token


@pytest.mark.parametrize("method", [None, "plain"])
def test_an_app_without_a_secret_needs_a_challenge(place: Place, ada: Browser, method: str | None) -> None:
    app, proof = register(place, public=True), pkce()
    challenge = None if method is None else proof.verifier[:43]
    told = answered(ada.request("GET", app.address(code_challenge=challenge, code_challenge_method=method)), app)
    assert told["error"] == "invalid_request"
    assert code_for(ada, app, app.address(code_challenge=proof.challenge, code_challenge_method="S256"))


@pytest.mark.parametrize("public", [True, False])
@pytest.mark.parametrize(
    "verifier", [None, "", "short", "A" * 43, "the challenge", "A" * 129, "é" * 43, "A" * 42 + "\n"]
)
def test_who_sent_a_challenge_must_show_its_verifier(
    place: Place, ada: Browser, public: bool, verifier: str | None
) -> None:
    app, proof = register(place, public=public), pkce()
    code = code_for(ada, app, app.address(code_challenge=proof.challenge, code_challenge_method="S256"))
    shown = proof.challenge if verifier == "the challenge" else verifier
    answer = app.exchange(code, code_verifier=shown)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    assert app.exchange(code, code_verifier=proof.verifier).status_code == 200


def test_a_verifier_without_a_challenge_is_a_sign_of_a_code_from_elsewhere(place: Place, ada: Browser) -> None:
    app = register(place)
    code = code_for(ada, app)
    assert app.exchange(code, code_verifier="A" * 43).json()["error"] == "invalid_grant"
    assert app.exchange(code).status_code == 200


def test_a_code_that_comes_twice_ends_the_token_it_gave(place: Place, ada: Browser) -> None:
    app = register(place)
    code, other = code_for(ada, app), code_for(ada, app)
    token, kept = app.exchange(code).json()["access_token"], app.exchange(other).json()["access_token"]
    assert works(place, token)
    again = app.exchange(code)
    assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
    assert not works(place, token)
    assert works(place, kept)


def test_a_code_lasts_ten_minutes(place: Place, ada: Browser) -> None:
    app = register(place)
    late, timely = code_for(ada, app), code_for(ada, app)
    place.clock.move(timedelta(minutes=9, seconds=59))
    assert app.exchange(timely).status_code == 200
    place.clock.move(timedelta(seconds=1))
    assert app.exchange(late).json()["error"] == "invalid_grant"


def test_a_code_ends_with_the_password_under_which_it_was_given(place: Place, ada: Browser) -> None:
    """Whoever found the browser open cannot come back with a code after everything was ended (S-804)."""
    place.member("eve")
    app = register(place)
    timely, late = code_for(ada, app), code_for(ada, app)
    theirs = code_for(place.signed_in("eve"), app)
    assert app.exchange(timely).status_code == 200
    place.do(give_password, "ada", close_everything)
    assert app.exchange(late).json()["error"] == "invalid_grant"
    assert app.exchange(theirs).status_code == 200


@pytest.mark.parametrize("uri", ["https://app.example/back", OUT_OF_BAND, "https://evil.example/"])
def test_a_code_is_bound_to_its_address(place: Place, ada: Browser, uri: str) -> None:
    app = register(place)
    code = code_for(ada, app)
    assert app.exchange(code, redirect_uri=uri).json()["error"] == "invalid_grant"
    assert app.exchange(code, redirect_uri=None).json()["error"] == "invalid_request"
    assert app.exchange(code).status_code == 200


def test_a_code_is_bound_to_its_app(place: Place, ada: Browser) -> None:
    app, other = register(place), register(place)
    code = code_for(ada, app)
    assert other.exchange(code).json()["error"] == "invalid_grant"
    token = app.exchange(code).json()["access_token"]
    assert other.exchange(code).json()["error"] == "invalid_grant"
    assert works(place, token), "another app must not be able to end a token by trying the code"


@pytest.mark.parametrize("secret", [None, "", "wrong", "kfs_"])
def test_an_app_with_a_secret_must_show_it(place: Place, ada: Browser, secret: str | None) -> None:
    app = register(place)
    code = code_for(ada, app)
    answer = app.exchange(code, client_secret=secret)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert app.exchange(code).status_code == 200


def test_an_app_may_show_its_secret_in_the_header(place: Place, ada: Browser) -> None:
    app = register(place)
    sent = {"grant_type": "authorization_code", "code": code_for(ada, app), "redirect_uri": app.redirect_uri}
    for pair, status in ((f"{app.client_id}:wrong", 401), (f"{app.client_id}:{app.secret}", 200)):
        headers = {"Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}"}
        assert ask(place, "POST", "/oauth/token", data=sent, headers=headers).status_code == status


@pytest.mark.parametrize(
    "credentials",
    [
        b"Basic",
        b"Basic ",
        b"Basic %%%",
        b"Basic \xe9\xe9",
        b"Basic //8=",
        b"Basic JTAwOng=",
        b"Basic Og==",
        b"Basic eA",
    ],
)
def test_credentials_that_cannot_be_read_are_those_of_nobody(place: Place, credentials: bytes) -> None:
    sent = {"grant_type": "client_credentials"}
    answer = ask(place, "POST", "/oauth/token", data=sent, headers={b"authorization": credentials})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "www-authenticate" in answer.headers


@pytest.mark.parametrize(
    ("grant_type", "error"),
    [(None, "invalid_request"), ("", "invalid_request"), ("password", "unsupported_grant_type"),
     ("implicit", "unsupported_grant_type"), ("refresh_token", "unsupported_grant_type")],
)  # fmt: skip
def test_no_other_way_leads_to_a_token(place: Place, ada: Browser, grant_type: str | None, error: str) -> None:
    app = register(place)
    code = code_for(ada, app)
    answer = app.exchange(code, grant_type=grant_type, username="ada", password="x")
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert set(answer.json()) == {"error", "error_description"}
    assert app.exchange(code).status_code == 200


async def test_of_many_at_once_one_gets_a_token_and_the_others_end_it(place: Place) -> None:
    app, code = register_and_agree(place)
    sent = {"grant_type": "authorization_code", "code": code, "client_id": app.client_id,
            "client_secret": app.secret, "redirect_uri": app.redirect_uri}  # fmt: skip
    given: list[httpx.Response] = []
    transport = httpx.ASGITransport(app=place.app)
    async with httpx.AsyncClient(transport=transport, base_url=place.uris.base_url) as client:

        async def exchange() -> None:
            given.append(await client.post("/oauth/token", data=sent))

        async with anyio.create_task_group() as together:
            for _ in range(8):
                together.start_soon(exchange)
        assert sorted(answer.status_code for answer in given) == [200] + [400] * 7
        [token] = [answer.json()["access_token"] for answer in given if answer.status_code == 200]
        shown = {"Authorization": f"Bearer {token}"}
        assert (await client.get("/api/v1/accounts/verify_credentials", headers=shown)).status_code == 401


# ---------------------------------------------------------------------------------------------------------- scopes


def test_a_token_opens_what_was_agreed_to_and_no_more(place: Place, ada: Browser) -> None:
    app = register(place)
    token = app.exchange(code_for(ada, app, app.address(scope="read:accounts")), scope="read write").json()
    assert token["scope"] == "read:accounts"
    shown = token["access_token"]
    assert ask(place, "GET", "/api/v1/accounts/verify_credentials", shown).status_code == 200
    for verb, path in (
        ("GET", "/api/v1/timelines/home"),
        ("POST", "/api/v1/statuses"),
        ("POST", "/api/v1/notifications/clear"),
        ("GET", "/oauth/userinfo"),
    ):
        answer = ask(place, verb, path, shown)
        assert (answer.status_code, answer.json()) == (403, {"error": "This action is outside the authorized scopes"})


def test_an_app_may_ask_for_a_part_of_what_it_registered(place: Place, ada: Browser) -> None:
    app = register(place, scopes="write")
    assert code_for(ada, app, app.address(scope="write:statuses"))
    assert answered(ada.request("GET", app.address(scope="read:statuses")), app)["error"] == "invalid_scope"


def test_no_scope_is_the_default_one_and_must_have_been_registered(place: Place, ada: Browser) -> None:
    app = register(place, scopes="read")
    assert app.exchange(code_for(ada, app, app.address(scope=None))).json()["scope"] == "read"
    narrow = register(place, scopes="write")
    assert answered(ada.request("GET", narrow.address(scope=None)), narrow)["error"] == "invalid_scope"


def test_who_am_i_names_the_persona_and_nobody_behind_it(place: Place, ada: Browser) -> None:
    app = register(place, scopes="profile")
    token = app.exchange(code_for(ada, app, app.address(scope="profile"))).json()["access_token"]
    for verb in ("GET", "POST"):
        told = ask(place, verb, "/oauth/userinfo", token).json()
        assert set(told) == {"iss", "sub", "name", "preferred_username", "profile", "picture"}
        assert (told["preferred_username"], told["iss"]) == ("ada", place.uris.base_url)
    assert ask(place, "GET", "/oauth/userinfo").status_code == 401


def test_a_token_in_an_address_opens_nothing(place: Place, ada: Browser) -> None:
    app = register(place)
    token = app.exchange(code_for(ada, app)).json()["access_token"]
    assert works(place, token)
    path = "/api/v1/accounts/verify_credentials"
    for name in ("access_token", "bearer_token", "token"):
        assert ask(place, "GET", f"{path}?{name}={token}").status_code == 401
        assert ask(place, "POST", "/api/v1/notifications/clear", data={name: token}).status_code == 401


def test_a_browser_that_is_signed_in_opens_no_method_for_apps(place: Place, ada: Browser) -> None:
    answer = ada.request("GET", "/api/v1/accounts/verify_credentials")
    assert (answer.status_code, answer.json()) == (401, {"error": "The access token is invalid"})


# ------------------------------------------------------------------------------------- by itself, and at the end


def test_an_app_by_itself_acts_for_nobody(place: Place) -> None:
    app = register(place)
    sent = {"grant_type": "client_credentials", "client_id": app.client_id, "client_secret": app.secret or ""}
    answer = ask(place, "POST", "/oauth/token", data={**sent, "scope": "read write"})
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    assert ask(place, "GET", "/api/v1/apps/verify_credentials", token).json()["name"] == "Lantern"
    assert ask(place, "GET", "/api/v1/timelines/home", token).status_code == 422
    assert ask(place, "POST", "/api/v1/statuses", token, data={"status": "x"}).status_code == 422
    assert ask(place, "POST", "/oauth/token", data={**sent, "scope": "push"}).json()["error"] == "invalid_scope"


def test_an_app_without_a_secret_gets_nothing_by_itself(place: Place) -> None:
    app = register(place, public=True)
    assert app.secret is None
    for client_id in (app.client_id, "kinfold-command-line", "unknown"):
        sent = {"grant_type": "client_credentials", "client_id": client_id}
        assert ask(place, "POST", "/oauth/token", data=sent).json()["error"] == "invalid_client"
    assert place.do(rows, AccessToken) == []


def test_an_app_ends_its_own_token_as_often_as_it_likes_and_no_other(place: Place, ada: Browser) -> None:
    app, other = register(place), register(place)
    token = app.exchange(code_for(ada, app)).json()["access_token"]

    def revoke(by: App, **changed: str) -> httpx.Response:
        sent: Mapping[str, str] = {"client_id": by.client_id, "client_secret": by.secret or "", "token": token}
        return ask(place, "POST", "/oauth/revoke", data={**sent, **changed})

    foreign = revoke(other)
    assert (foreign.status_code, foreign.json()["error"]) == (403, "unauthorized_client")
    assert revoke(app, client_secret="wrong").status_code == 401
    assert revoke(app, token="").status_code == 400
    assert works(place, token)
    for _ in range(2):
        ended = revoke(app)
        assert (ended.status_code, ended.json()) == (200, {})
        assert not works(place, token)


def test_what_is_kept_of_secrets_is_not_the_secrets(place: Place, ada: Browser) -> None:
    app = register(place)
    code = code_for(ada, app)
    token = app.exchange(code).json()["access_token"]
    assert token.startswith("kft_")
    assert (app.secret or "").startswith("kfs_")
    kept = repr([place.do(rows, table) for table in (AccessToken, AuthorizationCode, OAuthApplication)])
    for secret in (code, token, app.secret or ""):
        assert secret not in kept
        assert repr(hashlib.sha256(secret.encode()).digest()) in kept


def test_what_is_offered_here_can_be_discovered(place: Place) -> None:
    answer = ask(place, "GET", "/.well-known/oauth-authorization-server")
    assert answer.headers["content-type"].startswith("application/json")
    told, base = answer.json(), place.uris.base_url
    assert told["issuer"] == base
    ends = {
        "authorization_endpoint": "/oauth/authorize",
        "token_endpoint": "/oauth/token",
        "revocation_endpoint": "/oauth/revoke",
        "userinfo_endpoint": "/oauth/userinfo",
        "app_registration_endpoint": "/api/v1/apps",
    }
    assert {name: told[name] for name in ends} == {name: base + path for name, path in ends.items()}
    assert told["response_types_supported"] == ["code"]
    assert told["response_modes_supported"] == ["query"]
    assert told["grant_types_supported"] == ["authorization_code", "client_credentials"]
    assert told["code_challenge_methods_supported"] == ["S256"]
    assert set(told["token_endpoint_auth_methods_supported"]) == {"client_secret_basic", "client_secret_post", "none"}
    assert {"read", "write", "follow", "push", "profile", "read:statuses"} <= set(told["scopes_supported"])
    assert not any(scope.startswith("admin") for scope in told["scopes_supported"])


def test_an_app_that_is_in_use_is_never_forgotten_and_one_that_is_not_is_in_a_day(place: Place, ada: Browser) -> None:
    used, idle = register(place), register(place)
    token = used.exchange(code_for(ada, used)).json()["access_token"]
    place.clock.move(timedelta(days=1, seconds=1))
    register(place)
    assert ada.visit(idle.address()).status == 400
    assert works(place, token)
    assert ada.visit(used.address()).status == 200


def rows(uow: UnitOfWork, record: Any) -> list[Any]:
    """Return every row of a table."""
    return list(uow.connection.execute(select(table_of(record))).fetchall())


def second_name(uow: UnitOfWork, place: Place, account: str, handle: str) -> int:
    """Give an account one more name."""
    found = accounts.account_named(uow, account)
    assert found is not None
    return make_persona(uow, place.uris, handle, account_id=found.id)


def give_password(uow: UnitOfWork, account: str, end_access: accounts.EndAccess = lambda *_: None) -> None:
    """Give an account a password that nothing here types."""
    found = accounts.account_named(uow, account)
    assert found is not None
    accounts.change_password(uow, found.id, "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$AAAA", end_access)


def register_and_agree(place: Place) -> tuple[App, str]:
    """Do by deeds what the pages do, for a test that runs on the event loop itself."""
    from web import applications, grants

    persona = place.member("ada")
    new = applications.NewApplication("Lantern", (BACK,), ("read",))
    made, secret = place.do(applications.register_application, new)
    code = place.do(grants.grant_code, grants.Grant(made, persona, None, ("read",), BACK, None))
    return App(place, made.client_id, secret, BACK), code
