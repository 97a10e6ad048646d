"""People, groups and places in them: what a test stands on, not what it tests.

Everything is a deed: `database.write_now(make_persona, uris, "robin")`, or inside another deed `make_persona(uow, …)`.
"""

import functools
import json
import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from activitypub import actors
from activitypub.models import Actor
from activitypub.peers import note_seen
from activitypub.uris import Uris
from groups import founding, people
from groups.models import Group, Membership
from privacy import accounts
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Place

KEPT = timedelta(days=90)


@functools.cache
def shared_keys() -> actors.KeyPair:
    """One pair of keys for every actor of a test run: making them is slow and not what is tested."""
    return actors.make_key_pair()


def make_persona(
    uow: UnitOfWork, uris: Uris, handle: str, *, account_id: int | None = None, name: str | None = None
) -> int:
    """Make a member's persona, with an account of the same name unless one is given, and return its id."""
    persona_id = new_id()
    uow.vault.make_subject(persona_id)
    new = people.NewPersona(persona_id, handle, secrets.token_hex(8), name or handle.title())
    people.found_persona(uow, uris, new, shared_keys())
    if account_id is None:
        account_id = accounts.register(uow, accounts.NewAccount(handle))
    accounts.link_persona(uow, account_id, persona_id)
    return persona_id


def make_group(
    uow: UnitOfWork,
    uris: Uris,
    handle: str,
    *,
    owner_id: int | None = None,
    audience: str = "none",
    join_rule: str = "approval",
    keep: timedelta = KEPT,
    preset: str | None = None,
    title: str | None = None,
) -> int:
    """Make a group of this node, with its owner a member of it, and return its id."""
    group_id = new_id()
    uow.vault.make_subject(group_id)
    new = founding.NewGroup(
        group_id,
        handle,
        secrets.token_hex(8),
        title or handle.title(),
        audience=audience,
        join_rule=join_rule,
        keep=keep,
        preset=preset,
        owner_id=owner_id,
    )
    founding.found_group(uow, uris, new, shared_keys())
    return group_id


def make_remote_actor(
    uow: UnitOfWork, handle: str = "sam", host: str = "far.example", *, kind: str = "Person", **columns: Any
) -> int:
    """Make somebody, or a group, of another server, and return the id."""
    uri, actor_id = f"https://{host}/users/{handle}", new_id()
    uow.vault.make_subject(actor_id)
    profile = json.dumps({"name": handle.title(), "summary": "", "source": "", "icon": None}).encode()
    place = Place("actors", actor_id, 0, 0)
    sealed = uow.vault.seal(place, profile, kind="profile", subject_id=actor_id, now=uow.now)
    row = {
        "id": actor_id, "uri": uri, "kind": kind, "local": False, "handle": handle, "host": host,
        "inbox": f"{uri}/inbox", "shared_inbox": f"https://{host}/inbox", "followers": f"{uri}/followers",
        "outbox": f"{uri}/outbox", "url": uri, "locked": False, "state": "active",
        "created_on": accounts.month_of(uow.now), "bucket": sealed.bucket, "slot": sealed.slot, "revision": 0,
        "body": sealed.body,
    }  # fmt: skip
    uow.connection.execute(insert(table_of(Actor)), row | columns)
    note_seen(uow, host)
    if kind == "Group":
        row = {
            "id": actor_id, "local": False, "audience": "public", "join_rule": "open", "preset": None, "state": "open",
            "keep_seconds": int(KEPT.total_seconds()), "exclusive": False, "created_on": uow.now,
        }  # fmt: skip
        uow.connection.execute(insert(table_of(Group)), row)
    return actor_id


def make_member(
    uow: UnitOfWork, group_id: int, actor_id: int, *, role: str = "member", state: str = "active", **columns: Any
) -> int:
    """Give an actor a place in a group, and return the membership's id."""
    row = {
        "id": new_id(), "group_id": group_id, "actor_id": actor_id, "role": role, "state": state, "follow_uri": None,
        "exclusive": False, "created_on": uow.now, "ends_at": None,
    }  # fmt: skip
    uow.connection.execute(insert(table_of(Membership)), row | columns)
    return int(row["id"])  # type: ignore[call-overload]  # the row's values are of several types
