"""A small world of people, for tests of forgetting: every kind of row that may name somebody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import func, insert, select, update

from connector.flow import labels as label_flow
from connector.flow import ledger, writeback
from connector.flow.people import People
from connector.mapping.people import PeoplePolicy
from connector.model import (
    AccountId,
    ConsentState,
    ContactId,
    Decision,
    Entry,
    Event,
    EventId,
    Identity,
    Key,
    KeyKind,
    MessageId,
    Purpose,
    Reason,
    Reply,
    Request,
    RequestId,
    Sighting,
    Skip,
    Source,
    State,
    Step,
    new_id,
)
from connector.store import Store, accounts, events, inbox, people, reactions, receipts, schema, tokens
from connector.store.events import NewEvent
from connector.store.labels import LabelChange
from connector.store.reactions import Reaction
from connector.store.receipts import Heard
from tests.desks import digest

AT = datetime(2026, 5, 3, 12, tzinfo=UTC)
SHOP, OTHER, CRM, NUMBER = (AccountId(name) for name in ("acc-shop", "acc-other", "acc-crm", "acc-number"))
JANE, JOHN = "+447400123456", "+4915123456789"
NAME, EMAIL = "Jane Fernhill", "jane@fernhill.example"
WAMID = "wamid.HBgMNDQ3NDAwMTIzNDU2"


class World:
    """Fills a store; names accounts, people and things by what they are."""

    def __init__(self, store: Store) -> None:
        self.store, self.people, self._numbers = store, People(digest), count(1)
        with store.write() as tx:
            for id_ in (SHOP, OTHER, CRM, NUMBER):
                name = id_.removeprefix("acc-")
                row = accounts.AccountRow(
                    id=id_, adapter="toyshop", name=name, token=f"t-{id_}", settings={}, secrets="", created_at=AT,
                    updated_at=AT,
                )  # fmt: skip
                accounts.add(tx, row)
                tokens.put(tx, tokens.TokenRow(account_id=id_, sealed="sealed", expires_at=None, updated_at=AT))

    def person(
        self,
        phone: str = JANE,
        *records: tuple[AccountId, str],
        name: str = NAME,
        email: str = EMAIL,
        user_id: str = "",
    ) -> ContactId:  # fmt: skip
        """Meet somebody."""
        keys = [Key(KeyKind.PHONE, phone), Key(KeyKind.USER_ID, user_id)]
        keys += [Key(KeyKind.RECORD, record, account_id) for account_id, record in records]
        seen = Sighting(
            keys=tuple(key for key in keys if key.value), raw_phone=phone, name=name, email=email, seen_at=AT
        )
        with self.store.write() as tx:
            return self.people.resolve(tx, [seen], AT)[0]

    def request(self, body: Any, account_id: AccountId = SHOP, state: str = "done") -> RequestId:
        """Store a request."""
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        arrival = inbox.Arrival(
            account_id=account_id, delivery_key=f"delivery-{next(self._numbers)}", topic="t",
            request=Request(method="POST", headers={"x-topic": "t"}, body=raw, received_at=AT),
        )  # fmt: skip
        with self.store.write() as tx:
            inbox.add(tx, [arrival])
            number = tx.execute(select(func.max(schema.request.c.id))).scalar_one()
            tx.execute(update(schema.request).where(schema.request.c.id == number).values(state=state))
        return RequestId(number)

    def event(
        self, subject: str, *about: str, body: Any = None, account_id: AccountId = SHOP, type_: str = "order.paid",
        request_id: RequestId | None = None, label: str = "#1001",
    ) -> NewEvent:  # fmt: skip
        """Store an event with its request."""
        number = request_id or self.request(body if body is not None else {"about": subject}, account_id)
        event = Event(
            key=f"{type_}:{subject}:{next(self._numbers)}", type=type_, topic=type_, subject=subject, about=about,
            label=label, occurred_at=AT, payload={},
        )  # fmt: skip
        new = NewEvent(id=EventId(new_id()), account_id=account_id, request_id=number, position=0, event=event)
        with self.store.write() as tx:
            events.add(tx, [new], AT)
        return new

    def message(
        self,
        event: NewEvent,
        contact_id: ContactId | None,
        *,
        to: str = JANE,
        state: State = State.READ,
        name: str = NAME,
    ) -> MessageId:
        """Store a message with its decision, an attempt and a receipt."""
        id_ = MessageId(new_id())
        values = {
            "id": id_, "event_id": event.id, "mapping": "order_paid", "version": 3, "source_id": event.account_id,
            "channel_id": NUMBER, "dedupe_key": f"order_paid|{id_}", "subject": event.event.subject,
            "label": event.event.label, "recipient": to, "recipient_id": to[1:], "template": "paid", "language": "en",
            "category": "utility", "slots": {"body.1": name}, "state": state, "reason": "", "words": f"To {to}.",
            "code": "", "occurred_at": AT, "not_before": AT, "expires_at": None, "cancel_when": [],
            "resend_in_doubt": True, "tries": 1, "created_at": AT, "contact_id": contact_id, "gates": {},
            "remote_id": f"{WAMID}.{id_}", "in_reply_to": WAMID,
        }  # fmt: skip
        decision = Decision(
            mapping="order_paid", version=3, verdict=Skip(reason=Reason.ERASED, words=f"About {name}"),
            steps=(Step(name="recipient", ok=True, words=f"{to} of {name}"),),
        )  # fmt: skip
        with self.store.write() as tx:
            tx.execute(insert(schema.message).values(values))
            events.add_decisions(tx, [(event.id, decision, id_)], AT)
            attempt = {
                "id": new_id(),
                "message_id": id_,
                "started_at": AT,
                "outcome": "permanent",
                "words": f"Not {to}",
                "exchange": [{"request": f'{{"to": "{to}", "text": "{name}"}}', "answer": f'{{"wa_id": "{to[1:]}"}}'}],
            }
            tx.execute(insert(schema.attempt).values(attempt))
            told = {
                "id": new_id(), "account_id": NUMBER, "key": f"{WAMID}.{id_}:read", "remote_id": f"{WAMID}.{id_}",
                "message_id": id_, "status": 4, "word": "read", "words": f"To {to}", "billing": {},
                "occurred_at": AT, "received_at": AT,
            }  # fmt: skip
            tx.execute(insert(schema.receipt).values(told))
            reactions.add(
                tx,
                [
                    Reaction(
                        key=f"{id_}:button", on="button", words="label", contact_id=contact_id, message_id=id_, at=AT
                    )
                ],
            )
        return id_

    def reply(self, sender: str = JANE, text: str = f"It is me, {NAME}") -> RequestId:
        """Store what somebody wrote."""
        number = self.request({"messages": [{"from": sender[1:], "text": text}]}, NUMBER)
        reply = Reply(
            key=f"{WAMID}.{number}", remote_id=WAMID, sender=Identity(phone=sender), kind="text", text=text,
            occurred_at=AT, payload={},
        )  # fmt: skip
        with self.store.write() as tx:
            receipts.hear(tx, [Heard(account_id=NUMBER, request_id=number, position=0, item=reply)])
        return number

    def said(
        self, id_: ContactId, state: ConsentState, source: Source = Source.KEYWORD,
        purpose: Purpose = Purpose.MARKETING, *, account_id: AccountId | None = NUMBER, record: str = "",
        place: str = "chat", at: datetime = AT,
    ) -> None:  # fmt: skip
        """Enter something into the ledger."""
        entry = Entry(
            id=new_id(), contact_id=id_, purpose=purpose, state=state, source=source, account_id=account_id,
            record=record, place=place, wording=f"Stop, says {NAME}", evidence=f"message {WAMID}", occurred_at=at,
            learned_at=at,
        )  # fmt: skip
        with self.store.write() as tx:
            ledger.enter(tx, [(f"{WAMID}:{entry.id}", entry)], at + timedelta(days=1))

    def label(self, id_: ContactId, name: str = "vip", origin: str = "admin") -> None:
        """Put a label on somebody."""
        change = LabelChange(key=new_id(), contact_id=id_, name=name, added=True, origin=origin, words=NAME, at=AT)
        with self.store.write() as tx:
            label_flow.change(tx, [change], PeoplePolicy(), from_records=origin != "admin")

    def wish(self, id_: ContactId | None, object_: str, record_id: str, account_id: AccountId = SHOP) -> None:
        """Want something to stand in a record."""
        wish = writeback.Want(
            account_id=account_id, object=object_, record_id=record_id, field="note", value=NAME, contact_id=id_
        )
        with self.store.write() as tx:
            writeback.want(tx, [wish], AT)

    def talk(self, id_: ContactId) -> None:
        """Let somebody have written to our number."""
        with self.store.write() as tx:
            people.heard(tx, {(id_, NUMBER): AT})

    def everything(self, *, but: Sequence[str] = ()) -> str:
        """Return all that stands in the database, as text."""
        with self.store.read() as tx:
            return "\n".join(
                f"{name}: {dict(row)}"
                for name, table in schema.metadata.tables.items()
                if name not in but
                for row in tx.execute(select(table)).mappings()
            )

    def row(self, table: str, id_: Any) -> Any:
        """Return one row."""
        source = schema.metadata.tables[table]
        with self.store.read() as tx:
            return tx.execute(select(source).where(source.c.id == id_)).one()
