"""People, groups and places in them, made straight in the tables: what a test stands on, not what it tests.

Everything is a deed: `database.write_now(make_persona, uris, "robin")`, or inside another deed `make_persona(uow, …)`.
"""

import json
import secrets
from datetime import timedelta
from typing import Any

from sqlalchemy import insert

from activitypub.models import Actor
from groups.models import Group, Membership
from privacy import accounts, personas
from privacy.records import new_id
from privacy.unit_of_work import UnitOfWork, table_of
from privacy.vault import Place

KEPT = timedelta(days=90)


def make_actor(
    uow: UnitOfWork, uri: str, handle: str, host: str, *, kind: str = "Person", local: bool = False, **columns: Any
) -> int:
    """Make an actor with a sealed profile and no keys, and return its id."""
    actor_id = new_id()
    uow.vault.make_subject(actor_id)
    profile = json.dumps({"name": handle.title(), "summary": "", "source": "", "icon": None}).encode()
    place = Place("actors", actor_id, 0, 0)
    sealed = uow.vault.seal(place, profile, kind="profile", subject_id=actor_id, now=uow.now)
    row = {
        "id": actor_id, "uri": uri, "kind": kind, "local": local, "local_handle": handle if local else None,
        "handle": handle, "host": host, "inbox": f"{uri}/inbox", "shared_inbox": shared_inbox_of(uri),
        "followers": f"{uri}/followers", "outbox": f"{uri}/outbox", "url": uri, "locked": False, "state": "active",
        "created_on": accounts.month_of(uow.now), "bucket": sealed.bucket, "slot": sealed.slot, "revision": 0,
        "body": sealed.body,
    }  # fmt: skip
    uow.connection.execute(insert(table_of(Actor)), row | columns)
    return actor_id


def make_persona(uow: UnitOfWork, uris: Any, handle: str, *, account_id: int | None = None) -> int:
    """Make a member's persona, with an account of the same name unless one is given, and return its id."""
    uri = str(uris.actor("Person", secrets.token_hex(8)))
    persona_id = make_actor(uow, uri, handle, uris.domain, local=True)
    personas.create_persona(uow, persona_id)
    if account_id is None:
        account_id = accounts.register(uow, accounts.NewAccount(handle))
    accounts.link_persona(uow, account_id, persona_id)
    return persona_id


def make_group(
    uow: UnitOfWork,
    uris: Any,
    handle: str,
    *,
    owner_id: int | None = None,
    audience: str = "none",
    join_rule: str = "approval",
    keep: timedelta = KEPT,
    **columns: Any,
) -> int:
    """Make a group of this node, with its owner a member of it, and return its id."""
    uri = str(uris.actor("Group", secrets.token_hex(8)))
    locked = join_rule != "open"
    group_id = make_actor(uow, uri, handle, uris.domain, kind="Group", local=True, locked=locked)
    row = {
        "id": group_id, "local": True, "audience": audience, "join_rule": join_rule, "preset": None, "state": "open",
        "keep_seconds": int(keep.total_seconds()), "exclusive": False, "created_at": uow.now,
    }  # fmt: skip
    uow.connection.execute(insert(table_of(Group)), row | columns)
    if owner_id is not None:
        make_member(uow, group_id, owner_id, role="owner")
    return group_id


def make_remote_actor(
    uow: UnitOfWork, handle: str = "sam", host: str = "far.example", *, kind: str = "Person", **columns: Any
) -> int:
    """Make somebody, or a group, of another server, and return the id."""
    uri = f"https://{host}/users/{handle}"
    actor_id = make_actor(uow, uri, handle, host, kind=kind, fetched_at=uow.now, **columns)
    if kind == "Group":
        row = {
            "id": actor_id, "local": False, "audience": "public", "join_rule": "open", "preset": None, "state": "open",
            "keep_seconds": int(KEPT.total_seconds()), "exclusive": False, "created_at": uow.now,
        }  # fmt: skip
        uow.connection.execute(insert(table_of(Group)), row)
    return actor_id


def make_member(
    uow: UnitOfWork, group_id: int, actor_id: int, *, role: str = "member", state: str = "active", **columns: Any
) -> int:
    """Give an actor a place in a group, and return the membership's id."""
    row = {
        "id": new_id(), "group_id": group_id, "actor_id": actor_id, "role": role, "state": state, "follow_uri": None,
        "exclusive": False, "created_at": uow.now, "ends_at": None,
    }  # fmt: skip
    uow.connection.execute(insert(table_of(Membership)), row | columns)
    return int(row["id"])  # type: ignore[call-overload]  # the row's values are of several types


def shared_inbox_of(uri: str) -> str:
    """Return the shared inbox of the server of an address."""
    return "/".join(uri.split("/")[:3]) + "/inbox"
