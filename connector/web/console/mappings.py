"""Mappings: all of them at a glance, the home of each, and the rates that admins enter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, Concatenate, ParamSpec, TypeVar

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import Fault, MappingError
from connector.flow import publish, shelf
from connector.flow.described import asker
from connector.mapping.kinds import kind_of
from connector.mapping.rates_form import EXAMPLE, NAME
from connector.model import Permission, now
from connector.store import mappings, recent, shadows
from connector.store.mappings import MappingRow
from connector.web.console.frame import actor, console, missing, needs, record, say, store, tools

P = ParamSpec("P")
R = TypeVar("R")

GROUPS = (
    ("notification", "Notifications", "What is sent when something happens."),
    ("contact", "Contacts", "Which field of a shop's or CRM's record is which of a person's."),
    ("policy", "Policies", "What holds for everybody."),
)
"""Kind, heading, what it is; rates are a policy too."""


def described() -> publish.Described:
    """Return how vendors are asked for their fields, each once on this request."""
    return asker([found.account for found in tools().directory.all_()], tools().crm)


def find_row(name: str) -> MappingRow | None:
    """Return a stored mapping."""
    with store().read() as tx:
        return mappings.get(tx, name)


def of_mapping(view: Callable[Concatenate[MappingRow, P], R]) -> Callable[..., R | AnyResponse]:
    """Give a view the mapping that its address names; where there is none, that is said instead."""

    @wraps(view)
    def found(name: str, *args: P.args, **kwargs: P.kwargs) -> R | AnyResponse:
        row = find_row(name)
        return view(row, *args, **kwargs) if row is not None else missing("mapping")

    return found


def head(row: MappingRow, at: str) -> dict[str, Any]:
    """Return what every page of a mapping needs: its title, what is in force, its versions (the newest first)."""
    with store().read() as tx:
        versions = mappings.versions(tx, row.name)
    made = shelf.document(row.name, row.draft)
    current = next((version for version in versions if version.version == row.published), None)
    return {
        "name": row.name, "row": row, "at": at, "sends": kind_of(row.draft) == "notification",
        "title": str(getattr(made, "title", "")) or row.name, "versions": versions, "current": current,
        "changed": current is not None and current.source != row.draft,
    }  # fmt: skip


@console.get("/mappings")
@needs(Permission.LOOK)
def all_mappings() -> str:
    """List every mapping with its sentence, its state and what has drifted."""
    event = request.args.get("event", "")[:100]
    with store().read() as tx:
        found = shelf.items(tx, tools().registry, event)
    groups = [
        (key, heading, words, [item for item in found if _group(item.kind) == key]) for key, heading, words in GROUPS
    ]
    return render_template(
        "console/mappings.html", groups=[each for each in groups if each[3]], event=event, total=len(found)
    )


def _group(kind: str) -> str:
    return {"rates": "policy"}.get(kind, kind if kind in ("contact", "policy") else "notification")


@console.get("/mappings/<path:name>")
@needs(Permission.LOOK)
def mapping(name: str) -> AnyResponse | str:
    """Show one mapping: what it does, how it stands, what is missing before it goes live."""
    row = find_row(name)
    if row is None:
        return _rates() if name == NAME else missing("mapping")
    with store().read() as tx:
        item = next(each for each in shelf.items(tx, tools().registry) if each.name == name)
        waiting = recent.waiting(tx, name)
        running = shadows.running(tx, name, now())
    accounts = [found.account for found in tools().directory.all_()]
    checks = shelf.checks(store(), tools().registry, tools().catalogue, accounts, row, described())
    return render_template(
        "console/mapping.html", item=item, checks=checks, waiting=waiting, shadow=running, **head(row, "home")
    )


@console.post("/mappings/<path:name>/pause")
@needs(Permission.PUBLISH)
@of_mapping
def pause_mapping(row: MappingRow) -> AnyResponse:
    """Take a mapping out of force."""
    name = row.name
    if publish.unpublish(store(), name):
        record("mapping.unpublished", name, f"Took version {row.published} of {name} out of force")
        say(f"{name} is paused: no event leads to a message by it. What was planned already is still sent.")
    return redirect(url_for("console.mapping", name=name), 303)


def _rates(source: str = EXAMPLE, faults: Sequence[Fault] = ()) -> str:
    return render_template("console/mapping_rates.html", source=source, faults=faults, name=NAME)


@console.post("/mappings/policy/rates/enter")
@needs(Permission.EDIT_ACCOUNTS)
def enter_rates() -> AnyResponse | str:
    """Keep rates for the first time; from then on they are edited like any other mapping."""
    source = request.form.get("source", "").replace("\r\n", "\n")
    try:
        publish.save(store(), NAME, source, revision=0, by=actor().name)
    except MappingError as error:
        return _rates(source, error.faults)
    except mappings.Conflict:
        say("Somebody else has entered rates in the meantime; here they are.", "warn")
        return redirect(url_for("console.mapping", name=NAME), 303)
    record("mapping.saved", NAME, "Entered rates")
    say("The rates are kept as a draft. Publish them, and estimates use them.")
    return redirect(url_for("console.mapping", name=NAME), 303)
