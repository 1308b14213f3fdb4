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

app = Flask(__name__)
_secret = os.environ.get("BENCH_SECRET", "").encode()


@app.post("/hooks/<token>")
def receive(token: str) -> Response:
    """Answer 200 to what is signed, and 401 to the rest."""
    expected = base64.b64encode(hmac.digest(_secret, request.get_data(), hashlib.sha256))
    given = request.headers.get("X-Shopify-Hmac-Sha256", "").encode("utf-8", "replace")
    return Response(status=200 if hmac.compare_digest(expected, given) else 401)


def serve(port: int, processes: int) -> None:
    """Serve it under the same server, with the same numbers of processes and threads, as the connector."""
    from granian import Granian
    from granian.constants import Interfaces, Loops

    from connector.cli.run import WEB_THREADS

    Granian(
        "tests.benchmarks.bare_flask:app",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.WSGI,
        workers=processes,
        blocking_threads=WEB_THREADS,
        backlog=2048,
        backpressure=WEB_THREADS * 8,
        loop=Loops.asyncio,
        websockets=False,
        log_enabled=False,
    ).serve()


if __name__ == "__main__":
    serve(int(sys.argv[1]), int(sys.argv[2]))
