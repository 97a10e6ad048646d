"""WebFinger (RFC 7033), read and written as plain documents (federation reference §1.1–1.3, §1.6)."""

import re
from typing import Any, NamedTuple
from urllib.parse import unquote

from activitypub.errors import MalformedActivity
from activitypub.origins import canonical_host, canonical_uri
from activitypub.vocabulary.base import Uri

Document = dict[str, Any]

MEDIA_TYPE = "application/jrd+json"
ACTIVITY_TYPE = "application/activity+json"
LD_TYPE = 'application/ld+json; profile="https://www.w3.org/ns/activitystreams"'
PROFILE_PAGE = "http://webfinger.net/rel/profile-page"
SUBSCRIBE = "http://ostatus.org/schema/1.0/subscribe"
AS_TYPE = "https://www.w3.org/ns/activitystreams#type"
AS_SERVICE = "https://www.w3.org/ns/activitystreams#Service"

MAX_RESOURCE_CHARACTERS = 2048
MAX_NAME_CHARACTERS = 256
MAX_LINKS = 64
# The port is for a node's own actor in development, whose name is its host and port.
_NAME = re.compile(r"[a-z0-9_](?:[a-z0-9_.~-]*[a-z0-9_])?(?::[0-9]{1,5})?")


class Handle(NamedTuple):
    """A name at a host, both in lower case; `str` gives the account URI without its scheme."""

    name: str
    host: str

    def __str__(self) -> str:
        """Return `name@host`."""
        return f"{self.name}@{self.host}"

    @property
    def uri(self) -> str:
        """The account URI (RFC 7565)."""
        return f"acct:{self.name}@{self.host}"


def parse_acct(text: str) -> Handle:
    """Return the handle in `acct:name@host`, `@name@host`, `!name@host`, `&name@host`, percent-encoded or not.

    Names compare without regard to case; the host is canonical (A-labels) and may carry a port. Raises
    MalformedActivity.
    """
    if len(text) > MAX_RESOURCE_CHARACTERS:
        raise MalformedActivity(public="The handle is too long.")
    account = text.strip()
    if "%" in account:
        account = unquote(account, errors="replace")
    if account[:5].lower() == "acct:":
        account = account[5:]
    name, at, host = account.removeprefix(account[:1] if account[:1] in ("@", "!", "&") else "").rpartition("@")
    name = name.lower()
    if not at or len(name) > MAX_NAME_CHARACTERS or not _NAME.fullmatch(name):
        raise MalformedActivity(public="This is not a handle of the form name@host.")
    return Handle(name, canonical_host(host))


def parse_resource(text: str) -> Handle | Uri:
    """Return what a WebFinger query asks for: a handle, or the http(s) URI of an actor, page or server.

    Raises MalformedActivity.
    """
    resource = text.strip()
    if resource[:8].lower().startswith(("https%3a", "http%3a")):
        resource = unquote(resource, errors="replace")
    if resource[:8].lower().startswith(("https://", "http://")):
        return Uri(canonical_uri(resource))
    return parse_acct(resource)


def descriptor(
    handle: Handle, actor: str, *, kind: str, page: str | None = None, subscribe: str | None = None
) -> Document:
    """Return the answer for an account here (federation reference §1.2).

    `kind` is the actor's type ("Person", "Group", …); `page` is its HTML page, `subscribe` a template with `{uri}`. The
    subject is the canonical handle, whatever form was asked for, and there is exactly one `self` link.
    """
    links: list[Document] = [
        {"rel": "self", "type": ACTIVITY_TYPE, "href": actor, "properties": {AS_TYPE: kind}},
    ]
    if page is not None:
        links.append({"rel": PROFILE_PAGE, "type": "text/html", "href": page})
    if subscribe is not None:
        links.append({"rel": SUBSCRIBE, "template": subscribe})
    aliases = [actor] if page in (None, actor) else [actor, page]
    return {"subject": handle.uri, "aliases": aliases, "links": links}


def service_descriptor(resource: str, application: str) -> Document:
    """Return the answer for the server itself, asked for by its base URL (FEP-d556)."""
    return {
        "subject": resource,
        "links": [{"rel": AS_SERVICE, "type": ACTIVITY_TYPE, "href": application}],
    }


def subject(document: Document) -> Handle:
    """Return the canonical handle that an answer gives; raises MalformedActivity if there is none.

    It proves nothing yet: whoever asked for another handle asks for this one too, and compares (reference §1.1).
    """
    value = document.get("subject")
    if type(value) is not str:
        raise MalformedActivity(public="The WebFinger answer has no subject.")
    return parse_acct(value)


def self_link(document: Document, *, kind: str | None = None) -> Uri:
    """Return the actor that an answer names: the `self` link of an ActivityStreams media type.

    Lemmy may name a person and a group under one handle: then the link of type `kind` counts, and a person's where no
    kind is asked for. Raises MalformedActivity when there is no such link, or when it is not clear which.
    """
    links = document.get("links")
    found: dict[Uri, str | None] = {}
    for link in links[:MAX_LINKS] if type(links) is list else []:
        if type(link) is dict and link.get("rel") == "self" and _is_activity_type(link.get("type")):
            href = link.get("href")
            if type(href) is not str:
                raise MalformedActivity(public="The WebFinger answer has a link without address.")
            found[Uri(canonical_uri(href))] = _kind_of(link)
    if len(found) > 1:
        wanted = kind or "Person"
        found = {uri: named for uri, named in found.items() if named == wanted}
    if len(found) != 1:
        raise MalformedActivity(public="The WebFinger answer does not name exactly one actor.")
    return next(iter(found))


def _is_activity_type(value: Any) -> bool:
    """Tell whether a media type is one of ActivityStreams, in any spacing and quoting."""
    if type(value) is not str:
        return False
    plain = value.lower().replace(" ", "").replace("'", '"')
    return plain.split(";", 1)[0] == ACTIVITY_TYPE or plain == LD_TYPE.replace(" ", "")


def _kind_of(link: Document) -> str | None:
    properties = link.get("properties")
    named = properties.get(AS_TYPE) if type(properties) is dict else None
    return named if type(named) is str else None
