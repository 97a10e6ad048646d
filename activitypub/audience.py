"""Who may see a thing that came from outside, from its address lists alone; never wider than its author said."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from activitypub.vocabulary.base import PUBLIC, Uri


class Visibility(StrEnum):
    """From wide to narrow; the meanings are those of Mastodon, and GROUP is ours."""

    PUBLIC = "public"
    UNLISTED = "unlisted"
    FOLLOWERS = "followers"
    GROUP = "group"
    DIRECT = "direct"


class Addressed(Protocol):
    """Anything with address lists: every activity and every note."""

    @property
    def to(self) -> tuple[Uri, ...]:
        """The first recipients."""

    @property
    def cc(self) -> tuple[Uri, ...]:
        """The others."""

    @property
    def audience(self) -> tuple[Uri, ...]:
        """The communities that it is meant for."""


@dataclass(frozen=True, slots=True)
class Audience:
    """A visibility, and everyone addressed by name (actors and collections, without Public)."""

    visibility: Visibility
    recipients: frozenset[Uri]

    @classmethod
    def derive(
        cls,
        thing: Addressed,
        activity: Addressed | None = None,
        *,
        followers: Uri | None = None,
        groups: Collection[Uri] = (),
    ) -> "Audience":
        """Return the audience of an object, or of the activity that carries it.

        The visibility comes from the object's own lists, and from the activity's only if the object has none: a
        union, as Misskey makes it, could widen. The recipients are the union of both, for routing. `followers` is the
        author's own followers collection; `groups` are the ids of groups in question: what is addressed to none but
        such a group and its followers (and people by name) is private to the group (federation reference §4.2).
        """
        lists = [thing] if activity is None else [thing, activity]
        named = frozenset(uri for source in lists for uri in (*source.to, *source.cc, *source.audience)) - {PUBLIC}
        decisive = thing if activity is None or thing.to or thing.cc else activity
        return cls(_visibility(decisive, followers, groups), named)

    @property
    def is_public(self) -> bool:
        """Tell whether anyone may read it."""
        return self.visibility in (Visibility.PUBLIC, Visibility.UNLISTED)


def _visibility(lists: Addressed, followers: Uri | None, groups: Collection[Uri]) -> Visibility:
    if PUBLIC in lists.to:
        return Visibility.PUBLIC
    if PUBLIC in lists.cc:
        return Visibility.UNLISTED
    if followers is not None and followers in lists.to:
        return Visibility.FOLLOWERS
    addressed = {*lists.to, *lists.cc}
    if any(group in addressed or f"{group}/followers" in addressed for group in groups):
        return Visibility.GROUP
    return Visibility.DIRECT
