"""The addresses that are handed to people: links that sign in and links that invite (pure)."""


def sign_in_link(base_url: str, token: str) -> str:
    """Return the address at which a one-time token signs somebody in."""
    return f"{base_url}/sign-in/{token}"


def invitation_link(base_url: str, token: str) -> str:
    """Return the address at which an invitation is taken up."""
    return f"{base_url}/i/{token}"
