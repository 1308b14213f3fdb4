"""What the acknowledgement is measured against: a Flask route that checks the same signature, and no more.

``python -m tests.benchmarks.bare_flask PORT PROCESSES`` serves it exactly as ``connector web`` is served;
BENCH_SECRET is the signing secret.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import sys

from flask import Flask, Response, request

from connector.cli.run import serve

app = Flask(__name__)
_secret = os.environ.get("BENCH_SECRET", "").encode()


@app.post("/hooks/<token>")
def receive(token: str) -> Response:
    """Answer 200 to what is signed, and 401 to the rest."""
    expected = base64.b64encode(hmac.digest(_secret, request.get_data(), hashlib.sha256))
    given = request.headers.get("X-Shopify-Hmac-Sha256", "").encode("utf-8", "replace")
    return Response(status=200 if hmac.compare_digest(expected, given) else 401)


if __name__ == "__main__":
    serve("tests.benchmarks.bare_flask:app", "127.0.0.1", int(sys.argv[1]), int(sys.argv[2]), log_enabled=False)
