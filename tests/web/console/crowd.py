"""A whole installation that somebody has gone through: an order, messages, what was said, consent, tests, tasks.

All that is known of them are words that stand nowhere else (:data:`TRACES`), so that they are found wherever
they show up: in pages, files, headers, logs, and in what is left after they were forgotten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote_plus

from sqlalchemy import insert, select, update

from connector.flow import backtest, publish, shadow, tasks, trial, writeback
from connector.flow import labels as label_flow
from connector.mapping.people import PeoplePolicy
from connector.model import ConsentState, ContactId, EventId, Purpose, Source, State, new_id, now
from connector.model.exchange import Exchange
from connector.store import schema
from connector.store.labels import LabelChange
from tests.web.conftest import NUMBER, RECIPES, House
from tests.web.console.traffic import Traffic
from tests.web.test_bad_input import update as meta

FIRST, LAST, NICK = "Zaphodina", "Quibblesworth", "Zaffie"
PHONE, EMAIL = "+447400123456", "zaph@quibbles.example"
STREET, NOTE, SAID, FAULT = "12 Orchard Row", "purple doorbell", "marmalade parcel", "Snorkelhurst"
OTHER = "+4915112345678"
"""Somebody else, who stays."""
TRACES = (
    FIRST,
    LAST,
    NICK,
    "7400123456",
    "7400 123456",
    "quibbles.example",
    "Orchard Row",
    "purple doorbell",
    SAID,
    FAULT,
)
"""What must not be seen; in small letters they are compared."""
MAPPING = "order_paid"
CUSTOMER, ORDER = 987650000001, 987650000777


def traces(text: str) -> list[str]:
    """Return what a text tells of the person."""
    plain = text.casefold()
    plain += unquote_plus(plain) if "%" in plain else ""
    return [each for each in TRACES if each.casefold() in plain]


def order(house: House, number: int = 1, **more: Any) -> dict[str, Any]:
    """Return an order that the person has paid just now."""
    topic = next(each for each in house.tools.registry.get("shopify").topics if each.name == "orders/paid")
    sample = json.loads(json.dumps(dict(topic.sample()), default=float))
    told: dict[str, Any] = _personal(sample) | {
        "id": ORDER + number, "name": f"#{1000 + number}", "order_number": 1000 + number, "note": f"ring the {NOTE}",
        "phone": PHONE, "email": EMAIL, "contact_email": EMAIL, "test": False,
    }  # fmt: skip
    told["customer"] = (told.get("customer") or {}) | {
        "id": CUSTOMER, "first_name": FIRST, "last_name": LAST, "phone": PHONE, "email": EMAIL, "note": NOTE,
    }  # fmt: skip
    return told | more


def _personal(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {inner: _personal(each, inner) for inner, each in value.items()}
    if isinstance(value, list):
        return [_personal(each, name) for each in value]
    if isinstance(value, str) and value[10:11] == "T" and value[4:5] == "-":
        return now().isoformat()
    words = {"first_name": FIRST, "last_name": LAST, "phone": PHONE, "email": EMAIL, "address1": STREET}
    return words.get(name, value)


class Crowd:
    """Fills a house; ``person`` is who it is all about."""

    def __init__(self, house: House) -> None:
        self.house, self.store = house, house.store
        house.know_templates()
        house.publish(MAPPING, "contact")
        text = (RECIPES / f"{MAPPING}.toml").read_text("utf-8")
        wanted = '{ field = "customer.first_name", operator = "is", value = "Bob" },\n  '
        house.publish("only_bob", source=text.replace("all = [\n  ", f"all = [\n  {wanted}"))
        self._shop()
        self.scene = Traffic(self.store)
        self.person = self._met()
        self._told()
        self._tried()
        self._worked()

    # what happened

    def _shop(self) -> None:
        shadow.begin(self.store, MAPPING, "draft", "Ada")
        house = self.house
        for number in (1, 2):
            assert house.post(order(house, number)).status_code == 200
        assert house.post(order(house, 3, phone="", customer={"id": CUSTOMER, "first_name": FIRST})).status_code == 200
        assert house.post(order(house, 4, line_items=FAULT, total_price_set=FAULT)).status_code == 200
        assert (
            house.post(
                order(
                    house,
                    5,
                    phone=FAULT,
                    shipping_address=None,
                    billing_address=None,
                    customer={"id": CUSTOMER, "first_name": FIRST, "phone": FAULT},
                )
            ).status_code
            == 200
        )
        assert house.post(b'{"id": 1, "name": "' + FAULT.encode() + b'"').status_code == 200
        assert house.post({"id": FAULT, "email": EMAIL}).status_code == 200
        customer = {
            "id": CUSTOMER, "first_name": FIRST, "last_name": LAST, "phone": PHONE, "email": EMAIL,
            "created_at": now().isoformat(), "updated_at": now().isoformat(),
        }  # fmt: skip
        assert house.post(customer, "customers/create").status_code == 200
        asked = {"customer": {"id": CUSTOMER, "email": EMAIL, "phone": PHONE}, "orders_requested": [ORDER + 1]}
        assert house.post(asked, "customers/data_request").status_code == 200
        self.said(SAID, "wamid.one")
        house.decide()

    def said(self, words: str, id_: str) -> None:
        """The person writes to the number."""
        told = {
            "from": PHONE[1:], "id": id_, "timestamp": str(int(now().timestamp())), "type": "text",
            "text": {"body": words},
        }  # fmt: skip
        met = {"profile": {"name": NICK}, "wa_id": PHONE[1:]}
        body = meta("messages", {"contacts": [met], "messages": [told]})
        assert self.house.tell(body).status_code == 200

    def _met(self) -> ContactId:
        with self.store.write() as tx:
            found = ContactId(tx.execute(select(schema.identity.c.contact_id).where(
                schema.identity.c.value == PHONE)).scalars().first() or "")  # fmt: skip
            assert found
            given = {"name": f"{FIRST} {LAST}", "email": EMAIL, "raw_phone": "07400 123456", "blocked_words": NICK}
            tx.execute(update(schema.contact).where(schema.contact.c.id == found).values(given))
        self.scene.entry(
            found, ConsentState.GRANTED, Purpose.MARKETING, source=Source.CHECKOUT, place=f"form of {EMAIL}",
            wording=f"Yes, says {FIRST}", evidence=f"form of {EMAIL}", actor=f"{FIRST} {LAST}",
        )  # fmt: skip
        with self.store.write() as tx:
            change = LabelChange(
                key=new_id(), contact_id=found, name="vip", added=True, origin="admin", words=f"{NICK} asked", at=now()
            )
            label_flow.change(tx, [change], PeoplePolicy(), from_records=False)
            wish = writeback.Want(
                account_id=self.house.shop.id, object="customer", record_id=str(CUSTOMER), field="note", value=NICK,
                contact_id=found,
            )  # fmt: skip
            writeback.want(tx, [wish], now())
        return found

    def _told(self) -> None:
        """Give the message its life: an attempt with its exchange, receipts, an answer, a test that failed."""
        with self.store.write() as tx:
            ids = list(tx.execute(select(schema.message.c.id).order_by(schema.message.c.id)).scalars())
            assert ids
            remote = f"wamid.{PHONE[1:]}"
            tx.execute(update(schema.message).where(schema.message.c.id == ids[0]).values(
                state=State.READ, remote_id=remote, recipient_id=PHONE[1:], accepted_at=now(), sent_at=now(),
                delivered_at=now(), read_at=now(), contact_id=self.person,
            ))  # fmt: skip
            said = Exchange(
                method="POST", url=f"https://graph.example/v23.0/{NUMBER}/messages?to={PHONE}",
                type="application/json", request=json.dumps({"to": PHONE, "text": f"Hi {FIRST}"}).encode(),
                secrets=(), status=200, answer_type="application/json",
                answer=json.dumps({"contacts": [{"input": PHONE, "wa_id": PHONE[1:]}]}).encode(),
            )  # fmt: skip
            tx.execute(insert(schema.attempt).values(
                id=new_id(), message_id=ids[0], started_at=now(), ended_at=now(), outcome="permanent", code="131026",
                words=f"Not to {PHONE} ({FIRST})", exchange=[said.shape()],
            ))  # fmt: skip
        self.scene.receipt(ids[0], "failed", words=f"{PHONE} is {FIRST}", advice="Ask them.", remote_id=remote)
        self.message = str(ids[0])
        self.scene.event(f"{FIRST} {LAST}", type_="contact.saved", subject=f"Contact:{LAST}")
        steps = [["recipient", False, f"“{FAULT}” is no number"], ["slot body.1", True, f"{FIRST} {LAST}"]]
        self.scene.skip(self.scene.event("#1009"), mapping="gone", words=f"slot body.1: {FIRST} is {NICK}", steps=steps)

    def _tried(self) -> None:
        """Send the draft to the person's phone as a test, and tell an endpoint that repeats what it hears."""
        trial.allow(self.store, PHONE, f"Phone of {FIRST}", "Ada")
        publish.save(self.store, MAPPING, self.draft() + "\n# a draft\n")
        with self.store.read() as tx:
            named = select(schema.event.c.id).where(schema.event.c.label == "#1001").order_by(schema.event.c.id)
            event = tx.execute(named).scalars().first()
        assert event
        self.event = EventId(event)
        trial.plan(self.house.tools, MAPPING, self.draft(), self.event, PHONE, "Ada")

    def _worked(self) -> None:
        wanted = backtest.want(self.store, MAPPING, "draft", "24h")
        self.task = tasks.begin(self.store, backtest.KIND, wanted.args(), "Ada", wanted.words())
        assert tasks.work_off(self.house.tools, "here:1:me", enough=lambda: False) == 1
        with self.store.read() as tx:
            assert tx.execute(select(schema.task.c.state)).scalar_one() == "done"

    def draft(self) -> str:
        """Return the text of the mapping."""
        with self.store.read() as tx:
            return str(tx.execute(select(schema.mapping.c.draft).where(schema.mapping.c.name == MAPPING)).scalar_one())

    def ids(self, table: str) -> list[str]:
        """Return the ids of a table's rows."""
        found = schema.metadata.tables[table]
        with self.store.read() as tx:
            return [str(each) for each in tx.execute(select(next(iter(found.primary_key.columns)))).scalars()]

    def everything(self, *, but: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
        """Yield every row of the database as text, with the name of its table."""
        with self.store.read() as tx:
            for name, table in schema.metadata.tables.items():
                for row in tx.execute(select(table)).mappings() if name not in but else ():
                    values = (
                        each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in row.values()
                    )
                    yield name, str(dict(zip(row, values, strict=True)))
