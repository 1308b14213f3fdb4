"""A shop, a CRM and a number, and whoever lives between them: whole batches are worked off as in the service."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from sqlalchemy import select

from connector.contract import Channel, Receiver
from connector.flow import deliver, writeback
from connector.flow.catalogue import Catalogue
from connector.flow.decide import decide_batch
from connector.flow.write import Done
from connector.mapping.people import PeoplePolicy
from connector.model import (
    Account,
    AccountId,
    Category,
    ConsentState,
    ContactId,
    Event,
    Identity,
    Item,
    Json,
    Key,
    KeyKind,
    Message,
    MessageId,
    Preference,
    Purpose,
    Receipt,
    RemoteId,
    Reply,
    Request,
    Sent,
    Sighting,
    Slot,
    Status,
    Template,
    Verified,
    now,
)
from connector.store import Store, accounts, consents, inbox, labels, mappings, people, templates, wanted
from connector.store.inbox import Arrival
from connector.store.schema import message, reaction
from connector.store.wanted import Place
from tests.desks import desk_over

SHOP, CRM, NUMBER = AccountId("shop"), AccountId("crm"), AccountId("number")
AT = datetime(2026, 5, 3, 12, 30, tzinfo=UTC)
"""When a test begins that asks for a ``world`` (see ``conftest.py``)."""
ANN, BEN, CAT = "+447400123456", "+447400123457", "+447400123458"
BSUID = "GB.aaaa"
WORDS = {Status.SENT: "sent", Status.DELIVERED: "delivered", Status.READ: "read", Status.FAILED: "failed"}

PAID = """
title = "Paid"
[when]
event = "order.paid"
adapter = "toyshop"
[to]
phone = ["{{ phone }}"]
agreement = ["agrees"]
[template]
name = "paid"
language = "en"
[slots]
body.1 = "{{ name }}"
"""
OFFER = PAID.replace('name = "paid"', 'name = "offer"') + "[timing]\nquiet = false\n"
"""Marketing, at any hour."""


class Line(Channel):
    """Takes every message, or answers as told."""

    rate = 2000.0
    doubt_seconds = 0.2

    def __init__(self, answer: Callable[[Message], Sent] | None = None) -> None:
        self.sent: list[Message] = []
        self._answer = answer or (lambda message: Sent(RemoteId(f"w-{message.id}")))

    def send(self, message: Message) -> Sent:
        """Send."""
        self.sent.append(message)
        return self._answer(message)

    def templates(self) -> Iterable[Template]:
        """List none."""
        return ()


class _Door(Receiver):
    """A body is the number of what stands behind it."""

    def __init__(self, items: Mapping[str, Sequence[Item]]) -> None:
        self._items = items

    def verify(self, request: Request) -> Verified:
        return Verified(request)

    def key(self, request: Verified) -> str:
        return request.body.decode()

    def parse(self, request: Verified) -> Sequence[Item]:
        return self._items[request.body.decode()]


class World:
    """One shop, one CRM, one number."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.items: dict[str, list[Item]] = {}
        self.known = {
            id_: Account(id=id_, adapter=adapter, name=id_, token=id_, settings={}, created_at=AT, updated_at=AT)
            for id_, adapter in ((SHOP, "toyshop"), (CRM, "toycrm"), (NUMBER, "toyline"))
        }
        self.catalogue = Catalogue(store, lambda: [self.known[NUMBER]])
        self.desk = desk_over(store, self, self.catalogue)
        self._numbers = count(1)
        self._waits: list[tuple[AccountId, Item]] = []
        self._templates: dict[str, Template] = {}
        with store.write() as tx:
            for id_ in self.known:
                row = accounts.AccountRow(
                    id=id_, adapter="x", name=id_, token=id_, settings={}, secrets="", created_at=AT, updated_at=AT
                )
                accounts.add(tx, row)
        self.template("paid", Category.UTILITY)
        self.template("offer", Category.MARKETING)

    # What the desk asks about accounts.

    def account(self, id_: AccountId) -> Account | None:
        """Return an account."""
        return self.known.get(id_)

    def receiver(self, id_: AccountId) -> Receiver | None:
        """Return its receiver."""
        return _Door(self.items)

    def public(self, id_: AccountId) -> Mapping[str, Any]:
        """Return its settings."""
        return {"country": "GB", "timezone": "Europe/London"}

    def crms(self) -> Sequence[Account]:
        """Return who remembers people."""
        return [self.known[SHOP], self.known[CRM]]

    # What is set up.

    def template(self, name: str, category: Category, status: str = "approved") -> None:
        """Have a template."""
        slots = (Slot(key="body.1"),)
        self._templates[name] = Template(name=name, language="en", category=category, status=status, slots=slots)
        with self.store.write() as tx:
            templates.upsert_all(tx, NUMBER, list(self._templates.values()), AT)

    def publish(self, name: str, source: str) -> None:
        """Publish a mapping, in the next version where there is one."""
        with self.store.write() as tx:
            mappings.save_draft(tx, name, source, AT)
            mappings.publish(tx, name, source, [], at=AT)

    @property
    def policy(self) -> PeoplePolicy:
        """The people policy in force."""
        return self.catalogue.policy()

    # What happens.

    def event(self, type_: str, subject: str, *, account: AccountId = SHOP, ago: float = 0, **payload: Json) -> None:
        """Something happens at the shop or in the CRM, so many minutes ago."""
        about = payload.pop("about", ())
        item = Event(
            key=f"{type_}:{next(self._numbers)}", type=type_, topic=type_, subject=subject,
            about=tuple(map(str, about)) if isinstance(about, list | tuple) else (), label=f"#{subject}",
            occurred_at=AT - timedelta(minutes=ago), payload=payload,
        )  # fmt: skip
        self._waits.append((account, item))

    def reply(
        self,
        text: str = "",
        *,
        sender: Identity | None = None,
        button: str = "",
        kind: str = "",
        to: RemoteId | None = None,
        ago: float = 0,
        key: str = "",
        **more: Any,
    ) -> Reply:
        """Somebody writes or taps, so many minutes ago."""
        id_ = key or f"in-{next(self._numbers)}"
        item = Reply(
            key=id_, remote_id=RemoteId(id_), sender=sender or Identity(phone=ANN),
            kind=kind or ("button" if button else "text"), text=text, button=button, in_reply_to=to,
            occurred_at=AT - timedelta(minutes=ago), payload={}, **more,
        )  # fmt: skip
        self._waits.append((NUMBER, item))
        return item

    def prefers(self, choice: str, *, sender: Identity | None = None, ago: float = 0) -> None:
        """Somebody chooses in the channel's own settings."""
        item = Preference(
            key=f"pref-{next(self._numbers)}", sender=sender or Identity(phone=ANN), purpose="marketing",
            choice=choice, occurred_at=AT - timedelta(minutes=ago), payload={},
        )  # fmt: skip
        self._waits.append((NUMBER, item))

    def receipt(self, status: Status, id_: MessageId, *, ago: float = 0, **more: Any) -> None:
        """The channel reports on a message."""
        item = Receipt(
            key=f"w-{id_}:{WORDS[status]}", remote_id=RemoteId(f"w-{id_}"), message_id=id_, status=status,
            word=WORDS[status], occurred_at=AT - timedelta(minutes=ago), **more,
        )  # fmt: skip
        self._waits.append((NUMBER, item))

    def tell(self, account: AccountId, item: Item) -> None:
        """Anything else comes in."""
        self._waits.append((account, item))

    def repeat(self) -> None:
        """Whatever came last comes once more, by another delivery."""
        self._waits.append((NUMBER, self.items[str(len(self.items))][-1]))

    # What is done about it.

    def work(self, *, together: bool = True) -> Done:
        """Store what has come and work it off; ``together``: in one batch for each account."""
        total = Done()
        while self._waits:
            account = self._waits[0][0]
            same = [item for item in self._waits if item[0] == account] if together else self._waits[:1]
            self._waits = [item for item in self._waits if item not in same]
            self._store(account, [item for _, item in same])
        self.catalogue.refresh(at_most_old=0)
        while (done := decide_batch(self.store, self.desk, owner="me")).requests:
            total.add(done)
        return total

    def _store(self, account: AccountId, items: list[Item]) -> None:
        body = str(len(self.items) + 1)
        self.items[body] = items
        request = Request(method="POST", headers={}, body=body.encode(), received_at=now())
        with self.store.write() as tx:
            inbox.add(tx, [Arrival(account_id=account, delivery_key=body, topic="t", request=request)])

    def send(self, answer: Callable[[Message], Sent] | None = None) -> tuple[list[Message], deliver.Tally]:
        """Send what is due; return what left, and the drain's tally."""
        line = Line(answer)
        self.catalogue.refresh(at_most_old=0)
        drain = deliver.Drain(
            self.store, NUMBER, line, self.desk, owner="me", threads=8, should_stop=lambda: False
        )  # fmt: skip
        assert drain.run(lambda: None)
        return line.sent, drain.tally

    # What came of it.

    def who(self, *keys: Key | str) -> ContactId:
        """Return whose keys, or number, these are."""
        asked = [Key(KeyKind.PHONE, key) if isinstance(key, str) else key for key in keys]
        with self.store.write() as tx:
            (id_,) = self.desk.people.resolve(tx, [Sighting(keys=tuple(asked), seen_at=AT)], AT)
        return id_

    def standing(self, phone: str = ANN, purpose: Purpose = Purpose.MARKETING) -> ConsentState:
        """Return where somebody stands."""
        id_ = self.who(phone)
        with self.store.read() as tx:
            found = consents.standings(tx, [id_]).get((id_, purpose))
        return found.state if found else ConsentState.UNKNOWN

    def entries(self, phone: str = ANN) -> list[Any]:
        """Return what the ledger says of somebody."""
        id_ = self.who(phone)
        with self.store.read() as tx:
            return consents.of(tx, [id_])

    def labels(self, phone: str = ANN) -> set[str]:
        """Return somebody's labels."""
        id_ = self.who(phone)
        with self.store.read() as tx:
            return set(labels.of(tx, [id_]).get(id_, {}))

    def contact(self, phone: str = ANN) -> Any:
        """Return somebody as we know them."""
        id_ = self.who(phone)
        with self.store.read() as tx:
            return people.load(tx, [id_])[id_]

    def messages(self) -> list[Any]:
        """Return the outbox."""
        with self.store.read() as tx:
            return list(tx.execute(select(message).order_by(message.c.created_at, message.c.id)))

    def answers(self) -> list[Any]:
        """Return the answers in free words among them."""
        return [row for row in self.messages() if not row.template]

    def deeds(self) -> list[tuple[str, str]]:
        """Return what was done because of something: on what, and the words."""
        with self.store.read() as tx:
            return [(row.on, row.words) for row in tx.execute(select(reaction).order_by(reaction.c.id))]

    def field(self, account: AccountId, object_: str, record: str, field: str, item: str = "") -> Any:
        """Return what a field of a record is to hold, where that is to be written; else None."""
        with self.store.write() as tx:
            rows = wanted.load(tx, [Place(account, object_, record, field, item)])
        return writeback.read(rows[0].value) if rows and rows[0].state == "waiting" and rows[0].value else None

    def wanted(self) -> dict[tuple[str, ...], Any]:
        """Return all that is to be written."""
        table = wanted.schema.wanted
        with self.store.read() as tx:
            found = tx.execute(select(table).where(table.c.state == "waiting")).all()
        return {
            tuple(filter(None, (row.account_id, row.object, row.record_id, row.field, row.item))): writeback.read(
                row.value
            )
            for row in found
        }

    def write_back(self) -> None:
        """Let everything that is to be written have been written, a quarter of an hour ago."""
        at = AT - timedelta(minutes=15)
        with self.store.write() as tx:
            rows = wanted._locked(tx, wanted.schema.wanted.c.state == "waiting")
            for row in rows:
                row.known, row.known_at = row.value, at
                writeback.note_write(row, str(row.value), at)
                writeback.rest(row)
            wanted.save(tx, rows)

    def sent_one(
        self, phone: str = ANN, *, mapping: str = "shop/paid", source: str = PAID, order: int = 1
    ) -> MessageId:
        """Let a message have left; return its id."""
        self.publish(mapping, source)
        self.event("order.paid", f"order:{order}", phone=phone, name=f"#{order}", agrees=True)
        self.work()
        known = {row.id for row in self.messages() if row.remote_id}
        self.send()
        (id_,) = [row.id for row in self.messages() if row.remote_id and row.id not in known]
        return MessageId(id_)
