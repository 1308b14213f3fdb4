"""Shop and CRM are down, refuse us or have had enough of us: what people say is written when they are back."""

from __future__ import annotations

import signal

from connector.model import now
from connector.sandbox.orders import orders
from connector.store import accounts, write_backs
from tests.stories.conftest import OpenStage
from tests.stories.kit import PATIENCE, SHOP
from tests.stories.town import OPTED_OUT, UNSUBSCRIBED, Town, eventually, open_town


def test_one_vendor_in_trouble_holds_up_no_other_and_nothing_is_lost(open_stage: OpenStage) -> None:
    town = open_town(open_stage, org={"echo": True})
    town.stage.publish("order_paid")
    town.stage.run("--workers", "1")
    ann, bob = town.settle_in(2)

    # The CRM is down: the shop goes on.
    town.org.configure(down=True)
    town.write(ann, "STOP")
    eventually(
        town,
        {
            "the shop knows": lambda: town.at_shop(ann)[0] == UNSUBSCRIBED,
            "the CRM is left alone for a while": lambda: "org" in _held_back(town),
        },
    )
    assert town.at_org(ann)[0] != OPTED_OUT

    # It is back, and has forgotten our session; now the shop has had enough of us.
    town.org.expire()
    logins = town.org.calls().get("login", 0)
    town.shop.configure(throttled=True)
    town.org.configure(down=False)
    town.write(bob, "STOP")
    eventually(
        town,
        {
            "the shop is left alone for a while": lambda: "shop" in _held_back(town),
        },
    )
    assert town.shop.stats()["calls"]["throttled"] <= 2
    eventually(
        town,
        {
            "the CRM knows": lambda: (town.at_org(ann)[0], town.at_org(bob)[0]) == (OPTED_OUT, OPTED_OUT),
        },
    )
    assert town.org.calls()["login"] == logins + 1
    assert town.at_shop(bob)[0] != UNSUBSCRIBED
    order = next(orders(5, 1, unusable=0, shop=SHOP))
    assert town.stage.deliver("orders/paid", order) == 200
    town.stage.until("orders are told meanwhile", lambda: town.told("order_paid") == 1)
    town.shop.configure(throttled=False)

    # The CRM takes our app away: the account is suspended until somebody has mended it.
    town.org.configure(refused=True)
    town.org.expire()
    town.write(bob, "START")
    town.stage.until("the account is suspended", lambda: _suspended(town))
    assert "Copy the consumer secret again" in _suspended(town)
    assert town.stage.command("accounts", "check", "aurora-crm").returncode == 1
    assert _suspended(town)
    town.org.configure(refused=False)
    mended = town.stage.command("accounts", "check", "aurora-crm")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    eventually(
        town,
        {
            "all agree that Ann is out": lambda: town.agree(ann, "revoked"),
            "all agree that Bob is in": lambda: town.agree(bob, "granted"),
        },
    )
    town.stage.until("nothing is left to be written", lambda: not town.rows("org") + town.rows("shop"))


def test_everything_killed_while_it_writes_back_leaves_all_three_agreed(open_stage: OpenStage) -> None:
    town = open_town(open_stage, org={"echo": True})
    part = town.stage.run()
    crowd = town.settle_in(30)
    town.stage.until("the first chores are done", lambda: town.shop.subscriptions() and town.org.calls().get("query"))
    for vendor in (town.shop, town.org):
        vendor.configure(latency_ms=15_000.0)
    for who in crowd:
        town.write(who, "STOP")
    town.stage.until("both are being written to", lambda: town.rows("shop", "leased") and town.rows("org", "leased"))
    part.send(signal.SIGKILL, group=True)
    part.ended(PATIENCE)
    town.stage.until("nothing of it lives", lambda: not town.stage.processes())
    assert town.rows("shop", "leased")
    assert town.rows("org", "leased")
    for vendor in (town.shop, town.org):
        vendor.configure(latency_ms=0.0)
    town.stage.run()
    town.stage.until("all agree", lambda: all(town.agree(who, "revoked") for who in crowd))
    town.rest()
    assert not town.rows("org") + town.rows("shop")
    assert all(len(town.answers(who)) == 1 for who in crowd)


def _held_back(town: Town) -> set[str]:
    with town.stage.store.read() as tx:
        held = write_backs.holding_back(tx, now())
    return {name for name, id_ in town.ids.items() if id_ in held}


def _suspended(town: Town) -> str:
    """Return why the CRM's account is suspended; empty: it is not."""
    with town.stage.store.read() as tx:
        row = accounts.get_by_name(tx, "aurora-crm")
    assert row is not None
    return "" if row.active else row.note
