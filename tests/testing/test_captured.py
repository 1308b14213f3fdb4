from __future__ import annotations

from pathlib import Path

import pytest

from connector.testing import read_captured
from connector.testing.captured import MOMENT

BODY = b'{"id": 1, "name": "Zo\xc3\xab"}'


@pytest.mark.parametrize("end", [b"\r\n", b"\n"])
def test_a_captured_request_is_read_whole(tmp_path: Path, end: bytes) -> None:
    lines = [b"POST /hooks/abc?store=1&empty= HTTP/1.1", b"Content-Type: application/json", b"X-Sig: a:b=", b"", BODY]
    file = tmp_path / "paid.http"
    file.write_bytes(end.join(lines))
    request = read_captured(file)
    assert request.method == "POST"
    assert request.headers == {"content-type": "application/json", "x-sig": "a:b="}
    assert request.query == {"store": "1", "empty": ""}
    assert (request.body, request.received_at) == (BODY, MOMENT)


def test_the_line_end_of_an_editor_is_cut_by_the_content_length() -> None:
    head = b"POST / HTTP/1.1\nContent-Length: %d\n\n" % len(BODY)
    assert read_captured(head + BODY + b"\n").body == BODY
    assert read_captured(head + BODY + b"more").body == BODY + b"more"
    assert read_captured(head + BODY[:5]).body == BODY[:5]


def test_empty_lines_inside_a_body_stay() -> None:
    assert read_captured(b"POST / HTTP/1.1\r\nA: 1\r\n\r\none\r\n\r\ntwo\n\nthree").body == b"one\r\n\r\ntwo\n\nthree"


def test_a_request_without_a_body_has_none() -> None:
    request = read_captured(b"GET /hooks/abc?hub.mode=subscribe HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (request.method, request.body, request.query) == ("GET", b"", {"hub.mode": "subscribe"})


def test_headers_of_one_name_are_joined() -> None:
    assert read_captured(b"POST / HTTP/1.1\nA: 1\na: 2\n\n").headers == {"a": "1, 2"}


@pytest.mark.parametrize("data", [b"", b"{}", b"HTTP/1.1 200 OK\n\n{}", b"POST /\n\n"])
def test_something_else_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="begins with a line"):
        read_captured(data)
