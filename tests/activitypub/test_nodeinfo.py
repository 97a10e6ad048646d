"""NodeInfo and host-meta: what is told, and that nothing is counted (federation reference §1.4–1.5)."""

import json
import xml.etree.ElementTree as ElementTree
from typing import Any

import pytest

from activitypub.errors import MalformedActivity
from activitypub.nodeinfo import (
    NodeFacts,
    document,
    host_meta_json,
    host_meta_xml,
    media_type,
    schema_link,
    software_name,
    well_known,
)

BASE = "https://circle.example"
FACTS = NodeFacts(
    software_version="0.1.0",
    node_name="Example Charity",
    node_description="Peers helping peers",
    repository="https://code.example/kinfold",
    staff_accounts=(f"{BASE}/u/team",),
)


def test_the_well_known_document() -> None:
    links = well_known(BASE)["links"]
    assert [link["rel"].rsplit("/", 1)[-1] for link in links] == ["2.1", "2.0", "activitystreams#Application"]
    assert [link["href"] for link in links] == [f"{BASE}/nodeinfo/2.1", f"{BASE}/nodeinfo/2.0", f"{BASE}/actor"]


@pytest.mark.parametrize("version", ["2.0", "2.1"])
def test_documents(version: str) -> None:
    found = document(version, FACTS)
    assert found["version"] == version
    assert found["software"]["name"] == "kinfold"
    assert ("repository" in found["software"]) == (version == "2.1")
    assert found["protocols"] == ["activitypub"]
    assert found["services"] == {"inbound": [], "outbound": []}
    assert found["openRegistrations"] is False
    assert found["metadata"]["upstream"] == {"name": "mastodon"}
    assert found["metadata"]["nodeName"] == "Example Charity"
    assert found["metadata"]["staffAccounts"] == [f"{BASE}/u/team"]
    assert software_name(found) == "kinfold"
    assert media_type(version).endswith(f'/{version}#"')


def test_nothing_is_counted() -> None:
    found = document("2.1", FACTS)
    assert found["usage"] == {"users": {}}
    assert not any(character.isdigit() for character in json.dumps({**found, "version": "", "software": ""}))


def test_an_unknown_version_is_none() -> None:
    with pytest.raises(KeyError):
        document("3.0", FACTS)


def test_host_meta() -> None:
    template = f"{BASE}/.well-known/webfinger?resource={{uri}}"
    [link] = ElementTree.fromstring(host_meta_xml(BASE).encode())
    assert (link.get("rel"), link.get("type"), link.get("template")) == ("lrdd", "application/jrd+json", template)
    assert host_meta_json(BASE)["links"] == [{"rel": "lrdd", "type": "application/jrd+json", "template": template}]


def test_the_newest_document_of_a_peer_is_taken() -> None:
    asked = "https://peer.example/.well-known/nodeinfo"
    schema = "http://nodeinfo.diaspora.software/ns/schema/"
    links = [
        {"rel": f"{schema}{version}", "href": f"https://peer.example/n/{version}"} for version in ("1.0", "2.0", "2.1")
    ]
    assert schema_link({"links": links}, asked=asked) == "https://peer.example/n/2.1"
    assert schema_link({"links": links[:1]}, asked=asked) == "https://peer.example/n/1.0"
    foreign = {"rel": f"{schema}2.1", "href": "https://elsewhere.example/n"}
    assert schema_link({"links": [foreign, *links[:2]]}, asked=asked) == "https://peer.example/n/2.0"
    for none in (None, [], {}, [foreign], [7], [{"rel": f"{schema}2.1", "href": 7}]):
        with pytest.raises(MalformedActivity):
            schema_link({"links": none}, asked=asked)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ({"software": {"name": "Lemmy"}}, "lemmy"),
        ({"software": {"name": "x" * 900}}, "x" * 64),
        ({"software": {"name": 7}}, None),
        ({"software": []}, None),
        ({}, None),
    ],
)
def test_the_name_of_a_peers_software(found: dict[str, Any], expected: str | None) -> None:
    assert software_name(found) == expected
