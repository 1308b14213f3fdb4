"""A webhook that checks signatures, as any receiver must; and a client for the stand-in."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, quote_plus, urlencode, urlsplit

import pytest

from connector.sandbox.salesforce import SandboxOrg
from connector.sandbox.server import PHONE_NUMBER_ID, SandboxServer
from connector.sandbox.shopify import SandboxShop

SECRET = "app-secret"
TOKEN = "graph-token"
PATIENCE = 60.0
"""Seconds that anything may take that takes a moment; machines have bad ones."""


@dataclass
class Webhook:
    """Keeps what was signed rightly; refuses the rest with 401."""

    secret: str
    url: str = ""
    taken: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    refused: list[dict[str, str]] = field(default_factory=list)
    missed: list[bytes] = field(default_factory=list)
    """Bodies that were signed rightly and not taken all the same, because of ``answer``."""
    answer: Callable[[int], int] = lambda nth: 200
    """The how-manieth post -> status, after the signature was found right."""
    posts: int = 0

    def proven(self, headers: dict[str, str], body: bytes) -> bool:
        hub = "sha256=" + hmac.new(self.secret.encode(), body, hashlib.sha256).hexdigest()
        shop = base64.b64encode(hmac.digest(self.secret.encode(), body, "sha256")).decode()
        names = ("x-hub-signature-256", "x-shopify-hmac-sha256", "shopify-hmac-sha256")
        claimed = next((headers[name] for name in names if name in headers), "")
        return claimed in (hub, shop)

    def statuses(self) -> list[dict[str, Any]]:
        """Return every status in the order of its arrival."""
        return [
            status
            for _, body in self.taken
            for entry in json.loads(body)["entry"]
            for change in entry["changes"]
            for status in change["value"].get("statuses", [])
        ]

    def words(self) -> dict[str, list[str]]:
        """Return the statuses' words by our key, in the order of their arrival."""
        found: dict[str, list[str]] = {}
        for status in self.statuses():
            found.setdefault(status["biz_opaque_callback_data"], []).append(status["status"])
        return found


class Doors(ThreadingHTTPServer):
    """A server before which many may wait: of more than five, the kernel would let some knock again a second later."""

    request_queue_size = 128


@pytest.fixture
def open_webhook() -> Iterator[Callable[[str], Webhook]]:
    servers: list[Doors] = []

    def open_one(secret: str) -> Webhook:
        webhook = Webhook(secret)
        lock = threading.Lock()

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with lock:
                    webhook.posts += 1
                    nth = webhook.posts
                    proven = webhook.proven(headers, body)
                    status = webhook.answer(nth) if proven else 401
                    if status == 200:
                        webhook.taken.append((headers, body))
                    elif not proven:
                        webhook.refused.append(headers)
                    else:
                        webhook.missed.append(body)
                self.give(status, b"")

            def do_GET(self) -> None:
                query = dict(pair.split("=") for pair in urlsplit(self.path).query.split("&"))
                right = query["hub.verify_token"] == "handshake"
                self.give(200 if right else 403, query["hub.challenge"].encode() if right else b"")

            def give(self, status: int, body: bytes) -> None:
                head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
                self.close_connection = True
                self.wfile.write(head.encode() + body)

            def log_message(self, *args: object) -> None:
                pass

        server = Doors(("127.0.0.1", 0), Handler)
        servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        webhook.url = f"http://127.0.0.1:{server.server_port}/hooks/abc"
        return webhook

    yield open_one
    for server in servers:
        server.shutdown()
        server.server_close()


TEMPLATES: list[dict[str, Any]] = [
    {
        "name": "order_paid",
        "language": "en",
        "category": "UTILITY",
        "status": "APPROVED",
        "components": [
            {"type": "BODY", "text": "Hi {{1}}, we have got {{2}} for {{3}}."},
            {"type": "BUTTONS", "buttons": [{"type": "URL", "text": "See", "url": "https://shop.example/{{1}}"}]},
        ],
    },
    {"name": "hello", "language": "en", "category": "MARKETING", "components": [{"type": "BODY", "text": "Hello."}]},
    {
        "name": "paused",
        "language": "en",
        "category": "UTILITY",
        "status": "PAUSED",
        "components": [{"type": "BODY", "text": "Hello."}],
    },
]


def body_of(*texts: str) -> dict[str, Any]:
    return {"type": "body", "parameters": [{"type": "text", "text": text} for text in texts]}


def button(index: int, sub_type: str, **parameter: Any) -> dict[str, Any]:
    return {"type": "button", "sub_type": sub_type, "index": str(index), "parameters": [parameter]}


class Caller:
    """Calls a stand-in as an account's channel would."""

    def __init__(self, server: SandboxServer, token: str = TOKEN) -> None:
        self.server = server
        self.token = token

    def ask(self, method: str, path: str, document: Any = None, **headers: str) -> tuple[int, Any]:
        connection = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=PATIENCE)
        body = document if isinstance(document, bytes) else json.dumps(document).encode() if document else None
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {self.token}", **headers})
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        finally:
            connection.close()

    def send(self, to: str = "+12125550101", *, name: str = "hello", key: str = "", **more: Any) -> tuple[int, Any]:
        document: dict[str, Any] = {"messaging_product": "whatsapp", "to": to, "type": "template"}
        document["template"] = {"name": name, "language": {"code": "en"}, "components": more.pop("components", [])}
        if key:
            document["biz_opaque_callback_data"] = key
        document = {name: value for name, value in (document | more).items() if value is not None}
        return self.ask("POST", f"/v26.0/{PHONE_NUMBER_ID}/messages", document)

    def control(self, method: str, path: str, document: Any = None) -> tuple[int, Any]:
        return self.ask(method, f"/_sandbox/{path}", document)


@pytest.fixture
def open_graph() -> Iterator[Callable[..., Caller]]:
    servers: list[SandboxServer] = []

    def open_one(**behaviour: Any) -> Caller:
        server = SandboxServer(**{"templates": TEMPLATES, "token": TOKEN, "receipt_ms": 40.0} | behaviour)
        server.start()
        servers.append(server)
        return Caller(server)

    yield open_one
    for server in servers:
        server.close()


@pytest.fixture
def graph(open_graph: Callable[..., Caller]) -> Caller:
    return open_graph()


class Sales:
    """Calls a stand-in org as an integration would, with a session of its own."""

    def __init__(self, org: SandboxOrg, server: SandboxServer) -> None:
        self.org = org
        self.server = server
        self.token = ""
        self.headers: dict[str, str] = {}

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        raw = body.encode() if isinstance(body, str) else json.dumps(body).encode() if body is not None else None
        connection = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=PATIENCE)
        try:
            connection.request(method, quote(path, safe="/?=&-_.~%+"), raw, headers)
            answer = connection.getresponse()
            text = answer.read()
            self.headers = {name.lower(): value for name, value in answer.getheaders()}
            return answer.status, json.loads(text) if "json" in self.headers["content-type"] and text else text.decode()
        finally:
            connection.close()

    def login(self, **form: str) -> tuple[int, Any]:
        given = {"grant_type": "client_credentials", "client_id": "sandbox-client", "client_secret": "sandbox-secret"}
        status, told = self.ask("POST", "/services/oauth2/token", urlencode(given | form))
        self.token = told.get("access_token", "") if isinstance(told, dict) else ""
        return status, told

    def api(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        if not self.token:
            self.login()
        path = f"/services/data/v64.0/{path}"
        return self.ask(method, path, body, Authorization=f"Bearer {self.token}", **headers)

    def query(self, soql: str) -> Any:
        status, told = self.api("GET", f"query?q={quote_plus(soql)}")
        assert status == 200, told
        return told

    def update(self, *rows: dict[str, Any], name: str = "Contact") -> list[dict[str, Any]]:
        records = [{"attributes": {"type": name}, **row} for row in rows]
        status, told = self.api("PATCH", "composite/sobjects", {"allOrNone": False, "records": records})
        assert status == 200, told
        return list(told)


@pytest.fixture
def open_org() -> Iterator[Callable[..., Sales]]:
    servers: list[SandboxServer] = []

    def open_one(**knobs: Any) -> Sales:
        org = SandboxOrg(**knobs)
        server = SandboxServer(templates=[], tenants=[org])
        server.start()
        servers.append(server)
        return Sales(org, server)

    yield open_one
    for server in servers:
        server.close()


@pytest.fixture
def sales(open_org: Callable[..., Sales]) -> Sales:
    return open_org()


class Admin:
    """Asks a stand-in shop as an app would."""

    def __init__(self, shop: SandboxShop, server: SandboxServer) -> None:
        self.shop = shop
        self.server = server
        self.token = "shpat_sandbox"

    def ask(self, method: str, path: str, document: Any = None, **headers: str) -> tuple[int, Any]:
        body = json.dumps(document).encode() if document is not None else None
        connection = http.client.HTTPConnection(urlsplit(self.server.url).netloc, timeout=PATIENCE)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **headers})
            answer = connection.getresponse()
            text = answer.read()
            self.location = answer.getheader("Location", "")
            return answer.status, json.loads(text) if "json" in answer.getheader("Content-Type", "") and text else text
        finally:
            connection.close()

    def login(self, **more: str) -> tuple[int, Any]:
        given = {"client_id": "sandbox-client", "client_secret": "sandbox-secret"}
        status, told = self.ask("POST", "/admin/oauth/access_token", given | more)
        self.token = told.get("access_token", self.token)
        return status, told

    def post(self, query: str, variables: Any = None, **more: Any) -> tuple[int, Any]:
        document = {"query": query, "variables": variables or {}} | more
        return self.ask("POST", "/admin/api/2026-10/graphql.json", document, **{"X-Shopify-Access-Token": self.token})

    def data(self, query: str, variables: Any = None) -> Any:
        status, told = self.post(query, variables)
        assert status == 200, told
        assert "errors" not in told, told
        return told["data"]


@pytest.fixture
def open_shop() -> Iterator[Callable[..., Admin]]:
    servers: list[SandboxServer] = []

    def open_one(**knobs: Any) -> Admin:
        shop = SandboxShop(**knobs)
        server = SandboxServer(templates=[], tenants=[shop])
        server.start()
        servers.append(server)
        return Admin(shop, server)

    yield open_one
    for server in servers:
        server.close()


@pytest.fixture
def admin(open_shop: Callable[..., Admin]) -> Admin:
    return open_shop()
