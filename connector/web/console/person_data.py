"""Handing out all that is stored of a person, and forgetting them: each said first, done once, and audited."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from typing import Any

from flask import Response, redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import audit, dossier, privacy
from connector.flow.erasure import digester
from connector.flow.privacy import Mentions
from connector.log import get
from connector.model import ContactId, Permission
from connector.store import Store
from connector.store.traces import Traces
from connector.web.console.frame import actor, console, missing, needs, record, say, store, tools
from connector.web.console.lists import ID
from connector.web.console.person import form, portray
from connector.web.console.sight import sees_people

DIGITS = 4
"""So many last digits are typed to confirm an erasure."""

log = get(__name__)


@console.post("/people/<id_>/export")
@needs(Permission.EDIT_PEOPLE)
def person_export(id_: str) -> AnyResponse:
    """Hand out all that is stored of a person, as JSON.

    Every stored request is read for it, which can take a while: the answer begins at once, and stays alive by
    the white space that JSON lets stand in front. Nothing of it is kept anywhere.
    """
    with store().read() as tx:
        found = portray(tx, id_)
    if found is None:
        return missing("person")
    whose = found.contact.id
    record("person.exported", whose, "All that is stored of them, as JSON.")
    answer = Response(_told(store(), tools().desk.accounts, whose), mimetype="application/json")
    answer.headers["Content-Disposition"] = f'attachment; filename="person-{whose}.json"'
    return answer


def _told(from_: Store, holders: dossier.Accounts, whose: ContactId) -> Iterator[str]:
    steps: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()

    def work() -> None:
        told: dict[str, Any] = {"trouble": "It could not be compiled; the log says more."}
        try:
            told = dossier.compile_(from_, holders, whose, progress=lambda _what, _count: steps.put(None))
        except Exception:  # whoever waits for it must hear of it
            log.exception("person.not_exported", contact=whose)
        steps.put(told)

    threading.Thread(target=work, name="export", daemon=True).start()
    while (told := steps.get()) is None:
        yield " "
    yield json.dumps(told, ensure_ascii=False, indent=2, default=str) + "\n"


@console.get("/people/<id_>/erase")
@needs(Permission.EDIT_PEOPLE)
def person_erase(id_: str) -> AnyResponse | str:
    """Say what forgetting a person takes with it, before it is done."""
    with store().read() as tx:
        found = portray(tx, id_)
        whose = privacy.whose(tx, found.contact.id) if found else None
        if found is None or whose is None:
            return missing("person")
        upto = 2**62  # what merely mentions them is found when it is done: that reads every stored body
        traces = privacy.find_all(tx, whose, Mentions(upto=upto))
    sees_people()
    return render_template("console/person_erase.html", who=found, counts=_counts(traces), digits=_word(found.contact))


def _counts(found: Traces) -> list[tuple[int, str]]:
    return [
        (len(found.messages), "messages to them are emptied; that one was sent, and when, stays for the counts"),
        (len(found.to_others), "messages to other people about their orders lose what they say"),
        (len(found.inbound), "of their own messages and choices are emptied"),
        (len(found.own_events), "events about them, and any that mentions them, lose the reasons that were weighed"),
        (len(found.requests), "stored requests, and any other that mentions them, are emptied for good: no replay"),
    ]  # fmt: skip


def _word(contact: Any) -> str:
    """Return what has to be typed."""
    digits = "".join(char for char in contact.phone if char.isdigit())
    return digits[-DIGITS:] if len(digits) >= DIGITS else str(contact.id)[-DIGITS:]


@console.post("/people/<id_>/erase")
@needs(Permission.EDIT_PEOPLE)
def person_erase_now(id_: str) -> AnyResponse:
    """Forget a person for good."""
    with store().read() as tx:
        found = portray(tx, id_) if ID.fullmatch(id_) else None
    if found is None:
        return missing("person")
    if form("confirm", 20) != _word(found.contact):
        say("That is not what stands at the end of their number; nothing was erased.", "fail")
        return redirect(url_for("console.person_erase", id_=id_), 303)
    who, with_ = actor(), tools()
    done = privacy.erase(store(), digester(with_.store, with_.vault), found.contact.id)
    audit.record(
        store(), who.id, who.name, "person.erased", found.contact.id, "Forgotten for good.",
        messages=done.messages, requests=done.requests, replies=done.replies, refusals=done.refusals,
    )  # fmt: skip
    kept = f" {done.refusals} hashes of what they had refused are kept, so that they are not written to again."
    say(
        f"Forgotten: {done.messages} messages, {done.requests} stored requests and {done.replies} replies were emptied."
        + (kept if done.refusals else "")
        + " Erase them in the shop and the CRM too, or they are told to us anew."
    )
    return redirect(url_for("console.people"), 303)
