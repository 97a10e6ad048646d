"""One reader of parameters: JSON, urlencoded, multipart and query, on any verb, into one shape.

Apps write the same thing in many ways (client API reference §5): `ids[]=1`, `id=1&id=2`, `a[b]=c`, `a[0][b]=c`, a JSON
body, or a query on a POST. Here all of them become nested text, and whatever does not fit is refused before it is used.
"""

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

import orjson
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from privacy.errors import PublicError
from privacy.records import MAX_ID

Value: TypeAlias = "str | list[Value] | dict[str, Value]"

MAX_BODY_BYTES = 262_144
MAX_FIELDS = 100
MAX_NAME_CHARACTERS = 256
MAX_TEXT_CHARACTERS = 100_000
MAX_DEPTH = 4
KEY = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
PART = re.compile(r"\[([^\[\]]*)\]")
DECIMAL = re.compile(r"[0-9]{1,19}")
INTEGER = re.compile(r"-?[0-9]{1,19}")
YES = frozenset({"true", "1", "on", "t", "yes"})
NO = frozenset({"false", "0", "off", "f", "no", ""})


class BadParameters(PublicError):
    """The parameters cannot be read, or one of them is not of the kind that is wanted: 400."""

    default_public = "The parameters of this request could not be read."


class TooManyBytes(PublicError):
    """The body is longer than any that we take: 413."""

    default_public = "This is too long to be sent at once."


class UnknownForm(PublicError):
    """The body is of a media type that carries no parameters: 415."""

    default_public = "Send JSON or a form."


class Parameters:
    """What a request asks, by name; scalars are text, and each reader says what it takes."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, Value] | None = None) -> None:
        """Hold values that were read before."""
        self._values: Mapping[str, Value] = values or {}

    def __contains__(self, name: str) -> bool:
        """Tell whether something was sent under this name, even nothing but emptiness."""
        return name in self._values

    def text(self, name: str, default: str = "") -> str:
        """Return one text; of several under one name the last counts."""
        value = self._values.get(name, default)
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            value = value[-1]
        if not isinstance(value, str):
            raise BadParameters(f"{name} is not a text", public=f"{name} must be a text.")
        return value

    def choice(self, name: str, allowed: Sequence[str], default: str) -> str:
        """Return one of the allowed words, or the default when none was sent."""
        value = self.text(name) or default
        if value not in allowed:
            raise BadParameters(f"{name} is out of range", public=f"{name} must be one of: {', '.join(allowed)}.")
        return value

    def flag(self, name: str, default: bool = False) -> bool:  # noqa: FBT001 - reads like the dictionary's `get`
        """Return a boolean in any of the spellings that apps use."""
        if name not in self._values:
            return default
        word = self.text(name).lower()
        if word not in YES and word not in NO:
            raise BadParameters(f"{name} is not a boolean", public=f"{name} must be true or false.")
        return word in YES

    def number(self, name: str, default: int, *, most: int, least: int = 1) -> int:
        """Return a whole number, drawn into the bounds given (S-618)."""
        value = self.text(name)
        if not value:
            return default
        if not INTEGER.fullmatch(value):
            raise BadParameters(f"{name} is not a number", public=f"{name} must be a whole number.")
        return min(max(int(value), least), most)

    def identifier(self, name: str) -> int | None:
        """Return an id, or None when none was sent."""
        value = self.text(name)
        return as_identifier(name, value) if value else None

    def texts(self, name: str) -> tuple[str, ...]:
        """Return several texts, sent as a list, repeated, or as one."""
        value = self._values.get(name, [])
        items = _listed(value) if isinstance(value, dict) else value if isinstance(value, list) else [value]
        if not all(isinstance(item, str) for item in items):
            raise BadParameters(f"{name} is not a list of texts", public=f"{name} must be a list of texts.")
        return tuple(item for item in items if isinstance(item, str) and item)

    def identifiers(self, name: str) -> tuple[int, ...]:
        """Return several ids in the order sent, each once."""
        return tuple(dict.fromkeys(as_identifier(name, text) for text in self.texts(name)))

    def nested(self, name: str) -> "Parameters":
        """Return what stands inside a name; nothing when it was not sent."""
        value = self._values.get(name)
        if value is None or value == "":
            return Parameters()
        if not isinstance(value, dict):
            raise BadParameters(f"{name} is not nested", public=f"{name} must hold named values.")
        return Parameters(value)

    def flat(self) -> list[tuple[str, str]]:
        """Return the plain pairs again, lists as `name[]`, for a link to another page of the same question."""
        pairs: list[tuple[str, str]] = []
        for name, value in self._values.items():
            if isinstance(value, str):
                pairs.append((name, value))
            elif isinstance(value, list):
                pairs.extend((f"{name}[]", item) for item in value if isinstance(item, str))
        return pairs


def as_identifier(name: str, value: str) -> int:
    """Return an id of decimal digits (client API reference §1.1). Raises BadParameters."""
    if not DECIMAL.fullmatch(value) or int(value) > MAX_ID:
        raise BadParameters(f"{name} is not an id", public=f"{name} is not an id.")
    return int(value)


async def read_parameters(request: Request) -> Parameters:
    """Return the parameters of a request; what stands in the body wins over the query.

    Raises BadParameters, TooManyBytes, UnknownForm.
    """
    values = nest(_pairs(request.scope["query_string"]))
    body = await bounded_body(request)
    if body:
        values.update(await _read_body(request, body))
    if _count(values) > MAX_FIELDS:
        raise BadParameters("too many fields", public="Too many values were sent at once.")
    return Parameters(values)


async def bounded_body(request: Request, limit: int = MAX_BODY_BYTES) -> bytes:
    """Return the body, reading no more than the limit (S-601). Raises TooManyBytes."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise TooManyBytes("body too long")
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            raise TooManyBytes("body too long")
        chunks.append(chunk)
    return b"".join(chunks)


async def _read_body(request: Request, body: bytes) -> dict[str, Value]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json" or media_type.endswith("+json"):
        return _from_json(body)
    if media_type == "application/x-www-form-urlencoded":
        return nest(_pairs(body))
    if media_type == "multipart/form-data":
        return nest(await _parts(request, body))
    raise UnknownForm(f"media type {media_type[:40]}")


def _from_json(body: bytes) -> dict[str, Value]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadParameters("broken JSON") from error
    if not isinstance(document, dict):
        raise BadParameters("JSON without names")
    value = _plain(document, 0)
    assert isinstance(value, dict)
    return value


def _plain(value: Any, depth: int) -> Value:
    """Return JSON as nested text; what is null was not sent."""
    if depth > MAX_DEPTH:
        raise BadParameters("nested too deeply")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return _clean(str(value))
    if isinstance(value, list):
        return [_plain(item, depth + 1) for item in value if item is not None]
    return {_name(str(key)): _plain(item, depth + 1) for key, item in value.items() if item is not None}


def _pairs(text: bytes) -> list[tuple[str, str]]:
    """Return the pairs of a form or query, whose bytes must be UTF-8 (S-604, S-607)."""
    try:
        return parse_qsl(
            text.decode("ascii" if b"%" in text else "utf-8"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError as error:
        raise BadParameters("broken form") from error


async def _parts(request: Request, body: bytes) -> list[tuple[str, str]]:
    """Return the pairs of a multipart form; files are refused, so nothing is ever spooled to disk."""

    async def once() -> AsyncGenerator[bytes, None]:
        yield body

    parser = MultiPartParser(request.headers, once(), max_files=0, max_fields=MAX_FIELDS, max_part_size=MAX_BODY_BYTES)
    try:
        form = await parser.parse()
    except (MultiPartException, HTTPException, ValueError, KeyError) as error:
        raise BadParameters("broken multipart form") from error
    return [(name, value) for name, value in form.multi_items() if isinstance(value, str)]


def nest(pairs: Sequence[tuple[str, str]]) -> dict[str, Value]:
    """Return flat pairs as the nested values that their names describe (Rack's rules for brackets)."""
    root: dict[str, Value] = {}
    for name, value in pairs:
        matched = KEY.fullmatch(_name(name))
        keys = [matched[1], *PART.findall(matched[2])] if matched else [name]
        if len(keys) > MAX_DEPTH:
            raise BadParameters("nested too deeply")
        _put(root, keys, _clean(value))
    return root


def _put(target: dict[str, Value], keys: Sequence[str], value: str) -> None:
    key, rest = keys[0], keys[1:]
    there = target.get(key)
    if not rest:
        target[key] = value if there is None else [*(there if isinstance(there, list) else [there]), value]
    elif rest[0] == "":
        if not isinstance(there, list):
            there = target[key] = [] if there is None else [there]
        _append(there, rest[1:], value)
    else:
        if there is None:
            there = target[key] = {}
        if not isinstance(there, dict):
            raise BadParameters("a name is used in two ways")
        _put(there, rest, value)


def _append(items: list[Value], rest: Sequence[str], value: str) -> None:
    """Add to a list; a name that the last entry holds already begins the next entry (`a[][id]=1&a[][id]=2`)."""
    if not rest:
        items.append(value)
        return
    last = items[-1] if items else None
    if not isinstance(last, dict) or rest[0] in last:
        last = {}
        items.append(last)
    _put(last, rest, value)


def _listed(value: Mapping[str, Value]) -> list[Value]:
    """Return what was sent with numbers for names, in the order of the numbers."""
    if not all(DECIMAL.fullmatch(key) for key in value):
        raise BadParameters("names where a list is wanted")
    return [value[key] for key in sorted(value, key=int)]


def _count(value: Value) -> int:
    if isinstance(value, str):
        return 1
    return sum(_count(item) for item in (value if isinstance(value, list) else value.values()))


def _clean(text: str) -> str:
    """Return the text. Raises BadParameters for NUL, which PostgreSQL cannot hold, and for what is far too long."""
    if "\0" in text or len(text) > MAX_TEXT_CHARACTERS:
        raise BadParameters("NUL, or too long")
    return text


def _name(name: str) -> str:
    if len(name) > MAX_NAME_CHARACTERS or "\0" in name:
        raise BadParameters("name too long")
    return name
