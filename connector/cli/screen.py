"""One person on one screen, for ``connector people show``."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rich.text import Text

from connector.cli.console import say, say_mark, say_next, show_json, show_table
from connector.flow.followed import record_of, tell_state, value_of
from connector.flow.portrait import Portrait, portray
from connector.flow.proof import entry_shape, standing_shape
from connector.flow.story import Tone, hide_phone, hide_phones
from connector.flow.writeback import read
from connector.model import ConsentState, ContactId, Key, KeyKind, MessageId, now
from connector.policy.consent import plain
from connector.store import Transaction, look, reactions, traces
from connector.store.reactions import Reaction
from connector.store.views import MessageFilter, MessageRow

MARKS = {ConsentState.GRANTED: True, ConsentState.REVOKED: False}
LAST = 10
"""Messages that are shown."""
_TONES = {Tone.OK: True, Tone.FAIL: False}
_KEYS = {
    KeyKind.PHONE: "phone", KeyKind.WA_ID: "WhatsApp number", KeyKind.USER_ID: "WhatsApp user id",
    KeyKind.PARENT_ID: "parent user id", KeyKind.RECORD: "record",
}  # fmt: skip


def say_person(tx: Transaction, id_: ContactId, *, whole: bool, as_json: bool) -> None:
    """Print a person; ``whole``: with their numbers and addresses."""
    portrait = portray(tx, id_, now())
    if portrait is None:  # erased since they were looked up
        say("They are gone.")
        return
    messages = look.list_messages(tx, MessageFilter(ids=traces.messages_to(tx, [id_], ())), most=LAST)
    followed: dict[str, list[Reaction]] = {}
    for item in reactions.of(tx, messages=[MessageId(row.id) for row in messages]):
        followed.setdefault(item.message_id or "", []).append(item)
    if as_json:
        show_json(_shape(portrait, messages, followed, whole=whole))
        return
    _say_identity(portrait, whole=whole)
    _say_consent(portrait)
    _say_labels(portrait)
    _say_conversations(portrait)
    _say_messages(messages, followed)
    for row in portrait.wishes:
        tone, words = tell_state(row)
        name = portrait.accounts.get(row.account_id, row.account_id)
        say_mark(_TONES.get(tone), f"{name}, {record_of(row)}", f"{hide_phones(value_of(row))}. {hide_phones(words)}")
    say_next(f"connector explain {id_} tells the whole history")


def _say_identity(portrait: Portrait, *, whole: bool) -> None:
    contact = portrait.contact
    say(Text(plain(contact.name) or "(no name)", style="bold"), Text(f"contact {contact.id}", style="dim"))
    for key in portrait.keys:
        say(f"  {_KEYS[key.kind]}: {_key(portrait, key, whole=whole)}")
    if contact.email:
        say(f"  e-mail: {contact.email if whole else _hide_email(contact.email)}")
    told = [f"{name} {value}" for name in ("region", "locale", "timezone") if (value := getattr(contact, name))]
    if told:
        say(f"  {', '.join(told)}")
    for item in portrait.merged:
        say(f"  merged: {item.id}, {_day(item.updated_at)}: {plain(item.merged_words)}")
    if contact.blocked_at:
        say_mark(False, "blocked", f"{_day(contact.blocked_at)}: {plain(contact.blocked_words)}")
    if contact.unreachable_at:
        say_mark(False, "not on WhatsApp", f"since {_day(contact.unreachable_at)}, told {contact.bounces} times")


def _say_consent(portrait: Portrait) -> None:
    say("")
    for purpose, standing in portrait.standings.items():
        say_mark(MARKS.get(standing.state), purpose, f"{standing.state}. {standing.words}")


def _say_labels(portrait: Portrait) -> None:
    if portrait.labels:
        say("")
        table = [(name, _origin(portrait, name), _day(since)) for name, since in portrait.labels.items()]
        show_table(("LABEL", "FROM", "SINCE"), table)


def _say_conversations(portrait: Portrait) -> None:
    for item in portrait.spoke:
        channel, until = portrait.accounts.get(item.channel_id, item.channel_id), portrait.window(item)
        open_ = f"may be answered until {_moment(until)}" if until else "only a template may be sent now"
        say(f"  last wrote to {channel} {_moment(item.at)}; {open_}")


def _say_messages(messages: list[MessageRow], followed: dict[str, list[Reaction]]) -> None:
    if not messages:
        return
    say("")
    table = [
        (
            _moment(row.created_at), row.label, row.mapping, row.state.value,
            "; ".join(f"{item.on}: {hide_phones(plain(item.words))}" for item in followed.get(row.id, ())),
        )
        for row in messages
    ]  # fmt: skip
    show_table(("MESSAGE", "ABOUT", "MAPPING", "STATE", "WHAT FOLLOWED"), table)


def _shape(
    portrait: Portrait, messages: list[MessageRow], followed: dict[str, list[Reaction]], *, whole: bool
) -> dict[str, Any]:
    contact, names = portrait.contact, portrait.accounts
    return {
        "contact": contact.id,
        "name": contact.name,
        "email": contact.email if whole else _hide_email(contact.email),
        "known_by": [
            {"kind": key.kind.value, "value": key.value if _is_open(key, whole=whole) else hide_phone(key.value),
             "account": names.get(key.account_id or "")}
            for key in portrait.keys
        ],
        "merged": [{"contact": item.id, "why": item.merged_words} for item in portrait.merged],
        "blocked": contact.blocked_words if contact.blocked_at else None,
        "unreachable_at": contact.unreachable_at.isoformat() if contact.unreachable_at else None,
        "standings": {purpose.value: standing_shape(item) for purpose, item in portrait.standings.items()},
        "ledger": [entry_shape(item, names.get(item.account_id or "", "")) for item in portrait.entries],
        "labels": [
            {"name": name, "from": _origin(portrait, name), "since": since.isoformat()}
            for name, since in portrait.labels.items()
        ],
        "conversations": [
            {"number": names.get(item.channel_id, item.channel_id), "last_wrote_at": item.at.isoformat(),
             "open_until": until.isoformat() if (until := portrait.window(item)) else None}
            for item in portrait.spoke
        ],
        "messages": [
            {"id": row.id, "about": row.label, "mapping": row.mapping, "state": row.state.value,
             "created_at": row.created_at.isoformat(), "followed": [item.words for item in followed.get(row.id, ())]}
            for row in messages
        ],
        "write_backs": [
            {"account": names.get(row.account_id, row.account_id), "record": record_of(row), "field": row.field,
             "item": row.item, "value": read(row.value or "null"), "state": row.state, "words": row.words}
            for row in portrait.wishes
        ],
    }  # fmt: skip


def _key(portrait: Portrait, key: Key, *, whole: bool) -> str:
    value = key.value if _is_open(key, whole=whole) else hide_phone(key.value)
    name = portrait.accounts.get(key.account_id or "", "an account that was removed") if key.account_id else ""
    return f"{value} of {name}" if name else value


def _is_open(key: Key, *, whole: bool) -> bool:
    return whole or key.kind is KeyKind.RECORD


def _origin(portrait: Portrait, name: str) -> str:
    origins = _origins(portrait, name)
    return next(origins, "")


def _origins(portrait: Portrait, name: str) -> Iterator[str]:
    for change in reversed(portrait.label_changes):
        if change.added and change.name == name:
            yield portrait.accounts.get(change.origin, change.origin)


def _hide_email(email: str) -> str:
    return f"•••@{email.rpartition('@')[2]}" if email else ""


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _moment(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M}"
