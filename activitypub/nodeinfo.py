"""What the node says of itself: NodeInfo 2.0 and 2.1, and host-meta (federation reference §1.4–1.5). No counts."""

from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import quoteattr

from activitypub.errors import MalformedActivity
from activitypub.origins import same_origin
from activitypub.vocabulary.base import Uri, shown_uri

Document = dict[str, Any]

SOFTWARE_NAME = "kinfold"
SCHEMA = "http://nodeinfo.diaspora.software/ns/schema/"
VERSIONS = ("2.1", "2.0")
APPLICATION = "https://www.w3.org/ns/activitystreams#Application"
HOST_META_MEDIA_TYPE = "application/xrd+xml"
MAX_NAME_CHARACTERS = 64
MAX_LINKS = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeFacts:
    """What a node tells of itself in public."""

    software_version: str
    node_name: str
    node_description: str = ""
    open_registrations: bool = False
    federation_enabled: bool = True
    repository: str | None = None
    homepage: str | None = None
    staff_accounts: tuple[str, ...] = ()


def media_type(version: str) -> str:
    """Return the Content-Type of a NodeInfo document."""
    return f'application/json; profile="{SCHEMA}{version}#"'


def well_known(base_url: str) -> Document:
    """Return `/.well-known/nodeinfo`: both documents, and the node's own actor (FEP-2677)."""
    links = [{"rel": f"{SCHEMA}{version}", "href": f"{base_url}/nodeinfo/{version}"} for version in VERSIONS]
    return {"links": [*links, {"rel": APPLICATION, "href": f"{base_url}/actor"}]}


def document(version: str, facts: NodeFacts) -> Document:
    """Return the NodeInfo document of a version, "2.0" or "2.1"; KeyError for any other.

    `usage.users` is empty: counts would tell of small groups, and made-up ones are forbidden (FEP-0151).
    `metadata.upstream` makes clients of the megalodon library recognise the API.
    """
    places = {"2.0": {}, "2.1": {"repository": facts.repository, "homepage": facts.homepage}}[version]
    software = {"name": SOFTWARE_NAME, "version": facts.software_version}
    return {
        "version": version,
        "software": software | {name: place for name, place in places.items() if place},
        "protocols": ["activitypub"],
        "services": {"inbound": [], "outbound": []},
        "openRegistrations": facts.open_registrations,
        "usage": {"users": {}},
        "metadata": {
            "nodeName": facts.node_name,
            "nodeDescription": facts.node_description,
            "federation": {"enabled": facts.federation_enabled},
            "staffAccounts": list(facts.staff_accounts),
            "upstream": {"name": "mastodon"},
        },
    }


def host_meta_xml(base_url: str) -> str:
    """Return `/.well-known/host-meta` (RFC 6415), which Mastodon asks for when WebFinger answers 404."""
    template = quoteattr(f"{base_url}/.well-known/webfinger?resource={{uri}}")
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<XRD xmlns="http://docs.oasis-open.org/ns/xri/xrd-1.0">'
        f'<Link rel="lrdd" type="application/jrd+json" template={template}/></XRD>\n'
    )


def host_meta_json(base_url: str) -> Document:
    """Return `/.well-known/host-meta.json`."""
    template = f"{base_url}/.well-known/webfinger?resource={{uri}}"
    return {"links": [{"rel": "lrdd", "type": "application/jrd+json", "template": template}]}


def schema_link(found: Document, *, asked: str) -> Uri:
    """Return the address of the NodeInfo document that a peer's well-known document names, the newest known version.

    `asked` is the URL of the well-known document: the link must stand on the same origin. Raises MalformedActivity.
    """
    links = found.get("links")
    by_rel: dict[Any, Uri] = {}
    for link in links[:MAX_LINKS] if type(links) is list else []:
        href = shown_uri(link.get("href")) if type(link) is dict else None
        if href is not None and type(link.get("rel")) is str and same_origin(href, asked):
            by_rel.setdefault(link["rel"], href)
    for version in (*VERSIONS, "1.1", "1.0"):
        if uri := by_rel.get(f"{SCHEMA}{version}"):
            return uri
    raise MalformedActivity(public="The server names no NodeInfo document.")


def software_name(found: Document) -> str | None:
    """Return the name of a peer's software, in lower case: a hint for delivery, never a reason to trust (FEP-0151)."""
    software = found.get("software")
    name = software.get("name") if type(software) is dict else None
    return name.lower()[:MAX_NAME_CHARACTERS] if type(name) is str and name else None
