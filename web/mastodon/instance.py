"""What this node says of itself to apps, before anybody signs in: sparse, with all counts zero (product decision 28).

`version` begins with the Mastodon version whose API this is, and `api_versions` promises grouped notifications and
nothing beyond them: with 7 apps would offer quotes (client API reference §14).
"""

from typing import Any

from groups.content import MAX_NAME_CHARACTERS, MAX_SOURCE_CHARACTERS
from groups.people import MAX_SUMMARY_CHARACTERS
from groups.pinning import MOST
from web.mastodon.calls import Call, Method, Who
from web.mastodon.entities import Site
from web.mastodon.stubs import empty, nothing

MASTODON_VERSION = "4.4.0"
API_VERSION = 4
BYTES_OF_AN_IMAGE = 16_777_216
PIXELS_OF_AN_IMAGE = 33_177_600


def version(site: Site) -> str:
    """Return the version as apps read it."""
    return f"{MASTODON_VERSION} (compatible; Kinfold {site.version})"


def streaming(site: Site) -> str:
    """Return where streams would be: an address that can be read as one, since some apps fail on an empty text."""
    return "ws" + site.base_url.removeprefix("http")


def limits() -> dict[str, Any]:
    """Return what may be sent; sizes stay below 2³¹, as some apps hold them in 32 bits."""
    return {
        "accounts": {
            "max_featured_tags": 0,
            "max_pinned_statuses": MOST,
            "max_profile_fields": 0,
            "max_note_length": MAX_SUMMARY_CHARACTERS,
            "max_display_name_length": MAX_NAME_CHARACTERS,
            "profile_field_name_limit": 0,
            "profile_field_value_limit": 0,
        },
        "statuses": {
            "max_characters": MAX_SOURCE_CHARACTERS,
            "max_media_attachments": 0,
            "characters_reserved_per_url": 23,
        },
        "media_attachments": {
            "supported_mime_types": [],
            "description_limit": 1_500,
            "image_size_limit": BYTES_OF_AN_IMAGE,
            "image_matrix_limit": PIXELS_OF_AN_IMAGE,
            "video_size_limit": 0,
            "video_frame_rate_limit": 0,
            "video_matrix_limit": 0,
        },
        "polls": {
            "max_options": 2,
            "max_characters_per_option": 50,
            "min_expiration": 300,
            "max_expiration": 300,
        },
    }


def configuration(site: Site) -> dict[str, Any]:
    """Return what apps are told of addresses and limits."""
    closed = {"local": "disabled", "remote": "disabled"}
    return {
        "urls": {
            "streaming": streaming(site),
            "status": None,
            "about": f"{site.base_url}/about",
            "privacy_policy": f"{site.base_url}/privacy",
            "terms_of_service": None,
        },
        "vapid": {"public_key": ""},
        **limits(),
        "translation": {"enabled": False},
        "timelines_access": {
            "live_feeds": closed,
            "hashtag_feeds": closed,
            "trending_link_feeds": closed,
        },
        "limited_federation": False,
    }


async def instance_v2(call: Call) -> dict[str, Any]:
    """Describe the node. https://docs.joinmastodon.org/methods/instance/#v2"""
    site, options = call.site, call.context.federation.options
    picture = site.asset("header.png")
    return {
        "domain": site.domain,
        "title": site.title,
        "version": version(site),
        "source_url": options.repository or f"{site.base_url}/about",
        "description": options.description,
        "usage": {"users": {"active_month": 0}},
        "thumbnail": {"url": picture, "blurhash": None, "versions": {"@1x": picture, "@2x": picture}},
        "icon": [{"src": site.asset("avatar-0.png"), "size": "160x160"}],
        "languages": ["en"],
        "configuration": configuration(site),
        "registrations": {
            "enabled": False,
            "approval_required": False,
            "reason_required": False,
            "message": None,
            "min_age": None,
            "url": None,
        },
        "api_versions": {"mastodon": API_VERSION, "kinfold": 1},
        "contact": {"email": "", "account": None},
        "rules": [],
    }


async def instance_v1(call: Call) -> dict[str, Any]:
    """Describe the node as older apps read it. https://docs.joinmastodon.org/methods/instance/#v1"""
    site, options = call.site, call.context.federation.options
    return {
        "uri": site.domain,
        "title": site.title,
        "short_description": options.description,
        "description": options.description,
        "email": "",
        "version": version(site),
        "urls": {"streaming_api": streaming(site)},
        "stats": {"user_count": 0, "status_count": 0, "domain_count": 0},
        "thumbnail": site.asset("header.png"),
        "languages": ["en"],
        "registrations": False,
        "approval_required": False,
        "invites_enabled": False,
        "max_toot_chars": MAX_SOURCE_CHARACTERS,
        "configuration": limits(),
        "contact_account": None,
        "rules": [],
    }


async def extended_description(call: Call) -> dict[str, Any]:
    """Return the longer description, which is the shorter one. https://docs.joinmastodon.org/methods/instance/"""
    return {"updated_at": None, "content": call.context.federation.options.description}


METHODS = (
    Method("GET", "/api/v2/instance", instance_v2, who=Who.STRANGERS),
    Method("GET", "/api/v1/instance", instance_v1, who=Who.STRANGERS),
    Method("GET", "/api/v1/instance/rules", nothing, who=Who.STRANGERS),
    Method("GET", "/api/v1/instance/peers", nothing, who=Who.STRANGERS),
    Method("GET", "/api/v1/instance/activity", nothing, who=Who.STRANGERS),
    Method("GET", "/api/v1/instance/domain_blocks", nothing, who=Who.STRANGERS),
    Method("GET", "/api/v1/instance/translation_languages", empty, who=Who.STRANGERS),
    Method("GET", "/api/v1/instance/extended_description", extended_description, who=Who.STRANGERS),
)
