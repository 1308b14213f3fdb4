"""How many API calls it costs to tell a Salesforce org what ten thousand people want.

The whole connector runs beside it (web, workers, clock); the org is the sandbox's, over HTTP.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from connector.flow import accounts
from connector.flow.writeback import Want, want
from connector.model import Account, now
from connector.sandbox.salesforce import SandboxOrg
from connector.sandbox.server import SandboxServer
from connector.store import write_backs
from tests.benchmarks.stage import Stage, stage

TARGET = 60
TAPS = 50
MINUTE = 60.0
PATIENCE = 180.0
SOURCE = "WhatsApp: keyword"

Say = Callable[[str], None]


@dataclass
class Org:
    """A stand-in org with contacts, and the account that is connected to it."""

    org: SandboxOrg
    account: Account
    contacts: list[str]


def measure(database: str, count: int, say: Say) -> dict[str, Any]:
    """Count calls: many people at once, as many within a minute, and one who cannot make up their mind."""
    say(f"\nWriting back on {database}: {count} opt-ins of three fields each to a Salesforce org")
    with stage(database) as setting, _orgs(setting, once=count, minute=count, one=1) as orgs, setting.running("run"):
        for name, org in orgs.items():
            _begin(org, anew=name != "one")
        told = {"at_once": _measured("all at once", setting, orgs["once"], count, 0.0, say)}
        tapping = threading.Thread(target=_tap, args=(setting, orgs["one"]))
        tapping.start()
        seconds = MINUTE * min(1.0, count / 10_000)
        told["in_a_minute"] = _measured(f"within {seconds:.0f} s", setting, orgs["minute"], count, seconds, say)
        tapping.join()
        _wait(setting, orgs["one"])
        told["one_person"] = _told(orgs["one"], 1)
    rows, calls = told["one_person"]["rows"], told["one_person"]["kinds"].get("update", 0)
    say(f"  one person, {TAPS} changes of mind in a minute: {rows} row in {calls} call (target 1 in 1)")
    return told


@contextmanager
def _orgs(setting: Stage, **sizes: int) -> Iterator[dict[str, Org]]:
    servers: list[SandboxServer] = []
    found: dict[str, Org] = {}
    tools = setting.tools
    try:
        for name, size in sizes.items():
            org = SandboxOrg()
            server = SandboxServer(tenants=[org])
            server.start()
            servers.append(server)
            contacts = [
                org.create("Contact", {"LastName": f"Buyer {number}"}, by="integration") for number in range(size)
            ]
            given = {"client_id": "sandbox-client", "client_secret": "sandbox-secret", "api_url": server.url}
            given["organization_id"] = org.org_id
            account = accounts.connect(tools.store, tools.registry, tools.vault, "salesforce", name, given)
            found[name] = Org(org=org, account=account, contacts=contacts)
        yield found
    finally:
        for server in servers:
            server.close()


def _begin(org: Org, *, anew: bool) -> None:
    """Count from when the connector has looked the account over; the next time is in a quarter of an hour.

    ``anew``: the session it got then ends here, so that whoever writes first is refused and must log in.
    """
    end, calls = time.monotonic() + PATIENCE, -1
    while (found := org.org.stats()["total_calls"]) != calls or not found:
        if time.monotonic() > end:
            raise RuntimeError("The account is never looked over.")
        calls = found
        time.sleep(3)
    if anew:
        org.org.expire()
    org.org.reset()


def _measured(words: str, setting: Stage, org: Org, count: int, seconds: float, say: Say) -> dict[str, Any]:
    """Let people opt in, evenly within so many seconds, and wait until the org knows of all of them."""
    started, done = time.monotonic(), 0
    while done < count:
        share = (time.monotonic() - started) / seconds if seconds else 1.0
        upto = min(count, int(share * count), done + 500)
        if upto > done:
            _opt_in(setting, org, org.contacts[done:upto], "Opted in")
            done = upto
        else:
            time.sleep(0.05)
    last = time.monotonic()
    _wait(setting, org)
    told = _told(org, count) | {"seconds_after_the_last": round(time.monotonic() - last, 1)}
    target = f" (target {TARGET})" if count >= 10_000 else ""
    say(
        f"  {words}: {told['calls']} API calls{target}, {told['seconds_after_the_last']} s after the last change; "
        f"{told['wrong']} wrong; {told['kinds']}"
    )
    return told


def _opt_in(setting: Stage, org: Org, contacts: list[str], status: str) -> None:
    at = now()
    values = {
        "WhatsApp_Status__c": status, "WhatsApp_Status_At__c": f"{at:%Y-%m-%dT%H:%M:%SZ}",
        "WhatsApp_Status_Source__c": SOURCE,
    }  # fmt: skip
    wants = [
        Want(account_id=org.account.id, object="Contact", record_id=id_, field=field, value=value, at=at)
        for id_ in contacts
        for field, value in values.items()
    ]
    with setting.tools.store.write() as tx:
        want(tx, wants, at)


def _tap(setting: Stage, org: Org) -> None:
    started = time.monotonic()
    for number in range(TAPS):
        time.sleep(max(0.0, started + number * MINUTE / TAPS - time.monotonic()))
        _opt_in(setting, org, org.contacts, "Opted in" if number % 2 else "Opted out")


def _wait(setting: Stage, org: Org) -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        with setting.tools.store.read() as tx:
            if not write_backs.count(tx).get(org.account.id):
                return
        time.sleep(0.2)
    raise RuntimeError((setting.tools.settings.data / "bench.log").read_text()[-3000:])


def _told(org: Org, count: int) -> dict[str, Any]:
    stats = org.org.stats()
    right = sum(
        record.get("WhatsApp_Status__c") == "Opted in" and record.get("WhatsApp_Status_Source__c") == SOURCE
        for record in org.org.records("Contact")
    )
    return {
        "calls": stats["total_calls"], "kinds": stats["calls"], "rows": sum(stats["rows"].values()),
        "wrong": count - right,
    }  # fmt: skip
