"""Rules for servers that change by themselves: changes whose hour has come, and lists that are fetched every day."""

import structlog

from activitypub import subscriptions
from activitypub.errors import FederationError
from activitypub.peers import note_knocks
from groups.ruling import carry_out_due, take_in_list
from node.faces import Faces
from node.wiring import Node

log = structlog.get_logger()


async def rules_due(node: Node, faces: Faces) -> int:
    """Make the changes whose hour has come and fetch a list that is due; return how many there were.

    Also writes down who was turned away since the last time, for an admin to decide.
    """
    peers = faces.federation.peers
    made: int = await node.database.write(carry_out_due, node.uris, peers.mode)
    made += await lists_due(node, faces)
    if knocked := peers.take_knocks():
        await node.database.write(note_knocks, knocked)
    if made:
        await peers.refresh(node.database, node.clock())
    return made


async def lists_due(node: Node, faces: Faces) -> int:
    """Fetch a list that is due, and take in what it says; one that does not come is asked again in an hour."""
    peers = faces.federation.peers
    await peers.keep_current(node.database, node.clock())
    found = await node.database.write(subscriptions.claim_list)
    if found is None or peers.mode == "off":
        return 0
    try:
        content = await subscriptions.fetch_list(faces.federation, found.url)
        await node.database.write(take_in_list, node.uris, peers.mode, found.id, content)
    except FederationError as error:
        log.warning("rules.list_failed", list_id=found.id, why=type(error).__name__)
        await node.database.write(subscriptions.note_failure, found.id, error.public)
    return 1
