"""Where the console begins."""

from __future__ import annotations

from flask import redirect, url_for
from werkzeug.wrappers import Response as AnyResponse

from connector.model import Permission
from connector.web.console.frame import console, needs


@console.get("/")
@needs(Permission.LOOK)
def start() -> AnyResponse:
    """Begin at the messages."""
    return redirect(url_for("console.messages"), 303)
