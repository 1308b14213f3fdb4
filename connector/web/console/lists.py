"""What lists share: filters that stand in the address, stretches of time, names that may be personal, CSV files."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from flask import Response, request
from markupsafe import Markup, escape

from connector.flow import audit, mask
from connector.flow.story import is_number
from connector.model import now
from connector.store import find
from connector.web import visitor
from connector.web.console.frame import actor, console, store
from connector.web.console.sight import personal, sees_people

WINDOWS: Mapping[str, tuple[str, timedelta | None]] = {
    "1h": ("1 hour", timedelta(hours=1)),
    "1d": ("24 hours", timedelta(days=1)),
    "7d": ("7 days", timedelta(days=7)),
    "30d": ("30 days", timedelta(days=30)),
    "all": ("everything", None),
}
WINDOW = "7d"
MOST_CSV = 100_000
"""Rows of one file."""
CSV_PAGE = 1000
ID = re.compile(r"[0-9a-z]{1,26}")
_LONG = re.compile(r"[\w/.]{24,}")
_KEY = re.compile(r"[a-z_]+\.[a-z_]+(:[a-z_]{1,30})?(:(?=\D*\d)[\w.+\-]{1,80}){1,2}")


def argument(name: str) -> str:
    """Return an argument of the address, bounded, without what no database takes."""
    given = request.args.get(name, "").replace("\0", "").encode("utf-8", "replace").decode()
    return given.strip()[: find.LONGEST]


def one_of(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return an argument that must be one of these; anything else counts as not given."""
    given = request.args.get(name, "")
    return given if given in tuple(known) else otherwise


def id_argument(name: str) -> str:
    """Return an id of ours from the address; ``""`` where there is none, or it is none."""
    given = request.args.get(name, "")
    return given if ID.fullmatch(given) else ""


def number_argument(name: str) -> int | None:
    """Return a number of a stored request from the address."""
    given = request.args.get(name, "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A stretch of time that was asked for."""

    window: str
    """One of WINDOWS; ``""`` where from or to were given."""
    since: datetime | None
    until: datetime | None
    given: Mapping[str, str]
    """As it stands in the address."""

    @property
    def words(self) -> str:
        """Say it."""
        if self.window:
            return WINDOWS[self.window][0]
        ends = [f"from {self.given['from']}" if self.since else "", f"to {self.given['to']}" if self.until else ""]
        return " ".join(filter(None, ends)).replace("T", " ")


def span(otherwise: str = WINDOW) -> Span:
    """Read ``window``, or ``from`` and ``to`` (UTC, as a form's date and time gives them), from the address."""
    since, until = _moment("from"), _moment("to")
    if since or until:
        kept = {name: argument(name)[:19] for name, at in (("from", since), ("to", until)) if at}
        return Span(window="", since=since, until=until, given=kept)
    window = one_of("window", WINDOWS, otherwise)
    length = WINDOWS[window][1]
    return Span(
        window=window,
        since=now() - length if length else None,
        until=None,
        given={"window": window} if window != otherwise else {},
    )


def _moment(name: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(request.args.get(name, "")[:25])
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def address(path: str, given: Mapping[str, object], **changed: object) -> str:
    """Return the address of a list with its filters, some of them changed; what is empty is left out."""
    query = {name: value for name, value in {**given, **changed}.items() if value not in (None, "", False)}
    return f"{path}?{urlencode(query, doseq=True)}" if query else path


@console.app_template_filter("named")
def named(label: str | None) -> str:
    """Show what people call an order; what is no number may be somebody's name, and is masked like one."""
    return label if label and is_number(label) else personal(label)


@console.app_template_filter("parted")
def parted(text: str) -> Markup:
    """Show words of which some are long, such as a vendor's topics, so that a line may end between their parts."""
    return Markup(_LONG.sub(lambda word: re.sub(r"([/._])", r"\1<wbr>", word[0]), str(escape(text))))  # noqa: S704


@console.app_template_filter("keyed")
def keyed(key: str) -> str:
    """Show the key of an event, which begins with its type and names the record."""
    return key if _KEY.fullmatch(key) else personal(key)


def label_as(label: str, *, whole: bool) -> str:
    """Return what people call an order, for a file; see :func:`named`."""
    return label if whole or is_number(label) else mask.text(label)


@console.app_template_filter("told")
def told(words: str | None) -> str:
    """Show a sentence of a trace; what it quotes, and addresses in it, may tell of a person."""
    words = words or ""
    hidden = mask.sentence(words)
    return words if hidden == words or sees_people() else hidden


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A list as a file: its name, its columns, and how a page of it is read."""

    name: str
    columns: Sequence[str]
    page: Callable[[str, int], list[tuple[str, Sequence[object]]]]
    """(the last id seen, how many) -> the next rows, each with its id."""


def as_csv(sheet: Sheet, filters: Iterable[str]) -> Response:
    """Send the rows behind a filter as CSV, page by page; the audit log says who took how many.

    ``filters`` are the names of those that were set: their values may be personal.
    """
    who, place, store_ = actor(), visitor.address(), store()
    used = sorted(filters)

    def rows() -> Iterator[str]:
        count, last = 0, ""
        yield "\ufeff" + _line(sheet.columns)
        try:
            while asked := min(CSV_PAGE, MOST_CSV - count):
                page = sheet.page(last, asked)
                yield "".join(_line(values) for _, values in page)
                count += len(page)
                if len(page) < asked:
                    break
                last = page[-1][0]
        finally:  # also where the browser went away in the middle
            audit.record(
                store_, who.id, who.name, f"{sheet.name}.exported", "", f"{count} rows as CSV", place,
                rows=count, filters=used,
            )  # fmt: skip

    answer = Response(rows(), mimetype="text/csv")
    answer.headers["Content-Disposition"] = f'attachment; filename="{request.path.strip("/")}-{now():%Y-%m-%d}.csv"'
    return answer


def _line(values: Sequence[object]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([cell(value) for value in values])
    return line.getvalue()


def cell(value: Any) -> str:
    """Write a value for a spreadsheet; what it would take for a formula is quoted."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    text = str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r", "\n") else text
