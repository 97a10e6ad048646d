"""Rows of the domain that end by themselves."""

from groups.models import Invitation, Membership, Notification
from privacy.ends import EndRule
from privacy.unit_of_work import table_of

ENDS = (
    EndRule(table_of(Membership).c.ends_at),
    EndRule(table_of(Notification).c.expires_at),
    EndRule(table_of(Invitation).c.expires_at),
)
"""Places that were left, old news, and links into groups."""
