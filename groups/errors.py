"""What the domain refuses.

GroupsError
├─ NotFound     it is not there, or may not be seen: never told apart
├─ NotAllowed   it may be seen, but this may not be done
├─ Conflict     it was done already, or something else came first
└─ Invalid      what was sent cannot be used: field → sentence
"""

from collections.abc import Mapping

from privacy.errors import PublicError


class GroupsError(PublicError):
    """Base of what the domain refuses."""


class NotFound(GroupsError):
    """It is not there, or this viewer may not see it."""

    default_public = "This is not here, or it is not yours to see."


class NotAllowed(GroupsError):
    """The viewer may see it, but may not do this."""

    default_public = "You cannot do this here."


class Conflict(GroupsError):
    """It was done already, or something else came first."""

    default_public = "This was done already."


class SecondName(Conflict):
    """A person is in a group under another name, which nobody but that person may be told."""

    default_public = "You are in this group under another name already. One person has one name in a group."


class Invalid(GroupsError):
    """What was sent cannot be used; `fields` says for each field what is wrong with it."""

    default_public = "Something in the form needs another look."

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__(", ".join(fields), public=" ".join(fields.values()))
        self.fields = dict(fields)
