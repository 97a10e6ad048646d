"""Where an app may be sent back to: compared byte for byte, never taken apart and put together again (S-808; pure)."""

import re
from collections.abc import Sequence
from urllib.parse import urlencode, urlsplit

OUT_OF_BAND = "urn:ietf:wg:oauth:2.0:oob"
"""Instead of being redirected, the person copies the code into the app."""
MAX_URI_CHARACTERS = 2_000
MAX_URIS = 20
PRINTABLE = re.compile(r"[!-~]+")
SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,60}", re.IGNORECASE)
RUN_IN_A_BROWSER = frozenset({
    "about", "blob", "data", "file", "filesystem", "ftp", "intent", "javascript", "jar", "mailto", "sms", "tel", "urn",
    "vbscript", "view-source", "ws", "wss",
})  # fmt: skip
LOOPBACK = re.compile(r"localhost|127(?:\.[0-9]{1,3}){3}|::1")


def is_redirect_uri(uri: str) -> bool:
    """Tell whether an app may register this address.

    It is the out-of-band one, `https` with a host, `http` on this device (RFC 8252 §7.3), or a scheme of the app's own,
    whose authority may be empty (`icecubesapp://`). No fragment, no user information, printable ASCII only.
    """
    if uri == OUT_OF_BAND:
        return True
    if len(uri) > MAX_URI_CHARACTERS or not PRINTABLE.fullmatch(uri) or "#" in uri or "\\" in uri:
        return False
    scheme, colon, _ = uri.partition(":")
    if not colon or not SCHEME.fullmatch(scheme) or scheme.lower() in RUN_IN_A_BROWSER:
        return False
    try:
        parts = urlsplit(uri)
        host = parts.hostname
    except ValueError:
        return False
    if "@" in parts.netloc:
        return False
    if scheme.lower() == "https":
        return bool(host)
    if scheme.lower() == "http":
        return host is not None and LOOPBACK.fullmatch(host) is not None
    return True


def split_uris(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the addresses that an app registers, one a line or each by itself, in order and each once."""
    return tuple(dict.fromkeys(line.strip() for text in texts for line in text.splitlines() if line.strip()))


def with_answer(uri: str, answer: Sequence[tuple[str, str]]) -> str:
    """Return the address with the answer behind it; what the app registered stays as it is to the last byte."""
    return f"{uri}{'&' if '?' in uri else '?'}{urlencode(answer)}"


def shown_origin(uri: str) -> str:
    """Return what tells a person where an app will take them: a site, or the scheme of an app on this device."""
    if uri == OUT_OF_BAND:
        return ""
    parts = urlsplit(uri)
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme.lower() in {"http", "https"} else f"{parts.scheme}:"
