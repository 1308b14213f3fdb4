"""A town for stories about people: a shop and an org that know the same people, and the connector between them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from connector.flow import accounts, due, publish
from connector.model import (
    Account,
    AccountId,
    ConsentState,
    ContactId,
    Key,
    KeyKind,
    Purpose,
    Standing,
    now,
)
from connector.sandbox.receipts import inbound_body, user_id_of
from connector.sandbox.salesforce import SandboxOrg
from connector.sandbox.shopify import SandboxShop
from connector.sandbox.shopify.shop import API_VERSION
from connector.store import Transaction, consents, counts, labels, people, write_backs
from connector.store.wanted import NO_RECORD, Row
from tests.stories.conftest import OpenStage
from tests.stories.kit import ROOT, SHOP, SHOP_SECRET, Stage

STATUS, STATUS_AT, STATUS_SOURCE, LABELS = (
    "WhatsApp_Status__c", "WhatsApp_Status_At__c", "WhatsApp_Status_Source__c", "WhatsApp_Labels__c",
)  # fmt: skip
OPTED_IN, OPTED_OUT = "Opted in", "Opted out"
SUBSCRIBED, UNSUBSCRIBED = "SUBSCRIBED", "UNSUBSCRIBED"
MAPPINGS = ("policy/people", "shopify/contact", "salesforce/contact")
QUIET_SECONDS = 1.5
"""Nothing has been under way for so long: nothing more comes by itself."""
OURS = {"granted": (SUBSCRIBED, OPTED_IN), "revoked": (UNSUBSCRIBED, OPTED_OUT)}
"""Our state -> the shop's word and the org's."""


@dataclass(frozen=True, kw_only=True)
class Townsman:
    """One person: a customer of the shop, a contact of the org, a number on WhatsApp."""

    phone: str = field(repr=False)
    customer_id: int
    record_id: str


@dataclass
class Town:
    """A stage with a shop and an org that are connected to it."""

    stage: Stage
    shop: SandboxShop
    org: SandboxOrg
    ids: dict[str, AccountId] = field(default_factory=dict)
    people: list[Townsman] = field(default_factory=list)

    # -- setting up -------------------------------------------------------------------------------------

    def connect(self) -> Town:
        """Connect shop, org and number, and publish how people are known; events go to our webhooks from now on."""
        stage, server = self.stage, self.stage.whatsapp
        at_shop = f"{server.url}/admin/api/{API_VERSION}"
        shop = self._connect(
            "shopify", "aurora-tea", shop=SHOP, client_id="app", client_secret=SHOP_SECRET, api_url=at_shop
        )
        given = {"organization_id": self.org.org_id, "client_id": "app", "client_secret": "app", "api_url": server.url}
        org = self._connect("salesforce", "aurora-crm", **given)
        self.ids |= {"shop": shop.id, "org": org.id}
        stage.shop_url = stage.wiring.settings.webhook_url(shop.token)
        self.shop.configure(webhook_url=stage.shop_url)
        self.org.configure(webhook_url=stage.wiring.settings.webhook_url(org.token))
        stage.connect_number(in_doubt_seconds=60)  # longer than it takes to come back after a fall
        for name in MAPPINGS:
            publish.save(stage.store, name, (ROOT / "mappings" / f"{name}.toml").read_text())
            publish.publish(stage.store, stage.wiring.registry, name)
        return self

    def _connect(self, adapter: str, name: str, **given: str) -> Account:
        tools = self.stage.wiring
        return accounts.connect(tools.store, tools.registry, tools.vault, adapter, name, given)

    def settle_in(self, count: int) -> list[Townsman]:
        """Let people be added in the shop and in the org, and wait until we know that these are the same."""
        come = [self._new(len(self.people) + place) for place in range(count)]
        self.people += come
        self.stage.until("everybody is known from both", lambda: len(self.whose(come)) == count)
        return come

    def _new(self, place: int) -> Townsman:
        phone = f"+44740012{place:04d}"
        name = {"first_name": "Person", "last_name": f"No {place}", "email": f"person{place}@town.example"}
        customer_id = self.shop.add_customer(phone=phone, **name)
        record_id = self.org.create("Contact", {"FirstName": "Person", "LastName": f"No {place}", "MobilePhone": phone})
        return Townsman(phone=phone, customer_id=customer_id, record_id=record_id)

    # -- what people do ---------------------------------------------------------------------------------

    def write(self, who: Townsman, text: str) -> str:
        """Let somebody write; return the message's id."""
        return str(self.stage.whatsapp._control._inbound({"from": who.phone, "text": text})["id"])

    def write_again(self, who: Townsman, text: str, wamid: str) -> int:
        """Let Meta tell of a message once more, under the same id; return the status."""
        number = next(iter(self.stage.whatsapp._graph.numbers.values()))
        digits = who.phone.removeprefix("+")
        told = {
            "from": digits, "from_user_id": user_id_of(digits), "id": wamid, "timestamp": str(int(time.time())),
            "type": "text", "text": {"body": text},
        }  # fmt: skip
        contact = {"profile": {"name": "Customer"}, "wa_id": digits, "user_id": user_id_of(digits)}
        return self.stage.whatsapp._courier.post(None, inbound_body(number, told, contact))

    def tap(self, phone: str, label: str, payload: str, wamid: str) -> None:
        """Let somebody tap a button of a message."""
        told = {"from": phone, "button": label, "payload": payload, "in_reply_to": wamid}
        self.stage.whatsapp._control._inbound(told)

    def edit(self, who: Townsman, **fields: Any) -> None:
        """Let somebody in the org change a contact."""
        self.org.edit("Contact", who.record_id, fields)

    def again(self, chore: str, account: str) -> None:
        """Let it be time for a chore of the shop's or the org's account once more."""
        with self.stage.store.write() as tx:
            due.set_due(tx, chore, self.ids[account], now())

    # -- looking ----------------------------------------------------------------------------------------

    def whose(self, people_: Iterable[Townsman]) -> dict[str, ContactId]:
        """Return the contacts of people, by phone, whom we know by both records."""
        with self.stage.store.read() as tx:
            return {one.phone: id_ for one in people_ if (id_ := self._contact(tx, one))}

    def knows(self, phone: str) -> bool:
        """Tell whether anybody is known by a number."""
        with self.stage.store.read() as tx:
            return bool(people.find(tx, [Key(kind, phone) for kind in (KeyKind.PHONE, KeyKind.WA_ID)]))

    def _contact(self, tx: Transaction, who: Townsman) -> ContactId | None:
        keys = [
            Key(KeyKind.RECORD, f"customer:{who.customer_id}", self.ids["shop"]),
            Key(KeyKind.RECORD, f"Contact:{who.record_id}", self.ids["org"]),
        ]
        found = people.find(tx, keys)
        return found[keys[0]] if len(found) == 2 and len(set(found.values())) == 1 else None

    def at_shop(self, who: Townsman) -> tuple[str, set[str]]:
        """Return somebody's consent and tags in the shop."""
        held = self.shop.customer(who.customer_id)
        return str(held["whatsapp"]["state"]), set(held["tags"])

    def at_org(self, who: Townsman) -> tuple[str, set[str]]:
        """Return somebody's consent and labels in the org."""
        held = self.org.record("Contact", who.record_id)
        return str(held[STATUS] or ""), set(filter(None, str(held[LABELS] or "").split(";")))

    def standing(self, who: Townsman) -> Standing:
        """Return where somebody stands about marketing, by the ledger."""
        id_ = self.whose([who])[who.phone]
        with self.stage.store.read() as tx:
            return consents.standings(tx, [id_]).get((id_, Purpose.MARKETING), Standing(state=ConsentState.UNKNOWN))

    def entries(self, who: Townsman) -> list[tuple[str, str, str]]:
        """Return what the ledger holds about somebody's marketing: source, state and wording."""
        with self.stage.store.read() as tx:
            found = consents.of(tx, self.whose([who]).values(), [Purpose.MARKETING])
        return [(entry.source.value, entry.state.value, entry.wording) for entry in found]

    def labels(self, who: Townsman) -> set[str]:
        """Return what labels somebody has, by us."""
        id_ = self.whose([who])[who.phone]
        with self.stage.store.read() as tx:
            return set(labels.of(tx, [id_]).get(id_, {}))

    def agree(self, who: Townsman, state: str) -> bool:
        """Tell whether shop, org and ledger all say this of somebody's consent."""
        at_shop, at_org = OURS[state]
        told = self.standing(who).state.value, self.at_shop(who)[0], self.at_org(who)[0]
        return told == (state, at_shop, at_org)

    def rows(self, account: str, *states: str) -> list[Row]:
        """Return what waits to be written to the shop or the org."""
        with self.stage.store.read() as tx:
            return write_backs.listing(tx, self.ids[account], states=states or write_backs.OPEN, most=5000)

    def answers(self, who: Townsman) -> list[str]:
        """Return the plain texts that somebody got, the newest first."""
        sent = [one["request"] for one in self.stage.whatsapp.messages(10_000)]
        mine = [one for one in sent if _is_to(one, who.phone) and one["type"] == "text"]
        return [one["text"]["body"] for one in mine]

    def told(self, template: str) -> int:
        """Return how many messages of a template were sent."""
        return int(self.stage.whatsapp.stats()["by_template"].get(template, 0))

    def is_quiet(self) -> bool:
        """Tell whether nothing is under way anywhere."""
        if not (self.stage.whatsapp.settled(0) and self.shop.settled(0) and self.org.settled(0)):
            return False
        with self.stage.store.read() as tx:
            told = counts.count(tx, now())
            rows = write_backs.listing(tx, states=[one for one in write_backs.OPEN if one != "failed"], most=5000)
            written = all(row.code == NO_RECORD for row in rows)
            return not (told.inbox or told.parked or counts.count_open(tx)) and written

    def rest(self) -> None:
        """Wait until nothing has been under way for a while."""
        since = [0.0]

        def quiet() -> bool:
            at = time.monotonic()
            since[0] = (since[0] or at) if self.is_quiet() else 0.0
            return bool(since[0]) and at - since[0] > QUIET_SECONDS

        self.stage.until("nothing is under way any more", quiet)


def _is_to(request: Mapping[str, Any], phone: str) -> bool:
    return phone.removeprefix("+") in str(request.get("to", ""))


def open_town(open_stage: OpenStage, *, org: Mapping[str, Any] | None = None, **given: Any) -> Town:
    """Open a stage with a shop and an org on it; ``org``: its settings, else ``open_stage``'s."""
    shop = SandboxShop(shop=SHOP, client_id="app", client_secret=SHOP_SECRET)
    crm = SandboxOrg(client_id="app", client_secret="app", **(org or {}))
    return Town(open_stage(tenants=(shop, crm), **given), shop, crm).connect()


def eventually(town: Town, wanted: Mapping[str, Callable[[], bool]]) -> None:
    """Wait until all of these hold; tell which do not."""
    left = dict(wanted)

    def all_hold() -> bool:
        for words in [words for words, holds in left.items() if holds()]:
            del left[words]
        return not left

    try:
        town.stage.until("all of it", all_hold)
    except AssertionError as fault:
        raise AssertionError(f"Not so: {', '.join(left)}. {fault}") from None
