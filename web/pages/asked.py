"""What a page is asked: which group, post or person its address names, what was typed, and what was just done."""

from dataclasses import dataclass

from groups.composing import PostForm
from groups.errors import NotFound
from privacy.records import MAX_ID
from web.forms import Form
from web.visitors import Visitor

MAX_KEY_CHARACTERS = 64
DONE = {
    "joined": "You belong to the group now.",
    "asked": "You have asked to join. The people who look after the group will answer.",
    "left": "You have left the group.",
    "admitted": "They belong to the group now.",
    "refused": "They were refused.",
    "removed": "They no longer belong to the group.",
    "appointed": "They look after the group now.",
    "dismissed": "They no longer look after the group.",
    "named": "Other sites can see now that you look after this group.",
    "unnamed": "Other sites are no longer told that you look after this group.",
    "reported": "Thank you. It is reported; who reported it is told to nobody.",
    "closed": "The report is closed.",
    "pinned": "The post stays on top of the group now.",
    "unpinned": "The post no longer stays on top of the group.",
    "posted": "Your post is there.",
    "saved": "The change is saved.",
    "deleted": "The post is erased here. Sites that received it are asked to delete it too.",
    "revoked": "The link no longer works.",
    "using": "You use this name now.",
    "ruled": "The rule holds now.",
    "unruled": "What held before holds again.",
    "waits": "The change waits for its hour. Those whom it will cut off are told now.",
    "subscribed": "The list is fetched within a minute, and then every day.",
    "unsubscribed": "The list is not fetched any more. What came with it alone is taken back.",
    "dropped": "The change was given up.",
    "password": "The new password counts from now on. Every other visit and app was signed out.",
}


@dataclass(frozen=True, slots=True)
class Typed:
    """What was typed into the form of a post."""

    text: str = ""
    title: str = ""
    note: str = ""

    def for_post(self, *, group_id: int | None = None, parent_id: int | None = None) -> PostForm:
        """Return the same for the domain."""
        return PostForm(self.text, group_id=group_id, parent_id=parent_id, title=self.title, note=self.note)


BLANK = Typed()


def typed_in(form: Form) -> Typed:
    """Return what was typed into the form of a post."""
    return Typed(form.text("text"), form.line("title"), form.line("note"))


def key_of(asking: Visitor) -> str:
    """Return the group's id or handle in the address. Raises NotFound for what can be neither."""
    key = str(asking.request.path_params["group"])
    if not 0 < len(key) <= MAX_KEY_CHARACTERS:
        raise NotFound("group")
    return key


def id_of(asking: Visitor, name: str) -> int:
    """Return an id in the address. Raises NotFound for what can be none."""
    found = number(str(asking.request.path_params[name]))
    if found is None:
        raise NotFound(name)
    return found


def number(text: str | None) -> int | None:
    """Return an id, or None for what can be none."""
    if text is None or not text.isascii() or not text.isdecimal() or len(text) > len(str(MAX_ID)):
        return None
    return int(text) if int(text) <= MAX_ID else None


def notice(asking: Visitor) -> str:
    """Return the sentence about what was just done: one of ours, whatever the address says."""
    sentence = DONE.get(asking.request.query_params.get("done", ""), "")
    return asking.say(sentence) if sentence else ""
