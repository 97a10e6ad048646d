"""A person with a browser that runs no scripts: follows links, fills in forms by their labels, presses buttons.

Nothing here knows Kinfold's pages: field names, tokens and addresses come from the forms that a page shows, so these
journeys hold for whoever uses the pages without JavaScript.
"""

import base64
import hashlib
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, urlencode, urljoin, urlsplit
from xml.etree.ElementTree import Element

import html5lib
import httpx

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
MOST_REDIRECTS = 5
CODE = re.compile(r"[A-Za-z0-9_.~-]{16,}")
AGREEING = re.compile(r"allow|authori[sz]e|approve|agree", re.IGNORECASE)
# Input types that a browser never submits of itself.
UNSENT = {"submit", "button", "reset", "image", "file"}


@dataclass(frozen=True, slots=True)
class Button:
    """A submit button: what it says, and what pressing it adds to the form."""

    text: str
    name: str | None
    value: str


@dataclass(slots=True)
class Form:
    """A form as the page shows it, with the values that it would send as it stands."""

    action: str
    method: str
    multipart: bool
    values: dict[str, list[str]]
    labels: dict[str, str]  # the label's words -> the field's name
    choices: dict[str, dict[str, str]]  # name -> value -> its words, of a radio group, checkbox or select
    buttons: list[Button] = field(default_factory=list)

    def name_of(self, wanted: str) -> str:
        """Return the name of the field so called, or whose label contains these words in any case."""
        if wanted in self.values or wanted in self.choices:
            return wanted
        for words, name in self.labels.items():
            if wanted.lower() in words.lower():
                return name
        raise AssertionError(f"no field {wanted!r} among {sorted({*self.values, *self.choices, *self.labels})}")

    def fill(self, wanted: str, value: str) -> Self:
        """Give a field this value; a choice has to be one that is offered."""
        name = self.name_of(wanted)
        offered = self.choices.get(name)
        assert offered is None or value in offered, f"{name} offers {offered}, not {value!r}"
        self.values[name] = [value]
        return self

    def choose(self, words: str) -> Self:
        """Take the first choice whose value or label contains these words."""
        for name, offered in self.choices.items():
            for value, label in offered.items():
                if words == value or words.lower() in label.lower():
                    return self.fill(name, value)
        raise AssertionError(f"the form does not offer {words!r}: {self.choices}")

    def button(self, text: str | re.Pattern[str] | None = None) -> Button:
        """Return the button that says this; with None, the only one."""
        if text is None:
            assert len(self.buttons) == 1, f"not one button but {[each.text for each in self.buttons]}"
            return self.buttons[0]
        pattern = text if isinstance(text, re.Pattern) else re.compile(re.escape(text), re.IGNORECASE)
        for each in self.buttons:
            if pattern.search(each.text):
                return each
        raise AssertionError(f"no button {pattern.pattern!r} among {[each.text for each in self.buttons]}")


class Page:
    """What an address answered: its status, its words and its forms."""

    def __init__(self, response: httpx.Response) -> None:
        self.url = str(response.url)
        self.status = response.status_code
        self.headers = response.headers
        self.source = response.text
        self.redirect = _foreign_redirect(response)
        self.root: Element = html5lib.parse(self.source, namespaceHTMLElements=False)

    @property
    def text(self) -> str:
        """The visible words, with runs of white space as one space."""
        body = self.root.find("body")
        return _words(self.root if body is None else body)

    @property
    def forms(self) -> list[Form]:
        """Every form of the page, in order."""
        labels = _labels_by_id(self.root)
        return [_form(element, labels, self.url) for element in self.root.iter("form")]

    def form(self, *, field: str | None = None, button: str | re.Pattern[str] | None = None) -> Form:
        """Return the first form that has this field and this button.

        Raises AssertionError when the page has none.
        """
        for form in self.forms:
            try:
                if field is not None:
                    form.name_of(field)
                if button is not None:
                    form.button(button)
            except AssertionError:
                continue
            return form
        raise AssertionError(f"{self.url} ({self.status}) has no form with {field!r}, {button!r}: {self.text[:600]}")

    def link(self, words: str) -> str:
        """Return the address of the first link that says this."""
        for element in self.root.iter("a"):
            if words.lower() in _words(element).lower() and element.get("href"):
                return urljoin(self.url, element.get("href", ""))
        raise AssertionError(f"{self.url} ({self.status}) has no link {words!r}: {self.text[:600]}")

    def copyable(self) -> str:
        """Return the code that the page shows for copying."""
        for tag in ("code", "output", "textarea", "input", "kbd", "pre", "strong"):
            for element in self.root.iter(tag):
                shown = (element.get("value", "") if tag == "input" else _words(element)).strip()
                if element.get("type") != "hidden" and CODE.fullmatch(shown):
                    return shown
        raise AssertionError(f"{self.url} ({self.status}) shows no code: {self.text[:600]}")


class Person:
    """One person's browser: cookies, the page before them, no scripts. A context manager."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._client = httpx.Client(base_url=base, timeout=20, headers={"Accept": "text/html,*/*;q=0.8"})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def visit(self, address: str) -> Page:
        """Open an address, as from the address bar."""
        return self._follow(self._client.get(address, headers={"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate"}))

    def submit(self, page: Page, form: Form, button: str | re.Pattern[str] | None = None) -> Page:
        """Press a button of a form on the page before them."""
        pressed = form.button(button)
        values = {name: list(sent) for name, sent in form.values.items()}
        if pressed.name:
            values.setdefault(pressed.name, []).append(pressed.value)
        headers = {"Referer": page.url, "Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "navigate"}
        if form.method == "get":
            return self._follow(self._client.get(form.action, params=values, headers=headers))
        headers["Origin"] = self._base
        if form.multipart:
            parts = [(name, (None, value)) for name, sent in values.items() for value in sent]
            return self._follow(self._client.post(form.action, files=parts, headers=headers))
        return self._follow(self._client.post(form.action, data=values, headers=headers))

    def sign_in(self, link: str) -> Page:
        """Use a one-time sign-in link: the page shows one button, and pressing it signs in."""
        page = self.visit(link)
        assert page.status == 200, f"the sign-in link answered {page.status}: {page.text[:300]}"
        arrived = self.submit(page, page.form())
        assert arrived.status == 200, f"signing in answered {arrived.status}: {arrived.text[:300]}"
        return arrived

    def authorize(self, url: str, *, persona: str | None = None) -> str:
        """Let an app in: open its authorize page, choose a persona where one is asked for, agree; return the code."""
        page = self.visit(url)
        form = page.form(button=AGREEING)
        if persona is not None:
            form.choose(persona)
        answer = self.submit(page, form, AGREEING)
        if answer.redirect is None:
            return answer.copyable()
        told = parse_qs(urlsplit(answer.redirect).query)
        assert "code" in told, f"no code in {answer.redirect}"
        return told["code"][0]

    def _follow(self, response: httpx.Response) -> Page:
        for _ in range(MOST_REDIRECTS):
            if not response.has_redirect_location or _foreign_redirect(response):
                return Page(response)
            response = self._client.get(urljoin(str(response.url), response.headers["location"]))
        raise AssertionError(f"more than {MOST_REDIRECTS} redirects, last to {response.url}")


@dataclass(frozen=True, slots=True)
class Proof:
    """A PKCE pair (RFC 7636 §4): what the app keeps, and what it shows first."""

    verifier: str
    challenge: str


def pkce() -> Proof:
    """Make a PKCE pair of the method S256."""
    verifier = secrets.token_urlsafe(48)
    digest = hashlib.sha256(verifier.encode()).digest()
    return Proof(verifier, base64.urlsafe_b64encode(digest).decode().rstrip("="))


def authorize_url(
    base: str, *, client_id: str, redirect_uri: str, scopes: Iterable[str], proof: Proof, state: str = ""
) -> str:
    """Return the address where an app sends its user (RFC 6749 §4.1.1 with RFC 7636 §4.3)."""
    asked: Mapping[str, str] = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_uri,
        "scope": " ".join(scopes),
        "code_challenge": proof.challenge,
        "code_challenge_method": "S256",
        "state": state,
    }
    return f"{base}/oauth/authorize?{urlencode({name: value for name, value in asked.items() if value})}"


def _foreign_redirect(response: httpx.Response) -> str | None:
    """Return where a redirect leads when that is not this site: an app's own address, which nobody answers here."""
    if not response.has_redirect_location:
        return None
    target = urljoin(str(response.url), response.headers["location"])
    here, there = urlsplit(str(response.url)), urlsplit(target)
    return None if (here.scheme, here.netloc) == (there.scheme, there.netloc) else target


def _words(element: Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def _labels_by_id(root: Element) -> dict[str, str]:
    return {label.get("for", ""): _words(label) for label in root.iter("label") if label.get("for")}


def _form(element: Element, labels: dict[str, str], page_url: str) -> Form:
    form = Form(
        action=urljoin(page_url, element.get("action") or page_url),
        method=element.get("method", "get").lower(),
        multipart=element.get("enctype") == "multipart/form-data",
        values={},
        labels={},
        choices={},
    )
    around = {
        control: _words(label)
        for label in element.iter("label")
        for control in label.iter()
        if control.tag in ("input", "select", "textarea")
    }
    for control in element.iter():
        if control.tag in ("input", "select", "textarea", "button"):
            _take(form, control, around.get(control) or labels.get(control.get("id", ""), ""))
    return form


def _take(form: Form, control: Element, label: str) -> None:
    """Add one control to the form as a browser would count it."""
    name, kind, value = control.get("name", ""), control.get("type", "").lower(), control.get("value", "")
    if "disabled" in control.attrib:
        return
    if control.tag == "button" and kind in ("", "submit"):
        form.buttons.append(Button(_words(control), name or None, value))
        return
    if control.tag == "input" and kind in UNSENT:
        if kind == "submit":
            form.buttons.append(Button(value or "Submit", name or None, value))
        return
    if not name or control.tag == "button":
        return
    if label:
        form.labels.setdefault(label, name)
    if control.tag == "select":
        _take_select(form, control, name)
    elif kind in ("radio", "checkbox"):
        form.choices.setdefault(name, {})[value or "on"] = label
        if "checked" in control.attrib:
            form.values.setdefault(name, []).append(value or "on")
    else:
        form.values.setdefault(name, []).append("".join(control.itertext()) if control.tag == "textarea" else value)


def _take_select(form: Form, control: Element, name: str) -> None:
    options = list(control.iter("option"))
    offered = {option.get("value", _words(option)): _words(option) for option in options}
    chosen = [option.get("value", _words(option)) for option in options if "selected" in option.attrib]
    form.choices[name] = offered
    if offered:
        form.values[name] = chosen or list(offered)[:1]
