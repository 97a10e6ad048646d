"""Reports from apps. https://docs.joinmastodon.org/methods/reports/

Those who look after the group read them; who made one is told to nobody (client API reference §15.8).
"""

from groups.reports import NewReport, file_report
from web.mastodon import entities
from web.mastodon.calls import Call, Method
from web.mastodon.limits import POSTS
from web.parameters import BadParameters

CATEGORIES = ("spam", "legal", "violation", "other")


async def file(call: Call) -> entities.Json:
    """Report somebody, and posts of theirs. https://docs.joinmastodon.org/methods/reports/#post"""
    asked = call.parameters
    target_id, forward = asked.identifier("account_id"), asked.flag("forward")
    if target_id is None:
        raise BadParameters("report without account", public="account_id is missing.")
    posts = tuple(entities.status_id(identifier) for identifier in asked.identifiers("status_ids"))
    # Apps say that a copy of the words goes along, and leave it to the member.
    new = NewReport(target_id, posts, asked.text("comment"), forward=forward, with_words=forward)
    report_id, target = await call.write(file_report, call.context.uris, call.persona_id, new)
    category = asked.choice("category", CATEGORIES, "other")
    return entities.report(report_id, target, new, category, call.context.clock(), call.site)


METHODS = (Method("POST", "/api/v1/reports", file, ("write:reports",), rate=POSTS),)
