"""Messages that wait: for their hour, and for the event that makes them needless."""

from __future__ import annotations

from connector.model import State, now
from connector.sandbox.orders import Order, orders, stamped
from tests.stories.conftest import OpenStage
from tests.stories.kit import SHOP


def test_an_abandoned_checkout_is_reminded_once_and_a_bought_one_never(open_stage: OpenStage) -> None:
    stage = open_stage()
    urls = {name: stage.wiring.settings.webhook_url(stage.connect_shop(name).token) for name in ("patient", "hasty")}
    stage.connect_number()
    for name, delay in (("patient", "1h"), ("hasty", "4s")):
        of_this_shop = f'adapter = "shopify"\naccounts = ["{name}"]'
        changes = {'adapter = "shopify"': of_this_shop, 'delay = "1h"': f'delay = "{delay}"\nquiet = false'}
        stage.publish("abandoned_checkout", f"{name}/abandoned_checkout", changes=changes)
    stage.run("--workers", "1")
    bought, abandoned = (_fresh(seed) for seed in (1, 2))

    assert stage.deliver("checkouts/update", bought, urls["patient"]) == 200
    stage.until("a reminder waits for its hour", lambda: stage.states() == {State.WAITING: 1})
    assert stage.deliver("orders/create", bought, urls["patient"]) == 200
    stage.until("it is called off", lambda: stage.states() == {State.CANCELLED: 1})

    for _ in range(2):  # every step in the checkout tells the same again
        assert stage.deliver("checkouts/update", abandoned, urls["hasty"]) == 200
    stage.until("the other is reminded", lambda: stage.states() == {State.CANCELLED: 1, State.READ: 1})
    assert stage.whatsapp.stats()["by_template"] == {"abandoned_checkout": 1}


def _fresh(seed: int) -> Order:
    """Return an order of this moment whose buyer agreed to marketing."""
    order = next(orders(seed, 1, unusable=0, shop=SHOP))
    moment = stamped(now())
    agreed = {"buyer_accepts_marketing": True, "created_at": moment, "updated_at": moment}
    return Order(payload=order.payload | agreed, name=order.name, usable=True, phone=order.phone, place=order.place)
