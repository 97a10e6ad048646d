"""Notices a proxy that the settings do not name: then all people seem to come from its address, and share one limit."""

from ipaddress import ip_address

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

log = structlog.get_logger()


EFFECT = "a forwarded address was not believed: if a proxy of this node named it, all its users share one limit"
"""Anybody may send such a field, so it proves no proxy."""


class UnnamedProxy:
    """ASGI middleware that says once that forwarded addresses come in and are not believed; of nobody in particular."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._said = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, after a look at the request."""
        if not self._said and scope["type"] == "http" and is_unbelieved(scope):
            self._said = True
            log.warning("proxy.unnamed", setting="KINFOLD_TRUSTED_PROXIES", effect=EFFECT)
        await self._app(scope, receive, send)


def is_unbelieved(scope: Scope) -> bool:
    """Tell whether a request names another sender than the one that the server believes in.

    The server puts one of the addresses in the field in the place of the proxy's own, if it believes the proxy.
    """
    fields = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for"]
    forwarded = {_address(field.strip()) for field in ",".join(fields).split(",") if field.strip()}
    client = scope.get("client")
    return bool(forwarded) and (client is None or _address(client[0]) not in forwarded)


def _address(field: str) -> str:
    """Return an address in one spelling, without a port; what is none stays as it is."""
    bare = field[1:].partition("]")[0] if field.startswith("[") else field
    if bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        return str(ip_address(bare))
    except ValueError:
        return field
