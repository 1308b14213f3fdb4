"""Accounts, their templates, walking requests again, and work in the background."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from connector.flow import replay, tasks
from connector.flow.explain import hide_phones
from connector.flow.replay import Selection
from connector.model import AccountId, Permission
from connector.store import accounts, look, templates
from connector.store import tasks as task_rows
from connector.store.accounts import AccountRow
from connector.store.tasks import TaskState
from connector.store.templates import TemplateRow
from connector.web.api.events import ACCOUNT, reached
from connector.web.api.forms import Form, Id, Text, Truth, When, Word
from connector.web.api.frame import (
    PageForm,
    actor_name,
    after_name,
    needs,
    page,
    page_of,
    pick,
    record,
    room,
    store,
    tools,
)
from connector.web.api.problems import Wrong, conflict, missing

places = room("Accounts", "Connected shops, organisations and numbers; read only.")
sheets = room("Templates", "The channel's templates, as it told them last.")
again = room("Replay", "Walking stored requests again, on purpose; and work in the background.")


class AccountSchema(Schema):
    """A connected account; its secrets are nowhere in the API."""

    name = fields.String(required=True)
    adapter = fields.String(required=True)
    active = fields.Boolean(required=True)
    note = fields.String(required=True, metadata={"description": "Why it is suspended"})
    receives = fields.Boolean(required=True, metadata={"description": "It brings events or answers"})
    sends = fields.Boolean(required=True, metadata={"description": "It reaches people"})
    remembers = fields.Boolean(required=True, metadata={"description": "It is written back to"})
    created_at = When(required=True)
    updated_at = When(required=True)


class SlotSchema(Schema):
    """One parameter of a template."""

    key = fields.String(required=True, metadata={"description": "`body.1`, `button.0.url`"})
    kind = fields.String(required=True)
    required = fields.Boolean(required=True)
    limit = fields.Integer(required=True, allow_none=True)
    example = fields.String(required=True)


class PartSchema(Schema):
    """One visible part of a template."""

    kind = fields.String(required=True)
    text = fields.String(required=True)
    media = fields.String(required=True)


class TemplateSchema(Schema):
    """A template in one language."""

    account = fields.String(required=True)
    name = fields.String(required=True)
    language = fields.String(required=True)
    category = fields.String(required=True)
    status = fields.String(required=True)
    quality = fields.String(required=True)
    reason = fields.String(required=True)
    slots = fields.List(fields.Nested(SlotSchema), required=True)
    parts = fields.List(fields.Nested(PartSchema), required=True)
    changed_at = When(required=True)


class TemplatesForm(PageForm):
    """Which templates."""

    account = Text(100, load_default="")
    status = Text(40, load_default="", metadata={"description": "`approved`, `paused`, …"})


class SyncForm(Form):
    """Whose templates to ask for."""

    account = fields.String(load_default="", validate=validate.Regexp(ACCOUNT))


class SyncSchema(Schema):
    """Who is being asked."""

    accounts = fields.List(fields.String(), required=True)


class ReplayForm(Form):
    """What to walk again."""

    term = Text(200, load_default="", metadata={"description": "An order, an id, a delivery key, a request's number"})
    unreadable = Truth(load_default=False, metadata={"description": "Requests that could not be read"})
    since = When(load_default=None, metadata={"description": "Requests that came since then"})
    source = Word(
        replay.Source, load_default="request",
        metadata={"description": "`request`: read the bytes again; `mapping`: also plan known events again"},
    )  # fmt: skip


class SurveySchema(Schema):
    """What a replay takes and meets."""

    requests = fields.Integer(required=True)
    events = fields.Integer(required=True)
    messages = fields.Dict(keys=fields.String(), values=fields.Integer(), required=True)
    words = fields.List(fields.String(), required=True)


class ReplayedSchema(SurveySchema):
    """What was put back, or what does it."""

    put_back = fields.Integer(required=True)
    task = fields.String(
        required=True,
        metadata={"description": f"Of more than {replay.AT_ONCE} requests, the task that puts them back; else empty."},
    )


class TaskSchema(Schema):
    """Work in the background."""

    id = Id(required=True)
    kind = fields.String(required=True)
    state = Word(TaskState, required=True)
    words = fields.String(required=True)
    done = fields.Integer(required=True)
    total = fields.Integer(required=True, metadata={"description": "0: not known"})
    created_at = When(required=True)
    ended_at = When(required=True, allow_none=True)


@places.route("/accounts")
@needs(Permission.LOOK)
@places.arguments(PageForm, location="query")
@places.response(200, page_of(AccountSchema, "Account"))
def list_accounts(given: Mapping[str, Any]) -> dict[str, Any]:
    """List accounts by name"""
    with store().read() as tx:
        found = after_name(accounts.all_(tx), given["cursor"], lambda row: row.name)
    return page(found, given["limit"], lambda row: row.name, _account)


@places.route("/accounts/<account:name>")
@needs(Permission.LOOK)
@places.response(200, AccountSchema)
def show_account(name: str) -> dict[str, Any]:
    """Show one account"""
    with store().read() as tx:
        row = accounts.get_by_name(tx, name)
    if row is None:
        raise missing("account")
    return _account(row)


@sheets.route("/templates")
@needs(Permission.LOOK)
@sheets.arguments(TemplatesForm, location="query")
@sheets.response(200, page_of(TemplateSchema, "Template"))
def list_templates(given: Mapping[str, Any]) -> dict[str, Any]:
    """List templates by account, name and language"""
    with store().read() as tx:
        names = look.account_names(tx)
        rows = templates.all_(tx)
    found = sorted(((_path(row, names), row) for row in rows), key=lambda pair: pair[0])
    found = [
        (path, row)
        for path, row in after_name(found, given["cursor"], lambda pair: pair[0])
        if given["account"] in ("", names.get(row.account_id, "")) and given["status"] in ("", row.template.status)
    ]
    return page(found, given["limit"], lambda pair: pair[0], lambda pair: _template(pair[1], names))


@sheets.route("/templates/<account:account>/<slug:name>/<slug:language>")
@needs(Permission.LOOK)
@sheets.response(200, TemplateSchema)
def show_template(account: str, name: str, language: str) -> dict[str, Any]:
    """Show one template in one language"""
    with store().read() as tx:
        names = look.account_names(tx)
        row = accounts.get_by_name(tx, account)
        rows = templates.all_(tx, row.id) if row else []
    found = next((item for item in rows if (item.template.name, item.template.language) == (name, language)), None)
    if found is None:
        raise missing("template")
    return _template(found, names)


@sheets.route("/templates/sync", methods=["POST"])
@needs(Permission.EDIT_ACCOUNTS)
@sheets.arguments(SyncForm, required=False)
@sheets.response(202, SyncSchema)
def sync_templates(given: Mapping[str, Any]) -> dict[str, Any]:
    """Ask channels for their templates, in the background"""
    senders = tools().directory.senders()
    if given["account"]:
        name = reached(given["account"]).account.name
        senders = [item for item in senders if item.name == name]
        if not senders:
            raise conflict(Wrong("account", "This account has no templates: it reaches nobody."))
    for item in senders:
        tools().queue.ring("sync_templates", item.id)
    return {"accounts": [item.name for item in senders]}


@again.route("/replays/survey", methods=["POST"])
@needs(Permission.REPLAY)
@again.arguments(ReplayForm)
@again.response(200, SurveySchema)
def survey_replay(given: Mapping[str, Any]) -> dict[str, Any]:
    """Say what a replay would take and what it would meet; changes nothing"""
    return _survey(_plan(given))


@again.route("/replays", methods=["POST"])
@needs(Permission.REPLAY)
@again.arguments(ReplayForm)
@again.response(202, ReplayedSchema)
def start_replay(given: Mapping[str, Any]) -> dict[str, Any]:
    """Put stored requests back into the inbox

    The usual road takes them from there, with everything on it that makes a thing happen once: a message that
    exists is never sent again. Many are put back by a task, some at a time, so that what comes in has its turn.
    """
    plan = _plan(given)
    if plan.requests > replay.AT_ONCE:
        task = replay.begin(store(), plan, actor_name())
        tools().queue.ring(tasks.JOB)
        record("request.replayed", task, f"{plan.requests} requests by {plan.source}.", requests=plan.requests)
        return _survey(plan) | {"put_back": 0, "task": task}
    put_back = replay.run(store(), plan)
    if put_back:
        tools().queue.ring("decide")
        record("request.replayed", "", f"{put_back} requests by {plan.source}.", requests=put_back)
    return _survey(plan) | {"put_back": put_back, "task": ""}


@again.route("/tasks/<ident:id>")
@needs(Permission.LOOK)
@again.response(200, TaskSchema)
def show_task(id: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Show how far work in the background has come"""
    with store().read() as tx:
        task = task_rows.get(tx, id)
    if task is None:
        raise missing("task")
    return pick(TaskSchema, task) | {"state": task.state.value}


def _plan(given: Mapping[str, Any]) -> replay.Survey:
    selection = Selection(term=given["term"], unreadable=given["unreadable"], since=given["since"])
    return replay.survey(store(), selection, replay.Source(given["source"]))


def _survey(plan: replay.Survey) -> dict[str, Any]:
    words = [hide_phones(item) for item in plan.words()]
    return {"requests": plan.requests, "events": plan.events, "messages": plan.messages, "words": words}


def _account(row: AccountRow) -> dict[str, Any]:
    found = tools().directory.reached(AccountId(row.id))
    adapter = found.adapter if found else None
    return {
        "name": row.name, "adapter": row.adapter, "active": row.active, "note": row.note,
        "receives": bool(adapter and adapter.receiver), "sends": bool(adapter and adapter.channel),
        "remembers": bool(adapter and adapter.crm), "created_at": row.created_at, "updated_at": row.updated_at,
    }  # fmt: skip


def _path(row: TemplateRow, names: Mapping[str, str]) -> str:
    return f"{names.get(row.account_id, row.account_id)}/{row.template.name}/{row.template.language}"


def _template(row: TemplateRow, names: Mapping[str, str]) -> dict[str, Any]:
    item = row.template
    return {
        "account": names.get(row.account_id, row.account_id), "name": item.name, "language": item.language,
        "category": item.category.value, "status": item.status, "quality": item.quality, "reason": item.reason,
        "slots": [{"key": slot.key, "kind": slot.kind.value, "required": slot.required, "limit": slot.limit,
                   "example": slot.example} for slot in item.slots],
        "parts": [{"kind": part.kind, "text": part.text, "media": part.media} for part in item.parts],
        "changed_at": row.changed_at,
    }  # fmt: skip
