"""Reports: made by members on a post, and read by those who look after its group."""

from starlette.responses import Response
from starlette.routing import BaseRoute

from groups.errors import Invalid
from groups.reports import (
    FROM_HERE,
    MAX_WORDS,
    NewReport,
    ReportView,
    close_report,
    file_report,
    other_server,
    reports_of,
)
from groups.views import GroupView, Viewer
from privacy.unit_of_work import UnitOfWork
from web.pages.asked import id_of, key_of, notice
from web.pages.framing import Pages
from web.pages.groups import find_group
from web.pages.posts import Written, written
from web.pages.presenting import deeds_path, group_card, post_card, post_path, who
from web.visitors import Visitor


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route("/groups/{group}/{post:int}/report", ask_for_report),
        pages.route("/groups/{group}/{post:int}/report", report, verb="POST"),
        pages.route("/groups/{group}/reports", show),
        pages.route("/groups/{group}/reports/{report}/close", close, verb="POST"),
    ]


async def ask_for_report(asking: Visitor) -> Response:
    """Show the form by which a post is reported, and who will read what is written there."""
    found = await asking.context.database.read(written, asking.viewer, key_of(asking), id_of(asking, "post"))
    return _form(asking, found, "", {})


async def report(asking: Visitor) -> Response:
    """Report a post."""
    assert asking.me is not None
    form = await asking.form()
    found = await asking.context.database.read(written, asking.viewer, key_of(asking), id_of(asking, "post"))
    words = form.text("words")
    new = NewReport(
        target_id=found.post.author.id,
        post_ids=(found.post.id,),
        words=words,
        forward=form.ticked("forward"),
        with_words=form.ticked("with_words"),
    )
    try:
        await asking.context.database.write(file_report, asking.context.uris, asking.me.id, new)
    except Invalid as error:
        return _form(asking, found, words, {"words": asking.say(error.public)})
    return asking.go(f"{deeds_path(found.post.group)}/{found.post.thread_id}?done=reported")


async def show(asking: Visitor) -> Response:
    """Show the reports of a group, to those who look after it."""
    assert asking.me is not None
    group, found = await asking.context.database.read(open_reports, asking.viewer, key_of(asking))
    values = {
        "group": group_card(group, asking.now, asking.language),
        "reports": [_shown(asking, each) for each in found],
    }
    return asking.page("reports.html", asking.say("Reports"), values, section="groups", notice=notice(asking))


async def close(asking: Visitor) -> Response:
    """Say that a report was dealt with."""
    assert asking.me is not None
    await asking.form()
    group = await asking.context.database.read(find_group, asking.viewer, key_of(asking))
    await asking.context.database.write(close_report, asking.me.id, group.id, id_of(asking, "report"))
    return asking.go(f"/groups/{group.id}/reports?done=closed")


def open_reports(uow: UnitOfWork, viewer: Viewer, key: str) -> tuple[GroupView, list[ReportView]]:
    """Return the reports of a group. Raises NotFound, NotAllowed."""
    return reports_of(uow, viewer.actor_id or 0, find_group(uow, viewer, key).id)


def _form(asking: Visitor, found: Written, words: str, errors: dict[str, str]) -> Response:
    assert asking.me is not None
    post, host = found.post, other_server(found.post)
    about = asking.say(
        "Those who look after the group read this. Nobody else here does, and nobody is told that it was you."
    )
    if not post.group.card.local:
        about = asking.say("This goes to %(host)s, where the group lives. Your name is not told.") % {"host": host}
    values = {
        "post": post_card(post, found.standing, asking.me.id),
        "back": post_path(post),
        "action": f"{deeds_path(post.group)}/{post.id}/report",
        "about": about,
        "host": host,
        "is_elsewhere": not post.group.card.local,
        "words": words,
        "most": MAX_WORDS,
        "errors": errors,
    }
    title = asking.say("Report a post")
    return asking.page("report.html", title, values, status=422 if errors else 200, section="groups")


def _shown(asking: Visitor, found: ReportView) -> dict[str, object]:
    assert asking.me is not None
    source = asking.say("from a member here") if found.source == FROM_HERE else asking.say("from another site")
    return {
        "id": found.id,
        "target": who(found.target),
        "path": None if found.post is None else post_path(found.post),
        "ended": found.about_post and found.post is None,
        "words": found.words,
        "source": source,
        "made_on": found.made_on,
    }
