"""The words of a post from elsewhere, made fit to be stored: sanitised, of one kind, with what a poll offers (pure)."""

from html import escape

from activitypub.vocabulary.objects import Note, Question
from groups.content import (
    MAX_NOTE_CHARACTERS,
    MAX_TITLE_CHARACTERS,
    one_line,
    plain_to_html,
    render,
    sanitize,
)
from groups.showing import Words


def words_of(note: Note) -> Words:
    """Return what a post says, as all posts are stored."""
    title = one_line(note.name or "", MAX_TITLE_CHARACTERS)
    is_note = note.type == "Note"
    warning = one_line(note.summary or "", MAX_NOTE_CHARACTERS) if is_note else ""
    return Words(
        title="" if is_note and title and _begins_with(note.content or "", title) else title,
        source="",
        html=_html(note),
        note=warning,
        sensitive=note.sensitive,
        language=note.language,
        url=str(note.url) if note.url is not None and str(note.url).startswith(("https://", "http://")) else None,
    )


def _html(note: Note) -> str:
    if isinstance(note, Question):
        return sanitize(note.content or "") + _choices(note)
    if note.content is None:
        return plain_to_html(note.summary or "") if note.type != "Note" else ""
    if note.media_type == "text/markdown":
        return render(note.content, lambda _name, _host: None)
    if note.media_type == "text/plain":
        return plain_to_html(note.content)
    return sanitize(note.content)


def _choices(question: Question) -> str:
    """Return the answers that a poll offers, as a list to be read: it is answered where it was asked."""
    names = [one_line(option.name, MAX_TITLE_CHARACTERS) for option in question.options]
    return sanitize("<ul>" + "".join(f"<li>{escape(name)}</li>" for name in names) + "</ul>") if names else ""


def _begins_with(html: str, title: str) -> bool:
    """Tell whether a text shows its title as its own first line, as posts of this software do."""
    return html.startswith(f"<p><strong>{title}</strong></p>")
