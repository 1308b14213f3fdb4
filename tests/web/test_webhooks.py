"""The door for vendors, called as a server calls it: who is let in, what is kept, and what is never touched."""

from __future__ import annotations

import io
import json
import re
import socket
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from werkzeug.test import Client

from connector import wiring
from connector.contract import Adapter, Receiver
from connector.errors import SignatureError
from connector.flow import accounts
from connector.flow.intake import MOST_AT_ONCE, Intake
from connector.model import Item, Request, Response, Verified
from connector.registry import Registry
from connector.settings import Settings
from connector.store import migrate
from connector.web import create_app
from connector.web.webhooks import MOST_HEADER, MOST_HEADERS, Webhooks
from connector.wiring import HASTE_SECONDS, Directory, Wiring
from tests.servers import Postgres
from tests.toys import ShopSettings
from tests.web.conftest import (
    CAP,
    PATIENCE,
    SECRETS,
    SHOP,
    VERIFY_TOKEN,
    Away,
    House,
    Served,
    app_signature,
    shop_headers,
    shop_signature,
)

BODY = b'{"id": 820982911946154508, "name": "#1001"}'
NO_SUCH = b"There is no such webhook address.\n"
METHODS = ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW", "post", ""]


class Untouched(io.RawIOBase):
    """A body that nobody may read."""

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        raise AssertionError("the body was read")


class Endless(io.RawIOBase):
    """A body without an end; counts what was taken of it."""

    def __init__(self) -> None:
        super().__init__()
        self.taken = 0

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        assert 0 <= size <= CAP + 1, "more than the cap was asked for at once"
        self.taken += size
        return b"a" * size


def call(
    web: Any, path: str, method: str = "POST", body: Any = b"", **environ: str
) -> tuple[int, dict[str, str], bytes]:
    """Call a WSGI application as a server does, and return status, headers and body."""
    told: list[Any] = []
    given = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": "", "SERVER_PROTOCOL": "HTTP/1.1",
        "SERVER_NAME": "x", "SERVER_PORT": "80", "SCRIPT_NAME": "", "wsgi.url_scheme": "http", "wsgi.version": (1, 0),
        "wsgi.errors": io.StringIO(), "wsgi.multithread": True, "wsgi.multiprocess": False, "wsgi.run_once": False,
        "wsgi.input": io.BytesIO(body) if isinstance(body, bytes) else body,
    }  # fmt: skip
    parts = web({**given, **environ}, lambda status, headers, *_: told.append((status, headers)))
    (status, headers), answer = told[0], b"".join(parts)
    return int(status[:3]), dict(headers), answer


def signed(body: bytes, **more: str) -> dict[str, str]:
    """Return the variables of a signed webhook of the shop."""
    return {
        "HTTP_X_SHOPIFY_HMAC_SHA256": shop_signature(body),
        "HTTP_X_SHOPIFY_SHOP_DOMAIN": SHOP,
        "HTTP_X_SHOPIFY_TOPIC": "orders/paid",
        "CONTENT_TYPE": "application/json",
    } | more


def path_of(house: House) -> str:
    return f"/hooks/{house.shop.token}"


# who is at this address


def test_a_signed_webhook_is_stored_before_it_is_acknowledged(house: House) -> None:
    assert call(house.web, path_of(house), body=BODY, CONTENT_LENGTH=str(len(BODY)), **signed(BODY))[0] == 200
    (row,) = house.rows("request")
    assert (row.account_id, row.topic, row.method, row.body) == (house.shop.id, "orders/paid", "POST", BODY)


def test_every_wrong_address_is_answered_alike_and_its_body_is_not_read(house: House) -> None:
    token = house.shop.token
    wrong = [token[:length] for length in range(len(token))]
    wrong += [token + "x", token + "/", "/" + token, token.swapcase(), token + "\0", token + "%00", f"{token}/..",
              "..", "../" + token, f" {token}", "x" * 128, "x" * 129, "x" * 100_000, "é", "\xff\xfe"]  # fmt: skip
    answers = {
        repr(call(house.web, f"/hooks/{each}", method, Untouched(), CONTENT_LENGTH="99", **signed(b"")))
        for each in wrong
        for method in ("POST", "GET", "PUT")
    }
    (answer,) = answers
    assert NO_SUCH.decode().strip() in answer
    assert house.rows("request") == []


@pytest.mark.parametrize("path", ["/hooks", "//hooks/{}", "/Hooks/{}", "/x/hooks/{}", "/hooks?{}", "", "hooks/{}"])
def test_an_address_beside_the_door_leads_nowhere(house: House, path: str) -> None:
    status, _, answer = call(house.web, path.format(house.shop.token), body=BODY, **signed(BODY))
    assert status in (308, 404)
    assert house.shop.token.encode() not in answer
    assert house.rows("request") == []


def test_a_stranger_who_tries_addresses_costs_few_look_ups(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    at, begun = [1000.0], []
    monkeypatch.setattr(wiring, "time", SimpleNamespace(monotonic=lambda: at[0]))
    house.tools.directory.forget()
    assert house.post(BODY).status_code == 200
    event.listen(house.store.engine, "begin", lambda connection: begun.append(1))
    for number in range(1000):
        assert call(house.web, f"/hooks/{number:032}")[0] == 404
    assert begun == [], "it has just been looked"
    for number in range(1000):
        at[0] += HASTE_SECONDS / 100
        assert call(house.web, f"/hooks/{number:032}")[0] == 404
    assert 2 * 9 <= len(begun) <= 2 * 10, "a reading takes two transactions"


@pytest.mark.parametrize("method", METHODS)
def test_only_posts_are_taken(house: House, method: str) -> None:
    for account in (house.shop, house.number):
        status, _, _ = call(
            house.web, f"/hooks/{account.token}", method, Untouched(), CONTENT_LENGTH="9", **signed(b"")
        )
        assert status == 405
    assert house.rows("request") == []


# bodies


def test_a_body_that_is_announced_too_large_is_not_read(house: House) -> None:
    for length in (str(CAP + 1), "9" * 12, "9" * 13, "9" * 5000, "0" * 12 + "99999999"):
        assert call(house.web, path_of(house), body=Untouched(), CONTENT_LENGTH=length, **signed(b""))[0] == 413
    assert house.rows("request") == []


def test_a_body_of_just_the_cap_is_taken(house: House) -> None:
    body = b'{"id": 1}'.ljust(CAP)
    assert house.post(body).status_code == 200
    assert house.post(body + b" ").status_code == 413
    assert len(house.rows("request")) == 1


def test_of_a_body_without_an_end_no_more_than_the_cap_is_read(house: House) -> None:
    body = Endless()
    assert call(house.web, path_of(house), body=body, HTTP_TRANSFER_ENCODING="chunked", **signed(b""))[0] == 413
    assert body.taken <= CAP + 1
    assert house.rows("request") == []


@pytest.mark.parametrize("length", ["-1", "+9", "1e3", "9, 9", "0x9", " 9", "nine", "٣", "1_0", "9.0"])
def test_a_length_that_is_no_number_is_refused_and_nothing_read(house: House, length: str) -> None:
    assert call(house.web, path_of(house), body=Untouched(), CONTENT_LENGTH=length, **signed(BODY))[0] == 400
    assert house.rows("request") == []


def test_a_body_that_ends_too_early_is_refused_and_taken_when_it_comes_whole(house: House) -> None:
    """Where only a secret proves the sender, half a body would take the place of the whole one for ever."""
    account = house.connect(
        "webhook", "desk", secret=["desk-secret-1"], mode="shared", header="X-Key", id="header:X-Id"
    )
    body, path = b'{"type": "ticket.closed", "id": "t-1"}', f"/hooks/{account.token}"
    proof = {"HTTP_X_KEY": "desk-secret-1", "HTTP_X_ID": "t-1", "CONTENT_LENGTH": str(len(body))}
    for end in (0, 1, len(body) - 1):
        assert call(house.web, path, body=body[:end], **proof)[0] == 400
    assert house.rows("request") == []
    assert call(house.web, path, body=body, **proof)[0] == 200
    assert call(house.web, path, body=body, **proof)[0] == 200
    assert [row.body for row in house.rows("request")] == [body]


# what is kept of a request


def test_a_secret_that_proves_the_sender_is_not_stored(house: House) -> None:
    secrets = {"Authorization": "Bearer ", "X-Api-Key": ""}
    for number, (header, prefix) in enumerate(secrets.items()):
        secret = f"desk-secret-{number}"
        account = house.connect(
            "webhook", f"desk-{number}", secret=[secret], mode="shared", header=header, prefix=prefix
        )
        body = b'{"type": "ticket.closed", "id": "t-1"}'
        assert house.knock(account, body, headers={header: prefix + "another"}).status_code == 401
        assert house.knock(account, body, headers={header: prefix + secret, "X-Trace": "kept"}).status_code == 200
        row = house.rows("request")[-1]
        assert row.headers["x-trace"] == "kept"
        assert secret not in json.dumps(row.headers)
    assert house.decide().events == len(secrets)


def test_headers_that_are_nobody_s_business_are_not_stored(house: House) -> None:
    cookie = {"Cookie": "session=1", "Authorization": "Basic abc", "Proxy-Authorization": "Basic abc"}
    assert house.post(BODY, **cookie).status_code == 200
    (row,) = house.rows("request")
    assert not {name.lower() for name in cookie} & set(row.headers)


def test_ten_thousand_headers_are_cut_down_and_the_signature_is_still_seen_among_a_hundred(
    house: House,
) -> None:
    many = {f"HTTP_X_{number:05}": "v" * 9000 for number in range(10_000)}
    status, _, _ = call(house.web, path_of(house), body=BODY, **signed(BODY), **many)
    assert status in (200, 401)
    hundred = dict(list(many.items())[: MOST_HEADERS - 3])
    status, _, _ = call(house.web, path_of(house), body=BODY + b" ", **hundred, **signed(BODY + b" "))
    assert status == 200
    for row in house.rows("request"):
        assert len(row.headers) <= MOST_HEADERS + 1
        assert max(map(len, row.headers.values())) <= MOST_HEADER


def test_a_giant_query_is_no_matter(house: House) -> None:
    for query in ("a=b&" * 100_000, "x" * 1_000_000, "%", "%zz=%ff", "=" * 5000, ";" * 5000, "\xff=\xfe"):
        for method, status in (("POST", 401), ("GET", 405)):
            assert call(house.web, path_of(house), method, QUERY_STRING=query)[0] == status
    assert house.rows("request") == []


# anything at all


HEADER_NAMES = st.sampled_from(
    ["HTTP_X_SHOPIFY_HMAC_SHA256", "HTTP_SHOPIFY_HMAC_SHA256", "HTTP_X_HUB_SIGNATURE_256", "HTTP_TRANSFER_ENCODING",
     "HTTP_X_SHOPIFY_SHOP_DOMAIN", "HTTP_X_SHOPIFY_TOPIC", "HTTP_X_SHOPIFY_WEBHOOK_ID", "HTTP_AUTHORIZATION",
     "CONTENT_TYPE"]
)  # fmt: skip
UNHURRIED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
LATIN = st.text(st.characters(max_codepoint=255), max_size=80)
SIGNATURES = st.sampled_from(
    [
        "",
        "=",
        "sha256=",
        "sha256=" + "0" * 64,
        "A" * 43 + "=",
        "sha256=" + "é" * 64,
        "é" * 44,
        "0" * 100_000,
        SHOP,
    ]
)
QUERIES = LATIN | st.sampled_from(
    ["hub.mode=subscribe&hub.verify_token=x&hub.challenge=1", "hub.mode=subscribe",
     "hub.mode=unsubscribe&hub.challenge=1", "hub.verify_token=%ff%fe&hub.mode=subscribe",
     "hub.mode=subscribe&hub.verify_token=" + "x" * 5000, "&" * 60]
)  # fmt: skip
BODIES = st.binary(max_size=200) | st.sampled_from([BODY, b"", b"[" * 100_000, b'{"entry": [{}]}', b"\xff\xfe"])


@given(
    method=st.sampled_from(["GET", "POST", "POST", "POST", "HEAD", "PUT", "OPTIONS"]) | LATIN,
    headers=st.dictionaries(HEADER_NAMES, LATIN | SIGNATURES, max_size=6),
    body=BODIES,
    query=QUERIES,
    place=st.sampled_from(["shop", "number", "nobody"]) | LATIN,
)
@example(
    method="GET",
    headers={},
    body=b"",
    query=f"hub.mode=subscribe&hub.verify_token={VERIFY_TOKEN[:-1]}",
    place="number",
)
@example(
    method="POST",
    headers={"HTTP_X_SHOPIFY_HMAC_SHA256": shop_signature(BODY)},
    body=BODY,
    query="",
    place="shop",
)
@example(
    method="POST",
    headers={"HTTP_X_HUB_SIGNATURE_256": app_signature(BODY, "other")},
    body=BODY,
    query="",
    place="number",
)
@settings(max_examples=300, deadline=None, suppress_health_check=UNHURRIED)
def test_nobody_who_proves_nothing_gets_in_or_makes_it_fail(
    house: House, method: str, headers: dict[str, str], body: bytes, query: str, place: str
) -> None:
    tokens = {"shop": house.shop.token, "number": house.number.token}
    status, _, answer = call(
        house.web, f"/hooks/{tokens.get(place, place)}", method, body, QUERY_STRING=query,
        CONTENT_LENGTH=str(len(body)), **headers,
    )  # fmt: skip
    if place not in tokens:
        assert (status, answer) == (404, NO_SUCH)
    elif method == "POST":
        assert status == 401
    else:
        assert status in (403, 405)
    assert house.rows("request") == []


class Diary:
    """What was asked of a receiver, in order."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def adapter(self) -> Adapter:
        return Adapter(name="diary", title="Diary", settings=ShopSettings, receiver=lambda settings: Recorder(self))


class Recorder(Receiver):
    """Accepts the body ``open sesame``; writes down every call, and breaks where it is told to."""

    breaks = ""

    def __init__(self, diary: Diary) -> None:
        self.diary = diary

    def _note(self, name: str) -> None:
        self.diary.calls.append(name)
        if self.breaks == name:
            raise TypeError("comparing strings with non-ASCII characters is not supported")

    def handshake(self, request: Request) -> Response | None:
        self._note("handshake")
        return None

    def verify(self, request: Request) -> Verified:
        self._note("verify")
        if request.body != b"open sesame":
            raise SignatureError("That is not the word.")
        return Verified(request)

    def key(self, request: Verified) -> str:
        self._note("key")
        return "k"

    def topic(self, request: Verified) -> str:
        self._note("topic")
        return "t"

    def parse(self, request: Verified) -> Sequence[Item]:
        self._note("parse")
        return []


class DiaryRegistry(Registry):
    """Knows the diary."""

    def __init__(self, diary: Diary) -> None:
        super().__init__()
        self.diary = diary

    def get(self, name: str) -> Adapter:
        return self.diary.adapter() if name == "diary" else super().get(name)


@pytest.fixture
def diary() -> Diary:
    return Diary()


@pytest.fixture
def door(house: House, diary: Diary) -> Callable[..., tuple[int, dict[str, str], bytes]]:
    """Call the address of an account whose receiver keeps a diary."""
    house.tools.registry = DiaryRegistry(diary)
    account = house.connect("diary", "diary", shop="x", webhook_secret=["s"])
    directory = Directory(house.store, house.tools.registry, house.tools.vault)
    intake, otherwise = house.web._intake, house.web._otherwise  # type: ignore[attr-defined]
    web = Webhooks(directory, intake, house.tools.knocks, body_cap=CAP, otherwise=otherwise)
    return lambda *given, **more: call(web, f"/hooks/{account.token}", *given, **more)


@given(method=st.sampled_from(["POST", "POST", "GET", "HEAD", "PUT"]) | LATIN, body=BODIES, query=QUERIES)
@settings(max_examples=100, deadline=None, suppress_health_check=UNHURRIED)
def test_nothing_is_asked_of_a_receiver_before_it_has_proved_the_sender(
    door: Callable[..., Any], diary: Diary, method: str, body: bytes, query: str
) -> None:
    diary.calls.clear()
    status, _, _ = door(method, body, QUERY_STRING=query)
    assert status in (401, 405)
    assert diary.calls in ([], ["handshake"], ["verify"])


def test_a_proved_request_is_known_again_and_stored_without_being_parsed(
    door: Callable[..., Any], diary: Diary, house: House
) -> None:
    assert door(body=b"open sesame")[0] == 200
    assert diary.calls == ["verify", "key", "topic"]
    assert len(house.rows("request")) == 1


@pytest.mark.parametrize(
    ("place", "method", "status"),
    [("verify", "POST", 401), ("handshake", "GET", 503), ("key", "POST", 503), ("topic", "POST", 503)],
)
def test_a_receiver_with_a_bug_lets_nobody_in_and_is_told_in_the_log(
    door: Callable[..., Any],
    house: House,
    log_lines: Callable[[], list[Mapping[str, Any]]],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
    method: str,
    status: int,
) -> None:
    monkeypatch.setattr(Recorder, "breaks", place)
    assert door(method, b"open sesame")[0] == status
    assert house.rows("request") == []
    (failure,) = [line for line in log_lines() if line["level"] == "error"]
    assert failure["account"] == "diary"
    assert failure["exception"]["type"] == "TypeError"


# when the database does not take it


@pytest.fixture
def impatient(house: House) -> Iterator[Client]:
    """The web with an intake that waits for half a second."""
    intake = Intake(house.store, lambda: None, patience=0.5)
    tools, otherwise = house.tools, house.web._otherwise  # type: ignore[attr-defined]
    yield Client(Webhooks(tools.directory, intake, tools.knocks, body_cap=CAP, otherwise=otherwise))
    intake.close()


def test_while_the_database_is_locked_nothing_is_acknowledged_and_nothing_is_lost(
    house: House, impatient: Client
) -> None:
    bodies = [json.dumps({"id": number}).encode() for number in range(2 * MOST_AT_ONCE)]

    def post(body: bytes) -> int:
        return impatient.post(path_of(house), data=body, headers=shop_headers(body)).status_code

    with house.store.write(), ThreadPoolExecutor(len(bodies)) as pool:
        assert set(pool.map(post, bodies)) == {503}
        assert house.rows("request") == []
    impatient.application._intake._patience = PATIENCE
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(post, bodies)) == {200}
    assert sorted(row.body for row in house.rows("request")) == sorted(bodies)


def test_what_nobody_waits_for_any_more_does_not_pile_up(
    house: House, impatient: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake, busy = impatient.application._intake, threading.Event()
    commit, intake._patience = intake._commit, PATIENCE
    monkeypatch.setattr(intake, "_commit", lambda batch: (busy.set(), commit(batch)))
    with ThreadPoolExecutor(1) as pool, house.store.write():
        first = pool.submit(impatient.post, path_of(house), data=b"{}", headers=shop_headers(b"{}"))
        assert busy.wait(PATIENCE)  # the writer holds the first, and waits for its turn
        intake._patience = 0.1
        for body in (b"[1]", b"[2]", b"[3]"):
            assert impatient.post(path_of(house), data=body, headers=shop_headers(body)).status_code == 503
        waiting = [intake._waiting.get_nowait() for _ in range(3)]
        assert [ticket.arrival for ticket in waiting] == [None, None, None]
        for ticket in waiting:
            intake._waiting.put(ticket)
        intake._patience = PATIENCE
    assert first.result().status_code == 200
    assert impatient.post(path_of(house), data=b"[4]", headers=shop_headers(b"[4]")).status_code == 200
    assert [row.body for row in house.rows("request")] == [b"{}", b"[4]"]


def test_a_request_that_cannot_be_stored_is_refused_so_that_it_comes_again(
    house: House, log_lines: Callable[[], list[Mapping[str, Any]]]
) -> None:
    with house.store.write() as tx:
        tx.exec_driver_sql("ALTER TABLE request RENAME TO gone")
    answer = house.post({"id": 1, "phone": "+447400123456"})
    assert (answer.status_code, answer.data) == (503, b"It could not be stored; send it again.\n")
    (failure,) = [line for line in log_lines() if line["event"] == "webhook.not_stored"]
    assert "7400" not in json.dumps(failure)
    with house.store.write() as tx:
        tx.exec_driver_sql("ALTER TABLE gone RENAME TO request")
    assert house.post({"id": 1, "phone": "+447400123456"}).status_code == 200


def test_while_the_database_is_away_senders_are_told_to_come_again(
    postgres: Postgres, postgres_url: str, tmp_path: Path
) -> None:
    tools = Wiring(Settings.from_env({"DATABASE_URL": postgres_url}, data=tmp_path))
    migrate.upgrade(tools.store)
    away = Away(postgres, postgres_url)
    with closing(House(tools)) as house:
        assert house.post({"id": 1}).status_code == 200
        away.go()
        tools.directory._read_at = float("-inf")
        assert house.post({"id": 2}).status_code == 503
        assert house.knock(house.shop, b"{}").status_code == 401
        assert house.open("/hooks/nobody", "POST").status_code == 404
        query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY_TOKEN, "hub.challenge": "42"}
        assert house.knock(house.number, method="GET", query_string=query).data == b"42"
        with closing(Wiring(tools.settings)) as other:  # a process that starts now knows no account
            stranger = create_app(other)
            assert call(stranger, path_of(house), body=BODY, **signed(BODY))[0] == 503
            stranger._intake.close()  # type: ignore[attr-defined]
        away.come_back()
        assert house.post({"id": 2}).status_code == 200
        assert [row.body for row in house.rows("request")] == [b'{"id": 1}', b'{"id": 2}']


def test_accounts_that_are_connected_while_the_web_runs_are_known_within_a_moment(house: House) -> None:
    assert house.post(BODY).status_code == 200
    with closing(Wiring(house.tools.settings)) as tools:  # as a command does, in a process of its own
        given = {"shop": "another", "webhook_secret": ["s"]}
        account = accounts.connect(tools.store, tools.registry, tools.vault, "shopify", "another", given)
    time.sleep(1.5 * HASTE_SECONDS)
    assert call(house.web, f"/hooks/{account.token}", body=BODY, **signed(BODY))[0] == 401


# behind the real server


def chunked(body: bytes, size: int = 7) -> bytes:
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


CHUNKED = "Transfer-Encoding: chunked"


def statuses(answer: bytes) -> list[int]:
    return [int(status) for status in re.findall(rb"^HTTP/1\.[01] (\d{3})", answer, re.MULTILINE)]


def test_a_body_in_chunks_without_a_length_is_taken_whole(served: Served) -> None:
    assert statuses(served.send(served.head(BODY, CHUNKED, length=None) + chunked(BODY))) == [200]
    assert served.bodies() == [BODY]


def test_a_body_that_comes_drop_by_drop_is_taken_whole(served: Served) -> None:
    drops = [BODY[start : start + 9] for start in range(0, len(BODY), 9)]
    assert statuses(served.send(served.head(BODY), *drops, pause=0.05)) == [200]
    assert served.bodies() == [BODY]


def test_a_sender_that_asks_first_is_told_to_go_on_and_a_stranger_is_not(served: Served) -> None:
    expects = "Expect: 100-continue"
    assert statuses(served.send(served.head(BODY, expects) + BODY)) == [100, 200]
    nobody = "POST /hooks/nobody HTTP/1.1"
    assert statuses(served.send(served.head(BODY, expects, start=nobody))) == [404]


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_bodies_beyond_the_cap_are_cut_off_and_memory_stays_bounded(served: Served) -> None:
    """Eight senders at once, each with 128 MB or more in chunks and no length: they get no further than the cap.

    A sender gets rid of more than the server reads: the kernel takes the rest, up to what its buffers hold.
    """
    buffers = (Path(f"/proc/sys/net/ipv4/tcp_{each}mem").read_text().split()[-1] for each in "rw")
    most = 2 * CAP + sum(map(int, buffers))
    flood_size = max(128 << 20, 2 * most)
    chunk = b"%x\r\n%s\r\n" % (1 << 16, b"a" * (1 << 16))
    before = served.peak()

    def flood(_: int) -> int:
        with served.connect() as connection:
            connection.sendall(served.head(b"", CHUNKED, length=None))
            sent = 0
            with suppress(ConnectionError):
                while sent < flood_size:
                    connection.sendall(chunk)
                    sent += 1 << 16
            return sent

    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(flood, range(8)))
    assert max(sent) < most, "the server went on reading"
    assert served.peak() - before < 8 * 4 * CAP, "of 1 GB no more than a few copies of the cap are held"
    assert served.bodies() == []


def test_a_sender_beyond_the_cap_is_told_so(served: Served) -> None:
    assert statuses(served.send(served.head(b"", length=str(CAP + 1)))) == [413]
    assert statuses(served.send(served.head(b"", length=str(10**11)))) == [413]
    body = b"a" * (CAP + 1)
    assert statuses(served.send(served.head(body, CHUNKED, length=None) + chunked(body, 1 << 16))) in ([413], [])
    assert served.bodies() == []


@pytest.mark.parametrize("end", [0, 1, len(BODY) - 1])
def test_of_a_sender_that_hangs_up_too_early_nothing_is_stored(served: Served, end: int) -> None:
    assert statuses(served.send(served.head(BODY), BODY[:end], hang_up=True)) in ([400], [])
    cut = chunked(BODY)[: end + 3]
    assert statuses(served.send(served.head(BODY, CHUNKED, length=None), cut, hang_up=True)) in ([400], [401], [])
    with served.connect() as connection:  # and one that is gone without a word
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(served.head(BODY) + BODY[:end])
    assert served.bodies() == []


MANY = [f"X-H{number}: v" for number in range(10_000)]


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (["X-Shopify-Hmac-Sha256: " + "\xe9" * 44], [401]),
        (["X-Shopify-Hmac-Sha256: \xff\xfe\x80"], [401]),
        (["X-Odd: \xff\xfe caf\xe9 \x80"], [200]),
        (["X-\xe9: v"], [400]),
        (["X-Odd: a\0b"], [400]),
        (["X Odd: v"], [400]),
        (["no colon"], [400]),
        (["X-Folded: a", " b"], [400]),
        (MANY[:90], [200]),
        (MANY[:200], [431]),
        (MANY, [431]),
        (["X-Big: " + "v" * 100_000], [200]),
        (["X-Big: " + "v" * 2_000_000], [431]),
        (["Content-Length: 9"], [400]),
        (["Content-Length: 9" * 2], [400]),
        (["Transfer-Encoding: gzip"], [400]),
        (["Transfer-Encoding: chunked, gzip"], [400]),
    ],
    ids=lambda value: value[0][:24].encode("unicode_escape").decode() if isinstance(value[0], str) else "",
)
def test_odd_headers_are_refused_or_harmless(served: Served, lines: list[str], wanted: list[int]) -> None:
    signed_already = any(line.startswith("X-Shopify-Hmac") for line in lines)
    head = served.head(BODY, *lines)
    if signed_already:
        head = head.replace(f"X-Shopify-Hmac-Sha256: {shop_signature(BODY)}\r\n".encode(), b"")
    found = statuses(served.send(head + BODY))
    assert found in (wanted, []) if wanted[0] in (400, 431) else found == wanted
    assert served.bodies() == ([BODY] if wanted == [200] else [])


def test_two_lengths_do_not_smuggle_a_request(served: Served) -> None:
    """Chunks count, and the length beside them does not; what follows them is a request of its own, or nothing."""
    hidden = served.head(b"[]") + b"[]"
    found = statuses(served.send(served.head(BODY, CHUNKED, length=str(len(BODY))), chunked(BODY) + hidden))
    assert found in ([200], [400])
    assert served.bodies() in ([BODY], [])


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/hooks", 404), ("/hooks/", 404), ("/hooks/../", 404), ("/hooks/../healthz", 404),
        ("/hooks/%2e%2e/healthz", 404), ("//hooks/{}", 404), ("/hooks//{}", 404), ("/hooks/{}/", 404),
        ("/hooks/{}/..", 404), ("/hooks/./{}", 404), ("/hooks/{}%00", 404), ("/hooks/{};v=1", 404),
        ("/hooks/%ff%fe", 404), ("/hooks/%zz", 404), ("/hooks/%", 404), ("/HOOKS/{}", 404),
        ("/healthz/../hooks/{}", 404), ("*", 404), ("hooks/{}", 400), ("/hooks/" + "a" * 60_000, 404),
        ("/hooks/" + "%41" * 20_000, 404), ("/" + "a" * 200_000, 414), ("/hooks/{}?" + "a" * 200_000, 414),
        ("/hooks/{}?" + "a=b&" * 15_000, 200), ("/hooks/{}?hub.mode=subscribe", 200), ("/%68ooks/{}", 200),
        ("http://elsewhere.example/hooks/{}", 200),
    ],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_there_is_one_way_to_write_an_address(served: Served, path: str, wanted: int) -> None:
    start = f"POST {path.format(served.house.shop.token)} HTTP/1.1"
    found = statuses(served.send(served.head(BODY, start=start) + BODY))
    assert found == [wanted] or (wanted == 414 and not found), "what is too long may be cut off without a word"
    assert served.bodies() == ([BODY] if wanted == 200 else [])


@pytest.mark.parametrize("method", [method for method in METHODS if method])
def test_the_server_takes_only_posts(served: Served, method: str) -> None:
    answer = served.send(served.head(BODY, start=f"{method} /hooks/{served.house.shop.token} HTTP/1.1") + BODY)
    assert statuses(answer) == [405]
    assert answer.endswith(b"\r\n\r\n") == (method == "HEAD"), "a HEAD has no body, the others say what to do"
    assert served.bodies() == []


def test_http_1_0_is_served_and_without_a_length_it_has_no_body(served: Served) -> None:
    start = f"POST /hooks/{served.house.shop.token} HTTP/1.0"
    assert statuses(served.send(served.head(BODY, start=start) + BODY)) == [200]
    assert statuses(served.send(served.head(BODY, start=start, length=None) + BODY, hang_up=True)) == [401]
    assert served.bodies() == [BODY]


def test_requests_in_one_stream_are_answered_in_their_order(served: Served) -> None:
    bodies = [json.dumps({"id": number}).encode() for number in range(4)]
    requests = [served.head(body).replace(b"Connection: close\r\n", b"") + body for body in bodies]
    requests[1] = requests[1].replace(shop_signature(bodies[1]).encode(), shop_signature(b"another").encode())
    last = served.head(BODY) + BODY
    assert statuses(served.send(b"".join(requests) + last)) == [200, 401, 200, 200, 200]
    assert served.bodies() == [bodies[0], bodies[2], bodies[3], BODY]


@pytest.mark.parametrize(
    "noise",
    [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500), b"\r\n" * 1000, b"GET /\r\n\r\n", b"\0" * 5000,
     b"POST /hooks/x HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 500],
    ids=["TLS", "newlines", "HTTP/0.9", "zeros", "HTTP/9.9", "HTTP/2"],
)  # fmt: skip
def test_noise_is_refused_or_left_unanswered(served: Served, noise: bytes) -> None:
    assert statuses(served.send(noise, hang_up=True)) in ([400], [505], [])


def test_the_process_s_own_variables_are_not_taken_for_headers(served: Served) -> None:
    assert statuses(served.send(served.head(BODY) + BODY)) == [200]
    (row,) = served.house.rows("request")
    assert "proxy-password" not in json.dumps(row.headers)
    assert served.house.decide().requests == 1


def test_what_the_server_logs_names_no_secret_no_phone_and_no_body(served: Served) -> None:
    private = {"id": 1, "name": "#private-7", "phone": "+447400123456", "note": "Zo\u00eb's gate code is 1185"}
    body = json.dumps(private).encode()
    forged = served.head(body).replace(shop_signature(body).encode(), shop_signature(b"another").encode())
    assert statuses(served.send(served.head(body) + body)) == [200]
    assert statuses(served.send(forged, body)) == [401]
    assert statuses(served.send(served.head(body, length="99") + body, hang_up=True)) in ([400], [])
    query = f"hub.mode=subscribe&hub.verify_token={VERIFY_TOKEN}&hub.challenge=447400123456"
    start = f"GET /hooks/{served.house.number.token}?{query} HTTP/1.1"
    assert statuses(served.send(served.head(b"", start=start))) == [200]
    told = served.log_path.read_text()
    lines = [json.loads(line) for line in told.splitlines()]
    assert {"webhook.answered", "webhook.refused"} <= {line["event"] for line in lines}
    tokens = (served.house.shop.token, served.house.number.token)
    for word in (*SECRETS, *tokens, "7400123456", "private-7", "gate code", "proxy-password", shop_signature(body)):
        assert word not in told
