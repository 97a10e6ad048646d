"""Reports by hand and from apps: made by a member, read by those who look after the group, told to nobody else."""

import pytest

from groups import reports
from groups.models import Report
from privacy.unit_of_work import UnitOfWork, table_of
from tests.factories import make_group, make_member
from tests.web.app_client import World
from tests.web.browsing import Place
from tests.web.test_mastodon_accounts import Circle as Apps
from tests.web.test_posts_pages import Circle
from web.mastodon.routes import METHODS

REPORTS = table_of(Report)


@pytest.fixture
def circle(place: Place) -> Circle:
    return Circle(place)


def test_a_post_is_reported_and_the_report_read_and_closed(circle: Circle, place: Place) -> None:
    cara = place.member("cara")
    place.do(make_member, circle.group, cara)
    path = circle.write(circle.as_ben, "Something cruel.")
    as_cara = place.signed_in("cara")
    page = as_cara.visit(f"{path}/report")
    assert "Those who look after the group read this." in page.text
    assert "Also tell" not in page.text
    page = as_cara.submit(page, page.form(button="Report it").fill("words", "This <b>hurts</b>."), "Report it")
    assert "Thank you. It is reported" in page.text
    assert "Reports 1" in circle.as_ada.visit(circle.path).text
    page = circle.as_ada.visit(f"{circle.path}/reports")
    assert "This <b>hurts</b>." in page.text
    assert "Cara" not in page.text
    assert page.status == 200
    for browser in (circle.as_ben, as_cara):
        assert browser.visit(f"{circle.path}/reports").status == 403
    foreign = {"Origin": "https://evil.example"}
    form = page.form(button="Dealt with Ben")
    assert circle.as_ada.send_form(page, form, "Dealt with Ben", headers=foreign).status_code == 403
    page = circle.as_ada.submit(page, form, "Dealt with Ben")
    assert ("The report is closed." in page.text, "No report is waiting." in page.text) == (True, True)


def test_a_report_that_is_too_long_comes_back_with_its_words(circle: Circle) -> None:
    path = circle.write(circle.as_ben, "Something cruel.")
    page = circle.as_ada.visit(f"{path}/report")
    form = page.form(button="Report it").fill("words", "x" * (reports.MAX_WORDS + 1))
    page = circle.as_ada.submit(page, form, "Report it")
    assert (page.status, page.form(button="Report it").values["words"][0].strip()[:3]) == (422, "xxx")


def test_what_is_not_there_cannot_be_reported_or_read(circle: Circle) -> None:
    path = circle.write(circle.as_ben, "Something cruel.")
    assert circle.as_eve.visit(f"{path}/report").status == 404
    assert circle.as_eve.visit(f"{circle.path}/reports").status == 403


async def test_an_app_reports_and_whoever_looks_after_the_group_is_told(world: World) -> None:
    """By a notification that seems to come from the group: who reports is nowhere in it."""
    circle = Apps(world)
    cruel = await circle.as_ben.told("POST", "/api/v1/statuses", json={"status": "@grief cruel"})
    other = world.database.write_now(make_group, world.uris, "other")
    assert any(method.path == "/api/v1/reports" for method in METHODS)
    sent = {"account_id": str(circle.ben), "status_ids": [cruel["id"]], "comment": "this hurts", "category": "spam"}
    told = await circle.as_ada.told("POST", "/api/v1/reports", json=sent)
    assert {**told, "id": "", "created_at": "", "target_account": ""} == {
        "id": "", "action_taken": False, "action_taken_at": None, "category": "spam", "comment": "this hurts",
        "forwarded": False, "created_at": "", "status_ids": [cruel["id"]], "rule_ids": None, "target_account": "",
    }  # fmt: skip
    assert told["target_account"]["id"] == str(circle.ben)
    news = await circle.as_ada.told("GET", "/api/v1/notifications")
    report = next(item for item in news if item["type"] == "admin.report")
    assert (report["account"]["id"], report["report"]["status_ids"]) == (str(circle.group), [cruel["id"]])
    assert [item for item in await circle.as_ben.told("GET", "/api/v1/notifications") if "report" in item] == []
    for nonsense in ({}, {"account_id": str(other)}, {"account_id": "x"}, {**sent, "comment": "x" * 9_000}):
        assert (await circle.as_ben.post("/api/v1/reports", json=nonsense)).status_code in {400, 404, 422}
    assert world.database.read_now(_count) == 1


def _count(uow: UnitOfWork) -> int:
    return len(uow.connection.execute(REPORTS.select()).fetchall())
