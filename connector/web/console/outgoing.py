"""Webhooks that leave: endpoints, what each is told, and every attempt."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError
from connector.flow import outgoing
from connector.model import Permission, now
from connector.model.exact import write_json
from connector.store import news
from connector.store import outgoing as rows
from connector.store.outgoing import EndpointRow
from connector.web.console.frame import console, missing, needs, record, say, store, tools

PAGE = 50
SINCE = {"1": "of the last 24 hours", "3": "of the last 3 days", "30": "of the last 30 days"}
_ID = 30


@console.get("/outgoing")
@needs(Permission.EDIT_ACCOUNTS)
def outgoing_page() -> str:
    """List endpoints, and offer to add one."""
    return _draw()


@console.post("/outgoing")
@needs(Permission.EDIT_ACCOUNTS)
def add_endpoint() -> str | tuple[str, int]:
    """Add an endpoint, and show its secret this once."""
    form = request.form
    try:
        made = outgoing.add(
            store(), tools().vault, form.get("url", "")[:1000], form.getlist("type"), words=form.get("words", ""),
            personal=form.get("personal") == "yes", loopback=_here(),
        )  # fmt: skip
    except ConfigurationError as error:
        return _draw(fault=str(error)), 400
    record("outgoing.added", made.row.id, made.row.url, types=list(made.row.types))
    return _secret(made.row.id, "The new endpoint's secret", made.secret.reveal())


@console.get("/outgoing/<id_>")
@needs(Permission.EDIT_ACCOUNTS)
def endpoint_page(id_: str) -> str | AnyResponse:
    """Show one endpoint, and what was delivered to it."""
    with store().read() as tx:
        row = rows.get(tx, id_[:_ID])
        if row is None:
            return missing("endpoint")
        state, kind = request.args.get("state", ""), request.args.get("type", "")
        state = state if state in rows.STATES else ""
        kind = kind if kind in news.TYPES else ""
        before = request.args.get("before", "")[:_ID]
        found = rows.listing(tx, endpoint_id=row.id, state=state, type_=kind, before=before, most=PAGE + 1)
        counts = rows.counts(tx).get(row.id, {})
    return render_template(
        "console/endpoint.html", row=row, found=found[:PAGE], counts=counts, types=news.TYPES, before=before,
        older=found[PAGE - 1].id if len(found) > PAGE else "", given={"state": state, "type": kind}, since=SINCE,
        chosen=news.CHOSEN,
    )  # fmt: skip


@console.post("/outgoing/<id_>")
@needs(Permission.EDIT_ACCOUNTS)
def change_endpoint(id_: str) -> AnyResponse:
    """Change where it is, what it is told, or whether it is used."""
    form, given = request.form, dict[str, Any]()
    if form.get("do") in ("switch_on", "switch_off"):
        given["active"] = form["do"] == "switch_on"
    else:
        given = {
            "url": form.get("url", "")[:1000], "words": form.get("words", ""), "types": form.getlist("type"),
            "with_personal_data": form.get("personal") == "yes",
        }  # fmt: skip
    try:
        row = outgoing.change(store(), id_[:_ID], loopback=_here(), **given)
    except ConfigurationError as error:
        say(str(error), "fail")
        return redirect(url_for("console.endpoint_page", id_=id_), 303)
    record("outgoing.changed", row.id, row.url, **{name: value for name, value in given.items() if name != "words"})
    say("Kept.")
    return redirect(url_for("console.endpoint_page", id_=row.id), 303)


@console.post("/outgoing/<id_>/test")
@needs(Permission.EDIT_ACCOUNTS)
def test_endpoint(id_: str) -> AnyResponse:
    """Send a test."""
    try:
        delivery = outgoing.test(store(), id_[:_ID])
    except ConfigurationError as error:
        say(str(error), "fail")
        return redirect(url_for("console.outgoing_page"), 303)
    tools().queue.ring(outgoing.JOB)
    record("outgoing.tested", id_[:_ID])
    return redirect(url_for("console.delivery_page", id_=delivery), 303)


@console.post("/outgoing/<id_>/secret")
@needs(Permission.EDIT_ACCOUNTS)
def rotate_endpoint(id_: str) -> AnyResponse | str:
    """Give it a new secret, or drop the old one."""
    try:
        if request.form.get("do") == "retire":
            outgoing.retire(store(), tools().vault, id_[:_ID])
            record("outgoing.secret_retired", id_[:_ID])
            say("Deliveries are signed by the newest secret alone.")
            return redirect(url_for("console.endpoint_page", id_=id_), 303)
        secret = outgoing.rotate(store(), tools().vault, id_[:_ID])
    except ConfigurationError:
        return missing("endpoint")
    record("outgoing.secret_rotated", id_[:_ID])
    return _secret(id_[:_ID], "The endpoint's new secret", secret.reveal())


@console.post("/outgoing/<id_>/remove")
@needs(Permission.EDIT_ACCOUNTS)
def remove_endpoint(id_: str) -> AnyResponse:
    """Remove an endpoint with its log."""
    if not outgoing.remove(store(), id_[:_ID]):
        return missing("endpoint")
    record("outgoing.removed", id_[:_ID])
    say("The endpoint is removed, and its log with it.")
    return redirect(url_for("console.outgoing_page"), 303)


@console.post("/outgoing/<id_>/redeliver")
@needs(Permission.EDIT_ACCOUNTS)
def redeliver_failed(id_: str) -> AnyResponse:
    """Let all that failed since then leave again."""
    days = request.form.get("since", "1")
    since = now() - timedelta(days=int(days) if days in SINCE else 1)
    with store().write() as tx:
        number = rows.again(tx, endpoint_id=id_[:_ID], since=since)
    tools().queue.ring(outgoing.JOB)
    record("outgoing.redelivered", id_[:_ID], f"{number} deliveries", deliveries=number)
    say(f"{number} {'delivery leaves' if number == 1 else 'deliveries leave'} again, each under its own id.")
    return redirect(url_for("console.endpoint_page", id_=id_), 303)


@console.get("/deliveries/<id_>")
@needs(Permission.EDIT_ACCOUNTS)
def delivery_page(id_: str) -> str | AnyResponse:
    """Show one delivery with every attempt."""
    with store().read() as tx:
        row = rows.find(tx, id_[:_ID])
        endpoint = rows.get(tx, row.endpoint_id) if row else None
        if row is None or endpoint is None:
            return missing("delivery")
        tries = rows.tries_of(tx, [row.id]).get(row.id, [])
        told = outgoing.envelope(tx, row, personal=False)
    body = json.dumps(json.loads(write_json(told)), ensure_ascii=False, indent=2)
    return render_template("console/delivery.html", row=row, endpoint=endpoint, tries=tries[::-1], body=body)


@console.post("/deliveries/<id_>/redeliver")
@needs(Permission.EDIT_ACCOUNTS)
def redeliver(id_: str) -> AnyResponse:
    """Let one delivery leave again."""
    with store().write() as tx:
        done = rows.again(tx, id_=id_[:_ID])
    if done:
        tools().queue.ring(outgoing.JOB)
        record("outgoing.redelivered", id_[:_ID])
        say("It leaves again, under the same id.")
    return redirect(url_for("console.delivery_page", id_=id_), 303)


def _here() -> bool:
    return outgoing.is_here(tools().settings.public_url)


def _secret(id_: str, title: str, secret: str) -> str:
    return render_template(
        "console/secret.html", title=title, secret=secret, back=url_for("console.endpoint_page", id_=id_), sample="",
        words="Check with it that a webhook is ours: the page of the API says how, with code.",
    )  # fmt: skip


def _draw(fault: str = "") -> str:
    with store().read() as tx:
        found: list[EndpointRow] = rows.all_(tx)
        counts = rows.counts(tx)
    form = request.form
    given = {
        "url": form.get("url", "")[:1000], "words": form.get("words", "")[:200], "types": form.getlist("type"),
        "personal": form.get("personal") == "yes",
    }  # fmt: skip
    return render_template(
        "console/outgoing.html", found=found, counts=counts, types=news.TYPES, chosen=news.CHOSEN, fault=fault,
        given=given,
    )  # fmt: skip
