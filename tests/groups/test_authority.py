"""No sequence of true and forged activities changes what its sender does not own, or brings private words to strangers.

Hypothesis makes up the sequences; a model of a few lines says what the node must hold afterwards.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groups.errors import GroupsError
from groups.places import standing_of
from groups.timelines import posts as posts_of
from groups.views import Viewer
from tests.groups.house import POSTS, PUBLIC, House
from tests.groups.test_federation import passed_over

SENDERS = ("author", "sibling", "stranger", "removed", "facilitator", "facilitator elsewhere", "group elsewhere")
KINDS = ("Create", "Update", "Delete", "Undo", "Lock", "Block", "Like", "Announce")
FORMS = ("by id", "embedded", "as the author's", "as the sender's own")
NUMBERS = itertools.count(1)
QUIETLY = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@dataclass
class Scene:
    """A public group here, a post by somebody elsewhere, and everybody who might meddle with it."""

    house: House
    group: int
    reader: int
    actors: dict[str, int]
    uri: str
    words: str = "true 0"
    live: bool = True
    locked: bool = False
    said: int = field(default=0)

    @classmethod
    def of(cls, house: House) -> "Scene":
        """Begin anew, with names that no other sequence has."""
        n = next(NUMBERS)
        group, other = house.group(f"grief{n}", audience="public"), house.group(f"other{n}", audience="public")
        actors = {
            "author": house.stranger(f"sam{n}", "far.example", group),
            "sibling": house.stranger(f"ola{n}", "far.example", group),
            "stranger": house.stranger(f"eve{n}", "evil.example"),
            "removed": house.stranger(f"rex{n}", "gone.example", group, state="removed"),
            "facilitator": house.stranger(f"mod{n}", "mods.example", group, role="facilitator"),
            "facilitator elsewhere": house.stranger(f"far{n}", "mods.example", other, role="facilitator"),
            "group elsewhere": house.stranger(f"club{n}", "club.example", kind="Group"),
        }
        reader = house.person(f"ana{n}", group)
        house.join(actors["group elsewhere"], reader)
        scene = cls(house, group, reader, actors, f"{house.uri(actors['author'])}/notes/1")
        passed_over(house, actors["author"], "Create", scene.note("author", "true 0"), **scene.common("author"))
        assert scene.row() is not None
        return scene

    def row(self) -> Any:
        """Return the row of the post, if there is one."""
        found = self.house.rows(POSTS, POSTS.c.uri == self.uri)
        return found[0] if found else None

    def note(self, author: str, words: str) -> dict[str, Any]:
        """Return the post as one of them would send it."""
        uri = self.house.uri(self.actors[author])
        return {"id": self.uri, "type": "Note", "attributedTo": uri, "content": f"<p>{words}</p>", "to": [PUBLIC],
                "cc": [self.house.uri(self.group)], "updated": f"2026-11-24T00:00:{self.said:02}Z"}  # fmt: skip

    def common(self, sender: str) -> dict[str, Any]:
        """Return what every activity has."""
        self.said += 1
        return {"id": f"{self.house.uri(self.actors[sender])}/acts/{self.said}", "cc": [self.house.uri(self.group)]}

    def act(self, sender: str, kind: str, form: str) -> None:
        """Have somebody send something about the post, and tell the model what it may change."""
        words = f"{sender} {kind} {form} {self.said}"
        common = self.common(sender)
        target: Any = self.uri
        if kind in {"Create", "Update"} or (kind == "Announce" and form != "by id"):
            claimed = {"by id": None, "embedded": sender, "as the author's": "author"}.get(form, sender)
            note = None if claimed is None else self.note(claimed, words)
            if note is not None and form == "as the sender's own":
                note |= {"id": f"{self.house.uri(self.actors[sender])}/notes/{self.said}"}
            target = self.uri if note is None else note
        if kind == "Undo":
            target = {"id": f"{self.uri}/activity", "type": "Create", "actor": self.house.uri(self.actors["author"]),
                      "object": self.uri}  # fmt: skip
        if kind == "Block":
            target, common = self.house.uri(self.actors["author"]), {**common, "target": self.house.uri(self.group)}
        if kind == "Announce" and isinstance(target, dict):
            target = {"id": f"{self.uri}/update/{self.said}", "type": "Update", "to": [PUBLIC], "cc": [],
                      "actor": self.house.uri(self.actors["author"]), "object": target}  # fmt: skip
        passed_over(self.house, self.actors[sender], kind, target, **common)
        self._expect(sender, kind, form, words)

    def _expect(self, sender: str, kind: str, form: str, words: str) -> None:
        if sender == "author" and kind == "Update" and form in {"embedded", "as the author's"} and self.live:
            self.words = words if self._may_write() else self.words
        if kind == "Delete" and sender in {"author", "facilitator"}:
            self.live = False
        if kind == "Lock" and sender == "facilitator" and self.live:
            self.locked = True

    def _may_write(self) -> bool:
        """Tell whether the author is still in the group: whoever was shown out edits nothing either (S-307)."""
        return bool(self.house.ask(standing_of, self.group, self.actors["author"]).takes_part)

    def expected(self) -> Any:
        """What the post should be after all that was said: whose and where, locked or not, and what of it is read."""
        return self.actors["author"], self.group, self.live, self.locked, [f"<p>{self.words}</p>"] if self.live else []

    def found(self) -> Any:
        """What the node makes of it."""
        row = self.row()
        shown = self.house.ask(posts_of, Viewer(self.reader), [row.id])
        return row.author_id, row.group_id, row.state == "live", row.locked, [post.html for post in shown]


STEPS = st.lists(st.tuples(st.sampled_from(SENDERS), st.sampled_from(KINDS), st.sampled_from(FORMS)), max_size=8)


def test_nothing_that_others_send_changes_a_post(house: House) -> None:
    """Whoever signs it, whatever it claims, in whatever order (S-202, S-203, S-210, S-301, S-302, S-304)."""

    @QUIETLY
    @given(STEPS)
    def hold(steps: list[tuple[str, str, str]]) -> None:
        scene = Scene.of(house)
        for step in steps:
            scene.act(*step)
            assert scene.found() == scene.expected()

    hold()


# ── private words ────────────────────────────────────────────────────────────────────────────────────────────────────

HOSTS = ("one", "two")
MOVES = st.one_of(
    st.tuples(st.sampled_from(["join", "leave", "remove", "threadiverse", "suspend", "allow"]), st.sampled_from(HOSTS)),
    st.tuples(st.sampled_from(["post", "post", "reply", "edit", "delete"]), st.just("")),
)


def test_private_words_reach_servers_with_a_member_only(house: House) -> None:
    """T-FD-08: whoever joins, leaves, is shown out or held off, and whatever is said meanwhile."""

    @settings(QUIETLY, max_examples=100)
    @given(st.sampled_from(["none", "peers-only", "followers", "followers"]), st.lists(MOVES, min_size=4, max_size=16))
    def hold(audience: str, moves: list[tuple[str, str]]) -> None:
        n = next(NUMBERS)
        group = house.group(f"quiet{n}", audience=audience)
        ana = house.person(f"ana{n}", group)
        # Servers of their own for each sequence: what is known of one stays known.
        people = {f"{name}{n}.example": house.stranger("sam", f"{name}{n}.example") for name in HOSTS}
        inside: set[str] = set()
        shut: set[str] = set()
        said: list[Any] = []
        for number, (move, name) in enumerate(moves):
            host = f"{name}{n}.example"
            canary = f"canary{n}x{number}"
            try:
                _move(house, group, ana, move, host, people, inside, shut, said, canary)
            except GroupsError:
                continue
            for sent in house.deliver():
                if f"canary{n}x" in str(sent.document):
                    assert sent.host in inside - shut, (move, host, sent.kind)
                    assert audience != "none"
                    assert PUBLIC not in str(sent.document)

    hold()


def _move(
    house: House, group: int, ana: int, move: str, host: str, people: dict[str, int], inside: set[str],
    shut: set[str], said: list[Any], canary: str,
) -> None:  # fmt: skip
    if move == "join" and host not in inside:
        with_place = house.ask(standing_of, group, people[host]).state is not None
        (house.place if with_place else house.join)(group, people[host], state="active")
        inside.add(host)
    elif move in {"leave", "remove"} and host in inside:
        house.place(group, people[host], state="left" if move == "leave" else "removed")
        inside.discard(host)
    elif move == "threadiverse":
        house.class_of(host, level="suspend" if host in shut else "normal", threadiverse=True)
    elif move in {"suspend", "allow"}:
        house.class_of(host, level=move)
        (shut.add if move == "suspend" else shut.discard)(host)
    elif move == "post":
        said.append(house.post(ana, canary, group_id=group))
    elif said and move == "reply":
        said.append(house.post(ana, canary, parent_id=said[0].id))
    elif said and move == "edit":
        house.edit(ana, said[-1].id, canary)
    elif said and move == "delete":
        house.delete(ana, said.pop().id)
