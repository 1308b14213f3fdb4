"""From wanted values to Shopify's mutations: what each change asks for, and why some cannot be asked for.

Facts (recorded by others against the real API): a comma inside one tag makes two of it, and matching ignores
case; SUBSCRIBED needs an opt-in level; a moment in the future is refused; WhatsApp consent is kept with the
customer's default phone number, and needs one.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from adapters.shopify import operations
from connector.contract import Change, Delta, Field
from connector.errors import PermanentError
from connector.model import Json

CONSENT = "whatsapp_marketing_consent"
TAGS = "tags"
METAFIELD = "metafield:"

_METAFIELD = Field(
    f"{METAFIELD}*",
    "text",
    "A metafield, named metafield:<namespace>.<key>: metafield:custom.whatsapp_status",
)
_TAGS = Field(TAGS, "list", "Labels; others than those that are added or removed stay")
HOLDS: Mapping[str, tuple[Field, ...]] = {
    "customer": (
        Field(CONSENT, "text", "Consent to WhatsApp marketing: SUBSCRIBED, PENDING or UNSUBSCRIBED"),
        _TAGS,
        _METAFIELD,
    ),
    "order": (_TAGS, _METAFIELD),
}
"""What can be written; a path that ends with ``*`` stands for every name that begins like it."""

_KINDS = {"customer": "Customer", "order": "Order"}
_ID = re.compile(r"[1-9]\d{0,19}")
_NAME = re.compile(r"metafield:(?P<namespace>\$?[A-Za-z0-9_:-]{2,255})\.(?P<key>[A-Za-z0-9_-]{2,64})")
_OPT_IN = {"SUBSCRIBED": "SINGLE_OPT_IN", "PENDING": "CONFIRMED_OPT_IN", "UNSUBSCRIBED": None}
_MOST_TAGS = 250
_NO_PHONE = "phone number is required"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One root field of a mutation, and the changes, by their index, whose outcome its answer tells."""

    field: operations.Field
    variables: Mapping[str, Any] = dataclasses.field(repr=False)
    rows: tuple[int, ...]


def gid(object_: str, record_id: str) -> str:
    """Return Shopify's name of a record. Raises PermanentError where there is no such thing."""
    kind = _KINDS.get(object_)
    if kind is None or not _ID.fullmatch(record_id):
        raise PermanentError(
            "This is no record of Shopify.",
            code="no_record",
            advice=f"Write to {' or '.join(_KINDS)}, by the number that Shopify's admin shows in the address.",
        )
    return f"gid://shopify/{kind}/{record_id}"


def parts(change: Change, row: int, now: datetime) -> Iterator[Part]:
    """Return what a change asks of Shopify. Raises PermanentError where it cannot be asked."""
    owner = gid(change.object, change.record_id)
    if change.field == TAGS:
        yield from _tags(owner, change.value, row)
    elif change.field == CONSENT and change.object == "customer":
        consent = {"customerId": owner, "whatsAppMarketingConsent": _consent(change, now)}
        yield Part(field=operations.WHATSAPP_CONSENT, variables={"input": consent}, rows=(row,))
    elif match := _NAME.fullmatch(change.field):
        metafield = {"ownerId": owner, **match.groupdict(), **_typed(change.value)}
        yield Part(field=operations.METAFIELDS_SET, variables={"metafields": [metafield]}, rows=(row,))
    else:
        raise PermanentError(
            f"A {change.object} of Shopify has no field that could be written by this name.",
            code="no_field",
            advice=f"Write to one of {', '.join(known.path for known in HOLDS[change.object])}.",
        )


def advice(field_: operations.Field, message: str) -> str:
    """Return what to do about a refusal that Shopify words like this."""
    if field_ is operations.WHATSAPP_CONSENT and _NO_PHONE in message.lower():
        return (
            "Shopify keeps WhatsApp consent with the customer's own phone number, and this customer has none. "
            "Map consent to a tag (field tags) or a metafield (metafield:custom.whatsapp_consent) as well."
        )
    if "does not exist" in message.lower():
        return "The record was deleted in Shopify, or merged with another."
    return ""


def _tags(owner: str, value: Json | Delta, row: int) -> Iterator[Part]:
    if not isinstance(value, Delta):
        raise PermanentError("Tags are added and removed one by one; the whole set is never overwritten.", code="tags")
    added, removed = _distinct(value.add), _distinct(value.remove)
    for field_, tags in (
        (operations.TAGS_REMOVE, {folded: tag for folded, tag in removed.items() if folded not in added}),
        (operations.TAGS_ADD, added),
    ):
        if tags:
            yield Part(field=field_, variables={"id": owner, "tags": list(tags.values())}, rows=(row,))


def _distinct(tags: tuple[str, ...]) -> Mapping[str, str]:
    """Return the tags by what Shopify compares: without case. Raises PermanentError."""
    if any("," in tag for tag in tags):
        words = "A tag with a comma would become two tags."
        raise PermanentError(words, code="comma", advice="Give the label a name without a comma.")
    if len(tags) > _MOST_TAGS or not all(tag.strip() for tag in tags):
        raise PermanentError(
            "A tag is blank, or there are more than 250 of them.", code="tags", advice="Correct the label's name."
        )
    return {tag.strip().casefold(): tag.strip() for tag in tags}


def _consent(change: Change, now: datetime) -> Mapping[str, str]:
    state = change.value.upper() if isinstance(change.value, str) else ""
    if state not in _OPT_IN:
        raise PermanentError(
            "Shopify knows no such state of consent.", code="state", advice=f"Map it to {', '.join(_OPT_IN)}."
        )
    told = {"state": state, "updatedAt": _rfc3339(min(change.at or now, now))}
    level = _OPT_IN[state]
    return {**told, "optInLevel": level} if level else told


def _typed(value: Json | Delta) -> Mapping[str, str]:
    if isinstance(value, bool):
        return {"type": "boolean", "value": "true" if value else "false"}
    if isinstance(value, int):
        return {"type": "number_integer", "value": str(value)}
    if isinstance(value, Decimal):
        return {"type": "number_decimal", "value": f"{value:f}"}
    if isinstance(value, str) and value.strip():
        return {"type": "multi_line_text_field" if "\n" in value else "single_line_text_field", "value": value}
    if isinstance(value, list | tuple) and all(isinstance(item, str) for item in value):
        return {"type": "list.single_line_text_field", "value": json.dumps(list(value), ensure_ascii=False)}
    raise PermanentError(
        "A metafield takes a text, a number, a yes or no, or a list of texts, and no blank.",
        code="value",
        advice="Map a blank to a word, such as unknown.",
    )


def _rfc3339(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
