"""What may be the name and the e-mail address of an account (pure)."""

import re

from privacy.errors import NameTaken

ACCOUNT_NAME = re.compile(r"[a-z0-9_]{3,30}")
EMAIL = re.compile(r"[^\x00-\x20\x7f\s\"(),:;<>@\[\\\]]{1,64}@(?=.{1,190}$)[\w-]{1,63}(?:\.[\w-]{1,63})*")


def normalised(text: str) -> str:
    """Return a name or address as it is compared: without spaces around it, in lower case."""
    return text.strip().casefold()


def checked_name(text: str) -> str:
    """Return the name of an account as it is compared. Raises NameTaken for what is none."""
    name = normalised(text)
    if not ACCOUNT_NAME.fullmatch(name):
        raise NameTaken(public="A name has 3 to 30 letters a to z, digits or underscores.")
    return name


def checked_email(text: str | None) -> str | None:
    """Return an e-mail address as it is compared, or None for an empty one. Raises NameTaken for what is none."""
    email = normalised(text) if text else None
    if email is not None and not EMAIL.fullmatch(email):
        raise NameTaken(public="This is not an e-mail address.")
    return email
