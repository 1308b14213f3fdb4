"""The life of a message, in words: when it is due, the gate before sending, attempts, receipts, what followed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from connector.flow.followed import tell_followed
from connector.flow.story import Line, Tone, hide_phone, quoted, spoken, utc
from connector.model import Reason, State, Status
from connector.store.views import AttemptRow, EventRow, MessageFile, MessageRow, ReceiptRow

HELD = {"quiet_hours": "quiet hours", "held": "its template"}
"""Reasons for which the gate holds a message back for a while."""


def tell_life(file: MessageFile, of: EventRow | None) -> list[Line]:
    """Tell all that became of a message; ``of`` is the event whose story it is told in."""
    message = file.message
    what = f"template {message.template} ({message.language}, {message.category})" if message.template else "free words"
    words = f"Message {message.id} to {hide_phone(message.recipient)}: {what}"
    lines = [Line(at=message.created_at, tone=Tone.INFO, words=words), *_due(message)]
    if message.trial:
        test = "This is a test message to a number on the list of test numbers: it counts in no figure and no cap."
        lines.append(Line(at=message.created_at, tone=Tone.INFO, words=test))
    if of and of.id != message.event_id:
        newer = "A newer event about the same subject has replaced what it says."
        lines.append(Line(at=message.created_at, tone=Tone.INFO, words=newer))
    lines += [_attempt(number, row) for number, row in enumerate(file.attempts, 1)]
    lines += [_receipt(row) for row in file.receipts]
    failed = any(line.tone is Tone.FAIL for line in lines)
    followed = list(tell_followed(file.followed))
    lines += [line for line in followed if line.at]
    lines.sort(key=lambda line: _moment(line.at or message.created_at))
    return [*lines, *_end(message, failed=failed), *(line for line in followed if not line.at)]


def _moment(at: datetime) -> datetime:
    """Return a moment to sort by: channels tell whole seconds, and mean some time within them."""
    return at if at.microsecond else at + timedelta(seconds=1)


def _due(message: MessageRow) -> Iterator[Line]:
    waits = message.not_before > message.created_at + timedelta(seconds=1)
    if waits and message.reason not in HELD and not (message.ended_at and message.ended_at < message.not_before):
        words = "Due to leave." if message.tries < 2 else "Due to be tried again."
        yield Line(at=message.not_before, tone=Tone.INFO, words=words)


def _attempt(number: int, row: AttemptRow) -> Line:
    tone, words = _ATTEMPT_ENDS.get(row.outcome, (Tone.INFO, row.outcome))
    why = ": ".join(filter(None, (row.code and f"code {row.code}", quoted(row.words))))
    return Line(at=row.started_at, tone=tone, words=f"Attempt {number}: {words}" + (f" ({why})" if why else ""))


_ATTEMPT_ENDS = {
    "": (Tone.INFO, "begun, and no result written yet: in flight, or in doubt"),
    "accepted": (Tone.OK, "the channel took it over"),
    "temporary": (Tone.INFO, "refused for now"),
    "uncertain": (Tone.INFO, "no answer; it may have been carried out"),
    "permanent": (Tone.FAIL, "refused"),
    "credentials": (Tone.FAIL, "the account was refused"),
}


def _receipt(row: ReceiptRow) -> Line:
    if row.status is not Status.FAILED:
        return Line(at=row.occurred_at, tone=Tone.OK, words=f"Receipt: {row.word}")
    again = row.retry_after is not None
    why = ": ".join(filter(None, (row.code and f"code {row.code}", quoted(row.words))))
    words = f"Receipt: {'failed for now' if again else 'failed'} ({why or 'the channel gave no reason'})"
    tone = Tone.INFO if again else Tone.FAIL
    return Line(at=row.occurred_at, tone=tone, words=f"{words}. {row.advice}" if row.advice else words)


def _end(message: MessageRow, *, failed: bool) -> Iterator[Line]:
    why = " ".join(filter(None, (message.reason and f"({spoken(message.reason)})", message.words)))
    if message.state is State.WAITING and message.reason in HELD:
        why = message.words.removeprefix("Held: ")
        words = f"The gate holds it for {HELD[message.reason]} until {utc(message.not_before)}: {why}"
        yield Line(at=None, tone=Tone.INFO, words=words)
    elif message.state in _NOW:
        yield Line(at=None, tone=Tone.INFO, words=f"{_NOW[message.state]} {why}".strip())
    elif message.state is State.SKIPPED:
        since = " since it was planned" if message.reason in _CHANGED else ""
        reason = spoken(message.reason) or "skipped"
        words = f"Stopped at the gate before sending: {reason}{since}. {message.words}".strip()
        yield Line(at=message.ended_at, tone=Tone.SKIP, words=words)
    elif message.state in (State.CANCELLED, State.EXPIRED):
        words = f"{spoken(message.state).capitalize()}: it was not sent. {why}".strip()
        yield Line(at=message.ended_at, tone=Tone.SKIP, words=words)
    elif message.state is State.FAILED and not failed:
        yield Line(at=message.ended_at, tone=Tone.FAIL, words=f"Failed. {why}".strip())


_CHANGED = {Reason.REVOKED, Reason.BLOCKED, Reason.UNREACHABLE, Reason.TEMPLATE_CHANGED, Reason.ERASED}
"""What the person or the channel has changed after the message was planned."""
_NOW = {
    State.WAITING: "It waits to be sent.",
    State.SENDING: "It is being sent.",
    State.IN_DOUBT: "In doubt: an attempt may have been carried out; a receipt that names it will tell.",
}


def tone_of(state: State) -> Tone:
    """Return how a state is meant."""
    if state is State.FAILED:
        return Tone.FAIL
    if state in (State.CANCELLED, State.EXPIRED, State.SKIPPED):
        return Tone.SKIP
    return Tone.INFO if state in _NOW else Tone.OK
