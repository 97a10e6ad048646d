"""The root of every error that one of us raises on purpose.

PublicError
├─ DatabaseUnavailable  nothing can be stored or read at this moment: 503, try again
│  └─ DatabaseDamaged   what is stored cannot be read: a copy must be put back
└─ PrivacyError
   ├─ ConsentRequired   the person has not agreed to this
   ├─ KeyShredded       one of the three secrets is gone: the content is unreadable for ever
   ├─ SignInRefused     wrong name, password, link or invitation; never says which
   ├─ NameTaken         a name or handle that cannot be given
   ├─ LastOwner         a node without an owner would have nobody to look after it
   └─ ClockImplausible  the clock jumped: nothing may be destroyed now

KeyringRefused is not public: it is raised before there is a node that could answer anybody.
"""


class PublicError(Exception):
    """Base of all deliberate errors: `str(error)` holds ids only, `public` is what the other side may read."""

    default_public = "This did not work."

    def __init__(self, message: str = "", *, public: str = "") -> None:
        super().__init__(message)
        self.public = public or self.default_public


class DatabaseUnavailable(PublicError):
    """The database cannot be reached, its disk is full or too much is waiting: nothing was done."""

    default_public = "This node cannot do this at the moment. Nothing was changed. Please try again in a minute."


class DatabaseDamaged(DatabaseUnavailable):
    """The file is no database, or parts of it were destroyed."""


class PrivacyError(PublicError):
    """Something the ground refuses."""


class ConsentRequired(PrivacyError):
    """The person has not agreed to this."""

    default_public = "This needs your agreement first."


class KeyShredded(PrivacyError):
    """One of the three secrets is gone, so the content can never be read again (privacy reference §4.3)."""

    default_public = "This has ended and cannot be read any more."


class SignInRefused(PrivacyError):
    """The name, password, link or invitation does not open anything; it is never said which."""

    default_public = "That did not match. Check the spelling, or ask for a new sign-in link."


class NameTaken(PrivacyError):
    """The name or handle cannot be given."""

    default_public = "This name is taken. Please choose another one."


class LastOwner(PrivacyError):
    """Nobody would be left who looks after the node (security reference S-903)."""

    default_public = "This is the only owner of the node who can act. Add another owner first."


class ClockImplausible(PrivacyError):
    """The clock jumped, so nothing is destroyed until it is known to be right (product decision 26)."""

    default_public = "The clock of this node moved in an unlikely way. Nothing was erased."


class KeyringRefused(Exception):
    """The keyring or its root key is missing, damaged, open to others or another's: one sentence for the operator."""
