"""How much is taken in: of each actor, of each server, and for each of the people here (S-311)."""

from collections.abc import Sequence

from activitypub.errors import TooMuch
from activitypub.origins import host_of, same_origin
from activitypub.signatures.messages import Claim
from activitypub.uris import Uris
from activitypub.vocabulary.activities import Activity, Announce, Create, Like
from privacy.budgets import Buckets, Rate

OF_ACTOR, OF_GROUP, OF_HOST = Rate(600, 300.0), Rate(6_000, 300.0), Rate(60_000, 60.0)
"""How much is taken in from one person, one group and one server: far more than the busiest send."""
TO_ONE = Rate(120, 300.0)
"""How much one person here is sent by name from one server, however many accounts that has."""


def spend(budgets: Buckets, activity: Activity, people: Sequence[str] = (), passed_on: Claim | None = None) -> None:
    """Count an activity for its actor, for the actor's server, and for each of the people here whom it names.

    Raises TooMuch when one of them has sent, or was sent, enough (S-311). What a group announces is the work of many
    people, so it may send more. What is passed on counts for the server that does so, too.
    """
    # Buckets of their own: one that is taken from at two rates would hold no more than the lower.
    kind_of_one, of_one = ("group", OF_GROUP) if isinstance(activity, Announce) else ("actor", OF_ACTOR)
    host = host_of(activity.actor)
    counted = [(kind_of_one, activity.actor, of_one), ("host", host, OF_HOST)]
    if passed_on is not None and not same_origin(passed_on.key_id, activity.actor):
        counted.append(("host", host_of(passed_on.key_id), OF_HOST))
    for kind, key, rate in (*counted, *(("to one", f"{host} {uri}", TO_ONE) for uri in people)):
        left = budgets.take(kind, key.encode(), rate)
        if not left.is_allowed:
            raise TooMuch(max(1.0, left.wait))


def people_named(uris: Uris, activity: Activity) -> list[str]:
    """Return the people of this node to whom an activity that makes news is addressed by name."""
    if not isinstance(activity, Create | Like):
        return []
    locals_named = ((uri, uris.parse_local(uri)) for uri in dict.fromkeys((*activity.to, *activity.cc)))
    return [uri for uri, local in locals_named if local is not None and local.kind == "person" and not local.part]
