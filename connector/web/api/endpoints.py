"""Webhooks that leave: endpoints, what each was told, and telling it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, fields, validate

from connector.errors import ConfigurationError
from connector.flow import outgoing
from connector.model import Permission
from connector.store import news
from connector.store import outgoing as rows
from connector.store.outgoing import DeliveryRow, EndpointRow, Try
from connector.web.api.forms import Form, Id, Text, Truth, When, Word
from connector.web.api.frame import PageForm, foreign, needs, page, page_of, pick, record, room, store, tools
from connector.web.api.problems import ProblemError, Wrong, missing

endpoints = room("Webhooks", "Where webhooks go, in the form of Standard Webhooks, and what became of each.")


class EndpointSchema(Schema):
    """Where webhooks go."""

    id = Id(required=True)
    url = fields.String(required=True)
    words = fields.String(required=True)
    types = fields.List(fields.String(), required=True)
    with_personal_data = fields.Boolean(required=True)
    active = fields.Boolean(required=True)
    note = fields.String(required=True, metadata={"description": "Why it is switched off"})
    failing_since = When(required=True, allow_none=True)
    created_at = When(required=True)
    updated_at = When(required=True)


class MadeEndpointSchema(EndpointSchema):
    """A new endpoint."""

    secret = fields.String(required=True, metadata={"description": "What its deliveries are signed with; shown once"})


class SecretSchema(Schema):
    """A new secret."""

    secret = fields.String(required=True, metadata={"description": "Shown once; the one before stays valid beside it"})


def _types(**given: Any) -> Any:
    return fields.List(
        Word(news.CHOSEN), validate=validate.Length(min=1, max=len(news.CHOSEN)),
        metadata={"description": "Kinds of news that it is told"}, **given,
    )  # fmt: skip


_URL = r"^https?://[!-~]{1,400}$"


class EndpointForm(Form):
    """A new endpoint."""

    url = fields.String(
        required=True, validate=validate.Regexp(_URL),
        metadata={"description": "https, on the public network"},
    )  # fmt: skip
    types = _types(required=True)
    words = Text(200, load_default="", metadata={"description": "What it is for"})
    with_personal_data = Truth(
        load_default=False, metadata={"description": "Whether names, numbers and contents leave with it"}
    )


class ChangeForm(Form):
    """What is to be changed."""

    url = fields.String(validate=validate.Regexp(_URL))
    types = _types()
    words = Text(200)
    with_personal_data = Truth()
    active = Truth(metadata={"description": "True: used again, with a clean record"})


class DeliverySchema(Schema):
    """One piece of news for one endpoint."""

    id = fields.String(required=True, metadata={"description": "Its webhook-id"})
    endpoint_id = Id(required=True)
    type = fields.String(required=True)
    state = Word(rows.STATES, required=True)
    at = When(required=True)
    tries = fields.Integer(required=True)
    not_before = When(required=True, metadata={"description": "When it leaves, or left, at the earliest"})
    status = fields.Integer(required=True, allow_none=True, metadata={"description": "Of the last answer"})
    ended_at = When(required=True, allow_none=True)


class TrySchema(Schema):
    """One attempt."""

    at = When(required=True)
    ms = fields.Integer(required=True)
    status = fields.Integer(required=True, allow_none=True)
    words = fields.String(required=True, metadata={"description": "What went wrong; empty: nothing"})
    answer = fields.String(required=True, metadata={"description": "The beginning of what was answered"})


class DeliveryFileSchema(DeliverySchema):
    """A delivery with its attempts."""

    data = fields.Dict(keys=fields.String(), required=True)
    attempts = fields.List(fields.Nested(TrySchema), required=True)


class DeliveriesForm(PageForm):
    """Which deliveries."""

    endpoint_id = Text(26, load_default="")
    state = Word(rows.STATES, load_default="")
    type = Word(news.TYPES, load_default="")


class AgainForm(Form):
    """What is to leave again."""

    since = When(load_default=None, metadata={"description": "Only what happened since then"})


class AgainSchema(Schema):
    """What leaves again."""

    deliveries = fields.Integer(required=True)


class TestedSchema(Schema):
    """A test that is on its way."""

    delivery_id = fields.String(required=True)


@endpoints.route("/webhooks")
@needs(Permission.EDIT_ACCOUNTS)
@endpoints.arguments(PageForm, location="query")
@endpoints.response(200, page_of(EndpointSchema, "Endpoint"))
def list_endpoints(given: Mapping[str, Any]) -> dict[str, Any]:
    """List endpoints, the oldest first"""
    with store().read() as tx:
        found = [row for row in rows.all_(tx) if row.id > given["cursor"]]
    return page(found, given["limit"], lambda row: row.id, _show)


@endpoints.route("/webhooks", methods=["POST"])
@needs(Permission.EDIT_ACCOUNTS)
@endpoints.arguments(EndpointForm)
@endpoints.response(201, MadeEndpointSchema)
def add_endpoint(given: Mapping[str, Any]) -> dict[str, Any]:
    """Add an endpoint; its secret is shown this once"""
    made = _refusing(
        lambda: outgoing.add(
            store(), tools().vault, given["url"], given["types"], words=given["words"],
            personal=given["with_personal_data"], loopback=_here(),
        )
    )  # fmt: skip
    record("outgoing.added", made.row.id, made.row.url, types=list(made.row.types))
    return _show(made.row) | {"secret": made.secret.reveal()}


@endpoints.route("/webhooks/<ident:id>")
@needs(Permission.EDIT_ACCOUNTS)
@endpoints.response(200, EndpointSchema)
def show_endpoint(id: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Show one endpoint"""
    return _show(_find(id))


@endpoints.route("/webhooks/<ident:id>", methods=["PATCH"])
@needs(Permission.EDIT_ACCOUNTS)
@endpoints.arguments(ChangeForm)
@endpoints.response(200, EndpointSchema)
def change_endpoint(given: Mapping[str, Any], id: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name
    """Change an endpoint, or switch it off or on"""
    _find(id)
    row = _refusing(lambda: outgoing.change(store(), id, loopback=_here(), **given))
    record("outgoing.changed", id, row.url, **{name: value for name, value in given.items() if name != "words"})
    return _show(row)


@endpoints.route("/webhooks/<ident:id>", methods=["DELETE"])
@needs(Permission.EDIT_ACCOUNTS)
@endpoints.response(204)
def remove_endpoint(id: str) -> None:  # noqa: A002 - the parameter's name in the document
    """Remove an endpoint with its deliveries"""
    if not outgoing.remove(store(), id):
        raise missing("endpoint")
    record("outgoing.removed", id)


@endpoints.route("/webhooks/<ident:id>/secret", methods=["POST"])
@needs(Permission.EDIT_ACCOUNTS)
@endpoints.response(200, SecretSchema)
def rotate_secret(id: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Give an endpoint a new secret; until the next one, deliveries are signed by the one before too"""
    _find(id)
    secret = outgoing.rotate(store(), tools().vault, id)
    record("outgoing.secret_rotated", id)
    return {"secret": secret.reveal()}


@endpoints.route("/webhooks/<ident:id>/test", methods=["POST"])
@needs(Permission.EDIT_ACCOUNTS)
@endpoints.response(202, TestedSchema)
def test_endpoint(id: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Send an endpoint a test"""
    _find(id)
    delivery = outgoing.test(store(), id)
    tools().queue.ring(outgoing.JOB)
    record("outgoing.tested", id)
    return {"delivery_id": delivery}


@endpoints.route("/webhooks/<ident:id>/redeliver", methods=["POST"])
@needs(Permission.EDIT_ACCOUNTS)
@endpoints.arguments(AgainForm, required=False)
@endpoints.response(202, AgainSchema)
def redeliver_failed(given: Mapping[str, Any], id: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name
    """Let everything that failed leave again, each under its own webhook-id"""
    _find(id)
    with store().write() as tx:
        number = rows.again(tx, endpoint_id=id, since=given["since"])
    tools().queue.ring(outgoing.JOB)
    record("outgoing.redelivered", id, f"{number} deliveries", deliveries=number)
    return {"deliveries": number}


@endpoints.route("/deliveries")
@needs(Permission.EDIT_ACCOUNTS)
@endpoints.arguments(DeliveriesForm, location="query")
@endpoints.response(200, page_of(DeliverySchema, "Delivery"))
def list_deliveries(given: Mapping[str, Any]) -> dict[str, Any]:
    """List deliveries, the newest first"""
    with store().read() as tx:
        found = rows.listing(
            tx, endpoint_id=given["endpoint_id"], state=given["state"], type_=given["type"], before=given["cursor"],
            most=given["limit"] + 1,
        )  # fmt: skip
    return page(found, given["limit"], lambda row: row.id, _delivery)


@endpoints.route("/deliveries/<delivery:id>")
@needs(Permission.EDIT_ACCOUNTS)
@endpoints.response(200, DeliveryFileSchema)
def show_delivery(id: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Show one delivery with every attempt"""
    with store().read() as tx:
        row = rows.find(tx, id)
        tries = rows.tries_of(tx, [id]).get(id, [])
    if row is None:
        raise missing("delivery")
    return _delivery(row) | {"data": dict(row.data), "attempts": [_try(item) for item in tries]}


@endpoints.route("/deliveries/<delivery:id>/redeliver", methods=["POST"])
@needs(Permission.EDIT_ACCOUNTS)
@endpoints.response(202, AgainSchema)
def redeliver(id: str) -> dict[str, Any]:  # noqa: A002 - the parameter's name in the document
    """Let one delivery leave again, under its own webhook-id; one that waits for its next try leaves now"""
    with store().write() as tx:
        row = rows.find(tx, id)
        if row is None:
            raise missing("delivery")
        number = rows.again(tx, id_=id)
    if number:
        tools().queue.ring(outgoing.JOB)
        record("outgoing.redelivered", id)
    return {"deliveries": number}


def _find(id_: str) -> EndpointRow:
    with store().read() as tx:
        row = rows.get(tx, id_)
    if row is None:
        raise missing("endpoint")
    return row


def _refusing(work: Any) -> Any:
    """Return what work returns; what it refuses is the fault of a field."""
    try:
        return work()
    except ConfigurationError as error:
        path, _, words = str(error).partition(": ")
        raise ProblemError(409, str(error), [Wrong(path, words)] if words else ()) from None


def _here() -> bool:
    return outgoing.is_here(tools().settings.public_url)


def _show(row: EndpointRow) -> dict[str, Any]:
    return pick(EndpointSchema, row) | {"types": list(row.types)}


def _delivery(row: DeliveryRow) -> dict[str, Any]:
    return pick(DeliverySchema, row)


def _try(item: Try) -> dict[str, Any]:
    return pick(TrySchema, item) | {"answer": foreign(item.answer)}
