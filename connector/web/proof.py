"""The page that proves a person's consent: printable, in one file, without scripts."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from connector.flow.proof import Proof
from connector.model import Purpose, Source

SOURCES = {
    Source.CHECKOUT: "Checkout",
    Source.SHOP: "Shop record",
    Source.CRM: "CRM record",
    Source.KEYWORD: "Message",
    Source.BUTTON: "Button",
    Source.PREFERENCE: "Channel setting",
    Source.REFUSAL: "Channel refusal",
    Source.SIGNUP: "Channel opt-in",
    Source.API: "API",
    Source.IMPORT: "Import",
    Source.ADMIN: "Admin",
}


def render(proof: Proof) -> str:
    """Return a proof as HTML; everything that came from outside is escaped."""
    return _template().render(proof=proof, purposes=list(Purpose), sources=SOURCES)


@cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("connector.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"moment": _moment, "day": _day, "clock": _clock}
    return environment.get_template("proof.html")


def _moment(at: datetime) -> str:
    return f"{_day(at)} {_clock(at)}"


def _day(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d}"


def _clock(at: datetime) -> str:
    return f"{at.astimezone(UTC):%H:%M:%S} +00:00"
