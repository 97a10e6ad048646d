"""How groups come to be, and how their rules change."""

from dataclasses import dataclass, replace
from datetime import timedelta

from sqlalchemy import insert, select, update

from activitypub import actors
from activitypub.errors import NeedsObject
from activitypub.ports import Arrival
from activitypub.uris import Uris
from groups.content import MAX_NAME_CHARACTERS, one_line, plain_to_html
from groups.endings import group_of
from groups.errors import Conflict, Invalid
from groups.people import ACTORS, MAX_SUMMARY_CHARACTERS, hold_actor
from groups.places import GROUPS, MEMBERSHIPS, group_views, standing_of
from groups.policy import Act, may
from groups.profiles import tell_of_change
from groups.showing import POSTS
from groups.views import GroupView
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork

AUDIENCES = ("none", "peers-only", "followers", "public")
JOIN_RULES = ("open", "approval", "invite")
DEFAULT_KEEP = timedelta(days=90)
REMOTE_KEEP = timedelta(days=30)
"""How long copies of what was posted in groups of other nodes stay here."""
PRESETS: dict[str, tuple[str, timedelta]] = {
    "general": ("peers-only", timedelta(days=90)),
    "survivor": ("none", timedelta(days=30)),
    "suicide": ("none", timedelta(days=60)),
    "eating-disorder": ("none", timedelta(days=60)),
    "fellowship": ("peers-only", timedelta(days=30)),
    "illness": ("followers", timedelta(days=365)),
    "youth": ("none", timedelta(days=60)),
    "announcements": ("public", timedelta(days=730)),
}
"""Audience and life of posts by preset (privacy reference §3.2)."""
HIGH_RISK = frozenset({"survivor", "suicide", "eating-disorder", "youth"})
FOR_HIGH_RISK = ("none", "peers-only")
"""What leaves such a group goes to servers that the admin allowed by name, whatever the node does else."""
WRITTEN_FOR_FEWER = (
    "This group has posts that were written for fewer readers. Its audience can be widened once they have ended; "
    "until then make another group."
)


@dataclass(frozen=True, slots=True)
class NewGroup:
    """A group to be made; its subject secret was made before (`Vault.make_subject`)."""

    id: int
    handle: str
    token: str
    title: str
    about: str = ""
    audience: str = "none"
    join_rule: str = "approval"
    keep: timedelta = DEFAULT_KEEP
    preset: str | None = None
    owner_id: int | None = None


@dataclass(frozen=True, slots=True)
class GroupChanges:
    """What is to change; None leaves a thing as it is."""

    title: str | None = None
    about: str | None = None
    audience: str | None = None
    join_rule: str | None = None
    keep: timedelta | None = None
    state: str | None = None


def found_group(uow: UnitOfWork, uris: Uris, new: NewGroup, keys: actors.KeyPair) -> GroupView:
    """Make a group with its actor; its owner becomes a member of it. Raises Invalid, privacy.errors.NameTaken."""
    checked = _checked(new)
    actor = actors.NewLocalActor(
        id=new.id,
        kind="Group",
        handle=new.handle,
        token=new.token,
        name=checked.title,
        summary_html=plain_to_html(checked.about),
        source=checked.about,
        locked=is_locked(new.audience, new.join_rule),
    )
    actors.create_local_actor(uow, uris, actor, keys)
    uow.connection.execute(
        insert(GROUPS).values(
            id=new.id,
            local=True,
            audience=new.audience,
            join_rule=new.join_rule,
            keep_seconds=int(new.keep.total_seconds()),
            preset=new.preset,
            state="open",
            exclusive=new.preset in HIGH_RISK,
            created_on=uow.now,
        )
    )
    if new.owner_id is not None:
        make_owner(uow, new.id, new.owner_id)
    return group_views(uow, [new.id])[new.id]


def make_owner(uow: UnitOfWork, group_id: int, actor_id: int) -> None:
    """Give a new group its first owner. Raises NotAllowed."""
    hold_actor(uow, actor_id)
    uow.connection.execute(
        insert(MEMBERSHIPS).values(
            id=new_id(), group_id=group_id, actor_id=actor_id, role="owner", state="active", exclusive=False,
            created_on=uow.now,
        )
    )  # fmt: skip


def change_group(uow: UnitOfWork, uris: Uris, by: int | None, group_id: int, changes: GroupChanges) -> GroupView:
    """Change the rules of a group, as its owner or as the operator (None). Raises NotFound, NotAllowed, Invalid.

    A longer life holds for what is posted from now on only: rows keep the end that they were promised. A shorter one is
    not applied to what was posted before either; members were told the earlier date.
    """
    if by is not None:
        may(Act.CHANGE, standing_of(uow, group_id, by)).or_raise()
    view = group_views(uow, [group_id])[group_id]
    _check_change(uow, view, changes)
    changed = NewGroup(
        id=group_id,
        handle=view.card.handle,
        token="",
        title=view.card.name if changes.title is None else changes.title,
        about=view.card.source if changes.about is None else changes.about,
        audience=changes.audience or view.audience,
        join_rule=changes.join_rule or view.join_rule,
        keep=changes.keep or view.keep,
        preset=view.preset,
    )
    checked = _checked(changed)
    profile = actors.Profile(name=checked.title, summary=plain_to_html(checked.about), source=checked.about, icon=None)
    actors.update_profile(uow, group_id, profile)
    rules = {
        "audience": checked.audience,
        "join_rule": checked.join_rule,
        "keep_seconds": int(checked.keep.total_seconds()),
        "state": changes.state or view.state,
    }
    uow.connection.execute(update(GROUPS).where(GROUPS.c.id == group_id).values(**rules))
    locked = is_locked(checked.audience, checked.join_rule)
    uow.connection.execute(update(ACTORS).where(ACTORS.c.id == group_id).values(locked=locked))
    changed_view = group_views(uow, [group_id])[group_id]
    if replace(changed_view, keep=view.keep) != view:  # how long posts stay is not in what it says of itself
        tell_of_change(uow, uris, group_of(uow, group_id))
    return changed_view


def adopt_remote_group(uow: UnitOfWork, actor_id: int) -> GroupView:
    """Give a group of another node its row here, so that it can be joined and posted into; safe to repeat."""
    actor = uow.connection.execute(select(ACTORS).where(ACTORS.c.id == actor_id)).one()
    # What another server says of its group's audience is the most we may assume: locked alone means private there.
    audience = "public" if actor.open_to_all or not actor.locked else "followers"
    rules = {"audience": audience, "join_rule": "approval" if actor.locked else "open"}
    known = uow.connection.execute(select(GROUPS.c.audience).where(GROUPS.c.id == actor_id)).scalar()
    if known is None:
        uow.connection.execute(
            insert(GROUPS).values(
                id=actor_id, local=False, keep_seconds=int(REMOTE_KEEP.total_seconds()), state="open",
                exclusive=False, created_on=uow.now, **rules,
            )
        )  # fmt: skip
    else:
        # A group that opens up does so for what comes from now on: what is stored here was written for fewer.
        rules["audience"] = known if audience == "public" else audience
        uow.connection.execute(update(GROUPS).where(GROUPS.c.id == actor_id, GROUPS.c.local.is_(False)).values(**rules))
    return group_views(uow, [actor_id])[actor_id]


def renew_group(uow: UnitOfWork, arrival: Arrival, uri: str) -> None:
    """Look at a group elsewhere anew, since somebody of its server says that it has changed: its own word counts.

    Raises NeedsObject.
    """
    actor = actors.actor_by_uri(uow, uri)
    known = actor is not None and uow.connection.execute(select(GROUPS.c.local).where(GROUPS.c.id == actor.id)).first()
    if actor is None or not known or known.local or uri in arrival.unavailable:
        return
    if uri not in arrival.fetched:
        raise NeedsObject(uri)  # which stores it
    adopt_remote_group(uow, actor.id)


def is_locked(audience: str, join_rule: str) -> bool:
    """Return what `manuallyApprovesFollowers` says: Lemmy takes true for "private" (product decision 17)."""
    return audience != "public" or join_rule != "open"


def _check_change(uow: UnitOfWork, view: GroupView, changes: GroupChanges) -> None:
    """Refuse what would break a promise: more readers for what was written for fewer, or a closed group opened."""
    if view.state == "sealed" and changes.state not in {None, "sealed"}:
        raise Conflict(f"group {view.id} is sealed", public="This group is closed for good.")
    wanted = changes.audience or view.audience
    if wanted not in AUDIENCES or AUDIENCES.index(wanted) <= AUDIENCES.index(view.audience):
        return
    alive = (POSTS.c.group_id == view.id, POSTS.c.state == "live", POSTS.c.expires_at > uow.now)
    if uow.connection.execute(select(POSTS.c.id).where(*alive).limit(1)).first() is not None:
        raise Invalid({"audience": WRITTEN_FOR_FEWER})


def _checked(new: NewGroup) -> NewGroup:
    faults: dict[str, str] = {}
    title = one_line(new.title, MAX_NAME_CHARACTERS)
    if not title:
        faults["title"] = "Please give the group a title."
    if new.audience not in AUDIENCES:
        faults["audience"] = f"The audience is one of {', '.join(AUDIENCES)}."
    if new.join_rule not in JOIN_RULES:
        faults["join"] = f"Joining is one of {', '.join(JOIN_RULES)}."
    if new.preset is not None and new.preset not in PRESETS:
        faults["preset"] = f"A preset is one of {', '.join(PRESETS)}."
    if new.preset in HIGH_RISK and new.audience not in FOR_HIGH_RISK:
        faults["audience"] = "A group of this preset stays on this node, or goes to trusted nodes only (peers-only)."
    if len(new.about) > MAX_SUMMARY_CHARACTERS:
        faults["about"] = f"The description is longer than {MAX_SUMMARY_CHARACTERS} characters."
    if new.keep <= timedelta(0):
        faults["keep"] = "Posts must be kept for some time."
    if faults:
        raise Invalid(faults)
    return replace(new, title=title, about=new.about.strip())
