"""What people say reaches the ledger whole: out of order, from a shared phone, in pictures and from right to left."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import resources
from itertools import count, permutations
from typing import Any

import pytest
import time_machine

from connector.contract import Change
from connector.flow import publish, writeback
from connector.flow.recording import WriteBack
from connector.model import Account, Key, KeyKind, Purpose, now
from connector.store import consents, people
from tests.flow.crm import FakeCrm
from tests.web.conftest import House
from tests.web.test_checklist_salesforce import CONTACT, ORGANIZATION, envelope

ANN = "+447400123456"
CONSENT = "customers_whats_app_marketing_consent/update"
MAPPINGS = resources.files("mappings")
NUMBERS = count(1)


class Home(House):
    """A house whose shop and organisation can be written to."""

    org: Account

    def put(self, name: str, *changes: tuple[str, str]) -> None:
        """Publish what comes with the connector, with some words changed."""
        text = (MAPPINGS / f"{name}.toml").read_text("utf-8")
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        publish.save(self.store, name, text)
        publish.publish(self.store, self.tools.registry, name)

    def customer(self, number: int, phone: str) -> None:
        """A customer is made in the shop."""
        at = now().isoformat()
        told = {"id": number, "phone": phone, "first_name": "No", "last_name": f"{number}", "created_at": at}
        assert self.post({**told, "updated_at": at}, "customers/create").status_code == 200

    def consents(self, number: int, phone: str, state: str, at: datetime) -> None:
        """A customer's consent changes in the shop."""
        told = {
            "state": state,
            "opt_in_level": "single_opt_in",
            "updated_at": at.isoformat(),
            "collected_from": "shopify",
        }
        body = {"customer_id": number, "phone_number": phone, "whats_app_marketing_consent": told}
        assert self.post(body, CONSENT).status_code == 200

    def writes(self, text: str, *, ago: int = 0) -> None:
        """Ann writes to the number, so many seconds ago."""
        said = {
            "from": ANN[1:], "id": f"wamid.{next(NUMBERS)}", "timestamp": str(int(now().timestamp()) - ago),
            "type": "text", "text": {"body": text},
        }  # fmt: skip
        from tests.web.test_bad_input import update

        person = {"profile": {"name": "A"}, "wa_id": ANN[1:]}
        assert self.tell(update("messages", {"contacts": [person], "messages": [said]})).status_code == 200
        self.decide()

    def saved(self, *, at: datetime, **fields: str) -> None:
        """The organisation tells of a contact as it stands."""
        inner = "".join(f"<sf:{name}>{value}</sf:{name}>" for name, value in fields.items())
        body = envelope(
            f"<Notification><Id>04l5g{next(NUMBERS):010d}AAA</Id>"
            '<sObject xsi:type="sf:Contact" xmlns:sf="urn:sobject.enterprise.soap.sforce.com">'
            f"<sf:Id>{CONTACT}</sf:Id><sf:SystemModstamp>{at.isoformat()}</sf:SystemModstamp>{inner}</sObject>"
            "</Notification>"
        )
        assert self.knock(self.org, body, headers={"Content-Type": "text/xml"}).status_code == 200
        self.decide()

    def standing(self, phone: str = ANN, purpose: Purpose = Purpose.MARKETING) -> str:
        """Where somebody stands."""
        with self.store.read() as tx:
            found = people.find(tx, [Key(KeyKind.PHONE, phone), Key(KeyKind.WA_ID, phone)])
            (id_,) = set(found.values())
            held = consents.standings(tx, [id_]).get((id_, purpose))
        return held.state.value if held else "unknown"

    def wishes(self, field: str) -> dict[str, Any]:
        """What is still to be written to a field, by record."""
        return {
            row.record_id: writeback.read(row.value)
            for row in self.rows("wanted")
            if row.field == field and row.state == "waiting" and row.value
        }

    def write_back(self, account: Account) -> list[Change]:
        """Let what has gathered be written; return what that was."""
        seen: list[Change] = []
        crm = FakeCrm()
        plain = crm._write

        def writing(changes: Any) -> Any:
            seen.extend(changes)
            return plain(changes)

        crm._write = writing  # type: ignore[method-assign]
        with time_machine.travel(now() + timedelta(minutes=5), tick=False):
            WriteBack(self.store, account.id, crm, owner="me", should_stop=lambda: False).run()
        return seen


@pytest.fixture
def home(house: House) -> Home:
    house.__class__ = Home
    assert isinstance(house, Home)
    login = {"client_id": "app", "client_secret": "app-secret", "api_url": "http://127.0.0.1:9"}
    house.shop = house.connect(
        "shopify", "aurora", shop="fernhill-tea.myshopify.com", webhook_secret=["shop-secret-3f9a"], country="GB",
        access_token="shpat_fixture", api_url="http://127.0.0.1:9",
    )  # fmt: skip
    house.org = house.connect("salesforce", "crm", organization_id=ORGANIZATION, country="GB", **login)
    for name in ("shopify/contact", "salesforce/contact"):
        house.put(name)
    return house


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "one by one"])
@pytest.mark.parametrize(
    ("states", "end"),
    [
        (["subscribed", "unsubscribed"], "revoked"),
        (["unsubscribed", "subscribed"], "granted"),
        (["subscribed", "unsubscribed", "subscribed"], "granted"),
        (["unsubscribed", "subscribed", "unsubscribed"], "revoked"),
        (["pending", "subscribed", "unsubscribed"], "revoked"),
        (["subscribed", "pending", "redacted"], "granted"),
    ],
    ids=str,
)
def test_consent_webhooks_in_any_order_come_to_the_same(
    home: Home, states: list[str], end: str, together: bool
) -> None:
    start = now() - timedelta(hours=3)
    told = [(state, start + timedelta(minutes=10 * place)) for place, state in enumerate(states)]
    phones = {}
    for number, order in enumerate(permutations(told), start=1):
        phone = phones[number] = f"+4474001234{number:02d}"
        for state, at in (*order, order[0]):  # the first comes once more, at last
            home.consents(number, phone, state, at)
            if not together:
                home.decide()
    home.decide()
    assert {home.standing(phone) for phone in phones.values()} == {end}
    assert set(home.wishes("whatsapp_marketing_consent").values()) <= {
        {"granted": "SUBSCRIBED", "revoked": "UNSUBSCRIBED"}[end]
    }


def test_what_one_of_two_people_with_one_phone_says_holds_for_both(home: Home) -> None:
    at = now() - timedelta(hours=1)
    for number in (1, 2):
        home.customer(number, ANN)
        home.consents(number, ANN, "subscribed", at)
    home.decide()
    assert home.standing() == "granted"
    assert len({row.contact_id for row in home.rows("identity") if row.kind == "record"}) == 1

    home.writes("STOP", ago=60)
    assert home.standing() == "revoked"
    assert home.wishes("whatsapp_marketing_consent") == {"1": "UNSUBSCRIBED", "2": "UNSUBSCRIBED"}

    home.consents(2, ANN, "subscribed", at + timedelta(minutes=5))  # the other one's, from before
    home.decide()
    assert home.standing() == "revoked"

    home.writes("START")
    assert home.standing() == "granted"
    assert home.wishes("whatsapp_marketing_consent") == {}, "the shop has never heard otherwise"


@pytest.mark.parametrize(
    "text",
    [
        "stop 🙏", "🛑", "🛑🛑🛑", "\u200fעצור\u200f", "\u202eעצור\u202c", "أَوْقِف", "ايقاف",
        "\u2067إلغاء الاشتراك\u2069", "退订 🙏", "ＳＴＯＰ", "s\u200bt\u200bo\u200bp", "STOP\ufe0f",
    ],
)  # fmt: skip
def test_a_stop_in_pictures_or_from_right_to_left_is_a_stop(home: Home, text: str) -> None:
    home.put("policy/people", ('stop = ["stop", ', 'stop = ["🛑", "🛑🛑🛑", "stop", '))
    home.customer(1, ANN)
    home.consents(1, ANN, "subscribed", now() - timedelta(hours=1))
    home.writes(text)
    assert home.standing() == "revoked"
    assert home.wishes("whatsapp_marketing_consent") == {"1": "UNSUBSCRIBED"}
    (answer,) = home.rows("message")
    assert answer.recipient == ANN


@pytest.mark.parametrize("text", ["🙏", "👍🏽", "\u200f", "\u202e", "لا أريد التوقف", "please don't 🛑", "😀" * 3000])
def test_other_pictures_and_scripts_are_left_to_people(home: Home, text: str) -> None:
    home.put("policy/people", ('stop = ["stop", ', 'stop = ["🛑", "stop", '))
    home.writes(text)
    assert home.standing() == "unknown"
    assert home.rows("consent") == []


def test_an_echo_of_our_write_with_a_later_time_changes_nothing(home: Home) -> None:
    began = now() - timedelta(hours=1)
    home.saved(at=began, MobilePhone=ANN)
    home.writes("STOP", ago=60)
    before = [row.key for row in home.rows("consent")]
    written = {change.field: change.value for change in home.write_back(home.org)}
    assert written["WhatsApp_Status__c"] == "Opted out"

    later = now() + timedelta(minutes=10)
    with time_machine.travel(later, tick=False):
        told = {name: str(value) for name, value in written.items()}
        for minutes in (0, 1, 2):  # it has a time of its own by which it was saved, and tells of it again and again
            stamp = (later + timedelta(minutes=minutes)).isoformat()
            home.saved(at=later, MobilePhone=ANN, **told | {"WhatsApp_Status_At__c": stamp})
        assert [row.key for row in home.rows("consent")] == before
        assert home.standing() == "revoked"
        assert home.wishes("WhatsApp_Status__c") == {}

        home.writes("START")
        home.saved(at=now() + timedelta(minutes=1), MobilePhone=ANN, **told | {"WhatsApp_Status_At__c": stamp})
        assert home.standing() == "granted", "the echo of a write is no statement, be its time later than the start"
        assert home.wishes("WhatsApp_Status__c") == {CONTACT: "Opted in"}
        again = {change.field: str(change.value) for change in home.write_back(home.org)}
        assert again["WhatsApp_Status__c"] == "Opted in"
        home.saved(at=now() + timedelta(minutes=9), MobilePhone=ANN, **told | again)
        assert home.wishes("WhatsApp_Status__c") == {}
        assert len(home.rows("consent")) == len(before) + 2, "marketing and utility are granted, once"
