"""How the Graph API says no: one code, one HTTP status, one body.

Codes, titles and HTTP statuses follow Meta's error table of November 2025 (their page of September 2026
no longer names the statuses). Throttles come as 400, as they do there.
"""

from __future__ import annotations

import json
from typing import Any

HREF = "https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes/"

WORDS: dict[int, tuple[int, str]] = {
    33: (400, "Unsupported request: the object does not exist, or this token may not see it"),
    100: (400, "Invalid parameter"),
    190: (401, "Authentication Error"),
    2500: (400, "Unknown path components"),
    130429: (400, "Rate limit hit"),
    131000: (500, "Something went wrong"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131026: (400, "Message undeliverable"),
    131047: (400, "Re-engagement message"),
    131049: (400, "This message was not delivered to maintain healthy ecosystem engagement."),
    131050: (
        400,
        "Unable to deliver the message. This recipient has chosen to stop receiving marketing messages",
    ),
    131051: (400, "Unsupported message type"),
    132000: (400, "Number of parameters does not match the expected number of params"),
    132001: (404, "Template name does not exist in the translation"),
    132005: (400, "Translated text too long"),
    132012: (400, "Parameter format does not match format in the created template"),
    132015: (400, "Template is paused"),
    132016: (400, "Template is disabled"),
    132018: (400, "Template parameter validation failed"),
}
"""Code -> HTTP status and title."""


class GraphError(Exception):
    """A refusal by the stand-in; the server turns it into an answer."""

    def __init__(self, code: int, details: str, *, status: int | None = None, subcode: int | None = None) -> None:
        self.code = code
        self.details = details
        self.status = status or WORDS[code][0]
        self.subcode = subcode
        super().__init__(f"{code}: {details}")

    def body(self, trace: str) -> bytes:
        """Return the answer's body as Meta writes it."""
        error: dict[str, Any] = {
            "message": f"(#{self.code}) {WORDS[self.code][1]}",
            "type": "OAuthException",
            "code": self.code,
            "error_data": {"messaging_product": "whatsapp", "details": self.details},
            "fbtrace_id": trace,
        }
        if self.subcode:
            error["error_subcode"] = self.subcode
        return json.dumps({"error": error}).encode()


def failure(code: int, details: str) -> dict[str, Any]:
    """Return an entry of ``statuses[].errors[]``: the same codes, told later."""
    title = WORDS[code][1]
    return {"code": code, "title": title, "message": title, "error_data": {"details": details}, "href": HREF}
