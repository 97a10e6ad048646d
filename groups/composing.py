"""From what a person typed to what can be posted: looking up whom it names, rendering, and all limits."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from sqlalchemy import and_, or_, select

from activitypub.uris import Uris
from groups.content import (
    MAX_NOTE_CHARACTERS,
    MAX_SOURCE_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    Handle,
    NamedActor,
    handles_in,
    one_line,
    render,
)
from groups.errors import Invalid
from groups.people import ACTORS, known_to
from groups.showing import Words
from groups.views import Viewer
from privacy.unit_of_work import UnitOfWork

MAX_MENTIONS = 25
MAX_LANGUAGE_CHARACTERS = 16


@dataclass(frozen=True, slots=True)
class PostForm:
    """What a person typed and chose; nothing of it is trusted."""

    text: str
    group_id: int | None = None
    parent_id: int | None = None
    title: str = ""
    note: str = ""
    language: str | None = None
    sensitive: bool = False
    direct: bool = False
    """For those named only; a direct post that names nobody but its group goes to those who look after it."""


@dataclass(frozen=True, slots=True)
class KnownActor:
    """Somebody whom a text names and whom its author may know of."""

    id: int
    named: NamedActor
    is_group: bool


@dataclass(frozen=True, slots=True)
class NewPost:
    """A post ready to be stored: rendered, sanitised and within all limits."""

    words: Words
    group_id: int | None = None
    parent_id: int | None = None
    direct: bool = False
    people: tuple[int, ...] = ()
    groups: tuple[int, ...] = ()
    """The groups that the text names by handle."""
    handles: tuple[str, ...] = field(default=())
    """Handles of this node in the text, to say in a refusal which of them is no group of the author's."""


def known_actors(uow: UnitOfWork, uris: Uris, viewer: Viewer, handles: Collection[Handle]) -> dict[Handle, KnownActor]:
    """Return those whom a text may name: the viewer learns of nobody by trying handles."""
    wanted = [_canonical(uris, handle) for handle in sorted(handles, key=str)[: MAX_MENTIONS * 2]]
    if not wanted:
        return {}
    here = [name for name, host in wanted if host is None]
    there = [and_(ACTORS.c.handle == name, ACTORS.c.host == host) for name, host in wanted if host is not None]
    named = or_(ACTORS.c.local_handle.in_(here), *there)
    rows = uow.connection.execute(select(ACTORS).where(named, known_to(viewer))).fetchall()
    found: dict[Handle, KnownActor] = {}
    for row in rows:
        host = None if row.local else row.host
        known = KnownActor(row.id, NamedActor(row.handle, host, row.url or row.uri), row.kind == "Group")
        found[row.handle, host] = known
    return found


def handles_of(form: PostForm) -> Collection[Handle]:
    """Return the handles that a text names, so that they can be looked up. Raises Invalid when it is too long."""
    _check_length(form)
    return handles_in(form.text)


def compose(uris: Uris, form: PostForm, known: Mapping[Handle, KnownActor]) -> NewPost:
    """Render a form into a post (pure, and slow enough to be kept off the event loop). Raises Invalid."""
    _check_length(form)
    text = form.text.strip()
    if not text:
        raise Invalid({"status": "Please write something first."})
    named: dict[int, KnownActor] = {}
    unknown: list[str] = []

    def find(name: str, host: str | None) -> NamedActor | None:
        actor = known.get(_canonical(uris, (name, host)))
        if actor is None:
            unknown.append(name if host is None else f"{name}@{host}")
            return None
        named[actor.id] = actor
        return actor.named

    html = render(text, find)
    if len(named) > MAX_MENTIONS:
        raise Invalid({"status": f"A post can name at most {MAX_MENTIONS} people."})
    words = Words(
        title=one_line(form.title, MAX_TITLE_CHARACTERS),
        source=text,
        html=html,
        note=one_line(form.note, MAX_NOTE_CHARACTERS),
        sensitive=form.sensitive or bool(form.note.strip()),
        language=(form.language or "")[:MAX_LANGUAGE_CHARACTERS] or None,
    )
    return NewPost(
        words=words,
        group_id=form.group_id,
        parent_id=form.parent_id,
        direct=form.direct,
        people=tuple(actor.id for actor in named.values() if not actor.is_group),
        groups=tuple(actor.id for actor in named.values() if actor.is_group),
        handles=tuple(unknown),
    )


def _canonical(uris: Uris, handle: Handle) -> Handle:
    name, host = handle
    return (name.lower(), None if host is None or host.lower() == uris.domain.lower() else host.lower())


def _check_length(form: PostForm) -> None:
    if len(form.text) > MAX_SOURCE_CHARACTERS:
        raise Invalid({"status": f"This is longer than {MAX_SOURCE_CHARACTERS} characters. Please shorten it."})
    if len(form.title) > MAX_TITLE_CHARACTERS:
        raise Invalid({"title": f"The title is longer than {MAX_TITLE_CHARACTERS} characters."})
    if len(form.note) > MAX_NOTE_CHARACTERS:
        raise Invalid({"spoiler_text": f"The content note is longer than {MAX_NOTE_CHARACTERS} characters."})
