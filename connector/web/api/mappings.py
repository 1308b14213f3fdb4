"""Mappings: drafts, versions, and what is in force."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from enum import Enum
from typing import Any

from flask import request
from marshmallow import Schema, fields

from connector.errors import MappingError
from connector.flow import publish
from connector.mapping.document import read_form
from connector.mapping.kinds import kind_of
from connector.model import Permission
from connector.store import mappings as rows
from connector.store.mappings import Conflict, MappingRow, VersionRow
from connector.web.api.forms import Form, Text, When, Whole, header
from connector.web.api.frame import PageForm, actor_name, after_name, needs, page, page_of, record, room, store, tools
from connector.web.api.problems import ProblemError, missing

mappings = room("Mappings", "What is sent when and to whom; and which field is which.")
MOST_TEXT = 200_000
_TAG = re.compile(r'"r([0-9]{1,9})"')
_IF_MATCH = {
    "in": "header", "name": "If-Match", "required": False,
    "schema": {"type": "string"},
    "description": 'The ETag of the draft that your text was made from: `"r7"`. Without it the mapping must be new',
}  # fmt: skip


class MappingSchema(Schema):
    """A mapping."""

    name = fields.String(required=True)
    kind = fields.String(required=True, metadata={"description": "notification, contact or people"})
    published = fields.Integer(required=True, allow_none=True, metadata={"description": "The version in force"})
    changed = fields.Boolean(required=True, metadata={"description": "The draft says something else than is in force"})
    revision = fields.Integer(required=True, metadata={"description": "Counts the changes of the draft"})
    updated_at = When(required=True)


class TextSchema(Schema):
    """A mapping's text in both forms."""

    name = fields.String(required=True)
    toml = fields.String(required=True)
    form = fields.Dict(
        keys=fields.String(), required=True, allow_none=True,
        metadata={"description": "The same as JSON; null for contact mappings and people policies"},
    )  # fmt: skip


class DraftSchema(TextSchema):
    """A draft."""

    revision = fields.Integer(required=True)


class VersionSchema(Schema):
    """A published version; it never changes."""

    version = fields.Integer(required=True)
    published_at = When(required=True)
    note = fields.String(required=True)
    by = fields.String(required=True)


class VersionTextSchema(TextSchema):
    """A published version with its text."""

    version = fields.Integer(required=True)
    published_at = When(required=True)
    note = fields.String(required=True)
    by = fields.String(required=True)


class DraftForm(Form):
    """A text to keep."""

    toml = Text(MOST_TEXT, 1, required=True)


class FaultSchema(Schema):
    """One thing that is wrong with a text."""

    path = fields.String(required=True)
    words = fields.String(required=True)


class CheckedSchema(Schema):
    """What is wrong with a text."""

    ok = fields.Boolean(required=True)
    faults = fields.List(
        fields.Nested(FaultSchema),
        required=True,
    )


class NoteForm(Form):
    """Why."""

    note = Text(500, load_default="", metadata={"description": "Why, for those who read the versions later"})


class PublishedSchema(Schema):
    """What is in force now."""

    version = fields.Integer(required=True)
    new = fields.Boolean(required=True, metadata={"description": "False: it was in force already"})


class UnpublishedSchema(Schema):
    """Nothing is in force now."""

    changed = fields.Boolean(required=True, metadata={"description": "False: nothing was in force"})


class RollbackForm(NoteForm):
    """Where to go back to."""

    version = Whole(required=True)


class DiffForm(Form):
    """Which two texts."""

    a = Text(20, load_default="published", metadata={"description": "`draft`, `published`, or a version such as `3`"})
    b = Text(20, load_default="draft")


class DiffSchema(Schema):
    """A unified diff."""

    lines = fields.List(fields.String(), required=True)


@mappings.route("/mappings")
@needs(Permission.LOOK)
@mappings.arguments(PageForm, location="query")
@mappings.response(200, page_of(MappingSchema, "Mapping"))
def list_mappings(given: Mapping[str, Any]) -> dict[str, Any]:
    """List mappings by name"""
    with store().read() as tx:
        found = after_name(rows.all_(tx), given["cursor"], lambda row: row.name)
        in_force = {row.name: row.source for row in rows.in_force(tx)}
    return page(found, given["limit"], lambda row: row.name, lambda row: _show(row, in_force.get(row.name)))


@mappings.route("/mappings/<mapping:name>")
@needs(Permission.LOOK)
@mappings.response(200, MappingSchema)
def show_mapping(name: str) -> dict[str, Any]:
    """Show how a mapping stands"""
    with store().read() as tx:
        row = _find(tx, name)
        current = rows.version(tx, name, row.published) if row.published else None
    return _show(row, current.source if current else None)


@mappings.route("/mappings/<mapping:name>/draft")
@needs(Permission.LOOK)
@mappings.response(200, DraftSchema, headers={"ETag": {"schema": {"type": "string"}, "description": "For If-Match"}})
def show_draft(name: str) -> Any:
    """Show a mapping's draft as TOML and as JSON"""
    with store().read() as tx:
        row = _find(tx, name)
    return _draft(row), 200, {"ETag": _tag(row.revision)}


@mappings.route("/mappings/<mapping:name>/draft", methods=["PUT"])
@needs(Permission.EDIT_MAPPINGS)
@mappings.arguments(DraftForm)
@mappings.response(200, DraftSchema, headers={"ETag": {"schema": {"type": "string"}, "description": "For If-Match"}})
@mappings.doc(parameters=[_IF_MATCH])
def put_draft(given: Mapping[str, Any], name: str) -> Any:
    """Keep a text as a mapping's draft

    Refused with 412 where somebody else has changed the draft since the one that `If-Match` names, and with 409
    where there is one and `If-Match` is missing. A text that cannot be read is refused with every fault.
    """
    revision = _revision()
    try:
        changed = publish.save(store(), name, given["toml"], revision=revision or 0, by=actor_name())
    except Conflict as error:
        raise ProblemError(409 if revision is None else 412, str(error)) from None
    with store().read() as tx:
        row = _find(tx, name)
    if changed:
        record("mapping.saved", name)
    return _draft(row), 200, {"ETag": _tag(row.revision)}


@mappings.route("/mappings/<mapping:name>/check", methods=["POST"])
@needs(Permission.EDIT_MAPPINGS)
@mappings.arguments(DraftForm)
@mappings.response(200, CheckedSchema)
def check_text(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Find everything that is wrong with a text, without keeping it"""
    faults = publish.find_faults(store(), tools().registry, name, given["toml"])
    return {"ok": not faults, "faults": [{"path": item.path, "words": item.words} for item in faults]}


@mappings.route("/mappings/<mapping:name>/publish", methods=["POST"])
@needs(Permission.PUBLISH)
@mappings.arguments(NoteForm, required=False)
@mappings.response(200, PublishedSchema)
@mappings.doc(parameters=[_IF_MATCH | {"description": "The ETag of the draft that you have looked at"}])
def publish_draft(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Put the draft in force as the next version"""
    _require(name)
    try:
        done = publish.publish(
            store(), tools().registry, name, note=given["note"], by=actor_name(), revision=_revision()
        )
    except MappingError:
        raise
    except Conflict as error:
        raise ProblemError(412, str(error)) from None
    if done.is_new:
        record("mapping.published", name, given["note"], version=done.version)
    return {"version": done.version, "new": done.is_new}


@mappings.route("/mappings/<mapping:name>/unpublish", methods=["POST"])
@needs(Permission.PUBLISH)
@mappings.response(200, UnpublishedSchema)
def unpublish_mapping(name: str) -> dict[str, Any]:
    """Take a mapping out of force; its versions stay"""
    _require(name)
    changed = publish.unpublish(store(), name)
    if changed:
        record("mapping.unpublished", name)
    return {"changed": changed}


@mappings.route("/mappings/<mapping:name>/rollback", methods=["POST"])
@needs(Permission.PUBLISH)
@mappings.arguments(RollbackForm)
@mappings.response(200, PublishedSchema)
def roll_back(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Put an older version's text in force, as a new version"""
    with store().read() as tx:
        _find_version(tx, name, given["version"])
    number = publish.roll_back(store(), tools().registry, name, given["version"], note=given["note"], by=actor_name())
    record("mapping.rolled_back", name, given["note"], version=number, to=given["version"])
    return {"version": number, "new": True}


@mappings.route("/mappings/<mapping:name>/versions")
@needs(Permission.LOOK)
@mappings.arguments(PageForm, location="query")
@mappings.response(200, page_of(VersionSchema, "Version"))
def list_versions(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """List the published versions, the newest first"""
    with store().read() as tx:
        _find(tx, name)
        found = rows.versions(tx, name)
    last = given["cursor"]
    if last.isascii() and last.isdigit() and len(last) < 10:
        found = [row for row in found if row.version < int(last)]
    return page(found, given["limit"], lambda row: str(row.version), _show_version)


@mappings.route("/mappings/<mapping:name>/versions/<int:version>")
@needs(Permission.LOOK)
@mappings.response(200, VersionTextSchema)
def show_version(name: str, version: int) -> dict[str, Any]:
    """Show one version as TOML and as JSON"""
    with store().read() as tx:
        row = _find_version(tx, name, version)
    return _text(name, row.source) | _show_version(row)


@mappings.route("/mappings/<mapping:name>/diff")
@needs(Permission.LOOK)
@mappings.arguments(DiffForm, location="query")
@mappings.response(200, DiffSchema)
def diff(given: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Compare two texts of a mapping"""
    _require(name)
    return {"lines": list(publish.diff(store(), name, given["a"], given["b"]))}


def _find(tx: Any, name: str) -> MappingRow:
    row = rows.get(tx, name)
    if row is None:
        raise missing("mapping")
    return row


def _require(name: str) -> None:
    with store().read() as tx:
        _find(tx, name)


def _find_version(tx: Any, name: str, number: int) -> VersionRow:
    _find(tx, name)
    row = rows.version(tx, name, number) if 0 < number < 2**31 else None
    if row is None:
        raise missing("version")
    return row


def _revision() -> int | None:
    """Return the revision that If-Match names; None: it is not sent. What is no ETag of ours fits no draft."""
    if "If-Match" not in request.headers:
        return None
    match = _TAG.fullmatch(header("If-Match"))
    if match is None:
        raise ProblemError(412, 'If-Match names no draft of this mapping; send its ETag as it was: "r7".')
    return int(match[1])


def _tag(revision: int) -> str:
    return f'"r{revision}"'


def _show(row: MappingRow, in_force: str | None) -> dict[str, Any]:
    return {
        "name": row.name, "kind": _kind(row.draft), "published": row.published, "changed": row.draft != in_force,
        "revision": row.revision, "updated_at": row.updated_at,
    }  # fmt: skip


def _show_version(row: VersionRow) -> dict[str, Any]:
    return {"version": row.version, "published_at": row.published_at, "note": row.note, "by": getattr(row, "by", "")}


def _draft(row: MappingRow) -> dict[str, Any]:
    return _text(row.name, row.draft) | {"revision": row.revision}


def _text(name: str, source: str) -> dict[str, Any]:
    form = plain(read_form(source)) if _kind(source) == "notification" else None
    return {"name": name, "toml": source, "form": form}


def _kind(source: str) -> str:
    try:
        return kind_of(source)
    except MappingError:
        return "notification"


def plain(value: Any) -> Any:
    """Return a nested value as JSON has it."""
    if is_dataclass(value) and not isinstance(value, type):
        return {name: plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(inner) for inner in value]
    return value.value if isinstance(value, Enum) else value
