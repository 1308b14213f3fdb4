"""A person, as explain tells of them: where they stand and why, the ledger, labels, conversations, records.

Numbers show their last digits only, e-mail addresses their domain.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from connector.flow.admit import RECORD
from connector.flow.followed import TONES, tell_answer, tell_entry, tell_label, tell_reaction, tell_wishes
from connector.flow.gate import WINDOW
from connector.flow.story import Line, Story, Tone, hidden, hide_phone, utc
from connector.model import (
    Contact,
    ContactId,
    Entry,
    Key,
    KeyKind,
    Purpose,
    Standing,
    spellings,
)
from connector.policy.consent import plain, stand
from connector.store import Transaction, about, consents, find, labels, look, people, reactions
from connector.store.about import Spoke
from connector.store.labels import LabelChange
from connector.store.reactions import Reaction
from connector.store.views import EventFile, MessageFile, MessageFilter, MessageRow
from connector.store.wanted import Row

_CONTACT = re.compile(r"[0-9a-z]{26}")
_ENTRY = re.compile(r"\bentry ([0-9a-z]{26})\b")
_KINDS = {
    KeyKind.PHONE: "phone",
    KeyKind.WA_ID: "number at the channel",
    KeyKind.USER_ID: "user id at the channel",
    KeyKind.PARENT_ID: "parent user id at the channel",
    KeyKind.RECORD: "record",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """All that is known of one person."""

    contact: Contact
    keys: tuple[Key, ...] = field(repr=False)
    merged: tuple[Contact, ...]
    standings: Mapping[Purpose, Standing]
    """For every purpose."""
    entries: tuple[Entry, ...] = field(repr=False)
    """The whole ledger, oldest first."""
    labels: Mapping[str, datetime]
    """Since when they have each."""
    label_changes: tuple[LabelChange, ...]
    spoke: tuple[Spoke, ...]
    reactions: tuple[Reaction, ...]
    """What followed from what they wrote of their own accord."""
    answers: tuple[MessageRow, ...]
    wishes: tuple[Row, ...]
    accounts: Mapping[str, str]
    """Names by id."""
    at: datetime
    """As of when."""

    @property
    def name(self) -> str:
        """Return what to call them: the end of their number, else of what they are known by."""
        return hide_phone(self.contact.phone or next((key.value for key in self.keys), self.contact.id))

    def window(self, spoke: Spoke) -> datetime | None:
        """Return until when they may be answered in free words; None where that time is over."""
        until = spoke.at + WINDOW
        return until if until > self.at else None

    def known_by(self) -> Iterator[tuple[str, str]]:
        """Yield what they are recognised by, in words, numbers and ids hidden."""
        for key in self.keys:
            if key.kind is KeyKind.RECORD:
                yield "record", f"{key.value} of {self.accounts.get(key.account_id or '', key.account_id or 'nobody')}"
            else:
                yield _KINDS[key.kind], hide_phone(key.value)
        if self.contact.email:
            yield "e-mail", f"•••@{self.contact.email.rpartition('@')[2]}"


def portray(tx: Transaction, id_: ContactId, at: datetime) -> Portrait | None:
    """Gather what is known of a person; None where nobody has this id (any more)."""
    contact = people.load(tx, [id_]).get(id_)
    if contact is None:
        return None
    entries = consents.of(tx, [id_])
    stored = consents.standings(tx, [id_])
    return Portrait(
        contact=contact,
        keys=tuple(people.keys_of(tx, [id_]).get(id_, ())),
        merged=tuple(people.merged_into(tx, id_)),
        standings={purpose: stored.get((id_, purpose)) or stand(entries, purpose) for purpose in Purpose},
        entries=tuple(entries),
        labels=labels.of(tx, [id_]).get(id_, {}),
        label_changes=tuple(labels.history(tx, list(people.family(tx, [id_])))),
        spoke=tuple(about.spoken(tx, id_)),
        reactions=tuple(
            item for item in reactions.of(tx, contacts=list(people.family(tx, [id_]))) if item.message_id is None
        ),
        answers=tuple(look.list_messages(tx, MessageFilter(ids=about.answers_given(tx, id_)))),
        wishes=tuple(about.wishes_of(tx, [id_])),
        accounts=look.account_names(tx),
        at=at,
    )


def whom(tx: Transaction, term: str) -> list[ContactId]:
    """Return whom a term means: a phone number, an e-mail address, a contact's id, a user id, or a record."""
    term = term.replace("\0", "").encode("utf-8", "replace").decode().strip()[: find.LONGEST]
    if not term:
        return []
    if _CONTACT.fullmatch(term):
        found: Collection[ContactId] = [ContactId(term)]
    elif "@" in term:
        found = [id_ for ids in consents.by_email(tx, [term]).values() for id_ in ids]
    elif RECORD.fullmatch(term):
        found = about.known_by(tx, [term])
    elif written := find.phones(term):
        found = about.known_by(tx, spellings(written[0]))
        found = found or about.recipients(tx, find.find_messages_to(tx, term))
    else:
        found = about.known_by(tx, [term])
    return about.present(tx, sorted(found))


def concerned(tx: Transaction, file: EventFile | MessageFile) -> list[ContactId]:
    """Return the people whom an event or a message is about, or for: each once."""
    messages = file.messages if isinstance(file, EventFile) else (file,)
    told = [file.followed, *(item.followed for item in messages)]
    found = [ContactId(item.message.contact_id) for item in messages if item.message.contact_id]
    found += [entry.contact_id for each in told for entry in each.entries]
    found += [change.contact_id for each in told for change in each.labels]
    if (event := file.event) is not None:
        words = " ".join(step.words for decision in event.decisions for step in decision.steps)
        found += [entry.contact_id for entry in consents.entries(tx, set(_ENTRY.findall(words)))]
        found += sorted(about.holders(tx, event.account_id, [event.id]))
    return about.present(tx, found)


def tell_person(portrait: Portrait, *, whole: bool = False) -> list[Story]:
    """Tell where a person stands now; ``whole``: with their ledger, their labels' history and their records."""
    first = Story(
        title=f"{portrait.name} · where this person stands now",
        tone=Tone.INFO,
        outcome=" · ".join(f"{purpose} {item.state}" for purpose, item in portrait.standings.items()),
        lines=hidden([*(_identity(portrait) if whole else ()), *_present(portrait)]),
        contact_id=portrait.contact.id,
    )
    if not whole:
        return [first]
    number = len(portrait.entries)
    parts: Iterable[tuple[str, str, Iterable[Line]]] = (
        ("the ledger", f"{number} {'entry' if number == 1 else 'entries'}, oldest first", tell_ledger(portrait)),
        ("labels", "how they came and went", tell_labels(portrait)),
        ("records", "what shops and CRMs are to hold", tell_wishes(portrait.wishes, portrait.accounts)),
    )
    told = [
        Story(
            title=f"{portrait.name} · {title}",
            tone=Tone.INFO,
            outcome=outcome,
            lines=hidden(lines),
            contact_id=portrait.contact.id,
        )
        for title, outcome, lines in parts
    ]
    return [first, *(story for story in told if story.lines)]


def tell_ledger(portrait: Portrait) -> Iterator[Line]:
    """Tell every entry with its evidence; the one on which a standing rests says so."""
    deciding = {standing.entry_id for standing in portrait.standings.values()}
    for entry in portrait.entries:
        decides = " — decides" if entry.id in deciding else ""
        words = tell_entry(entry)
        yield Line(
            at=entry.occurred_at,
            tone=TONES.get(entry.state, Tone.INFO),
            words=f"{words[:1].upper()}{words[1:]}{decides}",
        )


def tell_labels(portrait: Portrait) -> Iterator[Line]:
    """Tell how each label came and went."""
    for change in portrait.label_changes:
        yield Line(at=change.at, tone=Tone.INFO, words=tell_label(change, portrait.accounts))


def tell_conversation(portrait: Portrait) -> Iterator[Line]:
    """Tell what followed from what they wrote of their own accord."""
    yield from map(tell_reaction, portrait.reactions)
    yield from map(tell_answer, portrait.answers)


def _identity(portrait: Portrait) -> Iterator[Line]:
    contact = portrait.contact
    known = "; ".join(f"{kind} {value}" for kind, value in portrait.known_by()) or "nothing any more"
    yield Line(at=contact.created_at, tone=Tone.INFO, words=f"Contact {contact.id}, known by {known}")
    for item in portrait.merged:
        words = f"Contact {item.id} turned out to be the same person: {plain(item.merged_words)}"
        yield Line(at=item.updated_at, tone=Tone.INFO, words=words)


def tell_barriers(contact: Contact) -> Iterator[Line]:
    """Tell why nothing at all is sent to a person, where that is so."""
    if contact.blocked_at:
        words = f"Blocked: nothing is sent to them. {plain(contact.blocked_words)}"
        yield Line(at=contact.blocked_at, tone=Tone.FAIL, words=words)
    if contact.unreachable_at:
        words = f"Not on the channel, it said {contact.bounces} times in a row: nothing is sent to them."
        yield Line(at=contact.unreachable_at, tone=Tone.FAIL, words=words)


def _present(portrait: Portrait) -> Iterator[Line]:
    yield from tell_barriers(portrait.contact)
    for purpose, standing in portrait.standings.items():
        words = f"{purpose.capitalize()}: {standing.words}"
        yield Line(at=standing.since, tone=TONES.get(standing.state, Tone.INFO), words=words)
    if portrait.labels:
        yield Line(at=None, tone=Tone.INFO, words=f"Labels: {', '.join(portrait.labels)}")
    for item in portrait.spoke:
        channel = portrait.accounts.get(item.channel_id, item.channel_id)
        until = portrait.window(item)
        words = f"may be answered in free words until {utc(until)}" if until else "by now only a template may be sent"
        yield Line(at=item.at, tone=Tone.INFO, words=f"They last wrote to {channel}; {words}.")
