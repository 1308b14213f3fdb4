"""A message as its reader sees it: a template with the values in it, ready to be drawn anywhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from connector.model import Part, State, Template

MOST_TEXT = 4096
"""Characters of one part that are drawn."""

_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_CARD = re.compile(r"card\.(\d+)\.")
_MARKS = {"*": "bold", "_": "italic", "~": "strike", "`": "code"}
# WhatsApp's own marks: a sign at the edge of a word, closed on the same line.
_STYLED = re.compile(r"```(.+?)```|(?<![\w*_~`])([*_~`])(?=\S)([^\n]*?\S)\2(?![\w*_~`])", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A stretch of text in one style."""

    text: str
    bold: bool = False
    italic: bool = False
    strike: bool = False
    code: bool = False
    missing: bool = False
    """A slot that has no value; ``text`` is its mark."""


Runs = tuple[Run, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Button:
    """A button below the bubble."""

    label: str
    link: str = ""
    """Where it leads, where it leads anywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bubble:
    """What is seen of a message."""

    header: Runs = ()
    media: str = ""
    """``image``, ``video``, ``document``, ``location`` above the text."""
    media_name: str = ""
    body: Runs = ()
    footer: str = ""
    buttons: tuple[Button, ...] = ()
    cards: tuple[Bubble, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticks:
    """The signs below a bubble that say how far it came."""

    signs: str
    words: str
    """The same for those who do not see them."""
    tone: str = "sent"
    """``sent``, ``read``, ``waiting``, ``failed`` or ``skipped``."""


TICKS: Mapping[str, Ticks] = {
    State.WAITING: Ticks(signs="◷", words="waiting", tone="waiting"),
    State.SENDING: Ticks(signs="◷", words="being sent", tone="waiting"),
    State.IN_DOUBT: Ticks(signs="?", words="in doubt", tone="waiting"),
    State.ACCEPTED: Ticks(signs="✓", words="taken over"),
    State.SENT: Ticks(signs="✓", words="sent"),
    State.DELIVERED: Ticks(signs="✓✓", words="delivered"),
    State.READ: Ticks(signs="✓✓", words="read", tone="read"),
    State.FAILED: Ticks(signs="!", words="failed", tone="failed"),
    State.CANCELLED: Ticks(signs="–", words="cancelled", tone="skipped"),
    State.EXPIRED: Ticks(signs="–", words="expired", tone="skipped"),
    State.SKIPPED: Ticks(signs="–", words="skipped", tone="skipped"),
}


def fill(template: Template, slots: Mapping[str, str]) -> Bubble:
    """Put values into a template; a slot without a value stays visible, marked as missing."""
    whole, cards = Bubble(), dict[int, Bubble]()
    for part in template.parts:
        card = _CARD.match(part.prefix)
        if card:
            number = int(card[1])
            cards[number] = _add(cards.get(number, Bubble()), part, slots)
        else:
            whole = _add(whole, part, slots)
    return replace(whole, cards=tuple(cards[number] for number in sorted(cards)))


def plain(runs: Runs) -> str:
    """Return a text without its styles."""
    return "".join(run.text for run in runs)


def _add(bubble: Bubble, part: Part, slots: Mapping[str, str]) -> Bubble:
    runs = tuple(_runs(part, slots))
    match part.kind:
        case "header" if part.media:
            names = (f"{part.prefix}.{tail}" for tail in ("filename", "name", part.media))
            name = next((slots[key] for key in names if slots.get(key)), "")
            return replace(bubble, media=part.media, media_name=name)
        case "header":
            return replace(bubble, header=runs)
        case "footer":
            return replace(bubble, footer=plain(runs))
        case "button":
            label, _, link = plain(runs).partition(" → ")
            return replace(bubble, buttons=(*bubble.buttons, Button(label=label, link=link)))
        case _:
            return replace(bubble, body=(*bubble.body, Run(text="\n"), *runs) if bubble.body else runs)


def _runs(part: Part, slots: Mapping[str, str]) -> Iterator[Run]:
    """Fill first, then read the styles: that is how WhatsApp treats a value with a star in it."""
    missing: list[str] = []

    def value(found: re.Match[str]) -> str:
        text = slots.get(f"{part.prefix}.{found[1]}", "")
        if text:
            return text.replace(_HOLE, "")
        missing.append(found[0])
        return _HOLE

    text = _VARIABLE.sub(value, part.text.replace(_HOLE, ""))[:MOST_TEXT]
    holes = iter(missing)
    for run in _styled(text) if part.kind == "body" else (Run(text=text),):
        for number, piece in enumerate(run.text.split(_HOLE)):
            if number:
                yield replace(run, text=next(holes), missing=True)
            if piece:
                yield replace(run, text=piece)


_HOLE = "\ufffc"
"""Stands for a missing value while styles are read; it means "an object is here" and is in no text of ours."""


def _styled(text: str, **style: bool) -> Iterator[Run]:
    at = 0
    for found in _STYLED.finditer(text):
        if found.start() > at:
            yield Run(text=text[at : found.start()], **style)
        at = found.end()
        if found[1] is not None:
            yield Run(text=found[1], **style | {"code": True})
        elif found[2] == "`":
            yield Run(text=found[3], **style | {"code": True})
        elif _MARKS[found[2]] in style:  # twice the same says nothing; and so the depth has an end
            yield Run(text=found[0], **style)
        else:
            yield from _styled(found[3], **style | {_MARKS[found[2]]: True})
    if at < len(text):
        yield Run(text=text[at:], **style)
