"""An approved template as the stand-in enforces it: what every message must bring, to the letter.

Rules after Meta's pages on template components and their error table (132000, 132005, 132012, 132018,
131008, 100); the hygiene of text parameters is what senders report of 132018.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connector.sandbox.refusal import GraphError

BODY_LIMIT = 1024
HEADER_LIMIT = 60
URL_LIMIT = 2000
CODE_LIMIT = 20

_VARIABLE = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_DIRTY = re.compile(r"[\n\r\t]| {5,}")
_MEDIA = ("image", "video", "document")
_KINDS = ("header", "body", "button", "carousel", "limited_time_offer", "tap_target_configuration")
_FREE_BUTTONS = ("PHONE_NUMBER", "VOICE_CALL", "REQUEST_CONTACT_INFO")

Json = Mapping[str, Any]


def fill(template: Json, components: object) -> str:
    """Check a message's components against the template; return the body as the recipient reads it.

    Raises GraphError.
    """
    if not isinstance(components, list) or not all(isinstance(item, dict) for item in components):
        raise GraphError(100, "template['components'] must be an array of objects")
    return _fill(template.get("components", ()), components, "")


def variables(text: str) -> tuple[str, ...]:
    """Return the names of a text's variables, each once, in order: ``("1", "2")`` or ``("first_name",)``."""
    return tuple(dict.fromkeys(_VARIABLE.findall(text)))


def _fill(parts: Sequence[Json], components: Sequence[Json], where: str) -> str:
    given: dict[str, list[Json]] = {}
    for component in components:
        kind = str(component.get("type", "")).lower()
        if kind not in _KINDS:
            raise GraphError(100, f"{where}components: unexpected type {kind!r}")
        given.setdefault(kind, []).append(component)
    for kind, several in given.items():
        if kind != "button" and len(several) > 1:
            raise GraphError(100, f"{where}{kind}: given {len(several)} times")
    of = {str(part.get("type", "")).upper(): part for part in parts}
    _header(of.get("HEADER", {}), _parameters(given, "header"), f"{where}header")
    text = _text_part(of.get("BODY", {}).get("text", ""), _parameters(given, "body"), f"{where}body", BODY_LIMIT)
    _buttons(of.get("BUTTONS", {}).get("buttons", ()), given.get("button", ()), f"{where}buttons")
    _offer("LIMITED_TIME_OFFER" in of, _parameters(given, "limited_time_offer"))
    _carousel(of.get("CAROUSEL"), given.get("carousel", ()))
    return text


def _parameters(given: Mapping[str, list[Json]], kind: str) -> list[Json]:
    found = given.get(kind, [{}])[0].get("parameters", [])
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise GraphError(100, f"{kind}: parameters must be an array of objects")
    return found


def _header(part: Json, given: Sequence[Json], where: str) -> None:
    form = str(part.get("format", "TEXT")).lower()
    if form == "text":
        _text_part(part.get("text", ""), given, where, HEADER_LIMIT)
        return
    kind = str(given[0].get("type", "")).lower() if len(given) == 1 else "unknown"
    if kind != form:
        raise GraphError(132012, f"{where}: Format mismatch, expected {form.upper()}, received {kind.upper()}")
    value = given[0].get(form)
    if not isinstance(value, dict):
        raise GraphError(131008, f"{where}: the parameter has no {form} object")
    if form == "location":
        _location(value, where)
    elif form in _MEDIA:
        _media(value, where)


def _media(value: Json, where: str) -> None:
    link, media = value.get("link"), value.get("id")
    if bool(link) == bool(media):
        raise GraphError(100, f"{where}: give either id or link")
    if link and not (isinstance(link, str) and link.startswith("https://")):
        raise GraphError(131009, f"{where}: link must be an https URL")
    if media and not str(media).isdigit():
        raise GraphError(131009, f"{where}: id must be the id of uploaded media")


def _location(value: Json, where: str) -> None:
    for key, most in (("latitude", 90), ("longitude", 180)):
        try:
            fits = abs(float(value[key])) <= most
        except KeyError:
            raise GraphError(131008, f"{where}: {key} is missing") from None
        except (TypeError, ValueError):
            fits = False
        if not fits:
            raise GraphError(131009, f"{where}: {key} must be a number from -{most} to {most}")


def _text_part(text: str, given: Sequence[Json], where: str, limit: int) -> str:
    wanted = variables(text)
    if len(given) != len(wanted):
        raise GraphError(
            132000,
            f"{where}: number of localizable_params ({len(given)}) does not match the expected number of "
            f"params ({len(wanted)})",
        )
    values = [_text(parameter, where) for parameter in given]
    if all(name.isdigit() for name in wanted):
        names = sorted(wanted, key=int)
    else:
        names = [str(parameter.get("parameter_name") or "") for parameter in given]
    if sorted(names) != sorted(wanted):
        raise GraphError(100, f"{where}: parameter_name must be each of {', '.join(wanted)} once")
    filled = dict(zip(names, values, strict=True))
    result = _VARIABLE.sub(lambda found: filled[found[1]], text)
    if len(result) > limit:
        raise GraphError(132005, f"{where}: {len(result)} characters, at most {limit} are allowed")
    return result


def _text(parameter: Json, where: str) -> str:
    kind = str(parameter.get("type", "")).lower()
    if kind in ("currency", "date_time"):
        value = parameter.get(kind)
        text = value.get("fallback_value") if isinstance(value, dict) else None
    elif kind == "text":
        text = parameter.get("text")
    else:
        raise GraphError(132012, f"{where}: Format mismatch, expected TEXT, received {kind.upper() or 'UNKNOWN'}")
    if text is None or text == "":
        raise GraphError(131008, f"{where}: Parameter of type text is missing text value")
    if not isinstance(text, str):
        raise GraphError(100, f"{where}: text must be a string")
    if not text.strip():
        raise GraphError(131008, f"{where}: Parameter of type text is missing text value")
    if _DIRTY.search(text):
        raise GraphError(
            132018,
            f"{where}: Param text cannot have new-line/tab characters or more than 4 consecutive spaces",
        )
    return text


def _buttons(parts: Sequence[Json], given: Sequence[Json], where: str) -> None:
    filled: dict[int, Json] = {}
    for component in given:
        index = str(component.get("index", ""))
        if not index.isascii() or not index.isdigit() or int(index[:3]) >= len(parts):
            raise GraphError(132018, f"{where}: the template has no button at index {index[:10] or 'unknown'}")
        if int(index) in filled:
            raise GraphError(100, f"{where}: the button at index {index} is given twice")
        filled[int(index)] = component
    for place, part in enumerate(parts):
        _button(part, filled.get(place), f"{where}: Button at index {place}")


def _button(part: Json, component: Json | None, where: str) -> None:
    kind = str(part.get("type", "")).upper()
    needed = kind in ("OTP", "COPY_CODE", "MPM") or (kind == "URL" and bool(variables(part.get("url", ""))))
    if component is None:
        if needed:
            raise GraphError(131008, f"{where} of type {kind} requires a parameter")
        return
    sub_type = str(component.get("sub_type", "")).upper()
    if sub_type != ("URL" if kind == "OTP" else kind):
        raise GraphError(132012, f"{where}: Format mismatch, expected {kind}, received {sub_type or 'UNKNOWN'}")
    parameters = component.get("parameters")
    if kind in _FREE_BUTTONS or (kind == "URL" and not needed):
        raise GraphError(132018, f"{where} of type {kind} does not take a parameter")
    if not isinstance(parameters, list) or len(parameters) != 1 or not isinstance(parameters[0], dict):
        raise GraphError(132000, f"{where} of type {kind} takes exactly one parameter")
    _button_value(kind, str(part.get("url", "")), parameters[0], where)


def _button_value(kind: str, url: str, parameter: Json, where: str) -> None:
    if kind in ("URL", "OTP"):
        whole = _VARIABLE.sub("", url) + _text(parameter, where)
        if len(whole) > URL_LIMIT or re.search(r"\s", whole):
            raise GraphError(132018, f"{where}: the URL must have no spaces and at most {URL_LIMIT} characters")
        return
    name = {"QUICK_REPLY": "payload", "COPY_CODE": "coupon_code"}.get(kind, "action")
    value = parameter.get(name)
    if str(parameter.get("type", "")).lower() != name:
        raise GraphError(132012, f"{where}: Format mismatch, expected {name.upper()}")
    if name == "action" and not isinstance(value, dict):
        raise GraphError(131008, f"{where}: action is missing")
    if name != "action" and not (isinstance(value, str) and value.strip()):
        raise GraphError(131008, f"{where}: {name} is missing")
    if name == "coupon_code" and not (str(value).isascii() and str(value).isalnum() and len(str(value)) <= CODE_LIMIT):
        raise GraphError(132018, f"{where}: coupon_code takes at most {CODE_LIMIT} letters and digits")


def _offer(wanted: bool, given: Sequence[Json]) -> None:
    if len(given) != int(wanted):
        raise GraphError(132000, f"limited_time_offer: {len(given)} parameters given, {int(wanted)} expected")
    for parameter in given:
        value = parameter.get("limited_time_offer")
        if not isinstance(value, dict) or not isinstance(value.get("expiration_time_ms"), int):
            raise GraphError(131008, "limited_time_offer: expiration_time_ms is missing")


def _carousel(part: Json | None, given: Sequence[Json]) -> None:
    cards = given[0].get("cards", []) if given else []
    wanted = part.get("cards", ()) if part else ()
    if not isinstance(cards, list) or len(cards) != len(wanted):
        raise GraphError(132000, f"carousel: {len(wanted)} cards expected")
    places = {card.get("card_index"): card for card in cards if isinstance(card, dict)}
    for index, card in enumerate(wanted):
        components = places.get(index, {}).get("components")
        if not isinstance(components, list) or not all(isinstance(item, dict) for item in components):
            raise GraphError(131008, f"carousel: the card with card_index {index} has no components")
        _fill(card.get("components", ()), components, f"card {index} ")
