"""Whether stored bytes mention somebody: by a phone number however it is written, an e-mail address, a user id.

Bodies are the vendors' own, in JSON, XML or forms; nothing is parsed, so what can no longer be read is found too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import phonenumbers

from connector.model import Json

_SIGNS = b" \t\r\n\v\f()./-\x00"
_WIDE_SIGNS = re.compile(rb"\xc2\xa0|\xe2\x80[\x90-\x95]|\\u00a0|\\u201[0-5]")
_RUN = re.compile(rb"\d{7,19}")
_LOCAL = re.compile(rb"[\w.!#$%&'*+/=?^`{|}~-]+$")
_DOMAIN = re.compile(rb"[\w.-]{3,190}")
_LONGEST_LOCAL = 64
_USER_ID = re.compile(rb"\b[A-Z]{2}\.[\w.]{1,140}")
SHORTEST = 7
"""Digits of a number without its country code; shorter ones are everybody's."""


def written(addresses: Iterable[str], emails: Iterable[str] = ()) -> set[bytes]:
    """Return the forms in which these may stand in a body, for comparing with :func:`spoken`.

    ``addresses``: E.164 numbers (``+49151…``) and user ids.
    """
    forms = {email.casefold().encode() for email in emails if "@" in email}
    for address in addresses:
        forms |= set(_digits(address)) if address.lstrip("+").isdigit() else {address.encode()}
    return forms - {b""}


def _digits(phone: str) -> Iterator[bytes]:
    digits = phone.lstrip("+")
    yield from (digits.encode(), f"00{digits}".encode())
    try:
        number = phonenumbers.parse(f"+{digits}", None)
    except phonenumbers.NumberParseException:
        return
    own, code = phonenumbers.national_significant_number(number), str(number.country_code)
    if len(own) >= SHORTEST:
        yield from (own.encode(), f"0{own}".encode(), f"{code}0{own}".encode(), f"{code}{own}".encode())


def spoken(body: bytes) -> set[bytes]:
    """Return every number, e-mail address and user id that stands in a body, in the forms of :func:`written`."""
    if b"\x00" in body:  # UTF-16
        body = body.replace(b"\x00", b"")
    bare = body.translate(None, _SIGNS)  # many times faster than a pattern, and every stored body comes by here
    found = set(_RUN.findall(_WIDE_SIGNS.sub(b"", bare)))
    return found | set(_emails(body)) | set(_USER_ID.findall(body))


def _emails(body: bytes) -> Iterator[bytes]:
    at = body.find(b"@")
    while at >= 0:  # from the sign to both sides: a pattern for the whole would try at every letter
        local, domain = _LOCAL.search(body[max(0, at - _LONGEST_LOCAL) : at]), _DOMAIN.match(body, at + 1)
        if local and domain:
            yield (local[0] + b"@" + domain[0].rstrip(b".")).lower()
        at = body.find(b"@", at + 1)


def named_in(value: Json) -> Iterator[str]:
    """Yield the numbers with ``+`` and the e-mail addresses that stand alone in a payload, at any depth."""
    if isinstance(value, str):
        bare = re.sub(r"[\s().\-/]", "", value)
        if re.fullmatch(r"\+\d{7,15}", bare):
            yield bare
        elif re.fullmatch(r"[^\s@]{1,64}@[^\s@]{1,190}", value):
            yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from named_in(item)
    elif isinstance(value, Iterable):
        for item in value:
            yield from named_in(item)
