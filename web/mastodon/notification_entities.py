"""What is new, as the Notification entities of the Mastodon client API (client API reference §7; pure)."""

from collections.abc import Iterable, Sequence

from groups.reports import NewReport
from groups.views import NotificationView
from web.mastodon.entities import Json, Site, account, moment, report, status

NOTIFICATION_TYPES = {
    "mention": "mention",
    "reply": "mention",
    "reaction": "favourite",
    "join_request": "follow_request",
    "report": "admin.report",
    "announcement": "status",
    "severed": "severed_relationships",
}
"""What each kind of news is to an app; kinds that no app knows are not sent (client API reference §7)."""
GROUPED_TYPES = frozenset({"favourite"})
MAX_SAMPLE = 8


def notification(news: NotificationView, site: Site) -> Json:
    """Return a Notification of one of the kinds in NOTIFICATION_TYPES."""
    told = {
        "id": str(news.number),
        "type": NOTIFICATION_TYPES[news.kind],
        "created_at": moment(news.created_at),
        "group_key": group_key(news),
        "account": account(news.actor, site),
        **_event(news),
    }
    if news.kind == "report":
        return {**told, **_reported(news, site)}
    return told if news.post is None else {**told, "status": status(news.post, site)}


def _reported(news: NotificationView, site: Site) -> Json:
    """Return what an app is told of a report: whom it is about; it seems to come from the group, as nobody is named."""
    posts = () if news.post is None else (news.post.id,)
    new = NewReport(news.actor.id, posts)
    reporter = {} if news.group is None else {"account": account(news.group.card, site)}
    return {"report": report(news.number, news.actor, new, "other", news.created_at, site), **reporter}


def _event(news: NotificationView) -> Json:
    """Return the RelationshipSeveranceEvent of news that a place in a group elsewhere is on hold; else nothing."""
    if NOTIFICATION_TYPES[news.kind] != "severed_relationships":
        return {}
    counts = {"purged": False, "followers_count": 0, "following_count": 1}
    about = {"id": str(news.number), "type": "domain_block", "target_name": news.actor.host}
    return {"event": {**about, **counts, "created_at": moment(news.created_at)}}


def group_key(news: NotificationView) -> str:
    """Return what brings like news together: support for one post, anything else alone."""
    kind = NOTIFICATION_TYPES[news.kind]
    if kind in GROUPED_TYPES and news.post is not None:
        return f"{kind}-{news.post.id}"
    return f"ungrouped-{news.number}"


def grouped_notifications(page: Sequence[NotificationView], grouped: Iterable[str], site: Site) -> Json:
    """Return GroupedNotificationsResults; every account and status that a group names stands beside the groups."""
    together: dict[str, list[NotificationView]] = {}
    wanted = set(grouped)
    for news in page:
        is_grouped = NOTIFICATION_TYPES[news.kind] in wanted
        together.setdefault(group_key(news) if is_grouped else f"ungrouped-{news.number}", []).append(news)
    posts = {news.post.id: news.post for news in page if news.post is not None}
    people = {news.actor.id: news.actor for news in page}
    return {
        "accounts": [account(card, site) for card in people.values()],
        "statuses": [status(post, site) for post in posts.values()],
        "notification_groups": [_notification_group(key, group) for key, group in together.items()],
    }


def _notification_group(key: str, group: Sequence[NotificationView]) -> Json:
    """Return a NotificationGroup; its news stand newest first, and one app needs the number as a number."""
    newest, oldest = group[0], group[-1]
    told = {
        "group_key": key,
        "notifications_count": len(group),
        "type": NOTIFICATION_TYPES[newest.kind],
        "most_recent_notification_id": newest.number,
        "page_min_id": str(oldest.number),
        "page_max_id": str(newest.number),
        "latest_page_notification_at": moment(newest.created_at),
        "sample_account_ids": list(dict.fromkeys(str(news.actor.id) for news in group))[:MAX_SAMPLE],
        **_event(newest),
    }
    return told if newest.post is None else {**told, "status_id": str(newest.post.id)}
