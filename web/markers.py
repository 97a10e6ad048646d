"""How far a persona has read its timelines, as apps keep it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, insert, select, update

from groups.errors import Conflict
from groups.people import hold_actor
from privacy.unit_of_work import UnitOfWork, table_of
from web.models import Marker

MARKERS = table_of(Marker)
TIMELINES = ("home", "notifications")


@dataclass(frozen=True, slots=True)
class MarkerView:
    """How far one timeline was read."""

    timeline: str
    last_read_id: str
    version: int
    updated_on: datetime


def markers_of(uow: UnitOfWork, actor_id: int, timelines: Sequence[str]) -> list[MarkerView]:
    """Return the markers of an actor; a timeline that was never marked is left out."""
    mine = select(MARKERS).where(MARKERS.c.actor_id == actor_id, MARKERS.c.timeline.in_(timelines))
    rows = uow.connection.execute(mine.order_by(MARKERS.c.timeline)).fetchall()
    return [MarkerView(row.timeline, row.last_read_id, row.version, row.updated_on) for row in rows]


def set_markers(uow: UnitOfWork, actor_id: int, read_up_to: Mapping[str, int]) -> list[MarkerView]:
    """Set markers and return those that were set. Raises Conflict when another app set one at the same moment."""
    hold_actor(uow, actor_id)
    versions = {marker.timeline: marker.version for marker in markers_of(uow, actor_id, list(read_up_to))}
    for timeline, last_read_id in read_up_to.items():
        version = versions.get(timeline)
        values = {"last_read_id": str(last_read_id), "version": (version or 0) + 1, "updated_on": uow.now}
        if version is None:
            uow.connection.execute(insert(MARKERS).values(actor_id=actor_id, timeline=timeline, **values))
            continue
        same = (MARKERS.c.actor_id == actor_id, MARKERS.c.timeline == timeline, MARKERS.c.version == version)
        if uow.connection.execute(update(MARKERS).where(*same).values(**values)).rowcount == 0:
            raise Conflict(f"marker {timeline} of {actor_id}", public="Another app marked this at the same moment.")
    return markers_of(uow, actor_id, list(read_up_to))


def forget_markers(uow: UnitOfWork, actor_id: int) -> None:
    """Forget how far somebody who is gone had read."""
    uow.connection.execute(delete(MARKERS).where(MARKERS.c.actor_id == actor_id))
