"""Charts as SVG, drawn by the server: no script, no inline style, colours from the theme by class.

A drawing stretches to its frame, so it holds no letters: those stand around it in the page, where they keep
their size on a phone. Each has a title and a description, and the page gives its numbers as a table beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

WIDTH, HEIGHT = 1000, 100
GAP = 0.28
"""Of a column's place, so much stays free."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column: what stands on it when pointed at, and its parts from the bottom up."""

    words: str
    parts: Sequence[int]


def ceiling(most: int) -> int:
    """Return the round number that an axis ends at, at least ``most``; even, so that its half is a whole one."""
    power = 10 ** (len(str(most)) - 1) if most > 0 else 1
    steps = (2, 4, 6, 8, 10) if power == 1 else (1, 1.2, 1.6, 2, 4, 6, 8, 10)
    return next(int(step * power) for step in steps if step * power >= most)


def columns(title: str, words: str, given: Sequence[Column], classes: Sequence[str], *, most: int = 0) -> Markup:
    """Draw stacked columns; ``classes`` colour their parts from the bottom up. Lines at the top, the half, the foot."""
    top = most or ceiling(max((sum(column.parts) for column in given), default=0))
    place = WIDTH / max(len(given), 1)
    drawn = Markup().join(_column(column, classes, number * place, place, top) for number, column in enumerate(given))
    return _frame("chart", title, words, _lines() + drawn)


def _column(column: Column, classes: Sequence[str], left: float, place: float, top: int) -> Markup:
    parts, foot = [Markup("<title>{}</title>").format(column.words)], float(HEIGHT)
    parts.append(_rect("chart-place", left, 0, place, HEIGHT))
    for value, name in zip(column.parts, classes, strict=True):
        height = HEIGHT * value / top
        foot -= height
        if height:
            parts.append(_rect(name, left + place * GAP / 2, foot, place * (1 - GAP), height))
    return Markup("<g>{}</g>").format(Markup().join(parts))


def _rect(name: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
        name, _number(x), _number(y), _number(width), _number(height)
    )


def _lines() -> Markup:
    return Markup().join(
        Markup('<line class="chart-line" x1="0" x2="{}" y1="{}" y2="{}"/>').format(WIDTH, y, y)
        for y in (0, HEIGHT // 2, HEIGHT)
    )


def line(title: str, words: str, values: Sequence[int], *, other: Sequence[int] = (), most: int = 0) -> Markup:
    """Draw a line with its area, and a second, paler line to compare it with."""
    top = most or ceiling(max([*values, *other], default=0))
    drawn = _lines() + _area(values, top)
    if other:
        drawn += Markup('<polyline class="chart-other" points="{}"/>').format(_points(other, top))
    return _frame("chart", title, words, drawn)


def spark(title: str, values: Sequence[int]) -> Markup:
    """Draw a small line without an axis."""
    return _frame("spark", title, "", _area(values, max([*values, 1])))


def _area(values: Sequence[int], top: int) -> Markup:
    if not values:
        return Markup()
    points = _points(values, top)
    return Markup(
        '<polygon class="chart-area" points="0,{} {} {},{}"/><polyline class="chart-stroke" points="{}"/>'
    ).format(HEIGHT, points, WIDTH, HEIGHT, points)


def _points(values: Sequence[int], top: int) -> str:
    step = WIDTH / max(len(values) - 1, 1)
    spread = values if len(values) > 1 else [*values, *values]
    return " ".join(f"{_number(n * step)},{_number(HEIGHT - HEIGHT * value / top)}" for n, value in enumerate(spread))


def bar(parts: Iterable[tuple[str, float]]) -> Markup:
    """Draw a lying bar of shares (of 1), one after another; for the eye alone, the number stands beside it."""
    drawn, left = [_rect("bar-back", 0, 0, WIDTH, HEIGHT)], 0.0
    for name, share in parts:
        width = WIDTH * max(0.0, min(share, 1.0))
        drawn.append(_rect(name, left, 0, width, HEIGHT))
        left += width
    return Markup('<svg class="bar" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">{}</svg>').format(
        WIDTH, HEIGHT, Markup().join(drawn)
    )


def _frame(name: str, title: str, words: str, drawn: Markup) -> Markup:
    desc = Markup("<desc>{}</desc>").format(words) if words else Markup()
    return Markup(
        '<svg class="{}" viewBox="0 0 {} {}" preserveAspectRatio="none" role="img" aria-label="{}">'
        "<title>{}</title>{}{}</svg>"
    ).format(name, WIDTH, HEIGHT, f"{title}. {words}" if words else title, title, desc, drawn)


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
