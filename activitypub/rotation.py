"""New keys for an actor of this node: told under the old one, used from then on (federation reference §3.5).

Whoever has the old key believes what it signs, and takes the new one from it; whoever missed that finds the new one in
the actor's document, for its id is another. The old key signs nothing but this news, and ends when that is no longer
tried.
"""

import re
from typing import Any, Final

from sqlalchemy import delete, insert, select, update

from activitypub.actors import KeyPair
from activitypub.keystore import seal_private_key
from activitypub.models import Actor, ActorKey, FormerKey
from activitypub.outcomes import HORIZON
from activitypub.queueing import Outgoing
from activitypub.signatures.keys import encode_multikey
from activitypub.uris import Uris
from activitypub.vocabulary.base import Document
from privacy.errors import KeyShredded
from privacy.unit_of_work import UnitOfWork, table_of

ACTORS, ACTOR_KEYS, FORMER_KEYS = table_of(Actor), table_of(ActorKey), table_of(FormerKey)
ROTATION: Final = "Rotation"
"""The kind of an activity in the queue that the sender's former key signs."""
_NUMBERED = re.compile(r"(.+-key)(?:-([0-9]{1,6}))?")


def rotate_keys(uow: UnitOfWork, actor_id: int, keys: KeyPair) -> None:
    """Give an actor of this node new keys, and keep the old one for the news of it. Raises KeyShredded for one without.

    The ids of the keys are new too, so that nobody takes the one for the other.
    """
    columns = (ACTORS.c.key_id, ACTORS.c.ed25519_key_id, ACTOR_KEYS.c.rsa_sealed)
    query = select(*columns).join(ACTOR_KEYS, ACTOR_KEYS.c.actor_id == ACTORS.c.id)
    row = uow.connection.execute(query.where(ACTORS.c.id == actor_id, ACTORS.c.state != "gone")).first()
    if row is None:
        raise KeyShredded(f"keys of actor {actor_id}")
    uow.connection.execute(delete(FORMER_KEYS).where(FORMER_KEYS.c.actor_id == actor_id))
    former = {"actor_id": actor_id, "key_id": row.key_id, "rsa_sealed": row.rsa_sealed, "ends_at": uow.now + HORIZON}
    uow.connection.execute(insert(FORMER_KEYS).values(former))
    shown = {
        "key_id": next_key_id(row.key_id),
        "rsa_public_pem": keys.rsa.public_key().to_pem(),
        "ed25519_key_id": next_key_id(row.ed25519_key_id),
        "ed25519_public_multibase": encode_multikey(keys.ed25519.public_key()),
    }
    uow.connection.execute(update(ACTORS).where(ACTORS.c.id == actor_id).values(shown))
    sealed = {
        "rsa_sealed": seal_private_key(uow.vault, actor_id, "rsa", keys.rsa),
        "ed25519_sealed": seal_private_key(uow.vault, actor_id, "ed25519", keys.ed25519),
    }
    uow.connection.execute(update(ACTOR_KEYS).where(ACTOR_KEYS.c.actor_id == actor_id).values(sealed))


def news_of(uris: Uris, actor_id: int, document: Document, token: str, *, to: str = "") -> Outgoing:
    """Return the Update that carries an actor's document with its new keys; `to` its followers unless said."""
    actor: str = document["id"]
    update_of: dict[str, Any] = {
        "@context": document["@context"],
        "id": uris.activity(token),
        "type": "Update",
        "actor": actor,
        "to": [to or uris.followers(actor)],
        "cc": [],
        "object": {name: value for name, value in document.items() if name != "@context"},
    }
    return Outgoing(
        actor_id=actor_id,
        kind=ROTATION,
        document=update_of,
        object_id=None,
        group_id=0,
        secrets=None,
        ordering_key=actor_id,
        expires_at=None,
    )


def next_key_id(key_id: str) -> str:
    """Return the id of the key that comes after one: `#main-key`, `#main-key-2`, `#main-key-3` (pure)."""
    address, _, fragment = key_id.partition("#")
    found = _NUMBERED.fullmatch(fragment)
    name, number = (fragment, 1) if found is None else (found[1], int(found[2] or 1))
    return f"{address}#{name}-{number + 1}"
