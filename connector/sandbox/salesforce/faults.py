"""How an org says no: to a call with a status and a list of errors, to a row with one error of its own."""

from __future__ import annotations

import json
from typing import Any

from connector.sandbox.transport import Answer


class OrgError(Exception):
    """A refusal of a whole call; the org turns it into an answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")

    def answer(self) -> Answer:
        """Return it as Salesforce words it: a list of errors."""
        return Answer(status=self.status, body=json.dumps([{"message": self.message, "errorCode": self.code}]).encode())


class RowError(Exception):
    """A refusal of one row; the call itself is answered with 200."""

    def __init__(self, code: str, message: str, *fields: str) -> None:
        self.code = code
        self.message = message
        self.fields = fields
        super().__init__(f"{code}: {message}")

    def result(self) -> dict[str, Any]:
        """Return the row's result in a collection; here the code is called ``statusCode``."""
        error = {"statusCode": self.code, "message": self.message, "fields": list(self.fields)}
        return {"success": False, "errors": [error]}

    def line(self) -> str:
        """Return it as ``sf__Error`` of Bulk 2.0 has it."""
        return f"{self.code}:{self.message}:{' '.join(self.fields) or '--'}"


LOCKED = RowError("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record or 1 records")
EXPIRED = OrgError(401, "INVALID_SESSION_ID", "Session expired or invalid")
OVER_LIMIT = OrgError(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
NOWHERE = OrgError(404, "NOT_FOUND", "The requested resource does not exist")
BROKEN = OrgError(500, "UNKNOWN_EXCEPTION", "An unexpected error occurred, because of error_rate.")
DOWN = OrgError(503, "SERVER_UNAVAILABLE", "Server unavailable, because of down.")
PAGE = b"<html><head><title>Down for Maintenance</title></head><body>Salesforce is down for maintenance.</body></html>"
"""What comes instead of JSON now and then, with status 200."""
