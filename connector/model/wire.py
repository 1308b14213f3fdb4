"""What crosses the wire towards us: requests as bytes, and our answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NewType


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """An HTTP request as it came: header names in lower case, the body untouched."""

    method: str
    headers: Mapping[str, str] = field(repr=False)
    """Signatures among them, and shared secrets."""
    body: bytes = field(repr=False)
    query: Mapping[str, str] = field(default_factory=dict, repr=False)
    received_at: datetime

    def header(self, *names: str) -> str:
        """Return the first of these headers that is present and not empty, else ``""``."""
        for name in names:
            if value := self.headers.get(name):
                return value
        return ""


Verified = NewType("Verified", Request)
"""A request whose sender has proved who they are; the only thing that a receiver parses."""


@dataclass(frozen=True, slots=True)
class Response:
    """What we answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
