"""The demo's second act: customers answer, people in the shop and the CRM change things, and all three must agree."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from connector.model import AccountId, ContactId, Key, KeyKind, Purpose, now
from connector.sandbox.deliveries import Mix
from connector.sandbox.orders import Order
from connector.sandbox.salesforce.org import SandboxOrg
from connector.sandbox.server import SandboxServer
from connector.sandbox.shopify.shop import SandboxShop
from connector.sandbox.stage import Stage
from connector.store import Store, Transaction, accounts, counts, labels, people, write_backs
from connector.store.wanted import NO_RECORD

ASKED = Mix(total=240)
"""Further orders; those of buyers whose own number is known to the shop are paid on delivery."""
LONGEST_SECONDS = 150.0
QUIET_SECONDS = 3.0
SHOPIFY = {"granted": "SUBSCRIBED", "revoked": "UNSUBSCRIBED"}
SALESFORCE = {"granted": "Opted in", "revoked": "Opted out"}


def way_back(
    stage: Stage, store: Store, sandbox: SandboxServer, shop: SandboxShop, org: SandboxOrg, *, seed: int
) -> list[str]:
    """Play it, compare ledger, shop and CRM field by field, and return where they disagree."""
    console = stage.console
    console.rule("[bold]What customers answer comes back to the shop and the CRM")
    made = shop.stock(ASKED, seed=seed)
    asked = [order for order in made if order.usable and order.place.startswith("customer")]
    contacts = org.take(asked)
    stage.run("mappings", "import", str(_at_once(stage.data)), "--publish")
    console.print(
        f"\n{len(asked)} buyers pay on delivery and are asked by two buttons. Some tap one, some write STOP or START, "
        "some stop marketing in WhatsApp itself. Somebody in the shop tags customers, somebody in Salesforce enters "
        "consent from paper."
    )
    sandbox.configure(taps=0.45, stops=0.15, starts=0.15, opts_out=0.1)
    shop.configure(scatter_ms=400, duplicates=0.1)
    for order in asked:
        shop.fire("orders/create", _on_delivery(order.payload))
    for id_ in contacts.values():
        org.edit("Contact", id_, {"LeadSource": "Web"})
    _wait(console, "customers read and answer", lambda: _is_quiet(store, sandbox, shop, org))
    _people_at_work(shop, org, asked, contacts)
    _wait(console, "shop, CRM and ledger are brought together", lambda: _is_quiet(store, sandbox, shop, org))
    found = _compare(store, shop, org)
    _show(console, sandbox, found, org)
    _explain(stage, found)
    return found.troubles


def _at_once(data: Path) -> Path:
    """Write the shipped question about cash on delivery without its two minutes of waiting, and return where."""
    from importlib.resources import files

    text = files("mappings").joinpath("shopify/cod_confirm.toml").read_text("utf-8")
    folder = data / "own" / "shopify"
    folder.mkdir(parents=True)
    file = folder / "cod_confirm.toml"
    file.write_text(text.replace('delay = "2m"\n', ""), "utf-8")
    return data / "own"


def _on_delivery(order: Mapping[str, Any]) -> dict[str, Any]:
    moment = now().isoformat()
    return {
        **order, "payment_gateway_names": ["Cash on Delivery (COD)"], "financial_status": "pending", "test": False,
        "created_at": moment, "updated_at": moment, "processed_at": moment,
    }  # fmt: skip


def _people_at_work(shop: SandboxShop, org: SandboxOrg, asked: Sequence[Order], contacts: Mapping[str, str]) -> None:
    """Let people change things where they work: in the shop's admin, and in Salesforce."""
    for order in asked[-12:-6]:
        customer = (order.payload.get("customer") or {}).get("id")
        if customer:
            shop.edit_customer(int(customer), add_tags=["vip"])
    for order in asked[-6:]:
        org.edit(
            "Contact",
            contacts[order.phone],
            {
                "WhatsApp_Status__c": "Opted in",
                "WhatsApp_Status_At__c": (now() - timedelta(seconds=1)).isoformat(timespec="milliseconds"),
                "WhatsApp_Status_Source__c": "Paper form at the counter",
                "WhatsApp_Labels__c": "wholesale",
            },
        )


def _wait(console: Console, words: str, is_quiet: Callable[[], bool]) -> None:
    """Wait until nothing has been under way for a while."""
    end, quiet_since = time.monotonic() + LONGEST_SECONDS, 0.0
    with Progress(SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=console) as progress:
        progress.add_task(words)
        while time.monotonic() < end:
            at = time.monotonic()
            quiet_since = (quiet_since or at) if is_quiet() else 0.0
            if quiet_since and at - quiet_since > QUIET_SECONDS:
                return
            time.sleep(0.2)


def _is_quiet(store: Store, sandbox: SandboxServer, shop: SandboxShop, org: SandboxOrg) -> bool:
    if not (sandbox.settled(0) and shop.settled(0) and org.settled(0)):
        return False
    with store.read() as tx:
        told = counts.count(tx, now())
        return not (told.inbox or told.parked or counts.count_open(tx) or _unwritten(tx))


def _unwritten(tx: Transaction) -> bool:
    """Tell whether something is still to be written; people without a record are looked up again tomorrow."""
    states = [state for state in write_backs.OPEN if state != "failed"]
    return any(row.code != NO_RECORD for row in write_backs.listing(tx, states=states, most=2000))


@dataclass(frozen=True, slots=True)
class _Person:
    """One person, as the three know them."""

    contact_id: ContactId
    consent: tuple[str, str, str]
    """By the ledger, the shop, the CRM, each in our words."""
    labels: tuple[frozenset[str], frozenset[str], frozenset[str]]


@dataclass(frozen=True, slots=True)
class _Found:
    people: Sequence[_Person]
    troubles: list[str]


def _compare(store: Store, shop: SandboxShop, org: SandboxOrg) -> _Found:
    with store.read() as tx:
        ids = {row.adapter: row.id for row in accounts.all_(tx)}
        customers = {str(one["id"]): one for one in shop.customers()}
        records = {str(one["Id"]): one for one in org.records("Contact")}
        whose_customer = _whose(tx, ids["shopify"], "customer", customers)
        whose_record = _whose(tx, ids["salesforce"], "Contact", records)
        both = sorted(set(whose_customer) & set(whose_record))
        persons = people.persons(tx, both)
        worn = labels.of(tx, both)
    found: list[_Person] = []
    troubles: list[str] = []
    for id_ in both:
        customer, record = customers[whose_customer[id_]], records[whose_record[id_]]
        standing = persons[id_].standings.get(Purpose.MARKETING)
        person = _Person(
            id_,
            (
                standing.state.value if standing else "unknown",
                _ours(SHOPIFY, str(customer["whatsapp"]["state"])),
                _ours(SALESFORCE, str(record.get("WhatsApp_Status__c") or "")),
            ),
            (
                frozenset(worn.get(id_, {})),
                frozenset(customer["tags"]),
                frozenset(filter(None, str(record.get("WhatsApp_Labels__c") or "").split(";"))),
            ),
        )
        found.append(person)
        troubles += _disagreements(person)
    if not found:
        troubles.append("Nobody is known to both the shop and the CRM.")
    return _Found(found, troubles)


def _whose(tx: Transaction, account_id: AccountId, kind: str, records: Iterable[str]) -> dict[ContactId, str]:
    keys = {Key(KeyKind.RECORD, f"{kind}:{number}", account_id): number for number in records}
    return {id_: keys[key] for key, id_ in people.find(tx, list(keys)).items()}


def _ours(words: Mapping[str, str], told: str) -> str:
    return next((ours for ours, theirs in words.items() if theirs == told), "unknown")


def _disagreements(person: _Person) -> Iterable[str]:
    if len(set(person.consent)) > 1:
        yield f"Contact {person.contact_id}: consent is {' / '.join(person.consent)} in ledger / shop / CRM."
    if len(set(person.labels)) > 1:
        told = " / ".join(",".join(sorted(each)) or "none" for each in person.labels)
        yield f"Contact {person.contact_id}: labels are {told} in ledger / shop / CRM."


def _show(console: Console, sandbox: SandboxServer, found: _Found, org: SandboxOrg) -> None:
    answers = Counter(one.words if one.kind == "text" else f"{one.kind} {one.words!r}" for one in sandbox.said())
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in ("", "LEDGER", "SHOP", "CRM"):
        table.add_column(column, justify="left" if not column else "right")
    for state in ("granted", "revoked", "unknown"):
        table.add_row(
            f"marketing {state}", *(str(sum(each.consent[side] == state for each in found.people)) for side in range(3))
        )
    for name in sorted({name for each in found.people for side in each.labels for name in side}):
        table.add_row(
            f"label {name}", *(str(sum(name in each.labels[side] for each in found.people)) for side in range(3))
        )
    console.print()
    console.print("Answered: " + ", ".join(f"{count} {name}" for name, count in answers.most_common()), soft_wrap=True)
    console.print(table)
    calls = org.calls()
    console.print(
        f"{len(found.people)} people compared field by field; Salesforce was called {sum(calls.values())} times "
        f"({', '.join(f'{count} {name}' for name, count in sorted(calls.items()))}).",
        soft_wrap=True,
    )


def _explain(stage: Stage, found: _Found) -> None:
    """Show why one person who said no is where they are."""
    revoked = next((each for each in found.people if each.consent[0] == "revoked"), None)
    if revoked is not None:
        stage.console.print()
        told = stage.run("consent", "show", revoked.contact_id)
        stage.console.print(told.rstrip(), markup=False, highlight=False, soft_wrap=True)
        stage.console.print()
