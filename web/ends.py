"""Rows of the faces that end by themselves."""

from privacy.ends import EndRule
from privacy.unit_of_work import table_of
from web.applications import UNUSED_FOR
from web.grants import CODE_MEMORY
from web.idempotency import REMEMBERED_FOR
from web.models import AuthorizationCode, IdempotencyKey, OAuthApplication, Session

APPLICATIONS = table_of(OAuthApplication)

ENDS = (
    EndRule(table_of(Session).c.expires_at),
    EndRule(table_of(AuthorizationCode).c.expires_at, CODE_MEMORY),
    EndRule(table_of(IdempotencyKey).c.created_at, REMEMBERED_FOR),
    EndRule(APPLICATIONS.c.created_at, UNUSED_FOR, (APPLICATIONS.c.used_at.is_(None),)),
)
"""Visits, codes, remembered requests, and apps that nobody ever used."""
