"""A message drawn as a phone's bubble, in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from rich.box import ROUNDED
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.style import Style
from rich.table import Table
from rich.text import Text

from connector.flow.bubble import TICKS, Bubble, Button, Run, Ticks, fill
from connector.model import Template

WIDTH = 46
_EDGE = "green"
_TONES = {"read": "bold bright_blue", "failed": "bold red", "sent": "dim", "waiting": "dim", "skipped": "dim"}
_MEDIA = {"image": "Picture", "video": "Video", "document": "Document", "location": "Place"}


def bubble(
    template: Template, slots: Mapping[str, str], *, state: str, at: datetime | None = None, width: int = WIDTH
) -> RenderableType:
    """Draw a message: header, text, footer, time and ticks (blue where it was read), buttons below."""
    seen = fill(template, slots)
    ticks = TICKS.get(state, Ticks(signs="", words=state))
    inside = [*_above(seen), Text.assemble(*map(_run, seen.body)), *_below(seen, ticks, at)]
    drawn: list[RenderableType] = [Panel(Group(*inside), box=ROUNDED, border_style=_EDGE, width=width)]
    drawn += [_button(button, width) for button in seen.buttons]
    for card in seen.cards:
        text = [*_above(card), Text.assemble(*map(_run, card.body))]
        drawn.append(Padding(Panel(Group(*text), box=ROUNDED, border_style=_EDGE, width=width - 4), (0, 0, 0, 4)))
        drawn += [Padding(_button(button, width - 4), (0, 0, 0, 4)) for button in card.buttons]
    return Group(*drawn)


def _above(seen: Bubble) -> list[RenderableType]:
    lines: list[RenderableType] = []
    if seen.media:
        words = f"[{_MEDIA.get(seen.media, seen.media)}] {seen.media_name}".strip()
        lines.append(Text(words, style="dim", overflow="ellipsis", no_wrap=True))
    if seen.header:
        header = Text.assemble(*map(_run, seen.header))
        header.stylize("bold")
        lines.append(header)
    return lines


def _below(seen: Bubble, ticks: Ticks, at: datetime | None) -> list[RenderableType]:
    row = Table.grid(expand=True)
    row.add_column(ratio=1)
    row.add_column(justify="right", no_wrap=True)
    clock = f"{at.astimezone():%H:%M} " if at else ""
    end = Text.assemble((clock, "dim"), (ticks.signs, _TONES[ticks.tone]), (f" {ticks.words}", "dim"))
    row.add_row(Text(seen.footer, style="dim"), end)
    return [row]


def _button(button: Button, width: int) -> RenderableType:
    label = Text(button.label, style="bold cyan", justify="center", overflow="ellipsis", no_wrap=True)
    return Panel(label, box=ROUNDED, border_style="dim", width=width)


def _run(run: Run) -> tuple[str, Style]:
    if run.missing:
        return run.text, Style(color="black", bgcolor="yellow")
    return run.text, Style(
        bold=run.bold or None, italic=run.italic or None, strike=run.strike or None, dim=run.code or None
    )
