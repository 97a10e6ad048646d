"""What an operator does for those who look after groups: appointing one, and reading reports that nobody else can."""

import json

from activitypub.actors import local_actor_by_handle
from groups.places import standing_of
from groups.reports import NewReport, file_report
from node.settings import load_settings
from node.wiring import Node, build_node
from privacy.unit_of_work import UnitOfWork
from tests.factories import make_member
from tests.node.shell import Shell


def ids_of(uow: UnitOfWork, *handles: str) -> list[int]:
    """Return the ids of actors of the node."""
    found = [local_actor_by_handle(uow, handle) for handle in handles]
    return [actor.id for actor in found if actor is not None]


def beside(shell: Shell) -> Node:
    """Open the node that the shell works on."""
    return build_node(load_settings(shell.environ))


def role(shell: Shell, handle: str) -> str | None:
    """Return what somebody is in the group."""
    node = beside(shell)
    try:
        group, actor = node.database.read_now(ids_of, "grief", handle)
        return node.database.read_now(standing_of, group, actor).role
    finally:
        node.close()


def test_a_second_person_looks_after_a_group_and_no_longer(shell: Shell) -> None:
    shell.do("account", "add", "fay")
    assert "not take part" in shell.refused("group", "facilitator", "grief", "fay")
    assert "no nobody" in shell.refused("group", "facilitator", "grief", "nobody")
    node = beside(shell)
    group, fay = node.database.read_now(ids_of, "grief", "fay")
    node.database.write_now(make_member, group, fay)
    node.close()
    assert shell.do("group", "facilitator", "grief", "fay") == "fay looks after grief.\n"
    assert role(shell, "fay") == "facilitator"
    assert shell.do("group", "facilitator", "grief", "fay", "--dismiss") == "fay looks after grief no longer.\n"
    assert role(shell, "fay") == "member"


def test_a_report_about_an_owner_is_read_by_the_operator(shell: Shell) -> None:
    """Without the name of who made it."""
    assert shell.run("group", "reports", "grief").stderr == "No report is waiting.\n"
    shell.do("account", "add", "kim")
    node = beside(shell)
    group, owner, kim = node.database.read_now(ids_of, "grief", "owner", "kim")
    node.database.write_now(make_member, group, kim)
    node.database.write_now(file_report, node.uris, kim, NewReport(owner, (), "this\nhurts"))
    node.close()
    told = json.loads(shell.do("group", "reports", "grief", "--json"))
    assert [(each["about"].split("@")[0], each["from"], each["words"]) for each in told] == [
        ("owner", "here", "this hurts"),
    ]  # fmt: skip
    assert "kim" not in shell.do("group", "reports", "grief")
