"""Floods that one server sends, or would have this node send: held back before anybody has to bear them."""

import pytest

from activitypub import authentication
from activitypub.allowances import TO_ONE, people_named, spend
from activitypub.errors import TooMuch
from activitypub.uris import Uris
from activitypub.vocabulary.activities import Activity
from activitypub.vocabulary.reading import parse
from privacy.budgets import Buckets, Rate
from tests.activitypub.letters import letter
from tests.peers import AS, ScriptedPeer
from tests.receiver import Receiver


def test_s311_nobody_here_is_flooded_by_many_accounts_of_one_server(uris: Uris) -> None:
    """What makes news is counted for each of the people it names, by the server it comes from; a group is no such."""
    budgets = Buckets(lambda: 1_000.0)
    ana, ben = uris.actor("person", "ana"), uris.actor("person", "ben")

    def send(number: int, host: str, *to: str, kind: str = "Create") -> None:
        actor = f"https://{host}/users/{number}"
        note = {"id": f"{actor}/notes/1", "type": "Note", "attributedTo": actor, "content": "x", "to": list(to)}
        aim = note if kind == "Create" else ana
        document = {"@context": AS, "id": f"{actor}/{kind}/{len(to)}", "type": kind, "actor": actor, "object": aim}
        activity = parse({**document, "to": list(to)})
        assert isinstance(activity, Activity)
        spend(budgets, activity, people_named(uris, activity))

    for number in range(TO_ONE.requests):
        send(number, "far.example", ana)
    for kind in ("Create", "Like", "EmojiReact"):
        with pytest.raises(TooMuch):
            send(9_999, "far.example", ben, ana, kind=kind)
    send(1, "far.example", ben)
    send(1, "near.example", ana)
    send(1, "far.example", ana, kind="Follow")
    send(1, "far.example", uris.actor("group", "grief"), uris.followers(ana))


@pytest.mark.parametrize("bound", ["of one server", "of all"])
async def test_s513_unknown_keys_are_asked_for_within_bounds(
    here: Receiver, far: ScriptedPeer, evil: ScriptedPeer, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """Whoever names ever new keys of a server does not have it asked without end; who is known goes on being heard."""
    ana, eve = far.person("ana"), evil.person("eve", key=1)
    monkeypatch.setattr(authentication, "KEYS_OF_HOST" if bound == "of one server" else "KEYS_OF_ALL", Rate(5, 300.0))
    object.__setattr__(here.context, "budgets", Buckets(lambda: 1_000.0))
    assert (await here.send(letter(here, ana.create("one"), ana))).status_code == 202
    statuses = []
    for number in range(10):
        uri = far.url(f"/users/nobody{number}")
        forged = {**ana.create(f"forged {number}"), "id": f"{uri}/1", "actor": uri}
        del forged["object"]["attributedTo"]
        forged["object"] |= {"id": f"{uri}/2", "attributedTo": uri}
        statuses.append((await here.send(letter(here, forged, ana, key_id=f"{uri}#main-key"))).status_code)
    assert statuses == [401] * 4 + [429] * 6
    assert (await here.send(letter(here, ana.create("two"), ana))).status_code == 202
    of_another = (await here.send(letter(here, eve.create("three"), eve))).status_code
    assert of_another == (202 if bound == "of one server" else 429)
    assert (await here.get("/p/1", signature="x")).status_code in {400, 401}
