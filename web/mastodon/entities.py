"""The domain's views as the entities of the Mastodon client API (client API reference §4 and §7; pure).

Apps fail on whole pages over one missing field, so every entity carries all of its fields: no null where a boolean or a
list stands, three digits and `Z` in every moment, ids as decimal text, and only the four visibilities.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from html import escape
from typing import Any, TypeAlias
from urllib.parse import quote

from groups.reports import NewReport
from groups.views import ActorCard, GroupView, MembershipView, PostView, Thread

Json: TypeAlias = dict[str, Any]

HUES = 8
WRAPPER_BIT = 1 << 62
"""Set in the id of a group's boost of a post, so that it has an id of its own and yet leads back to the post."""
URL_CHARACTERS = "%/:=&?~#+!$,;'@()*[]"
READERS = {
    "none": "Members of this group only",
    "peers-only": "Members here and on trusted nodes",
    "followers": "Members and approved followers",
    "public": "Anyone",
}


@dataclass(frozen=True, slots=True)
class Site:
    """What the entities say of this node."""

    base_url: str
    domain: str
    title: str
    version: str

    def asset(self, name: str) -> str:
        """Return the address of a picture of ours; apps fetch pictures without their token."""
        return f"{self.base_url}/static/{name}"


def moment(value: datetime) -> str:
    """Return a moment with exactly three digits and `Z`; any other form reads as "now" in some apps."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{value.microsecond // 1000:03d}Z"


def moment_or_none(value: datetime | None) -> str | None:
    """Return a moment, or null where there is none."""
    return None if value is None else moment(value)


def day(value: datetime) -> str:
    """Return the midnight of a day, as accounts show when they were made."""
    return value.astimezone(UTC).strftime("%Y-%m-%dT00:00:00.000Z")


def url(address: str) -> str:
    """Return an address with everything escaped that strict readers of URLs refuse."""
    return quote(address, safe=URL_CHARACTERS)


def account(card: ActorCard, site: Site, group: GroupView | None = None) -> Json:
    """Return an Account; a group is one with `group: true`, and says in its fields who reads it and for how long."""
    picture = site.asset(f"avatar-{sha256(card.uri.encode()).digest()[0] % HUES}.png")
    header = site.asset("header.png")
    is_public = group is not None and group.audience == "public"
    return {
        "id": str(card.id),
        "username": card.handle,
        "acct": card.address,
        "display_name": card.name,
        "locked": card.locked,
        "bot": False,
        "group": card.is_group,
        "discoverable": is_public,
        "indexable": False,
        "noindex": True,
        "hide_collections": True,
        "created_at": day(card.created_on),
        "note": card.summary,
        "url": url(card.url),
        "uri": url(card.uri),
        "avatar": picture,
        "avatar_static": picture,
        "avatar_description": "",
        "header": header,
        "header_static": header,
        "header_description": "",
        "followers_count": 0,
        "following_count": 0,
        "statuses_count": 0,
        "last_status_at": None,
        "emojis": [],
        "fields": [] if group is None else group_fields(group),
        "roles": [],
    }


def group_account(group: GroupView, site: Site) -> Json:
    """Return the Account of a group whose rules are known."""
    return account(group.card, site, group)


def group_fields(group: GroupView) -> list[Json]:
    """Return the rules of a group as the fields of its profile."""
    readers = READERS.get(group.audience, READERS["none"])
    return [_field("Who can read", readers), _field("Posts are kept", span(group.keep))]


def span(keep: timedelta) -> str:
    """Return how long something is kept, in words."""
    seconds = int(keep.total_seconds())
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds >= size and seconds % size == 0:
            count = seconds // size
            return f"{count} {name}{'' if count == 1 else 's'}"
    return f"{seconds} second{'' if seconds == 1 else 's'}"


def _field(name: str, value: str) -> Json:
    return {"name": name, "value": value, "verified_at": None}


def credential_account(card: ActorCard, site: Site, group: GroupView | None = None, *, requests: int = 0) -> Json:
    """Return the CredentialAccount of whoever is signed in."""
    fields = [] if group is None else group_fields(group)
    source = {
        "note": card.source,
        "fields": fields,
        "privacy": "private",
        "sensitive": False,
        "language": None,
        "follow_requests_count": requests,
        "discoverable": group is not None and group.audience == "public",
        "indexable": False,
        "hide_collections": True,
        "attribution_domains": [],
        "quote_policy": "nobody",
    }
    role = {"id": "-99", "name": "", "color": "", "permissions": "0", "highlighted": False}
    return {**account(card, site, group), "source": source, "role": role}


def visibility(post: PostView) -> str:
    """Return one of the four words that apps know: only a group that anybody may read is anything but `private`."""
    if post.audience == "direct":
        return "direct"
    return "unlisted" if post.group.audience == "public" else "private"


def content(post: PostView) -> str:
    """Return the HTML of a post; a title stands before it, as statuses have no place for one."""
    return f"<p><strong>{escape(post.title)}</strong></p>{post.html}" if post.title else post.html


def mention(card: ActorCard) -> Json:
    """Return a Mention."""
    return {"id": str(card.id), "username": card.handle, "acct": card.address, "url": url(card.url)}


def mentions(post: PostView) -> list[Json]:
    """Return whom a post names, its group always, so that apps put the group into replies."""
    named = {card.id: card for card in (post.group.card, *post.mentions)}
    return [mention(card) for card in named.values() if card.id != post.author.id]


def status(post: PostView, site: Site) -> Json:
    """Return a Status as the viewer for whom the post was read may see it."""
    return {
        "id": str(post.id),
        "uri": url(post.uri),
        "url": url(post.url),
        "created_at": moment(post.received_at),
        "edited_at": moment_or_none(post.edited_at),
        "expires_at": moment(post.expires_at),
        "account": account(post.author, site),
        "content": content(post),
        "visibility": visibility(post),
        "sensitive": post.sensitive,
        "spoiler_text": post.note,
        "language": post.language,
        "in_reply_to_id": None if post.parent_id is None else str(post.parent_id),
        "in_reply_to_account_id": None if post.parent_author_id is None else str(post.parent_author_id),
        "reblog": None,
        "media_attachments": [],
        "mentions": mentions(post),
        "tags": [],
        "emojis": [],
        "poll": None,
        "card": None,
        "application": None,
        "replies_count": post.replies_count,
        "reblogs_count": 0,
        "favourites_count": post.support_count,
        "quotes_count": 0,
        "favourited": post.supported,
        "reblogged": False,
        "bookmarked": post.bookmarked,
        "muted": False,
        "pinned": False,
        "filtered": [],
        "quote": None,
        "quote_approval": {"automatic": [], "manual": [], "current_user": "denied"},
        "local_only": post.group.audience == "none",
        "group_context": group_context(post.group),
    }


def group_context(group: GroupView) -> Json:
    """Return where a post stands; an addition of ours that other apps pass over."""
    days = max(1, int(group.keep / timedelta(days=1)))
    return {"id": str(group.id), "acct": group.card.address, "title": group.card.name, "retention_days": days}


def boost_by_group(post: PostView, site: Site) -> Json:
    """Return a member's post on the profile of its group: the group's boost of it, with an id of its own."""
    own = status(post, site)
    wrapper = {
        "id": str(post.id | WRAPPER_BIT),
        "uri": url(f"{post.uri}#boost"),
        "account": group_account(post.group, site),
        "reblog": own,
        "in_reply_to_id": None,
        "in_reply_to_account_id": None,
    }
    return {**own, **wrapper}


def status_id(identifier: int) -> int:
    """Return the post that an id of a status leads to, be it the post's own or that of a group's boost."""
    return identifier & ~WRAPPER_BIT


def deleted_status(post: PostView, site: Site) -> Json:
    """Return the Status of a post that was deleted, with its source, from which apps write it anew."""
    return {**status(post, site), "text": post.source}


def status_source(post: PostView) -> Json:
    """Return what its author typed."""
    return {"id": str(post.id), "text": post.source, "spoiler_text": post.note}


def status_edit(post: PostView, site: Site) -> Json:
    """Return the one revision that is kept: earlier ones end with the edit."""
    return {
        "content": content(post),
        "spoiler_text": post.note,
        "sensitive": post.sensitive,
        "created_at": moment(post.edited_at or post.received_at),
        "account": account(post.author, site),
        "media_attachments": [],
        "emojis": [],
    }


def context(thread: Thread, site: Site) -> Json:
    """Return what a post answers, the beginning first, and its answers, each behind what it answers."""
    return {
        "ancestors": [status(post, site) for post in thread.ancestors],
        "descendants": [status(post, site) for post in thread.descendants],
    }


def relationship(actor_id: int, place: MembershipView | None, *, requested_by: bool = False) -> Json:
    """Return a Relationship: being a member reads as following, having asked for it as `requested`."""
    belongs = place is not None and place.is_active
    return {
        "id": str(actor_id),
        "following": belongs,
        "showing_reblogs": belongs,
        "notifying": False,
        "followed_by": False,
        "blocking": False,
        "blocked_by": False,
        "muting": False,
        "muting_notifications": False,
        "requested": place is not None and place.state == "pending",
        "requested_by": requested_by,
        "domain_blocking": False,
        "endorsed": False,
        "languages": None,
        "note": "",
    }


def list_of_group(group: GroupView, place: MembershipView) -> Json:
    """Return the List that stands for a group that the persona is in; it has the group's id."""
    return {
        "id": str(group.id),
        "title": group.card.name,
        "replies_policy": "list",
        "exclusive": place.exclusive,
    }


def report(identifier: int, target: ActorCard, new: NewReport, category: str, made_at: datetime, site: Site) -> Json:
    """Return a Report; its words go to its author alone."""
    return {
        "id": str(identifier),
        "action_taken": False,
        "action_taken_at": None,
        "category": category,
        "comment": new.words,
        "forwarded": new.forward,
        "created_at": moment(made_at),
        "status_ids": [str(post_id) for post_id in new.post_ids] or None,
        "rule_ids": None,
        "target_account": account(target, site),
    }


def validation_error(fields: Mapping[str, str]) -> Json:
    """Return the body of a 422: one sentence for people, and each field for apps that show it there."""
    sentence = " ".join(fields.values())
    details = {name: [{"error": "ERR_INVALID", "description": text}] for name, text in fields.items()}
    return {"error": f"Validation failed: {sentence}", "details": details}
