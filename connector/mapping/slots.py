"""Filling the slots of an approved template: each kind has its own rules, and shared room is kept."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import quote, urlsplit

from babel import Locale

from connector.errors import Fault, PayloadError
from connector.mapping.liquid import MAX_OUTPUT, BlankError, BrokenError, Expression
from connector.mapping.scalar import number
from connector.mapping.text import clean, cut, is_blank
from connector.model import Reason, Skip, Slot, SlotKind, Step, Template, parse_json

MAX_URL = 2_000
MAX_PAYLOAD = 256
MAX_CODE = 20
_MEDIA_ID = re.compile(r"[A-Za-z0-9._:-]{1,200}")
_CODE = re.compile(r"[A-Za-z0-9]+")
_URL_SAFE = "%/?#[]@!$&'()*+,;=:-._~"


class UnfitError(Exception):
    """A text does not fit its slot; the message says why and what would."""


def fit(slot: Slot, text: str) -> str:
    """Return the text as this slot takes it.

    Text is made one clean line and cut to the slot's limit. Nothing else is ever cut: a shortened link or
    code is a wrong one. Raises BlankError where nothing is left, UnfitError where it does not fit.
    """
    fitted = _FITS[slot.kind](slot, text)
    if is_blank(fitted):
        raise BlankError("nothing is left to show.")
    return fitted


def _fit_text(slot: Slot, text: str) -> str:
    fitted = clean(text)
    for mark in ("{{", "}}"):
        if mark in fitted:
            raise UnfitError(f"the result holds {mark!r}, which looks like an expression that was not worked out.")
    return cut(fitted, MAX_OUTPUT if slot.limit is None else slot.limit)


def _fit_url_suffix(slot: Slot, text: str) -> str:
    suffix = text.strip()
    if any(char.isspace() or not char.isprintable() for char in suffix):
        raise UnfitError("the end of a link holds no spaces; use | url_encode or | url_suffix.")
    if suffix.lower().startswith(("http://", "https://")):
        raise UnfitError("takes only what follows the template's own link; use | url_suffix: 'https://…/'.")
    return _short(
        quote(suffix, safe=_URL_SAFE, errors="replace"), min(slot.limit or MAX_URL, MAX_URL), "the end of a link"
    )


def _fit_payload(slot: Slot, text: str) -> str:
    return _short(clean(text), slot.limit or MAX_PAYLOAD, "a button's payload")


def _fit_code(slot: Slot, text: str) -> str:
    code = _short(text.strip(), slot.limit or MAX_CODE, "a code")
    if code and not _CODE.fullmatch(code):
        raise UnfitError("a code holds only letters A-Z and digits.")
    return code


def _fit_media(slot: Slot, text: str) -> str:
    media = _short(text.strip(), MAX_URL, "a link to media")
    if not media or _MEDIA_ID.fullmatch(media):
        return media
    try:
        parts = urlsplit(media)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.scheme != "https" or any(char.isspace() or not char.isprintable() for char in media):
        raise UnfitError("media is an https link, or the id of something uploaded.")
    return media


def _fit_number(slot: Slot, text: str) -> str:
    value = text.strip()
    exact = number(value)
    if value and exact is None:
        raise UnfitError("a number is needed here, such as 52.52.")
    most = {"latitude": 90, "longitude": 180}.get(slot.key.rpartition(".")[2])
    if most and exact is not None and not -most <= exact <= most:
        raise UnfitError(f"must lie between -{most} and {most}.")
    return value


def _fit_json(slot: Slot, text: str) -> str:
    body = _short(text.strip(), slot.limit or MAX_OUTPUT, "a structure")
    if not body:
        return ""
    try:
        parse_json(body.encode("utf-8", "surrogatepass"))
    except PayloadError as error:
        raise UnfitError(f"this is not JSON: {error} Use | json for texts inside it.") from None
    return body


def _short(text: str, limit: int, what: str) -> str:
    if len(text) > limit:
        raise UnfitError(f"{what} has at most {limit} characters.")
    return text


_FITS: Mapping[SlotKind, Callable[[Slot, str], str]] = {
    SlotKind.TEXT: _fit_text,
    SlotKind.URL_SUFFIX: _fit_url_suffix,
    SlotKind.PAYLOAD: _fit_payload,
    SlotKind.CODE: _fit_code,
    SlotKind.MEDIA: _fit_media,
    SlotKind.NUMBER: _fit_number,
    SlotKind.JSON: _fit_json,
}


def misfits(bound: Collection[str], template: Template) -> list[Fault]:
    """Compare a mapping's slots with those of the approved template; paths are those of the mapping."""
    keys = [slot.key for slot in template.slots]
    has = f"it has {', '.join(keys)}" if keys else "it has none"
    faults = [
        Fault(f"slots.{key}", f"the approved template has no such slot; {has}.") for key in bound if key not in keys
    ]
    for slot in template.slots:
        if slot.required and slot.key not in bound:
            example = f", such as {slot.example[:60]!r}" if slot.example else ""
            faults.append(Fault(f"slots.{slot.key}", f"is missing; the approved template needs it{example}."))
    return faults


def fill(
    bound: Mapping[str, Expression], template: Template, roots: Mapping[str, Any], locale: Locale
) -> tuple[dict[str, str] | Skip, list[Step]]:
    """Print every slot of the template; returns the texts by slot key, or the first reason that stops."""
    filled: dict[str, str] = {}
    told: dict[str, tuple[bool, str]] = {}
    skip: Skip | None = None
    for slot in template.slots:
        expression = bound.get(slot.key)
        if expression is None:
            continue
        try:
            filled[slot.key] = fit(slot, expression.render(roots, locale))
            told[slot.key] = True, ""
        except BlankError as error:
            told[slot.key] = not slot.required, f"{error}" if slot.required else f"left out: {error}"
            if slot.required:
                skip = Skip(reason=Reason.BLANK_SLOT, words=f"{slot.key}: {error}")
        except (BrokenError, UnfitError) as error:
            told[slot.key] = False, str(error)
            skip = Skip(reason=Reason.SLOT_FAULT, words=f"slots.{slot.key}: {error}")
        if skip:
            break
    no_room = None if skip else _share_room(filled, template)
    steps = [Step(name=f"slot {key}", ok=ok, words=filled.get(key, words)) for key, (ok, words) in told.items()]
    if no_room:
        steps.append(Step(name="slots", ok=False, words=no_room.words))
    return skip or no_room or filled, steps


@dataclass(frozen=True, slots=True)
class Printed:
    """What came of one slot by itself."""

    text: str = ""
    """As it would be sent; ``""``: nothing."""
    length: int = 0
    """Characters before anything was cut."""
    words: str = ""
    """Why there is nothing."""
    blank: bool = False
    """There is nothing to show; otherwise, with words, it does not fit or breaks a limit."""


def print_each(
    bound: Mapping[str, Expression], template: Template | None, roots: Mapping[str, Any], locale: Locale
) -> dict[str, Printed]:
    """Print every slot by itself, whatever becomes of the others: what :func:`fill` would send, for previews.

    A key that the template has no slot for is printed as a text.
    """
    told: dict[str, Printed] = {}
    for key, expression in bound.items():
        slot = (template.slot(key) if template else None) or Slot(key=key)
        try:
            raw = expression.render(roots, locale)
            told[key] = Printed(fit(slot, raw), len(clean(raw)))
        except BlankError as error:
            told[key] = Printed(words=str(error), blank=True)
        except (BrokenError, UnfitError) as error:
            told[key] = Printed(words=str(error))
    if template is not None:
        texts = {key: each.text for key, each in told.items() if each.text}
        skip = _share_room(texts, template)
        told |= {key: replace(told[key], text=text) for key, text in texts.items() if skip is None}
    return told


def _share_room(filled: dict[str, str], template: Template) -> Skip | None:
    """Cut the longest texts under each budget until all of them fit."""
    texts = {slot.key for slot in template.slots if slot.kind is SlotKind.TEXT}
    for prefix, room in template.budget:
        keys = [key for key in filled if key in texts and (key == prefix or key.startswith(f"{prefix}."))]
        if sum(len(filled[key]) for key in keys) <= room:
            continue
        cap = _cap([len(filled[key]) for key in keys], room)
        if cap < 1:
            words = f"The template's own text leaves no room for the slots of {prefix} ({room} characters)."
            return Skip(reason=Reason.SLOT_FAULT, words=words)
        for key in keys:
            filled[key] = cut(filled[key], cap)
    return None


def _cap(lengths: list[int], room: int) -> int:
    """Return the greatest length that, imposed on all, lets them fit together."""
    rest, waiting = room, sorted(lengths)
    for place, length in enumerate(waiting):
        share = rest // (len(waiting) - place)
        if length > share:
            return share
        rest -= length
    return max(lengths, default=0)
