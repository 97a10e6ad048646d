"""From the words of the domain to those of the wire (pure); the way back is `groups.arrivals`.

Shapes follow federation reference §2.2-2.3, §4.6, §5.3 and §5.7.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from typing import Any

from activitypub.uris import Uris
from activitypub.vocabulary import activities, actors
from activitypub.vocabulary.base import PUBLIC, Ref, Uri
from activitypub.vocabulary.objects import InteractionPolicy, Note, Tag
from activitypub.vocabulary.writing import to_document
from groups.content import MAX_TITLE_CHARACTERS, one_line, plain_to_html

REPLY_HINT = "Members only. Reply with “mentioned people only”."
"""Microblog software would send a reply to the replier's own followers (federation reference §5.7)."""


@dataclass(frozen=True, slots=True)
class LocalActorFacts:
    """A local actor as its document shows it."""

    id: int
    uri: str
    kind: str
    handle: str
    name: str
    summary: str
    locked: bool
    discoverable: bool
    created_on: datetime
    keys: tuple[actors.Key, ...]
    page: str
    restricted: bool = False
    """Whether a group takes posts of those only who look after it, or of nobody."""


@dataclass(frozen=True, slots=True)
class GroupFacts:
    """What a post's addressing needs of its group."""

    id: int
    uri: str
    handle: str
    host: str
    followers: str
    inbox: str
    local: bool
    audience: str
    name: str = ""

    @property
    def is_public(self) -> bool:
        """Whether posts are for anybody."""
        return self.audience == "public"


@dataclass(frozen=True, slots=True)
class MentionFacts:
    """Somebody whom a post names."""

    id: int
    uri: str
    address: str
    """`name@host`."""
    host: str
    inbox: str
    local: bool


@dataclass(frozen=True, slots=True)
class PostFacts:
    """A post as the wire needs it."""

    id: int
    uri: str
    author_uri: str
    page: str
    thread_id: int
    title: str
    html: str
    note: str
    sensitive: bool
    language: str | None
    parent_uri: str | None
    direct: bool
    published: datetime
    edited_at: datetime | None
    ends_at: datetime
    mentions: tuple[MentionFacts, ...] = ()


def actor_document(uris: Uris, facts: LocalActorFacts) -> dict[str, Any]:
    """Return the document of a persona or group of this node."""
    shared: dict[str, Any] = {
        "id": Uri(facts.uri),
        "preferred_username": facts.handle,
        "webfinger": f"{facts.handle}@{uris.domain}",
        "name": facts.name,
        "summary": facts.summary or None,
        "url": Uri(facts.page),
        "inbox": Uri(uris.inbox(facts.uri)),
        "outbox": Uri(uris.outbox(facts.uri)),
        "followers": Uri(uris.followers(facts.uri)),
        "shared_inbox": Uri(uris.shared_inbox),
        "manually_approves_followers": facts.locked,
        "discoverable": facts.discoverable,
        "indexable": False,
        "published": facts.created_on,
        "keys": facts.keys,
    }
    if facts.kind == "Group":
        moderators, featured = Uri(uris.moderators(facts.uri)), Uri(uris.featured(facts.uri))
        audience = (PUBLIC,) if facts.discoverable else ()
        group = actors.Group(
            **shared, moderators=moderators, featured=featured, sensitive=True, audience=audience,
            posting_restricted=facts.restricted,
        )  # fmt: skip
        return to_document(group)
    return to_document(actors.Person(**shared, following=Uri(uris.following(facts.uri))))


def to_note(uris: Uris, post: PostFacts, group: GroupFacts) -> Note:
    """Return the Note of a post of this node.

    The title stands in `name` and as the first bold line, since microblog software shows no `name`. The group comes
    first in `to` (Lemmy looks there first) and is mentioned, so that replies from elsewhere keep reaching it.
    """
    to, cc = addressing(post, group)
    group_tag = Tag(type="Mention", name=f"@{group.handle}@{group.host}", href=Uri(group.uri))
    others = [Tag(type="Mention", name=f"@{m.address}", href=Uri(m.uri)) for m in post.mentions if m.id != group.id]
    tags = others if post.direct else [group_tag, *others]
    return Note(
        id=Uri(post.uri),
        type="Note",
        attributed_to=Uri(post.author_uri),
        name=post.title or None,
        content=_titled(post),
        summary=post.note or None,
        sensitive=post.sensitive,
        language=post.language,
        url=Uri(post.page),
        in_reply_to=Uri(post.parent_uri) if post.parent_uri else None,
        context=Uri(uris.context(post.thread_id)) if group.local else None,
        replies=Uri(uris.replies(post.id)) if group.local else None,
        published=post.published,
        updated=post.edited_at,
        expires=post.ends_at,
        to=to,
        cc=cc,
        audience=() if post.direct else (Uri(group.uri),),
        tags=tuple(tags),
        interaction_policy=InteractionPolicy(can_quote=(Uri(post.author_uri),)),
    )


def _titled(post: PostFacts) -> str:
    title = one_line(post.title, MAX_TITLE_CHARACTERS)
    return (f"<p><strong>{escape(title, quote=False)}</strong></p>" if title else "") + post.html


def addressing(post: PostFacts, group: GroupFacts) -> tuple[tuple[Uri, ...], tuple[Uri, ...]]:
    """Return `to` and `cc` of a post, the same for the object and for the activity around it."""
    named = tuple(Uri(mention.uri) for mention in post.mentions if mention.id != group.id)
    if post.direct:
        return named, ()
    if group.is_public:
        return (Uri(group.uri), PUBLIC), (Uri(group.followers), *named)
    return (Uri(group.uri), Uri(group.followers)), named


def to_create(uris: Uris, post: PostFacts, group: GroupFacts) -> dict[str, Any]:
    """Return the Create of a post of this node."""
    return to_document(create_of(uris, post, group))


def create_of(uris: Uris, post: PostFacts, group: GroupFacts) -> activities.Create:
    """Return the Create as an object of the vocabulary."""
    note = to_note(uris, post, group)
    return activities.Create(
        id=Uri(uris.post_activity(post.id)),
        actor=Uri(post.author_uri),
        object=Ref(id=note.id, embedded=note),
        to=note.to,
        cc=note.cc,
        audience=note.audience,
        published=post.published,
    )


def to_update(uris: Uris, post: PostFacts, group: GroupFacts, activity_id: str) -> dict[str, Any]:
    """Return the Update that carries an edited post."""
    note = to_note(uris, post, group)
    update = activities.Update(
        id=Uri(activity_id),
        actor=Uri(post.author_uri),
        object=Ref(id=note.id, embedded=note),
        to=note.to,
        cc=note.cc,
        audience=note.audience,
    )
    return to_document(update)


def to_update_actor(activity_id: str, document: Mapping[str, Any], group: GroupFacts) -> dict[str, Any]:
    """Return the Update by which a group tells what it says of itself now."""
    shell = announce_shell(activity_id, group)
    return {**shell, "type": "Update", "object": dict(document)}


def to_delete(
    activity_id: str, actor_uri: str, object_uri: str, group: GroupFacts, *, reason: str | None
) -> dict[str, Any]:
    """Return the Delete of a post; a `reason`, even an empty one, marks a removal by moderators (Lemmy)."""
    to = (Uri(group.uri), PUBLIC) if group.is_public else (Uri(group.uri), Uri(group.followers))
    # The object is the bare id: Lemmy takes nothing else, and every other peer takes it too.
    delete = activities.Delete(
        id=Uri(activity_id),
        actor=Uri(actor_uri),
        object=Ref(id=Uri(object_uri)),
        to=to,
        cc=(),
        audience=(Uri(group.uri),),
        summary=reason,
    )
    return to_document(delete)


def to_collected(
    kind: str, activity_id: str, actor_uri: str, object_uri: str, collection: str, group: GroupFacts
) -> dict[str, Any]:
    """Return the Add or Remove by which something comes into, or goes out of, a collection of a group (FEP-1b12)."""
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": activity_id,
        "type": kind,
        "actor": actor_uri,
        "object": object_uri,
        "target": collection,
        "to": [PUBLIC if group.is_public else group.followers],
        "cc": [group.uri],
        "audience": group.uri,
    }


def to_flag(activity_id: str, node_uri: str, objects: Sequence[str], to: str, words: str) -> dict[str, Any]:
    """Return the report that leaves: Mastodon reads its reason in `content`, Lemmy in `summary`, and one thing only."""
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": activity_id,
        "type": "Flag",
        "actor": node_uri,
        "object": objects[0] if len(objects) == 1 else list(objects),
        "content": words,
        "summary": words,
        "to": [to],
    }


def to_delete_actor(activity_id: str, actor_uri: str) -> dict[str, Any]:
    """Return the Delete by which an actor tells that it is gone, with all that it wrote."""
    uri = Uri(actor_uri)
    return to_document(activities.Delete(id=Uri(activity_id), actor=uri, object=Ref(id=uri), to=(PUBLIC,)))


def to_announce_activity(announce_id: str, group: GroupFacts, activity: Mapping[str, Any]) -> dict[str, Any]:
    """Return form A: the Announce that carries an activity verbatim, for threadiverse readers (FEP-1b12)."""
    announce = announce_shell(announce_id, group)
    inner = {key: value for key, value in activity.items() if key not in {"bto", "bcc"}}
    return {**announce, "object": inner}


def to_announce_object(announce_id: str, group: GroupFacts, object_uri: str, published: datetime) -> dict[str, Any]:
    """Return form B: the Announce of a thread's first post by its id, which microblog readers show as a boost."""
    shell = announce_shell(announce_id, group)
    return {**shell, "published": published.strftime("%Y-%m-%dT%H:%M:%SZ"), "object": object_uri}


def announce_shell(announce_id: str, group: GroupFacts) -> dict[str, Any]:
    """Return an Announce by a group without its object."""
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": announce_id,
        "type": "Announce",
        "actor": group.uri,
        "to": [PUBLIC if group.is_public else group.followers],
        "cc": [group.followers] if group.is_public else [],
        "audience": group.uri,
    }


def to_undo(activity_id: str, actor_uri: str, undone: Mapping[str, Any], to: Sequence[str]) -> dict[str, Any]:
    """Return the Undo of an activity, which it embeds with its id, actor and object: peers match by either."""
    inner = {key: undone[key] for key in ("id", "type", "actor", "object") if key in undone}
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": activity_id,
        "type": "Undo",
        "actor": actor_uri,
        "to": list(to),
        "cc": [],
        "object": inner,
    }


def to_follow(follow_id: str, actor_uri: str, group_uri: str) -> dict[str, Any]:
    """Return the Follow by which a member of this node asks to join a group elsewhere."""
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": follow_id,
        "type": "Follow",
        "actor": actor_uri,
        "to": [group_uri],
        "object": group_uri,
    }


def to_answer(kind: str, activity_id: str, group_uri: str, follow_id: str, follower_uri: str) -> dict[str, Any]:
    """Return the Accept or Reject of a Follow, embedded exactly as it came (Lemmy and Misskey compare its id)."""
    follow = {"id": follow_id, "type": "Follow", "actor": follower_uri, "object": group_uri}
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": activity_id,
        "type": kind,
        "actor": group_uri,
        "to": [follower_uri],
        "cc": [],
        "object": follow,
    }


def to_refusal(activity_id: str, actor_uri: str, asked: Mapping[str, Any], asker_uri: str) -> dict[str, Any]:
    """Return the Reject of a request, which is embedded as it came."""
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": activity_id,
        "type": "Reject",
        "actor": actor_uri,
        "to": [asker_uri],
        "object": {name: asked[name] for name in ("id", "type", "actor", "object") if name in asked},
    }


def to_like(activity_id: str, actor_uri: str, object_uri: str, to: Sequence[str], group_uri: str) -> dict[str, Any]:
    """Return the Like by which a member supports a post."""
    return {
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": activity_id,
        "type": "Like",
        "actor": actor_uri,
        "object": object_uri,
        "to": list(to),
        "cc": [],
        "audience": group_uri,
    }


def to_reemission(
    uris: Uris, post: PostFacts, group: GroupFacts, author_name: str, parent: str | None
) -> dict[str, Any]:
    """Return the group's own Note about a private post, inside its Create, for members on microblog software.

    Such software shows a private post only when its author is the one who is followed, which is the group
    (federation reference §5.7, mode 3). There is no Announce, and nothing of it is public.
    """
    note = Note(
        id=Uri(uris.reemission(post.id)),
        type="Note",
        attributed_to=Uri(group.uri),
        content=plain_to_html(f"{author_name} wrote:") + _titled(post) + plain_to_html(REPLY_HINT),
        summary=post.note or group.name,
        sensitive=True,
        language=post.language,
        in_reply_to=Uri(parent) if parent else None,
        published=post.published,
        updated=post.edited_at,
        to=(Uri(group.followers),),
        cc=(),
        audience=(Uri(group.uri),),
    )
    wrapper = activities.Update if post.edited_at else activities.Create
    stamp = f"#{int(post.edited_at.timestamp() * 1000)}" if post.edited_at else "#create"
    return to_document(
        wrapper(
            id=Uri(uris.reemission(post.id) + stamp),
            actor=Uri(group.uri),
            object=Ref(id=note.id, embedded=note),
            to=note.to,
            cc=(),
            audience=note.audience,
        )
    )
