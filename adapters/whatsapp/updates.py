"""Receipts, replies and preferences out of Meta's updates (Cloud API webhooks, September 2026)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from adapters.whatsapp.notices import app_errors, notices, user_actions
from adapters.whatsapp.pieces import (
    BUTTON_MOST,
    WORD_MOST,
    Told,
    Update,
    digest,
    id_of,
    phone_of,
    pieces_of,
    text_of,
)
from adapters.whatsapp.refusals import refusal
from connector.model import Identity, Json, MessageId, Preference, Receipt, Rekey, RemoteId, Reply, Status

STATUSES: Mapping[str, Status] = {
    "sent": Status.SENT,
    "delivered": Status.DELIVERED,
    "read": Status.READ,
    "played": Status.READ,
    "failed": Status.FAILED,
}
"""Meta's words for how far a message has come; ``played`` is a voice message that was heard."""
CHOICES = ("stop", "resume", "signup")
_OURS = re.compile(r"[0-9a-z]{26}")
_QUIET = ("messaging_product", "metadata", "contacts")
"""Parts of ``value`` that only describe the others."""


def translate(update: Update, phone_number_id: str, waba_id: str) -> Iterator[Told]:
    """Yield what one update says; a piece that cannot be read is a notice, and never an exception.

    Meta posts for a whole app to one URL, so updates for other numbers arrive here as well: receipts that
    carry an id of ours are told wherever they come from, the rest is kept as a notice. People's
    preferences hold for the whole business, whichever of its numbers they came through.
    """
    number = text_of(update.value, "metadata.phone_number_id")
    if update.waba_id and update.waba_id != waba_id:
        yield from _elsewhere(update, "another WhatsApp Business Account; check waba_id if it should be yours.")
    elif update.field == "user_preferences":
        yield from each(update, "user_preferences", preference)
    elif number and number != phone_number_id:
        yield from _elsewhere(update, "another number of the same account; check phone_number_id.")
    elif update.field == "messages":
        yield from messages(update)
    else:
        yield from notices(update)


def _elsewhere(update: Update, whose: str) -> Iterator[Told]:
    told = [receipt(update, piece) for piece in pieces_of(update.value, "statuses") if isinstance(piece, Mapping)]
    ours = [item for item in told if isinstance(item, Receipt) and item.message_id]
    yield from ours
    if not ours or len(ours) < len(told):
        yield update.notice(f"This is for {whose}")


def messages(update: Update) -> Iterator[Told]:
    """Yield everything that a ``messages`` update holds, array by array."""
    readers: Mapping[str, Callable[[Update, Json], Told]] = {
        "statuses": receipt,
        "messages": reply,
        "errors": app_errors,
        "user_actions": user_actions,
    }
    said = [name for name, part in update.value.items() if name not in _QUIET and part not in (None, [])]
    for name in said:
        if name in readers:
            yield from each(update, name, readers[name])
        else:
            piece = {name: update.value[name]}
            yield update.unreadable("An update about messages has a part that is not known here.", piece)
    if not said:
        yield update.unreadable("An update about messages holds none.", None)


def each(update: Update, name: str, read: Callable[[Update, Json], Told]) -> Iterator[Told]:
    """Read an array's entries one by one, so that an odd one does not cost the rest."""
    count = 0
    for count, piece in enumerate(pieces_of(update.value, name), 1):  # noqa: B007 - told apart from none
        if isinstance(piece, Mapping):
            yield read(update, piece)
        else:
            yield update.unreadable(f"An entry of {name} is not an object.", piece)
    if not count and name == update.field:
        yield update.unreadable(f"An update about {name} holds none.", None)


def receipt(update: Update, piece: Json) -> Told:
    """Read one of ``statuses[]``: Meta's report on a message of ours."""
    remote_id, word = id_of(piece, "id"), text_of(piece, "status").lower()
    if text_of(piece, "type") not in ("", "message"):
        return update.notice("The state of something that is no message, such as a payment or a call.", piece)
    if not remote_id:
        return update.unreadable("A receipt does not say for which message it is.", piece)
    if word not in STATUSES:
        return update.unreadable("A receipt has a status that is not known here.", piece)
    # In a group, recipient_id is the group and the participant is the person.
    group = text_of(piece, "recipient_type") == "group"
    ours = text_of(piece, "biz_opaque_callback_data")
    pricing = piece.get("pricing") if isinstance(piece, Mapping) else None
    errors = piece.get("errors") if isinstance(piece, Mapping) else None
    return Receipt(
        key=f"{remote_id}:{word}",
        remote_id=RemoteId(remote_id),
        message_id=MessageId(ours) if _OURS.fullmatch(ours) else None,
        status=STATUSES[word],
        word=word,
        occurred_at=update.moment(piece),
        recipient=update.identity(
            text_of(piece, "recipient_participant_id" if group else "recipient_id"),
            id_of(piece, "recipient_user_id"),
            id_of(piece, "recipient_parent_user_id"),
        ),
        refusal=refusal(errors) if word == "failed" else None,
        billing=pricing if isinstance(pricing, Mapping) else {},
    )


def reply(update: Update, piece: Json) -> Told:
    """Read one of ``messages[]``: what a person wrote, tapped or did, of whatever type."""
    remote_id, answered = id_of(piece, "id"), id_of(piece, "context.id")
    if not remote_id or not isinstance(piece, Mapping):
        return update.unreadable("A message from a person has no id.", piece)
    kind = text_of(piece, "type")[:WORD_MOST] or "unknown"
    text, button = _said(kind, piece)
    return Reply(
        key=remote_id,
        remote_id=RemoteId(remote_id),
        sender=update.identity(
            text_of(piece, "from"), id_of(piece, "from_user_id"), id_of(piece, "from_parent_user_id")
        ),
        kind=kind,
        text=text,
        button=button[:BUTTON_MOST],
        in_reply_to=RemoteId(answered) if answered else None,
        rekey=rekey(update, piece) if kind == "system" else None,
        occurred_at=update.moment(piece),
        payload=piece,
    )


_MOVED = ("user_changed_number", "customer_changed_number", "user_changed_user_id")


def rekey(update: Update, piece: Json) -> Rekey | None:
    """Return what a person is known by from now on, where a system message tells it; it has no contacts.

    ``user_changed_number`` gives the new ``wa_id`` and, since August 2026, both user ids, since a new number
    makes a new one; ``user_changed_user_id`` gives the ids alone.
    """
    if text_of(piece, "system.type") not in _MOVED:
        return None
    number = phone_of(text_of(piece, "system.wa_id", "system.new_wa_id"))
    new = Identity(
        phone=number,
        user_id=id_of(piece, "system.user_id", "system.new_user_id", "from_user_id"),
        parent_user_id=id_of(piece, "system.parent_user_id", "from_parent_user_id"),
    )
    old = Identity(
        phone=phone_of(text_of(piece, "from")),
        user_id=id_of(piece, "system.previous_user_id"),
        parent_user_id=id_of(piece, "system.previous_parent_user_id"),
    )
    told = (new.phone or new.user_id) and (old.phone or old.user_id)
    return Rekey(old=old, new=new) if told else None


def _said(kind: str, piece: Json) -> tuple[str, str]:
    """Return what was written and the payload of the button that was tapped."""
    if kind == "text":
        return text_of(piece, "text.body"), ""
    if kind == "button":
        text = text_of(piece, "button.text")
        return text, text_of(piece, "button.payload") or text
    way = text_of(piece, "interactive.type") if kind == "interactive" else ""
    if way in ("button_reply", "list_reply"):
        return text_of(piece, f"interactive.{way}.title"), text_of(piece, f"interactive.{way}.id")
    if way == "nfm_reply":
        # A flow that was filled in; the answers stay in the payload.
        return text_of(piece, "interactive.nfm_reply.body"), ""
    return "", ""


def preference(update: Update, piece: Json) -> Told:
    """Read one of ``user_preferences[]``: what a person chose in WhatsApp's own settings."""
    choice, category = text_of(piece, "value").lower(), text_of(piece, "category").lower()
    sender = update.identity(text_of(piece, "wa_id"), id_of(piece, "user_id"), id_of(piece, "parent_user_id"))
    if choice not in CHOICES or not isinstance(piece, Mapping):
        return update.unreadable("A person chose something that is not known here.", piece)
    if not sender.phone and not sender.user_id:
        return update.unreadable("A preference does not say whose it is.", piece)
    # A piece with its own time is the same one however Meta groups it on a retry.
    told: list[Json] = [update.waba_id, piece] if piece.get("timestamp") else [update.waba_id, update.time, piece]
    return Preference(
        key=f"preference:{digest(told)}",
        sender=sender,
        purpose="marketing" if category == "marketing_messages" else category[:WORD_MOST],
        choice=choice,
        occurred_at=update.moment(piece),
        payload=piece,
    )
