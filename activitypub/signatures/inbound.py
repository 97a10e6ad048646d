"""Which dialect a request is signed in, and what it claims: the one door for verification."""

from datetime import datetime

from activitypub.signatures import cavage, rfc9421
from activitypub.signatures.messages import Claim, SignedRequest, fields_of


def read_claim(request: SignedRequest, now: datetime) -> Claim:
    """Make every check that needs no key, in the dialect that the request speaks.

    Call it before a key is fetched, then `claim.confirmed_by(key)`. Raises MalformedActivity and BadSignature.
    """
    fields = fields_of(request)
    # A proxy may add a Signature-Input of its own to a cavage request: the form of Signature decides.
    if "signature-input" in fields and "keyid=" not in fields.get("signature", "").lower().replace(" ", ""):
        return rfc9421.read_claim(request, now)
    return cavage.read_claim(request, now)


def is_signed(request: SignedRequest) -> bool:
    """Tell whether the request carries a signature at all, good or bad."""
    return any(name.lower() == "signature" for name, _ in request.headers)
