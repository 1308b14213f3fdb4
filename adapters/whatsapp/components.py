"""From slots to Meta's ``template.components[]``.

Slot keys are those that :mod:`adapters.whatsapp.templates` reads out of a template. Meta's examples write
``index`` as text and as number and ``sub_type`` in both cases; it takes either, and we send text and lower
case. An empty value counts as none.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from connector.errors import PermanentError
from connector.model import Category, Message

Component = dict[str, Any]
_MEDIA = ("image", "video", "document")
NAMED_HEADER = "text."
"""In front of a header's variable whose name is also that of another header slot."""


def components(message: Message) -> list[Component]:
    """Return the components of a message, in Meta's order. Raises PermanentError where slots do not fit."""
    slots = {key: value for key, value in message.slots.items() if value}
    cards = _groups(slots, "card.")
    found = list(_bubble(slots))
    if offer := slots.get("offer.expires"):
        moment = {"expiration_time_ms": _whole("offer.expires", offer)}
        found.append(_component("limited_time_offer", {"type": "limited_time_offer", "limited_time_offer": moment}))
    if cards:
        deck = [{"card_index": int(index), "components": list(_bubble(card))} for index, card in cards]
        found.append({"type": "carousel", "cards": deck})
    if message.category is Category.AUTHENTICATION and (code := slots.get("body.1")):
        # The one code goes twice: into the text and behind the button that copies or fills it in.
        found = [one for one in found if one["type"] != "button"]
        found.append(_button("0", "url", {"type": "text", "text": code}))
    return found


def _bubble(slots: Mapping[str, str]) -> Iterable[Component]:
    """Yield header, body and buttons of a message or of one card."""
    if header := _under(slots, "header."):
        yield _component("header", _header(header))
    if body := _under(slots, "body."):
        yield _component("body", *_texts(body))
    for index, button in _groups(slots, "button."):
        yield from _buttons(index, button)


def _header(slots: Mapping[str, str]) -> Component:
    for kind in _MEDIA:
        if source := slots.get(kind):
            media = {"link" if "://" in source else "id": source}
            if kind == "document" and (name := slots.get("filename")):
                media["filename"] = name
            return {"type": kind, kind: media}
    if "latitude" in slots or "longitude" in slots:
        place = {name: slots[name] for name in ("latitude", "longitude", "name", "address") if name in slots}
        return {"type": "location", "location": place}
    if text := slots.get("text"):
        return {"type": "text", "text": text}
    name, text = next(iter(slots.items()))
    return {"type": "text", "parameter_name": name.removeprefix(NAMED_HEADER), "text": text}


def _texts(slots: Mapping[str, str]) -> list[Component]:
    """Return a body's parameters: by position where the keys are numbers, by name otherwise."""
    if not all(name.isascii() and name.isdigit() for name in slots):
        return [{"type": "text", "parameter_name": name, "text": text} for name, text in slots.items()]
    numbers = sorted(map(int, slots))
    if numbers != list(range(1, len(numbers) + 1)):
        # Meta counts by position: what follows a gap would slide into the wrong place.
        raise PermanentError(
            "The body's values have a gap, so the rest would move up.",
            advice="Fill every slot of the body in the mapping.",
        )
    return [{"type": "text", "text": slots[str(number)]} for number in numbers]


def _buttons(index: str, slots: Mapping[str, str]) -> Iterable[Component]:
    if suffix := slots.get("url"):
        yield _button(index, "url", {"type": "text", "text": suffix})
    if payload := slots.get("payload"):
        yield _button(index, "quick_reply", {"type": "payload", "payload": payload})
    if code := slots.get("code"):
        yield _button(index, "copy_code", {"type": "coupon_code", "coupon_code": code})
    if "token" in slots or "data" in slots:
        flow: Component = {"flow_token": slots["token"]} if "token" in slots else {}
        if data := slots.get("data"):
            flow["flow_action_data"] = _structure(f"button.{index}.data", data)
        yield _button(index, "flow", {"type": "action", "action": flow})
    if "product" in slots or "sections" in slots:
        action: Component = {"thumbnail_product_retailer_id": slots["product"]} if "product" in slots else {}
        if sections := slots.get("sections"):
            action["sections"] = _structure(f"button.{index}.sections", sections)
        yield _button(index, "mpm" if sections else "catalog", {"type": "action", "action": action})


def _component(kind: str, *parameters: Component) -> Component:
    return {"type": kind, "parameters": list(parameters)}


def _button(index: str, kind: str, parameter: Component) -> Component:
    return {"type": "button", "sub_type": kind, "index": index, "parameters": [parameter]}


def _under(slots: Mapping[str, str], start: str) -> dict[str, str]:
    return {key[len(start) :]: value for key, value in slots.items() if key.startswith(start)}


def _groups(slots: Mapping[str, str], start: str) -> list[tuple[str, dict[str, str]]]:
    """Return the slots under ``button.`` or ``card.`` by their index, in its order."""
    groups: dict[str, dict[str, str]] = {}
    for key, value in _under(slots, start).items():
        index, _, rest = key.partition(".")
        if not (index.isascii() and index.isdigit() and rest):
            raise PermanentError(f"{start}{key} is not a slot that WhatsApp has.", advice="Correct the mapping.")
        groups.setdefault(index, {})[rest] = value
    return sorted(groups.items(), key=lambda group: int(group[0]))


def _whole(key: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise PermanentError(f"{key} must be a whole number.", advice="Correct the mapping.")
    return int(text)


def _structure(key: str, text: str) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError):
        raise PermanentError(f"{key} must be JSON.", advice="Correct the mapping.") from None


def _refuse(constant: str) -> None:
    raise ValueError(constant)
