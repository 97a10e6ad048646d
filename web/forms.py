"""The one door for what a form of ours sends: it must come from a page of ours, carry its token, and be of sane size.

Every page that changes something reads its form here, so none can forget the check (S-708). A form token is masked
anew on each page, so that compressing a page tells nothing about it (S-825).
"""

import secrets
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncGenerator, Mapping
from hashlib import sha256
from hmac import compare_digest
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from privacy.errors import PublicError
from web.parameters import bounded_body

MAX_FORM_FIELDS = 60
TOKEN_FIELD = "form_token"  # noqa: S105 - the name of a field, not a secret
TOKEN_BYTES = 32


class FormRefused(PublicError):
    """A form that did not come from a page of ours, or that no page of ours would send."""

    default_public = "This form did not come from a page of this site, or the page was open too long. Please try again."


class Form:
    """What a form of ours sent; a field that was not sent is empty."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = dict(values)

    def text(self, name: str) -> str:
        """Return a field as it was typed, with line ends as one sign and without NUL."""
        return self._values.get(name, "").replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")

    def line(self, name: str) -> str:
        """Return a field of one line, without the space around it."""
        return " ".join(self.text(name).split())

    def secret(self, name: str) -> str:
        """Return a password exactly as it was typed."""
        return self._values.get(name, "")

    def ticked(self, name: str) -> bool:
        """Tell whether a box was ticked."""
        return self._values.get(name) == "yes"


async def read_form(request: Request, *, origin: str, secret: bytes | None) -> Form:
    """Return the form of a request that is known to come from a page of ours.

    `secret` is what the visitor's cookie holds, from which the token was made. Raises FormRefused and
    web.parameters.TooManyBytes.
    """
    if not comes_from_us(request.headers, origin):
        raise FormRefused("foreign origin")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise FormRefused("content type")
    values = _parse(await bounded_body(request))
    if secret is None or not token_matches(values.get(TOKEN_FIELD, ""), secret):
        raise FormRefused("form token")
    return Form(values)


async def read_upload(request: Request, *, origin: str, secret: bytes | None, limit: int) -> tuple[Form, str, bytes]:
    """Return a form with one file, under the same rules, and the file's name and content; nothing touches the disk.

    Raises FormRefused and web.parameters.TooManyBytes.
    """
    if not comes_from_us(request.headers, origin):
        raise FormRefused("foreign origin")
    body = await bounded_body(request, limit)

    async def once() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, once(), max_files=1, max_fields=MAX_FORM_FIELDS)
    parser.spool_max_size = limit + 1
    try:
        form = await parser.parse()
    except (MultiPartException, ValueError, KeyError) as error:
        raise FormRefused("form encoding") from error
    try:
        parts = form.multi_items()
        values = {name: value for name, value in parts if isinstance(value, str)}
        files = [value for _, value in parts if isinstance(value, UploadFile)]
        name, content = (files[0].filename or "", await files[0].read()) if files else ("", b"")
    finally:
        await form.close()
    whole = len(values) + len(files) == len(parts)
    if not whole or secret is None or not token_matches(values.get(TOKEN_FIELD, ""), secret):
        raise FormRefused("form token")
    return Form(values), name, content


def comes_from_us(headers: Mapping[str, str], origin: str) -> bool:
    """Tell whether a browser says that a request was made by a page of ours; saying nothing at all is a no."""
    site, declared, referer = headers.get("sec-fetch-site"), headers.get("origin"), headers.get("referer")
    if site is not None and site != "same-origin":
        return False
    if declared is not None and declared != "null":
        return declared == origin
    if declared == "null":
        # Browsers hide the origin under our own no-referrer policy; then Sec-Fetch-Site decides: no page forges it.
        return site == "same-origin"
    if referer is None:
        return False
    parts = urlsplit(referer)
    return f"{parts.scheme}://{parts.netloc}" == origin


def make_token(secret: bytes) -> str:
    """Return a token for a form: the visitor's secret under a mask that is new each time."""
    mask = secrets.token_bytes(TOKEN_BYTES)
    return urlsafe_b64encode(mask + _xor(mask, _token_key(secret))).decode()


def token_matches(token: str, secret: bytes) -> bool:
    """Tell whether a token was made from this secret."""
    try:
        raw = urlsafe_b64decode(token.encode("ascii"))
    except ValueError:
        return False
    if len(raw) != 2 * TOKEN_BYTES:
        return False
    return compare_digest(_xor(raw[:TOKEN_BYTES], raw[TOKEN_BYTES:]), _token_key(secret))


def _token_key(secret: bytes) -> bytes:
    return sha256(b"form\0" + secret).digest()


def _xor(one: bytes, other: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(one, other, strict=True))


def _parse(body: bytes) -> dict[str, str]:
    """Return the fields of a form; a field that comes twice, or bytes that are no text, are refused."""
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MAX_FORM_FIELDS)
    except ValueError as error:
        raise FormRefused("form encoding") from error
    values = dict(pairs)
    if len(values) != len(pairs):
        raise FormRefused("repeated field")
    return values
