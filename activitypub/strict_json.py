"""The strict gate for JSON from outside: one reading only, bounded in every direction (S-215, S-602 to S-604).

orjson refuses invalid UTF-8, lone surrogates, a BOM, NaN, Infinity, numbers beyond a double and depths beyond 1,024.
What it lets pass is counted here on the text itself: with the strings cut out only the structure is left, and
counting characters in it runs at C speed and cannot recurse.
"""

import re
from typing import Any

import orjson

from activitypub.errors import MalformedActivity

MAX_BODY_BYTES = 1_048_576
MAX_DEPTH = 32
MAX_NODES = 20_000
MAX_NUMBER_DIGITS = 40
MAX_KEY_CHARACTERS = 256
MAX_STRING_BYTES = 262_144

_LONG_NUMBER = re.compile(rb"[0-9.eE+-]{%d,}" % (MAX_NUMBER_DIGITS + 1))
_BRACES_FOR_BRACKETS = bytes.maketrans(b"[]", b"{}")
_EVERYTHING_ELSE = bytes(byte for byte in range(256) if byte not in b"[]{}")

Document = dict[str, Any]


def loads_strict(body: bytes) -> Document:
    """Return the JSON object in `body`, which has one reading only and stays within the limits above.

    Raises MalformedActivity for anything else: not JSON, not an object at the top, a key given twice, NUL, too deep,
    too many nodes, too long a number, key or string. A depth counts one for each array or object around a value.
    Whole numbers beyond 64 bits become the nearest double, as in I-JSON (RFC 7493 §2.2).
    """
    if len(body) > MAX_BODY_BYTES:
        raise MalformedActivity(public="The document is larger than 1 MiB.")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise MalformedActivity(public="The body is not JSON in UTF-8.") from error
    if type(document) is not dict:
        raise MalformedActivity(public="The document is not a JSON object.")
    pieces = _without_escapes(body).split(b'"')
    _check_structure(b"".join(pieces[::2]))
    _check_strings(body, orjson.dumps(document), pieces)
    return document


def dumps(document: Document) -> bytes:
    """Return the JSON text of a document, in UTF-8, keys in their order.

    The same document gives the same bytes, so a digest may be taken of them.
    """
    return orjson.dumps(document)


def _without_escapes(text: bytes) -> bytes:
    """Return valid JSON in which every quotation mark begins or ends a string; lengths stay.

    Raises MalformedActivity for an escaped NUL, the one text that PostgreSQL cannot hold.
    """
    if b"\\" in text:
        # Pairs of backslashes go first, so that a backslash that is left does escape what follows it.
        text = text.replace(b"\\\\", b"__").replace(b'\\"', b"__")
        if b"\\u0000" in text:
            raise MalformedActivity(public="A text holds a NUL character.")
    return text


def _check_structure(structure: bytes) -> None:
    """Refuse too many nodes, too deep a nest, too long a number; `structure` is JSON without its strings."""
    if structure.count(b",") + structure.count(b"{") + structure.count(b"[") >= MAX_NODES:
        raise MalformedActivity(public="The document has too many parts.")
    if _LONG_NUMBER.search(structure):
        raise MalformedActivity(public="A number is too long.")
    nest = structure.translate(_BRACES_FOR_BRACKETS, _EVERYTHING_ELSE)
    for _ in range(MAX_DEPTH):
        # Each pass takes the innermost pairs away, so a nest of n is gone after n passes.
        nest = nest.replace(b"{}", b"")
        if not nest:
            return
    raise MalformedActivity(public="The document is nested too deeply.")


def _check_strings(body: bytes, written: bytes, pieces: list[bytes]) -> None:
    """Refuse a key given twice, and too long keys and strings.

    `written` is the document written out again, `pieces` the body split at its quotation marks. Of a key given twice
    one was lost in reading, and so was a string; where both texts are the same nothing was.
    """
    if written != body and _without_escapes(written).count(b'"') != len(pieces) - 1:
        raise MalformedActivity(public="A key occurs twice in one object.")
    strings = pieces[1::2]
    for number in [number for number, string in enumerate(strings) if len(string) > MAX_KEY_CHARACTERS]:
        if len(strings[number]) > MAX_STRING_BYTES or pieces[2 * number + 2].lstrip().startswith(b":"):
            # It may be the escapes that are long: what counts is what they stand for.
            _check_lengths(_without_escapes(written).split(b'"'))
            return


def _check_lengths(pieces: list[bytes]) -> None:
    for string, behind in zip(pieces[1::2], pieces[2::2], strict=True):
        if len(string) > MAX_KEY_CHARACTERS:
            _check_long(string, is_key=behind.startswith(b":"))


def _check_long(string: bytes, *, is_key: bool) -> None:
    if is_key and len(string.decode()) > MAX_KEY_CHARACTERS:
        raise MalformedActivity(public="A key is too long.")
    if len(string) > MAX_STRING_BYTES:
        raise MalformedActivity(public="A text is too long.")
