"""Captured requests: ``.http`` files, as a proxy or ``nc`` shows what a vendor has posted.

A request line, headers, an empty line, the body's bytes::

    POST /hooks/0123?store=1 HTTP/1.1
    Content-Type: application/json
    X-Shop-Signature: 5baKdrz…

    {"id": 1}
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from connector.model import Request

MOMENT = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""When a captured request came, unless told otherwise."""
_LINE = re.compile(rb"([A-Z]+) (\S+) HTTP/[\d.]+")
_GAP = re.compile(rb"\r?\n\r?\n")


def read_captured(file: Path | bytes, *, received_at: datetime = MOMENT) -> Request:
    """Read a captured request. A Content-Length cuts off the line end that an editor has put behind the body.

    Raises ValueError where the file does not begin with a request.
    """
    data = file if isinstance(file, bytes) else file.read_bytes()
    head, body = (*_GAP.split(data, maxsplit=1), b"")[:2]
    first, *lines = head.splitlines() or [b""]
    line = _LINE.fullmatch(first.strip())
    if not line:
        raise ValueError("a captured request begins with a line such as: POST /hooks/token HTTP/1.1")
    headers: dict[str, str] = {}
    for name, _, value in (row.decode("latin-1").partition(":") for row in lines):
        name, value = name.strip().lower(), value.strip()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    length = headers.get("content-length", "")
    if length.isdigit() and not body[int(length) :].strip():
        body = body[: int(length)]
    query = dict(parse_qsl(urlsplit(line[2].decode("latin-1")).query, keep_blank_values=True))
    return Request(method=line[1].decode(), headers=headers, body=body, query=query, received_at=received_at)
