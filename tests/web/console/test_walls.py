"""Every address of the console and the API, walked by everybody: who gets in, who changes what, what stands around."""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from flask.testing import FlaskClient
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from connector.flow import keys
from connector.limits import RateLimit
from connector.model import GRANTS, Permission, Role
from connector.web.api import frame
from tests.web.console.crawl import HTML, addresses, crawl, rules
from tests.web.console.crowd import Crowd
from tests.web.console.room import Room
from tests.web.console.test_masks import crowd as crowd
from tests.web.console.traffic import EVIL

OPEN = {
    "door.accept", "door.ask_passkey", "door.check", "door.check_second", "door.found", "door.invitation", "door.link",
    "door.second", "door.setup", "door.sign_in", "door.sign_out", "door.use_link", "door.use_passkey",
    "authorize.callback", "healthz", "readyz", "exposition",
}  # fmt: skip
"""Views that nobody need be signed in for, each for its own reason: the door, the vendor's way back, and health."""
OWN = re.compile(r"/me(/|$)")
"""What everybody may change: what is theirs."""
LISTENS = {"/authorize/<name>/start"}
"""A GET that writes, on purpose: it only begins what the vendor's page ends."""
WRITES = ("POST", "PUT", "PATCH", "DELETE")
L, S, M, U, R, N, P, A, T = Permission
GOLDEN = {
    L: "/ /accounts /accounts/<name> /accounts/<name>/fields /accounts/<name>/light /analytics /analytics.csv /events"
       " /events/<id_> /glossary /mappings /mappings/<path:name> /mappings/<path:name>/backtest"
       " /mappings/<path:name>/diff /mappings/<path:name>/edit /mappings/<path:name>/export"
       " /mappings/<path:name>/shadow /mappings/<path:name>/test /mappings/<path:name>/versions /mappings/export /me"
       " /me/second-factor /messages /messages/<id_> /people /people/<id_> /requests /requests/<int:number> /start"
       " /tasks/<id_> /tasks/<id_>/state /templates /templates/<account>/<name>/<language> /why"
       " +/me/name +/me/passkeys +/me/passkeys/<id_>/remove +/me/passkeys/ask +/me/password"
       " +/me/second-factor/authenticator +/me/second-factor/authenticator/remove +/me/second-factor/codes"
       " +/me/sessions/<id_>/end +/me/sessions/end +/me/theme",
    S: "/events/<id_>/raw /people/<id_>/proof /requests/<int:number>/raw",
    M: "/mappings/import /mappings/new +/mappings/<path:name>/backtest +/mappings/<path:name>/edit"
       " +/mappings/<path:name>/preview +/mappings/<path:name>/shadow +/mappings/<path:name>/shadow/stop"
       " +/mappings/<path:name>/test +/mappings/import +/mappings/import/take +/mappings/new"
       " +/start/hide +/tasks/<id_>/cancel",
    U: "/mappings/<path:name>/publish /mappings/<path:name>/versions/<int:number>/roll-back"
       " +/mappings/<path:name>/pause +/mappings/<path:name>/publish"
       " +/mappings/<path:name>/versions/<int:number>/roll-back",
    R: "/replay +/replay",
    N: "",
    P: "/people/<id_>/erase /people/<id_>/merge +/people/<id_>/block +/people/<id_>/consent +/people/<id_>/erase"
       " +/people/<id_>/export +/people/<id_>/label +/people/<id_>/merge",
    A: "/accounts/<name>/edit /accounts/<name>/remove /accounts/<name>/steps /accounts/add /accounts/add/<adapter>"
       " /authorize/<name>/start /deliveries/<id_> /outgoing /outgoing/<id_> +/accounts/<name>/address"
       " +/accounts/<name>/check +/accounts/<name>/edit +/accounts/<name>/remove +/accounts/<name>/resume"
       " +/accounts/<name>/secrets/<field> +/accounts/<name>/suspend +/accounts/add/<adapter>"
       " +/analytics/attribution +/mappings/policy/rates/enter +/deliveries/<id_>/redeliver +/outgoing +/outgoing/<id_>"
       " +/outgoing/<id_>/redeliver +/outgoing/<id_>/remove +/outgoing/<id_>/secret +/outgoing/<id_>/test"
       " +/start/act +/start/sandbox +/templates/sync +/test-numbers +/test-numbers/remove",
    T: "/audit /audit/export /keys /team /team/<id_> +/keys +/keys/<id_>/revoke +/team/<id_>/active"
       " +/team/<id_>/link +/team/<id_>/role +/team/<id_>/second-factor/reset"
       " +/team/<id_>/sessions/<session_id>/end +/team/invitations +/team/invitations/<id_>/revoke +/team/policy",
}  # fmt: skip
"""Which permission opens what; ``+``: by POST. Read it when it changes: it is the wall."""


def walk(room: Room) -> Iterator[tuple[str, str, Permission | None]]:
    """Yield every rule of the pages: method, address, what it takes."""
    for rule in room.app.url_map.iter_rules():
        view = room.app.view_functions[rule.endpoint]
        if rule.endpoint not in OPEN and not rule.endpoint.endswith("static"):
            for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
                yield method, rule.rule, getattr(view, "needs", None)


def test_every_address_takes_the_permission_that_it_should(room: Room) -> None:
    stands = {(method, path): needs for method, path, needs in walk(room)}
    wanted = {
        ("POST" if path.startswith("+") else "GET", path.removeprefix("+")): needs
        for needs, paths in GOLDEN.items()
        for path in paths.split()
    }
    assert stands == wanted


def test_every_resource_takes_the_scope_that_it_should(room: Room) -> None:
    """Reading takes look, but for what only admins see; writing never does."""
    for rule in room.app.extensions["api"].url_map.iter_rules():
        if not rule.rule.startswith("/api/v1"):
            continue
        view = room.app.extensions["api"].view_functions[rule.endpoint]
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            needs = getattr(getattr(getattr(view, "view_class", None), method.lower(), view), "needs", None)
            needs = needs or getattr(view, "needs", None)
            assert needs in Permission, rule
            assert method == "GET" or needs is not Permission.LOOK, rule
            if rule.rule.startswith(("/api/v1/webhooks", "/api/v1/deliveries")):
                assert needs is Permission.EDIT_ACCOUNTS


def test_nobody_gets_nowhere(room: Room, crowd: Crowd) -> None:
    room.user()
    client = room.stranger()
    for method in ("GET", "POST"):
        for path in addresses(crowd, rules(room.app, method, "console")):
            answer = client.open(path, method=method, headers=HTML)
            expected = (400, 401) if method == "POST" else (303,)
            assert answer.status_code in expected, (method, path, answer.status_code)
            assert answer.status_code != 303 or answer.location.startswith("/sign-in?next="), path
    for rule in room.app.extensions["api"].url_map.iter_rules():
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"} if rule.rule.startswith("/api/v1") else ():
            for path in list(addresses(crowd, [rule]))[:1]:
                answer = room.stranger().open(path, method=method)
                assert answer.status_code in (401, 404, 429), (method, path)
                assert answer.content_type == "application/problem+json", (method, path)


def test_the_cookie_of_the_console_opens_nothing_of_the_api(room: Room, crowd: Crowd) -> None:
    client = room.client("owner")
    for path in ("/api/v1/contacts", "/api/v1/messages", "/api/v1/me"):
        assert client.get(path).status_code == 401


def test_a_viewer_changes_nothing_but_what_is_theirs(room: Room, crowd: Crowd) -> None:
    client, before = room.client("viewer"), state(crowd)
    token = room.csrf(client, "/me")
    tried = 0
    for rule in rules(room.app, "POST", "console"):
        for path in list(addresses(crowd, [rule]))[:2] if not OWN.match(rule.rule) else ():
            answer = client.post(path, data={"csrf_token": token, "do": "save"}, headers=HTML)
            assert answer.status_code == 403, (path, answer.status_code)
            tried += 1
    assert tried > 50
    assert state(crowd) == before
    made = keys.make(room.store, "look", [Permission.LOOK], may=GRANTS[Role.OWNER], by=room.user().id, by_name="Ada")
    headers = {"Authorization": f"Bearer {made.token.reveal()}"}
    for rule in room.app.extensions["api"].url_map.iter_rules():
        for method in (rule.methods or set()) & set(WRITES):
            for path in list(addresses(crowd, [rule]))[:1]:
                answer = client.open(path, method=method, json={}, headers=headers)
                assert answer.status_code in (403, 404), (method, path, answer.text)
    assert state(crowd) == before


def state(crowd: Crowd) -> Counter[tuple[str, str]]:
    """Return all that stands in the database, but for who is signed in and what was looked at."""
    quiet = ("console_session", "audit", "sign_in_try", "mark", "console_user", "api_key")
    return Counter(crowd.everything(but=quiet))


@pytest.mark.parametrize("role", ["viewer", "owner"])
def test_looking_changes_nothing(room: Room, crowd: Crowd, role: str) -> None:
    client, before = room.client(role), state(crowd)
    entries = {row for name, row in crowd.everything() if name == "audit"}
    for seen in crawl(client, list(addresses(crowd, rules(room.app, "GET", "console"))), each=3):
        assert seen.answer.status_code < 500, seen.path
    assert state(crowd) == before
    fresh = [row for name, row in crowd.everything() if name == "audit" and row not in entries]
    actions = {match[1] for row in fresh if (match := re.search(r"'action': '([^']+)'", row))}
    looks = {
        "person.seen",
        "request.downloaded",
        "audit.exported",
        "event.exported",
        "message.exported",
        "person.proven",
    }
    assert {each for each in actions if not each.endswith((".exported", ".proof"))} <= looks


def test_a_form_without_its_token_is_refused_everywhere(room: Room, crowd: Crowd) -> None:
    client, before = room.client("owner"), state(crowd)
    for path in addresses(crowd, rules(room.app, "POST", "console", "door")):
        for data in ({}, {"csrf_token": "x"}):
            assert client.post(path, data=data, headers=HTML).status_code == 400, path
    assert state(crowd) == before


# what stands around every answer


def assert_sealed(path: str, answer: TestResponse) -> None:
    """Hold an answer to the headers of all."""
    head = answer.headers
    assert head.get("X-Content-Type-Options") == "nosniff", path
    assert head.get("Referrer-Policy") == "no-referrer", path
    policy = head.get("Content-Security-Policy", "")
    assert "frame-ancestors 'none'" in policy, path
    assert "unsafe" not in policy, path
    assert "*" not in policy, path
    if "static" not in path and "/assets/" not in path:
        assert "no-store" in head.get("Cache-Control", ""), path
    answer.close()  # assets are files


def test_every_answer_carries_its_headers(room: Room, crowd: Crowd) -> None:
    client = room.client("owner")
    paths = list(addresses(crowd, rules(room.app, "GET")))
    paths += ["/nowhere", "/assets/connector.css", "/bootstrap/static/css/bootstrap.min.css", "/api", "/api/nowhere"]
    paths += ["/api/docs", "/api/openapi.json", "/api/v1/me", "/mappings/%00", "/setup", "/sign-in", "/%ff"]
    for path in paths:
        for who in (client, room.stranger()):
            assert_sealed(path, who.get(path, headers=HTML))
    for path in ("/sign-in", "/events", "/api/v1/messages", "/mappings/new"):
        for method in ("PUT", "OPTIONS", "DELETE", "POST"):
            assert_sealed(path, client.open(path, method=method))


# garbage

LONG = "x" * 10_000
TEXTS = (
    LONG, "%00", "a%00b", "%ff%fe", "..%2f..%2fetc%2fpasswd", "..", "%0d%0aSet-Cookie:x", "9" * 40, "-1",
    "9223372036854775808", "%ED%A0%80", "%F0%9F%92%A9", "{{7*7}}", "<script>", "'%20or%201=1--", "*", "_", "%25",
)  # fmt: skip
NAMES = (
    "q", "window", "from", "to", "before", "after", "deeper", "event", "request", "state", "account", "mapping", "page",
    "format", "find", "language", "period", "by", "country", "template", "cursor", "limit", "number", "a", "b", "actor",
    "action", "next", "token", "since", "until", "type", "topic", "reason", "label", "phone", "adapter", "now", "open",
)  # fmt: skip
VALUES = (
    "\0", "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"), "9" * 40, "-1", "1e309", "NaN", LONG[:3000],
    "0001-01-01T00:00", "9999-12-31T23:59:59+14:00", "9223372036854775808", "../../etc/passwd", "' or 1=1 --", "%",
    "_%\\", "[" * 500, "\u202e", "\ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"), "{{ 7*7 }}", "٣",
)  # fmt: skip
FIELDS = (
    "do", "name", "email", "password", "again", "phone", "mine", "back", "to", "event", "which", "window", "chosen",
    "requests", "source", "state", "purpose", "place", "at", "wording", "evidence", "other", "reason", "note",
    "revision", "toml", "text", "url", "type", "words", "scope", "scopes", "expires", "role", "policy", "code",
    "credential", "token", "topic", "recipe", "account", "adapter", "event_id", "days", "hours", "attribution",
    "template.name", "when.event", "slots.body.1", "to.phone.0", "when.conditions.0.0.field", "language", "into",
    "act", "object", "value", "theme", "secret", "shop", "confirm", "rates", "country", "since", "draft", "take",
)  # fmt: skip
ENDS = ("end_others", "end_mine", "end_session", "change_active", "change_role", "reset_second_factor", "change_policy")
SLOW = 2.0
"""Seconds of CPU: others may be busy on the same machine."""


def ask(client: FlaskClient, path: str, method: str = "GET", **given: object) -> TestResponse:
    """Ask for something; it must be answered, in time, and not by a fault of ours."""
    began = time.process_time()
    answer: TestResponse = client.open(path, method=method, **given)
    answer.get_data()
    spent = time.process_time() - began
    assert answer.status_code < 500, (method, path[:200], given, answer.text[:300])
    assert spent < SLOW, (method, path[:200], spent)
    return answer


def filled(rule: Rule, text: str) -> str:
    """Return the address of a rule with a text for all that it takes."""
    return re.sub(r"<[^>]+>", text, rule.rule)


@pytest.fixture
def api(room: Room) -> dict[str, str]:
    """Header of a key that may do everything, in a room where nobody counts how often."""
    inner = room.app.extensions["api"]
    inner.extensions["limits"] = frame.Limits(
        keys=RateLimit("unix:///nowhere", "t", per_minute=10**9, burst=10**9),
        failed=RateLimit("unix:///nowhere", "f", per_minute=10**9, burst=10**9),
    )
    made = keys.make(
        room.store, "all", keys.OFFERED, may=GRANTS[Role.OWNER], by=room.user().id, by_name="Ada"
    )  # fmt: skip
    return {"Authorization": f"Bearer {made.token.reveal()}"}


@pytest.mark.parametrize("role", ["", "viewer", "owner"])
def test_garbage_in_an_address_is_answered(room: Room, crowd: Crowd, api: dict[str, str], role: str) -> None:
    room.user()
    client = room.client(role) if role else room.stranger()
    headers = HTML | (api if role == "owner" else {})
    found = [*rules(room.app), *rules(room.app.extensions["api"])]
    for rule in found:
        for text in TEXTS if "<" in rule.rule else ():
            ask(client, filled(rule, text), headers=headers)


@pytest.mark.parametrize("role", ["viewer", "owner"])
def test_garbage_in_a_query_is_answered(room: Room, crowd: Crowd, api: dict[str, str], role: str) -> None:
    client, headers = room.client(role), HTML | (api if role == "owner" else {})
    found = [*rules(room.app, "GET", "console"), *rules(room.app, "GET", "door")]
    found += rules(room.app.extensions["api"]) if role == "owner" else []
    for rule in found:
        path = next(iter(addresses(crowd, [rule])))
        for value in VALUES:
            ask(client, path, query_string=[(name, value) for name in NAMES], headers=headers)
        ask(client, path, query_string=[("event", str(number)) for number in range(3000)], headers=headers)
        ask(client, f"{path}?q=%00%ff%fe&event=%ff&before=%00&cursor=%ff&window=%ff&from=%ff&q=1&q=2", headers=headers)
    for path in ("/events", "/messages", "/people", "/why", "/requests", "/analytics", "/audit"):
        for name in NAMES:
            for value in VALUES:
                ask(client, path, query_string={name: value}, headers=headers)


@pytest.mark.parametrize("role", ["", "viewer", "owner"])
def test_garbage_in_a_form_is_answered(room: Room, crowd: Crowd, role: str) -> None:
    room.user()
    client = room.client(role) if role else room.stranger()
    for rule in rules(room.app, "POST", "console" if role else "door"):
        if rule.endpoint in ("door.sign_out", *(f"console.{each}" for each in ENDS)):
            continue  # they end what is used here
        path = next(iter(addresses(crowd, [rule])))
        token = room.csrf(client, "/me" if role else "/sign-in")
        fields = FIELDS
        ask(
            client,
            path,
            "POST",
            data=b'{"a": [',
            content_type="application/json",
            headers=HTML | {"X-CSRFToken": token},
        )
        ask(client, path, "POST", data=b"x" * (2 * 1024 * 1024), headers=HTML | {"X-CSRFToken": token})
        ask(client, path, "POST", data={f"f{n}": "1" for n in range(5000)}, headers=HTML | {"X-CSRFToken": token})
        ask(client, path, "POST", data=b"a=%ff&b=%00&c", content_type="application/x-www-form-urlencoded",
            headers=HTML | {"X-CSRFToken": token})  # fmt: skip
        for value in ("\0", "-1", "9" * 40, LONG, EVIL, "9999-12-31T23:59", "[]", '{"a":1}', "\u202e"):
            ask(client, path, "POST", data=dict.fromkeys(fields, value) | {"csrf_token": token}, headers=HTML)


def test_garbage_for_a_body_is_a_problem(room: Room, crowd: Crowd, api: dict[str, str]) -> None:
    client = room.stranger()
    bodies = (
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"a": "\xff"}',
        b'{"a": 1e999}',
        b'{"a":' * 200 + b"1" + b"}" * 200,
        b"1" * 5000,
    )
    for rule in room.app.extensions["api"].url_map.iter_rules():
        for method in (rule.methods or set()) & set(WRITES):
            path = next(iter(addresses(crowd, [rule])))
            for body in (*bodies, b"x" * (2 * 1024 * 1024), json.dumps({f"f{n}": n for n in range(5000)}).encode()):
                ask(client, path, method, data=body, content_type="application/json", headers=api)
            ask(client, path, method, data={"a": "b"}, headers=api)
