"""Every "may they?" is asked here, of one function (pure).

Who may see what is the other question, answered in `groups.visibility`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from activitypub.rules import CLOSED, LIMIT
from groups.errors import GroupsError, NotAllowed, NotFound

FACILITATORS = frozenset({"facilitator", "moderator", "owner"})
PARTICIPANTS = FACILITATORS | {"member"}


class Act(StrEnum):
    """What somebody wants to do in one group."""

    JOIN = "join"
    LEAVE = "leave"
    POST = "post"
    REPLY = "reply"
    REACT = "react"
    REACT_FROM_AFAR = "react_from_afar"
    EDIT = "edit"
    DELETE = "delete"
    SEE_MEMBERS = "see_members"
    SEE_REQUESTS = "see_requests"
    ADMIT = "admit"
    REMOVE = "remove"
    INVITE = "invite"
    CHANGE = "change"
    LOCK = "lock"
    PIN = "pin"
    SEE_REPORTS = "see_reports"
    APPOINT = "appoint"
    DISMISS = "dismiss"
    BE_NAMED = "be_named"
    SPREAD = "spread"
    """To have one's words passed on by a group of this node to other servers."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How an actor stands to one group: all that a decision looks at."""

    group_id: int
    audience: str
    join_rule: str
    group_state: str
    local: bool
    role: str | None = None
    state: str | None = None
    invited: bool = False
    """Whether the actor shows a valid invitation to this very group."""
    server: str | None = None
    """What the admin's rules say of the actor's server; None for somebody of this node, and where no rule is."""

    @property
    def is_active(self) -> bool:
        """Whether the actor has a place in the group now."""
        return self.state == "active"

    @property
    def takes_part(self) -> bool:
        """Whether the actor is a member, not only a follower."""
        return self.is_active and self.role in PARTICIPANTS

    @property
    def looks_after(self) -> bool:
        """Whether the actor is one of those who look after the group."""
        return self.is_active and self.role in FACILITATORS

    @property
    def is_let_in_at_once(self) -> bool:
        """Whether an actor that may join belongs to the group without being let in by somebody.

        Whoever was shown out asks, however open the group is; so do all of a server that is limited.
        """
        return self.join_rule == "open" and self.state != "removed" and self.server != LIMIT

    @property
    def is_known(self) -> bool:
        """Whether the actor may know that the group exists."""
        return self.is_active or self.invited or self.audience != "none" or self.join_rule != "invite"


@dataclass(frozen=True, slots=True)
class Target:
    """What an act is aimed at: another member's standing, or a post and its conversation."""

    is_own: bool = False
    role: str | None = None
    locked: bool = False
    """Whether the conversation takes no more replies."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Yes, or no with the reason."""

    refusal: GroupsError | None = None

    def __bool__(self) -> bool:
        """Whether it is allowed."""
        return self.refusal is None

    def or_raise(self) -> None:
        """Raise the refusal, if there is one."""
        if self.refusal is not None:
            raise self.refusal


YES = Verdict()
NOTHING_AIMED_AT = Target()


def may(act: Act, standing: Standing, target: Target = NOTHING_AIMED_AT) -> Verdict:
    """Answer whether somebody with this standing may do this, in this very group and to this very target.

    What the actor may not even know of is refused as NotFound, anything else as NotAllowed with the reason.
    """
    if standing.state == "banned":
        return _no("You cannot take part in this group.")
    if not standing.is_known or standing.server in CLOSED:
        return Verdict(NotFound(f"group {standing.group_id}"))
    return _RULES[act](standing, target)


def _no(reason: str) -> Verdict:
    return Verdict(NotAllowed(public=reason))


def _join(standing: Standing, _: Target) -> Verdict:
    if standing.group_state == "sealed":
        return _no("This group is closed and takes no new members.")
    if standing.server == LIMIT and standing.audience != "public":
        return _no("People of this server can join only groups that anybody can read.")
    if standing.join_rule == "invite" and standing.local and not standing.invited:
        return _no("This group can be joined by invitation only. Ask one of its members for a link.")
    return YES


def _leave(standing: Standing, _: Target) -> Verdict:
    if standing.is_active and standing.role == "owner":
        return _no("You own this group. Make somebody else its owner before you leave.")
    return YES


def _post(standing: Standing, _: Target) -> Verdict:
    if not standing.takes_part:
        return _no("Only members can post here.")
    if standing.group_state == "paused" and not standing.looks_after:
        return _no("This group is paused: it can be read, and posting opens again later.")
    if standing.group_state == "sealed":
        return _no("This group is closed. Nothing new can be posted.")
    return YES


def _reply(standing: Standing, target: Target) -> Verdict:
    if target.locked and not standing.looks_after:
        return _no("This conversation is closed: it can be read, and takes no more replies.")
    return _post(standing, target)


def _react(standing: Standing, _: Target) -> Verdict:
    return YES if standing.takes_part else _no("Only members can show support here.")


def _react_from_afar(standing: Standing, _: Target) -> Verdict:
    # Other software lets whoever reads a public post support it, member or not.
    return YES if standing.takes_part or standing.audience == "public" else _no("Only members can show support here.")


def _spread(standing: Standing, _: Target) -> Verdict:
    return YES if standing.server != LIMIT else _no("What is written on this server is not passed on.")


def _edit(standing: Standing, target: Target) -> Verdict:
    if not target.is_own:
        return _no("Only the one who wrote this can change it.")
    return _post(standing, target)


def _delete(standing: Standing, target: Target) -> Verdict:
    # Deleting one's own words is always possible, also after leaving and in a closed group.
    return YES if target.is_own or (standing.looks_after and standing.local) else _no("You cannot delete this.")


def _see_members(standing: Standing, _: Target) -> Verdict:
    return YES if standing.takes_part else Verdict(NotFound(f"members of group {standing.group_id}"))


def _look_after(standing: Standing, _: Target) -> Verdict:
    if standing.looks_after and standing.local:
        return YES
    return _no("Only those who look after this group can do this.")


def _remove(standing: Standing, target: Target) -> Verdict:
    if target.role == "owner":
        return _no("The owner of a group cannot be removed from it.")
    if target.role in FACILITATORS and standing.role != "owner":
        return _no("Only the owner can remove those who look after the group.")
    return _look_after(standing, target)


def _dismiss(standing: Standing, target: Target) -> Verdict:
    if target.role == "owner":
        return _no("The owner of a group looks after it. Make somebody else its owner first.")
    return _look_after(standing, target) if target.is_own else _change(standing, target)


def _change(standing: Standing, _: Target) -> Verdict:
    return (
        YES
        if standing.is_active and standing.role == "owner" and standing.local
        else _no("Only the owner can do this.")
    )


_RULES: Mapping[Act, Callable[[Standing, Target], Verdict]] = {
    Act.JOIN: _join,
    Act.LEAVE: _leave,
    Act.POST: _post,
    Act.REPLY: _reply,
    Act.REACT: _react,
    Act.REACT_FROM_AFAR: _react_from_afar,
    Act.EDIT: _edit,
    Act.DELETE: _delete,
    Act.SEE_MEMBERS: _see_members,
    Act.SEE_REQUESTS: _look_after,
    Act.ADMIT: _look_after,
    Act.REMOVE: _remove,
    Act.INVITE: _look_after,
    Act.CHANGE: _change,
    Act.LOCK: _look_after,
    Act.PIN: _look_after,
    Act.SEE_REPORTS: _look_after,
    Act.APPOINT: _change,
    Act.DISMISS: _dismiss,
    Act.BE_NAMED: _look_after,
    Act.SPREAD: _spread,
}
