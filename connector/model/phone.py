"""Spellings of one phone number that a channel and a CRM may disagree about."""

from __future__ import annotations

import re

_BRAZIL = re.compile(r"\+55(\d{2})(9?)(\d{8})")
_ARGENTINA = re.compile(r"\+54(9?)(\d{10})")
_MEXICO = re.compile(r"\+52(1?)(\d{10})")


def spellings(phone: str) -> tuple[str, ...]:
    """Return an E.164 number, first as it is, then as it may be spelled elsewhere; for comparing only.

    Brazil's mobile numbers with and without the ninth digit, Argentina's with and without 9, Mexico's with
    and without 1: WhatsApp's ids follow the older form (K send-messages: ``wa_id`` may differ from the input).
    """
    if match := _BRAZIL.fullmatch(phone):
        area, nine, rest = match.groups()
        # Eight digits that begin with 2 to 5 are a landline, which never had a ninth.
        if nine or rest[0] in "6789":
            return phone, f"+55{area}{'' if nine else '9'}{rest}"
    elif match := _ARGENTINA.fullmatch(phone):
        return phone, f"+54{'' if match[1] else '9'}{match[2]}"
    elif match := _MEXICO.fullmatch(phone):
        return phone, f"+52{'' if match[1] else '1'}{match[2]}"
    return (phone,)
