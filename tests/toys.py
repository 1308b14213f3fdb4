"""A made-up shop and a made-up channel, and a registry that knows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from marshmallow import ValidationError, fields, validates_schema

from connector.contract import (
    Adapter,
    ApiUrl,
    Channel,
    Field,
    Finding,
    Receiver,
    SecretField,
    Settings,
    SettingsSchema,
    Topic,
    Visit,
)
from connector.errors import PayloadError, PermanentError
from connector.model import Category, Message, Part, Payload, Sent, Slot, Template
from connector.registry import Registry

SECRET = "hush-hush-9b1f"


class ShopSettings(SettingsSchema):
    shop = fields.String(required=True, metadata={"title": "Shop", "description": "Its name."})
    webhook_secret = SecretField(rotates=True)
    access_token = SecretField()
    rate = fields.Integer(strict=True)
    paths = fields.Dict(keys=fields.String(), values=fields.String())
    api_url = ApiUrl(load_default="https://toy.example")
    health = fields.String(load_default="well")

    @validates_schema
    def _signs(self, data: dict[str, Any], **kwargs: Any) -> None:
        if not data.get("webhook_secret") and not data.get("access_token"):
            raise ValidationError("Set webhook_secret or access_token.", "webhook_secret")


class Door(Receiver):
    """Never opened here; an account needs a receiver to have a webhook URL."""

    def verify(self, request: Any) -> Any:
        raise NotImplementedError

    def key(self, request: Any) -> str:
        raise NotImplementedError

    def parse(self, request: Any) -> Any:
        raise NotImplementedError


class Line(Channel):
    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def send(self, message: Message) -> Sent:
        raise NotImplementedError

    def templates(self) -> Iterable[Template]:
        if self._settings["health"] != "well":
            raise PermanentError("The line is dead.", advice="Pay the bill.")
        return [PAID, SHIPPED]


PAID = Template(
    name="order_paid",
    language="en",
    category=Category.UTILITY,
    status="approved",
    slots=(Slot(key="body.1"), Slot(key="body.2")),
    parts=(Part(kind="body", text="Hello {{1}}, {{2}} is paid.", prefix="body"),),
)
SHIPPED = Template(name="shipped", language="en", category=Category.UTILITY, status="paused")


def _check(visit: Visit) -> Iterable[Finding]:
    health = visit.settings["health"]
    if health == "dead":
        raise PermanentError("It does not answer.", advice="Wake it.")
    yield Finding(name="token", ok=health == "well", words=f"The shop is {health}.", fix="Give it a new token.")
    yield Finding(name="clock", ok=True, words="agrees.")


def _read_templates(payload: Payload) -> Iterable[Template]:
    found = payload.get("data")
    if not isinstance(found, list):
        raise PayloadError("There is no list under data.")
    for each in found:
        yield Template(name=each["name"], language="en", category=Category.UTILITY, status="approved")


TOPIC = Topic(
    name="orders/paid",
    event="order.paid",
    title="Order paid",
    fields=(
        Field("id", "id"),
        Field("name", "text"),
        Field("phone", "phone"),
        Field("customer.first_name", "text"),
    ),
    sample=lambda: {"id": 1, "name": "#1001", "phone": "+4915112345678", "customer": {"first_name": "Zoë"}},
)
SHOP = Adapter(
    name="toyshop",
    title="Toy shop",
    settings=ShopSettings,
    hosts=lambda settings: [settings["api_url"].partition("//")[2]],
    receiver=lambda settings: Door(),
    check=_check,
    topics=(TOPIC,),
)
LINE = Adapter(
    name="toyline",
    title="Toy line",
    settings=ShopSettings,
    receiver=lambda settings: Door(),
    channel=lambda settings, http: Line(settings),
    read_templates=_read_templates,
)


ANY = Adapter(name="toyany", title="Toy of any event", settings=ShopSettings, receiver=lambda settings: Door())


class ToyRegistry(Registry):
    """Knows the toys, and whatever is installed."""

    def get(self, name: str) -> Adapter:
        return {"toyshop": SHOP, "toyline": LINE, "toyany": ANY}.get(name) or super().get(name)

    def names(self) -> list[str]:
        return ["toyany", "toyline", "toyshop"]


RECIPE = """\
title = "Order paid"

[when]
event = "order.paid"
adapter = "toyshop"

[to]
phone = ["{{ phone }}"]

[template]
name = "order_paid"
language = "en"

[slots]
body.1 = "{{ customer.first_name | default: 'there' }}"
body.2 = "{{ name }}"
"""
"""A mapping that fits the toys."""
