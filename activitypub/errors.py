"""What can go wrong between servers.

PublicError                          privacy/errors.py
└─ FederationError
   ├─ RemoteError                    the peer's fault
   │  ├─ MalformedActivity   400     what came cannot be read, or not in one way only
   │  ├─ BadSignature        401     no valid signature by a key that we can find
   │  │  └─ Forged           401     the key that is named did not make the signature
   │  ├─ ForeignOrigin       403     someone speaks for another server's people or things
   │  ├─ Blocked             403     we do not talk with this server
   │  └─ TooMuch             429     an actor or a server sends more than we take in: later again
   ├─ RuleRefused            409     a rule for servers cannot be made, or not be undone, as an admin asks
   ├─ LocalError                     what we were about to send would be illegal: our fault
   ├─ FetchError                     retry decided by type
   │  ├─ Unreachable                 no answer: name, address, TLS, time
   │  ├─ Refused                     an answer with a status that is not 2xx, kept in `.status`
   │  ├─ Gone                        410, or a Tombstone
   │  └─ TooLarge                    more bytes than we take
   └─ NeedsObject                    a handler lacks a document: fetch `.uri` outside, then call it again
"""

from privacy.errors import PublicError


class FederationError(PublicError):
    """Base of all errors of the protocol."""

    default_public = "The exchange between servers failed."


class RemoteError(FederationError):
    """The peer's fault."""


class MalformedActivity(RemoteError):
    """What came cannot be read, or can be read in more than one way."""

    default_public = "The document could not be read."


class BadSignature(RemoteError):
    """No valid signature by a key that we can find."""

    default_public = "The request is not signed by a key that could be verified."


class Forged(BadSignature):
    """The key that a signature names was found, and did not make it."""


class ForeignOrigin(RemoteError):
    """Someone speaks for people or things of another server (FEP-fe34)."""

    default_public = "The sender has no authority over what it speaks about."


class Blocked(RemoteError):
    """This node does not talk with that server."""

    default_public = "This server does not accept requests from yours."


class TooMuch(RemoteError):
    """An actor or a server sends more than we take in for now."""

    default_public = "Too much at once. Please send it again later."

    def __init__(self, wait: float) -> None:
        """`wait` says in how many seconds more is taken."""
        super().__init__("inbox.budget")
        self.wait = wait


class RuleRefused(FederationError):
    """A rule for servers cannot be made, or not be undone, as an admin asks."""

    default_public = "This rule cannot be made."


class LocalError(FederationError):
    """What we were about to send would be illegal: our own fault."""

    default_public = "This cannot be sent to other servers."


class FetchError(FederationError):
    """A document did not come; the class says whether asking again makes sense."""

    default_public = "The other server did not give what was asked for."


class Unreachable(FetchError):
    """No answer: the name, the address, TLS or time failed. Ask again later."""

    default_public = "The other server cannot be reached."


class Refused(FetchError):
    """The other server answered with a status that is neither 2xx nor 410."""

    default_public = "The other server refused."

    def __init__(self, status: int, message: str = "", *, public: str = "", asked: str = "") -> None:
        super().__init__(message or f"status {status}", public=public)
        self.status = status
        self.asked = asked
        """The signature that it asks for, as it says in Accept-Signature."""


class Gone(FetchError):
    """The other server says that the thing was deleted for good."""

    default_public = "This no longer exists."


class TooLarge(FetchError):
    """The answer, or the request, has more bytes than we take."""

    default_public = "The document is too large."


class NeedsObject(FederationError):
    """A handler lacks a document; whoever called it fetches `uri` outside the transaction and calls it again."""

    default_public = "A document that this refers to is not known here yet."

    def __init__(self, uri: str, *, signer_id: int | None = None) -> None:
        super().__init__(uri)
        self.uri = uri
        self.signer_id = signer_id
        """The local actor to ask as: what is private is shown to members, not to whole nodes. None: the node itself."""
