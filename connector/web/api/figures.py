"""Figures: the same that the page of analytics draws."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, timedelta
from typing import Any

from marshmallow import Schema, fields

from connector.flow import figures
from connector.flow.figures import COLUMNS, DEFINITIONS, DIMENSIONS
from connector.model import Permission, now
from connector.store import look
from connector.store.figures import Scope
from connector.store.stats import HOUR
from connector.web.api.forms import Form, Text, When, Word
from connector.web.api.frame import needs, room, store

stats = room("Stats", "What was received, matched, sent, delivered, read, replied and ordered.")
STRETCH = timedelta(days=7)
LONGEST = timedelta(days=366)


def _number(name: str) -> Any:
    words = DEFINITIONS[name].words
    return fields.Integer(required=True, allow_none=True, metadata={"description": words})


FiguresSchema = Schema.from_dict(
    {name: _number(name) for name in COLUMNS}
    | {
        "engagement": fields.Float(
            required=True, allow_none=True, metadata={"description": DEFINITIONS["engagement"].words}
        )
    },
    name="Figures",
)


class RowSchema(Schema):
    """The figures of one value."""

    value = fields.String(required=True)
    figures = fields.Nested(FiguresSchema, required=True)


class CourseSchema(Schema):
    """The figures of an hour or a day."""

    begins = When(required=True)
    figures = fields.Nested(FiguresSchema, required=True)


class ReasonSchema(Schema):
    """How often, for one reason."""

    kind = fields.String(required=True, metadata={"description": "skipped, stopped or failed"})
    reason = fields.String(required=True)
    number = fields.Integer(required=True)


class StatsSchema(Schema):
    """The figures of a stretch of time."""

    since = When(required=True)
    until = When(required=True)
    total = fields.Nested(FiguresSchema, required=True)
    rows = fields.List(fields.Nested(RowSchema), required=True, metadata={"description": "By what `by` names"})
    course = fields.List(fields.Nested(CourseSchema), required=True)
    reasons = fields.List(fields.Nested(ReasonSchema), required=True)


class StatsForm(Form):
    """Which stretch of time, and of what."""

    since = When(load_default=None, metadata={"description": "Default: 7 days before `until`; whole hours"})
    until = When(load_default=None, metadata={"description": "Default: now; at most 366 days after `since`"})
    by = Word(DIMENSIONS, load_default="", metadata={"description": "Also tell the figures of each value of this"})
    mapping = Text(100, load_default="")
    template = Text(600, load_default="")
    account = Text(100, load_default="", metadata={"description": "The account that sends"})
    source = Text(100, load_default="", metadata={"description": "The account whose events they were"})
    language = Text(20, load_default="")
    country = Text(5, load_default="")


@stats.route("/stats")
@needs(Permission.LOOK)
@stats.arguments(StatsForm, location="query")
@stats.response(200, StatsSchema)
def show_stats(given: Mapping[str, Any]) -> dict[str, Any]:
    """Show the figures of a stretch of time"""
    until = given["until"] or now()
    since = max(given["since"] or until - STRETCH, until - LONGEST)
    with store().read() as tx:
        ids = {name: id_ for id_, name in look.account_names(tx).items()}
        names = {id_: name for name, id_ in ids.items()}
        sides = {
            side: ids.get(given[name], given[name]) if name in ("account", "source") else given[name]
            for name, side in DIMENSIONS.items()
        }
        since = since.replace(minute=0, second=0, microsecond=0)
        scope = Scope(since=since, until=max(until, since + HOUR), **sides)
        told = figures.report(tx, scope, UTC, [given["by"]] if given["by"] else [])
    return {
        "since": scope.since, "until": scope.until, "total": figures.as_json(told.total),
        "rows": [
            {"value": names.get(value, value), "figures": figures.as_json(item)}
            for value, item in told.by.get(given["by"], {}).items()
        ],
        "course": [{"begins": step.begins, "figures": figures.as_json(step.figures)} for step in told.course],
        "reasons": [{"kind": item.kind, "reason": item.word, "number": item.number} for item in told.reasons],
    }  # fmt: skip
