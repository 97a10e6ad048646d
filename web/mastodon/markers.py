"""How far one has read. https://docs.joinmastodon.org/methods/markers/"""

from collections.abc import Sequence
from typing import Any

from web.markers import TIMELINES, MarkerView, markers_of, set_markers
from web.mastodon.calls import Call, Method
from web.mastodon.entities import moment


def entity(markers: Sequence[MarkerView]) -> dict[str, Any]:
    """Return the map of markers; a timeline that was never marked has no key."""
    return {
        marker.timeline: {
            "last_read_id": marker.last_read_id,
            "version": marker.version,
            "updated_at": moment(marker.updated_on),
        }
        for marker in markers
    }


async def get_markers(call: Call) -> dict[str, Any]:
    """Tell how far one has read. https://docs.joinmastodon.org/methods/markers/#get"""
    wanted = [name for name in call.parameters.texts("timeline") if name in TIMELINES]
    return entity(await call.read(markers_of, call.actor_id, wanted))


async def put_markers(call: Call) -> dict[str, Any]:
    """Note how far one has read. https://docs.joinmastodon.org/methods/markers/#create"""
    sent = {name: call.parameters.nested(name).identifier("last_read_id") for name in TIMELINES}
    return entity(
        await call.write(set_markers, call.actor_id, {name: last for name, last in sent.items() if last is not None})
    )


METHODS = (
    Method("GET", "/api/v1/markers", get_markers, ("read:statuses",)),
    Method("POST", "/api/v1/markers", put_markers, ("write:statuses",)),
)
