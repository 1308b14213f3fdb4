"""Who is let in, how often, and what every answer that is no success looks like."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from werkzeug.test import create_environ, run_wsgi_app

from connector.flow import keys
from connector.limits import RateLimit
from connector.model import Permission, now
from connector.store import audit
from connector.web.api import create_api, frame
from tests.web.api.conftest import Caller, problem
from tests.web.conftest import House

Make = Callable[..., Caller]


def test_a_key_opens_what_it_may_and_tells_what_that_is(caller: Make) -> None:
    told = caller(Permission.LOOK, Permission.SEND, name="order desk").get("/me")

    assert told["name"] == "order desk"
    assert told["scopes"] == ["look", "send"]
    assert told["expires_at"] is None


@pytest.mark.parametrize(
    "given",
    ["", "Bearer", "Bearer wck_no", "Basic d2NrOng=", "Bearer ü", "wck_1_2", "Bearer " + "x" * 5000, "Bearer \x01"],
)
def test_without_a_valid_key_nothing_opens(house: House, given: str) -> None:
    answer = Caller(house, "")("GET", "/me", Authorization=given)

    assert "Bearer" in problem(answer, 401)["detail"]
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_revoked_and_an_expired_key_are_refused(house: House, caller: Make) -> None:
    revoked, expiring = caller(), caller(expires_at=now() + timedelta(minutes=1))
    keys.revoke(house.store, revoked.token.split("_")[1])

    problem(revoked("GET", "/me"), 401)
    assert expiring("GET", "/me").status_code == 200
    with time_machine.travel(now() + timedelta(minutes=2), tick=False):
        problem(expiring("GET", "/me"), 401)


def test_a_cookie_alone_never_authenticates(house: House) -> None:
    signed_in = house.open(f"/?token={(house.tools.settings.data / 'page.token').read_text().strip()}")
    cookie = signed_in.headers.get("Set-Cookie", "connector_session=x").partition(";")[0]

    problem(Caller(house, "")("GET", "/me", Cookie=cookie), 401)


def test_answers_set_no_cookie_and_allow_no_other_origin(api: Caller) -> None:
    answer = api("GET", "/me", Origin="https://elsewhere.example")

    assert "Set-Cookie" not in answer.headers
    assert not [name for name, _ in answer.headers if name.lower().startswith("access-control")]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(("scope", "method", "path", "body"), [
    (Permission.SEND, "POST", "/events", {"account": "main-store", "body": {}}),
    (Permission.SEND, "POST", "/messages", {}),
    (Permission.EDIT_MAPPINGS, "PUT", "/mappings/a/draft", {"toml": "x"}),
    (Permission.EDIT_MAPPINGS, "POST", "/mappings/a/check", {"toml": "x"}),
    (Permission.PUBLISH, "POST", "/mappings/a/publish", {}),
    (Permission.PUBLISH, "POST", "/mappings/a/unpublish", None),
    (Permission.PUBLISH, "POST", "/mappings/a/rollback", {"version": 1}),
    (Permission.EDIT_PEOPLE, "POST", "/consent", {}),
    (Permission.EDIT_PEOPLE, "PUT", f"/contacts/{'0' * 26}/labels/vip", None),
    (Permission.EDIT_ACCOUNTS, "POST", "/templates/sync", {}),
    (Permission.REPLAY, "POST", "/replays", {}),
])  # fmt: skip
def test_each_thing_takes_its_own_scope(
    caller: Make, scope: Permission, method: str, path: str, body: dict[str, Any] | None
) -> None:
    others = [item for item in keys.OFFERED if item is not scope]

    assert scope.value in problem(caller(*others)(method, path, body), 403)["detail"]
    assert caller(scope)(method, path, body).status_code not in (401, 403)


@pytest.mark.parametrize(("method", "path", "status"), [
    ("GET", "/nothing", 404), ("GET", "/events/short", 404), ("GET", f"/events/{'0' * 26}", 404),
    ("DELETE", "/events", 405), ("GET", "/requests/99999999999999999999999999", 404), ("GET", "/requests/7", 404),
    ("GET", "/mappings/none", 404), ("GET", "/mappings/none/versions/1", 404), ("GET", "/accounts/none", 404),
    ("GET", f"/contacts/{'0' * 26}", 404), ("GET", "/events/%00", 404), ("GET", f"/tasks/{'0' * 26}", 404),
    ("PUT", f"/contacts/{'0' * 26}/labels/%00", 404), ("GET", "/templates/a/b/c", 404),
])  # fmt: skip
def test_what_is_not_there_is_a_problem(api: Caller, method: str, path: str, status: int) -> None:
    told = problem(api(method, path), status)
    assert set(told) == {"type", "title", "status", "detail"}


def test_a_wrong_method_names_the_right_ones(api: Caller) -> None:
    answer = api("DELETE", "/events")

    assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))


@pytest.mark.parametrize(("body", "status", "words"), [
    (b"", 422, "required"), (b"{", 400, "not JSON"), (b"\xff\xfe", 400, "UTF-8"), (b"[]", 422, "Invalid input"),
    (b"null", 422, "Invalid input"), (b'{"account": NaN}', 400, "NaN"), (b"1" * 50, 400, "too long"),
    (b"[" * 100_000, 400, ""), (b'{"account":"a","body":' + b'{"a":' * 80 + b"1" + b"}" * 80 + b"}", 400, "nested"),
    (b'{"account":"main-store","body":{},"more":1}', 422, "Unknown field"),
    (b'{"account":7,"body":{}}', 422, "Not a valid string"), (b'{"account":"main-store","body":[]}', 422, "mapping"),
    (b'{"account":"main-store","body":{"n":' + b"9" * 60 + b"}}", 400, "too long"),
])  # fmt: skip
def test_a_body_that_cannot_be_taken_is_a_problem(api: Caller, body: bytes, status: int, words: str) -> None:
    answer = api("POST", "/events", body)

    told = problem(answer, status)
    assert words in json.dumps(told)


def test_problems_name_every_field_at_fault(api: Caller) -> None:
    told = problem(api("POST", "/consent", {"who": "", "purpose": "news", "state": "granted", "extra": 1}), 422)

    assert {item["path"] for item in told["errors"]} == {"who", "purpose", "extra"}
    assert all(item["words"] for item in told["errors"])


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=201", "limit=1_0", "limit=%201", "limit=x", "nope=1", "verdict=maybe", "since=today"]
)
def test_a_query_is_read_strictly(api: Caller, query: str) -> None:
    told = problem(api("GET", f"/events?{query}"), 422)
    assert told["errors"][0]["path"] == query.partition("=")[0]


def test_a_body_that_is_not_json_is_refused_by_its_type(api: Caller) -> None:
    problem(api("POST", "/events", b"a=1", Content_Type="application/x-www-form-urlencoded"), 415)
    assert api("POST", "/events", b"{}", Content_Type="application/vnd.x+json").status_code == 422


def test_a_body_that_is_too_large_is_refused_unread(api: Caller) -> None:
    problem(api("POST", "/consent", b"{" + b" " * (1024 * 1024)), 413)


@pytest.mark.parametrize(
    ("more", "status", "words"), [(b"", 200, "contact_id"), (b" " * (1024 * 1024), 413, "too large")]
)
def test_a_body_in_chunks_without_a_length_is_taken_whole(api: Caller, more: bytes, status: int, words: str) -> None:
    body = json.dumps({"who": "+447400123456", "purpose": "marketing", "state": "revoked"}).encode() + more
    headers = {"Authorization": f"Bearer {api.token}", "Transfer-Encoding": "chunked"}
    environ = create_environ("/api/v1/consent", method="POST", data=body, headers=headers)
    environ |= {"CONTENT_TYPE": "application/json", "CONTENT_LENGTH": ""}

    pieces, told, _ = run_wsgi_app(api.house.web, environ)

    assert told.startswith(str(status))
    assert words in b"".join(pieces).decode()


def test_a_bug_is_told_in_the_log_alone(
    api: Caller, monkeypatch: pytest.MonkeyPatch, log_lines: Callable[[], list[Any]]
) -> None:
    def broken() -> None:
        raise RuntimeError("the secret +447400123456")

    monkeypatch.setattr(sys.modules["connector.web.api.me"], "caller", broken)

    told = problem(api("GET", "/me"), 500)

    assert "secret" not in json.dumps(told)
    assert [line["event"] for line in log_lines() if line["level"] == "error"] == ["api.failed"]


def test_a_key_that_calls_too_often_waits(api: Caller, caller: Make) -> None:
    one = limited(
        api,
        keys=RateLimit("unix:///nowhere", "t", per_minute=0.06, burst=2),
        failed=RateLimit("unix:///nowhere", "f", per_minute=0.06, burst=1),
    )

    first, second, third = (one("GET", "/me") for _ in range(3))

    assert (first.headers["RateLimit-Limit"], first.headers["RateLimit-Remaining"]) == ("2", "1")
    assert second.headers["RateLimit-Remaining"] == "0"
    assert 900 <= int(third.headers["Retry-After"]) <= 1000
    problem(third, 429)
    one.token = caller().token
    assert one("GET", "/me").status_code == 200, "others have their own"


def test_whoever_fails_too_often_waits_and_locks_nobody_out(api: Caller) -> None:
    one = limited(
        api,
        keys=RateLimit("unix:///nowhere", "t", per_minute=600, burst=100),
        failed=RateLimit("unix:///nowhere", "f", per_minute=0.06, burst=2),
    )
    token, one.token = one.token, ""

    statuses = [one("GET", "/me").status_code for _ in range(3)]

    assert statuses == [401, 401, 429]
    one.token = token
    assert one("GET", "/me").status_code == 200


def test_behind_a_proxy_each_address_fails_for_itself_and_is_entered(house: House, api: Caller) -> None:
    one = limited(
        api,
        keys=RateLimit("unix:///nowhere", "t", per_minute=600, burst=100),
        failed=RateLimit("unix:///nowhere", "f", per_minute=0.06, burst=1),
    )
    token, one.token = one.token, ""

    statuses = [one("GET", "/me", X_Forwarded_For=f"2001:db8::{each}").status_code for each in (1, 2)]

    assert statuses == [401, 429], "a network is one guest"
    assert one("GET", "/me", X_Forwarded_For="1.2.3.4, 203.0.113.9").status_code == 401, "another is another"
    one.token = token
    body = {"who": "+447400123456", "purpose": "marketing", "state": "revoked"}
    assert one("POST", "/consent", body, X_Forwarded_For="203.0.113.9").status_code == 200
    with house.store.read() as tx:
        assert [each.address for each in audit.listing(tx, action="person.consent_changed")] == ["203.0.113.9"]


def test_head_and_options_are_answered_plainly(api: Caller) -> None:
    head, options = api("HEAD", "/events"), api("OPTIONS", "/events")

    assert (head.status_code, head.data) == (200, b"")
    assert (options.status_code, options.data) == (200, b"")
    assert {"GET", "POST"} <= set(options.headers["Allow"].split(", "))


def test_the_document_and_its_page_need_no_key(house: House) -> None:
    document, page = house.open("/api/openapi.json"), house.open("/api/docs")

    spec = json.loads(document.data)
    assert spec["openapi"] == "3.1.0"
    assert all(path.startswith("/api/v1/") for path in spec["paths"])
    text = page.get_data(as_text=True)
    for path, methods in spec["paths"].items():
        assert path in text
        assert all(told["x-scope"] for name, told in methods.items() if name != "parameters")
    assert "style-src 'self'" in page.headers["Content-Security-Policy"]
    assert "<script" not in text
    assert "style=" not in text


def limited(api: Caller, **limits: RateLimit) -> Caller:
    """The same caller before an application with limits of its own."""
    app = create_api(api.house.tools)
    app.extensions["limits"] = frame.Limits(**limits)

    class Door:
        def open(self, path: str, method: str, **given: Any) -> Any:
            return app.test_client().open(path, method=method, **given)

    return Caller(Door(), api.token)  # type: ignore[arg-type]
