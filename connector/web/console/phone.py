"""The phone: what ``_phone.html`` needs to draw a message as its reader sees it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from connector.flow.bubble import Bubble, Run, Runs
from connector.web.console.frame import console

MOST_SHOWN = 768
"""Characters after which WhatsApp hides the rest of a text behind "Read more"."""
MOST_LINES = 24
"""Line breaks after which it does the same."""


@dataclass(frozen=True, slots=True)
class Folded:
    """A text in two: what is seen at once, and what "Read more" opens."""

    shown: Runs
    rest: Runs


@console.app_template_filter("fold")
def fold(runs: Runs) -> Folded:
    """Cut a text where WhatsApp does; a text that is only a little longer stays whole."""
    text = "".join(run.text for run in runs)
    most = _most(text)
    if len(text) <= most:
        return Folded(runs, ())
    shown: list[Run] = []
    rest: list[Run] = []
    for run in runs:
        here, most = run.text[:most], most - min(most, len(run.text))
        if here:
            shown.append(replace(run, text=here))
        if len(here) < len(run.text):
            rest.append(replace(run, text=run.text[len(here) :]))
    return Folded(tuple(shown), tuple(rest))


def _most(text: str) -> int:
    at = -1
    for _ in range(MOST_LINES):
        at = text.find("\n", at + 1)
        if at < 0:
            return MOST_SHOWN
    return min(MOST_SHOWN, at)


@console.app_template_filter("holes")
def count_holes(seen: Bubble | None) -> int:
    """Count the values that are missing in what is seen of a message, its cards and links included."""
    if seen is None:
        return 0
    mine = sum(run.missing for run in (*seen.header, *seen.body)) + sum("{{" in each.link for each in seen.buttons)
    return mine + sum(map(count_holes, seen.cards))
