"""The page on which a person lets an app act for exactly one of their names (client API reference §6 and §15.5).

An address that was not registered is never redirected to. Any other fault is told to the app (RFC 6749 §4.1.2.1) once
somebody is signed in, and before that to the person alone: anybody may register an app, and whoever follows a link to
this node must not find themselves on another site (RFC 9700 §4.11.2).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from groups import places
from groups.errors import NotAllowed
from groups.views import ActorCard
from privacy.accounts import personas_of
from privacy.unit_of_work import UnitOfWork
from web.applications import Application, find_application
from web.browsers import credentials_of
from web.forms import Form
from web.grants import CHALLENGE, Grant, grant_code, scopes_for
from web.middleware import content_security_policy, form_target
from web.parameters import BadParameters, read_parameters
from web.redirects import OUT_OF_BAND, shown_origin, with_answer
from web.scopes import read_scopes
from web.sessions import FRESH, find_visit
from web.visitors import Presence, Visitor

FIELDS = (
    "response_type", "client_id", "redirect_uri", "scope", "state", "code_challenge", "code_challenge_method",
)  # fmt: skip
MAX_STATE_CHARACTERS = 1_000
ID_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Asked:
    """What an app asks for, every part of it checked."""

    application: Application
    redirect_uri: str
    scopes: tuple[str, ...]
    state: str
    code_challenge: str | None

    def answer(self, *pairs: tuple[str, str]) -> str:
        """Return the app's address with an answer, and with the state as the app sent it."""
        return with_answer(self.redirect_uri, [*pairs, *([("state", self.state)] if self.state else [])])


@dataclass(frozen=True, slots=True)
class Choice:
    """A name under which an app may act: a persona, or a group through the persona that looks after it."""

    actor: ActorCard
    acting: ActorCard | None = None

    @property
    def value(self) -> str:
        """What the form sends for it."""
        return f"{self.actor.id}" if self.acting is None else f"{self.actor.id}.{self.acting.id}"


class UnknownApp(BadParameters):
    """The app or its address is not registered here: the person is told, and nobody is redirected."""

    default_public = (
        "This app is not known here, or asks to be answered at an address that it did not register. Please start again "
        "from the app."
    )


class RefusedToApp(Exception):
    """The app is told that its request cannot be met."""

    def __init__(self, asked: Asked, error: str, description: str) -> None:
        super().__init__(error)
        self.asked, self.error, self.description = asked, error, description


def check(application: Application | None, sent: Mapping[str, str]) -> Asked:
    """Return what an app asks for. Raises UnknownApp, and RefusedToApp for what the app can be told."""
    redirect_uri, state = sent["redirect_uri"], sent["state"]
    if application is None or redirect_uri not in application.redirect_uris:
        raise UnknownApp("application")
    challenge, method = sent["code_challenge"] or None, sent["code_challenge_method"]
    wanted = read_scopes(sent["scope"])
    granted = None if wanted is None else scopes_for(application, wanted)
    asked = Asked(application, redirect_uri, granted or (), state[:MAX_STATE_CHARACTERS], challenge)
    if len(state) > MAX_STATE_CHARACTERS:
        raise RefusedToApp(asked, "invalid_request", "state is too long.")
    if sent["response_type"] != "code":
        raise RefusedToApp(asked, "unsupported_response_type", "response_type must be code.")
    if granted is None:
        raise RefusedToApp(asked, "invalid_scope", "A scope was asked for that the app did not register.")
    if challenge is None and (method or not application.confidential):
        raise RefusedToApp(asked, "invalid_request", "code_challenge is missing; an app without a secret needs it.")
    if challenge is not None and (method != "S256" or not CHALLENGE.fullmatch(challenge)):
        raise RefusedToApp(asked, "invalid_request", "code_challenge_method must be S256.")
    return asked


async def ask(guest: Visitor) -> Response:
    """Show what an app asks for, and under which name it may act."""
    asked = await read_parameters(guest.request)
    sent = {name: asked.text(name) for name in FIELDS}
    try:
        wanted = check(await find(guest, sent["client_id"]), sent)
    except RefusedToApp as refusal:
        return tell_app(guest, refusal)
    names = [] if guest.presence is None else await offered(guest, guest.presence)
    if not names or asked.flag("force_login"):
        return to_sign_in(guest, sent)
    return await consent_page(guest, wanted, sent, names)


def to_sign_in(guest: Visitor, sent: Mapping[str, str]) -> Response:
    """Send the person to sign in, and back without `force_login`, or they would be asked for ever."""
    query = urlencode([(name, value) for name, value in sent.items() if value])
    onward = [("next", f"/oauth/authorize?{query}"), *([("again", "yes")] if guest.signed_in else [])]
    return guest.go(f"/sign-in?{urlencode(onward)}")


async def offered(guest: Visitor, presence: Presence) -> list[ActorCard]:
    """Return the names that may be shown together: all of them after signing in, later only the one in use.

    Whoever finds a browser open must not learn which names belong together (privacy reference §8.2).
    """
    names = list(presence.personas)
    if len(names) < 2 or guest.now - presence.visit.began_at < FRESH:
        return names
    locked = await guest.context.database.read(has_password, presence.visit.account_id)
    return ([presence.me] if presence.me is not None else []) if locked else names


def has_password(uow: UnitOfWork, account_id: int) -> bool:
    """Tell whether somebody can be asked for a password."""
    found = credentials_of(uow, account_id)
    return found is not None and found.password_hash is not None


def choices(uow: UnitOfWork, personas: Sequence[ActorCard]) -> list[Choice]:
    """Return the names under which an app may act: the personas first, then the groups that they look after."""
    looked_after = [
        Choice(group.card, persona)
        for persona in personas
        for group, place in places.groups_of(uow, persona.id)
        if place.is_facilitator and group.card.local
    ]
    return [*(Choice(persona) for persona in personas), *looked_after]


async def consent_page(guest: Visitor, wanted: Asked, sent: Mapping[str, str], names: Sequence[ActorCard]) -> Response:
    """Return the page; its policy lets the form end at the app, which browsers would otherwise refuse to follow."""
    assert guest.presence is not None
    options = await guest.context.database.read(choices, names)
    values = {
        "application": wanted.application,
        "origin": shown_origin(wanted.redirect_uri),
        "scopes": wanted.scopes,
        "choices": options,
        # With several names the person chooses: one that is chosen for them would sooner or later be the wrong one.
        "chosen": options[0].value if len(guest.presence.personas) == 1 else "",
        "sent": {name: value for name, value in sent.items() if value},
        "more_names": len(names) < len(guest.presence.personas),
    }
    response = guest.page("oauth/authorize.html", guest.say("Let an app act for you?"), values)
    target = form_target(wanted.redirect_uri)
    response.headers["content-security-policy"] = content_security_policy([target] if target else [])
    return response


async def decide(guest: Visitor) -> Response:
    """Do what the person decided: give the app a code for the one name that was chosen, or tell it no."""
    form = await guest.form()
    sent = {name: form.text(name) for name in FIELDS}
    try:
        wanted = check(await find(guest, sent["client_id"]), sent)
        if form.text("decision") != "allow":
            raise RefusedToApp(wanted, "access_denied", "The request was refused.")
    except RefusedToApp as refusal:
        return tell_app(guest, refusal)
    if guest.presence is None:
        return to_sign_in(guest, sent)
    names = [card.id for card in await offered(guest, guest.presence)]
    code = await guest.context.database.write(agree, guest.presence.visit.token, names, chosen(form), wanted)
    if wanted.redirect_uri == OUT_OF_BAND:
        return guest.page("oauth/code.html", guest.say("Your code"), {"code": code, "application": wanted.application})
    return redirect(wanted.answer(("code", code)))


def chosen(form: Form) -> tuple[int, int | None]:
    """Return the actor that was chosen, and the persona behind it when it is a group. Raises NotAllowed."""
    actor, dot, acting = form.text("as").partition(".")
    if not _is_number(actor) or (dot and not _is_number(acting)):
        raise NotAllowed(public="Please go back and choose one of your names.")
    return int(actor), int(acting) if dot else None


def agree(uow: UnitOfWork, session: str, names: Sequence[int], choice: tuple[int, int | None], wanted: Asked) -> str:
    """Return a code for what was agreed to, once more checked that the name belongs to who is signed in (S-908).

    `names` are those that were offered. Raises NotAllowed.
    """
    visit = find_visit(uow, session)
    mine = set() if visit is None else set(personas_of(uow, visit.account_id)) & set(names)
    actor_id, acting_id = choice
    place = None if acting_id is None else places.membership_of(uow, actor_id, acting_id)
    looks_after = place is not None and place.is_facilitator
    if (actor_id if acting_id is None else acting_id) not in mine or (acting_id is not None and not looks_after):
        raise NotAllowed(f"actor {actor_id}", public="This name is not yours. Please choose one of your names.")
    grant = Grant(wanted.application, actor_id, acting_id, wanted.scopes, wanted.redirect_uri, wanted.code_challenge)
    return grant_code(uow, grant)


async def find(guest: Visitor, client_id: str) -> Application | None:
    """Return the app that asks."""
    return await guest.context.database.read(find_application, client_id)


def tell_app(guest: Visitor, refusal: RefusedToApp) -> Response:
    """Send the person back to the app with an error; a stranger, or where there is no way back, is shown it."""
    if refusal.asked.redirect_uri == OUT_OF_BAND or not guest.signed_in:
        lines = [refusal.description, guest.say("Please start again from the app.")]
        values = {"heading": guest.say("The app was not let in"), "lines": lines}
        return guest.page("error.html", guest.say("The app was not let in"), values, status=400)
    return redirect(refusal.asked.answer(("error", refusal.error), ("error_description", refusal.description)))


def redirect(address: str) -> Response:
    """Return a redirect to exactly this address: Starlette's own would encode it anew."""
    return Response(status_code=303, headers={"location": address, "cache-control": "no-store"})


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= ID_DIGITS
