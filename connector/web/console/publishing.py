"""Putting a mapping in force, or an older version of it: first what changes and what it will mean, then the deed."""

from __future__ import annotations

from flask import redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError, MappingError
from connector.flow import differences, drift, publish
from connector.model import Permission
from connector.store import recent
from connector.store.mappings import Conflict, MappingRow
from connector.web.console.frame import actor, console, needs, record, refuse, say, store, tools
from connector.web.console.mappings import described, head, of_mapping

LONGEST_NOTE = 500


@console.get("/mappings/<path:name>/publish")
@needs(Permission.PUBLISH)
@of_mapping
def publish_mapping(row: MappingRow) -> str:
    """Show what publishing the draft would change."""
    return _look(row, row.draft, None)


@console.post("/mappings/<path:name>/publish")
@needs(Permission.PUBLISH)
@of_mapping
def do_publish(row: MappingRow) -> AnyResponse:
    """Put the draft that was looked at in force."""
    name, note = row.name, _note()
    try:
        done = publish.publish(
            store(), tools().registry, name, note=note, described=described(), by=actor().name, revision=_revision()
        )
    except Conflict as conflict:
        return _conflict(conflict, "console.publish_mapping")
    except MappingError:
        return redirect(url_for("console.publish_mapping", name=name), 303)  # which shows what is wrong
    if done.is_new:
        record("mapping.published", name, note, version=done.version)
        say(f"Version {done.version} of {name} is in force, from the next event on.")
        drift.watch(store(), tools().registry, tools().desk.accounts, described(), only=name)
    else:
        say(f"Version {done.version} is in force already and says the same.", "warn")
    return redirect(url_for("console.mapping", name=name), 303)


@console.get("/mappings/<path:name>/versions/<int:number>/roll-back")
@needs(Permission.PUBLISH)
@of_mapping
def roll_back_mapping(row: MappingRow, number: int) -> AnyResponse | str:
    """Show what going back to a version would change."""
    try:
        source = publish.text(store(), row.name, str(number))
    except ConfigurationError as error:
        return refuse(404, "There is no such version", str(error))
    return _look(row, source, number)


@console.post("/mappings/<path:name>/versions/<int:number>/roll-back")
@needs(Permission.PUBLISH)
@of_mapping
def do_roll_back(row: MappingRow, number: int) -> AnyResponse:
    """Put an older version's text in force again, as a new version."""
    name, note = row.name, _note()
    here = url_for("console.roll_back_mapping", name=name, number=number)
    try:
        version = publish.roll_back(
            store(), tools().registry, name, number, note=note, described=described(), by=actor().name,
            revision=_revision(),
        )  # fmt: skip
    except Conflict as conflict:
        return _conflict(conflict, "console.roll_back_mapping", number=number)
    except MappingError:
        return redirect(here, 303)
    except ConfigurationError as error:
        return refuse(404, "There is no such version", str(error))
    record("mapping.rolled_back", name, note, version=version, to=number)
    say(f"Version {version} of {name} is in force; it says what version {number} said.")
    return redirect(url_for("console.mapping", name=name), 303)


def _look(row: MappingRow, source: str, number: int | None) -> str:
    """Show a text that may be put in force beside what is in force now; ``number`` None: it is the draft."""
    name, stands = row.name, head(row, "publish")
    with store().read() as tx:
        waiting, drifted = recent.waiting(tx, name), drift.of(tx, name)
    current, versions = stands["current"], stands["versions"]
    old = current.source if current is not None else ""
    return render_template(
        "console/mapping_publish.html",
        number=number,
        next_version=(versions[0].version if versions else 0) + 1,
        waiting={version: count for version, count in sorted(waiting.items()) if count},
        faults=publish.find_faults(store(), tools().registry, name, source, described()),
        differences=differences.fields(old, source) if current is not None else None,
        lines=differences.lines(old, source) if current is not None else [],
        same=current is not None and old == source,
        drifted=drifted,
        source=source,
        **stands,
    )


def _conflict(conflict: Conflict, endpoint: str, **where: int) -> AnyResponse:
    say(f"Nothing was published. {conflict} What you see now is how the draft stands.", "fail")
    return redirect(url_for(endpoint, name=conflict.theirs.name, **where), 303)  # type: ignore[arg-type]


def _note() -> str:
    return " ".join(request.form.get("note", "").split())[:LONGEST_NOTE]


def _revision() -> int | None:
    given = request.form.get("revision", "")
    return int(given) if given.isascii() and given.isdigit() and len(given) < 10 else -1
