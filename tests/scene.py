"""A small world in a database, for tests of whatever looks at it: rows as the flows would leave them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from random import getrandbits
from typing import Any

from sqlalchemy import insert

from connector.flow import ledger
from connector.mapping.recipient import mask
from connector.model import (
    AccountId,
    Category,
    ConsentState,
    Contact,
    ContactId,
    Entry,
    Key,
    KeyKind,
    MessageId,
    Part,
    Purpose,
    Request,
    Slot,
    SlotKind,
    Source,
    State,
    Template,
    first_id,
    now,
)
from connector.store import Store, accounts, inbox, people, schema, templates

START = now().replace(microsecond=0) - timedelta(hours=2)
SHOP = AccountId("acc-shop")
CHANNEL = AccountId("acc-wa")
PHONE = "+491701234567"
TEMPLATE = Template(
    name="order_paid",
    language="en",
    category=Category.UTILITY,
    status="approved",
    slots=(
        Slot(key="header.text"),
        Slot(key="body.1"),
        Slot(key="body.2"),
        Slot(key="button.0.url", kind=SlotKind.URL_SUFFIX),
    ),
    parts=(
        Part(kind="header", text="Order {{text}}", prefix="header"),
        Part(kind="body", text="Hi *{{1}}*, we have received _{{2}}_.\nThank you!", prefix="body"),
        Part(kind="footer", text="Example Shop"),
        Part(kind="button", text="View order → https://shop.example/{{url}}", prefix="button.0"),
    ),
)
BODY = b'{"phone":"+49 (170) 123-4567"}'
SLOTS = {"header.text": "#1001", "body.1": "Zoë", "body.2": "€ 59,90", "button.0.url": "orders/1001"}
STEPS = [["conditions", True, "none to meet"], ["recipient", True, f"{mask(PHONE)} from phone."]]


_TAILS = count(getrandbits(60), getrandbits(40) | 1)
"""What ids end in: it ascends, as that of real ones does within a millisecond of one thread."""


def id_at(at: datetime) -> str:
    """Return an id as if it had been made at a moment, after all others of that moment."""
    return f"{first_id(at)[:10]}{next(_TAILS):016x}"


@dataclass
class Scene:
    """Fills a store; each method returns the id of what it made."""

    store: Store
    _numbers: Any = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        with self.store.write() as tx:
            for id_, adapter, name in ((SHOP, "shop", "main-store"), (CHANNEL, "chat", "hotline")):
                row = accounts.AccountRow(
                    id=id_,
                    adapter=adapter,
                    name=name,
                    token=f"token-{id_}",
                    settings={},
                    secrets="",
                    created_at=START,
                    updated_at=START,
                )
                accounts.add(tx, row)
            templates.upsert_all(tx, CHANNEL, [TEMPLATE], START)

    def request(
        self,
        *,
        at: datetime = START,
        topic: str = "orders/paid",
        state: str = "done",
        words: str = "",
        key: str = "",
        account: AccountId = SHOP,
        body: bytes = b"{}",
    ) -> int:
        """Store a request."""
        arrival = inbox.Arrival(
            account_id=account,
            delivery_key=key or f"delivery-{next(self._numbers):08}",
            topic=topic,
            request=Request(method="POST", headers={}, body=body, received_at=at),
        )
        with self.store.write() as tx:
            inbox.add(tx, [arrival])
            found = tx.exec_driver_sql("SELECT max(id) FROM request").scalar_one()
            tx.execute(schema.request.update().where(schema.request.c.id == found).values(state=state, words=words))
        return int(found)

    def event(
        self,
        label: str = "#1001",
        *,
        at: datetime = START,
        type_: str = "order.paid",
        subject: str = "",
        request_id: int | None = None,
    ) -> str:
        """Store an event, with the request that brought it."""
        id_, number = id_at(at), next(self._numbers)
        subject = subject or f"order:{5500000 + number}"
        request_id = request_id or self.request(at=at, topic=type_.replace("order.", "orders/"), body=BODY)
        values = {
            "id": id_,
            "account_id": SHOP,
            "request_id": request_id,
            "position": 0,
            "key": f"{type_}:{number}",
            "type": type_,
            "topic": type_.replace("order.", "orders/"),
            "subject": subject,
            "label": label,
            "occurred_at": at - timedelta(seconds=2),
            "planned_at": at + timedelta(seconds=1),
        }
        about = {"account_id": SHOP, "subject": subject, "event_id": id_, "type": type_, "occurred_at": at}
        with self.store.write() as tx:
            tx.execute(insert(schema.event).values(values))
            tx.execute(insert(schema.event_subject).values(about))
        return id_

    def skip(
        self,
        event_id: str,
        *,
        mapping: str = "order_paid",
        reason: str = "no_agreement",
        words: str = "The buyer has not agreed to marketing.",
        steps: Sequence[Sequence[object]] = (
            *STEPS,
            ("agreement", False, "buyer_accepts_marketing is false"),
        ),
        at: datetime = START,
    ) -> str:
        """Store a decision not to send."""
        return self._decide(event_id, mapping, "skip", reason, words, steps, None, at)

    def message(
        self,
        event_id: str = "",
        *,
        label: str = "#1001",
        state: State = State.READ,
        mapping: str = "order_paid",
        recipient: str = PHONE,
        at: datetime = START,
        slots: Mapping[str, str] = SLOTS,
        **given: Any,
    ) -> MessageId:
        """Store a message with its event and the decision to send it, as far on as its state says."""
        event_id = event_id or self.event(label, at=at)
        id_ = MessageId(id_at(at))
        self._decide(event_id, mapping, "send", "", "", STEPS, id_, at)
        reached = list(_MOMENTS).index(state) if state in _MOMENTS else -1
        moments = {
            name: at + timedelta(seconds=5 * (number + 1)) if number <= reached else None
            for number, name in enumerate(_MOMENTS.values())
        }
        ended = state in (State.FAILED, State.CANCELLED, State.EXPIRED, State.SKIPPED)
        values = {
            "id": id_, "event_id": event_id, "mapping": mapping, "version": 3, "source_id": SHOP,
            "channel_id": CHANNEL, "dedupe_key": f"{mapping}:{id_}", "subject": "order:1", "label": label,
            "recipient": recipient, "recipient_id": "", "template": "order_paid", "language": "en",
            "category": "utility", "slots": dict(slots), "state": state, "reason": "", "words": "", "code": "",
            "occurred_at": at, "not_before": at, "expires_at": None, "cancel_when": [], "resend_in_doubt": True,
            "tries": 0 if state is State.WAITING else 1, "created_at": at,
            "remote_id": f"wamid.{id_}" if reached >= 0 else None,
            "ended_at": at + timedelta(seconds=30) if ended else None,
        }  # fmt: skip
        with self.store.write() as tx:
            tx.execute(insert(schema.message).values(values | moments | given))
        return id_

    def attempt(
        self,
        message_id: str,
        outcome: str = "accepted",
        code: str = "",
        words: str = "",
        *,
        at: datetime = START,
    ) -> None:
        """Store one call of the channel."""
        values = {
            "id": id_at(at),
            "message_id": message_id,
            "started_at": at,
            "ended_at": at + timedelta(milliseconds=180) if outcome else None,
            "outcome": outcome,
            "code": code,
            "words": words,
        }
        with self.store.write() as tx:
            tx.execute(insert(schema.attempt).values(values))

    def receipt(self, message_id: str | None, word: str, *, at: datetime = START, **given: Any) -> None:
        """Store one report of the channel."""
        status = {"sent": 2, "delivered": 3, "read": 4, "failed": -1}[word]
        values = {
            "id": id_at(at), "account_id": CHANNEL, "key": f"{message_id}:{word}:{next(self._numbers)}",
            "remote_id": f"wamid.{message_id}", "message_id": message_id, "status": status, "word": word,
            "code": "", "words": "", "advice": "", "retry_after": None, "billing": {}, "occurred_at": at,
            "received_at": at,
        }  # fmt: skip
        with self.store.write() as tx:
            tx.execute(insert(schema.receipt).values(values | given))

    def reply(self, sender: str = PHONE, *, at: datetime = START) -> None:
        """Store something that a person wrote."""
        values = {
            "id": id_at(at), "account_id": CHANNEL,
            "request_id": self.request(at=at, account=CHANNEL, topic="messages"),
            "position": 0, "key": f"reply:{next(self._numbers)}", "kind": "reply", "word": "text",
            "sender": sender, "words": "where is my parcel", "occurred_at": at,
        }  # fmt: skip
        with self.store.write() as tx:
            tx.execute(insert(schema.inbound).values(values))

    def person(self, phone: str = PHONE, *, record: str = "", at: datetime = START, **given: Any) -> ContactId:
        """Store a contact that is known by a number, and by a record of the shop where one is given."""
        id_ = ContactId(id_at(at))
        keys = [Key(KeyKind.PHONE, phone), Key(KeyKind.WA_ID, phone)]
        keys += [Key(KeyKind.RECORD, record, SHOP)] if record else []
        with self.store.write() as tx:
            people.add(tx, [Contact(id=id_, phone=phone, created_at=at, updated_at=at, **given)])
            people.give_keys(tx, dict.fromkeys(keys, id_), at)
        return id_

    def entry(
        self,
        contact_id: ContactId,
        state: ConsentState,
        purpose: Purpose = Purpose.MARKETING,
        *,
        key: str = "",
        at: datetime = START,
        **given: Any,
    ) -> str:
        """Enter something into the ledger."""
        told: dict[str, Any] = {"source": Source.KEYWORD, "place": "WhatsApp conversation", "actor": "the person"}
        entry = Entry(
            id=id_at(at), contact_id=contact_id, purpose=purpose, state=state, occurred_at=at, learned_at=at,
            **told | given,
        )  # fmt: skip
        with self.store.write() as tx:
            ledger.enter(tx, [(key or entry.id, entry)], at)
        return entry.id

    def _decide(
        self,
        event_id: str,
        mapping: str,
        verdict: str,
        reason: str,
        words: str,
        steps: Sequence[Sequence[object]],
        message_id: str | None,
        at: datetime,
    ) -> str:
        values = {
            "id": id_at(at),
            "event_id": event_id,
            "mapping": mapping,
            "version": 3,
            "verdict": verdict,
            "reason": reason,
            "words": words,
            "steps": json.loads(json.dumps([list(step) for step in steps])),
            "message_id": message_id,
            "at": at,
        }
        with self.store.write() as tx:
            tx.execute(insert(schema.decision).values(values))
        return str(values["id"])


_MOMENTS = {
    State.ACCEPTED: "accepted_at",
    State.SENT: "sent_at",
    State.DELIVERED: "delivered_at",
    State.READ: "read_at",
}
