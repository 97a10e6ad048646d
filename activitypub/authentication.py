"""Who signed a request: the key that it names, found at whoever it claims to be, and nowhere else.

A key counts only when its owner's own document, fetched from the owner's own address, lists it (S-109, S-110); a key
document is believed about nothing but where to look.
"""

from activitypub.actor_documents import ActorFacts
from activitypub.context import FederationContext
from activitypub.discovery import fetch_facts, store_signer
from activitypub.errors import BadSignature, FederationError, TooMuch, Unreachable
from activitypub.keystore import KnownKey
from activitypub.origins import canonical_uri, host_of, same_origin
from activitypub.ports import NOBODY, Requester
from activitypub.signatures.inbound import is_signed, read_claim
from activitypub.signatures.keys import PublicKey, decode_multikey, parse_public_key
from activitypub.signatures.messages import Claim, SignedRequest
from privacy.budgets import Rate

OF_CLIENT = Rate(1_200, 60.0)
"""How many keys we fetch because of what comes from one address: before that anybody may claim to be anybody."""
KEYS_OF_HOST, KEYS_OF_ALL = Rate(2_000, 300.0), Rate(10_000, 300.0)
"""How many unknown signers are asked for: of one server, and of all together."""


async def identify(context: FederationContext, claim: Claim, owner: str | None = None, *, client: str = "") -> KnownKey:
    """Return the key behind a claim once it has confirmed it; the key must belong to `owner`, if one is given.

    Looks in memory, then in the database, then at the owner's server: at most once in five minutes for each owner, and
    some thousand times in a minute for each `client`. Raises BadSignature, Blocked, TooMuch, and what a fetch raises.
    """
    known = await _identified(context, claim, owner, client)
    await note_dialect(context, claim, known)
    return known


async def note_dialect(context: FederationContext, claim: Claim, known: KnownKey) -> None:
    """Remember in which dialect a server speaks that has just proved who it is: it may be spoken to in the same."""
    if claim.dialect == "rfc9421":
        dialects, now = context.egress.dialects, context.clock()
        if dialects.note_spoken(known.host, known.public.kind, now):
            await dialects.keep(context.database, now)


async def _identified(context: FederationContext, claim: Claim, owner: str | None, client: str) -> KnownKey:
    key_id = canonical_uri(claim.key_id)
    known = await context.keys.find(key_id)
    if known is not None:
        check_owner(known, owner)
        if await context.in_pool(is_confirmed, claim, known.public):
            return known
    former = context.keys.former(key_id)
    if (
        former is not None
        and owner in (None, former.actor_uri)
        and await context.in_pool(is_confirmed, claim, former.public)
    ):
        return former
    address = owner or (key_id.partition("#")[0] if known is None else known.actor_uri)
    check_fetches(context, address, client)
    facts = await fetch_facts(context, address)
    if owner not in (None, facts.uri) or not same_origin(facts.uri, key_id):
        raise BadSignature("key.owner", public="The key is not one of the activity's actor.")
    using = await context.in_pool(_confirmed, claim, facts, key_id)
    introduced = await store_signer(context, using, key_id)
    if introduced is None:
        raise BadSignature("key.shared", public="The key is listed by more than one actor.")
    return introduced


async def requester(context: FederationContext, request: SignedRequest) -> Requester:
    """Return who asks for a document: nobody in particular when the request is unsigned.

    Raises MalformedActivity, BadSignature, Blocked, TooMuch and Unreachable.
    """
    if not is_signed(request):
        return NOBODY
    now = context.clock()
    await context.peers.keep_current(context.database, now)
    claim = await context.in_pool(read_claim, request, now)
    context.peers.check(host_of(claim.key_id))
    try:
        known = await identify(context, claim, client=request.client)
    except (Unreachable, TooMuch):
        raise
    except FederationError as error:
        raise BadSignature(str(error)) from error
    return Requester(known.actor_id, known.host)


def check_fetches(context: FederationContext, address: str, client: str) -> None:
    """Count a key that has to be fetched: for whoever sent the request, for the server that is asked, and for all.

    Else anybody could have this node ask any server for any number of keys (S-513; federation reference §3.5). Raises
    TooMuch.
    """
    if not client or context.restraint.remembers(address, context.clock()):
        return
    counted = (("keys", client, OF_CLIENT), ("keys of", host_of(address), KEYS_OF_HOST), ("keys", "", KEYS_OF_ALL))
    for kind, key, rate in counted:
        left = context.budgets.take(kind, key.encode(), rate)
        if not left.is_allowed:
            raise TooMuch(max(1.0, left.wait))


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


def _confirmed(claim: Claim, facts: ActorFacts, key_id: str) -> ActorFacts:
    """Return what is known of an actor with the key that made the signature; raises BadSignature (for the pool)."""
    using = facts.using(key_id)
    claim.confirmed_by(listed_key(using, key_id))
    return using
