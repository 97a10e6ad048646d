"""A disk that is full: what is there can be read, what cannot be stored is refused in words, and it heals by itself.

The disk of one process is made small from outside (RLIMIT_FSIZE), so that it can write to no file: not to the content
database, not to the keyring, not to its log.
"""

import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from privacy.errors import DatabaseUnavailable
from tests.interop.browser import Page, Person
from tests.served import ServedNode, until

SAID = DatabaseUnavailable.default_public


@pytest.fixture
def node(tmp_path: Path) -> Iterator[ServedNode]:
    """A served node on SQLite with a group and a log of writes that is longer than the disk will be."""
    with ServedNode(tmp_path, host="127.0.0.15") as served:
        served.command("group", "add", "hearth", "--title", "Hearth", "--audience", "none",
                       "--join", "approval", "--owner", served.owner)  # fmt: skip
        yield served
        assert "Traceback" not in served.log()


@contextmanager
def full_disk(node: ServedNode) -> Iterator[None]:
    """Let the serving process write to no file."""
    process = node.process_id
    before, most = resource.prlimit(process, resource.RLIMIT_FSIZE)
    resource.prlimit(process, resource.RLIMIT_FSIZE, (0, most))
    try:
        yield
    finally:
        resource.prlimit(process, resource.RLIMIT_FSIZE, (before, most))


def health(node: ServedNode) -> tuple[int, bool, bool]:
    told = httpx.get(f"{node.base}/health/ready", timeout=20)
    return told.status_code, told.json()["database"], told.json()["writes"]


def assert_refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()) == (503, {"error": SAID})
    assert int(answer.headers["retry-after"]) > 0


def write(person: Person, page: Page, words: str) -> Page:
    return person.submit(page, page.form(field="Your post").fill("Your post", words), "Post")


def test_an_app_is_told_to_come_again_and_what_was_posted_stays(node: ServedNode) -> None:
    with node.api(node.owner) as app:
        posted = [app.post("/api/v1/statuses", data={"status": f"@hearth {'a word ' * 600}"}) for _ in range(6)]
        assert [answer.status_code for answer in posted] == [200] * 6
        path = f"/api/v1/statuses/{posted[0].json()['id']}"
        assert health(node) == (200, True, True)
        with full_disk(node):
            assert_refused(app.post("/api/v1/statuses", data={"status": f"@hearth {'more ' * 900}"}))
            assert_refused(app.post(f"{path}/favourite"))
            assert_refused(app.put(path, data={"status": "other words"}))
            assert_refused(app.delete(path))
            assert app.get(path).json()["content"] == posted[0].json()["content"]
            assert health(node) == (503, True, False), "it was asked a moment ago, and something was refused since"
        until(lambda: health(node) == (200, True, True), "the node to notice that there is room again")
        assert app.post(f"{path}/favourite").json()["favourited"] is True
        assert app.delete(path).status_code == 200
        assert app.get(path).status_code == 404


def test_a_person_is_told_so_on_a_page_and_may_read_on(node: ServedNode) -> None:
    assert node.sign_in_link is not None
    late = node.link(node.owner)
    with Person(node.base) as person, Person(node.base) as other:
        home = person.sign_in(node.sign_in_link)
        group = person.visit(home.link("Hearth"))
        for _ in range(6):
            group = person.visit(write(person, group, "a word " * 600).url)
            group = person.visit(home.link("Hearth"))
        button = other.visit(late)
        with full_disk(node):
            refused = write(person, group, "more " * 900)
            assert (refused.status, SAID in refused.text) == (503, True)
            not_in = other.submit(button, button.form())
            assert (not_in.status, SAID in not_in.text) == (503, True)
            assert person.visit(group.url).status == 200
        until(lambda: health(node) == (200, True, True), "the node to notice that there is room again")
        assert "more more" in write(person, person.visit(group.url), "more " * 900).text
        assert other.submit(button, button.form()).status == 200, "the link was not used up"
