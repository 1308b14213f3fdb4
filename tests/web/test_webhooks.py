"""The door for vendors, called as a server calls it: who is let in, what is kept, and what is never touched."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from werkzeug.test import Client

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
    SHOP,
    VERIFY_TOKEN,
    House,
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


def test_a_stranger_who_tries_addresses_costs_few_look_ups(house: House) -> None:
    assert house.post(BODY).status_code == 200
    begun: list[int] = []
    event.listen(house.store.engine, "begin", lambda connection: begun.append(1))
    started = time.monotonic()
    for number in range(2000):
        assert call(house.web, f"/hooks/{number:032}")[0] == 404
    assert len(begun) <= (time.monotonic() - started) / HASTE_SECONDS + 2


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
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    web = Webhooks(directory, house.web._intake, body_cap=CAP, otherwise=house.web._otherwise)  # type: ignore[attr-defined]
    return lambda *given, **more: call(web, f"/hooks/{account.token}", *given, **more)


@given(method=st.sampled_from(["POST", "POST", "GET", "HEAD", "PUT"]) | LATIN, body=BODIES, query=QUERIES)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
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
    directory, otherwise = house.tools.directory, house.web._otherwise  # type: ignore[attr-defined]
    yield Client(Webhooks(directory, intake, body_cap=CAP, otherwise=otherwise))
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
    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(post, bodies)) == {200}
    assert sorted(row.body for row in house.rows("request")) == sorted(bodies)


def test_what_nobody_waits_for_any_more_does_not_pile_up(house: House, impatient: Client) -> None:
    with house.store.write(), ThreadPoolExecutor(20) as pool:
        first = pool.submit(impatient.post, path_of(house), data=b"{}", headers=shop_headers(b"{}"))
        assert first.result().status_code == 503
        intake = impatient.application._intake  # the writer holds the first, and waits for its turn
        for body in (b"[1]", b"[2]", b"[3]"):
            assert impatient.post(path_of(house), data=body, headers=shop_headers(body)).status_code == 503
        waiting = [intake._waiting.get_nowait() for _ in range(3)]
        assert [ticket.arrival for ticket in waiting] == [None, None, None]
        for ticket in waiting:
            intake._waiting.put(ticket)
    assert impatient.post(path_of(house), data=b"[4]", headers=shop_headers(b"[4]")).status_code == 200
    assert {row.body for row in house.rows("request")} <= {b"{}", b"[4]"}


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


class Away:
    """A PostgreSQL database that can be taken away, and given back."""

    def __init__(self, server: Postgres, url: str) -> None:
        self.server, self.name = server, url.partition("?")[0].rpartition("/")[2]

    def go(self) -> None:
        self.server.run(
            f"ALTER DATABASE {self.name} WITH ALLOW_CONNECTIONS false",
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{self.name}'",
        )

    def come_back(self) -> None:
        self.server.run(f"ALTER DATABASE {self.name} WITH ALLOW_CONNECTIONS true")


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
