"""What an activity carries of others: believed without a fetch where it bears the proof of its own author (FEP-8b32).

Whoever announces does not vouch for the words of others (federation reference §3.9, rule 6). A proof does, and it is
then as good as the document fetched from its author's own server; without one, or with one that does not hold, that
document is fetched.
"""

from collections.abc import Mapping
from typing import Any

import structlog

from activitypub.authentication import identify
from activitypub.context import FederationContext
from activitypub.errors import FetchError, ForeignOrigin, RemoteError
from activitypub.origins import check_origin, host_of
from activitypub.signatures.proofs import read_proof
from activitypub.vocabulary.activities import Activity, Announce
from activitypub.vocabulary.base import Document, Object
from activitypub.vocabulary.reading import parse

log = structlog.get_logger()


async def take_proven(context: FederationContext, activity: Activity) -> Mapping[str, Any]:
    """Return, by URI, what an Announce carries if its author's proof holds, as `InboxRoutes.prepare_fetched` made it.

    Costs nothing where there is no proof.
    """
    carried = activity.object.embedded if isinstance(activity, Announce) else None
    if carried is None or "proof" not in carried.raw:
        return {}
    try:
        return await _proven(context, carried)
    except (FetchError, RemoteError) as error:
        log.info("inbox.unproven", error=type(error).__name__, why=str(error))
        return {}


async def _proven(context: FederationContext, carried: Object) -> Mapping[str, Any]:
    claim = await context.in_pool(read_proof, carried.raw, context.clock())
    if claim is None or carried.owner is None:
        return {}
    context.peers.check(host_of(carried.owner))
    await identify(context, claim, carried.owner)
    found, value = await context.in_pool(_read, context, carried.raw, carried.owner)
    if value is None or found.id is None:
        return {}
    names = {found.id, found.object_id if isinstance(found, Activity) else found.id}
    return {name: value for name in names if name is not None}


def _read(context: FederationContext, raw: Document, owner: str) -> tuple[Object, Any]:
    """Read it by itself, under the context that its author signed and not under that of whoever passes it on."""
    document = {"@context": raw["proof"]["@context"], **raw} if _lends_context(raw) else raw
    found = parse(document)
    check_origin(found)
    if found.owner != owner:
        raise ForeignOrigin(f"{found.id} of {found.owner}, proved by {owner}")
    return found, context.routes.prepare_fetched(found, document)


def _lends_context(raw: Document) -> bool:
    return "@context" not in raw and type(raw["proof"]) is dict and "@context" in raw["proof"]
