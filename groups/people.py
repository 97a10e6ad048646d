"""The people and groups that a reader meets: their cards, and how they are found."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import ColumnElement, Row, and_, exists, or_, select

from activitypub import actors
from activitypub.models import Actor, Peer
from activitypub.rules import CLOSED, LIMIT
from activitypub.uris import Uris
from groups.content import MAX_NAME_CHARACTERS, one_line, plain_to_html
from groups.errors import Invalid, NotAllowed, NotFound
from groups.models import Group, Membership
from groups.policy import PARTICIPANTS
from groups.views import ActorCard, Viewer
from privacy import holding, personas
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Place, SealedBox

ACTORS, GROUPS, MEMBERSHIPS = table_of(Actor), table_of(Group), table_of(Membership)
SERVERS = table_of(Peer).alias("servers_of_actors")
MAX_SUMMARY_CHARACTERS = 2_000
MAX_SEARCH_CHARACTERS = 200
ACTS_NO_MORE = "This name cannot do anything any more."


@dataclass(frozen=True, slots=True)
class NewPersona:
    """A persona to be made; its subject secret was made before (`Vault.make_subject`)."""

    id: int
    handle: str
    token: str
    name: str
    summary: str = ""


def found_persona(uow: UnitOfWork, uris: Uris, new: NewPersona, keys: actors.KeyPair) -> ActorCard:
    """Make a persona with its actor. Raises privacy.errors.NameTaken."""
    name, summary = clean_profile(new.name or new.handle, new.summary)
    local = actors.NewLocalActor(
        id=new.id,
        kind="Person",
        handle=new.handle,
        token=new.token,
        name=name,
        summary_html=plain_to_html(summary),
        source=summary,
        locked=False,
    )
    actors.create_local_actor(uow, uris, local, keys)
    personas.create_persona(uow, new.id)
    return card(uow, new.id)


def hold_actor(uow: UnitOfWork, actor_id: int) -> None:
    """Keep whoever acts from ending before this deed is through; who has ended does not act. Raises NotAllowed.

    A group, or somebody of another server, is no persona and is let pass.
    """
    if holding.hold(uow, [actor_id]).get(actor_id, holding.ACTIVE) != holding.ACTIVE:
        raise NotAllowed(f"persona {actor_id} may not act", public=ACTS_NO_MORE)


def still_here(uow: UnitOfWork, actor_ids: Collection[int]) -> set[int]:
    """Return those who are not leaving, and keep them from doing so before this deed is through."""
    states = holding.hold(uow, actor_ids)
    return {actor_id for actor_id in actor_ids if states.get(actor_id) != holding.RETIRED}


def clean_profile(name: str, summary: str) -> tuple[str, str]:
    """Return a name and a description fit to be kept. Raises Invalid."""
    name = one_line(name, MAX_NAME_CHARACTERS)
    if not name:
        raise Invalid({"name": "Please give a name."})
    if len(summary) > MAX_SUMMARY_CHARACTERS:
        raise Invalid({"summary": f"The description is longer than {MAX_SUMMARY_CHARACTERS} characters."})
    return name, summary.strip()


def cards(uow: UnitOfWork, ids: Iterable[int]) -> dict[int, ActorCard]:
    """Return the cards of actors, by id; those that are not there are left out."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    rows = uow.connection.execute(select(ACTORS).where(ACTORS.c.id.in_(wanted))).fetchall()
    return cards_of(uow, rows)


def cards_of(uow: UnitOfWork, rows: Sequence[Row[tuple[object, ...]]]) -> dict[int, ActorCard]:
    """Return the cards of actor rows, their profiles opened together."""
    opened = uow.vault.open_many([_box(row) for row in rows])
    return {row.id: _card(row, content) for row, content in zip(rows, opened, strict=True)}


def card(uow: UnitOfWork, actor_id: int) -> ActorCard:
    """Return one card. Raises NotFound."""
    found = cards(uow, [actor_id]).get(actor_id)
    if found is None:
        raise NotFound(f"actor {actor_id}")
    return found


def card_for(uow: UnitOfWork, viewer: Viewer, actor_id: int) -> ActorCard:
    """Return a card that the viewer may know of. Raises NotFound."""
    row = uow.connection.execute(select(ACTORS).where(ACTORS.c.id == actor_id, known_to(viewer))).first()
    if row is None:
        raise NotFound(f"actor {actor_id}")
    return cards_of(uow, [row])[actor_id]


def known_cards(uow: UnitOfWork, viewer: Viewer, ids: Iterable[int]) -> dict[int, ActorCard]:
    """Return the cards of those actors that the viewer may know of, by id, in one statement."""
    wanted = sorted(set(ids))
    if not wanted:
        return {}
    return cards_of(
        uow, uow.connection.execute(select(ACTORS).where(ACTORS.c.id.in_(wanted), known_to(viewer))).fetchall()
    )


def look_up(uow: UnitOfWork, viewer: Viewer, handle: str, host: str | None) -> ActorCard:
    """Return the card of whoever has this handle, if the viewer may know of it. Raises NotFound."""
    if not (handle + (host or "")).isprintable():
        raise NotFound("handle")  # PostgreSQL cannot even be asked for a NUL
    named = ACTORS.c.local_handle == handle.lower() if host is None else _remote(handle, host)
    row = uow.connection.execute(select(ACTORS).where(named, known_to(viewer))).first()
    if row is None:
        raise NotFound("handle")
    return cards_of(uow, [row])[row.id]


def search(uow: UnitOfWork, viewer: Viewer, text: str, limit: int) -> list[ActorCard]:
    """Return actors whose handle begins with a text, groups first, among those that the viewer may know of."""
    text = text.strip().lstrip("@!&").lower()[:MAX_SEARCH_CHARACTERS]
    handle, _, host = text.partition("@")
    if not handle or not text.isprintable():
        return []
    condition = ACTORS.c.handle.startswith(handle, autoescape=True)
    if host:
        condition = and_(ACTORS.c.handle == handle, ACTORS.c.host.startswith(host, autoescape=True))
    query = select(ACTORS).where(condition, known_to(viewer)).order_by(ACTORS.c.kind, ACTORS.c.handle).limit(limit)
    rows = uow.connection.execute(query).fetchall()
    found = cards_of(uow, rows)
    return [found[row.id] for row in rows]


def _remote(handle: str, host: str) -> ColumnElement[bool]:
    return and_(ACTORS.c.handle == handle.lower(), ACTORS.c.host == host.lower())


def known_to(viewer: Viewer) -> ColumnElement[bool]:
    """Whom a viewer may learn of: public groups, itself, the groups it is in, and those whom it meets there.

    A member may learn of any group that can be asked for, and of remote groups. Personas are known to those who share a
    group with them, so that handles cannot be tried one by one. Nobody is known whose server is held off, and to
    strangers nobody whose server is limited.
    """
    alive = and_(ACTORS.c.state == "active", _of_servers_without(sorted(CLOSED)))
    public = select(GROUPS.c.id).where(or_(GROUPS.c.audience != "none", GROUPS.c.join_rule != "invite"))
    public_group = ACTORS.c.id.in_(public)
    if viewer.actor_id is None:
        in_the_open = select(GROUPS.c.id).where(GROUPS.c.audience == "public")
        return and_(alive, ACTORS.c.id.in_(in_the_open), _of_servers_without([LIMIT]))
    mine = select(MEMBERSHIPS.c.group_id).where(
        MEMBERSHIPS.c.actor_id == viewer.actor_id, MEMBERSHIPS.c.state.in_(("active", "pending"))
    )
    # Asking for a group shows none of its people: anybody may ask.
    inside = mine.where(MEMBERSHIPS.c.state == "active", MEMBERSHIPS.c.role.in_(PARTICIPANTS))
    shared = select(MEMBERSHIPS.c.actor_id).where(
        MEMBERSHIPS.c.group_id.in_(inside), MEMBERSHIPS.c.state == "active", MEMBERSHIPS.c.role.in_(PARTICIPANTS)
    )
    known = or_(public_group, ACTORS.c.id == viewer.actor_id, ACTORS.c.id.in_(mine), ACTORS.c.id.in_(shared))
    return and_(alive, known)


def _of_servers_without(levels: Sequence[str]) -> ColumnElement[bool]:
    """Return whether an actor is of this node, or of a server of none of some levels."""
    there = exists().where(SERVERS.c.host == ACTORS.c.host, SERVERS.c.level.in_(levels))
    return or_(ACTORS.c.local, ~there)


def _box(row: Row[tuple[object, ...]]) -> SealedBox:
    return SealedBox(Place("actors", row.id, row.revision, 0), row.id, row.bucket, row.slot, row.body)


def _card(row: Row[tuple[object, ...]], content: bytes | None) -> ActorCard:
    profile: dict[str, str | None] = orjson.loads(content) if content else {}
    return ActorCard(
        id=row.id,
        uri=row.uri,
        url=row.url or row.uri,
        kind=row.kind,
        local=row.local,
        handle=row.handle,
        host=row.host,
        name=profile.get("name") or row.handle,
        summary=profile.get("summary") or "",
        source=profile.get("source") or "",
        locked=row.locked,
        created_on=row.created_on,
    )
