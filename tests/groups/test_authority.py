"""No sequence of true and forged activities changes what its sender does not own, or brings private words to strangers.

Hypothesis makes up the sequences; a model of a few lines says what the node must hold afterwards.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from activitypub.ports import Publication, Requester
from groups.errors import GroupsError
from groups.founding import GroupChanges, change_group
from groups.pinning import pin, pinned_in
from groups.places import standing_of
from groups.publications import GroupPublications
from groups.timelines import posts as posts_of
from groups.views import Viewer
from tests.groups.house import POSTS, PUBLIC, House
from tests.groups.test_federation import passed_over

SENDERS = (
    "author", "sibling", "stranger", "removed", "banned", "facilitator", "facilitator elsewhere", "group elsewhere",
)  # fmt: skip
OF_THE_POST = ("Create", "Update", "Update", "Delete", "Undo", "Lock", "Like", "EmojiReact", "Announce", "Flag")
OF_THE_GROUP = ("Block", "Add", "Remove", "Follow", "Join", "Leave", "Move", "Accept", "Reject")
KINDS = (*OF_THE_POST, *OF_THE_GROUP)
FORMS = ("by id", "embedded", "as the author's", "as the sender's own")
NUMBERS = itertools.count(1)
QUIETLY = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


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
    pinned: bool = False
    said: int = field(default=0)
    places: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    """Role and state of each in the group, as they were before the last act."""
    trespasses: list[Any] = field(default_factory=list)
    """Changes of a place that its holder did not make, nor anybody who may."""

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
            "banned": house.stranger(f"bo{n}", "gone.example", group, state="banned"),
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
        words, common = f"{sender} {kind} {form} {self.said}", self.common(sender)
        self.places = self.standings()
        group, author = self.house.uri(self.group), self.house.uri(self.actors["author"])
        target: Any = self.uri
        if kind in {"Create", "Update"}:
            target = self._claimed(sender, form, words)
        elif kind == "Announce" and form != "by id":
            inner = {"embedded": "Update", "as the author's": "Delete"}.get(form, "Lock")
            about = self.note("author", words) if inner == "Update" else self.uri
            target = {"id": f"{self.uri}/{inner}/{self.said}", "type": inner, "to": [PUBLIC], "cc": [],
                      "actor": author, "object": about}  # fmt: skip
        elif kind == "Undo":
            target = {"id": f"{self.uri}/activity", "type": "Create", "actor": author, "object": self.uri}
        elif kind in {"Block", "Move"}:
            target, common = author, {**common, "target": group if kind == "Block" else self.house.uri(self.reader)}
        elif kind in {"Add", "Remove"}:
            pins = form != "embedded"
            target, place = (self.uri, "featured") if pins else (author, "moderators")
            common |= {"target": f"{group}/{place}"}
        elif kind in {"Follow", "Join", "Leave"}:
            target = group
        elif kind in {"Accept", "Reject"}:
            target = {"type": "Follow", "id": f"{author}/follow", "actor": author, "object": group}
        passed_over(self.house, self.actors[sender], kind, target, **common)
        self._expect(sender, kind, form, words)

    def standings(self) -> dict[str, tuple[str | None, str | None]]:
        """Return what each of them, and the reader, is to the group."""
        everybody = {**self.actors, "reader": self.reader}
        found = {name: self.house.ask(standing_of, self.group, one) for name, one in everybody.items()}
        return {name: (standing.role, standing.state) for name, standing in found.items()}

    def _claimed(self, sender: str, form: str, words: str) -> Any:
        if form == "by id":
            return self.uri
        note = self.note("author" if form == "as the author's" else sender, words)
        own = {"id": f"{self.house.uri(self.actors[sender])}/notes/{self.said}"}
        return note | own if form == "as the sender's own" else note

    def _expect(self, sender: str, kind: str, form: str, words: str) -> None:
        cares = sender == "facilitator" and self.places[sender] == ("facilitator", "active")
        if sender == "author" and kind == "Update" and form in {"embedded", "as the author's"} and self.live:
            # Whoever was shown out, or left, edits nothing either (S-307).
            self.words = words if self.places["author"][1] == "active" else self.words
        if kind in {"Add", "Remove"} and form != "embedded" and cares and self.live:
            self.pinned = kind == "Add"
        if kind == "Delete" and (sender == "author" or cares):
            self.live = self.pinned = False
        if kind == "Lock" and cares and self.live:
            self.locked = True
        self._note_trespasses(sender, shown_out=kind == "Block" and cares)

    def _note_trespasses(self, sender: str, *, shown_out: bool) -> None:
        """Nobody changes what another is in the group but who looks after it; nobody lets themselves in or up."""
        for name, (role, state) in self.standings().items():
            before = self.places[name]
            if name == "author" and shown_out and before[1] == "active":
                fine = (role, state) == ("member", "removed")
            elif name == sender:
                fine = role in {before[0], "member", "follower"} and (state != "active" or before[1] == "active")
                fine = fine and (state == "banned") is (before[1] == "banned")
            else:
                fine = (role, state) == before
            if not fine:
                self.trespasses.append((sender, name, role, state))

    def expected(self) -> Any:
        """What the post should be after all that was said, and that nobody changed what another is in the group."""
        words = [f"<p>{self.words}</p>"] if self.live else []
        return self.actors["author"], self.group, self.live, self.locked, self.pinned, words, []

    def found(self) -> Any:
        """What the node makes of it."""
        row, viewer = self.row(), Viewer(self.reader)
        shown = self.house.ask(posts_of, viewer, [row.id])
        pinned = [post.id for post in self.house.ask(pinned_in, viewer, self.group)] == [row.id]
        words = [post.html for post in shown]
        return row.author_id, row.group_id, row.state == "live", row.locked, pinned, words, self.trespasses


STEPS = st.lists(
    st.tuples(st.sampled_from(SENDERS), st.sampled_from(KINDS), st.sampled_from(FORMS)), min_size=3, max_size=9
)


def test_nothing_that_others_send_changes_a_post(house: House) -> None:
    """Whoever signs it, whatever it claims, in whatever order: the post, what stands on top, and each one's place.

    S-202, S-203, S-210, S-301, S-302, S-303, S-304, S-307, S-316.
    """

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
    st.tuples(st.sampled_from(["speak", "speak", "answer"]), st.sampled_from(HOSTS)),
    st.tuples(st.sampled_from(["post", "post", "reply", "edit", "delete", "rename", "pin"]), st.just("")),
)


@dataclass
class Quiet:
    """A group that is not public, its people on two other servers, and what may be known of it where."""

    house: House
    audience: str
    n: int
    group: int
    ana: int
    people: dict[str, int]
    inside: set[str] = field(default_factory=set)
    shut: set[str] = field(default_factory=set)
    said: list[Any] = field(default_factory=list)
    spoken: int = 0

    @classmethod
    def of(cls, house: House, audience: str) -> "Quiet":
        """Begin anew, with servers of its own: what is known of one stays known."""
        n = next(NUMBERS)
        group, ana = house.group(f"quiet{n}", audience=audience), house.person(f"ana{n}")
        house.join(group, ana, role="owner")
        people = {f"{name}{n}.example": house.stranger("sam", f"{name}{n}.example") for name in HOSTS}
        return cls(house, audience, n, group, ana, people)

    def move(self, move: str, host: str, canary: str) -> None:
        """Have something happen. Raises GroupsError for what is refused."""
        house, there = self.house, self.people.get(host, 0)
        if move == "join" and host not in self.inside:
            with_place = house.ask(standing_of, self.group, there).state is not None
            (house.place if with_place else house.join)(self.group, there, state="active")
            self.inside.add(host)
        elif move in {"leave", "remove"} and host in self.inside:
            house.place(self.group, there, state="left" if move == "leave" else "removed")
            self.inside.discard(host)
        elif move == "threadiverse":
            house.class_of(host, level="suspend" if host in self.shut else "normal", threadiverse=True)
        elif move in {"suspend", "allow"}:
            house.class_of(host, level=move)
            (self.shut.add if move == "suspend" else self.shut.discard)(host)
        elif move in {"speak", "answer"}:
            self._speak(there, canary, self.said[0].uri if move == "answer" and self.said else None)
        else:
            self._do(move, canary)

    def _do(self, move: str, canary: str) -> None:
        house = self.house
        if move == "post":
            self.said.append(house.post(self.ana, canary, group_id=self.group))
        elif move == "rename":
            changes = GroupChanges(about=canary)
            house.do(change_group, house.uris, self.ana, self.group, changes)
        elif self.said and move == "reply":
            self.said.append(house.post(self.ana, canary, parent_id=self.said[0].id))
        elif self.said and move == "edit":
            house.edit(self.ana, self.said[-1].id, canary)
        elif self.said and move == "pin":
            house.do(pin, house.uris, self.ana, self.said[0].id)
        elif self.said and move == "delete":
            house.delete(self.ana, self.said.pop().id)

    def _speak(self, author: int, canary: str, parent: str | None) -> None:
        """Have somebody elsewhere write into the group, member or not."""
        self.spoken += 1
        group, uri = self.house.uri(self.group), self.house.uri(author)
        note = {"id": f"{uri}/notes/{self.spoken}", "type": "Note", "attributedTo": uri, "inReplyTo": parent,
                "content": f"<p>{canary}</p>", "to": [group], "cc": []}  # fmt: skip
        common = {"to": [group], "cc": [], "id": f"{uri}/acts/{self.spoken}"}
        passed_over(self.house, author, "Create", note, **common)

    def leaks(self) -> list[tuple[str, str]]:
        """Return what was sent, or would be handed out, to servers that have no member now, or may not have one."""
        found = []
        for sent in self.house.deliver():
            if f"canary{self.n}x" in str(sent.document):
                open_to_it = sent.host in self.inside - self.shut and self.audience != "none"
                if not open_to_it or PUBLIC in str(sent.document):
                    found.append((sent.host, sent.kind))
        publications = GroupPublications(self.house.uris)
        for host, person in self.people.items() if self.said else ():
            handed_out = self.house.ask(publications.post, self.said[-1].id, Requester(person, host))
            if isinstance(handed_out, Publication) and (host not in self.inside or self.audience == "none"):
                found.append((host, "GET"))
        return found


def test_private_words_reach_servers_with_a_member_only(house: House) -> None:
    """T-FD-08: whoever joins, leaves, is shown out or held off, and whatever is said meanwhile, here or elsewhere."""

    @settings(QUIETLY, max_examples=25)
    @given(st.sampled_from(["none", "peers-only", "followers", "followers"]), st.lists(MOVES, min_size=4, max_size=14))
    def hold(audience: str, moves: list[tuple[str, str]]) -> None:
        scene = Quiet.of(house, audience)
        for number, (move, name) in enumerate(moves):
            try:
                scene.move(move, f"{name}{scene.n}.example", f"canary{scene.n}x{number}")
            except GroupsError:
                continue
            assert scene.leaks() == [], (move, name)

    hold()
