"""A house whose shop and organisation can be written to, for tests of what is learned of people there."""

from __future__ import annotations

from datetime import datetime, timedelta
from importlib import resources
from itertools import count
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
from tests.web.test_bad_input import update
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


@pytest.fixture(name="home")
def a_home(house: House) -> Home:
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
