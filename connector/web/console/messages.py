"""Messages: how far they have come, and each as the phone shows it beside its life."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from flask import Response, render_template, request
from werkzeug.wrappers import Response as AnyResponse

from connector.errors import PayloadError
from connector.flow import explain, mask
from connector.flow.bubble import fill
from connector.flow.cause import CAUSES, cause_of
from connector.flow.story import hide_phone
from connector.model import ContactId, Permission, State, parse_json
from connector.store import Transaction, counts, find, look, people, templates
from connector.store.stats import SUMS
from connector.store.views import AttemptRow, EventFilter, MessageFile, MessageFilter, MessageRow
from connector.web.console.frame import console, may, missing, needs, store
from connector.web.console.lists import (
    ID,
    WINDOWS,
    Sheet,
    Span,
    address,
    argument,
    as_csv,
    id_argument,
    label_as,
    one_of,
    span,
)
from connector.web.console.sight import sees_people

COLUMNS = (
    "message", "created_at", "order", "to", "mapping", "version", "template", "language", "category", "state", "reason",
    "words", "code", "accepted_at", "sent_at", "delivered_at", "read_at", "ended_at", "source", "channel", "event",
)  # fmt: skip


@console.get("/messages")
@needs(Permission.LOOK)
def messages() -> str | Response:
    """List messages, with the funnel above; test messages only where they are asked for."""
    stretch = span()
    before = id_argument("before")
    with store().read() as tx:
        wanted, given, refused = _asked(tx, stretch)
        if request.args.get("format") == "csv":
            return _as_file(wanted, given)
        rows = look.list_messages(tx, wanted, before=before, most=look.PAGE + 1)
        much = counts.is_much(tx, stretch.since, stretch.until)
        plain = not stretch.until and not (given.keys() - {"state", "window", "mapping", "from"})
        return render_template(
            "console/messages.html",
            rows=rows[: look.PAGE],
            older=rows[look.PAGE - 1].id if len(rows) > look.PAGE else "",
            funnel=counts.funnel(tx, stretch.since, mapping=given.get("mapping", "")) if plain and not much else None,
            tally=None if much else counts.tally(tx, wanted),
            states=list(State),
            most=counts.MOST,
            ever=bool(rows) or bool(look.list_events(tx, EventFilter(), most=1)),
            choices=_choices(tx),
            causes=CAUSES,
            given=given,
            sifting=bool(given.keys() - {"state", "window", "person", "tests"}),
            refused=refused,
            person=_person(tx, wanted.contact_id),
            before=before,
            stretch=stretch,
            windows=WINDOWS,
            address=address,
            unread=counts.troubled(tx),
        )


def _asked(tx: Transaction, stretch: Span) -> tuple[MessageFilter, dict[str, str], str]:
    """Read which messages are asked for; the third says why a part of it was not heeded."""
    state, reason = one_of("state", tuple(State)), one_of("reason", tuple(map(str, CAUSES)))
    given = {
        name: argument(name) for name in ("mapping", "account", "template", "language", "code", "country", "to", "word")
    }
    given |= {"state": state, "reason": reason, "person": id_argument("person"), "reached": one_of("reached", SUMS)}
    given |= {"tests": one_of("tests", ("1",))}
    wanted = MessageFilter(
        states=(State(state),) if state else (), reason=reason, contact_id=given["person"],
        since=stretch.since, until=stretch.until, mapping=given["mapping"], account=given["account"],
        template=given["template"], language=given["language"], code=given["code"], country=given["country"],
        word=given["word"], reached=given["reached"], trial=bool(given["tests"]),
    )  # fmt: skip
    refused = ""
    if given["to"]:
        if not sees_people():
            refused = "Your role does not see numbers, so it cannot look for one. Look for the order or an id instead."
            given["to"] = ""
        elif not find.phones(given["to"]):
            refused = "That is no phone number; write it with its country code: +44 7400 123456."
        else:
            wanted = replace(wanted, ids=find.find_messages_to(tx, given["to"]))
    return wanted, {**{name: value for name, value in given.items() if value}, **stretch.given}, refused


def _choices(tx: Transaction) -> Mapping[str, Sequence[str]]:
    rows = templates.all_(tx)
    return {
        "mapping": look.mapping_names(tx),
        "account": sorted(look.account_names(tx).values()),
        "template": sorted({row.template.name for row in rows}),
        "language": sorted({row.template.language for row in rows}),
    }


def _person(tx: Transaction, id_: str) -> str:
    found = people.load(tx, [ContactId(id_)]).get(ContactId(id_)) if id_ else None
    return hide_phone(found.phone or found.id) if found else ""


def _as_file(wanted: MessageFilter, given: Mapping[str, str]) -> Response:
    reading, whole = store(), sees_people()

    def page(last: str, most: int) -> list[tuple[str, Sequence[object]]]:
        with reading.read() as tx:
            rows = look.list_messages(tx, wanted, before=last, most=most)
        return [(row.id, _cells(row, whole)) for row in rows]

    return as_csv(Sheet(name="message", columns=COLUMNS, page=page), given)


def _cells(row: MessageRow, whole: bool) -> Sequence[object]:
    to = row.recipient if whole else hide_phone(row.recipient)
    words = row.words if whole else mask.text(row.words)
    return (
        row.id, row.created_at, label_as(row.label, whole=whole), to, row.mapping, row.version, row.template,
        row.language, row.category, row.state.value, row.reason, words, row.code, row.accepted_at, row.sent_at,
        row.delivered_at, row.read_at, row.ended_at, row.source, row.channel, row.event_id,
    )  # fmt: skip


@console.get("/messages/<id_>")
@needs(Permission.LOOK)
def message(id_: str) -> str | AnyResponse:
    """Show one message as the phone shows it, beside its life, with what was said on the wire."""
    with store().read() as tx:
        file = look.message_file(tx, id_) if ID.fullmatch(id_) else None
        whom = explain.people_of(tx, [file]) if file else []
        unread = counts.troubled(tx)
    if file is None:
        return missing("message")
    whole = sees_people()
    slots = {key: value if whole else mask.text(value) for key, value in file.message.slots.items()}
    return render_template(
        "console/message.html",
        file=file,
        row=file.message,
        slots=slots,
        bubble=fill(file.template, slots) if file.template else None,
        story=explain.tell_message(file),
        people=whom,
        cause=cause_of(file),
        attempts=[_Told.of(row, whole=whole) for row in file.attempts],
        cost=_cost(file),
        edit=may(Permission.EDIT_MAPPINGS),
        unread=unread,
    )


@dataclass(frozen=True, slots=True)
class _Call:
    """One exchange of an attempt, as who looks may see it."""

    line: str
    request: str = field(repr=False)
    status: int | None
    answer: str = field(repr=False)
    cut: bool
    curl: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Told:
    """An attempt with what was said on the wire."""

    row: AttemptRow
    calls: tuple[_Call, ...]

    @property
    def milliseconds(self) -> int | None:
        """How long it took."""
        row = self.row
        return round((row.ended_at - row.started_at).total_seconds() * 1000) if row.ended_at else None

    @classmethod
    def of(cls, row: AttemptRow, *, whole: bool) -> _Told:
        """Make it from a stored attempt."""
        return cls(row, tuple(_call(said, whole=whole) for said in row.exchange or ()))


def _call(said: Mapping[str, Any], *, whole: bool) -> _Call:
    asked, answered = str(said.get("request", "")), str(said.get("answer", ""))
    cut = _longer(said, "request") or _longer(said, "answer")
    line = f"{said.get('method', '')} {said.get('url', '')}"
    if not whole:
        return _Call(line, _masked(asked), said.get("status"), _masked(answered), cut, "")
    return _Call(line, _pretty(asked), said.get("status"), _pretty(answered), cut, curl(said))


def _longer(said: Mapping[str, Any], name: str) -> bool:
    return int(said.get(f"{name}_size") or 0) > len(str(said.get(name, "")).encode("utf-8", "replace"))


def curl(said: Mapping[str, Any]) -> str:
    """Return a call as a command for a shell; whoever runs it sets TOKEN, since no secret is kept."""
    parts = ["curl", "-X", shlex.quote(str(said.get("method", "POST"))), shlex.quote(str(said.get("url", "")))]
    parts += ["-H", '"Authorization: Bearer $TOKEN"']
    if kind := said.get("type"):
        parts += ["-H", shlex.quote(f"Content-Type: {kind}")]
    if body := said.get("request"):
        parts += ["--data-raw", shlex.quote(str(body))]
    return " ".join(parts)


def _pretty(text: str) -> str:
    try:
        return json.dumps(json.loads(text), ensure_ascii=False, indent=2) if text else ""
    except ValueError:  # cut, or never JSON
        return text


def _masked(text: str) -> str:
    try:
        return json.dumps(mask.payload(parse_json(text.encode())), ensure_ascii=False, indent=2, default=str)
    except PayloadError:
        return mask.DOTS if text else ""


def _cost(file: MessageFile) -> Mapping[str, Any] | None:
    """Return what the channel said of the price, the last word of it; None where it said nothing."""
    told = [receipt.billing for receipt in file.receipts if receipt.billing]
    return told[-1] if told else None
