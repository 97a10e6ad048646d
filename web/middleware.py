"""What every answer carries, whoever gives it: the headers that keep a browser on our side (S-705, S-710, S-715).

A handler that needs something else sets the header itself, and it is left as it stands; an authorize page, whose form
ends in a redirect to an app, uses `content_security_policy` with the app's scheme or origin.
"""

import re
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOT_KEPT = "private, no-store"
KEPT_FOR_EVER = "public, max-age=31536000, immutable"
CLEAR_BROWSER = '"cache", "cookies", "storage"'
"""For Clear-Site-Data when a visit ends."""
CLEAR_VISIT = '"cache", "storage"'
"""The same where a cookie is to stay: the others are taken away by name."""
HSTS = "max-age=63072000; includeSubDomains"
NOT_ALLOWED_FEATURES = (
    "accelerometer", "browsing-topics", "camera", "display-capture", "geolocation", "gyroscope", "hid",
    "idle-detection", "interest-cohort", "magnetometer", "microphone", "midi", "payment", "screen-wake-lock", "serial",
    "usb", "xr-spatial-tracking",
)  # fmt: skip
SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,60}")
ORIGIN_AUTHORITY = re.compile(r"[a-z0-9.\[\]:-]{1,255}")


def content_security_policy(form_targets: Sequence[str] = ()) -> str:
    """Return the policy of a page: nothing but our own style and pictures, forms to ourselves and to these sources.

    `form_targets` are source expressions as `form_target` makes them: browsers apply form-action to redirects too.
    """
    forms = " ".join(("'self'", *form_targets))
    return (
        "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'none'; object-src 'none'; "
        f"form-action {forms}; base-uri 'none'; frame-ancestors 'none'"
    )


def form_target(redirect_uri: str) -> str | None:
    """Return the source expression that lets a form end at this address: an origin, or the scheme of an app.

    None for an address that cannot stand in a policy, such as the out-of-band one, which no redirect follows.
    """
    parts = urlsplit(redirect_uri)
    scheme = parts.scheme.lower()
    if not SCHEME.fullmatch(scheme) or scheme in {"urn", "javascript", "data", "blob"}:
        return None
    if scheme not in {"http", "https"}:
        return f"{scheme}:"
    authority = parts.netloc.rpartition("@")[2].lower()
    return f"{scheme}://{authority}" if ORIGIN_AUTHORITY.fullmatch(authority) else None


class SecurityHeaders:
    """ASGI middleware that adds the headers to every answer, errors too; it must stand outermost."""

    def __init__(self, app: ASGIApp, *, https: bool) -> None:
        self._app = app
        defaults = {
            "content-security-policy": content_security_policy(),
            "x-content-type-options": "nosniff",
            "referrer-policy": "no-referrer",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
            "permissions-policy": ", ".join(f"{name}=()" for name in NOT_ALLOWED_FEATURES),
            "x-frame-options": "DENY",
            "x-robots-tag": "noindex, noarchive",
            "cache-control": NOT_KEPT,
        }
        if https:
            defaults["strict-transport-security"] = HSTS
        self._fields = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in defaults.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, and complete the head of the answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                fields = list(message.get("headers", ()))
                set_already = {name.lower() for name, _ in fields}
                fields += [field for field in self._fields if field[0] not in set_already]
                message["headers"] = fields
            await send(message)

        await self._app(scope, receive, send_with_headers)
