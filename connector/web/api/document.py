"""The API's own description: the OpenAPI document, and a page that people read, drawn here without any network."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, Response, current_app, render_template
from markupsafe import Markup, escape

from connector.flow import keys
from connector.web.api.frame import SCHEME

pages = Blueprint("document", __name__, url_prefix="/api")
WORDS = """
What happened, what was decided and sent, mappings, people and their consent, for programs.

Send your key with each request: `Authorization: Bearer wck_…`. Errors are problems (RFC 9457) that name the field.
Lists give `next`: send it as `cursor` for the page that follows. A key may call 600 times a minute, 100 at once.
"""


def paper(public_url: str, version: str) -> dict[str, Any]:
    """Return what the document says of the API as a whole."""
    return {
        "info": {"description": WORDS.strip(), "x-program": version},
        "servers": [{"url": public_url}],
        "security": [{SCHEME: []}],
        "components": {
            "securitySchemes": {
                SCHEME: {"type": "http", "scheme": "bearer", "description": "An API key: wck_…; made in the console."}
            }
        },
    }


@pages.get("/openapi.json")
def openapi() -> Response:
    """Give the OpenAPI document."""
    return Response(json.dumps(current_app.extensions["api"].spec.to_dict(), indent=1), mimetype="application/json")


@pages.app_template_filter("coded")
def coded(words: str) -> Markup:
    """Draw what stands between backticks as code."""
    parts = words.split("`")
    drawn = (Markup("<code>{}</code>").format(part) if place % 2 else escape(part) for place, part in enumerate(parts))
    return Markup("").join(drawn)


@dataclass(frozen=True, slots=True)
class Row:
    """A parameter, or a field of a body."""

    name: str
    kind: str
    required: bool
    words: str


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that can be called."""

    anchor: str
    method: str
    path: str
    summary: str
    words: str
    scope: str
    meaning: str
    parameters: tuple[Row, ...]
    body: tuple[Row, ...]
    answers: tuple[tuple[str, tuple[Row, ...]], ...]
    sample: str


@pages.get("/docs")
@pages.get("/docs/")
def docs() -> Response:
    """Draw the page of the API."""
    spec = current_app.extensions["api"].spec.to_dict()
    groups = {tag["name"]: (tag["description"], list(_operations(spec, tag["name"]))) for tag in spec["tags"]}
    page = Response(
        render_template(
            "api/docs.html", groups=groups, words=spec["info"]["description"], scopes=_scopes(),
            server=spec["servers"][0]["url"], version=spec["info"]["version"],
        ),
        mimetype="text/html",
    )  # fmt: skip
    page.headers["Content-Security-Policy"] = (
        "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return page


def _scopes() -> list[tuple[str, str]]:
    return [(item.value, keys.MEANING[item]) for item in keys.OFFERED]


def _operations(spec: Mapping[str, Any], tag: str) -> Iterator[Operation]:
    for path, methods in spec["paths"].items():
        shared = methods.get("parameters", [])
        for method in ("get", "post", "put", "patch", "delete"):
            told = methods.get(method)
            if told and tag in told["tags"]:
                yield _operation(spec, path, method, told, shared)


def _operation(spec: Mapping[str, Any], path: str, method: str, told: Mapping[str, Any], shared: Any) -> Operation:
    body = told.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    fields = tuple(_fields(spec, body)) if body else ()
    parameters = tuple(_parameter(item) for item in [*shared, *told.get("parameters", [])])
    answers = tuple(
        (status, tuple(_fields(spec, answer["content"]["application/json"]["schema"])))
        for status, answer in told["responses"].items()
        if status[0] == "2" and "application/json" in answer.get("content", {})
    )
    scope = told.get("x-scope", "")
    return Operation(
        anchor=f"{method}-{path.strip('/').replace('/', '-').replace('{', '').replace('}', '')}",
        method=method.upper(), path=path, summary=told.get("summary", ""), words=told.get("description", ""),
        scope=scope, meaning=dict(_scopes()).get(scope, ""), parameters=parameters, body=fields, answers=answers,
        sample=_sample(spec, path, method, parameters, body),
    )  # fmt: skip


def _parameter(item: Mapping[str, Any]) -> Row:
    words = item.get("description") or item["schema"].get("description", "")
    return Row(f"{item['name']} ({item['in']})", _kind(item["schema"]), bool(item.get("required")), words)


def _fields(spec: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterator[Row]:
    found = _resolved(spec, schema)
    needed = found.get("required", ())
    for name, inner in found.get("properties", {}).items():
        full = f"{prefix}{name}"
        yield Row(full, _kind(_resolved(spec, inner)), name in needed, inner.get("description", ""))
        below = _resolved(spec, inner.get("items", inner))
        if depth < 3 and "properties" in below:
            yield from _fields(spec, below, f"{full}[]." if "items" in inner else f"{full}.", depth + 1)


def _resolved(spec: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in schema:
        found: Mapping[str, Any] = spec["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    for each in schema.get("allOf", schema.get("anyOf", ())):
        if "$ref" in each:
            return _resolved(spec, each)
    return schema


def _kind(schema: Mapping[str, Any]) -> str:
    kind = schema.get("type", "object")
    names = [kind] if isinstance(kind, str) else list(kind)
    words = " or ".join(names).replace("array", "list").replace("string", "text").replace("integer", "number")
    if schema.get("format") == "date-time":
        words = words.replace("text", "moment")
    if choices := [str(item) for item in schema.get("enum", ()) if item is not None]:
        words = " | ".join(choices)
    return words


def _sample(spec: Mapping[str, Any], path: str, method: str, parameters: Any, body: Any) -> str:
    server = spec["servers"][0]["url"]
    lines = [f"curl {'-X ' + method.upper() + ' ' if method not in ('get', 'post') else ''}{server}{path}"]
    lines.append("-H 'Authorization: Bearer '\"$CONNECTOR_API_KEY\"")
    if any(item.name.startswith("Idempotency-Key") and item.required for item in parameters):
        lines.append("-H 'Idempotency-Key: order-1001-paid'")
    if any(item.name.startswith("If-Match") for item in parameters):
        lines.append("-H 'If-Match: \"r7\"'")
    if body:
        found = _resolved(spec, body)
        shown = {name: _example(_resolved(spec, found["properties"][name])) for name in found.get("required", ())}
        lines += ["-H 'Content-Type: application/json'", f"-d '{json.dumps(shown)}'"]
    elif method == "post":
        lines.append("-X POST")
    return " \\\n  ".join(lines)


def _example(schema: Mapping[str, Any]) -> Any:
    if schema.get("enum"):
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = kind if isinstance(kind, str) else kind[0]
    return {"object": {}, "array": [], "integer": 1, "boolean": False}.get(kind, "…")
