"""What templates show of values: personal data as far as who looks may see it, moments, states."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from flask import g
from markupsafe import Markup

from connector.contract import Field
from connector.flow import explain, mask
from connector.flow.bubble import TICKS
from connector.model import Json, Permission
from connector.store.views import MessageRow
from connector.web.console.frame import console, may


def sees_people() -> bool:
    """Tell whether who looks may see personal data; if so, this page counts as a look at it.

    To be called where such data is about to be shown, and nowhere else: it is what the audit log goes by.
    """
    if not may(Permission.SEE_PEOPLE):
        return False
    g.saw_people = True
    return True


@console.app_template_filter("personal")
def personal(value: str | None) -> str:
    """Show a text that may tell of a person, or its mask."""
    if not value:
        return ""
    return value if sees_people() else mask.text(value)


@console.app_template_filter("number")
def number(value: str | None) -> str:
    """Show a phone number whole, or only its end."""
    if not value:
        return ""
    return value if sees_people() else explain.hide_phone(value)


def payload(value: Json, fields: Collection[Field] = ()) -> Json:
    """Return a payload as who looks may see it."""
    return value if sees_people() else mask.payload(value, fields)


@console.app_template_filter("moment")
def show_moment(at: datetime | None) -> Markup:
    """Draw a moment; the script of the page turns it into the viewer's own zone."""
    if at is None:
        return Markup("")
    utc = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        utc.isoformat(timespec="milliseconds").replace("+00:00", "Z"), f"{utc:%d %b %H:%M} UTC"
    )


@console.app_template_filter("plain")
def plain(word: object) -> str:
    """Write a word of the database as people do."""
    return str(word).replace("_", " ")


@console.app_template_filter("ticks")
def ticks(row: MessageRow) -> Any:
    """Return the signs that say how far a message has come."""
    return TICKS[row.state]


@console.app_template_filter("count")
def count(value: int | None) -> str:
    """Write a number with its thousands apart; a dash where there is none."""
    return "–" if value is None else f"{value:,}"


console.add_app_template_filter(explain.hide_phone, "phone")
console.add_app_template_filter(explain.hide_phones, "hide_phones")
console.add_app_template_filter(explain.outcome, "outcome")
