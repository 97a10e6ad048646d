"""Signing in with a password or a link, and signing out."""

from math import ceil

from starlette.responses import Response
from starlette.routing import BaseRoute

from privacy.accounts import Credentials, authenticate, consume_sign_in_link, find_for_sign_in
from privacy.errors import SignInRefused
from privacy.unit_of_work import UnitOfWork
from web.attempts import TooManyTries
from web.browsers import introduction, recognise
from web.middleware import CLEAR_BROWSER, CLEAR_VISIT
from web.pages.framing import Needs, Pages
from web.pages.home import registration_words
from web.sessions import close_session, new_session_token, open_session
from web.visitors import Visitor, safe_path

MAX_TYPED = 1_000


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route("/sign-in", ask, needs=Needs.NOTHING),
        pages.route("/sign-in", sign_in, needs=Needs.NOTHING, verb="POST"),
        pages.route("/sign-in/{token}", ask_with_link, needs=Needs.NOTHING),
        pages.route("/sign-in/{token}", sign_in_with_link, needs=Needs.NOTHING, verb="POST"),
        pages.route("/sign-out", ask_to_sign_out, needs=Needs.VISIT),
        pages.route("/sign-out", sign_out, needs=Needs.NOTHING, verb="POST"),
        pages.route("/signed-out", signed_out, needs=Needs.NOTHING),
    ]


async def ask(asking: Visitor) -> Response:
    """Show the form for name and password; who is signed in is taken on, unless they are to sign in once more."""
    onward = safe_path(asking.request.query_params.get("next", ""))
    if asking.signed_in and asking.request.query_params.get("again") != "yes":
        return asking.go(onward)
    return _form(asking, onward)


async def sign_in(asking: Visitor) -> Response:
    """Sign in with name and password; what was wrong is never said (S-802)."""
    form = await asking.form()
    name, password = form.line("name")[:MAX_TYPED], form.secret("password")
    onward = safe_path(form.line("next"))
    try:
        account_id = await _account_of(asking, name, password)
    except TooManyTries as error:
        response = _form(asking, onward, name, error.public, 429)
        response.headers["retry-after"] = str(ceil(error.wait))
        return response
    except SignInRefused as error:
        return _form(asking, onward, name, error.public, 422)
    return await begin_visit(asking, account_id, onward, shared=form.ticked("shared"))


async def ask_with_link(asking: Visitor) -> Response:
    """Show the one button that uses a sign-in link up; looking at it changes nothing."""
    values = {"action": asking.request.url.path, "errors": {}}
    return asking.page("sign_in_link.html", asking.say("Sign in"), values)


async def sign_in_with_link(asking: Visitor) -> Response:
    """Sign in with a link, once."""
    form, token = await asking.form(), str(asking.request.path_params["token"])
    try:
        account_id = await asking.context.database.write(consume_sign_in_link, token)
    except SignInRefused:
        sentence = asking.say(
            "This link does not work any more. Ask for a new one, or start the site again if it is yours."
        )
        values = {"action": "", "errors": {"": sentence}}
        return asking.page("sign_in_link.html", asking.say("Error: Sign in"), values, status=422)
    return await begin_visit(asking, account_id, "/", shared=form.ticked("shared"))


async def ask_to_sign_out(asking: Visitor) -> Response:
    """Show the button that ends the visit."""
    return asking.page("sign_out.html", asking.say("Sign out"), {})


async def sign_out(asking: Visitor) -> Response:
    """End the visit, and have the browser forget it (S-715); one's own stays known as one that signed in before."""
    await asking.form()
    own = asking.presence is not None and not asking.presence.visit.is_shared
    if asking.presence is not None:
        await asking.context.database.write(close_session, asking.presence.visit.token)
        asking.presence = None
    response = asking.go("/signed-out")
    if own:
        asking.cookies.drop_visit(response)
    else:
        asking.cookies.drop_all(response)
    response.headers["Clear-Site-Data"] = CLEAR_VISIT if own else CLEAR_BROWSER
    return response


async def signed_out(asking: Visitor) -> Response:
    """Say that the visit has ended."""
    return asking.page("signed_out.html", asking.say("You are signed out"), {})


async def begin_visit(
    asking: Visitor, account_id: int, onward: str, *, shared: bool, persona_id: int | None = None
) -> Response:
    """Sign the browser in under a new session, whatever it held before (S-805), and take it on."""
    before = None if asking.presence is None else asking.presence.visit.token
    token = new_session_token(asking.now, shared=shared)
    known_by = await asking.context.database.write(change_session, account_id, token, before)
    asking.presence = None
    response = asking.go(onward)
    asking.cookies.sign_in(response, token, persona_id, known_by)
    return response


def change_session(uow: UnitOfWork, account_id: int, token: str, before: str | None) -> str | None:
    """Open a session, and close the one that the browser had; return by what the browser is known from now on."""
    if before is not None:
        close_session(uow, before)
    open_session(uow, account_id, token)
    return introduction(uow, account_id)


async def _account_of(asking: Visitor, name: str, password: str) -> int:
    """Return the account that name and password open. Raises SignInRefused, TooManyTries."""
    address = asking.request.client.host if asking.request.client else ""
    try:
        asking.context.attempts.count(address, name)
    except TooManyTries as refusal:
        return await _account_of_known(asking, name, password, refusal)
    found: Credentials | None = await asking.context.database.read(find_for_sign_in, name)
    account_id = await asking.context.in_pool(authenticate, found, password)
    asking.context.attempts.forgive(address, name)
    return account_id


async def _account_of_known(asking: Visitor, name: str, password: str, refusal: TooManyTries) -> int:
    """Do the same in a browser that is known, when a stranger would be refused. Raises that refusal.

    Whoever the browser is known for, the password is compared with something, and a wrong one is refused as it would be
    without the cookie: what is answered, and how long it takes, does not tell whose browser this is.
    """
    cookie = asking.cookies.read(asking.request, asking.cookies.browser)
    known = None if cookie is None else await asking.context.database.read(recognise, cookie, name)
    if known is None:
        raise refusal
    try:
        asking.context.attempts.count_of_browser(known.tag)
        return await asking.context.in_pool(authenticate, known.credentials, password)
    except (TooManyTries, SignInRefused):
        raise refusal from None


def _form(asking: Visitor, onward: str, name: str = "", fault: str = "", status: int = 200) -> Response:
    values = {
        "next": "" if onward == "/" else onward,
        "values": {"name": name, "shared": False},
        "registration_words": registration_words(asking),
        "errors": {"password": asking.say(fault)} if fault else {},
    }
    title = asking.say("Error: Sign in") if fault else asking.say("Sign in")
    return asking.page("sign_in.html", title, values, status=status)
