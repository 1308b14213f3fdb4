"""Listening to people: what they write, tap and choose becomes consent, labels, answers; each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from connector.flow import attribution, react
from connector.flow.crowd import Crowd
from connector.flow.people import keys_of
from connector.mapping.people import PeoplePolicy, Words
from connector.mapping.words import Meant, meaning
from connector.model import (
    AccountId,
    ConsentState,
    Contact,
    ContactId,
    Entry,
    Key,
    KeyKind,
    Notice,
    Preference,
    Purpose,
    Receipt,
    RemoteId,
    Reply,
    Sighting,
    Source,
    Status,
    new_id,
)
from connector.store import addressed, news, outbox, people
from connector.store.labels import LabelChange
from connector.store.outbox import Row
from connector.store.reactions import Reaction
from connector.store.receipts import Heard

CHOICES: Mapping[str, tuple[ConsentState, Source]] = {
    "stop": (ConsentState.REVOKED, Source.PREFERENCE),
    "resume": (ConsentState.UNKNOWN, Source.PREFERENCE),  # lifts the channel's stop, and grants nothing
    "signup": (ConsentState.GRANTED, Source.SIGNUP),
}
"""What a choice in the channel's own settings means (facts: ``user_preferences``)."""
_SILENT = ("system", "reaction", "unsupported", "unknown", "edit", "revoke")
"""Kinds of message by which nobody opens a conversation."""


def listen(crowd: Crowd, heard: Sequence[Heard]) -> None:
    """Work off replies, preferences and notices that have not been heard before."""
    told = [item for item in heard if isinstance(item.item, Reply | Preference)]
    for item in heard:
        if isinstance(item.item, Notice | Reply) and item.item.rekey is not None:
            crowd.rekey(item.item.rekey)
    sightings = [_sighting(item) for item in told]
    whose = crowd.meet(sightings)
    replies = [
        (item.account_id, item.item, id_)
        for item, id_ in zip(told, whose, strict=True)
        if isinstance(item.item, Reply) and id_ is not None and item.item.kind not in _SILENT
    ]
    people.heard(crowd.tx, _spoken(replies))
    people.reached(crowd.tx, {id_ for _, _, id_ in replies})  # who writes is on the channel after all
    for item, id_ in zip(told, whose, strict=True):
        if isinstance(item.item, Preference) and id_ is not None:
            _prefer(crowd, item.account_id, item.item, id_)
    _reply_all(crowd, replies)


def _sighting(item: Heard) -> Sighting:
    sender = item.item.sender if isinstance(item.item, Reply | Preference) else None
    keys = keys_of(sender) if sender else ()
    return Sighting(keys=keys, alias=sender.name if sender else "", seen_at=item.item.occurred_at)


def _spoken(replies: Iterable[tuple[AccountId, Reply, ContactId]]) -> dict[tuple[ContactId, AccountId], datetime]:
    spoken: dict[tuple[ContactId, AccountId], datetime] = {}
    for account_id, reply, id_ in replies:
        pair = id_, account_id
        spoken[pair] = max(reply.occurred_at, spoken.get(pair, reply.occurred_at))
    return spoken


def _prefer(crowd: Crowd, account_id: AccountId, item: Preference, id_: ContactId) -> None:
    if item.choice not in CHOICES or item.purpose != Purpose.MARKETING:
        return
    state, source = CHOICES[item.choice]
    crowd.enter(
        f"{account_id}:{item.key}",
        Entry(
            id=new_id(), contact_id=id_, purpose=Purpose.MARKETING, state=state, source=source, account_id=account_id,
            place="WhatsApp's own settings", wording=item.choice, evidence=f"update {item.key}", actor="the person",
            occurred_at=item.occurred_at, learned_at=crowd.at,
        ),
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Said:
    """A message that stops or starts."""

    account_id: AccountId
    reply: Reply
    contact_id: ContactId
    meant: Meant
    purposes: Sequence[Purpose]


def _reply_all(crowd: Crowd, replies: Sequence[tuple[AccountId, Reply, ContactId]]) -> None:
    quoted = _quoted(crowd, [reply for _, reply, _ in replies])
    answers = {reply.key: quoted[reply.in_reply_to].id for _, reply, _ in replies if reply.in_reply_to in quoted}
    news.replied(
        crowd.tx, [(to, said.key, id_, said.kind, answers.get(said.key), said.occurred_at) for to, said, id_ in replies]
    )
    rows = [quoted.get(reply.in_reply_to) if reply.in_reply_to else None for _, reply, _ in replies]
    attribution.replied(crowd.tx, [(*told, row) for told, row in zip(replies, rows, strict=True)])
    locales = {id_: found.locale for id_, found in people.load(crowd.tx, {id_ for _, _, id_ in replies}).items()}
    said: list[_Said] = []
    for (account_id, reply, id_), row in zip(replies, rows, strict=True):
        found = _meant(crowd, account_id, reply, id_, locales.get(id_, ""))
        kind = found.meant.kind if found else ""
        done = react.answered(crowd, row, reply, id_) if row and (reply.button or kind in ("", "unclear")) else ()
        if found is None or (done and kind != "stop") or any(rule.consent for rule in done):
            continue  # what the rules did is what it meant; but a stop is never lost to them
        if kind == "unclear":
            _mark_unclear(crowd, found)
        else:
            _enter(crowd, found)
            said.append(found)
    crowd.enter_all()
    for found in {(found.account_id, found.contact_id, found.meant.kind): found for found in said}.values():
        _confirm(crowd, found, locales.get(found.contact_id, ""))


def _quoted(crowd: Crowd, replies: Iterable[Reply]) -> dict[RemoteId, Row]:
    asked = {reply.in_reply_to for reply in replies if reply.in_reply_to}
    return {row.remote_id: row for row in outbox.load(crowd.tx, remote_ids=asked) if row.remote_id}


def _meant(crowd: Crowd, account_id: AccountId, reply: Reply, id_: ContactId, locale: str) -> _Said | None:
    """Return what a message means by the policy's words, or by a payload such as ``marketing:stop``."""
    purpose, _, kind = reply.button.partition(":")
    if kind in ("stop", "start") and purpose in set(Purpose):
        return _Said(account_id, reply, id_, Meant(kind, ""), (Purpose(purpose),))
    meant = meaning(reply.text, crowd.policy, locale) if reply.kind in ("text", "button", "interactive") else None
    if meant is None:
        return None
    purposes = crowd.policy.stop_purposes if meant.kind == "stop" else crowd.policy.start_purposes
    return _Said(account_id, reply, id_, meant, purposes)


def _enter(crowd: Crowd, said: _Said) -> None:
    state = ConsentState.REVOKED if said.meant.kind == "stop" else ConsentState.GRANTED
    for purpose in said.purposes:
        crowd.enter(
            f"{said.account_id}:{said.reply.key}:{purpose}",
            Entry(
                id=new_id(), contact_id=said.contact_id, purpose=purpose, state=state,
                source=Source.BUTTON if said.reply.button else Source.KEYWORD, account_id=said.account_id,
                place="WhatsApp conversation", wording=said.reply.text or said.reply.button,
                wording_version=f"policy/people v{crowd.policy.version}", evidence=f"message {said.reply.remote_id}",
                actor="the person", occurred_at=said.reply.occurred_at, learned_at=crowd.at,
            ),
        )  # fmt: skip
    crowd.did(
        Reaction(
            key=f"{said.account_id}:{said.reply.key}", on=f"{said.meant.kind} word", contact_id=said.contact_id,
            words=f"{' and '.join(said.purposes)} {state}", at=crowd.at,
        )
    )  # fmt: skip


def _mark_unclear(crowd: Crowd, said: _Said) -> None:
    crowd.label(
        LabelChange(
            key=f"{said.account_id}:{said.reply.key}:unclear", contact_id=said.contact_id,
            name=crowd.policy.unclear_label, added=True, origin="policy",
            words="What they wrote may mean stop; a person should look.", at=crowd.at,
        )
    )  # fmt: skip


def _confirm(crowd: Crowd, said: _Said, locale: str) -> None:
    """Say once that it was understood, where it changed anything."""
    words = _words(crowd.policy, said.meant.language or locale)
    stop = said.meant.kind == "stop"
    text = (words.stopped if stop else words.started) if words else ""
    wanted = ConsentState.REVOKED if stop else ConsentState.GRANTED
    now_so = any(
        pair[0] == said.contact_id and after.state is wanted and pair[1] in said.purposes
        for pair, (_, after) in crowd.changed.items()
    )
    if crowd.policy.confirm and text and now_so:
        key = f"{said.account_id}:{said.contact_id}:{said.meant.kind}:{said.reply.key}"
        crowd.answer(react.answer_to(said.reply, said.contact_id, text, key, channel=said.account_id))


def _words(policy: PeoplePolicy, language: str) -> Words | None:
    """Return the words of a language (``pt_BR``), else of its nearest, else of English."""
    wanted = language.replace("_", "-").lower()
    known = {name.lower(): words for name, words in policy.words.items()}
    near = (name for name in known if name.partition("-")[0] == wanted.partition("-")[0])
    return known.get(wanted) or known.get(next(near, "en"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A message that the channel refused for a reason that lies in the person."""

    about: str
    """As :attr:`connector.model.Refusal.about`."""
    code: str
    row: Row
    at: datetime


def refused(crowd: Crowd, items: Iterable[Refused]) -> None:
    """Learn from refusals: who stopped marketing, who is not on the channel, who is blocked."""
    for item in items:
        if item.row.contact_id is None:
            continue
        id_ = crowd.present(item.row.contact_id)
        if item.about == "opted_out":
            crowd.enter(
                f"refusal:{item.row.id}",
                Entry(
                    id=new_id(), contact_id=id_, purpose=Purpose.MARKETING, state=ConsentState.REVOKED,
                    source=Source.REFUSAL, account_id=item.row.channel_id, place="WhatsApp's own settings",
                    evidence=f"message {item.row.id}, error {item.code}", actor="WhatsApp", occurred_at=item.at,
                    learned_at=crowd.at,
                ),
            )  # fmt: skip
        elif item.about == "unreachable" and crowd.fresh([f"bounce:{item.row.id}"]):
            crowd.change([id_], lambda contact: _bounced(crowd, contact))
            crowd.did(_learned(crowd, item, f"bounce:{item.row.id}", "not reached by the channel"))
        elif item.about == "blocked" and crowd.fresh([f"blocked:{item.row.id}"]):
            crowd.change(
                [id_],
                lambda contact: replace(contact, blocked_at=contact.blocked_at or crowd.at, blocked_words=_BLOCKED),
            )
            crowd.did(_learned(crowd, item, f"blocked:{item.row.id}", "blocked"))


_BLOCKED = "The business has blocked this person on WhatsApp; unblock them there, then here."


def _bounced(crowd: Crowd, contact: Contact) -> Contact:
    bounces = contact.bounces + 1
    gone = contact.unreachable_at or (crowd.at if bounces >= crowd.policy.unreachable_after else None)
    return replace(contact, bounces=bounces, unreachable_at=gone)


def _learned(crowd: Crowd, item: Refused, key: str, words: str) -> Reaction:
    told = f"{words} (error {item.code})" if item.code else words
    return Reaction(
        key=key, on="refused", words=told, contact_id=item.row.contact_id, message_id=item.row.id, at=crowd.at
    )


def known_by(crowd: Crowd, told: Iterable[Receipt]) -> None:
    """Learn the user ids that receipts tell of, so that people are known when their number is not told any more.

    Before the messages themselves are touched: whoever locks people and messages locks people first.
    """
    telling = {
        item.message_id: item
        for item in told
        if item.status in (Status.SENT, Status.FAILED) and item.recipient.user_id and item.message_id
    }
    numbers = addressed.recipients(crowd.tx, list(telling))
    sightings = [
        Sighting(keys=(Key(KeyKind.PHONE, numbers[id_]), *keys_of(item.recipient)), seen_at=item.occurred_at)
        for id_, item in telling.items()
        if numbers.get(id_, "").startswith("+")
    ]
    if sightings:
        crowd.meet(sightings)
