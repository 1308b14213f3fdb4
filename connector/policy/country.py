"""Of which country a phone number is."""

from __future__ import annotations

import phonenumbers

_CODES = phonenumbers.COUNTRY_CODE_TO_REGION_CODE
_NOWHERE = "001"
"""Numbers of no country, such as those of satellites."""


def country_of(phone: str) -> str:
    """Return the country (ISO 3166, two letters) of an E.164 number; ``""`` where it is no number, or of none."""
    if not phone.startswith("+"):
        return ""
    sharing = next((_CODES[int(code)] for size in (1, 2, 3) if _is_code(code := phone[1 : 1 + size])), ())
    if len(sharing) == 1:  # most codes are of one country: a hundred times cheaper than reading the number
        return "" if sharing[0] == _NOWHERE else str(sharing[0])
    try:
        found = phonenumbers.region_code_for_number(phonenumbers.parse(phone, None))
    except phonenumbers.NumberParseException:
        return ""
    return "" if found in (None, _NOWHERE) else str(found)


def _is_code(text: str) -> bool:
    return text.isascii() and text.isdigit() and int(text) in _CODES
