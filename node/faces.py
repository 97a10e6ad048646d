"""Joins the protocol, the domain's answers to its ports, and the faces of the node."""

from dataclasses import dataclass
from importlib.metadata import version

from activitypub.context import FederationContext, FederationOptions
from activitypub.egress import Egress, EgressOptions
from activitypub.keystore import KeyStore
from activitypub.peers import PeerPolicy
from groups.audiences import AUDIENCES
from groups.content import sanitize
from groups.federation import inbox_routes
from groups.publications import GroupPublications
from groups.synchronizing import followers_on
from node.wiring import Node
from web.context import WebContext, WebOptions


@dataclass(frozen=True, slots=True)
class Faces:
    """What other servers and what people and their apps talk to."""

    federation: FederationContext
    web: WebContext

    async def close(self) -> None:
        """Close the connections to other servers."""
        await self.federation.egress.close()


def join_faces(node: Node) -> Faces:
    """Return the faces of a node; one for each process and event loop."""
    federation = _join_protocol(node)
    web = WebContext(
        database=node.database,
        vault=node.vault,
        uris=node.uris,
        federation=federation,
        options=WebOptions(registration=node.settings.registration, development=node.settings.development),
        clock=node.clock,
        pool=node.pool,
    )
    return Faces(federation, web)


def _join_protocol(node: Node) -> FederationContext:
    peers, release = PeerPolicy(node.settings.federation), version("kinfold")
    options = EgressOptions(
        user_agent=f"Kinfold/{release} (+{node.uris.base_url}/)",
        private_peers=node.settings.private_peers,
        ca_file=node.settings.ca_file,
        development=node.settings.development,
    )
    return FederationContext(
        database=node.database,
        vault=node.vault,
        egress=Egress(options, is_refused=peers.is_refused, clock=node.clock),
        uris=node.uris,
        routes=inbox_routes(node.uris),
        audiences=AUDIENCES,
        publications=GroupPublications(node.uris),
        keys=KeyStore(node.database, node.clock),
        peers=peers,
        sanitize=sanitize,
        options=FederationOptions(
            title=node.settings.title,
            version=release,
            open_registrations=node.settings.registration == "open",
        ),
        clock=node.clock,
        pool=node.pool,
        followers_on=lambda uow, actor_id, host: followers_on(uow, node.uris, actor_id, host),
    )
