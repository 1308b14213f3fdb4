"""What this very key is, and may."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields

from connector.model import Permission
from connector.web.api.forms import Id, When
from connector.web.api.frame import caller, needs, room

me = room("Key", "The API key that a request comes with.")


class KeySchema(Schema):
    """An API key."""

    id = Id(required=True)
    name = fields.String(required=True)
    scopes = fields.List(fields.String(), required=True, metadata={"description": "What it may do"})
    expires_at = When(required=True, allow_none=True)


@me.route("/me")
@needs(Permission.LOOK)
@me.response(200, KeySchema)
def show_key() -> dict[str, Any]:
    """Tell what this key may do"""
    key = caller()
    return {"id": key.id, "name": key.name, "scopes": sorted(key.scopes), "expires_at": key.expires_at}
