"""Changes of the rules for servers that wait for their hour: made when it comes."""

from groups.ruling import carry_out_due
from node.faces import Faces
from node.wiring import Node


async def rules_due(node: Node, faces: Faces) -> int:
    """Make the changes whose hour has come, and have this process know of them at once; return how many."""
    peers = faces.federation.peers
    made: int = await node.database.write(carry_out_due, node.uris, peers.mode)
    if made:
        await peers.refresh(node.database, node.clock())
    return made
