"""Versions of a mapping: who made them, when and why, and what differs between any two texts."""

from __future__ import annotations

from flask import render_template, request
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError
from connector.flow import differences, publish, shelf
from connector.mapping.kinds import kind_of
from connector.model import Permission
from connector.store import mappings
from connector.store.mappings import MappingRow, VersionRow
from connector.web.console.frame import console, missing, needs, refuse, store
from connector.web.console.mappings import find_row


@console.get("/mappings/<path:name>/versions")
@needs(Permission.LOOK)
def versions(name: str) -> AnyResponse | str:
    """List the published versions, the newest first."""
    row = find_row(name)
    if row is None:
        return missing("mapping")
    with store().read() as tx:
        found = mappings.versions(tx, name)
    return render_template(
        "console/mapping_versions.html", found=found, changed=_is_changed(row, found), **common(name, row, "versions")
    )


@console.get("/mappings/<path:name>/diff")
@needs(Permission.LOOK)
def diff_mapping(name: str) -> AnyResponse | str:
    """Show what differs between two texts: the draft, what is in force, or any version."""
    row = find_row(name)
    if row is None:
        return missing("mapping")
    with store().read() as tx:
        found = mappings.versions(tx, name)
    before = request.args.get("a", publish.PUBLISHED if row.published else publish.DRAFT)[:12]
    after = request.args.get("b", publish.DRAFT)[:12]
    try:
        old, new = publish.text(store(), name, before), publish.text(store(), name, after)
    except ConfigurationError as error:
        return refuse(404, "There is no such text", str(error))
    return render_template(
        "console/mapping_diff.html", found=found, before=before, after=after,
        words={before: label(before, row), after: label(after, row)}, changed=_is_changed(row, found),
        differences=differences.fields(old, new), lines=differences.lines(old, new), **common(name, row, "versions"),
    )  # fmt: skip


def label(which: str, row: MappingRow) -> str:
    """Say which text is meant."""
    if which == publish.PUBLISHED:
        return f"In force (version {row.published})"
    return "Draft" if which == publish.DRAFT else f"Version {which.removeprefix('v')}"


def common(name: str, row: MappingRow, at: str) -> dict[str, object]:
    """Return what the head of every page of a mapping needs."""
    made = shelf.document(name, row.draft)
    title = str(getattr(made, "title", "")) or name
    return {"name": name, "row": row, "at": at, "sends": kind_of(row.draft) == "notification", "title": title}


def _is_changed(row: MappingRow, found: list[VersionRow]) -> bool:
    current = next((version for version in found if version.version == row.published), None)
    return current is not None and current.source != row.draft
