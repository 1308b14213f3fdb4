"""Why did, or did not, this person get it? One page that answers from a person, an order, or an id."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from flask import redirect, render_template, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.flow import explain, portrait
from connector.flow.cause import CAUSES, Cause
from connector.flow.life import tell_life, tone_of
from connector.flow.portrait import Portrait
from connector.flow.story import Line, Tone, hidden, spoken
from connector.flow.would import Would, would
from connector.model import EventId, Permission, Step, now
from connector.store import Transaction, counts, find, look
from connector.store.deep import Dug
from connector.store.views import DecisionRow, EventFile, EventFilter, EventRow, MessageFile, MessageFilter, RequestRow
from connector.web.console.events import within
from connector.web.console.frame import console, needs, store, tools
from connector.web.console.lists import address, argument, id_argument
from connector.web.console.people import REFUSED, allowed, who_is_meant

MOST_EVENTS = 8
"""So many of the newest events are told gate by gate."""
MOST_PEOPLE = 8
SHORTEST = 3
"""Characters that are worth a search inside payloads."""


@dataclass(frozen=True, slots=True)
class Gate:
    """One gate of a decision, or a step of a message's life."""

    name: str
    tone: str
    """``ok`` passed, ``skip`` stopped, ``info`` held or not reached, ``fail`` failed."""
    verdict: str
    words: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Chain:
    """What one mapping made of one event: its gates in order, and where it ended."""

    mapping: str
    version: int
    at: datetime
    tone: str
    outcome: str
    gates: tuple[Gate, ...]
    cause: Cause | None
    message: MessageFile | None = None
    life: tuple[Line, ...] = ()


@dataclass(frozen=True, slots=True)
class Told:
    """One event with what every mapping made of it."""

    file: EventFile
    chains: tuple[Chain, ...]

    @property
    def row(self) -> EventRow:
        """The event."""
        return self.file.event


@console.get("/why")
@needs(Permission.LOOK)
def why() -> str | AnyResponse:
    """Answer from whatever was typed; several people or orders are offered for choosing."""
    term, now_of = argument("q"), id_argument("now")
    if not term:
        with store().read() as tx:
            return render_template("console/why.html", term="", recent=_recent(tx), unread=counts.troubled(tx))
    if not allowed(term) and not _is_id(term):
        return render_template("console/why.html", term=term, refused=REFUSED, recent=[], unread=0)
    with store().read() as tx:
        found = find.find(tx, term)
        people = [who for id_ in who_is_meant(tx, term)[:MOST_PEOPLE] if (who := portrait.portray(tx, id_, now()))]
        named = not (found.event_ids or found.message_ids or found.request_ids or found.parked)
        events = _events(tx, found, people if named else ())
        requests = _requests(tx, found, events)
        parked = list(found.parked)
        several = named and len(people) > 1
        shown = [] if several else [_tell(tx, row.id) for row in events[:MOST_EVENTS]]
        unknown = not (people or events or requests or parked)
        inside, dug = _inside(tx, term) if unknown else ([], None)
        unread = counts.troubled(tx)
    if len(requests) == 1 and not (events or people):
        return redirect(url_for("console.stored_request", number=requests[0].id), 303)
    return render_template(
        "console/why.html",
        term=term,
        people=people,
        several=several,
        events=[told for told in shown if told],
        older=max(0, len(events) - MOST_EVENTS),
        requests=requests,
        parked=parked,
        inside=inside,
        dug=dug,
        address=address,
        nothing=explain.explain(store(), term)[0] if unknown and not inside else None,
        near=found.near,
        present=_present(now_of, [row.id for row in events]),
        now_of=now_of,
        causes=CAUSES,
        unread=unread,
    )


def _is_id(term: str) -> bool:
    """Tell whether a term names no person: an id of ours or of a channel, a request."""
    return term.startswith(("wamid.", "request")) or (len(term) >= 20 and term.isascii() and " " not in term)


def _recent(tx: Transaction) -> list[EventRow]:
    """Return the newest events that led to nothing: what somebody may want to ask about."""
    return look.list_events(tx, EventFilter(verdict="skip"), most=6)


def _inside(tx: Transaction, term: str) -> tuple[list[EventRow], Dug | None]:
    """Return the events whose payload holds a term that names nobody we know: who never got a message may be there."""
    if len(term) < SHORTEST:
        return [], None
    narrowed, dug = within(tx, EventFilter(), term, None)
    return (look.list_events(tx, narrowed, most=find.MOST) if dug and dug.request_ids else []), dug


def _events(tx: Transaction, found: find.Found, people: Iterable[Portrait]) -> list[EventRow]:
    """Return the events that a term leads to, the newest first."""
    messages = look.list_messages(tx, MessageFilter(ids=found.message_ids)) if found.message_ids else []
    ids = {row.event_id for row in messages} | set(found.event_ids)
    rows = look.list_events(tx, EventFilter(ids=ids), most=find.MOST) if ids else []
    if found.request_ids:
        rows += look.list_events(tx, EventFilter(request_ids=found.request_ids), most=find.MOST)
    for who in people:
        rows += explain.events_about(tx, who)
    return sorted({row.id: row for row in rows}.values(), key=lambda row: row.id, reverse=True)


def _requests(tx: Transaction, found: find.Found, events: Iterable[EventRow]) -> list[RequestRow]:
    told = {row.request_id for row in events}
    bare = [number for number in found.request_ids if number not in told]
    return look.list_requests(tx, (), ids=bare) if bare else []


@dataclass(frozen=True, slots=True)
class Present:
    """What one mapping would make of an event now."""

    mapping: str
    version: int
    tone: str
    words: str
    reason: str
    gates: list[Gate]


def _present(id_: str, ids: Sequence[str]) -> list[Present] | None:
    """Return what would be decided about an event now; None where nobody asked, or it can no longer be read."""
    if not id_ or id_ not in ids:
        return None
    desk = tools().desk
    desk.catalogue.refresh(at_most_old=0)  # "now" is not a second ago
    with store().read() as tx:
        found = would(tx, desk, EventId(id_), now())
    return None if found is None else [_presently(item) for item in found]


def _presently(item: Would) -> Present:
    gates = _gates(item.steps, held=item.tone is Tone.INFO)
    return Present(item.mapping, item.version, item.tone, item.words, item.reason, gates)


def _tell(tx: Transaction, id_: str) -> Told | None:
    file = look.event_file(tx, id_)
    if file is None:
        return None
    return Told(file, tuple(_chain(file, made) for made in file.event.decisions))


def _chain(file: EventFile, made: DecisionRow) -> Chain:
    message = next((item for item in file.messages if item.message.id == made.message_id), None)
    gates = _gates(made.steps)
    if made.verdict != "send" or message is None:
        cause = CAUSES.get(made.reason)
        outcome = f"skipped: {spoken(made.reason)}"
        return Chain(made.mapping, made.version, made.at, Tone.SKIP, outcome, tuple(gates), cause)
    row = message.message
    life = hidden(tell_life(message, of=file.event))
    gates.append(_last_gate(message))
    return Chain(
        made.mapping, made.version, made.at, tone_of(row.state), f"message {spoken(row.state)}", tuple(gates),
        CAUSES.get(row.reason), message, tuple(life),
    )  # fmt: skip


def _gates(steps: Sequence[Step], *, held: bool = False) -> list[Gate]:
    """Return the gates of a decision; slots that were filled are one of them."""
    filled = [step for step in steps if step.ok and step.name.startswith("slot ")]
    gates: list[Gate] = []
    for step in steps:
        if step not in filled:
            gate = _gate(step.name, step.ok, step.words)
            gates.append(replace(gate, tone=Tone.INFO, verdict="held") if held and not step.ok else gate)
        elif step is filled[-1]:
            gates.append(_gate("slots", True, "the one is filled" if len(filled) == 1 else f"{len(filled)} filled"))
    return gates


def _gate(name: str, ok: bool, words: str) -> Gate:
    return Gate(name, Tone.OK if ok else Tone.SKIP, "passed" if ok else "stopped", explain.hide_phones(words))


def _last_gate(file: MessageFile) -> Gate:
    """Return how the gate before sending, and the channel, have answered."""
    row = file.message
    words = explain.hide_phones(row.words)
    if row.state == "waiting":
        held = row.reason in ("quiet_hours", "held")
        return Gate("before sending", Tone.INFO, "held" if held else "waits", words or spoken(row.reason))
    if row.state in ("skipped", "cancelled", "expired"):
        return Gate("before sending", Tone.SKIP, "stopped", words or spoken(row.reason))
    if row.state == "failed":
        return Gate("the channel", Tone.FAIL, "refused", words or spoken(row.reason))
    return Gate("the channel", Tone.OK if row.state != "in_doubt" else Tone.INFO, spoken(row.state), words)
