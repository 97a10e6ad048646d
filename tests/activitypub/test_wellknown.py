"""What a stranger asks first, over the real routes: it names whom it may, and hides the rest alike (S-218, S-402)."""

from functools import partial
from urllib.parse import quote

import pytest

from activitypub.actors import mark_gone, retire_actor
from tests.receiver import DOMAIN, Receiver, make_local, receiving

BASE = f"http://{DOMAIN}"


async def ask(here: Receiver, resource: str) -> tuple[int, dict[str, object]]:
    """What WebFinger answers."""
    answer = await here.get(f"/.well-known/webfinger?resource={quote(resource, safe=':@/')}", "application/jrd+json")
    return answer.status_code, answer.json()


async def test_every_way_to_name_an_actor_leads_to_it_and_to_its_one_handle(here: Receiver) -> None:
    kim, club = await make_local(here, "kim"), await make_local(here, "club", "Group")
    for actor in (kim, club):
        for resource in (
            f"acct:{actor.handle}@{DOMAIN}", f"acct:{actor.handle.upper()}@{DOMAIN}", f"@{actor.handle}@{DOMAIN}",
            actor.uri, f"{BASE}/@{actor.handle}",
        ):  # fmt: skip
            status, document = await ask(here, resource)
            assert (status, document["subject"]) == (200, f"acct:{actor.handle}@{DOMAIN}")
            assert [link["href"] for link in document["links"] if link["rel"] == "self"] == [actor.uri]  # type: ignore[attr-defined]  # a list of objects
    status, document = await ask(here, BASE)
    assert (status, document["links"][0]["href"]) == (200, f"{BASE}/actor")  # type: ignore[index]  # a list of objects
    status, document = await ask(here, f"acct:{DOMAIN}@{DOMAIN}")
    assert (status, document["subject"]) == (200, f"acct:{DOMAIN}@{DOMAIN}")


async def test_s402_what_is_hidden_answers_like_what_never_was(here: Receiver) -> None:
    await make_local(here, "kim")
    club = await make_local(here, "club", "Group")
    assert (await ask(here, f"acct:club@{DOMAIN}"))[0] == 200
    here.publications.hidden.add(club.id)
    nothing = await here.get(f"/.well-known/webfinger?resource=acct:nobody@{DOMAIN}")
    assert nothing.status_code == 404
    for resource in (f"acct:club@{DOMAIN}", club.uri, f"{BASE}/@club"):
        answer = await here.get(f"/.well-known/webfinger?resource={quote(resource, safe=':@/')}")
        assert (answer.status_code, answer.content) == (404, nothing.content)
        assert dict(answer.headers) == dict(nothing.headers)
    assert (await ask(here, f"acct:kim@{DOMAIN}"))[0] == 200


async def test_who_has_left_is_gone(here: Receiver) -> None:
    kim = await make_local(here, "kim")
    await here.context.database.write(mark_gone, kim.id)
    assert (await ask(here, kim.uri))[0] == 410


@pytest.mark.parametrize(("was_findable", "status"), [(True, 410), (False, 404)])
async def test_a_handle_that_ended_answers_as_it_did_before(here: Receiver, was_findable: bool, status: int) -> None:
    """Gone for whom anybody could look up; for anybody else as if it had never been. Its own address stays gone."""
    kim = await make_local(here, "kim")
    assert (await ask(here, f"acct:kim@{DOMAIN}"))[0] == 200
    await here.context.database.write(partial(retire_actor, was_findable=was_findable), kim.id)
    for resource in (f"acct:kim@{DOMAIN}", f"acct:KIM@{DOMAIN}", f"{BASE}/@kim"):
        assert (await ask(here, resource))[0] == status
    page = await here.get("/@kim", "application/activity+json")
    assert page.status_code == status
    assert (await ask(here, kim.uri))[0] == 410
    assert (await here.get(kim.uri.removeprefix(BASE), "application/activity+json")).status_code == 410


@pytest.mark.parametrize(
    "query",
    ["", "?resource=", "?resource=x", f"?resource=acct:kim@{DOMAIN}&resource=acct:club@{DOMAIN}", "?resource=acct:@",
     "?resource=javascript:x", "?resource=ftp://x.example/", "?rel=self"],
)  # fmt: skip
async def test_what_is_no_question_is_refused(here: Receiver, query: str) -> None:
    await make_local(here, "kim")
    assert (await here.get(f"/.well-known/webfinger{query}")).status_code == 400
    assert (await ask(here, f"acct:kim@{DOMAIN}"))[0] == 200


@pytest.mark.parametrize(
    "host", ["other.example", f"{DOMAIN}.other.example", "127.0.0.1", "127.0.0.1:80", "localhost:4000"]
)
async def test_nobody_of_another_host_is_known_here(here: Receiver, host: str) -> None:
    kim = await make_local(here, "kim")
    assert (await ask(here, f"acct:kim@{host}"))[0] in (400, 404)
    assert (await ask(here, kim.uri.replace(DOMAIN, host)))[0] in (400, 404)


async def test_scripts_of_any_page_may_ask(here: Receiver) -> None:
    await make_local(here, "kim")
    for path in (
        f"/.well-known/webfinger?resource=acct:kim@{DOMAIN}", "/.well-known/nodeinfo", "/.well-known/host-meta",
        "/.well-known/host-meta.json", "/nodeinfo/2.0", "/nodeinfo/2.1",
    ):  # fmt: skip
        answer = await here.get(path, "*/*")
        assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "*")


async def test_nodeinfo_tells_what_the_server_is_and_counts_nobody(here: Receiver) -> None:
    """How many sit in a support group is nobody's business (product decision 15)."""
    before = (await here.get("/nodeinfo/2.1")).json()
    for number in range(3):
        await make_local(here, f"member{number}")
    after = (await here.get("/nodeinfo/2.1")).json()
    assert before == after
    assert after["software"]["name"] == "kinfold"
    assert after["software"]["version"] == "1.2.3"
    links = (await here.get("/.well-known/nodeinfo")).json()["links"]
    assert {link["href"].removeprefix(BASE) for link in links if "nodeinfo" in link["rel"]} == {
        "/nodeinfo/2.0", "/nodeinfo/2.1",
    }  # fmt: skip
    for version in ("1.0", "3.0", "2.1.json", ""):
        assert (await here.get(f"/nodeinfo/{version}")).status_code in (307, 404)


async def test_a_node_that_talks_with_nobody_says_so(here: Receiver) -> None:
    context = here.context
    async with receiving(context.database, context.vault, here.clock, frozenset(), mode="off") as silent:
        told = [(await node.get("/nodeinfo/2.1")).json()["metadata"] for node in (here, silent)]
    assert [metadata["federation"]["enabled"] for metadata in told] == [True, False]
