"""What was said on the wire at one call of a vendor: bounded, and without secrets.

Headers are left out but for the content type, values of a URL's query too. What the call was authorised with
is hidden wherever it shows up again, and so is whatever a body calls a token, a secret or a password.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

REQUEST_CAP = 8 * 1024
"""Bytes of a request that are kept."""
ANSWER_CAP = 4 * 1024
"""Bytes of an answer that are kept."""
HIDDEN = "•••"
_LEAST = 6
"""Shorter words are no secrets worth the name, and would be found everywhere."""
_NAMED = re.compile(
    r'("[^"]{0,40}(?:token|secret|password|passwd|api_?key|authorization)[^"]{0,20}"\s*:\s*")((?:[^"\\]|\\.)*)"?',
    re.IGNORECASE,
)
_PAIR = re.compile(
    r"((?:^|[?&\s\"'])[\w.\-]{0,40}(?:token|secret|passw(?:or)?d|api_?key|authorization)[\w.\-]{0,20}=)[^&\s\"'<]+",
    re.IGNORECASE,
)
"""In a form, or an address that a body repeats."""
_WORDS = ("token", "secret", "passw", "apikey", "api_key", "authorization")
_HEADER = re.compile(r"authorization|token|secret|api-?key|cookie|password", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer, as they went over the wire. ``secrets`` are hidden when it is written down."""

    method: str
    url: str = field(repr=False)
    type: str
    """Content type of the request."""
    request: bytes = field(repr=False)
    secrets: Collection[str] = field(default=(), repr=False)
    status: int | None = None
    """None: no whole answer came."""
    answer_type: str = ""
    answer: bytes = field(default=b"", repr=False)

    def shape(self) -> dict[str, Any]:
        """Return it for keeping: texts, cut and without secrets; sizes are those before the cut, in bytes."""
        return {
            "method": self.method,
            "url": _plain(self.url, self.secrets),
            "type": self.type,
            "request": _text(self.request, REQUEST_CAP, self.secrets),
            "request_size": len(self.request),
            "status": self.status,
            "answer_type": self.answer_type,
            "answer": _text(self.answer, ANSWER_CAP, self.secrets),
            "answer_size": len(self.answer),
        }


def secrets_of(headers: Mapping[str, str]) -> tuple[str, ...]:
    """Return the words of headers that authorise: ``Bearer EAAB…`` gives the token."""
    found = [value.rpartition(" ")[2] for name, value in headers.items() if _HEADER.search(name)]
    return tuple(word for word in found if len(word) >= _LEAST)


def _plain(url: str, secrets: Collection[str]) -> str:
    path, mark, query = url.partition("?")
    names = (pair.partition("=")[0] for pair in query.split("&"))
    return _hide(path + mark + "&".join(f"{name}={HIDDEN}" for name in names if name), secrets)


def _text(raw: bytes, cap: int, secrets: Collection[str]) -> str:
    # Hidden before it is cut: half a token at the end would not be recognised.
    text = _hide(raw[: cap * 2].decode("utf-8", "replace").replace("\0", "\ufffd"), secrets)
    return text.encode("utf-8", "replace")[:cap].decode("utf-8", "ignore") if len(text) * 4 > cap else text


def _hide(text: str, secrets: Collection[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, HIDDEN)
    plain = text.casefold()  # the pattern costs ten times as much as these, and this runs for every message
    if not any(word in plain for word in _WORDS):
        return text
    return _PAIR.sub(rf"\1{HIDDEN}", _NAMED.sub(rf'\1{HIDDEN}"', text))
