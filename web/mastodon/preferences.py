"""How an app begins a new post. https://docs.joinmastodon.org/methods/preferences/"""

from typing import Any

from web.mastodon.calls import Call, Method


async def preferences(_: Call) -> dict[str, Any]:
    """Return what every persona prefers, as there is nothing to choose: the group decides who reads."""
    return {
        "posting:default:visibility": "private",
        "posting:default:sensitive": False,
        "posting:default:language": None,
        "posting:default:quote_policy": "nobody",
        "reading:expand:media": "default",
        "reading:expand:spoilers": False,
        "reading:autoplay:gifs": False,
    }


METHODS = (Method("GET", "/api/v1/preferences", preferences, ("read:accounts",)),)
