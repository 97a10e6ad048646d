"""The reader's own names and password."""

from collections.abc import Mapping

from starlette.responses import Response
from starlette.routing import BaseRoute

from activitypub.actors import make_key_pair
from groups.errors import Invalid, NotFound
from privacy.accounts import Credentials, authenticate, change_password, hash_password
from privacy.errors import NameTaken, SignInRefused
from privacy.unit_of_work import UnitOfWork
from web.attempts import TooManyTries
from web.browsers import credentials_of, introduction
from web.pages.asked import id_of, notice
from web.pages.framing import Needs, Pages, is_admin
from web.pages.sign_in import begin_visit
from web.registration import add_persona, check_password
from web.rendering import mark_for
from web.sessions import FRESH, close_everything, hash_of, new_session_token, open_session
from web.visitors import Presence, Visitor

NAMES = "/settings/names"
WRONG = "That is not the password of this account."


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route(NAMES, names, needs=Needs.VISIT),
        pages.route(NAMES, make_name, needs=Needs.VISIT, verb="POST"),
        pages.route(f"{NAMES}/unlock", unlock, needs=Needs.VISIT, verb="POST"),
        pages.route(f"{NAMES}/new", ask_for_name, needs=Needs.VISIT),
        pages.route(f"{NAMES}/{{persona}}/use", use_name, needs=Needs.VISIT, verb="POST"),
        pages.route("/settings/password", ask_for_password, needs=Needs.VISIT),
        pages.route("/settings/password", set_password, needs=Needs.VISIT, verb="POST"),
    ]


async def names(asking: Visitor) -> Response:
    """List the reader's names; when they signed in a while ago and there are several, the password comes first."""
    if await _is_locked(asking):
        return _lock(asking, {})
    presence = presence_of(asking)
    people = [
        {
            "id": card.id,
            "name": card.name,
            "address": f"@{card.handle}",
            "mark": mark_for(card.uri, card.name),
            "is_current": presence.me is not None and presence.me.id == card.id,
        }
        for card in presence.personas
    ]
    values = {"personas": people, "must_choose": presence.me is None, "is_admin": await is_admin(asking)}
    return asking.page("names.html", asking.say("My names"), values, section="names", notice=notice(asking))


async def unlock(asking: Visitor) -> Response:
    """Take the password, and begin a fresh visit to which the names are shown."""
    form, presence = await asking.form(), presence_of(asking)
    found = await asking.context.database.read(credentials_of, presence.visit.account_id)
    try:
        await _check(asking, found, form.secret("current"))
    except (SignInRefused, TooManyTries) as error:
        sentence = error.public if isinstance(error, TooManyTries) else WRONG
        return _lock(asking, {"current": asking.say(sentence)})
    visit, me = presence.visit, presence.me
    chosen = None if me is None else me.id
    return await begin_visit(asking, visit.account_id, NAMES, shared=visit.is_shared, persona_id=chosen)


async def use_name(asking: Visitor) -> Response:
    """Act under another of one's names from now on."""
    await asking.form()
    if await _is_locked(asking):
        return asking.go(NAMES)
    presence, wanted = presence_of(asking), id_of(asking, "persona")
    if all(card.id != wanted for card in presence.personas):
        raise NotFound(f"persona {wanted}")
    response = asking.go("/?done=using")
    asking.cookies.choose(response, presence.visit.token, wanted)
    return response


async def ask_for_name(asking: Visitor) -> Response:
    """Show the form for one more name."""
    return _name_form(asking, {"handle": "", "shown": ""}, {})


async def make_name(asking: Visitor) -> Response:
    """Make one more name, and act under it."""
    form, presence, context = await asking.form(), presence_of(asking), asking.context
    typed = {"handle": form.line("handle").lower(), "shown": form.line("shown")}
    keys = await context.in_pool(make_key_pair)
    try:
        card = await context.database.write(
            add_persona, context.uris, presence.visit.account_id, typed["handle"], typed["shown"], keys
        )
    except NameTaken as error:
        return _name_form(asking, typed, {"handle": asking.say(error.public)})
    except Invalid as error:
        return _name_form(asking, typed, {"shown": asking.say(error.public)})
    response = asking.go("/?done=using")
    asking.cookies.choose(response, presence.visit.token, card.id)
    return response


async def ask_for_password(asking: Visitor) -> Response:
    """Show the form for a new password."""
    found = await asking.context.database.read(credentials_of, presence_of(asking).visit.account_id)
    return _password_form(asking, found, {})


async def set_password(asking: Visitor) -> Response:
    """Set a new password; every visit and every app ends, and this one begins anew (S-804)."""
    form, presence, context = await asking.form(), presence_of(asking), asking.context
    found = await context.database.read(credentials_of, presence.visit.account_id)
    password = form.secret("password")
    try:
        if found is not None and found.password_hash is not None:
            await _check(asking, found, form.secret("current"))
        check_password(password, presence.me.handle if presence.me else "")
        hashed = await context.in_pool(hash_password, password)
    except SignInRefused:
        return _password_form(asking, found, {"current": asking.say(WRONG)})
    except TooManyTries as error:
        return _password_form(asking, found, {"current": asking.say(error.public)})
    except Invalid as error:
        return _password_form(asking, found, {name: asking.say(text) for name, text in error.fields.items()})
    token = new_session_token(asking.now, shared=presence.visit.is_shared)
    known_by = await context.database.write(begin_anew, presence.visit.account_id, hashed, token)
    asking.presence = None
    response = asking.go(f"{NAMES}?done=password")
    asking.cookies.sign_in(response, token, None if presence.me is None else presence.me.id, known_by)
    return response


def begin_anew(uow: UnitOfWork, account_id: int, password_hash: str, token: str) -> str | None:
    """Change the password, end all that the old one led to, open one new session, and know its browser anew."""
    change_password(uow, account_id, password_hash, close_everything)
    open_session(uow, account_id, token)
    return introduction(uow, account_id)


def presence_of(asking: Visitor) -> Presence:
    """Return the visit of a page that nobody reaches without one."""
    assert asking.presence is not None
    return asking.presence


async def _is_locked(asking: Visitor) -> bool:
    """Tell whether the names are to be shown only after the password (privacy reference §8.2)."""
    presence = presence_of(asking)
    if len(presence.personas) < 2 or asking.now - presence.visit.began_at < FRESH:
        return False
    found = await asking.context.database.read(credentials_of, presence.visit.account_id)
    return found is not None and found.password_hash is not None


async def _check(asking: Visitor, found: Credentials | None, password: str) -> None:
    """Compare a password with the account's. Raises SignInRefused, TooManyTries.

    A visit has tries of its own: those of its address may be used up by strangers who share it.
    """
    asking.context.attempts.count_of_browser(hash_of(presence_of(asking).visit.token))
    await asking.context.in_pool(authenticate, found, password)


def _lock(asking: Visitor, errors: Mapping[str, str]) -> Response:
    heading = asking.say("Your password, please")
    values = {
        "heading": heading,
        "words": asking.say("You have several names. Before they are shown together, please say that it is you."),
        "action": f"{NAMES}/unlock",
        "asks_current": True,
        "asks_new": False,
        "verb": asking.say("Go on"),
        "errors": errors,
    }
    return asking.page("password.html", heading, values, status=422 if errors else 200, section="names")


def _name_form(asking: Visitor, typed: Mapping[str, str], errors: Mapping[str, str]) -> Response:
    values = {"values": typed, "errors": errors}
    title, status = asking.say("Make a new name"), 422 if errors else 200
    return asking.page("names_new.html", title, values, status=status, section="names")


def _password_form(asking: Visitor, found: Credentials | None, errors: Mapping[str, str]) -> Response:
    heading = asking.say("Set the password")
    values = {
        "heading": heading,
        "words": asking.say("Every other visit and every app is signed out when the password changes."),
        "action": "/settings/password",
        "asks_current": found is not None and found.password_hash is not None,
        "asks_new": True,
        "verb": asking.say("Save"),
        "errors": errors,
    }
    return asking.page("password.html", heading, values, status=422 if errors else 200, section="names")
