"""What followed from an event or a message, in words: entries of the ledger, labels, rules, answers, write-backs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from connector.flow.story import Line, Tone, quoted, spoken, utc
from connector.flow.writeback import read, writes_of
from connector.model import ConsentState, Entry, Source, State
from connector.policy.consent import describe, plain
from connector.store.labels import LabelChange
from connector.store.reactions import Reaction
from connector.store.views import Consequences, MessageRow
from connector.store.wanted import LOOK_UP, NO_RECORD, Row

TONES: Mapping[ConsentState, Tone] = {ConsentState.GRANTED: Tone.OK, ConsentState.REVOKED: Tone.SKIP}
_BECAUSE = {
    "delivered": "Because it was delivered",
    "read": "Because it was read",
    "undeliverable": "Because it could not be delivered",
    "replied": "They answered it",
    "button": "They tapped a button",
    "refused": "From the channel's refusal",
}


def tell_learned(told: Consequences) -> Iterator[Line]:
    """Tell what the ledger and the labels learned."""
    for entry in told.entries:
        yield Line(at=entry.learned_at, tone=TONES.get(entry.state, Tone.INFO), words=f"Ledger: {tell_entry(entry)}")
    for change in told.labels:
        yield Line(at=change.at, tone=Tone.INFO, words=tell_label(change, told.accounts))


def tell_followed(told: Consequences) -> Iterator[Line]:
    """Tell what followed from a message, in the order in which it happened."""
    yield from map(tell_reaction, told.reactions)
    yield from tell_learned(told)
    yield from map(tell_answer, told.answers)
    yield from tell_wishes(told.wishes, told.accounts)


def tell_entry(entry: Entry) -> str:
    """Tell one entry of the ledger with its evidence; names nobody."""
    wording = f": “{plain(entry.wording)}”" if entry.wording.strip() else ""
    by = (
        f", by {plain(entry.actor)}"
        if entry.actor and entry.source in (Source.ADMIN, Source.IMPORT, Source.API)
        else ""
    )
    lifted = entry.state is ConsentState.UNKNOWN and entry.source is Source.PREFERENCE
    state = "stop lifted" if lifted else entry.state.value
    return f"{entry.purpose} {state} {describe(entry)}{by}{wording}"


def tell_label(change: LabelChange, accounts: Mapping[str, str]) -> str:
    """Tell how one label came or went, and who did it."""
    kind, _, name = change.origin.partition(":")
    who = f"mapping {name}" if kind == "mapping" else accounts.get(change.origin, change.origin)
    ours = kind == "mapping"  # the words of anybody else may tell of the person
    why = f": {plain(change.words) if ours else quoted(plain(change.words))}" if change.words else ""
    return f"Label {change.name} {'added' if change.added else 'removed'} by {who}{why}"


def tell_wishes(rows: Iterable[Row], accounts: Mapping[str, str]) -> Iterator[Line]:
    """Tell what records were to hold, and how far that is."""
    for row in rows:
        tone, words = tell_state(row)
        account = accounts.get(row.account_id, row.account_id)
        yield Line(at=written_at(row), tone=tone, words=f"{account}, {record_of(row)}: {value_of(row)}. {words}")


def record_of(row: Row) -> str:
    """Name the record that a row is about."""
    if row.record_id.startswith(LOOK_UP):
        return f"the person's {row.object}"
    return f"{row.object}:{row.record_id}"


_CODE = re.compile(r"[A-Z_]{2,40}|-?\d{1,6}|yes|no|true|false|•••")
"""What tells of nobody, and need not be set apart."""


def value_of(row: Row) -> str:
    """Name the field and what should stand in it."""
    value = read(row.value or "null")
    if row.item:
        return f"{row.field} {'with' if value is True else 'without'} {plain(row.item)}"
    text = plain(value if isinstance(value, str) else json.dumps(value, default=str))
    shown = (
        "empty"
        if value in (None, "")
        else quoted(text)
        if isinstance(value, str) and not _CODE.fullmatch(text)
        else text
    )
    return f"{row.field} = {shown}"


def tell_state(row: Row) -> tuple[Tone, str]:
    """Say how far a wish is, in a sentence."""
    if row.state == "failed":
        code = f" ({row.code})" if row.code else ""
        return Tone.FAIL, f"Refused{code}: {row.words}".rstrip(": ")
    if row.code == NO_RECORD:
        again = f" It is looked for again from {utc(row.not_before)} on." if row.state == "waiting" else ""
        return Tone.SKIP, f"Not written: {row.words}{again}"
    if row.state == "waiting":
        again = f" It was refused for now: {row.words}" if row.tries and row.words else ""
        return Tone.INFO, f"Waits to be written, from {utc(row.not_before)} on.{again}"
    if row.state in ("leased", "handed_over"):
        return Tone.INFO, "Is being written." if row.state == "leased" else "Handed over; the vendor is at work on it."
    if row.code:  # the record is gone
        return Tone.SKIP, f"Not written: {row.words or row.code}"
    if written_at(row) is not None:
        return Tone.OK, "Written back."
    return Tone.OK, "Stood there already; nothing was written."


def written_at(row: Row) -> datetime | None:
    """Return when a value that stands was written by us; None where it was not, or is yet to be."""
    ours = [at for value, at in writes_of(row) if value == row.value] if row.state == "done" else []
    return ours[-1] if ours else None


def tell_reaction(item: Reaction) -> Line:
    """Tell what was done about an outcome or an answer."""
    because = _BECAUSE.get(item.on, f"They wrote a {item.on}" if item.on.endswith(" word") else item.on.capitalize())
    return Line(at=item.at, tone=Tone.INFO, words=f"{because}: {item.words}")


def tell_answer(row: MessageRow) -> Line:
    """Tell how far an answer in free words has come."""
    ended = row.state in (State.SKIPPED, State.EXPIRED, State.CANCELLED)
    tone = Tone.FAIL if row.state is State.FAILED else Tone.SKIP if ended else Tone.OK
    why = f" ({spoken(row.reason)}) {row.words}".rstrip() if row.reason and row.state is not State.WAITING else ""
    return Line(at=row.created_at, tone=tone, words=f"Answered in free words, {row.id}: {spoken(row.state)}{why}")
