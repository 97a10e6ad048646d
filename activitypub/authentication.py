"""Who signed a request: the key that it names, found at whoever it claims to be, and nowhere else.

A key counts only when its owner's own document, fetched from the owner's own address, lists it (S-109, S-110); a key
document is believed about nothing but where to look.
"""

from activitypub.actor_documents import ActorFacts
from activitypub.actors import actor_by_uri
from activitypub.context import FederationContext
from activitypub.discovery import fetch_facts, refresh_keys, store_actor
from activitypub.errors import BadSignature, FederationError, Gone, Unreachable
from activitypub.keystore import KnownKey
from activitypub.origins import canonical_uri, host_of, same_origin
from activitypub.ports import NOBODY, Requester
from activitypub.signatures.inbound import is_signed, read_claim
from activitypub.signatures.keys import PublicKey, decode_multikey, parse_public_key
from activitypub.signatures.messages import Claim, SignedRequest


async def identify(context: FederationContext, claim: Claim, owner: str | None = None) -> KnownKey:
    """Return the key behind a claim once it has confirmed it; the key must belong to `owner`, if one is given.

    Looks in memory, then in the database, then at the owner's server: at most once in five minutes for each owner.
    Raises BadSignature, Blocked, and what a fetch raises.
    """
    key_id = canonical_uri(claim.key_id)
    known = await context.keys.find(key_id)
    if known is not None:
        check_owner(known, owner)
        if await context.in_pool(is_confirmed, claim, known.public):
            return known
    address = owner or (key_id.partition("#")[0] if known is None else known.actor_uri)
    facts = await fetch_facts(context, address)
    if owner not in (None, facts.uri) or not same_origin(facts.uri, key_id):
        raise BadSignature("key.owner", public="The key is not one of the activity's actor.")
    await context.in_pool(claim.confirmed_by, listed_key(facts, key_id))
    return await _introduced(context, facts, key_id)


async def requester(context: FederationContext, request: SignedRequest) -> Requester:
    """Return who asks for a document: nobody in particular when the request is unsigned.

    Raises MalformedActivity, BadSignature, Blocked and Unreachable.
    """
    if not is_signed(request):
        return NOBODY
    now = context.clock()
    await context.peers.keep_current(context.database, now)
    claim = await context.in_pool(read_claim, request, now)
    context.peers.check(host_of(claim.key_id))
    try:
        known = await identify(context, claim)
    except Unreachable:
        raise
    except FederationError as error:
        raise BadSignature(str(error)) from error
    return Requester(known.actor_id, known.host)


def check_owner(known: KnownKey, owner: str | None) -> None:
    """Refuse a key of somebody else than the activity's actor (S-108); raises BadSignature."""
    if owner not in (None, known.actor_uri):
        raise BadSignature("key.owner", public="The key is not one of the activity's actor.")


def is_confirmed(claim: Claim, key: PublicKey) -> bool:
    """Tell whether a key made the signature."""
    try:
        claim.confirmed_by(key)
    except BadSignature:
        return False
    return True


def listed_key(facts: ActorFacts, key_id: str) -> PublicKey:
    """Return the key of this id that the actor's own document lists; raises BadSignature."""
    if facts.key_id == key_id and facts.rsa_public_pem is not None:
        return parse_public_key(facts.rsa_public_pem)
    if facts.ed25519_key_id == key_id and facts.ed25519_public_multibase is not None:
        return decode_multikey(facts.ed25519_public_multibase)
    raise BadSignature("key.unlisted", public="The actor does not list the key that the request is signed with.")


async def _introduced(context: FederationContext, facts: ActorFacts, key_id: str) -> KnownKey:
    """Store whoever has just proved to hold the key: in full when new, else the keys alone."""
    actor = await context.database.read(actor_by_uri, facts.uri)
    if actor is None:
        await store_actor(context, facts)
    elif actor.state == "gone":
        raise Gone(f"actor {actor.id}")
    else:
        await refresh_keys(context, actor, facts)
    known = await context.keys.find(key_id)
    if known is None:
        raise BadSignature("key.shared", public="The key is listed by more than one actor.")
    return known
