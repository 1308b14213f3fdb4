"""The words of the field: one page that explains them, and ``term('opt-in')`` on every page that uses one.

The text is ``glossary.md`` beside the templates (``docs/glossary.md`` is the same file). Of Markdown it uses
headings, paragraphs, bold, emphasis, code and links to anchors; nothing else is drawn, and everything is escaped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from flask import g, render_template
from markupsafe import Markup, escape

from connector.model import Permission
from connector.web.console.frame import console, needs

FILE = Path(__file__).parent.parent / "glossary.md"
PLACES: Mapping[str, str] = {
    "API keys": "/keys",
    "Accounts": "/accounts",
    "Analytics": "/analytics",
    "Audit log": "/audit",
    "Events": "/events",
    "Getting started": "/start",
    "Glossary": "/glossary",
    "Mappings": "/mappings",
    "Messages": "/messages",
    "My account": "/me",
    "People": "/people",
    "Team": "/team",
    "Templates": "/templates",
    "Webhooks out": "/outgoing",
    "Why?": "/why",
}
"""Pages that an entry may name after ``Where:``."""

_MARKS = re.compile(r"`([^`]+)`|\*\*([^*]+)\*\*|\*([^*]+)\*|\[([^\]]+)\]\((#[a-z0-9-]+)\)")
_SENTENCE = re.compile(r"(.+?[.?!])(?:\s|$)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One word and what it means."""

    word: str
    slug: str
    """As GitHub makes an anchor of the heading."""
    paragraphs: tuple[str, ...]
    """Markdown."""
    aliases: tuple[str, ...]
    places: tuple[tuple[str, str], ...]
    """Where it is found: title of a page, its address."""

    @property
    def html(self) -> Markup:
        """The paragraphs, drawn."""
        return Markup("").join(Markup("<p>{}</p>").format(draw(text)) for text in self.paragraphs)

    @property
    def first(self) -> str:
        """The first sentence, without marks."""
        found = _SENTENCE.match(self.paragraphs[0]) if self.paragraphs else None
        return _MARKS.sub(lambda mark: next(filter(None, mark.groups())), found[1] if found else "")


@dataclass(frozen=True, slots=True)
class Group:
    """Words that belong together."""

    title: str
    slug: str
    entries: tuple[Entry, ...]


@cache
def groups() -> tuple[Group, ...]:
    """Return the whole glossary, in its order."""
    return tuple(parse(FILE.read_text("utf-8")))


def parse(text: str) -> Iterator[Group]:
    """Read the groups of a glossary: ``## group``, ``### word``, paragraphs, ``Also: …``, ``Where: …``."""
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        title, _, rest = part.partition("\n")
        words = re.split(r"^### ", rest, flags=re.MULTILINE)[1:]
        yield Group(title.strip(), slug(title), tuple(_entry(word) for word in words))


def slug(heading: str) -> str:
    """Return the anchor of a heading, as GitHub writes it."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def find(word: str) -> Entry | None:
    """Return the entry of a word, by its heading or any of its other names; None where there is none."""
    return _index().get(word.strip().lower())


def draw(text: str) -> Markup:
    """Draw one paragraph's marks; everything else is escaped."""
    done, at = Markup(""), 0
    for found in _MARKS.finditer(text):
        done += escape(text[at : found.start()])
        code, bold, emphasis, words, anchor = found.groups()
        if code:
            done += Markup("<code>{}</code>").format(code)
        elif bold:
            done += Markup("<strong>{}</strong>").format(bold)
        elif emphasis:
            done += Markup("<em>{}</em>").format(emphasis)
        else:
            done += Markup('<a href="{}">{}</a>').format(anchor, words)
        at = found.end()
    return done + escape(text[at:])


@console.app_template_global("term")
def term(word: str, shown: str = "") -> Markup:
    """Draw a word as a link to what it means, with its first sentence at hand for mouse, keyboard and readers.

    ``shown`` is written instead of the word. A word that the glossary does not have is written as it is.
    """
    entry = find(word)
    if entry is None:
        return escape(shown or word)
    g.terms = number = g.get("terms", 0) + 1
    return Markup(
        '<span class="term"><a href="/glossary#{slug}" aria-describedby="term-{number}">{shown}</a>'
        '<span class="term-tip" role="tooltip" id="term-{number}">{first}</span></span>'
    ).format(slug=entry.slug, number=number, shown=shown or word, first=entry.first)


@console.get("/glossary")
@needs(Permission.LOOK)
def glossary() -> str:
    """Show every word."""
    return render_template("console/glossary.html", groups=groups())


@cache
def _index() -> Mapping[str, Entry]:
    entries = [entry for group in groups() for entry in group.entries]
    other = {alias.lower(): entry for entry in entries for alias in entry.aliases}
    return other | {entry.word.lower(): entry for entry in entries}


def _entry(text: str) -> Entry:
    word, _, rest = text.partition("\n")
    blocks = [" ".join(block.split()) for block in re.split(r"\n\s*\n|\n(?=(?:Also|Where): )", rest) if block.strip()]
    places = [name for block in blocks for name in _listed(block, "Where:")]
    return Entry(
        word=word.strip(),
        slug=slug(word),
        paragraphs=tuple(block for block in blocks if not block.startswith(("Also:", "Where:"))),
        aliases=tuple(name for block in blocks for name in _listed(block, "Also:")),
        places=tuple((name, PLACES[name]) for name in places),
    )


def _listed(block: str, mark: str) -> list[str]:
    if not block.startswith(mark):
        return []
    return [name.strip() for name in block.removeprefix(mark).strip().removesuffix(".").split(",")]
