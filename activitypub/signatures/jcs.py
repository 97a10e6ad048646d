"""JSON in its one canonical form (JCS, RFC 8785), of which proofs take their hashes (pure)."""

from decimal import Decimal
from typing import Any

import orjson

from activitypub.errors import MalformedActivity

MAX_DEPTH = 40
"""A little more than the strict gate lets in (`strict_json`)."""
LARGEST_EXACT = 2**53
"""Beyond this a whole number is what its nearest double is."""
LONGEST_INTEGER, SMALLEST_EXPONENT = 21, -6


def canonical(value: Any) -> bytes:
    """Return the canonical JSON of a document; raises MalformedActivity for what JSON cannot hold."""
    return _written(value, MAX_DEPTH).encode()


def _written(value: Any, depth: int) -> str:
    if depth == 0:
        raise MalformedActivity("jcs.depth")
    if type(value) is dict:
        # By UTF-16 code units, as JavaScript compares, which is not the order of code points.
        names = sorted(value, key=lambda name: name.encode("utf-16-be", "surrogatepass"))
        return "{" + ",".join(f"{_text(name)}:{_written(value[name], depth - 1)}" for name in names) + "}"
    if type(value) is list:
        return "[" + ",".join(_written(entry, depth - 1) for entry in value) + "]"
    if type(value) is float or (type(value) is int and abs(value) > LARGEST_EXACT):
        return _number(float(value))
    if value is None or type(value) in (str, bool, int):
        return _text(value)
    raise MalformedActivity("jcs.type")


def _text(value: Any) -> str:
    try:
        return orjson.dumps(value).decode()
    except orjson.JSONEncodeError as error:
        raise MalformedActivity("jcs.text") from error


def _number(value: float) -> str:
    """Return a number as JavaScript writes it (RFC 8785 §3.2.2.3): the shortest digits, an exponent only far out."""
    if value == 0:
        return "0"
    if value != value or value in (float("inf"), float("-inf")):
        raise MalformedActivity("jcs.number")
    sign, digits_of, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits, minus = "".join(map(str, digits_of)), "-" if sign else ""
    point = len(digits) + int(exponent)  # where the decimal point stands, counted from the first digit
    if len(digits) <= point <= LONGEST_INTEGER:
        return minus + digits + "0" * (point - len(digits))
    if 0 < point <= LONGEST_INTEGER:
        return f"{minus}{digits[:point]}.{digits[point:]}"
    if SMALLEST_EXPONENT < point <= 0:
        return f"{minus}0.{'0' * -point}{digits}"
    power = point - 1
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{minus}{digits[0]}{fraction}e{'+' if power > 0 else '-'}{abs(power)}"
