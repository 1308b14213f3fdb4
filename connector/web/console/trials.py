"""Test send: a draft to a phone of one's own, with the values of a real event."""

from __future__ import annotations

from datetime import timedelta

from flask import make_response, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import ConfigurationError, MappingError
from connector.flow import explain, shelf, trial
from connector.mapping import Mapping as Notification
from connector.model import EventId, Permission, now
from connector.store import Transaction, accounts, look, past, recent, test_numbers
from connector.store.mappings import MappingRow
from connector.store.past import Which
from connector.web.console.frame import actor, console, needs, record, say, store, tools
from connector.web.console.mappings import find_row, head, of_mapping
from connector.web.console.sight import sees_people

MOST_EVENTS = 20
SHOWN = timedelta(days=30)
SAMPLE = "sample"


@console.get("/mappings/<path:name>/test")
@needs(Permission.LOOK)
@of_mapping
def test_mapping(row: MappingRow) -> str:
    """Offer to send the draft to a test number, and show what became of earlier tests."""
    return _draw(row)


@console.post("/mappings/<path:name>/test")
@needs(Permission.EDIT_MAPPINGS)
@of_mapping
def send_test(row: MappingRow) -> AnyResponse:
    """Send the draft with the chosen event's values."""
    given, phone = request.form.get("event", "")[:26], _number(request.form.get("to", ""))
    event = EventId(given) if given and given != SAMPLE else None
    try:
        id_, channel = trial.plan(tools(), row.name, row.draft, event, phone, actor().name)
    except (MappingError, ConfigurationError) as error:
        return make_response(_draw(row, str(error)), 422)
    tools().queue.ring("deliver", channel)
    record("mapping.test_sent", row.name, f"with event {event}" if event else "with the sample", message=id_)
    say("The test message is on its way. It passes the same gate as every other one.")
    return redirect(url_for("console.message", id_=id_), 303)


@console.post("/test-numbers")
@needs(Permission.EDIT_ACCOUNTS)
def allow_number() -> AnyResponse:
    """Put a number on the list of test numbers."""
    back = request.form.get("back", "")[:100]
    try:
        if request.form.get("mine") != "yes":
            raise ConfigurationError("Say that the phone's owner agrees: nobody else may be put on this list.")
        added = trial.allow(store(), request.form.get("phone", "")[:40], request.form.get("name", ""), actor().name)
    except ConfigurationError as error:
        say(str(error), "fail")
    else:
        record("test_number.added", "", f"{added.name}, {explain.hide_phone(added.phone)}")
        say(f"{added.name} may get test messages now.")
    return redirect(_back(back), 303)


@console.post("/test-numbers/remove")
@needs(Permission.EDIT_ACCOUNTS)
def forbid_number() -> AnyResponse:
    """Take a number off the list."""
    if trial.forbid(store(), _number(request.form.get("to", ""))):
        record("test_number.removed", "")
        say("The number gets no test messages any more.")
    return redirect(_back(request.form.get("back", "")[:100]), 303)


def _number(place: str) -> str:
    """Return the number that stands at a place of the list: pages do not carry numbers around."""
    with store().read() as tx:
        found = test_numbers.all_(tx)
    return found[int(place)].phone if place.isascii() and place.isdigit() and int(place) < len(found) else ""


def _back(name: str) -> str:
    return url_for("console.test_mapping", name=name) if find_row(name) is not None else url_for("console.all_mappings")


def _draw(row: MappingRow, trouble: str = "") -> str:
    with store().read() as tx:
        numbers = test_numbers.all_(tx)
        sent = [
            file for id_, _, _ in recent.trials(tx, row.name, now() - SHOWN) if (file := look.message_file(tx, id_))
        ]
        events = _events(tx, row)
    shown = [number.phone if sees_people() else explain.hide_phone(number.phone) for number in numbers]
    return render_template(
        "console/mapping_test.html", numbers=list(zip(numbers, shown, strict=True)), sent=sent, events=events,
        trouble=trouble, given=request.form or request.args, most=trial.MOST_NUMBERS, **head(row, "test"),
    )  # fmt: skip


def _events(tx: Transaction, row: MappingRow) -> list[past.Came]:
    """Return the newest events that the draft listens to, the newest first."""
    made = shelf.document(row.name, row.draft)
    if not isinstance(made, Notification):
        return []
    which = Which(type=made.when.event, accounts=tuple(account.id for account in accounts.all_(tx)))
    if first := past.newest_from(tx, which, MOST_EVENTS):
        which = Which(type=which.type, accounts=which.accounts, first=first)
    return past.page(tx, which, "", MOST_EVENTS)[::-1]
