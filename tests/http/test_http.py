from __future__ import annotations

import gzip
import inspect
import socket
import struct
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
import requests.exceptions

from connector import http as module
from connector.errors import (
    ConfigurationError,
    ConnectorError,
    PayloadError,
    RemoteError,
    TemporaryError,
    UncertainError,
)
from connector.http import MEANING, Http, translate
from tests.http.conftest import PATIENCE

TOKEN = "EAAG-top-secret-token"
SECRET_CALL: dict[str, Any] = {
    "headers": {"Authorization": f"Bearer {TOKEN}"},
    "json": {"to": "+4917012345678"},
    "params": {"access": TOKEN},
}


def answer(body: bytes = b"{}", status: str = "200 OK", *more: str) -> bytes:
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *more]
    return "\r\n".join([*head, "", ""]).encode() + body


def replying(data: bytes, *, stay: bool = True) -> Any:
    def behave(connection: socket.socket, request: bytes) -> bool:
        connection.sendall(data)
        return stay

    return behave


def reset(connection: socket.socket, request: bytes) -> bool:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def fault_of(http: Http, url: str, **call: Any) -> RemoteError:
    with pytest.raises(RemoteError) as caught:
        http.request("POST", url, **(call or SECRET_CALL))
    told = f"{caught.value} {caught.value!r} {caught.value.advice} {caught.value.__dict__}"
    for private in (TOKEN, "/v25.0", "4917012345678", "access", "Bearer"):
        assert private not in told
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None
    return caught.value


# what goes out and comes back


def test_the_answer_carries_status_headers_and_exact_numbers(serve: Any) -> None:
    server = serve(replying(answer(b'{"id": 450789469123456789, "sum": 0.10}', "201 Created", "X-Trace: AbC")))
    found = Http([server.host]).request("GET", f"{server.url}/orders")
    assert (found.status, found.headers["x-trace"]) == (201, "AbC")
    assert found.json() == {"id": 450789469123456789, "sum": Decimal("0.10")}


def test_an_answer_that_is_not_json_says_so_only_when_it_is_read(serve: Any) -> None:
    server = serve(replying(answer(b"<html>", "502 Bad Gateway")))
    found = Http([server.host]).request("GET", server.url)
    assert found.status == 502
    with pytest.raises(PayloadError):
        found.json()


def test_json_goes_out_as_utf8_with_decimals_as_numbers(serve: Any) -> None:
    server = serve(replying(answer()))
    Http([server.host]).request("POST", server.url, json={"name": "Zoë 🌸", "sum": Decimal("12.50"), "n": Decimal(3)})
    head, _, body = server.requests[0].partition(b"\r\n\r\n")
    assert body.decode() == '{"name":"Zoë 🌸","sum":12.5,"n":3}'
    assert b"content-type: application/json\r\n" in head.lower() + b"\r\n"
    assert b"content-length: %d" % len(body) in head.lower()


def test_half_an_emoji_does_not_stop_a_message(serve: Any) -> None:
    server = serve(replying(answer()))
    Http([server.host]).request("POST", server.url, json={"name": "Zo\ud83d"})
    assert server.requests[0].endswith(b'{"name":"Zo?"}')


def test_bytes_go_out_untouched_with_the_callers_content_type(serve: Any) -> None:
    server = serve(replying(answer()))
    Http([server.host]).request("PUT", server.url, data=b"\x00\xff", headers={"content-type": "image/png"})
    assert server.requests[0].endswith(b"\r\n\r\n\x00\xff")
    assert server.requests[0].lower().count(b"content-type: image/png") == 1


def test_parameters_are_encoded_and_headers_sent(serve: Any) -> None:
    server = serve(replying(answer()))
    Http([server.host]).request(
        "GET", f"{server.url}/q", params={"q": "SELECT Id FROM Account&x"}, headers={"Authorization": "Bearer 1"}
    )
    assert server.requests[0].startswith(b"GET /q?q=SELECT+Id+FROM+Account%26x HTTP/1.1\r\n")
    assert b"Authorization: Bearer 1\r\n" in server.requests[0]


def test_a_packed_answer_is_unpacked(serve: Any) -> None:
    server = serve(replying(answer(gzip.compress(b'{"a": 1}'), "200 OK", "Content-Encoding: gzip")))
    assert Http([server.host]).request("GET", server.url).json() == {"a": 1}


def test_a_chunked_answer_is_read_whole(serve: Any) -> None:
    server = serve(
        replying(b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n5\r\n": 1}\r\n0\r\n\r\n')
    )
    assert Http([server.host]).request("GET", server.url).json() == {"a": 1}


def test_one_connection_serves_many_calls(serve: Any) -> None:
    server = serve(replying(answer()))
    http = Http([server.host])
    for _ in range(5):
        http.request("POST", server.url, json={})
    assert (server.connections, len(server.requests)) == (1, 5)


def test_nothing_comes_from_the_environment(
    serve: Any, closed_port: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password secret")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{closed_port}")
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{closed_port}")
    server = serve(replying(answer()))
    Http([server.host]).request("GET", server.url)
    assert b"authorization" not in server.requests[0].lower()


def test_cookies_are_not_kept(serve: Any) -> None:
    server = serve(replying(answer(b"{}", "200 OK", "Set-Cookie: session=abc; Path=/")))
    http = Http([server.host])
    http.request("GET", server.url)
    http.request("GET", server.url)
    assert b"cookie" not in server.requests[1].lower()


def test_a_redirect_is_returned_and_not_followed(serve: Any) -> None:
    elsewhere = serve(replying(answer()))
    server = serve(replying(answer(b"", "307 Temporary Redirect", f"Location: {elsewhere.url}/stolen")))
    http = Http([server.host, elsewhere.host])
    assert http.request("POST", server.url, **SECRET_CALL).status == 307
    assert not elsewhere.requests


def test_neither_answer_nor_session_prints_what_it_holds(serve: Any) -> None:
    server = serve(replying(answer(f'{{"access_token": "{TOKEN}"}}'.encode(), "200 OK", f"Set-Cookie: t={TOKEN}")))
    http = Http([server.host])
    found = http.request("GET", f"{server.url}/?t={TOKEN}")
    assert TOKEN not in f"{found!r} {found} {http!r}"


# where it may go


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("graph.example.com", "https://other.example.com/"),
        ("graph.example.com", "https://graph.example.com.evil.example/"),
        ("graph.example.com", "https://evil.example/graph.example.com"),
        ("graph.example.com", "https://evil.example\\@graph.example.com.evil.example/"),
        ("graph.example.com", "https://evil.example#@graph.example.com/"),
        ("graph.example.com", "https://graph.example.com:8443/"),
        ("graph.example.com", "https://graph.example.com@evil.example/"),
        ("graph.example.com", "https://someone:secret@graph.example.com/"),
        ("graph.example.com", "https://evil.example%2f@graph.example.com/"),
        ("graph.example.com", "http://graph.example.com/"),
        ("graph.example.com", "ftp://graph.example.com/"),
        ("graph.example.com", "file:///etc/passwd"),
        ("graph.example.com", "//graph.example.com/"),
        ("graph.example.com", "graph.example.com/"),
        ("graph.example.com", "https://"),
        ("graph.example.com", "https://graph.example.com:port/"),
        ("graph.example.com", "https://[::1/"),
        ("graph.example.com", ""),
        ("127.0.0.1:9", "http://127.0.0.1:10/"),
        ("127.0.0.1", "http://127.0.0.1:9/"),
        ("10.0.0.1", "http://10.0.0.1/"),
        ("127.0.0.1.evil.example", "http://127.0.0.1.evil.example/"),
        ("localhost", "http://0x7f000001/"),
    ],
)
def test_an_address_outside_the_list_is_refused(allowed: str, url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        Http([allowed], timeout=(0.01, 0.01)).request("GET", url)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("allowed", "url"),
    [
        ("graph.example.com", "https://graph.example.com/v1"),
        ("graph.example.com", "https://GRAPH.example.com:443/v1"),
        ("Graph.Example.com", "https://graph.example.com/v1"),
        ("graph.example.com:443", "https://graph.example.com/v1"),
        ("graph.example.com:8443", "https://graph.example.com:8443/v1"),
        ("127.0.0.1", "http://127.0.0.1/"),
        ("[::1]:99", "http://[::1]:99/"),
        ("localhost:99", "http://localhost:99/"),
    ],
)
def test_an_address_on_the_list_passes(allowed: str, url: str) -> None:
    http = Http([allowed])
    http._check(url)
    assert http._known


def test_the_refusal_names_the_hosts_that_are_allowed() -> None:
    with pytest.raises(ConfigurationError, match=r"other\.example is not among .*\(a\.example, b\.example\)"):
        Http(["b.example", "a.example"]).request("GET", "https://other.example/x")


@pytest.mark.parametrize("host", ["", "https://a.example", "a.example/x", "me@a.example", "a.example:x", "a b:1:2"])
def test_a_host_that_is_none_is_refused_at_once(host: str) -> None:
    with pytest.raises(ConfigurationError):
        Http([host])


@pytest.mark.parametrize("value", ["Bearer abc\r\nX-Evil: 1", "Bearer abc\n", "Bearer ab…c", "Bearer\x00"])
def test_a_header_that_may_not_be_sent_is_refused_without_being_shown(serve: Any, value: str) -> None:
    server = serve(replying(answer()))
    with pytest.raises(ConfigurationError) as caught:
        Http([server.host]).request("GET", server.url, headers={"Authorization": value})
    assert "'Authorization'" in str(caught.value)
    assert "ab" not in str(caught.value).replace("table", "")
    assert not server.requests


# nothing has left this machine


def test_a_refused_connection_is_temporary(closed_port: int) -> None:
    fault = fault_of(Http([f"127.0.0.1:{closed_port}"]), f"http://127.0.0.1:{closed_port}/v25.0/1/messages")
    assert type(fault) is TemporaryError
    assert str(fault) == "127.0.0.1 could not be reached (connection refused)."
    assert fault.advice


def test_an_unknown_host_is_temporary(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kwargs: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # a network may lead every name somewhere
    fault = fault_of(Http(["nowhere.invalid"]), "https://nowhere.invalid/v25.0/1")
    assert type(fault) is TemporaryError


def test_a_connection_that_is_not_taken_is_temporary() -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(4)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        fault = fault_of(Http([f"127.0.0.1:{port}"], timeout=(0.2, 5)), f"http://127.0.0.1:{port}/v25.0/1")
        for one in waiting:
            one.close()
    assert type(fault) is TemporaryError


def test_a_certificate_nobody_vouches_for_is_temporary_and_explained(serve: Any, certificate: Any) -> None:
    server = serve(replying(answer()), tls=certificate("localhost").context)
    http = Http([f"localhost:{server.port}"], timeout=(PATIENCE, PATIENCE))
    fault = fault_of(http, f"https://localhost:{server.port}/v25.0/1")
    assert type(fault) is TemporaryError
    assert "self-signed certificate" in str(fault)
    assert "clock" in fault.advice
    assert not server.requests


def test_a_certificate_for_another_name_is_temporary_and_explained(
    serve: Any, certificate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = certificate("other.example")
    monkeypatch.setattr(module, "DEFAULT_CA_BUNDLE_PATH", str(other.file))
    server = serve(replying(answer()), tls=other.context)
    http = Http([f"localhost:{server.port}"], timeout=(PATIENCE, PATIENCE))
    fault = fault_of(http, f"https://localhost:{server.port}/v25.0/1")
    assert type(fault) is TemporaryError
    assert "ostname mismatch" in str(fault)
    assert not server.requests


def one_guest(listener: socket.socket, receive: Callable[[socket.socket], None]) -> threading.Thread:
    """Let a thread take one connection; it must be joined before the listener is closed."""

    def take() -> None:
        connection, _ = listener.accept()
        with connection:
            receive(connection)

    thread = threading.Thread(target=take, daemon=True)
    thread.start()
    return thread


def test_plain_http_where_tls_was_expected_is_temporary() -> None:
    def speak_plainly(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        thread = one_guest(listener, speak_plainly)
        http = Http([f"localhost:{port}"], timeout=(PATIENCE, PATIENCE))
        fault = fault_of(http, f"https://localhost:{port}/v25.0/1")
        thread.join()
    assert type(fault) is TemporaryError


@pytest.mark.parametrize("silent", [True, False], ids=["silence", "close"])
def test_a_handshake_that_is_not_answered_is_temporary(silent: bool) -> None:
    """urllib3 calls these a read timeout and an aborted connection, as if the request had left."""

    def hang_up(connection: socket.socket) -> None:
        reset(connection, b"")

    with socket.create_server(("127.0.0.1", 0)) as listener:  # the kernel connects, also where nobody takes it
        port = listener.getsockname()[1]
        thread = None if silent else one_guest(listener, hang_up)
        seconds = 0.3 if silent else PATIENCE
        http = Http([f"localhost:{port}"], timeout=(seconds, seconds))
        fault = fault_of(http, f"https://localhost:{port}/v25.0/1")
        if thread:
            thread.join()
    assert type(fault) is TemporaryError


# it may have been carried out


def silence(connection: socket.socket, request: bytes) -> bool:
    connection.recv(1)  # until the other side has had enough
    return False


HALF = replying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


@pytest.mark.parametrize(
    "behave",
    [
        pytest.param(silence, id="no answer"),
        pytest.param(reset, id="connection reset"),
        pytest.param(replying(b"", stay=False), id="closed without an answer"),
        pytest.param(replying(b"SMTP ready\r\n\r\n", stay=False), id="no HTTP"),
        pytest.param(replying(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", stay=False), id="cut short"),
        pytest.param(HALF, id="stops half-way"),
        pytest.param(
            replying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n", stay=False),
            id="broken chunk",
        ),
        pytest.param(replying(answer(b"not packed", "200 OK", "Content-Encoding: gzip")), id="wrong packing"),
        pytest.param(replying(b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000 + b"\r\n\r\n"), id="endless header"),
        pytest.param(replying(b"HTTP/1.1 200 OK\r\nContent-Length: 9000000\r\n\r\n{"), id="announced too large"),
    ],
)
def test_a_fault_after_the_request_is_uncertain(serve: Any, behave: Any) -> None:
    server = serve(behave)
    patience = 0.3 if behave in (silence, HALF) else PATIENCE
    fault = fault_of(Http([server.host], timeout=(PATIENCE, patience)), f"{server.url}/v25.0/1")
    assert type(fault) is UncertainError
    assert "127.0.0.1" in str(fault)
    assert server.all_connections() == 1, "it must not be repeated"
    assert len(server.requests) <= 1


def test_tls_that_breaks_after_the_request_is_uncertain(
    serve: Any, certificate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = certificate("localhost")
    monkeypatch.setattr(module, "DEFAULT_CA_BUNDLE_PATH", str(ours.file))

    def spoil(connection: socket.socket, request: bytes) -> bool:
        with socket.socket(fileno=connection.detach()) as plain:
            plain.sendall(b"\x17\x03\x03\x00\x05rubbish")
        return False

    server = serve(spoil, tls=ours.context)
    http = Http([f"localhost:{server.port}"], timeout=(PATIENCE, PATIENCE))
    fault = fault_of(http, f"https://localhost:{server.port}/v25.0/1")
    assert type(fault) is UncertainError
    assert len(server.requests) == 1


def test_a_trusted_certificate_lets_the_call_through(
    serve: Any, certificate: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = certificate("localhost")
    monkeypatch.setattr(module, "DEFAULT_CA_BUNDLE_PATH", str(ours.file))
    server = serve(replying(answer()), tls=ours.context)
    http = Http([f"localhost:{server.port}"], timeout=(PATIENCE, PATIENCE))
    assert http.request("GET", f"https://localhost:{server.port}/").status == 200


@pytest.mark.parametrize("packed", [False, True])
def test_more_than_eight_megabytes_are_not_read(serve: Any, packed: bool) -> None:
    body = b" " * (9 << 20)
    data = answer(gzip.compress(body), "200 OK", "Content-Encoding: gzip") if packed else (
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + body
    )  # fmt: skip
    server = serve(replying(data, stay=False))
    fault = fault_of(Http([server.host]), f"{server.url}/v25.0/1")
    assert type(fault) is UncertainError
    assert fault.status == 200
    assert "8 MB" in str(fault)


def test_eight_megabytes_are_read(serve: Any) -> None:
    server = serve(replying(answer(b" " * (8 << 20))))
    assert len(Http([server.host]).request("GET", server.url).body) == 8 << 20


def test_a_call_after_a_fault_finds_a_fresh_connection(serve: Any) -> None:
    behaviours = iter([reset, replying(answer())])
    server = serve(lambda connection, request: next(behaviours)(connection, request))
    http = Http([server.host])
    fault_of(http, server.url)
    assert http.request("GET", server.url).status == 200


# the table


def test_every_exception_of_requests_has_one_meaning() -> None:
    found = {
        kind
        for _, kind in inspect.getmembers(requests.exceptions, inspect.isclass)
        if issubclass(kind, requests.exceptions.RequestException)
    }
    assert set(MEANING) == found
    never_made = {name.__name__ for name, kind in MEANING.items() if kind is ConfigurationError}
    assert never_made == {
        "URLRequired", "MissingSchema", "InvalidSchema", "InvalidURL", "InvalidProxyURL", "InvalidHeader",
        "InvalidJSONError",
    }  # fmt: skip
    assert {kind.__name__ for kind, ours in MEANING.items() if ours is TemporaryError} == {
        "ConnectTimeout",
        "ProxyError",
    }


@pytest.mark.parametrize("kind", MEANING, ids=lambda kind: kind.__name__)
def test_a_meaning_is_given_without_the_words_of_the_fault(kind: type[Exception]) -> None:
    words = f"https://host/v25.0?access_token={TOKEN}"
    error = kind(words, words, 0) if kind is requests.exceptions.JSONDecodeError else kind(words)
    fault = translate(error, "host.example")
    assert type(fault) is MEANING[kind]
    assert isinstance(fault, ConnectorError)
    assert TOKEN not in f"{fault} {fault!r}"
    assert "host.example" in str(fault)


# many threads


def test_256_threads_get_their_own_answers(serve: Any) -> None:
    def echo(connection: socket.socket, request: bytes) -> bool:
        connection.sendall(answer(request.partition(b"\r\n\r\n")[2]))
        return True

    server = serve(echo)
    http = Http([server.host], threads=256, timeout=(PATIENCE, PATIENCE))
    right: list[bool] = []  # to which threads may append at once; counting in one place would lose some
    together = threading.Barrier(256)

    def call(number: int) -> None:
        together.wait()
        for turn in range(3):
            got = http.request("POST", f"{server.url}/v25.0/{number}", json={"n": number * 10 + turn}).json()
            right.append(got == {"n": number * 10 + turn})

    threads = [threading.Thread(target=call, args=(number,)) for number in range(256)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert right == [True] * 768
    assert server.connections <= 256


def test_a_call_costs_hardly_more_than_a_bare_session(serve: Any) -> None:
    server = serve(replying(answer(b'{"messages": [{"id": "wamid.1"}]}', "200 OK", "Content-Type: application/json")))
    http = Http([server.host])
    bare = requests.Session()
    bare.trust_env = False
    url, headers, message = (
        f"{server.url}/v25.0/1/messages",
        {"Authorization": f"Bearer {TOKEN}"},
        {"to": "1", "n": [1] * 30},
    )

    def spent(ours: bool) -> float:
        start = time.thread_time()
        for _ in range(100):
            if ours:
                http.request("POST", url, headers=headers, json=message)
            else:
                bare.post(url, headers=headers, json=message, timeout=(3.05, 20), allow_redirects=False)
        return time.thread_time() - start

    spent(True), spent(False)
    rounds = [(spent(True), spent(False)) for _ in range(6)]
    bare.close()
    assert min(ours for ours, _ in rounds) < 1.1 * min(theirs for _, theirs in rounds)
