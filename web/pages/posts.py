"""Posts: a conversation, writing, answering, changing, deleting, and support."""

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response
from starlette.routing import BaseRoute

from groups.composing import NewPost, PostForm, compose, handles_of, known_actors
from groups.copies import Copies, copies_of
from groups.errors import Invalid, NotFound
from groups.pinning import is_pinned, pin, unpin
from groups.places import standing_of
from groups.policy import Act, Standing, Target, may
from groups.posting import delete_post, edit_post, publish_post
from groups.reactions import react, unreact
from groups.timelines import post as post_of
from groups.timelines import thread
from groups.views import PostView, Thread, Viewer
from privacy.unit_of_work import UnitOfWork
from web.pages.asked import BLANK, Typed, id_of, key_of, notice, typed_in
from web.pages.framing import Needs, Pages
from web.pages.groups import find_group, show_group
from web.pages.presenting import branches, deeds_path, group_card, group_path, post_card, post_path
from web.visitors import Visitor

FIELDS = {"status": "text", "spoiler_text": "note", "title": "title"}
"""The domain names the fields of a post as apps do; pages name them as people do."""


@dataclass(frozen=True, slots=True)
class Written:
    """One post and how its reader stands to its group."""

    post: PostView
    standing: Standing


@dataclass(frozen=True, slots=True)
class Sheet:
    """A page on which something is written: what stands around the form."""

    back: str
    action: str
    heading: str
    label: str
    verb: str
    about: Written
    answers: bool = False


def routes(pages: Pages) -> list[BaseRoute]:
    """Return the routes of this module."""
    return [
        pages.route("/groups/{group}/posts", publish, verb="POST"),
        pages.route("/groups/{group}/{post:int}", show, needs=Needs.NOTHING),
        pages.route("/groups/{group}/{post:int}/reply", ask_for_reply),
        pages.route("/groups/{group}/{post:int}/reply", reply, verb="POST"),
        pages.route("/groups/{group}/{post:int}/edit", ask_for_change),
        pages.route("/groups/{group}/{post:int}/edit", change, verb="POST"),
        pages.route("/groups/{group}/{post:int}/delete", ask_to_delete),
        pages.route("/groups/{group}/{post:int}/delete", delete, verb="POST"),
        pages.route("/groups/{group}/{post:int}/support", support, verb="POST"),
        pages.route("/groups/{group}/{post:int}/pin", keep_on_top, verb="POST"),
        pages.route("/groups/{group}/{post:int}/copies", show_copies),
    ]


async def publish(asking: Visitor) -> Response:
    """Post into a group; what cannot be posted comes back with all that was typed."""
    assert asking.me is not None
    form = await asking.form()
    group = await asking.context.database.read(find_group, asking.viewer, key_of(asking))
    typed = typed_in(form)
    try:
        new = await composed(asking, typed.for_post(group_id=group.id))
        made = await asking.context.database.write(publish_post, asking.context.uris, asking.me.id, new)
    except Invalid as error:
        return await show_group(asking, str(group.id), typed, told(asking, error))
    return asking.go(f"{group_path(made.group)}?done=posted")


async def show(asking: Visitor) -> Response:
    """Show a conversation; one of its answers leads to its place in it."""
    return await show_conversation(asking, key_of(asking))


async def show_conversation(asking: Visitor, key: str) -> Response:
    """Show the conversation of a post in a group that the address names."""
    read = asking.context.database.read
    found, standing = await read(conversation, asking.viewer, key, id_of(asking, "post"))
    post, me = found.post, None if asking.me is None else asking.me.id
    if found.ancestors and found.ancestors[0].id == post.thread_id:
        return asking.go(f"{post_path(found.ancestors[0])}#post-{post.id}")
    values = {
        "group": group_card(post.group, asking.now, asking.language),
        "root": post_card(post, standing, me, pinned=await read(is_pinned, post.id)),
        "replies": branches(found, standing, me),
        "count": len(found.descendants),
    }
    title = asking.say("Conversation")
    return asking.page("thread.html", title, values, section="groups", notice=notice(asking))


async def ask_for_reply(asking: Visitor) -> Response:
    """Show the form for an answer, below what it answers."""
    found = await asking.context.database.read(written, asking.viewer, key_of(asking), id_of(asking, "post"))
    may(Act.REPLY, found.standing).or_raise()
    return _sheet(asking, _reply_sheet(asking, found), BLANK, {})


async def reply(asking: Visitor) -> Response:
    """Answer a post."""
    assert asking.me is not None
    form = await asking.form()
    found = await asking.context.database.read(written, asking.viewer, key_of(asking), id_of(asking, "post"))
    typed = typed_in(form)
    try:
        new = await composed(asking, typed.for_post(parent_id=found.post.id))
        made = await asking.context.database.write(publish_post, asking.context.uris, asking.me.id, new)
    except Invalid as error:
        return _sheet(asking, _reply_sheet(asking, found), typed, told(asking, error))
    return asking.go(f"{group_path(made.group)}/{made.thread_id}?done=posted#post-{made.id}")


async def ask_for_change(asking: Visitor) -> Response:
    """Show one's own post in a form."""
    found = await asking.context.database.read(written, asking.viewer, key_of(asking), id_of(asking, "post"))
    may(Act.EDIT, found.standing, Target(is_own=found.post.mine)).or_raise()
    typed = Typed(found.post.source, found.post.title, found.post.note)
    return _sheet(asking, _change_sheet(asking, found), typed, {})


async def change(asking: Visitor) -> Response:
    """Put new words in the place of one's own post."""
    assert asking.me is not None
    form = await asking.form()
    found = await asking.context.database.read(written, asking.viewer, key_of(asking), id_of(asking, "post"))
    typed = typed_in(form)
    try:
        new = await composed(asking, typed.for_post(group_id=found.post.group.id))
        made = await asking.context.database.write(edit_post, asking.context.uris, asking.me.id, found.post.id, new)
    except Invalid as error:
        return _sheet(asking, _change_sheet(asking, found), typed, told(asking, error))
    return asking.go(f"{group_path(made.group)}/{made.thread_id}?done=saved#post-{made.id}")


async def ask_to_delete(asking: Visitor) -> Response:
    """Show a post once more and say what deleting it means."""
    assert asking.me is not None
    found = await asking.context.database.read(written, asking.viewer, key_of(asking), id_of(asking, "post"))
    may(Act.DELETE, found.standing, Target(is_own=found.post.mine)).or_raise()
    lines = [asking.say("It is erased here at once, with its key, so that backups cannot be read either.")]
    if found.post.group.audience != "none":
        lines.append(asking.say("Sites that received it are asked to delete it too. We cannot force them."))
    lines.append(asking.say("People may have read, copied or photographed it."))
    heading = asking.say("Delete this post?")
    values = {
        "post": post_card(found.post, found.standing, asking.me.id),
        "back": post_path(found.post),
        "action": f"{deeds_path(found.post.group)}/{found.post.id}/delete",
        "heading": heading,
        "verb": asking.say("Delete it"),
        "lines": lines,
    }
    return asking.page("confirm.html", heading, values, section="groups")


async def delete(asking: Visitor) -> Response:
    """Delete a post."""
    assert asking.me is not None
    await asking.form()
    found = await asking.context.database.read(written, asking.viewer, key_of(asking), id_of(asking, "post"))
    gone = await asking.context.database.write(delete_post, asking.context.uris, asking.me.id, found.post.id)
    path = group_path(gone.group)
    return asking.go(f"{path}?done=deleted" if gone.id == gone.thread_id else f"{path}/{gone.thread_id}?done=deleted")


async def support(asking: Visitor) -> Response:
    """Show support for a post, or take it back."""
    assert asking.me is not None
    form = await asking.form()
    found = await asking.context.database.read(written, asking.viewer, key_of(asking), id_of(asking, "post"))
    deed = unreact if form.line("on") == "no" else react
    await asking.context.database.write(deed, asking.context.uris, asking.me.id, found.post.id)
    path = group_path(found.post.group)
    return asking.go(f"{path}#post-{found.post.id}" if form.line("from") == "group" else post_path(found.post))


async def keep_on_top(asking: Visitor) -> Response:
    """Keep a post on top of its group, or no longer."""
    assert asking.me is not None
    form = await asking.form()
    found = await asking.context.database.read(written, asking.viewer, key_of(asking), id_of(asking, "post"))
    stays = form.line("on") != "no"
    deed = pin if stays else unpin
    await asking.context.database.write(deed, asking.context.uris, asking.me.id, found.post.id)
    return asking.go(f"{group_path(found.post.group)}?done={'pinned' if stays else 'unpinned'}")


async def show_copies(asking: Visitor) -> Response:
    """Show somebody where their own post went."""
    assert asking.me is not None
    read = asking.context.database.read
    found = await read(written, asking.viewer, key_of(asking), id_of(asking, "post"))
    copies = await read(copies_of, asking.me.id, found.post.id)
    heading = asking.say("Where this post went")
    values = {
        "post": post_card(found.post, found.standing, asking.me.id),
        "back": post_path(found.post),
        "heading": heading,
        "lines": _about_copies(asking, copies),
        "lists": [
            (asking.say("Sites that received it"), copies.sent),
            (asking.say("Sites that came for it"), copies.fetched),
            (asking.say("Sites that it has not reached yet"), copies.waiting),
        ],
    }
    return asking.page("copies.html", heading, values, section="groups")


def _about_copies(asking: Visitor, copies: Copies) -> list[str]:
    """Say what the lists mean, and what they cannot tell."""
    elsewhere = copies.sent or copies.fetched or copies.waiting or copies.still_spreads
    words = "These sites are asked to delete it when it ends, or when you delete it. We cannot force them."
    lines = [asking.say(words if elsewhere else "It is on this site only, as far as we know.")]
    if copies.still_spreads:
        lines.append(asking.say("It is on its way to more sites."))
    if copies.post.group.audience == "public":
        lines.append(asking.say("Anybody can read and copy what stands in this group: not every copy is known here."))
    return lines


def conversation(uow: UnitOfWork, viewer: Viewer, key: str, post_id: int) -> tuple[Thread, Standing]:
    """Return a conversation in a group. Raises NotFound."""
    found = thread(uow, viewer, post_id)
    return found, _standing_in(uow, viewer, key, found.post)


def written(uow: UnitOfWork, viewer: Viewer, key: str, post_id: int) -> Written:
    """Return a post in a group, and how the viewer stands to that. Raises NotFound."""
    found = post_of(uow, viewer, post_id)
    return Written(found, _standing_in(uow, viewer, key, found))


async def composed(asking: Visitor, form: PostForm) -> NewPost:
    """Return the post that a form makes; rendering is kept off the event loop. Raises Invalid."""
    context = asking.context
    known = await context.database.read(known_actors, context.uris, asking.viewer, handles_of(form))
    return await context.in_pool(compose, context.uris, form, known)


def told(asking: Visitor, error: Invalid) -> dict[str, str]:
    """Return what is wrong with a post, by the field that the page shows it at."""
    return {FIELDS.get(name, "text"): asking.say(sentence) for name, sentence in error.fields.items()}


def _standing_in(uow: UnitOfWork, viewer: Viewer, key: str, post: PostView) -> Standing:
    if key not in {str(post.group.id), post.group.card.handle}:
        raise NotFound(f"post {post.id} in another group")
    return standing_of(uow, post.group.id, viewer.actor_id)


def _reply_sheet(asking: Visitor, found: Written) -> Sheet:
    name = found.post.author.name
    return Sheet(
        back=post_path(found.post),
        action=f"{deeds_path(found.post.group)}/{found.post.id}/reply",
        heading=asking.say("Reply to %(name)s") % {"name": name},
        label=asking.say("Your reply"),
        verb=asking.say("Reply"),
        about=found,
        answers=True,
    )


def _change_sheet(asking: Visitor, found: Written) -> Sheet:
    return Sheet(
        back=post_path(found.post),
        action=f"{deeds_path(found.post.group)}/{found.post.id}/edit",
        heading=asking.say("Edit your post"),
        label=asking.say("Your post"),
        verb=asking.say("Save"),
        about=found,
    )


def _sheet(asking: Visitor, sheet: Sheet, typed: Typed, errors: Mapping[str, str]) -> Response:
    assert asking.me is not None
    post = sheet.about.post
    values = {
        "group": group_card(post.group, asking.now, asking.language),
        "sheet": sheet,
        "parent": post_card(post, sheet.about.standing, asking.me.id) if sheet.answers else None,
        "with_title": not sheet.answers and post.parent_id is None,
        "only_named": post.audience == "direct",
        "ends": None if sheet.answers else post.expires_at,
        "values": typed,
        "errors": errors,
    }
    title = asking.say("Error: %(what)s") % {"what": sheet.verb} if errors else sheet.verb
    return asking.page("compose.html", title, values, status=422 if errors else 200, section="groups")
