"""Versions of a mapping: who made them, when and why, and what differs between any two texts."""

from __future__ import annotations

from flask import render_template, request
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError
from connector.flow import differences, publish
from connector.model import Permission
from connector.store.mappings import MappingRow
from connector.web.console.frame import console, needs, refuse, store
from connector.web.console.mappings import head, of_mapping


@console.get("/mappings/<path:name>/versions")
@needs(Permission.LOOK)
@of_mapping
def versions(row: MappingRow) -> str:
    """List the published versions, the newest first."""
    return render_template("console/mapping_versions.html", **head(row, "versions"))


@console.get("/mappings/<path:name>/diff")
@needs(Permission.LOOK)
@of_mapping
def diff_mapping(row: MappingRow) -> AnyResponse | str:
    """Show what differs between two texts: the draft, what is in force, or any version."""
    before = request.args.get("a", publish.PUBLISHED if row.published else publish.DRAFT)[:12]
    after = request.args.get("b", publish.DRAFT)[:12]
    try:
        old, new = publish.text(store(), row.name, before), publish.text(store(), row.name, after)
    except ConfigurationError as error:
        return refuse(404, "There is no such text", str(error))
    return render_template(
        "console/mapping_diff.html", before=before, after=after,
        words={before: label(before, row), after: label(after, row)},
        differences=differences.fields(old, new), lines=differences.lines(old, new), **head(row, "versions"),
    )  # fmt: skip


def label(which: str, row: MappingRow) -> str:
    """Say which text is meant."""
    if which == publish.PUBLISHED:
        return f"In force (version {row.published})"
    return "Draft" if which == publish.DRAFT else f"Version {which.removeprefix('v')}"
