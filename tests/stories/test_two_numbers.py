"""Two shops and two numbers in one installation."""

from __future__ import annotations

from connector.model import State
from connector.sandbox import store as shop
from connector.sandbox.deliveries import Mix
from connector.sandbox.store import Posted
from connector.store import accounts as rows
from tests.stories.conftest import OpenStage
from tests.stories.kit import SHOP, SHOP_SECRET, TOKEN, Stage, Whatsapp

SIDES = ("north", "south")


def test_each_message_leaves_by_its_own_number_and_a_suspended_one_keeps_its_messages(open_stage: OpenStage) -> None:
    stage = open_stage()
    south = stage.stack.enter_context(Whatsapp(receipt_ms=600, phone_number_ids=("100200300400599",)))
    numbers = {"north": stage.whatsapp, "south": south}
    urls = {side: stage.wiring.settings.webhook_url(stage.connect_shop(side).token) for side in SIDES}
    for side, whatsapp in numbers.items():
        stage.connect_number(f"{side}-number", whatsapp)
        changes = {
            'adapter = "shopify"': f'adapter = "shopify"\naccounts = ["{side}"]',
            'name = "order_paid"': f'name = "order_paid"\naccount = "{side}-number"',
        }
        stage.publish("order_paid", f"{side}/order_paid", changes=changes)
    stage.run()

    south.configure(token="another-one")
    for side in SIDES:
        assert _post(urls[side], 20, seed=1 + SIDES.index(side)).ok
    stage.until("the north is served", lambda: stage.states().get(State.READ) == 20)
    stage.until("the south is suspended", lambda: not _is_active(stage, "south-number"))
    stage.until("its messages wait", lambda: stage.states() == {State.READ: 20, State.WAITING: 20})
    assert (stage.taken(), south.stats()["accepted"]) == (20, 0)

    refused = stage.command("accounts", "check", "south-number")
    assert refused.returncode == 1, refused.stdout + refused.stderr
    assert not _is_active(stage, "south-number")
    south.configure(token=TOKEN)
    mended = stage.command("accounts", "check", "south-number")
    assert mended.returncode == 0, mended.stdout + mended.stderr
    stage.until("all are read", lambda: stage.states() == {State.READ: 40})
    for whatsapp in numbers.values():
        assert (whatsapp.stats()["unique"], whatsapp.stats()["duplicates"]) == (20, 0)


def _post(url: str, total: int, seed: int) -> Posted:
    return shop.post(url, secret=SHOP_SECRET, shop=SHOP, mix=Mix(total=total), seed=seed)


def _is_active(stage: Stage, name: str) -> bool:
    with stage.store.read() as tx:
        row = rows.get_by_name(tx, name)
    assert row is not None
    return row.active
